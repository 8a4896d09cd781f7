//! Erasure: what a publisher has erased is in no file of any node that heard of it.

use std::{fs, path::Path};

use crate::harness::{Scene, Site, agree, hits, lesson, until};

const PHRASE: &str = "The quokkalandia borehole belongs to Njeri Example";
const WORD: &str = "quokkalandia";

/// Returns the files below a folder that have these bytes, in any case of their letters.
fn files_with(folder: &Path, needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (kind, path) = (entry.file_type().unwrap(), entry.path());
        if kind.is_dir() {
            found.extend(files_with(&path, needle));
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap().to_ascii_lowercase();
            let needle = needle.to_ascii_lowercase();
            if bytes.windows(needle.len()).any(|window| window == needle.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

/// Waits until a site has erased a record and its index has followed.
#[track_caller]
fn erased(site: &Site, id: &str) {
    until("the body to be erased", || site.json(&["show", id])["erasure"]["done"] == true);
    until("the index to follow", || site.json(&["status"])["index_behind"] == 0);
}

//     bob -- alice -- carol
#[test]
fn an_erased_phrase_is_in_no_file_of_three_nodes() {
    let scene = Scene::new();
    let sites = ["alice", "bob", "carol"].map(|name| scene.centre(name));
    let [alice, bob, carol] = &sites;
    let a = alice.start(&[]);
    let b = bob.start(&[&a.address]);
    let c = carol.start(&[&a.address]);
    alice.publish(&scene.file("other.md", lesson("Pumps", "They were repaired.")));
    let id = alice.publish(&scene.file("one.md", lesson("A name", PHRASE))).remove(0);
    agree(&[alice, bob, carol], 2);
    for site in &sites {
        until("the lesson to be found", || hits(site, WORD) == 1);
        assert_eq!(files_with(&site.home, PHRASE).len(), 1, "it is there to be erased");
    }
    let bundle = scene.path().join("old.baraza").display().to_string();
    assert_eq!(alice.run(&["bundle", "create", &bundle]).code, 0);

    let run =
        alice.run(&["retract", &id, "--reason", "consent-withdrawn", "--erase", "--now", "--yes"]);
    assert_eq!(run.code, 0, "{}", run.err);
    for site in &sites {
        erased(site, &id);
        assert_eq!((hits(site, WORD), hits(site, "repaired")), (0, 1));
        let shown = site.json(&["show", &id]);
        assert_eq!(
            (&shown["standing"], &shown["erasure"]["reason"], &shown["body"]),
            (&"retracted".into(), &"consent-withdrawn".into(), &serde_json::Value::Null)
        );
    }
    agree(&[alice, bob, carol], 3);
    // An old bundle does not bring it back.
    assert_eq!(bob.run(&["bundle", "import", &bundle]).code, 0);
    agree(&[alice, bob, carol], 3);
    for daemon in [a, b, c] {
        daemon.stop();
    }
    for site in &sites {
        for text in [PHRASE, WORD, "Njeri"] {
            assert_eq!(files_with(&site.home, text), [] as [String; 0], "{text}");
        }
        assert_eq!(site.run(&["check", "--full"]).code, 0);
        assert_eq!(site.run(&["repair", "--yes"]).code, 0);
        let shown = site.run(&["show", &id]);
        assert!(shown.out.contains("its text was deleted here"), "{}", shown.out);
        assert_eq!(files_with(&site.home, PHRASE), [] as [String; 0], "after a rebuild");
    }
}

#[test]
fn without_a_daemon_an_erasure_is_done_with_the_command() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    let id = alice.publish(&scene.file("one.md", lesson("A name", PHRASE))).remove(0);
    let (old, new) = (scene.path().join("old.baraza"), scene.path().join("new.baraza"));
    let (old, new) = (old.display().to_string(), new.display().to_string());
    assert_eq!(alice.run(&["bundle", "create", &old]).code, 0);
    assert_eq!(bob.run(&["bundle", "import", &old]).code, 0);
    assert_eq!((hits(&alice, WORD), hits(&bob, WORD)), (1, 1));

    let erase = ["retract", &id, "--reason", "legal", "--erase", "--yes"];
    let refused = alice.run(&erase);
    assert_eq!(refused.code, 8, "{}{}", refused.out, refused.err);
    assert!(refused.err.contains("--now") && refused.err.contains("`erase`"), "{}", refused.err);
    assert_eq!(files_with(&alice.home, PHRASE).len(), 1, "a key to publish erases nothing");
    // Withdrawn first, erased later.
    assert_eq!(alice.run(&["retract", &id, "--reason", "error", "--yes"]).code, 0);
    assert_eq!(files_with(&alice.home, PHRASE).len(), 1);
    let done = alice.run(&[&erase[..], &["--now"]].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(files_with(&alice.home, PHRASE), [] as [String; 0]);
    let again = alice.run(&[&erase[..], &["--now"]].concat());
    assert_eq!(again.code, 3, "{}", again.err);

    assert_eq!(alice.run(&["bundle", "create", &new]).code, 0);
    assert_eq!(files_with(scene.path(), PHRASE).len(), 3, "draft, old bundle, bob's ledger");
    assert_eq!(bob.run(&["bundle", "import", &new]).code, 0);
    assert_eq!(files_with(&bob.home, PHRASE), [] as [String; 0]);
    assert_eq!(bob.run(&["bundle", "import", &old]).code, 0);
    assert_eq!(files_with(&bob.home, PHRASE), [] as [String; 0]);
}

#[test]
fn a_root_key_signs_on_another_machine() {
    let scene = Scene::new();
    let (alice, other) = (scene.centre("alice"), Site { home: scene.path().join("nothing") });
    let id = alice.publish(&scene.file("one.md", lesson("A name", PHRASE))).remove(0);
    let shown = alice.json(&["show", &id]);
    let (key, centre) = (scene.path().join("root.pem"), shown["centre"].as_str().unwrap());
    fs::rename(alice.home.join("keys/root.pem"), &key).unwrap();

    let erase = ["retract", &id, "--reason", "legal", "--erase", "--now", "--yes"];
    let refused = alice.run(&erase);
    assert_eq!(refused.code, 4, "{}", refused.err);
    let key = key.display().to_string();
    let made = other.run(&["sign-erasure", &id, "--centre", centre, "--key", &key, "--yes"]);
    assert_eq!(made.code, 0, "{}", made.err);
    let signature = scene.file("signature.json", &made.out);
    // One that another key made counts for nothing.
    let bob = scene.centre("bob");
    let foreign = bob.run(&["sign-erasure", &id, "--centre", centre, "--yes"]);
    let foreign = scene.file("foreign.json", &foreign.out);
    let refused = alice.run(&[&erase[..], &["--root-signature", &foreign]].concat());
    assert_eq!(refused.code, 8, "{}", refused.err);
    let done = alice.run(&[&erase[..], &["--root-signature", &signature]].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(files_with(&alice.home, PHRASE), [] as [String; 0]);
}
