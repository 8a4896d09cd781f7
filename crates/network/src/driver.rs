//! The loop that owns the swarm.
//!
//! Invariant: it never waits for its consumer. If the consumer is slow, gossip is
//! ignored, a request is answered busy, and changes of peers wait in order.
//! Not here: what an effect does (`effects`), what an event means (`events`).
//! Spec: docs/PROTOCOL.md, section 7.

use std::{collections::HashMap, io};

use baraza_protocol::net::{NetEffect, NetEvent, Peer};
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, TransportError, gossipsub::MessageAcceptance, identity::Keypair,
    swarm,
};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio_util::sync::CancellationToken;

use crate::{
    address::{self, AddressError},
    behaviour::Behaviour,
    config::{self, Config},
    outbox::Outbox,
    peer,
    pending::Pending,
    salvage::{self, Salvaged},
    transport,
};

/// Why the network does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// An address to listen on is not one.
    #[error("cannot listen: {0}")]
    Address(AddressError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// Which one.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// The local network cannot be listened to.
    #[error("cannot look for nodes on the local network")]
    Mdns(#[source] io::Error),
    /// The node key does not work.
    #[error("node key cannot secure connections")]
    Key(#[source] io::Error),
    /// Gossip refuses its parameters.
    #[error("gossip does not start: {0}")]
    Gossip(String),
}

/// The network, ready to run.
pub struct Network {
    swarm: Swarm<Behaviour>,
    salvaged: Receiver<Salvaged>,
    busy_answer: Vec<u8>,
}

impl Network {
    /// Makes the swarm and opens its sockets. To be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`NetworkError`] names the address and what is wrong with it.
    pub fn new(config: Config) -> Result<Self, NetworkError> {
        let mut seed = *config.secret_seed;
        // Overwrites `seed`.
        let keypair = Keypair::ed25519_from_bytes(&mut seed).expect("any 32 bytes are a seed");
        let (salvage, salvaged) = salvage::channel();
        let behaviour = Behaviour::new(&keypair, &config, salvage)?;
        let mut swarm = Swarm::new(
            transport::build(&keypair)
                .map_err(|error| NetworkError::Key(io::Error::other(error)))?,
            behaviour,
            keypair.public().to_peer_id(),
            swarm::Config::with_tokio_executor()
                .with_idle_connection_timeout(config::IDLE_TIMEOUT)
                .with_max_negotiating_inbound_streams(config::NEGOTIATING_STREAMS_MAX),
        );
        for text in &config.listen {
            let address = address::parse_listen(text).map_err(NetworkError::Address)?;
            swarm.listen_on(address).map_err(|error| NetworkError::Listen {
                address: text.clone(),
                reason: listen_reason(error),
            })?;
        }
        Ok(Self { swarm, salvaged, busy_answer: config.busy_answer })
    }

    /// Returns the key by which peers know this node.
    pub fn local_peer(&self) -> Peer {
        peer::peer_key(self.swarm.local_peer_id()).expect("the node key is an Ed25519 key")
    }

    /// Runs the swarm until `shutdown`, or until one of the queues has lost its other end.
    ///
    /// Effects go first: accepted work drains before new work is taken. At the end every
    /// connection is closed, which takes at most two seconds.
    pub async fn run(
        self,
        mut effects: Receiver<NetEffect>,
        events: Sender<NetEvent>,
        shutdown: CancellationToken,
    ) {
        let mut driver = Driver {
            swarm: self.swarm,
            outbox: Outbox::new(events),
            busy_answer: self.busy_answer,
            peers: HashMap::new(),
            pending: Pending::default(),
        };
        let mut salvaged = self.salvaged;
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                consumer = driver.outbox.hand_on(), if driver.outbox.is_waiting() => {
                    if consumer.is_none() { break }
                }
                effect = effects.recv() => {
                    let Some(effect) = effect else { break };
                    driver.apply(effect);
                }
                Some(broken) = salvaged.recv() => driver.salvaged(broken),
                event = driver.swarm.select_next_some() => driver.take(event),
            }
        }
        driver.say_goodbye().await;
    }
}

/// A connected peer.
pub(crate) struct Connection {
    /// Its key.
    pub(crate) peer: Peer,
    /// Its address, as seen at the first connection.
    pub(crate) address: Multiaddr,
    /// Whether we called.
    pub(crate) outbound: bool,
}

/// The swarm and what is known about its peers.
pub(crate) struct Driver {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) pending: Pending,
    /// By the id of a peer, from its first connection to its last.
    pub(crate) peers: HashMap<PeerId, Connection>,
    pub(crate) busy_answer: Vec<u8>,
    outbox: Outbox,
}

impl Driver {
    /// Tells the consumer, or declines in its name.
    pub(crate) fn tell(&mut self, event: NetEvent) {
        match self.outbox.offer(event) {
            Ok(()) => (),
            Err(NetEvent::Gossip { token, .. }) => {
                tracing::debug!(token, "consumer is busy: gossip ignored");
                self.verdict(token, MessageAcceptance::Ignore);
            }
            Err(NetEvent::Request { ticket, .. }) => {
                tracing::debug!(ticket, "consumer is busy: request declined");
                self.respond(ticket, self.busy_answer.clone());
            }
            Err(NetEvent::Found { .. }) => tracing::debug!("consumer is busy: address dropped"),
            Err(_) => tracing::warn!("consumer reads nothing: event dropped"),
        }
    }

    /// Closes every connection and waits a little until the peers can know it.
    async fn say_goodbye(mut self) {
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            // Fails only for a peer that is not connected.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let closed = async {
            while self.swarm.network_info().num_peers() != 0 {
                self.swarm.select_next_some().await;
            }
        };
        // A peer that does not take the goodbye notices by itself.
        let _ = tokio::time::timeout(config::GOODBYE_TIMEOUT, closed).await;
    }
}

fn listen_reason(error: TransportError<io::Error>) -> String {
    match error {
        TransportError::MultiaddrNotSupported(_) => "no transport for such an address".into(),
        TransportError::Other(error) => error.to_string(),
    }
}
