//! Ceremonies with real nodes: a node joins, keys are stolen and lost, a copied
//! home forks its feed. Custodians who sign apart are in `custodians`.

use std::{fs, path::Path};

use serde_json::Value;

use crate::harness::{Run, Scene, Site, agree, hits, lesson, until};

impl Scene {
    /// Makes a home that is to act for a centre, and returns it with its request.
    pub(crate) fn joining(&self, name: &str, centre: &str) -> (Site, String) {
        let site = Site { home: self.path().join(name) };
        let request = self.path().join(format!("{name}-request.json")).display().to_string();
        let made = site.run(&[
            "init",
            "--join-centre",
            centre,
            "--label",
            name,
            "--no-passphrase",
            "--language",
            "en",
            "--contact",
            "office@centre.example.org",
            "--country",
            "KE",
            "--request",
            &request,
        ]);
        assert_eq!(made.code, 0, "{}{}", made.out, made.err);
        (site, request)
    }

    pub(crate) fn path_of(&self, name: &str) -> String {
        self.path().join(name).display().to_string()
    }

    /// Copies a home as a thief or a careless colleague does.
    fn copy(&self, site: &Site, name: &str) -> Site {
        let copy = Site { home: self.path().join(name) };
        copy_folder(&site.home, &copy.home);
        copy
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, place) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy_folder(&entry.path(), &place);
        } else if kind.is_file() {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

pub(crate) fn centre_of(site: &Site) -> String {
    site.json(&["centre", "show"])["id"].as_str().unwrap().to_owned()
}

pub(crate) fn recovery(site: &Site) -> String {
    format!("{}-recovery", site.home.display())
}

/// Publishes one lesson and returns its id.
#[track_caller]
pub(crate) fn one(scene: &Scene, site: &Site, title: &str) -> String {
    site.publish(&scene.file("draft.md", lesson(title, "It worked."))).remove(0)
}

fn warnings(site: &Site) -> String {
    site.json(&["status"])["warnings"].to_string()
}

pub(crate) fn shows(site: &Site, id: &str) -> Option<String> {
    let shown = site.run(&["--json", "show", id]);
    let view: Value = serde_json::from_str(&shown.out).ok()?;
    Some(view["standing"].as_str()?.to_owned())
}

/// Returns the operator key that publishes under this label.
fn publisher(site: &Site, label: &str) -> String {
    let operators = site.json(&["operator", "list"]);
    let mut found =
        operators.as_array().unwrap().iter().filter(|one| {
            one["label"] == label && one["capabilities"].to_string().contains("publish")
        });
    found.next().unwrap()["key"].as_str().unwrap().to_owned()
}

#[track_caller]
pub(crate) fn ok(run: Run) -> String {
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    format!("{}{}", run.out, run.err)
}

//     alice -- desk (joins alice's centre) -- carol
#[test]
fn a_second_node_joins_and_publishes_once_it_is_added() {
    let scene = Scene::new();
    let (alice, carol) = (scene.centre("alice"), scene.centre("carol"));
    let (desk, request) = scene.joining("desk", &centre_of(&alice));
    let a = alice.start(&[]);
    let first = one(&scene, &alice, "Wells of the first desk");
    let d = desk.start(&[&a.address]);
    let _c = carol.start(&[&d.address]);
    agree(&[&alice, &desk, &carol], 1);
    until("the new node to find what others wrote", || hits(&desk, "wells") == 1);
    assert!(warnings(&desk).contains("operator add"), "{}", warnings(&desk));
    let draft = scene.file("early.md", lesson("Too early", "It did not work."));
    let early = desk.run(&["publish", &draft]);
    assert_eq!(early.code, 8, "{}{}", early.out, early.err);
    assert_eq!(carol.run(&["operator", "add", &request, "--yes"]).code, 3, "another centre");

    let told = ok(alice.run(&["operator", "add", &request, "--caps", "publish", "--yes"]));
    let words = fs::read_to_string(&request).unwrap();
    let words: Value = serde_json::from_str(&words).unwrap();
    assert!(told.contains(words["words"].as_str().unwrap()), "{told}");
    until("the desk to hear that it was added", || !warnings(&desk).contains("operator add"));
    let second = one(&scene, &desk, "Tanks of the second desk");
    agree(&[&alice, &desk, &carol], 2);
    for id in [&first, &second] {
        assert_eq!(shows(&carol, id).as_deref(), Some("current"));
    }
    let shown = carol.json(&["show", &second]);
    assert_eq!(shown["centre"], centre_of(&alice));
    let again = alice.run(&["operator", "add", &request, "--yes"]);
    assert_eq!(again.code, 3, "{}", again.err);
    let refused = desk.run(&["retract", &first, "--reason", "error", "--yes"]);
    assert_eq!(refused.code, 8, "it may publish only: {}{}", refused.out, refused.err);
}

//     alice, thief (a copy of alice's home) -- bob
#[test]
fn what_a_thief_published_appears_nowhere_once_the_key_is_ended() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    let first = one(&scene, &alice, "Honest words");
    let last = one(&scene, &alice, "The last honest words");
    let thief = scene.copy(&alice, "thief");
    let b = bob.start(&[]);
    let t = thief.start(&[&b.address]);
    let stolen = one(&scene, &thief, "A forged cure");
    agree(&[&thief, &bob], 3);
    until("bob to be taken in", || hits(&bob, "forged cure") == 1);
    t.kill();

    let _a = alice.start(&[&b.address]);
    agree(&[&alice, &bob], 3);
    let key = publisher(&alice, "operator");
    let unnamed = alice.run(&["operator", "end", &key, "--compromised", "--yes"]);
    assert_eq!(unnamed.code, 2, "{}", unnamed.err);
    assert!(unnamed.err.contains("A forged cure"), "the last records are listed: {}", unnamed.err);
    let end = ["operator", "end", &key[..12], "--compromised", "--last-good", &last, "--yes"];
    let told = ok(alice.run(&end));
    assert!(told.contains("the only key that publishes"), "{told}");
    for site in [&alice, &bob] {
        until("the forgery to disappear", || {
            shows(site, &stolen).as_deref() != Some("current") && hits(site, "forged cure") == 0
        });
        for id in [&first, &last] {
            assert_eq!(shows(site, id).as_deref(), Some("current"));
        }
        assert!(!site.run(&["list"]).out.contains("forged"));
    }
    // The thief goes on with the stolen key, and nobody who has heard takes it. A daemon would
    // first compare with a peer, hear of the end, and refuse.
    let later = one(&scene, &thief, "Another forgery");
    let bundle = scene.path_of("thief.bundle");
    ok(thief.run(&["bundle", "create", &bundle]));
    bob.run(&["bundle", "import", &bundle]);
    assert_ne!(shows(&bob, &later).as_deref(), Some("current"));
    assert_eq!(hits(&bob, "another forgery"), 0);
    let refused = alice.run(&["publish", &scene.file("x.md", lesson("After", "It ended."))]);
    assert_eq!(refused.code, 8, "{}{}", refused.out, refused.err);
    let shown = ok(bob.run(&["centre", "show", &centre_of(&alice)]));
    assert!(shown.contains("compromised, its records count up to number 2"), "{shown}");
}

//     alice loses everything but two sheets with words and a bundle that bob wrote
#[test]
fn a_centre_that_lost_everything_comes_back_with_its_id_and_its_records() {
    let scene = Scene::new();
    let bob = scene.centre("bob");
    let alice = Site { home: scene.path().join("alice") };
    ok(alice.run(&[
        "init",
        "--name",
        "Lake Desk",
        "--country",
        "KE",
        "--contact",
        "office@lake.example.org",
        "--no-passphrase",
        "--seal",
        "words",
        "--yes",
    ]));
    let id = centre_of(&alice);
    let first = one(&scene, &alice, "Before the fire");
    let bundle = scene.path_of("bob.bundle");
    ok(alice.run(&["bundle", "create", &bundle]));
    ok(bob.run(&["bundle", "import", &bundle]));
    ok(bob.run(&["bundle", "create", &bundle, "--yes"]));
    let folder = recovery(&alice);
    assert!(!Path::new(&format!("{folder}/next-1.pem")).exists(), "sheets only");
    let keep = |number: usize| {
        let sheet = scene.path_of(&format!("safe-{number}.txt"));
        fs::copy(format!("{folder}/next-{number}-words.txt"), &sheet).unwrap();
        sheet
    };
    let (sheet_one, sheet_two) = (keep(1), keep(2));
    fs::remove_dir_all(&alice.home).unwrap();
    fs::remove_dir_all(&folder).unwrap();

    let phoenix = Site { home: scene.path().join("phoenix") };
    let one_sheet = phoenix.run(&[
        "centre",
        "recover",
        "--bundle",
        &bundle,
        "--next-key",
        &sheet_one,
        "--no-passphrase",
        "--yes",
    ]);
    assert_eq!(one_sheet.code, 3, "{}", one_sheet.err);
    let recovered = ok(phoenix.run(&[
        "centre",
        "recover",
        "--next-key",
        &sheet_one,
        "--next-key",
        &sheet_two,
        "--no-passphrase",
        "--yes",
    ]));
    assert!(recovered.contains("recovered"), "{recovered}");
    assert_eq!(centre_of(&phoenix), id);
    assert_eq!(shows(&phoenix, &first).as_deref(), Some("current"));
    let p = phoenix.start(&[]);
    let _b = bob.start(&[&p.address]);
    let second = one(&scene, &phoenix, "After the fire");
    agree(&[&phoenix, &bob], 2);
    for id in [&first, &second] {
        assert_eq!(shows(&bob, id).as_deref(), Some("current"));
    }
    let shown = ok(bob.run(&["centre", "show", &id]));
    assert!(shown.contains("retired, its records count up to number 1"), "{shown}");
    // The new root key of the new home is in force.
    let (_, joining) = scene.joining("desk", &id);
    ok(phoenix.run(&["operator", "add", &joining, "--yes"]));
}

#[test]
fn a_new_home_is_recovered_from_a_bundle_in_one_step_and_a_centre_closes_for_good() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    let id = centre_of(&alice);
    let first = one(&scene, &alice, "What stays");
    let bundle = scene.path_of("all.bundle");
    ok(alice.run(&["bundle", "create", &bundle]));
    let folder = recovery(&alice);
    let [one_key, two] = [1, 2].map(|number| format!("{folder}/next-{number}.pem"));
    let foreign = format!("{}/next-1.pem", recovery(&bob));
    let phoenix = Site { home: scene.path().join("phoenix") };
    let wrong = phoenix.run(&[
        "centre",
        "recover",
        "--bundle",
        &bundle,
        "--next-key",
        &foreign,
        "--no-passphrase",
        "--yes",
    ]);
    assert_eq!(wrong.code, 4, "{}", wrong.err);
    ok(phoenix.run(&[
        "centre",
        "recover",
        "--bundle",
        &bundle,
        "--next-key",
        &one_key,
        "--next-key",
        &two,
        "--compromised",
        "--no-passphrase",
        "--yes",
    ]));
    let second = one(&scene, &phoenix, "Published again");
    let folder = recovery(&phoenix);
    let [one_key, two] = [1, 2].map(|number| format!("{folder}/next-{number}.pem"));
    let unasked = phoenix.run(&["centre", "close", "--next-key", &one_key, "--next-key", &two]);
    assert_eq!(unasked.code, 2, "{}", unasked.err);
    ok(phoenix.run(&["centre", "close", "--next-key", &one_key, "--next-key", &two, "--yes"]));
    let refused = phoenix.run(&["publish", &scene.file("x.md", lesson("After", "It ended."))]);
    assert_eq!(refused.code, 8, "{}{}", refused.out, refused.err);
    let last = scene.path_of("last.bundle");
    ok(phoenix.run(&["bundle", "create", &last]));
    ok(bob.run(&["bundle", "import", &last]));
    for record in [&first, &second] {
        assert_eq!(shows(&bob, record).as_deref(), Some("current"), "what it published stays");
    }
    assert_eq!(bob.json(&["centre", "show", &id])["identity"], "ended");
    assert!(warnings(&phoenix).contains("closed"), "{}", warnings(&phoenix));
}

//     alice -- bob -- copy (of alice's home)
#[test]
fn a_feed_that_a_copied_home_forked_goes_on_everywhere() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    let first = one(&scene, &alice, "Before the copy");
    let copy = scene.copy(&alice, "copy");
    let b = bob.start(&[]);
    let c = copy.start(&[&b.address]);
    let theirs = one(&scene, &copy, "Written at the copy");
    agree(&[&copy, &bob], 2);
    c.stop();
    let ours = one(&scene, &alice, "Written at home");
    let a = alice.start(&[&b.address]);
    until("alice to see the fork", || warnings(&alice).contains("centre resume"));
    until("bob to see the fork", || warnings(&bob).contains("forks at position 2"));
    let refused = alice.run(&["publish", &scene.file("x.md", lesson("Third", "It forks."))]);
    assert_eq!(refused.code, 8, "{}{}", refused.out, refused.err);
    assert!(refused.err.contains("centre resume"), "{}", refused.err);

    let unnamed = alice.run(&["centre", "resume", "--yes"]);
    assert_eq!(unnamed.code, 2, "{}", unnamed.err);
    let seen = format!("{}{}", unnamed.out, unnamed.err);
    assert!(seen.contains("Written at home") && seen.contains(&theirs[..12]), "{seen}");
    let told = ok(alice.run(&["centre", "resume", "--keep", &ours[..12], "--yes"]));
    assert!(told.contains(&theirs[..12]) && told.contains("--markdown"), "{told}");
    until("bob to follow the choice", || shows(&bob, &ours).as_deref() == Some("current"));
    let third = one(&scene, &alice, "The feed goes on");
    until("the third record to come", || shows(&bob, &third).as_deref() == Some("current"));
    for (id, standing) in [(&first, true), (&ours, true), (&theirs, false)] {
        for site in [&alice, &bob] {
            let current = shows(site, id).as_deref() == Some("current");
            assert_eq!(current, standing, "{id}");
        }
    }
    assert!(!warnings(&alice).contains("forks"), "{}", warnings(&alice));
    // The words of the other branch can be had where they are, to be published again.
    let again = ok(copy.run(&["show", &theirs, "--markdown"]));
    assert!(again.contains("Written at the copy"), "{again}");
    a.stop();
    assert!(!warnings(&alice).contains("lost the end"), "{}", warnings(&alice));
}

//     alice, thief (a copy of alice's home, root key included)
#[test]
fn a_thief_with_the_root_key_freezes_the_log_and_the_next_keys_mend_it() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    let id = centre_of(&alice);
    let first = one(&scene, &alice, "Before the theft");
    let thief = scene.copy(&alice, "thief");
    let [(honest, ours), (forged, theirs)] = ["desk", "fake"].map(|name| scene.joining(name, &id));
    ok(alice.run(&["operator", "add", &ours, "--yes"]));
    ok(thief.run(&["operator", "add", &theirs, "--yes"]));
    let bundle = scene.path_of("thief.bundle");
    ok(thief.run(&["bundle", "create", &bundle]));
    ok(alice.run(&["bundle", "import", &bundle]));
    assert!(warnings(&alice).contains("centre rotate"), "{}", warnings(&alice));
    let key = publisher(&alice, "operator");
    let frozen = alice.run(&["operator", "end", &key, "--retired", "--yes"]);
    assert_eq!(frozen.code, 3, "{}", frozen.err);
    assert!(frozen.err.contains("frozen"), "{}", frozen.err);

    let folder = recovery(&alice);
    let [one_key, two] = [1, 2].map(|number| format!("{folder}/next-{number}.pem"));
    ok(alice.run(&[
        "centre",
        "recover",
        "--next-key",
        &one_key,
        "--next-key",
        &two,
        "--no-passphrase",
        "--yes",
    ]));
    assert!(!warnings(&alice).contains("frozen"), "{}", warnings(&alice));
    let second = one(&scene, &alice, "With new keys on the same machine");
    let refused = thief.run(&["operator", "add", &scene.joining("late", &id).1, "--yes"]);
    assert_eq!(refused.code, 0, "the thief does not know yet: {}", refused.err);
    let after = scene.path_of("after.bundle");
    ok(alice.run(&["bundle", "create", &after]));
    for site in [&bob, &thief, &honest, &forged] {
        ok(site.run(&["bundle", "import", &after]));
        for id in [&first, &second] {
            assert_eq!(shows(site, id).as_deref(), Some("current"));
        }
    }
    let refused = thief.run(&["operator", "end", &key, "--retired", "--yes"]);
    assert_eq!(refused.code, 3, "it has ended already: {}", refused.err);
    let refused = forged.run(&["publish", &scene.file("x.md", lesson("Fake", "It was forged."))]);
    assert_eq!(refused.code, 8, "{}{}", refused.out, refused.err);
}

//     alice -- bob -- copy (of alice's home); alice goes on with what the copy wrote
#[test]
fn the_branch_of_the_copy_may_be_the_one_that_goes_on() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    one(&scene, &alice, "Before the copy");
    let copy = scene.copy(&alice, "copy");
    let theirs = [one(&scene, &copy, "Copied once"), one(&scene, &copy, "Copied twice")];
    let ours = one(&scene, &alice, "Written at home");
    let bundle = scene.path_of("copy.bundle");
    ok(copy.run(&["bundle", "create", &bundle]));
    ok(bob.run(&["bundle", "import", &bundle]));
    let b = bob.start(&[]);
    let a = alice.start(&[&b.address]);
    until("alice to see the fork", || warnings(&alice).contains("centre resume"));
    ok(alice.run(&["centre", "resume", "--keep", &theirs[0][..12], "--yes"]));
    for id in &theirs {
        until("alice to have what the copy wrote", || {
            shows(&alice, id).as_deref() == Some("current")
        });
    }
    let last = one(&scene, &alice, "Home again");
    until("bob to have it", || shows(&bob, &last).as_deref() == Some("current"));
    for site in [&alice, &bob] {
        assert_ne!(shows(site, &ours).as_deref(), Some("current"));
        assert!(!warnings(site).contains("forks"), "{}", warnings(site));
    }
    a.stop();
    assert!(!warnings(&alice).contains("lost the end"), "{}", warnings(&alice));
}
