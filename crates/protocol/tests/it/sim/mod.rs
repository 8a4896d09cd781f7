//! A network of real services in one thread with virtual time.
//!
//! Invariant: everything follows from the seed; the same seed gives the same trace.
//! Not here: sockets, real time, disks.

mod attachments;
mod budget;
mod converge;
mod erasure;
mod forks;
mod gate;
mod interests;
mod networks;
mod node;
mod own_feed;
mod revocation;
mod traffic;
mod world;

use world::{Sim, seeds};
