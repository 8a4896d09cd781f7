//! A limit on the rate: a batch takes its time, and small messages overtake it.

use std::time::{Duration, Instant};

use baraza_protocol::net::{NetEffect, NetEvent, Verdict};

use crate::node::{Node, QUIC, TCP, noise};

/// Returns how long an answer of 200,000 bytes takes. Also how long after its
/// beginning the message `news` of gossip has come past it.
#[expect(clippy::disallowed_methods, reason = "the time it takes is what is tested")]
async fn transfer(alice: &mut Node, bob: &mut Node, news: &[u8]) -> (Duration, Option<Duration>) {
    alice.ask(bob.peer, 1, vec![7]).await;
    let (_, ticket, _) = bob.asked().await;
    bob.do_it(NetEffect::Respond { ticket, bytes: noise(200_000) }).await;
    bob.do_it(NetEffect::Publish { bytes: news.to_vec() }).await;
    let started = Instant::now();
    let mut heard = None;
    loop {
        match alice.any().await {
            NetEvent::Response { bytes, .. } => {
                assert_eq!(bytes.len(), 200_000);
                return (started.elapsed(), heard);
            }
            NetEvent::Gossip { token, bytes, .. } if bytes == news => {
                heard = Some(started.elapsed());
                alice.do_it(NetEffect::Verdict { token, verdict: Verdict::Ignore }).await;
            }
            _ => (),
        }
    }
}

async fn limited(seeds: (u8, u8), listen: &str, limit_reader: bool) {
    let mut alice = Node::with_queue(seeds.0, &[], 1_024).await;
    let mut bob = Node::with_queue(seeds.1, &[listen], 1_024).await;
    alice.connect(&mut bob, 0).await;
    // Gossip needs to know who is subscribed.
    alice
        .wait("subscription", |event| matches!(event, NetEvent::Traffic { .. }).then_some(()))
        .await;

    let (free, _) = transfer(&mut alice, &mut bob, b"first").await;
    assert!(free < Duration::from_secs(3), "{free:?} without a limit");

    // 50,000 bytes a second: 200,000 take 4 s, less half a second at once and the window.
    let limited = if limit_reader { &alice } else { &bob };
    limited.do_it(NetEffect::Rate { kbit_s: Some(400) }).await;
    let (slow, heard) = transfer(&mut alice, &mut bob, b"second").await;
    assert!(Duration::from_secs(3) < slow, "{slow:?} with a limit");
    assert!(slow < Duration::from_secs(12), "{slow:?} with a limit");
    let heard = heard.expect("gossip comes before the end of the batch");
    assert!(heard < Duration::from_secs(3), "gossip took {heard:?}");

    let limited = if limit_reader { &alice } else { &bob };
    limited.do_it(NetEffect::Rate { kbit_s: None }).await;
    let (free, _) = transfer(&mut alice, &mut bob, b"third").await;
    assert!(free < Duration::from_secs(3), "{free:?} after the limit");
}

#[tokio::test]
async fn what_is_sent_over_tcp_keeps_to_the_rate() {
    limited((71, 72), TCP, false).await;
}

#[tokio::test]
async fn what_is_sent_over_quic_keeps_to_the_rate() {
    limited((73, 74), QUIC, false).await;
}

#[tokio::test]
async fn what_is_read_keeps_to_the_rate() {
    limited((75, 76), TCP, true).await;
}
