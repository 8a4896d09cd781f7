//! A node and whoever talks to it.

use baraza_protocol::{
    Config, Effect, Input, Service, answer,
    command::{Command, Reply, ServiceStatus},
    conformance::Author,
    entitle::Ours,
    model::MemoryStore,
    net::{NetEffect, NetEvent, Peer},
    screen::screen,
    session::REQUESTS_MAX,
    store::Store,
    wire::{Answer, Request},
};
use baraza_record::Timestamp;

use crate::fixture::{NOW, digest, store_of, written_out};

/// The node under attack, at its own time.
pub(super) struct Victim {
    pub(super) service: Service<MemoryStore>,
    pub(super) now: Timestamp,
    pub(super) requests: u32,
    pub(super) sent_away: bool,
}

/// Bends an honest answer.
pub(super) type Script<'a> = &'a mut dyn FnMut(&Request, Answer) -> Vec<u8>;

impl Victim {
    pub(super) fn new() -> Self {
        Self::over(store_of(&[&Author::new(100)]))
    }

    /// Makes the node anew over another store.
    pub(super) fn with(self, store: MemoryStore) -> Self {
        Self { now: self.now, ..Self::over(store) }
    }

    /// Makes a node that holds the logs of so many centres.
    pub(super) fn over_many(centres: u8) -> Self {
        let authors: Vec<_> = (1..centres).map(Author::new).chain([Author::new(100)]).collect();
        Self::over(store_of(&authors.iter().collect::<Vec<_>>()))
    }

    fn over(store: MemoryStore) -> Self {
        let author = Author::new(100);
        let config = Config {
            centre: author.centre(),
            node: author.key.public(),
            seed: [1; 32],
            bootstrap: Vec::new(),
            networks: Vec::new(),
            key_blocked: None,
        };
        let service = Service::new(store, config, NOW).unwrap();
        Self { service, now: NOW, requests: 0, sent_away: false }
    }

    /// Hands inputs in and returns the requests that follow.
    pub(super) fn give(&mut self, inputs: Vec<Input>) -> Vec<(Peer, u64, Vec<u8>)> {
        inputs.into_iter().for_each(|input| self.service.handle(input, self.now));
        self.service.handle_timeout(self.now);
        self.service.commit().unwrap();
        let mut requests = Vec::new();
        while let Some(effect) = self.service.poll_effect() {
            match effect {
                Effect::Net(NetEffect::Request { peer, request, bytes }) => {
                    requests.push((peer, request, bytes));
                }
                Effect::Net(NetEffect::Disconnect { .. }) => self.sent_away = true,
                _ => (),
            }
        }
        requests
    }

    /// Connects a peer that answers from `store` as `script` bends it, until all is quiet.
    pub(super) fn meet(&mut self, peer: &Author, store: &MemoryStore, script: Script<'_>) {
        self.requests = 0;
        let address = "/memory/1".to_owned();
        let node = peer.key.public();
        let connected = NetEvent::Connected { peer: node, address, outbound: true };
        let mut open = self.give(vec![Input::Net(connected)]);
        while !open.is_empty() {
            let mut inputs = Vec::new();
            for (to, request, bytes) in std::mem::take(&mut open) {
                self.requests += 1;
                assert!(self.requests <= REQUESTS_MAX + 8, "the session does not end");
                assert_eq!(to, node);
                let asked = Request::decode(&bytes).unwrap();
                let theirs = Ours { centre: peer.centre(), node, networks: Vec::new() };
                let us = Author::new(100).key.public();
                let honest = answer::answer(&store.reader(), &theirs, &us, &asked).unwrap();
                let honest = written_out(honest);
                let bytes = script(&asked, honest);
                inputs.push(screen(NetEvent::Response { peer: to, request, bytes }));
            }
            open = self.give(inputs);
        }
        assert_eq!(self.status().sessions, 0, "the session has ended");
    }

    pub(super) fn leave(&mut self, peer: &Author) {
        let gone = NetEvent::Disconnected { peer: peer.key.public() };
        assert!(self.give(vec![Input::Net(gone)]).is_empty());
        self.now = self.now.plus_ms(1_000);
    }

    pub(super) fn reply(&mut self, command: Command) -> Reply {
        self.service.handle(Input::Command { call: 1, command }, self.now);
        self.service.commit().unwrap();
        loop {
            match self.service.poll_effect().unwrap() {
                Effect::Reply { reply, .. } => return reply,
                Effect::Net(_) => (),
            }
        }
    }

    pub(super) fn status(&mut self) -> ServiceStatus {
        match self.reply(Command::Status) {
            Reply::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn failure(&mut self, peer: &Author) -> Option<String> {
        let Reply::Peers(peers) = self.reply(Command::Peers) else { panic!("not peers") };
        let entry = peers.into_iter().find(|entry| entry.peer == peer.key.public());
        entry.and_then(|entry| entry.last_failure)
    }

    /// Has an honest peer bring all that it has, in as many sessions as it takes.
    pub(super) fn meet_honest(&mut self, store: &MemoryStore) {
        let honest = Author::new(101);
        for _ in 0..4 {
            self.meet(&honest, store, &mut |_, answer| answer.encode());
            assert_eq!(self.failure(&honest), None);
            self.leave(&honest);
        }
        let reader = self.service.store().reader();
        assert_eq!(digest(&reader), digest(&store.reader()), "all is here");
        assert!(self.service.is_complete());
    }
}
