//! Ledgers that are copied, while they are written, and put back.

use std::{fs, io, path::Path};

use baraza_protocol::store::{Store, StoreRead};
use baraza_record::{Audience, CentreId, frame::Frame};
use baraza_store::{Copied, LedgerStore, LedgerWriter, Options, copy_ledger};

use crate::support::{Author, Home, content, cut, options, segment, take};

/// Copies the ledger of the home `from` into the new home `to`.
fn copy(from: &Path, to: &Path) -> Copied {
    let mut writer = LedgerWriter::create(to).unwrap();
    let copied = copy_ledger(from, |frame| writer.add(frame)).unwrap();
    writer.finish().unwrap();
    copied
}

/// Fills a store with records of two audiences, some without authority, one erased.
fn fill(store: &mut LedgerStore) {
    let (mut alice, mut bob, mut stranger) = (Author::new(1), Author::new(2), Author::new(3));
    bob.audience = Audience::Centres(vec![CentreId([7; 32])], [1; 16]);
    for now in 1..6 {
        let lessons = alice.lessons(4);
        take(store, &alice, &lessons, now);
        let lessons = bob.lessons(3);
        take(store, &bob, &lessons, now + 10);
    }
    let held = stranger.lessons(2);
    baraza_protocol::ingest::ingest_range(store, &held, baraza_record::Timestamp(30)).unwrap();
    store.commit().unwrap();
    store.erase(&alice.place(2)).unwrap();
    store.commit().unwrap();
}

#[test]
fn a_copy_of_an_open_store_gives_the_same_set_again() {
    let (home, other) = (Home::new(), Home::new());
    let small = Options { segment_bytes: 2_000, ..options() };
    let (mut store, _) = home.reopen(&small);
    fill(&mut store);
    assert!(segment(&home.path(), 3).exists(), "several segments are copied");
    let copied = copy(&home.path(), &other.path());
    assert_eq!((copied.damaged, copied.unknown, copied.segments_lost), (0, 0, 0));
    let again = other.reopen(&options()).0;
    assert_eq!(content(&again), content(&store));
}

#[test]
fn a_write_that_goes_on_is_left_out_and_damage_is_counted() {
    let (home, other) = (Home::new(), Home::new());
    let mut alice = Author::new(1);
    let mut store = home.open();
    let lessons = alice.lessons(3);
    take(&mut store, &alice, &lessons, 1);
    let lessons = alice.lessons(1);
    take(&mut store, &alice, &lessons, 2);
    let path = segment(&home.path(), 1);
    let ledger = fs::read(&path).unwrap();
    cut(&path, ledger.len() as u64 - 3);
    let copied = copy(&home.path(), &other.path());
    assert_eq!(copied.damaged, 0, "the end of what is being written is no damage");
    let again = other.reopen(&options()).0;
    let (records, missing) = (again.counts().records, again.counts().bodies_missing);
    assert_eq!((records, missing), (4, 1), "the last body was cut off");

    let mut damaged = ledger.clone();
    damaged[200] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let frames = |home: &Home| {
        let mut frames = 0;
        let copied = copy_ledger(&home.path(), |_| {
            frames += 1;
            Ok(())
        });
        (copied.unwrap().damaged, frames)
    };
    let (parts, left) = frames(&home);
    fs::write(&path, &ledger).unwrap();
    let (none, all) = frames(&home);
    assert_eq!((parts, none), (1, 0));
    assert_eq!(left + 1, all, "damage costs the frame that it hits");
}

#[test]
fn a_segment_that_is_gone_is_counted_and_a_ledger_is_never_written_over() {
    let (home, other) = (Home::new(), Home::new());
    let small = Options { segment_bytes: 2_000, ..options() };
    fill(&mut home.reopen(&small).0);
    fs::remove_file(segment(&home.path(), 2)).unwrap();
    assert_eq!(copy(&home.path(), &other.path()).segments_lost, 1);
    assert!(LedgerWriter::create(&other.path()).is_err(), "there is a ledger");
}

#[test]
fn a_reader_that_fails_ends_the_copy() {
    let home = Home::new();
    fill(&mut home.open());
    let failed = copy_ledger(&home.path(), |frame| match frame {
        Frame::Payload { .. } => Err(io::Error::other("full")),
        _ => Ok(()),
    });
    assert_eq!(failed.unwrap_err().to_string(), "full");
}
