//! The store as the rules see it.
//!
//! The rules decide what a record is worth; a store only keeps it. Two implementations
//! pass one set of tests: the model in memory (`model`) and `baraza-store`.
//! Invariant: what [`Store::commit`] has returned for survives any crash; what was put
//! and not committed is seen by the writer alone.
//! Not here: files (`baraza-store`), admission (`ingest`).
//! Spec: docs/PROTOCOL.md, section 4.

use std::sync::Arc;

use baraza_reconcile::{Head, Shelf};
use baraza_record::{
    Audience, CentreId, EventId, FeedId, FileHash, Kind, NetworkId, Payload, PublicKey, RecordId,
    Seq, SignedRecord, Timestamp, VerifiedRecord,
    attachment::{Part, VerifiedPart},
    sign::Signature,
};

/// Most items that one call of a reader returns.
pub const PAGE_MAX: usize = 1_000;

/// Position of a record in its feed, with its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedHead {
    /// Position; 0 before the first record.
    pub seq: Seq,
    /// Id of the record there; before the first, the bytes of the feed id.
    pub id: RecordId,
}

/// What is held of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedState {
    /// In whose name.
    pub centre: CentreId,
    /// By which key.
    pub signer: PublicKey,
    /// For whom.
    pub audience: Audience,
    /// End of the authentic chain that is held without a gap from 1.
    pub chain: FeedHead,
    /// End of what is admitted; never after `chain`, never at or after `fork`.
    pub shelf: FeedHead,
    /// Lowest position at which two authentic headers are held.
    pub fork: Option<Seq>,
}

impl FeedState {
    /// Returns what its shelf shows of a feed.
    ///
    /// It is marked as forked only if the shelf ends right before the fork: what stands
    /// further back waits for authority, and without that nobody can be given the evidence.
    pub fn head(&self) -> Head {
        let forked = self.fork == self.shelf.seq.checked_add(1);
        Head { seq: self.shelf.seq, id: self.shelf.id.0, forked }
    }
}

/// On which branch of a feed a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Branch {
    /// The chain that was held first.
    Main,
    /// Evidence of a fork.
    Other,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// In which feed.
    pub feed: FeedId,
    /// At which position.
    pub seq: Seq,
    /// On which branch.
    pub branch: Branch,
}

/// What is held of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyState {
    /// The body is held.
    Present,
    /// It is wanted.
    Missing,
    /// A retraction that is held had it erased.
    Erased,
}

/// What is known of a record's own signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureState {
    /// None is held.
    Missing,
    /// One is held; the chain made the record authentic.
    Unchecked,
    /// One is held and valid.
    Checked,
}

/// Facts about a record that need no look into the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Id.
    pub id: RecordId,
    /// Kind.
    pub kind: Kind,
    /// Number of the latest change of what is held of it, from 1, unique in the store's epoch.
    pub change: u64,
    /// When its header arrived, by our clock.
    pub arrived_ms: Timestamp,
    /// Its body.
    pub body: BodyState,
    /// Its signature.
    pub signature: SignatureState,
    /// Whether its header says that its body lists files.
    pub lists_files: bool,
}

/// Totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records held, whatever their standing.
    pub records: u64,
    /// Records whose body is wanted.
    pub bodies_missing: u64,
    /// Feeds.
    pub feeds: u64,
    /// Centres whose identity is held.
    pub centres: u64,
    /// Bytes of the ledger.
    pub ledger_bytes: u64,
}

/// Node-local facts that are kept beside the records and never leave the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Peer book: key is the node key.
    Peers,
    /// Who is known to hold what: key is feed id and centre id.
    Holders,
    /// What went over the link: one fact.
    Budget,
    /// Attachments: who lists them, what is wanted, what is pinned (`attachments`).
    Attachments,
}

/// What is held of an attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldFile {
    /// Length of the whole file.
    pub bytes: u64,
    /// Which of its groups are held; `None`: all, and the file as a whole matches its hash.
    pub groups: Option<Vec<bool>>,
}

impl HeldFile {
    /// Returns whether the file is whole.
    pub fn is_whole(&self) -> bool {
        self.groups.is_none()
    }

    /// Returns about how many bytes are held.
    pub fn bytes_held(&self) -> u64 {
        let group = baraza_record::attachment::GROUP_BYTES as u64;
        match &self.groups {
            None => self.bytes,
            Some(groups) => {
                let held = groups.iter().filter(|held| **held).count() as u64;
                (held * group).min(self.bytes)
            }
        }
    }
}

/// Which shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShelfName {
    /// Public identity logs: centre -> (seq, event id).
    Identities,
    /// Public feeds.
    Public,
    /// Feeds for the members of a network.
    Network(NetworkId),
    /// Feeds for named centres, whoever they are.
    Named,
}

impl ShelfName {
    /// Returns on which shelf a feed for `audience` stands.
    pub fn of(audience: &Audience) -> Self {
        match audience {
            Audience::Public => Self::Public,
            Audience::Network(id, _) => Self::Network(*id),
            Audience::Centres(..) => Self::Named,
        }
    }
}

/// Why the store failed. Ours: the node goes read-only or stops.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is nearly full; nothing was written.
    #[error("only {free} bytes are free on the disk, the store stops writing below {floor}")]
    DiskFull {
        /// What is free.
        free: u64,
        /// What must stay free.
        floor: u64,
    },
    /// An earlier failure made the store read-only.
    #[error("store is read-only: {why}")]
    ReadOnly {
        /// Which failure.
        why: String,
    },
    /// Stored bytes are not what was written.
    #[error("damaged: {what}")]
    Damaged {
        /// Where and what.
        what: String,
    },
    /// The operating system or the index refused.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A node-local fact: key and value.
pub type Local = (Vec<u8>, Vec<u8>);

/// Reads. A reader sees what was committed, and may be shared between threads.
pub trait StoreRead: Send + Sync {
    /// Returns a random number that changes whenever change numbers start anew.
    fn epoch(&self) -> u64;

    /// Returns the highest change number.
    fn last_change(&self) -> u64;

    /// Returns the highest number of a move of a head on a shelf: what moved after it is what
    /// [`Shelf::changed`] gives. Numbers count up within an epoch.
    fn last_move(&self) -> u64;

    /// Returns what is held of a feed.
    fn feed(&self, feed: &FeedId) -> Result<Option<FeedState>, StoreError>;

    /// Returns up to `count` feeds after `after`, whatever their standing, in the order of their ids.
    fn feeds(&self, after: Option<FeedId>, count: usize) -> Result<Vec<FeedId>, StoreError>;

    /// Returns about how many bytes the records of a feed take.
    fn feed_bytes(&self, feed: &FeedId) -> Result<u64, StoreError>;

    /// Returns the feeds of a centre, in the order of their ids.
    fn feeds_of(&self, centre: &CentreId) -> Result<Vec<FeedId>, StoreError>;

    /// Returns the facts about a record.
    fn entry(&self, place: &Place) -> Result<Option<Entry>, StoreError>;

    /// Reads a record. Checks its checksum and its id.
    fn record(&self, place: &Place) -> Result<Option<SignedRecord>, StoreError>;

    /// Reads records of the main branch from `from`, in order, until the next one would pass
    /// `bytes_max` (but at least one) or `to`, or is not held.
    fn range(
        &self,
        feed: &FeedId,
        from: Seq,
        to: Seq,
        bytes_max: usize,
    ) -> Result<Vec<SignedRecord>, StoreError>;

    /// Returns up to `count` records whose id starts with these hexadecimal digits (lower case).
    fn find(&self, digits: &str, count: usize) -> Result<Vec<(RecordId, Place)>, StoreError>;

    /// Returns up to `count` changes before `before` (None: the latest), newest first.
    fn newest(&self, before: Option<u64>, count: usize) -> Result<Vec<(u64, Place)>, StoreError>;

    /// Returns up to `count` changes after `after`, oldest first.
    fn changes(&self, after: u64, count: usize) -> Result<Vec<(u64, Place)>, StoreError>;

    /// Returns the records whose header names `first` as their series.
    fn series(&self, first: &RecordId) -> Result<Vec<Place>, StoreError>;

    /// Returns the records whose header names `target` as their target.
    fn targeting(&self, target: &RecordId) -> Result<Vec<Place>, StoreError>;

    /// Returns up to `count` records after `after` whose body is wanted.
    fn missing(&self, after: Option<Place>, count: usize) -> Result<Vec<Place>, StoreError>;

    /// Returns the positions of a feed at which a record stands on the other branch, ascending.
    fn evidence(&self, feed: &FeedId) -> Result<Vec<Seq>, StoreError>;

    /// Returns the signed events that are held of a centre's identity log, by position; none
    /// if it is unknown. Several may stand at one position.
    fn identity(&self, centre: &CentreId) -> Result<Vec<Vec<u8>>, StoreError>;

    /// Returns up to `count` centres after `after`.
    fn centres(&self, after: Option<CentreId>, count: usize) -> Result<Vec<CentreId>, StoreError>;

    /// Returns a shelf: to readers as it was at the last commit; the writer may see what it
    /// has put since.
    fn shelf(&self, name: ShelfName) -> Arc<Shelf>;

    /// Returns the totals.
    fn counts(&self) -> Counts;

    /// Returns a node-local fact.
    fn local(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Returns the node-local facts whose key starts with `prefix`, in key order.
    fn locals(&self, table: Table, prefix: &[u8]) -> Result<Vec<Local>, StoreError>;

    /// Returns what is held of an attachment.
    fn attachment(&self, hash: &FileHash) -> Result<Option<HeldFile>, StoreError>;

    /// Returns up to `count` attachments after `after` of which something is held.
    fn attachments(
        &self,
        after: Option<FileHash>,
        count: usize,
    ) -> Result<Vec<(FileHash, HeldFile)>, StoreError>;

    /// Reads up to `count` groups from `from` of an attachment that is whole, with their proof;
    /// `None` if it is not whole or has no such group.
    fn attachment_part(
        &self,
        hash: &FileHash,
        from: u32,
        count: u32,
    ) -> Result<Option<Part>, StoreError>;
}

/// Writes. There is one writer; as a reader it also sees what it has not committed yet.
pub trait Store: StoreRead {
    /// What other threads read with.
    type Reader: StoreRead + Clone + 'static;

    /// Returns a reader.
    fn reader(&self) -> Self::Reader;

    /// Keeps a signed identity event as number `seq` of its log; `event` is its id.
    fn put_identity(
        &mut self,
        centre: &CentreId,
        seq: u64,
        event: &EventId,
        signed: &[u8],
    ) -> Result<(), StoreError>;

    /// Drops an identity event that decides nothing any more. Its frame stays in the ledger.
    fn drop_identity(
        &mut self,
        centre: &CentreId,
        seq: u64,
        event: &EventId,
    ) -> Result<(), StoreError>;

    /// Sets where an identity log stands on its shelf.
    fn put_identity_head(&mut self, centre: &CentreId, head: Head) -> Result<(), StoreError>;

    /// Keeps a record at its place. The place must be free.
    fn put_record(
        &mut self,
        record: &VerifiedRecord,
        branch: Branch,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Keeps the body of a record held without one. The caller has checked the commitment.
    fn put_payload(&mut self, place: &Place, payload: &Payload) -> Result<(), StoreError>;

    /// Keeps a valid signature of a record held with none, or with an unchecked one.
    fn put_signature(&mut self, place: &Place, signature: &Signature) -> Result<(), StoreError>;

    /// Exchanges the branches of a feed from position `from` on: the other one, up to
    /// `other_to`, becomes the main one, which up to `main_to` becomes the other. What stood
    /// on the other branch behind `other_to`, up to `main_to`, is dropped.
    fn exchange(
        &mut self,
        feed: &FeedId,
        from: Seq,
        main_to: Seq,
        other_to: Seq,
    ) -> Result<(), StoreError>;

    /// Drops a record of the other branch. Its frames stay in the ledger.
    fn drop_evidence(&mut self, feed: &FeedId, seq: Seq) -> Result<(), StoreError>;

    /// Sets what is held of a feed, and on its shelf [`FeedState::head`].
    fn put_feed(&mut self, feed: &FeedId, state: &FeedState) -> Result<(), StoreError>;

    /// Notes the head of a feed that this node signs, apart from everything else, so that a
    /// store that lost its end is noticed before the next record forks the feed. Durable
    /// with the next commit.
    fn put_own_head(&mut self, feed: &FeedId, head: &FeedHead) -> Result<(), StoreError>;

    /// Gives a record a new change number: its standing has changed.
    fn touch(&mut self, place: &Place) -> Result<(), StoreError>;

    /// Erases the body of a record from the disk. Call after the retraction is committed.
    fn erase(&mut self, place: &Place) -> Result<(), StoreError>;

    /// Sets or, with `None`, removes a node-local fact.
    fn put_local(
        &mut self,
        table: Table,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), StoreError>;

    /// Keeps a part of an attachment. With the last one that lacks, the file is whole.
    fn put_attachment(&mut self, part: &VerifiedPart) -> Result<(), StoreError>;

    /// Drops an attachment, whole or not.
    fn drop_attachment(&mut self, hash: &FileHash) -> Result<(), StoreError>;

    /// Makes everything that was put durable, then visible to readers.
    ///
    /// # Errors
    ///
    /// After [`StoreError::Io`] the store is read-only: a failed fsync is never tried again.
    fn commit(&mut self) -> Result<(), StoreError>;
}
