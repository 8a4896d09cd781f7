//! Answers that are of the wrong kind, go nowhere, or are not what was asked for.

use baraza_protocol::{
    conformance::Author,
    net::ANSWER_BYTES_MAX,
    wire::{Answer, HeadEntry, LogHead, LogPart, LogWanted, Part, Request},
};
use baraza_record::{CentreId, EventId, FeedId, RecordId};

use crate::fixture::{records_of, unverified};

use super::{
    Fault::{Nobody, Peer as Theirs},
    check,
};

#[test]
fn answers_of_the_wrong_kind() {
    let wrong = [
        Answer::Unknown,
        Answer::Heads(Vec::new(), false),
        Answer::Ids(Vec::new()),
        Answer::Bodies(Vec::new()),
        Answer::Batch(Vec::new()),
    ];
    for answer in wrong {
        let name = format!("{answer:?} to a comparison");
        check(&name, Theirs, &mut |request, honest| match request {
            Request::Compare(_) => answer.encode(),
            _ => honest.encode(),
        });
    }
    check("rubbish", Theirs, &mut |_, _| vec![0xfe; 100]);
    check("nothing", Theirs, &mut |_, _| Vec::new());
    check("too much", Theirs, &mut |_, _| vec![0; ANSWER_BYTES_MAX + 1]);
}

#[test]
fn a_peer_that_is_always_busy_is_not_blamed_for_it() {
    check("busy", Nobody, &mut |_, _| Answer::Busy.encode());
    let mut calls = 0;
    check("busy later", Nobody, &mut |_, honest| {
        calls += 1;
        if calls < 5 { honest.encode() } else { Answer::Busy.encode() }
    });
}

#[test]
fn pages_that_do_not_go_forward() {
    let entry = |n: u8| HeadEntry {
        feed: FeedId([n; 32]),
        seq: 1,
        id: RecordId([n; 32]),
        forked: false,
        bytes: 0,
    };
    let pages = [
        ("backwards", Answer::Heads(vec![entry(2), entry(1)], false)),
        ("the same twice", Answer::Heads(vec![entry(2), entry(2)], false)),
        ("empty with more", Answer::Heads(Vec::new(), true)),
        ("the same page again", Answer::Heads(vec![entry(1)], true)),
    ];
    for (name, page) in pages {
        check(name, Theirs, &mut |request, honest| match request {
            Request::Heads(_, _) => page.encode(),
            _ => honest.encode(),
        });
    }
    let log = LogHead { centre: CentreId([1; 32]), events: 1, id: EventId([1; 32]), forked: false };
    check("the same logs again", Theirs, &mut |request, honest| match request {
        Request::LogHeads(_) => Answer::LogHeads(vec![log], true).encode(),
        _ => honest.encode(),
    });
}

#[test]
fn pages_that_never_end() {
    let mut n = 0_u64;
    check("heads without end", Theirs, &mut |request, honest| match request {
        Request::Heads(_, after) => {
            let base = after.map_or(0, |feed| u64::from_be_bytes(*feed.0.first_chunk().unwrap()));
            let entry = |step: u64| {
                let mut feed = [0; 32];
                feed[..8].copy_from_slice(&(base + step).to_be_bytes());
                HeadEntry {
                    feed: FeedId(feed),
                    seq: 9,
                    id: RecordId([0; 32]),
                    forked: true,
                    bytes: 0,
                }
            };
            n += 1;
            Answer::Heads((1..=1_000).map(entry).collect(), true).encode()
        }
        _ => honest.encode(),
    });
    assert!(n <= 5 * 102, "{n} pages");
}

#[test]
fn what_is_advertised_and_never_given() {
    let requests = check("phantom heads", Nobody, &mut |request, honest| match (request, honest) {
        (Request::Heads(_, None), Answer::Heads(mut heads, more)) => {
            for n in 0..200 {
                let (feed, id) = (FeedId([n; 32]), RecordId([n; 32]));
                let forked = n % 2 == 0;
                heads.push(HeadEntry {
                    feed,
                    seq: u64::MAX - u64::from(n),
                    id,
                    forked,
                    bytes: u64::MAX,
                });
            }
            heads.sort_by_key(|head| head.feed);
            heads.dedup_by_key(|head| head.feed);
            Answer::Heads(heads, more).encode()
        }
        (_, honest) => honest.encode(),
    });
    assert!(requests < 1_500, "a few for each of 200 heads, not {requests}");
    check("phantom logs", Nobody, &mut |request, honest| match (request, honest) {
        (Request::LogHeads(None), Answer::LogHeads(mut heads, more)) => {
            let phantom = |n| LogHead {
                centre: CentreId([n; 32]),
                events: 5,
                id: EventId([n; 32]),
                forked: n % 2 == 0,
            };
            heads.extend((0..200).map(phantom));
            heads.sort_by_key(|head| head.centre);
            Answer::LogHeads(heads, more).encode()
        }
        (_, honest) => honest.encode(),
    });
    check("nothing is available", Nobody, &mut |request, honest| match request {
        Request::Fetch(_) => Answer::Batch(Vec::new()).encode(),
        Request::Evidence(_, _) => Answer::Evidence(Vec::new()).encode(),
        _ => honest.encode(),
    });
    check("no logs", Nobody, &mut |request, honest| match request {
        Request::Logs(_) => Answer::Logs(Vec::new()).encode(),
        _ => honest.encode(),
    });
    check("one record at a time", Nobody, &mut |request, honest| match (request, honest) {
        (Request::Fetch(_), Answer::Batch(mut parts)) => {
            parts.truncate(1);
            parts.iter_mut().for_each(|part| records_of(part).truncate(1));
            Answer::Batch(parts).encode()
        }
        (_, honest) => honest.encode(),
    });
}

#[test]
fn parts_that_are_not_what_was_asked_for() {
    type Bend = fn(Vec<Part>) -> Vec<Part>;
    fn each(mut parts: Vec<Part>, change: fn(&mut Part)) -> Vec<Part> {
        parts.iter_mut().for_each(change);
        parts
    }
    let cases: [(&str, Bend); 9] = [
        ("empty parts", |parts| each(parts, |part| records_of(part).clear())),
        ("another range", |parts| each(parts, |part| part.range = 200)),
        ("one range twice", |parts| [parts.clone(), parts].concat()),
        ("the first is missing", |parts| {
            each(parts, |part| {
                records_of(part).remove(0);
            })
        }),
        ("one within is missing", |parts| {
            each(parts, |part| {
                let records = records_of(part);
                if 2 < records.len() {
                    records.remove(1);
                }
            })
        }),
        ("turned round", |parts| each(parts, |part| records_of(part).reverse())),
        ("another's records", |parts| {
            let stranger = Author::new(50).chain(4);
            vec![Part::new(0, &unverified(&stranger)); parts.len().min(1)]
        }),
        ("no good signature at the end", |parts| {
            each(parts, |part| records_of(part).last_mut().unwrap().signature = Some([1; 64]))
        }),
        ("bodies of others", |parts| {
            each(parts, |part| {
                let records = records_of(part);
                let last = records.len() - 1;
                records[0].payload = records[last].payload.clone();
            })
        }),
    ];
    for (name, bend) in cases {
        check(name, Theirs, &mut |request, honest| match (request, honest) {
            (Request::Fetch(_), Answer::Batch(parts)) if !parts.is_empty() => {
                Answer::Batch(bend(parts)).encode()
            }
            (_, honest) => honest.encode(),
        });
    }
}

#[test]
fn evidence_of_another_feed_and_logs_that_nobody_asked_for() {
    let stranger = Author::new(50);
    let records: Vec<_> = stranger.chain(1).iter().map(|record| record.to_wire()).collect();
    check("evidence of another feed", Theirs, &mut |request, honest| match request {
        Request::Evidence(_, _) => Answer::Evidence(vec![records.clone()]).encode(),
        _ => honest.encode(),
    });
    check("three branches", Theirs, &mut |request, honest| match request {
        Request::Evidence(_, _) => Answer::Evidence(vec![records.clone(); 3]).encode(),
        _ => honest.encode(),
    });
    let mut bad = Author::new(1).event.encode();
    *bad.last_mut().unwrap() ^= 1;
    check("a log with a bad signature", Theirs, &mut |request, honest| match request {
        Request::Logs(wanted) => {
            let part = |one: &LogWanted| LogPart { centre: one.centre, events: vec![bad.clone()] };
            Answer::Logs(wanted.iter().map(part).collect()).encode()
        }
        _ => honest.encode(),
    });
    let (event, centre) = (Author::new(3).event.encode(), Author::new(3).centre());
    check("the same log for ever", Nobody, &mut |request, honest| match request {
        Request::Logs(wanted) if wanted.iter().any(|one| one.centre == centre) => {
            let part = LogPart { centre, events: vec![event.clone(); 20] };
            Answer::Logs(vec![part]).encode()
        }
        _ => honest.encode(),
    });
}

#[test]
fn records_that_are_replayed() {
    let mut first = None;
    check(
        "the first batch again and again",
        Theirs,
        &mut |request, honest| match (request, honest) {
            (Request::Fetch(_), honest) => first.get_or_insert_with(|| honest.encode()).clone(),
            (_, honest) => honest.encode(),
        },
    );
}
