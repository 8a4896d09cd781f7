//! Attachments on a disk that loses, damages and refuses.

use std::{fs, os::unix::fs::PermissionsExt};

use baraza_protocol::store::{Store, StoreError, StoreRead};
use baraza_record::{
    FileHash,
    attachment::{self, GROUP_BYTES, VerifiedPart},
};
use baraza_store::{CheckLevel, LedgerStore, Options};

use crate::support::{Home, options};

fn file(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n % 241) as u8 ^ (n >> 14) as u8).collect()
}

fn parts(file: &[u8]) -> Vec<VerifiedPart> {
    attachment::parts(file, 2).map(|part| part.verify().unwrap()).collect()
}

fn put(store: &mut LedgerStore, parts: &[VerifiedPart]) {
    parts.iter().for_each(|part| store.put_attachment(part).unwrap());
}

fn groups(store: &LedgerStore, hash: &FileHash) -> Option<Vec<bool>> {
    store.attachment(hash).unwrap().map(|held| held.groups.unwrap_or_default())
}

#[test]
fn a_part_survives_from_its_commit_on_and_the_rest_follows() {
    let home = Home::new();
    let file = file(7 * GROUP_BYTES + 10);
    let parts = parts(&file);
    let hash = parts[0].hash();
    let mut store = home.open();
    put(&mut store, &parts[..2]);
    store.commit().unwrap();
    // Written and not committed: gone with the process.
    put(&mut store, &parts[2..3]);
    drop(store);
    let (mut store, _) = home.reopen(&options());
    let held = [true, true, true, true, false, false, false, false];
    assert_eq!(groups(&store, &hash), Some(held.to_vec()));
    put(&mut store, &parts[2..]);
    store.commit().unwrap();
    drop(store);
    let (store, _) = home.reopen(&options());
    assert!(store.attachment(&hash).unwrap().unwrap().is_whole());
    let part = store.reader().attachment_part(&hash, 3, 2).unwrap().unwrap().verify().unwrap();
    assert_eq!(part.data(), &file[3 * GROUP_BYTES..5 * GROUP_BYTES]);
    let names = fs::read_dir(home.path().join("attachments")).unwrap();
    let mut names: Vec<_> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, [hash.to_string(), format!("{hash}.tree")], "nothing else is left");
}

#[test]
fn what_a_crash_left_without_its_note_is_removed() {
    let home = Home::new();
    let parts = parts(&file(5 * GROUP_BYTES));
    let hash = parts[0].hash();
    let mut store = home.open();
    put(&mut store, &parts[..1]);
    store.commit().unwrap();
    drop(store);
    let have = home.path().join("attachments").join(format!("{hash}.have"));
    let mut note = fs::read(&have).unwrap();
    note[12] ^= 1;
    fs::write(&have, note).unwrap();
    let (store, _) = home.reopen(&options());
    assert_eq!(groups(&store, &hash), None, "a note that is damaged says nothing");
    assert_eq!(fs::read_dir(home.path().join("attachments")).unwrap().count(), 0);
}

#[test]
fn a_file_that_is_not_what_its_name_says_is_never_given() {
    let home = Home::new();
    let file = file(5 * GROUP_BYTES);
    let parts = parts(&file);
    let hash = parts[0].hash();
    let mut store = home.open();
    put(&mut store, &parts);
    store.commit().unwrap();
    let path = home.path().join("attachments").join(hash.to_string());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut bad = file.clone();
    bad[GROUP_BYTES + 1] ^= 1;
    fs::write(&path, &bad).unwrap();
    let reader = store.reader();
    assert!(reader.attachment_part(&hash, 0, 1).unwrap().is_some(), "this part is whole");
    let damaged = reader.attachment_part(&hash, 1, 1);
    assert!(matches!(damaged, Err(StoreError::Damaged { .. })), "{damaged:?}");
    assert_eq!(reader.check(CheckLevel::Ledger).unwrap().problem_count, 0);
    assert_eq!(reader.check(CheckLevel::Full).unwrap().problem_count, 1);
    drop((store, reader));
    let (store, report) = home.reopen(&Options { rebuild: true, ..options() });
    assert_eq!(report.attachments_damaged, [hash.to_string()]);
    assert_eq!(store.attachment(&hash).unwrap(), None);
    drop(store);
    // What somebody puts there counts if it matches its name, and only then.
    fs::write(&path, &file).unwrap();
    fs::write(path.with_file_name("ab".repeat(32)), b"of another name").unwrap();
    fs::write(path.with_file_name("notes"), b"no hash").unwrap();
    std::os::unix::fs::symlink("/etc/hostname", path.with_file_name("cd".repeat(32))).unwrap();
    let (store, report) = home.reopen(&options());
    assert_eq!(report.attachments_damaged, ["ab".repeat(32)]);
    let listed = store.attachments(None, 9).unwrap();
    assert_eq!(listed.iter().map(|(hash, _)| *hash).collect::<Vec<_>>(), [hash]);
    assert!(path.with_file_name("notes").exists());
}

#[test]
fn a_full_disk_takes_no_part_and_still_drops_files() {
    let home = Home::new();
    let parts = parts(&file(5 * GROUP_BYTES));
    let hash = parts[0].hash();
    let mut store = home.open();
    put(&mut store, &parts[..1]);
    store.commit().unwrap();
    drop(store);
    let (mut store, _) = home.reopen(&Options { floor_bytes: Some(u64::MAX), ..options() });
    let refused = store.put_attachment(&parts[1]);
    assert!(matches!(refused, Err(StoreError::DiskFull { .. })), "{refused:?}");
    store.drop_attachment(&hash).unwrap();
    store.commit().unwrap();
    assert_eq!(store.attachment(&hash).unwrap(), None);
    assert_eq!(fs::read_dir(home.path().join("attachments")).unwrap().count(), 0);
}
