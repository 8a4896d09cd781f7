//! What a centre's log makes of its feeds: ended keys, horizons, forks, choices, back-dating.
//!
//! ```text
//! honest  1 - 2 - 3 - 4 - 5 - 6          H(n): honest up to n
//! thief        \ f .. t                  T(f, t): forks off before f, signed up to t;
//! another                                T(7, t): goes on behind the honest 6
//! ```

use baraza_identity::{Changes, EndKind, SignedEvent};
use baraza_protocol::{
    conformance::{Author, Owner, adds, chooses, ends},
    ingest::{self, IngestError},
    model::MemoryStore,
    net::Verdict,
    store::{Branch, Place, Store, StoreRead},
};
use baraza_record::{EventId, RecordId, Seq, Timestamp, VerifiedRecord};

use crate::fixture::{NOW, Random, bare, digest, head};

use EndKind::{Compromised, Retired};
use Part::{Choice, End, H, NoHorizon, T, U};

/// Orders of arrival in which each case is tried.
const ORDERS: u64 = 40;

/// Objects that are held.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// The honest records up to this position.
    H(Seq),
    /// The thief's records between these positions; the honest ones up to the first come too.
    T(Seq, Seq),
    /// Those of a second thief.
    U(Seq, Seq),
    /// The key ended, with a horizon at the record of `who` at this position.
    End(EndKind, char, Seq),
    /// The key ended, and no horizon names the feed.
    NoHorizon(EndKind),
    /// The record of `who` at this position was chosen.
    Choice(char, Seq),
}

pub(crate) struct World {
    owner: Owner,
    honest: Vec<VerifiedRecord>,
}

impl World {
    pub(crate) fn new() -> Self {
        let owner = Owner::new(1);
        let honest = owner.author.chain(6);
        Self { owner, honest }
    }

    /// Returns the records of a branch that leaves the honest one before `from`.
    fn branch(&self, who: char, from: Seq, to: Seq) -> Vec<VerifiedRecord> {
        let mut at = match from {
            1 => self.owner.author.start(),
            _ => head(&self.honest[from as usize - 2]),
        };
        let next = |seq| {
            // Back-dated: what a thief states of the time changes nothing.
            let back = |header: &mut baraza_record::Header| header.created_ms = Timestamp(seq);
            let record = self.owner.author.write(at, &format!("{who} {seq}"), back);
            at = head(&record);
            record
        };
        (from..=to).map(next).collect()
    }

    fn record(&self, parts: &[Part], who: char, seq: Seq) -> VerifiedRecord {
        let branch = parts.iter().find_map(|part| match (part, who) {
            (T(from, to), 'T') | (U(from, to), 'U') => Some(self.branch(who, *from, *to)),
            _ => None,
        });
        let found = branch.unwrap_or_default().into_iter().find(|one| one.header().seq == seq);
        found.unwrap_or_else(|| self.honest[seq as usize - 1].clone())
    }

    /// Returns the events and the ranges of records that a case speaks of.
    pub(crate) fn objects(
        mut self,
        parts: &[Part],
    ) -> (Vec<SignedEvent>, Vec<Vec<VerifiedRecord>>) {
        let mut events = vec![self.owner.author.event.clone()];
        let mut ranges = Vec::new();
        for part in parts {
            let changes = match part {
                H(to) => {
                    ranges.push(self.honest[..*to as usize].to_vec());
                    continue;
                }
                T(from, to) | U(from, to) => {
                    let who = if matches!(part, T(..)) { 'T' } else { 'U' };
                    ranges.push(self.honest[..*from as usize - 1].to_vec());
                    ranges.push(self.branch(who, *from, *to));
                    continue;
                }
                End(kind, who, seq) => {
                    ends(&self.owner.author, *kind, &[&self.record(parts, *who, *seq)])
                }
                NoHorizon(kind) => ends(&self.owner.author, *kind, &[]),
                Choice(who, seq) => chooses(&[&self.record(parts, *who, *seq)]),
            };
            events.push(self.owner.update(changes));
        }
        ranges.retain(|range| !range.is_empty());
        (events, ranges)
    }
}

/// Offers everything in an order that follows from the seed, until nothing changes.
pub(crate) fn settle(
    seed: u64,
    events: &[SignedEvent],
    ranges: &[Vec<VerifiedRecord>],
) -> MemoryStore {
    let mut store = MemoryStore::new(1);
    let mut random = Random(seed);
    let mut order: Vec<usize> = (0..events.len() + ranges.len()).collect();
    for _ in 0..20 {
        let before = (store.last_change(), digest(&store));
        random.shuffle(&mut order);
        for place in &order {
            match events.get(*place) {
                Some(event) => match ingest::ingest_identity(&mut store, &event.encode()) {
                    Ok(_) => (),
                    Err(IngestError::Rejected(why)) => assert_eq!(why.verdict(), Verdict::Ignore),
                    Err(IngestError::Store(error)) => panic!("{error}"),
                },
                None => {
                    let range = &ranges[place - events.len()];
                    ingest::ingest_range(&mut store, range, NOW).unwrap();
                }
            }
        }
        store.commit().unwrap();
        if before == (store.last_change(), digest(&store)) {
            return store;
        }
    }
    panic!("seed {seed}: still changing");
}

/// Checks how far the feed is admitted, whose record stands there, and whether it forks.
#[track_caller]
fn check(name: &str, parts: &[Part], expected: (Seq, char, bool)) {
    let feed = World::new().owner.author.feed();
    let (seq, who, forked) = expected;
    let at = match seq {
        0 => RecordId(feed.0),
        _ => World::new().record(parts, who, seq).id(),
    };
    let (events, ranges) = World::new().objects(parts);
    for seed in 0..ORDERS {
        let store = settle(seed, &events, &ranges);
        let head = store.feed(&feed).unwrap().map(|state| state.head());
        let shown = head.map_or((0, RecordId(feed.0), false), |head| {
            (head.seq, RecordId(head.id), head.forked)
        });
        assert_eq!(shown, (seq, at, forked), "{name}, seed {seed}: {parts:?}");
    }
}

#[test]
fn an_ended_key_counts_up_to_its_horizon() {
    check("nothing ended", &[H(6)], (6, 'H', false));
    check("what a thief adds before anybody knows", &[H(6), T(7, 9)], (9, 'T', false));
    check("retired at its end", &[H(6), End(Retired, 'H', 6)], (6, 'H', false));
    check("retired before its end", &[H(6), End(Retired, 'H', 4)], (4, 'H', false));
    check("retired, not all is here", &[H(3), End(Retired, 'H', 6)], (3, 'H', false));
    check("retired, signed on", &[H(6), T(7, 9), End(Retired, 'H', 6)], (6, 'H', false));
    check("retired, feed not named", &[H(6), NoHorizon(Retired)], (0, 'H', false));
    check("stolen, feed not named", &[H(6), NoHorizon(Compromised)], (0, 'H', false));
    check("stolen at its end", &[H(6), End(Compromised, 'H', 6)], (6, 'H', false));
    check("stolen before its end", &[H(6), End(Compromised, 'H', 4)], (4, 'H', false));
    check("stolen, horizon not reached", &[H(3), End(Compromised, 'H', 6)], (0, 'H', false));
    check("stolen, one record short", &[H(5), End(Compromised, 'H', 6)], (0, 'H', false));
    check("stolen, signed on", &[H(6), T(7, 9), End(Compromised, 'H', 6)], (6, 'H', false));
    check("stolen, horizon at the first", &[H(6), End(Compromised, 'H', 1)], (1, 'H', false));
    check("nothing is here but the end", &[End(Compromised, 'H', 6)], (0, 'H', false));
}

#[test]
fn back_dating_does_not_lead_to_the_horizon() {
    let end = End(Compromised, 'H', 6);
    check("in the middle", &[H(6), T(4, 6), end], (6, 'H', false));
    check("longer than the honest one", &[H(6), T(4, 9), end], (6, 'H', false));
    check("from the first on", &[H(6), T(1, 9), end], (6, 'H', false));
    check("the last one", &[H(6), T(6, 6), end], (6, 'H', false));
    check("behind the horizon", &[H(6), T(5, 9), End(Compromised, 'H', 4)], (4, 'H', false));
    check("right behind it", &[H(4), T(5, 9), End(Compromised, 'H', 4)], (4, 'H', false));
    check("only the forged ones are here", &[T(4, 6), end], (0, 'H', false));
    check("forged ones from the first", &[T(1, 9), end], (0, 'H', false));
    check("two thieves", &[H(6), T(4, 9), U(3, 8), end], (6, 'H', false));
    check("two thieves at one place", &[H(6), T(4, 9), U(4, 9), end], (6, 'H', false));
    check("half of the honest ones", &[H(5), T(4, 9), end], (0, 'H', false));
    check("retired instead", &[H(6), T(4, 9), End(Retired, 'H', 6)], (6, 'H', false));
    check("retired, forged ones only", &[T(4, 6), End(Retired, 'H', 6)], (0, 'H', false));
    check("retired before the fork", &[H(6), T(4, 6), End(Retired, 'H', 3)], (3, 'H', false));
    check("retired at the fork", &[H(6), T(4, 6), End(Retired, 'H', 4)], (4, 'H', false));
}

#[test]
fn a_fork_without_a_ruling_ends_the_shelf_before_it() {
    check("in the middle", &[H(6), T(4, 6)], (3, 'H', true));
    check("one record shows it", &[H(6), T(4, 4)], (3, 'H', true));
    check("at the first record", &[H(6), T(1, 2)], (0, 'H', true));
    check("at the last record", &[H(6), T(6, 6)], (5, 'H', true));
    check("the lower of two counts", &[H(6), T(5, 6), U(3, 4)], (2, 'H', true));
    check("a third branch shows no more", &[H(6), T(4, 6), U(4, 5)], (3, 'H', true));
}

#[test]
fn a_choice_resumes_the_feed() {
    check("where it forks", &[H(6), T(4, 6), Choice('H', 4)], (6, 'H', false));
    check("the other branch", &[H(6), T(4, 6), Choice('T', 4)], (6, 'T', false));
    check("a shorter branch", &[H(6), T(4, 4), Choice('T', 4)], (4, 'T', false));
    check("a longer branch", &[H(5), T(4, 9), Choice('T', 4)], (9, 'T', false));
    check("further on", &[H(6), T(4, 6), Choice('H', 6)], (6, 'H', false));
    check("further on, the other", &[H(6), T(4, 6), Choice('T', 6)], (6, 'T', false));
    check("from the first on", &[H(6), T(1, 4), Choice('T', 1)], (4, 'T', false));
    check("without a fork", &[H(6), Choice('H', 4)], (6, 'H', false));
    check("of what is not here", &[H(4), T(4, 6), Choice('H', 6)], (3, 'H', true));
    check("the other one alone is here", &[T(4, 6), Choice('H', 4)], (0, 'H', false));
    check("and a fork behind it", &[H(6), T(4, 6), U(6, 7), Choice('H', 4)], (5, 'H', true));
    let both = [H(6), T(4, 6), U(6, 7), Choice('H', 4), Choice('H', 6)];
    check("and a choice behind that", &both, (6, 'H', false));
    let third = [H(6), T(4, 6), U(4, 7), Choice('U', 4)];
    check("of the third branch", &third, (7, 'U', false));
    let stolen = [H(6), T(4, 6), Choice('T', 4), End(Compromised, 'T', 6)];
    check("and the end of the key", &stolen, (6, 'T', false));
    let against = [H(6), T(4, 6), Choice('T', 4), End(Compromised, 'H', 6)];
    check("the horizon has the last word", &against, (6, 'H', false));
}

/// Returns how far the feed of `writer` is admitted once these objects are here.
fn shelf(events: &[SignedEvent], writer: &Author, records: &[VerifiedRecord]) -> Seq {
    let ranges: Vec<_> = records.iter().map(|record| vec![record.clone()]).collect();
    let found: Vec<_> = (0..ORDERS)
        .map(|seed| {
            let store = settle(seed, events, &ranges);
            store.feed(&writer.feed()).unwrap().map_or(0, |state| state.shelf.seq)
        })
        .collect();
    assert!(found.iter().all(|seq| *seq == found[0]), "{found:?}");
    found[0]
}

/// Signs three records under an identity event.
fn under(writer: &Author, event: EventId) -> Vec<VerifiedRecord> {
    let mut at = writer.start();
    let next = |n| {
        let record = writer.write(at, &format!("{n}"), |header| header.identity_head = event);
        at = head(&record);
        record
    };
    (0..3).map(next).collect()
}

#[test]
fn authority_is_what_the_line_of_events_gives_that_counts() {
    let mut owner = Owner::new(1);
    let (first, desk) = (owner.author.event.clone(), owner.writer(0x11));
    let other = owner.writer(0x12);
    let forged = owner.forge(adds(&other), 7);
    let added = owner.update(adds(&desk));
    let records = under(&desk, added.id());
    let one = std::slice::from_ref(&first);
    assert_eq!(shelf(one, &desk, &records), 0, "the event is not here");
    assert_eq!(shelf(&[first.clone(), added.clone()], &desk, &records), 3);
    let early = under(&desk, first.id());
    let both = [first.clone(), added.clone()];
    assert_eq!(shelf(&both, &desk, &early), 0, "before the event that names the key");
    let old = under(&owner.author, added.id());
    assert_eq!(shelf(&both, &owner.author, &old), 3, "a key that was named earlier");
    assert_eq!(shelf(one, &owner.author, &old), 0, "under an event that is not here");

    let frozen = [first.clone(), added.clone(), forged.clone()];
    assert_eq!(shelf(&frozen, &desk, &records), 0, "two updates contradict each other");
    let stolen = under(&other, forged.id());
    assert_eq!(shelf(&frozen, &other, &stolen), 0);
    let before = under(&owner.author, first.id());
    assert_eq!(shelf(&frozen, &owner.author, &before), 3, "what both agree on stands");
    let rotated = owner.rotate(Changes::default());
    let mended = [first.clone(), added.clone(), forged.clone(), rotated.clone()];
    assert_eq!(shelf(&mended, &desk, &records), 3, "the branch with the rotation counts");
    assert_eq!(shelf(&mended, &other, &stolen), 0);
    let under_forged = under(&owner.author, forged.id());
    assert_eq!(shelf(&mended, &owner.author, &under_forged), 0, "under what does not count");

    let stranger = Author::new(9);
    let named = Owner::new(9);
    let elsewhere = [first.clone(), named.author.event.clone()];
    let borrowed = Author { key: stranger.key.clone(), ..owner.author.clone() };
    let wrong = under(&borrowed, first.id());
    assert_eq!(shelf(&elsewhere, &borrowed, &wrong), 0, "a key of another centre");
}

#[test]
fn the_end_of_a_log_and_later_horizons_hold_for_each_feed() {
    let mut owner = Owner::new(1);
    let (public, first) = (owner.author.clone(), owner.author.event.clone());
    let audience = baraza_record::Audience::Centres(vec![Owner::new(2).author.centre()], [3; 16]);
    let closed = Author { audience, ..public.clone() };
    let (open, shut) = (public.chain(5), closed.chain(5));
    let stolen = owner.update(ends(&public, Compromised, &[&open[2]]));
    let held =
        |events: &[SignedEvent]| (shelf(events, &public, &open), shelf(events, &closed, &shut));
    let mut events = vec![first.clone(), stolen];
    assert_eq!(held(&events), (3, 0), "a feed that is not named ends at 0");
    events.push(owner.update(ends(&public, Compromised, &[&shut[3]])));
    assert_eq!(held(&events), (3, 4), "a later event names it");

    let mut owner = Owner::new(1);
    let end = owner.close(ends(&public, Retired, &[&open[4]]));
    assert_eq!(held(&[first.clone(), end]), (5, 0));
    let mut owner = Owner::new(1);
    let end = owner.close(Changes::default());
    assert_eq!(held(&[first, end]), (0, 0), "a centre that closes names what stays");
}

#[test]
fn what_lies_behind_the_end_is_not_even_kept() {
    let mut owner = Owner::new(1);
    let records = owner.author.chain(9);
    let event = owner.update(ends(&owner.author.clone(), Compromised, &[&records[5]]));
    let mut store = MemoryStore::new(1);
    for event in [&owner.author.event, &event] {
        ingest::ingest_identity(&mut store, &event.encode()).unwrap();
    }
    let done = ingest::ingest_range(&mut store, &records, NOW).unwrap();
    assert_eq!((done.inserted, done.deferred), (6, 3));
    // Headers suffice to reach a horizon; the bodies are wanted then.
    let mut store = MemoryStore::new(1);
    for event in [&owner.author.event, &event] {
        ingest::ingest_identity(&mut store, &event.encode()).unwrap();
    }
    let headers: Vec<_> = records[..6].iter().map(bare).collect();
    for (n, header) in headers.iter().enumerate() {
        ingest::ingest_range(&mut store, std::slice::from_ref(header), NOW).unwrap();
        let state = store.feed(&owner.author.feed()).unwrap().unwrap();
        assert_eq!(state.shelf.seq, if n == 5 { 6 } else { 0 }, "pending until it is reached");
    }
    assert_eq!(store.missing(None, 10).unwrap().len(), 6);
    let third = Place { feed: owner.author.feed(), seq: 3, branch: Branch::Main };
    assert!(store.feed(&third.feed).unwrap().unwrap().admits(&third));
}
