//! A peer that invents centres, and what strangers may take of a node's disk.

use std::sync::Arc;

use baraza_identity::{Capabilities, EVENT_VERSION, EventKind, Inception, Operator, Role};
use baraza_protocol::{
    Input,
    accreditation::Pin,
    conformance::Author,
    ingest,
    model::MemoryStore,
    policy::{Policy, Trust, Unaccredited},
    quota::Quotas,
    store::{FeedHead, Store, StoreRead},
    wire::Request,
};
use baraza_record::{Kind, SecretKey, Timestamp, hash};

use super::victim::Victim;
use crate::fixture::{go_on, head, store_of, take};

const FLOOD: u32 = 5_000;
const DAY_MS: u64 = 86_400_000;

/// Returns a store with [`FLOOD`] centres of one inventor, each with a record, beside what is
/// held in `store`.
fn flooded(mut store: MemoryStore) -> MemoryStore {
    let (root, next) = (SecretKey::from_seed([201; 32]), SecretKey::from_seed([202; 32]));
    for number in 0..FLOOD {
        let mut nonce = [0; 16];
        nonce[..4].copy_from_slice(&number.to_be_bytes());
        let key = SecretKey::from_seed([203; 32]);
        let capabilities = Capabilities::PUBLISH;
        let event = Inception {
            version: EVENT_VERSION,
            kind: EventKind::INCEPTION,
            seq: 0,
            prev: None,
            role: Role::Centre,
            name: format!("Invented {number}"),
            country: None,
            root_threshold: 1,
            root_keys: vec![root.public()],
            next_digests: vec![hash::key_digest(&next.public())],
            next_threshold: 1,
            operators: vec![Operator { key: key.public(), capabilities, label: String::new() }],
            created_ms: Timestamp(1),
            nonce,
        };
        let event = event.sign(&[&root]);
        ingest::ingest_identity(&mut store, &event.encode()).unwrap();
        let author = Author { key, event, ..Author::new(1) };
        let record = author.write(author.start(), "x", |_| ());
        ingest::ingest_range(&mut store, &[record], Timestamp(1)).unwrap();
    }
    store.commit().unwrap();
    store
}

/// Returns a store with a nation and an honest centre, and the nation's word for it if asked.
fn honest(nation: &Author, centre: &Author, accredited: bool) -> MemoryStore {
    let mut store = store_of(&[nation, centre]);
    take(&mut store, &centre.chain(20));
    if accredited {
        let body = format!(
            "{{\"centre\":\"{}\",\"status\":\"accredited\",\"schema\":\"accreditation/1\"}}",
            centre.centre()
        );
        let kind = |header: &mut baraza_record::Header| header.kind = Kind::ACCREDITATION;
        take(&mut store, &[nation.write_body(nation.start(), body.into_bytes(), kind)]);
    }
    store
}

fn pins(nation: &Author) -> Trust {
    let pin = Pin { nation: nation.centre(), country: "KE".into(), since: Timestamp(0) };
    Trust { pins: vec![pin], ..Trust::default() }
}

impl Victim {
    fn rule(&mut self, policy: Policy, trust: Trust) {
        assert!(self.give(vec![Input::Rules(Arc::new(policy), Arc::new(trust))]).is_empty());
    }

    /// Meets a peer once; returns how many bytes it answered.
    fn meet_plainly(&mut self, number: u8, store: &MemoryStore) -> usize {
        let (peer, mut bytes) = (Author::new(number), 0);
        self.meet(&peer, store, &mut |_, answer| {
            let answer = answer.encode();
            bytes += answer.len();
            answer
        });
        self.leave(&peer);
        bytes
    }

    fn centres(&self) -> u64 {
        self.service.store().counts().centres
    }

    fn held(&self, author: &Author) -> u64 {
        let state = self.service.store().feed(&author.feed()).unwrap();
        state.map_or(0, |state| state.chain.seq)
    }
}

#[test]
fn five_thousand_invented_centres_cost_what_the_quota_allows() {
    let (nation, alice) = (Author::nation(10), Author::new(11));
    let flood = flooded(honest(&nation, &alice, true));
    let mut victim = Victim::new();
    victim.rule(Policy::default(), pins(&nation));
    // The nation is pinned and never counts. What it says comes with the same session, so
    // its centre may be among the newcomers of the first one.
    let bytes = victim.meet_plainly(66, &flood);
    println!("{FLOOD} invented centres: {bytes} bytes at first, {} requests", victim.requests);
    assert!((52..=53).contains(&victim.centres()), "{}", victim.centres());
    // Of those that are not taken one record each is seen, and the list of their heads.
    assert!(victim.service.store().counts().records < 200, "of strangers a few are held");
    victim.meet_plainly(66, &flood);
    let again = victim.meet_plainly(66, &flood);
    println!("the same again: {again} bytes, {} requests", victim.requests);
    assert!(again < bytes / 2, "{again} bytes after {bytes}");
    assert!(victim.requests < 20, "the heads and no record: {}", victim.requests);
    assert_eq!(victim.centres(), 53, "50 a day of one peer");
    assert_eq!((victim.held(&nation), victim.held(&alice)), (1, 20), "whom a nation knows");
    let status = victim.status();
    assert!(4_900 < status.quotas.deferred_centres, "{:?}", status.quotas);
    assert_eq!(status.quotas.centres, 50);

    victim.meet_plainly(67, &flood);
    assert_eq!(victim.centres(), 103, "another peer brings as many");
    victim.now = victim.now.plus_ms(DAY_MS);
    victim.meet_plainly(66, &flood);
    assert_eq!(victim.centres(), 153, "and tomorrow is another day");

    let quotas = Quotas { centres: 120, ..Quotas::default() };
    victim.rule(Policy { quotas, ..Policy::default() }, pins(&nation));
    victim.now = victim.now.plus_ms(DAY_MS);
    victim.meet_plainly(66, &flood);
    assert_eq!(victim.centres(), 153, "what is held stays; nothing is added above the cap");
    let (brian, more) = (Author::new(12), honest(&nation, &alice, true));
    let more = accredit(more, &nation, &brian);
    for _ in 0..3 {
        victim.meet_plainly(68, &more);
    }
    assert_eq!(victim.held(&brian), 20, "the accredited arrive above the cap as well");
}

/// Has the nation vouch for one more centre.
fn accredit(mut store: MemoryStore, nation: &Author, centre: &Author) -> MemoryStore {
    ingest::ingest_identity(&mut store, &centre.event.encode()).unwrap();
    take(&mut store, &centre.chain(20));
    let FeedHead { seq, id } = store.feed(&nation.feed()).unwrap().unwrap().chain;
    let body = format!(
        "{{\"centre\":\"{}\",\"status\":\"accredited\",\"schema\":\"accreditation/1\"}}",
        centre.centre()
    );
    let kind = |header: &mut baraza_record::Header| header.kind = Kind::ACCREDITATION;
    let said = nation.write_body(FeedHead { seq, id }, body.into_bytes(), kind);
    take(&mut store, &[said]);
    store
}

#[test]
fn strangers_share_a_part_of_the_disk_and_no_feed_of_theirs_is_cut() {
    let (alice, brian, nation) = (Author::new(1), Author::new(2), Author::nation(10));
    let mut store = store_of(&[&alice, &brian]);
    let first = alice.chain(200);
    take(&mut store, &first);
    let mut victim = Victim::new();
    let quotas = Quotas { bytes: Some(20_000), ..Quotas::default() };
    let policy = Policy { quotas, ..Policy::default() };
    victim.rule(policy.clone(), Trust::default());
    victim.meet_plainly(66, &store);
    assert_eq!(victim.held(&alice), 200, "it was not over when the feed began");
    assert!(20_000 < victim.status().quotas.bytes, "{:?}", victim.status().quotas);

    take(&mut store, &brian.chain(20));
    take(&mut store, &go_on(&alice, head(first.last().unwrap()), 100, "more"));
    let kenya = honest(&nation, &Author::new(11), true);
    for _ in 0..2 {
        victim.meet_plainly(66, &store);
        victim.meet_plainly(67, &kenya);
    }
    assert_eq!(victim.held(&alice), 300, "what is carried goes on");
    assert_eq!(victim.held(&brian), 0, "what would be new is deferred");
    assert!(0 < victim.status().quotas.deferred_feeds);
    let mut asked = 0;
    victim.meet(&Author::new(66), &store, &mut |request, answer| {
        asked += usize::from(matches!(request, Request::Fetch(..)));
        answer.encode()
    });
    victim.leave(&Author::new(66));
    assert_eq!(asked, 0, "and not asked for again and again");

    victim.rule(policy, pins(&nation));
    for _ in 0..2 {
        victim.meet_plainly(67, &kenya);
    }
    assert_eq!(victim.held(&Author::new(11)), 20, "the accredited are not deferred");
    let quotas = Quotas { bytes: Some(10_000_000), ..Quotas::default() };
    victim.rule(Policy { quotas, ..Policy::default() }, pins(&nation));
    victim.meet_plainly(66, &store);
    assert_eq!(victim.held(&brian), 20, "more room, and it comes");
}

#[test]
fn a_feed_that_is_declined_costs_one_record_once() {
    let alice = Author::new(1);
    let mut store = store_of(&[&alice]);
    let text = "x".repeat(1_000);
    take(&mut store, &go_on(&alice, alice.start(), 1_000, &text));
    let mut victim = Victim::new();
    let policy = Policy { unaccredited: Unaccredited::Drop, ..Policy::default() };
    victim.rule(policy, Trust::default());
    let first = victim.meet_plainly(66, &store);
    let again = victim.meet_plainly(66, &store);
    println!("a feed of a megabyte, declined: {first} bytes, then {again}");
    assert!(again < first && first < 5_000, "{first}, {again}");
    assert_eq!((victim.held(&alice), victim.status().declined_feeds), (0, 1));
}
