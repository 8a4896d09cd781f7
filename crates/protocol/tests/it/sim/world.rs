//! The network between the nodes: links, delays, losses, partitions.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use baraza_protocol::{
    Effect, Input, answer,
    budget::Terms,
    command::{Command, Reply},
    conformance::Author,
    net::{
        ANSWER_BYTES_MAX, GOSSIP_BYTES_MAX, NetEffect, NetEvent, Peer, REQUEST_BYTES_MAX,
        RequestId, Verdict,
    },
    policy::{Policy, Trust},
    screen::screen,
    service::{OWN_FEED_COMPARE_MS, OWN_FEED_WAIT_MS},
    store::{Store, StoreRead},
    wire::{Answer, Request},
};
use baraza_record::Timestamp;

use super::node::{Node, State, publish};
use crate::fixture::{NOW, Random, digest};

/// When a request without an answer counts as failed.
const TIMEOUT_MS: u64 = 10_000;

/// Longest wait for the answer to a publication.
const PUBLISH_PATIENCE_MS: u64 = OWN_FEED_WAIT_MS + OWN_FEED_COMPARE_MS + 2_000;

/// Returns the seeds to run with: 16, or as many as `BARAZA_SIM_SEEDS` says.
pub(crate) fn seeds() -> std::ops::Range<u64> {
    let wanted = std::env::var("BARAZA_SIM_SEEDS").ok();
    0..wanted.map_or(16, |count| count.parse().unwrap())
}

/// What is on its way, and for whom.
enum Event {
    Tick { node: usize, life: u64 },
    Net { node: usize, life: u64, event: NetEvent },
    Dialled { from: usize, life: u64, to: usize },
    Ask { from: usize, life: u64, to: usize, request: RequestId, bytes: Vec<u8> },
    Gossip { from: usize, to: usize, bytes: Vec<u8> },
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) requests: u64,
    pub(crate) request_bytes: u64,
    pub(crate) answer_bytes: u64,
    pub(crate) gossip: u64,
}

pub(crate) struct Sim {
    pub(crate) nodes: Vec<Node>,
    pub(crate) now: u64,
    pub(crate) traffic: Traffic,
    pub(crate) latency_ms: std::ops::Range<u64>,
    /// Percentages.
    pub(crate) gossip_loss: u64,
    pub(crate) request_loss: u64,
    pub(crate) busy: u64,
    /// Nodes that spoil every part of an attachment that they give.
    pub(crate) liars: BTreeSet<usize>,
    /// Parts of attachments that each node gave.
    pub(crate) gave: BTreeMap<usize, usize>,
    /// Whether nodes are told what goes over the wire.
    pub(crate) counting: bool,
    random: Random,
    queue: BTreeMap<(u64, u64), Event>,
    order: u64,
    links: BTreeSet<(usize, usize)>,
    blocked: BTreeSet<(usize, usize)>,
    places: BTreeMap<Peer, usize>,
    last_token: u64,
    trace: blake3::Hasher,
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

fn address(node: usize) -> String {
    format!("/memory/{node}")
}

impl Sim {
    /// Makes `count` nodes, all down. Each but the first calls the first one when it starts.
    pub(crate) fn new(seed: u64, count: usize) -> Self {
        let bootstrap = |place| if place == 0 { Vec::new() } else { vec![address(0)] };
        let nodes: Vec<_> =
            (0..count).map(|place| Node::new(place, seed, bootstrap(place))).collect();
        let places = nodes.iter().enumerate().map(|(place, node)| (node.peer(), place)).collect();
        Self {
            nodes,
            now: NOW.0,
            traffic: Traffic::default(),
            latency_ms: 5..150,
            gossip_loss: 0,
            request_loss: 0,
            busy: 0,
            liars: BTreeSet::new(),
            gave: BTreeMap::new(),
            counting: false,
            random: Random(seed),
            queue: BTreeMap::new(),
            order: 0,
            links: BTreeSet::new(),
            blocked: BTreeSet::new(),
            places,
            last_token: 0,
            trace: blake3::Hasher::new(),
        }
    }

    /// Gives a node that was never started to another author; the key of its connections stays.
    pub(crate) fn enrol(&mut self, node: usize, author: Author) {
        assert_eq!(author.key.public(), self.nodes[node].peer(), "an author of the same number");
        self.nodes[node].enrol(author);
    }

    pub(crate) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// Returns a hash over all that was delivered.
    pub(crate) fn trace(&self) -> [u8; 32] {
        *self.trace.finalize().as_bytes()
    }

    pub(crate) fn start(&mut self, node: usize) {
        self.nodes[node].start(address(node), Timestamp(self.now));
        self.give(node, Vec::new());
        self.tick(node);
    }

    pub(crate) fn start_all(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.start(node));
    }

    pub(crate) fn crash(&mut self, node: usize) {
        self.nodes[node].crash();
        for other in 0..self.nodes.len() {
            self.unlink(node, other);
        }
    }

    /// Parts two nodes until they are healed.
    pub(crate) fn cut(&mut self, a: usize, b: usize) {
        self.blocked.insert(pair(a, b));
        self.unlink(a, b);
    }

    pub(crate) fn heal_all(&mut self) {
        self.blocked.clear();
    }

    pub(crate) fn command(&mut self, node: usize, command: Command) {
        self.give(node, vec![Input::Command { call: 1, command }]);
    }

    /// Gives a node policy and trust.
    pub(crate) fn rule(&mut self, node: usize, policy: Policy, trust: Trust) {
        self.give(node, vec![Input::Rules(Arc::new(policy), Arc::new(trust))]);
    }

    /// Has one node call another.
    pub(crate) fn join(&mut self, from: usize, to: usize) {
        let life = self.nodes[from].life;
        self.later(1, Event::Dialled { from, life, to });
    }

    /// Sets every clock forward, as if all machines had slept: what is on its way comes later.
    pub(crate) fn skip(&mut self, millis: u64) {
        self.now += millis;
        let queue = std::mem::take(&mut self.queue);
        self.queue = queue.into_iter().map(|((at, n), event)| ((at + millis, n), event)).collect();
    }

    /// Lets a node commit.
    pub(crate) fn give_nothing(&mut self, node: usize) {
        self.give(node, Vec::new());
    }

    /// Gives a node the terms of its link.
    pub(crate) fn terms(&mut self, node: usize, terms: Terms) {
        self.give(node, vec![Input::Terms(Arc::new(terms))]);
    }

    pub(crate) fn publish(&mut self, node: usize, count: usize, bytes: usize) {
        let text = format!("at {} by {node}", self.now);
        self.publish_as(node, publish(count, bytes, &text));
        assert_eq!(self.nodes[node].published().len(), count);
    }

    /// Gives a command to publish and waits for the answer.
    pub(crate) fn publish_as(&mut self, node: usize, command: Command) {
        let before = self.nodes[node].replies.len();
        self.command(node, command);
        // After a start, a peer is asked first.
        let end = self.now + PUBLISH_PATIENCE_MS;
        while self.nodes[node].replies.len() == before {
            assert!(self.now < end, "a publication is answered");
            self.run_for(100);
        }
    }

    pub(crate) fn run_for(&mut self, millis: u64) {
        let end = self.now + millis;
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((at, _), event) = entry.remove_entry();
            self.now = at;
            self.deliver(event);
        }
        self.now = end;
    }

    /// Runs until all that are up hold the same with all bodies; returns after how long.
    pub(crate) fn settle(&mut self, within_ms: u64) -> Option<u64> {
        let start = self.now;
        while self.now - start <= within_ms {
            if self.settled() {
                return Some(self.now - start);
            }
            self.run_for(500);
        }
        None
    }

    pub(crate) fn settled(&mut self) -> bool {
        let mut digests = BTreeSet::new();
        for node in self.nodes.iter_mut() {
            if let Some(service) = node.service() {
                digests.insert(service.set_digest());
                if !service.is_complete() {
                    return false;
                }
            }
        }
        digests.len() == 1
    }

    /// Returns the digest of a node, up or down.
    pub(crate) fn digest(&self, node: usize) -> [u8; 32] {
        digest(&self.nodes[node].store().reader())
    }

    pub(crate) fn records(&self, node: usize) -> u64 {
        self.nodes[node].store().counts().records
    }

    pub(crate) fn links(&self) -> usize {
        self.links.len()
    }

    fn delay(&mut self) -> u64 {
        let range = self.latency_ms.clone();
        range.start + self.random.below(range.end - range.start)
    }

    fn later(&mut self, millis: u64, event: Event) {
        self.order += 1;
        self.queue.insert((self.now + millis, self.order), event);
    }

    fn notify(&mut self, node: usize, millis: u64, event: NetEvent) {
        let life = self.nodes[node].life;
        self.later(millis, Event::Net { node, life, event });
    }

    fn tick(&mut self, node: usize) {
        let life = self.nodes[node].life;
        let Some(service) = self.nodes[node].service() else { return };
        let at = service.poll_timeout().0;
        self.later(at.saturating_sub(self.now).max(1), Event::Tick { node, life });
    }

    fn unlink(&mut self, a: usize, b: usize) {
        if self.links.remove(&pair(a, b)) {
            for (node, other) in [(a, b), (b, a)] {
                let peer = self.nodes[other].peer();
                self.notify(node, 1, NetEvent::Disconnected { peer });
            }
        }
    }

    fn link(&mut self, from: usize, to: usize) {
        if !self.links.insert(pair(from, to)) {
            return;
        }
        for (node, other, outbound) in [(from, to, true), (to, from, false)] {
            let peer = self.nodes[other].peer();
            let seen_at = if outbound { address(other) } else { format!("/memory/{other}/client") };
            self.notify(node, 1, NetEvent::Connected { peer, address: seen_at, outbound });
            let addresses = vec![address(other)];
            self.notify(node, 5, NetEvent::Found { peer, addresses, local: false });
        }
    }

    fn lives(&self, node: usize, life: u64) -> bool {
        self.nodes[node].is_up() && self.nodes[node].life == life
    }

    fn deliver(&mut self, event: Event) {
        self.trace.update(&self.now.to_be_bytes());
        match event {
            Event::Tick { node, life } if self.lives(node, life) => {
                self.give(node, Vec::new());
                self.tick(node);
            }
            Event::Net { node, life, event } if self.lives(node, life) => {
                self.trace.update(format!("{node} {event:?}").as_bytes());
                self.give(node, vec![screen(event)]);
            }
            Event::Dialled { from, life, to } if self.lives(from, life) => {
                match self.nodes[to].is_up() && !self.blocked.contains(&pair(from, to)) {
                    true => self.link(from, to),
                    false => {
                        let reason = "nobody answers".to_owned();
                        let failed = NetEvent::DialFailed { address: address(to), reason };
                        self.notify(from, 1_000, failed);
                    }
                }
            }
            Event::Ask { from, life, to, request, bytes } if self.lives(from, life) => {
                self.trace.update(&bytes);
                self.ask(from, to, request, bytes);
            }
            Event::Gossip { from, to, bytes } => self.hear(from, to, bytes),
            _ => (),
        }
    }

    /// Answers a request from what the asked node has committed.
    fn ask(&mut self, from: usize, to: usize, request: RequestId, bytes: Vec<u8>) {
        let peer = self.nodes[to].peer();
        let reason = "time-out".to_owned();
        let failed = NetEvent::RequestFailed { peer, request, reason };
        let lost = self.random.chance(self.request_loss);
        if lost || !self.links.contains(&pair(from, to)) {
            return self.notify(from, TIMEOUT_MS, failed);
        }
        let asked = Request::decode(&bytes).unwrap();
        let asking = self.nodes[from].peer();
        let ours = self.nodes[to].ours();
        let reader = self.nodes[to].store().reader();
        let later = self.nodes[to].service().and_then(|service| service.later());
        let later = later.and_then(|later| later.answer(&asked, Timestamp(self.now)));
        let answer = match (self.random.chance(self.busy), later) {
            (_, Some(later)) => later,
            (true, None) => Answer::Busy,
            (false, None) => answer::answer(&reader, &ours, &asking, &asked).unwrap(),
        };
        let answer = self.spoil(to, answer).encode();
        self.carry(from, to, bytes.len() + answer.len());
        self.nodes[from].told.extend_from_slice(&answer);
        assert!(answer.len() <= ANSWER_BYTES_MAX, "{} bytes to {asked:?}", answer.len());
        self.nodes[to].told.extend_from_slice(&bytes);
        self.give(to, vec![screen(NetEvent::Request { peer: asking, ticket: 1, bytes })]);
        self.traffic.answer_bytes += answer.len() as u64;
        let delay = self.delay();
        match self.random.chance(self.request_loss) {
            true => self.notify(from, TIMEOUT_MS, failed),
            false => self.notify(from, delay, NetEvent::Response { peer, request, bytes: answer }),
        }
    }

    fn spoil(&mut self, node: usize, mut answer: Answer) -> Answer {
        if let Answer::Attachment(Some(part)) = &mut answer {
            *self.gave.entry(node).or_default() += 1;
            if self.liars.contains(&node) {
                part.data[0] ^= 1;
            }
        }
        answer
    }

    /// Tells both ends what went over the wire.
    fn carry(&mut self, from: usize, to: usize, bytes: usize) {
        if !self.counting {
            return;
        }
        for (node, other) in [(from, to), (to, from)] {
            let (peer, received, sent) = (self.nodes[other].peer(), bytes as u64, 0);
            self.give(node, vec![Input::Net(NetEvent::Traffic { peer, received, sent })]);
        }
    }

    fn hear(&mut self, from: usize, to: usize, bytes: Vec<u8>) {
        let news = self.nodes[to].is_up()
            && self.links.contains(&pair(from, to))
            && self.nodes[to].seen.insert(*blake3::hash(&bytes).as_bytes());
        if !news {
            return;
        }
        self.trace.update(&bytes);
        self.carry(from, to, bytes.len());
        self.last_token += 1;
        let token = self.last_token;
        self.nodes[to].told.extend_from_slice(&bytes);
        self.nodes[to].examined.insert(token, (from, bytes.clone()));
        let peer = self.nodes[from].peer();
        self.give(to, vec![screen(NetEvent::Gossip { peer, token, bytes })]);
        assert!(!self.nodes[to].examined.contains_key(&token), "every message has its verdict");
    }

    fn give(&mut self, node: usize, inputs: Vec<Input>) {
        let effects = self.nodes[node].handle(inputs, Timestamp(self.now));
        for effect in effects {
            match effect {
                Effect::Reply { reply, .. } => self.reply(node, reply),
                Effect::Net(effect) => self.apply(node, effect),
            }
        }
    }

    fn reply(&mut self, node: usize, reply: Reply) {
        self.nodes[node].replies.push(reply);
    }

    fn apply(&mut self, node: usize, effect: NetEffect) {
        let life = self.nodes[node].life;
        match effect {
            NetEffect::Dial { addresses, .. } => {
                let delay = self.delay();
                let place = |address: &String| address.strip_prefix("/memory/")?.parse().ok();
                let to = addresses.iter().find_map(place).unwrap();
                self.later(delay, Event::Dialled { from: node, life, to });
            }
            NetEffect::Disconnect { peer } => self.unlink(node, self.places[&peer]),
            NetEffect::Request { peer, request, bytes } => {
                assert!(bytes.len() <= REQUEST_BYTES_MAX, "{} bytes", bytes.len());
                self.traffic.requests += 1;
                self.traffic.request_bytes += bytes.len() as u64;
                let (delay, to) = (self.delay(), self.places[&peer]);
                self.later(delay, Event::Ask { from: node, life, to, request, bytes });
            }
            NetEffect::Respond { .. } => panic!("the network answers from a reader"),
            NetEffect::Publish { bytes } => {
                assert!(bytes.len() <= GOSSIP_BYTES_MAX, "{} bytes", bytes.len());
                self.nodes[node].seen.insert(*blake3::hash(&bytes).as_bytes());
                self.spread(node, None, &bytes);
            }
            NetEffect::Rate { .. } => (),
            NetEffect::Verdict { token, verdict } => {
                let (from, bytes) = self.nodes[node].examined.remove(&token).unwrap();
                assert_ne!(verdict, Verdict::Reject, "all nodes are honest");
                if verdict == Verdict::Accept {
                    self.spread(node, Some(from), &bytes);
                }
            }
        }
    }

    /// Passes a message to every neighbour but the one it came from.
    fn spread(&mut self, node: usize, but: Option<usize>, bytes: &[u8]) {
        for to in 0..self.nodes.len() {
            if Some(to) == but || !self.links.contains(&pair(node, to)) {
                continue;
            }
            self.traffic.gossip += 1;
            let delay = self.delay();
            if !self.random.chance(self.gossip_loss) {
                self.later(delay, Event::Gossip { from: node, to, bytes: bytes.to_vec() });
            }
        }
    }

    /// Puts an older disk under a node that is down.
    pub(crate) fn restore(&mut self, node: usize, store: &baraza_protocol::model::MemoryStore) {
        assert!(!self.nodes[node].is_up());
        self.nodes[node].state = State::Down(store.crashed());
    }
}
