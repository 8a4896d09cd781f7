//! A history with everything in it: stolen keys, rotations, forks, rulings, retractions, late
//! objects. Any order of arrival gives one state.
//!
//! ```text
//! eve's log   inception - desk - end of the first key - rotation - choice - desk retired
//!                             \ forged: the thief's desk
//! first key   1 .. 8, of which 6 is the horizon; the thief signs 5' .. 9'
//! desk        1 2 3 4 5, of which 3 retracts; 4' 5' 6' are chosen
//! thief's     1 2, under the forged event
//! mallory     1 2 3, forks at 2 and is never ruled on
//! Kenya       accredits eve, suspends her, and, by a key that it adds when it ends the first
//!             one, accredits her again; the first key's later word counts for nothing
//! ```

use std::collections::BTreeSet;

use baraza_identity::{Changes, EndKind};
use baraza_protocol::{
    accreditation::{Accreditations, Pin},
    conformance::{Author, Owner, adds, chooses, ends},
    effective::Effective,
    ingest::{self, IngestError},
    model::MemoryStore,
    net::Verdict,
    store::{Branch, FeedHead, Place, Store, StoreRead},
};
use baraza_record::{EventId, Header, Kind, Payload, RecordId, Seq, VerifiedRecord};

use serde_json::json;

use crate::fixture::{NOW, Random, admitted, bare, digest, go_on, head, place};

/// Something that a peer may offer at any time.
enum Item {
    Events(Vec<Vec<u8>>),
    Range(Vec<VerifiedRecord>),
    Body(Place, Payload),
}

/// Returns the number of orders to try: 300, or as many as `BARAZA_ORDERS` says.
fn orders() -> u64 {
    std::env::var("BARAZA_ORDERS").map_or(300, |count| count.parse().unwrap())
}

/// Continues a feed under an identity event.
fn under(
    writer: &Author,
    event: EventId,
    after: FeedHead,
    count: Seq,
    text: &str,
    change: impl Fn(Seq, &mut Header),
) -> Vec<VerifiedRecord> {
    let mut at = after;
    let next = |n| {
        let record = writer.write(at, &format!("{text} {n}"), |header| {
            header.identity_head = event;
            change(header.seq, header);
        });
        at = head(&record);
        record
    };
    (0..count).map(next).collect()
}

/// Returns the events of a nation and what it says of the centre of `subject`.
fn statements(subject: &Author) -> (Vec<Vec<u8>>, Vec<VerifiedRecord>) {
    let mut kenya = Owner::nation(3);
    let (first, desk) = (kenya.author.clone(), kenya.writer(0x11));
    let say = |writer: &Author, after, event, status: &str, replaces: &[RecordId]| {
        let body = json!({
            "centre": subject.centre(), "status": status, "replaces": replaces,
            "schema": "accreditation/1",
        });
        writer.write_body(after, body.to_string().into_bytes(), |header| {
            (header.kind, header.identity_head) = (Kind::ACCREDITATION, event);
        })
    };
    let inception = first.event.id();
    let yes = say(&first, first.start(), inception, "accredited", &[]);
    let no = say(&first, head(&yes), inception, "suspended", &[yes.id()]);
    let late = say(&first, head(&no), inception, "withdrawn", &[]);
    let changed =
        Changes { operators: adds(&desk).operators, ..ends(&first, EndKind::Compromised, &[&no]) };
    let changed = kenya.update(changed);
    let again = say(&desk, desk.start(), changed.id(), "accredited", &[no.id()]);
    (vec![first.event.encode(), changed.encode()], vec![yes, no, late, again])
}

fn history() -> Vec<Item> {
    let mut eve = Owner::new(1);
    let (first, desk, stolen) = (eve.author.clone(), eve.writer(0x11), eve.writer(0x12));
    let own = first.chain(8);
    let added = eve.update(adds(&desk));
    let forged = eve.forge(adds(&stolen), 9);
    let ended = eve.update(ends(&first, EndKind::Compromised, &[&own[5]]));
    let rotated = eve.rotate(Changes::default());
    let written = under(&desk, added.id(), desk.start(), 5, "desk", |seq, header| {
        if seq == 3 {
            (header.kind, header.target) = (Kind::RETRACTION, Some(own[1].id()));
        }
    });
    let plain = |_: Seq, _: &mut Header| ();
    let chosen = under(&desk, rotated.id(), head(&written[2]), 3, "chosen", plain);
    let choice = eve.update(chooses(&[&chosen[0]]));
    let retired = eve.update(ends(&desk, EndKind::Retired, &[&chosen[2]]));
    let thiefs = under(&stolen, forged.id(), stolen.start(), 2, "thief", plain);
    let mallory = Author::new(2);
    let honest = mallory.chain(3);

    let (nation_events, statements) = statements(&first);
    let events = [&first.event, &added, &forged, &ended, &rotated, &choice, &retired];
    let mut items: Vec<_> = events.iter().map(|event| Item::Events(vec![event.encode()])).collect();
    // A whole log as a peer gives it, and a part of it as gossip may.
    items.push(Item::Events(events[..4].iter().map(|event| event.encode()).collect()));
    items.push(Item::Events(vec![mallory.event.encode()]));
    items.extend(nation_events.into_iter().map(|event| Item::Events(vec![event])));
    let mut each = |records: &[VerifiedRecord]| {
        items.extend(records.iter().map(|record| Item::Range(vec![record.clone()])));
    };
    each(&own[2..]);
    each(&go_on(&first, head(&own[3]), 5, "back-dated"));
    each(&[bare(&own[0]), bare(&own[1])]);
    each(&written);
    each(&chosen);
    each(&thiefs);
    each(&honest);
    each(&statements);
    each(&go_on(&mallory, head(&honest[0]), 2, "other"));
    items.push(Item::Range(own[..6].to_vec()));
    items.push(Item::Range(written[1..4].to_vec()));
    let bodies = own[..2].iter().map(|one| (place(one), one.payload().unwrap().clone()));
    items.extend(bodies.map(|(place, body)| Item::Body(place, body)));
    items
}

fn offer(store: &mut MemoryStore, item: &Item) {
    let blameless = |error: IngestError| match error {
        IngestError::Rejected(why) => assert_eq!(why.verdict(), Verdict::Ignore, "{why}"),
        IngestError::Store(error) => panic!("{error}"),
    };
    match item {
        Item::Events(events) => match events.as_slice() {
            [event] => drop(ingest::ingest_identity(store, event).map_err(blameless)),
            more => {
                let first = baraza_identity::SignedEvent::from_kept(&more[0]).unwrap();
                ingest::ingest_log(store, first.centre(), more).map_err(blameless).unwrap();
            }
        },
        Item::Range(records) => drop(ingest::ingest_range(store, records, NOW).unwrap()),
        // Another branch may stand at its place for a while.
        Item::Body(place, body) => drop(ingest::ingest_body(store, place, body)),
    }
}

type State = ([u8; 32], Vec<RecordId>, BTreeSet<(RecordId, String)>, String);

/// Returns shelves, admitted records, what each of these is worth, and how eve stands.
fn state(store: &MemoryStore) -> State {
    let mut effective = Effective::new(store);
    let mut worth = BTreeSet::new();
    for feed in store.feeds(None, 100).unwrap() {
        for seq in 1..=store.feed(&feed).unwrap().unwrap().shelf.seq {
            let place = Place { feed, seq, branch: Branch::Main };
            let view = effective.view(&place).unwrap().unwrap();
            worth.insert((view.entry.id, format!("{:?}", view.standing)));
        }
    }
    let pin = Pin { nation: Author::nation(3).centre(), country: "KE".into(), since: NOW };
    let accreditations = Accreditations::compute(store, &[pin]).unwrap();
    let eve = accreditations.words(&Author::new(1).centre(), Some("KE"), 90, NOW);
    (digest(store), admitted(store), worth, eve)
}

/// Offers everything in the order of `seed`, again and again until nothing changes.
fn settle(seed: u64, items: &mut [Item]) -> State {
    let mut random = Random(seed);
    let mut store = MemoryStore::new(1);
    for _ in 0..20 {
        let before = (store.last_change(), digest(&store));
        random.shuffle(items);
        items.iter().for_each(|item| offer(&mut store, item));
        if before == (store.last_change(), digest(&store)) {
            store.commit().unwrap();
            return state(&store);
        }
    }
    panic!("seed {seed}: still changing");
}

#[test]
fn any_order_of_arrival_gives_one_state() {
    let mut items = history();
    let expected = settle(0, &mut items);
    // 6 of the first key, 3 and 3 of the desk, none of the thief's, 1 of mallory, 2 and 1 of Kenya.
    assert_eq!(expected.1.len(), 6 + 6 + 1 + 3);
    assert!(expected.3.starts_with("accredited by KE"), "{}", expected.3);
    let retracted = expected.2.iter().filter(|(_, standing)| standing == "Retracted").count();
    assert_eq!(retracted, 1);
    for seed in 1..orders() {
        assert_eq!(settle(seed, &mut items), expected, "seed {seed}");
    }
}
