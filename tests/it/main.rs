//! The workspace as a whole: layers, tidiness, documents, golden vectors.
//!
//! Not here: several nodes at work (`node/tests`).
//! Spec: docs/ARCHITECTURE.md, "Layers" and "Tests by level".

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

mod docs;
mod layers;
mod tidy;
mod tree;
mod vectors;
