//! Homes, locks, keys and addresses that are wrong: a clear error and its exit code.

use std::{
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
};

use crate::harness::{Scene, Site, lesson, until};

#[test]
fn without_a_home_the_first_steps_are_told() {
    let scene = Scene::new();
    let nobody = Site { home: scene.path().join("nowhere") };
    let bare = nobody.run(&[]);
    assert!(bare.code == 0 && bare.out.contains("baraza init"), "{}{}", bare.out, bare.err);
    let run = nobody.run(&["list"]);
    assert!(run.code == 5 && run.err.contains("baraza init"), "{}{}", run.out, run.err);
}

#[test]
fn one_home_has_one_daemon() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    let _daemon = alice.start(&[]);
    let second = alice.run(&["start", "--listen", "/ip4/127.0.0.1/tcp/0"]);
    assert_eq!(second.code, 5, "{}{}", second.out, second.err);
    assert!(second.err.contains("hint"), "{}", second.err);
    let again = alice.run(&["init", "--name", "again", "--country", "KE", "--no-passphrase"]);
    assert_eq!(again.code, 5, "{}{}", again.out, again.err);
}

#[test]
fn a_home_of_a_newer_version_is_left_alone() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    let config = alice.home.join("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("version = 1", "version = 99")).unwrap();
    let run = alice.run(&["status"]);
    assert!(run.code == 5 && run.err.contains("99"), "{}{}", run.out, run.err);
    std::fs::write(&config, text).unwrap();
    std::fs::write(alice.home.join("format"), "99\n").unwrap();
    let run = alice.run(&["status"]);
    assert!(run.code == 5 && run.err.contains("99"), "{}{}", run.out, run.err);
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    let key = alice.home.join("keys/operator.pem");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let run = alice.run(&["publish", &scene.file("n.md", lesson("Title", "It worked."))]);
    assert!(run.code == 5 && run.err.contains("chmod 600"), "{}{}", run.out, run.err);
}

/// Makes a centre whose operator key has a passphrase; returns the file with it, too.
fn locked(scene: &Scene) -> (Site, String) {
    let site = Site { home: scene.path().join("locked") };
    let passphrase = scene.file("baraza-passphrase", "correct horse battery staple\n");
    let whose =
        ["init", "--name", "Locked", "--country", "KE", "--contact", "office@centre.example.org"];
    let made = site.run(&[&whose[..], &["--passphrase-file", &passphrase]].concat());
    assert_eq!(made.code, 0, "{}{}", made.out, made.err);
    (site, passphrase)
}

#[test]
fn a_passphrase_comes_from_a_file_or_from_systemd() {
    let scene = Scene::new();
    let (site, passphrase) = locked(&scene);
    let draft = scene.file("n.md", lesson("Title", "It worked."));
    let alone = site.run(&["publish", &draft, "--passphrase-file", &passphrase]);
    assert_eq!(alone.code, 0, "{}{}", alone.out, alone.err);
    assert_eq!(site.run(&["unlock", "--passphrase-file", &passphrase]).code, 7, "no daemon");
    let _daemon = site.start_with_credentials(scene.path());
    assert_eq!(site.json(&["status"])["unlocked"], true);
}

#[test]
fn a_locked_key_stops_publishing_alone() {
    let scene = Scene::new();
    let (site, passphrase) = locked(&scene);
    let _daemon = site.start(&[]);
    assert_eq!(site.json(&["status"])["unlocked"], false);
    let draft = scene.file("n.md", lesson("Title", "It worked."));
    let refused = site.run(&["publish", &draft]);
    assert!(refused.code == 8 && refused.err.contains("unlock"), "{}{}", refused.out, refused.err);
    assert_eq!(site.run(&["list"]).code, 0);
    let wrong = scene.file("wrong", "not this\n");
    assert_eq!(site.run(&["unlock", "--passphrase-file", &wrong]).code, 8);
    let unlocked = site.run(&["unlock", "--passphrase-file", &passphrase]);
    assert_eq!(unlocked.code, 0, "{}{}", unlocked.out, unlocked.err);
    assert_eq!(site.publish(&draft).len(), 1);
}

#[test]
fn a_bootstrap_address_that_is_no_address_is_named() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    let run = alice.run(&["start", "--bootstrap", "example.org:4640"]);
    assert!(run.code == 3 && run.err.contains("example.org:4640"), "{}{}", run.out, run.err);
}

#[test]
fn a_dead_address_and_another_program_are_told_apart() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = web.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in web.incoming().flatten() {
            let mut stream = stream;
            let mut buffer = [0; 512];
            let _ = stream.read(&mut buffer);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let addresses = [dead, port].map(|port| format!("/ip4/127.0.0.1/tcp/{port}"));
    let _daemon = alice.start(&[&addresses[0], &addresses[1]]);
    until("both failures to be told", || {
        let peers = alice.json(&["peers"]).to_string();
        addresses.iter().all(|address| peers.contains(address.as_str()))
    });
    let failures = alice.json(&["peers"])["dial_failures"].clone();
    let reasons: Vec<_> =
        failures.as_array().unwrap().iter().map(|failure| failure[1].as_str().unwrap()).collect();
    assert_ne!(reasons[0], reasons[1], "{failures}");
}

#[test]
fn the_recovery_key_is_asked_for_until_it_is_put_away() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    let warnings = |site: &Site| site.json(&["status"])["warnings"].to_string();
    assert!(warnings(&alice).contains("recovery"));
    let early = alice.run(&["status", "--recovery-stored"]);
    assert_eq!(early.code, 5, "{}{}", early.out, early.err);
    let _a = alice.start(&[]);
    assert!(warnings(&alice).contains("recovery"));
    std::fs::remove_dir_all(scene.path().join("alice-recovery")).unwrap();
    assert_eq!(alice.run(&["status", "--recovery-stored"]).code, 0);
    assert!(!warnings(&alice).contains("recovery"), "also while the node runs");
}
