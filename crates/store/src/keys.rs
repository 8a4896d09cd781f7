//! The keys of the index.
//!
//! Invariant: integers are big-endian, so that byte order is the order of what they name;
//! the first byte says what a row is. One tree for all: what is written in one batch is
//! there whole or not at all.
//!
//! | first byte | rest of the key | value |
//! |---|---|---|
//! | `r` | feed number, branch, position / 16 | slots (`slot`) |
//! | `f` | feed id | feed number, and the feed's state if it has one |
//! | `i` | centre id, number, event id | signed identity event |
//! | `j` | centre id | where its log stands on the shelf |
//! | `g` | feed number, branch, position | signature that came late |
//! | `s` | id of the first version, feed number, branch, position | |
//! | `t` | target id, feed number, branch, position | |
//! | `w` | feed id, position, branch | a body is wanted |
//! | `p`, `h`, `b`, `a` | key of a node-local fact | the fact |
//! | `m` | name | about the index itself |
//!
//! Spec: docs/STORAGE.md, section 3.

use baraza_protocol::store::{Branch, Place, Table};
use baraza_record::{CentreId, EventId, FeedId, ID_BYTES, RecordId, Seq};

use crate::slot::ROW_SLOTS;

/// First byte of the rows of slots.
pub(crate) const SLOTS: u8 = b'r';
/// First byte of the rows of feeds.
pub(crate) const FEEDS: u8 = b'f';
/// First byte of the rows of identity events.
pub(crate) const IDENTITIES: u8 = b'i';
/// First byte of the rows of the heads of identity logs.
pub(crate) const IDENTITY_HEADS: u8 = b'j';
/// First bytes of the rows of node-local facts: what a rebuild cannot restore.
pub(crate) const LOCALS: [u8; 4] = [b'p', b'h', b'b', b'a'];

/// Row: applied position and last change number.
pub(crate) const META_STATE: &[u8] = b"mstate";
/// Row: epoch of the change numbers.
pub(crate) const META_EPOCH: &[u8] = b"mepoch";
/// Row: present only while nobody has the store open, if it was closed in order.
pub(crate) const META_CLEAN: &[u8] = b"mclean";

/// A place with the number of its feed in place of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    /// Number of the feed in this store.
    pub(crate) feed: u32,
    /// Position.
    pub(crate) seq: Seq,
    /// Branch.
    pub(crate) branch: Branch,
}

impl Spot {
    fn to_bytes(self) -> [u8; 13] {
        let mut bytes = [0; 13];
        bytes[..4].copy_from_slice(&self.feed.to_be_bytes());
        bytes[4] = branch_byte(self.branch);
        bytes[5..].copy_from_slice(&self.seq.to_be_bytes());
        bytes
    }

    /// Reads the spot at the end of a key.
    pub(crate) fn from_key(key: &[u8]) -> Option<Self> {
        let (_, bytes) = key.split_last_chunk::<13>()?;
        let (feed, rest) = bytes.split_first_chunk::<4>()?;
        let (branch, seq) = rest.split_first_chunk::<1>()?;
        let (feed, seq) = (u32::from_be_bytes(*feed), u64::from_be_bytes(seq.try_into().ok()?));
        Some(Self { feed, seq, branch: branch_of(branch[0])? })
    }
}

/// Returns the key of the row that holds a spot's slot.
pub(crate) fn slots(spot: Spot) -> Vec<u8> {
    let row = Spot { seq: spot.seq / ROW_SLOTS, ..spot };
    join(SLOTS, &[&row.to_bytes()])
}

/// Reads the key of a row of slots: the spot of its first position.
pub(crate) fn first_of_slots(key: &[u8]) -> Option<Spot> {
    let row = Spot::from_key(key)?;
    Some(Spot { seq: row.seq.checked_mul(ROW_SLOTS)?, ..row })
}

/// Returns the key of a feed.
pub(crate) fn feed(feed: &FeedId) -> Vec<u8> {
    join(FEEDS, &[&feed.0])
}

/// Returns the first part of the keys of a centre's identity events.
pub(crate) fn identities(centre: &CentreId) -> Vec<u8> {
    join(IDENTITIES, &[&centre.0])
}

/// Returns the key of an identity event.
pub(crate) fn identity(centre: &CentreId, seq: u64, event: &EventId) -> Vec<u8> {
    join(IDENTITIES, &[&centre.0, &seq.to_be_bytes(), &event.0])
}

/// Reads the centre of the key of an identity event or of the head of a log.
pub(crate) fn parse_centre(key: &[u8]) -> Option<CentreId> {
    key.get(1..)?.first_chunk::<ID_BYTES>().copied().map(CentreId)
}

/// Returns the key of the head of an identity log.
pub(crate) fn identity_head(centre: &CentreId) -> Vec<u8> {
    join(IDENTITY_HEADS, &[&centre.0])
}

/// Returns the first part of the keys of the rows of slots of one branch of a feed.
pub(crate) fn slots_of(feed: u32, branch: Branch) -> Vec<u8> {
    join(SLOTS, &[&feed.to_be_bytes(), &[branch_byte(branch)]])
}

/// Returns the key of a late signature.
pub(crate) fn signature(spot: Spot) -> Vec<u8> {
    join(b'g', &[&spot.to_bytes()])
}

/// Returns the first part of the keys of the records of a series.
pub(crate) fn series(first: &RecordId) -> Vec<u8> {
    join(b's', &[&first.0])
}

/// Returns the first part of the keys of the records with a target.
pub(crate) fn targeting(target: &RecordId) -> Vec<u8> {
    join(b't', &[&target.0])
}

/// Returns `prefix` with a spot behind it.
pub(crate) fn with_spot(mut prefix: Vec<u8>, spot: Spot) -> Vec<u8> {
    prefix.extend(spot.to_bytes());
    prefix
}

/// First byte of the rows of wanted bodies.
pub(crate) const WANTED: u8 = b'w';

/// Returns the key of a wanted body; its order is the order of places.
pub(crate) fn wanted(place: &Place) -> Vec<u8> {
    join(WANTED, &[&place.feed.0, &place.seq.to_be_bytes(), &[branch_byte(place.branch)]])
}

/// Reads the key of a wanted body.
pub(crate) fn parse_wanted(key: &[u8]) -> Option<Place> {
    let (feed, rest) = key.get(1..)?.split_first_chunk::<ID_BYTES>()?;
    let (seq, branch) = rest.split_first_chunk::<8>()?;
    let [branch] = branch else { return None };
    let (seq, branch) = (u64::from_be_bytes(*seq), branch_of(*branch)?);
    Some(Place { feed: FeedId(*feed), seq, branch })
}

/// Returns the key of a node-local fact.
pub(crate) fn local(table: Table, key: &[u8]) -> Vec<u8> {
    let [peers, holders, budget, attachments] = LOCALS;
    let first = match table {
        Table::Peers => peers,
        Table::Holders => holders,
        Table::Budget => budget,
        Table::Attachments => attachments,
    };
    join(first, &[key])
}

fn join(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(first);
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

fn branch_byte(branch: Branch) -> u8 {
    match branch {
        Branch::Main => 0,
        Branch::Other => 1,
    }
}

fn branch_of(byte: u8) -> Option<Branch> {
    match byte {
        0 => Some(Branch::Main),
        1 => Some(Branch::Other),
        _ => None,
    }
}
