//! Two events behind one: which branch counts, whatever the order of arrival.

use baraza_identity::{Changes, IdentityEvent, Log, LogStanding, OTHERS_BYTES_MAX, SignedEvent};
use baraza_record::Timestamp;

use crate::{
    key,
    owner::{adds, begun, grown, join, keys, link, link_behind, public, rotate, sign, update},
};

/// SplitMix64: the same numbers on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        (1..items.len()).rev().for_each(|end| items.swap(end, self.below(end + 1)));
    }
}

/// Returns what a log comes to, in a form that can be compared.
fn outcome(log: &Log) -> (Vec<[u8; 32]>, LogStanding) {
    (log.events().iter().map(|event| event.id().0).collect(), log.standing())
}

#[test]
fn two_updates_freeze_the_log_and_a_rotation_on_either_mends_it() {
    let first = begun(1);
    let (ours, theirs) = (update(&first, adds(7), 1), update(&first, adds(8), 1));
    let mine = grown(&first, &[&ours]);
    let frozen = grown(&mine, &[&theirs]);
    assert_eq!(outcome(&frozen), (vec![first.head().id().0], LogStanding::Frozen));
    assert!(!frozen.names(&key(7).public()), "what is in dispute gives no authority");
    assert_eq!(frozen.others().len(), 2);

    let mended = grown(&frozen, &[&rotate(&mine, 200, 30, 210)]);
    assert_eq!((mended.standing(), mended.events().len()), (LogStanding::Sound, 3));
    assert!(mended.names(&key(7).public()) && !mended.names(&key(8).public()));
    assert!(!mended.extends(&grown(&first, &[&theirs])));

    // Another update of the thief with the old root key changes nothing any more.
    let late =
        sign(first.state(), IdentityEvent::update(link_behind(first.state(), 9), adds(9)), &[1]);
    assert_eq!(outcome(&grown(&mended, &[&late])), outcome(&mended));
}

#[test]
fn a_rotation_wins_at_whatever_position() {
    let first = begun(1);
    // The thief has a line of three updates; the owner rotated behind the first event.
    let mut thief = first.clone();
    let mut forged = Vec::new();
    for operator in 7..10 {
        let event = update(&thief, adds(operator), 1);
        thief = grown(&thief, &[&event]);
        forged.push(event);
    }
    let rotation = rotate(&first, 200, 30, 210);
    let after = grown(&thief, &[&rotation]);
    assert_eq!(outcome(&after).0, [first.head().id().0, rotation.id().0]);
    // The other way round it is the same.
    let before = grown(&first, &[&rotation]);
    assert_eq!(outcome(&grown(&before, &forged.iter().collect::<Vec<_>>())), outcome(&after));
}

#[test]
fn two_rotations_are_disputed_for_good() {
    let first = begun(1);
    let (one, other) = (rotate(&first, 200, 30, 210), rotate(&first, 201, 40, 220));
    let disputed = grown(&first, &[&one, &other]);
    assert_eq!(outcome(&disputed), (vec![first.head().id().0], LogStanding::Disputed));
    let line = grown(&first, &[&one]);
    let next = sign(line.state(), IdentityEvent::update(link(&line), adds(7)), &[30]);
    assert_eq!(outcome(&grown(&disputed, &[&next])), outcome(&disputed));
}

#[test]
fn any_order_of_arrival_gives_one_outcome() {
    let first = begun(1);
    let inception = first.head().clone();
    let one = update(&first, adds(7), 1);
    let line = grown(&first, &[&one]);
    let two = sign(line.state(), IdentityEvent::update(link(&line), adds(8)), &[1]);
    let forged =
        sign(line.state(), IdentityEvent::update(link_behind(line.state(), 5), adds(9)), &[1]);
    let forked =
        sign(first.state(), IdentityEvent::update(link_behind(first.state(), 5), adds(10)), &[1]);
    let longer = grown(&line, &[&two]);
    let rotation = rotate(&longer, 200, 30, 210);
    let rotated = grown(&longer, &[&rotation]);
    let last = sign(rotated.state(), IdentityEvent::update(link(&rotated), adds(11)), &[30]);
    let all = [&inception, &one, &two, &forged, &forked, &rotation, &last];
    let expected = outcome(&Log::join(vec![], all.map(Clone::clone).to_vec()).log.unwrap());
    assert_eq!((expected.0.len(), expected.1), (5, LogStanding::Sound));
    for seed in 0..500 {
        let mut random = Random(seed);
        let mut order: Vec<&SignedEvent> = all.to_vec();
        random.shuffle(&mut order);
        // What cannot be placed is asked for again, as catch-up does.
        let (mut held, mut waiting) = (Vec::new(), Vec::new());
        for event in order {
            waiting.push(event.clone());
            let join = Log::join(held.clone(), waiting.clone());
            let Some(log) = join.log else { continue };
            held = log.events().iter().chain(log.others()).cloned().collect();
            waiting.retain(|event| held.iter().all(|kept| kept.id() != event.id()));
        }
        assert_eq!(waiting, [], "seed {seed}");
        assert_eq!(outcome(&Log::join(held, vec![]).log.unwrap()), expected, "seed {seed}");
    }
}

#[test]
fn whoever_has_every_root_key_neither_rotates_nor_ends_the_log() {
    let first = begun(3);
    let rotation = {
        let event = IdentityEvent::rotate(
            link(&first),
            Changes::default(),
            public(&[200]),
            keys(&[30], &[210], 1),
        );
        sign(first.state(), event, &[200, 30])
    };
    let rotated = grown(&first, &[&rotation]);
    let mut random = Random(3);
    let mut refused = 0;
    for attempt in 0..1_000 {
        // Before the honest rotation and after it, with the keys of before and of after.
        let log = if attempt % 2 == 0 { &first } else { &rotated };
        let stolen: &[u8] = if attempt % 2 == 0 { &[1, 2, 3] } else { &[1, 2, 3, 30] };
        let mut pool: Vec<u8> = stolen.iter().copied().chain([90, 91]).collect();
        random.shuffle(&mut pool);
        let revealed = match random.below(3) {
            // A digest is public, the key behind it is not.
            0 => public(&pool[..1]),
            1 => public(&pool[..2]),
            _ => public(&[[200, 210][random.below(2)]]),
        };
        let place = link_behind([first.state(), log.state()][random.below(2)], attempt);
        let keys = keys(&[92], &[93], 1);
        let event = match random.below(2) {
            0 => IdentityEvent::rotate(place, Changes::default(), revealed, keys),
            _ => IdentityEvent::deactivate(place, Changes::default(), revealed),
        };
        let forged = sign(log.state(), event, &[pool.as_slice(), &[92]].concat());
        let joined = join(log, &[&forged]);
        refused += joined.refused.len();
        assert_eq!(outcome(&joined.log.unwrap()), outcome(log), "attempt {attempt}");
    }
    assert_eq!(refused, 1_000);
}

#[test]
fn a_flood_of_updates_neither_fills_the_disk_nor_shuts_out_a_rotation() {
    let first = begun(1);
    let mut log = first.clone();
    let forged = |n: u64| {
        let mut place = link_behind(first.state(), n);
        place.created_ms = Timestamp(n);
        sign(first.state(), IdentityEvent::update(place, adds(7)), &[1])
    };
    for start in 0..20 {
        let flood: Vec<_> = (0..50).map(|n| forged(start * 50 + n)).collect();
        log = grown(&log, &flood.iter().collect::<Vec<_>>());
        let bytes: usize = log.others().iter().map(|event| event.encode().len()).sum();
        assert!(bytes < 2 * OTHERS_BYTES_MAX, "{bytes} bytes");
        assert_eq!(log.standing(), LogStanding::Frozen);
    }
    let own = update(&first, adds(8), 1);
    let rotation = rotate(&grown(&first, &[&own]), 200, 30, 210);
    let mended = grown(&log, &[&own, &rotation]);
    assert_eq!((mended.standing(), mended.events().len()), (LogStanding::Sound, 3));
}
