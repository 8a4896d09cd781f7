//! What a file proves by itself: who made the centres in it, who signed the records.
//!
//! Invariant: nothing here asks a node; what is counted as authentic has a valid signature
//! of its own or is chained to a later record that has one.
//! Not here: whether a record counts, which depends on all that a node holds.
//! Spec: docs/PROTOCOL.md, sections 3.6, 5 and 8.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use baraza_api::ErrorCode;
use baraza_identity::{Capabilities, EventError, Join, Log, SignedEvent};
use baraza_record::{
    ANCHOR_HEADERS_MAX, BodyCommit, CentreId, EventId, FeedId, Payload, PublicKey,
    RECORD_BYTES_MAX, RecordId, SignedRecord, VerifiedRecord, WireRecord,
    exchange::Note,
    frame::{self, Frame, FrameReader, ReadError},
    hash,
    sign::Signature,
};
use serde::Serialize;

use super::{
    backup::BackupSeen,
    bundle::{Damages, HaveSeen, PartSeen},
};
use crate::{
    error::{Failure, failure},
    output::{count, number},
    safe::Safe,
    shell::Shell,
};

/// Most bodies that are waited for; those of more records are counted as unasked.
const BODIES_DUE_MAX: usize = 1_000_000;

/// What a file proves.
#[derive(Debug, Default, Serialize)]
struct Report {
    file: String,
    /// Centres whose inception is valid.
    centres: Vec<CentreReport>,
    /// Identity events that are not valid.
    identities_refused: u64,
    /// Records that their signer wrote.
    authentic: u64,
    /// Of these, records whose signer the centre named in this file.
    authorised: u64,
    /// Records without a valid signature that covers them.
    unproven: u64,
    /// Bodies that are the ones their records commit to.
    bodies: u64,
    /// Bodies that are not, or whose record is not in the file.
    bodies_refused: u64,
    /// Frames that are no records, or that this version does not know.
    other_frames: u64,
    damaged: Damages,
    /// Identity events that go on logs whose beginning is not in this file.
    identities_continued: u64,
    /// What the file says of itself, if it is a part of a bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<PartSeen>,
    /// What the file says, if it is a have-file.
    #[serde(skip_serializing_if = "Option::is_none")]
    have: Option<HaveSeen>,
    /// What the file says of itself, if it is a backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<BackupSeen>,
    /// The record, if the file has a single one.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<RecordReport>,
}

#[derive(Debug, Serialize)]
struct CentreReport {
    id: CentreId,
    name: String,
}

#[derive(Debug, Serialize)]
struct RecordReport {
    id: RecordId,
    kind: String,
    centre: CentreId,
    signer: PublicKey,
}

impl Report {
    fn damaged_parts(&self) -> u64 {
        let backup = self.backup.as_ref();
        let cut = self.part.as_ref().is_some_and(|part| !part.complete)
            || self.have.as_ref().is_some_and(|have| !have.complete);
        self.damaged.count.max(u64::from(cut))
            + backup
                .map_or(0, |backup| backup.files_broken.len() as u64 + u64::from(!backup.complete))
    }
}

/// Reads the frames of a bundle.
#[derive(Default)]
struct Verifier {
    report: Report,
    /// Identity events by the log that they belong to.
    events: BTreeMap<CentreId, Vec<SignedEvent>>,
    /// Last records of each feed that no signature covers yet: contiguous, oldest first.
    pending: BTreeMap<FeedId, Vec<SignedRecord>>,
    /// Records whose body has not come yet.
    bodies_due: BTreeMap<RecordId, BodyCommit>,
    /// Authentic records by who signed under which event of whose log.
    signers: BTreeMap<(CentreId, PublicKey, EventId), u64>,
}

/// Checks files without a node.
pub(super) fn verify(shell: &mut Shell<'_, '_>, paths: &[PathBuf]) -> Result<(), Failure> {
    let mut reports = Vec::new();
    for path in paths {
        let report = verify_one(shell, path)?;
        if !shell.json {
            print(shell, &report)?;
        }
        reports.push(report);
    }
    if shell.json {
        shell.print_json(&reports)?;
    }
    let refused: u64 =
        reports.iter().map(|one| one.unproven + one.bodies_refused + one.identities_refused).sum();
    let damaged: u64 = reports.iter().map(Report::damaged_parts).sum();
    match (refused, damaged) {
        (0, 0) => Ok(()),
        (0, damaged) => {
            let what = format!(
                "{} damaged; the rest is authentic",
                count(damaged, "part is", "parts are")
            );
            Err(failure(ErrorCode::Invalid, what).partly().hint("get another copy of the file"))
        }
        (refused, _) => {
            let what = format!("{} not authentic", count(refused, "part is", "parts are"));
            Err(failure(ErrorCode::Invalid, what)
                .hint("do not rely on them; ask where the file comes from"))
        }
    }
}

fn verify_one(shell: &Shell<'_, '_>, path: &Path) -> Result<Report, Failure> {
    let unreadable = |error: io::Error| {
        failure(ErrorCode::Invalid, format!("`{}` cannot be read: {error}", path.display()))
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let mut start = Vec::new();
    file.by_ref().take(RECORD_BYTES_MAX as u64 + 1).read_to_end(&mut start).map_err(unreadable)?;
    let mut verifier = Verifier::default();
    verifier.report.file = path.to_string_lossy().into_owned();
    if let Ok(record) = SignedRecord::decode(&start) {
        verifier.single(record);
        return Ok(verifier.finish());
    }
    let progress =
        shell.progress(file.metadata().map_or(0, |metadata| metadata.len()), "Verifying");
    let mut reader = FrameReader::new(start.as_slice().chain(file));
    let mut frames = 0_u64;
    while let Some(item) = reader.next() {
        match item {
            Ok((_, frame)) => {
                match &frame {
                    Frame::Private(content) => verifier.backup(content, frames),
                    Frame::Exchange(content) => verifier.exchange(content, frames),
                    _ => verifier.take(frame),
                }
                frames += 1;
            }
            Err(ReadError::Damaged(damage)) => verifier.report.damaged.add(&damage),
            Err(ReadError::Io(error)) => return Err(unreadable(error)),
        }
        progress.set_position(reader.offset());
    }
    progress.finish_and_clear();
    if frames == 0 && verifier.report.damaged.count != 0 {
        let what = format!("`{}` is neither a bundle nor a record", path.display());
        return Err(failure(ErrorCode::Invalid, what));
    }
    Ok(verifier.finish())
}

impl Verifier {
    /// Takes the record of a file that has nothing else.
    fn single(&mut self, record: SignedRecord) {
        let header = record.header();
        let (kind, centre, signer) = (header.kind.to_string(), header.centre, header.signer);
        self.report.record = Some(RecordReport { id: record.id(), kind, centre, signer });
        let has_body = record.payload().is_some();
        match record.clone().verify() {
            Ok(record) => {
                self.authentic(&record);
                self.report.bodies += u64::from(has_body);
            }
            Err(_) => match record.without_payload().verify() {
                Ok(record) => {
                    self.authentic(&record);
                    self.report.bodies_refused += 1;
                }
                Err(_) => self.report.unproven += 1,
            },
        }
    }

    fn take(&mut self, frame: Frame) {
        match frame {
            Frame::Header { signature, header } => {
                match SignedRecord::from_wire(WireRecord { header, signature, payload: None }) {
                    Ok(record) => self.header(record),
                    Err(_) => self.report.unproven += 1,
                }
            }
            Frame::Payload { record, payload } => self.body(record, &payload),
            Frame::Signature { record, signature } => self.signature(record, signature),
            Frame::Identity(signed) => match SignedEvent::decode(&signed) {
                Ok(event) => self.events.entry(event.centre()).or_default().push(event),
                Err(_) => self.report.identities_refused += 1,
            },
            Frame::Erase { .. }
            | Frame::Clock(_)
            | Frame::Exchange(_)
            | Frame::Private(_)
            | Frame::Unknown { .. } => self.report.other_frames += 1,
        }
    }

    fn backup(&mut self, content: &[u8], before: u64) {
        self.report.backup.get_or_insert_default().take(content, before);
    }

    fn exchange(&mut self, content: &[u8], before: u64) {
        match Note::decode(content) {
            Some(note) => {
                PartSeen::take(&mut self.report.part, &note, before);
                HaveSeen::take(&mut self.report.have, &note);
            }
            None => self.report.other_frames += 1,
        }
    }

    fn header(&mut self, record: SignedRecord) {
        if self.bodies_due.len() < BODIES_DUE_MAX {
            self.bodies_due.insert(record.id(), record.header().body_commit);
        }
        let run = self.pending.entry(record.feed()).or_default();
        let follows = run.last().is_none_or(|before| before.id() == record.header().prev);
        // A signature covers no more than this, itself included.
        if !follows || run.len() == ANCHOR_HEADERS_MAX {
            self.report.unproven += run.len() as u64;
            run.clear();
        }
        run.push(record);
        let run = std::mem::take(run);
        self.prove(run);
    }

    /// Takes a signature that came after its header.
    fn signature(&mut self, id: RecordId, signature: Signature) {
        let found = self.pending.iter().find_map(|(feed, run)| {
            run.iter().position(|record| record.id() == id).map(|place| (*feed, place))
        });
        let Some((feed, place)) = found else { return };
        let Some(mut run) = self.pending.remove(&feed) else { return };
        let rest = run.split_off(place + 1);
        if let Some(last) = run.pop() {
            let wire = WireRecord { signature: Some(signature), ..last.to_wire() };
            run.push(SignedRecord::from_wire(wire).unwrap_or(last));
        }
        self.prove(run);
        self.pending.entry(feed).or_default().extend(rest);
    }

    /// Counts a run as authentic if the signature of its last record is valid; otherwise keeps
    /// it for a later one.
    fn prove(&mut self, run: Vec<SignedRecord>) {
        let Some(last) = run.last() else { return };
        let feed = last.feed();
        if last.signature().is_none() {
            self.pending.insert(feed, run);
            return;
        }
        if let Ok(records) = VerifiedRecord::verify_range(run.clone()) {
            records.iter().for_each(|record| self.authentic(record));
        } else if let Ok(record) = last.clone().verify() {
            // It stands for itself, and what claims to come before it does not.
            self.authentic(&record);
            self.report.unproven += run.len() as u64 - 1;
        } else {
            self.pending.insert(feed, run);
        }
    }

    fn authentic(&mut self, record: &VerifiedRecord) {
        let header = record.header();
        self.report.authentic += 1;
        *self.signers.entry((header.centre, header.signer, header.identity_head)).or_default() += 1;
    }

    fn body(&mut self, id: RecordId, payload: &Payload) {
        let due = self.bodies_due.remove(&id);
        let fits = due.is_some_and(|due| hash::body_commit(&payload.salt, &payload.body) == due);
        match fits {
            true => self.report.bodies += 1,
            false if due.is_some() && frame::is_erased(payload) => self.report.other_frames += 1,
            false => self.report.bodies_refused += 1,
        }
    }

    fn finish(mut self) -> Report {
        self.report.backup.iter_mut().for_each(BackupSeen::finish);
        self.report.unproven += self.pending.values().map(|run| run.len() as u64).sum::<u64>();
        let mut logs = BTreeMap::new();
        for (centre, events) in std::mem::take(&mut self.events) {
            // Events count together, whatever their order in the file.
            let Join { log, refused, .. } = Log::join(Vec::new(), events);
            // What a site lacks of a log may be the end of it alone: nothing shows it false here.
            let orphan = |error: &&EventError| matches!(error, EventError::Orphan { .. });
            let continued = refused.iter().filter(orphan).count();
            self.report.identities_continued += continued as u64;
            self.report.identities_refused += (refused.len() - continued) as u64;
            logs.extend(log.map(|log| (centre, log)));
        }
        for ((centre, signer, under), records) in &self.signers {
            let may = logs.get(centre).and_then(|log| log.capabilities(signer, under));
            if may.is_some_and(|may| may.has(Capabilities::PUBLISH)) {
                self.report.authorised += records;
            }
        }
        let centre = |log: &Log| CentreReport { id: log.id(), name: log.state().name.clone() };
        self.report.centres = logs.values().map(centre).collect();
        self.report
    }
}

fn print(shell: &mut Shell<'_, '_>, report: &Report) -> Result<(), Failure> {
    let heading = shell.heading(Safe(&report.file));
    let mut text = format!("{heading}\n");
    if let Some(record) = &report.record {
        let RecordReport { id, kind, centre, signer } = record;
        text += &format!(
            "  record {id}\n  kind {}, centre {}, signed by {}\n",
            Safe(kind),
            centre.short(),
            signer.short()
        );
    }
    for centre in &report.centres {
        text += &format!("  centre {}  {}\n", centre.id.short(), Safe(&centre.name));
    }
    let lines = [
        (report.authentic, "authentic: signed by the key that they name"),
        (report.authorised, "of them by a key that the centre names in this file"),
        (report.unproven, "not authentic: no valid signature covers them"),
        (report.bodies, "bodies that are the signed ones"),
        (report.bodies_refused, "bodies that are not the signed ones"),
        (report.identities_refused, "identities that are not valid"),
        (report.identities_continued, "changes of identities whose beginning is not in this file"),
        (report.other_frames, "other parts, passed over"),
    ];
    for (value, what) in lines.into_iter().filter(|(value, _)| *value != 0) {
        text += &format!("  {:>9}  {what}\n", number(value));
    }
    let now = shell.screen.now;
    let said = report.part.iter().map(|part| part.in_words(now));
    for words in said.chain(report.have.iter().map(|have| have.in_words(now))) {
        text += &format!("  {}\n", Safe(&words));
    }
    shell.print(text)?;
    if let Some(backup) = &report.backup {
        backup.print(shell)?;
    }
    report.damaged.print(shell)
}
