//! What nodes tell each other to find out how they differ.
//!
//! Invariant: a digest covers all that both share, so that equal ones need no more words; what a
//! node says of a network only a member can tell from noise.
//! Not here: what is done about it (`session`), who may see which shelf (`entitle`).
//! Spec: docs/PROTOCOL.md, sections 6.1, 6.3 and 6.4.

use baraza_record::{CentreId, codec};
use bincode::{Decode, Encode};

use crate::entitle::NetworkTag;

use super::{HeadEntry, LogHead, Scope};

/// How far somebody has followed what moved at a node: good there and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Cursor {
    /// Epoch of the node's store.
    pub epoch: u64,
    /// Number of the last move.
    pub moved: u64,
}

/// The question whether both sides hold the same.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Compare {
    /// The centre that the sender's node key belongs to.
    pub centre: CentreId,
    /// Digest of the sender's [`Hello`] to the receiver, with those networks that it knows both
    /// to belong to.
    pub digest: [u8; 32],
    /// Networks of the sender.
    pub networks: Vec<NetworkTag>,
    /// How far it has followed the receiver.
    pub since: Option<Cursor>,
}

/// What a node holds, as it tells one peer of whom it differs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Differs {
    /// Roots.
    pub hello: Hello,
    /// Where it stands now: for the next comparison.
    pub cursor: Cursor,
    /// Identity logs.
    pub logs: News<LogHead>,
    /// Feeds of each shelf that both share: the public one, those of the networks in the order of
    /// the hello, that of the centres of both if the hello has it.
    pub feeds: Vec<News<HeadEntry>>,
}

/// What stands on a shelf, and what moved on it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct News<T> {
    /// Number of heads on the shelf.
    pub total: u64,
    /// Those that moved since the cursor, the latest first; none if the cursor is not good here,
    /// or there are more than [`NEWS_MAX`].
    pub moved: Option<Vec<T>>,
}

/// What a node is and holds, as it says to one peer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// The centre that the sender's node key belongs to.
    pub centre: CentreId,
    /// Root over the identity logs.
    pub identities: [u8; 32],
    /// Root over the public feeds.
    pub public: [u8; 32],
    /// Networks of the sender, each with the root over its feeds, which of a closed network
    /// is sealed.
    pub networks: Vec<(NetworkTag, [u8; 32])>,
    /// Root over the feeds for named centres, among them both; if the receiver's node is
    /// known to belong to its centre.
    pub centres: Option<[u8; 32]>,
}

/// A trie of which branches are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Trie {
    /// Of the identity logs.
    Logs,
    /// Of the feeds of a shelf.
    Feeds(Scope),
}

/// What stands below a branch of a trie.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Below {
    /// All heads; of an identity log its centre stands for the feed.
    Heads(Vec<HeadEntry>),
    /// Digits of each branch further down, one a byte, and the hash of what stands below it.
    Branches(Vec<(Vec<u8>, [u8; 32])>),
}

impl Compare {
    /// Returns what a node that says `hello` of itself would ask.
    pub fn of(hello: &Hello) -> Self {
        let networks = hello.networks.iter().map(|(tag, _)| *tag).collect();
        Self { centre: hello.centre, digest: hello.digest(), networks, since: None }
    }
}

impl Hello {
    /// Returns a digest of all of it, whatever the order of the networks: two nodes that hold the same of what they share can tell
    /// that from it.
    pub fn digest(&self) -> [u8; 32] {
        let mut sorted = self.clone();
        sorted.networks.sort();
        blake3::derive_key("baraza 1 standing", &codec::encode(&sorted))
    }
}
