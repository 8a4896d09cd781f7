//! Erasure: which retractions have the body of a record deleted, and when.
//!
//! Invariant: only a retraction in force asks for it: admitted, of the record's own centre,
//! by a key that may retract. Beyond that it needs the right to erase, and then the delay
//! gives people time to notice a stolen key; or the root keys of the centre, and then it
//! does not wait. A key that may publish and retract alone erases nothing.
//! Not here: deleting (`service`), the bytes on the disk (`Store::erase`).
//! Spec: docs/PROTOCOL.md, section 4.6.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use baraza_identity::{Capabilities, KEYS_MAX, Log};
use baraza_record::{
    CentreId, ID_BYTES, Kind, PublicKey, RecordId, SignedRecord, Timestamp,
    body::{Body, parse_body},
    sign::{self, Domain, SIGNATURE_BYTES, Signature},
};
use serde_json::Value;

use crate::{
    ingest::log_of,
    store::{StoreError, StoreRead},
};

/// Wait before a body is deleted that no root key asked to delete, from the arrival of the
/// retraction (7 days): whoever stole a key must not wipe a history before people notice.
/// Source: docs/SECURITY.md, "Erasure".
pub const ERASE_DELAY_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// Most root signatures of a retraction: as many as a centre has root keys. A longer list is
/// not looked at.
pub const ROOT_SIGNATURES_MAX: usize = KEYS_MAX;

/// Bytes that a root key signs to have a body erased.
pub const ERASE_MESSAGE_BYTES: usize = 2 * ID_BYTES;

/// How soon a body goes, the sooner first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// At once: enough root keys signed.
    Now,
    /// After [`ERASE_DELAY_MS`]: the signer has the right to erase.
    Delayed,
}

/// An erasure in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// The retraction that asks for it.
    pub retraction: RecordId,
    /// When that arrived, by our clock.
    pub arrived_ms: Timestamp,
    /// How soon.
    pub urgency: Urgency,
}

impl Erasure {
    /// Returns when the body goes.
    pub fn due(&self) -> Timestamp {
        match self.urgency {
            Urgency::Now => self.arrived_ms,
            Urgency::Delayed => self.arrived_ms.plus_ms(ERASE_DELAY_MS),
        }
    }

    /// Returns whether the body goes now. What need not wait does not wait for a clock that
    /// was set back either.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.urgency == Urgency::Now || self.due() <= now
    }
}

/// Returns what a root key of `centre` signs, under [`Domain::Erase`], to have the body of
/// `target` erased: both ids.
pub fn message(target: &RecordId, centre: &CentreId) -> [u8; ERASE_MESSAGE_BYTES] {
    let mut bytes = [0; ERASE_MESSAGE_BYTES];
    bytes[..ID_BYTES].copy_from_slice(&target.0);
    bytes[ID_BYTES..].copy_from_slice(&centre.0);
    bytes
}

/// Returns how soon a retraction asks for erasure under the log of its centre; none if it is
/// a plain one, or its signer may not.
pub fn urgency(log: &Log, retraction: &SignedRecord) -> Option<Urgency> {
    let body = parse_body(&retraction.payload()?.body).ok()?;
    right(log, retraction).filter(|_| asks(&body))
}

/// Returns how soon what a retraction asks to be deleted goes, if its signers may delete.
pub fn right(log: &Log, retraction: &SignedRecord) -> Option<Urgency> {
    let header = retraction.header();
    let target = header.target.filter(|_| header.kind == Kind::RETRACTION)?;
    let rights = log.capabilities(&header.signer, &header.identity_head)?;
    if log.id() != header.centre || !rights.has(Capabilities::RETRACT) {
        return None;
    }
    let body = parse_body(&retraction.payload()?.body).ok()?;
    if usize::from(log.state().keys.root_threshold) <= root_signers(log, &body, &target) {
        return Some(Urgency::Now);
    }
    rights.has(Capabilities::ERASE).then_some(Urgency::Delayed)
}

/// Returns whether the body of a retraction asks for erasure.
pub fn asks(body: &Body) -> bool {
    body.get("erase") == Some(&Value::Bool(true))
}

/// Returns how many distinct root keys in force have signed for the erasure of `target`.
pub fn root_signers(log: &Log, body: &Body, target: &RecordId) -> usize {
    let list = body.get("root_signatures").and_then(Value::as_array);
    let Some(list) = list.filter(|list| list.len() <= ROOT_SIGNATURES_MAX) else { return 0 };
    let (message, roots) = (message(target, &log.id()), &log.state().keys.root_keys);
    let valid = |(key, signature): &(PublicKey, Signature)| {
        roots.contains(key) && sign::verify(Domain::Erase, key, &message, signature).is_ok()
    };
    let signed = list.iter().filter_map(root_signature).filter(valid);
    // A set of keys: one key that signs twice counts once.
    signed.map(|(key, _)| key).collect::<BTreeSet<_>>().len()
}

fn root_signature(item: &Value) -> Option<(PublicKey, Signature)> {
    let text = |name| item.get(name).and_then(Value::as_str);
    Some((text("key")?.parse().ok()?, parse_signature(text("signature")?)?))
}

/// Reads a signature from its 128 hexadecimal digits.
pub fn parse_signature(text: &str) -> Option<Signature> {
    if text.len() != 2 * SIGNATURE_BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut signature = [0; SIGNATURE_BYTES];
    for (place, byte) in signature.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(signature)
}

/// Returns the erasure in force of the record `target` of `centre`: of several the one that
/// is due first, so that the order in which they came does not matter.
///
/// # Errors
///
/// [`StoreError`].
pub fn of(
    store: &(impl StoreRead + ?Sized),
    target: &RecordId,
    centre: &CentreId,
) -> Result<Option<Erasure>, StoreError> {
    let (mut first, mut log) = (None, None);
    for place in store.targeting(target)? {
        // Anybody may name a target; the feed says whose word it is before anything is read.
        let ours = |feed: &crate::store::FeedState| feed.admits(&place) && feed.centre == *centre;
        if !store.feed(&place.feed)?.as_ref().is_some_and(ours) {
            continue;
        }
        let (Some(entry), Some(record)) = (store.entry(&place)?, store.record(&place)?) else {
            continue;
        };
        if log.is_none() {
            log = log_of(store, centre)?;
        }
        let asked = log.as_ref().and_then(|log| urgency(log, &record));
        let asked = asked.map(|urgency| Erasure {
            retraction: entry.id,
            arrived_ms: entry.arrived_ms,
            urgency,
        });
        let order = |erasure: &Erasure| (erasure.due(), erasure.retraction);
        first = first.into_iter().chain(asked).min_by_key(order);
    }
    Ok(first)
}
