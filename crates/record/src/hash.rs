//! BLAKE3 in key-derivation mode: every kind of hash has its own context.
//!
//! Invariant: two hashes of different kinds never agree, whatever bytes they cover.
//! Spec: docs/PROTOCOL.md, section 2.2.

use std::sync::LazyLock;

use blake3::Hasher;

use crate::{
    Audience, codec,
    ids::{BodyCommit, CentreId, EventId, FeedId, KeyDigest, PublicKey, RecordId},
};

/// Length of the random salt of a body commitment, in bytes.
///
/// 128 bits: an erased body cannot be confirmed by guessing.
pub const SALT_BYTES: usize = 16;

/// Random bytes that make a body commitment unguessable once the body is erased.
pub type Salt = [u8; SALT_BYTES];

// Deriving the key of a context costs as much as hashing a header; each is done once.
macro_rules! contexts {
    ($($name:ident = $context:literal;)*) => {
        $(static $name: LazyLock<Hasher> = LazyLock::new(|| Hasher::new_derive_key($context));)*
    };
}

contexts! {
    RECORD_ID = "baraza 1 record id";
    BODY = "baraza 1 body";
    FEED = "baraza 1 feed";
    EVENT_ID = "baraza 1 identity event id";
    NEXT_KEY = "baraza 1 next key";
    ENROLMENT = "baraza 1 enrolment";
}

/// Returns the id of the record with these header bytes.
pub fn record_id(header_bytes: &[u8]) -> RecordId {
    RecordId(hash(&RECORD_ID, &[header_bytes]))
}

/// Returns the commitment to `body` under `salt`.
pub fn body_commit(salt: &Salt, body: &[u8]) -> BodyCommit {
    BodyCommit(hash(&BODY, &[salt, body]))
}

/// Returns the id of the feed of `signer`'s records for `audience` in the name of `centre`.
pub fn feed_id(centre: &CentreId, signer: &PublicKey, audience: &Audience) -> FeedId {
    FeedId(hash(&FEED, &[&centre.0, &signer.0, &codec::encode(audience)]))
}

/// Returns the id of the identity event with these bytes.
pub fn event_id(event_bytes: &[u8]) -> EventId {
    EventId(hash(&EVENT_ID, &[event_bytes]))
}

/// Returns the digest that commits to a key before it is revealed.
pub fn key_digest(key: &PublicKey) -> KeyDigest {
    KeyDigest(hash(&NEXT_KEY, &[&key.0]))
}

/// Returns the hash of which people compare the words before a new node is added to a centre.
pub fn enrolment(message: &[u8]) -> [u8; 32] {
    hash(&ENROLMENT, &[message])
}

fn hash(context: &Hasher, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = context.clone();
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}
