//! A stolen key: how long it takes until no node shows what the thief signs.

use baraza_identity::{Changes, EndKind};
use baraza_protocol::{
    command::{Command, Reply},
    conformance::{Author, Owner, chooses, ends},
    store::{Branch, FeedHead, Place, StoreRead},
};
use baraza_record::{
    CentreId, Seq, VerifiedRecord,
    frame::{Frame, PREAMBLE},
};

use super::{Sim, seeds};
use crate::fixture::go_on;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// Returns records as the bytes of a bundle.
fn bundle(records: &[VerifiedRecord]) -> Vec<u8> {
    let mut bytes = PREAMBLE.to_vec();
    for record in records {
        let wire = record.to_wire();
        Frame::Header { header: wire.header, signature: wire.signature }.encode_into(&mut bytes);
        let payload = record.payload().unwrap().clone();
        Frame::Payload { record: record.id(), payload }.encode_into(&mut bytes);
    }
    bytes
}

impl Sim {
    fn shelf(&self, node: usize, author: &Author) -> (Seq, bool) {
        let state = self.nodes[node].store().feed(&author.feed()).unwrap();
        state.map_or((0, false), |state| (state.shelf.seq, state.head().forked))
    }

    fn head(&self, node: usize, author: &Author) -> FeedHead {
        self.nodes[node].store().feed(&author.feed()).unwrap().unwrap().chain
    }

    fn events(&self, node: usize, centre: &CentreId) -> usize {
        self.nodes[node].store().identity(centre).unwrap().len()
    }

    fn identify(&mut self, node: usize, event: &baraza_identity::SignedEvent) {
        self.command(node, Command::Identify(event.encode()));
        let reply = self.nodes[node].replies.last();
        assert!(matches!(reply, Some(Reply::Identified { new: true, .. })), "{reply:?}");
    }

    /// Returns the virtual time until `done` holds on every node.
    fn until(&mut self, within_ms: u64, done: impl Fn(&Self, usize) -> bool) -> Option<u64> {
        let start = self.now;
        while self.now - start <= within_ms {
            if (0..self.nodes.len()).all(|node| done(self, node)) {
                return Some(self.now - start);
            }
            self.run_for(500);
        }
        None
    }

    /// Returns the record that a node shows at a position of a feed.
    fn record(&self, node: usize, author: &Author, seq: Seq) -> VerifiedRecord {
        let place = Place { feed: author.feed(), seq, branch: Branch::Main };
        self.nodes[node].store().record(&place).unwrap().unwrap().verify().unwrap()
    }
}

#[test]
fn revocation_reaches_every_node_within_a_minute() {
    let mut worst = 0;
    for seed in seeds().take(2) {
        let mut sim = Sim::new(seed, 30);
        (sim.gossip_loss, sim.request_loss) = (5, 5);
        sim.start_all();
        sim.run_for(2 * MINUTE_MS);
        let (mut owner, author) = (Owner::new(2), Author::new(2));
        sim.publish(1, 20, 300);
        assert!(sim.until(10 * MINUTE_MS, |sim, node| sim.shelf(node, &author).0 == 20).is_some());
        // The thief goes on behind the last record, on a node far away.
        let stolen = go_on(&author, sim.head(29, &author), 5, "stolen");
        sim.command(29, Command::Import(bundle(&stolen)));
        assert!(sim.until(10 * MINUTE_MS, |sim, node| sim.shelf(node, &author).0 == 25).is_some());

        let last = sim.record(1, &author, 20);
        let event = owner.update(ends(&author, EndKind::Compromised, &[&last]));
        sim.identify(1, &event);
        let took = sim.until(10 * MINUTE_MS, |sim, node| sim.shelf(node, &author) == (20, false));
        worst = worst.max(took.unwrap_or_else(|| panic!("seed {seed}: it does not arrive")));
        assert!(sim.settle(10 * MINUTE_MS).is_some(), "seed {seed}: one digest");
        // Nothing of the thief comes back, whoever brings it.
        let more = go_on(&author, FeedHead { seq: 25, id: stolen[4].id() }, 3, "more");
        sim.command(15, Command::Import(bundle(&more)));
        sim.run_for(2 * MINUTE_MS);
        assert!((0..30).all(|node| sim.shelf(node, &author) == (20, false)), "seed {seed}");
    }
    println!("revocation reached 30 nodes at 5 % loss within {worst} ms");
    assert!(worst <= MINUTE_MS, "{worst} ms");
}

//      0 - 1 - 2   -x-   3 - 4 - 5      cut for a day
#[test]
fn a_healed_partition_knows_of_a_revocation_after_one_catch_up() {
    for seed in seeds().take(8) {
        let mut sim = Sim::new(seed, 6);
        sim.start_all();
        let (mut owner, author) = (Owner::new(2), Author::new(2));
        sim.publish(1, 10, 300);
        assert!(sim.settle(10 * MINUTE_MS).is_some());
        for (a, b) in (0..3).flat_map(|a| (3..6).map(move |b| (a, b))) {
            sim.cut(a, b);
        }
        sim.run_for(DAY_MS / 2);
        let stolen = go_on(&author, sim.head(4, &author), 4, "stolen");
        sim.command(4, Command::Import(bundle(&stolen)));
        let last = sim.record(1, &author, 10);
        let ended = owner.update(ends(&author, EndKind::Compromised, &[&last]));
        let rotated = owner.rotate(Changes::default());
        sim.identify(1, &ended);
        sim.identify(1, &rotated);
        sim.run_for(DAY_MS / 2);
        let centre = author.centre();
        assert_eq!((sim.events(4, &centre), sim.events(2, &centre)), (1, 3), "seed {seed}");
        sim.heal_all();
        // The first node of that side that finds a way across has it with its first session.
        let crossed = |sim: &Sim, node: usize| node < 3 || sim.events(node, &centre) == 3;
        let took = sim.until(20 * MINUTE_MS, crossed);
        assert!(took.is_some(), "seed {seed}: it does not arrive");
        let all = sim.until(5_000, |sim, node| sim.shelf(node, &author) == (10, false));
        assert!(all.is_some(), "seed {seed}: with the log the records are judged");
        assert!(sim.settle(10 * MINUTE_MS).is_some(), "seed {seed}: one digest");
    }
}

#[test]
fn a_choice_resumes_a_forked_feed_on_every_node() {
    for seed in seeds().take(8) {
        let mut sim = Sim::new(seed, 5);
        (sim.gossip_loss, sim.request_loss) = (20, 5);
        sim.start_all();
        let (mut owner, author) = (Owner::new(2), Author::new(2));
        sim.publish(1, 6, 300);
        assert!(sim.settle(10 * MINUTE_MS).is_some());
        // A copy of the home goes on for itself behind the fourth record.
        let fourth = sim.record(1, &author, 4);
        let at = FeedHead { seq: 4, id: fourth.id() };
        let other = go_on(&author, at, 300, "copy");
        sim.command(3, Command::Import(bundle(&other)));
        let forked = sim.until(20 * MINUTE_MS, |sim, node| sim.shelf(node, &author) == (4, true));
        assert!(forked.is_some(), "seed {seed}: all learn of the fork");
        assert!(sim.settle(10 * MINUTE_MS).is_some(), "seed {seed}: and agree");

        let chosen = if seed % 2 == 0 { other[0].clone() } else { sim.record(1, &author, 5) };
        let end = if seed % 2 == 0 { 304 } else { 6 };
        sim.identify(1, &owner.update(chooses(&[&chosen])));
        let centre = author.centre();
        assert!(sim.until(5 * MINUTE_MS, |sim, node| sim.events(node, &centre) == 2).is_some());
        // Who has the whole branch brings it again, as the author's own node would.
        sim.command(3, Command::Import(bundle(&other)));
        let resumed =
            sim.until(20 * MINUTE_MS, |sim, node| sim.shelf(node, &author) == (end, false));
        let shelves: Vec<_> = (0..5).map(|node| sim.shelf(node, &author)).collect();
        assert!(resumed.is_some(), "seed {seed}: {shelves:?}, expected {end}");
        assert!(sim.settle(10 * MINUTE_MS).is_some(), "seed {seed}: one digest");
    }
}
