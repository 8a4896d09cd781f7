//! What runs on every connection.
//!
//! Invariant: the limits come first, so that they refuse a connection before anything
//! else sees it. Identify tells our listen addresses: without them a peer could pass on
//! only the address of one connection, and nobody could be found through others. What a
//! peer makes of private ones is decided where they arrive (`address::dialable`).
//! Circuits through relays can always be used, so that whoever is behind one can be
//! reached; everything that does something for others is off unless configured.
//! Not here: what is done with an event (`events`).
//! Spec: docs/PROTOCOL.md, section 7.

#[cfg(feature = "upnp")]
use libp2p::upnp;
use libp2p::{
    autonat,
    connection_limits::{self, ConnectionLimits},
    dcutr, identify,
    identity::Keypair,
    kad, mdns, ping, relay,
    request_response::{self, ProtocolSupport},
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
};
use tokio::sync::mpsc::Sender;

use crate::{
    codec::{CATCHUP_PROTOCOL, CatchupCodec},
    config::{self, Config, Limits},
    driver::NetworkError,
    gossip::{self, Gossip},
    phonebook, relays,
    salvage::Salvaged,
};

/// Version of the protocol family, as identify tells it.
const PROTOCOL_VERSION: &str = "/baraza/1";

/// Name and version of this program, as identify tells it: nothing about the machine.
const AGENT: &str = concat!("baraza/", env!("CARGO_PKG_VERSION"));

/// Everything that runs on a connection.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    limits: connection_limits::Behaviour,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
    pub(crate) gossip: Gossip,
    pub(crate) catchup: request_response::Behaviour<CatchupCodec>,
    pub(crate) mdns: Toggle<mdns::tokio::Behaviour>,
    pub(crate) relayed: relay::client::Behaviour,
    punch: dcutr::Behaviour,
    relay: Toggle<relay::Behaviour>,
    pub(crate) phonebook: Toggle<kad::Behaviour<kad::store::MemoryStore>>,
    reachable: Toggle<autonat::v2::client::Behaviour>,
    reach: Toggle<autonat::v2::server::Behaviour>,
    #[cfg(feature = "upnp")]
    upnp: Toggle<upnp::tokio::Behaviour>,
}

impl Behaviour {
    /// Builds it for the node with this key.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Mdns`] when the local network cannot be listened to.
    pub(crate) fn new(
        keypair: &Keypair,
        config: &Config,
        salvage: Sender<Salvaged>,
        relayed: relay::client::Behaviour,
    ) -> Result<Self, NetworkError> {
        let id = keypair.public().to_peer_id();
        let mdns = match config.mdns {
            true => Some(
                mdns::tokio::Behaviour::new(mdns::Config::default(), id)
                    .map_err(NetworkError::Mdns)?,
            ),
            false => None,
        };
        let identify = identify::Config::new(PROTOCOL_VERSION.into(), keypair.public())
            .with_agent_version(AGENT.into())
            // Addresses that are dialled come from the caller alone.
            .with_cache_size(0);
        let ping =
            ping::Config::new().with_interval(config.ping_every).with_timeout(config::PING_TIMEOUT);
        let catchup = request_response::Config::default()
            .with_request_timeout(config::REQUEST_TIMEOUT)
            // Each way.
            .with_max_concurrent_streams(2 * config::REQUESTS_PER_PEER_MAX);
        let on = |wanted: bool| wanted.then_some(());
        Ok(Self {
            limits: connection_limits::Behaviour::new(connection_limits(&config.limits)),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping),
            gossip: gossip::build().map_err(NetworkError::Gossip)?,
            catchup: request_response::Behaviour::with_codec(
                CatchupCodec::new(salvage),
                [(CATCHUP_PROTOCOL, ProtocolSupport::Full)],
                catchup,
            ),
            mdns: mdns.into(),
            relayed,
            punch: dcutr::Behaviour::new(id),
            relay: on(config.relay_server).map(|()| relays::server(id)).into(),
            phonebook: on(config.dht).map(|()| phonebook::build(id)).into(),
            reachable: on(config.autonat).map(|()| Default::default()).into(),
            reach: on(config.autonat_server).map(|()| Default::default()).into(),
            #[cfg(feature = "upnp")]
            upnp: on(config.upnp).map(|()| Default::default()).into(),
        })
    }
}

fn connection_limits(limits: &Limits) -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits.pending))
        .with_max_pending_outgoing(Some(limits.pending))
        .with_max_established_incoming(Some(limits.inbound))
        .with_max_established_outgoing(Some(limits.outbound))
        .with_max_established_per_peer(Some(limits.per_peer))
}
