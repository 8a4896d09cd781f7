//! Nodes that decline what nobody vouches for, among others that carry it.

use baraza_protocol::{
    accreditation::Pin,
    command::{Command, Imported, NewRecord, Reply},
    conformance::Author,
    policy::{Action, Override, Policy, Trust, Unaccredited},
    store::StoreRead,
};
use baraza_record::{
    CentreId, Kind, Timestamp, VerifiedRecord,
    frame::{Frame, PREAMBLE},
};
use serde_json::json;

use super::Sim;

const MINUTE_MS: u64 = 60_000;

fn drops() -> Policy {
    Policy { unaccredited: Unaccredited::Drop, ..Policy::default() }
}

fn trusts(centre: CentreId) -> Policy {
    let (reason, until) = ("known".to_owned(), None);
    let one = Override { id: centre.0, action: Action::Trust, reason, until };
    Policy { overrides: vec![one], ..drops() }
}

fn pins(nation: &Author) -> Trust {
    let pin = Pin { nation: nation.centre(), country: "KE".into(), since: Timestamp(0) };
    Trust { pins: vec![pin], ..Trust::default() }
}

/// Returns the command by which a nation says something of a centre.
fn says(status: &str, centre: CentreId) -> Command {
    let body = json!({ "centre": centre, "status": status, "schema": "accreditation/1" });
    let body = body.as_object().unwrap().clone();
    let (kind, language) = (Kind::ACCREDITATION, "en".to_owned());
    Command::Publish(vec![NewRecord {
        kind,
        language,
        revises: None,
        target: None,
        recipients: None,
        body,
    }])
}

impl Sim {
    /// Returns how many records of `author` a node holds.
    fn held(&self, node: usize, author: usize) -> u64 {
        let feed = self.nodes[author].author.feed();
        self.nodes[node].store().feed(&feed).unwrap().map_or(0, |state| state.chain.seq)
    }

    fn centre(&self, node: usize) -> CentreId {
        self.nodes[node].author.centre()
    }
}

//  1 -- 0 -- 2    (0 declines what nobody vouches for)
#[test]
fn a_node_that_drops_passes_nothing_on_and_rests() {
    let mut sim = Sim::new(1, 3);
    sim.cut(1, 2);
    sim.start_all();
    sim.rule(0, drops(), Trust::default());
    sim.run_for(MINUTE_MS);
    (0..3).for_each(|node| sim.publish(node, 20, 300));
    sim.run_for(10 * MINUTE_MS);
    let held = |sim: &Sim, node| [0, 1, 2].map(|author| sim.held(node, author));
    assert_eq!(held(&sim, 0), [20, 0, 0], "its own");
    assert_eq!(held(&sim, 1), [20, 20, 0]);
    assert_eq!(held(&sim, 2), [20, 0, 20]);
    let logs = |node: usize| sim.nodes[node].store().counts().centres;
    assert_eq!([0, 1, 2].map(logs), [3; 3], "who is there is known to all");

    let before = sim.traffic;
    sim.run_for(60 * MINUTE_MS);
    let requests = sim.traffic.requests - before.requests;
    let bytes = sim.traffic.answer_bytes - before.answer_bytes;
    println!("2 links, an hour beside a node that drops: {requests} requests, {bytes} bytes");
    // One comparison a minute and side, and a look at the heads every five minutes.
    assert!(requests < 4 * 60 * 2, "{requests}");
    assert!(bytes < 4 * 60 * 500, "{bytes}");

    // Whoever is trusted is asked for, without anything new to compare.
    let alice = sim.centre(1);
    sim.rule(0, trusts(alice), Trust::default());
    sim.run_for(MINUTE_MS);
    assert_eq!(held(&sim, 0), [20, 20, 0]);
    sim.run_for(MINUTE_MS);
    assert_eq!(held(&sim, 2), [20, 20, 20], "and passed on");

    // What is held stays; what comes is declined again.
    sim.rule(0, drops(), Trust::default());
    sim.publish(1, 5, 300);
    sim.run_for(10 * MINUTE_MS);
    assert_eq!(held(&sim, 0), [20, 20, 0]);
    sim.rule(0, Policy::default(), Trust::default());
    assert!(sim.settle(2 * MINUTE_MS).is_some(), "carried again");
    assert_eq!(sim.records(0), 65);
}

//  nation 1 -- 0 -- centre 2    (0 declines all for which 1 does not vouch)
#[test]
fn accreditation_opens_the_gate_and_its_withdrawal_closes_it() {
    let mut sim = Sim::new(2, 3);
    sim.enrol(1, Author::nation(2));
    sim.cut(1, 2);
    sim.start_all();
    let nation = sim.nodes[1].author.clone();
    sim.rule(0, drops(), pins(&nation));
    sim.run_for(MINUTE_MS);
    sim.publish(2, 20, 300);
    sim.run_for(2 * MINUTE_MS);
    assert_eq!(sim.held(0, 2), 0);
    let centre = sim.centre(2);
    sim.command(1, says("accredited", centre));
    sim.run_for(2 * MINUTE_MS);
    assert_eq!((sim.held(0, 1), sim.held(0, 2)), (1, 20), "the nation itself is never declined");
    sim.publish(2, 1, 300);
    sim.run_for(MINUTE_MS);
    assert_eq!(sim.held(0, 2), 21);
    sim.command(1, says("withdrawn", centre));
    sim.run_for(2 * MINUTE_MS);
    sim.publish(2, 5, 300);
    sim.run_for(10 * MINUTE_MS);
    assert_eq!((sim.held(0, 1), sim.held(0, 2)), (2, 21));
}

#[test]
fn a_bundle_is_declined_as_a_whole_and_in_pieces() {
    let mut sim = Sim::new(3, 1);
    sim.start(0);
    sim.rule(0, drops(), Trust::default());
    let alice = Author::new(9);
    let records = alice.chain(300);
    let mut frames = vec![Frame::Identity(alice.event.encode())];
    frames.extend(records.iter().flat_map(pieces));
    let all = import(&mut sim, &frames);
    let expected = Imported { identities: 1, declined: 300, ..Imported::default() };
    assert_eq!(all, expected);
    // Cut between a header and its body.
    let (start, rest) = frames.split_at(100);
    assert!(matches!(rest[0], Frame::Payload { .. }));
    let [start, rest] = [start, rest].map(|part| import(&mut sim, part));
    assert_eq!((start.declined + rest.declined, start.rejected + rest.rejected), (300, 0));
    assert_eq!(sim.records(0), 0);
    sim.rule(0, trusts(alice.centre()), Trust::default());
    assert_eq!(import(&mut sim, &frames).inserted, 300);
}

fn pieces(record: &VerifiedRecord) -> [Frame; 2] {
    let wire = record.to_wire();
    let payload = record.payload().unwrap().clone();
    [
        Frame::Header { header: wire.header, signature: wire.signature },
        Frame::Payload { record: record.id(), payload },
    ]
}

fn import(sim: &mut Sim, frames: &[Frame]) -> Imported {
    let mut bytes = PREAMBLE.to_vec();
    frames.iter().for_each(|frame| frame.encode_into(&mut bytes));
    sim.command(0, Command::Import(bytes));
    match sim.nodes[0].replies.last() {
        Some(Reply::Imported(imported)) => *imported,
        other => panic!("{other:?}"),
    }
}
