//! Ledgers that were cut and flipped.
//!
//! Invariant under test: what is served is what was signed; a frame that is damaged costs
//! its record, and a write that was cut off costs nothing that was acknowledged.

use std::fs;

use baraza_protocol::store::{Store, StoreError, StoreRead};
use baraza_store::CheckLevel;

use crate::support::{Author, Home, cut, options, segment, take};

#[test]
fn a_cut_at_any_byte_of_the_last_commit_keeps_the_ones_before() {
    let (home, mut alice) = (Home::new(), Author::new(1));
    let mut store = home.open();
    let first = alice.lessons(3);
    take(&mut store, &alice, &first, 1);
    let acknowledged = store.durable_end().offset;
    let second = alice.lessons(1);
    take(&mut store, &alice, &second, 2);
    let ledger = fs::read(segment(&home.path(), 1)).unwrap();
    drop(store);
    let copy = Home::new();
    drop(copy.open());
    for end in acknowledged as usize..ledger.len() {
        let _ = fs::remove_dir_all(copy.path().join("sled"));
        fs::write(segment(&copy.path(), 1), &ledger[..end]).unwrap();
        let (mut store, report) = copy.reopen(&options());
        let counts = store.counts();
        assert_eq!(counts.records - counts.bodies_missing, 3, "cut at {end}");
        assert_eq!(report.damaged, [], "cut at {end}: a torn write is no damage");
        let kept = store.durable_end().offset as usize;
        assert_eq!(kept + report.torn_bytes as usize, end, "cut at {end}");
        // What is written next stands behind whole frames.
        if end % 16 == 0 {
            take(&mut store, &alice, &second, 3);
            assert_eq!(store.check(CheckLevel::Full).unwrap().problem_count, 0, "cut at {end}");
            assert_eq!((store.counts().records, store.counts().bodies_missing), (4, 0));
        }
    }
}

#[test]
fn a_flipped_bit_is_never_served() {
    let (home, mut alice) = (Home::new(), Author::new(1));
    let mut store = home.open();
    let records = alice.lessons(4);
    take(&mut store, &alice, &records, 1);
    let path = segment(&home.path(), 1);
    let ledger = fs::read(&path).unwrap();
    let reader = store.reader();
    for place in 16..ledger.len() {
        let mut flipped = ledger.clone();
        flipped[place] ^= 1 << (place % 8);
        fs::write(&path, &flipped).unwrap();
        for (n, record) in records.iter().enumerate() {
            match reader.record(&alice.place(n as u64 + 1)) {
                Ok(read) => assert_eq!(read.as_ref(), Some(record.record()), "byte {place}"),
                Err(StoreError::Damaged { .. }) => (),
                Err(error) => panic!("byte {place}: {error}"),
            }
        }
        let check = reader.check(CheckLevel::Ledger).unwrap();
        assert_eq!(check.problem_count, 1, "byte {place}");
    }
}

#[test]
fn damage_in_the_middle_is_reported_and_the_rest_is_read_in() {
    let (home, mut alice, mut bob) = (Home::new(), Author::new(1), Author::new(2));
    let mut store = home.open();
    let hers = alice.lessons(5);
    take(&mut store, &alice, &hers, 1);
    let middle = store.durable_end().offset as usize - 40;
    let his = bob.lessons(5);
    take(&mut store, &bob, &his, 2);
    drop(store);
    let path = segment(&home.path(), 1);
    let ledger = fs::read(&path).unwrap();
    let mut damaged = ledger.clone();
    damaged[middle] ^= 0x10;
    fs::write(&path, &damaged).unwrap();
    let rebuild = baraza_store::Options { rebuild: true, ..options() };
    let (mut store, report) = home.reopen(&rebuild);
    assert_eq!((report.damaged.len(), report.damaged[0].segment, report.torn_bytes), (1, 1, 0));
    assert_eq!(fs::read(&path).unwrap().len(), ledger.len(), "nothing is cut");
    // The body of the fifth record is lost; it is wanted, and a peer gives it back.
    assert_eq!(store.counts().records, 10);
    assert_eq!(store.missing(None, 9).unwrap(), [alice.place(5)]);
    take(&mut store, &alice, &hers, 3);
    assert_eq!(store.counts().bodies_missing, 0);
    assert_eq!(store.record(&alice.place(5)).unwrap().as_ref(), Some(hers[4].record()));
}

#[test]
fn a_ledger_of_noise_opens_and_is_empty() {
    let home = Home::new();
    drop(home.open());
    let noise: Vec<u8> =
        (0..50_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(segment(&home.path(), 1), &noise).unwrap();
    fs::write(segment(&home.path(), 2), &noise).unwrap();
    let (mut store, report) = home.reopen(&options());
    assert_eq!((report.damaged.len(), report.torn_bytes), (1, 50_000));
    let mut alice = Author::new(1);
    let records = alice.lessons(2);
    take(&mut store, &alice, &records, 1);
    drop(store);
    assert_eq!(home.open().counts().records, 2);
}

#[test]
fn a_segment_cut_within_its_first_bytes_is_started_again() {
    for bytes in [0, 1, 15] {
        let (home, mut alice) = (Home::new(), Author::new(1));
        let mut store = home.open();
        let records = alice.lessons(2);
        take(&mut store, &alice, &records, 1);
        drop(store);
        cut(&segment(&home.path(), 1), bytes);
        let (mut store, _) = home.reopen(&options());
        assert_eq!(store.counts().records, 0);
        take(&mut store, &alice, &records, 2);
        assert_eq!(store.check(CheckLevel::Full).unwrap().problem_count, 0);
        drop(store);
        assert_eq!(home.open().counts().records, 2);
    }
}
