//! Comparing two sets of feeds.
//!
//! A shelf is what two nodes compare: a map from feed to the head of what is admitted of
//! it. The cost of a comparison grows with the number of publishers, not of records.
//! Layer 1. Invariant: two shelves have one root if, and only if, they are equal.
//! Not here: what stands on which shelf (`baraza-protocol`).
//! Spec: docs/PROTOCOL.md, section 6.

mod shelf;
mod trie;

pub use shelf::{Below, Head, Id, LISTED_MAX, Shelf};
pub use trie::{DIGITS, Entry};
