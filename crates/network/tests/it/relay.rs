//! Nodes that reach each other through a relay.

use baraza_network::peer_id_text;
use baraza_protocol::net::{NetEffect, NetEvent};

use crate::{
    node::{Node, TCP, noise},
    proxy::Proxy,
    space,
};

/// Starts a relay that can be dialled.
async fn relay(seed: u8, listen: &str) -> Node {
    Node::with(seed, &[listen], 256, |config| {
        config.relay_server = true;
        config.public = true;
    })
    .await
}

/// Waits until `node` is reachable through a relay, and returns the address for that.
async fn circuit(node: &mut Node) -> String {
    node.wait("slot at the relay", |event| match event {
        NetEvent::Listening { address } if address.contains("/p2p-circuit/") => Some(address),
        _ => None,
    })
    .await
}

async fn exchange(alice: &mut Node, bob: &mut Node, number: u64) {
    let answer = noise(200_000);
    alice.ask(bob.peer, number, vec![7]).await;
    let (_, ticket, _) = bob.asked().await;
    bob.do_it(NetEffect::Respond { ticket, bytes: answer.clone() }).await;
    assert_eq!(alice.outcome().await, (number, Ok(answer)));
}

//     alice -- relay -- bob          (bob listens nowhere)
#[tokio::test]
async fn two_nodes_that_cannot_dial_each_other_exchange_through_a_relay() {
    let relay = relay(81, TCP).await;
    let at_relay = format!("{}/p2p/{}", relay.addresses[0], peer_id_text(&relay.peer));
    let mut bob = Node::with(82, &[], 256, |config| config.relays = vec![at_relay.clone()]).await;
    let circuit = circuit(&mut bob).await;
    assert_eq!(circuit, format!("{at_relay}/p2p-circuit/p2p/{}", peer_id_text(&bob.peer)));

    let mut alice = Node::start(83, &[]).await;
    alice.dial(None, &circuit).await;
    let through = format!("{at_relay}/p2p-circuit");
    let (address, outbound) = alice
        .wait("connection", |event| match event {
            NetEvent::Connected { peer, address, outbound } if peer == bob.peer => {
                Some((address, outbound))
            }
            _ => None,
        })
        .await;
    assert_eq!((address, outbound), (through.clone(), true));
    let address = bob
        .wait("connection", |event| match event {
            NetEvent::Connected { peer, address, .. } if peer == alice.peer => Some(address),
            _ => None,
        })
        .await;
    assert_eq!(address, through, "what the called one sees of the way");
    // Identify tells where bob is reached, for the peer books of others.
    alice
        .wait("address", |event| match event {
            NetEvent::Found { peer, addresses, .. } => {
                (peer == bob.peer && addresses.contains(&through)).then_some(())
            }
            _ => None,
        })
        .await;
    exchange(&mut alice, &mut bob, 1).await;
}

#[tokio::test]
async fn a_circuit_without_the_id_of_the_node_is_told() {
    let mut alice = Node::start(84, &[]).await;
    let relay = peer_id_text(&alice.peer);
    let circuit = format!("/ip4/127.0.0.1/tcp/1/p2p/{relay}/p2p-circuit");
    let (reason, about) = alice.fail_to_dial(None, &circuit).await;
    assert_eq!(about, circuit);
    assert_eq!(reason, "the id of the node is missing: write /p2p/ID at the end");
}

#[tokio::test]
async fn a_node_that_is_no_relay_grants_no_slot() {
    let carol = Node::start(85, &[TCP]).await;
    let at_carol = format!("{}/p2p/{}", carol.addresses[0], peer_id_text(&carol.peer));
    let mut bob = Node::with(86, &[], 256, |config| config.relays = vec![at_carol.clone()]).await;
    let (reason, about) = bob
        .wait("failure", |event| match event {
            NetEvent::DialFailed { address, reason } => Some((reason, address)),
            _ => None,
        })
        .await;
    assert!(reason.starts_with("the relay grants no slot"), "{reason}");
    assert_eq!(about, format!("{at_carol}/p2p-circuit"));
}

//     bob -- proxy -x- relay
#[tokio::test]
async fn a_slot_is_reserved_again_when_the_link_is_back() {
    let relay = relay(87, TCP).await;
    let proxy = Proxy::start(&relay.addresses[0]).await;
    let at_relay = format!("{}/p2p/{}", proxy.address, peer_id_text(&relay.peer));
    let mut bob = Node::with(88, &[], 256, |config| config.relays = vec![at_relay.clone()]).await;
    let first = circuit(&mut bob).await;
    for _ in 0..2 {
        proxy.cut();
        assert_eq!(circuit(&mut bob).await, first);
    }
    let mut alice = Node::start(89, &[]).await;
    alice.dial(Some(bob.peer), &format!("{at_relay}/p2p-circuit")).await;
    alice.until_connected(bob.peer).await;
    bob.until_connected(alice.peer).await;
    exchange(&mut alice, &mut bob, 1).await;
}

/// An address of the internet on this machine: others would not be dialled on a peer's word.
const PUBLIC: &str = "/ip4/198.18.0.1/tcp/0";

//     alice -- relay -- bob, and then alice -- bob
#[tokio::test]
async fn two_nodes_that_can_dial_each_other_leave_the_relay() {
    let test = "relay::two_nodes_that_can_dial_each_other_leave_the_relay";
    if !space::inside(test, "ip addr add 198.18.0.1/32 dev lo") {
        return;
    }
    let relay = relay(90, PUBLIC).await;
    let at_relay = format!("{}/p2p/{}", relay.addresses[0], peer_id_text(&relay.peer));
    let relays = vec![at_relay.clone()];
    let mut bob = Node::with(98, &[PUBLIC], 256, |config| config.relays = relays).await;
    let circuit = circuit(&mut bob).await;
    let mut alice = Node::start(99, &[PUBLIC]).await;
    alice.dial(Some(bob.peer), &circuit).await;
    let mut connected = 0;
    // What goes through the relay counts with the relay.
    alice
        .wait("direct connection", |event| match event {
            NetEvent::Connected { peer, .. } => {
                connected += u32::from(peer == bob.peer);
                None
            }
            NetEvent::Disconnected { .. } => panic!("nobody leaves"),
            NetEvent::Traffic { peer, .. } => (peer == bob.peer).then_some(()),
            _ => None,
        })
        .await;
    assert_eq!(connected, 1, "a second connection is no second peer");
    exchange(&mut alice, &mut bob, 1).await;
}
