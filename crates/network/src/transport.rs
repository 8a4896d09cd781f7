//! How bytes travel: TCP with noise and yamux, QUIC, and names looked up by DNS.
//!
//! Invariant: everything a peer can make a connection buffer has a bound.
//! Not here: what runs on a connection (`behaviour`).
//! Spec: docs/PROTOCOL.md, section 7.1.

use std::io;

use libp2p::{
    PeerId, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, timeout::TransportTimeout},
        upgrade::Version,
    },
    dns, identity, noise, quic, tcp, yamux,
};

use crate::config;

/// Builds the transport. Without a readable DNS configuration it has no names, says so
/// once, and works with IP addresses.
///
/// # Errors
///
/// When the key cannot make the certificate of a noise handshake.
pub(crate) fn build(
    keypair: &identity::Keypair,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    let plain = connect(keypair)?;
    match dns::tokio::Transport::system(plain) {
        Ok(transport) => Ok(transport.boxed()),
        Err(error) => {
            tracing::warn!(%error, "no DNS configuration: addresses with names cannot be dialled");
            Ok(connect(keypair)?)
        }
    }
}

fn connect(keypair: &identity::Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    let mut streams = yamux::Config::default();
    streams.set_max_num_streams(config::STREAMS_MAX as usize);
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .map_err(SocketError)
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair)?)
        .multiplex(streams)
        .boxed();
    let quic = quic::tokio::Transport::new(quic_config(keypair))
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
        .boxed();
    let either = tcp.or_transport(quic).map(|output, _| output.into_inner());
    Ok(TransportTimeout::new(either, config::CONNECT_TIMEOUT).boxed())
}

fn quic_config(keypair: &identity::Keypair) -> quic::Config {
    let mut quic = quic::Config::new(keypair);
    quic.handshake_timeout = config::QUIC_HANDSHAKE_TIMEOUT;
    quic.max_idle_timeout = config::QUIC_IDLE_TIMEOUT_MS;
    quic.max_concurrent_stream_limit = config::STREAMS_MAX;
    quic.max_stream_data = config::QUIC_STREAM_WINDOW_BYTES;
    quic.max_connection_data = config::QUIC_CONNECTION_WINDOW_BYTES;
    quic
}

/// An error of a socket, as a cause of its own: libp2p joins the errors of its layers so
/// that the innermost one without a cause cannot be seen from outside any more.
#[derive(Debug, thiserror::Error)]
#[error("socket failed")]
struct SocketError(#[source] io::Error);
