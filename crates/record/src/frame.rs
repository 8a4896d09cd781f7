//! The framed stream: one format for a ledger segment, a bundle and a backup.
//!
//! Invariant: a frame is either whole, under two checksums, or it is no frame; the number
//! of a kind never changes its meaning. A stream starts with [`PREAMBLE`]; a frame is
//!
//! ```text
//! sync marker (8) | kind (1) | content length (4) | checksum of kind and length (4)
//! content | checksum of content (4)
//! ```
//!
//! with little-endian integers and CRC-32 (IEEE). The marker cannot occur in UTF-8 text, so
//! the next frame after damage is found without knowing where the last one ended.
//! Not here: files (`baraza-store`), what a frame is worth (`baraza-protocol`).
//! Spec: docs/PROTOCOL.md, section 8.1.

mod reader;
#[cfg(test)]
mod tests;

pub use reader::{Damage, FrameReader, ReadError};

use crate::{
    hash::{SALT_BYTES, Salt},
    ids::{ID_BYTES, RecordId, Timestamp},
    record::Payload,
    sign::{SIGNATURE_BYTES, Signature},
};

/// First bytes of every stream; the digit is the version of the format.
pub const PREAMBLE: &[u8; 16] = b"baraza stream 1\n";

/// Bytes that precede every frame. `F7` and `FE` occur in no UTF-8 text; the line ends show
/// a transfer that took the stream for text.
pub const MARKER: [u8; 8] = [0xf7, b'b', b'r', b'z', 0xfe, b'\r', b'\n', 0x1a];

/// Most bytes of the content of one frame (384 KiB): a body and room for new kinds.
pub const CONTENT_BYTES_MAX: usize = 384 * 1_024;

/// Bytes before the content: marker, kind, length and their checksum.
pub const HEAD_BYTES: usize = MARKER.len() + 1 + 4 + CHECKSUM_BYTES;

/// Bytes of a frame besides its content.
pub const OVERHEAD_BYTES: usize = HEAD_BYTES + CHECKSUM_BYTES;

/// Bytes of a header frame besides the header itself.
pub const HEADER_FRAME_BYTES: usize = OVERHEAD_BYTES + 1 + SIGNATURE_BYTES;

/// Bytes of a payload frame besides the body itself.
pub const PAYLOAD_FRAME_BYTES: usize = OVERHEAD_BYTES + ID_BYTES + SALT_BYTES;

/// Where the salt starts in a payload frame; the body follows it.
pub const PAYLOAD_SALT_OFFSET: usize = HEAD_BYTES + ID_BYTES;

const CHECKSUM_BYTES: usize = 4;

const KIND_HEADER: u8 = 1;
const KIND_PAYLOAD: u8 = 2;
const KIND_SIGNATURE: u8 = 3;
const KIND_ERASE: u8 = 4;
const KIND_IDENTITY: u8 = 5;
const KIND_EXCHANGE: u8 = 7;
const KIND_LOCAL: u8 = 16;
const LOCAL_CLOCK: u8 = 1;
const KIND_PRIVATE: u8 = 128;

/// One frame of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The header of a record, with the signature its keeper holds.
    Header {
        /// The signer's own signature, if held; not necessarily a valid one.
        signature: Option<Signature>,
        /// The bytes that were signed.
        header: Vec<u8>,
    },
    /// The body of a record.
    Payload {
        /// Of which record.
        record: RecordId,
        /// Salt and body; all zeros once it is erased.
        payload: Payload,
    },
    /// A signature that came after the header.
    Signature {
        /// Of which record.
        record: RecordId,
        /// The signature.
        signature: Signature,
    },
    /// A body was erased.
    Erase {
        /// Of which record.
        record: RecordId,
        /// By which retraction.
        retraction: RecordId,
    },
    /// A signed event of an identity log.
    Identity(Vec<u8>),
    /// What a have-file, or a part of a bundle, says of itself ([`crate::exchange::Note`]).
    Exchange(Vec<u8>),
    /// When the headers that follow arrived here, up to the next clock frame of the
    /// segment. Local: never exported, never trusted on import.
    Clock(Timestamp),
    /// What a backup keeps for its owner beside the ledger ([`crate::backup::Part`]): never
    /// exported, never taken from others.
    Private(Vec<u8>),
    /// A kind that this version does not know, skipped whole.
    Unknown {
        /// Its number.
        kind: u8,
        /// Bytes of its content.
        bytes: usize,
    },
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The stream does not start with the preamble.
    #[error("the stream does not start with its preamble")]
    Preamble,
    /// No sync marker.
    #[error("no sync marker")]
    Marker,
    /// Kind and length do not match their checksum.
    #[error("kind and length do not match their checksum")]
    HeadChecksum,
    /// The content is longer than any frame's.
    #[error("content of {bytes} bytes, the limit is {CONTENT_BYTES_MAX}")]
    TooLong {
        /// How long it says it is.
        bytes: usize,
    },
    /// The stream ends within the frame.
    #[error("the frame is cut off")]
    Cut,
    /// The content does not match its checksum.
    #[error("content does not match its checksum")]
    ContentChecksum,
    /// The checksums match and the content is none that this kind has.
    #[error("content of kind {kind} is malformed")]
    Content {
        /// The kind.
        kind: u8,
    },
}

impl Frame {
    /// Appends the frame to `out`. Appends nothing for [`Frame::Unknown`], whose content is gone.
    ///
    /// # Panics
    ///
    /// If the content is longer than [`CONTENT_BYTES_MAX`]; no record and no event is.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        match self {
            Self::Header { signature, header } => encode_header(out, signature.as_ref(), header),
            Self::Payload { record, payload } => encode_payload(out, record, payload),
            Self::Signature { record, signature } => {
                encode(out, KIND_SIGNATURE, &[&record.0, signature]);
            }
            Self::Erase { record, retraction } => {
                encode(out, KIND_ERASE, &[&record.0, &retraction.0]);
            }
            Self::Identity(signed) => encode_identity(out, signed),
            Self::Exchange(content) => encode(out, KIND_EXCHANGE, &[content]),
            Self::Private(content) => encode(out, KIND_PRIVATE, &[content]),
            Self::Clock(at) => encode(out, KIND_LOCAL, &[&[LOCAL_CLOCK], &at.0.to_le_bytes()]),
            Self::Unknown { .. } => (),
        }
    }

    /// Decodes the frame at the start of `bytes`; also returns its length.
    ///
    /// # Errors
    ///
    /// Any of [`FrameError`] but `Preamble`.
    pub fn decode(bytes: &[u8]) -> Result<(Self, usize), FrameError> {
        let (kind, content) = split(bytes)?;
        let frame = Self::from_content(kind, content).ok_or(FrameError::Content { kind })?;
        Ok((frame, OVERHEAD_BYTES + content.len()))
    }

    fn from_content(kind: u8, content: &[u8]) -> Option<Self> {
        match kind {
            KIND_HEADER => {
                let (flag, rest) = content.split_first()?;
                let (signature, header) = rest.split_first_chunk::<SIGNATURE_BYTES>()?;
                let signature = match flag {
                    0 => None,
                    1 => Some(*signature),
                    _ => return None,
                };
                Some(Self::Header { signature, header: header.to_vec() })
            }
            KIND_PAYLOAD => {
                let (record, rest) = content.split_first_chunk::<ID_BYTES>()?;
                let (salt, body) = rest.split_first_chunk::<SALT_BYTES>()?;
                let payload = Payload { salt: *salt, body: body.to_vec() };
                Some(Self::Payload { record: RecordId(*record), payload })
            }
            KIND_SIGNATURE => {
                let (record, rest) = content.split_first_chunk::<ID_BYTES>()?;
                let signature = rest.try_into().ok()?;
                Some(Self::Signature { record: RecordId(*record), signature })
            }
            KIND_ERASE => {
                let (record, rest) = content.split_first_chunk::<ID_BYTES>()?;
                let retraction = RecordId(rest.try_into().ok()?);
                Some(Self::Erase { record: RecordId(*record), retraction })
            }
            KIND_IDENTITY => Some(Self::Identity(content.to_vec())),
            KIND_EXCHANGE => Some(Self::Exchange(content.to_vec())),
            KIND_LOCAL => match content.split_first()? {
                (&LOCAL_CLOCK, rest) => {
                    Some(Self::Clock(Timestamp(u64::from_le_bytes(rest.try_into().ok()?))))
                }
                _ => Some(Self::Unknown { kind, bytes: content.len() }),
            },
            KIND_PRIVATE => Some(Self::Private(content.to_vec())),
            _ => Some(Self::Unknown { kind, bytes: content.len() }),
        }
    }
}

/// Appends a header frame, without a copy of the header in between.
///
/// # Panics
///
/// As [`Frame::encode_into`].
pub fn encode_header(out: &mut Vec<u8>, signature: Option<&Signature>, header: &[u8]) {
    let flag = u8::from(signature.is_some());
    encode(out, KIND_HEADER, &[&[flag], signature.unwrap_or(&[0; SIGNATURE_BYTES]), header]);
}

/// Appends a payload frame, without a copy of the body in between.
///
/// # Panics
///
/// As [`Frame::encode_into`].
pub fn encode_payload(out: &mut Vec<u8>, record: &RecordId, payload: &Payload) {
    encode(out, KIND_PAYLOAD, &[&record.0, &payload.salt, &payload.body]);
}

/// Appends an identity frame.
///
/// # Panics
///
/// As [`Frame::encode_into`].
pub fn encode_identity(out: &mut Vec<u8>, signed: &[u8]) {
    encode(out, KIND_IDENTITY, &[signed]);
}

/// Returns what a payload frame of `record` with a body of `body_bytes` becomes when it is
/// erased, from [`PAYLOAD_SALT_OFFSET`] to its end. What stands before stays as it is, and
/// so does the length: written over the old bytes, it leaves a valid frame of zeros.
pub fn erased_payload(record: &RecordId, body_bytes: usize) -> Vec<u8> {
    let payload = Payload { salt: Salt::default(), body: vec![0; body_bytes] };
    let mut frame = Vec::with_capacity(PAYLOAD_FRAME_BYTES + body_bytes);
    encode_payload(&mut frame, record, &payload);
    frame.split_off(PAYLOAD_SALT_OFFSET)
}

/// Returns whether a payload is what [`erased_payload`] leaves.
pub fn is_erased(payload: &Payload) -> bool {
    payload.salt == Salt::default() && payload.body.iter().all(|byte| *byte == 0)
}

fn encode(out: &mut Vec<u8>, kind: u8, content: &[&[u8]]) {
    let bytes: usize = content.iter().map(|part| part.len()).sum();
    assert!(bytes <= CONTENT_BYTES_MAX, "a frame of {bytes} bytes, the limit is checked before");
    out.reserve(OVERHEAD_BYTES + bytes);
    out.extend(MARKER);
    let head = out.len();
    out.push(kind);
    out.extend(u32::try_from(bytes).expect("checked against a smaller limit").to_le_bytes());
    out.extend(crc32fast::hash(&out[head..]).to_le_bytes());
    let start = out.len();
    for part in content {
        out.extend_from_slice(part);
    }
    out.extend(crc32fast::hash(&out[start..]).to_le_bytes());
}

/// Returns the content length that the head at the start of `bytes` states.
fn content_bytes(bytes: &[u8]) -> Result<usize, FrameError> {
    let marker = bytes.len().min(MARKER.len());
    if bytes[..marker] != MARKER[..marker] {
        return Err(FrameError::Marker);
    }
    let Some(head) = bytes.get(MARKER.len()..HEAD_BYTES) else { return Err(FrameError::Cut) };
    let (stated, checksum) = head.split_at(head.len() - CHECKSUM_BYTES);
    if crc32fast::hash(stated).to_le_bytes() != checksum {
        return Err(FrameError::HeadChecksum);
    }
    let length = stated[1..].try_into().map(u32::from_le_bytes).expect("four bytes are left");
    let bytes = usize::try_from(length).unwrap_or(usize::MAX);
    if CONTENT_BYTES_MAX < bytes {
        return Err(FrameError::TooLong { bytes });
    }
    Ok(bytes)
}

/// Returns kind and content of the frame at the start of `bytes`.
fn split(bytes: &[u8]) -> Result<(u8, &[u8]), FrameError> {
    let length = content_bytes(bytes)?;
    let end = HEAD_BYTES + length;
    let content = bytes.get(HEAD_BYTES..end).ok_or(FrameError::Cut)?;
    let checksum = bytes.get(end..end + CHECKSUM_BYTES).ok_or(FrameError::Cut)?;
    if crc32fast::hash(content).to_le_bytes() != checksum {
        return Err(FrameError::ContentChecksum);
    }
    Ok((bytes[MARKER.len()], content))
}
