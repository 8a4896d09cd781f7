//! Who may open a store, in which format, and on how full a disk.

use std::{fs, os::unix::fs::PermissionsExt};

use baraza_protocol::store::{Store, StoreError, StoreRead, Table};
use baraza_store::{LedgerStore, OpenError, Options};

use crate::support::{Author, Home, options, take};

#[test]
fn a_second_process_is_told_who_has_the_store() {
    let home = Home::new();
    let store = home.open();
    let reader = store.reader();
    let Err(OpenError::Locked { pid, .. }) = LedgerStore::open(&home.path(), &options()) else {
        panic!("opened twice");
    };
    assert_eq!(pid, std::process::id().to_string());
    drop(store);
    assert!(matches!(LedgerStore::open(&home.path(), &options()), Err(OpenError::Locked { .. })));
    drop(reader);
    home.open();
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let home = Home::new();
    drop(home.open());
    for (text, newer) in [("2\n", true), ("one", false), ("", false)] {
        fs::write(home.path().join("format"), text).unwrap();
        let error = LedgerStore::open(&home.path(), &options()).err().unwrap();
        assert_eq!(matches!(error, OpenError::NewerFormat { found: 2 }), newer, "{error}");
        assert_eq!(fs::read_to_string(home.path().join("format")).unwrap(), text);
    }
}

#[test]
fn below_the_floor_nothing_is_put_and_everything_is_read() {
    let (home, mut alice) = (Home::new(), Author::new(1));
    let mut store = home.open();
    let records = alice.lessons(2);
    take(&mut store, &alice, &records, 1);
    drop(store);
    let (mut store, _) = home.reopen(&Options { floor_bytes: Some(u64::MAX), ..options() });
    let refused = store.put_local(Table::Peers, b"k", Some(b"v"));
    assert!(matches!(refused, Err(StoreError::DiskFull { floor: u64::MAX, .. })), "{refused:?}");
    assert_eq!(store.record(&alice.place(2)).unwrap().as_ref(), Some(records[1].record()));
    // What must go goes, however full the disk is.
    store.erase(&alice.place(2)).unwrap();
    store.commit().unwrap();
    drop(store);
    let store = home.open();
    assert_eq!(store.record(&alice.place(2)).unwrap().unwrap().payload(), None);
}

#[test]
fn the_ballast_is_made_once_there_is_room() {
    let home = Home::new();
    let ballast = home.path().join("ballast");
    let with = |floor_bytes| Options { ballast_bytes: 4_096, floor_bytes, ..options() };
    drop(home.reopen(&with(Some(u64::MAX))));
    assert!(!ballast.exists());
    drop(home.reopen(&with(Some(0))));
    assert_eq!(fs::metadata(&ballast).unwrap().len(), 4_096);
}

#[test]
fn the_store_is_for_its_owner_only() {
    let (home, mut alice) = (Home::new(), Author::new(1));
    let mut store = home.open();
    let records = alice.lessons(1);
    take(&mut store, &alice, &records, 1);
    let mode =
        |path: &str| fs::metadata(home.path().join(path)).unwrap().permissions().mode() & 0o777;
    for dir in ["", "ledger", "sled"] {
        assert_eq!(mode(dir), 0o700, "{dir}");
    }
    for file in ["lock", "format", "ledger/00000001.ledger"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
}

#[test]
fn after_a_failed_write_the_store_is_read_only() {
    let (home, mut alice) = (Home::new(), Author::new(1));
    let mut store = home.open();
    // The first segment cannot be made where a folder has its name.
    fs::create_dir(home.path().join("ledger").join("00000001.ledger")).unwrap();
    let records = alice.lessons(1);
    let put = |store: &mut LedgerStore| {
        let done =
            baraza_protocol::ingest::ingest_range(store, &records, baraza_record::Timestamp(1));
        done.and_then(|_| store.commit())
    };
    assert!(matches!(put(&mut store), Err(StoreError::Io { .. })));
    fs::remove_dir(home.path().join("ledger").join("00000001.ledger")).unwrap();
    assert!(matches!(put(&mut store), Err(StoreError::ReadOnly { .. })), "a failure is final");
    assert_eq!(store.reader().counts().records, 0);
    drop(store);
    let mut store = home.open();
    put(&mut store).unwrap();
    assert_eq!(store.reader().counts().records, 1);
}
