//! The loop that owns the swarm.
//!
//! Invariant: it never waits for its consumer. If the consumer is slow, gossip is
//! ignored, a request is answered busy, and changes of peers wait in order.
//! Not here: what an effect does (`effects`), what an event means (`events`).
//! Spec: docs/PROTOCOL.md, section 7.

use std::{collections::HashMap, io, sync::Arc};

use baraza_protocol::net::{NetEffect, NetEvent, Peer};
use futures::StreamExt;
use libp2p::{
    PeerId, Swarm, TransportError, gossipsub::MessageAcceptance, identity::Keypair, relay, swarm,
};
use tokio::{
    sync::mpsc::{Receiver, Sender},
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use crate::{
    address::{self, AddressError},
    behaviour::Behaviour,
    config::{self, Config, PING_EVERY_RANGE},
    guard::Guard,
    meter::Meters,
    outbox::Outbox,
    peer,
    peers::Connection,
    pending::Pending,
    phonebook::Lookups,
    rate::Limiter,
    relays::Relay,
    salvage::{self, Salvaged},
    transport::{self, Shared},
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
    /// The address of a relay is not one.
    #[error("cannot use the relay: {0}")]
    Relay(AddressError),
    /// Too many relays.
    #[error("{count} relays are named, the limit is {}", config::RELAYS_MAX)]
    Relays {
        /// How many.
        count: usize,
    },
    /// An address to announce is not one.
    #[error("cannot announce: {0}")]
    Announce(AddressError),
    /// Too many addresses to announce.
    #[error("{count} addresses are to be announced, the limit is {}", config::ANNOUNCE_MAX)]
    Announced {
        /// How many.
        count: usize,
    },
    /// Somebody is to be served by a node that nobody can dial.
    #[error(
        "a relay, or a node that tests whether others can be dialled, needs `public = true` or an address in `announce`"
    )]
    NotPublic,
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
    shared: Shared,
    salvaged: Receiver<Salvaged>,
    relays: Vec<Relay>,
    public: bool,
    busy_answer: Vec<u8>,
}

impl Network {
    /// Makes the swarm and opens its sockets. To be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`NetworkError`] names the address and what is wrong with it.
    pub fn new(mut config: Config) -> Result<Self, NetworkError> {
        let (least, most) = PING_EVERY_RANGE;
        config.ping_every = config.ping_every.clamp(least, most);
        let mut seed = *config.secret_seed;
        // Overwrites `seed`.
        let keypair = Keypair::ed25519_from_bytes(&mut seed).expect("any 32 bytes are a seed");
        let (salvage, salvaged) = salvage::channel();
        let (circuits, relayed) = relay::client::new(keypair.public().to_peer_id());
        let behaviour = Behaviour::new(&keypair, &config, salvage, relayed)?;
        let shared = Shared::default();
        let relays = relays(&config)?;
        let mut swarm = Swarm::new(
            transport::build(&keypair, &shared, config.ping_every, circuits)
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
        for text in &config.announce {
            let (address, _) = address::parse_dial(text).map_err(NetworkError::Announce)?;
            swarm.add_external_address(address);
        }
        let (public, busy_answer) = (config.public, config.busy_answer);
        Ok(Self { swarm, shared, salvaged, relays, public, busy_answer })
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
            meters: self.shared.meters,
            limiter: self.shared.limiter,
            guard: self.shared.guard,
            relays: self.relays,
            lookups: Lookups::default(),
            public: self.public,
        };
        let mut salvaged = self.salvaged;
        let mut tick = tokio::time::interval(config::TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
                now = tick.tick() => driver.look_what_is_due(now),
                event = driver.swarm.select_next_some() => driver.take(event),
            }
        }
        driver.say_goodbye().await;
    }
}

/// The swarm and what is known about its peers.
pub(crate) struct Driver {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) pending: Pending,
    /// By the id of a peer, from its first connection to its last.
    pub(crate) peers: HashMap<PeerId, Connection>,
    pub(crate) busy_answer: Vec<u8>,
    pub(crate) meters: Meters,
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) relays: Vec<Relay>,
    pub(crate) lookups: Lookups,
    /// Whether the addresses listened on can be dialled from everywhere.
    pub(crate) public: bool,
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
            Err(NetEvent::Traffic { peer, received, sent }) => {
                self.meters.put_back(peer::peer_id(&peer), received, sent);
            }
            Err(NetEvent::Found { .. }) => tracing::debug!("consumer is busy: address dropped"),
            Err(_) => tracing::warn!("consumer reads nothing: event dropped"),
        }
    }

    /// Does what is due from time to time.
    fn look_what_is_due(&mut self, now: Instant) {
        for (id, received, sent) in self.meters.take_all() {
            self.tell_bytes(&id, received, sent);
        }
        self.keep_slots(now);
        self.tidy_connections(now);
        self.look_around(now);
    }

    /// Tells what has gone over the wire with a peer and was not told yet.
    pub(crate) fn tell_traffic(&mut self, id: &PeerId) {
        let (received, sent) = self.meters.take(id);
        self.tell_bytes(id, received, sent);
    }

    fn tell_bytes(&mut self, id: &PeerId, received: u64, sent: u64) {
        if let Some(peer) = peer::peer_key(id).filter(|_| 0 < received + sent) {
            self.tell(NetEvent::Traffic { peer, received, sent });
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

fn relays(config: &Config) -> Result<Vec<Relay>, NetworkError> {
    if config::RELAYS_MAX < config.relays.len() {
        return Err(NetworkError::Relays { count: config.relays.len() });
    }
    if config::ANNOUNCE_MAX < config.announce.len() {
        return Err(NetworkError::Announced { count: config.announce.len() });
    }
    let serves = config.relay_server || config.autonat_server;
    if serves && !config.public && config.announce.is_empty() {
        return Err(NetworkError::NotPublic);
    }
    let relay = |text: &String| {
        let (address, peer) = address::parse_relay(text).map_err(NetworkError::Relay)?;
        Ok(Relay::new(address, peer::peer_id(&peer)))
    };
    config.relays.iter().map(relay).collect()
}

fn listen_reason(error: TransportError<io::Error>) -> String {
    match error {
        TransportError::MultiaddrNotSupported(_) => "no transport for such an address".into(),
        TransportError::Other(error) => error.to_string(),
    }
}
