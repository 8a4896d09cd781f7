//! Two networks, a member of both, an outsider and named centres: each ends with exactly what
//! it is entitled to, and the outsider is never told a byte of the rest.

use std::collections::BTreeMap;

use baraza_protocol::{
    command::{Command, Recipients, Reply},
    entitle::Membership,
    store::Store,
    stream::place_of,
};
use baraza_record::{NetworkId, RecordId};

use super::{Sim, node::publish_for, seeds};
use crate::fixture::{Random, admitted};

const MINUTE_MS: u64 = 60_000;
const ALPHA: NetworkId = NetworkId([0xa1; 32]);
const BETA: NetworkId = NetworkId([0xb2; 32]);

/// In every body that is not for everybody.
const PHRASE: &str = "the well at the third bend";

fn alpha() -> Membership {
    Membership { id: ALPHA, secret: Some([0x5e; 32]) }
}

fn beta() -> Membership {
    Membership { id: BETA, secret: None }
}

//  0, 1: alpha    2: alpha and beta    3: beta    4: nothing, but named by 0    5: outsider
fn world(seed: u64) -> Sim {
    let mut sim = Sim::new(seed, 6);
    let networks =
        [vec![alpha()], vec![alpha()], vec![beta(), alpha()], vec![beta()], vec![], vec![]];
    for (node, networks) in sim.nodes.iter_mut().zip(networks) {
        node.networks = networks;
    }
    sim
}

/// What each node must end with, as the ids of records.
type Expected = BTreeMap<usize, Vec<RecordId>>;

fn tell(sim: &mut Sim, expected: &mut Expected, by: usize, recipients: Recipients, to: &[usize]) {
    let text = match recipients {
        Recipients::Public => format!("by {by} at {}", sim.now),
        _ => format!("{PHRASE} by {by} at {}", sim.now),
    };
    sim.publish_as(by, publish_for(2, 700, &text, recipients));
    for id in sim.nodes[by].published() {
        to.iter().for_each(|node| expected.entry(*node).or_default().push(id));
    }
}

fn publish_all(sim: &mut Sim, expected: &mut Expected) {
    let named = |sim: &Sim, nodes: &[usize]| {
        Recipients::Centres(nodes.iter().map(|node| sim.nodes[*node].author.centre()).collect())
    };
    tell(sim, expected, 5, Recipients::Public, &[0, 1, 2, 3, 4, 5]);
    tell(sim, expected, 0, Recipients::Network(ALPHA), &[0, 1, 2]);
    tell(sim, expected, 2, Recipients::Network(ALPHA), &[0, 1, 2]);
    tell(sim, expected, 2, Recipients::Network(BETA), &[2, 3]);
    tell(sim, expected, 3, Recipients::Network(BETA), &[2, 3]);
    let to = named(sim, &[4, 1]);
    tell(sim, expected, 0, to, &[0, 1, 4]);
    let to = named(sim, &[0]);
    tell(sim, expected, 3, to, &[0, 3]);
}

fn done(sim: &mut Sim, expected: &Expected) -> bool {
    let complete =
        sim.nodes.iter_mut().all(|node| node.service().is_none_or(|service| service.is_complete()));
    complete
        && expected.iter().all(|(node, ids)| {
            let mut ids = ids.clone();
            ids.sort();
            admitted(&sim.nodes[*node].store().reader()) == ids
        })
}

#[track_caller]
fn assert_settles(sim: &mut Sim, expected: &Expected, seed: u64) {
    let end = sim.now + 60 * MINUTE_MS;
    while !done(sim, expected) {
        if end < sim.now {
            let held = |node: usize| admitted(&sim.nodes[node].store().reader()).len();
            let held: Vec<_> = (0..6).map(held).collect();
            let want: Vec<_> = expected.values().map(Vec::len).collect();
            panic!("seed {seed}: {held:?} of {want:?}");
        }
        sim.run_for(500);
    }
    // Nobody gets more than that later on.
    sim.run_for(5 * MINUTE_MS);
    assert!(done(sim, expected), "seed {seed}");
}

/// Checks that `node` was told nothing of what it does not hold.
#[track_caller]
fn assert_told_nothing(sim: &Sim, node: usize, expected: &Expected, seed: u64) {
    let told = &sim.nodes[node].told;
    assert!(1_000 < told.len(), "it was told something");
    let said = |what: &[u8]| told.windows(what.len()).any(|window| window == what);
    let ours = expected.get(&node).cloned().unwrap_or_default();
    for (other, ids) in expected {
        for id in ids.iter().filter(|id| !ours.contains(id)) {
            assert!(!said(&id.0), "seed {seed}: the id of a record");
            let place = place_of(sim.nodes[*other].store(), id).unwrap().unwrap();
            assert!(!said(&place.feed.0), "seed {seed}: the id of a feed");
        }
    }
    assert!(!said(&ALPHA.0), "seed {seed}: the id of a closed network");
}

#[test]
fn each_ends_with_what_it_is_entitled_to() {
    for seed in seeds() {
        let (mut sim, mut expected) = (world(seed), Expected::new());
        sim.start_all();
        sim.run_for(10_000);
        publish_all(&mut sim, &mut expected);
        assert_settles(&mut sim, &expected, seed);
        for node in 0..6 {
            if node != 2 && node != 0 && node != 1 {
                assert_told_nothing(&sim, node, &expected, seed);
            }
        }
        let outsider = &sim.nodes[5].told;
        assert!(!outsider.windows(PHRASE.len()).any(|window| window == PHRASE.as_bytes()));
    }
}

#[test]
fn loss_and_restarts_change_nothing() {
    for seed in seeds() {
        let (mut sim, mut expected) = (world(seed), Expected::new());
        (sim.gossip_loss, sim.request_loss, sim.busy) = (20, 10, 10);
        sim.start_all();
        let mut random = Random(seed);
        for _ in 0..3 {
            publish_all(&mut sim, &mut expected);
            for _ in 0..3 {
                let node = usize::try_from(random.below(6)).unwrap();
                sim.crash(node);
                sim.run_for(random.below(20_000));
                sim.start(node);
                sim.run_for(random.below(20_000));
            }
        }
        assert_settles(&mut sim, &expected, seed);
        assert_told_nothing(&sim, 5, &expected, seed);
    }
}

#[test]
fn joining_brings_what_is_there_and_leaving_ends_it() {
    let (mut sim, mut expected) = (world(3), Expected::new());
    sim.start_all();
    tell(&mut sim, &mut expected, 0, Recipients::Network(ALPHA), &[0, 1, 2]);
    assert_settles(&mut sim, &expected, 3);

    sim.command(5, Command::Networks(vec![alpha()]));
    sim.nodes[5].networks = vec![alpha()];
    expected.insert(5, expected[&0].clone());
    assert_settles(&mut sim, &expected, 3);

    sim.command(5, Command::Networks(Vec::new()));
    let before = sim.nodes[5].told.len();
    tell(&mut sim, &mut expected, 0, Recipients::Network(ALPHA), &[0, 1, 2]);
    assert_settles(&mut sim, &expected, 3);
    assert_eq!(admitted(&sim.nodes[5].store().reader()).len(), 2, "what was there stays");
    let since = &sim.nodes[5].told[before..];
    assert!(!since.windows(PHRASE.len()).any(|window| window == PHRASE.as_bytes()));
    sim.publish_as(5, publish_for(1, 1, "x", Recipients::Network(ALPHA)));
    let last = sim.nodes[5].replies.last().unwrap();
    assert!(matches!(last, Reply::Refused(_)), "{last:?}");
}

//  0 comes back with an old disk; 5, an outsider, is the first that it meets.
#[test]
fn an_old_disk_forks_no_feed_of_a_network_while_a_member_can_be_asked() {
    for seed in seeds() {
        let (mut sim, mut expected) = (world(seed), Expected::new());
        sim.start_all();
        tell(&mut sim, &mut expected, 0, Recipients::Network(ALPHA), &[0, 1, 2]);
        assert_settles(&mut sim, &expected, seed);
        let old = sim.nodes[0].store().crashed();
        tell(&mut sim, &mut expected, 0, Recipients::Network(ALPHA), &[0, 1, 2]);
        assert_settles(&mut sim, &expected, seed);
        sim.crash(0);
        sim.restore(0, &old);
        (1..5).for_each(|other| sim.cut(0, other));
        sim.start(0);
        sim.run_for(8_000);
        let before = sim.nodes[0].replies.len();
        sim.command(0, publish_for(1, 9, PHRASE, Recipients::Network(ALPHA)));
        sim.run_for(2_000);
        assert_eq!(sim.nodes[0].replies.len(), before, "an outsider cannot tell it");
        sim.heal_all();
        while sim.nodes[0].replies.len() == before {
            sim.run_for(100);
        }
        let ids = sim.nodes[0].published();
        (0..3).for_each(|node| expected.get_mut(&node).unwrap().extend(&ids));
        assert_settles(&mut sim, &expected, seed);
    }
}
