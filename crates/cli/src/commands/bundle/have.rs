//! Writing a have-file.
//!
//! Invariant: what is not for everybody stands in it only if its writer was asked for it.
//! Spec: docs/PROTOCOL.md, section 8.5.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
};

use baraza_api::{Client, ErrorCode, Request};
use baraza_record::{
    exchange::{HaveEnd, HaveStart, Note, Whom},
    frame::{Frame, FrameReader, PREAMBLE},
};
use serde_json::json;

use super::{
    maker, settle, theirs::HAVE_BODIES_MAX, unfinished, unwritable, whom_named, with_query,
};
use crate::{
    error::{Failure, failure},
    output::{bytes, count},
    safe::Safe,
    shell::Shell,
};

/// Writes what this site has.
pub(super) fn have(
    shell: &mut Shell<'_, '_>,
    output: Option<&Path>,
    whom: Option<&str>,
) -> Result<(), Failure> {
    if output.is_none() && (shell.json || shell.screen.columns.is_some()) {
        return Err(failure(ErrorCode::BadRequest, "a have-file is nothing to read on a screen")
            .hint("send it to a file: baraza bundle have > a.have; or: -o a.have"));
    }
    let client = shell.client()?;
    let Some(path) = output else {
        let mut out = Counted { sink: &mut *shell.screen.out, bytes: 0 };
        let end = write(&*client, &mut out, whom, shell.screen.now)?.map_err(Failure::from)?;
        shell.screen.out.flush()?;
        note(shell, whom, &end);
        return Ok(());
    };
    let question = format!("`{}` exists. Overwrite it?", path.display());
    if path.exists() && !shell.confirm(&question)? {
        return Ok(());
    }
    let part = unfinished(path)?;
    let written = write_file(&*client, &part, whom, shell.screen.now);
    let written = written.and_then(|written| settle(&part, path).map(|()| written));
    if written.is_err() {
        // Best effort: the error that counts is told already.
        let _ = fs::remove_file(&part);
    }
    let (end, length) = written?;
    let name = path.to_string_lossy();
    match shell.json {
        true => shell.print_json(&json!({
            "file": name, "bytes": length, "logs": end.logs, "feeds": end.feeds,
            "bodies": end.bodies,
        }))?,
        false => shell.print(format!("Wrote {} ({})\n", Safe(&name), bytes(length)))?,
    }
    note(shell, whom, &end);
    Ok(())
}

fn note(shell: &mut Shell<'_, '_>, whom: Option<&str>, end: &HaveEnd) {
    let wanted = match end.bodies {
        0 => String::new(),
        bodies => format!(", and names {} that are wanted", count(bodies, "text", "texts")),
    };
    shell.note(format!(
        "It says how far {} and {} are held here{wanted}. Carry it to another site; there: baraza \
         bundle create --for HAVE --to DIR",
        count(end.logs, "identity", "identities"),
        count(end.feeds, "feed", "feeds"),
    ));
    if let Some(whom) = whom {
        shell.note(format!(
            "It tells also that there are records for {}, and how many: give it to nobody else.",
            Safe(whom)
        ));
    }
}

fn write_file(
    client: &dyn Client,
    path: &Path,
    whom: Option<&str>,
    now: baraza_record::Timestamp,
) -> Result<(HaveEnd, u64), Failure> {
    let fails = |error: io::Error| unwritable(path, &error);
    let file = File::create(path).map_err(fails)?;
    let mut out = Counted { sink: &mut BufWriter::new(&file), bytes: 0 };
    let end = write(client, &mut out, whom, now)?.map_err(fails)?;
    let length = out.bytes;
    out.sink.flush().and_then(|()| file.sync_all()).map_err(fails)?;
    Ok((end, length))
}

/// Writes a have-file; the inner error is that of the sink.
fn write(
    client: &dyn Client,
    out: &mut Counted<'_>,
    whom: Option<&str>,
    made_ms: baraza_record::Timestamp,
) -> Result<Result<HaveEnd, io::Error>, Failure> {
    let (maker, with) = (maker(client)?, whom_named(client, whom)?);
    let start = HaveStart { made_ms, centre: maker.centre, node: maker.node, with };
    debug_assert!(whom.is_some() || start.with == Whom::Everybody, "told of what is not public");
    if let Err(error) = out.write(PREAMBLE).and_then(|()| out.note(&Note::HaveStart(start))) {
        return Ok(Err(error));
    }
    let (mut end, mut after) = (HaveEnd::default(), None::<String>);
    loop {
        let members = [("for", whom), ("after", after.as_deref())];
        let path = with_query("/v1/bundle/have", &members)?;
        let page = client.call(Request { method: "GET", path, body: None })?;
        for (_, frame) in FrameReader::new(&page.body[..]).flatten() {
            let Frame::Exchange(content) = frame else { continue };
            let Some(mut note) = Note::decode(&content) else { continue };
            let empty = match &mut note {
                Note::Logs(heads) => {
                    end.logs += heads.len() as u64;
                    heads.is_empty()
                }
                Note::Feeds(heads) => {
                    end.feeds += heads.len() as u64;
                    heads.is_empty()
                }
                Note::Bodies(ids) => {
                    // What is beyond the limit comes with the next have-file.
                    ids.truncate(HAVE_BODIES_MAX.saturating_sub(end.bodies as usize));
                    end.bodies += ids.len() as u64;
                    ids.is_empty()
                }
                _ => true,
            };
            if !empty && let Err(error) = out.note(&note) {
                return Ok(Err(error));
            }
        }
        match page.next {
            Some(next) if after.as_ref() != Some(&next) && end.bodies < HAVE_BODIES_MAX as u64 => {
                after = Some(next);
            }
            _ => break,
        }
    }
    Ok(out.note(&Note::HaveEnd(end)).map(|()| end))
}

/// A sink that counts.
struct Counted<'a> {
    sink: &'a mut dyn Write,
    bytes: u64,
}

impl Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        self.sink.write_all(bytes)
    }

    fn note(&mut self, note: &Note) -> io::Result<()> {
        let mut bytes = Vec::new();
        Frame::Exchange(note.encode()).encode_into(&mut bytes);
        self.write(&bytes)
    }
}
