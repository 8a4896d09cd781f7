//! What the swarm is told at start, and every limit and time of it.
//!
//! Invariant: `Limits::default()` is safe on a small board with a 64 kbit/s line.
//! Not here: parameters of gossip (`gossip`), sizes of messages (`baraza-protocol`).
//! Spec: docs/LIMITS.md.

use std::time::Duration;

use zeroize::Zeroizing;

/// Most requests of ours that one peer has not answered yet.
pub(crate) const REQUESTS_PER_PEER_MAX: usize = 8;

/// Most requests of ours that nobody has answered yet.
pub(crate) const REQUESTS_MAX: usize = 64;

/// Most requests of peers that we have not answered yet; further ones are answered busy.
pub(crate) const TICKETS_MAX: usize = 512;

/// Most gossip messages that await a verdict; the oldest is then ignored.
pub(crate) const TOKENS_MAX: usize = 1_024;

/// Most addresses of one dial.
pub(crate) const DIAL_ADDRESSES_MAX: usize = 16;

/// Most addresses of one peer that are passed on in one `Found` event.
pub const FOUND_ADDRESSES_MAX: usize = 8;

/// Most peers that one message of the local network may name.
pub(crate) const FOUND_PEERS_MAX: usize = 32;

/// Most events that wait for the consumer beside the changes of peers.
pub(crate) const PARKED_MAX: usize = 128;

/// Time to connect, secure and multiplex a connection: a minute, because the five or six
/// round trips of it take 5 s at best on a line with 800 ms delay, and packets are lost.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// Time for a QUIC handshake.
pub(crate) const QUIC_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// Silence beyond the time between pings after which QUIC takes the peer for lost.
pub(crate) const QUIC_IDLE_MARGIN: Duration = Duration::from_secs(90);

/// Time after which a connection nobody uses is closed.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// Time between pings, unless the configuration says another one. Routers of homes and
/// carriers forget a silent TCP connection after minutes, a UDP one after half a minute or more.
pub const PING_EVERY: Duration = Duration::from_secs(30);

/// Shortest and longest time between pings that can be configured. A carrier's NAT keeps an
/// idle TCP connection for two hours if it keeps to RFC 5382, and for minutes if not.
pub const PING_EVERY_RANGE: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(1_800));

/// Time for a pong; long, because a batch may be queued before it.
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(60);

/// Time for a whole request with its answer, however steadily it proceeds.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(600);

/// Time to say goodbye at the end.
pub(crate) const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// Most streams of one connection that are being negotiated by the peer.
pub(crate) const NEGOTIATING_STREAMS_MAX: usize = 16;

/// Most streams of one connection. This also bounds what a TCP connection buffers: a stream
/// starts with 256 KiB and is granted more only as fast as we read it. (libp2p-yamux 0.48
/// has no setting for the sum.)
pub(crate) const STREAMS_MAX: u32 = 32;

/// Most unread bytes of one QUIC stream (512 KiB: one answer and some).
pub(crate) const QUIC_STREAM_WINDOW_BYTES: u32 = 512 * 1_024;

/// Most unread bytes of one QUIC connection (4 MiB).
pub(crate) const QUIC_CONNECTION_WINDOW_BYTES: u32 = 4 * 1_024 * 1_024;

/// Largest WebSocket frame that is taken (128 KiB): noise writes 64 KiB at once.
pub(crate) const WEBSOCKET_FRAME_BYTES_MAX: usize = 128 * 1_024;

/// Time between two looks at what is due: counts of traffic, reservations, look-ups.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// Most relays at which a slot is reserved.
pub const RELAYS_MAX: usize = 4;

/// Most own addresses that can be announced.
pub const ANNOUNCE_MAX: usize = 8;

/// What the swarm needs to know.
pub struct Config {
    /// Seed of the node key, overwritten when dropped. Not an operator's key.
    pub secret_seed: Zeroizing<[u8; 32]>,
    /// Multiaddrs to accept connections on; port 0 takes a free one. None: only calls out.
    pub listen: Vec<String>,
    /// Whether to look for nodes on the local network, and be found there.
    pub mdns: bool,
    /// Time between pings, within [`PING_EVERY_RANGE`].
    pub ping_every: Duration,
    /// Relays at which to be reached, with their ids: at most [`RELAYS_MAX`].
    pub relays: Vec<String>,
    /// Whether the addresses that it listens on can be dialled from everywhere.
    pub public: bool,
    /// Further addresses at which it can be dialled from everywhere, at most [`ANNOUNCE_MAX`].
    pub announce: Vec<String>,
    /// Whether to pass on what peers say that cannot dial each other. Needs `public` or
    /// `announce`.
    pub relay_server: bool,
    /// Whether to look for peers in the phone book, and to keep a part of it if public.
    pub dht: bool,
    /// Whether to ask peers that offer it if we can be dialled.
    pub autonat: bool,
    /// Whether to dial peers that ask if they can be dialled. Needs `public` or `announce`.
    pub autonat_server: bool,
    /// Whether to ask the router of the local network for a way in.
    #[cfg(feature = "upnp")]
    pub upnp: bool,
    /// Answer to a request that cannot be taken now.
    pub busy_answer: Vec<u8>,
    /// How many connections.
    pub limits: Limits,
}

impl Config {
    /// Returns a configuration that listens nowhere, stays off the local network and does
    /// nothing for others.
    pub fn new(secret_seed: Zeroizing<[u8; 32]>, busy_answer: Vec<u8>) -> Self {
        Self {
            secret_seed,
            listen: Vec::new(),
            mdns: false,
            ping_every: PING_EVERY,
            relays: Vec::new(),
            public: false,
            announce: Vec::new(),
            relay_server: false,
            dht: false,
            autonat: false,
            autonat_server: false,
            #[cfg(feature = "upnp")]
            upnp: false,
            busy_answer,
            limits: Limits::default(),
        }
    }
}

/// How many connections there may be. A connection above a limit is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Established connections that peers made.
    pub inbound: u32,
    /// Established connections that we made.
    pub outbound: u32,
    /// Established connections with one peer.
    pub per_peer: u32,
    /// Connections being made, each way.
    pub pending: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { inbound: 64, outbound: 16, per_peer: 4, pending: 16 }
    }
}
