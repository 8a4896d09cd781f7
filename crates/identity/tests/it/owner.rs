//! Whoever owns a log: keys by number, and the events that they make.

use baraza_identity::{
    Capabilities, Changes, EndKind, EndedKey, Horizon, IdentityEvent, Join, KeySet, Link, Log,
    Operator, SignedEvent, State,
};
use baraza_record::{EventId, FeedId, PublicKey, RecordId, SecretKey, Timestamp, hash};

use crate::{inception, key};

/// Returns a log with an inception by `roots` root keys, all of which must sign, and two next
/// keys, 200 and 201, of which one must.
pub(crate) fn begun(roots: u8) -> Log {
    let (event, keys) = inception(roots, roots, 2);
    let signed = event.sign(&keys.iter().collect::<Vec<_>>());
    Log::from_events(&[signed.encode()]).unwrap()
}

/// Returns where the next event of a log stands.
pub(crate) fn link(log: &Log) -> Link {
    link_behind(log.state(), 1)
}

/// Returns where an event behind `state` stands; `time` tells it from others there.
pub(crate) fn link_behind(state: &State, time: u64) -> Link {
    let centre = EventId(state.centre().0);
    Link { centre, seq: state.events(), prev: state.head(), created_ms: Timestamp(time) }
}

/// Returns root keys `roots`, all of which sign, and the next keys with these numbers, of
/// which `threshold` sign.
pub(crate) fn keys(roots: &[u8], next: &[u8], threshold: u8) -> KeySet {
    let mut root_keys: Vec<_> = roots.iter().map(|n| key(*n).public()).collect();
    root_keys.sort();
    let mut next_digests: Vec<_> =
        next.iter().map(|n| hash::key_digest(&key(*n).public())).collect();
    next_digests.sort();
    let root_threshold = u8::try_from(roots.len()).unwrap();
    KeySet { root_keys, root_threshold, next_digests, next_threshold: threshold }
}

/// Returns the public keys with these numbers, ascending.
pub(crate) fn public(numbers: &[u8]) -> Vec<PublicKey> {
    let mut keys: Vec<_> = numbers.iter().map(|n| key(*n).public()).collect();
    keys.sort();
    keys
}

/// Signs an event behind `state` with the keys with these numbers.
pub(crate) fn sign(state: &State, event: IdentityEvent, by: &[u8]) -> SignedEvent {
    let secrets: Vec<SecretKey> = by.iter().map(|n| key(*n)).collect();
    SignedEvent::sign(event.clone(), &state.signers(&event), &secrets.iter().collect::<Vec<_>>())
}

/// Adds the operator key with this number.
pub(crate) fn adds(number: u8) -> Changes {
    let (capabilities, label) = (Capabilities::PUBLISH, "desk".to_owned());
    let operators = vec![Operator { key: key(number).public(), capabilities, label }];
    Changes { operators, ..Changes::default() }
}

/// Ends the operator key with this number, with these horizons.
pub(crate) fn ends(number: u8, kind: EndKind, horizons: &[(u8, u64)]) -> Changes {
    let horizon = |(feed, seq): &(u8, u64)| Horizon {
        feed: FeedId([*feed; 32]),
        seq: *seq,
        record: RecordId([*feed; 32]),
    };
    let horizons = horizons.iter().map(horizon).collect();
    let ended = vec![EndedKey { key: key(number).public(), kind, horizons }];
    Changes { ended, ..Changes::default() }
}

/// Returns an update behind the log, signed by its root keys 1 to `roots`.
pub(crate) fn update(log: &Log, changes: Changes, roots: u8) -> SignedEvent {
    let by: Vec<u8> = (1..=roots).collect();
    sign(log.state(), IdentityEvent::update(link(log), changes), &by)
}

/// Returns a rotation behind the log to root key `root` and next key `next`, signed by next
/// key `by` and the new root key.
pub(crate) fn rotate(log: &Log, by: u8, root: u8, next: u8) -> SignedEvent {
    let event = IdentityEvent::rotate(
        link(log),
        Changes::default(),
        public(&[by]),
        keys(&[root], &[next], 1),
    );
    sign(log.state(), event, &[by, root])
}

/// Adds events to a log.
pub(crate) fn join(log: &Log, new: &[&SignedEvent]) -> Join {
    let held = log.events().iter().chain(log.others()).cloned().collect();
    Log::join(held, new.iter().map(|event| (*event).clone()).collect())
}

/// Adds events that are all taken.
#[track_caller]
pub(crate) fn grown(log: &Log, new: &[&SignedEvent]) -> Log {
    let Join { log, refused, .. } = join(log, new);
    assert_eq!(refused, [], "nothing is refused");
    log.unwrap()
}
