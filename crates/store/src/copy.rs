//! The frames of a ledger, out to a backup and back into a new home.
//!
//! Invariant: only whole frames are handed on. Reading needs no lock: another process may append
//! meanwhile, and what is copied is the ledger as it was when the copy began.
//! Not here: what else is in a backup (`node`), what a frame is worth (`replay`).
//! Spec: docs/STORAGE.md, section 8.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Read, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use baraza_record::frame::{Damage, Frame, FrameReader, PREAMBLE, ReadError};

use crate::{
    home,
    segments::{SEGMENT_BYTES, Segments},
};

/// How often a part is read again that did not fit its checksum: the body in it may have been
/// erased at that moment.
const READ_AGAIN: usize = 3;

/// Longest such part (1 MiB): the frame of a body, and what a search for the next one passed.
const READ_AGAIN_BYTES_MAX: usize = 1_024 * 1_024;

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Whole frames.
    pub frames: u64,
    /// Damaged parts, which were left out.
    pub damaged: u64,
    /// Frames of kinds that only a newer version knows, which were left out.
    pub unknown: u64,
    /// Segments that are gone.
    pub segments_lost: u64,
}

/// Hands every whole frame of the ledger of the home `dir` to `take`, in order. All of them are
/// on the disk then.
///
/// # Errors
///
/// Of reading, or of `take`. Damage is none of them.
pub fn copy_ledger(
    dir: &Path,
    mut take: impl FnMut(&Frame) -> io::Result<()>,
) -> io::Result<Copied> {
    let segments = Segments::new(dir.join("ledger"));
    let list = segments.list().map_err(io::Error::other)?;
    let mut copied = Copied::default();
    for (index, (number, bytes)) in list.iter().enumerate() {
        let before = index.checked_sub(1).map_or(0, |before| list[before].0);
        copied.segments_lost += u64::from(number - before - 1);
        let file = File::open(segments.path(*number))?;
        // What a crash could still take back must not come back from a backup.
        file.sync_data()?;
        let mut copy = SegmentCopy { file, copied: &mut copied, take: &mut take };
        copy.all(*bytes, index + 1 == list.len())?;
    }
    Ok(copied)
}

struct SegmentCopy<'c, T> {
    file: File,
    copied: &'c mut Copied,
    take: &'c mut T,
}

impl<T: FnMut(&Frame) -> io::Result<()>> SegmentCopy<'_, T> {
    fn all(&mut self, bytes: u64, last: bool) -> io::Result<()> {
        let source = self.file.try_clone()?;
        for item in FrameReader::new(source.take(bytes)) {
            match item {
                Ok((_, frame)) => self.hand_on(&frame)?,
                // A write that goes on while we read.
                Err(ReadError::Damaged(damage)) if damage.torn && last => (),
                Err(ReadError::Damaged(damage)) => self.again(&damage)?,
                Err(ReadError::Io(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads a part again that was damaged.
    fn again(&mut self, damage: &Damage) -> io::Result<()> {
        let length = usize::try_from(damage.to - damage.from).map_err(io::Error::other)?;
        let attempts = if length <= READ_AGAIN_BYTES_MAX { READ_AGAIN } else { 0 };
        let mut bytes = vec![0; length.min(READ_AGAIN_BYTES_MAX)];
        for _ in 0..attempts {
            self.file.read_exact_at(&mut bytes, damage.from)?;
            let found: Result<Vec<_>, _> = FrameReader::resume(&bytes[..], damage.from).collect();
            if let Ok(found) = found {
                return found.iter().try_for_each(|(_, frame)| self.hand_on(frame));
            }
        }
        self.copied.damaged += 1;
        Ok(())
    }

    fn hand_on(&mut self, frame: &Frame) -> io::Result<()> {
        match frame {
            Frame::Unknown { .. } => self.copied.unknown += 1,
            frame => {
                (self.take)(frame)?;
                self.copied.frames += 1;
            }
        }
        Ok(())
    }
}

/// Writes frames as the ledger of a new home, which is then opened like any other.
#[derive(Debug)]
pub struct LedgerWriter {
    folder: PathBuf,
    segment: u32,
    file: BufWriter<File>,
    bytes: u64,
    /// Arrival time of the headers that follow: each segment says it anew.
    clock: Option<Frame>,
    encoded: Vec<u8>,
}

impl LedgerWriter {
    /// Starts the ledger in the folder `dir`, which has none.
    ///
    /// # Errors
    ///
    /// The folder or the file cannot be made, or there is a ledger.
    pub fn create(dir: &Path) -> io::Result<Self> {
        let folder = dir.join("ledger");
        home::make_dir(&folder).map_err(io::Error::other)?;
        let (file, bytes) = Self::start(&folder, 1)?;
        Ok(Self { folder, segment: 1, file, bytes, clock: None, encoded: Vec::new() })
    }

    fn start(folder: &Path, segment: u32) -> io::Result<(BufWriter<File>, u64)> {
        let path = Segments::new(folder.into()).path(segment);
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(home::FILE_MODE).open(path)?;
        let mut file = BufWriter::new(file);
        file.write_all(PREAMBLE)?;
        Ok((file, PREAMBLE.len() as u64))
    }

    /// Appends a frame.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn add(&mut self, frame: &Frame) -> io::Result<()> {
        if u64::from(SEGMENT_BYTES) <= self.bytes {
            self.close()?;
            self.segment += 1;
            (self.file, self.bytes) = Self::start(&self.folder, self.segment)?;
            if let Some(clock) = self.clock.take() {
                self.append(&clock)?;
                self.clock = Some(clock);
            }
        }
        if matches!(frame, Frame::Clock(_)) {
            self.clock = Some(frame.clone());
        }
        self.append(frame)
    }

    fn append(&mut self, frame: &Frame) -> io::Result<()> {
        self.encoded.clear();
        frame.encode_into(&mut self.encoded);
        self.bytes += self.encoded.len() as u64;
        self.file.write_all(&self.encoded)
    }

    fn close(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }

    /// Returns when all of it is on the disk.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.close()?;
        home::sync_dir(&self.folder)
    }
}
