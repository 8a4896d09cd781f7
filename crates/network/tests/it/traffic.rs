//! What a node says has gone over the wire, against what the device of the system counts.

use std::time::Duration;

use baraza_network::Config;
use baraza_protocol::net::{NetEffect, NetEvent};

use crate::{
    node::{Node, QUIC, TCP, noise},
    space,
};

/// Packets like those of a line to the outside.
const LINE: &str = "ip link set lo mtu 1500";

const WS: &str = "/ip4/127.0.0.1/tcp/0/ws";

/// Bytes that a node has told so far.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    received: u64,
    sent: u64,
}

/// Adds what `node` tells until the connection is closed.
async fn until_closed(node: &mut Node, told: &mut Told) {
    let mut sum = *told;
    node.wait("end", |event| match event {
        NetEvent::Traffic { received, sent, .. } => {
            sum.received += received;
            sum.sent += sent;
            None
        }
        NetEvent::Disconnected { .. } => Some(()),
        _ => None,
    })
    .await;
    *told = sum;
}

fn within(what: &str, counted: u64, told: u64, percent: u64) {
    let off = counted.abs_diff(told) * 100 / counted;
    println!("{what}: the device counted {counted} bytes, told were {told}, {off} % off");
    assert!(off <= percent, "{what}: the device counted {counted} bytes, told were {told}");
}

/// Moves 10 MB, and compares what both say with the device of this namespace.
async fn bulk(what: &str, listen: &str) {
    let before = space::device_sent("lo");
    let mut alice = Node::with_queue(61, &[], 1_024).await;
    let mut bob = Node::with_queue(62, &[listen], 1_024).await;
    alice.dial(Some(bob.peer), &bob.addresses[0].clone()).await;
    let (mut alices, mut bobs) = (Told::default(), Told::default());
    alice.until_connected(bob.peer).await;
    bob.until_connected(alice.peer).await;
    for number in 0..40 {
        alice.ask(bob.peer, number, vec![7]).await;
        let ticket = loop {
            match bob.any().await {
                NetEvent::Request { ticket, .. } => break ticket,
                NetEvent::Traffic { received, sent, .. } => {
                    bobs.received += received;
                    bobs.sent += sent;
                }
                _ => (),
            }
        };
        bob.do_it(NetEffect::Respond { ticket, bytes: noise(250_000) }).await;
        loop {
            match alice.any().await {
                NetEvent::Response { bytes, .. } => break assert_eq!(bytes.len(), 250_000),
                NetEvent::Traffic { received, sent, .. } => {
                    alices.received += received;
                    alices.sent += sent;
                }
                _ => (),
            }
        }
    }
    alice.do_it(NetEffect::Disconnect { peer: bob.peer }).await;
    until_closed(&mut alice, &mut alices).await;
    until_closed(&mut bob, &mut bobs).await;
    let counted = space::device_sent("lo") - before;
    within(&format!("{what}, sent"), counted, alices.sent + bobs.sent, 10);
    within(&format!("{what}, received"), counted, alices.received + bobs.received, 10);
}

#[tokio::test]
async fn a_transfer_is_counted_as_the_device_counts_it() {
    if space::inside("traffic::a_transfer_is_counted_as_the_device_counts_it", LINE) {
        bulk("TCP", TCP).await;
        bulk("QUIC", QUIC).await;
        bulk("WebSocket", WS).await;
    }
}

/// Adds what `node` tells to `told` until it has told something `times` times.
async fn listen_to(node: &mut Node, told: &mut Told, times: u32) {
    let mut heard = 0;
    while heard < times {
        if let NetEvent::Traffic { received, sent, .. } = node.any().await {
            told.received += received;
            told.sent += sent;
            heard += 1;
        }
    }
}

/// Leaves a connection idle: a ping of each side every second.
async fn idle(what: &str, listen: &str) {
    let often = |config: &mut Config| config.ping_every = Duration::from_secs(1);
    let start = space::device_sent("lo");
    let mut alice = Node::with(63, &[], 1_024, often).await;
    let mut bob = Node::with(64, &[listen], 1_024, often).await;
    alice.connect(&mut bob, 0).await;
    let (mut alices, mut bobs) = (Told::default(), Told::default());
    tokio::join!(listen_to(&mut alice, &mut alices, 5), listen_to(&mut bob, &mut bobs, 5));
    let settled = space::device_sent("lo");
    within(&format!("{what}, handshake, sent"), settled - start, alices.sent + bobs.sent, 25);
    let received = alices.received + bobs.received;
    within(&format!("{what}, handshake, received"), settled - start, received, 25);

    (alices, bobs) = (Told::default(), Told::default());
    tokio::join!(listen_to(&mut alice, &mut alices, 20), listen_to(&mut bob, &mut bobs, 20));
    let counted = space::device_sent("lo") - settled;
    within(&format!("{what}, idle, sent"), counted, alices.sent + bobs.sent, 25);
    within(&format!("{what}, idle, received"), counted, alices.received + bobs.received, 25);
}

#[tokio::test]
async fn an_idle_tcp_connection_is_counted_as_the_device_counts_it() {
    if space::inside("traffic::an_idle_tcp_connection_is_counted_as_the_device_counts_it", LINE) {
        idle("TCP", TCP).await;
    }
}

#[tokio::test]
async fn an_idle_quic_connection_is_counted_as_the_device_counts_it() {
    if space::inside("traffic::an_idle_quic_connection_is_counted_as_the_device_counts_it", LINE) {
        idle("QUIC", QUIC).await;
    }
}

#[tokio::test]
async fn an_idle_websocket_connection_is_counted_as_the_device_counts_it() {
    let test = "traffic::an_idle_websocket_connection_is_counted_as_the_device_counts_it";
    if space::inside(test, LINE) {
        idle("WebSocket", WS).await;
    }
}
