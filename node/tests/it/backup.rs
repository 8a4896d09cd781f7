//! Backups and old images: what was there is there again, no key travels, no feed forks.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::harness::{Scene, Site, agree, hits, lesson, until};

/// Places at which a bit of a backup is flipped.
const FLIPS: usize = 48;

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success(), "{} is copied", from.display());
}

fn publish_some(scene: &Scene, site: &Site, words: &str, count: usize) {
    for n in 0..count {
        let text = lesson(&format!("{words} {n}"), "It worked.");
        site.publish(&scene.file("some.md", text));
    }
}

/// Makes a backup and returns its path.
#[track_caller]
fn backup(scene: &Scene, site: &Site, name: &str) -> PathBuf {
    let file = scene.path().join(name);
    let run = site.run(&["backup", &file.display().to_string()]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    file
}

fn restore(file: &Path, site: &Site) -> crate::harness::Run {
    site.run(&["restore", &file.display().to_string(), "--no-passphrase"])
}

/// Returns the titles of all records by id.
fn records(site: &Site) -> BTreeMap<String, String> {
    let list = site.json(&["list", "--limit", "200"]);
    let list = list.as_array().expect("an array of records").iter();
    let text = |one: &Value, member: &str| one[member].as_str().unwrap_or_default().to_owned();
    list.map(|one| (text(one, "id"), text(one, "title"))).collect()
}

/// Returns the seeds of the keys in the PEM files of a folder.
fn seeds(folder: &Path) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "pem") {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with("-----"));
            let der = from_base64(&lines.collect::<String>());
            seeds.push(der[der.len() - 32..].to_vec());
        }
    }
    seeds
}

fn from_base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let (mut bits, mut count, mut out) = (0_u32, 0, Vec::new());
    for c in text.bytes().filter(|c| *c != b'=') {
        (bits, count) = (bits << 6 | u32::from(digit(c)), count + 6);
        if 8 <= count {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn a_backup_made_while_the_daemon_runs_brings_back_records_and_settings_and_no_key() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    let a = alice.start(&[]);
    let _b = bob.start(&[&a.address]);
    publish_some(&scene, &alice, "Wells", 3);
    publish_some(&scene, &bob, "Schools", 2);
    agree(&[&alice, &bob], 5);
    alice.json(&["draft", "import", &scene.file("draft.md", lesson("Later", "Not yet."))]);
    fs::write(alice.home.join("trust.toml"), "# by hand\n").unwrap();
    let file = backup(&scene, &alice, "alice.backup");
    let digest = alice.digest();

    let bytes = fs::read(&file).unwrap();
    let mut keys = seeds(&alice.home.join("keys"));
    keys.extend(seeds(&scene.path().join("alice-recovery")));
    assert!(4 <= keys.len(), "operator, node, root and next key are looked for");
    for key in &keys {
        assert!(!contains(&bytes, key), "no secret key is in a backup");
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!contains(&bytes, hex.as_bytes()), "nor its digits");
    }
    assert!(!contains(&bytes, b"PRIVATE KEY"), "nor a key file");
    assert_eq!(alice.run(&["verify", &file.display().to_string()]).code, 0);

    let again = Site { home: scene.path().join("again") };
    let run = restore(&file, &again);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert_eq!(again.digest(), digest);
    assert_eq!(records(&again), records(&alice));
    assert_eq!(hits(&again, "wells"), 3);
    let same = |name: &str| {
        let [old, new] = [&alice, &again].map(|site| fs::read(site.home.join(name)).unwrap());
        assert!(old.starts_with(&new), "{name}");
        assert!(!new.is_empty(), "{name}");
    };
    ["config.toml", "trust.toml", "staff.log"].iter().for_each(|name| same(name));
    for draft in fs::read_dir(alice.home.join("drafts")).unwrap() {
        same(&format!("drafts/{}", draft.unwrap().file_name().display()));
    }
    let mut new = seeds(&again.home.join("keys"));
    new.retain(|key| keys.contains(key));
    assert!(new.is_empty(), "all keys are new ones");
    let refused = restore(&file, &again);
    assert_eq!(refused.code, 5, "a home is never written over: {}", refused.err);
}

#[test]
fn whatever_is_whole_in_a_damaged_backup_is_restored_and_nothing_else() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    publish_some(&scene, &alice, "Wells", 12);
    let (whole, config) = (records(&alice), fs::read(alice.home.join("config.toml")).unwrap());
    let bytes = fs::read(backup(&scene, &alice, "alice.backup")).unwrap();
    let (mut restored, mut all) = (0, 0);
    for flip in 0..FLIPS {
        let at = flip * (bytes.len() - 1) / (FLIPS - 1);
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (flip % 8);
        let file = PathBuf::from(scene.file("damaged.backup", &damaged));
        let verified = alice.run(&["verify", &file.display().to_string()]);
        assert_ne!(verified.code, 0, "byte {at}: verify reports it");
        let site = Site { home: scene.path().join(format!("restored-{flip}")) };
        let run = restore(&file, &site);
        assert_ne!(run.code, 0, "byte {at}: restore says so: {}", run.out);
        if !site.home.exists() {
            assert_eq!(run.code, 3, "byte {at}: {}", run.err);
            continue;
        }
        assert_eq!(run.code, 9, "byte {at}: {}", run.err);
        restored += 1;
        let found = records(&site);
        all += u32::from(found.len() == whole.len());
        for (id, title) in &found {
            assert!(title.is_empty() || whole.get(id) == Some(title), "byte {at}: {id} {title}");
            assert!(whole.contains_key(id), "byte {at}: {id}");
        }
        let names = String::from_utf8(fs::read(site.home.join("config.toml")).unwrap()).unwrap();
        let centre = String::from_utf8_lossy(&config)
            .lines()
            .find(|l| l.starts_with("centre"))
            .map(str::to_owned);
        assert!(names.contains(&centre.unwrap()), "byte {at}: the centre is the same");
        let checked = site.run(&["check", "--full"]);
        assert_eq!(checked.code, 0, "byte {at}: {}{}", checked.out, checked.err);
        fs::remove_dir_all(&site.home).unwrap();
    }
    assert!(FLIPS * 3 / 4 <= restored, "{restored} of {FLIPS} gave a home");
    assert!(0 < all, "some damage costs no record");
    println!("{FLIPS} flips: {restored} homes, {all} with all records");
}

#[test]
fn a_kill_leaves_no_half_backup_and_no_half_home() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    publish_some(&scene, &alice, "Wells", 5);
    let file = scene.path().join("alice.backup");
    let aside = scene.path().join("alice.backup.tmp");
    for _ in 0..5 {
        let mut child = alice.spawn(&["backup", &file.display().to_string(), "--yes"]);
        until("the backup to begin or end", || {
            aside.exists() || child.try_wait().unwrap().is_some()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        if file.exists() {
            assert_eq!(alice.run(&["verify", &file.display().to_string()]).code, 0);
        }
    }
    backup(&scene, &alice, "whole.backup");
    let whole = scene.path().join("whole.backup");
    let site = Site { home: scene.path().join("again") };
    let part = scene.path().join("again.restoring");
    for stage in ["ledger", "format", "sled", "keys", "keys/node.pem", "config.toml"] {
        let arguments = ["restore", &whole.display().to_string(), "--no-passphrase"];
        let mut child = site.spawn(&arguments);
        until("the restore to get there or end", || {
            part.join(stage).exists() || child.try_wait().unwrap().is_some()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        if site.home.exists() {
            assert_eq!(site.digest(), alice.digest(), "killed at {stage}");
            fs::remove_dir_all(&site.home).unwrap();
        }
    }
    let run = restore(&whole, &site);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert!(!part.exists(), "what a killed restore left is gone");
    assert_eq!(site.digest(), alice.digest());
}

#[test]
fn a_node_put_back_from_an_old_image_goes_on_behind_what_it_had_published() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    let a = alice.start(&[]);
    let b = bob.start(&[&a.address]);
    publish_some(&scene, &alice, "Before", 2);
    agree(&[&alice, &bob], 2);
    a.stop();
    let image = scene.path().join("image");
    copy(&alice.home, &image);
    let a = alice.start(&[&b.address]);
    publish_some(&scene, &alice, "Between", 3);
    agree(&[&alice, &bob], 5);
    a.stop();

    fs::remove_dir_all(&alice.home).unwrap();
    copy(&image, &alice.home);
    let _a = alice.start(&[&b.address]);
    publish_some(&scene, &alice, "After", 2);
    agree(&[&alice, &bob], 7);
    for site in [&alice, &bob] {
        let status = site.json(&["status"]);
        assert_eq!((&status["records"], &status["feeds"]), (&7.into(), &1.into()), "one feed");
        let warnings = status["warnings"].to_string();
        assert!(!warnings.contains("forks"), "{warnings}");
        until("all that was published to be found", || hits(site, "between") == 3);
    }
}

#[test]
fn a_lost_home_comes_back_from_its_backup_and_its_peers_and_publishes_under_new_keys() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    let a = alice.start(&[]);
    let b = bob.start(&[&a.address]);
    publish_some(&scene, &alice, "Before", 3);
    agree(&[&alice, &bob], 3);
    let file = backup(&scene, &alice, "alice.backup");
    publish_some(&scene, &alice, "Since", 2);
    agree(&[&alice, &bob], 5);
    let root = scene.path().join("root.pem");
    fs::copy(alice.home.join("keys/root.pem"), &root).unwrap();
    let old_node = a.ready["peer_id"].clone();
    a.kill();
    fs::remove_dir_all(&alice.home).unwrap();

    let run = restore(&file, &alice);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert_eq!(alice.json(&["status"])["records"], 3, "it reads at once");
    let a = alice.start(&[&b.address]);
    assert_ne!(a.ready["peer_id"], old_node, "another node key");
    agree(&[&alice, &bob], 5);
    let draft = scene.file("new.md", lesson("After the loss", "It worked."));
    let refused = alice.run(&["publish", &draft]);
    assert_eq!(refused.code, 8, "{}", refused.err);
    let warnings = alice.json(&["status"])["warnings"].to_string();
    assert!(warnings.contains("baraza operator add REQUEST"), "{warnings}");

    let request = alice.home.join("enrolment.json");
    let (request, root) = (request.display().to_string(), root.display().to_string());
    let added = alice.run(&["operator", "add", &request, "--root-key", &root, "--yes"]);
    assert_eq!(added.code, 0, "{}{}", added.out, added.err);
    let id = alice.publish(&draft).remove(0);
    agree(&[&alice, &bob], 6);
    assert_eq!(bob.json(&["show", &id])["standing"], "current");
    for site in [&alice, &bob] {
        let status = site.json(&["status"]);
        assert_eq!(status["feeds"], 2, "the old feed and one of the new key");
        assert!(!status["warnings"].to_string().contains("forks"), "{}", status["warnings"]);
        until("the records from before to be found", || hits(site, "since") == 2);
    }
}

#[test]
fn a_store_that_lost_its_end_signs_again_once_a_peer_has_given_it_back() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    let a = alice.start(&[]);
    let b = bob.start(&[&a.address]);
    publish_some(&scene, &alice, "Before", 2);
    agree(&[&alice, &bob], 2);
    a.stop();
    let image = scene.path().join("image");
    copy(&alice.home, &image);
    publish_some(&scene, &alice, "Between", 2);
    fs::copy(alice.home.join("ledger/own-heads"), image.join("ledger/own-heads")).unwrap();
    // Bob gets them, and alice's disk loses them.
    let bundle = scene.path().join("two.bundle").display().to_string();
    alice.json(&["bundle", "create", &bundle]);
    bob.json(&["bundle", "import", &bundle]);
    fs::remove_dir_all(&alice.home).unwrap();
    copy(&image, &alice.home);

    let draft = scene.file("after.md", lesson("After", "It worked."));
    let refused = alice.run(&["publish", &draft]);
    assert_eq!(refused.code, 8, "alone, the key is blocked: {}", refused.err);
    let warnings = alice.json(&["status"])["warnings"].to_string();
    assert!(
        warnings.contains("has lost the end") && warnings.contains("baraza sync"),
        "{warnings}"
    );
    let _a = alice.start(&[&b.address]);
    assert_eq!(alice.publish(&draft).len(), 1, "no restart, no repair");
    agree(&[&alice, &bob], 5);
    let warnings = alice.json(&["status"])["warnings"].to_string();
    assert!(!warnings.contains("lost the end") && !warnings.contains("forks"), "{warnings}");
}
