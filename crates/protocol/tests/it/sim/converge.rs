//! Networks that lose, part, stop and start end with one set, bodies included.

use baraza_protocol::store::StoreRead;

use super::{Sim, seeds};

const MINUTE_MS: u64 = 60_000;

#[track_caller]
fn assert_converged(sim: &mut Sim, seed: u64, what: &str) -> u64 {
    let Some(after) = sim.settle(30 * MINUTE_MS) else {
        let digests: Vec<_> = (0..sim.nodes.len())
            .map(|node| (sim.records(node), baraza_record::RecordId(sim.digest(node)).short()))
            .collect();
        for node in 0..sim.nodes.len() {
            sim.command(node, baraza_protocol::command::Command::Peers);
            println!("{node}: {:#?}", sim.nodes[node].replies.last());
        }
        panic!("seed {seed}: {what} do not agree: {digests:?}, {} links", sim.links());
    };
    for node in sim.nodes.iter().filter(|node| node.is_up()) {
        assert_eq!(node.store().counts().bodies_missing, 0, "seed {seed}: {what}");
    }
    after
}

/// Publishes, cuts, crashes and restarts at random for some minutes.
fn unrest(sim: &mut Sim, rounds: u64) {
    let count = sim.nodes.len();
    let pick = |sim: &mut Sim| sim.random().below(count as u64) as usize;
    for _ in 0..rounds {
        let (a, b) = (pick(sim), pick(sim));
        match sim.random().below(6) {
            0 if a != b => sim.cut(a, b),
            1 => sim.heal_all(),
            2 if sim.nodes[a].is_up() => sim.crash(a),
            3 if !sim.nodes[a].is_up() => sim.start(a),
            _ if sim.nodes[a].is_up() => {
                let (records, bytes) = (1 + sim.random().below(20), sim.random().below(24_000));
                sim.publish(a, records as usize, bytes as usize);
            }
            _ => (),
        }
        let pause = sim.random().below(40_000);
        sim.run_for(pause);
    }
    sim.heal_all();
    for node in 0..count {
        if !sim.nodes[node].is_up() {
            sim.start(node);
        }
    }
}

fn converge(seed: u64, count: usize, late: usize, rounds: u64) -> (u64, [u8; 32]) {
    let mut sim = Sim::new(seed, count + late);
    (sim.gossip_loss, sim.request_loss, sim.busy) = (25, 10, 10);
    (0..count).for_each(|node| sim.start(node));
    sim.run_for(5_000);
    unrest(&mut sim, rounds);
    let after = assert_converged(&mut sim, seed, "all nodes");
    let records = sim.records(0);
    println!("seed {seed}: {count}+{late} nodes, {records} records, agreed after {after} ms");
    println!("    {:?}", sim.traffic);
    (records, sim.trace())
}

#[test]
fn three_nodes_agree() {
    let records: u64 = seeds().map(|seed| converge(seed, 2, 1, 30).0).sum();
    assert_ne!(records, 0, "something was published");
}

#[test]
fn ten_nodes_agree() {
    let records: u64 = seeds().map(|seed| converge(seed, 8, 2, 60).0).sum();
    assert_ne!(records, 0, "something was published");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let traces = [7, 7, 8].map(|seed| converge(seed, 4, 1, 20));
    assert_eq!(traces[0], traces[1]);
    assert_ne!(traces[0], traces[2]);
}

#[test]
fn a_large_record_reaches_a_node_that_was_off_when_it_was_gossiped() {
    let mut sim = Sim::new(1, 4);
    (0..3).for_each(|node| sim.start(node));
    assert_converged(&mut sim, 1, "three nodes");
    sim.publish(1, 1, 20 * 1_024);
    let after = assert_converged(&mut sim, 1, "those that are on");
    assert!(after < 10_000, "a header on gossip fetches its body at once, not after {after} ms");
    sim.start(3);
    assert_converged(&mut sim, 1, "the one that was off");
    assert_eq!(sim.records(3), 1);
}

//  0 is the bootstrap node of all.
#[test]
fn stopping_the_bootstrap_node_changes_nothing() {
    for seed in seeds() {
        let mut sim = Sim::new(seed, 6);
        (0..5).for_each(|node| sim.start(node));
        sim.publish(0, 3, 500);
        assert_converged(&mut sim, seed, "five nodes");
        sim.run_for(2 * MINUTE_MS);
        sim.crash(0);
        sim.publish(3, 5, 500);
        assert_converged(&mut sim, seed, "those that are left");
        assert_eq!(sim.records(1), 8);
    }
}

//  0 -- 1 -x- 2 -- 3    (both halves publish for ten minutes)
#[test]
fn a_healed_partition_agrees() {
    for seed in seeds() {
        let mut sim = Sim::new(seed, 4);
        sim.start_all();
        assert_converged(&mut sim, seed, "four nodes");
        for (a, b) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
            sim.cut(a, b);
        }
        for node in 0..4 {
            sim.publish(node, 20, 1_000);
        }
        sim.run_for(10 * MINUTE_MS);
        assert_ne!(sim.digest(0), sim.digest(3), "seed {seed}");
        assert_eq!(sim.digest(0), sim.digest(1), "seed {seed}: one half agrees");
        sim.heal_all();
        assert_converged(&mut sim, seed, "both halves");
        assert_eq!(sim.records(0), 80);
    }
}

#[test]
fn what_was_acknowledged_survives_a_crash_of_its_author() {
    for seed in seeds() {
        let mut sim = Sim::new(seed, 3);
        sim.start_all();
        sim.publish(1, 3, 100);
        sim.crash(1);
        sim.run_for(1_000);
        sim.start(1);
        sim.publish(1, 1, 100);
        assert_converged(&mut sim, seed, "three nodes");
        assert_eq!(sim.records(0), 4);
    }
}
