//! Bundles: records in a file.
//!
//! Invariant: a bundle appears under its name only when it is whole and on the disk; an
//! import sends whole frames only, and sending them again changes nothing.
//! Not here: what a frame is worth (`baraza-protocol`), checks without a node (`verify`).
//! Spec: docs/OPERATIONS.md, "Bundles"; docs/PROTOCOL.md, section 8.2.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use baraza_api::{BUNDLE_PIECE_BYTES, BodyKind, Client, ErrorCode, Imported, Request};
use baraza_record::frame::{Damage, Frame, FrameReader, PREAMBLE, ReadError};
use serde::Serialize;
use serde_json::json;

use crate::{
    error::{Failure, failure},
    output::{bytes, count, number},
    safe::Safe,
    shell::Shell,
};

/// Most damaged parts of a file that are listed.
pub(super) const DAMAGES_LISTED_MAX: usize = 100;

/// The damaged parts of a file.
#[derive(Debug, Default, Serialize)]
pub(super) struct Damages {
    /// How many there are.
    pub(super) count: u64,
    /// How many bytes they have.
    pub(super) bytes: u64,
    /// The first of them, at most [`DAMAGES_LISTED_MAX`].
    listed: Vec<DamageView>,
}

#[derive(Debug, Serialize)]
struct DamageView {
    from: u64,
    to: u64,
    why: String,
}

#[derive(Serialize)]
struct FileReport {
    file: String,
    imported: Imported,
    damaged: Damages,
}

impl Damages {
    pub(super) fn add(&mut self, damage: &Damage) {
        self.count += 1;
        self.bytes += damage.to - damage.from;
        if self.listed.len() < DAMAGES_LISTED_MAX {
            let Damage { from, to, why, .. } = damage;
            self.listed.push(DamageView { from: *from, to: *to, why: why.to_string() });
        }
    }

    pub(super) fn print(&self, shell: &mut Shell<'_, '_>) -> Result<(), Failure> {
        for DamageView { from, to, why } in &self.listed {
            let lost = bytes(to - from);
            shell.print(format!(
                "  damaged: bytes {} to {} ({lost}): {why}\n",
                number(*from),
                number(*to)
            ))?;
        }
        match self.count - self.listed.len() as u64 {
            0 => Ok(()),
            more => shell.print(format!("  damaged: {} more\n", count(more, "part", "parts"))),
        }
    }
}

/// Writes to a file all public records, and what else `whom` is entitled to.
pub(super) fn create(
    shell: &mut Shell<'_, '_>,
    path: &Path,
    whom: Option<&str>,
) -> Result<(), Failure> {
    let client = shell.client()?;
    let question = format!("`{}` exists. Overwrite it?", path.display());
    if path.exists() && !shell.confirm(&question)? {
        return Ok(());
    }
    let Some(name) = path.file_name() else {
        return Err(failure(
            ErrorCode::BadRequest,
            format!("`{}` is no file name", path.display()),
        ));
    };
    let mut part = name.to_owned();
    part.push(".tmp");
    let part = path.with_file_name(part);
    let written = write_pages(shell, &*client, &part, whom).and_then(|written| {
        let moved = fs::rename(&part, path).and_then(|()| sync_folder(path));
        moved.map(|()| written).map_err(|error| unwritable(path, &error))
    });
    if written.is_err() {
        // Best effort: the error that counts is told already.
        let _ = fs::remove_file(&part);
    }
    let written = written?;
    if let Some(whom) = whom {
        shell.note(format!(
            "It holds what is public and what {} may have. Give it to nobody else: whoever has the \
             file can read it.",
            Safe(whom)
        ));
    }
    match shell.json {
        true => shell.print_json(&json!({ "file": path.to_string_lossy(), "bytes": written })),
        false => {
            let name = path.to_string_lossy();
            shell.print(format!("Wrote {} ({})\n", Safe(&name), bytes(written)))
        }
    }
}

fn write_pages(
    shell: &Shell<'_, '_>,
    client: &dyn Client,
    path: &Path,
    whom: Option<&str>,
) -> Result<u64, Failure> {
    let progress = shell.progress(0, "Writing");
    let mut file = File::create(path).map_err(|error| unwritable(path, &error))?;
    let (mut written, mut after) = (0, None::<String>);
    loop {
        let query = serde_urlencoded::to_string(
            whom.iter()
                .map(|whom| ("for", *whom))
                .chain(after.iter().map(|after| ("after", after.as_str())))
                .collect::<Vec<_>>(),
        )
        .map_err(|error| failure(ErrorCode::Internal, error.to_string()))?;
        let path_and_query =
            format!("/v1/bundle{}{query}", if query.is_empty() { "" } else { "?" });
        let page = client.call(Request { method: "GET", path: path_and_query, body: None })?;
        // Every page is a stream of its own; the file is one.
        let frames = match after {
            None => &page.body[..],
            Some(_) => page.body.strip_prefix(PREAMBLE).unwrap_or(&page.body),
        };
        file.write_all(frames).map_err(|error| unwritable(path, &error))?;
        written += frames.len() as u64;
        progress.inc_length(frames.len() as u64);
        progress.inc(frames.len() as u64);
        match page.next {
            Some(next) if after.as_ref() != Some(&next) => after = Some(next),
            _ => break,
        }
    }
    file.sync_all().map_err(|error| unwritable(path, &error))?;
    progress.finish_and_clear();
    Ok(written)
}

/// Makes the new name of a file survive a crash.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    failure(ErrorCode::Store, format!("`{}` cannot be written: {error}", path.display()))
}

/// Takes the records of files.
pub(super) fn import(shell: &mut Shell<'_, '_>, paths: &[PathBuf]) -> Result<(), Failure> {
    let client = shell.client()?;
    let mut reports = Vec::new();
    for path in paths {
        let file = path.to_string_lossy().into_owned();
        let (imported, damaged) = import_one(shell, &*client, path)?;
        if !shell.json {
            shell.print(format!("{}: {}\n", Safe(&file), in_words(&imported)))?;
            damaged.print(shell)?;
        }
        reports.push(FileReport { file, imported, damaged });
    }
    if shell.json {
        shell.print_json(&reports)?;
    }
    let damaged: u64 = reports.iter().map(|report| report.damaged.count).sum();
    let refused =
        reports.iter().map(|report| report.imported.rejected + report.imported.gaps).sum();
    let what = match (damaged, refused) {
        (0, 0) => return Ok(()),
        (0, refused) => format!("{} could not be taken", count(refused, "record", "records")),
        (damaged, _) => format!("{} of what was read is damaged", count(damaged, "part", "parts")),
    };
    let hint =
        "the rest was taken; get another copy, or the missing records from a peer: baraza sync";
    Err(failure(ErrorCode::Invalid, what).partly().hint(hint))
}

/// Takes the records of a file and tells how many there are.
pub(super) fn import_quietly(
    shell: &mut Shell<'_, '_>,
    client: &dyn Client,
    path: &Path,
) -> Result<(), Failure> {
    let (imported, damaged) = import_one(shell, client, path)?;
    shell.note(format!("{}: {}", Safe(&path.to_string_lossy()), in_words(&imported)));
    if damaged.count != 0 {
        shell.note(
            "Part of it is damaged: what is missing there is not ours any more, if no peer has it.",
        );
    }
    Ok(())
}

fn import_one(
    shell: &Shell<'_, '_>,
    client: &dyn Client,
    path: &Path,
) -> Result<(Imported, Damages), Failure> {
    let unreadable = |error: &io::Error| {
        failure(ErrorCode::Invalid, format!("`{}` cannot be read: {error}", path.display()))
    };
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let file_bytes = file.metadata().map_or(0, |metadata| metadata.len());
    let progress = shell.progress(file_bytes, "Importing");
    let mut reader = FrameReader::new(file);
    let (mut sum, mut damages, mut frames) = (Imported::default(), Damages::default(), 0_u64);
    let mut piece = PREAMBLE.to_vec();
    let mut encoded = Vec::new();
    while let Some(item) = reader.next() {
        match item {
            // What only the writing node knew is not for others.
            Ok((_, Frame::Clock(_) | Frame::Private(_) | Frame::Unknown { .. })) => frames += 1,
            Ok((_, frame)) => {
                frames += 1;
                encoded.clear();
                frame.encode_into(&mut encoded);
                if BUNDLE_PIECE_BYTES < piece.len() + encoded.len() {
                    send(client, &mut piece, &mut sum)?;
                }
                piece.extend_from_slice(&encoded);
            }
            Err(ReadError::Damaged(damage)) => damages.add(&damage),
            Err(ReadError::Io(error)) => return Err(unreadable(&error)),
        }
        progress.set_position(reader.offset());
    }
    if frames == 0 && damages.count != 0 {
        let what = format!("`{}` is not a bundle", path.display());
        return Err(
            failure(ErrorCode::Invalid, what).hint("drafts are published: baraza publish FILE")
        );
    }
    send(client, &mut piece, &mut sum)?;
    progress.finish_and_clear();
    Ok((sum, damages))
}

/// Sends a piece and starts the next one.
fn send(client: &dyn Client, piece: &mut Vec<u8>, sum: &mut Imported) -> Result<(), Failure> {
    if piece.len() == PREAMBLE.len() {
        return Ok(());
    }
    let body = std::mem::replace(piece, PREAMBLE.to_vec());
    let body = Some((BodyKind::Binary, body));
    let reply = client
        .call(Request { method: "POST", path: "/v1/bundle".to_owned(), body })
        .map_err(|error| {
            Failure::from(error).hint("try again: what was taken already is not taken twice")
        })?;
    let came: Imported = serde_json::from_slice(&reply.body).map_err(|error| {
        failure(ErrorCode::Internal, format!("the node's reply does not parse: {error}"))
    })?;
    let Imported {
        inserted,
        duplicates,
        held,
        bodies,
        identities,
        rejected,
        gaps,
        declined,
        foreign,
    } = came;
    sum.inserted += inserted;
    sum.duplicates += duplicates;
    sum.held += held;
    sum.bodies += bodies;
    sum.identities += identities;
    sum.rejected += rejected;
    sum.gaps += gaps;
    sum.declined += declined;
    sum.foreign += foreign;
    Ok(())
}

fn in_words(imported: &Imported) -> String {
    let records = |value| count(value, "record", "records");
    let parts = [
        (imported.duplicates, format!("{} held already", number(imported.duplicates))),
        (imported.held, format!("{} whose signer is not known yet", records(imported.held))),
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
