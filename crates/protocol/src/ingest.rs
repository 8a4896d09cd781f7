//! Ingest: the one path from authentic records to the store.
//!
//! Invariant: nothing else in the workspace calls `Store::put_record`, `put_payload`,
//! `put_identity` or `put_feed`. What is admitted is a pure function of what is held: a
//! record stands on the shelf if its chain is whole, the identity log names its signer and
//! lets the feed reach so far, and the feed does not fork at or before it.
//! Not here: decoding and signatures (`baraza-record`), penalties (`service`).
//! Spec: docs/PROTOCOL.md, section 4.

mod admission;
mod identity;
mod placing;

use baraza_identity::{EventError, Log, LogError};
use baraza_record::{
    CentreId, FeedId, Payload, RecordError, RecordId, Seq, SignedRecord, Timestamp, VerifiedRecord,
    attachment::PartError,
};

use crate::{
    net::Verdict,
    store::{
        BodyState, Branch, Entry, FeedHead, FeedState, PAGE_MAX, Place, Store, StoreError,
        StoreRead,
    },
};

use admission::Admission;
use placing::Placing;

pub use identity::{LogIngested, ingest_identity, ingest_log};

/// Most records that are kept of one feed whose signer's authority is not known.
///
/// Its identity log normally travels ahead of it; what is held meanwhile is bounded so
/// that inventing feeds costs the inventor more than us. Source: docs/LIMITS.md.
pub const HELD_PER_FEED_MAX: u64 = 256;

/// Most feeds that are kept while nothing of them is admitted, for the same reason.
pub const HELD_FEEDS_MAX: usize = 256;

/// Why bytes were refused. All but what is newer, or came before its predecessor, is the
/// sender's doing.
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
    /// A part of an attachment does not match it.
    #[error(transparent)]
    Part(#[from] PartError),
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
    /// Records that are not kept and may be asked for later: of unknown authority beyond a
    /// limit, or behind the end of their feed.
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
            | Self::Event(EventError::Newer { .. } | EventError::Orphan { .. })
            | Self::Log(LogError::Event(EventError::Newer { .. })) => Verdict::Ignore,
            // No honest node sends these.
            Self::Record(_) | Self::Event(_) | Self::Log(_) | Self::Message(_) | Self::Part(_) => {
                Verdict::Reject
            }
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
    let admission = Admission::of(log.as_ref(), &first.header().signer, &feed);
    if before.is_none() && !admission.is_named() && held_feeds_full(store)? {
        done.deferred = records.len() as u64;
        return Ok(done);
    }
    let state = before.clone().unwrap_or_else(|| FeedState::empty(feed, first));
    if state.fork.is_none() && state.chain.seq + 1 < first.header().seq {
        done.gap = Some(state.chain.seq + 1);
        return Ok(done);
    }
    let mut placing = Placing::new(&mut *store, feed, state, &admission, now)?;
    for record in records {
        placing.place(record)?;
        if placing.done.diverged.is_some() {
            break;
        }
    }
    let (mut state, mut done) = placing.into_parts();
    if admission.has_pins() || done.forked.is_some() {
        admission.settle(store, feed, &mut state, before.as_ref())?;
        done.forked = done.forked.filter(|fork| state.fork == Some(*fork));
    }
    if before.as_ref() != Some(&state) && state.chain.seq != 0 {
        store.put_feed(&feed, &state)?;
    }
    Ok(done)
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

/// Returns the country that the log of a centre states, if one is held.
///
/// # Errors
///
/// As [`log_of`].
pub fn country_of(
    store: &(impl StoreRead + ?Sized),
    centre: &CentreId,
) -> Result<Option<[u8; 2]>, StoreError> {
    Ok(log_of(store, centre)?.and_then(|log| log.state().country))
}

/// Returns the positions of a feed that forks between which the branch lies that its
/// author's log names and that is not here.
///
/// # Errors
///
/// [`StoreError`].
pub(crate) fn branch_to_fetch<S: Store>(
    store: &S,
    feed: &FeedId,
) -> Result<Option<(Seq, Seq)>, StoreError> {
    let Some(state) = store.feed(feed)? else { return Ok(None) };
    let Some(fork) = state.fork else { return Ok(None) };
    let log = log_of(store, &state.centre)?;
    let admission = Admission::of(log.as_ref(), &state.signer, feed);
    let to = admission.wanted_to(store, *feed, state.chain.seq)?;
    Ok((fork <= to).then_some((fork, to)))
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
