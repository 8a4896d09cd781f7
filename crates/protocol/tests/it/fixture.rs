//! What the tests share: random numbers, stores with records, bytes changed on purpose.

use baraza_protocol::{
    conformance::Author,
    ingest::{self, Ingested},
    model::MemoryStore,
    store::{Branch, FeedHead, Place, ShelfName, Store, StoreRead},
    wire::{Answer, Fetch, Part, Records, Request, Scope, Wanted},
};
use baraza_record::{RecordId, Seq, SignedRecord, Timestamp, VerifiedRecord, WireRecord};

/// Time at which tests without a clock happen.
pub(crate) const NOW: Timestamp = Timestamp(1_750_000_000_000);

/// SplitMix64: the same numbers on every run.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// Returns true in `percent` of a hundred cases.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            let other = usize::try_from(self.below(end as u64 + 1)).unwrap();
            items.swap(end, other);
        }
    }
}

/// Returns a store that holds the identities of `authors`.
pub(crate) fn store_of(authors: &[&Author]) -> MemoryStore {
    let mut store = MemoryStore::new(1);
    for author in authors {
        ingest::ingest_identity(&mut store, &author.event.encode()).unwrap();
    }
    store.commit().unwrap();
    store
}

/// Ingests and commits a range.
pub(crate) fn take(store: &mut MemoryStore, records: &[VerifiedRecord]) -> Ingested {
    let done = ingest::ingest_range(store, records, NOW).unwrap();
    store.commit().unwrap();
    done
}

/// Returns the head behind which `record` ends.
pub(crate) fn head(record: &VerifiedRecord) -> FeedHead {
    FeedHead { seq: record.header().seq, id: record.id() }
}

/// Continues a feed behind `after` with `count` records whose bodies start with `text`.
pub(crate) fn go_on(
    author: &Author,
    after: FeedHead,
    count: Seq,
    text: &str,
) -> Vec<VerifiedRecord> {
    let mut head = after;
    let next = |n| {
        let record = author.write(head, &format!("{text} {n}"), |_| ());
        head = self::head(&record);
        record
    };
    (0..count).map(next).collect()
}

/// Returns a record without its body.
pub(crate) fn bare(record: &VerifiedRecord) -> VerifiedRecord {
    record.record().clone().without_payload().verify().unwrap()
}

/// Verifies a range in which every signature but the last is replaced by a bad one.
pub(crate) fn garbled(records: &[VerifiedRecord]) -> Vec<VerifiedRecord> {
    let last = records.len() - 1;
    let wire = records.iter().enumerate().map(|(n, record)| match n == last {
        true => record.to_wire(),
        false => WireRecord { signature: Some([0xab; 64]), ..record.to_wire() },
    });
    let signed = wire.map(|wire| SignedRecord::from_wire(wire).unwrap()).collect();
    VerifiedRecord::verify_range(signed).unwrap()
}

/// Returns where a record stands on the main branch.
pub(crate) fn place(record: &VerifiedRecord) -> Place {
    Place { feed: record.feed(), seq: record.header().seq, branch: Branch::Main }
}

/// Returns the digest of all that is admitted.
pub(crate) fn digest(store: &impl StoreRead) -> [u8; 32] {
    let root = |name| store.shelf(name).root();
    baraza_protocol::set_digest(root(ShelfName::Identities), root(ShelfName::Public))
}

/// Returns the ids of all admitted records, in order.
pub(crate) fn admitted(store: &impl StoreRead) -> Vec<RecordId> {
    let mut ids = Vec::new();
    for feed in store.feeds(None, 1_000).unwrap() {
        let state = store.feed(&feed).unwrap().unwrap();
        for seq in 1..=state.shelf.seq {
            let place = Place { feed, seq, branch: Branch::Main };
            ids.push(store.entry(&place).unwrap().unwrap().id);
        }
    }
    ids.sort();
    ids
}

/// Returns a request for all of the public records in these ranges.
pub(crate) fn fetch(ranges: Vec<Wanted>) -> Request {
    fetch_of(Scope::Public, ranges)
}

/// Returns a request for all of the records on a shelf in these ranges.
pub(crate) fn fetch_of(scope: Scope, ranges: Vec<Wanted>) -> Request {
    Request::Fetch(Fetch { scope, ranges, bytes: u32::MAX, interests: None })
}

/// Returns records without the proof that they are authentic.
pub(crate) fn unverified(records: &[VerifiedRecord]) -> Vec<SignedRecord> {
    records.iter().map(|record| record.record().clone()).collect()
}

/// Returns the records of a part as they are.
pub(crate) fn wires(part: &Part) -> Vec<WireRecord> {
    let (records, _) = part.clone().into_records().unwrap();
    records.iter().map(SignedRecord::to_wire).collect()
}

/// Writes the records of a batch out, so that a test can bend them.
pub(crate) fn written_out(answer: Answer) -> Answer {
    let Answer::Batch(parts) = answer else { return answer };
    let whole = |part: &Part| Part { range: part.range, records: Records::Whole(wires(part)) };
    Answer::Batch(parts.iter().map(whole).collect())
}

/// Returns the records of a part that is written out.
pub(crate) fn records_of(part: &mut Part) -> &mut Vec<WireRecord> {
    match &mut part.records {
        Records::Whole(records) => records,
        Records::Compact(_) => panic!("not written out"),
    }
}
