//! What people ask the service to do, and what it answers.
//!
//! Invariant: reading is not here: queries go to a store's reader and to the index.
//! Not here: the forms of the HTTP API (`baraza-api`).
//! Spec: docs/ARCHITECTURE.md, "Threads".

use std::collections::{BTreeMap, BTreeSet};

use baraza_record::{
    AUDIENCE_CENTRES_MAX, Audience, CentreId, EventId, FeedId, Kind, NetworkId, PublicKey,
    RecordId, Seq, Timestamp,
};
use serde_json::{Map, Value};

use crate::{
    entitle::Membership,
    net::Peer,
    quota::QuotaUse,
    store::{FeedHead, StoreError},
    wire::NETWORKS_MAX,
};

/// Most records that one `Publish` takes.
pub const PUBLISH_MAX: usize = 10_000;

/// A record to be signed by this node. Its fields are checked, its language canonical.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRecord {
    /// Kind.
    pub kind: Kind,
    /// BCP 47 tag in canonical case.
    pub language: String,
    /// Version that it replaces, if any; must be one of this centre's own.
    pub revises: Option<RecordId>,
    /// What a retraction retracts; must be one of this centre's own.
    pub target: Option<RecordId>,
    /// For whom it is; of a revision or retraction it follows from the record that it is about.
    pub recipients: Option<Recipients>,
    /// The body, without the link to the version it replaces, which is added here.
    pub body: Map<String, Value>,
}

/// For whom a record is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recipients {
    /// Everybody.
    #[default]
    Public,
    /// The members of a network that this node belongs to.
    Network(NetworkId),
    /// These centres and our own: 1 to 16 of them, in any order.
    Centres(Vec<CentreId>),
}

impl Recipients {
    /// Returns those of an audience.
    pub fn of(audience: &Audience) -> Self {
        match audience {
            Audience::Public => Self::Public,
            Audience::Network(id, _) => Self::Network(*id),
            Audience::Centres(centres, _) => Self::Centres(centres.clone()),
        }
    }
}

/// A request to the service.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Sign and keep records, in this order, all or none.
    Publish(Vec<NewRecord>),
    /// Take a piece of a bundle: whole frames.
    Import(Vec<u8>),
    /// Take a signed identity event, and tell everybody.
    Identify(Vec<u8>),
    /// Compare with one peer, or with all that are connected, now.
    Sync(Option<Peer>),
    /// Belong to these networks from now on, and to no others.
    Networks(Vec<Membership>),
    /// Dial an address and remember it.
    Dial(String),
    /// Say how the node is.
    Status,
    /// List the peers known.
    Peers,
}

/// What the service answers.
#[derive(Debug)]
pub enum Reply {
    /// Ids of the records published, in the order given.
    Published(Vec<RecordId>),
    /// The same, after a peer was first asked how far our own feed goes.
    PublishedLate {
        /// Ids of the records, in the order given.
        ids: Vec<RecordId>,
        /// How long that took.
        waited_ms: u64,
    },
    /// What a piece of a bundle brought.
    Imported(Imported),
    /// The identity event is kept.
    Identified {
        /// Whose log.
        centre: CentreId,
        /// Whether it is new here.
        new: bool,
    },
    /// Peers with which a comparison started; it goes on in the background.
    Syncing(Vec<Peer>),
    /// The dial is under way.
    Dialling,
    /// The networks are changed.
    Joined,
    /// How the node is.
    Status(Box<ServiceStatus>),
    /// The peers.
    Peers(Vec<PeerStatus>),
    /// It was not done.
    Refused(Refusal),
}

/// Why the service did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The operator key is locked or absent.
    #[error("the operator key of this node is locked")]
    Locked,
    /// The operator key may not be used until the store is repaired.
    #[error("the feed of this node's key is damaged: {why}")]
    KeyBlocked {
        /// What was found.
        why: String,
    },
    /// The identity log of our centre does not let the operator key publish.
    #[error("{why}")]
    NotEnrolled {
        /// What is missing.
        why: String,
    },
    /// Two records were signed at one position of our own feed.
    #[error("our own feed forks at position {seq}: two records were signed there")]
    Forked {
        /// Where.
        seq: Seq,
    },
    /// There is no such record.
    #[error("no record {id} is held")]
    Unknown {
        /// Which.
        id: RecordId,
    },
    /// The record belongs to somebody else.
    #[error(
        "record {id} was published by centre {owner}: only its publisher revises or retracts it"
    )]
    NotOurs {
        /// Which.
        id: RecordId,
        /// Whose.
        owner: CentreId,
    },
    /// A retraction asks for an erasure that nobody would carry out.
    #[error(
        "nobody would heed this erasure: the operator key of this node may not erase, or too few \
         root keys signed ({signers} of {needed})"
    )]
    MayNotErase {
        /// Distinct root keys that signed.
        signers: usize,
        /// How many must.
        needed: u8,
    },
    /// Too much at once.
    #[error("{count} records at once, the limit is {PUBLISH_MAX}")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// A body has more bytes than a record may carry.
    #[error("body number {index} has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Which one, from 0.
        index: usize,
        /// Its length.
        bytes: usize,
        /// What is allowed.
        limit: u32,
    },
    /// An identity event does not belong where it should stand.
    #[error("the identity event is refused: {0}")]
    Event(crate::ingest::Rejection),
    /// A record is not for those whom the one that it revises or retracts is for.
    #[error("record {id} is for {}: what revises or retracts it is for the same", describe(.recipients))]
    OtherRecipients {
        /// The record that is revised or retracted.
        id: RecordId,
        /// For whom it is.
        recipients: Recipients,
    },
    /// A record is for a network that this node does not belong to.
    #[error("this node does not belong to network {id}")]
    NotAMember {
        /// Which.
        id: NetworkId,
    },
    /// A record is for no centres or for too many.
    #[error("{count} centres are named, 1 to {AUDIENCE_CENTRES_MAX} are needed")]
    NamedCentres {
        /// How many.
        count: usize,
    },
    /// Too many networks.
    #[error("{count} networks, the limit is {NETWORKS_MAX}")]
    TooManyNetworks {
        /// How many.
        count: usize,
    },
    /// There is no such peer.
    #[error("no peer {peer} is known")]
    UnknownPeer {
        /// Which.
        peer: Peer,
    },
    /// There is no network in this process.
    #[error("the daemon is not running")]
    Offline,
    /// The service is stopping or has more to do than it queues.
    #[error("the node is busy or stopping")]
    Busy,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// What an import brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Records that are new here.
    pub inserted: u64,
    /// Records that were held already.
    pub duplicates: u64,
    /// Records kept whose signer's authority is not known yet.
    pub held: u64,
    /// Records that are not kept for now: of unknown authority beyond a limit, or behind the
    /// end of their feed.
    pub deferred: u64,
    /// Bodies that were missing and came.
    pub bodies: u64,
    /// Identity events that are new here.
    pub identities: u64,
    /// Records or events refused as not authentic.
    pub rejected: u64,
    /// Records and identity events whose predecessors are not held, so that they cannot be
    /// placed.
    pub gaps: u64,
    /// Records that policy declines.
    pub declined: u64,
    /// Records that are for others than this node, which are not kept.
    pub foreign: u64,
}

fn describe(recipients: &Recipients) -> String {
    match recipients {
        Recipients::Public => "everybody".to_owned(),
        Recipients::Network(id) => format!("the network {id}"),
        Recipients::Centres(centres) => format!("{} named centres", centres.len()),
    }
}

/// How the service is.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceStatus {
    /// Our centre.
    pub centre: CentreId,
    /// Head of our identity log; none while it is not held.
    pub identity_head: Option<EventId>,
    /// Our node key.
    pub node: Peer,
    /// Our operator key.
    pub operator: Option<PublicKey>,
    /// Whether the operator key can sign now.
    pub unlocked: bool,
    /// Why it may not sign, if so.
    pub key_blocked: Option<String>,
    /// Our own public feed.
    pub own_feed: Option<(FeedId, FeedHead)>,
    /// Addresses on which we accept connections; empty without a network.
    pub listen: Vec<String>,
    /// Peers connected.
    pub peers_connected: usize,
    /// Peers in the book.
    pub peers_known: usize,
    /// Records held whose signer's authority is not known.
    pub held: u64,
    /// Feeds that fork, with the first position that has two records.
    pub forks: Vec<(FeedId, Seq)>,
    /// Catch-up sessions under way.
    pub sessions: usize,
    /// When we last agreed with any peer on everything.
    pub agreed_ms: Option<Timestamp>,
    /// What was seen of our networks since the start.
    pub networks: BTreeMap<NetworkId, SeenNetwork>,
    /// Latest failures of dials: address and reason, newest last.
    pub dial_failures: Vec<(String, String)>,
    /// Feeds that are known to be kept out by policy.
    pub declined_feeds: usize,
    /// How much centres for which nobody vouches take of what they may.
    pub quotas: QuotaUse,
    /// Missing bodies that are known not to fit our interests.
    pub bodies_left_out: usize,
    /// Why the store is read-only, if so.
    pub read_only: Option<String>,
}

/// What was seen of a network since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenNetwork {
    /// Centres of nodes that proved to be members.
    pub centres: BTreeSet<CentreId>,
    /// When we last agreed with a member on all of it.
    pub agreed_ms: Option<Timestamp>,
}

/// What is known of a peer.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerStatus {
    /// Its node key.
    pub peer: Peer,
    /// Its centre, if proved.
    pub centre: Option<CentreId>,
    /// Whether it is connected.
    pub connected: bool,
    /// Where it was last reached or is said to be.
    pub addresses: Vec<String>,
    /// When we last agreed with it on everything.
    pub agreed_ms: Option<Timestamp>,
    /// Whether it held the same as we do when it last compared itself with us.
    pub equal: Option<bool>,
    /// Last failure with it, in words.
    pub last_failure: Option<String>,
}
