//! The store in memory.
//!
//! Invariant: `committed` is what a crash leaves; `working` is what the writer sees.
//! Spec: docs/PROTOCOL.md, section 4.

use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock, RwLockReadGuard},
};

use baraza_reconcile::{Head, Shelf};
use baraza_record::{
    CentreId, EventId, FeedId, FileHash, Payload, RecordId, Seq, SignedRecord, Timestamp,
    VerifiedRecord, WireRecord,
    attachment::{Part, VerifiedPart},
    sign::Signature,
};

use super::files::Files;
use crate::store::{
    BodyState, Branch, Counts, Entry, FeedHead, FeedState, HeldFile, Local, PAGE_MAX, Place,
    ShelfName, SignatureState, Store, StoreError, StoreRead, Table,
};

/// A store in memory.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    working: State,
    changed: bool,
    committed: MemoryReader,
}

/// A reader of a [`MemoryStore`]: sees what was committed.
#[derive(Clone, Debug)]
pub struct MemoryReader(Arc<RwLock<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    epoch: u64,
    last_change: u64,
    last_move: u64,
    feeds: BTreeMap<FeedId, FeedState>,
    records: BTreeMap<Place, (Entry, Arc<SignedRecord>)>,
    changes: BTreeMap<u64, Place>,
    identities: BTreeMap<CentreId, BTreeMap<(u64, EventId), Vec<u8>>>,
    shelves: BTreeMap<ShelfName, Arc<Shelf>>,
    locals: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    files: Files,
}

impl MemoryStore {
    /// Makes an empty store; `epoch` should be random.
    pub fn new(epoch: u64) -> Self {
        let working = State { epoch, ..State::default() };
        let committed = MemoryReader(Arc::new(RwLock::new(working.clone())));
        Self { working, changed: false, committed }
    }

    fn change(&mut self) -> &mut State {
        self.changed = true;
        &mut self.working
    }

    /// Returns the store as it is after a crash: what was committed.
    #[must_use]
    pub fn crashed(&self) -> Self {
        let working = self.committed.lock().clone();
        let committed = MemoryReader(Arc::new(RwLock::new(working.clone())));
        Self { working, changed: false, committed }
    }
}

impl MemoryReader {
    fn lock(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().expect("no writer panics while it holds the lock")
    }
}

impl State {
    fn set_head(&mut self, name: ShelfName, id: [u8; 32], head: Head, before: Option<Head>) {
        self.last_move += u64::from(before != Some(head));
        let shelf = Arc::make_mut(self.shelves.entry(name).or_default());
        shelf.set(id, head, self.last_move);
    }

    fn renumber(&mut self, place: &Place) {
        let Some((entry, _)) = self.records.get_mut(place) else { return };
        self.last_change += 1;
        self.changes.remove(&entry.change);
        self.changes.insert(self.last_change, *place);
        entry.change = self.last_change;
    }

    fn take_out(&mut self, place: &Place) -> Option<(Entry, Arc<SignedRecord>)> {
        let taken = self.records.remove(place);
        taken.inspect(|(entry, _)| {
            self.changes.remove(&entry.change);
        })
    }

    fn put_in(&mut self, place: Place, moved: Option<(Entry, Arc<SignedRecord>)>) {
        if let Some(moved) = moved {
            self.records.insert(place, moved);
            self.renumber(&place);
        }
    }

    fn places(&self, wanted: impl Fn(&SignedRecord) -> bool) -> Vec<Place> {
        let found = self.records.iter().filter(|(_, (_, record))| wanted(record));
        found.map(|(place, _)| *place).collect()
    }

    fn alter(&mut self, place: &Place, change: impl FnOnce(&mut Entry, &mut WireRecord)) {
        if let Some((entry, record)) = self.records.get_mut(place) {
            let mut wire = record.to_wire();
            change(entry, &mut wire);
            let altered = SignedRecord::from_wire(wire).expect("the header is unchanged");
            *record = Arc::new(altered);
        }
    }
}

impl StoreRead for State {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn last_change(&self) -> u64 {
        self.last_change
    }

    fn last_move(&self) -> u64 {
        self.last_move
    }

    fn feed(&self, feed: &FeedId) -> Result<Option<FeedState>, StoreError> {
        Ok(self.feeds.get(feed).cloned())
    }

    fn feeds(&self, after: Option<FeedId>, count: usize) -> Result<Vec<FeedId>, StoreError> {
        let rest = self.feeds.keys().filter(|feed| after.is_none_or(|after| after < **feed));
        Ok(rest.copied().take(count.min(PAGE_MAX)).collect())
    }

    fn feeds_of(&self, centre: &CentreId) -> Result<Vec<FeedId>, StoreError> {
        let ours = self.feeds.iter().filter(|(_, state)| state.centre == *centre);
        Ok(ours.map(|(feed, _)| *feed).collect())
    }

    fn entry(&self, place: &Place) -> Result<Option<Entry>, StoreError> {
        Ok(self.records.get(place).map(|(entry, _)| *entry))
    }

    fn record(&self, place: &Place) -> Result<Option<SignedRecord>, StoreError> {
        Ok(self.records.get(place).map(|(_, record)| SignedRecord::clone(record)))
    }

    fn range(
        &self,
        feed: &FeedId,
        from: Seq,
        to: Seq,
        bytes_max: usize,
    ) -> Result<Vec<SignedRecord>, StoreError> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        for seq in from..=to {
            let Some(record) = self.record(&Place { feed: *feed, seq, branch: Branch::Main })?
            else {
                break;
            };
            bytes += self::bytes(&record);
            if bytes_max < bytes && !records.is_empty() {
                break;
            }
            records.push(record);
        }
        Ok(records)
    }

    fn feed_bytes(&self, feed: &FeedId) -> Result<u64, StoreError> {
        let places = self.records.iter().filter(|(place, _)| place.feed == *feed);
        let main = places.filter(|(place, _)| place.branch == Branch::Main);
        Ok(main.map(|(_, (_, record))| bytes(record) as u64).sum())
    }

    fn find(&self, digits: &str, count: usize) -> Result<Vec<(RecordId, Place)>, StoreError> {
        let mut found: Vec<_> =
            self.records.iter().map(|(place, (entry, _))| (entry.id, *place)).collect();
        found.retain(|(id, _)| id.to_string().starts_with(digits));
        found.sort();
        found.truncate(count.min(PAGE_MAX));
        Ok(found)
    }

    fn newest(&self, before: Option<u64>, count: usize) -> Result<Vec<(u64, Place)>, StoreError> {
        let older = self.changes.range(..before.unwrap_or(u64::MAX)).rev();
        Ok(older.map(|(change, place)| (*change, *place)).take(count.min(PAGE_MAX)).collect())
    }

    fn changes(&self, after: u64, count: usize) -> Result<Vec<(u64, Place)>, StoreError> {
        let newer = self.changes.range(after.saturating_add(1)..);
        Ok(newer.map(|(change, place)| (*change, *place)).take(count.min(PAGE_MAX)).collect())
    }

    fn series(&self, first: &RecordId) -> Result<Vec<Place>, StoreError> {
        Ok(self.places(|record| record.header().series == Some(*first)))
    }

    fn targeting(&self, target: &RecordId) -> Result<Vec<Place>, StoreError> {
        Ok(self.places(|record| record.header().target == Some(*target)))
    }

    fn missing(&self, after: Option<Place>, count: usize) -> Result<Vec<Place>, StoreError> {
        let rest =
            self.records.iter().filter(|(place, _)| after.is_none_or(|after| after < **place));
        let missing = rest.filter(|(_, (entry, _))| entry.body == BodyState::Missing);
        Ok(missing.map(|(place, _)| *place).take(count.min(PAGE_MAX)).collect())
    }

    fn evidence(&self, feed: &FeedId) -> Result<Vec<Seq>, StoreError> {
        let places = self.records.keys().filter(|place| place.feed == *feed);
        Ok(places.filter(|place| place.branch == Branch::Other).map(|place| place.seq).collect())
    }

    fn identity(&self, centre: &CentreId) -> Result<Vec<Vec<u8>>, StoreError> {
        let events = self.identities.get(centre).into_iter().flatten();
        Ok(events.map(|(_, signed)| signed.clone()).collect())
    }

    fn centres(&self, after: Option<CentreId>, count: usize) -> Result<Vec<CentreId>, StoreError> {
        let rest =
            self.identities.keys().filter(|centre| after.is_none_or(|after| after < **centre));
        Ok(rest.copied().take(count.min(PAGE_MAX)).collect())
    }

    fn shelf(&self, name: ShelfName) -> Arc<Shelf> {
        self.shelves.get(&name).cloned().unwrap_or_default()
    }

    fn counts(&self) -> Counts {
        let missing = self.records.values().filter(|(entry, _)| entry.body == BodyState::Missing);
        Counts {
            records: self.records.len() as u64,
            bodies_missing: missing.count() as u64,
            feeds: self.feeds.len() as u64,
            centres: self.identities.len() as u64,
            ledger_bytes: self.records.values().map(|(_, record)| bytes(record) as u64).sum(),
        }
    }

    fn local(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.locals.get(&(table, key.to_vec())).cloned())
    }

    fn locals(&self, table: Table, prefix: &[u8]) -> Result<Vec<Local>, StoreError> {
        let from = self.locals.range((table, prefix.to_vec())..);
        let ours = from.take_while(|((found, key), _)| *found == table && key.starts_with(prefix));
        Ok(ours.map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn attachment(&self, hash: &FileHash) -> Result<Option<HeldFile>, StoreError> {
        Ok(self.files.held(hash))
    }

    fn attachments(
        &self,
        after: Option<FileHash>,
        count: usize,
    ) -> Result<Vec<(FileHash, HeldFile)>, StoreError> {
        Ok(self.files.page(after, count.min(PAGE_MAX)))
    }

    fn attachment_part(
        &self,
        hash: &FileHash,
        from: u32,
        count: u32,
    ) -> Result<Option<Part>, StoreError> {
        Ok(self.files.part(hash, from, count))
    }
}

/// Returns about how many bytes a record takes.
fn bytes(record: &SignedRecord) -> usize {
    record.header_bytes().len() + record.payload().map_or(0, |payload| payload.body.len()) + 96
}

/// Answers every read from the state that an expression leads to.
macro_rules! read_from {
    ($type:ty, |$reader:ident| $state:expr) => {
        read_from! { @methods $type, $reader, $state;
            epoch() -> u64;
            last_change() -> u64;
            last_move() -> u64;
            feed(feed: &FeedId) -> Result<Option<FeedState>, StoreError>;
            feeds(after: Option<FeedId>, count: usize) -> Result<Vec<FeedId>, StoreError>;
            feed_bytes(feed: &FeedId) -> Result<u64, StoreError>;
            feeds_of(centre: &CentreId) -> Result<Vec<FeedId>, StoreError>;
            entry(place: &Place) -> Result<Option<Entry>, StoreError>;
            record(place: &Place) -> Result<Option<SignedRecord>, StoreError>;
            range(feed: &FeedId, from: Seq, to: Seq, bytes_max: usize) -> Result<Vec<SignedRecord>, StoreError>;
            find(digits: &str, count: usize) -> Result<Vec<(RecordId, Place)>, StoreError>;
            newest(before: Option<u64>, count: usize) -> Result<Vec<(u64, Place)>, StoreError>;
            changes(after: u64, count: usize) -> Result<Vec<(u64, Place)>, StoreError>;
            series(first: &RecordId) -> Result<Vec<Place>, StoreError>;
            targeting(target: &RecordId) -> Result<Vec<Place>, StoreError>;
            missing(after: Option<Place>, count: usize) -> Result<Vec<Place>, StoreError>;
            evidence(feed: &FeedId) -> Result<Vec<Seq>, StoreError>;
            identity(centre: &CentreId) -> Result<Vec<Vec<u8>>, StoreError>;
            centres(after: Option<CentreId>, count: usize) -> Result<Vec<CentreId>, StoreError>;
            shelf(name: ShelfName) -> Arc<Shelf>;
            counts() -> Counts;
            local(table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
            locals(table: Table, prefix: &[u8]) -> Result<Vec<Local>, StoreError>;
            attachment(hash: &FileHash) -> Result<Option<HeldFile>, StoreError>;
            attachments(after: Option<FileHash>, count: usize) -> Result<Vec<(FileHash, HeldFile)>, StoreError>;
            attachment_part(hash: &FileHash, from: u32, count: u32) -> Result<Option<Part>, StoreError>;
        }
    };
    (@methods $type:ty, $reader:ident, $state:expr;
     $($name:ident($($argument:ident: $argument_type:ty),*) -> $result:ty;)*) => {
        impl StoreRead for $type {
            $(fn $name(&self, $($argument: $argument_type),*) -> $result {
                let $reader = self;
                $state.$name($($argument),*)
            })*
        }
    };
}

read_from!(MemoryReader, |reader| reader.lock());
read_from!(MemoryStore, |store| store.working);

impl Store for MemoryStore {
    type Reader = MemoryReader;

    fn reader(&self) -> MemoryReader {
        self.committed.clone()
    }

    fn put_identity(
        &mut self,
        centre: &CentreId,
        seq: u64,
        event: &EventId,
        signed: &[u8],
    ) -> Result<(), StoreError> {
        let events = self.change().identities.entry(*centre).or_default();
        events.insert((seq, *event), signed.to_vec());
        Ok(())
    }

    fn drop_identity(
        &mut self,
        centre: &CentreId,
        seq: u64,
        event: &EventId,
    ) -> Result<(), StoreError> {
        let events = self.change().identities.get_mut(centre);
        events.and_then(|events| events.remove(&(seq, *event)));
        Ok(())
    }

    fn put_identity_head(&mut self, centre: &CentreId, head: Head) -> Result<(), StoreError> {
        let before = self.shelf(ShelfName::Identities).get(&centre.0).copied();
        self.change().set_head(ShelfName::Identities, centre.0, head, before);
        Ok(())
    }

    fn put_record(
        &mut self,
        record: &VerifiedRecord,
        branch: Branch,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let place = Place { feed: record.feed(), seq: record.header().seq, branch };
        let body = if record.payload().is_some() { BodyState::Present } else { BodyState::Missing };
        let signature = match (record.signature(), record.has_own_signature()) {
            (None, _) => SignatureState::Missing,
            (Some(_), false) => SignatureState::Unchecked,
            (Some(_), true) => SignatureState::Checked,
        };
        let (id, kind) = (record.id(), record.header().kind);
        let lists_files = record.header().attachment_bytes != 0;
        let entry = Entry { id, kind, change: 0, arrived_ms: now, body, signature, lists_files };
        self.change().records.insert(place, (entry, Arc::new(record.record().clone())));
        self.change().renumber(&place);
        Ok(())
    }

    fn put_payload(&mut self, place: &Place, payload: &Payload) -> Result<(), StoreError> {
        self.change().alter(place, |entry, wire| {
            entry.body = BodyState::Present;
            wire.payload = Some(payload.clone());
        });
        self.change().renumber(place);
        Ok(())
    }

    fn put_signature(&mut self, place: &Place, signature: &Signature) -> Result<(), StoreError> {
        self.change().alter(place, |entry, wire| {
            entry.signature = SignatureState::Checked;
            wire.signature = Some(*signature);
        });
        Ok(())
    }

    fn exchange(
        &mut self,
        feed: &FeedId,
        from: Seq,
        main_to: Seq,
        other_to: Seq,
    ) -> Result<(), StoreError> {
        let place = |seq, branch| Place { feed: *feed, seq, branch };
        for seq in from..=main_to.max(other_to) {
            let main = self.change().take_out(&place(seq, Branch::Main)).filter(|_| seq <= main_to);
            let other = self.change().take_out(&place(seq, Branch::Other));
            let other = other.filter(|_| seq <= other_to);
            self.change().put_in(place(seq, Branch::Other), main);
            self.change().put_in(place(seq, Branch::Main), other);
        }
        Ok(())
    }

    fn drop_evidence(&mut self, feed: &FeedId, seq: Seq) -> Result<(), StoreError> {
        self.change().take_out(&Place { feed: *feed, seq, branch: Branch::Other });
        Ok(())
    }

    fn put_feed(&mut self, feed: &FeedId, state: &FeedState) -> Result<(), StoreError> {
        let before = self.working.feeds.get(feed).map(FeedState::head);
        let name = ShelfName::of(&state.audience);
        self.change().set_head(name, feed.0, state.head(), before);
        self.change().feeds.insert(*feed, state.clone());
        Ok(())
    }

    fn put_own_head(&mut self, _: &FeedId, _: &FeedHead) -> Result<(), StoreError> {
        // Memory loses either nothing or everything.
        Ok(())
    }

    fn touch(&mut self, place: &Place) -> Result<(), StoreError> {
        self.change().renumber(place);
        Ok(())
    }

    fn erase(&mut self, place: &Place) -> Result<(), StoreError> {
        self.change().alter(place, |entry, wire| {
            entry.body = BodyState::Erased;
            wire.payload = None;
        });
        self.change().renumber(place);
        Ok(())
    }

    fn put_local(
        &mut self,
        table: Table,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let key = (table, key.to_vec());
        match value {
            Some(value) => self.change().locals.insert(key, value.to_vec()),
            None => self.change().locals.remove(&key),
        };
        Ok(())
    }

    fn put_attachment(&mut self, part: &VerifiedPart) -> Result<(), StoreError> {
        self.change().files.put(part);
        Ok(())
    }

    fn drop_attachment(&mut self, hash: &FileHash) -> Result<(), StoreError> {
        self.change().files.drop(hash);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        if !std::mem::take(&mut self.changed) {
            return Ok(());
        }
        *self.committed.0.write().expect("no reader panics while it holds the lock") =
            self.working.clone();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_keeps_the_contract() {
        let mut epoch = 0;
        crate::conformance::run(&mut || {
            epoch += 1;
            MemoryStore::new(epoch)
        });
    }
}
