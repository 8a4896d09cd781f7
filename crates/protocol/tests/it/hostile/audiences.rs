//! Peers that know the id of a feed that is not for them, or that hand on what is not for us.

use baraza_protocol::{
    command::{Command, Reply},
    conformance::Author,
    entitle::Membership,
    model::MemoryStore,
    store::{Store, StoreRead},
    wire::{Answer, HeadEntry, Part, Request, Scope},
};
use baraza_record::{Audience, NetworkId, RecordId, VerifiedRecord};

use super::victim::Victim;
use crate::fixture::{bare, go_on, head, store_of, take, unverified};

const NETWORK: NetworkId = NetworkId([0xa1; 32]);

fn membership() -> Membership {
    Membership { id: NETWORK, secret: Some([3; 32]) }
}

/// Returns an author who writes for an audience.
fn author(number: u8, audience: Audience) -> Author {
    Author { audience, ..Author::new(number) }
}

/// Makes the victim a member of the network.
fn join(victim: &mut Victim) {
    let reply = victim.reply(Command::Networks(vec![membership()]));
    assert!(matches!(reply, Reply::Joined), "{reply:?}");
}

/// What a victim with `held` asks a peer that lists `listed` among what is for everybody.
fn asked(held: &[&[VerifiedRecord]], listed: &[HeadEntry]) -> Vec<Vec<u8>> {
    let mut store = store_of(&[&Author::new(1), &Author::new(100)]);
    held.iter().for_each(|records| {
        take(&mut store, records);
    });
    let mut victim = Victim::new().with(store);
    join(&mut victim);
    let (mallory, mut asked) = (Author::new(66), Vec::new());
    let theirs = store_of(&[&Author::new(1)]);
    victim.meet(&mallory, &theirs, &mut |request, honest| {
        // A comparison says what is held of a network, sealed; nobody else can read it.
        if !matches!(request, Request::Compare(_)) {
            asked.push(request.encode());
        }
        match (request, honest) {
            (Request::Heads(Scope::Public, None), Answer::Heads(..)) => {
                Answer::Heads(listed.to_vec(), false).encode()
            }
            (_, Answer::Differs(mut differs)) => {
                differs.hello.public = [7; 32];
                Answer::Differs(differs).encode()
            }
            (_, honest) => honest.encode(),
        }
    });
    asked
}

#[test]
fn whether_we_hold_what_is_not_for_a_peer_changes_nothing_that_it_sees() {
    let us = Author::new(100);
    for audience in
        [Audience::Network(NETWORK, [1; 16]), Audience::Centres(vec![us.centre()], [1; 16])]
    {
        let closed = author(1, audience);
        let chain = closed.chain(5);
        let other = go_on(&closed, head(&chain[3]), 1, "other");
        let (feed, wanted) = (closed.feed(), [bare(&chain[0])]);
        for (seq, id, forked) in [
            (3, chain[2].id(), false),
            (5, RecordId([1; 32]), false),
            (4, chain[3].id(), true),
            (9, RecordId([1; 32]), true),
            (u64::MAX, RecordId([1; 32]), false),
        ] {
            let listed = [HeadEntry { feed, seq, id, forked, bytes: 0 }];
            let without = asked(&[], &listed);
            assert!(2 < without.len(), "it asks for a feed that it does not hold");
            for held in
                [vec![&wanted[..]], vec![&wanted[..], &chain[1..]], vec![&chain[..], &other[..]]]
            {
                assert_eq!(asked(&held, &listed), without, "{seq} {forked}");
            }
        }
    }
}

/// Lets a peer list `foreign` under `scope` and hand it on. Returns what is held then.
fn hand_on(peer: &Author, scope: fn(&Scope) -> bool, foreign: &[VerifiedRecord]) -> MemoryStore {
    let mut victim = Victim::new();
    join(&mut victim);
    let theirs = store_of(&[&Author::new(1), peer]);
    let (feed, last) = (foreign[0].feed(), &foreign[foreign.len() - 1]);
    let entry = HeadEntry { feed, seq: last.header().seq, id: last.id(), forked: false, bytes: 0 };
    let node = Author::new(100).key.public();
    let ours = membership();
    victim.meet(peer, &theirs, &mut |request, honest| match (request, honest) {
        (Request::Heads(asked, None), _) if scope(asked) => {
            Answer::Heads(vec![entry], false).encode()
        }
        (Request::Fetch(..), _) => Answer::Batch(vec![Part::new(0, &unverified(foreign))]).encode(),
        (_, Answer::Differs(mut differs)) => {
            let from = peer.key.public();
            differs.hello.networks = vec![(ours.tag(&from, &node), [9; 32])];
            differs.hello.public = [7; 32];
            differs.feeds.push(differs.feeds[0].clone());
            Answer::Differs(differs).encode()
        }
        (_, honest) => honest.encode(),
    });
    let failure = victim.failure(peer).unwrap();
    assert!(failure.contains("another audience"), "{failure}");
    victim.service.into_store()
}

#[test]
fn what_is_not_on_the_shelf_asked_for_is_not_kept_and_the_peer_is_blamed() {
    let (peer, us) = (Author::new(66), Author::new(100));
    let public = |scope: &Scope| *scope == Scope::Public;
    let network = |scope: &Scope| matches!(scope, Scope::Network(_));
    let ours = author(1, Audience::Network(NETWORK, [1; 16]));
    let others = author(1, Audience::Network(NetworkId([9; 32]), [1; 16]));
    let named = author(1, Audience::Centres(vec![us.centre()], [1; 16]));
    let unnamed = author(1, Audience::Centres(vec![peer.centre()], [1; 16]));
    for (scope, foreign) in [
        (public as fn(&Scope) -> bool, &ours),
        (public, &others),
        (public, &named),
        (network, &others),
        (network, &named),
        (network, &unnamed),
        (network, &Author::new(1)),
    ] {
        let store = hand_on(&peer, scope, &foreign.chain(3));
        assert_eq!(store.reader().counts().records, 0);
    }
}
