//! The phone book: where peers can be reached, kept by public nodes together (Kademlia).
//!
//! Invariant: it holds addresses and nothing else: records and providers are neither stored
//! nor asked for. What it says is a hint, and only a connection proves who is at an address;
//! lookups take several paths that share no node. Off unless configured.
//! Not here: who is dialled (`baraza-protocol`), which addresses may be (`guard`).
//! Spec: docs/PROTOCOL.md, section 7.7.

use std::time::Duration;

use libp2p::{
    Multiaddr, PeerId, StreamProtocol,
    identify::Info,
    kad::{
        self,
        store::{MemoryStore, MemoryStoreConfig},
    },
};
use tokio::time::Instant;

use crate::{address, driver::Driver, peer};

/// Name of the protocol; only who serves the phone book offers it.
const PHONEBOOK_PROTOCOL: StreamProtocol = StreamProtocol::new("/baraza/kad/1");

/// Time for a look-up: some dials of a minute each, one after the other.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(180);

/// Time for one question of it.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(30);

/// Time between two look-ups of somebody who could not be dialled.
const LOOKUP_EVERY: Duration = Duration::from_secs(30);

/// Time between two looks around while fewer than [`ENOUGH_PEERS`] are connected.
const LOOK_AROUND_EVERY: Duration = Duration::from_secs(600);

/// Connected peers with whom no others are looked for.
const ENOUGH_PEERS: usize = 4;

/// Largest message (16 KiB): 20 peers with 8 addresses of 100 bytes each.
const MESSAGE_BYTES_MAX: usize = 16 * 1_024;

/// Builds it.
pub(crate) fn build(id: PeerId) -> kad::Behaviour<MemoryStore> {
    let mut config = kad::Config::new(PHONEBOOK_PROTOCOL);
    config
        // With this, and no room in the store, nothing is ever stored.
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_publication_interval(None)
        .set_caching(kad::Caching::Disabled)
        .disjoint_query_paths(true)
        // Whoever is listed was connected and said that it serves.
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        .set_periodic_bootstrap_interval(None)
        .set_query_timeout(LOOKUP_TIMEOUT)
        .set_substreams_timeout(QUESTION_TIMEOUT)
        .set_max_packet_size(MESSAGE_BYTES_MAX);
    let nothing = MemoryStoreConfig {
        max_records: 0,
        max_value_bytes: 0,
        max_providers_per_key: 0,
        max_provided_keys: 0,
    };
    kad::Behaviour::with_config(id, MemoryStore::with_config(id, nothing), config)
}

/// When it may be asked again.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    somebody_at: Option<Instant>,
    around_at: Option<Instant>,
}

impl Driver {
    /// Lists a peer that serves the phone book.
    pub(crate) fn list(&mut self, id: PeerId, info: &Info) {
        let Some(connection) = self.peers.get(&id) else { return };
        if !info.protocols.contains(&PHONEBOOK_PROTOCOL) {
            return;
        }
        let addresses = {
            let (claimed, near) = (info.listen_addrs.iter().cloned(), connection.near);
            address::dialable(claimed, |_| near)
        };
        let Some(phonebook) = self.swarm.behaviour_mut().phonebook.as_mut() else { return };
        for address in addresses.iter().filter_map(|text| text.parse::<Multiaddr>().ok()) {
            phonebook.add_address(&id, address);
        }
    }

    /// Looks up somebody who could not be dialled.
    pub(crate) fn look_up(&mut self, id: PeerId) {
        let now = Instant::now();
        let Some(phonebook) = self.swarm.behaviour_mut().phonebook.as_mut() else { return };
        if self.lookups.somebody_at.is_none_or(|at| LOOKUP_EVERY <= now - at) {
            self.lookups.somebody_at = Some(now);
            phonebook.get_closest_peers(id);
        }
    }

    /// Looks around while few peers are connected.
    pub(crate) fn look_around(&mut self, now: Instant) {
        let few = (1..ENOUGH_PEERS).contains(&self.peers.len());
        if !few || self.lookups.around_at.is_some_and(|at| now - at < LOOK_AROUND_EVERY) {
            return;
        }
        let Some(phonebook) = self.swarm.behaviour_mut().phonebook.as_mut() else { return };
        if phonebook.kbuckets().any(|bucket| !bucket.is_empty()) {
            self.lookups.around_at = Some(now);
            phonebook.get_closest_peers(PeerId::random());
        }
    }

    /// Tells whom a look-up has found.
    pub(crate) fn looked_up(&mut self, event: kad::Event) {
        let kad::Event::OutboundQueryProgressed {
            result: kad::QueryResult::GetClosestPeers(found),
            ..
        } = event
        else {
            return;
        };
        let peers = match found {
            Ok(kad::GetClosestPeersOk { peers, .. }) => peers,
            Err(kad::GetClosestPeersError::Timeout { peers, .. }) => peers,
        };
        let near = self.farthest();
        for found in peers {
            let ourselves = found.peer_id == *self.swarm.local_peer_id();
            if let Some(peer) = peer::peer_key(&found.peer_id).filter(|_| !ourselves) {
                self.found(peer, found.addrs, near, false);
            }
        }
    }
}
