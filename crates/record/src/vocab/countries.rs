//! Countries and areas: ISO 3166-1 codes, names in six languages, M49 regions, UN groups.
//!
//! Invariant: every name and code of a country parses back to that country.
//! The names are those of the source; they imply no opinion on the status of any country,
//! territory or area.
//! Spec: docs/RECORDS.md, code systems.

use std::{collections::BTreeMap, sync::LazyLock};

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::{language_place, rows};

/// Languages in which every country has a name, in the order of the table.
pub const NAME_LANGUAGES: [&str; 6] = ["en", "fr", "es", "ar", "ru", "zh"];

/// Most letters that may differ between what was written and the name that is suggested.
const SUGGESTION_DISTANCE_MAX: usize = 2;

/// Most characters of a text that is compared with names; the longest name has 62.
const NAME_CHARS_MAX: usize = 100;

/// A country or area of ISO 3166-1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Country {
    /// ISO 3166-1 alpha-2 code: the one that records use.
    pub alpha2: &'static str,
    /// ISO 3166-1 alpha-3 code.
    pub alpha3: &'static str,
    /// ISO 3166-1 numeric code, three digits.
    pub numeric: &'static str,
    /// M49 codes of region, sub-region and intermediate region, widest first; any may be absent.
    pub regions: [Option<&'static str>; 3],
    /// One of the least developed countries.
    pub ldc: bool,
    /// One of the land-locked developing countries.
    pub lldc: bool,
    /// One of the small island developing States.
    pub sids: bool,
    names: [&'static str; 6],
    other_names: Vec<&'static str>,
}

impl Country {
    /// Returns the name in the language of a BCP 47 tag, in English if there is none.
    pub fn name(&self, language: &str) -> &'static str {
        self.names[language_place(&NAME_LANGUAGES, language).unwrap_or(0)]
    }
}

/// Why a text is not a country.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CountryError {
    /// Neither a code nor a name.
    #[error("`{text}` is not a country code or name")]
    Unknown {
        /// What was given, cut to 100 characters.
        text: String,
    },
    /// Not a name, but one differs by a letter or two.
    #[error("`{text}` is not a country code or name; is {name} ({alpha2}) meant?")]
    Near {
        /// What was given, cut to 100 characters.
        text: String,
        /// English name of the country that is close.
        name: &'static str,
        /// Its code.
        alpha2: &'static str,
    },
}

static COUNTRIES: LazyLock<Vec<Country>> = LazyLock::new(|| {
    let table = include_str!("../../data/tables/countries.tsv");
    rows::<14>(table).map(read_country).collect()
});

/// Every code and folded name, with the country's place in the table.
static INDEX: LazyLock<BTreeMap<String, usize>> = LazyLock::new(|| {
    let mut index = BTreeMap::new();
    for (place, country) in COUNTRIES.iter().enumerate() {
        let codes = [country.alpha2, country.alpha3, country.numeric];
        for text in codes.iter().chain(&country.names).chain(&country.other_names) {
            index.insert(fold(text), place);
        }
    }
    index
});

/// Returns all countries, by alpha-2 code.
pub fn countries() -> &'static [Country] {
    &COUNTRIES
}

/// Returns the country with this alpha-2 code, in capitals.
pub fn country(code: &str) -> Option<&'static Country> {
    let place = COUNTRIES.binary_search_by(|country| country.alpha2.cmp(code)).ok()?;
    COUNTRIES.get(place)
}

/// Returns whether a record may name this country: an alpha-2 code of ISO 3166-1, or one
/// that the standard leaves to its users, `XA` to `XZ` and `ZZ`, for what it does not list.
pub fn is_country_code(code: &str) -> bool {
    let user_assigned = matches!(code.as_bytes(), [b'X', b'A'..=b'Z'] | b"ZZ");
    user_assigned || country(code).is_some()
}

/// Returns the alpha-2 code of the country that a person wrote as alpha-2, alpha-3 or numeric
/// code or as a name in one of [`NAME_LANGUAGES`], whatever its case, accents and punctuation.
///
/// # Errors
///
/// [`CountryError`], with a suggestion if an English name is close.
pub fn parse_country(text: &str) -> Result<String, CountryError> {
    let text: String = text.trim().chars().take(NAME_CHARS_MAX).collect();
    let code = text.to_ascii_uppercase();
    if is_country_code(&code) {
        return Ok(code);
    }
    let folded = fold(&text);
    let numeric = text.parse::<u16>().ok().map(|number| format!("{number:03}"));
    let place = INDEX.get(&folded).or_else(|| INDEX.get(&numeric?));
    if let Some(country) = place.and_then(|place| COUNTRIES.get(*place)) {
        return Ok(country.alpha2.to_owned());
    }
    let near = COUNTRIES
        .iter()
        .map(|country| (strsim::osa_distance(&folded, &fold(country.names[0])), country));
    // A short text is close to many names.
    let distance_max = SUGGESTION_DISTANCE_MAX.min(folded.chars().count() / 3);
    match near.min_by_key(|(distance, _)| *distance) {
        Some((distance, country)) if distance <= distance_max => {
            Err(CountryError::Near { text, name: country.names[0], alpha2: country.alpha2 })
        }
        _ => Err(CountryError::Unknown { text }),
    }
}

/// Reduces a name to lower-case letters without marks, words separated by one space.
fn fold(text: &str) -> String {
    let letters = text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase);
    let spaced: String = letters.map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    let words = spaced.strip_prefix("the ").unwrap_or(&spaced);
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn read_country(row: [&'static str; 14]) -> Country {
    let [alpha2, alpha3, numeric, region, subregion, intermediate, groups, names @ .., others] =
        row;
    let in_group = |name| groups.split(' ').any(|group| group == name);
    Country {
        alpha2,
        alpha3,
        numeric,
        regions: [region, subregion, intermediate].map(|code| Some(code).filter(|c| !c.is_empty())),
        ldc: in_group("LDC"),
        lldc: in_group("LLDC"),
        sids: in_group("SIDS"),
        names,
        other_names: others.split('|').filter(|name| !name.is_empty()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_and_name_parses_to_its_own_country() {
        assert_eq!(countries().len(), 249);
        for country in countries() {
            let codes = [country.alpha2, country.alpha3, country.numeric];
            for text in codes.iter().chain(&country.names).chain(&country.other_names) {
                assert_eq!(parse_country(text).as_deref(), Ok(country.alpha2), "{text}");
            }
            assert!(country.names.iter().all(|name| name.chars().count() < NAME_CHARS_MAX));
        }
    }

    #[test]
    fn people_write_countries_in_many_ways() {
        for (text, code) in [
            ("ke", "KE"),
            ("4", "AF"),
            ("  COTE D'IVOIRE ", "CI"),
            ("Ivory Coast", "CI"),
            ("the Gambia", "GM"),
            ("Bolivia", "BO"),
            ("بنغلاديش", "BD"),
            ("эфиопия", "ET"),
            ("xk", "XK"),
            ("ZZ", "ZZ"),
        ] {
            assert_eq!(parse_country(text).as_deref(), Ok(code), "{text}");
        }
    }

    #[test]
    fn a_name_with_a_slip_gets_a_suggestion_and_others_none() {
        let near = parse_country("Etiopia del").unwrap_err();
        assert!(matches!(near, CountryError::Unknown { .. }), "{near}");
        assert_eq!(
            parse_country("Ethopia").unwrap_err().to_string(),
            "`Ethopia` is not a country code or name; is Ethiopia (ET) meant?"
        );
        for text in ["", "QQ", "Q", "Atlantis", "🇰🇪", &"long ".repeat(10_000)] {
            let error = parse_country(text).unwrap_err();
            assert!(matches!(error, CountryError::Unknown { .. }), "{error}");
        }
    }

    #[test]
    fn codes_are_exact_and_groups_are_counted_as_in_the_source() {
        assert!(is_country_code("XK") && is_country_code("ZZ") && is_country_code("NA"));
        assert!(!["ke", "UK", "ZA ", "X1", "ZX", "K", ""].into_iter().any(is_country_code));
        let count = |group: fn(&Country) -> bool| countries().iter().filter(|c| group(c)).count();
        assert_eq!((count(|c| c.ldc), count(|c| c.lldc), count(|c| c.sids)), (45, 32, 53));
    }

    #[test]
    fn a_name_is_given_in_the_language_asked_for() {
        let egypt = country("EG").unwrap();
        assert_eq!(
            [egypt.name("fr-CA"), egypt.name("ZH-hant"), egypt.name("sw")],
            ["Égypte", "埃及", "Egypt"]
        );
    }
}
