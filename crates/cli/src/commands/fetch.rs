//! Files of records: fetched, written out, pinned.
//!
//! Invariant: a file is written under a name of the user's choice or of our own making, never
//! under one that came from others, and appears there when it is whole and matches its hash.
//! Not here: how a file comes (`baraza-protocol`).
//! Spec: docs/OPERATIONS.md, "Attachments".

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use baraza_api::{
    AttachmentView, Client, ErrorCode, FetchRequest, FileReply, PinRequest, RecordView, Request,
    StatusView,
};
use baraza_formats::files;
use baraza_record::attachment::{self, GROUP_BYTES};
use serde_json::json;

use super::id_prefix;
use crate::{
    args::{Fetch, OneFile},
    error::{Failure, failure},
    output::{Table, bytes, count},
    safe::Safe,
    shell::Shell,
};

/// Time between two looks at a file that is on its way (0.5 s).
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Looks without anything new after which `fetch` no longer waits (3 min): three requests of
/// 64 KiB at 4 kbit/s. The node goes on.
const LOOKS_IDLE_MAX: u32 = 360;

/// A file of a record, and the way to it.
struct One {
    record: String,
    file: AttachmentView,
}

impl One {
    fn path(&self, verb: &str) -> String {
        format!("/v1/records/{}/attachments/{}{verb}", self.record, self.file.number)
    }
}

/// Finds the file that is meant.
fn find(client: &dyn Client, which: &OneFile) -> Result<One, Failure> {
    let record: RecordView = client.get(format!("/v1/records/{}", id_prefix(&which.id)?))?;
    let (id, short) = (record.summary.id.to_string(), record.summary.id.short());
    let number = match (which.number, record.attachments.len()) {
        (Some(number), _) => number,
        (None, 1) => 1,
        (None, 0) => {
            let what = format!("record {short} has no attachments");
            return Err(failure(ErrorCode::NotFound, what));
        }
        (None, many) => {
            let what = format!("record {short} has {many} attachments: say which");
            return Err(failure(ErrorCode::Ambiguous, what).hint(format!("baraza show {short}")));
        }
    };
    let file = record.attachments.into_iter().find(|file| file.number == number);
    let file = file.ok_or_else(|| {
        failure(ErrorCode::NotFound, format!("record {short} has no attachment {number}"))
            .hint(format!("baraza show {short}"))
    })?;
    Ok(One { record: id, file })
}

/// Fetches a file, and writes it out if asked to.
pub(super) fn fetch(shell: &mut Shell<'_, '_>, args: &Fetch) -> Result<(), Failure> {
    let client = shell.client()?;
    let one = find(&*client, &args.which)?;
    let request = FetchRequest { pin: args.pin, stop: args.stop };
    let reply: FileReply = client.post(one.path("/fetch"), &request)?;
    let short = one.file.hash.short();
    if args.stop {
        return tell(shell, &one, reply, format!("{short} is not fetched any more\n"));
    }
    if !reply.whole && !args.no_wait {
        wait(shell, &*client, &one)?;
    }
    let reply = FileReply { whole: reply.whole || !args.no_wait, ..reply };
    if let Some(to) = &args.to {
        return write_out(shell, &*client, &one, to);
    }
    let text = match reply.whole {
        true => format!("{short} is here ({})\n", bytes(one.file.bytes)),
        false => format!("{short} is wanted; it comes when a peer that has it is met\n"),
    };
    tell(shell, &one, reply, text)
}

fn tell(
    shell: &mut Shell<'_, '_>,
    one: &One,
    reply: FileReply,
    text: String,
) -> Result<(), Failure> {
    match shell.json {
        true => shell.print_json(&json!({
            "number": one.file.number, "hash": reply.hash, "bytes": one.file.bytes,
            "whole": reply.whole, "wanted": reply.wanted && !reply.whole,
        })),
        false => shell.print(text),
    }
}

/// Waits until a file is here.
fn wait(shell: &Shell<'_, '_>, client: &dyn Client, one: &One) -> Result<(), Failure> {
    let status: StatusView = client.get("/v1/status")?;
    if !status.daemon {
        let what = format!("attachment {} is not here, and is wanted now", one.file.hash.short());
        return Err(
            failure(ErrorCode::Offline, what).hint("it comes once the node runs: baraza start")
        );
    }
    let progress = shell.progress(one.file.bytes, "Fetching");
    let (mut held, mut idle) = (0, 0);
    loop {
        let record: RecordView = client.get(format!("/v1/records/{}", one.record))?;
        let number = one.file.number;
        let now = record.attachments.iter().find(|file| file.number == number);
        let Some(now) = now.filter(|file| !file.gone) else {
            let what = "the file was deleted because its publisher asked for it";
            return Err(failure(ErrorCode::NotFound, what));
        };
        progress.set_position(now.bytes_held);
        if now.whole {
            progress.finish_and_clear();
            return Ok(());
        }
        idle = if now.bytes_held == held { idle + 1 } else { 0 };
        held = now.bytes_held;
        if LOOKS_IDLE_MAX < idle || !now.wanted {
            progress.finish_and_clear();
            let what = format!(
                "attachment {} has not come: {} of {} are here",
                one.file.hash.short(),
                bytes(held),
                bytes(one.file.bytes)
            );
            let hint = "it stays wanted and comes when a peer that has it is met: baraza peers";
            return Err(failure(ErrorCode::Offline, what).hint(hint));
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn write_out(
    shell: &mut Shell<'_, '_>,
    client: &dyn Client,
    one: &One,
    to: &Path,
) -> Result<(), Failure> {
    let path = match to.is_dir() {
        true => {
            let ending = files::ending(&one.file.mime);
            to.join(format!("{}.{ending}", one.file.hash.short()))
        }
        false => to.to_owned(),
    };
    let question = format!("`{}` exists. Overwrite it?", path.display());
    if path.exists() && !shell.confirm(&question)? {
        return Ok(());
    }
    let Some(name) = path.file_name() else {
        let what = format!("`{}` is no file name", path.display());
        return Err(failure(ErrorCode::BadRequest, what));
    };
    let mut part = name.to_owned();
    part.push(".tmp");
    let part = path.with_file_name(part);
    let written = copy(client, one, &part)
        .and_then(|()| fs::rename(&part, &path).map_err(|error| unwritable(&path, &error)));
    if written.is_err() {
        // Best effort: the error that counts is told already.
        let _ = fs::remove_file(&part);
    }
    written?;
    match shell.json {
        true => shell.print_json(&json!({
            "number": one.file.number, "hash": one.file.hash, "bytes": one.file.bytes,
            "whole": true, "wanted": false, "file": path.to_string_lossy(),
        })),
        false => {
            let name = path.to_string_lossy();
            shell.print(format!("Wrote {} ({})\n", Safe(&name), bytes(one.file.bytes)))
        }
    }
}

fn copy(client: &dyn Client, one: &One, path: &PathBuf) -> Result<(), Failure> {
    let mut file = File::create(path).map_err(|error| unwritable(path, &error))?;
    let (all, mut hashes) = (attachment::groups(one.file.bytes), Vec::new());
    let mut from = "0".to_owned();
    loop {
        let path_and_query = one.path(&format!("?from={from}"));
        let piece = client.call(Request { method: "GET", path: path_and_query, body: None })?;
        // A piece is whole groups; an empty file is one empty group.
        let groups = if piece.body.is_empty() { vec![&[][..]] } else { Vec::new() };
        for data in piece.body.chunks(GROUP_BYTES).chain(groups) {
            let group = u32::try_from(hashes.len()).unwrap_or(u32::MAX);
            hashes.push(attachment::group_hash(group, data, all == 1));
        }
        file.write_all(&piece.body).map_err(|error| unwritable(path, &error))?;
        match piece.next {
            Some(next) if next != from => from = next,
            _ => break,
        }
    }
    if attachment::root(&hashes) != one.file.hash {
        let what = format!("attachment {} is damaged on this node", one.file.hash.short());
        return Err(failure(ErrorCode::Store, what).hint("baraza check --full"));
    }
    file.sync_all().map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    failure(ErrorCode::Store, format!("`{}` cannot be written: {error}", path.display()))
}

/// Has a file stay whatever else comes, or not.
pub(super) fn pin(shell: &mut Shell<'_, '_>, which: &OneFile, pinned: bool) -> Result<(), Failure> {
    let client = shell.client()?;
    let one = find(&*client, which)?;
    let reply: FileReply = client.post(one.path("/pin"), &PinRequest { pinned })?;
    let short = one.file.hash.short();
    let text = match pinned {
        true => format!("{short} stays on this node\n"),
        false => format!("{short} may make room for others\n"),
    };
    tell(shell, &one, reply, text)
}

/// Prints the files of a record.
pub(super) fn print_list(
    shell: &mut Shell<'_, '_>,
    list: &[AttachmentView],
) -> Result<(), Failure> {
    if list.is_empty() {
        return Ok(());
    }
    let heading = shell.heading("Attachments");
    let mut table = Table::new(&["", "TITLE", "TYPE", "SIZE", "HERE"], 1);
    for file in list {
        table.row([
            file.number.to_string(),
            Safe(&file.title).to_string(),
            Safe(&file.mime).to_string(),
            bytes(file.bytes),
            here(file),
        ]);
    }
    shell.print(format!("\n{heading}\n"))?;
    shell.print_table(&table)?;
    let absent = list.iter().filter(|file| !file.whole && !file.gone).count();
    if absent != 0 {
        let files = count(absent as u64, "file is not here", "files are not here");
        shell.note(format!("{files}; to get one: baraza fetch ID N"));
    }
    Ok(())
}

fn here(file: &AttachmentView) -> String {
    let part = || format!("{} of it", bytes(file.bytes_held));
    match file {
        AttachmentView { gone: true, .. } => "deleted, as its publisher asked".to_owned(),
        AttachmentView { whole: true, pinned: true, .. } => "yes, pinned".to_owned(),
        AttachmentView { whole: true, .. } => "yes".to_owned(),
        AttachmentView { bytes_held: 0, wanted: true, .. } => "wanted".to_owned(),
        AttachmentView { bytes_held: 0, .. } => "no".to_owned(),
        AttachmentView { wanted: true, .. } => format!("{}, the rest is wanted", part()),
        AttachmentView { .. } => part(),
    }
}
