//! What may follow in one line of events: thresholds, next keys, operators, endings.

use baraza_identity::{
    Changes, EndKind, EventError, FeedEnd, FeedRule, Horizon, IdentityEvent, Log, LogStanding,
    Profile, SignedEvent,
};
use baraza_record::{FeedId, RecordId};

use crate::{
    key,
    owner::{adds, begun, ends, grown, join, keys, link, public, rotate, sign, update},
};

/// Returns why an event is refused behind `log`; none if it is taken.
#[track_caller]
fn refusal(log: &Log, event: &SignedEvent) -> Option<EventError> {
    let mut refused = join(log, &[event]).refused;
    assert!(refused.len() <= 1);
    refused.pop()
}

fn field(error: Option<EventError>) -> Option<&'static str> {
    match error {
        Some(EventError::Field { field, rule }) => {
            assert!(!rule.is_empty());
            Some(field)
        }
        None => None,
        Some(other) => panic!("{other}"),
    }
}

/// Signs changes behind a log of one root key and returns the field at fault.
#[track_caller]
fn fault(log: &Log, changes: Changes) -> Option<&'static str> {
    field(refusal(log, &update(log, changes, 1)))
}

#[test]
fn an_update_adds_an_operator_from_its_event_on() {
    let first = begun(1);
    let log = grown(&first, &[&update(&first, adds(7), 1)]);
    let desk = key(7).public();
    assert_eq!(log.capabilities(&desk, &first.head().id()), None, "not under the inception");
    assert!(log.capabilities(&desk, &log.head().id()).is_some());
    assert!(log.names(&desk) && log.extends(&first) && !first.extends(&log));
    assert_eq!(log.operators().count(), 3);
    let kept: Vec<_> = log.events().iter().map(SignedEvent::encode).collect();
    assert_eq!(Log::from_kept(&kept), Ok(log.clone()));
    let back: Vec<_> = kept.iter().rev().collect();
    assert_eq!(Log::from_events(&back), Ok(log));
}

#[test]
fn an_update_needs_the_threshold_of_distinct_root_keys() {
    let log = begun(3);
    let event = IdentityEvent::update(link(&log), adds(7));
    assert_eq!(refusal(&log, &sign(log.state(), event.clone(), &[1, 2, 3])), None);
    let too_few = |signed| Some(EventError::Threshold { signed, needed: 3 });
    assert_eq!(refusal(&log, &sign(log.state(), event.clone(), &[1, 2])), too_few(2));
    assert_eq!(refusal(&log, &sign(log.state(), event.clone(), &[1, 1, 1])), too_few(1));
    assert_eq!(refusal(&log, &sign(log.state(), event.clone(), &[1, 2, 200])), too_few(2));
    // The same signature three times, as no honest program would put it together.
    let one = sign(log.state(), event.clone(), &[1]).encode();
    let (head, signature) = one.split_at(one.len() - 65);
    let head = &head[..head.len() - 1];
    let thrice = [head, &[3], signature, signature, signature].concat();
    let thrice = SignedEvent::decode(&thrice).unwrap();
    assert_eq!(field(refusal(&log, &thrice)), Some("signatures"));
}

#[test]
fn a_rotation_needs_committed_next_keys_and_the_new_root_keys() {
    let log = begun(1);
    let rotation = |revealed: &[u8], roots: &[u8]| {
        let keys = keys(roots, &[210, 211, 212], 2);
        IdentityEvent::rotate(link(&log), Changes::default(), public(revealed), keys)
    };
    let refused =
        |event: &IdentityEvent, by: &[u8]| refusal(&log, &sign(log.state(), event.clone(), by));
    let good = rotation(&[200], &[30, 31]);
    assert_eq!(refused(&good, &[200, 30, 31]), None);
    let too_few = |signed, needed| Some(EventError::Threshold { signed, needed });
    assert_eq!(refused(&good, &[30, 31]), too_few(0, 1), "no next key");
    assert_eq!(refused(&good, &[200, 30]), too_few(1, 2), "a new root key is lacking");
    assert_eq!(refused(&good, &[1, 30, 31]), too_few(0, 1), "the old root key is none");
    let stranger = rotation(&[1], &[30, 31]);
    assert_eq!(field(refused(&stranger, &[1, 30, 31])), Some("revealed"));

    // Two of three next keys sign the next one, each of them once.
    let second = grown(&log, &[&sign(log.state(), good, &[200, 30, 31])]);
    assert_eq!(second.id(), log.id(), "the id survives");
    let event = |revealed: &[u8]| {
        let keys = keys(&[40], &[220], 1);
        IdentityEvent::rotate(link(&second), Changes::default(), public(revealed), keys)
    };
    let refused =
        |event: IdentityEvent, by: &[u8]| refusal(&second, &sign(second.state(), event, by));
    assert_eq!(refused(event(&[210, 212]), &[210, 212, 40]), None);
    assert_eq!(refused(event(&[210, 212]), &[210, 40]), too_few(1, 2));
    assert_eq!(field(refused(event(&[200, 210]), &[200, 210, 40])), Some("revealed"));
}

#[test]
fn a_key_that_was_used_up_never_comes_back() {
    let first = begun(1);
    let log = grown(&first, &[&rotate(&first, 200, 30, 210)]);
    let by_root = |changes| {
        field(refusal(&log, &sign(log.state(), IdentityEvent::update(link(&log), changes), &[30])))
    };
    assert_eq!(by_root(adds(7)), None);
    assert_eq!(by_root(adds(200)), Some("keys"), "as an operator");
    let again = |roots: &[u8], next: &[u8]| {
        let (revealed, keys) = (public(&[210]), keys(roots, next, 1));
        let event = IdentityEvent::rotate(link(&log), Changes::default(), revealed, keys);
        field(refusal(&log, &sign(log.state(), event, &[&[210], roots].concat())))
    };
    assert_eq!(again(&[40], &[220]), None);
    assert_eq!(again(&[200], &[220]), Some("keys"), "as a root key");
    assert_eq!(again(&[40], &[200]), Some("next_digests"), "as a next key");
    assert_eq!(again(&[40], &[210]), Some("next_digests"), "the one that signs");
    assert_eq!(again(&[40], &[201]), None, "one that was never revealed may");
    // The operator that ended does not come back either.
    let desk = 60;
    let log = grown(&first, &[&update(&first, ends(desk, EndKind::Retired, &[]), 1)]);
    assert_eq!(fault(&log, adds(desk)), Some("operators"));
}

#[test]
fn the_end_of_a_log_ends_every_key() {
    let log = begun(1);
    let mut changes = ends(60, EndKind::Retired, &[(1, 5)]);
    let end =
        |changes: &Changes| IdentityEvent::deactivate(link(&log), changes.clone(), public(&[200]));
    let ended = grown(&log, &[&sign(log.state(), end(&changes), &[200])]);
    assert_eq!(ended.standing(), LogStanding::Ended);
    assert_eq!(ended.operators().count(), 0);
    assert!(!ended.is_node(&key(61).public()));
    let rule = |operator: u8| ended.feed_rule(&key(operator).public(), &FeedId([1; 32]));
    assert_eq!(rule(60).end, Some(FeedEnd { seq: 5, compromised: false }));
    assert_eq!(rule(61).end, Some(FeedEnd { seq: 0, compromised: false }));
    assert_eq!(field(refusal(&ended, &update(&ended, adds(7), 1))), Some("kind"));
    let by_root = refusal(&log, &sign(log.state(), end(&changes), &[1]));
    assert_eq!(by_root, Some(EventError::Threshold { signed: 0, needed: 1 }));
    changes.operators = adds(7).operators;
    let adds = refusal(&log, &sign(log.state(), end(&changes), &[200]));
    assert_eq!(adds, None, "structure is checked when it is decoded");
    assert!(SignedEvent::decode(&sign(log.state(), end(&changes), &[200]).encode()).is_err());
}

#[test]
fn horizons_are_added_and_never_moved() {
    let first = begun(1);
    let stolen = |horizons: &[(u8, u64)]| ends(60, EndKind::Compromised, horizons);
    let log = grown(&first, &[&update(&first, stolen(&[(1, 5), (2, 9)]), 1)]);
    let desk = key(60).public();
    let rule = |log: &Log, feed: u8| log.feed_rule(&desk, &FeedId([feed; 32]));
    let at = |seq| Some(FeedEnd { seq, compromised: true });
    assert_eq!(rule(&log, 2), FeedRule { end: at(9), pins: vec![(9, RecordId([2; 32]))] });
    assert_eq!(rule(&log, 3), FeedRule { end: at(0), pins: vec![] }, "a feed that is not named");
    assert!(log.names(&desk), "what it signed before still has its authority");

    assert_eq!(fault(&log, stolen(&[(1, 6)])), Some("ended"));
    assert_eq!(fault(&log, ends(60, EndKind::Retired, &[(1, 5)])), Some("ended"));
    assert_eq!(fault(&log, ends(99, EndKind::Retired, &[])), Some("ended"), "no operator");
    let later = grown(&log, &[&update(&log, stolen(&[(1, 5), (3, 2)]), 1)]);
    assert_eq!(rule(&later, 3).end, at(2), "a missing one is added");
    assert_eq!(rule(&later, 2).end, at(9));
}

#[test]
fn a_choice_of_a_branch_is_not_changed() {
    let log = begun(1);
    let choose = |feed: u8, seq: u64, record: u8| Changes {
        branches: vec![Horizon { feed: FeedId([feed; 32]), seq, record: RecordId([record; 32]) }],
        ..Changes::default()
    };
    let log = grown(&log, &[&update(&log, choose(1, 4, 7), 1)]);
    let rule = log.feed_rule(&key(60).public(), &FeedId([1; 32]));
    assert_eq!(rule, FeedRule { end: None, pins: vec![(4, RecordId([7; 32]))] });
    assert_eq!(fault(&log, choose(1, 4, 7)), None);
    assert_eq!(fault(&log, choose(1, 4, 8)), Some("branches"));
    assert_eq!(fault(&log, choose(1, 9, 8)), None, "a later fork is another matter");
}

#[test]
fn structure_is_checked_before_anything_else() {
    let log = begun(1);
    let decode = |event: IdentityEvent| match SignedEvent::decode(
        &sign(log.state(), event, &[1]).encode(),
    ) {
        Ok(_) => None,
        Err(error) => field(Some(error)),
    };
    let with = |changes| decode(IdentityEvent::update(link(&log), changes));
    assert_eq!(with(adds(7)), None);
    let profile = |name: &str| Changes {
        profile: Some(Profile { name: name.to_owned(), country: Some(*b"TZ") }),
        ..Changes::default()
    };
    assert_eq!(with(profile("Kituo kipya")), None);
    assert_eq!(with(profile("a\u{1b}[2J")), Some("profile"));
    assert_eq!(with(ends(60, EndKind::Retired, &[(2, 1), (1, 1)])), Some("ended"));
    assert_eq!(with(ends(60, EndKind::Retired, &[(1, 0)])), Some("ended"));
    let many: Vec<_> = (0..65).map(|n| (n, 1)).collect();
    assert_eq!(with(ends(60, EndKind::Retired, &many)), Some("ended"));
    let mut first = link(&log);
    first.seq = 0;
    assert_eq!(decode(IdentityEvent::update(first, adds(7))), Some("seq"));
    let rotation = |revealed: &[u8], roots: &[u8]| {
        let keys = keys(roots, &[210], 1);
        decode(IdentityEvent::rotate(link(&log), Changes::default(), public(revealed), keys))
    };
    assert_eq!(rotation(&[200], &[30]), None);
    assert_eq!(rotation(&[], &[30]), Some("revealed"));
    assert_eq!(rotation(&[200], &[200]), Some("root_keys"));
    assert_eq!(rotation(&[200], &[210]), Some("next_digests"));
}

#[test]
fn a_name_and_a_country_change_with_an_update() {
    let log = begun(1);
    let profile = Some(Profile { name: "Kituo kipya".to_owned(), country: None });
    let log = grown(&log, &[&update(&log, Changes { profile, ..Changes::default() }, 1)]);
    assert_eq!((log.state().name.as_str(), log.state().country), ("Kituo kipya", None));
}
