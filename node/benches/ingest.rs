//! Ingest of 2 KB records into ledger and sled, verified and durable, beside the rate of
//! `verify_strict` on one core in the same run.
//!
//! `cargo bench -p baraza --bench ingest [-- RECORDS]`. Figures: docs/BENCHMARKS.md.

mod support;

use baraza_protocol::{
    ingest::{ingest_identity, ingest_range},
    store::{Store, StoreRead},
};
use baraza_record::{SignedRecord, Timestamp, VerifiedRecord};
use baraza_store::{LedgerStore, Options};
use support::{Author, Random, bytes_below, seconds};

/// Records of one commit and, in a range, of one signature check.
const GROUP: usize = 256;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let count = arguments.iter().find_map(|text| text.parse().ok()).unwrap_or(50_000);
    let (mut random, mut author) = (Random(42), Author::new(1));
    let records: Vec<Vec<u8>> = (0..count).map(|_| author.lesson(&mut random).encode()).collect();
    let bytes: usize = records.iter().map(Vec::len).sum();
    println!("{count} records of {} bytes on average, encoded", bytes / count);

    let verify = rate(count, || {
        for bytes in &records {
            let record = SignedRecord::decode(bytes).expect("it was encoded here");
            record.verify_own_signature().expect("it was signed here");
        }
    });
    println!("verify_strict, one core          {verify:9.0} /s");

    let single = run(&author, count, |store| {
        for group in records.chunks(GROUP) {
            for bytes in group {
                let record = SignedRecord::decode(bytes).and_then(SignedRecord::verify);
                let record = record.expect("it was signed here");
                ingest_range(store, &[record], Timestamp(1)).expect("the store takes it");
            }
            store.commit().expect("the disk takes it");
        }
    });
    println!(
        "single records, durable          {:9.0} /s  {:5.2} of verify_strict",
        single.0,
        single.0 / verify
    );

    let range = run(&author, count, |store| {
        for group in records.chunks(GROUP) {
            let signed: Result<Vec<_>, _> =
                group.iter().map(|bytes| SignedRecord::decode(bytes)).collect();
            let range = VerifiedRecord::verify_range(signed.expect("they were encoded here"));
            ingest_range(store, &range.expect("they are chained"), Timestamp(1))
                .expect("the store takes it");
            store.commit().expect("the disk takes it");
        }
    });
    println!(
        "contiguous ranges, durable       {:9.0} /s  {:5.2} of verify_strict",
        range.0,
        range.0 / verify
    );
    println!(
        "disk: {:.3} of the records' bytes; open {:.3} s",
        range.1 as f64 / bytes as f64,
        range.2
    );
}

fn rate(count: usize, work: impl FnOnce()) -> f64 {
    count as f64 / seconds(work).0
}

/// Fills a new store; returns records a second, bytes on disk, and seconds to open it again.
fn run(author: &Author, count: usize, fill: impl FnOnce(&mut LedgerStore)) -> (f64, u64, f64) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let open = || LedgerStore::open(folder.path(), &Options::default()).expect("the store opens").0;
    let mut store = open();
    ingest_identity(&mut store, &author.inception).expect("the identity is valid");
    store.commit().expect("the disk takes it");
    let rate = rate(count, || fill(&mut store));
    assert_eq!(store.counts().records, count as u64, "all were kept");
    drop(store);
    let disk =
        bytes_below(&folder.path().join("ledger")) + bytes_below(&folder.path().join("sled"));
    let (open_s, store) = seconds(open);
    assert_eq!(store.counts().records, count as u64, "all are there again");
    (rate, disk, open_s)
}
