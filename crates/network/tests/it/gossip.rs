//! Gossip along a line: what is accepted goes on, what is rejected does not.

use std::time::Duration;

use baraza_protocol::net::{NetEffect, NetEvent, Peer, Token, Verdict};

use crate::node::{Node, TCP};

async fn hear(node: &mut Node) -> (Peer, Token, Vec<u8>) {
    node.wait("gossip", |event| match event {
        NetEvent::Gossip { peer, token, bytes } => Some((peer, token, bytes)),
        _ => None,
    })
    .await
}

async fn publish(node: &Node, bytes: &[u8]) {
    node.do_it(NetEffect::Publish { bytes: bytes.to_vec() }).await;
}

/// Publishes until the message has come through the line: the meshes take some heartbeats.
async fn warm_up(alice: &Node, bob: &mut Node, carol: &mut Node) {
    for number in 0_u8..60 {
        publish(alice, &[number]).await;
        let through = async {
            let (_, token, _) = hear(bob).await;
            bob.do_it(NetEffect::Verdict { token, verdict: Verdict::Accept }).await;
            hear(carol).await;
        };
        if tokio::time::timeout(Duration::from_secs(1), through).await.is_ok() {
            return;
        }
    }
    panic!("the line stays silent");
}

//     alice -- bob -- carol
#[tokio::test]
async fn a_rejected_message_goes_no_further() {
    let mut alice = Node::start(21, &[]).await;
    let mut bob = Node::start(22, &[TCP]).await;
    let mut carol = Node::start(23, &[]).await;
    alice.connect(&mut bob, 0).await;
    carol.connect(&mut bob, 0).await;
    warm_up(&alice, &mut bob, &mut carol).await;

    for (text, verdict) in
        [("spoilt", Verdict::Reject), ("stale", Verdict::Ignore), ("sound", Verdict::Accept)]
    {
        publish(&alice, text.as_bytes()).await;
        loop {
            let (peer, token, bytes) = hear(&mut bob).await;
            assert_eq!(peer, alice.peer);
            if bytes == text.as_bytes() {
                bob.do_it(NetEffect::Verdict { token, verdict }).await;
                break;
            }
        }
    }
    loop {
        let (peer, _, bytes) = hear(&mut carol).await;
        assert_eq!(peer, bob.peer, "carol knows nobody else");
        match bytes.as_slice() {
            b"sound" => break,
            bytes => assert_eq!(bytes.len(), 1, "only what was sent to warm up: {bytes:?}"),
        }
    }
}
