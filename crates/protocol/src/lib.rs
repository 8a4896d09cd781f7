//! What a node does, as state machines without IO.
//!
//! Layer 2. Inputs and a time go in, effects come out; sockets, clocks, threads and
//! randomness live in the crates above, so that the same rules run under libp2p and
//! under a seeded simulator.
//! Spec: docs/PROTOCOL.md, sections 4 to 8.

pub mod accreditation;
pub mod answer;
pub mod bundle;
pub mod command;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod effective;
pub mod entitle;
mod entropy;
pub mod erasure;
pub mod gate;
pub mod holders;
pub mod index;
pub mod ingest;
pub mod interests;
pub mod invitation;
pub mod model;
pub mod net;
pub mod peers;
pub mod policy;
pub mod quota;
pub mod screen;
pub mod service;
pub mod session;
pub mod standing;
pub mod store;
pub mod stream;
mod want;
pub mod wire;

pub use service::{Config, Effect, Input, Service};

/// Returns the digest of all that a node admits of what is for everybody, from the roots of
/// those two shelves: equal on two nodes that hold the same set.
pub fn set_digest(identities: [u8; 32], public: [u8; 32]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("baraza 1 set digest");
    hasher.update(&identities).update(&public);
    *hasher.finalize().as_bytes()
}
