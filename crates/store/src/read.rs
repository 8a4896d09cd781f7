//! Reading, for the writer and for readers alike.
//!
//! Invariant: what is staged goes over what is committed; a page is never longer than
//! `PAGE_MAX`.
//! Spec: `baraza_protocol::store::StoreRead`.

use std::{collections::BTreeMap, sync::Arc};

use baraza_protocol::store::{
    Branch, Counts, Entry, FeedState, HeldFile, Local, PAGE_MAX, Place, ShelfName, StoreError,
    StoreRead, Table,
};
use baraza_reconcile::Shelf;
use baraza_record::{CentreId, FeedId, FileHash, RecordId, Seq, SignedRecord, attachment::Part};

use crate::{
    fault,
    keys::{self, Spot},
    ledger::{Layer, Ledger},
    slot::{self, ROW_SLOTS, Slot},
    staging::Staging,
    tables::{Feed, IdRange},
};

/// Records whose ids share their first 8 bytes that `find` looks behind: by chance there is none.
const ID_COLLISIONS_MAX: usize = 8;

impl<L: Layer> StoreRead for Ledger<L> {
    fn epoch(&self) -> u64 {
        self.shared.epoch
    }

    fn last_change(&self) -> u64 {
        let staged = self.layer.staged().map(|staged| staged.last_change);
        staged.unwrap_or_else(|| self.shared.tables().last_change)
    }

    fn last_move(&self) -> u64 {
        let staged = self.layer.staged().map(|staged| staged.last_move);
        staged.unwrap_or_else(|| self.shared.tables().last_move)
    }

    fn feed(&self, feed: &FeedId) -> Result<Option<FeedState>, StoreError> {
        Ok(self.feed_row(feed).and_then(|feed| feed.state))
    }

    fn feeds(&self, after: Option<FeedId>, count: usize) -> Result<Vec<FeedId>, StoreError> {
        let count = count.min(PAGE_MAX);
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let range = (from, std::ops::Bound::Unbounded);
        let tables = self.shared.tables();
        let known = tables.feeds.rows.range(range).filter(|(_, feed)| feed.state.is_some());
        let mut found: Vec<_> = known.take(count).map(|(id, _)| *id).collect();
        if let Some(staged) = self.layer.staged() {
            let new = staged.feeds.range(range).filter(|(_, feed)| feed.state.is_some());
            found.extend(new.map(|(id, _)| *id));
            found.sort_unstable();
            found.dedup();
            found.truncate(count);
        }
        Ok(found)
    }

    fn feeds_of(&self, centre: &CentreId) -> Result<Vec<FeedId>, StoreError> {
        let tables = self.shared.tables();
        let range = (*centre, FeedId([0; 32]))..=(*centre, FeedId([0xff; 32]));
        let mut found: Vec<_> = tables.feeds.by_centre.range(range).map(|(_, id)| *id).collect();
        if let Some(staged) = self.layer.staged() {
            let of = |state: &Option<FeedState>| state.as_ref().map(|state| state.centre);
            let new = staged.feeds.iter().filter(|(_, feed)| of(&feed.state) == Some(*centre));
            found.extend(new.map(|(id, _)| *id));
            found.sort_unstable();
            found.dedup();
        }
        Ok(found)
    }

    fn entry(&self, place: &Place) -> Result<Option<Entry>, StoreError> {
        match self.spot(place) {
            Some(spot) => Ok(self.slot(spot)?.map(|slot| slot.entry)),
            None => Ok(None),
        }
    }

    fn record(&self, place: &Place) -> Result<Option<SignedRecord>, StoreError> {
        let Some(spot) = self.spot(place) else { return Ok(None) };
        match self.slot(spot)? {
            Some(slot) => Ok(self.load(&[(spot, slot)])?.pop()),
            None => Ok(None),
        }
    }

    fn range(
        &self,
        feed: &FeedId,
        from: Seq,
        to: Seq,
        bytes_max: usize,
    ) -> Result<Vec<SignedRecord>, StoreError> {
        let start = Place { feed: *feed, seq: from, branch: Branch::Main };
        let Some(start) = self.spot(&start) else { return Ok(Vec::new()) };
        let (mut slots, mut bytes, mut seq): (Vec<(Spot, Slot)>, usize, Seq) = (vec![], 0, from);
        'rows: while seq <= to {
            let Some(row) = self.row(&keys::slots(Spot { seq, ..start }))? else { break };
            let first = seq - seq % ROW_SLOTS;
            let start_at = seq;
            let slots_of_row = slot::all(&row, first)?.into_iter();
            for (at, slot) in slots_of_row.skip_while(|(at, _)| *at < start_at) {
                bytes = bytes.saturating_add(slot.record_bytes());
                if at != seq || to < seq || (bytes_max < bytes && !slots.is_empty()) {
                    break 'rows;
                }
                slots.push((Spot { seq, ..start }, slot));
                let Some(next) = seq.checked_add(1) else { break 'rows };
                seq = next;
            }
            if seq < first.saturating_add(ROW_SLOTS) {
                break;
            }
        }
        self.load(&slots)
    }

    fn feed_bytes(&self, feed: &FeedId) -> Result<u64, StoreError> {
        let staged = self.layer.staged().and_then(|staged| staged.bytes.get(feed));
        let counted = self.feed_row(feed).map_or(0, |feed| feed.bytes);
        Ok(counted + staged.copied().unwrap_or_default())
    }

    fn find(&self, digits: &str, count: usize) -> Result<Vec<(RecordId, Place)>, StoreError> {
        let count = count.min(PAGE_MAX);
        let Some(range) = IdRange::new(digits) else { return Ok(Vec::new()) };
        let candidates_max = count + ID_COLLISIONS_MAX;
        let mut candidates = self.shared.tables().ids.range(range, candidates_max);
        if let Some(staged) = self.layer.staged() {
            candidates.extend(range.of(&staged.ids, candidates_max));
            candidates.sort_unstable();
        }
        // A record that changed places twice stands in the table twice.
        candidates.dedup();
        candidates.truncate(candidates_max);
        let mut found = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let spot = candidate.spot();
            let Some(slot) = self.slot(spot)? else { continue };
            if slot.entry.id.to_string().starts_with(digits) {
                found.push((slot.entry.id, self.place(spot)?));
            }
        }
        found.sort_unstable();
        found.truncate(count);
        Ok(found)
    }

    fn newest(&self, before: Option<u64>, count: usize) -> Result<Vec<(u64, Place)>, StoreError> {
        let (before, count) = (before.unwrap_or(u64::MAX), count.min(PAGE_MAX));
        let staged = self.layer.staged();
        // Staged changes are all newer than committed ones.
        let new = staged.into_iter().flat_map(|staged| staged.changes.range(..before).rev());
        let mut found: Vec<_> = new.take(count).map(|(n, spot)| (*n, *spot)).collect();
        let tables = self.shared.tables();
        let old = tables.changes.before(before).filter(|(n, _)| !replaced(staged, *n));
        found.extend(old.take(count - found.len()));
        drop(tables);
        self.places(found)
    }

    fn changes(&self, after: u64, count: usize) -> Result<Vec<(u64, Place)>, StoreError> {
        let (count, staged) = (count.min(PAGE_MAX), self.layer.staged());
        let tables = self.shared.tables();
        let old = tables.changes.after(after).filter(|(n, _)| !replaced(staged, *n));
        let mut found: Vec<_> = old.take(count).collect();
        drop(tables);
        let from = after.saturating_add(1);
        let new = staged.into_iter().flat_map(|staged| staged.changes.range(from..));
        found.extend(new.take(count - found.len()).map(|(n, spot)| (*n, *spot)));
        self.places(found)
    }

    fn series(&self, first: &RecordId) -> Result<Vec<Place>, StoreError> {
        self.places_below(&keys::series(first))
    }

    fn targeting(&self, target: &RecordId) -> Result<Vec<Place>, StoreError> {
        self.places_below(&keys::targeting(target))
    }

    fn missing(&self, after: Option<Place>, count: usize) -> Result<Vec<Place>, StoreError> {
        let after = after.map(|place| keys::wanted(&place));
        let rows = self.rows(&[keys::WANTED], after.as_deref(), count.min(PAGE_MAX))?;
        let place = |(key, _): (Vec<u8>, _)| keys::parse_wanted(&key).ok_or_else(bad_key);
        rows.into_iter().map(place).collect()
    }

    fn evidence(&self, feed: &FeedId) -> Result<Vec<Seq>, StoreError> {
        let other = Place { feed: *feed, seq: 1, branch: Branch::Other };
        let Some(spot) = self.spot(&other) else { return Ok(Vec::new()) };
        let mut positions = Vec::new();
        for (key, row) in self.rows(&keys::slots_of(spot.feed, spot.branch), None, usize::MAX)? {
            let first = keys::first_of_slots(&key).ok_or_else(bad_key)?;
            positions.extend(slot::all(&row, first.seq)?.into_iter().map(|(seq, _)| seq));
        }
        Ok(positions)
    }

    fn identity(&self, centre: &CentreId) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows = self.rows(&keys::identities(centre), None, usize::MAX)?;
        Ok(rows.into_iter().map(|(_, signed)| signed).collect())
    }

    fn centres(&self, after: Option<CentreId>, count: usize) -> Result<Vec<CentreId>, StoreError> {
        let (count, after) = (count.min(PAGE_MAX), after.map(|centre| centre.0));
        let shelf = self.shelf(ShelfName::Identities);
        let mut found: Vec<_> =
            shelf.page(after.as_ref(), count).map(|(id, _)| CentreId(*id)).collect();
        if let Some(staged) = self.layer.staged() {
            let ours = staged.heads.iter().filter(|(name, ..)| *name == ShelfName::Identities);
            let new = ours.filter(|(_, id, ..)| after.is_none_or(|after| after < *id));
            found.extend(new.map(|(_, id, ..)| CentreId(*id)));
            found.sort_unstable();
            found.dedup();
            found.truncate(count);
        }
        Ok(found)
    }

    fn shelf(&self, name: ShelfName) -> Arc<Shelf> {
        self.shared.tables().shelves.get(&name).cloned().unwrap_or_default()
    }

    fn counts(&self) -> Counts {
        let staged = self.layer.staged().map(|staged| staged.counts);
        staged.unwrap_or_else(|| self.shared.tables().counts)
    }

    fn local(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.row(&keys::local(table, key))?.map(|value| value.to_vec()))
    }

    fn locals(&self, table: Table, prefix: &[u8]) -> Result<Vec<Local>, StoreError> {
        let rows = self.rows(&keys::local(table, prefix), None, usize::MAX)?;
        Ok(rows.into_iter().map(|(key, value)| (key[1..].to_vec(), value)).collect())
    }

    fn attachment(&self, hash: &FileHash) -> Result<Option<HeldFile>, StoreError> {
        let staged = self.layer.staged().and_then(|staged| staged.files.get(hash));
        let held = staged.cloned().unwrap_or_else(|| self.shared.files.held(hash));
        Ok(held.map(|held| HeldFile::clone(&held)))
    }

    fn attachments(
        &self,
        after: Option<FileHash>,
        count: usize,
    ) -> Result<Vec<(FileHash, HeldFile)>, StoreError> {
        let count = count.min(PAGE_MAX);
        let staged = self.layer.staged().map(|staged| &staged.files);
        // What is staged may hide as many as it has.
        let more = count + staged.map_or(0, |staged| staged.len());
        let page = self.shared.files.page(after, more).into_iter();
        let mut found: BTreeMap<_, _> = page.map(|(hash, held)| (hash, Some(held))).collect();
        let new = staged.into_iter().flatten().filter(|(hash, _)| after.is_none_or(|a| a < **hash));
        found.extend(new.map(|(hash, held)| (*hash, held.clone())));
        let held = found.into_iter().filter_map(|(hash, held)| Some((hash, held?)));
        Ok(held.take(count).map(|(hash, held)| (hash, HeldFile::clone(&held))).collect())
    }

    fn attachment_part(
        &self,
        hash: &FileHash,
        from: u32,
        count: u32,
    ) -> Result<Option<Part>, StoreError> {
        self.shared.files.part(hash, from, count)
    }
}

impl<L: Layer> Ledger<L> {
    /// Returns what the store knows of a feed.
    pub(crate) fn feed_row(&self, feed: &FeedId) -> Option<Feed> {
        let staged = self.layer.staged().and_then(|staged| staged.feeds.get(feed)).cloned();
        staged.or_else(|| self.shared.tables().feeds.rows.get(feed).cloned())
    }

    fn places(&self, found: Vec<(u64, Spot)>) -> Result<Vec<(u64, Place)>, StoreError> {
        // A page is mostly of few feeds.
        let mut known: BTreeMap<u32, FeedId> = BTreeMap::new();
        let mut place = |(change, spot): (u64, Spot)| {
            let feed = match known.get(&spot.feed) {
                Some(feed) => *feed,
                None => self.place(spot)?.feed,
            };
            known.insert(spot.feed, feed);
            Ok((change, Place { feed, seq: spot.seq, branch: spot.branch }))
        };
        found.into_iter().map(&mut place).collect()
    }

    /// Returns the places named at the ends of the keys below a prefix, in their order.
    fn places_below(&self, prefix: &[u8]) -> Result<Vec<Place>, StoreError> {
        // Not cut to a page: whoever floods a target with statements must not hide one.
        let rows = self.rows(prefix, None, usize::MAX)?;
        let place = |(key, _): &(Vec<u8>, _)| self.place(Spot::from_key(key).ok_or_else(bad_key)?);
        let mut places = rows.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        places.sort_unstable();
        Ok(places)
    }
}

fn replaced(staged: Option<&Staging>, change: u64) -> bool {
    staged.is_some_and(|staged| staged.dead.contains(&change))
}

fn bad_key() -> StoreError {
    fault::damaged("index key of a length that no key has")
}
