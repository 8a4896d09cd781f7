//! Connections: who is there, and why a dial failed.
//!
//! Invariant: `Connected` is told with the first connection of a peer and `Disconnected`
//! with its last, whoever made them: the rules, a relay, the phone book, a hole that was
//! punched. A connection through a relay is closed once there is a direct one and nothing
//! is under way.
//! Not here: what to do about it (`baraza-protocol`).
//! Spec: docs/PROTOCOL.md, sections 7.1 and 7.7.

use std::{collections::BTreeMap, io, time::Duration};

use baraza_protocol::net::{NetEvent, Peer};
use libp2p::{
    Multiaddr, PeerId, TransportError,
    core::ConnectedPoint,
    identify,
    swarm::{ConnectionId, DialError},
};
use tokio::time::Instant;

use crate::{
    address::{self, Scope},
    codec::CATCHUP_PROTOCOL,
    config::FOUND_PEERS_MAX,
    driver::Driver,
    peer, reason,
};

/// Time for which a connection stays that was made for a peer to learn whether it can be
/// dialled; libp2p would leave it open.
const PROBE_TIME: Duration = Duration::from_secs(15);

/// A connected peer.
pub(crate) struct Connection {
    /// Its key.
    pub(crate) peer: Peer,
    /// Its address, as seen at the first connection.
    pub(crate) address: Multiaddr,
    /// Whether we called.
    pub(crate) outbound: bool,
    /// How near it is, as far as a direct connection shows.
    pub(crate) near: Scope,
    /// Its direct connections, and when each was made.
    direct: Vec<(ConnectionId, Instant)>,
    /// Its connections through relays.
    relayed: Vec<ConnectionId>,
    /// Connections that only tell the peer that it can be dialled.
    probes: Vec<(ConnectionId, Instant)>,
}

impl Driver {
    /// A connection was made.
    pub(crate) fn connected(
        &mut self,
        id: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
    ) {
        let dial = self.pending.dial_over(connection);
        if let Some(dial) = &dial {
            self.guard.done(&dial.addresses);
        }
        let Some(peer) = peer::peer_key(&id) else {
            tracing::debug!(%id, "peer has no Ed25519 key: connection closed");
            self.swarm.close_connection(connection);
            return;
        };
        let (now, relayed, outbound) =
            (Instant::now(), endpoint.is_relayed(), endpoint.is_dialer());
        let address = address::without_peer(match endpoint {
            // What comes through a relay shows no address of the peer.
            ConnectedPoint::Listener { local_addr, .. } if relayed => local_addr.clone(),
            endpoint => endpoint.get_remote_address().clone(),
        });
        let near = if relayed { Scope::World } else { address::scope(&address) };
        let first = !self.peers.contains_key(&id);
        let known = self.peers.entry(id).or_insert_with(|| Connection {
            peer,
            address: address.clone(),
            outbound,
            near,
            direct: Vec::new(),
            relayed: Vec::new(),
            probes: Vec::new(),
        });
        if relayed {
            known.relayed.push(connection);
        } else {
            if known.direct.is_empty() {
                known.near = near;
            } else if outbound && dial.is_none() {
                known.probes.push((connection, now));
            }
            known.direct.push((connection, now));
        }
        if first {
            self.tell(NetEvent::Connected { peer, address: address.to_string(), outbound });
        }
        self.set_farthest();
        self.relay_is_there(&id);
    }

    /// A connection was closed; `left` others with the peer are left.
    pub(crate) fn closed(&mut self, id: PeerId, connection: ConnectionId, left: u32) {
        if left == 0 {
            self.tell_traffic(&id);
            if let Some(connection) = self.peers.remove(&id) {
                self.tell(NetEvent::Disconnected { peer: connection.peer });
            }
        } else if let Some(known) = self.peers.get_mut(&id) {
            known.direct.retain(|(one, _)| *one != connection);
            known.relayed.retain(|one| *one != connection);
            known.probes.retain(|(one, _)| *one != connection);
        }
        self.set_farthest();
    }

    /// Closes connections that have had their use.
    pub(crate) fn tidy_connections(&mut self, now: Instant) {
        let mut spent = Vec::new();
        for (id, known) in &mut self.peers {
            let old = |(_, made): &(ConnectionId, Instant)| PROBE_TIME <= now - *made;
            spent.extend(known.probes.extract_if(.., |probe| old(probe)).map(|(one, _)| one));
            let settled = known.direct.iter().any(old) && self.pending.is_quiet(id);
            if settled && !known.relayed.is_empty() {
                spent.append(&mut known.relayed);
            }
        }
        for connection in spent {
            self.swarm.close_connection(connection);
        }
    }

    /// Returns how near the farthest connected peer is: so near must an address be that
    /// somebody names whom we do not see.
    pub(crate) fn farthest(&self) -> Scope {
        self.peers.values().map(|known| known.near).max().unwrap_or(Scope::World)
    }

    /// Returns how near somebody is who is as near as `near` and names `address`: a circuit
    /// through a relay that we are connected with is believed like the relay itself.
    pub(crate) fn nearness(&self, address: &Multiaddr, near: Scope) -> Scope {
        let relay = address::relay_of(address).and_then(|(_, relay)| self.peers.get(&relay));
        relay.map_or(near, |relay| relay.near.min(near))
    }

    fn set_farthest(&self) {
        self.guard.set_farthest(self.peers.values().map(|known| known.near).max());
    }

    /// Tells why a dial failed, and goes on with the addresses that are left.
    pub(crate) fn dial_failed(&mut self, id: ConnectionId, error: &DialError) {
        let Some(dial) = self.pending.dial_over(id) else { return };
        self.guard.done(&dial.addresses);
        match error {
            // Wanted and there: a peer that is connected already.
            DialError::DialPeerConditionFalse(_) => return,
            DialError::Transport(failures) => self.tell_unreachable(failures),
            DialError::WrongPeerId { obtained, address } => {
                let address = address::without_peer(address.clone());
                let reason = reason::of_wrong_peer(&address, obtained, dial.expected.as_ref());
                self.tell_failed(&[address], &reason);
            }
            other => self.tell_failed(&dial.addresses, &reason::of_dial(other)),
        }
        match dial.expected {
            Some(peer) => self.look_up(peer),
            None => self.dial_next(dial.then),
        }
    }

    pub(crate) fn tell_unreachable(&mut self, failures: &[(Multiaddr, TransportError<io::Error>)]) {
        for (address, error) in failures {
            self.tell_failed(std::slice::from_ref(address), &reason::of_transport(error));
        }
    }

    /// A peer says what it is: one of us, or not.
    pub(crate) fn identified(&mut self, id: PeerId, info: identify::Info) {
        let Some(connection) = self.peers.get(&id) else { return };
        if info.protocols.contains(&CATCHUP_PROTOCOL) {
            let (peer, near) = (connection.peer, connection.near);
            self.list(id, &info);
            self.found(peer, info.listen_addrs, near, false);
            return;
        }
        let reason = reason::of_foreign(&info.agent_version);
        tracing::debug!(%id, reason, "connection closed");
        if connection.outbound {
            let address = connection.address.clone();
            self.tell_failed(&[address], &reason);
        }
        // Fails only for a peer that is not connected.
        let _ = self.swarm.disconnect_peer_id(id);
    }

    /// The local network names peers.
    pub(crate) fn discovered(&mut self, found: Vec<(PeerId, Multiaddr)>) {
        let mut peers: BTreeMap<Peer, Vec<Multiaddr>> = BTreeMap::new();
        for (id, address) in found {
            let Some(peer) = peer::peer_key(&id) else { continue };
            if peers.len() < FOUND_PEERS_MAX || peers.contains_key(&peer) {
                peers.entry(peer).or_default().push(address);
            }
        }
        for (peer, addresses) in peers {
            self.found(peer, addresses, Scope::Site, true);
        }
    }

    /// Tells where a peer may be, as far as whoever says so is believed.
    pub(crate) fn found(&mut self, peer: Peer, claimed: Vec<Multiaddr>, near: Scope, local: bool) {
        let addresses = address::dialable(claimed, |address| self.nearness(address, near));
        if !addresses.is_empty() {
            self.tell(NetEvent::Found { peer, addresses, local });
        }
    }
}
