//! One event: its structure and its signatures.

use baraza_identity::{
    EVENT_BYTES_MAX, EventError, EventKind, Inception, KEYS_MAX, KeySignature, LABEL_BYTES_MAX,
    NAME_CHARS_MAX, OPERATORS_MAX, Role, SignedEvent,
};
use baraza_record::{
    EventId, KeyDigest, PublicKey,
    codec::{self, DecodeError},
    hash,
    sign::{Domain, VerifyError},
};

use crate::{inception, key, signed, verified};

fn decode(event: Inception) -> Result<SignedEvent, EventError> {
    SignedEvent::decode(&signed(event, &[]))
}

/// Changes a good event and returns the field that is then at fault.
#[track_caller]
fn fault(change: impl FnOnce(&mut Inception)) -> Option<&'static str> {
    let (mut event, _) = inception(3, 2, 3);
    change(&mut event);
    match decode(event) {
        Ok(_) => None,
        Err(EventError::Field { field, rule }) => {
            assert!(!rule.is_empty());
            Some(field)
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn an_event_comes_back_as_it_was_signed() {
    let (event, keys) = inception(3, 2, 2);
    let bytes = signed(event.clone(), &keys);
    let read_id = hash::event_id(&codec::encode(&event));
    let read = SignedEvent::decode(&bytes).unwrap();
    assert_eq!(verified(&read), Ok(()));
    assert_eq!((read.event(), read.encode()), (&event.into(), bytes));
    assert_eq!(read.id(), read_id);
}

#[test]
fn the_id_does_not_depend_on_who_signed() {
    let (event, keys) = inception(3, 2, 2);
    let some = SignedEvent::decode(&signed(event.clone(), &keys[1..])).unwrap();
    let all = SignedEvent::decode(&signed(event, &keys)).unwrap();
    assert_eq!((verified(&some), verified(&all)), (Ok(()), Ok(())));
    assert_eq!(some.id(), all.id());
}

#[test]
fn each_member_has_its_rule() {
    assert_eq!(fault(|_| ()), None);
    assert_eq!(fault(|event| event.version = 0), Some("version"));
    assert_eq!(fault(|event| event.seq = 1), Some("seq"));
    assert_eq!(fault(|event| event.prev = Some(EventId([0; 32]))), Some("prev"));
    assert_eq!(fault(|event| event.role = Role::Nation(*b"TZ")), None);
    assert_eq!(fault(|event| event.role = Role::Nation(*b"tz")), Some("role"));
    assert_eq!(fault(|event| event.country = None), None);
    assert_eq!(fault(|event| event.country = Some(*b"T1")), Some("country"));
}

#[test]
fn names_have_1_to_200_characters_and_none_that_controls_a_terminal() {
    let name = |name: &str| fault(|event| event.name = name.to_owned());
    assert_eq!(name("a"), None);
    // Four bytes a letter: the limit counts characters.
    assert_eq!(name(&"𐎠".repeat(NAME_CHARS_MAX)), None);
    assert_eq!(name(&"a".repeat(NAME_CHARS_MAX + 1)), Some("name"));
    for bad in ["", " ", "\u{2003}", "a\nb", "a\u{1b}[2J", "\0", "a\u{7f}", "\u{9b}1m"] {
        assert_eq!(name(bad), Some("name"), "{bad:?}");
    }
}

#[test]
fn thresholds_are_between_1_and_the_number_of_keys() {
    for (threshold, expected) in [(0, Some("root_threshold")), (1, None), (3, None)] {
        assert_eq!(fault(|event| event.root_threshold = threshold), expected, "{threshold}");
    }
    assert_eq!(fault(|event| event.root_threshold = 4), Some("root_threshold"));
    assert_eq!(fault(|event| event.next_threshold = 0), Some("next_threshold"));
    assert_eq!(fault(|event| event.next_threshold = 2), None);
    assert_eq!(fault(|event| event.next_threshold = 3), Some("next_threshold"));
}

#[test]
fn root_keys_are_1_to_16_usable_ones_in_ascending_order() {
    let with = |roots| {
        let (event, keys) = inception(roots, 1, 1);
        SignedEvent::decode(&signed(event, &keys)).map(|read| verified(&read))
    };
    assert_eq!(with(KEYS_MAX as u8), Ok(Ok(())));
    assert!(matches!(with(KEYS_MAX as u8 + 1), Err(EventError::Field { field: "root_keys", .. })));
    assert!(with(0).is_err());
    assert_eq!(fault(|event| event.root_keys.reverse()), Some("root_keys"));
    assert_eq!(fault(|event| event.root_keys[1] = event.root_keys[0]), Some("root_keys"));
    // The identity point: every signature by it could be made to fit.
    let mut weak = [0; 32];
    weak[0] = 1;
    assert_eq!(fault(|event| event.root_keys = vec![PublicKey(weak); 1]), Some("root_keys"));
}

#[test]
fn next_digests_are_1_to_16_and_commit_to_no_key_in_use() {
    let digests = |count: usize| (0..count).map(|n| KeyDigest([n as u8; 32])).collect();
    assert_eq!(fault(|event| event.next_digests = digests(KEYS_MAX)), None);
    assert_eq!(fault(|event| event.next_digests = digests(KEYS_MAX + 1)), Some("next_digests"));
    assert_eq!(fault(|event| event.next_digests.clear()), Some("next_digests"));
    assert_eq!(fault(|event| event.next_digests.reverse()), Some("next_digests"));
    let own = |event: &mut Inception| {
        event.next_digests = vec![hash::key_digest(&event.root_keys[2])];
    };
    assert_eq!(fault(own), Some("next_digests"));
}

#[test]
fn operators_are_up_to_64_usable_keys_in_ascending_order() {
    let (event, keys) = inception(16, 1, OPERATORS_MAX as u8);
    let bytes = signed(event, &keys);
    assert!(bytes.len() <= EVENT_BYTES_MAX, "the largest event has {} bytes", bytes.len());
    assert_eq!(verified(&SignedEvent::decode(&bytes).unwrap()), Ok(()));
    let (event, _) = inception(1, 1, OPERATORS_MAX as u8 + 1);
    assert!(matches!(decode(event), Err(EventError::Field { field: "operators", .. })));
    assert_eq!(fault(|event| event.operators.clear()), None);
    assert_eq!(fault(|event| event.operators.reverse()), Some("operators"));
    let twice = |event: &mut Inception| event.operators[1] = event.operators[0].clone();
    assert_eq!(fault(twice), Some("operators"));
    assert_eq!(fault(|event| event.operators[0].key = PublicKey([0; 32])), Some("operators"));
    let label = |label: &str| fault(|event| event.operators[0].label = label.to_owned());
    assert_eq!(label(""), None);
    assert_eq!(label(&"é".repeat(LABEL_BYTES_MAX / 2)), None);
    assert_eq!(label(&"a".repeat(LABEL_BYTES_MAX + 1)), Some("operators"));
    assert_eq!(label("a\tb"), Some("operators"));
}

/// An event as it travels, to be put together wrongly.
#[derive(bincode::Encode)]
struct Wire {
    event: Vec<u8>,
    signatures: Vec<KeySignature>,
}

fn verify(event: &Inception, signatures: Vec<KeySignature>) -> Result<(), EventError> {
    let bytes = codec::encode(&Wire { event: codec::encode(event), signatures });
    verified(&SignedEvent::decode(&bytes).unwrap())
}

#[test]
fn signatures_are_of_distinct_root_keys_and_enough() {
    let (event, keys) = inception(3, 2, 1);
    let bytes = codec::encode(&event);
    let by = |place: u8| KeySignature {
        key: place,
        signature: keys[usize::from(place)].sign(Domain::IdentityEvent, &bytes),
    };
    assert_eq!(verify(&event, vec![by(0), by(1)]), Ok(()));
    assert_eq!(verify(&event, vec![by(0), by(2)]), Ok(()));
    assert_eq!(verify(&event, vec![by(0), by(1), by(2)]), Ok(()));
    let too_few = |signed| Err(EventError::Threshold { signed, needed: 2 });
    assert_eq!(verify(&event, vec![]), too_few(0));
    assert_eq!(verify(&event, vec![by(2)]), too_few(1));
    for wrong in [vec![by(1), by(1)], vec![by(1), by(0)], vec![by(0), by(2), by(2)]] {
        let error = verify(&event, wrong).unwrap_err();
        assert!(matches!(error, EventError::Field { field: "signatures", .. }), "{error}");
    }
    let bad = |key, cause| Err(EventError::Signature { key, cause });
    let moved = KeySignature { key: 1, ..by(0) };
    assert_eq!(verify(&event, vec![moved]), bad(1, VerifyError::BadSignature));
    let beyond = KeySignature { key: 3, ..by(0) };
    assert_eq!(verify(&event, vec![by(0), beyond]), bad(3, VerifyError::BadKey));
    let spoiled = KeySignature { key: 2, signature: [1; 64] };
    assert_eq!(
        verify(&event, vec![by(0), by(1), spoiled]),
        bad(2, VerifyError::BadSignature),
        "one bad signature spoils the event, however many are good"
    );
    let record = keys[0].sign(Domain::Record, &bytes);
    let other = vec![KeySignature { key: 0, signature: record }, by(1)];
    assert_eq!(verify(&event, other), bad(0, VerifyError::BadSignature), "another domain");
    let mut changed = event.clone();
    changed.nonce[0] ^= 1;
    assert_eq!(verify(&changed, vec![by(0), by(1)]), bad(0, VerifyError::BadSignature));
}

#[test]
fn a_key_that_is_not_a_root_key_signs_nothing() {
    let (event, keys) = inception(2, 1, 1);
    let made = event.clone().sign(&[&key(250), &keys[1]]);
    assert_eq!(verified(&made), Ok(()));
    let only = event.sign(&[&key(250)]);
    assert_eq!(verified(&only), Err(EventError::Threshold { signed: 0, needed: 1 }));
}

#[test]
fn newer_versions_and_kinds_are_nobodys_fault() {
    let (mut event, keys) = inception(1, 1, 1);
    event.version = 2;
    let newer = SignedEvent::decode(&signed(event.clone(), &keys));
    assert_eq!(newer, Err(EventError::Newer { version: 2, kind: 0 }));
    (event.version, event.kind) = (1, EventKind(9));
    let newer = SignedEvent::decode(&signed(event, &keys));
    assert_eq!(newer, Err(EventError::Newer { version: 1, kind: 9 }));
}

#[test]
fn bytes_have_one_form_and_a_limit() {
    let (event, keys) = inception(2, 2, 2);
    let good = signed(event, &keys);
    let refused = |bytes: &[u8]| match SignedEvent::decode(bytes) {
        Err(EventError::Decode(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(refused(&[&good[..], &[0]].concat()), DecodeError::Trailing { bytes: 1 }));
    let long = vec![0; EVENT_BYTES_MAX + 1];
    assert!(matches!(refused(&long), DecodeError::TooLong { .. }));
    for end in 0..good.len() {
        assert!(SignedEvent::decode(&good[..end]).is_err(), "{end} bytes");
    }
    // Each changed byte is either refused or leaves nothing that verifies as the same.
    for place in 0..good.len() {
        let mut bytes = good.clone();
        bytes[place] ^= 0x10;
        if let Ok(changed) = SignedEvent::decode(&bytes) {
            assert!(verified(&changed).is_err(), "byte {place}");
            assert_eq!(changed.encode(), bytes, "byte {place}");
        }
    }
}
