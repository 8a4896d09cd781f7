//! What moved, tries and broken answers: how little an honest peer costs, and what a lying one gets.

use baraza_protocol::{
    conformance::Author,
    model::MemoryStore,
    net::{NetEvent, Peer},
    screen::screen,
    store::{Store, StoreRead},
    wire::{Answer, Below, Cursor, HeadEntry, News, Request, Trie},
};
use baraza_record::{FeedId, RecordId, VerifiedRecord};

use super::{
    Fault::{Nobody, Peer as Theirs},
    check,
    victim::Victim,
};
use crate::fixture::{digest, fetch, go_on, head, store_of, take};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Authors whose feeds the honest peer holds; their logs are known here.
const AUTHORS: u8 = 90;

fn node(author: &Author) -> Peer {
    author.key.public()
}

/// Returns a store with three records of each author, and those records.
fn many() -> (MemoryStore, Vec<(Author, VerifiedRecord)>) {
    let authors: Vec<_> = (1..=AUTHORS).map(Author::new).collect();
    let everybody: Vec<_> = authors.iter().chain([&Author::new(100)]).cloned().collect();
    let mut store = store_of(&everybody.iter().collect::<Vec<_>>());
    let lasts = authors.into_iter().map(|author| {
        let chain = author.chain(3);
        take(&mut store, &chain);
        (author, chain[2].clone())
    });
    let lasts = lasts.collect();
    (store, lasts)
}

/// Meets an honest peer and counts bytes of questions and answers.
fn meet(victim: &mut Victim, peer: &Author, store: &MemoryStore) -> (u32, usize) {
    let mut bytes = 0;
    victim.meet(peer, store, &mut |request, answer| {
        bytes += request.encode().len() + answer.encode().len();
        answer.encode()
    });
    (victim.requests, bytes)
}

#[test]
fn what_moved_costs_two_requests_and_what_did_not_one() {
    let (mut store, lasts) = many();
    let (mut victim, peer) = (Victim::over_many(AUTHORS + 1), Author::new(1));
    meet(&mut victim, &peer, &store);
    victim.leave(&peer);
    meet(&mut victim, &peer, &store);
    victim.leave(&peer);
    let (requests, bytes) = meet(&mut victim, &peer, &store);
    // The question whom it knows comes with each connection.
    assert_eq!(requests, 2, "one comparison");
    assert!(bytes <= 200, "{bytes} bytes when nothing has changed");
    victim.leave(&peer);

    let mut sent = 0;
    for (author, last) in lasts.iter().step_by(9) {
        let record = author.write(head(last), "news", |_| ());
        sent += record.encode().len();
        take(&mut store, &[record]);
    }
    let (requests, bytes) = meet(&mut victim, &peer, &store);
    println!("10 of {AUTHORS} feeds have moved: {requests} requests, {bytes} bytes for {sent}");
    assert_eq!(requests, 3, "a comparison and a batch, and whom it knows");
    assert!(bytes < sent + 10 * 90 + 400, "{bytes} bytes for {sent}");
    assert_eq!(digest(victim.service.store()), digest(&store));
}

#[test]
fn a_cursor_of_another_epoch_leads_down_the_trie() {
    let (store, lasts) = many();
    let (mut victim, peer) = (Victim::over_many(AUTHORS + 1), Author::new(1));
    meet(&mut victim, &peer, &store);
    victim.leave(&peer);
    // The peer has made its store anew, and something has moved meanwhile.
    let mut anew = store_of(&[&Author::new(100)]);
    let all: Vec<_> = lasts.iter().map(|(author, _)| author.clone()).collect();
    for author in &all {
        baraza_protocol::ingest::ingest_identity(&mut anew, &author.event.encode()).unwrap();
        take(&mut anew, &author.chain(3));
    }
    let renumbered = |store: &MemoryStore| store.reader().last_move();
    assert_eq!(renumbered(&anew), renumbered(&store), "the same numbers would mislead");
    for (author, last) in lasts.iter().take(2) {
        take(&mut anew, &go_on(author, head(last), 2, "news"));
    }
    let (mut walked, mut paged) = (0, 0);
    victim.meet(&peer, &anew, &mut |request, answer| {
        walked += u32::from(matches!(request, Request::Descend(Trie::Feeds(_), _)));
        paged += u32::from(matches!(request, Request::Heads(..)));
        match answer {
            Answer::Differs(mut differs) => {
                differs.cursor.epoch = 77;
                differs.feeds.iter_mut().for_each(|news| news.moved = None);
                Answer::Differs(differs).encode()
            }
            answer => answer.encode(),
        }
    });
    assert!((1..=3).contains(&walked) && paged == 0, "{walked} steps down, {paged} pages");
    assert_eq!(digest(victim.service.store()), digest(&anew));
}

#[test]
fn what_a_peer_does_not_name_is_found_by_its_trie_a_day_later() {
    let (mut store, lasts) = many();
    let (mut victim, peer) = (Victim::over_many(AUTHORS + 1), Author::new(1));
    meet(&mut victim, &peer, &store);
    victim.leave(&peer);
    take(&mut store, &go_on(&lasts[0].0, head(&lasts[0].1), 1, "withheld"));
    let mut silent = |_: &Request, answer: Answer| match answer {
        Answer::Differs(mut differs) => {
            let nothing = |news: &mut News<HeadEntry>| news.moved = Some(Vec::new());
            differs.feeds.iter_mut().for_each(nothing);
            Answer::Differs(differs).encode()
        }
        answer => answer.encode(),
    };
    victim.meet(&peer, &store, &mut silent);
    assert_ne!(digest(victim.service.store()), digest(&store), "it was not named");
    victim.leave(&peer);
    victim.now = victim.now.plus_ms(DAY_MS);
    victim.meet(&peer, &store, &mut silent);
    assert_eq!(digest(victim.service.store()), digest(&store), "the daily walk finds it");
}

#[test]
fn answers_to_comparisons_that_lie() {
    let cursor = Cursor { epoch: 1, moved: 1 };
    check("the same, of a centre not known", Theirs, &mut |request, honest| match request {
        Request::Compare(_) => Answer::Same(cursor).encode(),
        _ => honest.encode(),
    });
    check("no word of any shelf", Theirs, &mut |_, honest| match honest {
        Answer::Differs(mut differs) => {
            differs.feeds.clear();
            Answer::Differs(differs).encode()
        }
        honest => honest.encode(),
    });
    check("shelves without end", Nobody, &mut |_, honest| match honest {
        Answer::Differs(mut differs) => {
            differs.logs.total = u64::MAX;
            differs.feeds.iter_mut().for_each(|news| news.total = u64::MAX);
            Answer::Differs(differs).encode()
        }
        honest => honest.encode(),
    });
    let requests = check("news of what is not there", Nobody, &mut |_, honest| match honest {
        Answer::Differs(mut differs) => {
            let phantom = |n: u16| {
                let mut feed = [0xee; 32];
                feed[..2].copy_from_slice(&n.to_be_bytes());
                HeadEntry {
                    feed: FeedId(feed),
                    seq: u64::MAX,
                    id: RecordId([1; 32]),
                    forked: false,
                    bytes: u64::MAX,
                }
            };
            differs.feeds[0].moved = Some((0..3_000).map(phantom).collect());
            Answer::Differs(differs).encode()
        }
        honest => honest.encode(),
    });
    assert!(requests < 200, "{requests} requests");
}

#[test]
fn tries_that_lead_nowhere() {
    let big = |honest: Answer| match honest {
        Answer::Differs(mut differs) => {
            // Larger than what a page would show, and not four times what is here.
            differs.logs.total = 65;
            Answer::Differs(differs)
        }
        honest => honest,
    };
    let branch = |prefix: &[u8], digits: &[u8]| {
        let deeper = [prefix, digits].concat();
        Below::Branches(vec![(deeper, [7; 32])])
    };
    type Bend = Box<dyn Fn(&[Vec<u8>]) -> Vec<Below>>;
    let cases: [(&str, super::Fault, Bend); 6] = [
        ("no answers", Theirs, Box::new(|_| Vec::new())),
        (
            "the same again",
            Theirs,
            Box::new(move |asked| asked.iter().map(|prefix| branch(prefix, &[])).collect()),
        ),
        (
            "beyond the last digit",
            Theirs,
            Box::new(move |asked| asked.iter().map(|prefix| branch(prefix, &[1; 65])).collect()),
        ),
        (
            "elsewhere",
            Theirs,
            Box::new(move |asked| asked.iter().map(|_| branch(&[], &[9; 64])).collect()),
        ),
        (
            "not in order",
            Theirs,
            Box::new(|asked| {
                let out = |prefix: &Vec<u8>| {
                    let deeper = |digit: u8| ([&prefix[..], &[digit]].concat(), [7; 32]);
                    Below::Branches(vec![deeper(5), deeper(2)])
                };
                asked.iter().map(out).collect()
            }),
        ),
        (
            "digits that do not exist, a thousand at each step",
            Theirs,
            Box::new(|asked| {
                let out = |prefix: &Vec<u8>| {
                    let deeper = |digit: u16| {
                        ([&prefix[..], &digit.to_be_bytes()].concat(), [digit as u8; 32])
                    };
                    match prefix.len() < 62 {
                        true => Below::Branches((0..1_000).map(deeper).collect()),
                        false => Below::Heads(Vec::new()),
                    }
                };
                asked
                    .iter()
                    .take(1)
                    .map(out)
                    .chain(asked.iter().skip(1).map(|_| Below::Heads(Vec::new())))
                    .collect()
            }),
        ),
    ];
    for (name, fault, bend) in cases {
        let mut steps = 0;
        let mut script = |request: &Request, honest: Answer| match request {
            Request::Descend(_, asked) => {
                steps += 1;
                Answer::Descent(bend(asked)).encode()
            }
            Request::LogHeads(_) => Answer::LogHeads(Vec::new(), false).encode(),
            _ => big(honest).encode(),
        };
        let (mut victim, mallory) = (Victim::over_many(70), Author::new(66));
        let store = store_of(&[&Author::new(1)]);
        victim.meet(&mallory, &store, &mut script);
        let failure = victim.failure(&mallory);
        println!("{name}: {steps} steps, {failure:?}");
        assert!(0 < steps, "{name}");
        assert_eq!(failure.is_some(), fault == Theirs, "{name}: {failure:?}");
    }
}

#[test]
fn what_came_of_a_broken_answer_is_kept_and_nothing_else() {
    let (alice, stranger) = (Author::new(1), Author::new(2));
    let chain = alice.chain(40);
    let mut store = store_of(&[&alice, &stranger, &Author::new(100)]);
    take(&mut store, &chain[..40]);
    take(&mut store, &stranger.chain(5));
    let ours = baraza_protocol::entitle::Ours {
        centre: alice.centre(),
        node: node(&alice),
        networks: Vec::new(),
    };
    let wanted =
        |author: &Author, to| baraza_protocol::wire::Wanted { feed: author.feed(), from: 1, to };
    let ask = fetch(vec![wanted(&stranger, 5), wanted(&alice, 40)]);
    let whole = baraza_protocol::answer::answer(&store.reader(), &ours, &node(&stranger), &ask);
    let whole = whole.unwrap().encode();
    let mut most = 0;
    for cut in (0..whole.len()).step_by(97) {
        // The log of the stranger is not known here.
        let mut victim = Victim::new().with(store_of(&[&alice, &Author::new(100)]));
        let bytes = whole[..cut].to_vec();
        let event = NetEvent::Salvaged { peer: node(&alice), request: 1, bytes };
        victim.give(vec![screen(event)]);
        let held = victim.service.store().reader().counts().records;
        assert!(most <= held && held < 40, "{held} records at {cut}");
        most = held;
        let known = victim.service.store().feed(&stranger.feed()).unwrap();
        assert!(known.is_none(), "of whom no log is here, nothing is kept unasked");
    }
    assert!(30 < most, "{most} records");
    for rubbish in [vec![6; 2_000], vec![0xff; 50], whole[1..].to_vec()] {
        let mut victim = Victim::new();
        let event = NetEvent::Salvaged { peer: node(&alice), request: 1, bytes: rubbish };
        victim.give(vec![screen(event)]);
        assert_eq!(victim.service.store().reader().counts().records, 0);
    }
}
