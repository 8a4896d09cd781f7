//! Keeps the full-text index behind the store, never ahead of it.
//!
//! Invariant: the index is derived; whatever goes wrong here costs a rebuild.
//! Spec: docs/ARCHITECTURE.md, "Derived state".

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, thread::JoinHandle, time::Duration};

use baraza_protocol::{
    effective::{Effective, IndexAction},
    index::{Index, IndexDoc, IndexPosition},
    store::{BodyState, Place, StoreRead},
};
use baraza_record::RecordId;
use tokio::{runtime::Handle, sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

/// Changes that are looked at together.
const CHANGES_MAX: usize = 1_000;

/// Bytes of text after which documents are handed to the index (1 MiB): bodies may have
/// 256 KiB.
const STAGE_BYTES: usize = 1_024 * 1_024;

/// Changes that one commit of the index covers: the index remembers their ids, 2 MB.
const COMMIT_CHANGES_MAX: usize = 50_000;

/// Longest time between two commits while there is more to do (2 s).
const COMMIT_EVERY: Duration = Duration::from_secs(2);

/// The store must be quiet for this long before its changes are committed (0.1 s): one
/// commit costs as much as many records.
const QUIET: Duration = Duration::from_millis(100);

/// Wait before the index's writer is closed (30 s): it holds up to 40 MB.
const IDLE: Duration = Duration::from_secs(30);

/// Wait after a failure (30 s).
const RETRY: Duration = Duration::from_secs(30);

/// By how much the indexer steps back for everything else that the machine does (of 19).
const NICE: i32 = 10;

/// One way from the index's position to the end of the store's changes.
struct Run<'a> {
    reader: &'a dyn StoreRead,
    index: &'a dyn Index,
    /// Last change that was staged or committed.
    at: u64,
    /// Changes since the last commit.
    uncommitted: usize,
}

impl<'a> Run<'a> {
    /// Starts after what the index durably covers; an index of another epoch is dropped.
    fn new(reader: &'a dyn StoreRead, index: &'a dyn Index) -> Result<Self, String> {
        let position = index.position().map_err(|error| error.to_string())?;
        let mut at = position.change;
        if position != IndexPosition::default() && position.epoch != reader.epoch() {
            index.clear().map_err(|error| error.to_string())?;
            at = 0;
        }
        Ok(Self { reader, index, at, uncommitted: 0 })
    }

    /// Stages the next changes. Returns whether there were any.
    fn step(&mut self) -> Result<bool, String> {
        let changes = self.reader.changes(self.at, CHANGES_MAX);
        let changes = changes.map_err(|error| error.to_string())?;
        let Some((last, _)) = changes.last() else { return Ok(false) };
        if changes.iter().try_fold(false, |any, (_, place)| {
            is_erased(self.reader, place).map(|erased| any || erased)
        })? {
            // The position stands until the words have left the disk: whatever comes
            // between, these changes are looked at again.
            self.stage(&changes)?;
            self.uncommitted += 1;
            self.commit()?;
            self.index.purge().map_err(|error| error.to_string())?;
        } else {
            self.stage(&changes)?;
        }
        self.at = *last;
        self.uncommitted += changes.len();
        Ok(true)
    }

    fn stage(&self, changes: &[(u64, Place)]) -> Result<(), String> {
        let mut effective = Effective::new(self.reader);
        // The last word on a record counts: an index takes what to put and what to remove
        // without an order between them.
        let mut verdicts: BTreeMap<RecordId, Option<IndexDoc>> = BTreeMap::new();
        let mut bytes = 0;
        for (_, place) in changes {
            for action in effective.index_actions(place).map_err(|error| error.to_string())? {
                match action {
                    IndexAction::Put(doc) => {
                        bytes += doc.title.len() + doc.text.len();
                        verdicts.insert(doc.id, Some(*doc))
                    }
                    IndexAction::Remove(id) => verdicts.insert(id, None),
                };
            }
            if STAGE_BYTES <= bytes {
                self.hand_over(std::mem::take(&mut verdicts))?;
                bytes = 0;
            }
        }
        self.hand_over(verdicts)
    }

    fn hand_over(&self, verdicts: BTreeMap<RecordId, Option<IndexDoc>>) -> Result<(), String> {
        let gone = |(id, doc): (&RecordId, &Option<IndexDoc>)| doc.is_none().then_some(*id);
        let remove: Vec<_> = verdicts.iter().filter_map(gone).collect();
        let put: Vec<_> = verdicts.into_values().flatten().collect();
        self.index.stage(&put, &remove).map_err(|error| error.to_string())
    }

    /// Makes what was staged durable and seen, and moves the index over change numbers that
    /// nothing stands for any more if everything was.
    fn commit(&mut self) -> Result<(), String> {
        if self.uncommitted != 0 {
            let position = IndexPosition { epoch: self.reader.epoch(), change: self.at };
            self.index.apply(&[], &[], position).map_err(|error| error.to_string())?;
            self.uncommitted = 0;
        }
        Ok(())
    }
}

/// Brings the index up to the store.
pub(crate) fn catch_up(reader: &dyn StoreRead, index: &dyn Index) -> Result<(), String> {
    let mut run = Run::new(reader, index)?;
    while run.step()? {
        if COMMIT_CHANGES_MAX <= run.uncommitted {
            run.commit()?;
        }
    }
    run.commit()?;
    pass_over(reader, index)
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
                return catch_up(reader, index);
            }
        }
    }
}

fn is_erased(reader: &dyn StoreRead, place: &Place) -> Result<bool, String> {
    let entry = reader.entry(place).map_err(|error| error.to_string())?;
    Ok(entry.is_some_and(|entry| entry.body == BodyState::Erased))
}

/// Moves the index over change numbers that nothing stands for any more.
fn pass_over(reader: &dyn StoreRead, index: &dyn Index) -> Result<(), String> {
    let position = index.position().map_err(|error| error.to_string())?;
    let end = IndexPosition { epoch: reader.epoch(), change: reader.last_change() };
    let left = reader.changes(position.change, 1).map_err(|error| error.to_string())?;
    match position == end || end.change == 0 || !left.is_empty() {
        true => Ok(()),
        false => index.apply(&[], &[], end).map_err(|error| error.to_string()),
    }
}

/// Brings the index up to a store that may be changing: few commits while much comes, and
/// the last one when nothing has come for a moment.
fn keep_up(
    reader: &dyn StoreRead,
    index: &dyn Index,
    changes: &mut watch::Receiver<u64>,
    stop: &CancellationToken,
) -> Result<(), String> {
    let mut run = Run::new(reader, index)?;
    let (mut committed_at, mut changed_at) = (Instant::now(), Instant::now());
    while !stop.is_cancelled() {
        let worked = run.step()?;
        if run.uncommitted == 0 {
            committed_at = Instant::now();
        }
        if COMMIT_CHANGES_MAX <= run.uncommitted || committed_at + COMMIT_EVERY <= Instant::now() {
            run.commit()?;
            committed_at = Instant::now();
        }
        if changes.has_changed().unwrap_or(false) {
            changes.mark_unchanged();
            changed_at = Instant::now();
        } else if !worked {
            let more = tokio::time::timeout_at(changed_at + QUIET, changes.changed());
            let more = async {
                tokio::select! {
                    () = stop.cancelled() => false,
                    more = more => matches!(more, Ok(Ok(()))),
                }
            };
            if !Handle::current().block_on(more) {
                break;
            }
            changed_at = Instant::now();
        }
    }
    run.commit()?;
    pass_over(reader, index)
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
        step_back();
        let _entered = handle.enter();
        while !stop.is_cancelled() {
            let wait = match keep_up(&*reader, &*index, &mut changes, &stop) {
                Ok(()) => IDLE,
                Err(error) => {
                    tracing::warn!(error, "search is behind; it is tried again");
                    RETRY
                }
            };
            handle.block_on(async {
                tokio::select! {
                    () = stop.cancelled() => (),
                    changed = changes.changed() => if changed.is_err() { stop.cancel() },
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

/// Lets everything else go before this thread and those that it starts, the index's writer
/// among them: what comes over a link is kept first and made searchable with what is left.
fn step_back() {
    // Of the calling thread alone on Linux, and of the whole process elsewhere.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "the indexer keeps its priority");
    }
}
