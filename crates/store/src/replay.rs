//! Reading the ledger in: what the index does not have yet goes through ingest again.
//!
//! Invariant: nothing enters the index but through the rules that it entered the ledger
//! by; a damaged frame costs its record and no other. Only the end of the last segment is
//! ever cut, and only where nothing valid follows.
//! Spec: docs/STORAGE.md, section 6.

use std::{
    collections::HashMap,
    fs::File,
    io::{Seek, SeekFrom},
    path::PathBuf,
};

use baraza_protocol::{
    store::{BodyState, Store, StoreError},
    stream::Intake,
};
use baraza_record::{
    RecordId, VerifiedRecord,
    frame::{self, Damage, Frame, FrameReader, ReadError},
    hash,
};

use crate::{
    check::PROBLEMS_MAX, fault, ledger::LedgerStore, own_heads::OwnHeads, segments::At, slot::Slot,
};

/// Frames after which what was read in is written to the index.
const GROUP_FRAMES: u64 = 8_192;

/// What opening a store found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Why the index was made anew from the ledger, if it was.
    pub rebuilt: Option<String>,
    /// Where the old index is now, if it was kept.
    pub set_aside: Option<PathBuf>,
    /// Records that were read in from the ledger.
    pub records: u64,
    /// Frames that the rules refused: they were once taken by another version, or lost the
    /// neighbour that proved them.
    pub rejected: u64,
    /// Frames of kinds that only a newer version knows.
    pub unknown_frames: u64,
    /// Bytes of a write that was cut off, removed from the end of the ledger.
    pub torn_bytes: u64,
    /// Damaged parts of the ledger, at most [`PROBLEMS_MAX`] of them.
    pub damaged: Vec<DamagedSegment>,
    /// Segments that are gone.
    pub segments_lost: Vec<u32>,
    /// Attachments that are not what their names say, and are set aside.
    pub attachments_damaged: Vec<String>,
    /// Whether the ballast was given up because the disk is full.
    pub ballast_dropped: bool,
    /// Own feeds whose end the store has lost.
    pub own_heads: OwnHeads,
}

/// A damaged part of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedSegment {
    /// Number of the segment.
    pub segment: u32,
    /// Which bytes, and why.
    pub damage: Damage,
}

/// Where frames stand that were read and not yet put.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    headers: HashMap<RecordId, At>,
    bodies: HashMap<RecordId, Body>,
}

#[derive(Clone, Copy, Debug)]
struct Body {
    at: At,
    bytes: u32,
    erased: bool,
}

impl Replay {
    /// Notes where a frame stands, before it is handed to the rules.
    fn note(&mut self, at: At, frame: &Frame) {
        match frame {
            Frame::Header { header, .. } => {
                self.headers.insert(hash::record_id(header), at);
            }
            Frame::Payload { record, payload } => {
                let erased = frame::is_erased(payload);
                let whole = self.bodies.get(record).is_some_and(|body| !body.erased);
                // Zeros do not stand in for a copy that is whole: that one must be erased too.
                if !(erased && whole) {
                    let bytes = u32::try_from(payload.body.len()).expect("a frame is far smaller");
                    self.bodies.insert(*record, Body { at, bytes, erased });
                }
            }
            _ => (),
        }
    }

    /// Returns the slot of a record that is put again.
    pub(crate) fn claim(&mut self, record: &VerifiedRecord) -> Result<Slot, StoreError> {
        let id = record.id();
        let at = self.headers.remove(&id).ok_or_else(|| unread(&id))?;
        let mut slot = Slot::new(id, record.header().kind, at, record.header_bytes().len());
        let body = match (record.payload(), self.bodies.get(&id)) {
            (Some(_), Some(body)) => *body,
            (Some(_), None) => return Err(unread(&id)),
            (None, Some(body)) if body.erased => *body,
            (None, _) => return Ok(slot),
        };
        self.bodies.remove(&id);
        (slot.payload_at, slot.body_bytes) = (body.at, body.bytes);
        slot.entry.body = match record.payload() {
            Some(_) => BodyState::Present,
            None => BodyState::Erased,
        };
        Ok(slot)
    }

    /// Returns where the body of a record stands that is put again.
    pub(crate) fn claim_body(&mut self, id: &RecordId) -> Result<At, StoreError> {
        self.bodies.remove(id).map(|body| body.at).ok_or_else(|| unread(id))
    }
}

fn unread(id: &RecordId) -> StoreError {
    fault::damaged(format!("record {id} is read in and stands nowhere in the ledger"))
}

/// Reads the ledger in from `from`; returns where it ends.
pub(crate) fn run(
    store: &mut LedgerStore,
    from: At,
    report: &mut RecoveryReport,
) -> Result<At, StoreError> {
    let mut intake = Intake::replay();
    let segments = store.shared.segments.list()?;
    let Some((last, last_bytes)) = segments.last().copied() else { return Ok(At::START) };
    let last_bytes = u32::try_from(last_bytes)
        .map_err(|_| fault::damaged(format!("segment {last:08} has {last_bytes} bytes")))?;
    let mut end = At { segment: last, offset: last_bytes };
    for (segment, _) in segments.into_iter().filter(|(segment, _)| from.segment <= *segment) {
        let start = if segment == from.segment { from.offset } else { 0 };
        let torn = read_segment(store, &mut intake, At { segment, offset: start }, report)?;
        match torn {
            Some(damage) if segment == last => {
                let offset = u32::try_from(damage.from).expect("before the end of the segment");
                end = At { segment, offset };
                report.torn_bytes = damage.to - damage.from;
                tracing::warn!(bytes = report.torn_bytes, %end, "a write was cut off and is removed");
                store.shared.segments.truncate(end)?;
            }
            Some(damage) => report.note(segment, damage),
            None => (),
        }
    }
    let done = intake.finish(store)?;
    store.commit()?;
    (report.records, report.rejected) = (done.inserted, done.rejected);
    Ok(end)
}

/// Reads one segment in; returns the damage at its end, if there is any.
fn read_segment(
    store: &mut LedgerStore,
    intake: &mut Intake,
    from: At,
    report: &mut RecoveryReport,
) -> Result<Option<Damage>, StoreError> {
    let path = store.shared.segments.path(from.segment);
    let fail = || fault::io(format!("reading {}", path.display()));
    let mut file = File::open(&path).map_err(fail())?;
    let reader = if from.offset == 0 {
        FrameReader::new(file)
    } else {
        file.seek(SeekFrom::Start(from.offset.into())).map_err(fail())?;
        FrameReader::resume(file, from.offset.into())
    };
    let mut frames: u64 = 0;
    for next in reader {
        let (offset, frame) = match next {
            Ok(read) => read,
            Err(ReadError::Damaged(damage)) if damage.torn => return Ok(Some(damage)),
            Err(ReadError::Damaged(damage)) => {
                report.note(from.segment, damage);
                continue;
            }
            Err(ReadError::Io(error)) => return Err(fail()(error)),
        };
        let offset = u32::try_from(offset)
            .map_err(|_| fault::damaged(format!("segment {:08} is too long", from.segment)))?;
        report.unknown_frames += u64::from(matches!(frame, Frame::Unknown { .. }));
        if let Some(replay) = &mut store.layer.replay {
            replay.note(At { offset, ..from }, &frame);
        }
        intake.take(store, frame)?;
        frames += 1;
        if frames.is_multiple_of(GROUP_FRAMES) {
            store.commit()?;
        }
    }
    Ok(None)
}

impl RecoveryReport {
    /// Returns whether an operator should be told.
    pub fn is_clean(&self) -> bool {
        let Self { rebuilt, damaged, segments_lost, own_heads, .. } = self;
        rebuilt.is_none()
            && damaged.is_empty()
            && segments_lost.is_empty()
            && *own_heads == OwnHeads::default()
    }

    fn note(&mut self, segment: u32, damage: Damage) {
        tracing::warn!(segment, %damage, "the ledger is damaged");
        if self.damaged.len() < PROBLEMS_MAX {
            self.damaged.push(DamagedSegment { segment, damage });
        }
    }
}
