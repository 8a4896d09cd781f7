//! What the store keeps in memory: where ids and changes are, the feeds, the shelves.
//!
//! Invariant: all of it follows from the index and is made anew at every open. Twenty
//! bytes a record for ids and twenty for changes: rows of sled with random keys would
//! double the disk and halve the speed of ingest.
//! Not here: facts about records (`slot`), what is not committed (`staging`).
//! Spec: docs/STORAGE.md, section 4.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use baraza_protocol::store::{Branch, Counts, FeedState, Place, ShelfName};
use baraza_reconcile::{Head, Shelf};
use baraza_record::{CentreId, FeedId, RecordId};

use crate::keys::Spot;

/// Ids that are kept in a tree before they are merged into the sorted table.
const RECENT_IDS_MAX: usize = 8_192;

/// Changes by which the table grows at least.
const CHANGES_STEP: usize = 4_096;

/// Number of a change that a later one of the same record has replaced.
const DEAD: u32 = u32::MAX;

/// Largest feed number.
pub(crate) const FEEDS_MAX: u32 = u32::MAX >> 1;

/// A spot in 12 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Packed([u32; 3]);

impl Packed {
    fn new(spot: Spot) -> Self {
        let branch = u32::from(spot.branch == Branch::Other);
        Self([spot.feed << 1 | branch, (spot.seq >> 32) as u32, spot.seq as u32])
    }

    fn spot(self) -> Spot {
        let [feed, high, low] = self.0;
        let branch = if feed & 1 == 0 { Branch::Main } else { Branch::Other };
        Spot { feed: feed >> 1, seq: u64::from(high) << 32 | u64::from(low), branch }
    }
}

/// First 8 bytes of an id and where its record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IdPlace([u32; 2], Packed);

impl IdPlace {
    /// Makes the entry of a record.
    pub(crate) fn new(id: &RecordId, spot: Spot) -> Self {
        let first = id.0.first_chunk().copied().map_or(0, u64::from_be_bytes);
        Self([(first >> 32) as u32, first as u32], Packed::new(spot))
    }

    /// Returns where the record stands.
    pub(crate) fn spot(&self) -> Spot {
        self.1.spot()
    }

    fn first(&self) -> u64 {
        u64::from(self.0[0]) << 32 | u64::from(self.0[1])
    }
}

/// The first 8 bytes of the ids that start with some hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdRange {
    low: u64,
    high: u64,
}

impl IdRange {
    /// Returns the range of these digits, `None` if they are no lower-case digits of an id.
    pub(crate) fn new(digits: &str) -> Option<Self> {
        let valid = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        if 64 < digits.len() || !digits.bytes().all(valid) {
            return None;
        }
        let first = &digits[..digits.len().min(16)];
        if first.is_empty() {
            return Some(Self { low: 0, high: u64::MAX });
        }
        let shift = 64 - 4 * u32::try_from(first.len()).ok()?;
        let low = u64::from_str_radix(first, 16).ok()? << shift;
        Some(Self { low, high: low | ((1_u128 << shift) - 1) as u64 })
    }

    /// Returns up to `count` of `ids` in the range, in order.
    pub(crate) fn of(self, ids: &BTreeSet<IdPlace>, count: usize) -> Vec<IdPlace> {
        let start = IdPlace([(self.low >> 32) as u32, self.low as u32], Packed([0; 3]));
        let range = ids.range(start..).take_while(|id| id.first() <= self.high);
        range.take(count).copied().collect()
    }
}

/// Every id: a sorted table, and a small tree for those that came last.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    sorted: Vec<IdPlace>,
    recent: BTreeSet<IdPlace>,
}

impl Ids {
    /// Makes the table from ids in any order.
    pub(crate) fn new(mut sorted: Vec<IdPlace>) -> Self {
        sorted.sort_unstable();
        sorted.shrink_to_fit();
        Self { sorted, recent: BTreeSet::new() }
    }

    fn extend(&mut self, ids: impl IntoIterator<Item = IdPlace>) {
        self.recent.extend(ids);
        if self.recent.len() < RECENT_IDS_MAX.max(self.sorted.len() / 16) {
            return;
        }
        let recent = std::mem::take(&mut self.recent);
        let mut merged = Vec::with_capacity(self.sorted.len() + recent.len());
        let mut rest = self.sorted.as_slice();
        for id in recent {
            let before = rest.partition_point(|sorted| *sorted < id);
            merged.extend_from_slice(&rest[..before]);
            merged.push(id);
            rest = &rest[before..];
        }
        merged.extend_from_slice(rest);
        self.sorted = merged;
    }

    /// Returns up to `count` ids in the range, in order.
    pub(crate) fn range(&self, range: IdRange, count: usize) -> Vec<IdPlace> {
        let start = self.sorted.partition_point(|id| id.first() < range.low);
        let sorted = self.sorted[start..].iter().take_while(|id| id.first() <= range.high);
        let mut found: Vec<_> = sorted.take(count).copied().collect();
        found.extend(range.of(&self.recent, count));
        found.sort_unstable();
        found.dedup();
        found.truncate(count);
        found
    }
}

#[derive(Clone, Copy, Debug)]
struct Change {
    number: [u32; 2],
    place: Packed,
}

impl Change {
    fn number(&self) -> u64 {
        u64::from(self.number[0]) << 32 | u64::from(self.number[1])
    }
}

/// Every record by its latest change.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    rows: Vec<Change>,
    dead: usize,
}

impl Changes {
    /// Makes the table from changes in any order.
    pub(crate) fn new(mut changes: Vec<(u64, Spot)>) -> Self {
        changes.sort_unstable_by_key(|(number, _)| *number);
        let mut table = Self { rows: Vec::with_capacity(changes.len()), dead: 0 };
        changes.into_iter().for_each(|(number, spot)| table.push(number, spot));
        table
    }

    /// Appends a change; its number is the highest.
    fn push(&mut self, number: u64, spot: Spot) {
        if self.rows.len() == self.rows.capacity() {
            self.rows.reserve_exact(CHANGES_STEP.max(self.rows.len() / 8));
        }
        let number = [(number >> 32) as u32, number as u32];
        self.rows.push(Change { number, place: Packed::new(spot) });
    }

    /// Strikes out a change that a later one replaces.
    fn kill(&mut self, number: u64) {
        let at = self.rows.partition_point(|row| row.number() < number);
        if let Some(row) = self.rows.get_mut(at).filter(|row| row.number() == number) {
            row.place.0[0] = DEAD;
            self.dead += 1;
        }
        if CHANGES_STEP < self.dead && self.rows.len() / 2 < self.dead {
            self.rows.retain(|row| row.place.0[0] != DEAD);
            self.dead = 0;
        }
    }

    /// Returns changes before `before`, newest first.
    pub(crate) fn before(&self, before: u64) -> impl Iterator<Item = (u64, Spot)> {
        let end = self.rows.partition_point(|row| row.number() < before);
        self.rows[..end].iter().rev().filter_map(Self::alive)
    }

    /// Returns changes after `after`, oldest first.
    pub(crate) fn after(&self, after: u64) -> impl Iterator<Item = (u64, Spot)> {
        let start = self.rows.partition_point(|row| row.number() <= after);
        self.rows[start..].iter().filter_map(Self::alive)
    }

    fn alive(row: &Change) -> Option<(u64, Spot)> {
        (row.place.0[0] != DEAD).then(|| (row.number(), row.place.spot()))
    }
}

/// A feed: its number in this store, and what is held of it.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    /// Number.
    pub(crate) number: u32,
    /// State, once it was put.
    pub(crate) state: Option<FeedState>,
    /// Number of the last move of its head on a shelf.
    pub(crate) moved: u64,
    /// About how many bytes its records take.
    pub(crate) bytes: u64,
}

impl Feed {
    /// Makes a feed of which nothing but its number is known.
    pub(crate) fn new(number: u32) -> Self {
        Self { number, state: None, moved: 0, bytes: 0 }
    }
}

/// Every feed.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    /// Ids by number.
    pub(crate) ids: Vec<FeedId>,
    /// Feeds by id.
    pub(crate) rows: BTreeMap<FeedId, Feed>,
    /// Feeds that have a state, by centre.
    pub(crate) by_centre: BTreeSet<(CentreId, FeedId)>,
}

impl Feeds {
    /// Adds or replaces a feed. Numbers come without gaps.
    pub(crate) fn set(&mut self, id: FeedId, feed: Feed) {
        if feed.number as usize == self.ids.len() {
            self.ids.push(id);
        }
        if let Some(state) = &feed.state {
            self.by_centre.insert((state.centre, id));
        }
        self.rows.insert(id, feed);
    }
}

/// The memory of the store, as of the last commit.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// Ids.
    pub(crate) ids: Ids,
    /// Changes.
    pub(crate) changes: Changes,
    /// Feeds.
    pub(crate) feeds: Feeds,
    /// Shelves that are or were not empty.
    pub(crate) shelves: BTreeMap<ShelfName, Arc<Shelf>>,
    /// Totals.
    pub(crate) counts: Counts,
    /// Highest change number.
    pub(crate) last_change: u64,
    /// Highest number of a move on a shelf.
    pub(crate) last_move: u64,
}

impl Tables {
    /// Adds ids.
    pub(crate) fn add_ids(&mut self, ids: impl IntoIterator<Item = IdPlace>) {
        self.ids.extend(ids);
    }

    /// Adds changes, and strikes out those that they replace.
    pub(crate) fn add_changes(
        &mut self,
        dead: impl IntoIterator<Item = u64>,
        new: impl IntoIterator<Item = (u64, Spot)>,
    ) {
        dead.into_iter().for_each(|number| self.changes.kill(number));
        new.into_iter().for_each(|(number, spot)| self.changes.push(number, spot));
    }

    /// Sets a head on a shelf. What readers hold stays as it was.
    pub(crate) fn set_head(&mut self, name: ShelfName, id: [u8; 32], head: Head, moved: u64) {
        self.last_move = self.last_move.max(moved);
        Arc::make_mut(self.shelves.entry(name).or_default()).set(id, head, moved);
    }

    /// Returns the place that a spot stands for.
    pub(crate) fn place(&self, spot: Spot) -> Option<Place> {
        let feed = *self.feeds.ids.get(spot.feed as usize)?;
        Some(Place { feed, seq: spot.seq, branch: spot.branch })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(n: u64) -> Spot {
        let branch = if n.is_multiple_of(3) { Branch::Other } else { Branch::Main };
        Spot { feed: n as u32 % 7, seq: n << 30, branch }
    }

    fn id(n: u64) -> RecordId {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        RecordId(id)
    }

    #[test]
    fn every_id_is_found_by_its_digits_before_and_after_a_merge() {
        let mut ids = Ids::new((0..100).map(|n| IdPlace::new(&id(n), spot(n))).collect());
        for start in (100..20_000).step_by(100) {
            ids.extend((start..start + 100).map(|n| IdPlace::new(&id(n), spot(n))));
        }
        assert!(!ids.recent.is_empty() && 8_192 < ids.sorted.len());
        for n in 0..20_000 {
            let range = IdRange::new(&id(n).to_string()).unwrap();
            assert_eq!(ids.range(range, 9), [IdPlace::new(&id(n), spot(n))], "{n}");
            assert_eq!(ids.range(range, 9)[0].spot(), spot(n));
        }
        let all = ids.range(IdRange::new("").unwrap(), 30_000);
        assert!(all.len() == 20_000 && all.is_sorted());
        let first = (0..20_000).filter(|n| id(*n).to_string().starts_with("a7")).count();
        assert_eq!(ids.range(IdRange::new("a7").unwrap(), 30_000).len(), first);
    }

    #[test]
    fn digits_that_no_id_has_find_nothing() {
        for digits in ["A7", "g", "é", &"0".repeat(65)] {
            assert!(IdRange::new(digits).is_none(), "{digits}");
        }
    }

    #[test]
    fn a_replaced_change_is_gone() {
        let mut tables = Tables::default();
        tables.add_changes([], (1..=20_000).map(|n| (n, spot(n))));
        tables.add_changes(1..=15_000, (1..=15_000).map(|n| (20_000 + n, spot(n))));
        assert!(tables.changes.rows.len() < 35_000, "compacted");
        let newest: Vec<_> = tables.changes.before(u64::MAX).map(|(n, _)| n).collect();
        assert_eq!(newest, (15_001..=35_000).rev().collect::<Vec<_>>());
        let next: Vec<_> = tables.changes.after(20_000).take(2).collect();
        assert_eq!(next, [(20_001, spot(1)), (20_002, spot(2))]);
    }
}
