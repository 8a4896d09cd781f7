//! What nodes say to each other in catch-up.
//!
//! Invariant: every message is decoded by the one decoder, and every list in it has a
//! limit, so that a message costs the reader no more than its length.
//! Not here: framing and compression (`baraza-network`), the order of messages (`session`).
//! Spec: docs/PROTOCOL.md, section 6.

mod batch;
mod compare;

pub(crate) use batch::expand_whole;
pub use batch::{Part, Records};
pub use compare::{Below, Compare, Cursor, Differs, Hello, News, Trie};

use baraza_record::{
    CentreId, EventId, FeedId, Payload, RecordId, Seq, WireRecord, attachment,
    codec::{self, DecodeError},
};
use bincode::{Decode, Encode};

use crate::{
    attachments::{Asked, COUNT_MAX},
    entitle::NetworkTag,
    interests::{INTERESTS_MAX, Interests},
    net::{ANSWER_BYTES_MAX, GOSSIP_BYTES_MAX, REQUEST_BYTES_MAX},
};

/// Most entries on a page of heads: 1,000 feeds take 75 KB.
pub const HEADS_MAX: usize = 1_000;

/// Most ranges in one request: they fill its 16 KiB to a third.
pub const RANGES_MAX: usize = 64;

/// Most branches of a trie that are asked for at once: their answer takes 80 KB at most.
pub const PREFIXES_MAX: usize = 64;

/// Most heads that a comparison names as news; of more none are named, and the trie is gone
/// through.
pub const NEWS_MAX: usize = 1_000;

/// Most bodies asked for at once.
pub const BODIES_MAX: usize = 64;

/// Most centres whose logs are asked for at once.
pub const LOGS_MAX: usize = 64;

/// Most positions in one probe.
pub const PROBE_MAX: usize = 32;

/// Most branches in an evidence of a fork: two prove it.
pub const BRANCHES_MAX: usize = 2;

/// Most peers that one answer names.
pub const PEERS_MAX: usize = 32;

/// Most addresses of one peer.
pub const ADDRESSES_MAX: usize = 8;

/// Most networks that a node belongs to, and that a hello names.
pub const NETWORKS_MAX: usize = 16;

/// Bytes of records after which a batch ends (256 KiB).
pub const BATCH_BYTES: usize = 256 * 1_024;

/// Which shelf a request is about, and the proof that the asker may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Scope {
    /// What is for everybody.
    Public,
    /// What is for a network, by what the asker shows of it.
    Network(NetworkTag),
    /// What is for named centres, among them this one, whose node asks.
    Centres(CentreId),
}

/// Head of an identity log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LogHead {
    /// Whose log.
    pub centre: CentreId,
    /// Number of events that count.
    pub events: u64,
    /// Id of the last.
    pub id: EventId,
    /// Whether others dispute what follows it.
    pub forked: bool,
}

/// A log that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LogWanted {
    /// Whose.
    pub centre: CentreId,
    /// Last event that counts here: what stands before it need not be sent.
    pub after: Option<EventId>,
}

/// Events of one log.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LogPart {
    /// Whose.
    pub centre: CentreId,
    /// Signed events, each behind the one that it follows.
    pub events: Vec<Vec<u8>>,
}

/// Head of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HeadEntry {
    /// Which feed.
    pub feed: FeedId,
    /// Last admitted position.
    pub seq: Seq,
    /// Id there.
    pub id: RecordId,
    /// Whether it is known to fork right after.
    pub forked: bool,
    /// About how many bytes its records take: a hint for plans.
    pub bytes: u64,
}

/// Records that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Wanted {
    /// Of which feed.
    pub feed: FeedId,
    /// First position.
    pub from: Seq,
    /// Last position.
    pub to: Seq,
}

/// A question to a peer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Request {
    /// Are we equal?
    Compare(Compare),
    /// Which identity logs are there, after this centre?
    LogHeads(Option<CentreId>),
    /// The logs of these centres.
    Logs(Vec<LogWanted>),
    /// Which feeds are there, after this one?
    Heads(Scope, Option<FeedId>),
    /// Records of ranges.
    Fetch(Fetch),
    /// Bodies of the records at these places.
    Bodies(Scope, Vec<(FeedId, Seq)>),
    /// Ids of the records of a feed at these positions.
    Probe(Scope, FeedId, Vec<Seq>),
    /// Both branches of a feed that forks.
    Evidence(Scope, FeedId),
    /// Whom do you know?
    Peers,
    /// What stands below these branches, each named by its digits?
    Descend(Trie, Vec<Vec<u8>>),
    /// A part of a file that a record lists.
    Attachment(Scope, Asked),
}

/// Which records are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Fetch {
    /// Of which shelf.
    pub scope: Scope,
    /// Ranges, in this order, as many as fit.
    pub ranges: Vec<Wanted>,
    /// Bytes after which the answer ends, if that is less than [`BATCH_BYTES`].
    pub bytes: u32,
    /// Only the bodies that fit are sent, if given.
    pub interests: Option<Interests>,
}

/// A peer that the answering one knows.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KnownPeer {
    /// Its node key.
    pub peer: baraza_record::PublicKey,
    /// Where it was reached.
    pub addresses: Vec<String>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Answer {
    /// Too much to do: ask again later.
    Busy,
    /// The question was not understood.
    Unknown,
    /// To [`Request::Compare`]: we differ.
    Differs(Box<Differs>),
    /// To [`Request::LogHeads`]; more follow after the last if the flag is set.
    LogHeads(Vec<LogHead>, bool),
    /// To [`Request::Logs`]: the first of the logs that are held and fit.
    Logs(Vec<LogPart>),
    /// To [`Request::Heads`]; more follow after the last if the flag is set.
    Heads(Vec<HeadEntry>, bool),
    /// To [`Request::Fetch`]: ranges of which nothing is held are left out.
    Batch(Vec<Part>),
    /// To [`Request::Bodies`], in the order asked; `None` if not held.
    Bodies(Vec<Option<Payload>>),
    /// To [`Request::Probe`], in the order asked; `None` if not held.
    Ids(Vec<Option<RecordId>>),
    /// To [`Request::Evidence`]: each branch from the fork to its first valid signature.
    Evidence(Vec<Vec<WireRecord>>),
    /// To [`Request::Peers`].
    Peers(Vec<KnownPeer>),
    /// To [`Request::Compare`]: we hold the same.
    Same(Cursor),
    /// To [`Request::Descend`], in the order asked.
    Descent(Vec<Below>),
    /// Not now, by the answering side's own budget: ask again after so many seconds.
    Later(u32),
    /// To [`Request::Attachment`]; `None` if it is not held.
    Attachment(Option<attachment::Part>),
}

impl Request {
    /// Encodes the request.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Decodes a request.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], also for a list over its limit.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let request: Self = codec::decode(bytes, REQUEST_BYTES_MAX)?;
        let (length, limit) = match &request {
            Self::Compare(compare) => (compare.networks.len(), NETWORKS_MAX),
            Self::Logs(wanted) => (wanted.len(), LOGS_MAX),
            Self::Fetch(Fetch { interests: Some(interests), .. })
                if INTERESTS_MAX < interests.longest() =>
            {
                (interests.longest(), INTERESTS_MAX)
            }
            Self::Fetch(fetch) => (fetch.ranges.len(), RANGES_MAX),
            Self::Descend(_, prefixes) => (prefixes.len(), PREFIXES_MAX),
            Self::Bodies(_, places) => (places.len(), BODIES_MAX),
            Self::Probe(_, _, positions) => (positions.len(), PROBE_MAX),
            Self::Attachment(_, asked) => (asked.count.into(), COUNT_MAX.into()),
            _ => (0, 0),
        };
        match limit < length {
            true => Err(DecodeError::TooLong { bytes: length, limit }),
            false => Ok(request),
        }
    }
}

impl Answer {
    /// Encodes the answer.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Decodes an answer.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let answer: Self = codec::decode(bytes, ANSWER_BYTES_MAX)?;
        let (length, limit) = match &answer {
            Self::Differs(differs) => (differs.hello.networks.len(), NETWORKS_MAX),
            // Each part costs a signature check, and so does each branch.
            Self::Batch(parts) => (parts.len(), RANGES_MAX),
            Self::Evidence(branches) => (branches.len(), BRANCHES_MAX),
            _ => (0, 0),
        };
        match limit < length {
            true => Err(DecodeError::TooLong { bytes: length, limit }),
            false => Ok(answer),
        }
    }
}

/// What gossip carries.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Gossip {
    /// A record.
    Record(WireRecord),
    /// A signed identity event.
    Identity(Vec<u8>),
}

impl Gossip {
    /// Encodes the message.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Decodes a message.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes, GOSSIP_BYTES_MAX)
    }
}
