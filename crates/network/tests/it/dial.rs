//! Dials that fail, and what the operator reads then.

use baraza_network::{Config, Limits, Network, peer_id_text};
use baraza_protocol::net::{NetEffect, NetEvent};
use tokio::{io::AsyncWriteExt, net::TcpListener};
use zeroize::Zeroizing;

use crate::node::{Node, QUIC, TCP};

#[tokio::test]
async fn another_key_is_named_with_the_expected_one() {
    let mut alice = Node::start(31, &[]).await;
    let bob = Node::start(32, &[TCP, QUIC]).await;
    let carol = Node::start(33, &[]).await.peer;
    for address in &bob.addresses {
        let (reason, about) = alice.fail_to_dial(Some(carol), address).await;
        let (bobs, carols) = (peer_id_text(&bob.peer), peer_id_text(&carol));
        assert_eq!(reason, format!("the node at {address} has key {bobs}, not {carols}"));
        assert_eq!(&about, address);
    }
}

#[tokio::test]
async fn nobody_there_is_told_from_somebody_else() {
    let mut alice = Node::start(34, &[]).await;

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = format!("/ip4/127.0.0.1/tcp/{port}");
    drop(listener);
    let (reason, about) = alice.fail_to_dial(None, &address).await;
    assert_eq!((reason.as_str(), about), ("connection refused: nothing listens there", address));

    let reason = alice
        .fail_to_dial(
            None,
            &program(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nnot a request\r\n").await,
        )
        .await
        .0;
    assert_eq!(reason, "what answers there is not a Baraza node: it speaks another protocol");

    let reason = alice.fail_to_dial(None, &program(b"").await).await.0;
    assert_eq!(
        reason,
        "what answers there closed the connection: it is busy, or not a Baraza node"
    );
}

/// Starts another program, which says `greeting` to whoever calls.
async fn program(greeting: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(greeting).await.unwrap();
        // Reads what the caller sends, so that closing does not reset what was said.
        let mut space = [0; 1_024];
        if !greeting.is_empty() {
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut space).await;
        }
    });
    format!("/ip4/127.0.0.1/tcp/{port}")
}

#[tokio::test]
async fn our_own_address_is_recognised() {
    let mut alice = Node::start(35, &[TCP, QUIC]).await;
    let ourselves = alice.peer;
    for address in alice.addresses.clone() {
        for peer in [None, Some(ourselves)] {
            let (reason, about) = alice.fail_to_dial(peer, &address).await;
            assert_eq!(
                (reason.as_str(), &about),
                ("this is the address of this node itself", &address)
            );
        }
    }
}

#[tokio::test]
async fn the_first_address_that_answers_is_taken() {
    let mut alice = Node::start(36, &[]).await;
    let mut bob = Node::start(37, &[TCP]).await;
    let dead = program(b"").await;
    for peer in [None, Some(bob.peer)] {
        let addresses = vec!["nonsense".into(), dead.clone(), bob.addresses[0].clone()];
        alice.do_it(NetEffect::Dial { peer, addresses }).await;
        let nonsense = alice
            .wait("failed dial", |event| match event {
                NetEvent::DialFailed { address, reason } if address == "nonsense" => Some(reason),
                _ => None,
            })
            .await;
        assert!(nonsense.contains("write it like /ip4/"), "{nonsense}");
        alice.until_connected(bob.peer).await;
        bob.until_connected(alice.peer).await;
        alice.do_it(NetEffect::Disconnect { peer: bob.peer }).await;
        alice
            .wait("end", |event| matches!(event, NetEvent::Disconnected { .. }).then_some(()))
            .await;
    }
}

#[tokio::test]
async fn a_bad_address_to_listen_on_is_named() {
    for (text, part) in [
        ("127.0.0.1:4001", "`127.0.0.1:4001` is not an address"),
        (
            "/ip4/127.0.0.1/tcp/4001/wss",
            "cannot be used: this node has no certificate: use /ws behind a web server; write it like /ip4/0.0.0.0/tcp/4001",
        ),
        ("/ip4/192.0.2.7/tcp/4001", "cannot listen on /ip4/192.0.2.7/tcp/4001: "),
    ] {
        let mut config = Config::new(Zeroizing::new([38; 32]), Vec::new());
        config.listen = vec![text.into()];
        let error = Network::new(config).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_full_node_says_so() {
    let limits = Limits { outbound: 1, ..Limits::default() };
    let mut alice = Node::with_limits(39, &[], 64, limits).await;
    let mut bob = Node::start(40, &[TCP]).await;
    let carol = Node::start(41, &[TCP]).await;
    alice.connect(&mut bob, 0).await;
    let (reason, about) = alice.fail_to_dial(Some(carol.peer), &carol.addresses[0]).await;
    assert_eq!(
        reason,
        "connection limit exceeded: at most 1 established outgoing connections are allowed"
    );
    assert_eq!(about, carol.addresses[0]);
}
