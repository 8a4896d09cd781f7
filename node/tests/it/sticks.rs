//! Sites that never share a link: have-files and bundles go to and fro on a stick.

use std::{collections::BTreeSet, fs, path::Path};

use baraza_record::{
    exchange::Note,
    frame::{Frame, FrameReader},
};

use crate::{
    ceremonies::{ok, one, recovery},
    harness::{Run, Scene, Site, lesson},
};

/// Returns the frames of a file that are objects, encoded.
fn objects(path: &Path) -> BTreeSet<Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let frames = FrameReader::new(&bytes[..]).map(|item| item.unwrap().1);
    let objects = frames.filter(|frame| !matches!(frame, Frame::Exchange(_)));
    let encoded = objects.map(|frame| {
        let mut bytes = Vec::new();
        frame.encode_into(&mut bytes);
        bytes
    });
    encoded.collect()
}

/// Returns all that a site holds, as the frames of a whole bundle.
fn all(scene: &Scene, site: &Site) -> BTreeSet<Vec<u8>> {
    let path = scene.path_of("whole.bundle");
    ok(site.run(&["bundle", "create", &path, "--yes"]));
    objects(Path::new(&path))
}

/// Returns the files of a folder.
fn files(folder: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> =
        entries.map(|entry| entry.unwrap().path().display().to_string()).collect();
    files.sort();
    files
}

/// Carries what `to` lacks from `from`; checks that no more and no less is carried.
#[track_caller]
fn carry(scene: &Scene, from: &Site, to: &Site, split: &[&str]) -> usize {
    let (have, stick) = (scene.path_of("stick.have"), scene.path_of("stick"));
    fs::remove_dir_all(&stick).ok();
    ok(to.run(&["bundle", "have", "-o", &have, "--yes"]));
    ok(to.run(&["verify", &have]));
    let lacking: Vec<_> = {
        let held = all(scene, to);
        all(scene, from).into_iter().filter(|object| !held.contains(object)).collect()
    };
    let wanted: usize = lacking.iter().map(Vec::len).sum();
    let created =
        from.json(&[&["bundle", "create", "--for", &have, "--to", &stick], split].concat());
    let written = created["bytes"].as_u64().unwrap() as usize;
    assert_eq!(files(&stick).len(), created["files"].as_array().unwrap().len());
    let carried: BTreeSet<_> =
        files(&stick).iter().flat_map(|file| objects(Path::new(file))).collect();
    assert_eq!(carried, lacking.into_iter().collect(), "exactly what is missing");
    assert!(written <= wanted + wanted / 20 + 512, "{written} bytes for {wanted}");
    if written != 0 {
        for file in files(&stick) {
            ok(from.run(&["verify", &file]));
        }
        ok(to.run(&["bundle", "import", &stick]));
    }
    written
}

fn publish_some(scene: &Scene, site: &Site, round: usize) -> Vec<String> {
    let title = |n| format!("Round {round}, lesson {n} of {}", site.home.display());
    (0..4).map(|n| one(scene, site, &title(n))).collect()
}

//     alice    bob    carol        no link at all; one stick
#[test]
fn sites_that_never_connect_end_with_one_set() {
    let scene = Scene::new();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| scene.centre(name));
    for round in 0..4 {
        // Both write at the same time, before the stick goes round.
        let (of_alice, of_bob) =
            (publish_some(&scene, &alice, round), publish_some(&scene, &bob, round));
        let draft = scene.file("next.md", lesson("A better lesson", "It worked twice."));
        ok(alice.run(&["revise", &of_alice[0], &draft]));
        ok(bob.run(&["retract", &of_bob[1], "--reason", "error", "--yes"]));
        if round == 2 {
            let [next, other] =
                [1, 2].map(|number| format!("{}/next-{number}.pem", recovery(&alice)));
            let keys = ["--next-key", &next, "--next-key", &other];
            let folder = scene.path_of("new-keys");
            let rest = ["--recovery", &folder, "--no-passphrase", "--yes"];
            ok(alice.run(&[&["centre", "rotate"], &keys[..], &rest[..]].concat()));
        }
        assert_ne!(carry(&scene, &alice, &bob, &[]), 0);
        assert_ne!(carry(&scene, &bob, &alice, &["--split", "2MiB"]), 0);
        assert_eq!(alice.digest(), bob.digest(), "round {round}");
    }
    let nothing = carry(&scene, &alice, &bob, &[]) + carry(&scene, &bob, &alice, &[]);
    assert_eq!(nothing, 0, "nothing is left to carry");
    carry(&scene, &bob, &carol, &[]);
    carry(&scene, &carol, &alice, &[]);
    carry(&scene, &carol, &bob, &[]);
    assert_eq!((alice.digest(), bob.digest()), (carol.digest(), carol.digest()));
    let status = carol.json(&["status"]);
    assert_eq!((&status["held"], &status["bodies_missing"]), (&0.into(), &0.into()));
    assert_eq!(status["records"], 4 * (4 + 4 + 1 + 1));
}

/// Publishes that many lessons of about 6 KB: several parts together.
fn publish_large(scene: &Scene, site: &Site, count: usize) {
    let text = "A long account of what happened at the well. ".repeat(33);
    let rows = (0..count).map(|n| {
        format!(
            "lesson,en,Long lesson {n},worked,KE,6.1,{text},{text},{text},Ask first,There are \
             users,true\n"
        )
    });
    let header = "kind,language,title,polarity,countries,sdg,context,event,lesson,recommendation,\
                  applies_when,sensitivity_checked\n";
    let table = header.to_owned() + &rows.collect::<String>();
    site.publish(&scene.file("long.csv", table));
}

fn parts(scene: &Scene, site: &Site, folder: &str) -> Vec<String> {
    let to = scene.path_of(folder);
    ok(site.run(&["bundle", "create", "--to", &to, "--split", "2MiB"]));
    let parts = files(&to);
    for part in &parts {
        assert!(fs::metadata(part).unwrap().len() <= 2 * 1_024 * 1_024, "{part}");
        ok(site.run(&["verify", part]));
    }
    parts
}

fn text(run: &Run) -> String {
    format!("{}{}", run.out, run.err)
}

#[test]
fn parts_go_in_in_any_order_and_missing_ones_are_named() {
    let scene = Scene::new();
    let (alice, bob, carol) = (scene.centre("alice"), scene.centre("bob"), scene.centre("carol"));
    publish_large(&scene, &alice, 1_000);
    let parts = parts(&scene, &alice, "parts");
    assert!(2 < parts.len(), "{parts:?}");
    let backwards: Vec<_> = parts.iter().rev().map(String::as_str).collect();
    ok(bob.run(&[&["bundle", "import"], &backwards[..]].concat()));
    assert_eq!(bob.json(&["status"])["records"], 1_000);

    // The second part is lost, and the beginning of the first is damaged.
    let second = scene.path_of("second");
    fs::rename(&parts[1], &second).unwrap();
    let mut bytes = fs::read(&parts[0]).unwrap();
    bytes[40] ^= 1;
    fs::write(&parts[0], &bytes).unwrap();
    let folder = scene.path_of("parts");
    let run = carol.run(&["bundle", "import", &folder]);
    assert_eq!(run.code, 9, "{}", text(&run));
    let name = Path::new(&parts[1]).file_name().unwrap().to_str().unwrap();
    assert!(run.out.contains(&format!("missing of {} parts: {name}", parts.len())), "{}", run.out);
    assert!(run.out.contains("damaged: bytes 16 to"), "{}", run.out);
    assert_ne!(carol.json(&["status"])["records"], 0);
    // It turns up again, and all that waited for it goes in.
    let run = carol.run(&["bundle", "import", &folder, &second]);
    assert_eq!(run.code, 9, "the first one is still damaged: {}", text(&run));
    assert!(!run.out.contains("missing of"), "{}", run.out);
    assert_eq!(carol.json(&["status"])["records"], 1_000);
    assert_eq!(carol.json(&["status"])["bodies_missing"], 0);
}

#[test]
fn an_import_that_was_cut_off_goes_on() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    publish_large(&scene, &alice, 500);
    let folder = scene.path_of("parts");
    parts(&scene, &alice, "parts");
    for _ in 0..6 {
        let before = bob.json(&["status"])["records"].as_u64().unwrap();
        let mut child = bob.spawn(&["bundle", "import", &folder]);
        // As soon as the ledger grows, the power goes.
        let size = || {
            files(&bob.home.join("ledger").display().to_string())
                .iter()
                .filter_map(|file| fs::metadata(file).ok())
                .map(|file| file.len())
                .sum::<u64>()
        };
        let start = size();
        while size() == start && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().ok();
        child.wait().unwrap();
        assert!(before <= bob.json(&["status"])["records"].as_u64().unwrap());
    }
    ok(bob.run(&["bundle", "import", &folder]));
    assert_eq!(bob.json(&["status"])["records"], 500);
    let again = bob.json(&["bundle", "import", &folder]);
    for report in again.as_array().unwrap() {
        assert_eq!(report["imported"]["inserted"], 0, "{report}");
    }
}

#[test]
fn a_have_file_tells_only_of_what_it_was_asked_for() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    carry(&scene, &bob, &alice, &[]);
    let id = bob.json(&["centre", "show"])["id"].as_str().unwrap().to_owned();
    let draft = scene.file("for-bob.md", lesson("For bob alone", "It worked."));
    ok(alice.run(&["publish", &draft, "--audience", &format!("centres:{id}")]));
    let feeds = |options: &[&str]| {
        let have = scene.path_of("a.have");
        ok(alice.run(&[&["bundle", "have", "-o", &have, "--yes"], options].concat()));
        let bytes = fs::read(have).unwrap();
        let notes = FrameReader::new(&bytes[..]).filter_map(|item| match item.unwrap().1 {
            Frame::Exchange(content) => Note::decode(&content),
            _ => None,
        });
        let feeds = notes.map(|note| if let Note::Feeds(heads) = note { heads.len() } else { 0 });
        feeds.sum::<usize>()
    };
    assert_eq!(feeds(&[]), 0);
    assert_eq!(feeds(&["--for", &id]), 1);

    let (have, stick) = (scene.path_of("b.have"), scene.path_of("stick"));
    ok(bob.run(&["bundle", "have", "-o", &have]));
    fs::remove_dir_all(&stick).ok();
    let create = ["bundle", "create", "--for", &have, "--to", &stick];
    ok(alice.run(&create));
    assert!(files(&stick).iter().all(|file| {
        let bytes = fs::read(file).unwrap();
        !bytes.windows(13).any(|window| window == b"For bob alone")
    }));
    ok(alice.run(&[&create[..], &["--for", &id]].concat()));
    ok(bob.run(&["bundle", "import", &stick]));
    assert_eq!(bob.json(&["status"])["records"], 1);
}
