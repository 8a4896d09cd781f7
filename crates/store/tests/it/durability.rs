//! Power cuts, lost indexes and own heads.
//!
//! Invariant under test: whatever becomes of sled, the fsynced ledger has every
//! acknowledged record, and reading it in gives the same store.

use std::fs;

use baraza_protocol::store::{BodyState, FeedHead, Store, StoreRead, Table};
use baraza_store::CheckLevel;

use crate::support::{Author, Home, content, cut, options, segment, take};

/// Returns a store with two feeds, a late body, an erased one, and a fact of its own.
fn furnished(home: &Home) -> Author {
    let (mut alice, mut bob) = (Author::new(1), Author::new(2));
    let mut store = home.open();
    let lessons = alice_lessons(&mut alice);
    take(&mut store, &alice, &lessons, 1_000);
    let late = bob.write("a body that comes later", None, None);
    let header = late.record().clone().without_payload().verify().unwrap();
    take(&mut store, &bob, &[header], 2_000);
    store.put_payload(&bob.place(1), late.payload().unwrap()).unwrap();
    store.commit().unwrap();
    let secret = bob.write("the needle", None, None);
    let retraction = bob.write("withdrawn", None, Some(secret.id()));
    take(&mut store, &bob, &[secret, retraction], 3_000);
    store.erase(&bob.place(2)).unwrap();
    store.put_local(Table::Peers, b"carol", Some(b"her address")).unwrap();
    store.commit().unwrap();
    alice
}

fn alice_lessons(alice: &mut Author) -> Vec<baraza_record::VerifiedRecord> {
    let first = alice.write("first version", None, None);
    let second = alice.write("second version", Some(first.id()), None);
    [vec![first, second], alice.lessons(40)].concat()
}

#[test]
fn a_power_cut_loses_no_acknowledged_record() {
    let (home, mut alice) = (Home::new(), Author::new(1));
    let mut store = home.open();
    for round in 1..=20 {
        let records = alice.lessons(3);
        take(&mut store, &alice, &records, round);
        let copy = home.after_power_cut(&store);
        let (after, report) = copy.reopen(&options());
        assert_eq!((report.torn_bytes, report.rejected), (0, 0));
        assert_eq!(after.counts().records, 3 * round);
        assert_eq!(content(&after), content(&store), "round {round}");
    }
}

#[test]
fn a_lost_index_is_made_anew() {
    let home = Home::new();
    furnished(&home);
    let before = home.open();
    let (epoch, old) = (before.epoch(), content(&before));
    drop(before);
    fs::remove_dir_all(home.path().join("sled")).unwrap();
    let (after, report) = home.reopen(&options());
    assert!(report.rebuilt.is_some() && report.records == 45, "{report:?}");
    assert_eq!(content(&after), old);
    assert_ne!(after.epoch(), epoch, "change numbers start anew");
    let check = after.check(CheckLevel::Full).unwrap();
    assert_eq!((check.problems, check.records), (vec![], 45));
}

#[test]
fn a_rebuild_keeps_what_only_the_index_had() {
    let home = Home::new();
    furnished(&home);
    let rebuild = baraza_store::Options { rebuild: true, ..options() };
    let (store, report) = home.reopen(&rebuild);
    assert!(report.set_aside.unwrap().is_dir());
    assert_eq!(store.local(Table::Peers, b"carol").unwrap().unwrap(), b"her address");
    assert_eq!(store.counts().records, 45);
}

#[test]
fn a_damaged_index_is_mended_or_set_aside() {
    for name in ["snap.", "db", "conf"] {
        let home = Home::new();
        furnished(&home);
        let old = content(&home.open());
        for file in fs::read_dir(home.path().join("sled")).unwrap() {
            let file = file.unwrap();
            if file.file_name().to_string_lossy().starts_with(name) {
                let bytes = file.metadata().unwrap().len();
                cut(&file.path(), bytes / 2);
            }
        }
        let (store, _) = home.reopen(&options());
        assert_eq!(content(&store), old, "{name} cut in half");
    }
}

#[test]
fn an_index_behind_the_ledger_gets_the_rest() {
    let (home, copy, mut alice) = (Home::new(), Home::new(), Author::new(1));
    let mut store = home.open();
    let first = alice.lessons(5);
    take(&mut store, &alice, &first, 1);
    let epoch = store.epoch();
    drop(store);
    copy_dir(&home.path().join("sled"), &copy.path());
    let mut store = home.open();
    let second = alice.lessons(300);
    take(&mut store, &alice, &second, 2);
    let (old, last) = (content(&store), store.last_change());
    drop(store);
    fs::remove_dir_all(home.path().join("sled")).unwrap();
    copy_dir(&copy.path(), &home.path().join("sled"));
    let (store, report) = home.reopen(&options());
    assert_eq!((report.rebuilt, report.records, report.rejected), (None, 300, 0));
    assert_eq!(content(&store), old);
    assert_eq!(store.epoch(), epoch);
    let again = store.changes(5, 1_000).unwrap();
    assert_eq!(again.len(), 300);
    assert!(again.iter().all(|(number, _)| last < *number), "no number is given out twice");
}

#[test]
fn an_index_ahead_of_the_ledger_is_not_believed() {
    let (home, mut alice) = (Home::new(), Author::new(1));
    let mut store = home.open();
    let lessons = alice_lessons(&mut alice);
    take(&mut store, &alice, &lessons, 1);
    let end = store.durable_end();
    let more = alice.lessons(5);
    take(&mut store, &alice, &more, 2);
    drop(store);
    cut(&segment(&home.path(), end.segment), end.offset.into());
    let (store, report) = home.reopen(&options());
    assert!(report.rebuilt.is_some_and(|why| why.contains("the ledger ends")));
    assert_eq!((store.counts().records, store.find("", 100).unwrap().len()), (42, 42));
}

#[test]
fn an_own_feed_that_lost_its_end_is_named() {
    let (home, mut alice) = (Home::new(), Author::new(1));
    let mut store = home.open();
    let kept = alice.lessons(2);
    take(&mut store, &alice, &kept, 1);
    let end = store.durable_end();
    let last = alice.lessons(1).pop().unwrap();
    let head = FeedHead { seq: 3, id: last.id() };
    store.put_own_head(&alice.feed(), &head).unwrap();
    take(&mut store, &alice, &[last], 2);
    drop(store);
    let (store, report) = home.reopen(&options());
    assert!(report.own_heads.lost.is_empty() && !report.own_heads.unreadable);
    drop(store);
    cut(&segment(&home.path(), end.segment), end.offset.into());
    let (store, report) = home.reopen(&options());
    assert_eq!(report.own_heads.lost, [(alice.feed(), head)]);
    drop(store);
    fs::write(home.path().join("ledger").join("own-heads"), "baraza own heads 1\n").unwrap();
    assert!(home.reopen(&options()).1.own_heads.unreadable);
}

#[test]
fn a_missing_segment_costs_its_records_and_is_reported_once() {
    let (home, mut alice, mut bob) = (Home::new(), Author::new(1), Author::new(2));
    let small = baraza_store::Options { segment_bytes: 1_000, ..options() };
    let (mut store, _) = home.reopen(&small);
    for author in [&mut alice, &mut bob] {
        let records = author.lessons(10);
        take(&mut store, author, &records, 1);
    }
    assert_eq!(store.durable_end().segment, 2);
    drop(store);
    fs::remove_file(segment(&home.path(), 1)).unwrap();
    let (store, report) = home.reopen(&small);
    assert_eq!(report.segments_lost, [1]);
    assert_eq!((store.counts().records, store.counts().centres), (10, 1));
    assert_eq!(store.feed(&bob.feed()).unwrap().unwrap().shelf.seq, 10);
    drop(store);
    assert!(home.reopen(&small).1.is_clean());
}

#[test]
fn an_erased_body_is_in_no_file_and_stays_erased() {
    let home = Home::new();
    furnished(&home);
    let bob = Author::new(2);
    for rebuild in [false, true] {
        let options = baraza_store::Options { rebuild, ..options() };
        let (mut store, _) = home.reopen(&options);
        let entry = store.entry(&bob.place(2)).unwrap().unwrap();
        assert_eq!(entry.body, BodyState::Erased);
        assert_eq!(store.record(&bob.place(2)).unwrap().unwrap().payload(), None);
        store.erase(&bob.place(2)).unwrap();
        store.commit().unwrap();
        assert_eq!(store.entry(&bob.place(2)).unwrap(), Some(entry), "once is enough");
        assert_eq!(store.check(CheckLevel::Full).unwrap().problem_count, 0);
        assert!(!contains(&home.path(), b"the needle") && contains(&home.path(), b"first version"));
    }
}

#[test]
fn a_body_erased_before_it_came_is_not_wanted_after_a_rebuild() {
    let (home, mut alice) = (Home::new(), Author::new(1));
    let mut store = home.open();
    let record = alice.lessons(1).pop().unwrap().into_record().without_payload();
    take(&mut store, &alice, &[record.verify().unwrap()], 1);
    assert_eq!(store.counts().bodies_missing, 1);
    store.erase(&alice.place(1)).unwrap();
    store.commit().unwrap();
    drop(store);
    let rebuild = baraza_store::Options { rebuild: true, ..options() };
    let (store, _) = home.reopen(&rebuild);
    assert_eq!(store.entry(&alice.place(1)).unwrap().unwrap().body, BodyState::Erased);
    assert_eq!((store.counts().bodies_missing, store.missing(None, 9).unwrap().len()), (0, 0));
}

fn contains(dir: &std::path::Path, needle: &[u8]) -> bool {
    fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).any(|path| match path.is_dir() {
        true => contains(&path, needle),
        false => fs::read(path).unwrap().windows(needle.len()).any(|bytes| bytes == needle),
    })
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if file.path().is_dir() {
            copy_dir(&file.path(), &to.join(file.file_name()));
        } else {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}
