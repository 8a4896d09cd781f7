//! What is written into the peer book, and who makes room in it.
//!
//! Invariant: the book is bounded, and what somebody merely said pushes out nobody with
//! whom we were connected.
//! Spec: docs/PROTOCOL.md, section 7.3.

use baraza_record::codec;

use crate::{
    net::{NetEffect, Peer},
    peers::{BOOK_MAX, HEARSAY_MAX, PeerEntry},
    store::{Store, StoreError, Table},
    wire::ADDRESSES_MAX,
};

use super::Service;

impl<S: Store> Service<S> {
    /// A peer itself or the local network says where it is.
    pub(super) fn found(
        &mut self,
        peer: Peer,
        addresses: &[String],
        local: bool,
    ) -> Result<(), StoreError> {
        if peer == self.config.node || addresses.is_empty() || self.links.banned(&peer, self.now) {
            return Ok(());
        }
        let connected = self.links.up.contains_key(&peer);
        if connected || self.has_room_for(&peer) {
            let addresses = addresses.iter().take(ADDRESSES_MAX);
            self.note_peer(peer, |entry| {
                addresses.filter(|address| entry.suggest(address, ADDRESSES_MAX)).count() != 0
            })?;
        }
        if local && !connected {
            let addresses = addresses.iter().take(ADDRESSES_MAX).cloned().collect();
            self.net(NetEffect::Dial { peer: Some(peer), addresses });
        }
        Ok(())
    }

    /// A peer says where another one is. Half of the places for addresses stay free for what
    /// that one says itself.
    pub(super) fn told_of(&mut self, peer: Peer, addresses: &[String]) -> Result<(), StoreError> {
        if peer == self.config.node || addresses.is_empty() || !self.has_room_for(&peer) {
            return Ok(());
        }
        let addresses = addresses.iter().take(ADDRESSES_MAX);
        self.note_peer(peer, |entry| {
            addresses.filter(|address| entry.suggest(address, ADDRESSES_MAX / 2)).count() != 0
        })
    }

    /// Returns whether a peer with whom we were never connected may be in the book.
    fn has_room_for(&self, peer: &Peer) -> bool {
        let hearsay = |entry: &&PeerEntry| entry.connected_ms.is_none();
        self.links.book.contains_key(peer)
            || self.links.book.values().filter(hearsay).count() < HEARSAY_MAX
    }

    /// Changes a peer's entry in the book, and keeps it if `change` says that it did.
    pub(super) fn note_peer(
        &mut self,
        peer: Peer,
        change: impl FnOnce(&mut PeerEntry) -> bool,
    ) -> Result<(), StoreError> {
        if peer == self.config.node {
            return Ok(());
        }
        let mut entry = self.links.book.get(&peer).cloned().unwrap_or_default();
        if change(&mut entry) {
            self.store.put_local(Table::Peers, &peer.0, Some(&codec::encode(&entry)))?;
            self.links.book.insert(peer, entry);
        }
        while BOOK_MAX < self.links.book.len() {
            let away = self.links.book.iter().filter(|(peer, _)| !self.links.up.contains_key(peer));
            let Some(least) = away.min_by_key(|(_, entry)| worth(entry)).map(|(peer, _)| *peer)
            else {
                break;
            };
            self.forget_peer(&least)?;
        }
        Ok(())
    }

    pub(super) fn forget_peer(&mut self, peer: &Peer) -> Result<(), StoreError> {
        self.links.book.remove(peer);
        self.links.dialled.remove(peer);
        self.store.put_local(Table::Peers, &peer.0, None)
    }
}

/// Orders entries by what they are worth: those that once agreed with us, and so proved to
/// be of use, stay longest.
fn worth(entry: &PeerEntry) -> impl Ord + use<> {
    (entry.agreed_ms.is_some(), entry.centre.is_some(), entry.connected_ms)
}
