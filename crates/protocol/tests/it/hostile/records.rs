//! Bodies, signatures and versions of records that somebody tampered with.

use baraza_protocol::{
    conformance::Author,
    ingest,
    store::{FeedHead, Store, StoreRead},
    wire::{Answer, Request},
};
use baraza_record::{Header, WireRecord};

use super::{
    Fault::{self, Nobody, Peer as Theirs},
    check,
    victim::Victim,
    world,
};
use crate::fixture::{bare, digest, garbled, go_on, head, records_of, store_of, take};

#[test]
fn bodies_that_are_withheld_wrong_or_miscounted() {
    let alice = Author::new(1);
    let store_with = |bodies: bool| {
        let mut store = store_of(&[&alice, &Author::new(100)]);
        for record in alice.chain(100) {
            take(&mut store, &[if bodies { record } else { bare(&record) }]);
        }
        store
    };
    type Bend = fn(Answer) -> Answer;
    let cases: [(&str, Fault, Bend); 4] = [
        ("withheld", Nobody, |answer| match answer {
            Answer::Bodies(bodies) => Answer::Bodies(vec![None; bodies.len()]),
            other => other,
        }),
        ("exchanged", Theirs, |answer| match answer {
            Answer::Bodies(mut bodies) => {
                bodies.reverse();
                Answer::Bodies(bodies)
            }
            other => other,
        }),
        ("one too few", Theirs, |answer| match answer {
            Answer::Bodies(mut bodies) => {
                bodies.pop();
                Answer::Bodies(bodies)
            }
            other => other,
        }),
        ("every second one", Nobody, |answer| match answer {
            Answer::Bodies(mut bodies) => {
                bodies.iter_mut().step_by(2).for_each(|body| *body = None);
                Answer::Bodies(bodies)
            }
            other => other,
        }),
    ];
    for (name, fault, bend) in cases {
        let (mut victim, mallory) = (Victim::new(), Author::new(66));
        let (bare, whole) = (store_with(false), store_with(true));
        // First headers alone, then bodies from one that has them and bends them.
        victim.meet(&Author::new(67), &bare, &mut |_, honest| honest.encode());
        victim.leave(&Author::new(67));
        assert_eq!(victim.service.store().counts().bodies_missing, 100);
        victim.meet(&mallory, &whole, &mut |_, honest| bend(honest).encode());
        let failure = victim.failure(&mallory);
        println!("{name}: {} requests, {failure:?}", victim.requests);
        assert_eq!(victim.failure(&mallory).is_some(), fault == Theirs, "{name}");
        assert!(victim.requests < 40, "{name}: {} requests", victim.requests);
        victim.leave(&mallory);
        victim.meet_honest(&whole);
    }
}

//  mallory garbles every signature but the last of each range; the victim must be able to
//  pass on what it got, and to put right what can be put right.
#[test]
fn garbled_signatures_do_not_stop_the_records() {
    let alice = Author::new(1);
    let chain = alice.chain(200);
    let mut poisoned = store_of(&[&alice, &Author::new(100)]);
    take(&mut poisoned, &garbled(&chain[..120]));
    take(&mut poisoned, &garbled(&chain[120..]));
    let mut victim = Victim::new();
    let mallory = Author::new(66);
    for _ in 0..3 {
        victim.meet(&mallory, &poisoned, &mut |_, honest| honest.encode());
        assert_eq!(victim.failure(&mallory), None, "whoever passes them on is not to blame");
        victim.leave(&mallory);
    }
    let state = victim.service.store().feed(&alice.feed()).unwrap().unwrap();
    assert_eq!(state.shelf, FeedHead { seq: 200, id: chain[199].id() });
    assert!(victim.service.is_complete(), "with bodies");

    // The fork stands where no good signature is near: 51 of 120.
    let fork = go_on(&alice, head(&chain[49]), 1, "other");
    take(&mut poisoned, &fork);
    let mut late = Victim::new();
    for _ in 0..4 {
        late.meet(&mallory, &poisoned, &mut |_, honest| honest.encode());
        assert_eq!(late.failure(&mallory), None);
        late.leave(&mallory);
    }
    assert_eq!(digest(late.service.store()), digest(&poisoned), "forked alike");
    assert!(late.service.is_complete());
}

/// Turns bob's records from the 11th on into ones of a version that does not exist yet.
fn newer_from_11(request: &Request, answer: Answer) -> Vec<u8> {
    let bob = Author::new(2).feed();
    let of_bob = |wire: &WireRecord| {
        let header = Header::decode(&wire.header);
        header.is_ok_and(|header| header.feed() == bob && 10 < header.seq)
    };
    match (request, answer) {
        (Request::Fetch(_), Answer::Batch(mut parts)) => {
            let records = parts.iter_mut().flat_map(records_of);
            records.filter(|wire| of_bob(wire)).for_each(|wire| wire.header[0] = 9);
            Answer::Batch(parts).encode()
        }
        (_, answer) => answer.encode(),
    }
}

#[test]
fn a_feed_that_goes_on_in_a_newer_version_ends_there_and_blocks_nothing() {
    check("a newer version", Nobody, &mut newer_from_11);
    let mut victim = Victim::new();
    let store = world(&victim);
    victim.meet(&Author::new(66), &store, &mut newer_from_11);
    let shelf = |feed| victim.service.store().feed(&feed).unwrap().unwrap().shelf.seq;
    assert_eq!(shelf(Author::new(2).feed()), 10, "what stands before is kept");
    assert_eq!(shelf(Author::new(1).feed()), 300, "and all others");
}

#[test]
fn feeds_of_unknown_signers_are_kept_in_small_numbers() {
    let (mut victim, mallory) = (Victim::new(), Author::new(66));
    let mut junk = store_of(&[]);
    let strangers: Vec<_> = (0..40).map(|n| Author::new(110 + n)).collect();
    for stranger in &strangers {
        ingest::ingest_identity(&mut junk, &stranger.event.encode()).unwrap();
        take(&mut junk, &stranger.chain(2));
    }
    victim.meet(&mallory, &junk, &mut |request, honest| match request {
        // The records without the logs that give them authority.
        Request::LogHeads(_) => Answer::LogHeads(Vec::new(), false).encode(),
        _ => honest.encode(),
    });
    let counts = victim.service.store().counts();
    assert!(counts.feeds <= 16, "{} feeds", counts.feeds);
    assert!(victim.status().held <= 32);
    victim.leave(&mallory);
    ingest::ingest_identity(&mut junk, &Author::new(100).event.encode()).unwrap();
    junk.commit().unwrap();
    victim.meet_honest(&junk);
}

//  alice signed three branches:  1 - 2 - 3     the victim has 2' 3' and was shown 3'', which
//                                 \   \ 3''    follows nothing that it holds; for the peer,
//                                  2' - 3'     with 2 3 and 3'', the feed forks at 3
#[test]
fn a_fork_that_is_known_does_not_hide_one_before_it() {
    let alice = Author::new(1);
    let chain = alice.chain(3);
    let third = go_on(&alice, head(&chain[1]), 1, "third");
    let mut ours = store_of(&[&alice, &Author::new(100)]);
    take(&mut ours, &chain[..1]);
    take(&mut ours, &go_on(&alice, head(&chain[0]), 2, "other"));
    assert_eq!(take(&mut ours, &third).diverged, Some(3));
    let mut theirs = store_of(&[&alice, &Author::new(100)]);
    take(&mut theirs, &chain);
    assert_eq!(take(&mut theirs, &third).forked, Some(3));
    let mut victim = Victim::new().with(ours);
    victim.meet(&Author::new(67), &theirs, &mut |_, honest| honest.encode());
    let state = victim.service.store().feed(&alice.feed()).unwrap().unwrap();
    assert_eq!((state.fork, state.shelf), (Some(2), head(&chain[0])));
}
