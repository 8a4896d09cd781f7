//! A store and an index in memory: what the real ones must agree with.
//!
//! Invariant: the simplest code that keeps the contract; speed does not matter here.
//! Spec: `store` and `index`.

mod files;
mod index;
mod store;

pub use index::MemoryIndex;
pub use store::{MemoryReader, MemoryStore};
