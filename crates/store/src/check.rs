//! Looking for damage, without changing anything.
//!
//! Invariant: reads only; a problem found never ends the search.
//! Not here: mending (`Options::rebuild`).
//! Spec: docs/STORAGE.md, section 7.

use std::fs::File;

use baraza_protocol::store::{PAGE_MAX, StoreError, StoreRead};
use baraza_record::frame::{Frame, FrameReader, ReadError};

use crate::{
    fault,
    keys::{self, Spot},
    ledger::{Layer, Ledger},
    slot,
};

/// Most problems that a report lists.
pub const PROBLEMS_MAX: usize = 100;

/// How thorough a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckLevel {
    /// Every checksum of the ledger.
    Ledger,
    /// That, and every record as the index finds it, with its id and its body's commitment,
    /// and every attachment with its hash.
    Full,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Segments of the ledger.
    pub segments: u64,
    /// Whole frames.
    pub frames: u64,
    /// Bytes of the ledger that were read.
    pub ledger_bytes: u64,
    /// Records that were read by the index (full check only).
    pub records: u64,
    /// Attachments that were read (full check only).
    pub attachments: u64,
    /// How many problems there are.
    pub problem_count: u64,
    /// The first [`PROBLEMS_MAX`] of them.
    pub problems: Vec<String>,
}

impl<L: Layer> Ledger<L> {
    /// Checks the store. Takes as long as reading all of it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk fails; damage is in the report.
    pub fn check(&self, level: CheckLevel) -> Result<CheckReport, StoreError> {
        let mut report = CheckReport::default();
        for (segment, bytes) in self.shared.segments.list()? {
            report.segments += 1;
            self.check_segment(segment, bytes, &mut report)?;
        }
        if level == CheckLevel::Full {
            self.check_records(&mut report)?;
            self.check_attachments(&mut report)?;
        }
        Ok(report)
    }

    fn check_segment(
        &self,
        segment: u32,
        bytes: u64,
        report: &mut CheckReport,
    ) -> Result<(), StoreError> {
        let path = self.shared.segments.path(segment);
        let fail = || fault::io(format!("reading {}", path.display()));
        // Only what is there now: a writer may be at work behind it.
        let file = std::io::Read::take(File::open(&path).map_err(fail())?, bytes);
        let mut reader = FrameReader::new(file);
        for next in reader.by_ref() {
            match next {
                Ok((at, Frame::Unknown { kind, .. })) => {
                    report.frames += 1;
                    report.note(format!(
                        "segment {segment:08}: frame of unknown kind {kind} at {at}"
                    ));
                }
                Ok(_) => report.frames += 1,
                Err(ReadError::Damaged(damage)) => {
                    report.note(format!("segment {segment:08}: {damage}"));
                }
                Err(ReadError::Io(error)) => return Err(fail()(error)),
            }
        }
        report.ledger_bytes += reader.offset();
        Ok(())
    }

    fn check_records(&self, report: &mut CheckReport) -> Result<(), StoreError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = self.rows(&[keys::SLOTS], after.as_deref(), PAGE_MAX)?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            after = Some(last.clone());
            for (key, row) in rows {
                let Some(first) = keys::first_of_slots(&key) else {
                    report.note("an index key of a length that no key has".into());
                    continue;
                };
                match slot::all(&row, first.seq) {
                    Ok(slots) => slots.into_iter().for_each(|(seq, slot)| {
                        report.records += 1;
                        let spot = Spot { seq, ..first };
                        if let Err(why) = self.check_record(spot, slot) {
                            report.note(why);
                        }
                    }),
                    Err(error) => report.note(error.to_string()),
                }
            }
        }
    }

    fn check_attachments(&self, report: &mut CheckReport) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.attachments(after, PAGE_MAX)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            for (hash, _) in page {
                report.attachments += 1;
                match self.shared.files.check(&hash) {
                    Ok(true) => (),
                    Ok(false) => report.note(format!("attachment {hash}: not what its name says")),
                    Err(error) => report.note(format!("attachment {hash}: {error}")),
                }
            }
        }
    }

    fn check_record(&self, spot: Spot, slot: slot::Slot) -> Result<(), String> {
        let records = self.load(&[(spot, slot)]).map_err(|error| error.to_string())?;
        let place = self.place(spot).map_err(|error| error.to_string())?;
        let wrong = |what: &str| Err(format!("record {}: {what}", slot.entry.id));
        for record in &records {
            if record.feed() != place.feed || record.header().seq != place.seq {
                return wrong("the index has it at another place");
            }
            if record.payload().is_some_and(|payload| !payload.fits(record.header())) {
                return wrong("its body is not the one its header commits to");
            }
        }
        Ok(())
    }
}

impl CheckReport {
    fn note(&mut self, problem: String) {
        self.problem_count += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }
}
