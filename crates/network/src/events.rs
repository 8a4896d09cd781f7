//! What the swarm reports, told to the rules.
//!
//! Invariant: `Connected` is told with the first connection of a peer and `Disconnected`
//! with its last; nothing a peer does is logged above `debug`.
//! Not here: what to do about it (`baraza-protocol`).
//! Spec: docs/PROTOCOL.md, section 7.

use std::{collections::BTreeMap, io};

use baraza_protocol::net::{GOSSIP_BYTES_MAX, NetEvent, Peer};
use libp2p::{
    Multiaddr, PeerId, TransportError,
    core::ConnectedPoint,
    gossipsub::{self, MessageAcceptance},
    identify, mdns, ping,
    request_response::{self, Message},
    swarm::{ConnectionId, DialError, SwarmEvent},
};

use crate::{
    address::{self, Scope},
    behaviour::BehaviourEvent,
    codec::{Asked, CATCHUP_PROTOCOL},
    config::FOUND_PEERS_MAX,
    driver::{Connection, Driver},
    peer,
    pending::Heard,
    reason,
    salvage::Salvaged,
};

impl Driver {
    /// Takes one event of the swarm.
    pub(crate) fn take(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.take_behaviour(event),
            SwarmEvent::NewListenAddr { address, .. } => {
                let address =
                    address.with_p2p(*self.swarm.local_peer_id()).unwrap_or_else(|address| address);
                self.tell(NetEvent::Listening { address: address.to_string() });
            }
            SwarmEvent::ListenerClosed { addresses, reason: Err(error), .. } => {
                tracing::error!(?addresses, %error, "no longer listening");
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "listener failed"),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                concurrent_dial_errors,
                ..
            } => {
                self.tell_unreachable(&concurrent_dial_errors.unwrap_or_default());
                self.connected(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                if let Some(connection) = self.peers.remove(&peer_id) {
                    self.tell(NetEvent::Disconnected { peer: connection.peer });
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.dial_failed(connection_id, &error);
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                tracing::debug!(%error, "connection refused")
            }
            _ => (),
        }
    }

    fn take_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.identified(peer_id, info);
            }
            // A peer without ping is not a dead one.
            BehaviourEvent::Ping(ping::Event {
                result: Err(ping::Failure::Unsupported), ..
            }) => (),
            BehaviourEvent::Ping(ping::Event { peer, connection, result: Err(error) }) => {
                tracing::debug!(%peer, %error, "no pong: connection closed");
                self.swarm.close_connection(connection);
            }
            BehaviourEvent::Gossip(gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            }) => {
                self.heard(
                    Heard { message: message_id, relayer: propagation_source },
                    message.data,
                );
            }
            BehaviourEvent::Catchup(event) => self.take_catchup(event),
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => self.discovered(found),
            _ => (),
        }
    }

    fn connected(&mut self, id: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        self.pending.dial_over(connection);
        let Some(peer) = peer::peer_key(&id) else {
            tracing::debug!(%id, "peer has no Ed25519 key: connection closed");
            self.swarm.close_connection(connection);
            return;
        };
        if self.peers.contains_key(&id) {
            return;
        }
        let address = address::without_peer(endpoint.get_remote_address().clone());
        let outbound = endpoint.is_dialer();
        self.peers.insert(id, Connection { peer, address: address.clone(), outbound });
        self.tell(NetEvent::Connected { peer, address: address.to_string(), outbound });
    }

    /// Tells why a dial failed, and goes on with the addresses that are left.
    pub(crate) fn dial_failed(&mut self, id: ConnectionId, error: &DialError) {
        let Some(dial) = self.pending.dial_over(id) else { return };
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
        self.dial_next(dial.then);
    }

    fn tell_unreachable(&mut self, failures: &[(Multiaddr, TransportError<io::Error>)]) {
        for (address, error) in failures {
            self.tell_failed(std::slice::from_ref(address), &reason::of_transport(error));
        }
    }

    /// A peer says what it is: one of us, or not.
    fn identified(&mut self, id: PeerId, info: identify::Info) {
        let Some(connection) = self.peers.get(&id) else { return };
        if info.protocols.contains(&CATCHUP_PROTOCOL) {
            let near = address::scope(&connection.address);
            let peer = connection.peer;
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

    fn discovered(&mut self, found: Vec<(PeerId, Multiaddr)>) {
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

    fn found(&mut self, peer: Peer, claimed: Vec<Multiaddr>, near: Scope, local: bool) {
        let addresses = address::dialable(claimed, near);
        if !addresses.is_empty() {
            self.tell(NetEvent::Found { peer, addresses, local });
        }
    }

    fn heard(&mut self, heard: Heard, bytes: Vec<u8>) {
        let Some(peer) = peer::peer_key(&heard.relayer) else {
            return self.judge(&heard, MessageAcceptance::Ignore);
        };
        if GOSSIP_BYTES_MAX < bytes.len() {
            return self.judge(&heard, MessageAcceptance::Reject);
        }
        let (token, oldest) = self.pending.heard(heard.message, heard.relayer);
        if let Some(oldest) = oldest {
            self.judge(&oldest, MessageAcceptance::Ignore);
        }
        self.tell(NetEvent::Gossip { peer, token, bytes });
    }

    /// Tells what had come of an answer.
    pub(crate) fn salvaged(&mut self, salvaged: Salvaged) {
        let Salvaged { request, bytes } = salvaged;
        if let Some(peer) = self.pending.asked(request).and_then(|id| peer::peer_key(&id)) {
            self.tell(NetEvent::Salvaged { peer, request, bytes });
        }
    }

    fn take_catchup(&mut self, event: request_response::Event<Asked, Vec<u8>>) {
        match event {
            request_response::Event::Message { peer, message, .. } => {
                let Some(peer) = peer::peer_key(&peer) else { return };
                match message {
                    Message::Request { request_id, request, channel } => {
                        match self.pending.issue(request_id, channel) {
                            Ok(ticket) => {
                                self.tell(NetEvent::Request { peer, ticket, bytes: request.bytes })
                            }
                            Err(channel) => {
                                let busy = self.busy_answer.clone();
                                // Fails only if the peer has given up meanwhile.
                                let _ =
                                    self.swarm.behaviour_mut().catchup.send_response(channel, busy);
                            }
                        }
                    }
                    Message::Response { request_id, response } => {
                        if let Some(request) = self.pending.settled(request_id) {
                            self.tell(NetEvent::Response { peer, request, bytes: response });
                        }
                    }
                }
            }
            request_response::Event::OutboundFailure { peer, request_id, error, .. } => {
                if let (Some(peer), Some(request)) =
                    (peer::peer_key(&peer), self.pending.failed(request_id))
                {
                    let reason = reason::of_request(&error);
                    self.tell(NetEvent::RequestFailed { peer, request, reason });
                }
            }
            request_response::Event::InboundFailure { peer, request_id, error, .. } => {
                tracing::debug!(%peer, %error, "request of a peer failed");
                self.pending.abandoned(request_id);
            }
            request_response::Event::ResponseSent { .. } => (),
        }
    }
}
