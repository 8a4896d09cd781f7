//! Peer books full of junk, connections told twice, requests lost.

use baraza_protocol::{
    Effect, Input,
    command::{Command, Reply},
    conformance::Author,
    net::{NetEffect, NetEvent},
    peers::{BOOK_MAX, HEARSAY_MAX},
    screen::screen,
    session::RETRIES_MAX,
    store::{StoreRead, Table},
    wire::{Answer, Cursor, KnownPeer, Request},
};
use baraza_record::PublicKey;

use super::{Fault::Peer as Theirs, check, victim::Victim, world};

#[test]
fn peers_without_end_and_useless_addresses() {
    let known = |n: u32| {
        let mut key = [7; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        KnownPeer { peer: PublicKey(key), addresses: vec!["x".repeat(257), "y".to_owned()] }
    };
    check("a thousand peers", Theirs, &mut |request, honest| match request {
        Request::Peers => Answer::Peers((0..1_000).map(known).collect()).encode(),
        _ => honest.encode(),
    });
    let (mut victim, mallory) = (Victim::new(), Author::new(66));
    let store = world(&victim);
    let mut n = 0;
    for _ in 0..60 {
        victim.meet(&mallory, &store, &mut |request, honest| match (request, honest) {
            (Request::Peers, _) => {
                n += 32;
                Answer::Peers((n..n + 32).map(known).collect()).encode()
            }
            // It never agrees, so that it is asked for peers each time.
            (Request::Compare(_), Answer::Differs(mut differs)) => {
                differs.hello.public = [1; 32];
                Answer::Differs(differs).encode()
            }
            (_, honest) => honest.encode(),
        });
        victim.leave(&mallory);
    }
    let Reply::Peers(peers) = victim.reply(Command::Peers) else { panic!("not peers") };
    assert!(peers.len() <= 1 + HEARSAY_MAX, "{} peers", peers.len());
    assert!(peers.iter().flat_map(|peer| &peer.addresses).all(|address| address.len() <= 256));
    assert!(peers.iter().any(|peer| peer.peer == mallory.key.public()));
}

#[test]
fn connecting_twice_starts_one_session() {
    let mut victim = Victim::new();
    let peer = Author::new(66).key.public();
    let connected = || {
        let address = "/memory/1".to_owned();
        Input::Net(NetEvent::Connected { peer, address, outbound: false })
    };
    assert_eq!(victim.give(vec![connected(), connected()]).len(), 1);
    assert_eq!(victim.give(vec![connected()]).len(), 0);
    assert_eq!(victim.status().sessions, 1);
}

#[test]
fn a_request_that_the_network_lost_does_not_hang_the_session() {
    let mut victim = Victim::new();
    let peer = Author::new(66).key.public();
    let address = "/memory/1".to_owned();
    let connected = NetEvent::Connected { peer, address, outbound: false };
    assert_eq!(victim.give(vec![Input::Net(connected)]).len(), 1);
    victim.now = victim.now.plus_ms(119_000);
    assert_eq!(victim.give(Vec::new()).len(), 0, "it may still come");
    victim.now = victim.now.plus_ms(2_000);
    victim.give(Vec::new());
    assert_eq!(victim.status().sessions, 0);
    let late = Answer::Same(Cursor { epoch: 1, moved: 1 });
    let late = NetEvent::Response { peer, request: 1, bytes: late.encode() };
    assert!(victim.give(vec![screen(late)]).is_empty(), "an answer after the end is nothing");
}

#[test]
fn callers_without_end_push_nobody_out_with_whom_we_agreed() {
    let mut victim = Victim::new();
    let honest = Author::new(101);
    let store = victim.service.store().clone();
    victim.meet(&honest, &store, &mut |_, answer| answer.encode());
    victim.leave(&honest);
    for n in 0..2 * BOOK_MAX as u64 {
        let mut key = [9; 32];
        key[..8].copy_from_slice(&n.to_be_bytes());
        let (peer, address) = (PublicKey(key), "/memory/9".to_owned());
        victim.now = victim.now.plus_ms(1_000);
        victim.give(vec![
            Input::Net(NetEvent::Connected { peer, address, outbound: false }),
            Input::Net(NetEvent::Found { peer, addresses: vec!["a".repeat(9)], local: false }),
            Input::Net(NetEvent::Disconnected { peer }),
        ]);
    }
    let Reply::Peers(peers) = victim.reply(Command::Peers) else { panic!("not peers") };
    assert_eq!(peers.len(), BOOK_MAX);
    assert!(peers.iter().any(|peer| peer.peer == honest.key.public()));
    let kept = victim.service.store().locals(Table::Peers, &[]).unwrap();
    assert_eq!(kept.len(), BOOK_MAX, "on the disk, too");
}

#[test]
fn a_request_that_fails_is_asked_again_three_times() {
    let mut victim = Victim::new();
    let peer = Author::new(66).key.public();
    let address = "/memory/1".to_owned();
    let connected = NetEvent::Connected { peer, address, outbound: false };
    let mut open = victim.give(vec![Input::Net(connected)]);
    let mut asked = 0;
    while let Some((peer, request, _)) = open.pop() {
        asked += 1;
        let reason = "time-out".to_owned();
        let failed = || NetEvent::RequestFailed { peer, request, reason: reason.clone() };
        // Told twice, it counts once.
        open = victim.give(vec![Input::Net(failed()), Input::Net(failed())]);
    }
    assert_eq!((asked, victim.status().sessions), (1 + RETRIES_MAX, 0));
    assert_eq!(victim.failure(&Author::new(66)).as_deref(), Some("time-out"));
}

/// Lets time pass, a second at a time, with every dial failing; returns how many there were
/// and the longest time between two of them.
fn dials_in(victim: &mut Victim, seconds: u64) -> (u32, u64) {
    let (mut dials, mut longest, mut last) = (0, 0, 0);
    for second in 1..=seconds {
        victim.now = victim.now.plus_ms(1_000);
        victim.service.handle_timeout(victim.now);
        victim.service.commit().unwrap();
        while let Some(effect) = victim.service.poll_effect() {
            let Effect::Net(NetEffect::Dial { addresses, .. }) = effect else { continue };
            (dials, longest, last) = (dials + 1, longest.max(second - last), second);
            let reason = "no route".to_owned();
            for address in addresses {
                let failed = NetEvent::DialFailed { address, reason: reason.clone() };
                victim.service.handle(Input::Net(failed), victim.now);
            }
        }
    }
    (dials, longest.max(seconds - last))
}

#[test]
fn however_long_the_link_was_away_somebody_is_dialled_within_half_a_minute() {
    let mut victim = Victim::new();
    let store = victim.service.store().clone();
    for peer in [101, 102, 103].map(Author::new) {
        victim.meet(&peer, &store, &mut |_, answer| answer.encode());
        let peer = peer.key.public();
        let addresses = vec![format!("/memory/{}", peer.0[0])];
        victim.give(vec![Input::Net(NetEvent::Found { peer, addresses, local: false })]);
    }
    for peer in [101, 102, 103].map(Author::new) {
        victim.leave(&peer);
    }
    let hearsay = PublicKey([7; 32]);
    let addresses = vec!["/memory/7".to_owned()];
    victim.give(vec![Input::Net(NetEvent::Found { peer: hearsay, addresses, local: false })]);
    let (dials, longest) = dials_in(&mut victim, 24 * 3_600);
    assert!(longest <= 30, "{longest} s without a dial");
    assert!(dials <= 4 * (24 * 3_600 / 30 + 8), "{dials} dials in a day");
    let Reply::Peers(peers) = victim.reply(Command::Peers) else { panic!("not peers") };
    assert!(peers.iter().any(|one| one.peer == hearsay), "nobody was found to be gone");

    // With somebody connected, those who are away are dialled less and less.
    let address = "/memory/1".to_owned();
    let peer = Author::new(104).key.public();
    victim.give(vec![Input::Net(NetEvent::Connected { peer, address, outbound: false })]);
    let (dials, _) = dials_in(&mut victim, 3_600);
    assert!(dials < 120, "{dials} dials in an hour");
}
