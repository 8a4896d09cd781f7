//! The command line as a person and a script see it, with a node that follows a script.
//!
//! Not here: real nodes (`tests`).
//! Spec: docs/ARCHITECTURE.md, "Command line".

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod arguments;
mod backup;
mod bundles;
mod ceremonies;
mod drafts;
mod link;
mod safety;
mod support;
mod trust;
mod verify;
mod views;
mod writing;
