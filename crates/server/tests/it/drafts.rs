//! Drafts on their way to a record, the two-person rule, and what the log says.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, header::CONTENT_TYPE},
};
use baraza_api::Role;
use serde_json::{Value, json};

use crate::{
    people::caller,
    support::{Answer, TestNode, practice},
};

/// Sends a request as somebody.
async fn call(node: &TestNode, who: (&str, Role), asked: &str, body: Value) -> Answer {
    let (method, path) = asked.split_once(' ').unwrap();
    let request = Request::builder().method(method).uri(path);
    let request = request.header(CONTENT_TYPE, "application/json");
    let request = request.extension(caller(who.0, Some(who.1)));
    node.send(request.body(Body::from(body.to_string())).unwrap()).await
}

/// Has amina bring a draft and returns its id.
async fn import(node: &TestNode, draft: Value) -> String {
    let amina = ("amina", Role::Drafter);
    let made = call(node, amina, "POST /v1/drafts", json!({ "drafts": [draft] })).await.ok();
    made[0]["id"].as_str().unwrap().to_owned()
}

fn records(node: &TestNode) -> u64 {
    node.reader.counts().records
}

#[tokio::test]
async fn a_draft_becomes_a_record_only_by_the_hand_of_a_second_person() {
    let node = TestNode::with_two_persons(1);
    let [amina, brian] = [("amina", Role::Drafter), ("brian", Role::Publisher)];
    let id = import(&node, practice("Tanks")).await;
    let [submit, release] =
        ["submit", "release"].map(|verb| format!("POST /v1/drafts/{id}/{verb}"));

    call(&node, brian, &release, json!({})).await.fails(403, "second-person");
    assert_eq!(call(&node, amina, &submit, json!({})).await.ok()["refused"], false);
    call(&node, amina, &release, json!({})).await.fails(403, "no-role");
    let promoted = ("amina", Role::Owner);
    call(&node, promoted, &release, json!({})).await.fails(403, "second-person");
    assert_eq!(records(&node), 0);

    let released = call(&node, brian, &release, json!({})).await.ok();
    let record = released["published"][0]["id"].as_str().unwrap();
    assert_eq!(records(&node), 1);
    let list = call(&node, brian, "GET /v1/drafts", json!({})).await.ok();
    assert_eq!(list, json!({ "drafts": [], "two_person": true }));
    call(&node, brian, &release, json!({})).await.fails(404, "not-found");

    let log: Vec<_> = node.people.entries.lock().unwrap().iter().map(line).collect();
    let ids = format!("{id} {record}");
    let expected = [
        format!("amina draft import {id} done"),
        format!("brian draft release {id} second-person"),
        format!("amina draft submit {id} done"),
        format!("amina draft release {id} no-role"),
        format!("amina draft release {id} second-person"),
        format!("brian draft release {ids} done"),
        format!("brian draft release {id} not-found"),
    ];
    assert_eq!(log, expected);

    fn line(entry: &baraza_api::LogEntry) -> String {
        let objects = entry.objects.join(" ");
        format!("{} {} {objects} {}", entry.person.user, entry.action, entry.outcome)
    }
}

#[tokio::test]
async fn under_two_persons_nobody_publishes_or_retracts_alone() {
    let node = TestNode::with_two_persons(1);
    let [amina, brian] = [("amina", Role::Owner), ("brian", Role::Publisher)];
    let request = json!({ "drafts": [practice("Alone")] });
    call(&node, amina, "POST /v1/records", request).await.fails(403, "second-person");
    let check = json!({ "drafts": [practice("Alone")], "dry_run": true });
    call(&node, amina, "POST /v1/records", check).await.ok();
    let id = import(&node, practice("Together")).await;
    call(&node, amina, &format!("POST /v1/drafts/{id}/submit"), json!({})).await.ok();
    let release = format!("POST /v1/drafts/{id}/release");
    let published = call(&node, brian, &release, json!({})).await.ok();
    let record = published["published"][0]["id"].as_str().unwrap().to_owned();

    let why = json!({ "reason": "error", "note": "The depth was wrong." });
    let path = format!("POST /v1/records/{record}/retract");
    call(&node, amina, &path, why).await.fails(403, "second-person");
    let wrong = json!({ "record": "ffffffff", "reason": "error" });
    call(&node, amina, "POST /v1/drafts/retraction", wrong).await.fails(404, "not-found");
    let why = json!({ "record": record[..8], "reason": "error", "note": "The depth was wrong." });
    let draft = call(&node, amina, "POST /v1/drafts/retraction", why).await.ok();
    assert_eq!((&draft["state"], &draft["title"]), (&json!("submitted"), &json!("Together")));
    let id = draft["id"].as_str().unwrap();
    let edit = json!({ "draft": practice("Other") });
    call(&node, brian, &format!("PUT /v1/drafts/{id}"), edit).await.fails(422, "invalid");
    let release = format!("POST /v1/drafts/{id}/release");
    call(&node, amina, &release, json!({})).await.fails(403, "second-person");
    call(&node, brian, &release, json!({})).await.ok();
    let shown = call(&node, amina, &format!("GET /v1/records/{record}"), json!({})).await.ok();
    assert_eq!(shown["standing"], "retracted");
    let by = shown["series"]["retracted_by"].as_str().unwrap();
    let retraction = call(&node, amina, &format!("GET /v1/records/{by}"), json!({})).await.ok();
    assert_eq!(retraction["body"]["note"], "The depth was wrong.");
    assert!(retraction["body"].get("title").is_none(), "only the draft has it");
}

#[tokio::test]
async fn a_release_that_fails_keeps_the_draft() {
    let node = TestNode::new(1);
    let brian = ("brian", Role::Publisher);
    let mut personal = practice("Tanks");
    personal["body"]["summary"] = json!("Call +254 700 123 456 to see the tanks.");
    let id = import(&node, personal).await;
    let submitted =
        call(&node, brian, &format!("POST /v1/drafts/{id}/submit"), json!({})).await.ok();
    assert_eq!(
        (&submitted["refused"], &submitted["report"]["warnings"][0]["field"]),
        (&json!(false), &json!("summary"))
    );
    let release = format!("POST /v1/drafts/{id}/release");
    let refused = call(&node, brian, &release, json!({})).await.ok();
    assert_eq!((&refused["refused"], records(&node)), (&json!(true), 0));
    let kept = call(&node, brian, &format!("GET /v1/drafts/{id}"), json!({})).await.ok();
    assert_eq!((&kept["state"], &kept["version"]), (&json!("submitted"), &json!(2)));
    let old = json!({ "version": 1, "allow_personal_data": true });
    call(&node, brian, &release, old).await.fails(422, "invalid");
    let seen = json!({ "version": 2, "allow_personal_data": true });
    call(&node, brian, &release, seen).await.ok();
    assert_eq!(records(&node), 1);

    let node = TestNode::without_service();
    let id = import(&node, practice("Tanks")).await;
    call(&node, brian, &format!("POST /v1/drafts/{id}/release"), json!({}))
        .await
        .fails(503, "busy");
    call(&node, brian, &format!("GET /v1/drafts/{id}"), json!({})).await.ok();
}

#[tokio::test]
async fn a_client_that_leaves_early_leaves_neither_half_a_release_nor_a_gap_in_the_log() {
    let node = TestNode::new(1);
    let brian = ("brian", Role::Publisher);
    let id = import(&node, practice("Tanks")).await;
    let release = format!("POST /v1/drafts/{id}/release");
    tokio::select! {
        biased;
        _ = call(&node, brian, &release, json!({})) => unreachable!("it takes more than one step"),
        () = std::future::ready(()) => (),
    }
    let logged = async {
        while node.people.entries.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), logged).await.unwrap();
    let entry = node.people.entries.lock().unwrap()[1].clone();
    assert_eq!((&entry.action[..], &entry.outcome[..]), ("draft release", "done"));
    assert_eq!(records(&node), 1);
    call(&node, brian, &release, json!({})).await.fails(404, "not-found");
}

#[tokio::test]
async fn a_draft_may_be_incomplete_and_is_checked_when_it_is_handed_in() {
    let node = TestNode::new(1);
    let amina = ("amina", Role::Drafter);
    let id = import(&node, json!({ "kind": "lesson", "body": { "title": "Half" } })).await;
    let submit = format!("POST /v1/drafts/{id}/submit");
    let refused = call(&node, amina, &submit, json!({})).await.ok();
    assert_eq!((&refused["refused"], &refused["draft"]["state"]), (&json!(true), &json!("draft")));
    let edit = |version| json!({ "draft": practice("Whole"), "version": version });
    let path = format!("PUT /v1/drafts/{id}");
    call(&node, amina, &path, edit(7)).await.fails(422, "invalid");
    assert_eq!(call(&node, amina, &path, edit(1)).await.ok()["title"], "Whole");
    assert_eq!(call(&node, amina, &submit, json!({})).await.ok()["draft"]["state"], "submitted");
    let edited = call(&node, amina, &path, edit(3)).await.ok();
    assert_eq!(edited["state"], "draft", "an edit takes it back");
    for bad in [json!({ "drafts": [] }), json!({})] {
        call(&node, amina, "POST /v1/drafts", bad).await.fails(400, "bad-request");
    }
    let other = json!({ "drafts": [practice("Good"), { "kind": "retraction", "body": {} }] });
    call(&node, amina, "POST /v1/drafts", other).await.fails(422, "invalid");
    let discard = format!("DELETE /v1/drafts/{id}");
    call(&node, ("chen", Role::Drafter), &discard, json!({})).await.fails(403, "no-role");
    call(&node, amina, &discard, json!({})).await.ok();
    let list = call(&node, amina, "GET /v1/drafts", json!({})).await.ok();
    assert_eq!(list["drafts"], json!([]), "all of a request or none");
}

#[tokio::test]
async fn who_is_not_known_or_not_listed_is_refused_and_cannot_fill_the_log() {
    let node = TestNode::new(1);
    let request = |path: &str| Request::post(path).header(CONTENT_TYPE, "application/json");
    let body = || Body::from(json!({ "drafts": [practice("No")] }).to_string());
    let nobody = request("/v1/drafts").body(body()).unwrap();
    node.send_as_it_is(nobody).await.fails(403, "no-role");
    let stranger = request("/v1/drafts").extension(caller("mallory", None)).body(body()).unwrap();
    let said = node.send(stranger).await.fails(403, "no-role");
    assert!(said.contains("mallory"), "{said}");
    assert!(node.people.entries.lock().unwrap().is_empty());
    let reader = ("rita", Role::Reader);
    call(&node, reader, "POST /v1/drafts", json!({})).await.fails(403, "no-role");
    call(&node, reader, "POST /v1/nowhere", json!({})).await.fails(403, "no-role");
    call(&node, reader, "GET /v1/drafts", json!({})).await.fails(403, "no-role");
    assert_eq!(node.people.entries.lock().unwrap().len(), 1, "what she tried to change");
    let seen = call(&node, reader, "GET /v1/staff", json!({})).await.ok();
    assert_eq!(seen["you"], json!({ "user": "rita", "role": "reader" }));
    call(&node, reader, "GET /v1/staff/log", json!({})).await.fails(403, "no-role");
    let log = node.get("/v1/staff/log?limit=5").await.ok();
    assert_eq!(log["entries"][0]["action"], "draft import");
}

#[tokio::test]
async fn the_log_names_what_was_published_and_never_a_passphrase() {
    let node = TestNode::new(1);
    let drafts: Vec<_> = (0..12).map(|number| practice(&format!("Tank {number}"))).collect();
    node.post("/v1/records", json!({ "drafts": drafts })).await.ok();
    node.post("/v1/unlock", json!({ "passphrase": "zebrafinch" })).await.fails(403, "locked");
    node.post("/v1/records", json!({ "drafts": drafts, "dry_run": true })).await.ok();
    let entries = node.people.entries.lock().unwrap().clone();
    assert_eq!(entries.len(), 2, "a check changes nothing: {entries:?}");
    assert_eq!((entries[0].objects.len(), entries[0].more), (8, 4));
    assert_eq!((&entries[1].action[..], &entries[1].outcome[..]), ("unlock", "locked"));
    assert!(!format!("{entries:?}").contains("zebrafinch"));
}
