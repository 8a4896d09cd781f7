//! Interests: of which records a node fetches the bodies.
//!
//! Invariant: interests concern bodies and nothing else: headers, and so every set and digest,
//! are the same whatever they are. A body that comes unasked is kept.
//! Not here: files (`node`), what is missing (`want`).
//! Spec: docs/PROTOCOL.md, section 6.4.

use baraza_record::{Goals, Header, Kind, SignedRecord, vocab};
use bincode::{Decode, Encode};

/// Most kinds, and most regions, that interests name.
pub const INTERESTS_MAX: usize = 64;

/// Which bodies are fetched: those that fit each list that names something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Interests {
    /// Kinds, one of which it has.
    pub kinds: Vec<Kind>,
    /// Goals, one of which its header names.
    pub goals: Goals,
    /// M49 codes of regions, in one of which its publisher's country lies.
    pub regions: Vec<u16>,
}

impl Interests {
    /// Returns whether every body fits.
    pub fn is_everything(&self) -> bool {
        self.kinds.is_empty() && self.goals == Goals::default() && self.regions.is_empty()
    }

    /// Returns whether the body of a record fits; `country` says what its centre's log states.
    ///
    /// What decides about other records always fits.
    pub fn want(&self, header: &Header, country: impl FnOnce() -> Option<[u8; 2]>) -> bool {
        let decides = [Kind::ACCREDITATION, Kind::RETRACTION].contains(&header.kind);
        let fits = || {
            (self.kinds.is_empty() || self.kinds.contains(&header.kind))
                && (self.goals == Goals::default() || self.goals.0 & header.goals.0 != 0)
                && (self.regions.is_empty() || self.holds(country()))
        };
        decides || fits()
    }

    fn holds(&self, country: Option<[u8; 2]>) -> bool {
        let Some(code) = country else { return false };
        let around = vocab::regions_of(&String::from_utf8_lossy(&code));
        around
            .iter()
            .filter_map(|region| region.parse().ok())
            .any(|code| self.regions.contains(&code))
    }

    /// Returns the length of the longest list.
    pub(crate) fn longest(&self) -> usize {
        self.kinds.len().max(self.regions.len())
    }
}

/// Takes the bodies out of a range of records that do not fit the interests of whoever asked.
///
/// `country` returns what the log of a record's centre states.
///
/// # Errors
///
/// Those of `country`.
pub(crate) fn leave_out<E>(
    interests: &Interests,
    records: Vec<SignedRecord>,
    country: impl Fn(&Header) -> Result<Option<[u8; 2]>, E>,
) -> Result<Vec<SignedRecord>, E> {
    // All records of a range are of one centre.
    let Some(first) = records.first() else { return Ok(records) };
    let country = country(first.header())?;
    let wanted = |record: &SignedRecord| interests.want(record.header(), || country);
    let left = records.into_iter().map(|record| match wanted(&record) {
        true => record,
        false => record.without_payload(),
    });
    Ok(left.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        conformance::Author,
        wire::{Fetch, Request, Scope},
    };

    #[test]
    fn each_list_that_names_something_must_fit() {
        let alice = Author::new(1);
        let header = |kind, goals: Goals| {
            let change = |header: &mut Header| (header.kind, header.goals) = (kind, goals);
            alice.write(alice.start(), "x", change).header().clone()
        };
        let water = Goals::default().with(6);
        let check = |interests: &Interests, kind, goals, expected| {
            let header = header(kind, goals);
            assert_eq!(interests.want(&header, || Some(*b"KE")), expected, "{interests:?}");
        };
        let all = Interests::default();
        assert!(all.is_everything());
        check(&all, Kind::LESSON, Goals::default(), true);
        let lessons = Interests { kinds: vec![Kind::LESSON], ..Interests::default() };
        check(&lessons, Kind::LESSON, water, true);
        check(&lessons, Kind::PRACTICE, water, false);
        check(&lessons, Kind::RETRACTION, Goals::default(), true);
        check(&lessons, Kind::ACCREDITATION, Goals::default(), true);
        let goals = Interests { goals: water.with(13), ..lessons.clone() };
        check(&goals, Kind::LESSON, water, true);
        check(&goals, Kind::LESSON, Goals::default().with(17), false);
        check(&goals, Kind::LESSON, Goals::default(), false);
        let east =
            |regions: &[u16]| Interests { regions: regions.to_vec(), ..Interests::default() };
        check(&east(&[14]), Kind::LESSON, water, true);
        check(&east(&[2]), Kind::LESSON, water, true);
        check(&east(&[1]), Kind::LESSON, water, true);
        check(&east(&[142, 419]), Kind::LESSON, water, false);
        assert!(!east(&[1]).want(&header(Kind::LESSON, water), || None), "it states no country");
    }

    #[test]
    fn a_list_that_is_too_long_is_refused() {
        let ask = |kinds: usize| {
            let kinds = vec![Kind::LESSON; kinds];
            let interests = Interests { kinds, ..Interests::default() };
            let (scope, interests) = (Scope::Public, Some(interests));
            Request::Fetch(Fetch { scope, ranges: Vec::new(), bytes: 0, interests }).encode()
        };
        assert!(Request::decode(&ask(INTERESTS_MAX)).is_ok());
        assert!(Request::decode(&ask(INTERESTS_MAX + 1)).is_err());
    }
}
