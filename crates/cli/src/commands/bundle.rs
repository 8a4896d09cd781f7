//! Bundles and have-files: what sites carry to each other.
//!
//! Invariant: a file appears under its name only when it is whole and on the disk; an import
//! sends whole frames only, and sending them again changes nothing. No name that stands inside
//! a file is ever used as the name of one.
//! Not here: what is missing and what a frame is worth (`baraza-protocol`), checks without a
//! node (`verify`).
//! Spec: docs/OPERATIONS.md, "Bundles"; docs/PROTOCOL.md, sections 8.2 and 8.5.

mod create;
mod have;
mod import;
mod order;
mod parts;
mod theirs;

use std::{
    fs::{self, File},
    io::{self, BufReader, Read},
    path::Path,
};

use baraza_api::{CentreView, Client, ErrorCode, StatusView};
use baraza_record::{
    CentreId, PublicKey,
    exchange::{Note, Whom},
    frame::{Damage, Frame, FrameReader, PREAMBLE},
};
use serde::Serialize;

use super::id_prefix;
use crate::{
    args::Bundle,
    error::{Failure, failure},
    output::{bytes, count, number},
    shell::Shell,
};

pub(super) use import::import_quietly;
pub(super) use order::{HaveSeen, PartSeen, Sets};

/// Most damaged parts of a file that are listed.
pub(super) const DAMAGES_LISTED_MAX: usize = 100;

/// Bytes at the beginning of a file in which its first frame is looked for.
const PEEK_BYTES: u64 = 64 * 1_024;

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

/// What a file is, as far as its beginning tells.
pub(super) enum Beginning {
    /// It does not begin as a stream does.
    Other,
    /// A stream whose first frame is none of these, or is damaged.
    Stream,
    /// A note.
    Note(Note),
}

/// Who writes a file.
struct Maker {
    centre: CentreId,
    node: PublicKey,
}

pub(super) fn run(shell: &mut Shell<'_, '_>, command: Bundle) -> Result<(), Failure> {
    match command {
        Bundle::Have { output, whom } => have::have(shell, output.as_deref(), whom.as_deref()),
        Bundle::Create { file, whom, to, split } => {
            create::create(shell, file.as_deref(), to.as_deref(), split, &whom)
        }
        Bundle::Import { files } => import::import(shell, &files),
    }
}

impl Damages {
    pub(super) fn add(&mut self, damage: &Damage) {
        let Damage { from, to, why, .. } = damage;
        self.add_span(*from, *to, why.to_string());
    }

    /// Adds bytes that are whole frames and of no use all the same.
    fn add_span(&mut self, from: u64, to: u64, why: String) {
        self.count += 1;
        self.bytes += to - from;
        if self.listed.len() < DAMAGES_LISTED_MAX {
            self.listed.push(DamageView { from, to, why });
        }
    }

    /// Returns a line for each that is listed.
    fn lines(&self) -> Vec<String> {
        let line = |DamageView { from, to, why }: &DamageView| {
            format!("  damaged: bytes {} to {}: {why}", number(*from), number(*to))
        };
        self.listed.iter().map(line).collect()
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

/// Looks at the beginning of a file.
fn peek(path: &Path) -> io::Result<Beginning> {
    let mut start = Vec::new();
    File::open(path)?.take(PEEK_BYTES).read_to_end(&mut start)?;
    if !start.starts_with(PREAMBLE) {
        return Ok(Beginning::Other);
    }
    Ok(match FrameReader::new(&start[..]).next() {
        Some(Ok((_, Frame::Exchange(content)))) => {
            Note::decode(&content).map_or(Beginning::Stream, Beginning::Note)
        }
        _ => Beginning::Stream,
    })
}

/// Opens a file and says how long it is.
fn open(path: &Path) -> Result<(BufReader<File>, u64), Failure> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    Ok((BufReader::new(file), length))
}

/// Makes the new name of a file survive a crash.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Gives a file that is whole its name, for good.
fn settle(unfinished: &Path, path: &Path) -> Result<(), Failure> {
    fs::rename(unfinished, path)
        .and_then(|()| sync_folder(path))
        .map_err(|error| unwritable(path, &error))
}

/// Returns where a file is written before it is whole.
fn unfinished(path: &Path) -> Result<std::path::PathBuf, Failure> {
    let Some(name) = path.file_name() else {
        let what = format!("`{}` is no file name", path.display());
        return Err(failure(ErrorCode::BadRequest, what));
    };
    let mut part = name.to_owned();
    part.push(".tmp");
    Ok(path.with_file_name(part))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let failed =
        failure(ErrorCode::Store, format!("`{}` cannot be written: {error}", path.display()));
    match error.kind() {
        io::ErrorKind::FileTooLarge => {
            failed.hint("write parts to a folder instead: baraza bundle create --to DIR")
        }
        _ => failed,
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    failure(ErrorCode::Invalid, format!("`{}` cannot be read: {error}", path.display()))
}

/// Asks the node who it is.
fn maker(client: &dyn Client) -> Result<Maker, Failure> {
    let status: StatusView = client.get("/v1/status")?;
    // A node of an earlier version does not say.
    let node = status.node_key.unwrap_or(PublicKey([0; 32]));
    Ok(Maker { centre: status.centre, node })
}

/// Returns for whom a file is beside everybody, as it says itself.
fn whom_named(client: &dyn Client, whom: Option<&str>) -> Result<Whom, Failure> {
    let Some(whom) = whom.map(str::trim) else { return Ok(Whom::Everybody) };
    let id = match whom.split_once(':') {
        Some(("network", _)) => return Ok(Whom::Network),
        Some(("centre", id)) => id,
        _ => whom,
    };
    let centre: CentreView = client.get(format!("/v1/centres/{}", id_prefix(id)?))?;
    Ok(Whom::Centre(centre.id))
}

/// Returns a path with those of these members that are there.
fn with_query(path: &str, members: &[(&str, Option<&str>)]) -> Result<String, Failure> {
    let members: Vec<_> =
        members.iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect();
    let query = serde_urlencoded::to_string(&members)
        .map_err(|error| failure(ErrorCode::Internal, error.to_string()))?;
    Ok(format!("{path}{}{query}", if query.is_empty() { "" } else { "?" }))
}
