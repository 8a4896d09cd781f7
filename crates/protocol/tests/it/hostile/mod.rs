//! Peers that lie, stall or send rubbish: each session ends within its limits, nothing wrong
//! is kept, whoever is at fault is blamed, and an honest peer still brings everything.

mod answers;
mod audiences;
mod cursors;
mod flood;
mod gossip;
mod links;
mod records;
mod victim;

use baraza_protocol::{conformance::Author, model::MemoryStore, service::OFFENCES_MAX};

use crate::fixture::{digest, go_on, head, store_of, take};
use victim::{Script, Victim};

/// What an honest node holds: alice with 300 records, bob with 20, a fork of carol's feed.
fn world(victim: &Victim) -> MemoryStore {
    let [alice, bob, carol] = [1, 2, 3].map(Author::new);
    let mut store = store_of(&[&alice, &bob, &carol, &Author::new(100)]);
    assert_ne!(digest(&store), digest(victim.service.store()));
    for chunk in alice.chain(300).chunks(100) {
        take(&mut store, chunk);
    }
    take(&mut store, &bob.chain(20));
    let chain = carol.chain(5);
    take(&mut store, &chain);
    take(&mut store, &go_on(&carol, head(&chain[2]), 1, "other"));
    store
}

/// Who is at fault in a case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Peer,
    Nobody,
}

/// Lets mallory answer by `script`; then an honest peer must still bring everything. Returns
/// how many requests the first session made.
#[track_caller]
fn check(name: &str, fault: Fault, script: Script<'_>) -> u32 {
    let (mut victim, mallory) = (Victim::new(), Author::new(66));
    let store = world(&victim);
    victim.meet(&mallory, &store, script);
    let failure = victim.failure(&mallory);
    let requests = victim.requests;
    println!("{name}: {requests} requests, {failure:?}");
    if fault == Fault::Peer {
        assert!(victim.failure(&mallory).is_some(), "{name}: nobody is blamed");
        let mut offences = 1;
        for _ in 0..4 {
            assert!(!victim.sent_away, "{name}: sent away too early");
            victim.leave(&mallory);
            victim.meet(&mallory, &store, script);
            // Once it has given all, there may be nothing left to lie about.
            offences += u32::from(victim.failure(&mallory).is_some());
        }
        assert_eq!(victim.sent_away, offences == OFFENCES_MAX, "{name}: {offences} offences");
        victim.leave(&mallory);
        victim.meet(&mallory, &store, script);
        assert!(!victim.sent_away || victim.requests == 0, "{name}: nobody talks to it");
    } else {
        assert!(!victim.sent_away, "{name}: sent away without fault");
    }
    victim.leave(&mallory);
    victim.meet_honest(&store);
    requests
}
