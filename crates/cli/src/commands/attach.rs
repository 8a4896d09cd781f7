//! Files on their way into drafts: cleaned, hashed, brought to the node.
//!
//! Invariant: what is sent is what was cleaned; a file that may say more than it shows goes only
//! if somebody said so. A draft that came from others names no file outside of its folder.
//! Not here: what is cleaned how (`baraza_formats::files`), rules of the list (`RECORDS.md`).
//! Spec: docs/OPERATIONS.md, "Attachments".

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Component, Path, PathBuf},
};

use baraza_api::{
    BodyKind, Client, DraftBody, DraftSummary, DraftView, EditRequest, ErrorCode,
    FILE_PIECE_GROUPS, FileReply, Request,
};
use baraza_formats::files::{self, Cleaned, HEAD_BYTES, PICTURE_BYTES_MAX};
use baraza_record::{
    FileHash,
    attachment::{self, ATTACHMENT_BYTES_MAX, GroupHash, Part},
};
use serde_json::{Map, Value, json};

use super::id_prefix;
use crate::{
    args::Attach,
    error::{Failure, failure},
    output::bytes,
    safe::Safe,
    shell::Shell,
};

/// A file that is ready to be brought.
pub(super) struct Prepared {
    source: Source,
    bytes: u64,
    mime: String,
    hashes: Vec<GroupHash>,
    removed: Vec<String>,
}

enum Source {
    Memory(Vec<u8>),
    Disk(File),
}

impl Source {
    fn read(&self, from: u64, to: u64) -> io::Result<Vec<u8>> {
        let mut data = vec![0; (to - from) as usize];
        match self {
            Self::Memory(bytes) => data.copy_from_slice(&bytes[from as usize..to as usize]),
            Self::Disk(file) => file.read_exact_at(&mut data, from)?,
        }
        Ok(data)
    }
}

impl Prepared {
    /// Reads a file and cleans it, unless it is wanted as it is.
    pub(super) fn read(path: &Path, mime: Option<&str>, as_is: bool) -> Result<Self, Failure> {
        let unreadable = |error: io::Error| {
            failure(ErrorCode::Invalid, format!("`{}` cannot be read: {error}", path.display()))
        };
        let file = File::open(path).map_err(unreadable)?;
        let facts = file.metadata().map_err(unreadable)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let refuse =
            |what: &str| failure(ErrorCode::Invalid, format!("`{}` {what}", path.display()));
        if !facts.is_file() {
            return Err(refuse("is not a file"));
        }
        if ATTACHMENT_BYTES_MAX < facts.len() {
            return Err(
                refuse("has more than 1 GiB").hint("split it, or publish where it is found")
            );
        }
        let source = Source::Disk(file);
        let head = source.read(0, facts.len().min(HEAD_BYTES as u64)).map_err(unreadable)?;
        let found = files::media_type(&name, &head);
        let mime = mime.unwrap_or(found).to_owned();
        let (source, removed) = match as_is {
            true => (source, Vec::new()),
            false if PICTURE_BYTES_MAX < facts.len() => {
                return Err(refuse("is too long to be cleaned").hint(AS_IS));
            }
            false => {
                let content = source.read(0, facts.len()).map_err(unreadable)?;
                match files::clean(found, &content) {
                    Ok(Cleaned::Picture { bytes, removed }) => (Source::Memory(bytes), removed),
                    Ok(Cleaned::Text) => (Source::Memory(content), Vec::new()),
                    Ok(Cleaned::Unknown) => {
                        let what = format!(
                            "is of type {found}: what its program wrote into it (names, places, \
                             earlier texts) cannot be removed here"
                        );
                        return Err(refuse(&what).hint(AS_IS));
                    }
                    Err(broken) => return Err(refuse(&format!("is refused: {broken}"))),
                }
            }
        };
        let bytes = match &source {
            Source::Memory(content) => content.len() as u64,
            Source::Disk(_) => facts.len(),
        };
        let mut prepared = Self { source, bytes, mime, hashes: Vec::new(), removed };
        let all = attachment::groups(bytes);
        for group in 0..all {
            let data = prepared.groups(group, group + 1).map_err(unreadable)?;
            prepared.hashes.push(attachment::group_hash(group, &data, all == 1));
        }
        Ok(prepared)
    }

    pub(super) fn hash(&self) -> FileHash {
        attachment::root(&self.hashes)
    }

    pub(super) fn mime(&self) -> &str {
        &self.mime
    }

    fn groups(&self, from: u32, to: u32) -> io::Result<Vec<u8>> {
        let span = attachment::span(self.bytes, &(from..to));
        self.source.read(span.start, span.end)
    }

    /// Brings the file to the node.
    pub(super) fn bring(&self, shell: &Shell<'_, '_>, client: &dyn Client) -> Result<(), Failure> {
        let (all, hash, bytes) = (self.hashes.len() as u32, self.hash(), self.bytes);
        let progress = shell.progress(bytes, "Bringing");
        for from in (0..all).step_by(FILE_PIECE_GROUPS as usize) {
            let to = (from + FILE_PIECE_GROUPS).min(all);
            let data = self.groups(from, to).map_err(|error| {
                failure(ErrorCode::Invalid, format!("the file cannot be read: {error}"))
            })?;
            let length = data.len() as u64;
            let proof = attachment::proof(&self.hashes, &(from..to));
            let part = Part { hash, bytes, from, proof, data };
            let body = Some((BodyKind::Binary, part.encode()));
            let path = "/v1/attachments".to_owned();
            let reply = client.call(Request { method: "POST", path, body })?;
            let reply: Option<FileReply> = serde_json::from_slice(&reply.body).ok();
            progress.inc(length);
            if reply.is_some_and(|reply| reply.whole) {
                break;
            }
        }
        progress.finish_and_clear();
        Ok(())
    }
}

/// Brings files to the node, and tells what was removed from them.
pub(super) fn bring_all(
    shell: &mut Shell<'_, '_>,
    client: &dyn Client,
    files: &[Prepared],
) -> Result<(), Failure> {
    for file in files {
        file.bring(shell, client)?;
        if !file.removed.is_empty() {
            let removed = file.removed.join(", ");
            shell.note(format!("Removed from {}: {}", file.hash().short(), Safe(&removed)));
        }
    }
    Ok(())
}

const AS_IS: &str =
    "look at it, then add --as-is (in a draft: as_is: true) if all of it may be read";

/// Attaches a file to a draft that the node keeps.
pub(super) fn attach(shell: &mut Shell<'_, '_>, args: &Attach) -> Result<(), Failure> {
    let client = shell.client()?;
    let path = format!("/v1/drafts/{}", id_prefix(&args.draft)?);
    let draft: DraftView = client.get(path.as_str())?;
    if draft.target.is_some() {
        let what = format!("draft {} is a retraction, which has no attachments", draft.id);
        return Err(failure(ErrorCode::Invalid, what));
    }
    let prepared = Prepared::read(&args.file, args.mime.as_deref(), args.as_is)?;
    let mut entry = Map::new();
    let name = args.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    entry.insert("title".into(), args.title.clone().unwrap_or(name).into());
    for (member, value) in [("alt", &args.alt), ("lang", &args.lang), ("rights", &args.rights)] {
        entry.extend(value.clone().map(|value| (member.to_owned(), value.into())));
    }
    if let Some((shown, consent)) = people(shell, args, prepared.mime())? {
        entry.insert("depicts_people".into(), shown.into());
        entry.extend(consent.map(|text| ("consent".to_owned(), text.into())));
    }
    describe(&mut entry, &prepared);
    prepared.bring(shell, &*client)?;
    let (id, version) = (draft.id.clone(), Some(draft.version));
    let DraftView { kind, language, revises, audience, mut body, .. } = draft;
    let list = body.entry("attachments").or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(list) = list else {
        let what = format!("`attachments` of draft {id} is no list");
        return Err(failure(ErrorCode::Invalid, what).hint(format!("baraza draft edit {id}")));
    };
    list.push(Value::Object(entry.clone()));
    let number = list.len();
    let draft = DraftBody { kind, language, revises, audience, body, source: String::new() };
    let summary: DraftSummary = client.put(path, &EditRequest { draft, version })?;
    if shell.json {
        let attached = json!({
            "draft": summary, "number": number, "attachment": entry, "removed": prepared.removed,
        });
        return shell.print_json(&attached);
    }
    shell.print(format!(
        "Attached to draft {} as number {number}: {}, {}\n",
        Safe(&summary.id),
        Safe(prepared.mime()),
        bytes(prepared.bytes)
    ))?;
    if !prepared.removed.is_empty() {
        shell.print(format!("Removed from it: {}\n", Safe(&prepared.removed.join(", "))))?;
    }
    shell.note(format!("It is pinned on this node. Next: baraza draft submit {}", summary.id));
    Ok(())
}

/// Asks whether persons are to be seen, if the file may show some.
fn people(
    shell: &mut Shell<'_, '_>,
    args: &Attach,
    mime: &str,
) -> Result<Option<(bool, Option<String>)>, Failure> {
    if args.people {
        return Ok(Some((true, args.consent.clone())));
    }
    if args.no_people {
        return Ok(Some((false, None)));
    }
    if !files::may_show_people(mime) {
        return Ok(None);
    }
    let Some(answer) = shell.ask("Can persons be recognised in it? [y/n] ")? else {
        return Err(unsaid());
    };
    match answer.trim().to_lowercase().as_str() {
        "n" | "no" => Ok(Some((false, None))),
        "y" | "yes" => match shell.ask("How did they agree? ")? {
            Some(consent) if !consent.trim().is_empty() => Ok(Some((true, Some(consent)))),
            _ => Err(unsaid()),
        },
        _ => Err(unsaid()),
    }
}

fn unsaid() -> Failure {
    failure(ErrorCode::Invalid, "it is not said whether persons can be recognised in it")
        .hint("add --no-people, or --people --consent \"how they agreed\"")
}

fn describe(entry: &mut Map<String, Value>, prepared: &Prepared) {
    entry.insert("hash".into(), json!(prepared.hash()));
    entry.insert("bytes".into(), prepared.bytes.into());
    entry.insert("mime".into(), prepared.mime.clone().into());
}

/// Reads the files that a draft names, and writes into its list what they are.
pub(super) fn files_of(draft: &mut DraftBody, folder: &Path) -> Result<Vec<Prepared>, FileProblem> {
    let mut found = Vec::new();
    let Some(Value::Array(list)) = draft.body.get_mut("attachments") else { return Ok(found) };
    for (index, entry) in list.iter_mut().enumerate() {
        let Value::Object(entry) = entry else { continue };
        let Some(Value::String(name)) = entry.remove("file") else { continue };
        let as_is = entry.remove("as_is") == Some(Value::Bool(true));
        let problem = |what: String| FileProblem { index, name: name.clone(), what };
        let path = inside(folder, &name).ok_or_else(|| {
            problem("must be a file in the folder of the draft, or below it".to_owned())
        })?;
        let mime = entry.get("mime").and_then(Value::as_str);
        let prepared =
            Prepared::read(&path, mime, as_is).map_err(|failure| problem(failure.words()))?;
        let is_said = entry.get("depicts_people").is_some_and(Value::is_boolean);
        if files::may_show_people(prepared.mime()) && !is_said {
            return Err(problem(
                "may show persons: say `depicts_people: false`, or `true` with their `consent`"
                    .to_owned(),
            ));
        }
        describe(entry, &prepared);
        found.push(prepared);
    }
    Ok(found)
}

/// Why a file that a draft names cannot be attached.
pub(super) struct FileProblem {
    /// Which item of the list.
    pub(super) index: usize,
    /// The name.
    pub(super) name: String,
    /// What is wrong.
    pub(super) what: String,
}

/// Returns the path of a file that is named from a folder and does not lead out of it.
fn inside(folder: &Path, name: &str) -> Option<PathBuf> {
    let name = Path::new(name);
    let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    (name.components().all(plain) && name.file_name().is_some()).then(|| folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_does_not_lead_out_of_its_folder() {
        let folder = Path::new("/drafts");
        for (name, path) in [
            ("chart.png", Some("/drafts/chart.png")),
            ("./a/chart.png", Some("/drafts/a/chart.png")),
            ("../chart.png", None),
            ("a/../../chart.png", None),
            ("/etc/passwd", None),
            ("", None),
            (".", None),
        ] {
            assert_eq!(inside(folder, name), path.map(PathBuf::from), "{name}");
        }
    }
}
