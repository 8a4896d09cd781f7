//! Branches that change places because an owner rules on them: the disk follows the model, and
//! the ledger read in again comes to the same.

use baraza_identity::{Changes, EndKind, SignedEvent};
use baraza_protocol::{
    conformance::{Author, Owner, adds, chooses, ends},
    ingest::{ingest_identity, ingest_range},
    model::MemoryStore,
    store::{Branch, FeedHead, Place, ShelfName, Store, StoreRead},
};
use baraza_record::{RecordId, Seq, Timestamp, VerifiedRecord};
use baraza_store::Options;

use crate::support::{Home, options};

/// SplitMix64: the same numbers on every run.
struct Random(u64);

impl Random {
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            items.swap(end, usize::try_from((z ^ (z >> 31)) % (end as u64 + 1)).unwrap());
        }
    }
}

enum Item {
    Event(Box<SignedEvent>),
    Records(Vec<VerifiedRecord>),
}

/// Continues a feed behind `after`, revising and retracting now and then.
fn go_on(
    author: &Author,
    after: FeedHead,
    count: Seq,
    text: &str,
    first: Option<RecordId>,
) -> Vec<VerifiedRecord> {
    let mut at = after;
    let next = |n: Seq| {
        let record = author.write(at, &format!("{text} {n}"), |header| {
            header.series = first.filter(|_| n.is_multiple_of(2));
            header.target = first.filter(|_| n.is_multiple_of(3));
        });
        at = FeedHead { seq: record.header().seq, id: record.id() };
        record
    };
    (0..count).map(next).collect()
}

fn history() -> Vec<Item> {
    let (mut owner, mut other) = (Owner::new(1), Owner::new(2));
    let author = owner.author.clone();
    let honest = author.chain(20);
    let at = |n: usize| FeedHead { seq: n as Seq, id: honest[n - 1].id() };
    let copy = go_on(&author, at(8), 30, "copy", Some(honest[0].id()));
    let third = go_on(&author, at(8), 4, "third", None);
    let choice = owner.update(chooses(&[&copy[0]]));
    let desk = owner.writer(0x11);
    let forged = owner.forge(adds(&owner.writer(0x12)), 7);
    let added = owner.update(adds(&desk));
    let rotated = owner.rotate(Changes::default());
    let end = owner.update(ends(&author, EndKind::Compromised, &[&copy[20]]));

    let bob = other.author.clone();
    let chain = bob.chain(6);
    let back =
        go_on(&bob, FeedHead { seq: 3, id: chain[2].id() }, 5, "back-dated", Some(chain[1].id()));
    let stolen = other.update(ends(&bob, EndKind::Compromised, &[&chain[5]]));

    let events = [&author.event, &choice, &forged, &added, &rotated, &end, &bob.event, &stolen];
    let mut items: Vec<_> =
        events.into_iter().map(|event| Item::Event(Box::new(event.clone()))).collect();
    let pieces = [&honest[..8], &honest[8..], &copy[..10], &copy[10..], &third, &chain, &back];
    items.extend(pieces.into_iter().map(|piece| Item::Records(piece.to_vec())));
    items
}

fn offer(store: &mut impl Store, items: &[Item]) {
    for item in items {
        match item {
            // One that comes before its predecessor comes again.
            Item::Event(event) => drop(ingest_identity(store, &event.encode())),
            Item::Records(records) => {
                ingest_range(store, records, Timestamp(1)).unwrap();
            }
        }
        store.commit().unwrap();
    }
}

type Feed = (Seq, Seq, Option<Seq>, Vec<(Branch, Seq, RecordId)>);

/// Returns all that a store says of its feeds and where it finds their records.
fn picture(store: &impl StoreRead) -> (Vec<Feed>, [[u8; 32]; 2], u64) {
    let mut feeds = Vec::new();
    for feed in store.feeds(None, 100).unwrap() {
        let state = store.feed(&feed).unwrap().unwrap();
        let mut held = Vec::new();
        for branch in [Branch::Main, Branch::Other] {
            for seq in 1..=60 {
                let place = Place { feed, seq, branch };
                let Some(record) = store.record(&place).unwrap() else { continue };
                let found = store.find(&record.id().to_string(), 9).unwrap();
                assert_eq!(found, [(record.id(), place)]);
                if let Some(first) = &record.header().series {
                    assert!(store.series(first).unwrap().contains(&place));
                }
                if let Some(target) = &record.header().target {
                    assert!(store.targeting(target).unwrap().contains(&place));
                }
                held.push((branch, seq, record.id()));
            }
        }
        feeds.push((state.chain.seq, state.shelf.seq, state.fork, held));
    }
    let roots = [ShelfName::Identities, ShelfName::Public].map(|name| store.shelf(name).root());
    (feeds, roots, store.counts().records)
}

#[test]
fn rulings_move_records_on_the_disk_as_in_the_model() {
    for seed in 0..24 {
        let home = Home::new();
        let (mut items, mut random) = (history(), Random(seed));
        let (mut store, mut model) = (home.open(), MemoryStore::new(1));
        for _ in 0..10 {
            random.shuffle(&mut items);
            offer(&mut store, &items);
            offer(&mut model, &items);
            assert_eq!(picture(&store), picture(&model), "seed {seed}");
        }
        let expected = picture(&store);
        let shelves: Vec<_> = expected.0.iter().map(|feed| (feed.1, feed.2)).collect();
        // The copy's branch up to its horizon, and the honest one of bob.
        let (mut found, mut wanted) = (shelves.clone(), vec![(29, None), (6, None)]);
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "seed {seed}");
        drop(store);

        let store = home.open();
        assert_eq!(picture(&store), expected, "seed {seed}: opened again");
        drop(store);
        let rebuild = Options { rebuild: true, ..options() };
        let (store, report) = home.reopen(&rebuild);
        assert_eq!(report.damaged, [], "seed {seed}");
        let (_, roots, _) = picture(&store);
        assert_eq!(roots, expected.1, "seed {seed}: read in from the ledger");
    }
}
