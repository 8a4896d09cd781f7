//! What a session has planned, and how much of it is done.
//!
//! Invariant: it follows from the tasks; what a peer says of sizes decides nothing else.
//! Spec: docs/PROTOCOL.md, section 6.3.

use std::collections::BTreeMap;

use baraza_record::FeedId;

use crate::wire::Wanted;

use super::{Asked, Session};

/// Where a session stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records that came.
    pub records_done: u64,
    /// About how many bytes they took, before compression.
    pub bytes_done: u64,
    /// Records that are known to be missing and not asked for in vain.
    pub records_left: u64,
    /// About how many bytes they take.
    pub bytes_left: u64,
    /// Bodies that are to be asked for, as far as they were looked up.
    pub bodies_left: u64,
    /// Whether all is known that the peer has: until then more may turn up.
    pub whole: bool,
}

/// What is missing of one feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// Which.
    pub feed: FeedId,
    /// Records.
    pub records: u64,
    /// About how many bytes they take, before compression.
    pub bytes: u64,
}

impl Session {
    /// Returns where the session stands.
    pub fn progress(&self) -> Progress {
        let lacking = self.lacking();
        let bodies = self.asked.values().map(|asked| match asked {
            Asked::Bodies(places) => places.len(),
            _ => 0,
        });
        Progress {
            records_done: self.gains.records,
            bytes_done: self.bytes_done,
            records_left: lacking.iter().map(|one| one.records).sum(),
            bytes_left: lacking.iter().map(|one| one.bytes).sum(),
            bodies_left: (self.tasks.bodies.len() + bodies.sum::<usize>()) as u64,
            whole: self.has_all_heads(),
        }
    }

    /// Returns what is known to be missing, by feed.
    pub fn lacking(&self) -> Vec<Lacking> {
        let mut feeds: BTreeMap<FeedId, u64> = BTreeMap::new();
        let mut add = |wanted: &Wanted| {
            let records = wanted.to.saturating_sub(wanted.from).saturating_add(1);
            let sum = feeds.entry(wanted.feed).or_default();
            *sum = sum.saturating_add(records);
        };
        self.tasks.ranges.iter().for_each(&mut add);
        self.early.values().for_each(|(wanted, _)| add(wanted));
        for asked in self.asked.values() {
            match asked {
                Asked::Fetch(ranges) => ranges.iter().for_each(&mut add),
                Asked::Branch(wanted) => add(wanted),
                _ => (),
            }
        }
        let lacking = feeds.into_iter().map(|(feed, records)| {
            let bytes = records.saturating_mul(self.pace.mean(&feed));
            Lacking { feed, records, bytes }
        });
        lacking.collect()
    }
}
