//! How long indexing and asking take, with 2,000 records of 2 KB.
//!
//! Run with `cargo bench -p baraza-search`. The texts are made from a fixed word list, so
//! that every run measures the same work.
//! Not here: targets (docs/PERFORMANCE.md).
#![expect(clippy::unwrap_used, reason = "a bench stops at the first failure")]

use baraza_protocol::index::{Index, IndexDoc, IndexPosition, Query};
use baraza_record::{CentreId, Goals, Kind, RecordId, Timestamp};
use baraza_search::TantivyIndex;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const RECORDS: u16 = 2_000;
const TEXT_BYTES: usize = 2_048;
const WORDS: [&str; 24] = [
    "water",
    "farmers",
    "training",
    "irrigation",
    "schools",
    "health",
    "village",
    "seeds",
    "market",
    "women",
    "cooperative",
    "solar",
    "pump",
    "library",
    "teachers",
    "learning",
    "rice",
    "storage",
    "credit",
    "maintenance",
    "community",
    "survey",
    "budget",
    "repair",
];

/// Steps through numbers that look random, the same ones in every run.
fn step(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 40).unwrap()
}

fn record(number: u16) -> IndexDoc {
    let mut state = u64::from(number);
    let mut id = [0; 32];
    id[..2].copy_from_slice(&number.to_be_bytes());
    let mut text = String::new();
    while text.len() < TEXT_BYTES {
        let (word, tail) = (step(&mut state) % WORDS.len(), step(&mut state) % 1_000);
        text += &format!("{} {}{tail} ", WORDS[word], &WORDS[tail % WORDS.len()][..3]);
    }
    IndexDoc {
        id: RecordId(id),
        kind: Kind::PRACTICE,
        centre: CentreId([1; 32]),
        language: ["en", "sw", "fr", "hi"][usize::from(number) % 4].to_owned(),
        goals: Goals::default().with(6),
        targets: vec!["6.1".to_owned()],
        countries: vec!["KE".to_owned()],
        regions: vec!["202".to_owned()],
        created_ms: Timestamp(u64::from(number)),
        title: format!("{} {}", WORDS[step(&mut state) % 24], WORDS[step(&mut state) % 24]),
        text,
    }
}

fn benches(criterion: &mut Criterion) {
    let records: Vec<IndexDoc> = (0..RECORDS).map(record).collect();
    let position = IndexPosition { epoch: 1, change: 1 };
    let mut group = criterion.benchmark_group("search");
    group.sample_size(10);
    group.bench_function("index 2,000 records", |bencher| {
        bencher.iter_batched(
            || tempfile::tempdir().unwrap(),
            |dir| TantivyIndex::open(dir.path()).unwrap().apply(&records, &[], position).unwrap(),
            BatchSize::PerIteration,
        );
    });

    let dir = tempfile::tempdir().unwrap();
    let index = TantivyIndex::open(dir.path()).unwrap();
    index.apply(&records, &[], position).unwrap();
    group.sample_size(100);
    for (name, text) in [
        ("one word", "irrigation"),
        ("five words", "training women farmers solar pump"),
        ("phrase", "\"water pum101\" -market"),
        ("newest", ""),
    ] {
        let query = Query { text: text.to_owned(), limit: 20, ..Query::default() };
        group.bench_function(name, |bencher| bencher.iter(|| index.search(&query).unwrap()));
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
