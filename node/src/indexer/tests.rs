//! What the indexer does to an index, over a store in memory.
use std::sync::{Condvar, Mutex, MutexGuard};

use baraza_protocol::{
    index::{Hits, IndexError, Query},
    ingest::{ingest_identity, ingest_range},
    model::{MemoryIndex, MemoryStore},
    store::Store,
};
use baraza_record::Timestamp;

use super::*;

#[expect(dead_code, reason = "the measures are for benchmarks")]
#[path = "../../benches/support/mod.rs"]
mod support;

use support::{Author, Random};

/// What was done to an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// With so many bytes of text.
    Stage(usize),
    Apply(IndexPosition),
    Purge,
}

/// An index that notes what is done to it, and fails when told to.
#[derive(Default)]
struct Noted {
    index: MemoryIndex,
    calls: Mutex<Vec<Call>>,
    applied: Condvar,
    /// Calls of `stage` before the one that fails.
    fails_after: Mutex<Option<usize>>,
}

impl Noted {
    fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap()
    }

    fn found(&self) -> usize {
        self.index.search(&Query::default()).unwrap().total
    }
}

impl Index for Noted {
    fn position(&self) -> Result<IndexPosition, IndexError> {
        self.index.position()
    }

    fn stage(&self, put: &[IndexDoc], remove: &[RecordId]) -> Result<(), IndexError> {
        let mut fails_after = self.fails_after.lock().unwrap();
        if *fails_after == Some(0) {
            *fails_after = None;
            // As an index does that fails: it forgets what was staged.
            self.index.purge()?;
            return Err(IndexError { what: "told to fail".to_owned(), source: None });
        }
        *fails_after = fails_after.map(|left| left - 1);
        self.calls().push(Call::Stage(put.iter().map(|doc| doc.text.len()).sum()));
        self.index.stage(put, remove)
    }

    fn apply(
        &self,
        put: &[IndexDoc],
        remove: &[RecordId],
        position: IndexPosition,
    ) -> Result<(), IndexError> {
        let mut calls = self.calls();
        calls.push(Call::Apply(position));
        self.applied.notify_all();
        self.index.apply(put, remove, position)
    }

    fn clear(&self) -> Result<(), IndexError> {
        self.index.clear()
    }

    fn purge(&self) -> Result<(), IndexError> {
        self.calls().push(Call::Purge);
        self.index.purge()
    }

    fn idle(&self) {}

    fn search(&self, query: &Query) -> Result<Hits, IndexError> {
        self.index.search(query)
    }
}

const RECORDS: usize = 1_500;

/// Far more than anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// A store with records of one centre, and where they stand.
fn store() -> (MemoryStore, Vec<Place>) {
    let mut store = MemoryStore::new(7);
    let (mut author, mut random) = (Author::new(1), Random(42));
    ingest_identity(&mut store, &author.inception).unwrap();
    let records: Vec<_> = (0..RECORDS).map(|_| author.lesson(&mut random)).collect();
    for part in records.chunks(256) {
        ingest_range(&mut store, part, Timestamp(1)).unwrap();
    }
    store.commit().unwrap();
    let mut places = Vec::new();
    while let Ok(page) = store.reader().changes(places.len() as u64, 1_000)
        && !page.is_empty()
    {
        places.extend(page.into_iter().map(|(_, place)| place));
    }
    assert_eq!(places.len(), RECORDS);
    (store, places)
}

#[test]
fn one_commit_covers_many_changes_and_little_is_in_memory() {
    let (store, _) = store();
    let (reader, index) = (store.reader(), Noted::default());
    catch_up(&reader, &index).unwrap();

    assert_eq!(index.found(), RECORDS);
    let end = IndexPosition { epoch: 7, change: reader.last_change() };
    let calls = index.calls().clone();
    assert_eq!(calls.last(), Some(&Call::Apply(end)));
    assert_eq!(calls.iter().filter(|call| !matches!(call, Call::Stage(_))).count(), 1);
    let staged = calls.iter().filter_map(|call| match call {
        Call::Stage(bytes) => Some(*bytes),
        _ => None,
    });
    let most = staged.max().unwrap();
    assert!(STAGE_BYTES / 2 < most && most <= STAGE_BYTES + 4_096, "{most}");

    catch_up(&reader, &index).unwrap();
    assert_eq!(*index.calls(), calls, "nothing is left to do");
}

#[test]
fn a_failure_loses_nothing() {
    let (store, _) = store();
    for fails_after in 0..3 {
        let (reader, index) = (store.reader(), Noted::default());
        *index.fails_after.lock().unwrap() = Some(fails_after);
        assert_eq!(catch_up(&reader, &index).unwrap_err(), "full-text index: told to fail");
        assert_eq!(index.position().unwrap(), IndexPosition::default());
        catch_up(&reader, &index).unwrap();
        assert_eq!(index.found(), RECORDS, "after {fails_after}");
    }
}

#[test]
fn the_position_moves_over_an_erasure_after_the_purge() {
    let (mut store, places) = store();
    let index = Noted::default();
    catch_up(&store.reader(), &index).unwrap();
    let before = index.position().unwrap();
    index.calls().clear();

    store.erase(&places[3]).unwrap();
    store.commit().unwrap();
    let reader = store.reader();
    catch_up(&reader, &index).unwrap();
    let after = IndexPosition { epoch: 7, change: reader.last_change() };
    assert!(before.change < after.change);
    let expected = [Call::Stage(0), Call::Apply(before), Call::Purge, Call::Apply(after)];
    assert_eq!(*index.calls(), expected);
    assert_eq!(index.found(), RECORDS - 1);
}

#[test]
fn an_index_of_another_epoch_is_made_anew() {
    let (store, _) = store();
    let index = Noted::default();
    index.apply(&[], &[RecordId([1; 32])], IndexPosition { epoch: 6, change: 9_999 }).unwrap();
    catch_up(&store.reader(), &index).unwrap();
    assert_eq!(index.found(), RECORDS);
    assert_eq!(index.position().unwrap().epoch, 7);
}

#[test]
fn the_thread_follows_the_store_until_it_is_stopped() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let (mut store, places) = store();
    let index = Arc::new(Noted::default());
    let (told, changes) = watch::channel(0);
    let stop = CancellationToken::new();
    let reader = Arc::new(store.reader());
    let thread = follow(
        Arc::clone(&reader) as Arc<dyn StoreRead>,
        Arc::clone(&index) as Arc<dyn Index>,
        changes,
        stop.clone(),
    );
    let until = |found: usize| {
        let behind = |_: &mut Vec<Call>| {
            (index.found(), index.position().unwrap().change) != (found, reader.last_change())
        };
        let waited = index.applied.wait_timeout_while(index.calls(), DEADLINE, behind).unwrap();
        assert!(!waited.1.timed_out(), "the index did not follow");
    };
    until(RECORDS);
    for place in &places[..3] {
        store.erase(place).unwrap();
        store.commit().unwrap();
        told.send(reader.last_change()).unwrap();
    }
    until(RECORDS - 3);
    stop.cancel();
    thread.join().unwrap();
}
