//! From frames to the store: bundles in any order, a ledger read again.

use baraza_protocol::{
    command::Imported,
    conformance::Author,
    entitle::Entitlement,
    model::MemoryStore,
    store::{BodyState, SignatureState, Store, StoreRead},
    stream::Intake,
};
use baraza_record::{Audience, NetworkId, Timestamp, VerifiedRecord, frame::Frame};

use crate::fixture::{NOW, Random, admitted, digest, garbled, go_on, head, place, store_of, take};

fn header(record: &VerifiedRecord) -> Frame {
    let wire = record.to_wire();
    Frame::Header { header: wire.header, signature: wire.signature }
}

fn payload(record: &VerifiedRecord) -> Frame {
    Frame::Payload { record: record.id(), payload: record.payload().unwrap().clone() }
}

fn frames(records: &[VerifiedRecord]) -> Vec<Frame> {
    records.iter().flat_map(|record| [header(record), payload(record)]).collect()
}

fn import(store: &mut MemoryStore, mut intake: Intake, frames: Vec<Frame>) -> Imported {
    for frame in frames {
        intake.take(store, frame).unwrap();
    }
    let done = intake.finish(store).unwrap();
    store.commit().unwrap();
    done
}

#[test]
fn a_bundle_brings_everything_and_a_second_time_nothing() {
    let (alice, bob) = (Author::new(1), Author::new(2));
    let mut all = vec![Frame::Identity(alice.event.encode()), Frame::Identity(bob.event.encode())];
    all.extend(frames(&alice.chain(600)));
    all.extend(frames(&bob.chain(3)));
    let mut store = MemoryStore::new(1);
    let done = import(&mut store, Intake::new(NOW, Entitlement::public()), all.clone());
    let expected = Imported { inserted: 603, identities: 2, ..Imported::default() };
    assert_eq!(done, expected);
    let done = import(&mut store, Intake::new(NOW, Entitlement::public()), all);
    assert_eq!(done, Imported { duplicates: 603, ..Imported::default() });
}

#[test]
fn the_order_of_pieces_does_not_matter_in_the_end() {
    let (alice, bob) = (Author::new(1), Author::new(2));
    let chain = alice.chain(20);
    let mut pieces = vec![
        vec![Frame::Identity(alice.event.encode())],
        vec![Frame::Identity(bob.event.encode())],
        frames(&bob.chain(4)),
        chain.iter().map(payload).collect(),
        chain[..10].iter().map(header).collect(),
        chain[10..].iter().map(header).collect(),
        frames(&go_on(&alice, head(&chain[11]), 1, "other")),
    ];
    let mut ends = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let mut random = Random(seed);
        let mut store = MemoryStore::new(1);
        for _ in 0..5 {
            random.shuffle(&mut pieces);
            for piece in &pieces {
                import(&mut store, Intake::new(NOW, Entitlement::public()), piece.clone());
            }
        }
        let lacking = store.missing(None, 99).unwrap();
        assert!(lacking.iter().all(|place| 12 < place.seq), "seed {seed}: {lacking:?}");
        ends.insert((digest(&store), admitted(&store)));
    }
    assert_eq!(ends.len(), 1);
    assert_eq!(ends.first().unwrap().1.len(), 12 + 4);
}

//  Ranges of 100, 150, 90 .. of which only the last signature is good: the runs that are
//  put together from the frames do not end where the ranges did.
#[test]
fn a_ledger_with_bad_signatures_is_read_again_whole() {
    let alice = Author::new(1);
    let chain = alice.chain(900);
    let mut store = store_of(&[&alice]);
    let mut ledger = vec![Frame::Clock(NOW), Frame::Identity(alice.event.encode())];
    let mut from = 0;
    for length in [100, 150, 90, 200, 1, 256, 103] {
        let range = garbled(&chain[from..from + length]);
        take(&mut store, &range);
        ledger.extend(frames(&range));
        from += length;
    }
    assert_eq!(from, chain.len());
    let mut again = MemoryStore::new(2);
    let done = import(&mut again, Intake::replay(), ledger);
    assert_eq!(done.rejected, 0);
    assert_eq!(digest(&again), digest(&store));
    for record in &chain {
        let [one, two] =
            [&store, &again].map(|store| store.entry(&place(record)).unwrap().unwrap());
        assert_eq!((one.id, one.body, one.arrived_ms), (two.id, two.body, two.arrived_ms));
    }
}

#[test]
fn what_is_damaged_is_left_out_and_the_rest_kept() {
    let alice = Author::new(1);
    let chain = alice.chain(12);
    let mut all = vec![Frame::Identity(alice.event.encode())];
    for (n, record) in chain.iter().enumerate() {
        match n {
            // Another's body; then a bad signature within; then one at the end of a run.
            3 => all.extend([
                header(record),
                Frame::Payload {
                    record: record.id(),
                    payload: chain[0].payload().unwrap().clone(),
                },
            ]),
            5 | 9 => all.extend([
                Frame::Header { header: record.to_wire().header, signature: Some([2; 64]) },
                payload(record),
            ]),
            10 => (),
            _ => all.extend(frames(std::slice::from_ref(record))),
        }
    }
    let mut store = MemoryStore::new(1);
    let done = import(&mut store, Intake::new(NOW, Entitlement::public()), all);
    assert_eq!((done.inserted, done.gaps), (9, 1), "{done:?}");
    assert_eq!(done.rejected, 2, "a body and the record before the hole");
    let entry = |n: usize| store.entry(&place(&chain[n])).unwrap().unwrap();
    assert_eq!(entry(3).body, BodyState::Missing);
    assert_eq!(entry(5).signature, SignatureState::Unchecked);

    let signature = *chain[5].signature().unwrap();
    let repair = vec![
        Frame::Signature { record: chain[5].id(), signature },
        Frame::Signature { record: chain[6].id(), signature },
        payload(&chain[3]),
    ];
    let done = import(&mut store, Intake::new(NOW, Entitlement::public()), repair);
    assert_eq!((done.bodies, done.rejected), (1, 1), "the signature of another is refused");
    let entry = |n: usize| store.entry(&place(&chain[n])).unwrap().unwrap();
    assert_eq!(entry(3).body, BodyState::Present);
    assert_eq!(entry(5).signature, SignatureState::Checked);
}

#[test]
fn what_a_ledger_notes_for_itself_is_believed_of_our_own_only() {
    let alice = Author::new(1);
    let chain = alice.chain(2);
    let mut all = vec![Frame::Identity(alice.event.encode()), Frame::Clock(Timestamp(5))];
    all.extend(frames(&chain));
    all.push(Frame::Erase { record: chain[0].id(), retraction: chain[1].id() });
    for (intake, body, arrived) in [
        (Intake::new(NOW, Entitlement::public()), BodyState::Present, NOW),
        (Intake::replay(), BodyState::Erased, Timestamp(5)),
    ] {
        let mut store = MemoryStore::new(1);
        import(&mut store, intake, all.clone());
        let entry = store.entry(&place(&chain[0])).unwrap().unwrap();
        assert_eq!((entry.body, entry.arrived_ms), (body, arrived));
    }
}

#[test]
fn what_is_for_others_is_not_kept() {
    let (alice, us, network) = (Author::new(1), Author::new(2), NetworkId([5; 32]));
    let for_us = |audience| Author { audience, ..alice.clone() };
    let ours = for_us(Audience::Centres(vec![us.centre()], [1; 16]));
    let others = for_us(Audience::Centres(vec![Author::new(3).centre()], [1; 16]));
    let member = for_us(Audience::Network(network, [1; 16]));
    let all = [ours.chain(2), others.chain(3), member.chain(4), alice.chain(1)];
    let frames: Vec<_> = all.iter().flat_map(|chain| frames(chain)).collect();
    for (entitled, kept) in [
        (Entitlement::public(), 1),
        (Entitlement::centre(us.centre()), 3),
        (Entitlement::member(network), 5),
    ] {
        let mut store = store_of(&[&alice]);
        let done = import(&mut store, Intake::new(NOW, entitled), frames.clone());
        assert_eq!((done.inserted, done.foreign), (kept, 10 - kept));
        assert_eq!(store.counts().records, kept);
    }
    let mut store = store_of(&[&alice]);
    import(&mut store, Intake::replay(), frames);
    assert_eq!(store.counts().records, 10, "what the ledger has was ours to keep");
}
