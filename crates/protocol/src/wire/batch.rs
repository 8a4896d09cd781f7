//! Records on their way: in parts, each of which can be verified by itself.
//!
//! Invariant: what is left of an answer that broke off is used as far as a signature covers it.
//! Not here: which records are sent (`answer`), what is done with them (`session`).
//! Spec: docs/PROTOCOL.md, sections 3.7 and 6.4.

use baraza_record::{
    ANCHOR_HEADERS_MAX, HeaderError, RecordError, SignedRecord, WireRecord, codec,
    compact::CompactRange,
};
use bincode::{Decode, Encode};

use super::{Answer, RANGES_MAX};

/// Records of one range that was asked for: in order, from the first asked for, without a gap;
/// the signature of the last is valid. They go on behind the range if the first such signature
/// is found only there.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Part {
    /// Which of the ranges asked for, from 0.
    pub range: u8,
    /// The records.
    pub records: Records,
}

/// Records of a range.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Records {
    /// Without what can be derived.
    Compact(CompactRange),
    /// As they are: for what the compact form does not know.
    Whole(Vec<WireRecord>),
}

impl Records {
    /// Returns how many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Compact(range) => range.rows.len(),
            Self::Whole(records) => records.len(),
        }
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Part {
    /// Makes the part that answers range number `range`.
    pub fn new(range: u8, records: &[SignedRecord]) -> Self {
        let whole = || Records::Whole(records.iter().map(SignedRecord::to_wire).collect());
        let records = CompactRange::of(records).map_or_else(whole, Records::Compact);
        Self { range, records }
    }

    /// Returns its records, nothing of them verified, and whether records of a newer version
    /// follow.
    ///
    /// # Errors
    ///
    /// [`RecordError`].
    pub fn into_records(self) -> Result<(Vec<SignedRecord>, bool), RecordError> {
        match self.records {
            Records::Compact(range) => Ok((range.expand()?, false)),
            Records::Whole(records) => expand_whole(records),
        }
    }
}

/// Decodes records up to the first of a newer version; says whether there is one.
pub(crate) fn expand_whole(
    records: Vec<WireRecord>,
) -> Result<(Vec<SignedRecord>, bool), RecordError> {
    let mut signed = Vec::with_capacity(records.len());
    for record in records {
        match SignedRecord::from_wire(record) {
            Ok(record) => signed.push(record),
            Err(RecordError::Header(HeaderError::UnknownVersion { .. })) => {
                return Ok((signed, true));
            }
            Err(error) => return Err(error),
        }
    }
    Ok((signed, false))
}

impl Answer {
    /// Returns the records at the beginning of an answer that broke off, by range, as far as a
    /// signature of their own covers them; nothing of any other answer.
    pub fn salvage(bytes: &[u8]) -> Vec<Vec<SignedRecord>> {
        let mut ranges = Vec::new();
        let batch = codec::encode(&Self::Batch(Vec::new()));
        let Some(mut rest) = bytes.strip_prefix(&batch[..batch.len() - 1]) else { return ranges };
        let Some((count, parts)) = codec::decode_first::<u64>(rest) else { return ranges };
        rest = parts;
        // A part in compact form begins with the number of its range and of this form.
        let compact = codec::encode(&0_u32);
        for _ in 0..count.min(RANGES_MAX as u64) {
            let part = rest.get(1..).and_then(|rest| rest.strip_prefix(&compact[..]));
            let Some((range, behind)) = part.and_then(CompactRange::decode_beginning) else {
                break;
            };
            let Ok(mut records) = range.expand() else { break };
            records.truncate(ANCHOR_HEADERS_MAX);
            while records.last().is_some_and(|last| last.verify_own_signature().is_err()) {
                records.pop();
            }
            if !records.is_empty() {
                ranges.push(records);
            }
            let Some(behind) = behind else { break };
            rest = behind;
        }
        ranges
    }
}
