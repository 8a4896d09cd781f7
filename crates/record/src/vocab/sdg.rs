//! The 17 Sustainable Development Goals and the codes of their 169 targets.
//!
//! Invariant: an [`Sdg`] in hand is a goal or target that exists; its text form parses back.
//! Not here: the texts of the targets.
//! Spec: docs/RECORDS.md, code systems.

use std::{fmt, str::FromStr, sync::LazyLock};

use super::{language_place, rows};

/// Languages in which every goal has a name, in the order of the table.
pub const GOAL_LANGUAGES: [&str; 7] = ["en", "fr", "es", "ar", "ru", "sw", "zh-Hans"];

/// A goal, or one of its targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sdg {
    /// Number of the goal, 1 to 17.
    pub goal: u8,
    /// Whole code of the target, such as `6.2` or `1.a`.
    pub target: Option<&'static str>,
}

/// A text that names no goal and no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a goal (1 to 17) or a target (such as 6.2 or 1.a)")]
pub struct SdgError {
    /// What was given, cut to 40 characters.
    pub text: String,
}

struct Goal {
    targets: Vec<&'static str>,
    names: [&'static str; 7],
}

static GOALS: LazyLock<Vec<Goal>> = LazyLock::new(|| {
    rows(include_str!("../../data/tables/goals.tsv"))
        .map(|[_, targets, names @ ..]: [&str; 9]| {
            let names: [&str; 7] = names;
            Goal { targets: targets.split(' ').collect(), names }
        })
        .collect()
});

/// Returns the name of a goal in the language of a BCP 47 tag, in English if there is none.
pub fn goal_name(goal: u8, language: &str) -> Option<&'static str> {
    let place = language_place(&GOAL_LANGUAGES, language).unwrap_or(0);
    find(goal).map(|goal| goal.names[place])
}

/// Returns the codes of a goal's targets; none for a number outside 1 to 17.
pub fn targets_of(goal: u8) -> &'static [&'static str] {
    find(goal).map_or(&[], |goal| &goal.targets)
}

/// Returns whether `code` is exactly the code of a target, such as `6.2` or `1.a`.
pub fn is_sdg_target(code: &str) -> bool {
    GOALS.iter().any(|goal| goal.targets.contains(&code))
}

/// Reads a goal or a target: `6`, `6.2`, `1.A`, `SDG 6.2`, `Goal 6` or the United Nations'
/// address of one, `http://metadata.un.org/sdg/6.2`.
///
/// # Errors
///
/// [`SdgError`] when there is no such goal or target.
pub fn parse_sdg(text: &str) -> Result<Sdg, SdgError> {
    let fail = || SdgError { text: text.chars().take(40).collect() };
    let lower = text.trim().to_ascii_lowercase();
    let prefixes = ["http://metadata.un.org/sdg/", "https://metadata.un.org/sdg/", "sdg", "goal"];
    let code = prefixes.iter().find_map(|prefix| lower.strip_prefix(prefix)).unwrap_or(&lower);
    let code = code.trim_start();
    let number = code.split_once('.').map_or(code, |(goal, _)| goal);
    // Other spellings of a number, such as `+6` or `06`, are not codes.
    let goal =
        number.parse::<u8>().ok().filter(|goal| goal.to_string() == number).ok_or_else(fail)?;
    let known = find(goal).ok_or_else(fail)?;
    let target = known.targets.iter().copied().find(|target| *target == code);
    if target.is_none() && code != number {
        return Err(fail());
    }
    Ok(Sdg { goal, target })
}

impl FromStr for Sdg {
    type Err = SdgError;

    fn from_str(text: &str) -> Result<Self, SdgError> {
        parse_sdg(text)
    }
}

impl fmt::Display for Sdg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.target {
            Some(target) => f.pad(target),
            None => f.pad(&self.goal.to_string()),
        }
    }
}

fn find(goal: u8) -> Option<&'static Goal> {
    GOALS.get(usize::from(goal).checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_goals_and_targets_parse_to_themselves() {
        let mut targets = 0;
        for goal in 1..=17 {
            assert_eq!(parse_sdg(&goal.to_string()), Ok(Sdg { goal, target: None }));
            for &target in targets_of(goal) {
                assert_eq!(parse_sdg(target), Ok(Sdg { goal, target: Some(target) }));
                assert!(is_sdg_target(target));
                targets += 1;
            }
        }
        assert_eq!(targets, 169);
    }

    #[test]
    fn people_write_targets_in_several_ways() {
        for (text, code) in [
            ("SDG 6.2", "6.2"),
            ("sdg17", "17"),
            (" 1.A ", "1.a"),
            ("Goal 17.10", "17.10"),
            ("http://metadata.un.org/sdg/6.2", "6.2"),
        ] {
            assert_eq!(parse_sdg(text).unwrap().to_string(), code, "{text}");
        }
        for text in ["", "0", "18", "6.", "6.9", "06", "+6", "6.2.1", "1.10", "६", "256", "sdg"] {
            assert!(parse_sdg(text).is_err(), "{text}");
        }
    }

    #[test]
    fn goals_are_named_in_seven_languages() {
        assert_eq!(goal_name(6, "sw"), Some("Maji safi na usafi wa mazingira"));
        assert_eq!(goal_name(1, "zh-CN"), Some("无贫穷"));
        assert_eq!(goal_name(2, "am"), Some("Zero hunger"));
        assert_eq!((goal_name(0, "en"), goal_name(18, "en")), (None, None));
    }
}
