//! Exchange by file, between nodes that never meet.

use crate::harness::{Scene, lesson};

#[test]
fn a_bundle_carries_everything_and_importing_it_twice_changes_nothing() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    for n in 0..5 {
        alice.publish(&scene.file("n.md", lesson(&format!("Lesson {n}"), "It worked.")));
    }
    let bundle = scene.path().join("a.baraza").display().to_string();
    assert_eq!(alice.run(&["bundle", "create", &bundle]).code, 0);
    let first = bob.json(&["bundle", "import", &bundle]);
    assert_eq!(first[0]["imported"]["inserted"], 5, "{first}");
    let again = bob.json(&["bundle", "import", &bundle]);
    assert_eq!(
        (&again[0]["imported"]["inserted"], &again[0]["imported"]["duplicates"]),
        (&0.into(), &5.into()),
        "{again}"
    );
    assert_eq!(bob.json(&["list", "--limit", "10"]).as_array().unwrap().len(), 5);
    assert_eq!(bob.run(&["verify", &bundle]).code, 0);
}

#[test]
fn records_before_and_after_the_damage_of_a_bundle_are_kept() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    for n in 0..5 {
        alice.publish(&scene.file("n.md", lesson(&format!("Lesson number {n}"), "It worked.")));
    }
    let path = scene.path().join("a.baraza");
    let bundle = path.display().to_string();
    assert_eq!(alice.run(&["bundle", "create", &bundle]).code, 0);
    let mut bytes = std::fs::read(&path).unwrap();
    let needle = b"Lesson number 2";
    let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
    bytes[at] ^= 0x20;
    std::fs::write(&path, bytes).unwrap();

    let run = bob.run(&["bundle", "import", &bundle]);
    assert_eq!(run.code, 9, "{}{}", run.out, run.err);
    assert!(format!("{}{}", run.out, run.err).contains("damaged"), "{}{}", run.out, run.err);
    let status = bob.json(&["status"]);
    assert_eq!((&status["records"], &status["bodies_missing"]), (&5.into(), &1.into()), "{status}");
    assert_eq!(bob.run(&["verify", &bundle]).code, 9);
}
