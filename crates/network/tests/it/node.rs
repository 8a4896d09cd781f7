//! A node for tests: a running network and both ends of its queues.

use std::time::Duration;

use baraza_network::{Config, Limits, Network};
use baraza_protocol::net::{NetEffect, NetEvent, Peer, RequestId, Ticket};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use zeroize::Zeroizing;

pub(crate) const TCP: &str = "/ip4/127.0.0.1/tcp/0";
pub(crate) const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
pub(crate) const BUSY: &[u8] = &[42];

/// Time for anything that must happen; a loaded machine may need most of it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A running node. It stops when dropped.
pub(crate) struct Node {
    pub(crate) peer: Peer,
    /// Where it listens, without its id, in the order of the configuration.
    pub(crate) addresses: Vec<String>,
    effects: mpsc::Sender<NetEffect>,
    events: mpsc::Receiver<NetEvent>,
    _running: DropGuard,
}

impl Node {
    /// Starts a node with the key made of `seed`.
    pub(crate) async fn start(seed: u8, listen: &[&str]) -> Self {
        Self::with_queue(seed, listen, 64).await
    }

    /// Starts a node whose consumer has a queue of `capacity` events.
    pub(crate) async fn with_queue(seed: u8, listen: &[&str], capacity: usize) -> Self {
        Self::with_limits(seed, listen, capacity, Limits::default()).await
    }

    pub(crate) async fn with_limits(
        seed: u8,
        listen: &[&str],
        capacity: usize,
        limits: Limits,
    ) -> Self {
        Self::with(seed, listen, capacity, |config| config.limits = limits).await
    }

    /// Starts a node whose configuration `change` changes.
    pub(crate) async fn with(
        seed: u8,
        listen: &[&str],
        capacity: usize,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = Config::new(Zeroizing::new([seed; 32]), BUSY.to_vec());
        config.listen = listen.iter().map(|text| (*text).to_owned()).collect();
        change(&mut config);
        let network = Network::new(config).unwrap();
        let (effects, effects_in) = mpsc::channel(64);
        let (events_out, events) = mpsc::channel(capacity);
        let shutdown = CancellationToken::new();
        let peer = network.local_peer();
        tokio::spawn(network.run(effects_in, events_out, shutdown.clone()));
        let mut node =
            Self { peer, addresses: Vec::new(), effects, events, _running: shutdown.drop_guard() };
        let mut addresses = Vec::new();
        while addresses.len() < listen.len() {
            addresses.push(
                node.wait("listening", |event| match event {
                    NetEvent::Listening { address } => Some(address),
                    _ => None,
                })
                .await,
            );
        }
        for kind in listen.iter().map(|text| text.split_once("/0").map_or(*text, |(kind, _)| kind))
        {
            let ws = listen.iter().any(|text| text.starts_with(kind) && text.ends_with("/ws"));
            let fits = |a: &&String| a.starts_with(kind) && a.contains("/ws/") == ws;
            let address = addresses.iter().find(fits).unwrap();
            let (address, named) = baraza_network::parse_address(address).unwrap();
            assert_eq!(named, Some(peer));
            node.addresses.push(address);
        }
        node
    }

    pub(crate) async fn do_it(&self, effect: NetEffect) {
        self.effects.send(effect).await.unwrap();
    }

    /// Returns the next event, whatever it is.
    pub(crate) async fn any(&mut self) -> NetEvent {
        self.wait("event", Some).await
    }

    /// Returns the next event that is not about traffic.
    pub(crate) async fn next(&mut self) -> NetEvent {
        self.wait("event", |event| match event {
            NetEvent::Traffic { .. } => None,
            event => Some(event),
        })
        .await
    }

    /// Waits for an event that `pick` likes; others are dropped.
    pub(crate) async fn wait<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(NetEvent) -> Option<T>,
    ) -> T {
        let found = async {
            loop {
                let event = self.events.recv().await.expect("it runs");
                if let Some(picked) = pick(event) {
                    return picked;
                }
            }
        };
        tokio::time::timeout(DEADLINE, found).await.unwrap_or_else(|_| panic!("no {what} in time"))
    }

    pub(crate) async fn dial(&self, peer: Option<Peer>, address: &str) {
        self.do_it(NetEffect::Dial { peer, addresses: vec![address.into()] }).await;
    }

    /// Dials and returns the reason of the failure, and the address it is about.
    pub(crate) async fn fail_to_dial(
        &mut self,
        peer: Option<Peer>,
        address: &str,
    ) -> (String, String) {
        self.dial(peer, address).await;
        self.wait("failed dial", |event| match event {
            NetEvent::DialFailed { address, reason } => Some((reason, address)),
            _ => None,
        })
        .await
    }

    pub(crate) async fn until_connected(&mut self, other: Peer) {
        self.wait("connection", |event| {
            matches!(event, NetEvent::Connected { peer, .. } if peer == other).then_some(())
        })
        .await;
    }

    /// Connects to `other` at its address number `index`.
    pub(crate) async fn connect(&mut self, other: &mut Node, index: usize) {
        self.dial(Some(other.peer), &other.addresses[index]).await;
        self.until_connected(other.peer).await;
        other.until_connected(self.peer).await;
    }

    pub(crate) async fn ask(&self, peer: Peer, request: RequestId, bytes: Vec<u8>) {
        self.do_it(NetEffect::Request { peer, request, bytes }).await;
    }

    pub(crate) async fn asked(&mut self) -> (Peer, Ticket, Vec<u8>) {
        self.wait("request", |event| match event {
            NetEvent::Request { peer, ticket, bytes } => Some((peer, ticket, bytes)),
            _ => None,
        })
        .await
    }

    /// Returns the next outcome of a request: its number, and the answer or the reason.
    pub(crate) async fn outcome(&mut self) -> (RequestId, Result<Vec<u8>, String>) {
        self.wait("answer", |event| match event {
            NetEvent::Response { request, bytes, .. } => Some((request, Ok(bytes))),
            NetEvent::RequestFailed { request, reason, .. } => Some((request, Err(reason))),
            _ => None,
        })
        .await
    }
}

/// Bytes that do not compress: the output of a hash.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}
