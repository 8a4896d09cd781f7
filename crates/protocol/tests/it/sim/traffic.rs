//! What a network costs: at rest, and to bring a newcomer up to date.

use baraza_protocol::store::StoreRead;

use super::Sim;

const MINUTE_MS: u64 = 60_000;

#[test]
fn a_network_at_rest_compares_once_a_minute() {
    let mut sim = Sim::new(5, 5);
    sim.start_all();
    (0..5).for_each(|node| sim.publish(node, 20, 300));
    assert!(sim.settle(10 * MINUTE_MS).is_some());
    sim.run_for(5 * MINUTE_MS);
    let before = sim.traffic;
    sim.run_for(60 * MINUTE_MS);
    let requests = sim.traffic.requests - before.requests;
    let bytes = sim.traffic.request_bytes + sim.traffic.answer_bytes
        - before.request_bytes
        - before.answer_bytes;
    println!("{} links, an hour at rest: {requests} requests, {bytes} bytes", sim.links());
    assert_eq!(sim.traffic.gossip, before.gossip);
    // One comparison each minute on each link, by either side.
    let links = sim.links() as u64;
    assert!((55 * links..=90 * links).contains(&requests), "{requests}");
    assert!(bytes <= 130 * requests, "{bytes} bytes");
}

#[test]
fn a_newcomer_fetches_ten_thousand_records_in_few_requests() {
    let mut sim = Sim::new(6, 2);
    sim.start(0);
    sim.publish(0, 10_000, 1_500);
    sim.run_for(5_000);
    let before = sim.traffic;
    sim.start(1);
    let after = sim.settle(10 * MINUTE_MS).unwrap();
    let requests = sim.traffic.requests - before.requests;
    let bytes = sim.traffic.answer_bytes - before.answer_bytes;
    let held = sim.nodes[0].store().counts().ledger_bytes;
    println!("10,000 records: {requests} requests, {bytes} of {held} bytes, {after} ms");
    assert_eq!(sim.records(1), 10_000);
    assert!(bytes < held + held / 20, "{bytes} bytes for {held}");
    assert!(requests < 2 * held / (200 * 1_024), "{requests} requests");
}

//  0 to 4 hold the same; 5, which knows them all, was off and calls several at once.
#[test]
fn one_with_many_neighbours_fetches_most_things_once() {
    let mut sim = Sim::new(8, 6);
    sim.start_all();
    sim.run_for(5 * MINUTE_MS);
    sim.crash(5);
    (0..5).for_each(|node| sim.publish(node, 400, 1_500));
    assert!(sim.settle(10 * MINUTE_MS).is_some());
    sim.run_for(2 * MINUTE_MS);
    let before = sim.traffic;
    sim.start(5);
    let after = sim.settle(10 * MINUTE_MS).unwrap();
    let bytes = sim.traffic.answer_bytes - before.answer_bytes;
    let held = sim.nodes[0].store().counts().ledger_bytes;
    println!("{bytes} bytes to bring {held} to one with many neighbours, {after} ms");
    assert!(bytes < held + held / 4, "{bytes} bytes for {held}");
}

//  Sizes that change all the time, so that batches come short.
#[test]
fn batches_that_come_short_are_not_fetched_twice() {
    let mut sim = Sim::new(9, 2);
    sim.start(0);
    for _ in 0..60 {
        let (records, bytes) = (1 + sim.random().below(60), sim.random().below(20_000));
        sim.publish(0, records as usize, bytes as usize);
    }
    sim.run_for(5_000);
    let before = sim.traffic;
    sim.start(1);
    sim.settle(10 * MINUTE_MS).unwrap();
    let bytes = sim.traffic.answer_bytes - before.answer_bytes;
    let held = sim.nodes[0].store().counts().ledger_bytes;
    println!("{bytes} bytes to bring {held} in batches of any size");
    assert!(bytes < held + held / 5, "{bytes} bytes for {held}");
}
