//! Why a node does not hold what a peer holds: what is missing, what holds it, when it comes.
//!
//! Not here: where the answers come from (`service`), the words (`baraza-cli`).
//! Spec: docs/OPERATIONS.md, "Why".

use baraza_record::{CentreId, Timestamp};

use crate::{
    budget::Hold,
    net::Peer,
    session::{Lacking, Progress},
};

/// Most feeds that are listed of what one peer has and we lack; the others are counted.
pub const WHY_FEEDS_MAX: usize = 20;

/// Most peers of which is remembered what they have and we lack.
pub const WHY_PEERS_MAX: usize = 64;

/// Something that keeps us from what a peer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Our own budget, a window or a pause.
    Held(Hold),
    /// The peer gives nothing until then, by its own budget.
    Later {
        /// Until when, as it said.
        until: Timestamp,
    },
    /// It is not connected.
    Away {
        /// When it last was.
        since: Option<Timestamp>,
        /// What the last dial ended with.
        reason: Option<String>,
        /// When it is dialled next, if it is.
        again_at: Option<Timestamp>,
    },
    /// It was sent away for what it did.
    Banned,
    /// The last session with it failed, or the peer was busy.
    Failed {
        /// Why.
        reason: String,
        /// When the next one starts.
        again_at: Timestamp,
    },
    /// A session brought nothing for too long.
    Stalled {
        /// Since when.
        since: Timestamp,
    },
    /// It differs, and has shown nothing that we lack and would take.
    NothingToTake,
}

/// A session that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Underway {
    /// Where it stands.
    pub progress: Progress,
    /// Since when it runs.
    pub since: Timestamp,
    /// Bytes of records in a second, since it began; unknown in the first second.
    pub bytes_s: Option<u64>,
}

/// How we stand to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerWhy {
    /// Which.
    pub peer: Peer,
    /// Its centre, if proved.
    pub centre: Option<CentreId>,
    /// Whether it is connected.
    pub connected: bool,
    /// Whether a person asked for what goes on with it.
    pub asked: bool,
    /// When a person last asked for it, since it is connected.
    pub asked_ms: Option<Timestamp>,
    /// Whether it held the same when it last compared itself with us.
    pub equal: Option<bool>,
    /// When we last agreed with it on everything.
    pub agreed_ms: Option<Timestamp>,
    /// The session under way.
    pub underway: Option<Underway>,
    /// What it has and we lack, as far as it has shown: the largest feeds.
    pub lacking: Vec<Lacking>,
    /// Records of all such feeds.
    pub records: u64,
    /// About how many bytes they take.
    pub bytes: u64,
    /// Of when that is.
    pub shown_ms: Option<Timestamp>,
    /// What keeps us from it, the most telling first.
    pub causes: Vec<Cause>,
    /// When we will have it, at the rate seen and within the budget.
    pub done_ms: Option<Timestamp>,
}
