//! Ceremonies at a terminal: words that are typed, questions, and what is shown before them.

use std::path::Path;

use baraza_api::{ErrorCode, EventsReply, FeedsReply, IdentifyReply, StatusView};
use baraza_formats::words::to_words;
use baraza_identity::{EVENT_VERSION, EventKind, Inception, Log, Role};
use baraza_record::{SecretKey, Timestamp, hash};
use serde_json::{Value, json};

use crate::support::{Node, Person, Program, run, run_with};

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

/// Returns the log of a centre of which 2 of the next keys 11, 12, 13 sign.
fn log() -> Log {
    let mut next_digests: Vec<_> =
        [11, 12, 13].iter().map(|n| hash::key_digest(&key(*n).public())).collect();
    next_digests.sort();
    let inception = Inception {
        version: EVENT_VERSION,
        kind: EventKind::INCEPTION,
        seq: 0,
        prev: None,
        role: Role::Centre,
        name: "Lake Desk".into(),
        country: None,
        root_keys: vec![key(1).public()],
        root_threshold: 1,
        next_digests,
        next_threshold: 2,
        operators: Vec::new(),
        created_ms: Timestamp(1),
        nonce: [0; 16],
    };
    Log::from_events(&[inception.sign(&[&key(1)]).encode()]).unwrap()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns a node that tells of this log, to be asked as ceremonies do.
fn node(log: &Log) -> Node {
    let id = log.id();
    let status: StatusView = serde_json::from_value(json!({
        "version": "0", "centre": id, "centre_name": "Lake Desk", "peer_id": "12D3",
        "daemon": true, "listen": [], "records": 0, "bodies_missing": 0, "held": 0, "centres": 1,
        "feeds": 0, "ledger_bytes": 0, "peers_connected": 0, "peers_known": 0, "sessions": 0,
        "set_digest": "", "index_behind": 0, "unlocked": true, "warnings": [],
    }))
    .unwrap();
    let events = EventsReply { events: vec![to_hex(&log.head().encode())] };
    Node::default()
        .json("GET /v1/status", &status)
        .json(&format!("GET /v1/centres/{id}/events"), &events)
}

/// Returns the lines that a person types for a key.
fn lines(number: u8) -> Vec<&'static str> {
    let words = to_words(&[number; 32]);
    words.chunks(6).map(|six| &*Box::leak(six.join(" ").into_boxed_str())).collect()
}

#[test]
fn custodians_type_their_words_and_see_what_they_sign() {
    let (log, folder) = (log(), tempfile::tempdir().unwrap());
    let path = folder.path().join("close.json");
    let (path, id) = (path.to_str().unwrap(), log.id());
    let program = Program::with(
        node(&log).json(&format!("GET /v1/centres/{id}/feeds"), &FeedsReply::default()),
    );
    let other = key(12).public().to_string();
    let close = ["centre", "close", "--words", "--reveal", &other, "--request", path];
    let typed = [lines(11), vec!["", "y", "close Lake Desk"]].concat();
    let shown = run_with(&program, &close, Some(Person(typed)), None);
    assert_eq!(shown.exit, 0, "{}{}", shown.out, shown.err);
    assert!(shown.out.contains("1 of 2 next keys have signed, 2 must"), "{}", shown.out);
    program.node.assert_done();

    // The custodian has neither a node nor a home.
    let custodian = Program::default();
    let sign = ["centre", "sign", path, "--words", "--quiet"];
    let no = [lines(12), vec!["", "n"]].concat();
    let shown = run_with(&custodian, &sign, Some(Person(no)), None);
    assert_eq!(shown.exit, 0, "{}", shown.err);
    let seen = shown.err.find("CLOSES THE CENTRE FOR GOOD").expect("also with --quiet");
    assert!(seen < shown.err.find("Sign this?").unwrap());
    assert_eq!(signatures(path), 1, "a no signs nothing");
    let stranger = [lines(20), vec![""]].concat();
    let shown = run_with(&custodian, &sign, Some(Person(stranger)), None);
    assert_eq!(shown.exit, 3, "{}", shown.err);
    let yes = [lines(12), vec!["", "y"]].concat();
    let shown = run_with(&custodian, &sign, Some(Person(yes)), None);
    assert_eq!((shown.exit, signatures(path)), (0, 2), "{}", shown.err);
    assert!(!shown.err.contains(lines(12)[0]) && !shown.out.contains(lines(12)[0]));

    let bundle = folder.path().join("close.bundle");
    let shown = run(&custodian, &["centre", "assemble", path, "-o", bundle.to_str().unwrap()]);
    assert_eq!((shown.exit, bundle.exists()), (0, true), "{}", shown.err);
    let answer = IdentifyReply { centre: id, new: true };
    let at = format!("GET /v1/centres/{id}/events");
    let before = EventsReply { events: vec![to_hex(&log.head().encode())] };
    let program =
        Program::with(Node::default().json("POST /v1/identity", &answer).json(&at, &before));
    let shown = run(&program, &["centre", "assemble", path, "--yes"]);
    assert_eq!(shown.exit, 3, "a node that keeps another event is told: {}", shown.err);
}

fn signatures(path: &str) -> usize {
    let json: Value = serde_json::from_slice(&std::fs::read(Path::new(path)).unwrap()).unwrap();
    json["signatures"].as_array().unwrap().len()
}

#[test]
fn a_slip_in_the_words_is_named_and_a_hasty_answer_closes_nothing() {
    let (log, folder) = (log(), tempfile::tempdir().unwrap());
    let path = folder.path().join("close.json");
    let (path, id) = (path.to_str().unwrap(), log.id());
    let other = key(12).public().to_string();
    let close = ["centre", "close", "--words", "--reveal", &other, "--request", path];
    let mut slip = lines(11);
    slip[2] = "wrongg word list is this one";
    let program = Program::with(node(&log));
    let shown = run_with(&program, &close, Some(Person(slip)), None);
    assert_eq!(shown.exit, 3, "{}", shown.err);
    assert!(shown.err.contains("word 13, `wrongg`"), "{}", shown.err);

    let feeds = format!("GET /v1/centres/{id}/feeds");
    let program = Program::with(node(&log).json(&feeds, &FeedsReply::default()));
    let hasty = [lines(11), vec!["", "y", "close lake"]].concat();
    let shown = run_with(&program, &close, Some(Person(hasty)), None);
    assert_eq!(shown.exit, 0, "{}", shown.err);
    assert!(shown.err.contains("Nothing was done") && !Path::new(path).exists());
}

#[test]
fn a_request_to_join_that_is_none_is_told_before_anything_is_asked() {
    let program = Program::default();
    let shown = run(&program, &["operator", "add", "nothing.json", "--yes"]);
    assert_eq!(shown.exit, ErrorCode::Home.exit(), "{}", shown.err);
    let shown = run(&program, &["operator", "end", "abcd"]);
    assert_eq!(shown.exit, 2, "retired or compromised must be said: {}", shown.err);
    let shown = run(&program, &["init", "--join-centre", "abcd", "--no-passphrase"]);
    assert_eq!(shown.exit, 2, "{}", shown.err);
    assert!(shown.err.contains("64 hexadecimal digits"), "{}", shown.err);
}
