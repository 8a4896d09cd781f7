//! Policy, trust, accreditation and quarantine through the API.

use baraza_identity::{Capabilities, Role};
use baraza_protocol::{
    ingest::ingest_identity,
    model::MemoryStore,
    policy::{Action, Override, Policy, Unaccredited},
    store::Store,
};
use baraza_record::CentreId;
use serde_json::{Value, json};

use crate::support::{Centre, TestNode, practice};

/// Makes a node of a centre, and one of a nation that holds the same and the centre's record.
async fn pair() -> (TestNode, TestNode, String) {
    let alice = TestNode::new(1);
    let id = alice.publish(practice("Rainwater")).await;
    let kenya = TestNode::of(9, &Centre::nation(9), MemoryStore::new(9));
    carry(&alice, &kenya).await;
    (alice, kenya, id)
}

/// Carries a bundle.
async fn carry(from: &TestNode, to: &TestNode) {
    let bundle = from.get("/v1/bundle").await;
    assert_eq!(bundle.status, 200);
    to.post_bytes("/v1/bundle", bundle.bytes).await.ok();
}

fn block(id: &str) -> Policy {
    let id = id.parse::<CentreId>().unwrap().0;
    let reason = "not ours to show".to_owned();
    let overrides = vec![Override { id, action: Action::Block, reason, until: None }];
    Policy { overrides, ..Policy::default() }
}

fn quarantine() -> Policy {
    Policy { unaccredited: Unaccredited::Quarantine, ..Policy::default() }
}

fn ids(reply: &Value, list: &str) -> Vec<String> {
    let items = reply[list].as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_nation_accredits_and_only_those_who_trust_it_see_it() {
    let (alice, kenya, id) = pair().await;
    let centre = alice.centre.to_string();
    let accredit = |status: &str| json!({ "centre": &centre[..8], "status": status });
    let refused = alice.post("/v1/accreditations", accredit("accredited")).await;
    assert!(refused.fails(409, "home").contains("only a nation accredits"));
    kenya.post("/v1/accreditations", accredit("suspended")).await.ok();
    let second = kenya.post("/v1/accreditations", accredit("accredited")).await.ok();
    assert_eq!(
        (&second["kind"], &second["title"]),
        (&json!("accreditation"), &json!("accredited: Centre 1"))
    );
    let second = kenya.get(format!("/v1/records/{}", second["id"].as_str().unwrap())).await.ok();
    assert_eq!(second["body"]["replaces"].as_array().unwrap().len(), 1);

    // Alice holds the statements and does not know the key.
    carry(&kenya, &alice).await;
    let record = alice.get(format!("/v1/records/{id}")).await.ok();
    assert_eq!(record["accreditation"], "not accredited");
    let shown = alice.get(format!("/v1/centres/{centre}")).await.ok();
    let words = shown["statements"][0]["words"].as_str().unwrap();
    assert!(words.starts_with("claimed by KE, whose key this node does not trust"), "{words}");
    let narrowed = alice.get("/v1/records?accredited_by=KE").await;
    assert!(narrowed.fails(400, "bad-request").contains("no nation is trusted for KE"));

    let pin = json!({ "country": "Kenya", "nation": kenya.centre });
    alice.post("/v1/trust", pin).await.ok();
    for path in ["/v1/records?accredited_by=KE", "/v1/search?q=rainwater&accredited_by=any"] {
        let reply = alice.get(path).await.ok();
        let list = if path.contains("search") { "hits" } else { "records" };
        assert_eq!(ids(&reply, list), [id.as_str()], "{path}");
        assert_eq!(reply[list][0]["accreditation"], "accredited by KE since 1970-01-01");
    }
    alice.post("/v1/trust/remove", json!({ "country": "KE" })).await.ok();
    let record = alice.get(format!("/v1/records/{id}")).await.ok();
    assert_eq!(record["accreditation"], "not accredited");
}

#[tokio::test]
async fn statements_are_listed_for_those_who_ask_and_never_written_as_drafts() {
    let (alice, kenya, _) = pair().await;
    let said = json!({ "centre": alice.centre, "status": "accredited", "review_by": "soon" });
    let refused = kenya.post("/v1/accreditations", said).await;
    assert!(refused.fails(422, "invalid").contains("field review_by: must be a day"));
    let said = json!({ "centre": alice.centre, "status": "accredited" });
    let said = kenya.post("/v1/accreditations", said).await.ok();
    let all = kenya.get("/v1/records").await.ok();
    assert!(!ids(&all, "records").contains(&said["id"].as_str().unwrap().to_owned()));
    let asked = kenya.get("/v1/records?kind=accreditation").await.ok();
    assert_eq!(ids(&asked, "records"), [said["id"].as_str().unwrap()]);
    assert_eq!(asked["records"][0]["title"], "accredited: Centre 1");
    let draft = json!({ "kind": "accreditation", "body": { "centre": alice.centre } });
    let reply = kenya.post("/v1/records", json!({ "drafts": [draft] })).await.ok();
    assert_eq!(reply["refused"], true);
    // One's own right is checked before a signature is made.
    let own = json!({ "centre": kenya.centre, "status": "accredited" });
    assert!(kenya.post("/v1/accreditations", own).await.fails(422, "invalid").contains("itself"));
}

#[tokio::test]
async fn only_a_nation_of_that_country_is_pinned_and_once() {
    let (alice, kenya, _) = pair().await;
    carry(&kenya, &alice).await;
    let pin = |country: &str, nation: &CentreId, dry_run: bool| {
        alice.post("/v1/trust", json!({ "country": country, "nation": nation, "dry_run": dry_run }))
    };
    assert!(pin("UG", &kenya.centre, false).await.fails(422, "invalid").contains("the nation KE"));
    assert!(
        pin("KE", &alice.centre, false).await.fails(422, "invalid").contains("not of a nation")
    );
    assert_eq!(pin("KE", &kenya.centre, true).await.ok()["name"], "Centre 9");
    assert_eq!(alice.get("/v1/trust").await.ok()["nations"], json!([]), "it was only asked");
    pin("KE", &kenya.centre, false).await.ok();
    let again = pin("KE", &CentreId([7; 32]), false).await;
    assert!(again.fails(422, "invalid").contains("trusted for KE already"));
    // One that is not held yet is pinned by its whole id, and said to be unheard.
    let unseen = pin("TZ", &CentreId([7; 32]), false).await.ok();
    assert!(unseen["warning"].as_str().unwrap().contains("not held yet"), "{unseen}");
    let list = alice.get("/v1/trust").await.ok();
    assert_eq!(list["nations"][1]["warning"], "no accreditation news from TZ yet");
    let gone = alice.post("/v1/trust/remove", json!({ "country": "BR" })).await;
    gone.fails(404, "not-found");
}

#[tokio::test]
async fn a_blocked_centre_appears_nowhere_but_where_policy_is_explained() {
    let (alice, kenya, id) = pair().await;
    let centre = alice.centre.to_string();
    kenya.files.write(block(&centre));
    let status = kenya.get("/v1/status").await.ok();
    let paths = ["/v1/records", "/v1/search?q=rainwater", "/v1/centres", "/v1/quarantine"];
    for path in paths {
        let text = kenya.get(path).await.ok().to_string();
        assert!(!text.contains(&id) && !text.contains(&centre), "{path}: {text}");
    }
    assert_eq!(kenya.get("/v1/search?q=rainwater").await.ok()["total"], 0);
    for path in [
        format!("/v1/records/{id}"),
        format!("/v1/records/{id}?quarantined=true"),
        format!("/v1/records/{id}/raw"),
        format!("/v1/centres/{centre}"),
        format!("/v1/centres/{centre}/log"),
        format!("/v1/centres/{centre}/events"),
        format!("/v1/centres/{centre}/feeds"),
    ] {
        let said = kenya.get(&path).await.fails(404, "not-found");
        assert!(said.contains("is blocked on this node"), "{path}: {said}");
    }
    let bundle = kenya.get("/v1/bundle").await.bytes;
    assert!(!holds(&bundle, b"Rainwater") && !holds(&bundle, &alice.centre.0));
    let why = kenya.get(format!("/v1/policy/{}", &id[..12])).await.ok();
    assert_eq!(why["verdict"], "blocked");
    assert!(why["chain"][0].as_str().unwrap().contains("not ours to show"), "{why}");

    kenya.files.write(Policy::default());
    assert_eq!(ids(&kenya.get("/v1/records").await.ok(), "records"), [id]);
    let after = kenya.get("/v1/status").await.ok();
    assert_eq!(after["set_digest"], status["set_digest"], "policy changes no set");
}

#[tokio::test]
async fn a_blocked_record_keeps_its_header_in_bundles_and_nothing_else() {
    let alice = TestNode::new(1);
    let first = alice.publish(practice("Rainwater")).await;
    let second = alice.publish(practice("Gutters")).await;
    alice.files.write(block(&first));
    assert_eq!(ids(&alice.get("/v1/records").await.ok(), "records"), [second.as_str()]);
    let bundle = alice.get("/v1/bundle").await.bytes;
    assert!(!holds(&bundle, b"Rainwater") && holds(&bundle, b"Gutters"));
    let mut store = MemoryStore::new(5);
    ingest_identity(&mut store, &Centre::new(1).identity.encode()).unwrap();
    store.commit().unwrap();
    let bob = TestNode::over(2, store);
    let taken = bob.post_bytes("/v1/bundle", bundle).await.ok();
    assert_eq!((&taken["inserted"], &taken["rejected"]), (&json!(2), &json!(0)));
    bob.get(format!("/v1/records/{second}")).await.ok();
}

#[tokio::test]
async fn quarantine_is_seen_counted_and_released() {
    let (alice, kenya, first) = pair().await;
    let second = alice.publish(practice("Gutters")).await;
    carry(&alice, &kenya).await;
    let centre = alice.centre.to_string();
    kenya.files.write(quarantine());
    let listed = || async { ids(&kenya.get("/v1/records").await.ok(), "records") };
    let found = || async { kenya.get("/v1/search?q=roofs").await.ok()["total"].clone() };
    assert_eq!((listed().await.len(), found().await), (0, json!(0)));
    let said = kenya.get(format!("/v1/records/{first}")).await.fails(404, "not-found");
    assert!(said.contains("in quarantine"), "{said}");
    let shown = kenya.get(format!("/v1/records/{first}?quarantined=true")).await.ok();
    assert_eq!(shown["standing"], "quarantined");
    assert!(holds(&kenya.get("/v1/bundle").await.bytes, b"Rainwater"), "it is passed on");
    let held = kenya.get("/v1/quarantine").await.ok();
    assert_eq!((&held["records"], &held["centres"][0]["records"]), (&json!(2), &json!(2)));
    let records = kenya.get(format!("/v1/quarantine/{centre}")).await.ok();
    assert_eq!(records["records"].as_array().unwrap().len(), 2);

    let release = |id: &str| kenya.post("/v1/quarantine/release", json!({ "id": id }));
    assert_eq!(release(&first[..16]).await.ok()["record"], first.as_str());
    assert_eq!((listed().await, found().await), (vec![first.clone()], json!(1)));
    assert_eq!(kenya.get("/v1/quarantine").await.ok()["records"], 1);
    release(&first).await.fails(422, "invalid");
    release(&centre).await.ok();
    assert_eq!((listed().await.len(), found().await), (2, json!(2)));
    assert!(listed().await.contains(&second));
    let why = kenya.get(format!("/v1/policy/{centre}")).await.ok().to_string();
    assert!(why.contains("released from quarantine"), "{why}");
}

#[tokio::test]
async fn accreditation_ends_quarantine() {
    let (alice, kenya, id) = pair().await;
    kenya.files.write(quarantine());
    kenya.post("/v1/trust", json!({ "country": "KE", "nation": kenya.centre })).await.ok();
    let say = |status: &str| json!({ "centre": alice.centre, "status": status });
    kenya.post("/v1/accreditations", say("accredited")).await.ok();
    assert_eq!(ids(&kenya.get("/v1/records").await.ok(), "records"), [id.as_str()]);
    kenya.post("/v1/accreditations", say("withdrawn")).await.ok();
    assert_eq!(ids(&kenya.get("/v1/records").await.ok(), "records"), [""; 0]);
    let policy = kenya.get("/v1/policy").await.ok();
    assert_eq!(
        (&policy["unaccredited"], &policy["nations"][0]["country"]),
        (&json!("quarantine"), &json!("KE"))
    );
}

#[tokio::test]
async fn old_news_of_a_nation_is_told() {
    let (alice, kenya, id) = pair().await;
    kenya
        .post("/v1/accreditations", json!({ "centre": alice.centre, "status": "accredited" }))
        .await
        .ok();
    carry(&kenya, &alice).await;
    for (country, nation) in [("KE", kenya.centre), ("TZ", CentreId([7; 32]))] {
        alice.post("/v1/trust", json!({ "country": country, "nation": nation })).await.ok();
    }
    let told = |day: u64| {
        alice.files.set_day(day);
        async {
            let warnings = alice.get("/v1/status").await.ok()["warnings"].to_string();
            ["KE", "TZ"]
                .map(|country| warnings.contains(&format!("no accreditation news from {country}")))
        }
    };
    assert_eq!(told(90).await, [false, false], "what was pinned lately may be on its way");
    assert_eq!(told(92).await, [true, true]);
    let record = alice.get(format!("/v1/records/{id}")).await.ok();
    let words = "accredited by KE since 1970-01-01; no accreditation news from KE for 91 days";
    assert_eq!(record["accreditation"], words);
    alice.files.write(Policy { stale_mark_days: 400, ..Policy::default() });
    assert_eq!(told(400).await, [false, false]);
}

#[tokio::test]
async fn a_nations_key_without_the_capability_states_nothing() {
    let rights = Capabilities::PUBLISH.and(Capabilities::RETRACT);
    let nation = Centre::with(9, Role::Nation(*b"KE"), rights);
    let node = TestNode::of(9, &nation, MemoryStore::new(9));
    let said = json!({ "centre": CentreId([7; 32]), "status": "accredited" });
    let refused = node.post("/v1/accreditations", said).await.fails(403, "key-blocked");
    assert!(refused.contains("does not let it accredit"), "{refused}");
    node.publish(practice("Rainwater")).await;
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
