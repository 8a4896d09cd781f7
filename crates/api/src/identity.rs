//! Identity logs as bytes, and the feeds that they rule on: what ceremonies need.
//!
//! Spec: docs/OPERATIONS.md, "API".

use baraza_record::{CentreId, FeedId, PublicKey, RecordId, Seq};
use serde::{Deserialize, Serialize};

/// The signed events that are held of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsReply {
    /// Each as hexadecimal digits, by position.
    pub events: Vec<String>,
}

/// Hands in a signed event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentifyRequest {
    /// The event as hexadecimal digits.
    pub event: String,
}

/// Reply to [`IdentifyRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentifyReply {
    /// Whose log.
    pub centre: CentreId,
    /// Whether the event is new here.
    pub new: bool,
}

/// A record as people recognise it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedRecord {
    /// Id.
    pub id: RecordId,
    /// Position in its feed.
    pub seq: Seq,
    /// Its title; empty if its body is not held.
    pub title: String,
    /// Author's time.
    pub created_ms: u64,
}

/// One branch of a feed that forks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchView {
    /// First record that stands on this branch alone.
    pub record: RecordId,
    /// How many records of the branch are held here.
    pub held: u64,
    /// The first of them, oldest first: at most 100.
    #[serde(default)]
    pub records: Vec<FeedRecord>,
}

/// A feed of a centre.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedView {
    /// Which feed.
    pub feed: FeedId,
    /// By which key.
    pub signer: PublicKey,
    /// For whom: `public`, `network` or `centres`.
    pub audience: String,
    /// Last position that is admitted.
    pub seq: Seq,
    /// Id there; before the first record, that of the feed.
    pub record: RecordId,
    /// Last position that is held.
    pub held: Seq,
    /// The last records that are admitted, newest first: at most 10.
    #[serde(default)]
    pub last: Vec<FeedRecord>,
    /// First position at which two records are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Seq>,
    /// The branches there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<BranchView>,
}

/// The feeds of a centre.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedsReply {
    /// In the order of their ids.
    pub feeds: Vec<FeedView>,
}
