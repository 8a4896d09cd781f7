//! The swarm on loopback: real sockets, free ports, and waiting for events only.
//!
//! Not here: what the bytes mean; the edges of one function (beside the code).

#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod dial;
mod exchange;
mod gossip;
mod hostile;
mod node;
mod phonebook;
mod proxy;
mod rate;
mod relay;
mod salvage;
mod space;
mod traffic;
