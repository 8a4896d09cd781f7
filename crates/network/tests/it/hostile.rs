//! Peers that break the rules: a swarm that writes any bytes at all on a stream.

use std::{io, time::Duration};

use baraza_network::parse_address;
use baraza_protocol::net::{NetEvent, REQUEST_BYTES_MAX};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, StreamProtocol, Swarm, SwarmBuilder, identify, noise,
    request_response::{self, Message, ProtocolSupport},
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};

use crate::node::{DEADLINE, Node, TCP};

/// Sends what it is given as it is, and takes everything.
#[derive(Clone, Default)]
struct RawCodec;

async fn all<T: AsyncRead + Unpin>(io: &mut T) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

impl request_response::Codec for RawCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        all(io).await
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        all(io).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await
    }
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    catchup: request_response::Behaviour<RawCodec>,
    identify: identify::Behaviour,
}

/// Makes a swarm that speaks `protocol` and calls itself `agent`.
fn mallory(protocol: &'static str, agent: &str) -> Swarm<Behaviour> {
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|keypair| Behaviour {
            catchup: request_response::Behaviour::new(
                [(StreamProtocol::new(protocol), ProtocolSupport::Full)],
                request_response::Config::default(),
            ),
            identify: identify::Behaviour::new(
                identify::Config::new("/other/1".into(), keypair.public())
                    .with_agent_version(agent.into()),
            ),
        })
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(DEADLINE))
        .build()
}

async fn listening(swarm: &mut Swarm<Behaviour>) -> String {
    swarm.listen_on(TCP.parse().unwrap()).unwrap();
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return address.to_string();
        }
    }
}

/// Answers every request with `answer`, for ever.
async fn answer_always(mut swarm: Swarm<Behaviour>, answer: Vec<u8>) {
    loop {
        if let SwarmEvent::Behaviour(BehaviourEvent::Catchup(request_response::Event::Message {
            message: Message::Request { channel, .. },
            ..
        })) = swarm.select_next_some().await
        {
            let _ = swarm.behaviour_mut().catchup.send_response(channel, answer.clone());
        }
    }
}

#[tokio::test]
async fn answers_that_break_the_limits_fail_and_cost_only_themselves() {
    // 64 MiB of zeros in a few kilobytes.
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(19).unwrap();
    io::copy(&mut io::Read::take(io::repeat(0), 64 << 20), &mut encoder).unwrap();
    let bomb = encoder.finish().unwrap();
    let length = u32::try_from(bomb.len()).unwrap().to_be_bytes();

    let mut alice = Node::start(41, &[]).await;
    for (number, (answer, reason)) in (1..).zip([
        ([&[1], &length[..], &bomb].concat(), "answer expands beyond 327680 bytes"),
        (
            [&[0][..], &[0, 5, 0, 1], &[7; 1_000]].concat(),
            "message has 327681 bytes, the limit is 327680",
        ),
        ([&[0][..], &[0, 0, 0, 9], &[7; 8]].concat(), "the peer gave no answer"),
        (vec![9, 0, 0, 0, 0], "flag of an answer is 9, 0 and 1 are known"),
        (vec![], "the peer gave no answer"),
    ]) {
        let mut swarm = mallory("/baraza/catchup/1", "mallory");
        let address = listening(&mut swarm).await;
        tokio::spawn(answer_always(swarm, answer));
        alice.dial(None, &address).await;
        let peer = alice
            .wait("connection", |event| match event {
                NetEvent::Connected { peer, .. } => Some(peer),
                _ => None,
            })
            .await;
        alice.ask(peer, number, vec![7]).await;
        assert_eq!(alice.outcome().await, (number, Err(reason.into())));
    }
}

#[tokio::test]
async fn a_request_above_the_limit_is_not_taken() {
    let mut bob = Node::start(42, &[TCP]).await;
    let mut swarm = mallory("/baraza/catchup/1", "mallory");
    let (address, _) = parse_address(&bob.addresses[0]).unwrap();
    swarm.dial(address.parse::<Multiaddr>().unwrap()).unwrap();
    let bobs_id = loop {
        if let SwarmEvent::ConnectionEstablished { peer_id, .. } = swarm.select_next_some().await {
            break peer_id;
        }
    };
    let too_long = u32::try_from(REQUEST_BYTES_MAX + 1).unwrap();
    let oversize = [&too_long.to_be_bytes()[..], &vec![7; REQUEST_BYTES_MAX + 1]].concat();
    swarm.behaviour_mut().catchup.send_request(&bobs_id, oversize);
    // Bob closes the stream without an answer; after that, a proper request is his first.
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::Behaviour(BehaviourEvent::Catchup(
                request_response::Event::OutboundFailure { .. },
            )) => break,
            SwarmEvent::Behaviour(BehaviourEvent::Catchup(request_response::Event::Message {
                message: Message::Response { response, .. },
                ..
            })) => {
                assert_eq!(response, b"", "the stream ended");
                break;
            }
            _ => (),
        }
    }
    swarm.behaviour_mut().catchup.send_request(&bobs_id, [&[0, 0, 0, 2][..], b"hi"].concat());
    tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
    assert_eq!(bob.asked().await.2, b"hi");
}

#[tokio::test]
async fn a_node_of_another_kind_is_told_and_left() {
    let mut alice = Node::start(43, &[TCP]).await;
    let mut swarm = mallory("/other/catchup/1", "evil\u{1b}[2J\nclient");
    let address = listening(&mut swarm).await;
    let running = tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
    let (reason, about) = alice.fail_to_dial(None, &address).await;
    assert_eq!(about, address);
    assert_eq!(
        reason,
        "what answers there is not a Baraza node of this version, it calls itself `evil [2J client`"
    );
    alice.wait("end", |event| matches!(event, NetEvent::Disconnected { .. }).then_some(())).await;
    running.abort();
    assert!(
        tokio::time::timeout(Duration::from_secs(30), running)
            .await
            .unwrap()
            .unwrap_err()
            .is_cancelled()
    );
}
