//! The swarm: libp2p and nothing else.
//!
//! Layer 3. Translates between `NetEvent`, `NetEffect` and a libp2p swarm over TCP,
//! WebSocket, QUIC and relays. Invariant: no type of libp2p is in the public interface; the swarm task never
//! waits for its consumer; whatever a peer sends costs at most that peer's share.
//! Not here: what a message means (`baraza-protocol`), whom to call and when (`node`).
//! Spec: docs/PROTOCOL.md, section 7.

mod address;
mod behaviour;
mod codec;
mod compress;
mod config;
mod counted;
mod driver;
mod effects;
mod events;
mod exchange;
mod gossip;
mod guard;
mod meter;
mod outbox;
mod paced;
mod peer;
mod peers;
mod pending;
mod phonebook;
mod rate;
mod reason;
mod relays;
mod salvage;
mod transport;

pub use address::{ADDRESS_BYTES_MAX, AddressError, parse_address};
pub use config::{
    ANNOUNCE_MAX, Config, FOUND_ADDRESSES_MAX, Limits, PING_EVERY, PING_EVERY_RANGE, RELAYS_MAX,
};
pub use driver::{Network, NetworkError};
pub use peer::peer_id_text;
