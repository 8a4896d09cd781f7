//! The files of the ledger.
//!
//! Invariant: bytes before the synced end never move; only the body of an erased record
//! is ever overwritten, with zeros. A reader finds a frame by segment and offset.
//! Not here: what the bytes mean (`baraza_record::frame`).
//! Spec: docs/STORAGE.md, section 2.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use baraza_protocol::store::StoreError;

use crate::{fault, home};

/// Size at which the next segment is started (64 MiB): a copy tool moves it in one go, and
/// damage to a file system's map of one file costs no more than that.
pub const SEGMENT_BYTES: u32 = 64 * 1_024 * 1_024;

/// Most segment files held open for reading (64); the limit of a process is often 1,024.
const OPEN_FILES_MAX: usize = 64;

/// A position in the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// Number of the segment, from 1.
    pub segment: u32,
    /// Offset in the segment, in bytes.
    pub offset: u32,
}

impl At {
    /// Start of an empty ledger.
    pub(crate) const START: Self = Self { segment: 1, offset: 0 };

    pub(crate) fn to_bytes(self) -> [u8; 8] {
        (u64::from(self.segment) << 32 | u64::from(self.offset)).to_be_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; 8]) -> Self {
        let both = u64::from_be_bytes(bytes);
        Self { segment: (both >> 32) as u32, offset: both as u32 }
    }

    /// Returns the position `bytes` further in the same segment.
    ///
    /// # Panics
    ///
    /// Past 4 GiB, which no segment reaches: a group starts below 64 MiB and is limited.
    pub(crate) fn plus(self, bytes: usize) -> Self {
        let offset = u64::from(self.offset) + bytes as u64;
        Self { offset: offset.try_into().expect("a segment is far smaller"), ..self }
    }
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "offset {} of segment {:08}", self.offset, self.segment)
    }
}

/// The segment files of one ledger.
#[derive(Debug)]
pub(crate) struct Segments {
    dir: PathBuf,
    open: Mutex<BTreeMap<u32, Arc<File>>>,
    synced: Mutex<At>,
}

impl Segments {
    /// Makes a handle on the segments in `dir`.
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir, open: Mutex::default(), synced: Mutex::new(At::START) }
    }

    /// Returns the end of what is fsynced.
    pub(crate) fn synced(&self) -> At {
        *self.synced.lock().expect("no thread panics while it holds the lock")
    }

    /// Returns when the ledger is on the disk up to `end`.
    pub(crate) fn sync(&self, end: At) -> Result<(), StoreError> {
        let synced = self.file(end.segment)?.sync_data();
        synced.map_err(fault::io(format!("flushing the ledger up to {end}")))?;
        let mut synced = self.synced.lock().expect("no thread panics while it holds the lock");
        *synced = (*synced).max(end);
        Ok(())
    }

    /// Returns the numbers and lengths of the segments, in order.
    pub(crate) fn list(&self) -> Result<Vec<(u32, u64)>, StoreError> {
        let fail = || fault::io(format!("listing {}", self.dir.display()));
        let mut found = Vec::new();
        for file in fs::read_dir(&self.dir).map_err(fail())? {
            let file = file.map_err(fail())?;
            let name = file.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".ledger"));
            if let Some(number) = number.and_then(|digits| digits.parse().ok()) {
                found.push((number, file.metadata().map_err(fail())?.len()));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Reads `bytes` bytes at `at`.
    pub(crate) fn read(&self, at: At, bytes: usize) -> Result<Vec<u8>, StoreError> {
        let mut out = vec![0; bytes];
        let read = self.file(at.segment)?.read_exact_at(&mut out, at.offset.into());
        match read {
            Ok(()) => Ok(out),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(fault::damaged(format!("the ledger ends within {bytes} bytes at {at}")))
            }
            Err(error) => Err(fault::io(format!("reading {bytes} bytes at {at}"))(error)),
        }
    }

    /// Writes at `at`, making the segment if it is new, and returns when it is on the disk.
    pub(crate) fn write_synced(&self, at: At, bytes: &[u8]) -> Result<(), StoreError> {
        let fail = || fault::io(format!("writing {} bytes at {at}", bytes.len()));
        let path = self.path(at.segment);
        let new = at.offset == 0;
        if new {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(true).mode(home::FILE_MODE);
            let file = options.open(&path).map_err(fail())?;
            self.remember(at.segment, Arc::new(file));
        }
        self.file(at.segment)?.write_all_at(bytes, at.offset.into()).map_err(fail())?;
        self.sync(at.plus(bytes.len()))?;
        if new {
            home::sync_dir(&self.dir).map_err(fail())?;
        }
        Ok(())
    }

    /// Cuts a segment to `at`.
    pub(crate) fn truncate(&self, at: At) -> Result<(), StoreError> {
        let file = self.file(at.segment)?;
        let cut = file.set_len(at.offset.into()).and_then(|()| file.sync_all());
        cut.map_err(fault::io(format!("cutting the ledger at {at}")))
    }

    /// Returns the file of a segment.
    pub(crate) fn file(&self, segment: u32) -> Result<Arc<File>, StoreError> {
        let open = self.open.lock().expect("no thread panics while it holds the lock");
        if let Some(file) = open.get(&segment) {
            return Ok(Arc::clone(file));
        }
        drop(open);
        let path = self.path(segment);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = Arc::new(file.map_err(fault::io(format!("opening {}", path.display())))?);
        self.remember(segment, Arc::clone(&file));
        Ok(file)
    }

    /// Returns the path of a segment.
    pub(crate) fn path(&self, segment: u32) -> PathBuf {
        path_of(&self.dir, segment)
    }

    fn remember(&self, segment: u32, file: Arc<File>) {
        let mut open = self.open.lock().expect("no thread panics while it holds the lock");
        if OPEN_FILES_MAX <= open.len() {
            open.clear();
        }
        open.insert(segment, file);
    }
}

fn path_of(dir: &Path, segment: u32) -> PathBuf {
    dir.join(format!("{segment:08}.ledger"))
}
