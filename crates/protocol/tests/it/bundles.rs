//! What is missing at another site: exactly that is given, whatever both hold.

use std::sync::Arc;

use baraza_identity::EndKind::{Compromised, Retired};
use baraza_protocol::{
    bundle::{self, Export, HaveCursor, Plan, Theirs},
    command::Imported,
    conformance::Author,
    entitle::Entitlement,
    model::MemoryStore,
    policy::{Action, Override, Policy, Rules},
    store::{Store, StoreRead},
    stream::Intake,
};
use baraza_record::{
    Audience, CentreId, NetworkId, VerifiedRecord,
    exchange::{Head, Note},
    frame::{self, Frame, FrameReader},
};

use crate::{
    admission::{
        self,
        Part::{self, Choice, End, H, NoHorizon, T, U},
        World,
    },
    fixture::{NOW, Random, bare, digest, garbled, go_on, head, store_of, take},
    order::{Item, history, offer},
};

fn rules(policy: Policy) -> Rules {
    Rules {
        own: CentreId([0xee; 32]),
        policy: Arc::new(policy),
        trust: Arc::default(),
        accreditations: Arc::default(),
        now: NOW,
    }
}

/// Returns what a site has, as it tells whoever is entitled.
fn have(store: &MemoryStore, entitled: &Entitlement) -> Vec<Theirs> {
    let (reader, rules) = (store.reader(), rules(Policy::default()));
    let (mut notes, mut at) = (Vec::new(), Some(HaveCursor::START));
    while let Some(cursor) = at {
        let (note, next) = bundle::have(&reader, &rules, entitled, cursor).unwrap();
        notes.push(note);
        at = next;
    }
    notes.into_iter().map(|note| Theirs { note, after: None, to: None }).collect()
}

/// Returns what is missing where somebody has `theirs`, and what is counted of it.
fn missing(from: &MemoryStore, theirs: &[Theirs], entitled: &Entitlement) -> (Vec<u8>, Plan) {
    let (reader, rules) = (from.reader(), rules(Policy::default()));
    let export = Export::new(&reader, &rules, entitled).unwrap();
    let (mut bytes, mut sum) = (Vec::new(), Plan::default());
    for theirs in theirs {
        let mut at = None;
        loop {
            let piece = export.piece(theirs, at).unwrap();
            bytes.extend(piece.bytes);
            at = piece.next;
            if at.is_none() {
                break;
            }
        }
        let (plan, next) = export.plan(theirs, None).unwrap();
        assert_eq!(next, None);
        sum.events += plan.events;
        sum.feeds += plan.feeds;
        sum.records += plan.records;
        sum.bodies += plan.bodies;
        sum.bytes += plan.bytes;
        sum.lacking.records += plan.lacking.records;
        sum.lacking.events += plan.lacking.events;
    }
    (bytes, sum)
}

fn frames(bytes: &[u8]) -> Vec<Frame> {
    FrameReader::resume(bytes, 0).map(|item| item.unwrap().1).collect()
}

fn import(store: &mut MemoryStore, bytes: &[u8], entitled: &Entitlement) -> Imported {
    let mut intake = Intake::new(NOW, entitled.clone());
    for frame in frames(bytes) {
        intake.take(store, frame).unwrap();
    }
    let done = intake.finish(store).unwrap();
    store.commit().unwrap();
    done
}

/// Brings what `to` lacks; returns how many bytes that had.
fn carry(from: &MemoryStore, to: &mut MemoryStore) -> usize {
    let public = Entitlement::public();
    let (bytes, plan) = missing(from, &have(to, &public), &public);
    let nothing = plan.events + plan.feeds + plan.bodies == 0;
    assert_eq!(bytes.is_empty(), nothing, "{plan:?}, {} bytes", bytes.len());
    let before = digest(to);
    let done = import(to, &bytes, &public);
    assert_eq!(done.rejected, 0, "{done:?}");
    // Only a branch that the author has ruled out, of which the giver has not heard, has no place.
    assert!(done.gaps == 0 || before == digest(to), "{done:?}");
    bytes.len()
}

/// Carries both ways until there is nothing to carry; then both hold the same.
#[track_caller]
fn converge(name: &str, a: &mut MemoryStore, b: &mut MemoryStore) {
    for _ in 0..5 {
        if carry(a, b) + carry(b, a) == 0 {
            assert_eq!(digest(a), digest(b), "{name}");
            let wanted = |store: &MemoryStore| {
                let missing = store.missing(None, 100).unwrap();
                let admitted = missing
                    .iter()
                    .filter(|place| store.feed(&place.feed).unwrap().unwrap().admits(place));
                admitted.count()
            };
            assert_eq!((wanted(a), wanted(b)), (0, 0), "{name}");
            return;
        }
    }
    panic!("{name}: still something to carry after five rounds");
}

//     alice .. dave fork in several ways; each site has heard about half of it
#[test]
fn two_sites_that_have_heard_half_each_end_with_one_set() {
    for seed in 0..400 {
        let mut random = Random(seed);
        let mut items = history();
        let mut stores = [MemoryStore::new(1), MemoryStore::new(2)];
        let mut all = MemoryStore::new(3);
        for store in &mut stores {
            let mut some: Vec<Item> = history();
            some.retain(|_| random.chance(60));
            for _ in 0..6 {
                random.shuffle(&mut some);
                some.iter().for_each(|item| offer(store, item));
            }
            store.commit().unwrap();
        }
        let [a, b] = &mut stores;
        let name = format!("seed {seed}");
        // Bodies that neither has cannot come: they are offered to one of them at last.
        for _ in 0..6 {
            random.shuffle(&mut items);
            items.iter().for_each(|item| offer(&mut all, item));
        }
        all.commit().unwrap();
        for _ in 0..3 {
            carry(a, b);
            carry(b, a);
        }
        assert_eq!(digest(a), digest(b), "{name}");
        // A third site brings the rest, with one bundle.
        carry(&all, a);
        converge(&name, a, b);
        converge(&name, &mut all, b);
    }
}

#[test]
fn rulings_of_the_author_reach_sites_that_hold_another_branch() {
    let end = End(Compromised, 'H', 6);
    let cases: &[&[Part]] = &[
        &[H(6), T(7, 9)],
        &[H(6), T(7, 9), End(Retired, 'H', 6)],
        &[H(6), NoHorizon(Compromised)],
        &[H(6), T(4, 6), end],
        &[H(6), T(4, 9), end],
        &[H(6), T(1, 9), end],
        &[H(6), T(4, 9), U(3, 8), end],
        &[H(6), T(4, 6), End(Retired, 'H', 3)],
        &[H(6), T(4, 6)],
        &[H(6), T(1, 2)],
        &[H(6), T(5, 6), U(3, 4)],
        &[H(6), T(4, 6), Choice('H', 4)],
        &[H(6), T(4, 6), Choice('T', 4)],
        &[H(5), T(4, 9), Choice('T', 4)],
        &[H(6), T(4, 6), Choice('T', 6)],
        &[H(6), T(4, 6), U(6, 7), Choice('H', 4), Choice('H', 6)],
        &[H(6), T(4, 6), U(4, 7), Choice('U', 4)],
        &[H(6), T(4, 6), Choice('T', 4), End(Compromised, 'H', 6)],
    ];
    for parts in cases {
        for seed in 0..60 {
            let mut random = Random(seed);
            let (events, ranges) = World::new().objects(parts);
            let mut some = || {
                let known = 1 + random.below(events.len() as u64) as usize;
                let mut ranges = ranges.clone();
                ranges.retain(|_| random.chance(70));
                admission::settle(random.next(), &events[..known], &ranges)
            };
            let (mut a, mut b) = (some(), some());
            for _ in 0..2 {
                carry(&a, &mut b);
                carry(&b, &mut a);
            }
            // A branch that the log names may be with neither: then a third site brings it.
            let mut all = admission::settle(seed, &events, &ranges);
            carry(&all, &mut a);
            let name = format!("{parts:?}, seed {seed}");
            converge(&name, &mut a, &mut b);
            converge(&name, &mut all, &mut b);
        }
    }
}

/// Returns stores of two sites that know the same authors.
fn sites(authors: &[&Author]) -> (MemoryStore, MemoryStore) {
    (store_of(authors), store_of(authors))
}

/// Returns the bytes of records with their bodies as a bundle has them.
fn size(records: &[VerifiedRecord]) -> usize {
    let mut bytes = Vec::new();
    for record in records {
        frame::encode_header(&mut bytes, record.signature(), record.header_bytes());
        if let Some(payload) = record.payload() {
            frame::encode_payload(&mut bytes, &record.id(), payload);
        }
    }
    bytes.len()
}

#[test]
fn what_is_given_is_what_is_missing_to_the_byte() {
    let (alice, bob) = (Author::new(1), Author::new(2));
    let (mut a, mut b) = sites(&[&alice, &bob]);
    let (ours, theirs) = (alice.chain(700), bob.chain(5));
    take(&mut a, &ours);
    take(&mut a, &theirs);
    take(&mut b, &ours[..650]);
    assert_eq!(carry(&a, &mut b), size(&ours[650..]) + size(&theirs));
    assert_eq!((carry(&a, &mut b), carry(&b, &mut a)), (0, 0));

    let more = go_on(&bob, head(&theirs[4]), 2, "more");
    take(&mut b, &more);
    let public = Entitlement::public();
    let (_, plan) = missing(&a, &have(&b, &public), &public);
    assert_eq!((plan.records, plan.lacking.records, plan.lacking.events), (0, 2, 0));
    let (_, plan) = missing(&b, &have(&a, &public), &public);
    assert_eq!((plan.records, plan.feeds, plan.events, plan.lacking.records), (2, 1, 0, 0));
}

#[test]
fn wanted_bodies_come_with_what_proves_them() {
    let alice = Author::new(1);
    let (mut a, mut b) = sites(&[&alice]);
    let chain = alice.chain(6);
    // The last signature alone is good: a body before it travels with the headers up to it.
    take(&mut a, &garbled(&chain));
    take(&mut b, &chain.iter().map(bare).collect::<Vec<_>>());
    let public = Entitlement::public();
    let theirs = have(&b, &public);
    let Some(Note::Bodies(ids)) = theirs.last().map(|theirs| &theirs.note) else { panic!() };
    assert_eq!(ids.len(), 6);
    let one = [Theirs { note: Note::Bodies(vec![ids[1]]), after: None, to: None }];
    let (bytes, plan) = missing(&a, &one, &public);
    assert_eq!((plan.bodies, plan.records), (1, 0));
    let kinds: String = frames(&bytes)
        .iter()
        .map(|frame| if matches!(frame, Frame::Payload { .. }) { 'b' } else { 'h' })
        .collect();
    assert_eq!(kinds, "hbhhhh");
    assert_eq!(import(&mut b, &bytes, &public).bodies, 1);
    converge("bodies", &mut a, &mut b);
    // Of a record that is not on the shelf, or unknown, nothing is given.
    let strange =
        [Theirs { note: Note::Bodies(vec![baraza_record::RecordId([9; 32])]), ..one[0].clone() }];
    assert!(missing(&a, &strange, &public).0.is_empty());
}

#[test]
fn nobody_learns_of_feeds_that_are_not_for_him() {
    let (alice, bob) = (Author::new(1), Author::new(2));
    let lake = Audience::Network(NetworkId([7; 32]), [1; 16]);
    let named = Audience::Centres(vec![bob.centre()], [2; 16]);
    let (in_lake, for_bob) =
        (Author { audience: lake, ..alice.clone() }, Author { audience: named, ..alice.clone() });
    let (mut a, _) = sites(&[&alice, &bob]);
    for author in [&alice, &in_lake, &for_bob] {
        take(&mut a, &author.chain(3));
    }
    // One body of each is wanted here.
    for author in [&in_lake, &for_bob] {
        let chain = author.chain(4);
        take(&mut a, &[bare(&chain[3])]);
    }
    let holds = |bytes: &[u8], author: &Author| {
        let feed = author.feed();
        bytes.windows(32).any(|window| window == feed.0)
    };
    let cases = [
        (Entitlement::public(), (false, false)),
        (Entitlement::member(NetworkId([7; 32])), (true, false)),
        (Entitlement::centre(bob.centre()), (false, true)),
        (Entitlement::centre(CentreId([5; 32])), (false, false)),
        (Entitlement::member(NetworkId([8; 32])), (false, false)),
    ];
    for (entitled, expected) in cases {
        let notes = have(&a, &entitled);
        let told: Vec<u8> = notes.iter().flat_map(|theirs| theirs.note.encode()).collect();
        assert!(holds(&told, &alice));
        assert_eq!((holds(&told, &in_lake), holds(&told, &for_bob)), expected, "{entitled:?}");
        let wanted = notes.iter().find_map(|theirs| match &theirs.note {
            Note::Bodies(ids) => Some(ids.len()),
            _ => None,
        });
        let bodies = usize::from(expected.0) + usize::from(expected.1);
        assert_eq!(wanted, Some(bodies), "{entitled:?}");

        let all = [Theirs::no_logs(), Theirs::no_feeds()];
        let (bytes, plan) = missing(&a, &all, &entitled);
        assert_eq!((holds(&bytes, &in_lake), holds(&bytes, &for_bob)), expected, "{entitled:?}");
        assert_eq!(plan.records, 3 + 4 * bodies as u64);
        // To ask for a body by its id helps nobody.
        let ids = in_lake.chain(3).iter().map(|record| record.id()).collect();
        let ask = [Theirs { note: Note::Bodies(ids), after: None, to: None }];
        assert_eq!(missing(&a, &ask, &entitled).0.is_empty(), !expected.0, "{entitled:?}");
    }
}

#[test]
fn what_policy_blocks_stays_here() {
    let (alice, bob) = (Author::new(1), Author::new(2));
    let (mut a, _) = sites(&[&alice, &bob]);
    take(&mut a, &alice.chain(2));
    take(&mut a, &bob.chain(2));
    let block =
        Override { id: bob.centre().0, action: Action::Block, reason: String::new(), until: None };
    let policy = Policy { overrides: vec![block], ..Policy::default() };
    let (reader, rules, public) = (a.reader(), rules(policy), Entitlement::public());
    let export = Export::new(&reader, &rules, &public).unwrap();
    for theirs in [Theirs::no_logs(), Theirs::no_feeds()] {
        let piece = export.piece(&theirs, None).unwrap();
        let holds = |id: &CentreId| piece.bytes.windows(32).any(|window| window == id.0);
        assert!(!holds(&bob.centre()));
        assert!(!piece.bytes.is_empty());
    }
}

#[test]
fn heads_that_cannot_be_cost_no_more_than_their_look() {
    let alice = Author::new(1);
    let (mut a, _) = sites(&[&alice]);
    take(&mut a, &alice.chain(4));
    let (feed, centre, public) = (alice.feed().0, alice.centre().0, Entitlement::public());
    let head = |key, seq, id, forked| Head { key, seq, id, forked };
    for (seq, id, forked) in [
        (u64::MAX, [1; 32], false),
        (u64::MAX, [1; 32], true),
        (4, [1; 32], true),
        (0, [1; 32], true),
        (0, feed, false),
        (1, feed, false),
        (u64::MAX - 1, feed, true),
    ] {
        let note = Note::Feeds(vec![head(feed, seq, id, forked), head([0xff; 32], seq, id, true)]);
        let (bytes, plan) = missing(&a, &[Theirs { note, after: None, to: None }], &public);
        assert!(bytes.len() <= size(&alice.chain(4)), "{seq}");
        // What a forged number asks for is counted and changes nothing.
        assert!(plan.lacking.records >= seq.saturating_sub(4), "{plan:?}");
        let note = Note::Logs(vec![head(centre, seq, id, forked)]);
        let (bytes, _) = missing(&a, &[Theirs { note, after: None, to: None }], &public);
        assert!(bytes.len() <= 1_000, "{} bytes", bytes.len());
    }
}
