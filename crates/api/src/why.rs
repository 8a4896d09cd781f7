//! Why this node does not hold what a peer holds, in replies.
//!
//! Spec: docs/OPERATIONS.md, "Why".

use baraza_record::{CentreId, FeedId};
use serde::{Deserialize, Serialize};

use crate::{HoldView, LinkView};

/// How this node stands to its peers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyReply {
    /// Digest of all that is for everybody.
    pub set_digest: String,
    /// What goes over the link, and what may.
    pub link: LinkView,
    /// What keeps something from the node whoever it exchanges with.
    pub node: NodeWhy,
    /// Addresses that somebody asked to dial and that have not answered yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dialling: Vec<String>,
    /// Latest failed dials: address and reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dial_failures: Vec<(String, String)>,
    /// The peer asked for, or all that are known, connected ones first.
    pub peers: Vec<PeerWhyView>,
}

/// What keeps something from the node whoever it exchanges with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeWhy {
    /// Records of a kind that this version cannot read, among the latest ones.
    pub newer_records: u64,
    /// Bodies that are wanted and that no peer has given yet.
    pub bodies_wanted: u64,
    /// Records whose signer's authority is not known.
    pub held: u64,
    /// Feeds that policy declines.
    pub declined_feeds: u64,
    /// New centres that a quota defers.
    pub deferred_centres: u64,
    /// New feeds that a quota defers.
    pub deferred_feeds: u64,
}

/// Something that keeps this node from what a peer has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum CauseView {
    /// Our own budget, a window or a pause.
    Held {
        /// What holds it.
        held: HoldView,
    },
    /// The peer gives nothing until then, by its own budget.
    Later {
        /// Until when, as it said.
        until_ms: u64,
    },
    /// It is not connected.
    Away {
        /// When it last was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since_ms: Option<u64>,
        /// How the last dial ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// When it is dialled next, if it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again_ms: Option<u64>,
    },
    /// It was sent away for what it did.
    Banned,
    /// The last session with it failed, or it was busy.
    Failed {
        /// Why.
        reason: String,
        /// When the next one starts.
        again_ms: u64,
    },
    /// The session brings nothing.
    Stalled {
        /// Since when.
        since_ms: u64,
    },
    /// It differs, and has shown nothing that this node lacks and would take.
    NothingToTake,
}

/// What is missing of one feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedLack {
    /// Which.
    pub feed: FeedId,
    /// Whose, if something of it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub centre: Option<CentreId>,
    /// The centre's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub centre_name: Option<String>,
    /// Records.
    pub records: u64,
    /// About how many bytes they take.
    pub bytes: u64,
}

/// A catch-up under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderwayView {
    /// Records that came.
    pub records_done: u64,
    /// Records that are known to come.
    pub records_left: u64,
    /// About how many bytes came.
    pub bytes_done: u64,
    /// About how many bytes are known to come.
    pub bytes_left: u64,
    /// Since when.
    pub since_ms: u64,
    /// Bytes of records in a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_s: Option<u64>,
}

/// How this node stands to a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerWhyView {
    /// Peer id in libp2p's text form.
    pub peer_id: String,
    /// Its centre, if proved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub centre: Option<CentreId>,
    /// The centre's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub centre_name: Option<String>,
    /// Whether it is connected.
    pub connected: bool,
    /// Whether what a person asked for is not done yet.
    pub asked: bool,
    /// When a person last asked for it, since it is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_ms: Option<u64>,
    /// Whether it held the same when it last compared itself with us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equal: Option<bool>,
    /// When both held the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed_ms: Option<u64>,
    /// The catch-up under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub underway: Option<UnderwayView>,
    /// Records that it has and this node lacks, as far as it has shown.
    pub records: u64,
    /// About how many bytes they take.
    pub bytes: u64,
    /// Of when that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_ms: Option<u64>,
    /// The largest of the feeds concerned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub feeds: Vec<FeedLack>,
    /// What keeps this node from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<CauseView>,
    /// When it will be done, at the rate seen and within the budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_ms: Option<u64>,
}
