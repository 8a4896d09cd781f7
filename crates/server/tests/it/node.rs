//! The node, its peers and centres, and what every path has in common.

use axum::{
    body::Body,
    http::{Request, header::CONTENT_TYPE},
};
use baraza_api::API_BODY_BYTES_MAX;
use serde_json::{Value, json};

use crate::support::{TestNode, practice};

#[tokio::test]
async fn status_tells_what_is_held_and_who_we_are() {
    let alice = TestNode::new(1);
    alice.publish(practice("One")).await;
    let status = alice.get("/v1/status").await.ok();
    assert_eq!(status["centre"], json!(alice.centre));
    assert_eq!((&status["centre_name"], &status["version"]), (&json!("Centre 1"), &json!("1.2.3")));
    assert_eq!((&status["records"], &status["centres"]), (&json!(1), &json!(1)));
    assert_eq!((&status["unlocked"], &status["index_behind"]), (&json!(true), &json!(0)));
    assert_eq!(status["set_digest"].as_str().map(str::len), Some(64));
    assert!(status["peer_id"].as_str().unwrap().starts_with("peer-"));
    assert_eq!(status["warnings"], json!([]));
}

#[tokio::test]
async fn centres_are_listed_with_their_keys_and_logs() {
    let (alice, bob) = (TestNode::new(1), TestNode::new(2));
    bob.publish(practice("Bob's")).await;
    let bundle = bob.get("/v1/bundle").await.bytes;
    alice.post_bytes("/v1/bundle", bundle).await.ok();

    let centres = alice.get("/v1/centres").await.ok()["centres"].clone();
    assert_eq!((&centres[0]["name"], &centres[0]["ours"]), (&json!("Centre 1"), &json!(true)));
    assert_eq!((&centres[1]["name"], &centres[1]["records"]), (&json!("Centre 2"), &json!(1)));
    assert_eq!(centres[1]["operators"][0]["capabilities"], json!(["publish", "retract"]));

    let prefix = &bob.centre.to_string()[..6];
    let one = alice.get(format!("/v1/centres/{prefix}")).await.ok();
    assert_eq!((&one["id"], &one["country"]), (&json!(bob.centre), &json!("KE")));
    let log = alice.get(format!("/v1/centres/{prefix}/log")).await.ok();
    assert_eq!((&log[0]["kind"], &log[0]["id"]), (&json!("inception"), &one["identity_head"]));
    alice.get("/v1/centres/ffffffff").await.fails(404, "not-found");

    let listed = alice.get(format!("/v1/records?centre={prefix}")).await.ok();
    assert_eq!(listed["records"][0]["centre_name"], "Centre 2");
}

#[tokio::test]
async fn without_a_network_there_is_nothing_to_dial() {
    let alice = TestNode::new(1);
    assert_eq!(alice.get("/v1/peers").await.ok(), json!({ "peers": [], "dial_failures": [] }));
    alice.post("/v1/sync", json!({})).await.fails(409, "offline");
    alice.post("/v1/sync", json!({ "peer": "nobody" })).await.fails(400, "bad-request");
    alice.post("/v1/peers", json!({ "address": "/memory/1" })).await.fails(409, "offline");
}

#[tokio::test]
async fn a_pause_is_shown_holds_a_sync_and_ends() {
    let alice = TestNode::new(1);
    let link = alice.get("/v1/status").await.ok()["link"].clone();
    assert_eq!((&link["profile"], &link["background"]["held"]), (&json!("normal"), &Value::Null));
    let paused = alice.post("/v1/pause", json!({ "for_ms": 3_600_000 })).await.ok();
    assert_eq!(paused["background"]["held"]["why"], "paused");
    assert!(paused["background"]["held"]["until_ms"].is_u64(), "{paused}");
    let why = alice.get("/v1/why").await.ok();
    assert_eq!(why["link"]["asked"]["held"]["why"], "paused");
    assert_eq!((&why["peers"], why["set_digest"].as_str().map(str::len)), (&json!([]), Some(64)));
    let resumed = alice.post("/v1/resume", json!({})).await.ok();
    assert_eq!(resumed["background"]["held"], Value::Null);
    alice.post("/v1/pause", json!({ "for_ms": 0 })).await.fails(422, "invalid");
    alice.post("/v1/pause", json!({ "for_ms": u64::MAX })).await.fails(422, "invalid");
    alice.post("/v1/pause", json!({ "for": "4h" })).await.fails(400, "bad-request");
    alice.get("/v1/why?peer=nobody").await.fails(400, "bad-request");
}

#[tokio::test]
async fn only_the_passphrase_unlocks() {
    let alice = TestNode::new(1);
    alice.post("/v1/unlock", json!({ "passphrase": "wrong" })).await.fails(403, "locked");
    alice.post("/v1/unlock", json!({ "passphrase": "right" })).await.ok();
}

#[tokio::test]
async fn a_node_whose_service_is_gone_says_that_it_is_busy() {
    let node = TestNode::without_service();
    node.get("/v1/status").await.fails(503, "busy");
    assert_eq!(node.get("/v1/records").await.ok()["records"], json!([]), "reading goes on");
}

#[tokio::test]
async fn every_failure_has_a_code() {
    let alice = TestNode::new(1);
    alice.get("/v2/records").await.fails(404, "not-found");
    alice.post("/v1/search", json!({})).await.fails(400, "bad-request");
    alice.post("/v1/records", json!({ "drafts": 7 })).await.fails(400, "bad-request");
    alice.post("/v1/records", json!({ "drafts": [] })).await.fails(400, "bad-request");
    for query in [
        "/v1/search?query=water",
        "/v1/search?q=a&q=b",
        "/v1/search?limit=0",
        "/v1/search?limit=201",
        "/v1/search?offset=10001",
        "/v1/records?kind=recipe",
        "/v1/records?since=tomorrow",
        "/v1/records?before=x",
        "/v1/status?verbose=1",
    ] {
        let message = alice.get(query).await.fails(400, "bad-request");
        assert!(!message.is_empty(), "{query}");
    }
    let long = format!("/v1/search?q={}", "w".repeat(1_001));
    alice.get(long).await.fails(400, "bad-request");
}

#[tokio::test]
async fn a_request_has_a_size_and_a_media_type() {
    let alice = TestNode::new(1);
    let huge = vec![b' '; API_BODY_BYTES_MAX + 1];
    alice.post_bytes("/v1/bundle", huge.clone()).await.fails(400, "bad-request");
    let request = Request::post("/v1/records").header(CONTENT_TYPE, "application/json");
    alice.send(request.body(Body::from(huge)).unwrap()).await.fails(400, "bad-request");
    let request = Request::post("/v1/records").header(CONTENT_TYPE, "text/plain");
    alice.send(request.body(Body::from("{}")).unwrap()).await.fails(400, "bad-request");
}
