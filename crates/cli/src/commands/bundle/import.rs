//! Taking the records of files.
//!
//! Invariant: the order of the files does not matter: parts are read in theirs, and again as
//! long as that brings something. A file that cannot be read costs the others nothing.
//! Not here: what is kept (`baraza-protocol`).
//! Spec: docs/PROTOCOL.md, sections 8.2 and 8.5.

use std::{
    fs,
    path::{Path, PathBuf},
};

use baraza_api::{
    API_BODY_BYTES_MAX, BUNDLE_PIECE_BYTES, BodyKind, Client, ErrorCode, Imported, Request,
};
use baraza_identity::SignedEvent;
use baraza_record::{
    CentreId, Timestamp,
    exchange::{BUNDLE_ID_BYTES, Note},
    frame::{CONTENT_BYTES_MAX, Frame, FrameReader, PREAMBLE, ReadError},
};
use indicatif::ProgressBar;
use serde::Serialize;

use super::{
    Beginning, Damages, PartSeen, Sets,
    order::{self, MissingParts},
    peek, unreadable,
};
use crate::{
    error::{Failure, failure},
    output::{count, number},
    safe::Safe,
    shell::Shell,
};

/// Most files of one import.
pub(crate) const FILES_MAX: usize = 10_000;

/// Bytes that a piece may have before it is cut where frames belong together.
const PIECE_BYTES_HARD_MAX: usize = API_BODY_BYTES_MAX - CONTENT_BYTES_MAX - 1_024;

#[derive(Default, Serialize)]
struct FileReport {
    file: String,
    imported: Imported,
    damaged: Damages,
    /// Which part of which bundle it says that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<PartSeen>,
    /// Why it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Parts of its bundle that were not among the files.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<MissingParts>,
}

/// A file to read, and its place among the others.
struct Source {
    path: PathBuf,
    /// When its bundle was made, which, and which part it is; none if it does not say so.
    place: Option<(Timestamp, [u8; BUNDLE_ID_BYTES], u32)>,
}

/// Takes the records of files and folders.
pub(super) fn import(shell: &mut Shell<'_, '_>, paths: &[PathBuf]) -> Result<(), Failure> {
    let mut sources = sources(shell, paths)?;
    let client = shell.client()?;
    // What says nothing of itself is read last: what it builds on may be among the others.
    sources.sort_by_key(|source| (source.place.is_none(), source.place));
    let mut reports: Vec<FileReport> = Vec::new();
    for source in &sources {
        reports.push(read(shell, &*client, &source.path, "Importing")?);
    }
    again(shell, &*client, &sources, &mut reports)?;
    let mut sets = Sets::default();
    reports.iter().filter_map(|report| report.part.as_ref()).for_each(|part| sets.add(part));
    let missing = sets.missing();
    let lost = missing.len() as u64;
    if shell.json {
        for missing in missing {
            let of_it =
                |one: &&mut FileReport| one.part.as_ref().is_some_and(|part| missing.is_of(part));
            if let Some(report) = reports.iter_mut().find(of_it) {
                report.missing = Some(missing);
            }
        }
        shell.print_json(&reports)?;
    } else {
        reports.iter().try_for_each(|report| print(shell, report))?;
        order::print(shell, &missing)?;
    }
    conclude(&reports, lost)
}

/// Takes the records of a file and tells how many there are.
pub(in super::super) fn import_quietly(
    shell: &mut Shell<'_, '_>,
    client: &dyn Client,
    path: &Path,
) -> Result<(), Failure> {
    let report = read(shell, client, path, "Importing")?;
    if let Some(why) = &report.error {
        return Err(failure(ErrorCode::Invalid, why.clone()));
    }
    shell.note(format!("{}: {}", Safe(&report.file), in_words(&report.imported)));
    if report.damaged.count != 0 {
        shell.note(
            "Part of it is damaged: what is missing there is not ours any more, if no peer has it.",
        );
    }
    Ok(())
}

/// Lists the files that are meant; what is in a folder and is no bundle is passed over.
fn sources(shell: &mut Shell<'_, '_>, paths: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    let (mut sources, mut passed) = (Vec::new(), 0_u64);
    for path in paths {
        if !path.is_dir() {
            // A pipe can be read once only.
            let beginning = if path.is_file() { peek(path).ok() } else { None };
            sources.push(Source::of(path.clone(), beginning.as_ref()));
            continue;
        }
        let fails = |error: std::io::Error| unreadable(path, &error);
        let mut files = Vec::new();
        for entry in fs::read_dir(path).map_err(fails)? {
            let entry = entry.map_err(fails)?;
            // Links, pipes and folders in it are not followed.
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                files.push(entry.path());
            }
        }
        files.sort();
        for file in files {
            let unfinished = file.extension().is_some_and(|end| end == "tmp");
            match peek(&file) {
                Ok(Beginning::Other | Beginning::Note(Note::HaveStart(_))) => passed += 1,
                _ if unfinished => passed += 1,
                beginning => sources.push(Source::of(file, beginning.ok().as_ref())),
            }
        }
    }
    if passed != 0 {
        shell.note(format!("{} no bundle, passed over", count(passed, "file is", "files are")));
    }
    if sources.is_empty() {
        return Err(failure(ErrorCode::NotFound, "there is no bundle in this folder"));
    }
    if FILES_MAX < sources.len() {
        let what = format!("there are {} files, at most {FILES_MAX} go at once", sources.len());
        return Err(failure(ErrorCode::BadRequest, what).hint("name some of them"));
    }
    Ok(sources)
}

impl Source {
    fn of(path: PathBuf, beginning: Option<&Beginning>) -> Self {
        let place = match beginning {
            Some(Beginning::Note(Note::PartStart(start))) => {
                Some((start.made_ms, start.place.bundle, start.place.number()))
            }
            _ => None,
        };
        Self { path, place }
    }
}

/// Reads files again of which something found no place, as long as the others bring news.
fn again(
    shell: &Shell<'_, '_>,
    client: &dyn Client,
    sources: &[Source],
    reports: &mut [FileReport],
) -> Result<(), Failure> {
    let news = |imported: &Imported| imported.inserted + imported.identities;
    let mut came: u64 = reports.iter().map(|report| news(&report.imported)).sum();
    // One file alone was read in its own order, and brings no more the second time.
    while came != 0 && 1 < sources.len() {
        came = 0;
        for (source, report) in sources.iter().zip(&mut *reports) {
            let Imported { gaps, deferred, held, .. } = report.imported;
            if report.error.is_some() || gaps + deferred + held == 0 {
                continue;
            }
            let next = read(shell, client, &source.path, "Once more")?.imported;
            came += news(&next);
            let all = &mut report.imported;
            // What found a place now was counted as lost before.
            (all.gaps, all.deferred, all.held) = (next.gaps, next.deferred, next.held);
            all.inserted += next.inserted;
            all.identities += next.identities;
            all.bodies += next.bodies;
        }
    }
    Ok(())
}

/// Reads a file and gives its frames to the node.
fn read(
    shell: &Shell<'_, '_>,
    client: &dyn Client,
    path: &Path,
    what: &'static str,
) -> Result<FileReport, Failure> {
    let mut report =
        FileReport { file: path.to_string_lossy().into_owned(), ..FileReport::default() };
    let (source, length) = match super::open(path) {
        Ok(opened) => opened,
        Err(error) => {
            report.error = Some(error.message());
            return Ok(report);
        }
    };
    let progress = shell.progress(length, what);
    let mut sender = Sender::new(client);
    let (mut frames, mut is_have) = (0_u64, false);
    let mut reader = FrameReader::new(source);
    while let Some(item) = reader.next() {
        match item {
            Ok((_, Frame::Exchange(content))) => {
                if let Some(note) = Note::decode(&content) {
                    is_have |= matches!(note, Note::HaveStart(_));
                    PartSeen::take(&mut report.part, &note, frames);
                }
                frames += 1;
            }
            // What only the writing node knew is not for others.
            Ok((_, Frame::Clock(_) | Frame::Private(_) | Frame::Unknown { .. })) => frames += 1,
            Ok((_, frame)) => {
                frames += 1;
                sender.take(&frame)?;
            }
            Err(ReadError::Damaged(damage)) => report.damaged.add(&damage),
            // A stick that was pulled out: what came before is kept.
            Err(ReadError::Io(error)) => report.error = Some(unreadable(path, &error).message()),
        }
        progress.set_position(reader.offset());
    }
    report.imported = sender.finish()?;
    finish(&progress, &mut report, path, frames, is_have);
    Ok(report)
}

fn finish(
    progress: &ProgressBar,
    report: &mut FileReport,
    path: &Path,
    frames: u64,
    is_have: bool,
) {
    progress.finish_and_clear();
    if frames == 0 && report.damaged.count != 0 {
        report.error = Some(format!("`{}` is not a bundle", path.display()));
    }
    if is_have && report.part.is_none() {
        report.error = Some(format!(
            "`{}` is a have-file and has no records: it is for baraza bundle create --for",
            path.display()
        ));
    }
}

/// Sends frames to a node, in pieces that are cut where nothing belongs together.
struct Sender<'a> {
    client: &'a dyn Client,
    sum: Imported,
    piece: Vec<u8>,
    /// Up to here the piece may be sent without what follows.
    safe: usize,
    /// Whether the next header begins what can be judged without what came before.
    proved: bool,
    log: Option<CentreId>,
}

impl<'a> Sender<'a> {
    fn new(client: &'a dyn Client) -> Self {
        let (piece, safe) = (PREAMBLE.to_vec(), PREAMBLE.len());
        Self { client, sum: Imported::default(), piece, safe, proved: true, log: None }
    }

    fn take(&mut self, frame: &Frame) -> Result<(), Failure> {
        match frame {
            // A run of records is judged by the signature at its end.
            Frame::Header { signature, .. } => {
                self.mark(self.proved);
                (self.proved, self.log) = (signature.is_some(), None);
            }
            // Events of one log may count only together.
            Frame::Identity(event) => {
                let log = SignedEvent::from_kept(event).ok().map(|event| event.centre());
                self.mark(log.is_none() || log != self.log);
                (self.proved, self.log) = (true, log);
            }
            _ => (),
        }
        let start = self.piece.len();
        frame.encode_into(&mut self.piece);
        if BUNDLE_PIECE_BYTES < self.piece.len() {
            match PREAMBLE.len() < self.safe {
                true => self.send(self.safe)?,
                false if PIECE_BYTES_HARD_MAX < self.piece.len() => self.send(start)?,
                false => (),
            }
        }
        Ok(())
    }

    fn mark(&mut self, is_safe: bool) {
        if is_safe {
            self.safe = self.piece.len();
        }
    }

    fn finish(mut self) -> Result<Imported, Failure> {
        self.send(self.piece.len())?;
        Ok(self.sum)
    }

    /// Sends the piece up to `end` and starts the next one with the rest.
    fn send(&mut self, end: usize) -> Result<(), Failure> {
        if end <= PREAMBLE.len() {
            return Ok(());
        }
        let rest = [PREAMBLE, &self.piece[end..]].concat();
        let mut body = std::mem::replace(&mut self.piece, rest);
        body.truncate(end);
        self.safe = PREAMBLE.len();
        let body = Some((BodyKind::Binary, body));
        let request = Request { method: "POST", path: "/v1/bundle".to_owned(), body };
        let reply = self.client.call(request).map_err(|error| {
            Failure::from(error).hint("try again: what was taken already is not taken twice")
        })?;
        let came: Imported = serde_json::from_slice(&reply.body).map_err(|error| {
            failure(ErrorCode::Internal, format!("the node's reply does not parse: {error}"))
        })?;
        let sum = &mut self.sum;
        sum.inserted += came.inserted;
        sum.duplicates += came.duplicates;
        sum.held += came.held;
        sum.deferred += came.deferred;
        sum.bodies += came.bodies;
        sum.identities += came.identities;
        sum.rejected += came.rejected;
        sum.gaps += came.gaps;
        sum.declined += came.declined;
        sum.foreign += came.foreign;
        Ok(())
    }
}

fn print(shell: &mut Shell<'_, '_>, report: &FileReport) -> Result<(), Failure> {
    let file = Safe(&report.file).to_string();
    match &report.error {
        Some(why) => shell.print(format!("{file}: {}\n", Safe(why)))?,
        None => shell.print(format!("{file}: {}\n", in_words(&report.imported)))?,
    }
    if let Some(part) = report.part.as_ref().filter(|part| !part.complete) {
        shell.print(format!("  {}\n", Safe(&part.in_words(shell.screen.now))))?;
    }
    report.damaged.print(shell)
}

/// Returns how an import ends, for the exit code and a last word.
fn conclude(reports: &[FileReport], missing: u64) -> Result<(), Failure> {
    let unread: Vec<_> = reports.iter().filter_map(|report| report.error.as_deref()).collect();
    if let ([why, ..], true) = (unread.as_slice(), unread.len() == reports.len()) {
        return Err(
            failure(ErrorCode::Invalid, *why).hint("drafts are published: baraza publish FILE")
        );
    }
    let cut = reports.iter().filter(|one| one.part.as_ref().is_some_and(|part| !part.complete));
    let damaged = reports.iter().map(|one| one.damaged.count).sum::<u64>().max(cut.count() as u64);
    let refused =
        reports.iter().map(|report| report.imported.rejected + report.imported.gaps).sum();
    let what = match (unread.len() as u64, damaged, refused, missing) {
        (0, 0, 0, 0) => return Ok(()),
        (0, 0, 0, missing) => format!("{} not whole", count(missing, "bundle is", "bundles are")),
        (0, 0, refused, _) => format!("{} could not be taken", count(refused, "record", "records")),
        (0, damaged, ..) => {
            format!("{} of what was read is damaged", count(damaged, "part", "parts"))
        }
        (unread, ..) => format!("{} could not be read", count(unread, "file", "files")),
    };
    let hint = match (damaged, missing) {
        (0, 1..) => "the rest was taken; import again when the missing parts are here too",
        _ => {
            "the rest was taken; get another copy, or the missing records from a peer: baraza sync, \
             or from a site: baraza bundle have"
        }
    };
    Err(failure(ErrorCode::Invalid, what).partly().hint(hint))
}

fn in_words(imported: &Imported) -> String {
    let records = |value| count(value, "record", "records");
    let parts = [
        (imported.duplicates, format!("{} held already", number(imported.duplicates))),
        (imported.held, format!("{} whose signer is not known yet", records(imported.held))),
        (imported.deferred, format!("{} not kept for now", records(imported.deferred))),
        (imported.bodies, count(imported.bodies, "missing body", "missing bodies")),
        (imported.identities, count(imported.identities, "new identity", "new identities")),
        (imported.rejected, format!("{} not authentic and refused", records(imported.rejected))),
        (imported.foreign, format!("{} for others, not kept", records(imported.foreign))),
        (imported.gaps, format!("{} without what comes before", records(imported.gaps))),
        (imported.declined, format!("{} declined by policy", records(imported.declined))),
    ];
    let parts = parts.into_iter().filter(|(value, _)| *value != 0).map(|(_, text)| text);
    let new = count(imported.inserted, "new record", "new records");
    std::iter::once(new).chain(parts).collect::<Vec<_>>().join(", ")
}
