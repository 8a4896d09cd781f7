//! Nations, trust and policy with real daemons.
//!
//! ```text
//! alice, a centre -- bob, a centre -- kenya, a nation
//! ```

use serde_json::Value;

use crate::harness::{Scene, Site, agree, hits, lesson, until};

fn id_of(site: &Site) -> String {
    site.json(&["status"])["centre"].as_str().expect("an id").to_owned()
}

fn write_policy(site: &Site, text: &str) {
    std::fs::write(site.home.join("policy.toml"), text).unwrap();
}

fn block(id: &str) -> String {
    format!("[[override]]\nid = \"{id}\"\naction = \"block\"\nreason = \"asked to\"\n")
}

fn badge(site: &Site, record: &str) -> String {
    site.json(&["show", record])["accreditation"].as_str().expect("words").to_owned()
}

fn warnings(site: &Site) -> String {
    site.json(&["status"])["warnings"].to_string()
}

#[test]
fn nodes_with_different_policies_over_one_set_show_different_views() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    let kenya = scene.nation("kenya");
    let record = alice.publish(&scene.file("a.md", lesson("Rainwater tanks", "It held.")));
    let record = record[0].as_str();
    let (centre, nation) = (id_of(&alice), id_of(&kenya));
    let hub = bob.start(&[]);
    let _alice = alice.start(&[&hub.address]);
    let _kenya = kenya.start(&[&hub.address]);
    agree(&[&alice, &bob, &kenya], 1);

    let stated = kenya.json(&["nation", "accredit", &centre[..12], "--scope", "water"]);
    assert_eq!(stated["kind"], "accreditation");
    agree(&[&alice, &bob, &kenya], 2);
    assert_eq!(badge(&bob, record), "not accredited", "nobody is trusted yet");
    let centre_view = bob.json(&["centre", "show", &centre]);
    let claim = centre_view["statements"][0]["words"].as_str().expect("a claim");
    assert!(claim.starts_with("claimed by KE"), "{claim}");

    bob.json(&["trust", "add", "--country", "KE", &nation[..12], "--yes"]);
    assert!(
        badge(&bob, record).starts_with("accredited by KE since 20"),
        "{}",
        badge(&bob, record)
    );
    assert_eq!(badge(&alice, record), "not accredited", "each node trusts for itself");
    let accredited = bob.json(&["list", "--accredited-by", "KE"]);
    assert_eq!(accredited.as_array().map(Vec::len), Some(1), "{accredited}");

    // Another view of the same set, without a restart.
    write_policy(&kenya, &block(&centre));
    let listed = |site: &Site| site.json(&["list"]).as_array().map(Vec::len);
    assert_eq!((listed(&bob), listed(&kenya)), (Some(1), Some(0)));
    until("the index", || hits(&bob, "rainwater") == 1);
    assert_eq!(hits(&kenya, "rainwater"), 0);
    let shown = kenya.run(&["show", record]);
    assert_eq!(shown.code, 4, "{}{}", shown.out, shown.err);
    assert!(!kenya.run(&["centre", "list"]).out.contains(&centre[..12]));
    let bundle = scene.path().join("k.baraza");
    assert_eq!(kenya.run(&["bundle", "create", &bundle.display().to_string()]).code, 0);
    let bytes = std::fs::read(&bundle).unwrap();
    for needle in [&b"Rainwater"[..], b"alice"] {
        assert!(!bytes.windows(needle.len()).any(|window| window == needle), "in the bundle");
    }
    assert!(bytes.windows(5).any(|window| window == b"kenya"), "others are in it");
    let why = kenya.run(&["policy", "explain", record]);
    assert!(why.out.contains("an override blocks it: asked to"), "{}{}", why.out, why.err);
    assert_eq!(bob.digest(), kenya.digest());
    assert_eq!(bob.digest(), alice.digest());

    // It is passed on all the same.
    let dora = scene.centre("dora");
    let address = _kenya.address.as_str();
    let _dora = dora.start(&[address]);
    agree(&[&dora, &kenya], 2);
    assert_eq!(dora.json(&["show", record])["title"], "Rainwater tanks");
}

#[test]
fn quarantine_is_counted_released_and_survives_a_repair() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    let first = alice.publish(&scene.file("a.md", lesson("Rainwater tanks", "It held.")));
    let second = alice.publish(&scene.file("b.md", lesson("Rainwater gutters", "They leaked.")));
    write_policy(&bob, "unaccredited = \"quarantine\"\n");
    let bundle = scene.path().join("a.baraza").display().to_string();
    assert_eq!(alice.run(&["bundle", "create", &bundle]).code, 0);
    assert_eq!(bob.run(&["bundle", "import", &bundle]).code, 0);
    assert_eq!((hits(&bob, "rainwater"), bob.json(&["list"])), (0, Value::Array(Vec::new())));
    let held = bob.json(&["quarantine", "list"]);
    assert_eq!((&held["records"], &held["centres"][0]["name"]), (&2.into(), &"alice".into()));
    assert_eq!(bob.run(&["show", &first[0]]).code, 4);
    assert_eq!(bob.run(&["show", &first[0], "--quarantined"]).code, 0);
    bob.json(&["quarantine", "release", &first[0][..16]]);
    assert_eq!(hits(&bob, "rainwater"), 1);
    assert_eq!(bob.run(&["repair", "--yes"]).code, 0);
    assert_eq!(hits(&bob, "rainwater"), 1, "what was released stays so");
    assert_eq!(bob.run(&["show", &first[0]]).code, 0);
    assert_eq!(bob.run(&["show", &second[0]]).code, 4);
    let back = scene.path().join("b.baraza").display().to_string();
    assert_eq!(bob.run(&["bundle", "create", &back]).code, 0);
    assert_eq!(alice.run(&["bundle", "import", &back]).code, 0);
    assert_eq!(alice.digest(), bob.digest(), "quarantine is passed on and changes no set");
}

#[test]
fn a_policy_with_an_error_never_takes_effect() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    alice.publish(&scene.file("a.md", lesson("Rainwater tanks", "It held.")));
    let centre = id_of(&alice);
    let bundle = scene.path().join("a.baraza").display().to_string();
    assert_eq!(alice.run(&["bundle", "create", &bundle]).code, 0);
    assert_eq!(bob.run(&["bundle", "import", &bundle]).code, 0);
    write_policy(&bob, &block(&centre));
    let daemon = bob.start(&[]);
    let listed = |site: &Site| site.json(&["list"]).as_array().map(Vec::len);
    assert_eq!(listed(&bob), Some(0));
    write_policy(&bob, "stale_mark_days = 90\nunaccredited = \"all\"\n");
    assert_eq!(listed(&bob), Some(0), "the last good one stays in force");
    assert!(warnings(&bob).contains("line 2"), "{}", warnings(&bob));
    write_policy(&bob, "unaccredited = \"carry\"\n");
    assert_eq!(listed(&bob), Some(1));
    assert!(!warnings(&bob).contains("policy.toml"), "{}", warnings(&bob));
    daemon.stop();
    write_policy(&bob, "block = true\n");
    let refused = bob.run(&["status"]);
    assert_eq!(refused.code, 5, "{}{}", refused.out, refused.err);
    assert!(
        refused.err.contains("policy.toml") && refused.err.contains("block"),
        "{}",
        refused.err
    );
    std::fs::remove_file(bob.home.join("policy.toml")).unwrap();
    assert_eq!(listed(&bob), Some(1));
}

#[test]
fn a_nation_trusts_itself_from_the_start_and_a_centre_accredits_nobody() {
    use std::os::unix::fs::PermissionsExt;

    let scene = Scene::new();
    let (alice, kenya) = (scene.centre("alice"), scene.nation("kenya"));
    let trusted = kenya.json(&["trust", "list"]);
    assert_eq!((&trusted[0]["country"], &trusted[0]["name"]), (&"KE".into(), &"kenya".into()));
    let mode = std::fs::metadata(kenya.home.join("trust.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let unseen = "5a".repeat(32);
    kenya.json(&["nation", "accredit", &unseen]);
    let why = kenya.json(&["policy", "explain", &unseen]).to_string();
    assert!(why.contains("accredited by KE"), "{why}");
    kenya.json(&["nation", "withdraw", &unseen, "--reason", "closed"]);
    let why = kenya.json(&["policy", "explain", &unseen]).to_string();
    assert!(why.contains("accreditation withdrawn by KE"), "{why}");
    let refused = alice.run(&["nation", "accredit", &unseen]);
    assert_eq!(refused.code, 5, "{}{}", refused.out, refused.err);
    assert_eq!(alice.run(&["new", "accreditation"]).code, 2);
    kenya.json(&["trust", "rm", "KE"]);
    let why = kenya.json(&["policy", "explain", &unseen]).to_string();
    assert!(!why.contains("\"trusted\":true"), "{why}");
}
