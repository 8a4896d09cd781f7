//! One catch-up with one peer: pulling what it has and we lack.
//!
//! ```text
//! compare --equal, nothing wanted--> done
//!    |
//!    +-> what moved, or branches of the tries, or pages of heads
//!           -> identity logs -> probes -> records -> evidence -> bodies -> done
//! ```
//!
//! If both held the same once all that the peer named is here, that is the end; otherwise they
//! are compared once more.
//!
//! Every shelf that both share is walked in this way, side by side. A peer is told nothing of
//! a feed that is not on a shelf it shares: such a feed counts as not held.
//!
//! Invariant: a session ends. Each answer brings something new or uses up a task, and
//! the number of requests is bounded. What it brought is kept, however it ends.
//! Not here: when sessions start (`service`), what is admitted (`ingest`).
//! Spec: docs/PROTOCOL.md, section 6.

mod claims;
mod entry;
mod pace;
mod plan;
mod progress;
mod records;
mod settled;
mod take;
mod walk;

pub use claims::{CLAIM_MAX_MS, CLAIM_MS, Claims};
pub use pace::{BATCH_MIN, BATCH_START};
pub use progress::{Lacking, Progress};

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use baraza_record::{CentreId, FeedId, Seq, Timestamp, VerifiedRecord};

use crate::{
    entitle::{Ours, Shared},
    gate::Gate,
    ingest::IngestError,
    net::{Peer, RequestId},
    peers::Seen,
    screen::Screened,
    standing::Standing,
    store::{FeedState, Place, Store, StoreError},
    wire::{Hello, LogHead, Request, Wanted},
};

use pace::Pace;
use walk::Tree;

/// Requests under way at once: enough to hide the delay of a satellite link behind one batch.
pub const WINDOW: usize = 4;

/// Requests in a row that may fail before the session does.
pub const RETRIES_MAX: u32 = 3;

/// Answers of "busy" that one session takes; each halves the number of requests under way.
pub const BUSY_MAX: u32 = 64;

/// Most requests of one session. At 100 records a batch: a million records.
pub const REQUESTS_MAX: u32 = 10_000;

/// Most heads that one session looks at.
pub const HEADS_TOTAL_MAX: usize = 100_000;

/// Bytes of records that may wait for the ones before them (2 MiB). Beyond, they are asked
/// for again.
pub const EARLY_BYTES_MAX: usize = 2 * 1_024 * 1_024;

/// New feeds of unknown authority that one session keeps. An honest peer has none, unless
/// it is newer than this node.
pub const STRANGERS_MAX: u32 = 16;

/// How long a session waits for an answer (2 min). The network gives up earlier; this is
/// for a request that it lost.
pub const STALL_MS: u64 = 120_000;

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Both sides hold the same, and nothing is wanted that this peer has.
    Agreed,
    /// All that the peer gave is here; the sides still differ.
    Differ,
    /// The peer had too much to do.
    Busy,
    /// The peer gives nothing for so many seconds, by its own budget.
    Later(u32),
    /// Our own budget has nothing left for it, or a person paused the node.
    Held,
    /// The peer left or did not answer.
    Failed(String),
    /// The peer broke the rules.
    Violated(String),
}

/// What a session did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gains {
    /// New records.
    pub records: u64,
    /// Bodies that were missing.
    pub bodies: u64,
    /// New identity events.
    pub identities: u64,
}

/// What is known of a peer when a session with it starts.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The centre that it was proved to belong to.
    pub centre: Option<CentreId>,
    /// Shelves that it proved to share.
    pub shared: Vec<Shared>,
    /// How far it was followed; not used for what must be compared anew.
    pub seen: Option<Seen>,
    /// How both sides stood when an earlier session found nothing more to get: if that is still
    /// so, this one only compares.
    pub tried: Option<Standing>,
    /// Whether to ask whom it knows.
    pub ask_peers: bool,
}

/// One catch-up. After each call, send what [`poll_request`](Self::poll_request) gives.
#[derive(Debug)]
pub struct Session {
    peer: Peer,
    ours: Arc<Ours>,
    known: Known,
    tasks: Tasks,
    outbox: VecDeque<(RequestId, Request)>,
    asked: BTreeMap<RequestId, Asked>,
    asked_at: BTreeMap<RequestId, Timestamp>,
    arrived: BTreeMap<RequestId, Screened>,
    window: usize,
    pace: Pace,
    busy_left: u32,
    retries_left: u32,
    requests_left: u32,
    heads_left: usize,
    gains: Gains,
    bytes_done: u64,
    theirs: Option<Hello>,
    /// How far the peer is followed if nothing is left behind.
    follows: Option<Seen>,
    /// Whether something was left behind that the peer had and that we would take.
    incomplete: bool,
    /// Whether something came that is not committed yet.
    uncommitted: bool,
    /// Shelves that the peer proved to share.
    shared: Vec<Shared>,
    /// Shelves of which the heads were asked for.
    walked: BTreeSet<Shared>,
    /// On which shelf the peer lists a feed, if that is not the public one.
    listed: BTreeMap<FeedId, Shared>,
    skipped: bool,
    proved: bool,
    final_compare: bool,
    failed_parts: bool,
    given_up: BTreeSet<FeedId>,
    /// How far the peer has feeds whose chain is another one than ours.
    ends: BTreeMap<FeedId, Seq>,
    strangers: u32,
    /// Parts that came before the records that they follow.
    early: BTreeMap<(FeedId, Seq), (Wanted, Vec<VerifiedRecord>)>,
    early_bytes: usize,
    active_at: Timestamp,
    outcome: Option<Outcome>,
    /// What policy keeps out; nothing if there is none.
    gate: Option<Arc<Gate>>,
    /// Logs of centres that are new here and for which nobody vouches: asked for last.
    newcomers: VecDeque<LogHead>,
}

/// What is still to be asked, most urgent first.
#[derive(Debug, Default)]
struct Tasks {
    compare: bool,
    log_heads: Option<Option<CentreId>>,
    logs: VecDeque<LogHead>,
    heads: VecDeque<(Shared, Option<FeedId>)>,
    branches_of: VecDeque<(Tree, Vec<u8>)>,
    peers: bool,
    probes: BTreeMap<FeedId, Span>,
    /// Branches that their author's log names, where ours is another one.
    branches: BTreeMap<FeedId, Wanted>,
    ranges: VecDeque<Wanted>,
    evidence: BTreeSet<FeedId>,
    bodies: VecDeque<Place>,
    missing_from: Option<Option<Place>>,
}

/// Where two chains of a feed part: they agree at one end and differ at the other.
#[derive(Clone, Copy, Debug)]
struct Span {
    agree: Seq,
    differ: Seq,
}

/// What an answer will answer.
#[derive(Clone, Debug)]
enum Asked {
    Compare,
    LogHeads(Option<CentreId>),
    Logs(Vec<LogHead>),
    Heads(Shared, Option<FeedId>),
    Descend(Tree, Vec<Vec<u8>>),
    Fetch(Vec<Wanted>),
    Bodies(Vec<Place>),
    Probe(FeedId, Span, Vec<Seq>),
    /// The first record of the other chain.
    Parting(Wanted),
    /// The branch that the author's log names; more of it may be asked for.
    Branch(Wanted),
    Evidence(FeedId),
    Peers,
}

/// What the service must do beside storing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Learnt {
    /// The peer's node key belongs to this centre, and its log says so.
    Centre(CentreId),
    /// Peers that it knows.
    Peers(Vec<(Peer, Vec<String>)>),
}

impl Session {
    /// Starts a session of the node `ours` with `peer`.
    pub fn new(peer: Peer, ours: Arc<Ours>, known: Known, now: Timestamp) -> Self {
        let tasks = Tasks { compare: true, ..Tasks::default() };
        Self {
            peer,
            ours,
            known,
            tasks,
            outbox: VecDeque::new(),
            asked: BTreeMap::new(),
            asked_at: BTreeMap::new(),
            arrived: BTreeMap::new(),
            window: WINDOW,
            pace: Pace::new(now),
            busy_left: BUSY_MAX,
            retries_left: RETRIES_MAX,
            requests_left: REQUESTS_MAX,
            heads_left: HEADS_TOTAL_MAX,
            gains: Gains::default(),
            bytes_done: 0,
            theirs: None,
            follows: None,
            incomplete: false,
            uncommitted: false,
            shared: Vec::new(),
            walked: BTreeSet::new(),
            listed: BTreeMap::new(),
            skipped: false,
            proved: false,
            final_compare: false,
            failed_parts: false,
            given_up: BTreeSet::new(),
            ends: BTreeMap::new(),
            strangers: 0,
            early: BTreeMap::new(),
            early_bytes: 0,
            active_at: now,
            outcome: None,
            gate: None,
            newcomers: VecDeque::new(),
        }
    }

    /// Returns the next request to send.
    pub fn poll_request(&mut self) -> Option<(RequestId, Request)> {
        self.outbox.pop_front()
    }

    /// Returns how the session ended, if it has.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// Returns what it has brought so far.
    pub fn gains(&self) -> Gains {
        self.gains
    }

    /// Returns how far the peer is followed now; none if something was left behind.
    pub fn follows(&self) -> Option<&Seen> {
        let whole = !self.incomplete;
        let ended = matches!(self.outcome, Some(Outcome::Agreed | Outcome::Differ));
        self.follows.as_ref().filter(|_| whole && ended && !self.skipped)
    }

    /// Notes that all that came so far was committed. Returns whether the session may go on now.
    pub fn committed(&mut self) -> bool {
        std::mem::take(&mut self.uncommitted) && self.outcome.is_none()
    }

    /// Returns the peer's last hello.
    pub fn theirs(&self) -> Option<&Hello> {
        self.theirs.as_ref()
    }

    /// Returns whether it was left at what an earlier session had tried.
    pub fn skipped(&self) -> bool {
        self.skipped
    }

    /// Returns whether nothing is under way: it waits for what other sessions fetch.
    pub fn is_idle(&self) -> bool {
        self.asked.is_empty()
    }

    /// Returns when something last came or was asked for.
    pub fn active_at(&self) -> Timestamp {
        self.active_at
    }

    /// Returns whether an answer is overdue beyond all measure.
    pub fn stalled(&self, now: Timestamp) -> bool {
        !self.asked.is_empty() && STALL_MS <= now.since(self.active_at)
    }

    /// Takes an answer. Answers count in the order of their requests, so that the records
    /// of a feed are placed in order; one that overtakes another waits.
    ///
    /// # Errors
    ///
    /// [`IngestError::Store`] if our own store fails; anything else ends the session.
    pub fn handle<S: Store>(
        &mut self,
        request: RequestId,
        answer: Screened,
        store: &mut S,
        now: Timestamp,
    ) -> Result<Vec<Learnt>, IngestError> {
        if self.outcome.is_some() || !self.asked.contains_key(&request) {
            return Ok(Vec::new());
        }
        self.retries_left = RETRIES_MAX;
        self.window = (self.window + 1).min(WINDOW);
        if let (Some(asked), Screened::Batch(parts)) = (self.asked_at.remove(&request), &answer) {
            let bytes = parts.iter().map(|(_, part)| records::size(part) as u64).sum();
            self.pace.answered(asked, now, bytes);
        }
        self.arrived.insert(request, answer);
        self.take_arrived(store, now)
    }

    /// Notes that a request got no answer: asks again, unless too many in a row failed.
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle).
    pub fn failed<S: Store>(
        &mut self,
        request: RequestId,
        reason: &str,
        store: &mut S,
        now: Timestamp,
    ) -> Result<Vec<Learnt>, IngestError> {
        let Some(asked) = self.asked.remove(&request) else { return Ok(Vec::new()) };
        if self.retries_left == 0 {
            self.fail(reason);
            return Ok(Vec::new());
        }
        self.retries_left -= 1;
        self.window = 1;
        self.pace.slow_down();
        self.put_back(asked);
        self.take_arrived(store, now)
    }

    /// Takes the answers that no other has to come before.
    fn take_arrived<S: Store>(
        &mut self,
        store: &mut S,
        now: Timestamp,
    ) -> Result<Vec<Learnt>, IngestError> {
        let mut learnt = Vec::new();
        self.active_at = now;
        while let Some((&oldest, _)) = self.asked.first_key_value() {
            let Some(answer) = self.arrived.remove(&oldest) else { break };
            let asked = self.asked.remove(&oldest).expect("the first key is there");
            match self.take(asked, answer, store, now) {
                Ok(more) => learnt.extend(more),
                Err(take::TakeError::Store(error)) => return Err(error.into()),
                Err(take::TakeError::Violation(what)) => self.finish(Outcome::Violated(what)),
                Err(take::TakeError::Busy(asked)) => self.slow_down(asked),
                Err(take::TakeError::Later(seconds)) => self.finish(Outcome::Later(seconds)),
            }
            if self.outcome.is_some() {
                break;
            }
        }
        Ok(learnt)
    }

    /// Ends the session because the peer left or an answer is overdue.
    pub fn fail(&mut self, reason: &str) {
        self.finish(Outcome::Failed(reason.to_owned()));
    }

    /// Ends the session because our own budget holds it.
    pub fn hold(&mut self) {
        self.finish(Outcome::Held);
    }

    /// Ends the session because an answer was not authentic.
    pub fn violate(&mut self, reason: String) {
        self.finish(Outcome::Violated(reason));
    }

    /// Returns whether the session waits for the answer to `request`.
    pub fn awaits(&self, request: RequestId) -> bool {
        self.asked.contains_key(&request)
    }

    /// The peer has too much to do: asks for less at once, and ends if that is nothing.
    fn slow_down(&mut self, asked: Asked) {
        if self.asked.is_empty() || self.busy_left == 0 {
            return self.finish(Outcome::Busy);
        }
        self.busy_left -= 1;
        self.window = (self.window / 2).max(1);
        self.pace.slow_down();
        self.put_back(asked);
    }

    /// Returns the shelf on which the peer lists a feed.
    fn shelf_of(&self, feed: &FeedId) -> Shared {
        self.listed.get(feed).copied().unwrap_or(Shared::Public)
    }

    /// Returns what is held of a feed, if it is on the shelf on which the peer lists it:
    /// otherwise the peer must not see what we have.
    fn held<S: Store>(&self, feed: &FeedId, store: &S) -> Result<Option<FeedState>, StoreError> {
        let shelf = self.shelf_of(feed);
        let state = store.feed(feed)?;
        Ok(state.filter(|state| shelf.holds_feed(&self.ours.centre, state)))
    }

    fn finish(&mut self, outcome: Outcome) {
        if self.outcome.is_none() {
            self.outcome = Some(outcome);
            self.outbox.clear();
            self.asked.clear();
            self.arrived.clear();
            self.early.clear();
        }
    }
}
