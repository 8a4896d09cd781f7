//! Which records list which files: the service follows the changes of the store.
//!
//! Invariant: a file goes from the disk when no record that is held lists it any more because the
//! last one was erased, and is not fetched again.
//! Not here: fetching (`attachments`), deleting texts (`erasures`).
//! Spec: docs/PROTOCOL.md, sections 4.6 and 6.8.

use baraza_record::{
    FileHash, Kind, Timestamp,
    attachment::{ATTACHMENT_BYTES_MAX, Listed},
};

use crate::{
    attachments::{self, FileRow, Origin, PutRows, Rows, WantRow},
    store::{BodyState, Branch, Entry, FeedState, Place, Store, StoreError},
    stream::place_of,
};

use super::{Service, attachments::is_whole};

/// Most changes of the store that one turn looks at for lists of files.
const LISTS_CHANGES_MAX: usize = 256;

/// Wait between two turns while there is more to do (50 ms): others need the service too.
const PAUSE_MS: u64 = 50;

/// Changes without a list of files after which the position is written down.
const NOTE_EVERY: u64 = 10_000;

impl<S: Store> Service<S> {
    /// Returns when to look at lists of files again at the latest.
    pub(super) fn next_lists(&self) -> Timestamp {
        let due = self.attachments.due.first().map(|(due, _)| *due);
        let soon = self.now.plus_ms(PAUSE_MS);
        let due = due.map(|due| due.max(soon));
        let behind = self.attachments.behind.then_some(soon);
        due.into_iter().chain(behind).min().unwrap_or(Timestamp(u64::MAX))
    }

    /// Looks at what was committed since the last time, and drops what must go.
    pub(super) fn follow_lists(&mut self) -> Result<(), StoreError> {
        if self.read_only.is_some() {
            self.attachments.behind = false;
            return Ok(());
        }
        let mut changed = false;
        let changes = self.store.changes(self.attachments.position, LISTS_CHANGES_MAX)?;
        for (change, place) in &changes {
            changed |= self.look_at_lists(place)?;
            self.attachments.position = *change;
        }
        self.attachments.behind = changes.len() == LISTS_CHANGES_MAX;
        while let Some((due, place)) = self.attachments.due.first().copied()
            && due <= self.now
        {
            self.attachments.due.pop_first();
            self.store.put_due(due, &place, false)?;
            self.look_at_lists(&place)?;
            changed = true;
        }
        let position = self.attachments.position;
        if changed || NOTE_EVERY <= position.saturating_sub(self.attachments.noted) {
            self.store.put_position((self.store.epoch(), position))?;
            self.attachments.noted = position;
            self.store.commit()?;
        }
        Ok(())
    }

    /// Has all lists looked at again: the policy about them has changed.
    pub(super) fn look_at_all_lists(&mut self) {
        (self.attachments.position, self.attachments.noted) = (0, 0);
        self.attachments.behind = true;
    }

    /// Looks at the record at a place. Returns whether something was put.
    fn look_at_lists(&mut self, place: &Place) -> Result<bool, StoreError> {
        if place.branch != Branch::Main {
            return Ok(false);
        }
        let Some(entry) = self.store.entry(place)? else { return Ok(false) };
        let is_retraction = entry.kind == Kind::RETRACTION && entry.body == BodyState::Present;
        if !entry.lists_files && !is_retraction {
            return Ok(false);
        }
        let Some(state) = self.store.feed(&place.feed)? else { return Ok(false) };
        let before = Rows(&self.store).listed(place)?;
        match entry.body {
            BodyState::Missing => return Ok(false),
            BodyState::Erased if before.is_empty() => return Ok(false),
            BodyState::Erased => {
                self.store.put_listed(place, &[])?;
                for hash in &before {
                    self.unlist(hash, place)?;
                }
                return Ok(true);
            }
            BodyState::Present => (),
        }
        let Some(record) = self.store.record(place)? else { return Ok(false) };
        if let (Kind::RETRACTION, Some(target)) = (entry.kind, record.header().target) {
            return match place_of(&self.store, &target)?.filter(|other| other != place) {
                Some(target) => self.look_at_lists(&target),
                None => Ok(false),
            };
        }
        let list = attachments::list_of(&record);
        if list.is_empty() && before.is_empty() {
            return Ok(false);
        }
        let hashes: Vec<_> = list.iter().map(|listed| listed.hash).collect();
        for hash in before.iter().filter(|hash| !hashes.contains(hash)) {
            self.unlist(hash, place)?;
        }
        self.store.put_listed(place, &hashes)?;
        let gone = attachments::erased(&self.store, &entry.id, &state.centre)?;
        for (index, listed) in list.iter().enumerate() {
            let index = u16::try_from(index).expect("a list has at most 256 items");
            let due = gone.iter().filter(|file| file.hash == listed.hash).map(|file| file.due);
            match due.min() {
                Some(due) if due <= self.now => self.delete(listed, place, index)?,
                due => {
                    if let Some(due) = due {
                        self.attachments.due.insert((due, *place));
                        self.store.put_due(due, place, true)?;
                    }
                    self.consider(listed, place, index, (&entry, &state))?;
                }
            }
        }
        Ok(true)
    }

    /// Notes that a record lists a file, and wants it if policy says so.
    fn consider(
        &mut self,
        listed: &Listed,
        place: &Place,
        index: u16,
        (entry, state): (&Entry, &FeedState),
    ) -> Result<(), StoreError> {
        let Listed { hash, bytes, mime, .. } = listed;
        if Rows(&self.store).listing(hash, place, index)?.is_some_and(|one| one.gone) {
            return Ok(());
        }
        self.store.put_listing(hash, place, index, Some(false))?;
        let row = Rows(&self.store).file(hash)?;
        if self.store.attachment(hash)?.as_ref().is_some_and(is_whole) {
            return self.guess_origin(hash, row, state);
        }
        let rules = self.gate.attachments();
        let comes = state.admits(place)
            && rules.fetches(*bytes, mime)
            && *bytes <= ATTACHMENT_BYTES_MAX
            && row.is_none_or(|row| !row.evicted)
            && !self.attachments.fetcher.wants(hash)
            && !self.gate.hides(&state.centre, &entry.id)
            && self.store.targeting(&entry.id)?.is_empty()
            && self.make_room(hash, *bytes, rules.quota_bytes, false)?;
        if comes {
            let (feed, seq, bytes, since_ms) = (place.feed, place.seq, *bytes, self.now);
            let row = WantRow { feed, seq, index, bytes, asked: false, pin: false, since_ms };
            self.want(*hash, row)?;
        }
        Ok(())
    }

    /// Notes for whom a file came that stands in the folder without a note: of several records
    /// that list it, one that is not for everybody decides.
    fn guess_origin(
        &mut self,
        hash: &FileHash,
        row: Option<FileRow>,
        state: &FeedState,
    ) -> Result<(), StoreError> {
        let narrower = |row: &FileRow| {
            row.origin.guessed
                && row.origin.audience == Some(baraza_record::Audience::Public)
                && state.audience != baraza_record::Audience::Public
        };
        if row.as_ref().is_some_and(|row| !narrower(row)) {
            return Ok(());
        }
        self.attachments.droppable = None;
        let (pinned, used_ms) = (row.is_some_and(|row| row.pinned), self.now);
        let audience = Some(state.audience.clone());
        let origin = Origin { centre: state.centre, audience, guessed: true };
        self.store.put_file(hash, Some(&FileRow { origin, pinned, evicted: false, used_ms }))
    }

    /// Deletes a file because its publisher asked for it, unless others list it.
    fn delete(&mut self, listed: &Listed, place: &Place, index: u16) -> Result<(), StoreError> {
        self.store.put_listing(&listed.hash, place, index, Some(true))?;
        self.drop_unlisted(&listed.hash)
    }

    /// Forgets that the record at a place lists a file.
    fn unlist(&mut self, hash: &FileHash, place: &Place) -> Result<(), StoreError> {
        for listing in Rows(&self.store).listings(hash)? {
            if listing.place == *place {
                self.store.put_listing(hash, place, listing.index, None)?;
            }
        }
        self.drop_unlisted(hash)
    }

    /// Drops a file that no record lists any more.
    pub(super) fn drop_unlisted(&mut self, hash: &FileHash) -> Result<(), StoreError> {
        if Rows(&self.store).listings(hash)?.iter().any(|listing| !listing.gone) {
            return Ok(());
        }
        tracing::debug!(file = %hash.short(), "attachment deleted");
        self.attachments.fetcher.forget(hash);
        self.attachments.droppable = None;
        self.store.put_want(hash, None)?;
        self.store.put_file(hash, None)?;
        self.store.drop_attachment(hash)
    }
}
