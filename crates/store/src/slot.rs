//! What the index keeps of a record, and how records share a row.
//!
//! Invariant: a slot has a fixed length, and the slots of a row stand in the order of
//! their positions. Sixteen neighbours of a feed share a row of sled: a range of records
//! then costs it a sixteenth of the insertions, which are what ingest waits for.
//! Not here: the keys of rows (`keys`).
//! Spec: docs/STORAGE.md, section 3.

use baraza_protocol::store::{BodyState, Entry, SignatureState, StoreError};
use baraza_record::{
    Kind, RecordId, Seq, Timestamp,
    frame::{HEADER_FRAME_BYTES, PAYLOAD_FRAME_BYTES},
};

use crate::{fault, segments::At};

/// Positions of a feed that share a row.
pub(crate) const ROW_SLOTS: u64 = 16;

/// Bytes of a slot.
const SLOT_BYTES: usize = 1 + 1 + 2 + 32 + 8 + 8 + 8 + 2 + 8 + 4;

/// Bytes of a record besides header and body: signature, salt and lengths.
const BESIDES_BYTES: usize = 96;

const BODY_MASK: u8 = 0b0000_0011;
const SIGNATURE_MASK: u8 = 0b0000_1100;
const LATE_SIGNATURE: u8 = 0b0001_0000;
const LISTS_FILES: u8 = 0b0010_0000;

/// Where a record stands in the ledger, and the facts about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// The facts.
    pub(crate) entry: Entry,
    /// Whether the signature came after the header and is kept in a row of its own.
    pub(crate) late_signature: bool,
    /// Where its header frame starts.
    pub(crate) header_at: At,
    /// Length of the header itself.
    pub(crate) header_bytes: u16,
    /// Where its payload frame starts, if the body is or was held.
    pub(crate) payload_at: At,
    /// Length of the body itself, if it is or was held.
    pub(crate) body_bytes: u32,
}

impl Slot {
    /// Makes the slot of a record without body and signature; the caller adds the rest.
    ///
    /// # Panics
    ///
    /// If the header is longer than any header.
    pub(crate) fn new(id: RecordId, kind: Kind, header_at: At, header_bytes: usize) -> Self {
        let (body, signature) = (BodyState::Missing, SignatureState::Missing);
        let (change, arrived_ms, lists_files) = (0, Timestamp(0), false);
        let entry = Entry { id, kind, change, arrived_ms, body, signature, lists_files };
        let header_bytes = u16::try_from(header_bytes).expect("a header has at most 1 KiB");
        let (payload_at, body_bytes) = (At::default(), 0);
        Self { entry, late_signature: false, header_at, header_bytes, payload_at, body_bytes }
    }

    /// Returns the length of the header frame.
    pub(crate) fn header_frame_bytes(&self) -> usize {
        HEADER_FRAME_BYTES + usize::from(self.header_bytes)
    }

    /// Returns the length of the payload frame.
    pub(crate) fn payload_frame_bytes(&self) -> usize {
        PAYLOAD_FRAME_BYTES + self.body_bytes as usize
    }

    /// Returns about how many bytes the record takes on its own, as the model counts them.
    pub(crate) fn record_bytes(&self) -> usize {
        let body = match self.entry.body {
            BodyState::Present => self.body_bytes as usize,
            BodyState::Missing | BodyState::Erased => 0,
        };
        usize::from(self.header_bytes) + body + BESIDES_BYTES
    }

    fn encode_into(&self, index: u8, out: &mut Vec<u8>) {
        let Entry { id, kind, change, arrived_ms, body, signature, lists_files } = self.entry;
        let body = match body {
            BodyState::Present => 0,
            BodyState::Missing => 1,
            BodyState::Erased => 2,
        };
        let signature = match signature {
            SignatureState::Missing => 0,
            SignatureState::Unchecked => 1 << 2,
            SignatureState::Checked => 2 << 2,
        };
        let late = if self.late_signature { LATE_SIGNATURE } else { 0 };
        let files = if lists_files { LISTS_FILES } else { 0 };
        out.extend([index, body | signature | late | files]);
        out.extend(kind.0.to_be_bytes());
        out.extend(id.0);
        out.extend(change.to_be_bytes());
        out.extend(arrived_ms.0.to_be_bytes());
        out.extend(self.header_at.to_bytes());
        out.extend(self.header_bytes.to_be_bytes());
        out.extend(self.payload_at.to_bytes());
        out.extend(self.body_bytes.to_be_bytes());
    }

    /// Decodes a slot of [`SLOT_BYTES`] without its index.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (flags, rest) = bytes.get(1..)?.split_first()?;
        let (kind, rest) = rest.split_first_chunk::<2>()?;
        let (id, rest) = rest.split_first_chunk::<32>()?;
        let (change, rest) = rest.split_first_chunk::<8>()?;
        let (arrived_ms, rest) = rest.split_first_chunk::<8>()?;
        let (header_at, rest) = rest.split_first_chunk::<8>()?;
        let (header_bytes, rest) = rest.split_first_chunk::<2>()?;
        let (payload_at, rest) = rest.split_first_chunk::<8>()?;
        let body = match flags & BODY_MASK {
            0 => BodyState::Present,
            1 => BodyState::Missing,
            2 => BodyState::Erased,
            _ => return None,
        };
        let signature = match (flags & SIGNATURE_MASK) >> 2 {
            0 => SignatureState::Missing,
            1 => SignatureState::Unchecked,
            2 => SignatureState::Checked,
            _ => return None,
        };
        let entry = Entry {
            id: RecordId(*id),
            kind: Kind(u16::from_be_bytes(*kind)),
            change: u64::from_be_bytes(*change),
            arrived_ms: Timestamp(u64::from_be_bytes(*arrived_ms)),
            body,
            signature,
            lists_files: flags & LISTS_FILES != 0,
        };
        Some(Self {
            entry,
            late_signature: flags & LATE_SIGNATURE != 0,
            header_at: At::from_bytes(*header_at),
            header_bytes: u16::from_be_bytes(*header_bytes),
            payload_at: At::from_bytes(*payload_at),
            body_bytes: u32::from_be_bytes(rest.try_into().ok()?),
        })
    }
}

/// Returns the slot at `seq` in a row.
pub(crate) fn find(row: &[u8], seq: Seq) -> Result<Option<Slot>, StoreError> {
    match place(row, seq)? {
        Ok(at) => decode(&row[at..at + SLOT_BYTES]).map(Some),
        Err(_) => Ok(None),
    }
}

/// Sets the slot at `seq` in a row.
pub(crate) fn put(row: &mut Vec<u8>, seq: Seq, slot: &Slot) -> Result<(), StoreError> {
    let (at, replaced) = match place(row, seq)? {
        Ok(at) => (at, SLOT_BYTES),
        Err(at) => (at, 0),
    };
    let mut bytes = Vec::with_capacity(SLOT_BYTES);
    slot.encode_into(index(seq), &mut bytes);
    row.splice(at..at + replaced, bytes);
    Ok(())
}

/// Removes the slot at `seq` from a row, if there is one.
pub(crate) fn remove(row: &mut Vec<u8>, seq: Seq) -> Result<(), StoreError> {
    if let Ok(at) = place(row, seq)? {
        row.drain(at..at + SLOT_BYTES);
    }
    Ok(())
}

/// Returns every slot of the row that starts at position `first`.
pub(crate) fn all(row: &[u8], first: Seq) -> Result<Vec<(Seq, Slot)>, StoreError> {
    check_length(row)?;
    let slots = row.chunks_exact(SLOT_BYTES);
    slots.map(|bytes| Ok((first + u64::from(bytes[0]), decode(bytes)?))).collect()
}

/// Returns where the slot of `seq` starts, or where it belongs.
fn place(row: &[u8], seq: Seq) -> Result<Result<usize, usize>, StoreError> {
    check_length(row)?;
    let wanted = index(seq);
    // From the end: records mostly come in order.
    let before = row.chunks_exact(SLOT_BYTES).rposition(|bytes| bytes[0] <= wanted);
    Ok(match before {
        Some(n) if row[n * SLOT_BYTES] == wanted => Ok(n * SLOT_BYTES),
        Some(n) => Err((n + 1) * SLOT_BYTES),
        None => Err(0),
    })
}

fn index(seq: Seq) -> u8 {
    u8::try_from(seq % ROW_SLOTS).expect("a row has fewer than 256 slots")
}

fn check_length(row: &[u8]) -> Result<(), StoreError> {
    match row.len() % SLOT_BYTES {
        0 => Ok(()),
        _ => Err(fault::damaged(format!("index row of {} bytes", row.len()))),
    }
}

fn decode(bytes: &[u8]) -> Result<Slot, StoreError> {
    Slot::decode(bytes).ok_or_else(|| fault::damaged("index row with an unknown state"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(n: u64) -> Slot {
        let entry = Entry {
            id: RecordId([n as u8; 32]),
            kind: Kind(n as u16),
            change: n,
            arrived_ms: Timestamp(n),
            body: [BodyState::Present, BodyState::Missing, BodyState::Erased][n as usize % 3],
            signature: SignatureState::Checked,
            lists_files: n % 2 == 1,
        };
        let at = |offset| At { segment: 2, offset };
        let (header_at, payload_at) = (at(n as u32), at(1 + n as u32));
        let late_signature = n.is_multiple_of(2);
        Slot { entry, late_signature, header_at, header_bytes: 300, payload_at, body_bytes: 9 }
    }

    #[test]
    fn a_row_keeps_its_slots_in_order_whatever_the_order_of_arrival() {
        let mut row = Vec::new();
        for seq in [37, 32, 47, 40, 33] {
            put(&mut row, seq, &slot(seq)).unwrap();
            put(&mut row, seq, &slot(seq)).unwrap();
        }
        let expected: Vec<_> = [32, 33, 37, 40, 47].map(|seq| (seq, slot(seq))).into();
        assert_eq!(all(&row, 32).unwrap(), expected);
        assert_eq!(find(&row, 40).unwrap(), Some(slot(40)));
        assert_eq!(find(&row, 41).unwrap(), None);
    }

    #[test]
    fn a_row_that_is_no_row_is_damage() {
        let mut row = Vec::new();
        put(&mut row, 1, &slot(1)).unwrap();
        row[1] |= 0b11;
        assert!(find(&row, 1).is_err());
        row.pop();
        assert!(all(&row, 0).is_err());
    }
}
