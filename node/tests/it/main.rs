//! End to end: the built program, real daemons, sockets on loopback.
//!
//! Invariant: tests wait on what the program says, with a deadline of two minutes; each
//! has folders and ports of its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on panics")]

mod attachments;
mod backup;
mod bad_input;
mod bundles;
mod ceremonies;
mod crash;
mod custodians;
mod drafts;
mod erasure;
mod exchange;
mod gate;
mod guide;
mod harness;
mod hostile_files;
#[path = "../lab/mod.rs"]
#[allow(dead_code, reason = "benches/lab.rs uses the rest")]
mod lab;
mod link;
mod links;
mod networks;
mod outsider;
mod policy;
mod reach;
mod staff;
mod sticks;
#[path = "../../benches/support/mod.rs"]
#[allow(dead_code, reason = "the benchmarks use the rest")]
mod support;
