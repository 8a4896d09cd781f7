//! Opening a store: from whatever the last process left to one that can be used.
//!
//! Invariant: the ledger decides. An index that is missing, damaged, incomplete or ahead of
//! the ledger is made anew; one that is behind gets the rest read in.
//! Spec: docs/STORAGE.md, section 6.

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};

use baraza_protocol::store::{Branch, Place, StoreError, StoreRead};
use baraza_record::frame::PREAMBLE;

use crate::{
    attachments::Attachments,
    home::{self, BALLAST_BYTES, Disk, FORMAT},
    index::{self, Closing, Opened},
    ledger::{LedgerStore, Shared, Writer},
    own_heads::{OwnHeads, OwnHeadsFile},
    replay::{self, RecoveryReport, Replay},
    segments::{At, SEGMENT_BYTES, Segments},
    staging::Staging,
};

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// What must stay free on the disk, in bytes; `None`: a twentieth of the disk, between
    /// [`FLOOR_BYTES_MIN`](crate::FLOOR_BYTES_MIN) and [`FLOOR_BYTES_MAX`](crate::FLOOR_BYTES_MAX).
    pub floor_bytes: Option<u64>,
    /// Size of the ballast; 0 for none.
    pub ballast_bytes: u64,
    /// Size at which the next segment is started.
    pub segment_bytes: u32,
    /// Attempts at the lock, 100 ms apart, before the store counts as in use.
    pub lock_attempts: u32,
    /// Makes the index anew from the ledger, whatever its state.
    pub rebuild: bool,
}

/// Change numbers that are passed over after a process that did not end in order (2^24).
///
/// It may have given out numbers that sled had not written when the power went, and an
/// index may cover them. They are not given out again; sled writes every 500 ms, in which
/// far fewer changes fit.
const LOST_CHANGES_MAX: u64 = 1 << 24;

impl Default for Options {
    fn default() -> Self {
        Self {
            floor_bytes: None,
            ballast_bytes: BALLAST_BYTES,
            segment_bytes: SEGMENT_BYTES,
            lock_attempts: 50,
            rebuild: false,
        }
    }
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open.
    #[error("{} is in use by process {pid}", dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
        /// Its process id, as it wrote it down.
        pid: String,
    },
    /// A newer version wrote it.
    #[error("the store has format {found}, this version reads up to format {FORMAT}")]
    NewerFormat {
        /// The format it has.
        found: u32,
    },
    /// The format file says nothing that this version understands.
    #[error("the store has the unknown format `{text}`, this version reads up to format {FORMAT}")]
    UnknownFormat {
        /// What the file says, cut to 20 characters.
        text: String,
    },
    /// The operating system refused.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Ledger or index failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OpenError {
    pub(crate) fn io<E: Into<Box<dyn Error + Send + Sync>>>(
        what: impl Into<String>,
    ) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source: source.into() }
    }
}

impl LedgerStore {
    /// Opens the store in `dir`, making it if it is not there, and brings it in order.
    ///
    /// # Errors
    ///
    /// [`OpenError`]. Damage is none of them: it is in the report.
    pub fn open(dir: &Path, options: &Options) -> Result<(Self, RecoveryReport), OpenError> {
        home::make_dir(dir)?;
        let lock = home::lock(dir, options.lock_attempts)?;
        home::check_format(dir)?;
        home::make_dir(&dir.join("ledger"))?;
        let mut report = RecoveryReport::default();
        let disk = Disk::new(dir, options.floor_bytes);
        report.ballast_dropped =
            disk.drop_ballast().map_err(OpenError::io("looking at the disk"))?;
        let (own_heads, unreadable) = OwnHeadsFile::load(&dir.join("ledger"))
            .map_err(OpenError::io("reading the own heads"))?;

        let (files, damaged) = Attachments::open(dir.join("attachments"), options.rebuild)
            .map_err(OpenError::io("reading the attachments"))?;
        report.attachments_damaged = damaged;
        let segments = Segments::new(dir.join("ledger"));
        let end = end_of(&segments, &mut report)?;
        let opened = open_index(dir, end, options.rebuild, &mut report)?;
        let applied = opened.applied.unwrap_or(At::START);
        let kept = opened.epoch.filter(|_| report.rebuilt.is_none());
        let epoch = kept.unwrap_or_else(rand::random);
        let in_order = kept.is_none() || (opened.clean && applied == end);

        let Opened { index, mut tables, .. } = opened;
        tables.counts.ledger_bytes = segments.list()?.iter().map(|(_, bytes)| bytes).sum();
        if !in_order {
            tables.last_change += LOST_CHANGES_MAX;
            tables.last_move += LOST_CHANGES_MAX;
        }
        let mut closing = Closing::new(index.clone());
        // Until everything is in place, whatever ends this is not an orderly close.
        closing.not_in_order();
        let staging = Staging::on(&tables, end);
        let layer = Writer {
            staging,
            read_only: None,
            own_heads,
            disk,
            segment_bytes: options.segment_bytes,
            replay: Some(Replay::default()),
            closing,
        };
        let shared = Shared {
            dir: dir.into(),
            epoch,
            index,
            segments,
            files,
            tables: RwLock::new(tables),
            _lock: lock,
        };
        let mut store = Self { shared: Arc::new(shared), layer };
        store.settle(applied, end, &mut report)?;
        report.own_heads = store.compare_own_heads(unreadable)?;
        let ballast = store.layer.disk.make_ballast(options.ballast_bytes);
        if let Err(error) = ballast {
            tracing::warn!(%error, "no ballast could be made");
        }
        Ok((store, report))
    }

    /// Reads in what the index lacks and begins to write.
    fn settle(
        &mut self,
        applied: At,
        end: At,
        report: &mut RecoveryReport,
    ) -> Result<(), OpenError> {
        let end = if applied == end { end } else { replay::run(self, applied, report)? };
        self.layer.replay = None;
        if end != At::START {
            // A process that was killed may have written what it never flushed. From here on it
            // is shown, and must not go with the next power cut.
            self.shared.segments.sync(end)?;
        }
        {
            let mut tables = self.shared.tables_mut();
            tables.counts.ledger_bytes =
                self.shared.segments.list()?.iter().map(|(_, bytes)| bytes).sum();
            self.layer.staging = Staging::on(&tables, end);
        }
        let last = self.last_change();
        index::begin(&self.shared.dir, &self.shared.index, self.shared.epoch, end, last)?;
        self.layer.closing = Closing::new(self.shared.index.clone());
        Ok(())
    }

    fn compare_own_heads(&self, unreadable: bool) -> Result<OwnHeads, StoreError> {
        let mut lost = Vec::new();
        for (feed, head) in self.layer.own_heads.heads() {
            // It stands on the other branch where the centre has chosen that one.
            let mut held = false;
            for branch in [Branch::Main, Branch::Other] {
                let entry = self.entry(&Place { feed: *feed, seq: head.seq, branch })?;
                held |= entry.is_some_and(|entry| entry.id == head.id);
            }
            if !held {
                lost.push((*feed, *head));
            }
        }
        Ok(OwnHeads { lost, unreadable })
    }
}

/// Opens the index, or an empty one where it cannot be trusted.
fn open_index(
    dir: &Path,
    end: At,
    rebuild: bool,
    report: &mut RecoveryReport,
) -> Result<Opened, OpenError> {
    let (opened, aside) = index::open(dir)?;
    let why = match opened.applied {
        _ if aside.is_some() => Some("the index was damaged".into()),
        _ if rebuild => Some("it was asked for".into()),
        None if end == At::START => None,
        None => Some("the index was missing or incomplete".into()),
        Some(applied) if end < applied => {
            Some(format!("the ledger ends at {end}, the index has it up to {applied}"))
        }
        Some(_) if !report.segments_lost.is_empty() => {
            Some(format!("segments of the ledger are missing: {:?}", report.segments_lost))
        }
        Some(_) => None,
    };
    (report.rebuilt, report.set_aside) = (why, aside);
    if report.rebuilt.is_none() || report.set_aside.is_some() {
        return Ok(opened);
    }
    let locals = index::locals(&opened.index);
    let complete = opened.applied.is_some();
    drop(opened);
    if complete {
        report.set_aside = Some(index::set_aside(dir)?);
    } else {
        // What a rebuild that was interrupted left: of no use to anybody.
        fs::remove_dir_all(dir.join("sled")).map_err(OpenError::io("removing the index"))?;
    }
    let (opened, _) = index::open(dir)?;
    let mut rows = locals.into_iter().map(|(key, value)| (key, Some(value))).collect();
    index::apply(&opened.index, &mut rows, None, 0)?;
    Ok(opened)
}

/// Returns where the ledger ends. Puts an empty segment in the place of a missing one, so
/// that it is reported once.
fn end_of(segments: &Segments, report: &mut RecoveryReport) -> Result<At, OpenError> {
    let found = segments.list()?;
    let Some((last, bytes)) = found.last().copied() else { return Ok(At::START) };
    for number in 1..last {
        if found.binary_search_by_key(&number, |(number, _)| *number).is_err() {
            report.segments_lost.push(number);
            segments.write_synced(At { segment: number, offset: 0 }, PREAMBLE)?;
        }
    }
    let fail = || io::Error::other(format!("{bytes} bytes, the limit is {}", u32::MAX));
    let offset = u32::try_from(bytes)
        .map_err(|_| OpenError::io(format!("opening segment {last:08}"))(fail()))?;
    Ok(At { segment: last, offset })
}
