//! Nodes that fetch only some bodies: what it saves, and that it changes no set.

use baraza_protocol::{
    command::{Command, NewRecord},
    interests::Interests,
    policy::{Policy, Trust},
    store::StoreRead,
};
use baraza_record::{Goals, Kind};
use serde_json::json;

use super::Sim;

const MINUTE_MS: u64 = 60_000;

fn wants(interests: Interests) -> Policy {
    Policy { interests, ..Policy::default() }
}

fn practices() -> Policy {
    wants(Interests { kinds: vec![Kind::PRACTICE], ..Interests::default() })
}

/// Returns the command to publish `count` records of a kind, of 2 KB each, for a goal.
fn records(kind: Kind, count: usize, target: &str) -> Command {
    let record = |n: usize| {
        let body = json!({ "text": format!("{n} {}", "x".repeat(2_000)), "sdg": [target] });
        let body = body.as_object().unwrap().clone();
        NewRecord {
            kind,
            language: "en".to_owned(),
            revises: None,
            target: None,
            recipients: None,
            body,
        }
    };
    Command::Publish((0..count).map(record).collect())
}

impl Sim {
    fn missing(&self, node: usize) -> u64 {
        self.nodes[node].store().counts().bodies_missing
    }
}

//  0 has 200 lessons and 40 practices; 1 comes later and wants practices
#[test]
fn bodies_that_do_not_fit_are_not_fetched_and_the_set_is_the_same() {
    let mut sim = Sim::new(1, 2);
    sim.start(0);
    for _ in 0..20 {
        sim.command(0, records(Kind::LESSON, 10, "6.2"));
        sim.command(0, records(Kind::PRACTICE, 2, "6.2"));
    }
    let held = sim.nodes[0].store().counts().ledger_bytes;
    sim.start(1);
    sim.rule(1, practices(), Trust::default());
    assert!(sim.settle(5 * MINUTE_MS).is_some(), "both are complete by their own rules");
    let bytes = sim.traffic.answer_bytes;
    println!("40 of 240 bodies: {bytes} of {held} bytes");
    assert_eq!((sim.records(1), sim.missing(1)), (240, 200));
    assert!(bytes < held / 2, "{bytes} bytes of {held}");

    // They agree, and rest as others do.
    sim.run_for(2 * MINUTE_MS);
    let before = sim.traffic.requests;
    sim.run_for(60 * MINUTE_MS);
    let requests = sim.traffic.requests - before;
    assert!(requests <= 2 * 62, "{requests} requests in an hour");

    // A retraction and what gossip brings come whole, if it comes in order.
    sim.latency_ms = 5..6;
    sim.publish(0, 3, 300);
    sim.run_for(MINUTE_MS);
    assert_eq!((sim.records(1), sim.missing(1)), (243, 200));

    sim.rule(1, Policy::default(), Trust::default());
    sim.run_for(MINUTE_MS);
    assert_eq!(sim.missing(1), 0, "wider interests fetch the rest");
    assert!(sim.settled());
}

#[test]
fn goals_and_regions_choose_as_well() {
    let goals = |goal| Interests { goals: Goals::default().with(goal), ..Interests::default() };
    let regions = |code| Interests { regions: vec![code], ..Interests::default() };
    // Every author of a simulation is of Kenya, in eastern Africa (014).
    for (interests, expected) in
        [(goals(6), 10), (goals(4), 20), (goals(13), 30), (regions(14), 0), (regions(142), 30)]
    {
        let mut sim = Sim::new(2, 2);
        sim.start(0);
        sim.command(0, records(Kind::LESSON, 20, "6.2"));
        sim.command(0, records(Kind::LESSON, 10, "4.1"));
        sim.start(1);
        sim.rule(1, wants(interests.clone()), Trust::default());
        assert!(sim.settle(5 * MINUTE_MS).is_some());
        assert_eq!(sim.missing(1), expected, "{interests:?}");
    }
}

#[test]
fn own_records_come_whole_to_a_node_that_lost_them() {
    let mut sim = Sim::new(3, 2);
    sim.start_all();
    sim.run_for(MINUTE_MS);
    let old = sim.nodes[1].store().clone();
    sim.command(1, records(Kind::LESSON, 20, "6.2"));
    sim.run_for(MINUTE_MS);
    assert_eq!((sim.records(0), sim.missing(0)), (20, 0));
    sim.crash(1);
    sim.command(0, records(Kind::LESSON, 30, "6.2"));
    sim.restore(1, &old);
    sim.start(1);
    sim.rule(1, practices(), Trust::default());
    assert!(sim.settle(5 * MINUTE_MS).is_some());
    assert_eq!((sim.records(1), sim.missing(1)), (50, 30), "its own, and none of the other's");
}
