//! Publishing, reading and finding records.

use baraza_protocol::{
    effective::{Effective, IndexAction},
    erasure,
    index::{Index, IndexDoc, IndexPosition},
    store::StoreRead,
    stream::place_of,
};
use baraza_record::{
    SignedRecord,
    sign::{Domain, SecretKey},
};
use serde_json::json;

use crate::{
    bundles::chained,
    support::{TestNode, practice},
};

#[tokio::test]
async fn a_published_record_is_shown_listed_found_and_exported() {
    let alice = TestNode::new(1);
    let id = alice.publish(practice("Rainwater tanks")).await;

    let shown = alice.get(format!("/v1/records/{}", &id[..8])).await.ok();
    assert_eq!((&shown["id"], &shown["standing"]), (&json!(id), &json!("current")));
    assert_eq!((&shown["centre_name"], &shown["seq"]), (&json!("Centre 1"), &json!(1)));
    assert_eq!(shown["body"]["schema"], "practice/1");
    assert_eq!(shown["body"]["countries"], json!(["KE"]), "the centre's default");
    assert_eq!(shown["series"], json!({ "versions": [id], "latest": id }));
    assert_eq!(shown["holders"], json!({ "centres": 0 }));

    let listed = alice.get("/v1/records?kind=practice&country=kenya&sdg=6&region=014").await.ok();
    assert_eq!(listed["records"][0]["title"], "Rainwater tanks");
    assert_eq!(alice.get("/v1/records?kind=lesson").await.ok()["records"], json!([]));

    let found = alice.get("/v1/search?q=parents&language=en").await.ok();
    assert_eq!((&found["total"], &found["behind"]), (&json!(1), &json!(0)));
    let excerpt = found["hits"][0]["excerpt"].as_str().unwrap();
    assert!(excerpt.contains("tanks that parents built together"), "{excerpt}");

    let raw = alice.get(format!("/v1/records/{id}/raw")).await;
    let record = SignedRecord::decode(&raw.bytes).unwrap().verify().unwrap();
    assert_eq!((raw.status, record.id().to_string()), (200, id));
}

#[tokio::test]
async fn one_bad_draft_stops_all_of_them() {
    let alice = TestNode::new(1);
    let mut bad = practice("Without a summary");
    bad["body"].as_object_mut().unwrap().remove("summary");
    bad["body"]["sdg"] = json!(["18"]);
    let drafts = json!([practice("Good"), bad, { "kind": "recipe", "body": {} }]);
    let reply = alice.post("/v1/records", json!({ "drafts": drafts })).await.ok();
    assert_eq!((&reply["refused"], &reply["published"]), (&json!(true), &json!([])));
    let reports = reply["reports"].as_array().unwrap();
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[0]["source"], "Without a summary.md");
    assert_eq!(reports[0]["problems"][0]["field"], "summary");
    assert_eq!(reports[0]["problems"][1]["field"], "sdg[0]");
    assert_eq!(reports[1]["problems"][0]["value"], "recipe");
    assert_eq!(alice.reader.counts().records, 0);

    let dry = json!({ "drafts": [practice("Good")], "dry_run": true });
    let reply = alice.post("/v1/records", dry).await.ok();
    assert_eq!((&reply["refused"], &reply["reports"]), (&json!(false), &json!([])));
    assert_eq!(alice.reader.counts().records, 0);
}

#[tokio::test]
async fn a_long_list_of_problems_is_cut_and_says_so() {
    let alice = TestNode::new(1);
    let drafts = vec![json!({ "kind": "lesson", "body": {} }); 1_000];
    let reply = alice.post("/v1/records", json!({ "drafts": drafts })).await.ok();
    let listed = reply["reports"].as_array().unwrap().len();
    assert_eq!(listed as u64 + reply["unreported"].as_u64().unwrap(), 1_000);
    assert!(0 < listed && listed < 1_000);
}

#[tokio::test]
async fn what_looks_personal_needs_a_word() {
    let alice = TestNode::new(1);
    let mut draft = practice("With a phone number");
    draft["body"]["solution"] = json!("Call +254 700 123 456 for the plan.");
    let request = json!({ "drafts": [draft] });
    let reply = alice.post("/v1/records", request.clone()).await.ok();
    assert_eq!(reply["refused"], json!(true));
    assert_eq!(reply["reports"][0]["warnings"][0]["field"], "solution");
    assert_eq!(reply["reports"][0]["problems"], json!([]));

    let mut allowed = request;
    allowed["allow_personal_data"] = json!(true);
    let reply = alice.post("/v1/records", allowed).await.ok();
    assert_eq!(reply["published"][0]["title"], "With a phone number");
}

#[tokio::test]
async fn a_revision_replaces_and_a_retraction_withdraws() {
    let alice = TestNode::new(1);
    let first = alice.publish(practice("First")).await;
    let mut draft = practice("Second");
    draft["revises"] = json!(first[..10]);
    let second = alice.publish(draft).await;

    let old = alice.get(format!("/v1/records/{first}")).await.ok();
    assert_eq!(old["standing"], "superseded");
    assert_eq!(
        (&old["series"]["versions"], &old["series"]["latest"]),
        (&json!([first, second]), &json!(second))
    );
    assert_eq!(old["series"]["history"][1]["supersedes"], json!(first));
    assert_eq!(alice.get("/v1/records").await.ok()["records"].as_array().unwrap().len(), 1);
    assert_eq!(alice.get("/v1/search?q=tanks").await.ok()["hits"][0]["title"], "Second");

    let path = format!("/v1/records/{second}/retract");
    alice.post(&path, json!({ "reason": "boredom" })).await.fails(422, "invalid");
    let request = json!({ "reason": "error", "note": "The figures were wrong." });
    let retraction = alice.post(&path, request.clone()).await.ok();
    assert_eq!(
        (&retraction["kind"], &retraction["title"]),
        (&json!("retraction"), &json!("Second"))
    );
    let gone = alice.get(format!("/v1/records/{second}")).await.ok();
    assert_eq!(gone["standing"], "retracted");
    assert_eq!(gone["series"]["retracted_by"], retraction["id"]);
    assert_eq!(alice.get("/v1/records").await.ok()["records"], json!([]));
    assert_eq!(alice.get("/v1/search").await.ok()["total"], 0);
    let listed = alice.get("/v1/records?kind=retraction").await.ok();
    assert_eq!(listed["records"][0]["id"], retraction["id"]);

    alice.post(&path, request.clone()).await.fails(422, "invalid");
    let path = format!("/v1/records/{}/retract", retraction["id"].as_str().unwrap());
    alice.post(&path, request).await.fails(422, "invalid");
}

#[tokio::test]
async fn a_hit_that_is_no_longer_shown_is_left_out() {
    let alice = TestNode::new(1);
    let id = alice.publish(practice("Withdrawn")).await;
    let place = place_of(&*alice.reader, &id.parse().unwrap()).unwrap().unwrap();
    let stale = Effective::new(&*alice.reader).index_actions(&place).unwrap();
    alice.post(format!("/v1/records/{id}/retract"), json!({ "reason": "error" })).await.ok();
    // The index goes back to before the retraction.
    let [IndexAction::Put(doc)] = &stale[..] else { panic!("one document: {stale:?}") };
    let position = IndexPosition { change: 1, ..alice.index.position().unwrap() };
    alice.index.apply(&[IndexDoc::clone(doc)], &[], position).unwrap();

    let found = alice.get("/v1/search?q=gutters").await.ok();
    assert_eq!((&found["hits"], &found["behind"]), (&json!([]), &json!(1)));
}

#[tokio::test]
async fn only_our_own_records_are_revised_and_retracted() {
    let (alice, bob) = (TestNode::new(1), TestNode::new(2));
    let id = alice.publish(practice("Alice's")).await;
    let bundle = alice.get("/v1/bundle").await;
    bob.post_bytes("/v1/bundle", bundle.bytes).await.ok();

    let mut draft = practice("Bob's");
    draft["revises"] = json!(id);
    let message =
        bob.post("/v1/records", json!({ "drafts": [draft] })).await.fails(403, "not-ours");
    assert!(
        message.contains("Bob's.md") && message.contains(&alice.centre.to_string()),
        "{message}"
    );
    let path = format!("/v1/records/{id}/retract");
    bob.post(&path, json!({ "reason": "error" })).await.fails(403, "not-ours");

    let mut lesson = practice("Of another kind");
    lesson["revises"] = json!(id);
    lesson["kind"] = json!("lesson");
    let reply = alice.post("/v1/records", json!({ "drafts": [lesson] })).await.ok();
    assert_eq!(reply["reports"][0]["problems"][0]["field"], "kind");
}

#[tokio::test]
async fn a_list_goes_on_where_it_stopped() {
    let alice = TestNode::new(1);
    for number in 0..5 {
        alice.publish(practice(&format!("Number {number}"))).await;
    }
    let (mut path, mut titles, mut pages) = ("/v1/records?limit=2".to_owned(), Vec::new(), 0);
    loop {
        let page = alice.get(&path).await.ok();
        let records = page["records"].as_array().unwrap();
        titles.extend(records.iter().map(|record| record["title"].as_str().unwrap().to_owned()));
        pages += 1;
        match page["next"].as_u64() {
            Some(next) => path = format!("/v1/records?limit=2&before={next}"),
            None => break,
        }
    }
    assert_eq!(titles, ["Number 4", "Number 3", "Number 2", "Number 1", "Number 0"]);
    assert_eq!(pages, 3);
}

#[tokio::test]
async fn a_prefix_must_be_long_enough_and_unique() {
    let alice = TestNode::new(1);
    alice.get("/v1/records/abc").await.fails(400, "bad-request");
    alice.get("/v1/records/not-an-id").await.fails(400, "bad-request");
    alice.get(format!("/v1/records/{}", "0".repeat(64))).await.fails(404, "not-found");
    alice.get("/v1/records/0000/raw").await.fails(404, "not-found");

    // Of 256 ids, two start with the same four digits more often than not.
    let store = chained(256, 2);
    let ids: Vec<_> = store
        .changes(0, 256)
        .unwrap()
        .iter()
        .map(|(_, place)| store.entry(place).unwrap().unwrap().id.to_string())
        .collect();
    let shares = |id: &&String| ids.iter().filter(|other| other[..4] == id[..4]).count() == 2;
    let shared = ids.iter().find(shares).expect("these ids have such a pair");
    let bob = TestNode::over(2, store);
    let message = bob.get(format!("/v1/records/{}", &shared[..4])).await.fails(409, "ambiguous");
    assert!(message.contains(shared), "{message}");
    bob.get(format!("/v1/records/{shared}")).await.ok();
}

#[tokio::test]
async fn an_erased_record_gives_its_header_and_says_why() {
    let alice = TestNode::new(1);
    let id = alice.publish(practice("Withdrawn")).await;
    let path = format!("/v1/records/{id}/retract");
    let erase = json!({ "reason": "legal", "note": "A court said so.", "erase": true });
    alice.post(&path, erase.clone()).await.fails(403, "not-allowed");
    let centre = alice.get(format!("/v1/records/{id}")).await.ok()["centre"].clone();
    let ids = [&json!(id), &centre].map(|id| id.as_str().unwrap().to_owned());
    let message = erasure::message(&ids[0].parse().unwrap(), &ids[1].parse().unwrap());
    // The root key of the first node of these tests.
    let root = SecretKey::from_seed([101; 32]);
    let signature: String =
        root.sign(Domain::Erase, &message).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut signed = erase;
    signed["root_signatures"] = json!([{ "key": root.public(), "signature": signature }]);
    alice.post(&path, json!({ "reason": "error" })).await.ok();
    let retraction = alice.post(&path, signed.clone()).await.ok();

    let shown = alice.get(format!("/v1/records/{id}")).await.ok();
    let erasure = &shown["erasure"];
    assert_eq!((&shown["standing"], shown.get("body")), (&json!("retracted"), None));
    assert_eq!(
        (&erasure["retraction"], &erasure["reason"], &erasure["note"], &erasure["done"]),
        (&retraction["id"], &json!("legal"), &json!("A court said so."), &json!(true))
    );
    let raw = alice.get(format!("/v1/records/{id}/raw")).await;
    let record = SignedRecord::decode(&raw.bytes).unwrap().verify().unwrap();
    assert_eq!((record.id().to_string(), record.payload()), (id, None));
    alice.post(&path, signed).await.fails(422, "invalid");
}
