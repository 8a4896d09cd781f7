//! The state machine alone: pace, waits, order.

use baraza_record::{FeedId, PublicKey, attachment::parts};

use super::*;

const NOW: Timestamp = Timestamp(1_000_000);

fn file(seed: u8, groups: usize) -> Vec<u8> {
    vec![seed; groups * attachment::GROUP_BYTES]
}

fn hash(file: &[u8]) -> FileHash {
    FileHash(*blake3::hash(file).as_bytes())
}

fn row(file: &[u8], asked: bool, since: u64) -> WantRow {
    WantRow {
        feed: FeedId([1; 32]),
        seq: 1,
        index: 0,
        bytes: file.len() as u64,
        asked,
        pin: false,
        since_ms: Timestamp(since),
    }
}

fn peer(n: u8) -> Peer {
    PublicKey([n; 32])
}

/// Returns what an honest peer answers to `ask`.
fn answer(file: &[u8], ask: &Ask) -> VerifiedPart {
    let count = u32::from(ask.count);
    let whole: Vec<_> = parts(file, 1).collect();
    assert!((ask.from + count) as usize <= whole.len());
    let mut found = parts(file, count).find(|part| part.from == ask.from);
    // Parts of another cut: groups one by one prove the same.
    found = found.or_else(|| whole.into_iter().nth(ask.from as usize));
    found.expect("a group of the file").verify().expect("it is of the file")
}

#[test]
fn the_number_of_groups_follows_the_line() {
    let file = file(1, 256);
    let mut fetcher = Fetcher::default();
    assert!(fetcher.want(hash(&file), row(&file, true, 1), None));
    let (mut now, mut asked) = (NOW, Vec::new());
    for (request, took) in [1_000, 1_000, 1_000, 30_000, 30_000, 1_000].into_iter().enumerate() {
        let ask = fetcher.next(&peer(1), now, |_| true).expect("something is missing");
        asked.push(ask.count);
        fetcher.sent(request as u64, peer(1), &ask, now);
        now = now.plus_ms(took);
        let part = answer(&file, &ask);
        assert_eq!(fetcher.answered(request as u64, Some(&part), now), Taken::Part);
    }
    assert_eq!(asked, [4, 8, 16, 16, 8, 4]);
    fetcher.sent(99, peer(1), &fetcher.next(&peer(1), now, |_| true).unwrap(), now);
    fetcher.failed(99, now);
    assert_eq!(fetcher.next(&peer(1), now, |_| true), None, "it waits after a failure");
    let ask = fetcher.next(&peer(1), now.plus_ms(FAILED_MS), |_| true).unwrap();
    assert_eq!(ask.count, 4, "half of eight");
}

#[test]
fn whoever_lacks_a_file_is_left_alone_and_others_are_not() {
    let file = file(1, 2);
    let mut fetcher = Fetcher::default();
    fetcher.want(hash(&file), row(&file, true, 1), None);
    let mut now = NOW;
    for wait in [60_000, 120_000, 240_000] {
        let ask = fetcher.next(&peer(1), now, |_| true).expect("it may have it by now");
        fetcher.sent(1, peer(1), &ask, now);
        assert_eq!(fetcher.answered(1, None, now), Taken::Nothing);
        assert_eq!(fetcher.next(&peer(1), now.plus_ms(wait - 1), |_| true), None);
        assert!(fetcher.next(&peer(2), now, |_| true).is_some(), "another peer is asked");
        now = now.plus_ms(wait);
    }
    assert!(fetcher.next(&peer(2), now, |_| false).is_none(), "one that may not know is not");
}

#[test]
fn what_people_ask_for_goes_first_and_nothing_is_asked_twice() {
    let (old, new, asked) = (file(1, 1), file(2, 1), file(3, 40));
    let mut fetcher = Fetcher::default();
    fetcher.want(hash(&new), row(&new, false, 2), None);
    fetcher.want(hash(&old), row(&old, false, 1), None);
    fetcher.want(hash(&asked), row(&asked, true, 3), None);
    let (mut seen, mut request) = (Vec::new(), 0);
    'peers: for n in 1.. {
        for _ in 0..IN_FLIGHT_PER_PEER_MAX {
            let Some(ask) = fetcher.next(&peer(n), NOW, |_| true) else { break 'peers };
            request += 1;
            fetcher.sent(request, peer(n), &ask, NOW);
            seen.push((ask.hash, ask.from));
        }
        assert_eq!(fetcher.next(&peer(n), NOW, |_| true), None, "no third one");
    }
    assert_eq!(seen.len(), IN_FLIGHT_MAX);
    assert!(seen.iter().all(|(of, _)| *of == hash(&asked)));
    let mut distinct = seen.clone();
    distinct.dedup();
    assert_eq!(distinct, seen);
    fetcher.forget(&hash(&asked));
    fetcher.reset();
    let order = [&old, &new].map(|file| {
        request += 1;
        let ask = fetcher.next(&peer(1), NOW, |_| true).expect("it is wanted");
        fetcher.sent(request, peer(1), &ask, NOW);
        (ask.hash, hash(file))
    });
    assert!(order.iter().all(|(found, expected)| found == expected), "the older one first");
    assert_eq!(fetcher.totals().0, 2);
}

#[test]
fn a_part_that_was_not_asked_for_is_an_offence_and_costs_only_its_sender() {
    let (file, other) = (file(1, 8), file(2, 8));
    let mut fetcher = Fetcher::default();
    fetcher.want(hash(&file), row(&file, true, 1), None);
    let ask = fetcher.next(&peer(1), NOW, |_| true).unwrap();
    for wrong in [
        parts(&other, 4).next().unwrap(),
        parts(&file, 8).next().unwrap(),
        parts(&file, 4).nth(1).unwrap(),
    ] {
        let now = NOW.plus_ms(2 * LACKS_MAX_MS);
        fetcher.sent(7, peer(9), &ask, now);
        let wrong = wrong.verify().unwrap();
        assert_eq!(fetcher.answered(7, Some(&wrong), now), Taken::Offence);
        assert_eq!(fetcher.next(&peer(9), now.plus_ms(LACKS_MAX_MS - 1), |_| true), None);
        assert_eq!(fetcher.next(&peer(1), now, |_| true).map(|ask| ask.from), Some(0));
    }
    assert!(!fetcher.awaits(&peer(9), 7));
    assert_eq!(fetcher.answered(7, None, NOW), Taken::Nothing, "an answer to nothing");
}
