//! What the swarm reports: which part of this crate it is for.
//!
//! Invariant: nothing a peer does is logged above `debug`.
//! Not here: connections and dials (`peers`), requests and gossip (`exchange`), relays and
//! the phone book.
//! Spec: docs/PROTOCOL.md, section 7.

use baraza_protocol::net::NetEvent;
use libp2p::{
    Multiaddr, core::transport::ListenerId, gossipsub, identify, mdns, ping, swarm::SwarmEvent,
};

use crate::{address, behaviour::BehaviourEvent, driver::Driver, pending::Heard};

impl Driver {
    /// Takes one event of the swarm.
    pub(crate) fn take(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.take_behaviour(event),
            SwarmEvent::NewListenAddr { address, .. } => self.listening(address),
            SwarmEvent::ListenerClosed { listener_id, addresses, reason } => {
                self.listener_closed(listener_id, &addresses, reason.err());
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
            SwarmEvent::ConnectionClosed { peer_id, connection_id, num_established, .. } => {
                self.closed(peer_id, connection_id, num_established);
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
            BehaviourEvent::Relayed(event) => self.take_relayed(&event),
            BehaviourEvent::Phonebook(event) => self.looked_up(event),
            BehaviourEvent::Punch(event) => match event.result {
                Ok(_) => tracing::debug!(peer = %event.remote_peer_id, "connected without relay"),
                Err(error) => {
                    tracing::debug!(peer = %event.remote_peer_id, %error, "no way round the relay");
                }
            },
            _ => (),
        }
    }

    fn listening(&mut self, address: Multiaddr) {
        if self.public && address::relay_of(&address::without_peer(address.clone())).is_none() {
            self.swarm.add_external_address(address.clone());
        }
        let address =
            address.with_p2p(*self.swarm.local_peer_id()).unwrap_or_else(|address| address);
        self.tell(NetEvent::Listening { address: address.to_string() });
    }

    fn listener_closed(
        &mut self,
        id: ListenerId,
        addresses: &[Multiaddr],
        error: Option<std::io::Error>,
    ) {
        let why = error.as_ref().map(ToString::to_string);
        if !self.slot_lost(id, why.as_deref())
            && let Some(error) = error
        {
            tracing::error!(?addresses, %error, "no longer listening");
        }
    }
}
