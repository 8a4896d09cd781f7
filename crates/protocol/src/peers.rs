//! The peer book: who was reached where.
//!
//! Invariant: an entry is a hint. Only a connection proves who is at an address.
//! Spec: docs/PROTOCOL.md, section 7.3.

use baraza_record::{CentreId, PublicKey, Timestamp, codec};
use bincode::{Decode, Encode};

use crate::{
    entitle::Shared,
    net::Peer,
    wire::{ADDRESSES_MAX, Cursor},
};

/// Most peers in the book. The ones not reached for longest make room.
pub const BOOK_MAX: usize = 1_000;

/// Most peers in the book with whom we were never connected.
pub const HEARSAY_MAX: usize = 256;

/// Most bytes of an address.
pub const ADDRESS_BYTES_MAX: usize = 256;

const ENTRY_BYTES_MAX: usize = 4 * 1_024;

/// What is known of a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct PeerEntry {
    /// Multiaddrs without the peer id; the one that last worked first.
    pub addresses: Vec<String>,
    /// When it was last connected; never if somebody only told us.
    pub connected_ms: Option<Timestamp>,
    /// Its centre, once proved.
    pub centre: Option<CentreId>,
    /// When both sides last held the same.
    pub agreed_ms: Option<Timestamp>,
    /// Failed dials since it was last connected.
    pub failures: u32,
    /// How far we have followed what moves there.
    pub seen: Option<Seen>,
}

/// How far a peer was followed: all that it held then was taken, or is declined.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Seen {
    /// Epoch of our own store: what was taken may be gone in another one.
    pub epoch: u64,
    /// Where it stood.
    pub cursor: Cursor,
    /// Shelves for which that holds.
    pub shelves: Vec<Shared>,
    /// When the shelves were last compared without relying on what moved.
    pub walked_ms: Timestamp,
}

impl PeerEntry {
    /// Encodes the entry.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Decodes an entry with its key; `None` for one of another version.
    pub fn decode(key: &[u8], value: &[u8]) -> Option<(Peer, Self)> {
        let peer = PublicKey(key.try_into().ok()?);
        codec::decode(value, ENTRY_BYTES_MAX).ok().map(|entry| (peer, entry))
    }

    /// Puts an address first. Returns whether that changed anything.
    pub fn prefer(&mut self, address: &str) -> bool {
        let usable = !address.is_empty() && address.len() <= ADDRESS_BYTES_MAX;
        if !usable || self.addresses.first().is_some_and(|first| first == address) {
            return false;
        }
        self.addresses.retain(|known| known != address);
        self.addresses.insert(0, address.to_owned());
        self.addresses.truncate(ADDRESSES_MAX);
        true
    }

    /// Adds an address that somebody told us, if there are fewer than `room`. Returns whether
    /// it is new.
    pub fn suggest(&mut self, address: &str, room: usize) -> bool {
        let usable = !address.is_empty() && address.len() <= ADDRESS_BYTES_MAX;
        let known = self.addresses.iter().any(|known| known == address);
        if !usable || known || room.min(ADDRESSES_MAX) <= self.addresses.len() {
            return false;
        }
        self.addresses.push(address.to_owned());
        true
    }
}
