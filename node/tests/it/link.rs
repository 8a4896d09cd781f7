//! Pauses, windows and profiles between real daemons.

use crate::harness::{Scene, Site, agree, lesson, until};

/// Puts a profile and settings of the link into the configuration of a home.
fn set_link(site: &Site, profile: &str, link: &str) {
    let path = site.home.join("config.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("profile = "));
    let mut lines: Vec<_> = lines.take_while(|line| *line != "[link]").collect();
    let profile = format!("profile = \"{profile}\"");
    lines.insert(2, &profile);
    // Whole or not at all: the daemon may look at any moment.
    let part = site.home.join("config.part");
    std::fs::write(&part, lines.join("\n") + "\n[link]\n" + link).unwrap();
    std::fs::rename(part, path).unwrap();
}

fn held(site: &Site) -> String {
    let status = site.json(&["status"]);
    status["link"]["background"]["held"]["why"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_paused_node_exchanges_nothing_and_goes_on_when_it_is_resumed() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    let a = alice.start(&[]);
    let b = bob.start(&[&a.address]);
    agree(&[&alice, &bob], 0);

    let paused = bob.run(&["pause", "--for", "4h"]);
    assert!(paused.code == 0 && paused.out.contains("(in 4 h)"), "{}{}", paused.out, paused.err);
    let refused = bob.run(&["sync"]);
    assert_eq!(refused.code, 7, "{}", refused.err);
    assert!(refused.err.contains("the node is paused"), "{}", refused.err);
    // A restart changes nothing, and no gossip brings what is published meanwhile.
    b.stop();
    for n in 0..3 {
        alice.publish(&scene.file(&format!("{n}.md"), lesson(&format!("Lesson {n}"), "It held.")));
    }
    let _b = bob.start(&[&a.address]);
    assert_eq!(held(&bob), "paused");
    let shown = bob.run(&["status"]);
    assert!(shown.out.contains("held: paused until 20"), "{}", shown.out);
    assert_eq!(bob.json(&["status"])["records"], 0);
    let resumed = bob.run(&["resume"]);
    assert_eq!((resumed.code, resumed.out.as_str()), (0, "Resumed.\n"));
    agree(&[&alice, &bob], 3);
}

#[test]
fn settings_of_the_link_count_without_a_restart_and_a_slip_does_not() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    let a = alice.start(&[]);
    let _b = bob.start(&[&a.address]);
    agree(&[&alice, &bob], 0);
    set_link(&bob, "metered", "background_day_bytes = 0\nkbit_s = 64\n");
    until("bob to have used up his day", || held(&bob) == "day");
    let link = bob.json(&["status"])["link"].clone();
    assert_eq!((&link["profile"], &link["kbit_s"]), (&"metered".into(), &64.into()));
    assert_eq!(link["background"]["day_left_bytes"], 0);

    set_link(&bob, "metered", "windows = [\"22-6\"]\n");
    until("bob to say what is wrong", || {
        let status = bob.run(&["status"]);
        status.out.contains("the last good settings stay in force") && status.out.contains("`22-6`")
    });
    assert_eq!(held(&bob), "day", "what was in force stays");
    set_link(&bob, "normal", "");
    until("bob to go on", || held(&bob).is_empty());
    alice.publish(&scene.file("one.md", lesson("Hand pumps", "They held.")));
    agree(&[&alice, &bob], 1);
}

#[test]
fn a_wrong_setting_of_the_link_is_refused_at_start() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    set_link(&alice, "cheap", "");
    let refused = alice.run(&["start"]);
    assert_eq!(refused.code, 5, "{}", refused.err);
    assert!(refused.err.contains("profile: `cheap` is none of `normal`"), "{}", refused.err);
}

#[test]
fn a_node_of_the_local_network_is_reached_there_and_nowhere_else() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    let a = alice.start(&[]);
    set_link(&bob, "lan-only", "");
    let _b = bob.start(&[&a.address]);
    agree(&[&alice, &bob], 0);
    let refused = bob.run(&["sync", "/ip4/198.51.100.7/tcp/4640"]);
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(refused.err.contains("198.51.100.7"), "{}", refused.err);
}

/// Returns drafts of lessons that no compression makes much smaller.
fn many(count: usize) -> String {
    let mut state = 1_u64;
    let mut letter = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + u8::try_from(state >> 59).unwrap() % 26)
    };
    let draft = |n: usize| {
        let event: String = (0..3_000).map(|_| letter()).collect();
        serde_json::json!({
            "kind": "lesson", "language": "en", "title": format!("Lesson {n}"), "polarity": "worked",
            "sdg": ["6.2"], "countries": ["KE"], "sensitivity_checked": true,
            "context": "A district.", "event": event, "lesson": "Ask first.",
            "recommendation": "Ask the users.", "applies_when": "There are users."
        })
    };
    (0..count).map(draft).map(|draft| draft.to_string() + "\n").collect()
}

#[test]
fn a_budget_stops_a_catch_up_is_kept_over_a_restart_and_a_person_may_go_on() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    alice.publish(&scene.file("many.jsonl", many(500)));
    let a = alice.start(&[]);
    set_link(&bob, "metered", "background_day_bytes = 200_000\nkbit_s = 400\n");
    let b = bob.start(&[&a.address]);
    until("bob to have used up his day", || held(&bob) == "day");
    // What was under way comes; then it is quiet.
    until("the session to end", || bob.json(&["status"])["sessions"] == 0);
    let status = bob.json(&["status"]);
    let records = status["records"].as_u64().unwrap();
    assert!(0 < records && records < 500, "{records}");
    let used = status["link"]["background"]["day_bytes"].as_u64().unwrap();
    assert!((200_000..1_200_000).contains(&used), "{used}");
    let why = bob.json(&["why"]);
    let peer = &why["peers"][0];
    assert_eq!(peer["causes"][0]["held"]["why"], "day", "{peer}");
    assert_eq!(peer["records"], 500 - records, "{peer}");
    assert!(peer["done_ms"].as_u64() >= peer["causes"][0]["held"]["until_ms"].as_u64(), "{peer}");

    b.stop();
    let _b = bob.start(&[&a.address]);
    assert_eq!(held(&bob), "day");
    let again = bob.json(&["status"])["link"]["background"]["day_bytes"].as_u64().unwrap();
    assert!(used <= again, "{again} of {used}");
    set_link(&bob, "metered", "background_day_bytes = 200_000\n");
    until("the rate to be lifted", || bob.json(&["status"])["link"]["kbit_s"].is_null());
    let synced = bob.run(&["sync", &a.address]);
    assert_eq!(synced.code, 0, "{}{}", synced.out, synced.err);
    assert!(synced.out.contains("both hold the same"), "{}", synced.out);
    agree(&[&alice, &bob], 500);
    until("what was asked for to be counted", || {
        bob.json(&["status"])["link"]["asked"]["day_bytes"].as_u64() > Some(100_000)
    });
}
