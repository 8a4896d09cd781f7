//! The node, its peers and centres in replies.
//!
//! Spec: docs/OPERATIONS.md, "API".

use baraza_record::{CentreId, EventId, FeedId, PublicKey, RecordId, Seq};
use serde::{Deserialize, Serialize};

use crate::{NetworkView, Problem, StatementView};

/// Something an operator should act on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// How the node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// Program version.
    pub version: String,
    /// Our centre.
    pub centre: CentreId,
    /// Its name.
    pub centre_name: String,
    /// Our peer id in libp2p's text form.
    pub peer_id: String,
    /// Our node key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_key: Option<PublicKey>,
    /// Our operator key; unknown while it is locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_key: Option<PublicKey>,
    /// Whether a daemon answers, rather than the command line by itself.
    pub daemon: bool,
    /// Addresses on which peers reach us.
    pub listen: Vec<String>,
    /// Records held.
    pub records: u64,
    /// Bodies that are not held.
    pub bodies_missing: u64,
    /// How many of them are known not to fit the interests of this node, so that they are not
    /// wanted.
    #[serde(default)]
    pub bodies_left_out: u64,
    /// Records kept whose signer's authority is not known.
    pub held: u64,
    /// Centres known.
    pub centres: u64,
    /// Feeds held.
    pub feeds: u64,
    /// Bytes of the ledger.
    pub ledger_bytes: u64,
    /// Peers connected.
    pub peers_connected: usize,
    /// Peers known.
    pub peers_known: usize,
    /// Catch-up sessions under way.
    pub sessions: usize,
    /// Digest of all that is for everybody: equal on two nodes that hold the same set.
    pub set_digest: String,
    /// The networks that this node belongs to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<NetworkView>,
    /// When we last agreed with a peer on everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed_ms: Option<u64>,
    /// Changes that search does not cover yet.
    pub index_behind: u64,
    /// Whether the operator key can sign.
    pub unlocked: bool,
    /// What needs attention.
    pub warnings: Vec<Warning>,
}

/// A peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerView {
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
    /// Its addresses.
    pub addresses: Vec<String>,
    /// When we last agreed with it on everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed_ms: Option<u64>,
    /// Whether it held the same as we do when it last compared itself with us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equal: Option<bool>,
    /// Last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
}

/// The peers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeersReply {
    /// Connected ones first.
    pub peers: Vec<PeerView>,
    /// Latest failed dials: address and reason.
    pub dial_failures: Vec<(String, String)>,
}

/// Asks for a comparison now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRequest {
    /// Peer id; absent: every connected peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
}

/// Asks for a dial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialRequest {
    /// Multiaddr.
    pub address: String,
}

/// Reply to [`SyncRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncReply {
    /// Peers with which a comparison was started.
    pub peers: Vec<String>,
}

/// What one piece of a bundle, or a whole one, brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// New records.
    pub inserted: u64,
    /// Records that were held already.
    pub duplicates: u64,
    /// Records kept whose signer's authority is not known.
    pub held: u64,
    /// Records that are not kept for now: of unknown authority beyond a limit, or behind the
    /// end of their feed.
    #[serde(default)]
    pub deferred: u64,
    /// Missing bodies that came.
    pub bodies: u64,
    /// New identity events.
    pub identities: u64,
    /// Refused as not authentic.
    pub rejected: u64,
    /// Records and identity events that do not connect to what is held.
    pub gaps: u64,
    /// Records that the policy of this node declines.
    #[serde(default)]
    pub declined: u64,
    /// Records that are for others than this node, and are not kept.
    #[serde(default)]
    pub foreign: u64,
}

/// An operator key of a centre.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorView {
    /// The key.
    pub key: PublicKey,
    /// What it may do.
    pub capabilities: Vec<String>,
    /// Its label.
    pub label: String,
    /// `retired` or `compromised`, if it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// If it has ended: how far its feeds count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub horizons: Vec<HorizonView>,
}

/// How far a feed of an ended key counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HorizonView {
    /// Which feed.
    pub feed: FeedId,
    /// Last position that counts.
    pub seq: Seq,
    /// Id of the record there.
    pub record: RecordId,
}

/// Whether an identity log can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogState {
    /// It goes on.
    Sound,
    /// Two updates follow one event; a rotation mends it.
    Frozen,
    /// Two rotations follow one event; nothing mends it.
    Disputed,
    /// Its owner ended it.
    Ended,
}

/// A centre.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CentreView {
    /// Id.
    pub id: CentreId,
    /// Name that it gives itself.
    pub name: String,
    /// `centre`, `network`, or `nation` and a country's code.
    pub role: String,
    /// Country that it states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Whether it is ours.
    pub ours: bool,
    /// Records on its shelf.
    pub records: u64,
    /// Head of its log.
    pub identity_head: EventId,
    /// Whether its log can go on.
    pub identity: LogState,
    /// Number of its root keys.
    pub root_keys: usize,
    /// How many of them must sign.
    pub root_threshold: usize,
    /// Number of the next keys that it has committed to.
    pub next_keys: usize,
    /// How many of those must sign a rotation.
    pub next_threshold: usize,
    /// Its operator keys, also those that ended.
    pub operators: Vec<OperatorView>,
    /// How it stands with the nations trusted here, in words.
    #[serde(default)]
    pub accreditation: String,
    /// What nations say of it; only of a centre that is asked for by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<StatementView>,
}

/// The centres known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListCentres {
    /// By name.
    pub centres: Vec<CentreView>,
    /// Centres known that are not listed, because there are many.
    #[serde(default)]
    pub omitted: usize,
}

/// An event of an identity log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// Position, from 0.
    pub seq: u64,
    /// Id.
    pub id: EventId,
    /// Name of its kind.
    pub kind: String,
    /// Stated time.
    pub created_ms: u64,
    /// What it does, in words.
    pub summary: String,
    /// Whether it counts: it does not if another event that follows the same one does.
    pub counts: bool,
}

/// Unlocks the operator key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnlockRequest {
    /// Passphrase.
    pub passphrase: String,
}

impl std::fmt::Debug for UnlockRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UnlockRequest(..)")
    }
}

/// What a check of the store found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReply {
    /// Frames read.
    pub frames: u64,
    /// Records whose bytes, id and checksum are right.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// What is wrong; `field` is where.
    pub problems: Vec<Problem>,
}
