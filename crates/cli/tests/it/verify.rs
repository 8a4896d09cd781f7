//! Files checked without a node.

use std::path::Path;

use baraza_identity::{
    Capabilities, EVENT_VERSION, EventKind, Inception, Operator, Role, SignedEvent,
};
use baraza_record::{
    Audience, BodyCommit, CentreId, Goals, HEADER_VERSION, Header, Kind, Payload, RecordId,
    SignedRecord, Timestamp,
    frame::{Frame, PREAMBLE},
    hash,
    sign::SecretKey,
};
use serde_json::Value;

use crate::support::{Node, Program, Shown, run};

/// A centre with one operator key.
struct Alice {
    operator: SecretKey,
    inception: SignedEvent,
}

fn alice() -> Alice {
    let [root, next, operator] = [1, 2, 3].map(|seed| SecretKey::from_seed([seed; 32]));
    let label = "desk".to_owned();
    let event = Inception {
        version: EVENT_VERSION,
        kind: EventKind::INCEPTION,
        seq: 0,
        prev: None,
        role: Role::Centre,
        name: "Alice".into(),
        country: Some(*b"KE"),
        root_keys: vec![root.public()],
        root_threshold: 1,
        next_digests: vec![hash::key_digest(&next.public())],
        next_threshold: 1,
        operators: vec![Operator {
            key: operator.public(),
            capabilities: Capabilities::PUBLISH,
            label,
        }],
        created_ms: Timestamp(1),
        nonce: [0; 16],
    };
    Alice { inception: event.sign(&[&root]), operator }
}

impl Alice {
    fn records(&self, count: u64) -> Vec<SignedRecord> {
        let (centre, signer) = (CentreId(self.inception.id().0), self.operator.public());
        let mut prev = RecordId(hash::feed_id(&centre, &signer, &Audience::Public).0);
        let one = |seq| {
            let record = self.record(seq, prev);
            prev = record.id();
            record
        };
        (1..=count).map(one).collect()
    }

    fn record(&self, seq: u64, prev: RecordId) -> SignedRecord {
        let header = Header {
            version: HEADER_VERSION,
            kind: Kind::LESSON,
            centre: CentreId(self.inception.id().0),
            signer: self.operator.public(),
            audience: Audience::Public,
            seq,
            prev,
            identity_head: self.inception.id(),
            created_ms: Timestamp(seq),
            language: "en".into(),
            goals: Goals::default(),
            series: None,
            target: None,
            attachment_bytes: 0,
            body_bytes: 0,
            body_commit: BodyCommit([0; 32]),
        };
        let payload = Payload { salt: [7; 16], body: format!("{{\"n\":{seq}}}").into_bytes() };
        SignedRecord::sign(header, payload, &self.operator).into_record()
    }

    fn identity(&self) -> Frame {
        Frame::Identity(self.inception.encode())
    }
}

fn frames(record: &SignedRecord, signed: bool) -> [Frame; 2] {
    let wire = record.to_wire();
    let signature = wire.signature.filter(|_| signed);
    [
        Frame::Header { signature, header: wire.header },
        Frame::Payload { record: record.id(), payload: wire.payload.unwrap() },
    ]
}

fn stream(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = PREAMBLE.to_vec();
    frames.iter().for_each(|frame| frame.encode_into(&mut bytes));
    bytes
}

/// Verifies bytes as a file and returns the report beside what was shown.
fn verify(bytes: &[u8]) -> (Shown, Value) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file.baraza");
    std::fs::write(&file, bytes).unwrap();
    let shown = verify_at(&file);
    let report = serde_json::from_str(&shown.out).unwrap_or(Value::Null);
    (shown, report)
}

fn verify_at(file: &Path) -> Shown {
    run(&Program::with(Node::default()), &["verify", file.to_str().unwrap(), "--json"])
}

/// Compares exit code, authentic, authorised, unproven, bodies and refused bodies.
#[track_caller]
fn check(bytes: &[u8], exit: u8, counts: [u64; 5]) {
    let (shown, report) = verify(bytes);
    let names = ["authentic", "authorised", "unproven", "bodies", "bodies_refused"];
    let found = names.map(|name| report[0][name].as_u64().unwrap());
    assert_eq!((shown.exit, found), (exit, counts), "{}", shown.err);
}

#[test]
fn a_signature_proves_what_it_is_chained_to() {
    let alice = alice();
    let records = alice.records(5);
    let mut all = vec![alice.identity()];
    for record in &records {
        all.extend(frames(record, record.header().seq == 3 || record.header().seq == 5));
    }
    check(&stream(&all), 0, [5, 5, 0, 5, 0]);
    // Without the last signature, what comes after the third is not proved.
    all.truncate(all.len() - 2);
    check(&stream(&all), 3, [3, 3, 1, 4, 0]);
    // Without the centre's own word, the key is a key of nobody.
    all.remove(0);
    check(&stream(&all[..6]), 0, [3, 0, 0, 3, 0]);
}

#[test]
fn a_signature_may_come_later() {
    let alice = alice();
    let records = alice.records(3);
    let mut all: Vec<_> = records.iter().flat_map(|record| frames(record, false)).collect();
    check(&stream(&all), 3, [0, 0, 3, 3, 0]);
    let signature = *records[1].signature().unwrap();
    all.push(Frame::Signature { record: records[1].id(), signature });
    check(&stream(&all), 3, [2, 0, 1, 3, 0]);
}

#[test]
fn a_bad_signature_proves_nothing_and_hurts_no_other() {
    let alice = alice();
    let records = alice.records(3);
    let mut all: Vec<_> = records.iter().flat_map(|record| frames(record, true)).collect();
    let Frame::Header { signature, .. } = &mut all[4] else { panic!("a header is there") };
    *signature = Some([9; 64]);
    check(&stream(&all), 3, [2, 0, 1, 3, 0]);
    // A good one that stands for itself, after one that is not before it, or not rightly so.
    let skipping = alice.record(3, records[0].id());
    for lone in [&records[2], &skipping] {
        check(
            &stream(&[frames(&records[0], false), frames(lone, true)].concat()),
            3,
            [1, 0, 1, 2, 0],
        );
    }
}

#[test]
fn a_body_that_was_changed_is_refused() {
    let record = alice().records(1).remove(0);
    let mut all = frames(&record, true);
    let Frame::Payload { payload, .. } = &mut all[1] else { panic!("a payload is there") };
    payload.body[1] ^= 1;
    check(&stream(&all), 3, [1, 0, 0, 0, 1]);
}

#[test]
fn damage_is_listed_and_the_rest_is_verified() {
    let alice = alice();
    let records = alice.records(2);
    let mut all = vec![alice.identity()];
    all.extend(records.iter().flat_map(|record| frames(record, true)));
    let mut bytes = stream(&all);
    bytes.truncate(bytes.len() - 3);
    let (shown, report) = verify(&bytes);
    assert_eq!(shown.exit, 9);
    assert_eq!(report[0]["damaged"]["count"], 1);
    assert_eq!(report[0]["authentic"], 2);
    assert_eq!(report[0]["centres"][0]["name"], "Alice");
}

#[test]
fn a_single_record_is_verified() {
    let record = alice().records(1).remove(0);
    check(&record.encode(), 0, [1, 0, 0, 1, 0]);
    let (_, report) = verify(&record.encode());
    assert_eq!(report[0]["record"]["id"], record.id().to_string());

    let mut wire = record.to_wire();
    wire.signature = None;
    check(&SignedRecord::from_wire(wire).unwrap().encode(), 3, [0, 0, 1, 0, 0]);
    let mut wire = record.to_wire();
    wire.payload.as_mut().unwrap().body[0] ^= 1;
    check(&SignedRecord::from_wire(wire).unwrap().encode(), 3, [1, 0, 0, 0, 1]);
}

#[test]
fn what_is_neither_is_told() {
    assert_eq!(verify(b"a holiday picture").0.exit, 3);
    assert_eq!(verify_at(Path::new("nowhere.baraza")).exit, 3);
}
