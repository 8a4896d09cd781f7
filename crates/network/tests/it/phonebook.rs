//! The phone book: somebody is found whom nobody named, and false entries do no harm.

use baraza_network::Config;
use baraza_protocol::net::{NetEvent, Peer};

use crate::node::{Node, TCP};

fn listed(config: &mut Config) {
    config.dht = true;
    config.public = true;
}

async fn until_found(node: &mut Node, wanted: Peer) -> Vec<String> {
    node.wait("an entry", |event| match event {
        NetEvent::Found { peer, addresses, local: false } if peer == wanted => Some(addresses),
        _ => None,
    })
    .await
}

//     alice -- bob -- carol          (alice knows carol's key and an old address)
#[tokio::test]
async fn a_peer_that_has_moved_is_looked_up() {
    let mut bob = Node::with(91, &[TCP], 256, listed).await;
    let mut carol = Node::with(92, &[TCP], 256, listed).await;
    carol.connect(&mut bob, 0).await;
    until_found(&mut bob, carol.peer).await;

    let mut alice = Node::with(93, &[], 256, |config| config.dht = true).await;
    alice.connect(&mut bob, 0).await;
    until_found(&mut alice, bob.peer).await;
    // Nothing listens there any more.
    alice.dial(Some(carol.peer), "/ip4/127.0.0.1/tcp/1").await;
    let addresses = until_found(&mut alice, carol.peer).await;
    assert!(addresses.contains(&carol.addresses[0]), "{addresses:?}");
}

#[tokio::test]
async fn whoever_does_not_take_part_is_not_listed() {
    let mut bob = Node::with(94, &[TCP], 256, listed).await;
    let mut carol = Node::start(95, &[TCP]).await;
    let mut dave = Node::with(97, &[TCP], 256, listed).await;
    for node in [&mut carol, &mut dave] {
        node.connect(&mut bob, 0).await;
        until_found(&mut bob, node.peer).await;
    }
    let mut alice = Node::with(96, &[], 256, |config| config.dht = true).await;
    alice.connect(&mut bob, 0).await;
    until_found(&mut alice, bob.peer).await;
    alice.dial(Some(dave.peer), "/ip4/127.0.0.1/tcp/1").await;
    // Bob names all whom he lists at once.
    loop {
        if let NetEvent::Found { peer, .. } = alice.next().await {
            assert_ne!(peer, carol.peer);
            if peer == dave.peer {
                return;
            }
        }
    }
}
