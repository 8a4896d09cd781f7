//! Who gets what: every audience, whoever asks, every kind of request.

use baraza_protocol::{
    answer::answer,
    conformance::Author,
    entitle::{Entitlement, Membership, NetworkTag, Ours, Shared},
    model::MemoryStore,
    net::Peer,
    standing::{self, Standing},
    store::Store,
    wire::{Answer, Below, Request, Scope, Trie, Wanted},
};
use baraza_record::{Audience, CentreId, NetworkId, VerifiedRecord};

use crate::fixture::{fetch_of, go_on, head, store_of, take};

const CLOSED: NetworkId = NetworkId([0xc1; 32]);
const OPEN: NetworkId = NetworkId([0x09; 32]);

fn closed() -> Membership {
    Membership { id: CLOSED, secret: Some([7; 32]) }
}

fn open() -> Membership {
    Membership { id: OPEN, secret: None }
}

/// A feed of alice with its records: two, and a third on two branches.
struct Written {
    author: Author,
    chain: Vec<VerifiedRecord>,
    other: VerifiedRecord,
}

/// Alice's node, with a feed for everybody, for each network, and for carol's centre.
struct World {
    store: MemoryStore,
    ours: Ours,
    feeds: [Written; 4],
}

fn world() -> World {
    let [alice, bob, carol] = [1, 2, 3].map(Author::new);
    let mut store = store_of(&[&alice, &bob, &carol, &Author::new(4)]);
    let audiences = [
        Audience::Public,
        Audience::Network(CLOSED, [1; 16]),
        Audience::Network(OPEN, [1; 16]),
        Audience::Centres(vec![carol.centre()], [1; 16]),
    ];
    let feeds = audiences.map(|audience| {
        let author = Author { audience, ..alice.clone() };
        let chain = author.chain(3);
        take(&mut store, &chain);
        let other = go_on(&author, head(&chain[1]), 1, "other").remove(0);
        take(&mut store, std::slice::from_ref(&other));
        Written { author, chain, other }
    });
    // Its node key is not its operator key, so that it can also ask as one of its own nodes.
    let node = Author::new(90).key.public();
    let ours = Ours { centre: alice.centre(), node, networks: vec![closed(), open()] };
    World { store, ours, feeds }
}

impl World {
    fn ask(&self, asker: &Peer, request: &Request) -> Answer {
        answer(&self.store.reader(), &self.ours, asker, request).unwrap()
    }

    /// Asks for a feed in every way that there is. Returns whether each way gave something;
    /// what it gave may be nothing or all, and must not tell of what was not given.
    #[track_caller]
    fn gets(&self, asker: &Peer, scope: Scope, feed: &Written) -> Option<bool> {
        let id = feed.author.feed();
        let wanted = Wanted { feed: id, from: 1, to: 9 };
        let requests = [
            Request::Heads(scope, None),
            Request::Descend(Trie::Feeds(scope), vec![Vec::new()]),
            fetch_of(scope, vec![wanted]),
            Request::Bodies(scope, vec![(id, 1), (id, 2)]),
            Request::Probe(scope, id, vec![1, 2]),
            Request::Evidence(scope, id),
        ];
        let mut given = Vec::new();
        for request in requests {
            let answer = self.ask(asker, &request);
            let bytes = answer.encode();
            given.push(match answer {
                Answer::Heads(heads, false) => heads.iter().any(|head| head.feed == id),
                Answer::Descent(below) => match below.as_slice() {
                    [Below::Heads(heads)] => heads.iter().any(|head| head.feed == id),
                    other => panic!("{other:?}"),
                },
                Answer::Batch(parts) => parts.iter().any(|part| part.records.len() == 2),
                Answer::Bodies(bodies) => bodies.iter().all(Option::is_some),
                Answer::Ids(ids) => ids.iter().all(Option::is_some),
                Answer::Evidence(branches) => branches.len() == 2,
                other => panic!("{other:?} to {request:?}"),
            });
            if given.last() == Some(&false) {
                self.assert_silent(feed, &bytes);
            }
        }
        // Heads and tries list the shelf that was asked for, the others give all that may be had.
        assert_eq!(given[0], given[1]);
        given[2..].iter().all(|one| *one == given[2]).then_some(given[2])
    }

    #[track_caller]
    fn assert_silent(&self, feed: &Written, bytes: &[u8]) {
        let id = feed.author.feed();
        let mut secrets = vec![id.0];
        secrets.extend(feed.chain.iter().chain([&feed.other]).map(|record| record.id().0));
        for secret in secrets {
            assert!(!bytes.windows(32).any(|window| window == secret), "an id went out");
        }
    }
}

#[test]
fn every_audience_whoever_asks_every_request() {
    let world = world();
    let us = world.ours.node;
    let [alice, bob, carol, dave] = [1, 2, 3, 4].map(Author::new);
    let [alices, bobs, carols, daves] = [&alice, &bob, &carol, &dave].map(|one| one.key.public());
    let tag = |network: Membership, from, to| Scope::Network(network.tag(&from, &to));
    let stolen = Membership { secret: Some([8; 32]), ..closed() };
    let nobody = CentreId([0; 32]);
    // Who asks, with what proof, and which of the four feeds it gets.
    let cases: [(&str, Peer, Scope, [bool; 4]); 18] = [
        ("anybody", daves, Scope::Public, [true, false, false, false]),
        ("a member who does not say so", bobs, Scope::Public, [true, false, false, false]),
        ("a named centre that does not say so", carols, Scope::Public, [true, false, false, false]),
        ("our own centre that does not", alices, Scope::Public, [true, false, false, false]),
        ("a member", bobs, tag(closed(), bobs, us), [true, true, false, false]),
        ("one who says so", daves, tag(open(), daves, us), [true, false, true, false]),
        ("a wrong secret", daves, tag(stolen, daves, us), [true, false, false, false]),
        (
            "the id of a closed one",
            daves,
            Scope::Network(NetworkTag(CLOSED.0)),
            [true, false, false, false],
        ),
        ("a member's tag", daves, tag(closed(), bobs, us), [true, false, false, false]),
        ("our own tag for him", daves, tag(closed(), us, daves), [true, false, false, false]),
        ("our tag for a member", daves, tag(closed(), us, bobs), [true, false, false, false]),
        (
            "a member's tag for another",
            bobs,
            tag(closed(), bobs, carols),
            [true, false, false, false],
        ),
        ("a named centre", carols, Scope::Centres(carol.centre()), [true, false, false, true]),
        (
            "another node of the author",
            alices,
            Scope::Centres(alice.centre()),
            [true, false, false, true],
        ),
        (
            "a centre that is not named",
            bobs,
            Scope::Centres(bob.centre()),
            [true, false, false, false],
        ),
        ("a forged claim", daves, Scope::Centres(carol.centre()), [true, false, false, false]),
        (
            "a claim to be the author",
            daves,
            Scope::Centres(alice.centre()),
            [true, false, false, false],
        ),
        ("a claim to be nobody", daves, Scope::Centres(nobody), [true, false, false, false]),
    ];
    for (who, asker, scope, expected) in cases {
        let got = world.feeds.each_ref().map(|feed| world.gets(&asker, scope, feed));
        assert_eq!(got, expected.map(Some), "{who}");
    }
}

#[test]
fn the_shelf_asked_for_lists_what_is_on_it_and_nothing_else() {
    let world = world();
    let (us, carol) = (world.ours.node, Author::new(3));
    let asker = carol.key.public();
    let listed = |scope| {
        let Answer::Heads(heads, false) = world.ask(&asker, &Request::Heads(scope, None)) else {
            panic!("no heads")
        };
        heads.iter().map(|head| head.feed).collect::<Vec<_>>()
    };
    let feed = |n: usize| vec![world.feeds[n].author.feed()];
    assert_eq!(listed(Scope::Public), feed(0));
    assert_eq!(listed(Scope::Network(closed().tag(&asker, &us))), feed(1));
    assert_eq!(listed(Scope::Network(open().tag(&asker, &us))), feed(2));
    assert_eq!(listed(Scope::Centres(carol.centre())), feed(3));
    assert_eq!(listed(Scope::Centres(world.ours.centre)), []);
}

#[test]
fn what_belongs_to_nobody_in_particular_tells_of_no_other_feed() {
    let world = world();
    let dave = Author::new(4);
    let asker = dave.key.public();
    let stranger = Ours { centre: dave.centre(), node: asker, networks: Vec::new() };
    let store = store_of(&[&dave]);
    let question =
        standing::question(&store, &stranger, &world.ours.node, None, &[], None).unwrap();
    let wanted = |author: u8| baraza_protocol::wire::LogWanted {
        centre: Author::new(author).centre(),
        after: None,
    };
    for request in [
        Request::Compare(question),
        Request::LogHeads(None),
        Request::Logs((1..=4).map(wanted).collect()),
        Request::Peers,
    ] {
        let answer = world.ask(&asker, &request);
        if let Answer::Differs(differs) = &answer {
            assert!(differs.hello.networks.is_empty(), "not even how many networks there are");
            assert_eq!(differs.feeds.len(), 1);
        }
        let bytes = answer.encode();
        world.feeds[1..].iter().for_each(|feed| world.assert_silent(feed, &bytes));
        for network in [CLOSED, OPEN] {
            assert!(!bytes.windows(32).any(|window| window == network.0));
        }
    }
}

#[test]
fn what_members_show_an_outsider_is_different_each_time() {
    let world = world();
    let [bob, dave] = [2, 4].map(|n| Author::new(n).key.public());
    let bobs = Ours { node: bob, networks: vec![closed()], ..world.ours.clone() };
    let ours = Ours { networks: vec![closed()], ..world.ours.clone() };
    // Members prove themselves to each other, and outsiders with stolen words to nobody.
    let hello = |ours: &Ours, to| {
        let theirs = Ours { node: to, networks: vec![closed()], ..ours.clone() };
        let question = standing::question(&world.store, &theirs, &ours.node, None, &[], None);
        match standing::answer(&world.store, ours, &to, &question.unwrap()).unwrap() {
            Answer::Differs(differs) => differs.hello,
            other => panic!("{other:?}"),
        }
    };
    let shown =
        [hello(&ours, dave), hello(&bobs, dave), hello(&ours, bob), hello(&bobs, world.ours.node)];
    let mut seen: Vec<_> = shown.iter().flat_map(|one| one.networks.clone()).collect();
    seen.sort();
    seen.dedup_by_key(|(tag, _)| *tag);
    assert_eq!(seen.len(), 4);
    seen.sort_by_key(|(_, root)| *root);
    seen.dedup_by_key(|(_, root)| *root);
    assert_eq!(seen.len(), 4, "one root would show an outsider who belongs together");
    let standing = Standing::of(&world.store, &ours, &bob, &shown[3]).unwrap();
    assert!(standing.agrees(), "members see through it");
    assert!(standing.shared().any(|shared| shared == Shared::Network(CLOSED)));
}

#[test]
fn the_rule_itself() {
    let [alice, bob, carol] = [1, 2, 3].map(|n| Author::new(n).centre());
    let named = Audience::Centres(vec![bob], [0; 16]);
    for (audience, anybody, member, [a, b, c]) in [
        (Audience::Public, true, true, [true, true, true]),
        (Audience::Network(CLOSED, [0; 16]), false, true, [false, false, false]),
        (Audience::Network(OPEN, [0; 16]), false, false, [false, false, false]),
        (named.clone(), false, false, [true, true, false]),
    ] {
        assert_eq!(Entitlement::public().covers(&alice, &audience), anybody);
        assert_eq!(Entitlement::member(CLOSED).covers(&alice, &audience), member);
        for (centre, expected) in [(alice, a), (bob, b), (carol, c)] {
            assert_eq!(Entitlement::centre(centre).covers(&alice, &audience), expected);
        }
    }
    let both = |ours, theirs| Shared::Centres(theirs).holds(&ours, &alice, &named);
    assert!(both(alice, bob) && both(bob, alice) && both(bob, bob));
    assert!(!both(carol, alice) && !both(alice, carol) && !both(carol, carol));
}
