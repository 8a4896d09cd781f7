//! From the words of a filter to what an index is asked, and the same test without an index.
//!
//! Invariant: a word that means nothing is an error; several values of one member are
//! alternatives.
//! Spec: docs/OPERATIONS.md, "API".

use std::fmt::Display;

use baraza_api::Filter;
use baraza_protocol::{
    effective::{View, codes},
    index::Query,
    policy::Rules,
    store::StoreRead,
};
use baraza_record::{
    CentreId, Kind, Timestamp, body,
    language::{canonical_language, primary_language},
    vocab,
};

use crate::{failure::Failure, resolve};

/// Most changes that one request for a list looks through; the reply says where to go on.
///
/// A record has 2 KB as a rule and 256 KiB at most: the worst page reads half a gigabyte.
/// Source: docs/LIMITS.md.
pub const SCAN_MAX: usize = 2_000;

/// Stands for every nation that is trusted.
const ANY: &str = "any";

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// Reads a filter.
pub(crate) fn query(
    reader: &dyn StoreRead,
    rules: &Rules,
    filter: &Filter,
) -> Result<Query, Failure> {
    let sdg = values("sdg", filter.sdg.as_deref(), vocab::parse_sdg)?;
    let goals: Vec<_> = sdg.iter().filter(|sdg| sdg.target.is_none()).map(|sdg| sdg.goal).collect();
    let targets: Vec<_> = sdg.iter().filter_map(|sdg| sdg.target).map(str::to_owned).collect();
    if !goals.is_empty() && !targets.is_empty() {
        return Err(Failure::bad_request("filter `sdg` takes goals or targets, not both at once"));
    }
    let centres = items(filter.centre.as_deref()).map(|text| resolve::centre(reader, text));
    Ok(Query {
        kinds: values("kind", filter.kind.as_deref(), kind)?,
        countries: values("country", filter.country.as_deref(), vocab::parse_country)?,
        regions: values("region", filter.region.as_deref(), region)?,
        goals,
        targets,
        languages: values("language", filter.language.as_deref(), language)?,
        centres: centres.collect::<Result<_, _>>()?,
        within: filter.accredited_by.as_deref().map(|by| accredited(rules, by)).transpose()?,
        since: filter.since.as_deref().map(|text| day("since", text)).transpose()?,
        until: filter
            .until
            .as_deref()
            .map(|text| day("until", text).map(|start| start.plus_ms(DAY_MS - 1)))
            .transpose()?,
        ..Query::default()
    })
}

/// Returns whether a record is what the filter of `query` asks for.
pub(crate) fn matches(query: &Query, view: &View) -> bool {
    let header = view.record.header();
    let listed = |name| view.body.as_ref().map(|body| codes(body, name)).unwrap_or_default();
    let language = primary_language(&header.language);
    any(&query.kinds, |kind| header.kind == *kind)
        && any(&query.goals, |goal| header.goals.contains(*goal))
        && any(&query.languages, |wanted| language.eq_ignore_ascii_case(wanted))
        && any(&query.centres, |centre| header.centre == *centre)
        && query.within.as_ref().is_none_or(|within| within.contains(&header.centre))
        && query.since.is_none_or(|since| since <= header.created_ms)
        && query.until.is_none_or(|until| header.created_ms <= until)
        && any(&query.targets, |target| {
            let is_target = |sdg: vocab::Sdg| sdg.target == Some(target.as_str());
            listed("sdg").iter().any(|code| vocab::parse_sdg(code).is_ok_and(is_target))
        })
        && any(&query.countries, |country| listed("countries").contains(country))
        && any(&query.regions, |region| {
            let around = |country: &String| vocab::regions_of(country).contains(&region.as_str());
            listed("regions").contains(region) || listed("countries").iter().any(around)
        })
}

/// Returns the centres for which the nation of a country vouches, or any nation trusted here.
fn accredited(rules: &Rules, by: &str) -> Result<Vec<CentreId>, Failure> {
    if by == ANY {
        return Ok(rules.accreditations.accredited_by(None));
    }
    let country = vocab::parse_country(by)
        .map_err(|error| Failure::bad_request(format!("filter `accredited_by`: {error}")))?;
    if rules.trust.pins.iter().any(|pin| pin.country == country) {
        return Ok(rules.accreditations.accredited_by(Some(&country)));
    }
    Err(Failure::bad_request(format!("filter `accredited_by`: no nation is trusted for {country}"))
        .hint(format!("baraza trust add --country {country} ID")))
}

fn any<T>(wanted: &[T], has: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(has)
}

fn items(list: Option<&str>) -> impl Iterator<Item = &str> {
    list.into_iter().flat_map(|list| list.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

fn values<T, E: Display>(
    name: &str,
    list: Option<&str>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, Failure> {
    let parse = |item| {
        parse(item).map_err(|error| Failure::bad_request(format!("filter `{name}`: {error}")))
    };
    items(list).map(parse).collect()
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::from_name(name).ok_or_else(|| {
        let known: Vec<_> = Kind::KNOWN.iter().map(|(_, name)| *name).collect();
        format!("`{name}` is no kind; known are {}", known.join(", "))
    })
}

fn region(code: &str) -> Result<String, String> {
    match vocab::region(code) {
        Some(region) => Ok(region.code.to_owned()),
        None => Err(format!("`{code}` is no M49 code of a region, such as 002")),
    }
}

fn language(tag: &str) -> Result<String, String> {
    let tag = canonical_language(tag).map_err(|error| error.to_string())?;
    Ok(primary_language(&tag).to_owned())
}

/// Returns the start of a day in UTC; of a day before 1970, the start of 1970.
fn day(name: &str, text: &str) -> Result<Timestamp, Failure> {
    let numbers: Vec<u64> = text.split('-').filter_map(|part| part.parse().ok()).collect();
    match numbers[..] {
        [year, month, day] if body::is_date(text) => Ok(Timestamp(days(year, month, day) * DAY_MS)),
        _ => Err(Failure::bad_request(format!(
            "filter `{name}`: `{text}` is no day such as 2026-02-28"
        ))),
    }
}

/// Returns the days from 1970-01-01 to a day of the Gregorian calendar, 0 for earlier ones.
fn days(year: u64, month: u64, day: u64) -> u64 {
    // Counted from March, so that the leap day ends a year; 719,468 days lie between
    // 0000-03-01 and 1970-01-01.
    let (year, month) =
        if month < 3 { (year.saturating_sub(1), month + 9) } else { (year, month - 3) };
    let before = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    before.saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use baraza_api::ErrorCode;
    use baraza_protocol::model::MemoryStore;
    use std::sync::Arc;

    fn rules() -> Rules {
        Rules {
            own: CentreId([1; 32]),
            policy: Arc::default(),
            trust: Arc::default(),
            accreditations: Arc::default(),
            now: Timestamp(0),
        }
    }

    #[test]
    fn days_are_counted_from_1970() {
        for (text, days) in [
            ("1969-12-31", 0),
            ("1970-01-01", 0),
            ("1970-03-01", 59),
            ("2000-02-29", 11_016),
            ("2000-03-01", 11_017),
            ("2026-11-24", 20_781),
        ] {
            assert_eq!(day("since", text).unwrap(), Timestamp(days * DAY_MS), "{text}");
        }
        for text in ["2026", "2026-13-01", "2026-02-30", "yesterday", "2026-1-1", "2026-01-01-01"] {
            assert!(day("since", text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_member_is_read_in_the_forms_that_people_write() {
        let store = MemoryStore::new(1);
        let some = |text: &str| Some(text.to_owned());
        let filter = Filter {
            kind: some("practice, lesson"),
            country: some("Kenya,UGA,,ke"),
            region: some("014"),
            sdg: some("6.2,SDG 1.A"),
            language: some("PT-br"),
            until: some("1970-01-01"),
            ..Filter::default()
        };
        let query = query(&store, &rules(), &filter).unwrap();
        assert_eq!(query.kinds, [Kind::PRACTICE, Kind::LESSON]);
        assert_eq!(query.countries, ["KE", "UG", "KE"]);
        assert_eq!(
            (&query.regions[..], &query.languages[..]),
            (&["014".into()][..], &["pt".into()][..])
        );
        assert_eq!(query.targets, ["6.2", "1.a"]);
        assert_eq!((query.since, query.until), (None, Some(Timestamp(DAY_MS - 1))));
    }

    #[test]
    fn a_word_without_meaning_is_an_error() {
        let store = MemoryStore::new(1);
        let check = |filter: Filter, said: &str| {
            let error = query(&store, &rules(), &filter).unwrap_err().0;
            assert_eq!(error.code, ErrorCode::BadRequest);
            assert!(error.message.contains(said), "{}", error.message);
        };
        let some = |text: &str| Some(text.to_owned());
        check(Filter { kind: some("recipe"), ..Filter::default() }, "known are practice");
        check(Filter { country: some("Kenia"), ..Filter::default() }, "KE");
        check(Filter { region: some("14"), ..Filter::default() }, "M49");
        check(Filter { sdg: some("18"), ..Filter::default() }, "`18`");
        check(Filter { sdg: some("6,6.2"), ..Filter::default() }, "not both");
        check(Filter { language: some("e"), ..Filter::default() }, "`e`");
        check(Filter { centre: some("abc"), ..Filter::default() }, "`abc`");
        check(Filter { accredited_by: some("KE"), ..Filter::default() }, "trusted for KE");
        check(Filter { accredited_by: some("nobody"), ..Filter::default() }, "`nobody`");
        check(Filter { until: some("today"), ..Filter::default() }, "`today`");
    }
}
