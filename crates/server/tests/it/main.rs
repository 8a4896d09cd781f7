//! The router as its clients see it, over the rules and a store in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bundles;
mod drafts;
mod networks;
mod node;
mod people;
mod policy;
mod records;
mod support;
