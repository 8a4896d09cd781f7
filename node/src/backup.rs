//! `baraza backup`: all that a node holds, in one file, without its keys.
//!
//! Invariant: the file appears under its name only when it is whole and on the disk. Nothing is
//! locked: a daemon may go on meanwhile, and the backup has what was there when it began.
//! Not here: the way back (`restore`), what a ledger's frames are (`baraza-store`).
//! Spec: docs/PROTOCOL.md, section 8.4; docs/OPERATIONS.md, "Backup".

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use baraza_api::{ErrorBody, ErrorCode};
use baraza_cli::BackupReport;
use baraza_record::{
    CentreId, Timestamp,
    backup::{DRAFTS, FILE_BYTES_MAX, FILES, Part, may_hold, pieces},
    frame::{Frame, PREAMBLE},
};
use baraza_store::copy_ledger;

use crate::{
    clock,
    config::Settings,
    home::{self, Home},
    staff_log::LOG_FILES_MAX,
};

/// A backup that is being written.
struct Writer {
    file: BufWriter<File>,
    encoded: Vec<u8>,
    bytes: u64,
    frames: u64,
}

/// Writes a backup to `path`, or into the folder `path` under a name with the time.
pub(crate) fn backup(home: &Home, path: &Path) -> Result<BackupReport, ErrorBody> {
    let centre = Settings::load(home)?.centre;
    let now = clock::now();
    let target = target(home, path, &centre, now)?;
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let part = target.with_file_name(name);
    let previous_ms = last(home);
    let failed = |error: io::Error| {
        ErrorBody::new(ErrorCode::Store, format!("cannot write {}: {error}", target.display()))
            .with_hint("is there room on that disk, and may you write there?")
    };
    let written = write(home, &part, centre, now).and_then(|report| {
        fs::rename(&part, &target)?;
        sync_folder(&target)?;
        Ok(report)
    });
    if written.is_err() {
        // Best effort: the error that counts is told below.
        let _ = fs::remove_file(&part);
    }
    let report = written.map_err(failed)?;
    home::replace_private_file(&home.last_backup(), now.0.to_string().as_bytes())?;
    Ok(BackupReport { file: target, previous_ms, ..report })
}

/// Returns when the last backup of `home` was made, in milliseconds since 1970.
pub(crate) fn last(home: &Home) -> Option<u64> {
    fs::read_to_string(home.last_backup()).ok()?.trim().parse().ok()
}

/// Returns the file to write.
fn target(
    home: &Home,
    path: &Path,
    centre: &CentreId,
    now: Timestamp,
) -> Result<PathBuf, ErrorBody> {
    let invalid = |what: String| ErrorBody::new(ErrorCode::Invalid, what);
    let folder = match path.is_dir() {
        true => path.to_owned(),
        false => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            parent.unwrap_or(Path::new(".")).to_owned()
        }
    };
    let real = |path: &Path| {
        fs::canonicalize(path).map_err(|error| invalid(format!("{}: {error}", path.display())))
    };
    if real(&folder)?.starts_with(real(home.path())?) {
        let what = format!("{} lies inside the home, and would be lost with it", path.display());
        return Err(invalid(what).with_hint("name a folder elsewhere, best on another disk"));
    }
    if path.is_dir() {
        let name = format!("baraza-{}-{}.backup", centre.short(), stamp(now));
        return Ok(path.join(name));
    }
    match path.file_name() {
        Some(_) => Ok(path.to_owned()),
        None => Err(invalid(format!("`{}` is no file name", path.display()))),
    }
}

/// Returns a time as digits that sort: seconds since 1970 would tell people nothing.
fn stamp(now: Timestamp) -> String {
    let seconds = now.0 / 1_000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (rest / 3_600, rest % 3_600 / 60, rest % 60);
    format!("{}-{hour:02}{minute:02}{second:02}", baraza_cli::day(days * 86_400_000))
}

fn write(
    home: &Home,
    part: &Path,
    centre: CentreId,
    made_ms: Timestamp,
) -> io::Result<BackupReport> {
    match fs::remove_file(part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(part)?;
    let (encoded, bytes) = (Vec::new(), PREAMBLE.len() as u64);
    let mut writer = Writer { file: BufWriter::new(file), encoded, bytes, frames: 0 };
    writer.file.write_all(PREAMBLE)?;
    writer.part(&Part::Start { made_ms, centre })?;
    let mut report = BackupReport::default();
    for name in names(home)? {
        let Some(content) = content(&home.path().join(&name))? else {
            report.files_left_out.push(name);
            continue;
        };
        pieces(&name, &content).try_for_each(|piece| writer.part(&piece))?;
        report.files.push(name);
    }
    let copied = copy_ledger(home.path(), |frame| {
        report.records += u64::from(matches!(frame, Frame::Header { .. }));
        report.identities += u64::from(matches!(frame, Frame::Identity(_)));
        writer.add(frame)
    })?;
    (report.damaged, report.unknown) = (copied.damaged, copied.unknown);
    report.segments_lost = copied.segments_lost;
    writer.part(&Part::End { frames: writer.frames })?;
    report.bytes = writer.bytes;
    writer.file.flush()?;
    writer.file.get_ref().sync_all()?;
    Ok(report)
}

impl Writer {
    fn part(&mut self, part: &Part) -> io::Result<()> {
        self.add(&Frame::Private(part.encode()))
    }

    fn add(&mut self, frame: &Frame) -> io::Result<()> {
        self.encoded.clear();
        frame.encode_into(&mut self.encoded);
        self.bytes += self.encoded.len() as u64;
        self.frames += 1;
        self.file.write_all(&self.encoded)
    }
}

/// Returns the names of the files that a backup of `home` has.
fn names(home: &Home) -> io::Result<Vec<String>> {
    let logs = (1..=LOG_FILES_MAX).map(|number| format!("staff.log.{number}"));
    let mut names: Vec<_> = FILES.iter().map(|name| (*name).to_owned()).chain(logs).collect();
    names.retain(|name| home.path().join(name).is_file());
    let folder = match fs::read_dir(home.drafts()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
        folder => folder?,
    };
    let mut drafts = Vec::new();
    for entry in folder {
        let name = entry?.file_name();
        drafts.extend(name.to_str().map(|name| format!("{DRAFTS}/{name}")));
    }
    drafts.retain(|name| may_hold(name));
    drafts.sort_unstable();
    names.extend(drafts);
    Ok(names)
}

/// Reads a file; none if it is gone, cannot be read or is longer than a backup takes.
fn content(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Ok(file) = File::open(path) else { return Ok(None) };
    let mut content = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut content)?;
    Ok((content.len() as u64 <= FILE_BYTES_MAX).then_some(content))
}

/// Makes the new name of a file survive a crash.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
