//! Erasure spreads, and no peer that was away brings back what is gone.

use baraza_identity::Capabilities;
use baraza_protocol::{
    command::{Command, NewRecord},
    conformance::Author,
    erasure::{self, ERASE_DELAY_MS},
    store::{BodyState, StoreRead},
    stream::place_of,
};
use baraza_record::{Kind, RecordId, sign::Domain};
use serde_json::{Value, json};

use super::{Sim, seeds};

const MINUTE_MS: u64 = 60_000;

/// Has the first node retract a record of its own and ask for its erasure.
fn erase(sim: &mut Sim, target: RecordId, at_once: bool) {
    let author = &sim.nodes[0].author;
    let (root, mut body) = (Author::root(1, 0), json!({ "reason": "legal", "erase": true }));
    if at_once {
        let bytes = root.sign(Domain::Erase, &erasure::message(&target, &author.centre()));
        let signature: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        body["root_signatures"] = json!([{ "key": root.public(), "signature": signature }]);
    }
    let Value::Object(body) = body else { panic!("it is an object") };
    let (kind, language, target) = (Kind::RETRACTION, "en".to_owned(), Some(target));
    sim.command(
        0,
        Command::Publish(vec![NewRecord {
            kind,
            language,
            revises: None,
            target,
            recipients: None,
            body,
        }]),
    );
    assert_eq!(sim.nodes[0].published().len(), 1);
}

/// Returns what each node has of the body of a record.
fn bodies(sim: &Sim, id: &RecordId) -> Vec<Option<BodyState>> {
    let state = |node: &super::node::Node| {
        let place = place_of(node.store(), id).unwrap()?;
        Some(node.store().entry(&place).unwrap()?.body)
    };
    sim.nodes.iter().map(state).collect()
}

//   alice -- bob, carol, dave;   dave is away while alice erases;   eve meets dave first
#[test]
fn an_old_peer_does_not_bring_back_what_is_gone() {
    const GONE: Option<BodyState> = Some(BodyState::Erased);
    const HERE: Option<BodyState> = Some(BodyState::Present);
    for seed in seeds() {
        let mut sim = Sim::new(seed, 5);
        let rights = Capabilities::PUBLISH.and(Capabilities::NODE);
        let rights = rights.and(Capabilities::RETRACT).and(Capabilities::ERASE);
        sim.enrol(0, Author::with_rights(1, rights, 1));
        (0..4).for_each(|node| sim.start(node));
        sim.publish(0, 3, 500);
        let ids = sim.nodes[0].published();
        let [first, second, third] = ids[..] else { panic!("three were published") };
        sim.settle(30 * MINUTE_MS).expect("the nodes agree");
        sim.crash(3);
        erase(&mut sim, first, true);
        erase(&mut sim, second, false);
        sim.settle(30 * MINUTE_MS).expect("the nodes agree");
        assert_eq!(bodies(&sim, &first), [GONE, GONE, GONE, HERE, None], "seed {seed}");
        assert_eq!(bodies(&sim, &second), [GONE, HERE, HERE, HERE, None], "seed {seed}");

        for (node, other) in [3, 4].into_iter().flat_map(|node| [0, 1, 2].map(|at| (node, at))) {
            sim.cut(node, other);
        }
        (3..5).for_each(|node| sim.start(node));
        sim.command(4, Command::Dial("/memory/3".to_owned()));
        sim.run_for(5 * MINUTE_MS);
        assert_eq!(bodies(&sim, &first)[4], HERE, "seed {seed}: eve has it from dave");
        sim.heal_all();
        sim.settle(30 * MINUTE_MS).expect("the nodes agree");
        assert_eq!(bodies(&sim, &first), [GONE; 5], "seed {seed}");
        assert_eq!(bodies(&sim, &second), [GONE, HERE, HERE, HERE, HERE], "seed {seed}");

        // A week in which all are switched off counts, too.
        (0..5).for_each(|node| sim.crash(node));
        sim.run_for(ERASE_DELAY_MS);
        sim.start_all();
        sim.run_for(MINUTE_MS);
        assert_eq!(bodies(&sim, &second), [GONE; 5], "seed {seed}");
        assert_eq!(bodies(&sim, &third), [HERE; 5], "seed {seed}");
        assert!(sim.settled(), "seed {seed}");
    }
}
