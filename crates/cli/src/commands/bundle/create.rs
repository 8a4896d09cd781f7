//! Writing a bundle: everything, or what is missing where a have-file comes from.
//!
//! Invariant: what is not for everybody goes in only if the person names for whom; a have-file
//! proves nothing about whose it is.
//! Spec: docs/OPERATIONS.md, "Bundles"; docs/PROTOCOL.md, sections 8.2 and 8.5.

use std::path::{Path, PathBuf};

use baraza_api::{BodyKind, Client, ErrorCode, PlanReply, Request};
use baraza_record::{
    exchange::{HaveStart, Note, PartPlace, PartStart, Whom},
    frame::PREAMBLE,
};
use indicatif::ProgressBar;
use serde_json::json;

use super::{
    Beginning, maker, open,
    parts::{Parts, Target, Written},
    peek,
    theirs::Theirs,
    unreadable, whom_named, with_query,
};
use crate::{
    args::PART_BYTES_DEFAULT,
    clock,
    error::{Failure, failure},
    output::{bytes, count},
    safe::Safe,
    shell::Shell,
};

/// What was asked for.
struct Wish {
    target: Target,
    /// Have-file of the other site.
    have: Option<PathBuf>,
    /// For whom, beside everybody.
    whom: Option<String>,
}

/// What a have-file comes to.
struct Compared {
    plan: PlanReply,
    start: HaveStart,
    whole: bool,
}

/// Writes a bundle.
pub(super) fn create(
    shell: &mut Shell<'_, '_>,
    file: Option<&Path>,
    folder: Option<&Path>,
    split: Option<u64>,
    whom: &[String],
) -> Result<(), Failure> {
    let target = match (file, folder) {
        (Some(file), _) => Target::File(file.to_owned()),
        (None, Some(folder)) => {
            Target::Folder(folder.to_owned(), split.unwrap_or(PART_BYTES_DEFAULT))
        }
        (None, None) => return Err(failure(ErrorCode::BadRequest, "name a file, or --to DIR")),
    };
    let wish = sort_out(target, whom)?;
    let client = shell.client()?;
    if let Target::File(path) = &wish.target {
        let question = format!("`{}` exists. Overwrite it?", path.display());
        if path.exists() && !shell.confirm(&question)? {
            return Ok(());
        }
    }
    let compared = match &wish.have {
        Some(have) => Some(compare(shell, &*client, have, wish.whom.as_deref())?),
        None => None,
    };
    if let Some(compared) = &compared {
        tell(shell, compared, wish.whom.as_deref())?;
        let PlanReply { events, feeds, bodies, .. } = compared.plan;
        if events + feeds + bodies == 0 {
            return match shell.json {
                true => print_json(shell, &[], Some(compared)),
                false => shell.print("Nothing is missing there: no file was written.\n"),
            };
        }
    }
    let written = write(shell, &*client, &wish, compared.as_ref())?;
    if let Some(whom) = &wish.whom {
        shell.note(format!(
            "It holds what is public and what {} may have. Give it to nobody else: whoever has the \
             file can read it.",
            Safe(whom)
        ));
    }
    if shell.json {
        return print_json(shell, &written, compared.as_ref());
    }
    for Written { file, bytes: length } in &written {
        shell.print(format!("Wrote {} ({})\n", Safe(file), bytes(*length)))?;
    }
    Ok(())
}

/// Tells have-files from names in what `--for` was given.
fn sort_out(target: Target, given: &[String]) -> Result<Wish, Failure> {
    let (mut have, mut whom) = (None, None);
    for text in given {
        let path = Path::new(text);
        let twice = if path.is_file() {
            have.replace(path.to_owned()).is_some()
        } else if path.extension().is_some() || text.contains(std::path::MAIN_SEPARATOR) {
            let what = format!("there is no have-file `{text}`");
            return Err(failure(ErrorCode::NotFound, what).hint("baraza bundle have > a.have"));
        } else {
            whom.replace(text.clone()).is_some()
        };
        if twice {
            return Err(failure(ErrorCode::BadRequest, "`--for` names two of the same sort")
                .hint("give one have-file, and one centre or network"));
        }
    }
    Ok(Wish { target, have, whom })
}

/// Compares what another site has with what is held here.
fn compare(
    shell: &mut Shell<'_, '_>,
    client: &dyn Client,
    have: &Path,
    whom: Option<&str>,
) -> Result<Compared, Failure> {
    let fails = |error: std::io::Error| unreadable(have, &error);
    if !matches!(peek(have).map_err(fails)?, Beginning::Note(Note::HaveStart(_))) {
        let what = format!("`{}` is not a have-file", have.display());
        return Err(failure(ErrorCode::Invalid, what)
            .hint("it is made at the other site: baraza bundle have > a.have"));
    }
    let (source, _) = open(have)?;
    let Some(mut theirs) = Theirs::new(source).map_err(fails)? else {
        return Err(failure(ErrorCode::Invalid, "the have-file changed while it was read"));
    };
    let mut plan = PlanReply::default();
    while let Some(part) = theirs.next().map_err(fails)? {
        let (body, [after, to]) = (part.note.encode(), part.bounds());
        let mut at = None::<String>;
        loop {
            let members = [
                (after.0, after.1.as_deref()),
                (to.0, to.1.as_deref()),
                ("at", at.as_deref()),
                ("for", whom),
            ];
            let path = with_query("/v1/bundle/plan", &members)?;
            let body = Some((BodyKind::Binary, body.clone()));
            let reply = client.call(Request { method: "POST", path, body })?;
            let came: PlanReply = serde_json::from_slice(&reply.body).map_err(|error| {
                failure(ErrorCode::Internal, format!("the node's reply does not parse: {error}"))
            })?;
            plan.events += came.events;
            plan.feeds += came.feeds;
            plan.records += came.records;
            plan.bodies += came.bodies;
            plan.bytes += came.bytes;
            plan.lacking.add(&came.lacking);
            match came.next {
                Some(next) if at.as_ref() != Some(&next) => at = Some(next),
                _ => break,
            }
        }
    }
    let whole = theirs.complete && theirs.damages.count == 0;
    if !whole {
        shell.note(format!(
            "`{}` is not whole. What it does not say counts as missing there, so the bundle may be \
             larger than it must be:",
            Safe(&have.to_string_lossy())
        ));
        for line in theirs.damages.lines() {
            shell.note(line);
        }
    }
    Ok(Compared { plan, start: theirs.start, whole })
}

/// Says what is missing there and here.
fn tell(shell: &mut Shell<'_, '_>, compared: &Compared, whom: Option<&str>) -> Result<(), Failure> {
    let Compared { plan, start, .. } = compared;
    let when = clock::moment(start.made_ms.0, shell.screen.now);
    if !shell.json {
        let parts = [
            (plan.records, count(plan.records, "record", "records")),
            (plan.events, count(plan.events, "identity event", "identity events")),
            (plan.bodies, count(plan.bodies, "text", "texts") + " of records they have"),
            (u64::from(plan.records < plan.feeds), "signs of forks".to_owned()),
        ];
        let parts = parts.into_iter().filter(|(value, _)| *value != 0).map(|(_, text)| text);
        let parts: Vec<_> = parts.collect();
        shell.print(format!("Have-file of centre {}, made {when}\n", start.centre.short()))?;
        if !parts.is_empty() {
            let about = bytes(plan.bytes);
            shell.print(format!("Missing there: {}; about {about}\n", parts.join(", ")))?;
        }
    }
    if plan.lacking.records != 0 || plan.lacking.events != 0 {
        let parts = [
            (plan.lacking.records, count(plan.lacking.records, "record", "records")),
            (plan.lacking.events, count(plan.lacking.events, "identity event", "identity events")),
        ];
        let parts = parts.into_iter().filter(|(value, _)| *value != 0).map(|(_, text)| text);
        shell.note(format!(
            "They have {} that are not here. To get them, give them a have-file of yours and bring \
             back their bundle: baraza bundle have -o FILE",
            parts.collect::<Vec<_>>().join(" and "),
        ));
    }
    let more = match (&start.with, whom) {
        (Whom::Everybody, _) | (_, Some(_)) => None,
        (Whom::Centre(_), None) => Some("this centre alone".to_owned()),
        (Whom::Network, None) => Some("a network".to_owned()),
    };
    if let Some(more) = more {
        shell.note(format!(
            "The have-file also tells of records for {more}. None of them is written: to add them, \
             say for whom: --for {}, or --for network:NAME",
            start.centre.short()
        ));
    }
    Ok(())
}

fn write(
    shell: &Shell<'_, '_>,
    client: &dyn Client,
    wish: &Wish,
    compared: Option<&Compared>,
) -> Result<Vec<Written>, Failure> {
    let whom = wish.whom.as_deref();
    let (maker, with) = (maker(client)?, whom_named(client, whom)?);
    let start = PartStart {
        place: PartPlace::new([0; 16], 0, 0),
        made_ms: shell.screen.now,
        centre: maker.centre,
        node: maker.node,
        with,
        answers: compared.map(|compared| (compared.start.centre, compared.start.made_ms)),
    };
    let mut parts = Parts::new(wish.target.clone(), start)?;
    let bytes = compared.map_or(0, |compared| compared.plan.bytes);
    let progress = shell.progress(bytes, "Writing");
    match &wish.have {
        None => write_all(client, whom, &mut parts, &progress)?,
        Some(have) => write_missing(client, have, whom, &mut parts, &progress)?,
    }
    progress.finish_and_clear();
    parts.finish()
}

/// Writes everything that whoever it is for may have.
fn write_all(
    client: &dyn Client,
    whom: Option<&str>,
    parts: &mut Parts,
    progress: &ProgressBar,
) -> Result<(), Failure> {
    let mut after = None::<String>;
    loop {
        let path = with_query("/v1/bundle", &[("for", whom), ("after", after.as_deref())])?;
        let page = client.call(Request { method: "GET", path, body: None })?;
        add(parts, &page.body, progress)?;
        match page.next {
            Some(next) if after.as_ref() != Some(&next) => after = Some(next),
            _ => return Ok(()),
        }
    }
}

/// Writes what is missing where a have-file comes from.
fn write_missing(
    client: &dyn Client,
    have: &Path,
    whom: Option<&str>,
    parts: &mut Parts,
    progress: &ProgressBar,
) -> Result<(), Failure> {
    let fails = |error: std::io::Error| unreadable(have, &error);
    let (source, _) = open(have)?;
    let Some(mut theirs) = Theirs::new(source).map_err(fails)? else {
        return Err(failure(ErrorCode::Invalid, "the have-file changed while it was read"));
    };
    while let Some(part) = theirs.next().map_err(fails)? {
        let (body, [after, to]) = (part.note.encode(), part.bounds());
        let mut at = None::<String>;
        loop {
            let members = [
                (after.0, after.1.as_deref()),
                (to.0, to.1.as_deref()),
                ("at", at.as_deref()),
                ("for", whom),
            ];
            let path = with_query("/v1/bundle/missing", &members)?;
            let body = Some((BodyKind::Binary, body.clone()));
            let page = client.call(Request { method: "POST", path, body })?;
            add(parts, &page.body, progress)?;
            match page.next {
                Some(next) if at.as_ref() != Some(&next) => at = Some(next),
                _ => break,
            }
        }
    }
    Ok(())
}

fn add(parts: &mut Parts, page: &[u8], progress: &ProgressBar) -> Result<(), Failure> {
    // A page may begin as a stream of its own; the parts have beginnings of theirs.
    let added = parts.add(page.strip_prefix(PREAMBLE).unwrap_or(page))?;
    let position = progress.position() + added;
    progress.set_length(progress.length().unwrap_or(0).max(position));
    progress.set_position(position);
    Ok(())
}

fn print_json(
    shell: &mut Shell<'_, '_>,
    written: &[Written],
    compared: Option<&Compared>,
) -> Result<(), Failure> {
    let total: u64 = written.iter().map(|one| one.bytes).sum();
    let mut report = json!({ "files": written, "bytes": total });
    if let [one] = written {
        report["file"] = json!(one.file);
    }
    if let Some(Compared { plan, start, whole }) = compared {
        report["have"] = json!({
            "centre": start.centre, "node": start.node, "made_ms": start.made_ms.0, "whole": whole,
        });
        report["missing"] = json!({
            "events": plan.events, "feeds": plan.feeds, "records": plan.records,
            "bodies": plan.bodies,
        });
        report["lacking"] = json!(plan.lacking);
    }
    shell.print_json(&report)
}
