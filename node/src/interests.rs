//! `[interests]` of `policy.toml`: of which records bodies are fetched.
//!
//! Invariant: a word that means nothing is refused with its line: it would leave out everything.
//! Not here: what follows from them (`baraza_protocol::interests`).
//! Spec: docs/OPERATIONS.md, "Policy".

use baraza_protocol::interests::{INTERESTS_MAX, Interests};
use baraza_record::{GOALS, Goals, Kind, vocab};
use serde::Deserialize;

/// Interests as people write them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct InterestsEntry {
    kinds: List<KindName>,
    goals: List<GoalNumber>,
    regions: List<RegionCode>,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "Vec<T>")]
struct List<T>(Vec<T>);

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct KindName(Kind);

#[derive(Debug, Deserialize)]
#[serde(try_from = "i64")]
struct GoalNumber(u8);

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct RegionCode(u16);

impl InterestsEntry {
    /// Returns the interests.
    pub(crate) fn read(self) -> Interests {
        let Self { kinds, goals, regions } = self;
        let with = |goals: Goals, goal: GoalNumber| goals.with(goal.0);
        Interests {
            kinds: kinds.0.into_iter().map(|kind| kind.0).collect(),
            goals: goals.0.into_iter().fold(Goals::default(), with),
            regions: regions.0.into_iter().map(|region| region.0).collect(),
        }
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> TryFrom<Vec<T>> for List<T> {
    type Error = String;

    fn try_from(list: Vec<T>) -> Result<Self, String> {
        match list.len() {
            0 => Err("an empty list says nothing: leave it out to want everything".into()),
            length if INTERESTS_MAX < length => {
                Err(format!("{length} interests, the limit is {INTERESTS_MAX}"))
            }
            _ => Ok(Self(list)),
        }
    }
}

impl TryFrom<String> for KindName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Kind::from_name(&name).map(Self).ok_or(format!("`{name}` is no kind of record"))
    }
}

impl TryFrom<i64> for GoalNumber {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        let goal = u8::try_from(number).ok().filter(|goal| (1..=GOALS).contains(goal));
        goal.map(Self).ok_or(format!("{number} is no goal from 1 to {GOALS}"))
    }
}

impl TryFrom<String> for RegionCode {
    type Error = String;

    fn try_from(code: String) -> Result<Self, String> {
        let known = vocab::region(&code).and_then(|region| region.code.parse().ok());
        known.map(Self).ok_or(format!("`{code}` is no region code of M49, such as \"014\""))
    }
}
