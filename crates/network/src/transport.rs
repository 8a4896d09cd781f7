//! How bytes travel: TCP and WebSocket with noise and yamux, QUIC, circuits through relays,
//! and names looked up by DNS.
//!
//! Invariant: everything a peer can make a connection buffer has a bound; every connection
//! over a wire is counted and paced, and one through a relay is so as a part of the relay's.
//! Not here: what runs on a connection (`behaviour`).
//! Spec: docs/PROTOCOL.md, section 7.1.

use std::{io, sync::Arc, time::Duration};

use futures::future::Either;
use libp2p::{
    PeerId, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, timeout::TransportTimeout},
        upgrade::Version,
    },
    dns, identity, noise, quic, relay, tcp, websocket, yamux,
};

use crate::{
    config,
    counted::CountedNoise,
    guard::{Guard, Guarded},
    meter::{self, Meter, Meters},
    paced::Paced,
    rate::Limiter,
};

/// What all connections share.
#[derive(Clone, Default)]
pub(crate) struct Shared {
    pub(crate) meters: Meters,
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) guard: Arc<Guard>,
}

/// A transport whose connections have proved a key and carry streams.
type Connected = Boxed<(PeerId, StreamMuxerBox)>;

/// Builds the transport. Without a readable DNS configuration it has no names, says so
/// once, and works with IP addresses.
///
/// # Errors
///
/// When the key cannot make the certificate of a noise handshake.
pub(crate) fn build(
    keypair: &identity::Keypair,
    shared: &Shared,
    ping_every: Duration,
    circuits: relay::client::Transport,
) -> Result<Connected, noise::Error> {
    let direct = match (named(keypair, shared, ping_every)?, websocket(keypair, shared)?) {
        (Some(named), Some(websocket)) => websocket.or_transport(named).map(joined).boxed(),
        _ => {
            tracing::warn!("no DNS configuration: addresses with names cannot be dialled");
            let websocket = over_websocket(sockets(), keypair, shared)?;
            websocket.or_transport(plain(keypair, shared, ping_every)?).map(joined).boxed()
        }
    };
    let limiter = Arc::clone(&shared.limiter);
    let paced = direct.map(move |(peer, connection), _| {
        (peer, StreamMuxerBox::new(Paced::new(connection, limiter, None)))
    });
    let relayed = circuits
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair)?)
        .multiplex(streams())
        .boxed();
    let all = relayed.or_transport(paced.boxed()).map(joined).boxed();
    let timed = TransportTimeout::new(all, config::CONNECT_TIMEOUT).boxed();
    Ok(Guarded::new(timed, Arc::clone(&shared.guard)).boxed())
}

fn joined(
    output: Either<(PeerId, StreamMuxerBox), (PeerId, StreamMuxerBox)>,
    _: libp2p::core::ConnectedPoint,
) -> (PeerId, StreamMuxerBox) {
    output.into_inner()
}

/// TCP and QUIC by name and number; `None` without DNS.
fn named(
    keypair: &identity::Keypair,
    shared: &Shared,
    ping_every: Duration,
) -> Result<Option<Connected>, noise::Error> {
    let plain = plain(keypair, shared, ping_every)?;
    Ok(dns::tokio::Transport::system(plain).ok().map(Transport::boxed))
}

/// WebSocket by name and number; `None` without DNS. The name has to reach the TLS below it.
fn websocket(
    keypair: &identity::Keypair,
    shared: &Shared,
) -> Result<Option<Connected>, noise::Error> {
    let Ok(named) = dns::tokio::Transport::system(sockets()) else { return Ok(None) };
    over_websocket(named.boxed(), keypair, shared).map(Some)
}

fn over_websocket(
    sockets: Boxed<tcp::tokio::TcpStream>,
    keypair: &identity::Keypair,
    shared: &Shared,
) -> Result<Connected, noise::Error> {
    let noise = noise::Config::new(keypair)?;
    let mut websocket = websocket::Config::new(sockets);
    websocket.set_max_data_size(config::WEBSOCKET_FRAME_BYTES_MAX);
    Ok(websocket
        .upgrade(Version::V1Lazy)
        .authenticate(CountedNoise::new(noise, shared.meters.clone(), meter::WEBSOCKET))
        .multiplex(streams())
        .boxed())
}

fn sockets() -> Boxed<tcp::tokio::TcpStream> {
    tcp::tokio::Transport::new(tcp::Config::default().nodelay(true)).map_err(SocketError).boxed()
}

fn plain(
    keypair: &identity::Keypair,
    shared: &Shared,
    ping_every: Duration,
) -> Result<Connected, noise::Error> {
    let noise = noise::Config::new(keypair)?;
    let tcp = sockets()
        .upgrade(Version::V1Lazy)
        .authenticate(CountedNoise::new(noise, shared.meters.clone(), meter::TCP))
        .multiplex(streams())
        .boxed();
    let shared = shared.clone();
    let quic = quic::tokio::Transport::new(quic_config(keypair, ping_every))
        .map(move |(peer, connection), _| {
            let meter = Meter::new(meter::QUIC);
            shared.meters.attach(peer, Arc::clone(&meter));
            let connection = StreamMuxerBox::new(connection);
            (peer, StreamMuxerBox::new(Paced::new(connection, Limiter::new(), Some(meter))))
        })
        .boxed();
    Ok(tcp.or_transport(quic).map(joined).boxed())
}

fn streams() -> yamux::Config {
    let mut streams = yamux::Config::default();
    streams.set_max_num_streams(config::STREAMS_MAX as usize);
    streams
}

fn quic_config(keypair: &identity::Keypair, ping_every: Duration) -> quic::Config {
    let mut quic = quic::Config::new(keypair);
    quic.handshake_timeout = config::QUIC_HANDSHAKE_TIMEOUT;
    // Pings keep a connection alive; only if they fail does QUIC send something of its own.
    quic.keep_alive_interval = 2 * ping_every;
    let idle = ping_every + config::QUIC_IDLE_MARGIN;
    quic.max_idle_timeout = u32::try_from(idle.as_millis()).unwrap_or(u32::MAX);
    quic.max_concurrent_stream_limit = config::STREAMS_MAX;
    quic.max_stream_data = config::QUIC_STREAM_WINDOW_BYTES;
    quic.max_connection_data = config::QUIC_CONNECTION_WINDOW_BYTES;
    // Its probes would cost more than half a megabyte a day on a connection that is idle.
    quic.disable_path_mtu_discovery()
}

/// An error of a socket, as a cause of its own: libp2p joins the errors of its layers so
/// that the innermost one without a cause cannot be seen from outside any more.
#[derive(Debug, thiserror::Error)]
#[error("socket failed")]
struct SocketError(#[source] io::Error);
