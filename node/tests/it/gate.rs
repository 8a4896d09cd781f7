//! What a node takes, with real daemons.
//!
//! ```text
//! alice, a centre -- bob, who drops -- kenya, a nation
//! ```

use crate::harness::{Scene, Site, lesson, until};

fn id_of(site: &Site) -> String {
    site.json(&["status"])["centre"].as_str().expect("an id").to_owned()
}

fn titles(site: &Site) -> Vec<String> {
    let list = site.json(&["list"]);
    let list = list.as_array().expect("a list").iter();
    list.map(|record| record["title"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_node_that_drops_takes_only_what_somebody_vouches_for() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    let kenya = scene.nation("kenya");
    let (centre, nation) = (id_of(&alice), id_of(&kenya));
    let record = alice.publish(&scene.file("a.md", lesson("Rainwater tanks", "It held.")));
    bob.publish(&scene.file("b.md", lesson("Hand pumps", "They held.")));
    std::fs::write(bob.home.join("policy.toml"), "unaccredited = \"drop\"\n").unwrap();

    // From a bundle it takes the identity, and says what it leaves.
    let bundle = scene.path().join("a.baraza").display().to_string();
    assert_eq!(alice.run(&["bundle", "create", &bundle]).code, 0);
    let import = bob.run(&["bundle", "import", &bundle]);
    assert_eq!(import.code, 0, "{}{}", import.out, import.err);
    assert!(import.out.contains("1 record declined by policy"), "{}", import.out);
    assert_eq!(titles(&bob), ["Hand pumps"]);

    let hub = bob.start(&[]);
    let daemon = alice.start(&[&hub.address]);
    let _kenya = kenya.start(&[&hub.address]);
    until("alice has bob's record", || titles(&alice).len() == 2);
    until("bob declines alice's feed", || bob.json(&["policy", "show"])["declined_feeds"] == 1);
    let shown = bob.run(&["policy", "show"]);
    assert!(shown.out.contains("drop: nothing more of them is taken (1 feed"), "{}", shown.out);
    let why = bob.run(&["policy", "explain", &centre[..12]]).out;
    assert!(why.contains("nothing more is taken without accreditation"), "{why}");
    assert!(why.contains("so nothing more of it is taken"), "{why}");
    let list = titles(&bob);
    assert_eq!(list, ["Hand pumps"]);

    // The nation vouches: what was declined comes, with nobody asking for it.
    until("kenya knows alice", || kenya.run(&["centre", "show", &centre[..12]]).code == 0);
    kenya.json(&["nation", "accredit", &centre[..12]]);
    bob.json(&["trust", "add", "--country", "KE", &nation[..12], "--yes"]);
    until("bob has alice's record", || titles(&bob).len() == 2);
    assert_eq!(bob.json(&["show", &record[0]])["title"], "Rainwater tanks");

    // A changed file counts without a restart, and what is held stays, hidden.
    bob.json(&["trust", "rm", "KE"]);
    assert_eq!(titles(&bob), ["Hand pumps"]);
    assert_eq!(bob.run(&["show", &record[0], "--quarantined"]).code, 0);
    daemon.stop();
    let more = alice.publish(&scene.file("c.md", lesson("Gutters", "They leaked.")));
    let _alice = alice.start(&[&hub.address]);
    bob.run(&["sync"]);
    std::fs::write(bob.home.join("policy.toml"), "unaccredited = \"carry\"\n").unwrap();
    until("bob carries all", || bob.run(&["show", &more[0]]).code == 0);
}
