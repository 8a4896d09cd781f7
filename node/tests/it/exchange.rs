//! Real daemons that find each other and end with the same set.

use crate::harness::{Scene, agree, hits, lesson, until};

//     alice (bootstrap) -- bob, carol;   alice stops;   bob -- dave
#[test]
fn centres_end_with_the_same_set_and_need_no_host() {
    let scene = Scene::new();
    let [alice, bob, carol, dave] =
        ["alice", "bob", "carol", "dave"].map(|name| scene.centre(name));
    let first = alice.start(&[]);
    for member in ["peer_id", "centre", "api"] {
        assert!(first.ready[member].is_string(), "{}", first.ready);
    }
    let second = bob.start(&[&first.address]);
    let _third = carol.start(&[&first.address]);
    for (site, name) in [(&alice, "alice"), (&bob, "bob"), (&carol, "carol")] {
        let file =
            scene.file(&format!("{name}.md"), lesson(&format!("Wells of {name}"), "It worked."));
        assert_eq!(site.publish(&file).len(), 1);
    }
    agree(&[&alice, &bob, &carol], 3);

    first.stop();
    let _fourth = dave.start(&[&second.address]);
    let late = carol.publish(&scene.file("late.md", lesson("A late lesson", "It came late.")));
    agree(&[&bob, &carol, &dave], 4);

    let shown = dave.json(&["show", &late[0]]);
    assert_eq!(shown["title"], "A late lesson");
    assert_eq!(shown["standing"], "current");
    until("the late lesson to be found", || hits(&dave, "late") == 1);
    until("carol to know who holds her lesson", || {
        carol.json(&["show", &late[0]])["holders"]["centres"].as_u64() >= Some(2)
    });
}

#[test]
fn a_record_too_large_for_gossip_reaches_a_node_that_was_away() {
    let scene = Scene::new();
    let (alice, bob, carol) = (scene.centre("alice"), scene.centre("bob"), scene.centre("carol"));
    let a = alice.start(&[]);
    let _b = bob.start(&[&a.address]);
    let c = carol.start(&[&a.address]);
    agree(&[&alice, &bob, &carol], 0);
    c.stop();
    let long = "Thirty wells were drilled and kept. ".repeat(250);
    let draft = format!(
        "---\nkind: practice\nlanguage: en\ntitle: Long\ncountries: [KE]\nsdg: [6.1]\nstatus: completed\n\
         maturity: good\nevidence: monitoring\n---\n## summary\nShort.\n## challenge\nDry.\n## solution\n{long}\n"
    );
    // In four-byte letters, so that 6,000 characters are more than 20 KiB.
    let ids = alice.publish(&scene.file("long.md", draft.replace("wells", "𞤱𞤢𞤤𞤢𞤱𞤢𞤤𞤢𞤱𞤢𞤤𞤢𞤱𞤢𞤤𞤢")));
    assert!(20 * 1_024 < alice.json(&["show", &ids[0]])["body_bytes"].as_u64().unwrap());
    let _c = carol.start(&[&a.address]);
    agree(&[&alice, &bob, &carol], 1);
    assert_eq!(carol.json(&["show", &ids[0]])["title"], "Long");
}

#[test]
fn quic_carries_the_same() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    let a = alice.start_on("/ip4/127.0.0.1/udp/0/quic-v1", &[]);
    alice.publish(&scene.file("one.md", lesson("Over QUIC", "It worked.")));
    let _b = bob.start_on("/ip4/127.0.0.1/udp/0/quic-v1", &[&a.address]);
    agree(&[&alice, &bob], 1);
}

#[test]
fn only_the_publisher_revises_and_retracts() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    let a = alice.start(&[]);
    let _b = bob.start(&[&a.address]);
    let first = alice.publish(&scene.file("v1.md", lesson("First words", "It worked."))).remove(0);
    agree(&[&alice, &bob], 1);

    let v2 = scene.file("v2.md", lesson("Better words", "It worked."));
    let refused = bob.run(&["revise", &first, &v2]);
    assert_eq!(refused.code, 8, "{}", refused.err);
    let refused = bob.run(&["retract", &first, "--reason", "error", "--yes"]);
    assert_eq!(refused.code, 8, "{}", refused.err);

    let revised = alice.json(&["revise", &first, &v2]);
    let second = revised[0]["id"].as_str().expect("an id").to_owned();
    agree(&[&alice, &bob], 2);
    let shown = bob.json(&["show", &first]);
    assert_eq!(
        (&shown["standing"], &shown["series"]["latest"]),
        (&"superseded".into(), &second.clone().into())
    );

    let done = alice.run(&["retract", &second, "--reason", "error", "--yes"]);
    assert_eq!(done.code, 0, "{}", done.err);
    agree(&[&alice, &bob], 3);
    assert_eq!(bob.json(&["show", &second])["standing"], "retracted");
    until("the retracted lesson to leave the index", || hits(&bob, "words") == 0);
}

#[test]
fn a_node_that_was_restarted_finds_its_peers_again() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    let a = alice.start(&[]);
    let b = bob.start(&[&a.address]);
    agree(&[&alice, &bob], 0);
    b.stop();
    alice.publish(&scene.file("while.md", lesson("While away", "It worked.")));
    // Without a bootstrap address: the peer book knows where alice is.
    let _b = bob.start(&[]);
    agree(&[&alice, &bob], 1);
}
