//! Identity events on their way into a log, and what follows for the records of its centre.
//!
//! Invariant: events of a log count as a set. What their author rules on, the keys and
//! branches of its feeds, is carried out in the same commit.
//! Spec: docs/PROTOCOL.md, sections 5.2 to 5.4.

use baraza_identity::{EventError, Join, Log, LogStanding, SignedEvent};
use baraza_reconcile::Head;
use baraza_record::{CentreId, FeedId};

use crate::store::{FeedHead, ShelfName, Store, StoreError};

use super::{Admission, IngestError, Rejection, log_of};

/// What became of events of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogIngested {
    /// Whose log.
    pub centre: CentreId,
    /// Events that are new and kept.
    pub added: u64,
    /// Events whose predecessor is not held, or that this version does not read: not kept.
    pub unread: u64,
}

/// Verifies and keeps a signed identity event; returns its centre, and whether it is new.
///
/// Records of the centre that waited for it are admitted in the same commit.
///
/// # Errors
///
/// [`IngestError`]; the event before it that is not held is a rejection that blames nobody.
pub fn ingest_identity<S: Store>(
    store: &mut S,
    signed: &[u8],
) -> Result<(CentreId, bool), IngestError> {
    let event = SignedEvent::decode(signed).map_err(Rejection::from)?;
    let (centre, seq) = (event.centre(), event.event().seq());
    let done = ingest_events(store, centre, vec![event])?;
    match done.unread {
        0 => Ok((centre, done.added != 0)),
        _ => Err(Rejection::Event(EventError::Orphan { seq }).into()),
    }
}

/// Verifies and keeps events of the log of `centre`, in any order: they may depend on each
/// other.
///
/// # Errors
///
/// [`IngestError`]: an event that no honest peer would send spoils them all.
pub fn ingest_log<S: Store>(
    store: &mut S,
    centre: CentreId,
    signed: &[Vec<u8>],
) -> Result<LogIngested, IngestError> {
    let (mut events, mut newer) = (Vec::new(), 0);
    for bytes in signed {
        match SignedEvent::decode(bytes) {
            Ok(event) if event.centre() == centre => events.push(event),
            Ok(event) => {
                let other = event.centre();
                return Err(Rejection::Log(baraza_identity::LogError::Mixed { other }).into());
            }
            Err(EventError::Newer { .. }) => newer += 1,
            Err(error) => return Err(Rejection::Event(error).into()),
        }
    }
    let mut done = ingest_events(store, centre, events)?;
    done.unread += newer;
    Ok(done)
}

fn ingest_events<S: Store>(
    store: &mut S,
    centre: CentreId,
    mut events: Vec<SignedEvent>,
) -> Result<LogIngested, IngestError> {
    let before = log_of(store, &centre)?;
    let held: Vec<SignedEvent> =
        before.iter().flat_map(|log| log.events().iter().chain(log.others())).cloned().collect();
    events.retain(|event| held.iter().all(|known| known.id() != event.id()));
    let mut done = LogIngested { centre, added: 0, unread: 0 };
    if events.is_empty() {
        return Ok(done);
    }
    let Join { log, added, dropped, refused } = Log::join(held, events);
    let orphan = |error: &EventError| matches!(error, EventError::Orphan { .. });
    if let Some(error) = refused.iter().find(|error| !orphan(error)) {
        return Err(Rejection::Event(error.clone()).into());
    }
    done.unread = refused.len() as u64;
    let Some(log) = log else { return Ok(done) };
    done.added = added.len() as u64;
    for event in &added {
        store.put_identity(&centre, event.event().seq(), &event.id(), &event.encode())?;
    }
    for event in &dropped {
        store.drop_identity(&centre, event.event().seq(), &event.id())?;
    }
    let head = head(&log);
    if store.shelf(ShelfName::Identities).get(&centre.0) != Some(&head) || before.is_none() {
        store.put_identity_head(&centre, head)?;
    }
    if before.as_ref().is_none_or(|before| before.state() != log.state()) {
        admit_again(store, before.as_ref(), &log)?;
    }
    Ok(done)
}

/// Returns where a log stands on its shelf: the events that count, and whether others
/// dispute what follows them.
fn head(log: &Log) -> Head {
    let forked = matches!(log.standing(), LogStanding::Frozen | LogStanding::Disputed);
    Head { seq: log.events().len() as u64, id: log.head().id().0, forked }
}

/// Judges the feeds of a centre again whose log has changed.
fn admit_again<S: Store>(store: &mut S, before: Option<&Log>, log: &Log) -> Result<(), StoreError> {
    // Under a log that goes on, authority that was there is there still.
    let extends = before.is_some_and(|before| log.extends(before));
    for feed in store.feeds_of(&log.id())? {
        let Some(known) = store.feed(&feed)? else { continue };
        let mut state = known.clone();
        if !extends {
            state.shelf = start(feed);
        }
        let admission = Admission::of(Some(log), &state.signer, &feed);
        admission.settle(store, feed, &mut state, Some(&known))?;
        if state != known {
            store.put_feed(&feed, &state)?;
        }
    }
    Ok(())
}

fn start(feed: FeedId) -> FeedHead {
    FeedHead { seq: 0, id: baraza_record::RecordId(feed.0) }
}
