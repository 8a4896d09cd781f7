//! Custodians who sign one request on machines of their own.

use std::fs;

use crate::{
    ceremonies::{centre_of, ok, one, recovery, shows},
    harness::{Run, Scene, Site},
};

/// A centre whose next keys are with three custodians, and the request that they sign.
struct Custody {
    scene: Scene,
    alice: Site,
    /// Each has a folder with `my-key.pem` and no node.
    custodians: Vec<Site>,
    /// Public halves of the next keys.
    public: Vec<String>,
    request: String,
}

impl Custody {
    fn new() -> Self {
        let scene = Scene::new();
        let alice = scene.centre("alice");
        let folder = recovery(&alice);
        let read_me = fs::read_to_string(format!("{folder}/READ-ME.txt")).unwrap();
        let public = |number: usize| {
            let line = read_me.lines().find(|line| line.contains(&format!("next-{number}.pem  ")));
            line.unwrap().split_whitespace().last().unwrap().to_owned()
        };
        let custodian = |number: usize| {
            let home = scene.path().join(format!("custodian-{number}"));
            fs::create_dir(&home).unwrap();
            fs::rename(format!("{folder}/next-{number}.pem"), home.join("my-key.pem")).unwrap();
            Site { home }
        };
        let (custodians, public) =
            ((1..=3).map(custodian).collect(), (1..=3).map(public).collect());
        let request = scene.path_of("rotate.json");
        Self { scene, alice, custodians, public, request }
    }

    /// Asks for a rotation by the next keys with these numbers.
    fn rotate(&self, numbers: &[usize], request: &str) -> Run {
        let mut words = vec!["--json", "centre", "rotate", "--request", request];
        numbers.iter().for_each(|number| words.extend(["--reveal", &self.public[number - 1]]));
        words.extend(["--no-passphrase", "--yes"]);
        self.alice.run(&words)
    }

    /// Has a custodian sign a copy of the request; returns the copy, too.
    fn sign(&self, number: usize, yes: &[&str]) -> (Run, String) {
        let site = &self.custodians[number - 1];
        let [copy, key] =
            ["rotate.json", "my-key.pem"].map(|name| site.home.join(name).display().to_string());
        fs::copy(&self.request, &copy).unwrap();
        (site.run(&[&["centre", "sign", &copy, "--key", &key], yes].concat()), copy)
    }

    fn assemble(&self, copies: &[&str]) -> Run {
        self.alice.run(&[&["centre", "assemble", "--yes"], copies].concat())
    }

    fn root(&self) -> String {
        fs::read_to_string(self.alice.home.join("keys/root.pem")).unwrap()
    }
}

#[test]
fn two_of_three_custodians_rotate_with_request_files() {
    let custody = Custody::new();
    let (scene, alice) = (&custody.scene, &custody.alice);
    let first = one(scene, alice, "Before the rotation");
    let old_root = custody.root();
    assert_eq!(custody.rotate(&[1], &custody.request).code, 3, "two are needed");
    let made = ok(custody.rotate(&[1, 3], &custody.request));
    assert!(made.contains("\"needed\": 2"), "{made}");
    assert_eq!(custody.root(), old_root, "nothing has changed yet");

    let told = {
        let (signed, _) = custody.sign(1, &["--yes"]);
        ok(signed)
    };
    assert!(told.contains("alice") && told.contains("new next keys"), "{told}");
    let (_, one_signed) = custody.sign(1, &["--yes"]);
    let (signed, three_signed) = custody.sign(3, &["--yes"]);
    ok(signed);
    ok(custody.assemble(&[&one_signed, &three_signed]));
    assert_ne!(custody.root(), old_root);
    let log = alice.json(&["centre", "log"]);
    assert_eq!((&log[1]["kind"], &log[1]["counts"]), (&"rotate".into(), &true.into()), "{log}");

    // The new root key signs; the records of before stand on another node.
    let (_, joining) = scene.joining("desk", &centre_of(alice));
    ok(alice.run(&["operator", "add", &joining, "--yes"]));
    let (bob, bundle) = (scene.centre("bob"), scene.path_of("after.bundle"));
    ok(alice.run(&["bundle", "create", &bundle]));
    ok(bob.run(&["bundle", "import", &bundle]));
    assert_eq!(shows(&bob, &first).as_deref(), Some("current"));
    let again = custody.rotate(&[1, 3], &scene.path_of("again.json"));
    assert_eq!(again.code, 3, "next keys are used once: {}", again.err);
}

#[test]
fn too_few_strange_and_damaged_signatures_change_nothing() {
    let custody = Custody::new();
    let old_root = custody.root();
    ok(custody.rotate(&[1, 3], &custody.request));
    let (unasked, _) = custody.sign(1, &[]);
    assert_eq!(unasked.code, 2, "nobody signs without a yes: {}", unasked.err);
    let (stranger, _) = custody.sign(2, &["--yes"]);
    assert_eq!(stranger.code, 3, "its key is not revealed: {}", stranger.err);
    let (signed, copy) = custody.sign(1, &["--yes"]);
    ok(signed);
    let partly = custody.assemble(&[&copy]);
    assert_eq!(partly.code, 9, "{}", partly.err);
    assert!(partly.err.contains("1 of 2 next keys have signed, 2 must"), "{}", partly.err);
    let twice = custody.assemble(&[&copy, &copy]);
    assert_eq!(twice.code, 9, "one key that signs twice is one signature: {}", twice.err);
    let text = fs::read_to_string(&copy).unwrap();
    let damaged = text.replacen("\"event\": \"", "\"event\": \"00", 1);
    let damaged = custody.scene.file("damaged.json", damaged);
    assert_eq!(custody.assemble(&[&damaged]).code, 3);
    assert_eq!(custody.root(), old_root);
}

#[test]
fn keys_under_a_passphrase_sign_only_with_it() {
    let scene = Scene::new();
    let alice = Site { home: scene.path().join("alice") };
    let [right, wrong] = ["six long words", "six wrong words"]
        .map(|text| scene.file(&text.replace(' ', "-"), format!("{text}\n")));
    ok(alice.run(&[
        "init",
        "--name",
        "Lake Desk",
        "--country",
        "KE",
        "--passphrase-file",
        &right,
        "--root-keys",
        "2",
        "--root-threshold",
        "2",
    ]));
    let second_root = format!("{}/root-2.pem", recovery(&alice));
    let (_, joining) = scene.joining("desk", &centre_of(&alice));
    let add =
        |words: &[&str]| alice.run(&[&["operator", "add", &joining, "--yes"], words].concat());
    let locked = add(&[]);
    assert_eq!(locked.code, 8, "{}", locked.err);
    assert!(locked.err.contains("--root-passphrase-file"), "{}", locked.err);
    assert_eq!(add(&["--root-passphrase-file", &wrong]).code, 8);
    let half = add(&["--root-passphrase-file", &right]);
    assert_eq!(half.code, 3, "{}", half.err);
    assert!(half.err.contains("1 of 2 root keys have signed, 2 must"), "{}", half.err);
    ok(add(&["--root-passphrase-file", &right, "--root-key", &second_root]));
    assert_eq!(alice.json(&["operator", "list"]).as_array().unwrap().len(), 4);
}
