//! Tests of identity events from outside: limits, thresholds, signatures, mutations.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

mod branches;
mod changes;
mod events;
mod logs;
mod owner;

use baraza_identity::{
    Capabilities, EVENT_VERSION, EventError, EventKind, Inception, Log, LogError, Operator, Role,
    SignedEvent,
};
use baraza_record::{SecretKey, Timestamp, hash};

/// Returns the secret key with this number.
fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

/// Returns an inception with `roots` root keys and `operators` operators, of which
/// `threshold` root keys must sign. Keys are ascending, as they must be.
fn inception(roots: u8, threshold: u8, operators: u8) -> (Inception, Vec<SecretKey>) {
    let mut root_keys: Vec<_> = (0..roots).map(|n| key(n + 1)).collect();
    root_keys.sort_by_key(SecretKey::public);
    let mut operator_keys: Vec<_> = (0..operators).map(|n| key(n + 60).public()).collect();
    operator_keys.sort();
    let mut next_digests: Vec<_> =
        (0..2).map(|n| hash::key_digest(&key(n + 200).public())).collect();
    next_digests.sort();
    let operator = |key| Operator {
        key,
        capabilities: Capabilities::PUBLISH.and(Capabilities::NODE),
        label: "office".to_owned(),
    };
    let event = Inception {
        version: EVENT_VERSION,
        kind: EventKind::INCEPTION,
        seq: 0,
        prev: None,
        role: Role::Centre,
        name: "Kituo cha Maarifa".to_owned(),
        country: Some(*b"TZ"),
        root_keys: root_keys.iter().map(SecretKey::public).collect(),
        root_threshold: threshold,
        next_digests,
        next_threshold: 1,
        operators: operator_keys.into_iter().map(operator).collect(),
        created_ms: Timestamp(1_750_000_000_000),
        nonce: [3; 16],
    };
    (event, root_keys)
}

/// Signs with all of `keys` and encodes.
fn signed(event: Inception, keys: &[SecretKey]) -> Vec<u8> {
    event.sign(&keys.iter().collect::<Vec<_>>()).encode()
}

/// Verifies an inception as the only event of its log.
fn verified(event: &SignedEvent) -> Result<(), EventError> {
    match Log::from_events(&[event.encode()]) {
        Ok(_) => Ok(()),
        Err(LogError::Event(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}
