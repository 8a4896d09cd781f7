//! What a record is: header, payload, bodies, codec and vocabularies.
//!
//! Layer 0. Invariant: no clock, no random numbers, no IO; every function is a pure one.
//! Not here: who may say what (`baraza-identity`), what a node does (`baraza-protocol`).
//! Spec: docs/PROTOCOL.md, sections 2 and 3; docs/RECORDS.md.

mod audience;
pub mod backup;
pub mod body;
pub mod codec;
pub mod compact;
pub mod exchange;
pub mod frame;
mod goals;
pub mod hash;
mod header;
mod ids;
mod kind;
pub mod language;
mod record;
pub mod sign;
pub mod vocab;

pub use audience::{AUDIENCE_CENTRES_MAX, Audience, FeedNonce};
pub use goals::{GOALS, Goals};
pub use header::{
    BODY_BYTES_MAX, HEADER_BYTES_MAX, HEADER_VERSION, Header, HeaderError, LANGUAGE_BYTES_MAX,
};
pub use ids::{
    BodyCommit, CentreId, EventId, FeedId, ID_BYTES, KeyDigest, NetworkId, ParseIdError, PublicKey,
    RecordId, SHORT_DIGITS, Seq, Timestamp,
};
pub use kind::Kind;
pub use record::{
    ANCHOR_HEADERS_MAX, Payload, RECORD_BYTES_MAX, RecordError, SignedRecord, VerifiedRecord,
    WireRecord,
};
pub use sign::SecretKey;
