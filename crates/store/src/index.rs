//! sled: opening it whatever state it is in, and what it holds.
//!
//! Invariant: no answer of the store depends on sled having kept anything; whatever is
//! wrong with it, it is set aside and made anew from the ledger. sled 0.34 panics or fails
//! on some damaged files, and never repairs one.
//! Spec: docs/STORAGE.md, sections 3 and 6.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::Duration,
};

use baraza_protocol::store::{BodyState, FeedHead, FeedState, ShelfName, StoreError};
use baraza_reconcile::Head;
use baraza_record::{Audience, CentreId, PublicKey, RecordId, Seq, codec};
use sled::{Batch, Db};

use crate::{
    fault, home,
    keys::{self, Spot},
    open::OpenError,
    segments::At,
    slot,
    tables::{Changes, Feed, IdPlace, Ids, Tables},
};

/// Memory that sled may use for its pages (32 MiB); its default is 1 GiB.
const CACHE_BYTES: u64 = 32 * 1_024 * 1_024;

/// How often sled writes back on its own. Only a backstop: less is replayed after a crash.
const FLUSH_EVERY_MS: u64 = 500;

/// Attempts to open a sled that the system, not its content, refuses: the lock of a process
/// that is being killed.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// Most bytes of an encoded feed state.
const FEED_BYTES_MAX: usize = 2_048;

/// What stands in the index about itself, and everything that is kept in memory.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) index: Db,
    pub(crate) tables: Tables,
    /// How far the ledger is in the index; `None` if it never was as a whole.
    pub(crate) applied: Option<At>,
    pub(crate) epoch: Option<u64>,
    /// Whether it was closed in order.
    pub(crate) clean: bool,
}

/// Why the index cannot be used.
#[derive(Debug)]
enum Refusal {
    /// The system refused; the content may be whole.
    System(std::io::Error),
    /// The content is damaged.
    Damaged(String),
}

/// Opens the index in `dir/sled`; if it is damaged, sets it aside and starts an empty one.
/// Also returns where the damaged one is now.
pub(crate) fn open(dir: &Path) -> Result<(Opened, Option<PathBuf>), OpenError> {
    let path = dir.join("sled");
    home::make_dir(&path)?;
    let mut aside = None;
    let mut snapshots_removed = false;
    for attempt in 1.. {
        let refusal = match try_open(&path) {
            Ok(opened) => return Ok((opened, aside)),
            Err(refusal) => refusal,
        };
        match refusal {
            Refusal::System(_) if attempt < ATTEMPTS => std::thread::sleep(PAUSE),
            Refusal::System(error) => return Err(OpenError::io("opening the index")(error)),
            Refusal::Damaged(why) if !snapshots_removed => {
                tracing::warn!(why, "the index is damaged, trying without its snapshots");
                remove_snapshots(&path)
                    .map_err(OpenError::io("removing snapshots of the index"))?;
                snapshots_removed = true;
            }
            Refusal::Damaged(why) if aside.is_none() => {
                tracing::warn!(why, "the index is damaged and set aside");
                aside = Some(set_aside(dir)?);
            }
            Refusal::Damaged(why) => {
                return Err(OpenError::io("making a new index")(fault::damaged(why)));
            }
        }
    }
    unreachable!("every attempt returns or is followed by another")
}

/// Renames `dir/sled` and makes an empty folder in its place.
pub(crate) fn set_aside(dir: &Path) -> Result<PathBuf, OpenError> {
    let path = dir.join("sled");
    let free = (1_u32..).map(|n| dir.join(format!("sled.damaged-{n}"))).find(|to| !to.exists());
    let to = free.expect("numbers do not run out");
    let moved = fs::rename(&path, &to).and_then(|()| home::sync_dir(dir));
    moved.map_err(OpenError::io(format!("moving {} to {}", path.display(), to.display())))?;
    home::make_dir(&path)?;
    Ok(to)
}

/// Returns the rows of an index that a rebuild from the ledger cannot restore.
pub(crate) fn locals(index: &Db) -> Vec<(Vec<u8>, Vec<u8>)> {
    let rows = keys::LOCALS.iter().flat_map(|first| index.scan_prefix([*first]));
    // What cannot be read is lost: it is only what this node had noticed by itself.
    rows.filter_map(Result::ok).map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

/// Writes rows and what belongs with them as one batch; `rows` is empty afterwards.
pub(crate) fn apply(
    index: &Db,
    rows: &mut BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    applied: Option<At>,
    last_change: u64,
) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    for (key, row) in std::mem::take(rows) {
        match row {
            Some(row) => batch.insert(key, row),
            None => batch.remove(key),
        }
    }
    if let Some(applied) = applied {
        let state = [applied.to_bytes(), last_change.to_be_bytes()].concat();
        batch.insert(keys::META_STATE, state);
    }
    index.apply_batch(batch).map_err(fault::io("writing the index"))
}

/// Marks the index as in use and returns when that is on the disk: after a power cut the
/// next process knows that change numbers were given out that it does not see.
pub(crate) fn begin(
    dir: &Path,
    index: &Db,
    epoch: u64,
    end: At,
    last: u64,
) -> Result<(), StoreError> {
    let mut rows = BTreeMap::new();
    rows.insert(keys::META_CLEAN.to_vec(), None);
    rows.insert(keys::META_EPOCH.to_vec(), Some(epoch.to_be_bytes().to_vec()));
    apply(index, &mut rows, Some(end), last)?;
    index.flush().map_err(fault::io("flushing the index"))?;
    // `flush` of sled 0.34 does not fsync.
    let synced = File::open(dir.join("sled").join("db")).and_then(|file| file.sync_all());
    synced.map_err(fault::io("flushing the index"))
}

/// Marks the index as closed in order when the writer goes.
#[derive(Debug)]
pub(crate) struct Closing(Option<Db>);

impl Closing {
    /// Makes the mark's keeper.
    pub(crate) fn new(index: Db) -> Self {
        Self(Some(index))
    }

    /// Says that the mark must not be made.
    pub(crate) fn not_in_order(&mut self) {
        self.0 = None;
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        if let Some(index) = self.0.take() {
            let marked = index.insert(keys::META_CLEAN, &[]).and_then(|_| index.flush());
            if let Err(error) = marked {
                tracing::warn!(%error, "the index could not be marked as closed");
            }
        }
    }
}

/// Returns the row of a feed.
pub(crate) fn encode_feed(feed: &Feed) -> Vec<u8> {
    let mut row = feed.number.to_be_bytes().to_vec();
    row.extend(feed.moved.to_be_bytes());
    row.extend(feed.bytes.to_be_bytes());
    if let Some(FeedState { centre, signer, audience, chain, shelf, fork }) = &feed.state {
        let heads = ((chain.seq, chain.id), (shelf.seq, shelf.id));
        row.extend(codec::encode(&(*centre, *signer, audience.clone(), heads, *fork)));
    }
    row
}

type FeedRow = (CentreId, PublicKey, Audience, ((Seq, RecordId), (Seq, RecordId)), Option<Seq>);

fn decode_feed(row: &[u8]) -> Option<Feed> {
    let (number, state) = row.split_first_chunk::<4>()?;
    let (moved, state) = state.split_first_chunk::<8>()?;
    let (bytes, state) = state.split_first_chunk::<8>()?;
    let (moved, bytes) = (u64::from_be_bytes(*moved), u64::from_be_bytes(*bytes));
    let feed = Feed { moved, bytes, ..Feed::new(u32::from_be_bytes(*number)) };
    if state.is_empty() {
        return Some(feed);
    }
    let (centre, signer, audience, (chain, shelf), fork) =
        codec::decode::<FeedRow>(state, FEED_BYTES_MAX).ok()?;
    let head = |(seq, id)| FeedHead { seq, id };
    let (chain, shelf) = (head(chain), head(shelf));
    let state = FeedState { centre, signer, audience, chain, shelf, fork };
    Some(Feed { state: Some(state), ..feed })
}

/// Returns the row of the head of an identity log.
pub(crate) fn encode_head(head: &Head, moved: u64) -> Vec<u8> {
    let forked = [u8::from(head.forked)];
    [&head.seq.to_be_bytes(), head.id.as_slice(), &forked, &moved.to_be_bytes()].concat()
}

/// Reads the head of an identity log, with the number of its last move.
pub(crate) fn decode_head(row: &[u8]) -> Option<(Head, u64)> {
    let (seq, rest) = row.split_first_chunk::<8>()?;
    let (id, rest) = rest.split_first_chunk::<32>()?;
    let ([forked], moved) = rest.split_first_chunk::<1>()?;
    let moved = u64::from_be_bytes(moved.try_into().ok()?);
    let seq = u64::from_be_bytes(*seq);
    Some((Head { seq, id: *id, forked: *forked == 1 }, moved))
}

fn try_open(path: &Path) -> Result<Opened, Refusal> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(FLUSH_EVERY_MS));
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let index = config.open().map_err(|error| match error {
            sled::Error::Io(error) => Refusal::System(error),
            error => Refusal::Damaged(error.to_string()),
        })?;
        load(index).map_err(|error| Refusal::Damaged(error.to_string()))
    }));
    opened.unwrap_or_else(|_| Err(Refusal::Damaged("sled panicked".into())))
}

fn remove_snapshots(path: &Path) -> std::io::Result<()> {
    for file in fs::read_dir(path)? {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with("snap.") {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

fn load(index: Db) -> Result<Opened, StoreError> {
    let get = |key| index.get(key).map_err(fault::io("reading the index"));
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_be_bytes);
    let state = get(keys::META_STATE)?;
    let state = state.as_deref().and_then(|row| row.split_first_chunk::<8>());
    let applied = state.map(|(at, _)| At::from_bytes(*at));
    let epoch = get(keys::META_EPOCH)?.and_then(|row| number(&row));
    let clean = get(keys::META_CLEAN)?.is_some();
    let mut tables = Tables {
        last_change: state.and_then(|(_, last)| number(last)).unwrap_or(0),
        ..Tables::default()
    };
    load_feeds(&index, &mut tables)?;
    load_identities(&index, &mut tables)?;
    load_records(&index, &mut tables)?;
    Ok(Opened { index, tables, applied, epoch, clean })
}

fn load_feeds(index: &Db, tables: &mut Tables) -> Result<(), StoreError> {
    let mut feeds = Vec::new();
    for row in index.scan_prefix([keys::FEEDS]) {
        let (key, row) = row.map_err(fault::io("reading the index"))?;
        let id = key.get(1..).and_then(|id| id.try_into().ok()).map(baraza_record::FeedId);
        match id.zip(decode_feed(&row)) {
            Some((id, feed)) => feeds.push((id, feed)),
            None => return Err(fault::damaged("index row of a feed")),
        }
    }
    feeds.sort_unstable_by_key(|(_, feed)| feed.number);
    for (place, (id, feed)) in feeds.into_iter().enumerate() {
        if feed.number as usize != place {
            return Err(fault::damaged(format!("no feed has number {place}")));
        }
        if let Some(state) = &feed.state {
            tables.counts.feeds += 1;
            tables.set_head(ShelfName::of(&state.audience), id.0, state.head(), feed.moved);
        }
        tables.feeds.set(id, feed);
    }
    Ok(())
}

fn load_identities(index: &Db, tables: &mut Tables) -> Result<(), StoreError> {
    let mut shelf = baraza_reconcile::Shelf::default();
    for row in index.scan_prefix([keys::IDENTITY_HEADS]) {
        let (key, row) = row.map_err(fault::io("reading the index"))?;
        let (centre, (head, moved)) = keys::parse_centre(&key)
            .zip(decode_head(&row))
            .ok_or_else(|| fault::damaged("index row of the head of an identity log"))?;
        shelf.set(centre.0, head, moved);
        tables.last_move = tables.last_move.max(moved);
    }
    for row in index.scan_prefix([keys::IDENTITIES]) {
        let (key, _) = row.map_err(fault::io("reading the index"))?;
        let centre =
            keys::parse_centre(&key).ok_or_else(|| fault::damaged("index key of an identity"))?;
        if shelf.get(&centre.0).is_none() {
            return Err(fault::damaged("identity log without a head: of an earlier version"));
        }
    }
    tables.counts.centres = shelf.len() as u64;
    tables.shelves.insert(ShelfName::Identities, shelf.into());
    Ok(())
}

fn load_records(index: &Db, tables: &mut Tables) -> Result<(), StoreError> {
    let (mut ids, mut changes) = (Vec::new(), Vec::new());
    for row in index.scan_prefix([keys::SLOTS]) {
        let (key, row) = row.map_err(fault::io("reading the index"))?;
        let first =
            keys::first_of_slots(&key).ok_or_else(|| fault::damaged("index key of slots"))?;
        for (seq, slot) in slot::all(&row, first.seq)? {
            let spot = Spot { seq, ..first };
            ids.push(IdPlace::new(&slot.entry.id, spot));
            changes.push((slot.entry.change, spot));
            tables.counts.bodies_missing += u64::from(slot.entry.body == BodyState::Missing);
        }
    }
    tables.counts.records = ids.len() as u64;
    // A replay that was interrupted has written records and not yet the state.
    let highest = changes.iter().map(|(number, _)| *number).max();
    tables.last_change = tables.last_change.max(highest.unwrap_or(0));
    (tables.ids, tables.changes) = (Ids::new(ids), Changes::new(changes));
    Ok(())
}
