//! Attachments: what people ask for, whom peers are asked, what comes.
//!
//! Invariant: no peer is asked for a file while records are being caught up with it, and none
//! that is not entitled to the record that lists it. Room on the disk is made before a file is
//! wanted, never by policy alone.
//! Not here: which records list which files (`listings`), the state machine (`attachments`).
//! Spec: docs/PROTOCOL.md, section 6.8.

use baraza_record::{
    FileHash, Timestamp,
    attachment::{ATTACHMENT_BYTES_MAX, VerifiedPart},
};

use crate::{
    attachments::{
        self, Ask, Asked, Fetcher, FileCommand, FileCounts, FileReply, FileRow, Origin, PutRows,
        Rows, Taken, WantRow,
    },
    budget::Purpose,
    command::{Refusal, Reply},
    ingest::Rejection,
    net::{NetEffect, Peer, RequestId, Verdict},
    screen::Screened,
    store::{HeldFile, PAGE_MAX, Place, Store, StoreError},
    wire::{Answer, Request},
};

use super::{Service, budget::LATER_MAX_MS};

/// Wait before anything is fetched again once the disk was found full (1 min).
const NO_ROOM_MS: u64 = 60_000;

/// What the service knows of attachments.
#[derive(Debug, Default)]
pub(super) struct Attachments {
    pub(super) fetcher: Fetcher,
    /// Last change that was looked at for lists.
    pub(super) position: u64,
    /// The same, as it was written down.
    pub(super) noted: u64,
    /// Whether more is to be looked at than one turn does.
    pub(super) behind: bool,
    /// Files of which a retraction waits for its day, in order.
    pub(super) due: std::collections::BTreeSet<(Timestamp, Place)>,
    /// Bytes of whole files that may make room, unless something has changed.
    pub(super) droppable: Option<u64>,
    /// Until when nothing is fetched because the disk is full.
    no_room_until: Timestamp,
}

impl Attachments {
    /// Takes up what was wanted when the node stopped.
    pub(super) fn new<S: Store>(store: &S) -> Result<Self, StoreError> {
        let rows = Rows(store);
        let mut fetcher = Fetcher::default();
        for (hash, row) in rows.wants()? {
            fetcher.want(hash, row, store.attachment(&hash)?.as_ref());
        }
        let epoch = store.epoch();
        let position = rows.position()?.filter(|(of, _)| *of == epoch).map_or(0, |(_, at)| at);
        let due = rows.due()?.into_iter().collect();
        let (noted, behind) = (position, true);
        Ok(Self { fetcher, position, noted, behind, due, ..Self::default() })
    }
}

impl<S: Store> Service<S> {
    /// Returns whether something may be fetched now; `asked` by somebody here, or by policy.
    fn may_fetch_attachments(&self, asked: bool) -> bool {
        let purpose = if asked { Purpose::Asked } else { Purpose::Background };
        self.read_only.is_none()
            && self.attachments.no_room_until <= self.now
            && self.spending.budget.held(purpose, self.now).is_none()
    }

    /// Returns whether records are caught up with a peer as far as they will be now.
    fn is_caught_up(&self, peer: &Peer) -> bool {
        let compared = |link: &super::links::Link| !link.shared.is_empty();
        !self.sessions.contains_key(peer) && self.links.up.get(peer).is_some_and(compared)
    }

    /// Asks peers for parts of what is wanted, as far as requests may be under way.
    pub(super) fn fetch_attachments(&mut self) -> Result<(), StoreError> {
        let up = &self.links.up;
        self.attachments.fetcher.tidy(self.now, |peer| up.contains_key(peer));
        let mut peers: Vec<_> = self.links.up.keys().copied().collect();
        peers.retain(|peer| self.is_caught_up(peer) && !self.links.banned(peer, self.now));
        // One part of each peer in turn, so that several give parts of one file.
        while let Some(peer) = peers.pop() {
            if let Some((scope, ask)) = self.next_part(&peer)? {
                self.last_request += 1;
                let request = self.last_request;
                self.attachments.fetcher.sent(request, peer, &ask, self.now);
                let WantRow { feed, seq, index, .. } = ask.row;
                let asked = Asked { feed, seq, index, from: ask.from, count: ask.count };
                let bytes = Request::Attachment(scope, asked).encode();
                self.net(NetEffect::Request { peer, request, bytes });
                peers.insert(0, peer);
            }
        }
        Ok(())
    }

    /// Returns a part to ask a peer for, and how the shelf with its record is named to it.
    fn next_part(&self, peer: &Peer) -> Result<Option<(crate::wire::Scope, Ask)>, StoreError> {
        let Some(link) = self.links.up.get(peer) else { return Ok(None) };
        let ours = &self.config.centre;
        let mut failure = None;
        let mut scope = |row: &WantRow| match self.store.feed(&row.feed) {
            Ok(Some(state)) => {
                let shelf = link.shared.iter().find(|shelf| shelf.holds_feed(ours, &state))?;
                self.ours.scope(shelf, peer)
            }
            Ok(None) => None,
            Err(error) => {
                failure = Some(error);
                None
            }
        };
        let may = |row: &WantRow| self.may_fetch_attachments(row.asked) && scope(row).is_some();
        let ask = self.attachments.fetcher.next(peer, self.now, may);
        let found = ask.and_then(|ask| Some((scope(&ask.row)?, ask)));
        failure.map_or(Ok(found), Err)
    }

    /// Takes an answer to a request for a part.
    pub(super) fn attachment_answered(
        &mut self,
        peer: Peer,
        request: RequestId,
        answer: Result<Screened, Rejection>,
    ) -> Result<(), StoreError> {
        let (now, fetcher) = (self.now, &mut self.attachments.fetcher);
        match answer {
            Ok(Screened::Attachment(part)) => {
                match fetcher.answered(request, part.as_deref(), now) {
                    Taken::Part => {
                        if let Some(part) = part {
                            self.keep_part(&part)?;
                        }
                    }
                    Taken::Nothing => (),
                    Taken::Offence => self.offended(peer),
                }
            }
            Ok(Screened::Plain(Answer::Busy | Answer::Unknown)) => fetcher.failed(request, now),
            Ok(Screened::Plain(Answer::Later(seconds))) => {
                let wait_ms = u64::from(seconds).saturating_mul(1_000).min(LATER_MAX_MS);
                fetcher.later(request, now.plus_ms(wait_ms));
            }
            Err(rejection) if rejection.verdict() == Verdict::Ignore => {
                fetcher.failed(request, now);
            }
            Ok(_) | Err(_) => {
                fetcher.violated(request, now);
                self.offended(peer);
            }
        }
        self.fetch_attachments()
    }

    /// Keeps a part that came, and notes the file if that was the last one.
    fn keep_part(&mut self, part: &VerifiedPart) -> Result<(), StoreError> {
        let hash = part.hash();
        match self.store.put_attachment(part) {
            Ok(()) => (),
            Err(StoreError::DiskFull { .. }) => {
                self.attachments.fetcher.not_kept(part);
                self.attachments.no_room_until = self.now.plus_ms(NO_ROOM_MS);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        let held = self.store.attachment(&hash)?;
        if held.is_none_or(|held| !is_whole(&held)) {
            return Ok(());
        }
        let Some(want) = Rows(&self.store).want(&hash)? else { return Ok(()) };
        self.attachments.fetcher.forget(&hash);
        self.attachments.droppable = None;
        self.store.put_want(&hash, None)?;
        let Some(state) = self.store.feed(&want.feed)? else { return Ok(()) };
        let origin =
            Origin { centre: state.centre, audience: Some(state.audience), guessed: false };
        let (pinned, used_ms) = (want.pin, self.now);
        self.store.put_file(&hash, Some(&FileRow { origin, pinned, evicted: false, used_ms }))?;
        tracing::debug!(file = %hash.short(), "attachment is here");
        Ok(())
    }

    /// Does what people ask for.
    pub(super) fn file_command(&mut self, command: FileCommand) -> Result<Reply, Refusal> {
        if let Some(why) = self.read_only.clone() {
            return Err(Refusal::Store(StoreError::ReadOnly { why }));
        }
        self.attachments.droppable = None;
        let hash = match command {
            FileCommand::Keep(part) => self.keep_own(&part)?,
            FileCommand::Fetch { place, index, pin } => self.want_file(&place, index, pin)?,
            FileCommand::Stop(hash) => {
                self.stop_wanting(&hash)?;
                hash
            }
            FileCommand::Pin { hash, pinned } => {
                let row = Rows(&self.store).file(&hash)?;
                let row = row.ok_or(Refusal::NoFile { hash })?;
                self.store.put_file(&hash, Some(&FileRow { pinned, ..row }))?;
                hash
            }
            FileCommand::Discard(hash) => {
                // A record that lists it may not have been looked at yet.
                if !self.attachments.behind {
                    self.drop_unlisted(&hash)?;
                }
                hash
            }
            FileCommand::Used(hash) => {
                if let Some(row) = Rows(&self.store).file(&hash)? {
                    let used_ms = self.now;
                    self.store.put_file(&hash, Some(&FileRow { used_ms, ..row }))?;
                }
                hash
            }
        };
        let whole = self.store.attachment(&hash)?.as_ref().is_some_and(is_whole);
        let wanted = self.attachments.fetcher.wants(&hash);
        self.fetch_attachments()?;
        Ok(Reply::File(FileReply { whole, wanted }))
    }

    /// Keeps a part of a file that somebody here brought.
    fn keep_own(&mut self, part: &VerifiedPart) -> Result<FileHash, Refusal> {
        let (hash, bytes) = (part.hash(), part.bytes());
        if ATTACHMENT_BYTES_MAX < bytes {
            return Err(Refusal::FileTooLarge { bytes, limit: ATTACHMENT_BYTES_MAX });
        }
        self.drop_other_length(&hash, bytes)?;
        self.store.put_attachment(part)?;
        let ours = Origin { centre: self.config.centre, audience: None, guessed: false };
        // One that came from others before stays for those for whom it came.
        let origin = Rows(&self.store).file(&hash)?.map_or(ours, |row| row.origin);
        let row = FileRow { origin, pinned: true, evicted: false, used_ms: self.now };
        self.store.put_file(&hash, Some(&row))?;
        if self.store.attachment(&hash)?.as_ref().is_some_and(is_whole) {
            self.attachments.fetcher.forget(&hash);
            self.store.put_want(&hash, None)?;
        }
        Ok(hash)
    }

    /// Wants a file that somebody here asks for.
    fn want_file(&mut self, place: &Place, index: u16, pin: bool) -> Result<FileHash, Refusal> {
        let none = || Refusal::NoSuchItem { index: u32::from(index) + 1 };
        let record = self.store.record(place)?.ok_or_else(none)?;
        let listed = attachments::list_of(&record).into_iter().nth(index.into());
        let listed = listed.ok_or_else(none)?;
        let (hash, bytes) = (listed.hash, listed.bytes);
        if attachments::is_gone(&self.store, &hash, place, index)? {
            return Err(Refusal::FileGone { hash });
        }
        if ATTACHMENT_BYTES_MAX < bytes {
            return Err(Refusal::FileTooLarge { bytes, limit: ATTACHMENT_BYTES_MAX });
        }
        let held = self.store.attachment(&hash)?;
        if held.as_ref().is_some_and(is_whole) {
            if let Some(row) = Rows(&self.store).file(&hash)? {
                let (pinned, used_ms) = (row.pinned || pin, self.now);
                self.store.put_file(&hash, Some(&FileRow { pinned, used_ms, ..row }))?;
            }
            return Ok(hash);
        }
        self.drop_other_length(&hash, bytes)?;
        let quota = self.gate.attachments().quota_bytes;
        if !pin && !self.make_room(&hash, bytes, quota, true)? {
            return Err(Refusal::OverQuota { bytes, quota });
        }
        let (feed, seq, since_ms) = (place.feed, place.seq, self.now);
        let row = WantRow { feed, seq, index, bytes, asked: true, pin, since_ms };
        match self.want(hash, row)? {
            true => Ok(hash),
            false => Err(Refusal::Busy),
        }
    }

    /// Wants a file. Returns false if too many are wanted already.
    pub(super) fn want(&mut self, hash: FileHash, row: WantRow) -> Result<bool, StoreError> {
        let held = self.store.attachment(&hash)?;
        let wanted = self.attachments.fetcher.want(hash, row, held.as_ref());
        self.store.put_want(&hash, wanted.then_some(&row))?;
        Ok(wanted)
    }

    fn stop_wanting(&mut self, hash: &FileHash) -> Result<(), StoreError> {
        self.attachments.fetcher.forget(hash);
        self.store.put_want(hash, None)?;
        if self.store.attachment(hash)?.is_some_and(|held| !is_whole(&held)) {
            self.store.drop_attachment(hash)?;
        }
        Ok(())
    }

    /// Drops part of a file that a record said to be of another length: it never would be whole.
    fn drop_other_length(&mut self, hash: &FileHash, bytes: u64) -> Result<(), StoreError> {
        match self.store.attachment(hash)? {
            Some(held) if !is_whole(&held) && held.bytes != bytes => {
                self.store.drop_attachment(hash)
            }
            _ => Ok(()),
        }
    }

    /// Returns whether there is room for a file among those that are neither pinned nor ours; if
    /// it `may`, drops those that were not used for longest.
    pub(super) fn make_room(
        &mut self,
        hash: &FileHash,
        bytes: u64,
        quota: u64,
        may: bool,
    ) -> Result<bool, StoreError> {
        let wanted = self.attachments.fetcher.bytes_beside(hash);
        let Some(room) = quota.checked_sub(bytes).and_then(|room| room.checked_sub(wanted)) else {
            return Ok(false);
        };
        if let Some(taken) = self.attachments.droppable.filter(|_| !may) {
            return Ok(taken <= room);
        }
        let mut others = self.droppable(hash)?;
        let mut taken: u64 = others.iter().map(|(_, _, bytes, _)| bytes).sum();
        self.attachments.droppable = Some(taken);
        if !may {
            return Ok(taken <= room);
        }
        others.sort_unstable_by_key(|(used, other, ..)| (*used, *other));
        for (_, other, bytes, row) in others {
            if taken <= room {
                break;
            }
            self.store.drop_attachment(&other)?;
            self.store.put_file(&other, Some(&FileRow { evicted: true, ..row }))?;
            taken -= bytes;
        }
        self.attachments.droppable = None;
        Ok(true)
    }

    /// Returns the whole files that may make room for `hash`: when they were used, and how long
    /// they are.
    fn droppable(
        &self,
        hash: &FileHash,
    ) -> Result<Vec<(Timestamp, FileHash, u64, FileRow)>, StoreError> {
        let mut files = Vec::new();
        for (other, row) in Rows(&self.store).files()? {
            if row.pinned || other == *hash || self.is_ours(&other, &row)? {
                continue;
            }
            if let Some(held) = self.store.attachment(&other)?.filter(is_whole) {
                files.push((row.used_ms, other, held.bytes, row));
            }
        }
        Ok(files)
    }

    /// Returns whether our centre publishes a file.
    fn is_ours(&self, hash: &FileHash, row: &FileRow) -> Result<bool, StoreError> {
        if row.origin.centre == self.config.centre {
            return Ok(true);
        }
        for listing in Rows(&self.store).listings(hash)? {
            let state = self.store.feed(&listing.place.feed)?;
            if !listing.gone && state.is_some_and(|state| state.centre == self.config.centre) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Checks that all files that a record lists are here.
    pub(super) fn has_files(&self, record: &baraza_record::SignedRecord) -> Result<(), Refusal> {
        for listed in attachments::list_of(record) {
            let held = self.store.attachment(&listed.hash)?;
            if !held.is_some_and(|held| is_whole(&held) && held.bytes == listed.bytes) {
                return Err(Refusal::NoFile { hash: listed.hash });
            }
        }
        Ok(())
    }

    /// Returns the files in numbers.
    pub(super) fn file_counts(&self) -> Result<FileCounts, StoreError> {
        let (wanted, wanted_bytes) = self.attachments.fetcher.totals();
        let no_room = self.now < self.attachments.no_room_until;
        let mut counts = FileCounts { wanted, wanted_bytes, no_room, ..FileCounts::default() };
        let mut after = None;
        loop {
            let page = self.store.attachments(after, PAGE_MAX)?;
            for (_, held) in &page {
                counts.whole += usize::from(is_whole(held));
                counts.bytes += held.bytes_held();
            }
            after = page.last().map(|(hash, _)| *hash);
            if page.len() < PAGE_MAX {
                return Ok(counts);
            }
        }
    }
}

/// Returns whether all groups are here, perhaps not committed yet.
pub(super) fn is_whole(held: &HeldFile) -> bool {
    held.groups.as_ref().is_none_or(|groups| !groups.contains(&false))
}
