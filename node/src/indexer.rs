//! Keeps the full-text index behind the store, never ahead of it.
//!
//! Invariant: the index is derived; whatever goes wrong here costs a rebuild.
//! Spec: docs/ARCHITECTURE.md, "Derived state".

use std::{collections::BTreeMap, sync::Arc, thread::JoinHandle, time::Duration};

use baraza_protocol::{
    effective::{Effective, IndexAction},
    index::{Index, IndexDoc, IndexPosition},
    store::{BodyState, Place, StoreRead},
};
use baraza_record::RecordId;
use tokio::{runtime::Handle, sync::watch};
use tokio_util::sync::CancellationToken;

/// Changes that one commit of the index covers.
const CHANGES_MAX: usize = 1_000;

/// The store must be quiet for this long before its changes are indexed (0.2 s): one commit
/// costs as much as many records, and a catch-up needs the processor itself.
const QUIET: Duration = Duration::from_millis(200);

/// Longest wait for quiet (5 s).
const QUIET_MAX: Duration = Duration::from_secs(5);

/// Wait before the index's writer is closed (30 s): it holds 15 MB.
const IDLE: Duration = Duration::from_secs(30);

/// Wait after a failure (30 s).
const RETRY: Duration = Duration::from_secs(30);

/// Brings the index up to the store. Returns whether anything was to do.
pub(crate) fn catch_up(reader: &dyn StoreRead, index: &dyn Index) -> Result<bool, String> {
    let mut worked = false;
    loop {
        let position = index.position().map_err(|error| error.to_string())?;
        let mut after = position.change;
        if position != IndexPosition::default() && position.epoch != reader.epoch() {
            index.clear().map_err(|error| error.to_string())?;
            after = 0;
        }
        let changes = reader.changes(after, CHANGES_MAX).map_err(|error| error.to_string())?;
        let Some((last, _)) = changes.last() else {
            pass_over(reader, index, position)?;
            return Ok(worked);
        };
        let mut effective = Effective::new(reader);
        // The last word on a record counts: an index takes what to put and what to remove
        // without an order between them.
        let (mut verdicts, mut erased) = (BTreeMap::new(), false);
        for (_, place) in &changes {
            erased |= is_erased(reader, place)?;
            for action in effective.index_actions(place).map_err(|error| error.to_string())? {
                match action {
                    IndexAction::Put(doc) => verdicts.insert(doc.id, Some(*doc)),
                    IndexAction::Remove(id) => verdicts.insert(id, None),
                };
            }
        }
        let gone = |(id, doc): (&RecordId, &Option<IndexDoc>)| doc.is_none().then_some(*id);
        let remove: Vec<_> = verdicts.iter().filter_map(gone).collect();
        let put: Vec<_> = verdicts.into_values().flatten().collect();
        let covered = IndexPosition { epoch: reader.epoch(), change: *last };
        let (put, remove) = match erased {
            false => (put, remove),
            true => {
                // The position stands until the words have left the disk: whatever comes
                // between, these changes are looked at again.
                index
                    .apply(&put, &remove, IndexPosition { change: after, ..covered })
                    .map_err(|error| error.to_string())?;
                index.purge().map_err(|error| error.to_string())?;
                Default::default()
            }
        };
        index.apply(&put, &remove, covered).map_err(|error| error.to_string())?;
        worked = true;
    }
}

/// Brings the index up to the store if it may have words of what was erased.
pub(crate) fn purge_erased(reader: &dyn StoreRead, index: &dyn Index) -> Result<(), String> {
    let position = index.position().map_err(|error| error.to_string())?;
    if position == IndexPosition::default() {
        return Ok(());
    }
    let mut after = if position.epoch == reader.epoch() { position.change } else { 0 };
    loop {
        let changes = reader.changes(after, CHANGES_MAX).map_err(|error| error.to_string())?;
        let Some((last, _)) = changes.last() else { return Ok(()) };
        after = *last;
        for (_, place) in &changes {
            if is_erased(reader, place)? {
                return catch_up(reader, index).map(|_| ());
            }
        }
    }
}

fn is_erased(reader: &dyn StoreRead, place: &Place) -> Result<bool, String> {
    let entry = reader.entry(place).map_err(|error| error.to_string())?;
    Ok(entry.is_some_and(|entry| entry.body == BodyState::Erased))
}

/// Moves the index over change numbers that nothing stands for any more.
fn pass_over(
    reader: &dyn StoreRead,
    index: &dyn Index,
    position: IndexPosition,
) -> Result<(), String> {
    let end = IndexPosition { epoch: reader.epoch(), change: reader.last_change() };
    match position == end || end.change == 0 {
        true => Ok(()),
        false => index.apply(&[], &[], end).map_err(|error| error.to_string()),
    }
}

/// Waits until nothing has changed for a moment.
async fn quiet(changes: &mut watch::Receiver<u64>) {
    let waiting =
        async { while let Ok(Ok(())) = tokio::time::timeout(QUIET, changes.changed()).await {} };
    // Whatever else happens, what came first is searchable in a while.
    let _ = tokio::time::timeout(QUIET_MAX, waiting).await;
}

/// Follows the store on a thread of its own until `stop`.
pub(crate) fn follow(
    reader: Arc<dyn StoreRead>,
    index: Arc<dyn Index>,
    mut changes: watch::Receiver<u64>,
    stop: CancellationToken,
) -> JoinHandle<()> {
    let handle = Handle::current();
    let run = move || {
        while !stop.is_cancelled() {
            let wait = match catch_up(&*reader, &*index) {
                Ok(_) => IDLE,
                Err(error) => {
                    tracing::warn!(error, "search is behind; it is tried again");
                    RETRY
                }
            };
            handle.block_on(async {
                tokio::select! {
                    () = stop.cancelled() => (),
                    changed = changes.changed() => match changed {
                        Ok(()) => quiet(&mut changes).await,
                        Err(_) => stop.cancel(),
                    },
                    () = tokio::time::sleep(wait) => index.idle(),
                }
            });
        }
    };
    std::thread::Builder::new()
        .name("indexer".into())
        .spawn(run)
        .expect("the system starts a thread")
}
