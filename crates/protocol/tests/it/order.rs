//! What is admitted does not depend on the order in which things arrive.

use baraza_protocol::{
    conformance::Author,
    ingest::{self, IngestError},
    model::MemoryStore,
    store::{Place, StoreRead},
};
use baraza_record::{Payload, RecordId, VerifiedRecord};

use crate::fixture::{NOW, Random, admitted, bare, digest, garbled, go_on, head, place};

const ORDERS: u64 = 1_000;

/// Something that a peer may offer at any time.
pub(crate) enum Item {
    Identity(Vec<u8>),
    Range(Vec<VerifiedRecord>),
    Body(Place, Payload),
}

//  alice   1 2 3 4 5 6        forks at 4 (4' 5'), two records come without their bodies
//  bob     1 2 3 4            forks at 3 (3' 4'), and 2'' 3'' fork it again further down
//  carol   1 .. 6             does not fork; comes in ranges with bad signatures, too
//  dave    1, 1'              forks at the first record
pub(crate) fn history() -> Vec<Item> {
    let [alice, bob, carol, dave] = [1, 2, 3, 4].map(Author::new);
    let mut items: Vec<_> = [&alice, &bob, &carol, &dave]
        .map(|author| Item::Identity(author.event.encode()))
        .into_iter()
        .collect();
    let mut each = |records: &[VerifiedRecord]| {
        items.extend(records.iter().map(|record| Item::Range(vec![record.clone()])));
    };
    let main = alice.chain(6);
    each(&main[2..]);
    each(&go_on(&alice, head(&main[2]), 2, "other"));
    each(&[bare(&main[0]), bare(&main[1])]);
    let chain = bob.chain(4);
    each(&chain);
    each(&go_on(&bob, head(&chain[1]), 2, "other"));
    each(&go_on(&bob, head(&chain[0]), 2, "third"));
    let whole = carol.chain(6);
    each(&whole[3..]);
    each(&dave.chain(1));
    each(&go_on(&dave, dave.start(), 1, "other"));
    items.push(Item::Range(garbled(&whole[..4])));
    items.push(Item::Range(garbled(&whole[1..6])));
    let bodies = main[..2].iter().map(|one| (place(one), one.payload().unwrap().clone()));
    items.extend(bodies.map(|(place, body)| Item::Body(place, body)));
    items
}

pub(crate) fn offer(store: &mut MemoryStore, item: &Item) {
    match item {
        Item::Identity(event) => {
            ingest::ingest_identity(store, event).unwrap();
        }
        Item::Range(records) => {
            ingest::ingest_range(store, records, NOW).unwrap();
        }
        Item::Body(place, body) => match ingest::ingest_body(store, place, body) {
            Ok(_) => (),
            // Until the feed is known to fork there, another record may stand at the place.
            Err(IngestError::Rejected(_)) => panic!("only records before a fork lack bodies"),
            Err(IngestError::Store(error)) => panic!("{error}"),
        },
    }
}

type Admitted = ([u8; 32], Vec<RecordId>, usize);

/// Offers everything in the order of `seed`, again and again until nothing changes.
fn settle(seed: u64, items: &mut [Item]) -> Admitted {
    let mut random = Random(seed);
    let mut store = MemoryStore::new(1);
    for _ in 0..20 {
        let before = (store.last_change(), digest(&store));
        random.shuffle(items);
        items.iter().for_each(|item| offer(&mut store, item));
        if before == (store.last_change(), digest(&store)) {
            let shown = admitted(&store);
            let lacking = store.missing(None, 100).unwrap();
            let lacking = lacking
                .iter()
                .filter(|place| store.feed(&place.feed).unwrap().unwrap().admits(place));
            return (digest(&store), shown, lacking.count());
        }
    }
    panic!("seed {seed}: still changing");
}

#[test]
fn any_order_of_arrival_gives_the_same_set() {
    let mut items = history();
    let expected = settle(0, &mut items);
    // 3 of alice, 1 of bob, 6 of carol, none of dave; every body of them.
    assert_eq!((expected.1.len(), expected.2), (3 + 1 + 6, 0));
    for seed in 1..ORDERS {
        assert_eq!(settle(seed, &mut items), expected, "seed {seed}");
    }
}
