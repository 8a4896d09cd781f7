//! Full-text search over tantivy: words of every language, ranked, on one node.
//!
//! Layer 3. A text is cut into words (`analysis`), the words are made comparable (`fold`,
//! `stem`), and a record's words go into the fields of one tantivy document (`fields`). A
//! query passes through the same steps (`parse`, `query`). [`TantivyIndex`] ties them to a
//! folder on disk (`folder`, `directory`).
//! Invariant: index and query use one and the same analysis; a change to it raises
//! [`FORMAT_VERSION`].
//! Spec: docs/ARCHITECTURE.md, "Derived state".

mod analysis;
mod directory;
mod fields;
mod fold;
mod folder;
mod index;
mod lexicon;
mod lines;
mod order;
mod parse;
mod purge;
mod query;
mod room;
mod segment;
mod stem;
mod writing;

pub use folder::FORMAT_VERSION;
pub use index::TantivyIndex;
