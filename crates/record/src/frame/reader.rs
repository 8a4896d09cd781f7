//! Reading a stream from beginning to end, whatever has happened to it.
//!
//! Invariant: every frame that is whole is delivered, and every byte that is not part of
//! one is reported exactly once; at most one frame and one block are held in memory.
//! Spec: docs/PROTOCOL.md, section 8.1.

use std::io::{self, Read};

use super::{
    CONTENT_BYTES_MAX, Frame, FrameError, MARKER, OVERHEAD_BYTES, PREAMBLE, content_bytes,
};

/// Bytes asked of the source at a time (64 KiB).
const BLOCK_BYTES: usize = 64 * 1_024;

/// Bytes of a stream that are part of no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bytes {from} to {to} are damaged: {why}")]
pub struct Damage {
    /// First damaged byte, counted from the start of the stream.
    pub from: u64,
    /// First byte after the damage: the next frame, or the end of the stream.
    pub to: u64,
    /// What is wrong at `from`.
    pub why: FrameError,
    /// Whether nothing valid follows. At the end of the last ledger segment that is a
    /// write that was cut off; anywhere else something was lost.
    pub torn: bool,
}

/// Why the next frame is not there.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Bytes were skipped; reading goes on behind them.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The source failed; nothing follows.
    #[error("reading the stream failed")]
    Io(#[from] io::Error),
}

/// Reads frames with their offsets. After [`ReadError::Damaged`] it goes on with the next
/// valid frame.
#[derive(Debug)]
pub struct FrameReader<R> {
    source: R,
    /// What was read and is not used up, from `start` on.
    buffer: Vec<u8>,
    start: usize,
    /// Offset of `buffer[start]` in the stream.
    offset: u64,
    ended: bool,
    preamble_due: bool,
    /// A frame found behind damage, delivered after the report.
    found: Option<(u64, Frame, usize)>,
}

impl<R: Read> FrameReader<R> {
    /// Reads a stream from its first byte.
    pub fn new(source: R) -> Self {
        Self { preamble_due: true, ..Self::resume(source, 0) }
    }

    /// Reads on in the middle of a stream: the first byte of `source` stands at `offset`,
    /// where a frame is expected.
    pub fn resume(source: R, offset: u64) -> Self {
        let (buffer, start) = (Vec::new(), 0);
        Self { source, buffer, start, offset, ended: false, preamble_due: false, found: None }
    }

    /// Returns how far the stream was read: behind the frame or the damage reported last.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn step(&mut self) -> Result<Option<(u64, Frame)>, ReadError> {
        if let Some((at, frame, bytes)) = self.found.take() {
            self.consume(bytes);
            return Ok(Some((at, frame)));
        }
        if self.preamble_due {
            self.preamble_due = false;
            self.fill(PREAMBLE.len())?;
            if !self.rest().starts_with(PREAMBLE) {
                return self.resync(FrameError::Preamble);
            }
            self.consume(PREAMBLE.len());
        }
        self.fill(1)?;
        if self.rest().is_empty() {
            return Ok(None);
        }
        match self.parse()? {
            Ok((frame, bytes)) => {
                let at = self.offset;
                self.consume(bytes);
                Ok(Some((at, frame)))
            }
            Err(why) => self.resync(why),
        }
    }

    /// Skips to the next valid frame, keeps it for the next call, and reports the gap.
    fn resync(&mut self, why: FrameError) -> Result<Option<(u64, Frame)>, ReadError> {
        let from = self.offset;
        // A damaged preamble may be followed at once by a frame; a damaged frame is not one.
        let mut skip = usize::from(why != FrameError::Preamble);
        loop {
            self.consume(skip.min(self.rest().len()));
            self.fill(MARKER.len())?;
            if self.rest().is_empty() {
                let to = self.offset;
                // An empty stream has lost nothing.
                return if from == to {
                    Ok(None)
                } else {
                    Err(Damage { from, to, why, torn: true }.into())
                };
            }
            match self.parse()? {
                Ok((frame, bytes)) => {
                    let to = self.offset;
                    self.found = Some((to, frame, bytes));
                    return Err(Damage { from, to, why, torn: false }.into());
                }
                Err(_) => {
                    let next = self.rest().iter().skip(1).position(|byte| *byte == MARKER[0]);
                    skip = next.map_or(self.rest().len(), |between| between + 1);
                }
            }
        }
    }

    /// Decodes the frame at the start of what is left, reading as much as it needs.
    fn parse(&mut self) -> Result<Result<(Frame, usize), FrameError>, io::Error> {
        self.fill(super::HEAD_BYTES)?;
        match content_bytes(self.rest()) {
            Ok(bytes) => self.fill(OVERHEAD_BYTES + bytes)?,
            Err(why) => return Ok(Err(why)),
        }
        Ok(Frame::decode(self.rest()))
    }

    /// Reads until `bytes` are at hand or the source ends.
    fn fill(&mut self, bytes: usize) -> Result<(), io::Error> {
        debug_assert!(bytes <= CONTENT_BYTES_MAX + OVERHEAD_BYTES, "a frame's length is checked");
        while !self.ended && self.rest().len() < bytes {
            self.buffer.drain(..self.start);
            self.start = 0;
            let held = self.buffer.len();
            let wanted = (bytes - held).max(BLOCK_BYTES) as u64;
            let read = self.source.by_ref().take(wanted).read_to_end(&mut self.buffer)?;
            self.ended = (read as u64) < wanted;
        }
        Ok(())
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += bytes as u64;
    }
}

impl<R: Read> Iterator for FrameReader<R> {
    type Item = Result<(u64, Frame), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if matches!(step, Err(ReadError::Io(_))) {
            // Ends the iteration: a source that failed may fail for ever.
            (self.ended, self.found) = (true, None);
            self.consume(self.rest().len());
        }
        step.transpose()
    }
}
