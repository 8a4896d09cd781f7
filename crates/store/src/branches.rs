//! Records that change places: which branch of a feed is the main one is for its owner to say.
//!
//! Invariant: frames stay where they are; what moves are the rows of the index that say
//! where a record stands. Each that moved has a new change number.
//! Spec: docs/STORAGE.md, section 4.

use baraza_protocol::store::{BodyState, Branch, Place, StoreError, StoreRead};
use baraza_record::{FeedId, Header, Seq};

use crate::{
    fault,
    keys::{self, Spot},
    ledger::LedgerStore,
    slot::{self, Slot},
    tables::IdPlace,
};

/// A record that was taken out of its place.
pub(crate) struct Taken {
    slot: Slot,
    header: Header,
    late_signature: Option<Vec<u8>>,
}

impl Taken {
    fn wanted(&self) -> bool {
        self.slot.entry.body == BodyState::Missing
    }

    /// Returns the keys of the rows that lead to it at `spot`.
    fn links(&self, spot: Spot) -> impl Iterator<Item = Vec<u8>> {
        let series = self.header.series.as_ref().map(keys::series);
        let target = self.header.target.as_ref().map(keys::targeting);
        series.into_iter().chain(target).map(move |prefix| keys::with_spot(prefix, spot))
    }
}

impl LedgerStore {
    /// Exchanges the branches of a feed: see `Store::exchange`.
    pub(crate) fn exchange_branches(
        &mut self,
        feed: &FeedId,
        from: Seq,
        main_to: Seq,
        other_to: Seq,
    ) -> Result<(), StoreError> {
        for seq in from..=main_to.max(other_to) {
            let [main, other] =
                [Branch::Main, Branch::Other].map(|branch| Place { feed: *feed, seq, branch });
            let stood = if seq <= main_to { self.take_out(&main)? } else { None };
            match self.take_out(&other)? {
                Some(taken) if seq <= other_to => self.put_in(&main, taken)?,
                Some(_) => self.layer.staging.counts.records -= 1,
                None => (),
            }
            if let Some(taken) = stood {
                self.put_in(&other, taken)?;
            }
        }
        Ok(())
    }

    /// Removes a record from its place.
    pub(crate) fn take_out(&mut self, place: &Place) -> Result<Option<Taken>, StoreError> {
        let Some((spot, slot)) = self.held(place)? else { return Ok(None) };
        let record = self.record(place)?;
        let record =
            record.ok_or_else(|| fault::damaged(format!("no record {}", slot.entry.id)))?;
        let late_signature = match slot.late_signature {
            true => self.row(&keys::signature(spot))?.map(|row| row.to_vec()),
            false => None,
        };
        let taken = Taken { slot, header: record.header().clone(), late_signature };
        self.remove_slot(spot)?;
        let staging = &mut self.layer.staging;
        staging.ids.remove(&IdPlace::new(&slot.entry.id, spot));
        if staging.changes.remove(&slot.entry.change).is_none() {
            staging.dead.insert(slot.entry.change);
        }
        let links = taken.links(spot).chain(slot.late_signature.then(|| keys::signature(spot)));
        staging.rows.extend(links.map(|key| (key, None)));
        self.want(place, false, taken.wanted());
        Ok(Some(taken))
    }

    /// Puts a record that was taken out at a free place.
    fn put_in(&mut self, place: &Place, taken: Taken) -> Result<(), StoreError> {
        let Some(spot) = self.spot(place) else { return Ok(()) };
        let mut slot = taken.slot;
        let staging = &mut self.layer.staging;
        staging.ids.insert(IdPlace::new(&slot.entry.id, spot));
        slot.entry.change = staging.change(None, spot);
        staging.rows.extend(taken.links(spot).map(|key| (key, Some(Vec::new()))));
        if let Some(signature) = &taken.late_signature {
            staging.rows.insert(keys::signature(spot), Some(signature.clone()));
        }
        self.want(place, taken.wanted(), false);
        self.put_slot(spot, &slot, true)
    }

    fn remove_slot(&mut self, spot: Spot) -> Result<(), StoreError> {
        let key = keys::slots(spot);
        let Some(row) = self.row(&key)? else { return Ok(()) };
        let mut row = row.to_vec();
        slot::remove(&mut row, spot.seq)?;
        self.layer.staging.rows.insert(key, Some(row).filter(|row| !row.is_empty()));
        Ok(())
    }
}
