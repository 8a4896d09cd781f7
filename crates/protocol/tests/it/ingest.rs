//! Every outcome of ingest, and every kind of bad bytes.

use baraza_protocol::{
    Input,
    conformance::Author,
    ingest::{self, HELD_FEEDS_MAX, HELD_PER_FEED_MAX, IngestError, Ingested, Rejection},
    net::{GOSSIP_BYTES_MAX, NetEvent, Verdict},
    screen::screen,
    store::{BodyState, Branch, Place, ShelfName, SignatureState, Store, StoreRead},
};
use baraza_record::{
    EventId, Payload, RECORD_BYTES_MAX, RecordError, SignedRecord, VerifiedRecord, WireRecord,
};

use crate::fixture::{bare, garbled, go_on, head, place, store_of, take};

#[test]
fn a_second_copy_is_a_duplicate() {
    let alice = Author::new(1);
    let (mut store, records) = (store_of(&[&alice]), alice.chain(3));
    assert_eq!(take(&mut store, &records), Ingested { inserted: 3, ..Ingested::default() });
    let change = store.last_change();
    assert_eq!(take(&mut store, &records), Ingested { duplicates: 3, ..Ingested::default() });
    assert_eq!(store.last_change(), change, "nothing was written");
    assert_eq!(take(&mut store, &[]), Ingested::default());
}

#[test]
fn a_record_behind_a_gap_is_not_kept() {
    let alice = Author::new(1);
    let (mut store, records) = (store_of(&[&alice]), alice.chain(5));
    let gap = |seq| Ingested { gap: Some(seq), ..Ingested::default() };
    assert_eq!(take(&mut store, &records[2..]), gap(1));
    take(&mut store, &records[..1]);
    assert_eq!(take(&mut store, &records[2..]), gap(2));
    assert_eq!(store.counts().records, 1);
    assert_eq!(take(&mut store, &records[1..]).inserted, 4);
}

#[test]
fn a_range_that_does_not_follow_what_is_held_has_diverged() {
    let alice = Author::new(1);
    let (mut store, records) = (store_of(&[&alice]), alice.chain(3));
    let other = go_on(&alice, head(&records[0]), 3, "other");
    take(&mut store, &records[..2]);
    assert_eq!(take(&mut store, &other[1..]).diverged, Some(3));
    assert_eq!(store.feed(&alice.feed()).unwrap().unwrap().chain.seq, 2);
}

#[test]
fn a_fork_ends_the_shelf_before_it_and_a_lower_one_earlier() {
    let alice = Author::new(1);
    let (mut store, records) = (store_of(&[&alice]), alice.chain(6));
    take(&mut store, &records);
    let shelf = |store: &baraza_protocol::model::MemoryStore| {
        let shelf = store.shelf(ShelfName::Public);
        shelf.get(&alice.feed().0).map(|head| (head.seq, head.id, head.forked))
    };
    let high = go_on(&alice, head(&records[3]), 1, "high");
    assert_eq!(take(&mut store, &high).forked, Some(5));
    assert_eq!(shelf(&store), Some((4, records[3].id().0, true)));
    let low = go_on(&alice, head(&records[1]), 2, "low");
    assert_eq!(take(&mut store, &low).forked, Some(3));
    assert_eq!(shelf(&store), Some((2, records[1].id().0, true)));
    assert_eq!(take(&mut store, &high), Ingested { duplicates: 1, ..Ingested::default() });

    let third = go_on(&alice, head(&records[1]), 1, "a third branch");
    assert_eq!(take(&mut store, &third), Ingested { duplicates: 1, ..Ingested::default() });
    let later = go_on(&alice, head(&records[5]), 1, "after the fork");
    assert_eq!(take(&mut store, &later).inserted, 0, "which branch goes on is not ours to say");

    let first = go_on(&alice, alice.start(), 1, "the very first");
    assert_eq!(take(&mut store, &first).forked, Some(1));
    assert_eq!(shelf(&store), Some((0, alice.feed().0, true)));
}

#[test]
fn what_lost_its_place_on_the_shelf_is_a_change() {
    let alice = Author::new(1);
    let (mut store, records) = (store_of(&[&alice]), alice.chain(4));
    take(&mut store, &records);
    let before = store.last_change();
    take(&mut store, &go_on(&alice, head(&records[1]), 1, "other"));
    let changes = store.changes(before, 100).unwrap();
    let changed: Vec<_> = changes.iter().map(|(_, place)| (place.seq, place.branch)).collect();
    assert_eq!(changed, [(3, Branch::Other), (3, Branch::Main), (4, Branch::Main)]);
}

#[test]
fn records_wait_for_the_identity_of_their_centre() {
    let alice = Author::new(1);
    let (mut store, records) = (store_of(&[]), alice.chain(4));
    let done = take(&mut store, &records);
    assert_eq!((done.inserted, done.held), (4, 4));
    assert!(store.shelf(ShelfName::Public).is_empty());
    let before = store.last_change();
    let event = alice.event.encode();
    assert_eq!(ingest::ingest_identity(&mut store, &event).unwrap(), (alice.centre(), true));
    assert_eq!(store.feed(&alice.feed()).unwrap().unwrap().shelf.seq, 4);
    assert_eq!(store.changes(before, 9).unwrap().len(), 4, "each is shown now");
    assert_eq!(ingest::ingest_identity(&mut store, &event).unwrap(), (alice.centre(), false));
}

#[test]
fn a_record_under_an_unknown_event_holds_up_its_feed_only() {
    let (alice, bob) = (Author::new(1), Author::new(2));
    let mut store = store_of(&[&alice, &bob]);
    let first = alice.chain(1);
    let odd =
        alice.write(head(&first[0]), "later", |header| header.identity_head = EventId([9; 32]));
    let next = alice.write(head(&odd), "still later", |_| ());
    take(&mut store, &first);
    let done = take(&mut store, &[odd, next.clone()]);
    assert_eq!((done.inserted, done.held), (2, 2));
    let state = store.feed(&alice.feed()).unwrap().unwrap();
    assert_eq!((state.chain.seq, state.shelf.seq), (3, 1));
    let fork = go_on(&alice, first.last().map(head).unwrap(), 2, "other");
    assert_eq!(take(&mut store, &fork).forked, Some(2), "the key is known to be the centre's");
    assert_eq!(take(&mut store, &bob.chain(2)).held, 0);
}

#[test]
fn what_is_held_without_authority_is_bounded() {
    let alice = Author::new(1);
    let mut store = store_of(&[]);
    let records = alice.chain(HELD_PER_FEED_MAX + 10);
    take(&mut store, &records[..200]);
    let done = take(&mut store, &records[200..]);
    assert_eq!((done.inserted, done.deferred), (HELD_PER_FEED_MAX - 200, 10));
    let fork = go_on(&alice, head(&records[3]), 1, "other");
    assert_eq!(take(&mut store, &fork), Ingested { deferred: 1, ..Ingested::default() });

    // A signer whom its centre's log does not name gets no further.
    ingest::ingest_identity(&mut store, &alice.event.encode()).unwrap();
    assert_eq!(take(&mut store, &records[200..]).deferred, 0);
    assert_eq!(take(&mut store, &fork).forked, Some(5));
}

#[test]
fn feeds_without_authority_are_bounded() {
    let stranger = |n: usize| {
        let alice = Author::new(1);
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&n.to_be_bytes());
        let audience = baraza_record::Audience::Network(baraza_record::NetworkId([1; 32]), nonce);
        Author { audience, ..alice }
    };
    let mut store = store_of(&[]);
    for n in 0..HELD_FEEDS_MAX {
        assert_eq!(take(&mut store, &stranger(n).chain(1)).held, 1, "{n}");
    }
    let late = stranger(HELD_FEEDS_MAX);
    assert_eq!(take(&mut store, &late.chain(2)).deferred, 2);
    assert_eq!(store.counts().feeds, HELD_FEEDS_MAX as u64);
    let bob = Author::new(2);
    ingest::ingest_identity(&mut store, &bob.event.encode()).unwrap();
    assert_eq!(take(&mut store, &bob.chain(2)).inserted, 2, "known signers are not concerned");
}

#[test]
fn a_missing_body_comes_later_and_must_fit() {
    let alice = Author::new(1);
    let (mut store, records) = (store_of(&[&alice]), alice.chain(2));
    take(&mut store, &[bare(&records[0])]);
    let place = place(&records[0]);
    let body = |store: &dyn StoreRead| store.entry(&place).unwrap().unwrap().body;
    assert_eq!(body(&store), BodyState::Missing);
    let wrong = records[1].payload().unwrap();
    let error = ingest::ingest_body(&mut store, &place, wrong).unwrap_err();
    let expected = RecordError::Payload { seq: 1 };
    assert!(
        matches!(&error, IngestError::Rejected(Rejection::Record(why)) if *why == expected),
        "{error}"
    );
    let right = records[0].payload().unwrap();
    assert!(ingest::ingest_body(&mut store, &place, right).unwrap());
    assert!(!ingest::ingest_body(&mut store, &place, right).unwrap(), "it is wanted once");
    assert_eq!(body(&store), BodyState::Present);
    let nowhere = Place { seq: 9, ..place };
    assert!(!ingest::ingest_body(&mut store, &nowhere, right).unwrap());

    take(&mut store, &[bare(&records[1])]);
    assert_eq!(take(&mut store, &records[1..]).bodies, 1, "or with a second copy");
    store.erase(&place).unwrap();
    assert_eq!(take(&mut store, &records[..1]).bodies, 0, "what was erased stays so");
}

#[test]
fn a_good_signature_takes_the_place_of_an_unchecked_one() {
    let alice = Author::new(1);
    let (mut store, records) = (store_of(&[&alice]), alice.chain(3));
    assert_eq!(take(&mut store, &garbled(&records)).inserted, 3);
    let signature = |store: &dyn StoreRead, n: usize| {
        store.entry(&place(&records[n])).unwrap().unwrap().signature
    };
    assert_eq!(signature(&store, 0), SignatureState::Unchecked);
    assert_eq!(signature(&store, 2), SignatureState::Checked);
    take(&mut store, &records[..1]);
    assert_eq!(signature(&store, 0), SignatureState::Checked);
    take(&mut store, &garbled(&records));
    assert_eq!(signature(&store, 0), SignatureState::Checked, "and keeps it");
    let read = store.record(&place(&records[0])).unwrap().unwrap();
    assert_eq!(read.encode(), records[0].encode());
}

#[test]
fn bad_bytes_are_refused_and_their_sender_blamed_only_if_it_is_to_blame() {
    let alice = Author::new(1);
    let records = alice.chain(2);
    let good = records[0].encode();
    let wire = |change: &dyn Fn(&mut WireRecord)| {
        let mut wire = records[0].to_wire();
        change(&mut wire);
        baraza_record::codec::encode(&wire)
    };
    let other = Author::new(2).chain(1)[0].to_wire();
    let mut long_form = good.clone();
    // The length of the header, as a number of 3 bytes instead of 1.
    assert!(good[0] <= 250, "the header is short");
    long_form.splice(..1, [251, good[0], 0]);
    let cases: Vec<(&str, Vec<u8>, Verdict)> = vec![
        ("good", good.clone(), Verdict::Accept),
        ("empty", Vec::new(), Verdict::Reject),
        ("cut", good[..good.len() - 1].to_vec(), Verdict::Reject),
        ("cut in the header", good[..40].to_vec(), Verdict::Reject),
        ("a byte more", [&good[..], &[0]].concat(), Verdict::Reject),
        ("too long", vec![0; RECORD_BYTES_MAX + 1], Verdict::Reject),
        ("longest gossip", vec![1; GOSSIP_BYTES_MAX], Verdict::Reject),
        ("not the shortest form", long_form, Verdict::Reject),
        ("no signature", wire(&|wire| wire.signature = None), Verdict::Reject),
        ("wrong signature", wire(&|wire| wire.signature = Some([3; 64])), Verdict::Reject),
        ("another's signature", wire(&|wire| wire.signature = other.signature), Verdict::Reject),
        (
            "another's body",
            wire(&|wire| wire.payload = records[1].to_wire().payload),
            Verdict::Reject,
        ),
        ("a changed header", wire(&|wire| wire.header[9] ^= 1), Verdict::Reject),
        ("version 0", wire(&|wire| wire.header[0] = 0), Verdict::Reject),
        ("version 2", wire(&|wire| wire.header[0] = 2), Verdict::Ignore),
    ];
    let peer = Author::new(7).key.public();
    for (name, bytes, expected) in cases {
        // A message starts with what it carries: 0 for a record.
        let bytes = [&[0], bytes.as_slice()].concat();
        let Input::Gossip { token: 5, heard, .. } =
            screen(NetEvent::Gossip { peer, token: 5, bytes })
        else {
            panic!("{name}: not gossip any more");
        };
        let verdict = heard.as_ref().map_or_else(Rejection::verdict, |_| Verdict::Accept);
        assert_eq!(verdict, expected, "{name}: {heard:?}");
        if let Err(error) = heard {
            assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn a_broken_chain_is_no_range() {
    let alice = Author::new(1);
    let records = alice.chain(4);
    let range = |picked: &[usize]| {
        let signed = picked.iter().map(|n| records[*n].record().clone()).collect::<Vec<_>>();
        VerifiedRecord::verify_range(signed).map(|range| range.len())
    };
    assert_eq!(range(&[0, 1, 2, 3]), Ok(4));
    assert_eq!(range(&[0, 2]), Err(RecordError::Chain { seq: 3 }));
    assert_eq!(range(&[1, 0]), Err(RecordError::Chain { seq: 1 }));
    assert_eq!(range(&[]), Err(RecordError::RangeLength { headers: 0 }));
    let bob = Author::new(2).chain(2);
    let mixed = vec![records[0].record().clone(), bob[1].record().clone()];
    assert_eq!(VerifiedRecord::verify_range(mixed), Err(RecordError::Chain { seq: 2 }));
    let forged = SignedRecord::from_wire(WireRecord {
        payload: Some(Payload { salt: [0; 16], body: b"{}".to_vec() }),
        ..records[3].to_wire()
    });
    let forged = vec![records[2].record().clone(), forged.unwrap()];
    assert_eq!(VerifiedRecord::verify_range(forged), Err(RecordError::Payload { seq: 4 }));
}
