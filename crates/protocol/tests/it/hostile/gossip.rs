//! Gossip: exactly one verdict for each message, whoever sends it.

use baraza_identity::SignedEvent;
use baraza_protocol::{
    Effect, Input,
    conformance::{Author, Owner, adds},
    ingest,
    net::{NetEffect, NetEvent, Verdict},
    screen::screen,
    service::OFFENCES_MAX,
    store::{Store, StoreRead},
    wire::Gossip,
};
use baraza_record::{Audience, NetworkId, VerifiedRecord, WireRecord};

use super::victim::Victim;
use crate::fixture::{bare, go_on, head};

/// Returns the message that carries a record.
fn message(record: &VerifiedRecord) -> Vec<u8> {
    Gossip::Record(record.to_wire()).encode()
}

impl Victim {
    /// Connects `peer`, whose comparison is never answered.
    fn connect(&mut self, peer: &Author) {
        let address = "/memory/1".to_owned();
        let peer = peer.key.public();
        self.give(vec![Input::Net(NetEvent::Connected { peer, address, outbound: false })]);
    }

    /// Hands in a gossip message and returns its verdict.
    fn hear(&mut self, peer: &Author, bytes: Vec<u8>) -> Verdict {
        let event = NetEvent::Gossip { peer: peer.key.public(), token: 5, bytes };
        self.service.handle(screen(event), self.now);
        self.service.commit().unwrap();
        let mut verdicts = Vec::new();
        while let Some(effect) = self.service.poll_effect() {
            match effect {
                Effect::Net(NetEffect::Verdict { token: 5, verdict }) => verdicts.push(verdict),
                Effect::Net(NetEffect::Disconnect { .. }) => self.sent_away = true,
                _ => (),
            }
        }
        assert_eq!(verdicts.len(), 1);
        verdicts[0]
    }
}

#[test]
fn only_what_is_new_and_of_a_known_signer_is_passed_on() {
    let (alice, stranger, bob) = (Author::new(1), Author::new(2), Author::new(66));
    let mut victim = Victim::new();
    victim.connect(&bob);
    let chain = alice.chain(5);
    assert_eq!(victim.hear(&bob, message(&chain[0])), Verdict::Ignore, "no log is held");
    let mut store = victim.service.store().clone();
    ingest::ingest_identity(&mut store, &alice.event.encode()).unwrap();
    store.commit().unwrap();
    let mut victim = victim.with(store);
    victim.connect(&bob);

    assert_eq!(victim.hear(&bob, message(&bare(&chain[0]))), Verdict::Accept);
    assert_eq!(victim.hear(&bob, message(&chain[0])), Verdict::Ignore, "only the body is new");
    assert!(victim.service.is_complete(), "but it is kept");
    assert_eq!(victim.hear(&bob, message(&chain[0])), Verdict::Ignore);
    assert_eq!(victim.hear(&bob, message(&chain[2])), Verdict::Accept, "others may lack just this");
    assert_eq!(victim.service.store().counts().records, 1, "it leaves a gap");
    assert_eq!(victim.hear(&bob, message(&chain[1])), Verdict::Accept);
    assert_eq!(victim.hear(&bob, message(&stranger.chain(1)[0])), Verdict::Ignore);
    let fork = go_on(&alice, head(&chain[0]), 1, "other");
    assert_eq!(victim.hear(&bob, message(&fork[0])), Verdict::Accept, "all should know of a fork");
    assert_eq!(victim.hear(&bob, message(&chain[2])), Verdict::Ignore, "and of nothing behind it");
    let audience = Audience::Network(NetworkId([1; 32]), [1; 16]);
    let closed = Author { audience, ..alice.clone() };
    assert_eq!(victim.hear(&bob, message(&closed.chain(1)[0])), Verdict::Reject);
    assert_eq!(victim.service.store().counts().records, 3);
}

#[test]
fn who_sends_forgeries_is_sent_away_and_its_messages_are_ignored() {
    let (alice, mallory) = (Author::new(1), Author::new(66));
    let mut victim = Victim::new();
    victim.connect(&mallory);
    let forged = |n: u8| {
        let wire = alice.chain(1)[0].to_wire();
        Gossip::Record(WireRecord { signature: Some([n; 64]), ..wire }).encode()
    };
    for n in 0..OFFENCES_MAX as u8 {
        assert!(!victim.sent_away);
        assert_eq!(victim.hear(&mallory, forged(n)), Verdict::Reject);
    }
    assert!(victim.sent_away);
    victim.leave(&mallory);
    assert_eq!(victim.hear(&mallory, forged(0)), Verdict::Ignore);
}

#[test]
fn a_flood_is_looked_at_within_an_allowance() {
    let (alice, mallory) = (Author::new(1), Author::new(66));
    let mut victim = Victim::new();
    let mut store = victim.service.store().clone();
    ingest::ingest_identity(&mut store, &alice.event.encode()).unwrap();
    store.commit().unwrap();
    victim = victim.with(store);
    victim.connect(&mallory);
    let accepted = |victim: &mut Victim, from: usize, to: usize| {
        let chain = alice.chain(to as u64);
        let heard = chain[from..].iter().map(|record| victim.hear(&mallory, message(record)));
        heard.filter(|verdict| *verdict == Verdict::Accept).count()
    };
    assert_eq!(accepted(&mut victim, 0, 300), 256);
    victim.now = victim.now.plus_ms(10_000);
    assert_eq!(accepted(&mut victim, 256, 400), 50, "five a second");
}

#[test]
fn identity_events_are_passed_on_if_they_count_and_centres_are_not_invented() {
    let (mut owner, mallory) = (Owner::new(1), Author::new(66));
    let mut victim = Victim::new();
    victim.connect(&mallory);
    let event = |event: &SignedEvent| Gossip::Identity(event.encode()).encode();
    let inception = owner.author.event.clone();
    assert_eq!(victim.hear(&mallory, event(&inception)), Verdict::Ignore, "nobody is known");
    assert_eq!(victim.service.store().counts().centres, 1, "only the victim's own centre");
    let mut store = victim.service.store().clone();
    ingest::ingest_identity(&mut store, &inception.encode()).unwrap();
    store.commit().unwrap();
    let mut victim = victim.with(store);
    victim.connect(&mallory);

    let first = owner.update(adds(&owner.writer(0x11)));
    let second = owner.update(adds(&owner.writer(0x12)));
    assert_eq!(victim.hear(&mallory, event(&second)), Verdict::Ignore, "the one before it lacks");
    assert_eq!(victim.hear(&mallory, event(&first)), Verdict::Accept);
    assert_eq!(victim.hear(&mallory, event(&first)), Verdict::Ignore, "a copy");
    assert_eq!(victim.hear(&mallory, event(&second)), Verdict::Accept);
    let stranger = Owner::new(1).forge(adds(&owner.writer(0x13)), 3).encode();
    let mut forged = stranger.clone();
    *forged.last_mut().unwrap() ^= 1;
    let message = |bytes: &[u8]| Gossip::Identity(bytes.to_vec()).encode();
    assert_eq!(victim.hear(&mallory, message(&forged)), Verdict::Reject, "a bad signature");
    assert_eq!(victim.hear(&mallory, message(b"no event")), Verdict::Reject);
    assert_eq!(
        victim.hear(&mallory, message(&stranger)),
        Verdict::Accept,
        "a contradiction is news"
    );
}
