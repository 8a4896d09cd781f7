//! Days, months and windows by the operator's clock.
//!
//! Invariant: arithmetic alone: the offset from UTC is given, and no clock is read.
//! Not here: where the offset comes from (`node`).
//! Spec: docs/OPERATIONS.md, "Budgets, windows and profiles".

use std::{fmt, ops::Range, str::FromStr};

use baraza_record::Timestamp;

/// Milliseconds of a day.
pub(super) const DAY_MS: u64 = 86_400_000;

const MINUTE_MS: i64 = 60_000;
const DAY_MINUTES: u16 = 24 * 60;

/// Minutes by which a clock is ahead of UTC or behind it at most: a day.
const OFFSET_MINUTES_MAX: i32 = 24 * 60;

/// A moment by the operator's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Local {
    /// Days since 1970-01-01 there.
    pub(super) day: i64,
    /// Milliseconds of the day.
    ms: i64,
    offset_ms: i64,
}

impl Local {
    pub(super) fn at(now: Timestamp, offset_minutes: i32) -> Self {
        let offset = offset_minutes.clamp(-OFFSET_MINUTES_MAX, OFFSET_MINUTES_MAX);
        let offset_ms = i64::from(offset) * MINUTE_MS;
        let local = i64::try_from(now.0).unwrap_or(i64::MAX).saturating_add(offset_ms);
        let day_ms = DAY_MS.cast_signed();
        Self { day: local.div_euclid(day_ms), ms: local.rem_euclid(day_ms), offset_ms }
    }

    /// Returns the minute of the day.
    pub(super) fn minute(&self) -> u16 {
        u16::try_from(self.ms / MINUTE_MS).unwrap_or(DAY_MINUTES - 1)
    }

    /// Returns the beginning of the minute that many minutes later.
    pub(super) fn minutes_later(&self, minutes: u16) -> Timestamp {
        let minute = i64::from(self.minute()) + i64::from(minutes);
        self.utc(self.day, minute * MINUTE_MS)
    }

    pub(super) fn next_day(&self) -> Timestamp {
        self.utc(self.day.saturating_add(1), 0)
    }

    pub(super) fn next_month(&self) -> Timestamp {
        self.utc(self.days_of_month().end, 0)
    }

    /// Returns the days of the month.
    pub(super) fn days_of_month(&self) -> Range<i64> {
        let (month, first) = month_of(self.day);
        let next = (28..=31).map(|days| first + days).find(|day| month_of(*day).0 != month);
        first..next.unwrap_or(first + 31)
    }

    fn utc(&self, day: i64, ms: i64) -> Timestamp {
        let local = day.saturating_mul(DAY_MS.cast_signed()).saturating_add(ms);
        Timestamp(u64::try_from(local.saturating_sub(self.offset_ms)).unwrap_or(0))
    }
}

/// Returns the month of a day, 1 to 12, and the first day of it.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn month_of(day: i64) -> (i64, i64) {
    let days = day.saturating_add(719_468); // from 0000-03-01
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153; // March is 0
    let day_of_month = day_of_year - (153 * shifted_month + 2) / 5;
    ((shifted_month + 2) % 12 + 1, day - day_of_month)
}

/// Hours of the day in which background traffic may go, such as `22:00-06:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    from: u16,
    /// At most the length of a day; before `from`: on the day after.
    to: u16,
}

impl Window {
    fn holds(&self, minute: u16) -> bool {
        match self.from < self.to {
            true => (self.from..self.to).contains(&minute),
            false => self.from <= minute || minute < self.to,
        }
    }
}

/// Why a text is no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no window of the day: it is written like 22:00-06:00")]
pub struct WindowError {
    text: String,
}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let fail = || WindowError { text: text.chars().take(40).collect() };
        let (from, to) = text.split_once('-').ok_or_else(fail)?;
        let minute = |time: &str| {
            let (hour, minute) = time.trim().split_once(':')?;
            let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            if !digits(hour) || !digits(minute) {
                return None;
            }
            let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
            let sum = hour * 60 + minute;
            (minute < 60 && sum <= DAY_MINUTES).then_some(sum)
        };
        let (from, to) = (minute(from).ok_or_else(fail)?, minute(to).ok_or_else(fail)?);
        // What is never or always open says nothing that a person can have meant.
        match from < DAY_MINUTES && from != to {
            true => Ok(Self { from, to }),
            false => Err(fail()),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = [self.from, self.to].map(|m| (m / 60, m % 60));
        write!(f, "{:02}:{:02}-{:02}:{:02}", from.0, from.1, to.0, to.1)
    }
}

/// Returns whether a minute is in a window, or there is none.
pub(super) fn open(windows: &[Window], minute: u16) -> bool {
    windows.is_empty() || windows.iter().any(|window| window.holds(minute))
}

/// Returns in how many minutes the next window begins.
pub(super) fn opens(windows: &[Window], minute: u16) -> Option<u16> {
    let wait = |window: &Window| (window.from + DAY_MINUTES - minute) % DAY_MINUTES;
    windows.iter().map(wait).min()
}
