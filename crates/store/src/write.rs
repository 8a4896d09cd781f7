//! Writing: what is put is staged, and one commit makes it durable, then visible.
//!
//! Invariant: the order is ledger, fsync, own heads, index, tables; after the first
//! failure nothing is written until the store is opened anew, since a failed fsync says
//! nothing about which pages are on the disk.
//! Spec: docs/STORAGE.md, section 4.

use std::sync::Arc;

use baraza_protocol::store::{
    BodyState, Branch, FeedHead, FeedState, Place, ShelfName, SignatureState, Store, StoreError,
    StoreRead, Table,
};
use baraza_reconcile::Head;
use baraza_record::{
    CentreId, EventId, FeedId, FileHash, Payload, RecordId, Seq, Timestamp, VerifiedRecord,
    attachment::VerifiedPart,
    frame::{self, Frame, PREAMBLE},
    sign::Signature,
};

use crate::{
    fault, index,
    keys::{self, Spot},
    ledger::{LedgerReader, LedgerStore, Reader},
    segments::At,
    slot::{self, Slot},
    tables::{FEEDS_MAX, Feed, IdPlace},
};

/// Most bytes of frames between two commits (1 GiB): a caller that never commits is wrong.
const GROUP_BYTES_MAX: usize = 1_024 * 1_024 * 1_024;

impl Store for LedgerStore {
    type Reader = LedgerReader;

    fn reader(&self) -> LedgerReader {
        LedgerReader { shared: Arc::clone(&self.shared), layer: Reader }
    }

    fn put_identity(
        &mut self,
        centre: &CentreId,
        seq: u64,
        event: &EventId,
        signed: &[u8],
    ) -> Result<(), StoreError> {
        self.ready()?;
        if self.live() {
            self.append(|frames| frame::encode_identity(frames, signed));
        }
        let row = Some(signed.to_vec());
        self.layer.staging.rows.insert(keys::identity(centre, seq, event), row);
        Ok(())
    }

    fn drop_identity(
        &mut self,
        centre: &CentreId,
        seq: u64,
        event: &EventId,
    ) -> Result<(), StoreError> {
        self.ready()?;
        self.layer.staging.rows.insert(keys::identity(centre, seq, event), None);
        Ok(())
    }

    fn put_identity_head(&mut self, centre: &CentreId, head: Head) -> Result<(), StoreError> {
        self.ready()?;
        let key = keys::identity_head(centre);
        let row = self.row(&key)?;
        let staging = &mut self.layer.staging;
        staging.counts.centres += u64::from(row.is_none());
        let before = row.and_then(|row| index::decode_head(&row));
        let moved = staging.moved(before, head);
        staging.rows.insert(key, Some(index::encode_head(&head, moved)));
        staging.heads.push((ShelfName::Identities, centre.0, head, moved));
        Ok(())
    }

    fn put_record(
        &mut self,
        record: &VerifiedRecord,
        branch: Branch,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.ready()?;
        let (header, id) = (record.header(), record.id());
        let place = Place { feed: record.feed(), seq: header.seq, branch };
        let spot = Spot { feed: self.number(&place.feed)?, seq: place.seq, branch };
        let mut slot = match self.layer.replay.as_mut() {
            Some(replay) => replay.claim(record)?,
            None => self.append_record(record, now),
        };
        slot.entry.arrived_ms = now;
        slot.entry.lists_files = record.header().attachment_bytes != 0;
        slot.entry.signature = match (record.signature(), record.has_own_signature()) {
            (None, _) => SignatureState::Missing,
            (Some(_), false) => SignatureState::Unchecked,
            (Some(_), true) => SignatureState::Checked,
        };
        let staging = &mut self.layer.staging;
        slot.entry.change = staging.change(None, spot);
        staging.ids.insert(IdPlace::new(&id, spot));
        staging.counts.records += 1;
        if let Some(first) = &header.series {
            staging.rows.insert(keys::with_spot(keys::series(first), spot), Some(Vec::new()));
        }
        if let Some(target) = &header.target {
            staging.rows.insert(keys::with_spot(keys::targeting(target), spot), Some(Vec::new()));
        }
        self.count_bytes(&place, slot.record_bytes());
        self.want(&place, slot.entry.body == BodyState::Missing, false);
        self.put_slot(spot, &slot, true)
    }

    fn put_payload(&mut self, place: &Place, payload: &Payload) -> Result<(), StoreError> {
        self.ready()?;
        let Some((spot, mut slot)) = self.held(place)? else { return Ok(()) };
        if slot.entry.body == BodyState::Present {
            return Ok(());
        }
        let (id, before) = (slot.entry.id, slot.record_bytes());
        slot.payload_at = match self.layer.replay.as_mut() {
            Some(replay) => replay.claim_body(&id)?,
            None => self.append(|frames| frame::encode_payload(frames, &id, payload)),
        };
        slot.body_bytes = length(&payload.body);
        self.count_bytes(place, slot.record_bytes().saturating_sub(before));
        self.want(place, false, slot.entry.body == BodyState::Missing);
        slot.entry.body = BodyState::Present;
        self.renumber(spot, &mut slot)
    }

    fn put_signature(&mut self, place: &Place, signature: &Signature) -> Result<(), StoreError> {
        self.ready()?;
        let Some((spot, mut slot)) = self.held(place)? else { return Ok(()) };
        if self.live() {
            let frame = Frame::Signature { record: slot.entry.id, signature: *signature };
            self.append(|frames| frame.encode_into(frames));
        }
        (slot.entry.signature, slot.late_signature) = (SignatureState::Checked, true);
        let row = Some(signature.to_vec());
        self.layer.staging.rows.insert(keys::signature(spot), row);
        self.put_slot(spot, &slot, false)
    }

    fn exchange(
        &mut self,
        feed: &FeedId,
        from: Seq,
        main_to: Seq,
        other_to: Seq,
    ) -> Result<(), StoreError> {
        self.ready()?;
        self.exchange_branches(feed, from, main_to, other_to)
    }

    fn drop_evidence(&mut self, feed: &FeedId, seq: Seq) -> Result<(), StoreError> {
        self.ready()?;
        let place = Place { feed: *feed, seq, branch: Branch::Other };
        let taken = self.take_out(&place)?;
        self.layer.staging.counts.records -= u64::from(taken.is_some());
        Ok(())
    }

    fn put_feed(&mut self, feed: &FeedId, state: &FeedState) -> Result<(), StoreError> {
        self.ready()?;
        let number = self.number(feed)?;
        let old = self.feed_row(feed).unwrap_or_else(|| Feed::new(number));
        let before = old.state.as_ref().map(|state| (state.head(), old.moved));
        let staging = &mut self.layer.staging;
        staging.counts.feeds += u64::from(old.state.is_none());
        let moved = staging.moved(before, state.head());
        staging.heads.push((ShelfName::of(&state.audience), feed.0, state.head(), moved));
        let bytes = old.bytes + staging.bytes.remove(feed).unwrap_or_default();
        let row = Feed { number, state: Some(state.clone()), moved, bytes };
        staging.rows.insert(keys::feed(feed), Some(index::encode_feed(&row)));
        staging.feeds.insert(*feed, row);
        Ok(())
    }

    fn put_own_head(&mut self, feed: &FeedId, head: &FeedHead) -> Result<(), StoreError> {
        self.ready()?;
        self.layer.staging.own_heads.insert(*feed, *head);
        Ok(())
    }

    fn touch(&mut self, place: &Place) -> Result<(), StoreError> {
        self.ready()?;
        match self.held(place)? {
            Some((spot, mut slot)) => self.renumber(spot, &mut slot),
            None => Ok(()),
        }
    }

    fn erase(&mut self, place: &Place) -> Result<(), StoreError> {
        // A full disk is no reason to keep what must go.
        self.writable()?;
        let Some((spot, mut slot)) = self.held(place)? else { return Ok(()) };
        if slot.body_bytes != 0 || slot.payload_at != At::default() {
            self.overwrite(&slot)?;
        }
        if slot.entry.body == BodyState::Erased {
            return Ok(());
        }
        if self.live() {
            let record = slot.entry.id;
            let retraction = self.retraction_of(&record)?;
            self.append(|frames| Frame::Erase { record, retraction }.encode_into(frames));
        }
        self.want(place, false, slot.entry.body == BodyState::Missing);
        slot.entry.body = BodyState::Erased;
        self.renumber(spot, &mut slot)
    }

    fn put_local(
        &mut self,
        table: Table,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        self.ready()?;
        let row = value.map(<[u8]>::to_vec);
        self.layer.staging.rows.insert(keys::local(table, key), row);
        Ok(())
    }

    fn put_attachment(&mut self, part: &VerifiedPart) -> Result<(), StoreError> {
        self.writable()?;
        let (free, floor) = self.layer.disk.room().map_err(fault::io("looking at the disk"))?;
        // What is staged is on the disk already: an attachment may be longer than what stays free.
        if free < floor.saturating_add(part.data().len() as u64) {
            return Err(StoreError::DiskFull { free, floor });
        }
        let written = self.shared.files.put(&mut self.layer.staging.files, part);
        let written = written.map_err(fault::io("writing an attachment"));
        written.inspect_err(|error| self.give_up(error))
    }

    fn drop_attachment(&mut self, hash: &FileHash) -> Result<(), StoreError> {
        // A full disk is no reason to keep what must go.
        self.writable()?;
        self.layer.staging.files.insert(*hash, None);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        if self.layer.staging.is_empty() {
            return Ok(());
        }
        self.writable()?;
        self.try_commit().inspect_err(|error| self.give_up(error))
    }
}

impl LedgerStore {
    /// Returns whether frames are appended; not while the ledger is read in.
    fn live(&self) -> bool {
        self.layer.replay.is_none()
    }

    fn writable(&self) -> Result<(), StoreError> {
        match &self.layer.read_only {
            Some(why) => Err(StoreError::ReadOnly { why: why.clone() }),
            None => Ok(()),
        }
    }

    /// Checks that something may be put. The disk is looked at once a group: what a group
    /// adds is far less than what must stay free.
    fn ready(&self) -> Result<(), StoreError> {
        self.writable()?;
        let staged = &self.layer.staging;
        if GROUP_BYTES_MAX < staged.frames.len() {
            let what = format!("{} bytes are not committed", staged.frames.len());
            return Err(fault::io(what)(format!("the limit is {GROUP_BYTES_MAX}")));
        }
        if staged.is_empty() && self.live() {
            let (free, floor) = self.layer.disk.room().map_err(fault::io("looking at the disk"))?;
            if free < floor {
                return Err(StoreError::DiskFull { free, floor });
            }
        }
        Ok(())
    }

    fn give_up(&mut self, error: &StoreError) {
        self.layer.closing.not_in_order();
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
        let why = format!("{error}{}", cause.unwrap_or_default());
        tracing::error!(why, "the store is read-only from now on");
        self.layer.read_only = Some(why);
    }

    fn try_commit(&mut self) -> Result<(), StoreError> {
        let staged = &mut self.layer.staging;
        let mut end = staged.frames_at;
        if !staged.frames.is_empty() {
            self.shared.segments.write_synced(end, &staged.frames)?;
            end = end.plus(staged.frames.len());
            staged.counts.ledger_bytes += staged.frames.len() as u64;
        }
        if !staged.own_heads.is_empty() {
            let written = self.layer.own_heads.set(&staged.own_heads);
            written.map_err(fault::io("writing the own heads"))?;
        }
        let settled = self.shared.files.commit(&mut staged.files);
        settled.map_err(fault::io("writing the attachments"))?;
        let applied = self.layer.replay.is_none().then_some(end);
        index::apply(&self.shared.index, &mut staged.rows, applied, staged.last_change)?;
        staged.publish(&mut self.shared.tables_mut(), end);
        Ok(())
    }

    /// Appends what `encode` writes to the staged frames; returns where it will stand.
    fn append(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> At {
        let staged = &mut self.layer.staging;
        if staged.frames.is_empty() {
            if self.layer.segment_bytes <= staged.frames_at.offset {
                staged.frames_at = At { segment: staged.frames_at.segment + 1, offset: 0 };
            }
            if staged.frames_at.offset == 0 {
                staged.frames.extend(PREAMBLE);
            }
        }
        let at = staged.frames_at.plus(staged.frames.len());
        encode(&mut staged.frames);
        at
    }

    fn append_record(&mut self, record: &VerifiedRecord, now: Timestamp) -> Slot {
        if self.layer.staging.clock != Some(now) {
            self.append(|frames| Frame::Clock(now).encode_into(frames));
            self.layer.staging.clock = Some(now);
        }
        let id = record.id();
        let header_at = self.append(|frames| {
            frame::encode_header(frames, record.signature(), record.header_bytes());
        });
        let mut slot = Slot::new(id, record.header().kind, header_at, record.header_bytes().len());
        if let Some(payload) = record.payload() {
            slot.payload_at = self.append(|frames| frame::encode_payload(frames, &id, payload));
            slot.body_bytes = length(&payload.body);
            slot.entry.body = BodyState::Present;
        }
        slot
    }

    /// Returns the number of a feed, giving it the next one if it has none.
    fn number(&mut self, feed: &FeedId) -> Result<u32, StoreError> {
        let staged = &self.layer.staging;
        if let Some(feed) = staged.feeds.get(feed) {
            return Ok(feed.number);
        }
        let tables = self.shared.tables();
        if let Some(feed) = tables.feeds.rows.get(feed) {
            return Ok(feed.number);
        }
        let feeds = tables.feeds.ids.len() + staged.new_feeds.len();
        drop(tables);
        let number = u32::try_from(feeds).ok().filter(|number| *number <= FEEDS_MAX);
        let number = number.ok_or_else(|| {
            fault::io("numbering a feed")(format!("{feeds} feeds, the limit is {FEEDS_MAX}"))
        })?;
        let row = Feed::new(number);
        let staged = &mut self.layer.staging;
        staged.rows.insert(keys::feed(feed), Some(index::encode_feed(&row)));
        staged.feeds.insert(*feed, row);
        staged.new_feeds.push(*feed);
        Ok(number)
    }

    pub(crate) fn held(&self, place: &Place) -> Result<Option<(Spot, Slot)>, StoreError> {
        let Some(spot) = self.spot(place) else { return Ok(None) };
        Ok(self.slot(spot)?.map(|slot| (spot, slot)))
    }

    fn renumber(&mut self, spot: Spot, slot: &mut Slot) -> Result<(), StoreError> {
        slot.entry.change = self.layer.staging.change(Some(slot.entry.change), spot);
        self.put_slot(spot, slot, false)
    }

    /// Sets the slot in its row, which is staged for that.
    pub(crate) fn put_slot(
        &mut self,
        spot: Spot,
        slot: &Slot,
        new: bool,
    ) -> Result<(), StoreError> {
        let key = keys::slots(spot);
        let rows = &mut self.layer.staging.rows;
        let row = match rows.entry(key) {
            std::collections::btree_map::Entry::Occupied(staged) => staged.into_mut(),
            std::collections::btree_map::Entry::Vacant(vacant) => {
                let stored = self.shared.index.get(vacant.key());
                let stored = stored.map_err(fault::io("reading the index"))?;
                vacant.insert(Some(stored.map_or_else(Vec::new, |row| row.to_vec())))
            }
        };
        let row = row.get_or_insert_default();
        if new && slot::find(row, spot.seq)?.is_some() {
            return Err(fault::damaged(format!(
                "record {} is put where another one stands",
                slot.entry.id
            )));
        }
        slot::put(row, spot.seq, slot)
    }

    /// Adds to what the records of the main branch of a feed take.
    fn count_bytes(&mut self, place: &Place, bytes: usize) {
        if place.branch == Branch::Main {
            *self.layer.staging.bytes.entry(place.feed).or_default() += bytes as u64;
        }
    }

    /// Notes whether a body is wanted that was wanted before, or was not.
    pub(crate) fn want(&mut self, place: &Place, wanted: bool, before: bool) {
        let staging = &mut self.layer.staging;
        match (before, wanted) {
            (false, true) => {
                staging.rows.insert(keys::wanted(place), Some(Vec::new()));
                staging.counts.bodies_missing += 1;
            }
            (true, false) => {
                staging.rows.insert(keys::wanted(place), None);
                staging.counts.bodies_missing = staging.counts.bodies_missing.saturating_sub(1);
            }
            (true, true) | (false, false) => (),
        }
    }

    /// Writes zeros over a body; returns when they are on the disk.
    fn overwrite(&mut self, slot: &Slot) -> Result<(), StoreError> {
        let zeros = frame::erased_payload(&slot.entry.id, slot.body_bytes as usize);
        let at = slot.payload_at.plus(frame::PAYLOAD_SALT_OFFSET);
        let staged = &mut self.layer.staging;
        if staged.holds(at) {
            let start = (at.offset - staged.frames_at.offset) as usize;
            staged.frames[start..start + zeros.len()].copy_from_slice(&zeros);
            return Ok(());
        }
        let written = self.shared.segments.write_synced(at, &zeros);
        written.inspect_err(|error| self.give_up(error))
    }

    /// Returns the id of a record that targets `record`, all zeros if none does.
    fn retraction_of(&self, record: &RecordId) -> Result<RecordId, StoreError> {
        for place in self.targeting(record)? {
            if let Some(entry) = self.entry(&place)? {
                return Ok(entry.id);
            }
        }
        Ok(RecordId([0; 32]))
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a body has at most 256 KiB")
}
