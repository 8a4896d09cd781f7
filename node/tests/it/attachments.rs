//! Files of records with real daemons: attached, cleaned, fetched, resumed, pinned, erased.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::harness::{Scene, Site, agree, lesson, until};

/// A picture in form, with a place and a name in it.
fn photo(bytes: usize) -> Vec<u8> {
    let segment = |marker: u8, content: &[u8]| {
        let length = (content.len() as u16 + 2).to_be_bytes();
        [&[0xff, marker], &length[..], content].concat()
    };
    let mut file = vec![0xff, 0xd8];
    file.extend(segment(0xe1, b"Exif\0\0GPS 1.2921S 36.8219E Njeri Example"));
    file.extend(segment(0xdb, &[7; 65]));
    file.extend(segment(0xda, &[1, 1, 0, 0, 63, 0]));
    let mut seed = 7_u32;
    file.extend((0..bytes).map(|_| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8 & 0x7f
    }));
    file.extend([0xff, 0xd9]);
    file
}

fn with_file(title: &str, list: &str) -> String {
    lesson(title, "It was seen.").replace("sdg: [6.2]\n", &format!("sdg: [6.2]\n{list}"))
}

/// Returns the first attachment of a record as `show` sees it.
fn attachment(site: &Site, id: &str) -> serde_json::Value {
    site.json(&["show", id])["attachments"][0].clone()
}

#[test]
fn a_draft_gets_a_clean_photograph_and_others_fetch_it() {
    let scene = Scene::new();
    let (alice, bob, carol) = (scene.centre("alice"), scene.centre("bob"), scene.centre("carol"));
    let a = alice.start(&[]);
    let photo = photo(900_000);
    let file = scene.file("tank.jpg", &photo);
    let draft = scene.file("tank.md", lesson("A tank", "It was seen."));
    let kept = alice.json(&["draft", "import", &draft]);
    let draft = kept[0]["id"].as_str().unwrap();

    let unsaid = alice.run(&["attach", draft, &file]);
    assert_eq!(unsaid.code, 3, "{}", unsaid.err);
    assert!(unsaid.err.contains("--no-people"), "{}", unsaid.err);
    let pdf = scene.file("report.pdf", b"%PDF-1.7 by Njeri Example");
    let refused = alice.run(&["attach", draft, &pdf]);
    assert!(refused.code == 3 && refused.err.contains("--as-is"), "{}", refused.err);

    let attached = alice.run(&["attach", draft, &file, "--title", "The tank", "--no-people"]);
    assert_eq!(attached.code, 0, "{}", attached.err);
    assert!(attached.out.contains("Exif (camera, time, place)"), "{}", attached.out);
    let run = alice.json(&["attach", draft, &pdf, "--as-is"]);
    assert_eq!(
        (&run["number"], &run["attachment"]["mime"]),
        (&2.into(), &"application/pdf".into())
    );
    let released = alice.json(&["draft", "release", draft]);
    let id = released[0]["id"].as_str().expect("an id").to_owned();

    let b = bob.start(&[&a.address]);
    agree(&[&alice, &bob], 1);
    let out = scene.path().join("here.jpg");
    let out = out.display().to_string();
    let fetched = bob.run(&["fetch", &id, "1", "--to", &out]);
    assert_eq!(fetched.code, 0, "{}", fetched.err);
    let here = fs::read(&out).unwrap();
    assert!(here.len() < photo.len() && here.starts_with(&[0xff, 0xd8]), "{}", here.len());
    assert!(!here.windows(5).any(|window| window == b"Njeri"));
    // Not more than that came: the other one is small, and comes by itself.
    until("the small one", || bob.json(&["show", &id])["attachments"][1]["whole"] == true);
    assert_eq!(bob.run(&["pin", &id, "1"]).code, 0);
    assert_eq!(attachment(&bob, &id)["pinned"], true);
    let folder = bob.home.join("attachments");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for entry in fs::read_dir(&folder).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }

    // The author is away; carol gets it from bob, is killed in the middle, and goes on.
    a.stop();
    let c = carol.start(&[&b.address]);
    agree(&[&bob, &carol], 1);
    assert_eq!(carol.run(&["fetch", &id, "1", "--no-wait"]).code, 0);
    until("some of it", || attachment(&carol, &id)["bytes_held"].as_u64().unwrap() != 0);
    c.kill();
    let c = carol.start(&[&b.address]);
    until("all of it", || attachment(&carol, &id)["whole"] == true);
    c.stop();
    b.stop();
    for site in [&alice, &bob, &carol] {
        let checked = site.run(&["check", "--full"]);
        assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
        assert!(checked.out.contains("2 attachments read"), "{}", checked.out);
    }
    // Without a daemon too, what is here is written out.
    assert_eq!(carol.run(&["fetch", &id, "1", "--to", &out, "--yes"]).code, 0);
    assert_eq!(fs::read(&out).unwrap(), here);
}

#[test]
fn a_draft_file_names_its_files_and_publishes_with_them() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    scene.file("levels.csv", "day,level\n1,3\n");
    let entry = "attachments:\n  - file: levels.csv\n    title: Levels\n";
    let draft = scene.file("tank.md", with_file("A tank", entry));
    let dry = alice.run(&["publish", &draft, "--dry-run"]);
    assert_eq!(dry.code, 0, "{}{}", dry.out, dry.err);
    assert!(!alice.home.join("attachments").exists(), "a check brings nothing");
    let id = alice.publish(&draft).remove(0);
    let one = attachment(&alice, &id);
    assert_eq!((&one["whole"], &one["mime"]), (&true.into(), &"text/csv".into()));
    let shown = alice.json(&["show", &id]);
    assert!(shown["body"]["attachments"][0].get("file").is_none(), "no name of ours goes out");
    let out = alice.run(&["fetch", &id, "--to", &scene.path().display().to_string()]);
    assert!(out.code == 0 && out.out.contains(".csv"), "{}{}", out.out, out.err);

    for (entry, said) in [
        ("attachments:\n  - file: ../keys/x\n    title: X\n", "in the folder of the draft"),
        ("attachments:\n  - file: /etc/passwd\n    title: X\n", "in the folder of the draft"),
        ("attachments:\n  - file: nothing.csv\n    title: X\n", "cannot be read"),
        ("attachments:\n  - file: photo.jpg\n    title: X\n", "depicts_people"),
    ] {
        scene.file("photo.jpg", photo(10));
        let draft = scene.file("bad.md", with_file("Bad", entry));
        let run = alice.run(&["publish", &draft]);
        assert!(run.code == 3 && run.out.contains(said), "{}{}", run.out, run.err);
    }
    let hash = "ab".repeat(32);
    let entry =
        format!("attachments:\n  - hash: {hash}\n    bytes: 5\n    mime: text/csv\n    title: X\n");
    let run = alice.run(&["publish", &scene.file("bad.md", with_file("Bad", &entry))]);
    assert!(run.code == 3 && run.out.contains("is not on this node"), "{}{}", run.out, run.err);
}

#[test]
fn an_erased_record_takes_its_file_off_every_disk() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    let a = alice.start(&[]);
    let b = bob.start(&[&a.address]);
    scene.file("levels.csv", "day,level\n1,quokkalandia\n");
    let entry = "attachments:\n  - file: levels.csv\n    title: Levels\n";
    let id = alice.publish(&scene.file("tank.md", with_file("A tank", entry))).remove(0);
    agree(&[&alice, &bob], 1);
    until("the file comes", || attachment(&bob, &id)["whole"] == true);
    let files = |site: &Site| fs::read_dir(site.home.join("attachments")).unwrap().count();
    assert_eq!((files(&alice), files(&bob)), (2, 2));
    let run = alice.run(&["retract", &id, "--reason", "legal", "--erase", "--now", "--yes"]);
    assert_eq!(run.code, 0, "{}", run.err);
    until("the files go", || files(&alice) + files(&bob) == 0);
    let fetch = bob.run(&["fetch", &id]);
    assert_eq!(fetch.code, 4, "{}", fetch.err);
    for daemon in [a, b] {
        daemon.stop();
    }
}

#[test]
fn damage_and_strange_files_in_the_folder_are_found() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    scene.file("levels.csv", "day,level\n1,3\n");
    let entry = "attachments:\n  - file: levels.csv\n    title: Levels\n";
    let id = alice.publish(&scene.file("tank.md", with_file("A tank", entry))).remove(0);
    let hash = attachment(&alice, &id)["hash"].as_str().unwrap().to_owned();
    let path = alice.home.join("attachments").join(&hash);
    let good = fs::read(&path).unwrap();
    fs::write(path.with_file_name("notes.txt"), "of somebody else").unwrap();
    fs::write(&path, "day,level\n1,9\n").unwrap();

    let checked = alice.run(&["check", "--full"]);
    assert!(checked.code == 6 && checked.out.contains(&hash), "{}{}", checked.out, checked.err);
    let out = scene.path().join("out").display().to_string();
    let fetch = alice.run(&["fetch", &id, "--to", &out]);
    assert_eq!(fetch.code, 6, "{}", fetch.err);
    let repaired = alice.run(&["repair", "--yes"]);
    assert!(repaired.out.contains("is set aside"), "{}{}", repaired.out, repaired.err);
    assert_eq!(attachment(&alice, &id)["whole"], false);

    // A copy put back into the folder counts, once it matches its name.
    fs::write(&path, &good).unwrap();
    assert_eq!(attachment(&alice, &id)["whole"], true);
    assert_eq!(alice.run(&["check", "--full"]).code, 0);
    assert!(path.with_file_name("notes.txt").exists(), "what is not ours is left alone");
}
