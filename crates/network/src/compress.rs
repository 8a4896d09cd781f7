//! Compression of answers: one zstd frame that gives out what has come of it.
//!
//! Invariant: nothing is decompressed beyond its limit, whatever a peer claims; the window
//! of a frame is bounded too. Whoever compresses ends a block every [`BLOCK_BYTES`], so that
//! an answer that breaks off is not lost from its beginning on.
//! Not here: flags and lengths (`codec`), what becomes of half an answer (`salvage`).
//! Spec: docs/PROTOCOL.md, section 7.2.

use std::io;

use baraza_protocol::net::ANSWER_BYTES_MAX;
use zstd::stream::raw::{CParameter, Decoder, Encoder, InBuffer, Operation, OutBuffer};

/// Level of zstd: the fastest that still finds what repeats between records.
const ZSTD_LEVEL: i32 = 3;

/// Largest window of a zstd frame, as a power of two: 512 KiB holds any answer.
pub(crate) const ZSTD_WINDOW_LOG_MAX: u32 = 19;

/// Answers below this size, in bytes, are not worth compressing.
pub(crate) const COMPRESS_BYTES_MIN: usize = 256;

/// Bytes of an answer after which its compression ends a block (8 KiB): what is lost at most
/// when a line is cut, 1 s at 64 kbit/s. Costs 2.5 % on texts like records.
pub(crate) const BLOCK_BYTES: usize = 8 * 1_024;

/// Bytes that are decompressed at a time.
const SPACE_BYTES: usize = 16 * 1_024;

/// Decompresses one zstd frame as it comes in, up to [`ANSWER_BYTES_MAX`].
pub(crate) struct Expander {
    decoder: Decoder<'static>,
    finished: bool,
}

impl Expander {
    pub(crate) fn new() -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(zstd::zstd_safe::DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
        Ok(Self { decoder, finished: false })
    }

    /// Takes a piece and puts what it yields behind `bytes`.
    pub(crate) fn push(&mut self, piece: &[u8], bytes: &mut Vec<u8>) -> io::Result<()> {
        let mut space = [0; SPACE_BYTES];
        let mut input = InBuffer::around(piece);
        loop {
            if self.finished {
                return match input.pos() == piece.len() {
                    true => Ok(()),
                    false => Err(invalid("bytes follow the compressed answer".into())),
                };
            }
            let mut output = OutBuffer::around(&mut space[..]);
            let left = self.decoder.run(&mut input, &mut output);
            self.finished = left.map_err(|error| invalid(error.to_string()))? == 0;
            let written = output.pos();
            if ANSWER_BYTES_MAX < bytes.len() + written {
                return Err(invalid(format!("answer expands beyond {ANSWER_BYTES_MAX} bytes")));
            }
            bytes.extend_from_slice(&space[..written]);
            if input.pos() == piece.len() && written < SPACE_BYTES {
                return Ok(());
            }
        }
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        match self.finished {
            true => Ok(()),
            false => Err(invalid("compressed answer ends too early".into())),
        }
    }
}

/// Returns the compressed form if that is smaller.
pub(crate) fn compress(answer: &[u8]) -> io::Result<Option<Vec<u8>>> {
    if answer.len() < COMPRESS_BYTES_MIN {
        return Ok(None);
    }
    let smaller = in_blocks(answer, BLOCK_BYTES)?;
    Ok((smaller.len() < answer.len()).then_some(smaller))
}

/// Compresses into one frame that ends a block every `block_bytes`.
fn in_blocks(answer: &[u8], block_bytes: usize) -> io::Result<Vec<u8>> {
    let mut encoder = Encoder::new(ZSTD_LEVEL)?;
    // So that the frame has the window of its own size, not that of the level.
    encoder.set_pledged_src_size(Some(answer.len() as u64))?;
    encoder.set_parameter(CParameter::ContentSizeFlag(true))?;
    let mut smaller = Vec::with_capacity(answer.len() / 2);
    let mut space = [0; SPACE_BYTES];
    for block in answer.chunks(block_bytes) {
        let mut input = InBuffer::around(block);
        while input.pos() < block.len() {
            let mut output = OutBuffer::around(&mut space[..]);
            encoder.run(&mut input, &mut output)?;
            smaller.extend_from_slice(output.as_slice());
        }
        loop {
            let mut output = OutBuffer::around(&mut space[..]);
            let left = encoder.flush(&mut output)?;
            smaller.extend_from_slice(output.as_slice());
            if left == 0 {
                break;
            }
        }
    }
    loop {
        let mut output = OutBuffer::around(&mut space[..]);
        let left = encoder.finish(&mut output, true)?;
        smaller.extend_from_slice(output.as_slice());
        if left == 0 {
            return Ok(smaller);
        }
    }
}

pub(crate) fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text that repeats about as much as records do: words in changing order.
    fn text(bytes: usize) -> Vec<u8> {
        let words: Vec<&str> =
            include_str!("../../../docs/RECORDS.md").split_whitespace().collect();
        let (mut text, mut state) = (Vec::new(), 7_usize);
        while text.len() < bytes {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let start = (state >> 33) % words.len();
            for word in words.iter().cycle().skip(start).take(6) {
                text.extend_from_slice(word.as_bytes());
                text.push(b' ');
            }
        }
        text.truncate(bytes);
        text
    }

    #[test]
    fn blocks_cost_little() {
        let answer = text(224 * 1_024);
        let whole = in_blocks(&answer, answer.len()).unwrap().len();
        let blocks = in_blocks(&answer, BLOCK_BYTES).unwrap().len();
        assert!(blocks * 100 < whole * 105, "{blocks} bytes in blocks, {whole} in one piece");
        println!("{blocks} bytes in blocks, {whole} in one piece");
    }

    #[test]
    fn what_has_come_is_given_out() {
        let answer = text(100_000);
        let compressed = compress(&answer).unwrap().unwrap();
        let mut expander = Expander::new().unwrap();
        let mut bytes = Vec::new();
        for byte in &compressed {
            let before = bytes.len();
            expander.push(&[*byte], &mut bytes).unwrap();
            assert!(bytes.len() <= before + BLOCK_BYTES, "a block at a time");
            assert_eq!(bytes, answer[..bytes.len()]);
        }
        expander.finish().unwrap();
        assert_eq!(bytes, answer);
    }
}
