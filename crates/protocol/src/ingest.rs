//! Ingest: the one path from authentic records to the store.
//!
//! Invariant: nothing else in the workspace calls `Store::put_record`, `put_payload`,
//! `put_identity` or `put_feed`. What is admitted is a pure function of what is held: a
//! record stands on the shelf if its chain is whole, its feed does not fork at or before
//! it, and the identity log names its signer.
//! Not here: decoding and signatures (`baraza-record`), penalties (`service`).
//! Spec: docs/PROTOCOL.md, section 4.

use baraza_identity::{EventError, Log, LogError, SignedEvent};
use baraza_record::{
    CentreId, FeedId, Payload, PublicKey, RecordError, RecordId, Seq, SignedRecord, Timestamp,
    VerifiedRecord,
};

use crate::{
    net::Verdict,
    store::{
        BodyState, Branch, Entry, FeedHead, FeedState, PAGE_MAX, Place, SignatureState, Store,
        StoreError, StoreRead,
    },
};

/// Most records that are kept of one feed whose signer's authority is not known.
///
/// Its identity log normally travels ahead of it; what is held meanwhile is bounded so
/// that inventing feeds costs the inventor more than us. Source: docs/LIMITS.md.
pub const HELD_PER_FEED_MAX: u64 = 256;

/// Most feeds that are kept while nothing of them is admitted, for the same reason.
pub const HELD_FEEDS_MAX: usize = 256;

/// Why bytes were refused. Every variant but the two of newer versions is the sender's doing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A record is not authentic.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// An identity event is refused.
    #[error(transparent)]
    Event(#[from] EventError),
    /// An identity log is refused.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A message does not decode.
    #[error("message does not decode: {0}")]
    Message(#[from] baraza_record::codec::DecodeError),
}

/// Why ingest stopped.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The sender's fault; nothing was written.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Our disk's fault.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of a range of records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Records that are new.
    pub inserted: u64,
    /// Records that were held already, or that tell nothing new of a feed that forks.
    pub duplicates: u64,
    /// Bodies that were missing and came.
    pub bodies: u64,
    /// New records that are not on the shelf: their authority is not known yet.
    pub held: u64,
    /// Records of unknown authority beyond a limit, or that would make such a feed fork: not
    /// kept, may be asked for later.
    pub deferred: u64,
    /// First position that is lacking before the range: nothing of it was kept.
    pub gap: Option<Seq>,
    /// The chain held and the range part below this position, and where is not known.
    pub diverged: Option<Seq>,
    /// The feed was found to fork at this position.
    pub forked: Option<Seq>,
}

impl Rejection {
    /// Returns what gossip should do with the message.
    pub fn verdict(&self) -> Verdict {
        use baraza_record::HeaderError;
        match self {
            // Perhaps we are the old ones: pass it by, and blame nobody.
            Self::Record(RecordError::Header(HeaderError::UnknownVersion { .. }))
            | Self::Event(EventError::Newer { .. })
            | Self::Log(LogError::Event(EventError::Newer { .. })) => Verdict::Ignore,
            // No honest node sends these.
            Self::Record(_) | Self::Event(_) | Self::Log(_) | Self::Message(_) => Verdict::Reject,
        }
    }
}

/// Keeps a contiguous range of one feed, or a single record.
///
/// Whatever is new of it is kept, also on a second copy: a missing body, a missing or
/// unchecked signature. Call `Store::commit` afterwards.
///
/// # Errors
///
/// [`StoreError`]. A record in the wrong place is not an error but part of [`Ingested`].
pub fn ingest_range<S: Store>(
    store: &mut S,
    records: &[VerifiedRecord],
    now: Timestamp,
) -> Result<Ingested, StoreError> {
    let mut done = Ingested::default();
    let Some(first) = records.first() else { return Ok(done) };
    let feed = first.feed();
    let before = store.feed(&feed)?;
    let log = log_of(store, &first.header().centre)?;
    let authority = Authority { log: log.as_ref() };
    if before.is_none() && !authority.names(&first.header().signer) && held_feeds_full(store)? {
        done.deferred = records.len() as u64;
        return Ok(done);
    }
    let state = before.clone().unwrap_or_else(|| FeedState::empty(feed, first));
    if state.fork.is_none() && state.chain.seq + 1 < first.header().seq {
        done.gap = Some(state.chain.seq + 1);
        return Ok(done);
    }
    let mut placing = Placing { store: &mut *store, feed, state, authority, now, done };
    for record in records {
        placing.place(record)?;
        if placing.done.diverged.is_some() {
            break;
        }
    }
    let Placing { mut state, done, .. } = placing;
    settle(store, feed, &mut state, before.as_ref().map_or(0, |state| state.shelf.seq))?;
    if before.as_ref() != Some(&state) && state.chain.seq != 0 {
        store.put_feed(&feed, &state)?;
    }
    Ok(done)
}

/// Verifies and keeps a signed identity event; returns its centre, and whether it is new.
///
/// Records of the centre that waited for it are admitted in the same commit.
///
/// # Errors
///
/// [`IngestError`].
pub fn ingest_identity<S: Store>(
    store: &mut S,
    signed: &[u8],
) -> Result<(CentreId, bool), IngestError> {
    let event = SignedEvent::decode(signed).map_err(Rejection::from)?;
    let centre = CentreId(event.id().0);
    if !store.identity(&centre)?.is_empty() {
        return Ok((centre, false));
    }
    event.verify().map_err(Rejection::from)?;
    store.put_identity(&centre, event.event().seq, &event.id(), signed)?;
    for feed in store.feeds_of(&centre)? {
        let Some(mut state) = store.feed(&feed)? else { continue };
        let before = state.clone();
        admit_held(store, feed, &mut state)?;
        settle(store, feed, &mut state, before.shelf.seq)?;
        for seq in before.shelf.seq + 1..=state.shelf.seq {
            store.touch(&Place { feed, seq, branch: Branch::Main })?;
        }
        if state != before {
            store.put_feed(&feed, &state)?;
        }
    }
    Ok((centre, true))
}

/// Keeps the body of a record that is held without one. Returns whether it was wanted.
///
/// # Errors
///
/// [`IngestError::Rejected`] if it is not the body that the record commits to.
pub fn ingest_body<S: Store>(
    store: &mut S,
    place: &Place,
    payload: &Payload,
) -> Result<bool, IngestError> {
    let missing = |entry: &Entry| entry.body == BodyState::Missing;
    if !store.entry(place)?.as_ref().is_some_and(missing) {
        return Ok(false);
    }
    let Some(record) = store.record(place)? else { return Ok(false) };
    if !payload.fits(record.header()) {
        return Err(Rejection::Record(RecordError::Payload { seq: place.seq }).into());
    }
    store.put_payload(place, payload)?;
    Ok(true)
}

/// Reads the identity log of a centre, if one is held. Its signatures were checked when it
/// was kept.
///
/// # Errors
///
/// [`StoreError::Damaged`] if what is held is not a log.
pub fn log_of(
    store: &(impl StoreRead + ?Sized),
    centre: &CentreId,
) -> Result<Option<Log>, StoreError> {
    let events = store.identity(centre)?;
    if events.is_empty() {
        return Ok(None);
    }
    let log = Log::from_kept(&events).map_err(|error| StoreError::Damaged {
        what: format!("identity log of centre {centre}: {error}"),
    })?;
    Ok(Some(log))
}

/// Whom the log that is held lets sign.
struct Authority<'a> {
    log: Option<&'a Log>,
}

impl Authority<'_> {
    fn admits(&self, record: &SignedRecord) -> bool {
        let header = record.header();
        self.log
            .is_some_and(|log| log.capabilities(&header.signer, &header.identity_head).is_some())
    }

    /// Returns whether the key is known to be the centre's at all. Only then is a second
    /// record at one place a fork: before that, keeping it would cost its inventor nothing.
    fn names(&self, signer: &PublicKey) -> bool {
        self.log.is_some_and(|log| log.names(signer))
    }
}

/// Returns whether as many feeds as may be are kept with nothing of them on the shelf.
fn held_feeds_full(store: &(impl StoreRead + ?Sized)) -> Result<bool, StoreError> {
    let (mut held, mut after) = (0, None);
    loop {
        let page = store.feeds(after, PAGE_MAX)?;
        for feed in &page {
            let state = store.feed(feed)?;
            held += usize::from(state.is_some_and(|state| state.shelf.seq == 0));
        }
        after = page.last().copied();
        if HELD_FEEDS_MAX <= held || page.len() < PAGE_MAX {
            return Ok(HELD_FEEDS_MAX <= held);
        }
    }
}

impl FeedState {
    fn empty(feed: FeedId, record: &SignedRecord) -> Self {
        let header = record.header();
        let start = FeedHead { seq: 0, id: RecordId(feed.0) };
        Self {
            centre: header.centre,
            signer: header.signer,
            audience: header.audience.clone(),
            chain: start,
            shelf: start,
            fork: None,
        }
    }

    /// Returns whether the record at this place of the feed is on the shelf.
    pub fn admits(&self, place: &Place) -> bool {
        place.branch == Branch::Main && place.seq <= self.shelf.seq
    }
}

/// A range on its way into a feed.
struct Placing<'a, S> {
    store: &'a mut S,
    feed: FeedId,
    state: FeedState,
    authority: Authority<'a>,
    now: Timestamp,
    done: Ingested,
}

impl<S: Store> Placing<'_, S> {
    /// Puts one record where it belongs and moves the chain, and the shelf if it can follow.
    fn place(&mut self, record: &VerifiedRecord) -> Result<(), StoreError> {
        let header = record.header();
        let seq = header.seq;
        if seq <= self.state.chain.seq {
            return self.meet(record);
        }
        // After a fork only its evidence is kept: which branch goes on is the author's to say.
        if self.state.fork.is_some() {
            return self.keep_evidence(record, false);
        }
        // One before it was not kept.
        if seq != self.state.chain.seq + 1 {
            self.done.deferred += 1;
            return Ok(());
        }
        if header.prev != self.state.chain.id {
            self.done.diverged = Some(seq);
            return Ok(());
        }
        let state = &self.state;
        let admitted = state.shelf == state.chain && self.authority.admits(record);
        if !admitted && HELD_PER_FEED_MAX <= state.chain.seq - state.shelf.seq {
            self.done.deferred += 1;
            return Ok(());
        }
        self.store.put_record(record, Branch::Main, self.now)?;
        self.state.chain = FeedHead { seq, id: record.id() };
        self.done.inserted += 1;
        match admitted {
            true => self.state.shelf = self.state.chain,
            false => self.done.held += 1,
        }
        Ok(())
    }

    /// Compares a record with the one that is held at its place.
    fn meet(&mut self, record: &VerifiedRecord) -> Result<(), StoreError> {
        let header = record.header();
        let (feed, seq) = (self.feed, header.seq);
        let main = Place { feed, seq, branch: Branch::Main };
        let Some(entry) = self.store.entry(&main)? else {
            return Err(StoreError::Damaged { what: format!("no entry for {feed} at {seq}") });
        };
        if entry.id == record.id() {
            self.done.duplicates += 1;
            return complete(self.store, &main, &entry, record, &mut self.done);
        }
        if !self.authority.names(&header.signer) {
            self.done.deferred += 1;
            return Ok(());
        }
        let lowest = self.state.fork.is_none_or(|known| seq < known);
        self.keep_evidence(record, lowest)?;
        if lowest {
            self.state.fork = Some(seq);
            self.done.forked = Some(seq);
        }
        Ok(())
    }

    /// Keeps a record of the other branch if it shows that the feed forks, or if it leads
    /// from such a record to a signature that proves it. A third branch shows nothing more.
    fn keep_evidence(&mut self, record: &VerifiedRecord, lowest: bool) -> Result<(), StoreError> {
        let other = Place { feed: self.feed, seq: record.header().seq, branch: Branch::Other };
        match self.store.entry(&other)? {
            Some(entry) if entry.id == record.id() => {
                self.done.duplicates += 1;
                complete(self.store, &other, &entry, record, &mut self.done)
            }
            None if lowest || self.leads_on(record)? => {
                self.done.inserted += 1;
                self.store.put_record(record, Branch::Other, self.now)
            }
            _ => {
                self.done.duplicates += 1;
                Ok(())
            }
        }
    }

    fn leads_on(&self, record: &VerifiedRecord) -> Result<bool, StoreError> {
        let header = record.header();
        let before = Place { feed: self.feed, seq: header.seq - 1, branch: Branch::Other };
        let before = self.store.entry(&before)?;
        Ok(before.is_some_and(|entry| {
            entry.id == header.prev && entry.signature != SignatureState::Checked
        }))
    }
}

/// Adds what a second copy of a record has and the held one lacks.
fn complete<S: Store>(
    store: &mut S,
    place: &Place,
    entry: &Entry,
    record: &VerifiedRecord,
    done: &mut Ingested,
) -> Result<(), StoreError> {
    if let (BodyState::Missing, Some(payload)) = (entry.body, record.payload()) {
        store.put_payload(place, payload)?;
        done.bodies += 1;
    }
    if let (true, true, Some(signature)) =
        (entry.signature != SignatureState::Checked, record.has_own_signature(), record.signature())
    {
        store.put_signature(place, signature)?;
    }
    Ok(())
}

/// Moves the shelf over records that are held and whose signer is now named.
fn admit_held<S: Store>(store: &S, feed: FeedId, state: &mut FeedState) -> Result<(), StoreError> {
    let log = log_of(store, &state.centre)?;
    let authority = Authority { log: log.as_ref() };
    while state.shelf.seq < state.chain.seq {
        let seq = state.shelf.seq + 1;
        let place = Place { feed, seq, branch: Branch::Main };
        let Some(record) = store.record(&place)? else { break };
        if !authority.admits(&record) {
            break;
        }
        state.shelf = FeedHead { seq, id: record.id() };
    }
    Ok(())
}

/// Ends the shelf before a fork, and renumbers every record whose standing changed.
fn settle<S: Store>(
    store: &mut S,
    feed: FeedId,
    state: &mut FeedState,
    shelf_before: Seq,
) -> Result<(), StoreError> {
    if let Some(fork) = state.fork
        && fork <= state.shelf.seq
    {
        let seq = fork - 1;
        let place = Place { feed, seq, branch: Branch::Main };
        let id = match store.entry(&place)? {
            Some(entry) => entry.id,
            None => RecordId(feed.0),
        };
        state.shelf = FeedHead { seq, id };
    }
    // New records have a fresh number anyway; these were numbered under another standing.
    let lost = state.shelf.seq + 1..=shelf_before;
    for seq in lost {
        store.touch(&Place { feed, seq, branch: Branch::Main })?;
    }
    Ok(())
}
