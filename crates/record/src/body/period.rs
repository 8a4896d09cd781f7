//! Dates, and periods known only roughly.
//!
//! A subset of the Extended Date/Time Format (ISO 8601-2): days, months and years; `?`
//! uncertain, `~` approximate, `%` both; `X` for an unknown digit; intervals, `..` for an open
//! end, an empty end for an unknown one. Seasons, times of day and years before 0 are not in it.
//! Spec: docs/RECORDS.md, code systems.

/// Most characters of a period that is looked at; `2001-01-01~/2002-02-02~` has 23.
const PERIOD_CHARS_MAX: usize = 40;

/// The years that a period can cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// First year; absent if the start is open or unknown.
    pub first_year: Option<u16>,
    /// Last year; absent if the end is open or unknown.
    pub last_year: Option<u16>,
}

/// Why a text is not a period.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// Not a date and not an interval.
    #[error("`{text}` is not a date or interval such as 2019, 2019-05, 199X, 2019~ or 2019/..")]
    Malformed {
        /// What was given, cut to 40 characters.
        text: String,
    },
    /// The interval ends before it starts.
    #[error("`{text}` ends before it starts")]
    Reversed {
        /// What was given.
        text: String,
    },
}

/// Year, month and day.
type Day = (u16, u16, u16);

/// Reads a date or an interval.
///
/// # Errors
///
/// [`PeriodError`].
pub fn parse_period(text: &str) -> Result<Period, PeriodError> {
    let malformed =
        || PeriodError::Malformed { text: text.chars().take(PERIOD_CHARS_MAX).collect() };
    if PERIOD_CHARS_MAX < text.len() {
        return Err(malformed());
    }
    let (start, end) = match text.split_once('/') {
        None => {
            let days = point(text).ok_or_else(malformed)?;
            (Some(days), Some(days))
        }
        Some((start, end)) => {
            (bound(start).ok_or_else(malformed)?, bound(end).ok_or_else(malformed)?)
        }
    };
    match (start, end) {
        (None, None) => Err(malformed()),
        (Some((earliest, _)), Some((_, latest))) if latest < earliest => {
            Err(PeriodError::Reversed { text: text.to_owned() })
        }
        _ => Ok(Period {
            first_year: start.map(|((year, ..), _)| year),
            last_year: end.map(|(_, (year, ..))| year),
        }),
    }
}

/// Returns whether `text` is a day of the calendar, as `2026-02-28`.
pub fn is_date(text: &str) -> bool {
    let digits_only = text.len() == 10 && text.bytes().all(|c| c.is_ascii_digit() || c == b'-');
    digits_only && point(text).is_some()
}

/// Reads one end of an interval: `Some(None)` if it is open or unknown.
fn bound(text: &str) -> Option<Option<(Day, Day)>> {
    match text {
        "" | ".." => Some(None),
        _ => point(text).map(Some),
    }
}

/// Returns the first and the last day that a date can mean.
fn point(text: &str) -> Option<(Day, Day)> {
    let text = text.strip_suffix(['?', '~', '%']).unwrap_or(text);
    let mut parts = text.split('-');
    let years = year(parts.next()?)?;
    let months = part(parts.next(), 12, years.0 == years.1)?;
    let month_known = years.0 == years.1 && months.0 == months.1;
    let days = part(parts.next(), days_in(years.1, months.1), month_known)?;
    let whole = parts.next().is_none();
    whole.then_some(((years.0, months.0, days.0), (years.1, months.1, days.1)))
}

/// Reads four digits of which the last one or two may be `X`.
fn year(text: &str) -> Option<(u16, u16)> {
    let known = text.trim_end_matches('X');
    if text.len() != 4 || known.len() < 2 || !known.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    Some((text.replace('X', "0").parse().ok()?, text.replace('X', "9").parse().ok()?))
}

/// Reads a month or day: absent and `XX` mean any; a number needs what is above it to be known.
fn part(text: Option<&str>, max: u16, above_known: bool) -> Option<(u16, u16)> {
    match text {
        None | Some("XX") => Some((1, max)),
        Some(digits) if above_known && digits.len() == 2 => {
            let digits = Some(digits).filter(|d| d.bytes().all(|c| c.is_ascii_digit()))?;
            let number = digits.parse().ok().filter(|number| (1..=max).contains(number))?;
            Some((number, number))
        }
        Some(_) => None,
    }
}

fn days_in(year: u16, month: u16) -> u16 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_cover_years() {
        for (text, first_year, last_year) in [
            ("2019", Some(2019), Some(2019)),
            ("2019-05-31?", Some(2019), Some(2019)),
            ("2020-02-29", Some(2020), Some(2020)),
            ("199X", Some(1990), Some(1999)),
            ("20XX~", Some(2000), Some(2099)),
            ("2004-XX", Some(2004), Some(2004)),
            ("2004-06-XX", Some(2004), Some(2004)),
            ("2019/2023", Some(2019), Some(2023)),
            ("2001~/..", Some(2001), None),
            ("../2001-05", None, Some(2001)),
            ("2001/", Some(2001), None),
            ("2001-06/2001-06", Some(2001), Some(2001)),
            ("199X/1995", Some(1990), Some(1995)),
        ] {
            assert_eq!(parse_period(text), Ok(Period { first_year, last_year }), "{text}");
        }
    }

    #[test]
    fn what_is_no_period_is_refused() {
        let long = "2019".repeat(100);
        for text in [
            "",
            "/",
            "../..",
            "19",
            "19XXX",
            "1XXX",
            "X999",
            "19X9",
            "2019-13",
            "2019-00",
            "2019-5",
            "2019-02-30",
            "1900-02-29",
            "2019-05-01-01",
            "199X-05",
            "2004-XX-05",
            "2019??",
            "+019",
            "2019-+5",
            "2019/2020/2021",
            "last year",
            "२०१९",
            "2019-",
            "2019/ 2020",
            &long,
        ] {
            assert!(matches!(parse_period(text), Err(PeriodError::Malformed { .. })), "{text}");
        }
        for text in ["2020/2019", "2020-05-02/2020-05-01", "2020/199X"] {
            assert!(matches!(parse_period(text), Err(PeriodError::Reversed { .. })), "{text}");
        }
    }

    #[test]
    fn a_date_is_a_known_day() {
        assert!(is_date("2026-02-28") && is_date("2024-02-29"));
        for text in
            ["2026-02-29", "2026-02", "2026-02-XX", "2026-2-28", "2026-02-28?", "2026-02-1~", ""]
        {
            assert!(!is_date(text), "{text}");
        }
    }
}
