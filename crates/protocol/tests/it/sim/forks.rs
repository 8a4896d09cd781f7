//! Forked feeds, newer versions: what cannot be whole is the same everywhere and blocks
//! nothing else.

use baraza_protocol::{
    command::Reply,
    store::{ShelfName, Store, StoreRead},
};
use baraza_reconcile::Head;
use baraza_record::{CentreId, EventId, codec};

use super::{Sim, node::publish, seeds};

const MINUTE_MS: u64 = 60_000;

/// Has node 1 publish 5 records that spread, then 3 that the others see too, then go
/// back to an older disk and, cut off from all, publish 4 others.
fn fork(sim: &mut Sim, seed: u64) {
    sim.start_all();
    sim.publish(1, 5, 300);
    assert!(sim.settle(5 * MINUTE_MS).is_some(), "seed {seed}");
    let old = sim.nodes[1].store().crashed();
    sim.publish(1, 3, 300);
    sim.run_for(MINUTE_MS);
    sim.crash(1);
    for other in [0, 2, 3, 4] {
        sim.cut(1, other);
    }
    sim.restore(1, &old);
    sim.start(1);
    sim.publish(1, 4, 300);
    sim.run_for(MINUTE_MS);
    sim.heal_all();
}

#[test]
fn a_forked_feed_is_forked_alike_everywhere_and_blocks_nothing_else() {
    for seed in seeds() {
        let mut sim = Sim::new(seed, 5);
        (sim.gossip_loss, sim.request_loss) = (10, 5);
        fork(&mut sim, seed);
        sim.publish(2, 7, 300);
        assert!(sim.settle(30 * MINUTE_MS).is_some(), "seed {seed}: the nodes do not agree");
        let feed = sim.nodes[1].author.feed();
        let other = sim.nodes[2].author.feed();
        for node in &sim.nodes {
            let shelf = node.store().shelf(ShelfName::Public);
            let head = shelf.get(&feed.0).unwrap();
            assert_eq!((head.seq, head.forked), (5, true), "seed {seed}");
            let head = shelf.get(&other.0).unwrap();
            assert_eq!((head.seq, head.forked), (7, false), "seed {seed}");
        }
        sim.command(1, publish(1, 10, "more"));
        let reply = sim.nodes[1].replies.last();
        assert!(matches!(reply, Some(Reply::Refused(_))), "seed {seed}: {reply:?}");
        let late = sim.nodes.len() - 1;
        sim.crash(late);
        let fresh = Sim::new(seed, late + 1).nodes[late].store().crashed();
        sim.restore(late, &fresh);
        sim.start(late);
        assert!(sim.settle(5 * MINUTE_MS).is_some(), "seed {seed}: one that comes late");
    }
}

/// Puts an identity log on the disk of a node that is down, in a version that the others do
/// not read.
fn keep_newer_log(sim: &mut Sim, node: usize) {
    let mut store = sim.nodes[node].store().crashed();
    let event = [2_u8, 0, 77];
    let signed = codec::encode(&(event.to_vec(), Vec::<(u8, [u8; 64])>::new()));
    store.put_identity(&CentreId([7; 32]), 0, &EventId([7; 32]), &signed).unwrap();
    let head = Head { seq: 1, id: [7; 32], forked: false };
    store.put_identity_head(&CentreId([7; 32]), head).unwrap();
    store.commit().unwrap();
    sim.restore(node, &store);
}

#[test]
fn nodes_that_cannot_become_equal_do_not_compare_in_a_circle() {
    let mut sim = Sim::new(3, 2);
    keep_newer_log(&mut sim, 0);
    sim.start_all();
    sim.publish(0, 20, 300);
    sim.run_for(MINUTE_MS);
    assert_eq!(sim.records(1), 20, "all else arrives");
    assert_ne!(sim.digest(0), sim.digest(1));
    let before = sim.traffic;
    sim.run_for(60 * MINUTE_MS);
    let requests = sim.traffic.requests - before.requests;
    println!("{requests} requests in an hour between two that differ");
    assert!(requests < 400, "{requests} requests in an hour");

    sim.publish(0, 20, 300);
    sim.run_for(MINUTE_MS + 10_000);
    assert_eq!(sim.records(1), 40, "news still spread");
    sim.publish(1, 1, 300);
    sim.run_for(5_000);
    assert_eq!(sim.records(0), 41, "in both directions");
}
