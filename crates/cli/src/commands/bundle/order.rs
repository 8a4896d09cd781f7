//! What files say of themselves: whose have-file, which part of which bundle, and which are missing.
//!
//! Invariant: what a file says decides the order of reading and what is told, never what is kept.
//! Spec: docs/PROTOCOL.md, sections 8.2 and 8.5.

use std::collections::{BTreeMap, BTreeSet};

use baraza_record::{
    CentreId, PublicKey, Timestamp,
    exchange::{BUNDLE_ID_BYTES, HaveEnd, HaveStart, Note, PartPlace, Whom},
};
use serde::Serialize;

use super::parts::part_name;
use crate::{
    clock,
    error::Failure,
    output::{count, number},
    shell::Shell,
};

/// Most gaps between the parts of a bundle that are listed.
const GAPS_LISTED_MAX: usize = 20;

/// What a file says of the bundle of which it is a part.
#[derive(Debug, Default, Serialize)]
pub(crate) struct PartSeen {
    /// Id of the bundle.
    bundle: String,
    number: u32,
    of: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    made_ms: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    centre: Option<CentreId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<PublicKey>,
    /// Whose have-file it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<CentreId>,
    /// Whether its end is there, and as many frames before it as there should be.
    pub(crate) complete: bool,
    #[serde(skip)]
    pub(crate) place: Option<PartPlace>,
}

impl PartSeen {
    /// Takes a note out of a file; `before` is how many frames came before it.
    pub(crate) fn take(seen: &mut Option<Self>, note: &Note, before: u64) {
        let place = match note {
            Note::PartStart(start) => start.place,
            Note::PartEnd(end) => end.place,
            _ => return,
        };
        let seen = seen.get_or_insert_default();
        // Of several that say different things the first counts; the file is then not whole.
        if seen.place.is_some_and(|known| known != place) {
            seen.complete = false;
            return;
        }
        seen.place = Some(place);
        (seen.number, seen.of) = (place.number(), place.of());
        seen.bundle = hex(&place.bundle);
        match note {
            Note::PartStart(start) => {
                seen.made_ms = Some(start.made_ms);
                seen.centre = Some(start.centre);
                seen.node = Some(start.node);
                seen.answers = start.answers.map(|(centre, _)| centre);
            }
            Note::PartEnd(end) => {
                seen.complete = end.frames == before && place.is_possible();
            }
            _ => (),
        }
    }

    /// Returns it in words.
    pub(crate) fn in_words(&self, now: Timestamp) -> String {
        let which = match self.of {
            1 if self.number == 1 => "bundle".to_owned(),
            of => {
                format!("part {} of {} of a bundle", number(self.number.into()), number(of.into()))
            }
        };
        let by = self.centre.map_or_else(|| "unknown".to_owned(), |centre| centre.short());
        let when = self.made_ms.map_or_else(
            || "at an unknown time".to_owned(),
            |made_ms| clock::moment(made_ms.0, now),
        );
        let whole = if self.complete {
            ""
        } else {
            "; not whole: its end, or something before it, is missing"
        };
        match self.answers {
            Some(site) => format!(
                "{which} of centre {by}, made {when}: what was missing at a site of {}{whole}",
                site.short()
            ),
            None => format!("{which} of centre {by}, made {when}{whole}"),
        }
    }
}

/// What a have-file says.
#[derive(Debug, Serialize)]
pub(crate) struct HaveSeen {
    centre: CentreId,
    node: PublicKey,
    made_ms: Timestamp,
    /// For whom beside everybody.
    with: String,
    logs: u64,
    feeds: u64,
    bodies: u64,
    /// Whether its end is there and names as much as came before it.
    pub(crate) complete: bool,
}

impl HaveSeen {
    fn new(start: &HaveStart) -> Self {
        let with = match start.with {
            Whom::Everybody => "everybody".to_owned(),
            Whom::Centre(id) => format!("centre {id}"),
            Whom::Network => "a network".to_owned(),
        };
        let HaveStart { made_ms, centre, node, .. } = *start;
        Self { centre, node, made_ms, with, logs: 0, feeds: 0, bodies: 0, complete: false }
    }

    /// Takes a note out of a file.
    pub(crate) fn take(seen: &mut Option<Self>, note: &Note) {
        match (seen, note) {
            (seen @ None, Note::HaveStart(start)) => *seen = Some(Self::new(start)),
            // Two glued together: neither is to be relied on.
            (Some(seen), Note::HaveStart(_)) => seen.complete = false,
            (Some(seen), Note::Logs(heads)) => seen.logs += heads.len() as u64,
            (Some(seen), Note::Feeds(heads)) => seen.feeds += heads.len() as u64,
            (Some(seen), Note::Bodies(ids)) => seen.bodies += ids.len() as u64,
            (Some(seen), Note::HaveEnd(end)) => {
                let HaveSeen { logs, feeds, bodies, .. } = *seen;
                seen.complete = *end == HaveEnd { logs, feeds, bodies };
            }
            _ => (),
        }
    }

    /// Returns it in words.
    pub(crate) fn in_words(&self, now: Timestamp) -> String {
        let whole = if self.complete {
            ""
        } else {
            "; not whole: its end, or something before it, is missing"
        };
        format!(
            "have-file of centre {}, made {}, for {}: {}, {}, {} wanted{whole}",
            self.centre.short(),
            clock::moment(self.made_ms.0, now),
            self.with,
            count(self.logs, "identity", "identities"),
            count(self.feeds, "feed", "feeds"),
            count(self.bodies, "text", "texts"),
        )
    }
}

/// Which parts of which bundles were read.
#[derive(Debug, Default)]
pub(crate) struct Sets(BTreeMap<[u8; BUNDLE_ID_BYTES], Set>);

#[derive(Debug, Default)]
struct Set {
    of: u32,
    seen: BTreeSet<u32>,
}

/// What is missing of a bundle.
#[derive(Debug, Serialize)]
pub(crate) struct MissingParts {
    bundle: String,
    of: u32,
    /// First and last number of each gap, at most [`GAPS_LISTED_MAX`].
    gaps: Vec<[u32; 2]>,
    #[serde(skip)]
    place: PartPlace,
}

impl Sets {
    /// Notes a part that was read. What cannot be is not noted.
    pub(crate) fn add(&mut self, part: &PartSeen) {
        let Some(place) = part.place.filter(PartPlace::is_possible) else { return };
        let set = self.0.entry(place.bundle).or_default();
        set.of = set.of.max(place.of());
        set.seen.insert(place.number());
    }

    /// Returns what is missing.
    pub(crate) fn missing(&self) -> Vec<MissingParts> {
        let gaps = |set: &Set| {
            let (mut gaps, mut last) = (Vec::new(), 0);
            for number in set.seen.iter().copied() {
                if last + 1 < number {
                    gaps.push([last + 1, number - 1]);
                }
                last = number;
            }
            if last < set.of {
                gaps.push([last + 1, set.of]);
            }
            gaps.truncate(GAPS_LISTED_MAX);
            gaps
        };
        let missing = self.0.iter().map(|(bundle, set)| MissingParts {
            bundle: hex(bundle),
            of: set.of,
            gaps: gaps(set),
            place: PartPlace::new(*bundle, 1, set.of),
        });
        missing.filter(|missing| !missing.gaps.is_empty()).collect()
    }
}

impl MissingParts {
    /// Returns whether a file is a part of the bundle.
    pub(crate) fn is_of(&self, part: &PartSeen) -> bool {
        part.bundle == self.bundle
    }

    /// Returns it in words, with the names that the parts had when they were written.
    pub(crate) fn in_words(&self) -> String {
        let gap = |[from, to]: &[u32; 2]| match from == to {
            true => part_name(&self.place, *from),
            false => format!("{} to {}", part_name(&self.place, *from), number(u64::from(*to))),
        };
        let gaps: Vec<_> = self.gaps.iter().map(gap).collect();
        format!("missing of {} parts: {}", number(self.of.into()), gaps.join(", "))
    }
}

/// Prints which parts are missing.
pub(crate) fn print(shell: &mut Shell<'_, '_>, missing: &[MissingParts]) -> Result<(), Failure> {
    missing.iter().try_for_each(|missing| shell.print(format!("{}\n", missing.in_words())))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(parts: &[(u32, u32)]) -> Sets {
        let mut sets = Sets::default();
        for (number, of) in parts {
            let place = Some(PartPlace::new([7; 16], *number, *of));
            sets.add(&PartSeen { place, ..PartSeen::default() });
        }
        sets
    }

    #[test]
    fn missing_parts_are_named_whatever_files_say() {
        let gaps = |parts: &[(u32, u32)]| {
            let missing = sets(parts).missing();
            missing.first().map(|one| one.gaps.clone()).unwrap_or_default()
        };
        assert_eq!(gaps(&[(1, 1)]), Vec::<[u32; 2]>::new());
        assert_eq!(gaps(&[(2, 5), (5, 5)]), [[1, 1], [3, 4]]);
        assert_eq!(gaps(&[(3, 3), (1, 3), (3, 3)]), [[2, 2]]);
        assert_eq!(gaps(&[(1, u32::MAX)]), [[2, u32::MAX]]);
        assert_eq!(gaps(&[(u32::MAX, u32::MAX)]), [[1, u32::MAX - 1]]);
        assert_eq!(gaps(&[(0, 3), (4, 3)]), Vec::<[u32; 2]>::new(), "no such parts");
        let many: Vec<_> = (1..200).map(|n| (2 * n, 500)).collect();
        assert_eq!(gaps(&many).len(), GAPS_LISTED_MAX);
    }
}
