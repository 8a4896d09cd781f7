//! Kills at any moment: what was acknowledged is there afterwards.

use crate::harness::{Scene, hits, lesson};

/// Kills of one test run; `scripts/soak` does many more.
fn kills() -> u32 {
    std::env::var("BARAZA_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(8)
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    let mut acknowledged = Vec::new();
    for kill in 0..kills() {
        let daemon = alice.start(&[]);
        let site = alice.clone();
        let file =
            scene.file(&format!("{kill}.md"), lesson(&format!("Before kill {kill}"), "It worked."));
        acknowledged.extend(alice.publish(&file));
        // One more is under way while the daemon dies: it may or may not be there.
        let under_way = std::thread::spawn(move || site.run(&["--json", "publish", &file]));
        daemon.kill();
        let run = under_way.join().unwrap();
        if run.code == 0 {
            let reply: serde_json::Value = serde_json::from_str(&run.out).unwrap();
            acknowledged.push(reply[0]["id"].as_str().unwrap().to_owned());
        }
    }
    let checked = alice.run(&["check", "--full"]);
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
    for id in &acknowledged {
        assert_eq!(alice.json(&["show", id])["standing"], "current", "{id}");
    }
    // The feed goes on without a fork.
    let after = alice.publish(&scene.file("after.md", lesson("After", "It worked.")));
    assert_eq!(alice.json(&["show", &after[0]])["standing"], "current");
}

#[test]
fn a_store_without_its_index_is_rebuilt_from_the_ledger() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    for n in 0..3 {
        alice.publish(&scene.file("n.md", lesson(&format!("Lesson {n}"), "It worked.")));
    }
    let digest = alice.digest();
    std::fs::remove_dir_all(alice.home.join("sled")).unwrap();
    std::fs::remove_dir_all(alice.home.join("index")).unwrap();
    assert_eq!(alice.digest(), digest);
    assert_eq!(hits(&alice, "lesson"), 3);
    let repaired = alice.run(&["repair", "--yes"]);
    assert_eq!(repaired.code, 0, "{}{}", repaired.out, repaired.err);
    assert_eq!(alice.digest(), digest);
}
