//! Answers: within their limits whatever is asked, and of nothing but what is public.

use baraza_protocol::{
    answer::answer,
    conformance::Author,
    entitle::Ours,
    ingest,
    model::MemoryStore,
    net::{ANSWER_BYTES_MAX, NetEvent, REQUEST_BYTES_MAX},
    peers::{ADDRESS_BYTES_MAX, PeerEntry},
    screen::screen,
    store::{Store, StoreRead, Table},
    wire::{
        ADDRESSES_MAX, Answer, BODIES_MAX, LOGS_MAX, LogWanted, PEERS_MAX, PROBE_MAX, RANGES_MAX,
        Request, Scope, Wanted,
    },
};
use baraza_record::{Audience, CentreId, FeedId, NetworkId, Timestamp, WireRecord, codec};

use crate::fixture::{bare, fetch, garbled, go_on, head, store_of, take, wires};

/// Asks, and checks that question and answer keep their limits and pass the screen.
fn ask(store: &MemoryStore, request: &Request) -> Answer {
    let asked = request.encode();
    assert!(asked.len() <= REQUEST_BYTES_MAX, "{} bytes", asked.len());
    assert_eq!(Request::decode(&asked).as_ref(), Ok(request));
    let ours =
        Ours { centre: CentreId([0; 32]), node: Author::new(8).key.public(), networks: vec![] };
    let answer = answer(&store.reader(), &ours, &Author::new(9).key.public(), request).unwrap();
    let bytes = answer.encode();
    assert!(bytes.len() <= ANSWER_BYTES_MAX, "{} bytes", bytes.len());
    let peer = Author::new(9).key.public();
    let screened = screen(NetEvent::Response { peer, request: 1, bytes });
    let baraza_protocol::Input::Answer { answer: screened, .. } = screened else {
        panic!("not an answer any more");
    };
    assert!(screened.is_ok(), "{screened:?}");
    answer
}

fn seqs(answer: Answer) -> Vec<Vec<u64>> {
    let Answer::Batch(parts) = answer else { panic!("{answer:?}") };
    let seq = |wire: &WireRecord| baraza_record::Header::decode(&wire.header).unwrap().seq;
    parts.iter().map(|part| wires(part).iter().map(seq).collect()).collect()
}

#[test]
fn the_largest_records_fit_one_by_one() {
    let alice = Author::new(1);
    let mut store = store_of(&[&alice]);
    let longest = "x".repeat(baraza_record::BODY_BYTES_MAX as usize - 11);
    let chain = go_on(&alice, alice.start(), 4, "y");
    take(&mut store, &chain);
    let mut last = head(&chain[3]);
    for _ in 0..3 {
        let record = alice.write(last, &longest, |_| ());
        assert_eq!(record.header().body_bytes, baraza_record::BODY_BYTES_MAX);
        last = head(&record);
        take(&mut store, &[record]);
    }
    let fetched = |from| {
        let feed = alice.feed();
        let ranges = (from..=7).map(|seq| Wanted { feed, from: seq, to: seq }).collect();
        seqs(ask(&store, &fetch(ranges)))
    };
    assert_eq!(fetched(1), [[1], [2], [3], [4]]);
    assert_eq!(fetched(5), [[5]]);
    let places = (1..=7).map(|seq| (alice.feed(), seq)).collect();
    let Answer::Bodies(bodies) = ask(&store, &Request::Bodies(Scope::Public, places)) else {
        panic!("no bodies")
    };
    assert_eq!(bodies.iter().filter(|body| body.is_some()).count(), 4);
    let places = vec![(alice.feed(), 6), (alice.feed(), 7)];
    let Answer::Bodies(bodies) = ask(&store, &Request::Bodies(Scope::Public, places)) else {
        panic!("no bodies")
    };
    assert!(bodies[0].is_some() && bodies[1].is_none());
}

#[test]
fn the_largest_questions_have_bounded_answers() {
    let mut store = MemoryStore::new(1);
    let authors: Vec<_> = (0..LOGS_MAX as u8).map(Author::new).collect();
    let centres: Vec<_> = authors.iter().map(Author::centre).collect();
    for author in &authors {
        ingest::ingest_identity(&mut store, &author.event.encode()).unwrap();
    }
    for n in 0..100 {
        let entry = PeerEntry {
            addresses: (0..ADDRESSES_MAX)
                .map(|a| a.to_string().repeat(ADDRESS_BYTES_MAX))
                .collect(),
            connected_ms: Some(Timestamp(n)),
            ..PeerEntry::default()
        };
        store.put_local(Table::Peers, &[n as u8; 32], Some(&entry.encode())).unwrap();
    }
    store.commit().unwrap();
    let wanted = centres.iter().map(|centre| LogWanted { centre: *centre, after: None }).collect();
    let Answer::Logs(logs) = ask(&store, &Request::Logs(wanted)) else { panic!("no logs") };
    assert_eq!(logs.len(), LOGS_MAX);
    let Answer::Peers(peers) = ask(&store, &Request::Peers) else { panic!("no peers") };
    assert_eq!(peers.len(), PEERS_MAX);
    let feed = FeedId([255; 32]);
    ask(&store, &fetch(vec![Wanted { feed, from: 1, to: u64::MAX }; RANGES_MAX]));
    ask(&store, &Request::Bodies(Scope::Public, vec![(feed, u64::MAX); BODIES_MAX]));
    ask(&store, &Request::Probe(Scope::Public, feed, vec![u64::MAX; PROBE_MAX]));
}

#[test]
fn questions_over_a_limit_are_not_understood() {
    let feed = FeedId([1; 32]);
    let wanted = Wanted { feed, from: 1, to: 1 };
    for request in [
        fetch(vec![wanted; RANGES_MAX + 1]),
        Request::Bodies(Scope::Public, vec![(feed, 1); BODIES_MAX + 1]),
        Request::Logs(vec![LogWanted { centre: CentreId([1; 32]), after: None }; LOGS_MAX + 1]),
        Request::Probe(Scope::Public, feed, vec![1; PROBE_MAX + 1]),
    ] {
        assert!(Request::decode(&request.encode()).is_err(), "{request:?}");
    }
    assert!(Request::decode(&vec![0; REQUEST_BYTES_MAX + 1]).is_err());
}

#[test]
fn a_range_without_a_good_signature_at_its_end_goes_on_to_one() {
    let alice = Author::new(1);
    let chain = alice.chain(60);
    let mut store = store_of(&[&alice]);
    take(&mut store, &garbled(&chain[..40]));
    take(&mut store, &garbled(&chain[40..]));
    let feed = alice.feed();
    let fetched = |from, to| {
        let answer = ask(&store, &fetch(vec![Wanted { feed, from, to }]));
        let Answer::Batch(parts) = &answer else { panic!("{answer:?}") };
        let bodies = wires(&parts[0]).iter().filter(|wire| wire.payload.is_some()).count();
        let range = seqs(answer).remove(0);
        (range[0], range[range.len() - 1], bodies)
    };
    assert_eq!(fetched(1, 60), (1, 60, 60));
    assert_eq!(fetched(1, 50), (1, 40, 40), "cut after a good one");
    assert_eq!(fetched(41, 50), (41, 60, 0), "headers on to the next good one");
    assert_eq!(fetched(5, 5), (5, 40, 0));
}

#[test]
fn evidence_has_both_branches_each_to_its_first_good_signature() {
    let alice = Author::new(1);
    let chain = alice.chain(10);
    let mut store = store_of(&[&alice]);
    take(&mut store, &chain[..3]);
    take(&mut store, &garbled(&chain[3..]));
    let other = go_on(&alice, head(&chain[2]), 9, "other");
    take(&mut store, &garbled(&other));
    let Answer::Evidence(branches) = ask(&store, &Request::Evidence(Scope::Public, alice.feed()))
    else {
        panic!("no evidence")
    };
    let lengths: Vec<_> = branches.iter().map(Vec::len).collect();
    assert_eq!(lengths, [7, 9], "the other branch is kept beyond the end of the first");

    // Whoever gets no more than this finds the same.
    let mut late = store_of(&[&alice]);
    take(&mut late, &chain[..3]);
    for branch in branches {
        let signed = branch.into_iter().map(baraza_record::SignedRecord::from_wire);
        let signed = signed.collect::<Result<_, _>>().unwrap();
        take(&mut late, &baraza_record::VerifiedRecord::verify_range(signed).unwrap());
    }
    assert_eq!(crate::fixture::digest(&late), crate::fixture::digest(&store));
    let again = ask(&late, &Request::Evidence(Scope::Public, alice.feed()));
    assert!(matches!(again, Answer::Evidence(branches) if branches.len() == 2));
}

#[test]
fn nothing_but_what_is_public_and_admitted_is_given() {
    let (alice, bob) = (Author::new(1), Author::new(2));
    let closed =
        Author { audience: Audience::Network(NetworkId([1; 32]), [2; 16]), ..alice.clone() };
    let mut store = store_of(&[&alice]);
    take(&mut store, &closed.chain(3));
    // Nobody has vouched for bob yet.
    take(&mut store, &bob.chain(3));
    let chain = alice.chain(3);
    take(&mut store, &[bare(&chain[0])]);
    for feed in [closed.feed(), bob.feed()] {
        let ranges = vec![Wanted { feed, from: 1, to: 3 }];
        assert_eq!(ask(&store, &fetch(ranges)), Answer::Batch(Vec::new()));
        assert_eq!(
            ask(&store, &Request::Bodies(Scope::Public, vec![(feed, 1)])),
            Answer::Bodies(vec![None])
        );
        assert_eq!(
            ask(&store, &Request::Probe(Scope::Public, feed, vec![1])),
            Answer::Ids(vec![None])
        );
        assert_eq!(
            ask(&store, &Request::Evidence(Scope::Public, feed)),
            Answer::Evidence(Vec::new())
        );
    }
    let Answer::Heads(heads, false) = ask(&store, &Request::Heads(Scope::Public, None)) else {
        panic!("no heads")
    };
    assert_eq!(heads.iter().map(|head| head.feed).collect::<Vec<_>>(), [alice.feed()]);
    assert_eq!(store.counts().feeds, 3);
    let ids = ask(&store, &Request::Probe(Scope::Public, alice.feed(), vec![1, 2]));
    assert_eq!(ids, Answer::Ids(vec![Some(chain[0].id()), None]));
    assert_eq!(
        ask(&store, &Request::Bodies(Scope::Public, vec![(alice.feed(), 1)])),
        Answer::Bodies(vec![None])
    );
}

#[test]
fn an_answer_has_one_encoding() {
    let answer = Answer::Heads(Vec::new(), true);
    let bytes = answer.encode();
    assert_eq!(Answer::decode(&bytes), Ok(answer));
    assert!(Answer::decode(&[&bytes[..], &[0]].concat()).is_err());
    assert!(codec::decode::<Answer>(&bytes[..bytes.len() - 1], ANSWER_BYTES_MAX).is_err());
}
