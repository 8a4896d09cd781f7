//! A line that is cut in the middle of an answer: what has come is not lost.

use baraza_protocol::net::{NetEffect, NetEvent};

use crate::{
    node::{Node, TCP},
    proxy::Proxy,
};

/// Text that compresses to about a half.
fn text(bytes: usize) -> Vec<u8> {
    let mut text: Vec<u8> = (0_u64..)
        .flat_map(|n| format!("{:x} ", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into_bytes())
        .take(bytes)
        .collect();
    text.truncate(bytes);
    text
}

//     alice -- proxy -x- bob
#[tokio::test]
async fn what_had_come_of_an_answer_outlives_the_connection() {
    let mut alice = Node::start(51, &[]).await;
    let mut bob = Node::start(52, &[TCP]).await;
    let proxy = Proxy::start(&bob.addresses[0]).await;
    alice.dial(Some(bob.peer), &proxy.address).await;
    alice.until_connected(bob.peer).await;

    alice.ask(bob.peer, 1, vec![7]).await;
    let (_, ticket, _) = bob.asked().await;
    proxy.hold_after(60_000);
    let answer = text(200_000);
    bob.do_it(NetEffect::Respond { ticket, bytes: answer.clone() }).await;
    // All that passes is read before the line is cut.
    let mut came = 0;
    while came < 60_000 {
        if let NetEvent::Traffic { received, .. } = alice.any().await {
            came += received;
        }
    }
    proxy.cut();

    let (mut salvaged, mut failed, mut gone) = (None, false, false);
    while salvaged.is_none() || !failed || !gone {
        match alice.next().await {
            NetEvent::Salvaged { peer, request, bytes } => {
                assert_eq!((peer, request), (bob.peer, 1));
                assert_eq!(bytes, answer[..bytes.len()], "the beginning of the answer");
                assert!(salvaged.replace(bytes.len()).is_none(), "told once");
            }
            NetEvent::RequestFailed { request: 1, .. } => failed = true,
            NetEvent::Response { .. } => panic!("the line was cut"),
            NetEvent::Disconnected { .. } => gone = true,
            other => eprintln!("EV {other:?}"),
        }
    }
    // The text compresses: what came is more than passed.
    let salvaged = salvaged.unwrap();
    assert!(60_000 < salvaged && salvaged < answer.len(), "{salvaged} bytes");

    alice.dial(Some(bob.peer), &proxy.address).await;
    alice.until_connected(bob.peer).await;
    alice.ask(bob.peer, 2, vec![7]).await;
    let (_, ticket, _) = bob.asked().await;
    bob.do_it(NetEffect::Respond { ticket, bytes: answer.clone() }).await;
    assert_eq!(alice.outcome().await, (2, Ok(answer)));
}
