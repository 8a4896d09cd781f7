//! A node that is put back from an old image of its disk asks how far its feed goes before it
//! publishes: no fork, nothing lost.

use baraza_protocol::{
    command::Reply,
    service::OWN_FEED_WAIT_MS,
    store::{FeedHead, StoreRead},
};

use super::{Sim, node::publish, seeds};

const MINUTE_MS: u64 = 60_000;

/// Starts three nodes of which node 1 has published 5 records and then 3 more; returns its disk
/// as it was in between.
fn image(sim: &mut Sim) -> baraza_protocol::model::MemoryStore {
    sim.start_all();
    sim.publish(1, 5, 300);
    assert!(sim.settle(5 * MINUTE_MS).is_some(), "the first records spread");
    let old = sim.nodes[1].store().crashed();
    sim.publish(1, 3, 300);
    assert!(sim.settle(5 * MINUTE_MS).is_some(), "the later records spread");
    old
}

#[track_caller]
fn assert_one_chain(sim: &Sim, records: u64, seed: u64) {
    let feed = sim.nodes[1].author.feed();
    for node in &sim.nodes {
        let state = node.store().feed(&feed).unwrap().unwrap();
        assert_eq!((state.shelf.seq, state.fork), (records, None), "seed {seed}");
    }
}

#[test]
fn a_node_put_back_from_an_old_disk_never_forks_and_loses_nothing() {
    let mut waited = 0;
    for seed in seeds() {
        let mut sim = Sim::new(seed, 3);
        (sim.gossip_loss, sim.request_loss, sim.busy) = (10, 5, 5);
        let old = image(&mut sim);
        sim.crash(1);
        sim.restore(1, &old);
        sim.start(1);
        let pause = sim.random().below(3_000);
        sim.run_for(pause * u64::from(seed % 2 == 0));
        sim.publish(1, 4, 300);
        waited +=
            u32::from(matches!(sim.nodes[1].replies.last(), Some(Reply::PublishedLate { .. })));
        assert!(sim.settle(30 * MINUTE_MS).is_some(), "seed {seed}: the nodes do not agree");
        assert_one_chain(&sim, 12, seed);
        assert_eq!(sim.records(0), 12, "seed {seed}");
    }
    assert_ne!(waited, 0, "some publications had to wait");
}

#[test]
fn a_node_that_reaches_nobody_publishes_after_a_bounded_wait() {
    let mut sim = Sim::new(1, 3);
    sim.cut(0, 1);
    sim.cut(1, 2);
    sim.start_all();
    let before = sim.now;
    sim.command(1, publish(1, 10, "alone"));
    assert!(sim.nodes[1].replies.is_empty(), "it waits for a peer");
    sim.publish(1, 1, 10);
    assert!(sim.now - before <= OWN_FEED_WAIT_MS + 2_000, "{} ms", sim.now - before);
    let waited = sim.nodes[1].replies.iter().all(|reply| match reply {
        Reply::PublishedLate { waited_ms, .. } => OWN_FEED_WAIT_MS <= *waited_ms,
        _ => false,
    });
    assert!(waited && sim.nodes[1].replies.len() == 2, "{:?}", sim.nodes[1].replies);
    let again = sim.now;
    sim.publish(1, 1, 10);
    assert_eq!(sim.now, again, "later ones do not wait");
}

#[test]
fn a_node_that_knows_nobody_publishes_at_once() {
    let mut sim = Sim::new(1, 1);
    sim.start_all();
    let before = sim.now;
    sim.publish(0, 1, 10);
    assert_eq!(sim.now, before);
}

#[test]
fn more_publications_than_may_wait_are_told_to_come_again() {
    let mut sim = Sim::new(1, 2);
    sim.cut(0, 1);
    sim.start_all();
    for _ in 0..=baraza_protocol::service::PUBLISH_WAITING_MAX {
        sim.command(1, publish(1, 10, "many"));
    }
    let replies = &sim.nodes[1].replies;
    assert!(matches!(replies[..], [Reply::Refused(_)]), "{replies:?}");
}

#[test]
fn a_key_blocked_by_a_lost_end_is_open_again_once_a_peer_has_given_it_back() {
    for seed in seeds() {
        let mut sim = Sim::new(seed, 2);
        let old = image(&mut sim);
        let feed = sim.nodes[1].author.feed();
        let head: FeedHead = sim.nodes[1].store().feed(&feed).unwrap().unwrap().chain;
        sim.crash(1);
        sim.restore(1, &old);
        sim.cut(0, 1);
        sim.nodes[1].lost = vec![(feed, head)];
        sim.start(1);
        sim.command(1, publish(1, 10, "blocked"));
        sim.run_for(OWN_FEED_WAIT_MS + 2_000);
        let reply = sim.nodes[1].replies.last();
        assert!(matches!(reply, Some(Reply::Refused(_))), "seed {seed}: {reply:?}");

        sim.heal_all();
        assert!(sim.settle(30 * MINUTE_MS).is_some(), "seed {seed}");
        sim.publish(1, 1, 10);
        assert!(sim.settle(30 * MINUTE_MS).is_some(), "seed {seed}");
        let state = sim.nodes[0].store().feed(&feed).unwrap().unwrap();
        assert_eq!((state.shelf.seq, state.fork), (9, None), "seed {seed}");
    }
}
