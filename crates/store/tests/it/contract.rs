//! The store and the model, given the same, answer the same.
//!
//! Invariant under test: writer, reader and the store opened anew agree with the model at
//! every commit; between commits the writer does.

use baraza_protocol::{
    conformance,
    model::MemoryStore,
    store::{
        BodyState, Branch, FeedHead, FeedState, Place, ShelfName, SignatureState, Store, StoreRead,
        Table,
    },
};
use baraza_reconcile::Head;
use baraza_record::{
    Audience, Payload, RecordId, SignedRecord, Timestamp, VerifiedRecord, hash, sign::SecretKey,
};

use crate::support::{Author, Home, options};

/// A small generator of numbers: a failure is replayed from its seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// A model, a store, and what was put into both.
struct Pair {
    model: MemoryStore,
    authors: Vec<Author>,
    held: Vec<(Place, VerifiedRecord)>,
    numbers: Numbers,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut authors: Vec<_> = (1..=4).map(Author::new).collect();
        let named = Audience::Centres(vec![authors[0].centre()], [1; 16]);
        authors[3].audience = named;
        let numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        Self { model: MemoryStore::new(0), authors, held: Vec::new(), numbers }
    }

    /// Puts one random thing into both.
    fn step(&mut self, store: &mut impl Store) {
        match self.numbers.below(12) {
            0..=4 => self.put_record(store),
            5 => self.with_place(store, |pair, store, place, record| {
                let entry = store.entry(&place).unwrap().unwrap();
                if entry.body == BodyState::Missing {
                    let payload = record.payload().unwrap();
                    store.put_payload(&place, payload).unwrap();
                    pair.model.put_payload(&place, payload).unwrap();
                }
            }),
            6 => self.with_place(store, |pair, store, place, record| {
                let signature = record.signature().unwrap();
                store.put_signature(&place, signature).unwrap();
                pair.model.put_signature(&place, signature).unwrap();
            }),
            7 => self.with_place(store, |pair, store, place, _| {
                store.touch(&place).unwrap();
                pair.model.touch(&place).unwrap();
            }),
            8 => self.with_place(store, |pair, store, place, _| {
                if store.entry(&place).unwrap().unwrap().body != BodyState::Erased {
                    store.erase(&place).unwrap();
                    pair.model.erase(&place).unwrap();
                }
            }),
            9 => self.put_feed(store),
            10 => {
                let table = [Table::Peers, Table::Holders, Table::Budget][self.numbers.below(3)];
                let key = [b'k', self.numbers.below(5) as u8];
                let value = [self.numbers.below(200) as u8; 9];
                let value = (self.numbers.below(3) != 0).then_some(&value[..]);
                store.put_local(table, &key, value).unwrap();
                self.model.put_local(table, &key, value).unwrap();
            }
            _ => {
                let author = self.numbers.below(self.authors.len());
                let (identity, centre) =
                    (self.authors[author].identity.clone(), self.authors[author].centre());
                if store.identity(&centre).unwrap().is_empty() {
                    let bytes = identity.encode();
                    store.put_identity(&centre, 0, &identity.id(), &bytes).unwrap();
                    self.model.put_identity(&centre, 0, &identity.id(), &bytes).unwrap();
                    let head = Head { seq: 1, id: identity.id().0, forked: false };
                    store.put_identity_head(&centre, head).unwrap();
                    self.model.put_identity_head(&centre, head).unwrap();
                }
            }
        }
    }

    fn put_record(&mut self, store: &mut impl Store) {
        let some = self.held.len().checked_sub(1).map(|last| self.held[last / 2].1.id());
        let series = some.filter(|_| self.numbers.below(4) == 0);
        let target = some.filter(|_| self.numbers.below(5) == 0);
        let author = self.numbers.below(self.authors.len());
        let body = "b".repeat([0, 10, 249, 250, 251, 300, 3_000][self.numbers.below(7)]);
        let whole = self.authors[author].write(&body, series, target);
        let mut wire = whole.to_wire();
        let (no_body, signature) = (self.numbers.below(4) == 0, self.numbers.below(4));
        let record = if no_body {
            SignedRecord::clone(&whole).without_payload().verify().unwrap()
        } else {
            whole.clone()
        };
        let record = match signature {
            // Held without its own signature, proved by a later one.
            0 => {
                wire.signature = None;
                if no_body {
                    wire.payload = None;
                }
                self.proved_by_next(author, SignedRecord::from_wire(wire).unwrap())
            }
            _ => record,
        };
        let branch = if self.numbers.below(8) == 0 { Branch::Other } else { Branch::Main };
        let place = Place { feed: record.feed(), seq: record.header().seq, branch };
        let now = Timestamp(self.numbers.below(3) as u64);
        store.put_record(&record, branch, now).unwrap();
        self.model.put_record(&record, branch, now).unwrap();
        self.held.push((place, whole));
    }

    /// Verifies a record by the one that follows it, which nobody keeps.
    fn proved_by_next(&mut self, author: usize, record: SignedRecord) -> VerifiedRecord {
        let mut next = record.header().clone();
        (next.seq, next.prev) = (next.seq + 1, record.id());
        let payload = Payload { salt: [1; 16], body: Vec::new() };
        let next = SignedRecord::sign(next, payload, &self.authors[author].key);
        VerifiedRecord::verify_range(vec![record, next.into_record()]).unwrap().swap_remove(0)
    }

    fn with_place<S: Store>(
        &mut self,
        store: &mut S,
        then: impl FnOnce(&mut Self, &mut S, Place, VerifiedRecord),
    ) {
        if !self.held.is_empty() {
            let held = self.numbers.below(self.held.len());
            let (place, record) = self.held[held].clone();
            then(self, store, place, record);
        }
    }

    fn put_feed(&mut self, store: &mut impl Store) {
        let author = &self.authors[self.numbers.below(4)];
        let feed = author.feed();
        let head = |seq: usize| FeedHead { seq: seq as u64, id: RecordId([seq as u8; 32]) };
        let state = FeedState {
            centre: author.centre(),
            signer: author.key.public(),
            audience: author.audience.clone(),
            chain: head(self.numbers.below(9)),
            shelf: head(self.numbers.below(9)),
            fork: (self.numbers.below(4) == 0).then_some(9),
        };
        store.put_feed(&feed, &state).unwrap();
        self.model.put_feed(&feed, &state).unwrap();
    }

    /// Compares every answer of `store` with those of the model.
    fn compare(&self, store: &impl StoreRead, seed: u64) {
        let model = &self.model;
        assert_eq!(store.last_change(), model.last_change(), "seed {seed}");
        let (ours, theirs) = (store.counts(), model.counts());
        let counts =
            |c: baraza_protocol::store::Counts| (c.records, c.bodies_missing, c.feeds, c.centres);
        assert_eq!(counts(ours), counts(theirs), "seed {seed}");
        for author in &self.authors {
            let (feed, centre) = (author.feed(), author.centre());
            assert_eq!(store.feed(&feed).unwrap(), model.feed(&feed).unwrap());
            assert_eq!(store.feeds_of(&centre).unwrap(), model.feeds_of(&centre).unwrap());
            assert_eq!(store.identity(&centre).unwrap(), model.identity(&centre).unwrap());
            for (from, bytes_max) in [(1, 0), (1, 700), (3, 5_000), (17, 1 << 20)] {
                let ours = store.range(&feed, from, 40, bytes_max).unwrap();
                let theirs = model.range(&feed, from, 40, bytes_max).unwrap();
                let same = ours == theirs;
                assert!(
                    same,
                    "seed {seed}: {} records, the model has {}",
                    ours.len(),
                    theirs.len()
                );
            }
        }
        for (place, record) in &self.held {
            let id = record.id();
            assert_eq!(store.entry(place).unwrap(), model.entry(place).unwrap(), "seed {seed}");
            assert_eq!(store.record(place).unwrap(), model.record(place).unwrap(), "seed {seed}");
            assert_eq!(store.series(&id).unwrap(), model.series(&id).unwrap());
            assert_eq!(store.targeting(&id).unwrap(), model.targeting(&id).unwrap());
            for digits in [&id.to_string()[..], &id.short(), &id.to_string()[..1]] {
                assert_eq!(store.find(digits, 5).unwrap(), model.find(digits, 5).unwrap());
            }
        }
        self.compare_pages(store);
    }

    fn compare_pages(&self, store: &impl StoreRead) {
        let model = &self.model;
        assert_eq!(store.find("", 7).unwrap(), model.find("", 7).unwrap());
        for change in [0, 5, model.last_change() / 2, model.last_change()] {
            assert_eq!(store.changes(change, 9).unwrap(), model.changes(change, 9).unwrap());
            let before = Some(change);
            assert_eq!(store.newest(before, 9).unwrap(), model.newest(before, 9).unwrap());
        }
        assert_eq!(store.newest(None, 500).unwrap(), model.newest(None, 500).unwrap());
        let mut after = None;
        loop {
            let page = store.missing(after, 3).unwrap();
            assert_eq!(page, model.missing(after, 3).unwrap());
            after = page.last().copied();
            if after.is_none() {
                break;
            }
        }
        let first = model.centres(None, 1).unwrap().pop();
        let feed = model.feeds(None, 1).unwrap().pop();
        for count in [1, 9] {
            assert_eq!(store.centres(None, count).unwrap(), model.centres(None, count).unwrap());
            assert_eq!(store.centres(first, count).unwrap(), model.centres(first, count).unwrap());
            assert_eq!(store.feeds(None, count).unwrap(), model.feeds(None, count).unwrap());
            assert_eq!(store.feeds(feed, count).unwrap(), model.feeds(feed, count).unwrap());
        }
        for table in [Table::Peers, Table::Holders, Table::Budget] {
            assert_eq!(
                store.local(table, b"k\x01").unwrap(),
                model.local(table, b"k\x01").unwrap()
            );
            assert_eq!(store.locals(table, b"k").unwrap(), model.locals(table, b"k").unwrap());
        }
    }

    fn compare_shelves(&self, store: &impl StoreRead) {
        for name in [ShelfName::Identities, ShelfName::Public, ShelfName::Named] {
            assert_eq!(store.shelf(name).root(), self.model.shelf(name).root());
        }
    }
}

#[test]
fn the_store_answers_as_the_model_does() {
    for seed in 1..=12 {
        let (mut pair, home) = (Pair::new(seed), Home::new());
        let mut store = home.open();
        for round in 0..12 {
            for _ in 0..20 {
                pair.step(&mut store);
            }
            pair.compare(&store, seed);
            store.commit().unwrap();
            pair.compare(&store.reader(), seed);
            pair.compare_shelves(&store.reader());
            if round % 4 == 3 {
                let epoch = store.epoch();
                drop(store);
                store = home.open();
                assert_eq!(store.epoch(), epoch, "closed in order, the epoch goes on");
                pair.compare(&store, seed);
                pair.compare_shelves(&store);
            }
        }
    }
}

#[test]
fn the_store_keeps_the_contract() {
    let home = Home::new();
    let mut stores = 0;
    conformance::run(&mut || {
        stores += 1;
        home.open_in(&format!("store-{stores}"))
    });
}

#[test]
fn small_segments_are_one_ledger() {
    let (mut pair, home) = (Pair::new(77), Home::new());
    let small = baraza_store::Options { segment_bytes: 4_000, ..options() };
    let (mut store, _) = home.reopen(&small);
    for _ in 0..30 {
        (0..10).for_each(|_| pair.step(&mut store));
        store.commit().unwrap();
    }
    assert!(5 < store.durable_end().segment, "{}", store.durable_end());
    pair.compare(&store.reader(), 77);
    drop(store);
    pair.compare(&home.open(), 77);
}

#[test]
fn a_reader_sees_nothing_that_is_not_committed() {
    let home = Home::new();
    let mut store = home.open();
    let reader = store.reader();
    let record = Author::new(1).lessons(1).pop().unwrap();
    let place = Place { feed: record.feed(), seq: 1, branch: Branch::Main };
    store.put_record(&record, Branch::Main, Timestamp(1)).unwrap();
    assert_eq!(store.record(&place).unwrap().as_ref(), Some(record.record()));
    assert_eq!(reader.record(&place).unwrap(), None);
    assert!(reader.find("", 9).unwrap().is_empty() && reader.last_change() == 0);
    store.commit().unwrap();
    assert_eq!(reader.record(&place).unwrap().as_ref(), Some(record.record()));
    assert_eq!(reader.entry(&place).unwrap().unwrap().signature, SignatureState::Checked);
}

#[test]
fn a_place_is_taken_once() {
    let home = Home::new();
    let mut store = home.open();
    let record = Author::new(1).lessons(1).pop().unwrap();
    store.put_record(&record, Branch::Main, Timestamp(1)).unwrap();
    assert!(store.put_record(&record, Branch::Main, Timestamp(2)).is_err());
}

#[test]
fn positions_at_the_end_of_the_range_are_kept() {
    let (home, author) = (Home::new(), Author::new(1));
    let key = SecretKey::from_seed([1; 32]);
    let mut header = Author::new(1).lessons(1).pop().unwrap().header().clone();
    (header.seq, header.prev) = (u64::MAX, RecordId([1; 32]));
    let body = Payload { salt: [1; 16], body: b"last".to_vec() };
    let record = SignedRecord::sign(header, body, &key);
    assert_eq!(record.feed(), hash::feed_id(&author.centre(), &key.public(), &Audience::Public));
    let mut store = home.open();
    store.put_record(&record, Branch::Main, Timestamp(1)).unwrap();
    store.commit().unwrap();
    drop(store);
    let store = home.open();
    let range = store.range(&author.feed(), u64::MAX, u64::MAX, 9_999).unwrap();
    assert_eq!(range, [record.record().clone()]);
    assert_eq!(store.find(&record.id().to_string(), 2).unwrap().len(), 1);
}
