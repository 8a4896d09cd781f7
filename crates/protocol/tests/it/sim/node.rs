//! One node: a service over a store in memory, and what it waits for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use baraza_protocol::{
    Config, Effect, Input, Service,
    command::{Command, NewRecord, Recipients, Reply},
    conformance::Author,
    entitle::{Membership, Ours},
    ingest,
    model::MemoryStore,
    net::{NetEvent, Peer, Token},
    store::{FeedHead, Store},
};
use baraza_record::{FeedId, Kind, RecordId, Timestamp};
use serde_json::{Map, Value};

/// One node of a simulation.
pub(crate) struct Node {
    pub(crate) author: Author,
    bootstrap: Vec<String>,
    /// Runs, or, while the node is down, is what its disk holds.
    pub(crate) state: State,
    /// Counts starts, so that nothing of an earlier life is delivered to a later one.
    pub(crate) life: u64,
    /// Gossip that was seen, by hash; gossip under examination, by token.
    pub(crate) seen: BTreeSet<[u8; 32]>,
    pub(crate) examined: BTreeMap<Token, (usize, Vec<u8>)>,
    pub(crate) replies: Vec<Reply>,
    /// Networks that it belongs to.
    pub(crate) networks: Vec<Membership>,
    /// Every byte that others said to it.
    pub(crate) told: Vec<u8>,
    /// Heads that a start finds its disk to have lost.
    pub(crate) lost: Vec<(FeedId, FeedHead)>,
    seed: u64,
}

pub(crate) enum State {
    Up(Box<Service<MemoryStore>>),
    Down(MemoryStore),
}

impl Node {
    pub(crate) fn new(place: usize, seed: u64, bootstrap: Vec<String>) -> Self {
        let author = Author::new(u8::try_from(place + 1).unwrap());
        let mut store = MemoryStore::new(seed ^ place as u64);
        ingest::ingest_identity(&mut store, &author.event.encode()).unwrap();
        store.commit().unwrap();
        Self {
            author,
            bootstrap,
            state: State::Down(store),
            life: 0,
            seen: BTreeSet::new(),
            examined: BTreeMap::new(),
            replies: Vec::new(),
            networks: Vec::new(),
            told: Vec::new(),
            lost: Vec::new(),
            seed,
        }
    }

    /// Makes this the node of another author, on a disk that holds nothing else.
    pub(crate) fn enrol(&mut self, author: Author) {
        let mut store = MemoryStore::new(self.seed);
        ingest::ingest_identity(&mut store, &author.event.encode()).unwrap();
        store.commit().unwrap();
        (self.author, self.state) = (author, State::Down(store));
    }

    pub(crate) fn peer(&self) -> Peer {
        self.author.key.public()
    }

    pub(crate) fn ours(&self) -> Arc<Ours> {
        match &self.state {
            State::Up(service) => Arc::clone(service.ours()),
            State::Down(_) => panic!("nobody answers for a node that is down"),
        }
    }

    pub(crate) fn service(&mut self) -> Option<&mut Service<MemoryStore>> {
        match &mut self.state {
            State::Up(service) => Some(service),
            State::Down(_) => None,
        }
    }

    pub(crate) fn store(&self) -> &MemoryStore {
        match &self.state {
            State::Up(service) => service.store(),
            State::Down(store) => store,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// Starts the node on what its disk holds.
    pub(crate) fn start(&mut self, address: String, now: Timestamp) {
        let State::Down(store) = &self.state else { panic!("the node runs") };
        self.life += 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&(self.seed ^ self.life << 32).to_be_bytes());
        seed[8..].copy_from_slice(&self.peer().0[8..]);
        let config = Config {
            centre: self.author.centre(),
            node: self.peer(),
            seed,
            bootstrap: self.bootstrap.clone(),
            networks: self.networks.clone(),
            key_blocked: (!self.lost.is_empty()).then(|| "the end is lost".to_owned()),
        };
        let mut service = Service::new(store.clone(), config, now).unwrap();
        service.set_start(true, self.lost.clone());
        service.handle(Input::Unlocked(self.author.key.clone()), now);
        service.handle(Input::Net(NetEvent::Listening { address }), now);
        self.state = State::Up(Box::new(service));
    }

    /// Cuts the power: what was not committed is gone.
    pub(crate) fn crash(&mut self) {
        self.state = State::Down(self.store().crashed());
        self.seen.clear();
        self.examined.clear();
    }

    /// Handles inputs as one batch, commits, and returns what is to be done.
    pub(crate) fn handle(&mut self, inputs: Vec<Input>, now: Timestamp) -> Vec<Effect> {
        let Some(service) = self.service() else { return Vec::new() };
        inputs.into_iter().for_each(|input| service.handle(input, now));
        if service.poll_timeout() <= now {
            service.handle_timeout(now);
        }
        service.commit().unwrap();
        std::iter::from_fn(|| service.poll_effect()).collect()
    }

    /// Returns the ids of the reply that came last, which must be of records published.
    pub(crate) fn published(&self) -> Vec<RecordId> {
        match self.replies.last() {
            Some(Reply::Published(ids) | Reply::PublishedLate { ids, .. }) => ids.clone(),
            other => panic!("not published: {other:?}"),
        }
    }
}

/// Returns the command to publish `count` records with a text of `bytes` bytes each.
pub(crate) fn publish(count: usize, bytes: usize, text: &str) -> Command {
    publish_for(count, bytes, text, Recipients::Public)
}

/// Returns the command to publish `count` records for `recipients`.
pub(crate) fn publish_for(
    count: usize,
    bytes: usize,
    text: &str,
    recipients: Recipients,
) -> Command {
    let record = |n| {
        let mut body = Map::new();
        let text = format!("{text} {n} {}", "x".repeat(bytes));
        body.insert("text".to_owned(), Value::String(text));
        let (revises, target, recipients) = (None, None, Some(recipients.clone()));
        NewRecord {
            kind: Kind::LESSON,
            language: "en".to_owned(),
            revises,
            target,
            recipients,
            body,
        }
    };
    Command::Publish((0..count).map(record).collect())
}
