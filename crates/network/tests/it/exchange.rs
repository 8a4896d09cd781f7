//! Requests and answers between two nodes, and what a slow consumer costs.

use baraza_protocol::net::{ANSWER_BYTES_MAX, NetEffect, NetEvent, REQUEST_BYTES_MAX};

use crate::node::{BUSY, Node, QUIC, TCP, noise};

#[tokio::test]
async fn answers_up_to_the_limit_come_over_tcp() {
    exchange(TCP).await;
}

#[tokio::test]
async fn answers_up_to_the_limit_come_over_quic() {
    exchange(QUIC).await;
}

async fn exchange(transport: &str) {
    let mut alice = Node::start(1, &[]).await;
    let mut bob = Node::start(2, &[transport]).await;
    alice.connect(&mut bob, 0).await;

    let request = noise(REQUEST_BYTES_MAX);
    let answers = [
        b"short".to_vec(),
        vec![7; 300 * 1_024],
        noise(300 * 1_024),
        noise(ANSWER_BYTES_MAX),
        vec![],
    ];
    for (number, answer) in (0..).zip(answers) {
        alice.ask(bob.peer, number, request.clone()).await;
        let (peer, ticket, bytes) = bob.asked().await;
        assert_eq!((peer, &bytes), (alice.peer, &request));
        bob.do_it(NetEffect::Respond { ticket, bytes: answer.clone() }).await;
        let (request, outcome) = alice.outcome().await;
        assert_eq!(request, number);
        assert!(outcome.as_ref() == Ok(&answer), "{:?}", outcome.map(|bytes| bytes.len()));
    }
}

#[tokio::test]
async fn eight_requests_at_a_time_and_the_ninth_is_told() {
    let mut alice = Node::start(3, &[]).await;
    let mut bob = Node::start(4, &[TCP]).await;
    alice.connect(&mut bob, 0).await;

    for number in 1..=9 {
        alice.ask(bob.peer, number, vec![7; 10]).await;
    }
    let (number, refused) = alice.outcome().await;
    assert_eq!(
        (number, refused.unwrap_err().as_str()),
        (9, "8 requests to this peer are not answered yet, that is the limit")
    );
    let mut tickets = Vec::new();
    for _ in 1..=8 {
        tickets.push(bob.asked().await.1);
    }
    for ticket in tickets {
        bob.do_it(NetEffect::Respond { ticket, bytes: vec![1] }).await;
    }
    let mut answered = Vec::new();
    for _ in 1..=8 {
        answered.push(alice.outcome().await.0);
    }
    answered.sort_unstable();
    assert_eq!(answered, (1..=8).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_cannot_be_asked_is_told_at_once() {
    let mut alice = Node::start(5, &[]).await;
    let mut bob = Node::start(6, &[TCP]).await;
    alice.ask(bob.peer, 1, vec![7]).await;
    assert_eq!(alice.outcome().await, (1, Err("the peer is not connected".into())));

    alice.connect(&mut bob, 0).await;
    alice.ask(bob.peer, 2, vec![7; REQUEST_BYTES_MAX + 1]).await;
    assert_eq!(
        alice.outcome().await,
        (2, Err("request has 16385 bytes, the limit is 16384".into()))
    );

    alice.ask(bob.peer, 3, vec![7]).await;
    let (_, ticket, _) = bob.asked().await;
    drop(bob);
    let (number, outcome) = alice.outcome().await;
    assert_eq!(number, 3, "ticket {ticket}");
    assert_eq!(outcome.unwrap_err(), "the connection closed before the answer");
}

#[tokio::test]
async fn a_busy_consumer_answers_busy_and_hears_of_peers_later() {
    let mut alice = Node::start(7, &[]).await;
    let mut bob = Node::with_queue(8, &[TCP], 1).await;
    alice.dial(Some(bob.peer), &bob.addresses[0]).await;
    alice.until_connected(bob.peer).await;

    // Bob's queue of one is taken by `Connected`; nobody reads it.
    for number in 1..=3 {
        alice.ask(bob.peer, number, vec![7]).await;
        assert_eq!(alice.outcome().await, (number, Ok(BUSY.to_vec())));
    }
    alice.do_it(NetEffect::Disconnect { peer: bob.peer }).await;
    alice.wait("end", |event| matches!(event, NetEvent::Disconnected { .. }).then_some(())).await;

    assert!(
        matches!(bob.next().await, NetEvent::Connected { peer, outbound: false, .. } if peer == alice.peer)
    );
    assert_eq!(bob.next().await, NetEvent::Disconnected { peer: alice.peer });
}

#[tokio::test]
async fn two_connections_are_one_peer() {
    let mut alice = Node::start(9, &[]).await;
    let mut bob = Node::start(10, &[TCP, QUIC]).await;
    let mut changes = Vec::new();
    for round in 1..=2 {
        // Each connection brings the addresses of the peer, so that the second is known to be there.
        for address in bob.addresses.clone() {
            alice.dial(None, &address).await;
            loop {
                match alice.next().await {
                    NetEvent::Found { peer, addresses, local: false } => {
                        assert_eq!(peer, bob.peer);
                        assert_eq!(addresses.len(), 2, "{addresses:?}");
                        assert!(addresses.contains(&address));
                        break;
                    }
                    change => changes.push(change),
                }
            }
        }
        alice.do_it(NetEffect::Disconnect { peer: bob.peer }).await;
        let end = alice.next().await;
        assert_eq!(end, NetEvent::Disconnected { peer: bob.peer }, "round {round}");
    }
    let address = bob.addresses[0].clone();
    let connected = NetEvent::Connected { peer: bob.peer, address, outbound: true };
    assert_eq!(changes, [connected.clone(), connected], "told once a round");

    let mut told = Vec::new();
    while told.len() < 4 {
        match bob.next().await {
            NetEvent::Connected { .. } => told.push("came"),
            NetEvent::Disconnected { .. } => told.push("left"),
            _ => (),
        }
    }
    assert_eq!(told, ["came", "left", "came", "left"]);
}
