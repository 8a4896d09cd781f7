//! Bundles: what one node exports, another one takes.

use baraza_api::BUNDLE_PIECE_BYTES;
use baraza_protocol::{
    ingest::{ingest_identity, ingest_range},
    model::MemoryStore,
    store::{Place, SignatureState},
};
use baraza_record::{
    Audience, BodyCommit, EventId, Header, Kind, Payload, RecordId, SignedRecord, Timestamp,
    VerifiedRecord, hash,
};
use serde_json::{Value, json};

use crate::support::{Centre, TestNode, practice};

/// Copies everything from one node to the other; returns the pieces' lengths and the totals.
async fn carry(from: &TestNode, to: &TestNode) -> (Vec<usize>, Value) {
    let (mut path, mut lengths, mut totals) = ("/v1/bundle".to_owned(), Vec::new(), json!({}));
    loop {
        let piece = from.get(&path).await;
        assert_eq!(piece.status, 200);
        let next = piece.headers.get("baraza-next").map(|next| next.to_str().unwrap().to_owned());
        lengths.push(piece.bytes.len());
        let brought = to.post_bytes("/v1/bundle", piece.bytes).await.ok();
        for (name, count) in brought.as_object().unwrap() {
            totals[name] = json!(totals[name].as_u64().unwrap_or(0) + count.as_u64().unwrap());
        }
        match next {
            Some(next) => path = format!("/v1/bundle?after={next}"),
            None => return (lengths, totals),
        }
    }
}

async fn digest(node: &TestNode) -> Value {
    node.get("/v1/status").await.ok()["set_digest"].clone()
}

#[tokio::test]
async fn an_imported_bundle_makes_two_nodes_equal() {
    let (alice, bob) = (TestNode::new(1), TestNode::new(2));
    for number in 0..40 {
        let mut draft = practice(&format!("Number {number}"));
        draft["body"]["results"] = json!([{ "statement": "x".repeat(100) }]);
        draft["body"]["ext"] = json!({ "notes": "n".repeat(50_000) });
        alice.publish(draft).await;
    }
    bob.publish(practice("Bob's own")).await;
    let (lengths, totals) = carry(&alice, &bob).await;
    assert!(1 < lengths.len(), "{lengths:?}");
    assert!(lengths.iter().all(|length| *length <= BUNDLE_PIECE_BYTES), "{lengths:?}");
    let none_lost = json!({
        "inserted": 40, "duplicates": 0, "held": 0, "deferred": 0, "bodies": 0, "identities": 1, "rejected": 0,
        "gaps": 0, "declined": 0, "foreign": 0,
    });
    assert_eq!(totals, none_lost);
    assert_ne!(digest(&alice).await, digest(&bob).await);
    carry(&bob, &alice).await;
    assert_eq!(digest(&alice).await, digest(&bob).await);
    assert_eq!(bob.reader.counts().bodies_missing, 0);

    let (_, again) = carry(&alice, &bob).await;
    assert_eq!((&again["inserted"], &again["duplicates"]), (&json!(0), &json!(41)));
}

/// Returns a store with `count` records of carol's, of which only the last carries a signature.
pub(crate) fn chained(count: u64, body_bytes: usize) -> MemoryStore {
    let carol = Centre::new(3);
    let (centre, signer) = (carol.id(), carol.key.public());
    let feed = hash::feed_id(&centre, &signer, &Audience::Public);
    let mut prev = RecordId(feed.0);
    let mut chain = Vec::new();
    for seq in 1..=count {
        let header = Header {
            version: 1,
            kind: Kind::REFERENCE,
            centre,
            signer,
            audience: Audience::Public,
            seq,
            prev,
            identity_head: EventId(centre.0),
            created_ms: Timestamp(seq),
            language: "en".into(),
            goals: Default::default(),
            series: None,
            target: None,
            attachment_bytes: 0,
            body_bytes: 0,
            body_commit: BodyCommit([0; 32]),
        };
        let payload = Payload { salt: [7; 16], body: vec![b' '; body_bytes] };
        let record = SignedRecord::sign(header, payload, &carol.key).into_record();
        prev = record.id();
        let mut wire = record.to_wire();
        // A signature may be missing, or be none: the chain makes the record authentic.
        match seq % 2 {
            _ if seq == count => (),
            0 => wire.signature = None,
            _ => wire.signature = Some([9; 64]),
        }
        chain.push(SignedRecord::from_wire(wire).unwrap());
    }
    let mut store = MemoryStore::new(7);
    ingest_identity(&mut store, &carol.identity.encode()).unwrap();
    let verified = VerifiedRecord::verify_range(chain).unwrap();
    ingest_range(&mut store, &verified, Timestamp(1)).unwrap();
    store
}

#[tokio::test]
async fn records_known_by_their_chain_alone_travel_with_it() {
    let (alice, bob) = (TestNode::over(1, chained(20, 200_000)), TestNode::new(2));
    let (lengths, totals) = carry(&alice, &bob).await;
    assert!(3 < lengths.len(), "{lengths:?}");
    assert_eq!((&totals["inserted"], &totals["rejected"]), (&json!(20), &json!(0)));
    assert_eq!(bob.reader.counts().bodies_missing, 0);
    carry(&bob, &alice).await;
    assert_eq!(digest(&alice).await, digest(&bob).await);
}

#[tokio::test]
async fn a_record_without_a_signature_of_its_own_is_not_exported_alone() {
    let alice = TestNode::over(1, chained(3, 10));
    let mut statuses = Vec::new();
    for (_, place) in alice.reader.changes(0, 10).unwrap() {
        let entry = alice.reader.entry(&place).unwrap().unwrap();
        statuses.push(alice.get(format!("/v1/records/{}/raw", entry.id)).await.status);
        let Place { seq, .. } = place;
        assert_eq!(entry.signature == SignatureState::Checked, seq == 3);
    }
    assert_eq!(statuses, [404, 404, 200]);
}

#[tokio::test]
async fn a_piece_is_asked_for_and_sent_in_its_form() {
    let alice = TestNode::new(1);
    alice.get("/v1/bundle?after=elsewhere").await.fails(400, "bad-request");
    alice.get("/v1/bundle?before=1").await.fails(400, "bad-request");
    alice.post("/v1/bundle", json!({})).await.fails(400, "bad-request");
    let brought = alice.post_bytes("/v1/bundle", b"no frames at all".to_vec()).await.ok();
    assert_eq!(brought["inserted"], 0);
}
