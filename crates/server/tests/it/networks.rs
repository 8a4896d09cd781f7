//! Networks and audiences through the API.

use baraza_protocol::{entitle::Membership, invitation::Invitation};
use baraza_record::{CentreId, NetworkId};
use serde_json::{Value, json};

use crate::support::{TestNode, practice};

/// Makes a network and returns its id.
async fn make(node: &TestNode, name: &str, open: bool) -> String {
    let made = node.post("/v1/networks", json!({ "name": name, "open": open })).await.ok();
    made["network"]["id"].as_str().unwrap().to_owned()
}

/// Publishes for an audience and returns the reply.
async fn publish(node: &TestNode, audience: &str) -> Value {
    let mut draft = practice("Rainwater");
    draft["audience"] = audience.into();
    draft["body"].as_object_mut().unwrap().remove("licence");
    node.post("/v1/records", json!({ "drafts": [draft] })).await.ok()
}

#[tokio::test]
async fn an_invitation_goes_from_one_node_to_another() {
    let (alice, bob) = (TestNode::new(1), TestNode::new(2));
    let id = make(&alice, "Lake Region", false).await;
    let text = alice.get(format!("/v1/networks/{id}/invitation")).await.ok()["text"].clone();
    let said = bob.post("/v1/networks/inspect", json!({ "text": text })).await.ok();
    assert_eq!((&said["name"], &said["inviter_name"]), (&json!("Lake Region"), &json!("Centre 1")));
    assert_eq!((&said["open"], &said["joined"]), (&json!(false), &json!(false)));
    assert_eq!(bob.get("/v1/networks").await.ok()["networks"], json!([]), "nothing was kept");

    let joined = bob.post("/v1/networks/join", json!({ "text": text })).await.ok();
    assert_eq!(joined["fingerprint"], said["fingerprint"]);
    assert_eq!(joined["invited_by"], "Centre 1");
    let listed = bob.get("/v1/networks").await.ok();
    assert_eq!(
        (&listed["networks"][0]["id"], &listed["networks"][0]["members"]),
        (&json!(id), &json!(1))
    );
    let again = bob.post("/v1/networks/inspect", json!({ "text": text })).await.ok();
    assert_eq!(again["joined"], true);
    let left = bob.post(format!("/v1/networks/{}/leave", &id[..8]), json!({})).await.ok();
    assert_eq!((&left["name"], &left["records"]), (&json!("Lake Region"), &json!(0)));
    assert_eq!(bob.get("/v1/networks").await.ok()["networks"], json!([]));

    let short = text.as_str().unwrap()[..60].to_owned();
    let whole = bob.post("/v1/networks/join", json!({ "text": short })).await;
    assert!(whole.fails(422, "invalid").contains("not whole"));
}

#[tokio::test]
async fn records_are_for_whom_their_drafts_say() {
    let alice = TestNode::new(1);
    let id = make(&alice, "Lake Region", false).await;
    let id_of = |reply: Value| reply["published"][0]["id"].as_str().unwrap().to_owned();
    let record = id_of(publish(&alice, "network: lake region").await);
    let shown = alice.get(format!("/v1/records/{record}")).await.ok();
    assert_eq!(shown["audience"], json!({ "for": "network", "id": id }));
    assert_eq!(shown["standing"], "current", "it needs no licence");
    assert!(shown["body"].get("licence").is_none(), "and gets none");
    let unknown = "ab".repeat(32);
    let named = id_of(publish(&alice, &format!("centres:{unknown}, {unknown}")).await);
    let shown = alice.get(format!("/v1/records/{named}")).await.ok();
    assert_eq!(shown["audience"], json!({ "for": "centres", "centres": [unknown] }));
    alice.publish(practice("For all")).await;

    for (audience, count) in
        [("public", 1), (&format!("network:{}", &id[..8]), 1), ("centres:abab", 0)]
    {
        let listed = alice.get(format!("/v1/records?audience={audience}")).await;
        match count {
            0 => drop(listed.fails(404, "not-found")),
            _ => assert_eq!(listed.ok()["records"].as_array().unwrap().len(), count, "{audience}"),
        }
    }
    for audience in
        ["", "everybody", "network:", "network:Other", "centres:", "centres:xyz", "public:x"]
    {
        let reply = publish(&alice, audience).await;
        assert_eq!(reply["refused"], true, "{audience}");
        assert_eq!(reply["reports"][0]["problems"][0]["field"], "audience", "{audience}");
    }
    let many: Vec<_> = (0..17).map(|n| format!("{n:064x}")).collect();
    let mut draft = practice("For many");
    draft["audience"] = format!("centres:{}", many.join(",")).into();
    let refused = alice.post("/v1/records", json!({ "drafts": [draft] })).await;
    assert!(refused.fails(422, "invalid").contains("17 centres"));
}

#[tokio::test]
async fn a_name_that_two_networks_have_picks_none() {
    let alice = TestNode::new(1);
    let mut ids = Vec::new();
    for number in [1, 2] {
        let membership = Membership { id: NetworkId([number; 32]), secret: Some([number; 32]) };
        let invitation =
            Invitation::new(&membership, "Lake", CentreId([9; 32]), "Centre 9", Vec::new());
        let text = invitation.to_text();
        let joined = alice.post("/v1/networks/join", json!({ "text": text })).await.ok();
        ids.push(joined["id"].as_str().unwrap().to_owned());
    }
    let reply = publish(&alice, "network:lake").await;
    assert_eq!(reply["refused"], true, "{reply}");
    alice.get("/v1/networks/Lake/invitation").await.fails(409, "ambiguous");
    let reply = publish(&alice, &format!("network:{}", &ids[1][..6])).await;
    assert_eq!(reply["refused"], false, "{reply}");
    let other = alice.get("/v1/networks/Other/invitation").await;
    assert!(other.fails(404, "not-found").contains("no network called"));
}
