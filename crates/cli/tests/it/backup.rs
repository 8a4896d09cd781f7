//! Backups on the command line.

use baraza_record::{
    CentreId, Timestamp,
    backup::{Part, pieces},
    frame::{Frame, PREAMBLE},
};

use crate::support::{Node, Program, run};

/// 31 days in milliseconds.
const MONTH_MS: u64 = 31 * 24 * 60 * 60 * 1_000;

fn stream(parts: &[Part]) -> Vec<u8> {
    let mut bytes = PREAMBLE.to_vec();
    parts.iter().for_each(|part| Frame::Private(part.encode()).encode_into(&mut bytes));
    bytes
}

fn whole() -> Vec<Part> {
    let mut parts = vec![Part::Start { made_ms: Timestamp(1), centre: CentreId([0xa1; 32]) }];
    parts.extend(pieces("config.toml", b"version = 1\n"));
    parts.push(Part::End { frames: 2 });
    parts
}

#[test]
fn a_backup_says_what_is_in_it_and_what_must_be_kept_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.backup");
    let program = Program { last_backup: Some(1), ..Program::with(Node::default()) };
    let shown = run(&program, &["backup", path.to_str().unwrap()]);
    assert_eq!(shown.exit, 0, "{shown:?}");
    assert!(
        shown.out.contains("a.backup (2 KB)") || shown.out.contains("a.backup (2"),
        "{shown:?}"
    );
    assert!(shown.out.contains("The last backup was made 1970-01-01"), "{shown:?}");
    for apart in ["No key is in it", "root key", "recovery folder"] {
        assert!(shown.err.contains(apart), "{apart}: {shown:?}");
    }
    std::fs::write(&path, "old").unwrap();
    let refused = run(&program, &["backup", path.to_str().unwrap()]);
    assert_eq!(refused.exit, 2, "nothing is written over unasked: {refused:?}");
    assert_eq!(run(&program, &["backup", path.to_str().unwrap(), "--yes"]).exit, 0);
    assert_eq!(program.done.borrow().len(), 2);
}

#[test]
fn a_restore_says_what_comes_next_and_what_is_missing() {
    let program = Program::with(Node::default());
    let shown = run(&program, &["restore", "a.backup", "--no-passphrase"]);
    assert_eq!(shown.exit, 0, "{shown:?}");
    assert!(shown.out.contains("Words    legal winner"), "{shown:?}");
    assert!(!shown.out.contains('\u{1b}'), "{shown:?}");
    assert!(shown.err.contains("baraza operator add"), "{shown:?}");
    let part = run(&program, &["restore", "a.backup", "--no-passphrase", "--label", "damaged"]);
    assert_eq!(part.exit, 9, "{part:?}");
    let locked = run(&program, &["restore", "a.backup"]);
    assert_eq!(locked.exit, 2, "a new key needs a passphrase, or that there is none: {locked:?}");
}

#[test]
fn the_status_reminds_of_an_old_backup_and_of_none_quietly() {
    let recent = crate::support::NOW.0 - MONTH_MS / 31;
    let old = crate::support::NOW.0 - MONTH_MS;
    for (last, reminds) in [(None, true), (Some(old), true), (Some(recent), false)] {
        let node = Node::default().json("GET /v1/status", &crate::views::status());
        let program = Program { last_backup: last, ..Program::with(node) };
        let shown = run(&program, &["status"]);
        assert_eq!(shown.exit, 0, "{shown:?}");
        assert!(shown.out.contains("\nBackup"), "{shown:?}");
        assert_eq!(shown.out.contains("baraza backup DIR"), reminds, "{last:?} {shown:?}");
        assert!(!shown.out.contains("warning:"), "{shown:?}");
    }
}

#[test]
fn verify_tells_a_whole_backup_from_one_with_a_part_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.backup");
    let verify = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        run(&Program::with(Node::default()), &["verify", path.to_str().unwrap()])
    };
    let good = verify(&stream(&whole()));
    assert_eq!(good.exit, 0, "{good:?}");
    assert!(good.out.contains("backup of a node of centre a1a1a1a1a1a1"), "{good:?}");
    for lost in 0..3 {
        let mut parts = whole();
        parts.remove(lost);
        let shown = verify(&stream(&parts));
        assert_eq!(shown.exit, 9, "without part {lost}: {shown:?}");
        assert!(shown.out.contains("not complete"), "without part {lost}: {shown:?}");
    }
    let bytes = stream(&whole());
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 4;
        let shown = verify(&flipped);
        assert_ne!(shown.exit, 0, "byte {at}: {shown:?}");
    }
}
