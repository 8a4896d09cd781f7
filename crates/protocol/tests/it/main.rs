//! Tests of the rules from outside: ingest, answers, hostile peers, simulated networks.
//!
//! Everything is seeded; a failure prints its seed. More seeds: `BARAZA_SIM_SEEDS=200`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

mod admission;
mod answers;
mod bundles;
mod entitled;
mod fixture;
mod hostile;
mod ingest;
mod intake;
mod mixed;
mod order;
mod sim;
