//! Golden vectors: the bytes that a second implementation must make and refuse.
//!
//! Each file of `tests/vectors/baraza-1` has cases with an input and what follows from it. A
//! test computes that anew from the input and compares. `BARAZA_BLESS=1 cargo test -p baraza-tests`
//! writes what was computed into the files; a changed value is a change of the format.
//! Spec: docs/PROTOCOL.md, sections 2, 3, 4.5, 5, 6.1 and 8.1.

mod accreditation;
mod input;
mod logs;
mod refused;

use baraza_identity::Log;
use baraza_protocol::{erasure, set_digest};
use baraza_record::{
    CentreId, FeedId, Header, Payload, PublicKey, RecordId, SecretKey, SignedRecord,
    VerifiedRecord, body, codec,
    frame::{self, Frame, FrameReader},
    hash,
    sign::Domain,
};
use serde_json::{Value, json};

use crate::tree;

/// Recomputes every case of a file and compares.
#[track_caller]
fn check(file: &str, compute: impl Fn(&Value) -> Value) {
    let path = format!("tests/vectors/baraza-1/{file}.json");
    let mut vectors: Value = serde_json::from_str(&tree::read(&path)).unwrap();
    let bless = std::env::var_os("BARAZA_BLESS").is_some_and(|value| value == "1");
    let cases = vectors["cases"].as_array_mut().unwrap();
    assert!(!cases.is_empty(), "{path} has no cases");
    for case in cases {
        let computed = compute(&case["input"]);
        if bless {
            case["expected"] = computed;
        } else {
            assert_eq!(computed, case["expected"], "{path}: {}", case["name"]);
        }
    }
    if bless {
        let text = serde_json::to_string_pretty(&vectors).unwrap() + "\n";
        std::fs::write(tree::root().join(&path), text).unwrap();
        println!("{path} was written anew");
    }
}

#[test]
fn keys_follow_from_their_seeds() {
    check("keys", |input| {
        let key = SecretKey::from_seed(input::array(&input["seed"])).public();
        json!({"public": key, "next_digest": hash::key_digest(&key)})
    });
}

#[test]
fn a_root_key_signs_two_ids_for_an_erasure() {
    check("erasure", |input| {
        let key = SecretKey::from_seed(input::array(&input["seed"]));
        let (target, centre) = (&input["target"], &input["centre"]);
        let message =
            erasure::message(&RecordId(input::array(target)), &CentreId(input::array(centre)));
        let signature = key.sign(Domain::Erase, &message);
        json!({"message": input::hex(&message), "signature": input::hex(&signature)})
    });
}

#[test]
fn every_kind_of_hash_has_its_context() {
    check("hashes", |input| {
        let context = input::text(&input["context"]);
        let parts = input::list(&input["parts"], input::bytes);
        let mut hasher = blake3::Hasher::new_derive_key(context);
        for part in &parts {
            hasher.update(part);
        }
        let plain = *hasher.finalize().as_bytes();
        assert_eq!(by_our_function(context, &parts), plain, "{context}");
        json!({"hash": input::hex(&plain)})
    });
}

/// Computes a hash with the function that the project has for it.
fn by_our_function(context: &str, parts: &[Vec<u8>]) -> [u8; 32] {
    let array = |place: usize| parts[place].as_slice().try_into().unwrap();
    match context {
        "baraza 1 record id" => hash::record_id(&parts[0]).0,
        "baraza 1 body" => hash::body_commit(parts[0].as_slice().try_into().unwrap(), &parts[1]).0,
        "baraza 1 feed" => {
            let audience = codec::decode(&parts[2], 1_024).unwrap();
            hash::feed_id(&CentreId(array(0)), &PublicKey(array(1)), &audience).0
        }
        "baraza 1 identity event id" => hash::event_id(&parts[0]).0,
        "baraza 1 next key" => hash::key_digest(&PublicKey(array(0))).0,
        "baraza 1 shelf branch" => baraza_reconcile::Shelf::default().root(),
        "baraza 1 set digest" => set_digest(array(0), array(1)),
        other => panic!("no function for {other}"),
    }
}

#[test]
fn identity_events_have_these_bytes() {
    check("identity", |input| {
        let keys = input::list(&input["signers"], |seed| SecretKey::from_seed(input::array(seed)));
        let event = input::inception(&input["event"]);
        let signed = event.clone().sign(&keys.iter().collect::<Vec<_>>());

        let bytes = signed.encode();
        let log = Log::from_events(&[&bytes]).expect("the event makes a log");
        assert_eq!((log.head(), log.id().0), (&signed, signed.id().0));
        json!({
            "event": input::hex(&codec::encode(&event)),
            "id": signed.id(),
            "signed": input::hex(&bytes),
        })
    });
}

#[test]
fn records_have_these_bytes() {
    check("records", |input| {
        let key = SecretKey::from_seed(input::array(&input["signer_seed"]));
        let header = input::header(&input["header"]);
        let payload = Payload {
            salt: input::array(&input["salt"]),
            body: input::text(&input["body"]).as_bytes().to_vec(),
        };
        if header.kind.name().is_some() {
            let body = body::parse_body(&payload.body).expect("a body that people can read");
            assert_eq!(body::validate(header.kind, &body), [], "{header:?}");
        }
        let record = SignedRecord::sign(header.clone(), payload, &key);
        let decoded = Header::decode(record.header_bytes()).expect("the header decodes");
        let commitment = (decoded.body_bytes, decoded.body_commit);
        assert_eq!(
            decoded,
            Header { body_bytes: commitment.0, body_commit: commitment.1, ..header }
        );

        let wire = record.encode();
        let verified = SignedRecord::decode(&wire).unwrap().verify().expect("the record verifies");
        assert_eq!(verified, record);
        let mut unsigned = record.to_wire();
        unsigned.signature = None;
        json!({
            "feed": record.feed(),
            "body_commit": record.header().body_commit,
            "header": input::hex(record.header_bytes()),
            "id": record.id(),
            "signature": input::hex(record.signature().unwrap()),
            "wire": input::hex(&wire),
            "wire_without_body": input::hex(&record.record().clone().without_payload().encode()),
            "wire_without_signature": input::hex(&codec::encode(&unsigned)),
        })
    });
}

#[test]
fn nations_say_this_of_a_centre() {
    check("accreditation", accreditation::deciding);
}

#[test]
fn the_first_five_records_are_one_anchored_chain() {
    let vectors: Value =
        serde_json::from_str(&tree::read("tests/vectors/baraza-1/records.json")).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    // Only the last one brings its signature.
    let bytes = |(place, case): (usize, &Value)| {
        let form = if place == 4 { "wire" } else { "wire_without_signature" };
        SignedRecord::decode(&input::bytes(&case["expected"][form])).unwrap()
    };
    let range: Vec<_> = cases.iter().take(5).enumerate().map(bytes).collect();
    let verified = VerifiedRecord::verify_range(range.clone()).expect("a chain with its anchor");
    assert_eq!(
        verified.iter().map(|record| record.header().seq).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
    assert!(VerifiedRecord::verify_range(range[..4].to_vec()).is_err(), "no anchor");
}

#[test]
fn streams_have_these_bytes() {
    check("streams", |input| {
        let frames = input::list(input, input::frame);
        let mut bytes = frame::PREAMBLE.to_vec();
        frames.iter().for_each(|frame| frame.encode_into(&mut bytes));
        let read = FrameReader::new(bytes.as_slice()).map(|next| next.unwrap().1);
        assert_eq!(read.collect::<Vec<Frame>>(), frames);
        json!({"stream": input::hex(&bytes)})
    });
}

#[test]
fn sets_have_these_roots() {
    check("sets", |input| {
        let identities = input::shelf(&input["identities"]).root();
        let public = input::shelf(&input["public"]).root();
        json!({
            "identities": FeedId(identities),
            "public": FeedId(public),
            "set_digest": FeedId(set_digest(identities, public)),
        })
    });
}
