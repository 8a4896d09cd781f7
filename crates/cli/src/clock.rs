//! The clock of the command line, and times in words.
//!
//! Invariant: the clock is read here and nowhere else in this crate.
//! Spec: docs/OPERATIONS.md, "Output".

use std::time::{SystemTime, UNIX_EPOCH};

use baraza_record::Timestamp;

const MINUTE_MS: u64 = 60 * 1_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Ages are given up to this many days: an older date says more than its age.
const AGE_DAYS_MAX: u64 = 60;

/// Returns the time by this machine's clock; 0 if that stands before 1970.
#[expect(clippy::disallowed_methods, reason = "the one place of this crate that reads the clock")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Returns `ms` as a day: `2026-03-01`.
pub fn day(ms: u64) -> String {
    let (year, month, day) = civil(ms / DAY_MS);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Returns `ms` as day, time and age: `2026-03-01 09:30 UTC (3 min ago)`.
pub(crate) fn moment(ms: u64, now: Timestamp) -> String {
    let (hour, minute) = (ms % DAY_MS / HOUR_MS, ms % HOUR_MS / MINUTE_MS);
    let age = age(ms, now).map(|age| format!(" ({age})")).unwrap_or_default();
    format!("{} {hour:02}:{minute:02} UTC{age}", day(ms))
}

/// Returns a moment to come as day, time and how long it takes: `2026-03-01 09:30 UTC (in 3 h)`.
pub(crate) fn later(ms: u64, now: Timestamp) -> String {
    let (hour, minute) = (ms % DAY_MS / HOUR_MS, ms % HOUR_MS / MINUTE_MS);
    format!("{} {hour:02}:{minute:02} UTC (in {})", day(ms), wait(ms.saturating_sub(now.0)))
}

/// Returns a length of time in words, in one unit.
pub(crate) fn wait(ms: u64) -> String {
    // 119 minutes are 2 h, and 90 s are 2 min: nobody counts on less than that.
    let rounded = |unit: u64| ms.saturating_add(unit / 2) / unit;
    match ms {
        0..MINUTE_MS => format!("{} s", ms.div_ceil(1_000)),
        MINUTE_MS..HOUR_MS => format!("{} min", rounded(MINUTE_MS)),
        HOUR_MS..DAY_MS => format!("{} h", rounded(HOUR_MS)),
        _ => match rounded(DAY_MS) {
            1 => "1 day".to_owned(),
            days => format!("{days} days"),
        },
    }
}

fn age(ms: u64, now: Timestamp) -> Option<String> {
    let age_ms = match now.0.checked_sub(ms) {
        Some(age_ms) => age_ms,
        None if ms - now.0 < MINUTE_MS => 0,
        None => return Some("ahead of this machine's clock".to_owned()),
    };
    match age_ms {
        0..MINUTE_MS => Some("just now".to_owned()),
        MINUTE_MS..HOUR_MS => Some(format!("{} min ago", age_ms / MINUTE_MS)),
        HOUR_MS..DAY_MS => Some(format!("{} h ago", age_ms / HOUR_MS)),
        _ => match age_ms / DAY_MS {
            1 => Some("1 day ago".to_owned()),
            days if days <= AGE_DAYS_MAX => Some(format!("{days} days ago")),
            _ => None,
        },
    }
}

/// Returns year, month and day of a number of days since 1970-01-01, in the Gregorian calendar.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153; // March is 0
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_the_calendar() {
        for (ms, text) in [
            (0, "1970-01-01"),
            (951_782_400_000, "2000-02-29"),
            (951_868_800_000, "2000-03-01"),
            (1_772_323_199_999, "2026-02-28"),
            (4_107_542_400_000, "2100-03-01"),
        ] {
            assert_eq!(day(ms), text, "{ms}");
        }
        assert!(!day(u64::MAX).is_empty());
    }

    #[test]
    fn waits_in_words() {
        for (ms, text) in [
            (0, "0 s"),
            (1, "1 s"),
            (59_001, "60 s"),
            (90_000, "2 min"),
            (4 * HOUR_MS - 1, "4 h"),
            (DAY_MS, "1 day"),
            (9 * DAY_MS, "9 days"),
        ] {
            assert_eq!(wait(ms), text, "{ms}");
        }
        assert_eq!(later(HOUR_MS * 9, Timestamp(HOUR_MS * 5)), "1970-01-01 09:00 UTC (in 4 h)");
        assert!(!later(u64::MAX, Timestamp(0)).is_empty());
    }

    #[test]
    fn ages_in_words() {
        let now = Timestamp(1_000 * DAY_MS);
        for (before_ms, text) in [
            (0, Some("just now")),
            (MINUTE_MS, Some("1 min ago")),
            (HOUR_MS - 1, Some("59 min ago")),
            (DAY_MS - 1, Some("23 h ago")),
            (DAY_MS, Some("1 day ago")),
            (60 * DAY_MS, Some("60 days ago")),
            (61 * DAY_MS, None),
        ] {
            assert_eq!(age(now.0 - before_ms, now).as_deref(), text, "{before_ms}");
        }
        assert_eq!(age(now.0 + 1, now).as_deref(), Some("just now"));
        assert_eq!(age(u64::MAX, now).as_deref(), Some("ahead of this machine's clock"));
        assert_eq!(moment(HOUR_MS * 9, now), "1970-01-01 09:00 UTC");
    }
}
