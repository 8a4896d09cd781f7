//! A peer that speaks the protocol, belongs to nobody, and keeps every byte it is told.

use std::time::Duration;

use baraza_network::{Config, Network, parse_address};
use baraza_protocol::{
    net::{NetEffect, NetEvent, Peer},
    wire::{Answer, Request},
};
use tokio::{runtime::Runtime, sync::mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use zeroize::Zeroizing;

/// Time for anything that must happen; a loaded machine may need most of it.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Outsider {
    pub(crate) peer: Peer,
    /// Every byte of requests, answers and gossip that came, decrypted.
    pub(crate) told: Vec<u8>,
    effects: mpsc::Sender<NetEffect>,
    events: mpsc::Receiver<NetEvent>,
    last: u64,
    runtime: Runtime,
    _running: DropGuard,
}

impl Outsider {
    /// Connects to the node at `address` with the key made of `seed`.
    pub(crate) fn connect(seed: u8, address: &str) -> (Self, Peer) {
        let runtime = Runtime::new().unwrap();
        let (address, theirs) = parse_address(address).unwrap();
        let config = Config::new(Zeroizing::new([seed; 32]), Answer::Busy.encode());
        let network = {
            let _entered = runtime.enter();
            Network::new(config).unwrap()
        };
        let peer = network.local_peer();
        let (effects, effects_in) = mpsc::channel(64);
        let (events_out, events) = mpsc::channel(64);
        let stop = CancellationToken::new();
        runtime.spawn(network.run(effects_in, events_out, stop.clone()));
        let running = stop.drop_guard();
        let (told, last) = (Vec::new(), 0);
        let mut this = Self { peer, told, effects, events, last, runtime, _running: running };
        let dial = NetEffect::Dial { peer: theirs, addresses: vec![address] };
        this.effects.blocking_send(dial).unwrap();
        this.wait(|event| matches!(event, NetEvent::Connected { .. }));
        (this, theirs.unwrap())
    }

    /// Asks and returns the answer.
    pub(crate) fn ask(&mut self, peer: Peer, request: &Request) -> Answer {
        loop {
            self.last += 1;
            let number = self.last;
            let bytes = request.encode();
            let effect = NetEffect::Request { peer, request: number, bytes };
            self.effects.blocking_send(effect).unwrap();
            let event = self.wait(
                |event| matches!(event, NetEvent::Response { request, .. } if *request == number),
            );
            let NetEvent::Response { bytes, .. } = event else { continue };
            match Answer::decode(&bytes).unwrap() {
                Answer::Busy => (),
                answer => return answer,
            }
        }
    }

    /// Hears whatever comes until the node has compared itself with us.
    pub(crate) fn be_compared(&mut self) {
        self.wait(|event| matches!(event, NetEvent::Request { .. }));
    }

    fn wait(&mut self, wanted: impl Fn(&NetEvent) -> bool) -> NetEvent {
        loop {
            let next = async { tokio::time::timeout(DEADLINE, self.events.recv()).await };
            let event = self.runtime.block_on(next);
            let event = event.expect("an event in time").expect("it runs");
            match &event {
                NetEvent::Request { ticket, bytes, .. } => {
                    self.told.extend_from_slice(bytes);
                    let (ticket, bytes) = (*ticket, Answer::Busy.encode());
                    self.effects.blocking_send(NetEffect::Respond { ticket, bytes }).unwrap();
                }
                NetEvent::Response { bytes, .. } | NetEvent::Gossip { bytes, .. } => {
                    self.told.extend_from_slice(bytes);
                }
                _ => (),
            }
            if wanted(&event) {
                return event;
            }
        }
    }
}
