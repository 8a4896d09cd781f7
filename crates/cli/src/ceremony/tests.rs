//! Signing requests: what a file may say, and what it proves.

use std::path::PathBuf;

use baraza_api::ErrorCode;
use baraza_identity::{
    Capabilities, Changes, EVENT_VERSION, EventKind, IdentityEvent, Inception, KeySet, Link, Log,
    Operator, Role,
};
use baraza_record::{
    EventId, SecretKey, Timestamp, hash,
    sign::{Domain, Signature},
};
use serde_json::Value;

use super::{Request, missing_in_words};
use crate::error::Failure;

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

/// Returns a log of which 2 of the root keys 1, 2, 3 sign, and 2 of the next keys 11, 12, 13.
fn log(name: &str) -> Log {
    let KeySet { root_keys, root_threshold, next_digests, next_threshold } =
        keys(&[1, 2, 3], &[11, 12, 13]);
    let inception = Inception {
        version: EVENT_VERSION,
        kind: EventKind::INCEPTION,
        seq: 0,
        prev: None,
        role: Role::Centre,
        name: name.to_owned(),
        country: None,
        root_keys,
        root_threshold,
        next_digests,
        next_threshold,
        operators: Vec::new(),
        created_ms: Timestamp(1),
        nonce: [0; 16],
    };
    let signed = inception.sign(&[&key(1), &key(2)]);
    Log::from_events(&[signed.encode()]).unwrap()
}

fn keys(roots: &[u8], next: &[u8]) -> KeySet {
    let mut root_keys: Vec<_> = roots.iter().map(|n| key(*n).public()).collect();
    root_keys.sort();
    let mut next_digests: Vec<_> =
        next.iter().map(|n| hash::key_digest(&key(*n).public())).collect();
    next_digests.sort();
    let two = |keys: &[u8]| u8::try_from(keys.len().min(2)).unwrap();
    KeySet { root_keys, root_threshold: two(roots), next_digests, next_threshold: two(next) }
}

fn link(log: &Log) -> Link {
    let state = log.state();
    let centre = EventId(state.centre().0);
    Link { centre, seq: state.events(), prev: state.head(), created_ms: Timestamp(2) }
}

fn update(log: &Log) -> IdentityEvent {
    let capabilities = Capabilities::PUBLISH;
    let operators = vec![Operator { key: key(50).public(), capabilities, label: "desk".into() }];
    IdentityEvent::update(link(log), Changes { operators, ..Changes::default() })
}

fn signed(event: &IdentityEvent, number: u8) -> (baraza_record::PublicKey, Signature) {
    (key(number).public(), key(number).sign(Domain::IdentityEvent, &event.encode()))
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a request with some of its members changed.
    fn changed(&self, request: &Request, change: impl FnOnce(&mut Value)) -> PathBuf {
        let path = self.at("changed.json");
        request.write(&path).unwrap();
        let mut json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut json);
        std::fs::write(&path, json.to_string()).unwrap();
        path
    }
}

fn told(failure: &Failure) -> String {
    let mut text = Vec::new();
    failure.print(&mut text, false, false);
    String::from_utf8(text).unwrap()
}

#[test]
fn a_request_travels_between_custodians_until_enough_have_signed() {
    let (files, log) = (Files::new(), log("Lake Desk"));
    let event = update(&log);
    let request = Request::new(log.clone(), event.clone(), vec![signed(&event, 1)]).unwrap();
    request.write_new(&files.at("one.json")).unwrap();
    assert!(request.write_new(&files.at("one.json")).is_err(), "nothing is overwritten");
    assert_eq!(missing_in_words(&request.missing()), "1 of 3 root keys have signed, 2 must\n");

    let mut copy = Request::read(&files.at("one.json")).unwrap();
    let (public, signature) = signed(&event, 3);
    copy.add(public, signature).unwrap();
    copy.add(public, signature).unwrap();
    copy.write(&files.at("two.json")).unwrap();
    let mut merged = Request::read(&files.at("one.json")).unwrap();
    merged.merge(&Request::read(&files.at("two.json")).unwrap()).unwrap();
    assert!(merged.missing().is_empty());
    assert_eq!(merged.signed_by().count(), 2);
    let events = [log.head().encode(), merged.signed().encode()];
    assert!(Log::from_events(&events).unwrap().names(&key(50).public()));
}

#[test]
fn a_rotation_needs_next_keys_and_new_root_keys() {
    let log = log("Lake Desk");
    let mut revealed = vec![key(11).public(), key(13).public()];
    revealed.sort();
    let event =
        IdentityEvent::rotate(link(&log), Changes::default(), revealed, keys(&[4], &[14, 15]));
    let with = |numbers: &[u8]| {
        let signatures = numbers.iter().map(|number| signed(&event, *number)).collect();
        Request::new(log.clone(), event.clone(), signatures)
    };
    let request = with(&[4, 11]).unwrap();
    assert_eq!(missing_in_words(&request.missing()), "1 of 2 next keys have signed, 2 must\n");
    assert!(with(&[4, 11, 13]).unwrap().missing().is_empty());
    assert!(with(&[1]).is_err(), "an old root key signs no rotation");
    assert!(with(&[12]).is_err(), "nor does a next key that is not revealed");
    let summary = request.in_words().join("\n");
    for part in ["Lake Desk", "rotate", "Uses up the next key", "1 new root key", "2 new next keys"]
    {
        assert!(summary.contains(part), "{part}: {summary}");
    }
}

#[test]
fn what_is_shown_comes_from_the_event_and_not_from_the_text() {
    let (files, log) = (Files::new(), log("Lake Desk"));
    let request = Request::new(log.clone(), update(&log), Vec::new()).unwrap();
    let path = files.changed(&request, |json| json["summary"] = serde_json::json!(["harmless"]));
    let summary = Request::read(&path).unwrap().in_words().join("\n");
    assert!(summary.contains("Adds the key") && !summary.contains("harmless"), "{summary}");
}

#[test]
fn damaged_foreign_and_oversigned_requests_are_refused_with_a_reason() {
    let (files, lake) = (Files::new(), log("Lake Desk"));
    let event = update(&lake);
    let request = Request::new(lake.clone(), event.clone(), vec![signed(&event, 1)]).unwrap();
    let other = log("Hill Desk");
    let foreign = Request::new(other.clone(), update(&other), Vec::new()).unwrap();
    let foreign_path = files.at("foreign.json");
    foreign.write(&foreign_path).unwrap();
    let foreign_json: Value =
        serde_json::from_slice(&std::fs::read(&foreign_path).unwrap()).unwrap();
    let entry = |number: u8| {
        let (key, signature) = signed(&event, number);
        serde_json::json!({ "key": key, "signature": super::to_hex(&signature) })
    };
    let forged = serde_json::json!({
        "key": key(2).public(), "signature": super::to_hex(&signed(&event, 3).1)
    });
    type Change<'a> = Box<dyn FnOnce(&mut Value) + 'a>;
    let cases: Vec<(&str, Change<'_>)> = vec![
        ("is no signing request", Box::new(|json| *json = serde_json::json!({}))),
        ("version 9", Box::new(|json| json["baraza_signing_request"] = 9.into())),
        ("no row of hexadecimal", Box::new(|json| json["event"] = "xyz".into())),
        ("damaged", Box::new(|json| json["event"] = "00".into())),
        ("does not verify", Box::new(|json| json["log"] = serde_json::json!([]))),
        ("behind the log of", Box::new(|json| json["log"] = foreign_json["log"].clone())),
        ("behind the log of", Box::new(|json| json["event"] = foreign_json["event"].clone())),
        ("other keys", Box::new(|json| json["may_sign"] = serde_json::json!([key(9).public()]))),
        ("may not sign it", Box::new(|json| json["signatures"] = serde_json::json!([entry(9)]))),
        (
            "two signatures of key",
            Box::new(|json| json["signatures"] = serde_json::json!([entry(1), entry(1)])),
        ),
        ("bad signature", Box::new(|json| json["signatures"] = serde_json::json!([forged]))),
        ("is not 64 bytes", Box::new(|json| json["signatures"][0]["signature"] = "00".into())),
    ];
    for (expected, change) in cases {
        let failure = Request::read(&files.changed(&request, change)).unwrap_err();
        let text = told(&failure);
        assert!(text.contains(expected), "{expected}: {text}");
        assert_eq!(failure.code(), Some(ErrorCode::Invalid), "{text}");
    }
    let mut request = request;
    assert!(told(&request.merge(&foreign).unwrap_err()).contains("different events"));
}

#[test]
fn an_event_that_the_log_would_not_take_is_never_signed() {
    let lake = log("Lake Desk");
    let mut moved = link(&lake);
    moved.seq += 1;
    let event = IdentityEvent::update(moved, Changes::default());
    assert!(Request::new(lake, event, Vec::new()).is_err());
}
