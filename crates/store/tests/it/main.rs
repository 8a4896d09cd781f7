//! The store against its contract, against the model, and against a bad disk.
//!
//! Invariant under test: what was acknowledged is kept, and damage costs what it hits.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod attachments;
mod contract;
mod copy;
mod damage;
mod durability;
mod home;
mod rulings;
mod support;
