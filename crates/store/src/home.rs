//! The folder of a store: who may use it, which format it has, and room on its disk.
//!
//! Invariant: one process has a store open; folders are for their owner only; a folder or
//! file that matters is fsynced, and so is the folder it stands in.
//! Spec: docs/STORAGE.md, section 1.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{FallocateFlags, FlockOperation};

use crate::open::OpenError;

/// Format of the folder that this code reads and writes.
pub const FORMAT: u32 = 1;

/// Least that the store leaves free on its disk, in bytes (64 MiB), however small that is.
pub const FLOOR_BYTES_MIN: u64 = 64 * 1_024 * 1_024;

/// Most that the store leaves free on its disk, in bytes (1 GiB), however large that is.
pub const FLOOR_BYTES_MAX: u64 = 1_024 * 1_024 * 1_024;

/// Size of the file that is given up when the disk is too full to open sled (16 MiB).
pub const BALLAST_BYTES: u64 = 16 * 1_024 * 1_024;

/// Free space below which the ballast is given up: sled writes a few segments of 512 KiB
/// while it opens.
const OPENING_BYTES: u64 = 8 * 1_024 * 1_024;

/// Pause between two attempts at the lock. A process that is being killed holds its locks
/// until the kernel has written its files back.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// Mode of files.
pub(crate) const FILE_MODE: u32 = 0o600;

const DIR_MODE: u32 = 0o700;

/// Makes a folder, and those above it, unless it is there; durable when it returns.
pub(crate) fn make_dir(dir: &Path) -> Result<(), OpenError> {
    let fail = || OpenError::io(format!("making the folder {}", dir.display()));
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir).map_err(fail())?;
    sync_dir(dir).map_err(fail())?;
    match dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync_dir(parent).map_err(fail()),
        None => sync_dir(Path::new(".")).map_err(fail()),
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Replaces a small file: whoever reads it finds the old content or the new one, also
/// after a power cut.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(FILE_MODE).open(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_dir(dir)
}

/// Takes the lock of a store. It is held until the returned file is dropped.
pub(crate) fn lock(dir: &Path, attempts: u32) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let fail = || OpenError::io(format!("locking {}", path.display()));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
    let mut file = options.open(&path).map_err(fail())?;
    for attempt in 1.. {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(error) if error != rustix::io::Errno::WOULDBLOCK => {
                return Err(fail()(error.into()));
            }
            Err(_) if attempts <= attempt => {
                let mut pid = String::new();
                // The pid is a help for people; what keeps others out is the lock itself.
                let _ = Read::take(&file, 20).read_to_string(&mut pid);
                return Err(OpenError::Locked { dir: dir.into(), pid: pid.trim().into() });
            }
            Err(_) => std::thread::sleep(LOCK_PAUSE),
        }
    }
    file.set_len(0).map_err(fail())?;
    write!(file, "{}", std::process::id()).map_err(fail())?;
    Ok(file)
}

/// Checks the format of the folder, or marks a new one.
pub(crate) fn check_format(dir: &Path) -> Result<(), OpenError> {
    let path = dir.join("format");
    let fail = || OpenError::io(format!("reading {}", path.display()));
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return replace(&path, format!("{FORMAT}\n").as_bytes()).map_err(fail());
        }
        Err(error) => return Err(fail()(error)),
    };
    match text.trim().parse::<u32>() {
        Ok(FORMAT) => Ok(()),
        Ok(found) if FORMAT < found => Err(OpenError::NewerFormat { found }),
        _ => Err(OpenError::UnknownFormat { text: text.trim().chars().take(20).collect() }),
    }
}

/// The disk under a store.
#[derive(Debug)]
pub(crate) struct Disk {
    dir: PathBuf,
    floor: Option<u64>,
}

impl Disk {
    /// Makes a handle; `floor` replaces the rule for what stays free.
    pub(crate) fn new(dir: &Path, floor: Option<u64>) -> Self {
        Self { dir: dir.into(), floor }
    }

    /// Returns what is free, and what must stay so.
    pub(crate) fn room(&self) -> io::Result<(u64, u64)> {
        let stat = rustix::fs::statvfs(&self.dir)?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let twentieth = stat.f_blocks.saturating_mul(stat.f_frsize) / 20;
        let floor = twentieth.clamp(FLOOR_BYTES_MIN, FLOOR_BYTES_MAX);
        Ok((free, self.floor.unwrap_or(floor)))
    }

    /// Gives up the ballast if there is too little room to open sled.
    pub(crate) fn drop_ballast(&self) -> io::Result<bool> {
        let (free, _) = self.room()?;
        if OPENING_BYTES <= free {
            return Ok(false);
        }
        match fs::remove_file(self.ballast()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes the ballast if it is missing and there is room for twice its size.
    pub(crate) fn make_ballast(&self, bytes: u64) -> io::Result<()> {
        let path = self.ballast();
        let (free, floor) = self.room()?;
        if bytes == 0 || path.exists() || free < floor.saturating_add(2 * bytes) {
            return Ok(());
        }
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(FILE_MODE).open(&path)?;
        let reserved = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes);
        if reserved.is_err() {
            // A file system that cannot reserve: no ballast is better than one that holds nothing.
            fs::remove_file(&path)?;
        }
        Ok(())
    }

    fn ballast(&self) -> PathBuf {
        self.dir.join("ballast")
    }
}
