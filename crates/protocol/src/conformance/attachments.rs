//! Attachments: parts come in any order, and a whole file is given in parts again.

use baraza_record::{
    FileHash,
    attachment::{self, GROUP_BYTES, VerifiedPart},
};

use crate::store::{HeldFile, Store, StoreRead};

use super::ok;

/// Returns a file of `bytes` bytes, another one for each `seed`.
fn file(seed: u8, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n % 251) as u8 ^ seed ^ (n >> 14) as u8).collect()
}

fn parts(file: &[u8], count: u32) -> Vec<VerifiedPart> {
    let parts = attachment::parts(file, count).map(|part| part.verify());
    parts.map(|part| part.expect("it is of the file")).collect()
}

fn put_whole<S: Store>(store: &mut S, file: &[u8]) -> FileHash {
    let parts = parts(file, 4);
    parts.iter().for_each(|part| ok(store.put_attachment(part)));
    parts.first().expect("a file has a group").hash()
}

pub(super) fn a_file_is_whole_with_its_last_part<S: Store>(store: &mut S) {
    let file = file(1, 5 * GROUP_BYTES + 7);
    let mut parts = parts(&file, 2);
    let hash = parts[0].hash();
    assert_eq!(ok(store.attachment(&hash)), None);
    parts.swap(0, 2);
    let bytes = file.len() as u64;
    let partial = |held: [u8; 6]| {
        let groups = held.iter().map(|held| *held == 1).collect();
        Some(HeldFile { bytes, groups: Some(groups) })
    };
    ok(store.put_attachment(&parts[0]));
    let reader = store.reader();
    assert_eq!(ok(store.attachment(&hash)), partial([0, 0, 0, 0, 1, 1]), "the writer sees it");
    assert_eq!(ok(reader.attachment(&hash)), None);
    ok(store.commit());
    assert_eq!(ok(reader.attachment(&hash)), partial([0, 0, 0, 0, 1, 1]));
    ok(store.put_attachment(&parts[1]));
    ok(store.put_attachment(&parts[1]));
    ok(store.commit());
    assert_eq!(ok(reader.attachment(&hash)), partial([0, 0, 1, 1, 1, 1]));
    assert_eq!(ok(reader.attachment_part(&hash, 4, 1)), None, "nothing is given of half a file");
    ok(store.put_attachment(&parts[2]));
    ok(store.commit());
    let whole = HeldFile { bytes, groups: None };
    assert_eq!(ok(reader.attachment(&hash)), Some(whole.clone()));
    ok(store.put_attachment(&parts[2]));
    ok(store.commit());
    assert_eq!(ok(store.attachment(&hash)), Some(whole), "once more changes nothing");
}

pub(super) fn parts_of_a_whole_file_are_proved<S: Store>(store: &mut S) {
    for (seed, bytes) in
        [0, 1, GROUP_BYTES, 3 * GROUP_BYTES, 9 * GROUP_BYTES + 1].iter().enumerate()
    {
        let file = file(seed as u8, *bytes);
        let hash = put_whole(store, &file);
        ok(store.commit());
        let reader = store.reader();
        let (mut read, mut from) = (Vec::new(), 0);
        while let Some(part) = ok(reader.attachment_part(&hash, from, 4)) {
            let part = part.verify().expect("it is of the file");
            assert_eq!((part.hash(), part.bytes()), (hash, *bytes as u64));
            read.extend_from_slice(part.data());
            from = part.range().end;
        }
        assert_eq!(read, file);
        assert_eq!(from, attachment::groups(*bytes as u64));
        assert_eq!(ok(reader.attachment_part(&hash, u32::MAX, u32::MAX)), None);
    }
}

pub(super) fn a_file_is_dropped_and_may_come_again<S: Store>(store: &mut S) {
    let file = file(7, 3 * GROUP_BYTES);
    let hash = put_whole(store, &file);
    ok(store.commit());
    ok(store.drop_attachment(&hash));
    assert_eq!(ok(store.attachment(&hash)), None, "the writer sees it");
    assert!(ok(store.reader().attachment(&hash)).is_some());
    ok(store.commit());
    assert_eq!(ok(store.reader().attachment(&hash)), None);
    assert_eq!(ok(store.reader().attachment_part(&hash, 0, 1)), None);
    ok(store.drop_attachment(&hash));
    ok(store.put_attachment(&parts(&file, 1)[1]));
    ok(store.commit());
    let held = ok(store.attachment(&hash)).expect("a part is held");
    assert_eq!(held.groups, Some(vec![false, true, false]), "what was dropped is gone");
    ok(store.drop_attachment(&hash));
    put_whole(store, &file);
    ok(store.commit());
    assert!(ok(store.attachment(&hash)).is_some_and(|held| held.is_whole()));
}

pub(super) fn files_are_listed_by_page<S: Store>(store: &mut S) {
    let mut all: Vec<_> = (0..5).map(|seed| put_whole(store, &file(seed, 100))).collect();
    all.push(parts(&file(9, 2 * GROUP_BYTES), 1)[0].hash());
    ok(store.put_attachment(&parts(&file(9, 2 * GROUP_BYTES), 1)[0]));
    all.sort();
    let listed = |store: &dyn StoreRead, after, count| {
        let page = ok(store.attachments(after, count));
        page.into_iter().map(|(hash, _)| hash).collect::<Vec<_>>()
    };
    assert_eq!(listed(store, None, 100), all, "the writer sees them");
    ok(store.commit());
    let reader = store.reader();
    assert_eq!(listed(&reader, None, 4), all[..4]);
    assert_eq!(listed(&reader, Some(all[3]), 4), all[4..]);
    assert_eq!(listed(&reader, Some(all[5]), 4), []);
}
