//! Tables of budgets, windows and pauses, with virtual time.

use baraza_record::Timestamp;

use super::{
    Allowance, Budget, Hold, HoldReason, PAUSE_MAX_MS, Profile, Purpose, TRAFFIC_DAYS_MAX, Terms,
    Used, Window,
};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// 2026-01-31 00:00 UTC.
const JANUARY_31: u64 = 20_484 * DAY;

fn at(ms: u64) -> Timestamp {
    Timestamp(JANUARY_31 + ms)
}

fn held(budget: &Budget, purpose: Purpose, now: Timestamp) -> Option<(HoldReason, Option<u64>)> {
    let hold = budget.held(purpose, now);
    hold.map(|Hold { why, until }| (why, until.map(|until| until.0 - JANUARY_31)))
}

fn with(terms: Terms) -> Budget {
    let mut budget = Budget::new(None);
    budget.set_terms(terms);
    budget
}

fn limited(day: Option<u64>, month: Option<u64>) -> Terms {
    let background = Allowance { day_bytes: day, month_bytes: month };
    Terms { background, ..Terms::default() }
}

fn windows(texts: &[&str]) -> Terms {
    let windows = texts.iter().map(|text| text.parse().unwrap()).collect();
    Terms { windows, ..Terms::default() }
}

#[test]
fn a_day_ends_at_midnight_and_a_month_with_its_last_day() {
    use Purpose::{Asked, Background};
    let mut budget = with(limited(Some(100), Some(150)));
    budget.count(Background, 99, at(HOUR));
    assert_eq!(held(&budget, Background, at(HOUR)), None);
    budget.count(Background, 1, at(2 * HOUR));
    assert_eq!(held(&budget, Background, at(2 * HOUR)), Some((HoldReason::Day, Some(DAY))));
    assert_eq!(held(&budget, Asked, at(2 * HOUR)), None, "what a person asks for is apart");
    // The next day is the first of another month.
    assert_eq!(held(&budget, Background, at(DAY)), None);
    budget.count(Background, 90, at(DAY));
    assert_eq!(held(&budget, Background, at(DAY)), None);
    budget.count(Background, 60, at(2 * DAY));
    // Used up for the month, until the first of March: February 2026 has 28 days.
    assert_eq!(held(&budget, Background, at(3 * DAY)), Some((HoldReason::Month, Some(29 * DAY))));
    assert_eq!(held(&budget, Background, at(29 * DAY)), None);
    assert_eq!(budget.month(at(3 * DAY)).background, 150);
    assert_eq!(budget.month(at(HOUR)).background, 100);
}

#[test]
fn ends_of_months() {
    for (day, next) in [
        (0, 31),          // 1970-01-01
        (58, 59),         // 1970-02-28
        (11_016, 11_017), // 2000-02-29
        (20_484, 20_485), // 2026-01-31
        (20_485, 20_513), // 2026-02-01
        (20_818, 20_819), // 2026-12-31
        (47_540, 47_541), // 2100-02-28: no leap year
    ] {
        let mut budget = with(limited(None, Some(1)));
        let now = Timestamp(day * DAY + HOUR);
        budget.count(Purpose::Background, 1, now);
        let hold = budget.held(Purpose::Background, now).unwrap();
        assert_eq!(hold.until, Some(Timestamp(next * DAY)), "day {day}");
    }
}

#[test]
fn the_day_is_the_one_of_the_operators_clock() {
    // 23:00 UTC is 02:00 in Nairobi and 18:00 in Bogotá.
    for (offset, next) in [(0, DAY), (180, DAY + 21 * HOUR), (-300, DAY + 5 * HOUR)] {
        let mut budget = with(Terms { utc_offset_minutes: offset, ..limited(Some(1), None) });
        budget.count(Purpose::Background, 1, at(23 * HOUR));
        let hold = held(&budget, Purpose::Background, at(23 * HOUR));
        assert_eq!(hold, Some((HoldReason::Day, Some(next))), "{offset}");
    }
}

#[test]
fn a_clock_that_is_set_back_and_forth_gives_nobody_an_allowance_twice() {
    let mut budget = with(limited(Some(100), None));
    budget.count(Purpose::Background, 100, at(HOUR));
    let year = 365 * DAY;
    assert_eq!(held(&budget, Purpose::Background, at(year)), None, "another day");
    budget.count(Purpose::Background, 100, at(year));
    assert_eq!(budget.day(at(2 * HOUR)).background, 100, "back: the day is as it was left");
    assert!(held(&budget, Purpose::Background, at(2 * HOUR)).is_some());
    assert_eq!(held(&budget, Purpose::Background, at(DAY)), None, "and the next one is new");
    // At the ends of time nothing overflows.
    for now in [Timestamp(0), Timestamp(u64::MAX)] {
        budget.count(Purpose::Background, u64::MAX, now);
        budget.count(Purpose::Background, u64::MAX, now);
        assert!(budget.held(Purpose::Background, now).is_some());
    }
}

#[test]
fn what_is_remembered_is_bounded_and_the_nearest_days_stay() {
    let mut budget = with(limited(None, None));
    for day in 0..300 {
        budget.count(Purpose::Background, 1, at(day * DAY));
    }
    assert_eq!(budget.days.len(), TRAFFIC_DAYS_MAX);
    assert_eq!(budget.day(at(299 * DAY)).background, 1);
    assert_eq!(budget.day(at(238 * DAY)).background, 1);
    assert_eq!(budget.day(at(237 * DAY)).background, 0);
}

#[test]
fn windows_open_and_close_also_over_midnight() {
    let night = &["22:00-06:00"][..];
    let two = &["12:30-13:00", "22:00-24:00"][..];
    let opens = |hours: u64| Some((HoldReason::Window, Some(hours * HOUR)));
    for (texts, now, expected) in [
        (night, 22 * HOUR, None),
        (night, 24 * HOUR - 1, None),
        (night, DAY + 6 * HOUR - 1, None),
        (night, 6 * HOUR, opens(22)),
        (night, 22 * HOUR - 1, opens(22)),
        (two, 12 * HOUR + 30 * MINUTE, None),
        (two, 13 * HOUR, opens(22)),
        (two, DAY - 1, None),
        (two, DAY, Some((HoldReason::Window, Some(DAY + 12 * HOUR + 30 * MINUTE)))),
        (&[][..], 3 * HOUR, None),
    ] {
        let budget = with(windows(texts));
        assert_eq!(held(&budget, Purpose::Background, at(now)), expected, "{texts:?} at {now}");
        assert_eq!(held(&budget, Purpose::Asked, at(now)), None, "a person need not wait for it");
    }
    let nairobi = with(Terms { utc_offset_minutes: 180, ..windows(night) });
    assert_eq!(held(&nairobi, Purpose::Background, at(19 * HOUR)), None);
    assert_eq!(held(&nairobi, Purpose::Background, at(4 * HOUR)), opens(19));
}

#[test]
fn a_hold_ends_when_everything_that_holds_has_ended() {
    // The day is used up in the evening; the next one begins outside the window.
    let mut budget =
        with(Terms { background: limited(Some(1), None).background, ..windows(&["20:00-23:00"]) });
    budget.count(Purpose::Background, 1, at(20 * HOUR));
    let next = Some((HoldReason::Day, Some(DAY + 20 * HOUR)));
    assert_eq!(held(&budget, Purpose::Background, at(21 * HOUR)), next);
    // A pause until 22:00 ends within a day that is used up.
    budget.pause(Some(HOUR), at(21 * HOUR));
    let next = Some((HoldReason::Paused, Some(DAY + 20 * HOUR)));
    assert_eq!(held(&budget, Purpose::Background, at(21 * HOUR)), next);
    assert_eq!(
        held(&budget, Purpose::Asked, at(21 * HOUR)),
        Some((HoldReason::Paused, Some(22 * HOUR)))
    );
}

#[test]
fn windows_are_written_in_one_way() {
    for text in ["22:00-06:00", "00:00-24:00", "09:30-09:31"] {
        assert_eq!(text.parse::<Window>().unwrap().to_string(), text);
    }
    for wrong in [
        "",
        "22-6",
        "22:00",
        "22:00-25:00",
        "24:00-06:00",
        "1:00-2:00",
        "10:60-11:00",
        "10:00-10:00",
        "+1:00-02:00",
        "22:00-06:00-07:00",
        "24:01-01:00",
    ] {
        let error = wrong.parse::<Window>().unwrap_err().to_string();
        assert!(error.contains("22:00-06:00"), "{wrong}: {error}");
    }
}

#[test]
fn a_pause_ends_by_itself_or_by_hand_and_no_clock_prolongs_it() {
    let mut budget = with(Terms::default());
    budget.pause(Some(4 * HOUR), at(HOUR));
    assert_eq!(held(&budget, Purpose::Asked, at(HOUR)), Some((HoldReason::Paused, Some(5 * HOUR))));
    assert_eq!(held(&budget, Purpose::Asked, at(5 * HOUR)), None);
    budget.tick(at(5 * HOUR));
    assert!(!budget.resume(), "it was over");

    budget.pause(Some(4 * HOUR), at(400 * DAY));
    budget.tick(at(0));
    assert_eq!(held(&budget, Purpose::Asked, at(0)), Some((HoldReason::Paused, Some(4 * HOUR))));

    budget.pause(None, at(0));
    assert_eq!(held(&budget, Purpose::Asked, at(900 * DAY)), Some((HoldReason::Paused, None)));
    assert!(budget.resume());
    assert_eq!(held(&budget, Purpose::Asked, at(0)), None);

    budget.pause(Some(u64::MAX), at(0));
    assert_eq!(
        held(&budget, Purpose::Asked, at(0)),
        Some((HoldReason::Paused, Some(PAUSE_MAX_MS)))
    );
}

#[test]
fn what_is_urgent_goes_until_the_reserve_is_used_up() {
    let mut budget = with(Terms { reserve_day_bytes: 10, ..limited(Some(100), None) });
    budget.count(Purpose::Background, 100, at(0));
    assert_eq!((budget.urgent(at(0)), budget.reserve_left(at(0))), (true, 10));
    budget.count(Purpose::Background, 9, at(0));
    budget.count(Purpose::Asked, 500, at(0));
    assert_eq!((budget.urgent(at(0)), budget.reserve_left(at(0))), (true, 1));
    budget.count(Purpose::Background, 50, at(0));
    assert_eq!((budget.urgent(at(0)), budget.reserve_left(at(0))), (false, 0));
    assert_eq!(budget.day(at(0)), Used { background: 159, asked: 500, reserve: 59 });
    assert!(budget.urgent(at(DAY)));
}

#[test]
fn a_restart_finds_what_was_used_and_the_pause() {
    let mut budget = with(limited(Some(100), None));
    assert_eq!(budget.changes(), None, "nothing to keep yet");
    budget.count(Purpose::Background, 70, at(0));
    budget.count(Purpose::Asked, 7, at(DAY));
    budget.pause(Some(4 * HOUR), at(DAY));
    let kept = budget.changes().unwrap();
    assert_eq!(budget.changes(), None, "only what changed");
    let mut again = Budget::new(Some(&kept));
    again.set_terms(limited(Some(100), None));
    assert_eq!(again, budget);
    for damaged in [&kept[..kept.len() - 1], b"", &[0xff; 40]] {
        assert_eq!(Budget::new(Some(damaged)), Budget::new(None));
    }
}

#[test]
fn profiles_have_names_and_what_they_promise() {
    for (profile, name) in Profile::ALL {
        assert_eq!((profile.name(), Profile::from_name(name)), (name, Some(profile)));
        assert_eq!(profile.terms().profile, profile);
    }
    assert_eq!(Profile::from_name("cheap"), None);
    let metered = Profile::Metered.terms();
    assert!(30 * MINUTE <= metered.compare_every_ms && metered.connections <= 2);
    assert!(120 < metered.ping_every_s && metered.background.month_bytes.is_some());
    assert!(Profile::LanOnly.terms().private_only);
    assert_eq!(Profile::Seed.terms().background, Allowance::default());
}
