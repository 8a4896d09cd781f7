//! `profile` and `[link]` of `config.toml`: what the link may cost.
//!
//! Invariant: a change of the file counts within seconds, without a restart; one with an error
//! never takes effect: the last good one stays in force and the error is shown.
//! Not here: what follows from the terms (`baraza_protocol::budget`).
//! Spec: docs/OPERATIONS.md, "Budgets, windows and profiles".

use std::{
    fmt,
    ops::RangeInclusive,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use baraza_api::{ErrorBody, ErrorCode, Warning};
use baraza_protocol::budget::{Allowance, Profile, Terms, WINDOWS_MAX, Window};
use baraza_record::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{clock, config::Settings, home::Home, rules::Watched};

/// Seconds between two comparisons that may be set: from 10 s to a day.
const COMPARE_EVERY_S: RangeInclusive<u64> = 10..=86_400;

/// Connections that may be set: no more are made by us.
const CONNECTIONS: RangeInclusive<u64> = 1..=16;

/// Seconds between two pings that may be set: from 10 s to half an hour, as the network allows.
const PING_EVERY_S: RangeInclusive<u64> = 10..=1_800;

/// Minutes from UTC that may be set.
const OFFSET_MINUTES: RangeInclusive<i32> = -900..=900;

/// How often the file and the zone are looked at, in milliseconds (2 s).
const LOOK_EVERY_MS: u64 = 2_000;

/// Settings of the link as people write them; what is absent is the profile's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Link {
    #[serde(skip_serializing_if = "Option::is_none")]
    background_day_bytes: Option<Most>,
    #[serde(skip_serializing_if = "Option::is_none")]
    background_month_bytes: Option<Most>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_day_bytes: Option<Most>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_month_bytes: Option<Most>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reserve_day_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kbit_s: Option<Most>,
    #[serde(skip_serializing_if = "Option::is_none")]
    windows: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    utc_offset_minutes: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compare_every_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ping_every_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_only: Option<bool>,
}

/// A limit: a number, or `"none"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Most(Option<u64>);

impl Serialize for Most {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(number) => number.serialize(to),
            None => "none".serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Most {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl de::Visitor<'_> for Reader {
            type Value = Most;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number that is not negative, or \"none\"")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Most, E> {
                let number = u64::try_from(number);
                let wrong = |_| E::invalid_value(de::Unexpected::Other("a negative number"), &self);
                number.map(|number| Most(Some(number))).map_err(wrong)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Most, E> {
                Ok(Most(Some(number)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Most, E> {
                match text {
                    "none" => Ok(Most(None)),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }
        }
        from.deserialize_any(Reader)
    }
}

impl Link {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the terms that follow from a profile and these settings. The system says how far
    /// its clock is from UTC, unless that is set.
    ///
    /// # Errors
    ///
    /// In words, which member is wrong.
    pub(crate) fn terms(&self, profile: Option<&str>) -> Result<Terms, String> {
        let profile = match profile {
            None => Profile::default(),
            Some(name) => Profile::from_name(name).ok_or_else(|| {
                let names = Profile::ALL.map(|(_, name)| format!("`{name}`")).join(", ");
                let name: String = name.chars().take(40).collect();
                format!("profile: `{name}` is none of {names}")
            })?,
        };
        let default = profile.terms();
        let most = |set: Option<Most>, value| set.map_or(value, |most: Most| most.0);
        let kbit_s = match most(self.kbit_s, default.kbit_s.map(u64::from)) {
            None => None,
            Some(rate) => Some(within("kbit_s", rate, 1..=u64::from(u32::MAX))?),
        };
        Ok(Terms {
            profile,
            background: Allowance {
                day_bytes: most(self.background_day_bytes, default.background.day_bytes),
                month_bytes: most(self.background_month_bytes, default.background.month_bytes),
            },
            asked: Allowance {
                day_bytes: most(self.asked_day_bytes, default.asked.day_bytes),
                month_bytes: most(self.asked_month_bytes, default.asked.month_bytes),
            },
            reserve_day_bytes: self.reserve_day_bytes.unwrap_or(default.reserve_day_bytes),
            kbit_s: kbit_s.and_then(|rate| u32::try_from(rate).ok()),
            windows: self.windows()?,
            utc_offset_minutes: match self.utc_offset_minutes {
                Some(offset) if OFFSET_MINUTES.contains(&offset) => offset,
                Some(offset) => return Err(outside("utc_offset_minutes", offset, &OFFSET_MINUTES)),
                None => system_offset_minutes(clock::now()),
            },
            compare_every_ms: match self.compare_every_s {
                Some(every) => within("compare_every_s", every, COMPARE_EVERY_S)? * 1_000,
                None => default.compare_every_ms,
            },
            connections: match self.connections {
                Some(count) => usize::try_from(within("connections", count, CONNECTIONS)?)
                    .map_err(|error| error.to_string())?,
                None => default.connections,
            },
            ping_every_s: match self.ping_every_s {
                Some(every) => within("ping_every_s", every, PING_EVERY_S)?,
                None => default.ping_every_s,
            },
            private_only: self.private_only.unwrap_or(default.private_only),
        })
    }

    fn windows(&self) -> Result<Vec<Window>, String> {
        let texts = self.windows.as_deref().unwrap_or_default();
        if WINDOWS_MAX < texts.len() {
            return Err(format!(
                "link.windows: {} of them, the limit is {WINDOWS_MAX}",
                texts.len()
            ));
        }
        let read = |text: &String| text.parse().map_err(|error| format!("link.windows: {error}"));
        texts.iter().map(read).collect()
    }
}

fn within(name: &str, value: u64, range: RangeInclusive<u64>) -> Result<u64, String> {
    if range.contains(&value) { Ok(value) } else { Err(outside(name, value, &range)) }
}

fn outside<T: fmt::Display>(name: &str, value: T, range: &RangeInclusive<T>) -> String {
    format!("link.{name}: {value}, allowed are {} to {}", range.start(), range.end())
}

/// Returns by how many minutes the system's clock on the wall is ahead of UTC.
fn system_offset_minutes(now: Timestamp) -> i32 {
    let ms = i64::try_from(now.0).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_millisecond(ms);
    time.map_or(0, |time| TimeZone::system().to_offset(time).seconds() / 60)
}

/// The terms of a home, as its file says now.
#[derive(Clone)]
pub(crate) struct LinkSource(Arc<Mutex<Source>>);

struct Source {
    file: Watched<LinkFile>,
    terms: Arc<Terms>,
    looked: Timestamp,
}

/// What is read of the file.
#[derive(Debug, Default)]
pub(crate) struct LinkFile(Link, Option<String>);

impl LinkSource {
    /// Opens the terms of a home, whose settings were read.
    pub(crate) fn open(home: &Home, settings: &Settings) -> Result<Self, ErrorBody> {
        let file = Watched::open(home.config(), read)?;
        let terms = Arc::new(settings.terms()?);
        Ok(Self(Arc::new(Mutex::new(Source { file, terms, looked: clock::now() }))))
    }

    /// Returns the terms in force.
    pub(crate) fn terms(&self) -> Arc<Terms> {
        let mut source = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::now();
        let elapsed = now.since(source.looked).max(source.looked.since(now));
        if LOOK_EVERY_MS <= elapsed {
            source.looked = now;
            source.file.refresh();
            let LinkFile(link, profile) = &*source.file.good;
            // An hour that is put forward or back in spring and autumn counts, too.
            if let Ok(terms) = link.terms(profile.as_deref())
                && terms != *source.terms
            {
                source.terms = Arc::new(terms);
            }
        }
        Arc::clone(&source.terms)
    }

    /// Returns what is wrong with the file.
    pub(crate) fn error(&self) -> Option<Warning> {
        let source = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        source.file.error.as_ref().map(|error| Warning {
            message: format!("the last good settings stay in force: {}", error.message),
            hint: error.hint.clone().unwrap_or_default(),
        })
    }
}

fn read(path: &Path, text: &str) -> Result<LinkFile, ErrorBody> {
    let settings = Settings::parse_text(text, path)?;
    Ok(LinkFile(settings.link, settings.profile))
}

/// Says in which file a wrong setting of the link stands.
pub(crate) fn wrong(path: &Path, what: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::Home, format!("{}: {what}", path.display()))
        .with_hint("correct it, then try again; docs/OPERATIONS.md lists what may be set")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> Result<Terms, String> {
        let id = "4aeb96f989bf02b7d1b7eb68232405cae4bcd43704bae6b4a3c9eb11b2284588";
        let text = format!("version = 1\ncentre = \"{id}\"\n{text}");
        let settings = Settings::parse_text(&text, Path::new("config.toml"));
        let terms = settings.and_then(|settings| settings.terms());
        terms.map_err(|error| error.message)
    }

    #[test]
    fn a_profile_chooses_and_each_member_can_be_set() {
        let offset = terms("").unwrap().utc_offset_minutes;
        let normal = Terms { utc_offset_minutes: offset, ..Terms::default() };
        assert_eq!(terms(""), Ok(normal.clone()));
        for (profile, name) in Profile::ALL {
            let expected = Terms { utc_offset_minutes: offset, ..profile.terms() };
            assert_eq!(terms(&format!("profile = \"{name}\"")), Ok(expected));
        }
        let all = terms(
            "profile = \"metered\"\n[link]\nbackground_day_bytes = 5_000_000\n\
             background_month_bytes = \"none\"\nasked_day_bytes = 7\nasked_month_bytes = 8\n\
             reserve_day_bytes = 0\nkbit_s = 64\nwindows = [\"22:00-06:00\", \"12:00-13:00\"]\n\
             utc_offset_minutes = 345\ncompare_every_s = 600\nconnections = 3\nping_every_s = 60\n\
             private_only = true\n",
        );
        let expected = Terms {
            profile: Profile::Metered,
            background: Allowance { day_bytes: Some(5_000_000), month_bytes: None },
            asked: Allowance { day_bytes: Some(7), month_bytes: Some(8) },
            reserve_day_bytes: 0,
            kbit_s: Some(64),
            windows: ["22:00-06:00", "12:00-13:00"].map(|text| text.parse().unwrap()).into(),
            utc_offset_minutes: 345,
            compare_every_ms: 600_000,
            connections: 3,
            ping_every_s: 60,
            private_only: true,
        };
        assert_eq!(all, Ok(expected));
    }

    #[test]
    fn a_slip_is_refused_with_its_place() {
        for (text, said) in [
            ("profile = \"cheap\"", "`cheap` is none of `normal`, `metered`"),
            ("[link]\nbackground_day_bytes = -1", "a number that is not negative"),
            ("[link]\nbackground_day_bytes = \"10 MB\"", "or \"none\""),
            ("[link]\nbudget = 7", "unknown field `budget`"),
            ("[link]\nwindows = [\"22-6\"]", "link.windows: `22-6` is no window"),
            ("[link]\nconnections = 0", "link.connections: 0, allowed are 1 to 16"),
            ("[link]\nping_every_s = 1", "link.ping_every_s: 1, allowed are 10 to 1800"),
            ("[link]\ncompare_every_s = 1", "link.compare_every_s: 1, allowed are 10 to 86400"),
            ("[link]\nkbit_s = 0", "link.kbit_s: 0, allowed are 1"),
            ("[link]\nutc_offset_minutes = 1000", "allowed are -900 to 900"),
        ] {
            let error = terms(text).unwrap_err();
            assert!(error.starts_with("config.toml: ") && error.contains(said), "{error}");
        }
    }
}
