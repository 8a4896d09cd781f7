//! Writing a bundle as files of at most a given size.
//!
//! Invariant: each file is a stream by itself that says which part of how many it is; none has
//! its name before all are whole and on the disk. A piece of the node is never cut: it can be
//! verified by itself.
//! Spec: docs/PROTOCOL.md, section 8.2.

use std::{
    fs::{self, File},
    io::{BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use baraza_api::ErrorCode;
use baraza_record::{
    exchange::{Note, PartEnd, PartPlace, PartStart},
    frame::{Frame, FrameReader, PREAMBLE},
};
use serde::Serialize;

use super::{settle, unfinished, unwritable};
use crate::{
    args::PART_BYTES_MIN,
    error::{Failure, failure},
};

/// Most parts of a bundle: their names have three digits, so that they sort.
pub(crate) const PARTS_MAX: u32 = 999;

/// Where parts go.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// All in this file.
    File(PathBuf),
    /// In this folder, none with more bytes than this.
    Folder(PathBuf, u64),
}

/// A file of a bundle.
#[derive(Debug, Serialize)]
pub(super) struct Written {
    pub(super) file: String,
    pub(super) bytes: u64,
}

/// Writes the parts of a bundle. What was written is removed again unless it is finished.
pub(super) struct Parts {
    target: Target,
    start: PartStart,
    current: Option<Open>,
    closed: Vec<Closed>,
}

/// The part that grows.
struct Open {
    number: u32,
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
    frames: u64,
}

/// A part that only lacks the number of all.
struct Closed {
    path: PathBuf,
    bytes: u64,
    end_at: u64,
    frames: u64,
}

impl Parts {
    /// Starts; the parts begin like `start`, whose place is filled in.
    pub(super) fn new(target: Target, start: PartStart) -> Result<Self, Failure> {
        if let Target::Folder(folder, bytes) = &target {
            debug_assert!(PART_BYTES_MIN <= *bytes, "checked with the arguments");
            fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
        }
        let bundle = start.bundle_id();
        let start = PartStart { place: PartPlace::new(bundle, 0, 0), ..start };
        Ok(Self { target, start, current: None, closed: Vec::new() })
    }

    /// Adds whole frames. Returns how many bytes they have.
    pub(super) fn add(&mut self, frames: &[u8]) -> Result<u64, Failure> {
        if frames.is_empty() {
            return Ok(0);
        }
        let full = |open: &Open| match &self.target {
            Target::File(_) => false,
            Target::Folder(_, most) => {
                *most < open.bytes + frames.len() as u64 + self.end(open.number, 0).len() as u64
            }
        };
        if self.current.as_ref().is_some_and(full) {
            self.close()?;
        }
        let mut open = match self.current.take() {
            Some(open) => open,
            None => self.open()?,
        };
        let count = FrameReader::resume(frames, 0).flatten().count() as u64;
        let written = open.write(frames, count);
        self.current = Some(open);
        written.map(|()| frames.len() as u64)
    }

    /// Gives all parts their number of how many, and their names.
    pub(super) fn finish(mut self) -> Result<Vec<Written>, Failure> {
        if self.current.is_none() && self.closed.is_empty() {
            self.current = Some(self.open()?);
        }
        self.close()?;
        let of = self.closed.len() as u32;
        let mut written = Vec::new();
        for (part, number) in self.closed.iter().zip(1..) {
            let fails = |error| unwritable(&part.path, &error);
            let mut file = File::options().write(true).open(&part.path).map_err(fails)?;
            let place = PartPlace::new(self.start.place.bundle, number, of);
            let start = encoded(&Note::PartStart(PartStart { place, ..self.start.clone() }));
            let end = encoded(&Note::PartEnd(PartEnd { place, frames: part.frames }));
            for (at, bytes) in [(PREAMBLE.len() as u64, start), (part.end_at, end)] {
                file.seek(SeekFrom::Start(at)).map_err(fails)?;
                file.write_all(&bytes).map_err(fails)?;
            }
            file.sync_all().map_err(fails)?;
        }
        for (part, number) in self.closed.drain(..).zip(1..) {
            let path = name(&self.target, &self.start.place, number);
            settle(&part.path, &path)?;
            let file = path.to_string_lossy().into_owned();
            written.push(Written { file, bytes: part.bytes });
        }
        Ok(written)
    }

    fn open(&self) -> Result<Open, Failure> {
        let number = self.closed.len() as u32 + 1;
        if PARTS_MAX < number {
            let what = format!("the bundle would have more than {PARTS_MAX} parts");
            return Err(failure(ErrorCode::BadRequest, what).hint("choose a larger --split"));
        }
        let path = unfinished(&name(&self.target, &self.start.place, number))?;
        let file = File::create(&path).map_err(|error| unwritable(&path, &error))?;
        let mut open = Open { number, path, file: BufWriter::new(file), bytes: 0, frames: 0 };
        let place = PartPlace::new(self.start.place.bundle, number, 0);
        let start = encoded(&Note::PartStart(PartStart { place, ..self.start.clone() }));
        open.write(PREAMBLE, 0)?;
        open.write(&start, 1)?;
        Ok(open)
    }

    fn close(&mut self) -> Result<(), Failure> {
        let Some(mut open) = self.current.take() else { return Ok(()) };
        let (end_at, frames) = (open.bytes, open.frames);
        let end = self.end(open.number, frames);
        let closed = open.write(&end, 1);
        let Open { path, mut file, bytes, .. } = open;
        let flushed = file.flush().map_err(|error| unwritable(&path, &error));
        self.closed.push(Closed { path, bytes, end_at, frames });
        closed.and(flushed)
    }

    fn end(&self, number: u32, frames: u64) -> Vec<u8> {
        let place = PartPlace::new(self.start.place.bundle, number, 0);
        encoded(&Note::PartEnd(PartEnd { place, frames }))
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        let open = self.current.take().map(|open| open.path);
        for path in self.closed.iter().map(|part| part.path.clone()).chain(open) {
            // Best effort: the error that counts is told already.
            let _ = fs::remove_file(path);
        }
    }
}

impl Open {
    fn write(&mut self, bytes: &[u8], frames: u64) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| unwritable(&self.path, &error))?;
        self.bytes += bytes.len() as u64;
        self.frames += frames;
        Ok(())
    }
}

fn encoded(note: &Note) -> Vec<u8> {
    let mut bytes = Vec::new();
    Frame::Exchange(note.encode()).encode_into(&mut bytes);
    bytes
}

/// Returns the name of a part: from the id of the bundle, so that two never meet.
fn name(target: &Target, place: &PartPlace, number: u32) -> PathBuf {
    match target {
        Target::File(path) => path.clone(),
        Target::Folder(folder, _) => folder.join(part_name(place, number)),
    }
}

/// Returns how a part of a bundle is called that was written to a folder.
pub(super) fn part_name(place: &PartPlace, number: u32) -> String {
    let id: String = place.bundle[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    Path::new(&format!("baraza-{id}-{number:03}.bundle")).display().to_string()
}
