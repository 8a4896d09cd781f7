//! One record, for reading or for revising.
//!
//! Spec: docs/RECORDS.md.

use std::fmt::Write;

use baraza_api::{ErasureView, ErrorCode, Problem, RecordView};
use baraza_formats::{Draft, Place, Source, to_markdown};
use baraza_record::{
    Kind, Timestamp,
    body::{self, FieldSpec, ValueKind},
    vocab,
};
use serde_json::{Map, Value};

use super::{
    centre::country_name,
    fetch, id_prefix,
    network::Names,
    query::{centre_name, standing, title},
};
use crate::{
    args::Show,
    clock,
    error::{Failure, failure},
    output::{Facts, Table, bytes, count},
    safe::Safe,
    shell::Shell,
};

/// Shows a record.
pub(super) fn show(shell: &mut Shell<'_, '_>, args: &Show) -> Result<(), Failure> {
    let quarantined = if args.quarantined { "?quarantined=true" } else { "" };
    let path = format!("/v1/records/{}{quarantined}", id_prefix(&args.id)?);
    let client = shell.client()?;
    let record: RecordView = client.get(path)?;
    if args.markdown {
        return markdown(shell, record);
    }
    if shell.json {
        return shell.print_json(&record);
    }
    let heading = shell.heading(title(&record.summary));
    let names = Names::of(&*client, [&record.summary])?;
    let facts = facts(shell, &record, &names).render();
    shell.print(format!("{heading}\n\n{facts}"))?;
    for Problem { field, rule, value } in &record.problems {
        let [field, rule, value] = [field, rule, value].map(|text| Safe(text));
        shell.print(format!("Problem: {field}: {rule} {value}\n"))?;
    }
    print_versions(shell, &record)?;
    fetch::print_list(shell, &record.attachments)?;
    let Some(body) = &record.body else { return Ok(()) };
    let fields = Kind::from_name(&record.summary.kind).and_then(body::fields).unwrap_or_default();
    match body {
        Value::Object(members) => print_members(shell, members, fields),
        other => shell.print(format!("\n{}\n", value_text(other, None))),
    }
}

fn facts(shell: &Shell<'_, '_>, record: &RecordView, names: &Names) -> Facts {
    let (summary, now) = (&record.summary, shell.screen.now);
    let mut facts = Facts::default();
    facts.add("Id", summary.id.to_string());
    facts.add("Kind", Safe(&summary.kind).to_string());
    facts.add("Publisher", format!("{} ({})", centre_name(summary), summary.centre.short()));
    facts.add("Accreditation", Safe(&summary.accreditation).to_string());
    facts.add("For", names.audience(&summary.audience));
    facts.add("Language", Safe(&summary.language).to_string());
    facts.add("Written", clock::moment(summary.created_ms, now));
    facts.add("Arrived", clock::moment(summary.arrived_ms, now));
    facts.add("Standing", standing(summary.standing));
    let series = &record.series;
    if let Some(latest) = series.latest.filter(|latest| *latest != summary.id) {
        facts.add("Latest", latest.to_string());
    }
    if 1 < series.versions.len() {
        let place =
            series.versions.iter().position(|id| *id == summary.id).map_or(0, |place| place + 1);
        facts.add("Version", format!("{place} of {}", series.versions.len()));
    }
    if let Some(erasure) = &record.erasure {
        facts.add("Erased", erased(erasure, now));
        facts.add("Reason", Safe(&erasure.reason).to_string());
        facts.add(
            "Note",
            erasure.note.as_deref().map(|note| Safe(note).to_string()).unwrap_or_default(),
        );
    }
    facts.add("Retraction", series.retracted_by.map(|id| id.to_string()).unwrap_or_default());
    facts.add("Signed by", format!("{}, number {} of its feed", record.signer.short(), record.seq));
    facts.add("Body", bytes(record.body_bytes.into()));
    let holders = count(record.holders.centres as u64, "other centre", "other centres");
    let since =
        record.holders.since_ms.map(|ms| format!(", the first since {}", clock::moment(ms, now)));
    facts.add("Held by", format!("{holders}{}", since.unwrap_or_default()));
    facts
}

/// Says whether the text of a record is gone, since when, or when it goes.
fn erased(erasure: &ErasureView, now: Timestamp) -> String {
    let (asked, due) = (clock::moment(erasure.arrived_ms, now), clock::moment(erasure.due_ms, now));
    match (erasure.done, erasure.at_once) {
        (true, true) => {
            format!("its text was deleted here; that was asked for {asked}, by root keys")
        }
        (true, false) => format!("its text was deleted here; that was asked for {asked}"),
        (false, _) => format!("its text is hidden; it is deleted here on {due}, as asked {asked}"),
    }
}

/// Prints the history of a record that has more than one version.
fn print_versions(shell: &mut Shell<'_, '_>, record: &RecordView) -> Result<(), Failure> {
    let series = &record.series;
    if series.history.len() < 2 {
        return Ok(());
    }
    let heading = shell.heading("Versions");
    let mut table = Table::new(&["", "ID", "WRITTEN", ""], 3);
    for (place, version) in series.history.iter().enumerate() {
        let notes = [
            (Some(version.id) == series.latest, "counts"),
            (version.id == record.summary.id, "this one"),
            (series.concurrent.contains(&version.id), "written beside another one"),
        ];
        let notes: Vec<_> =
            notes.iter().filter(|(holds, _)| *holds).map(|(_, note)| *note).collect();
        let (id, day) = (version.id.short(), clock::day(version.created_ms));
        table.row([(place + 1).to_string(), id, day, notes.join(", ")]);
    }
    shell.print(format!("\n{heading}\n"))?;
    shell.print_table(&table)
}

/// Prints the members of a body: those of its kind in their order, then the others.
fn print_members(
    shell: &mut Shell<'_, '_>,
    members: &Map<String, Value>,
    fields: &[FieldSpec],
) -> Result<(), Failure> {
    let known = fields.iter().filter_map(|field| {
        members.get(field.name).map(|value| (field.name, value, Some(field.value)))
    });
    let is_other = |name: &str| fields.iter().all(|field| field.name != name);
    let others = members.iter().filter(|(name, _)| is_other(name));
    let others = others.map(|(name, value)| (name.as_str(), value, None));
    for (name, value, kind) in known.chain(others) {
        // Both are above the body already.
        if matches!(name, "title" | "schema") {
            continue;
        }
        let heading = shell.heading(Safe(&name.replace('_', " ")));
        shell.print(format!("\n{heading}\n{}\n", value_text(value, kind)))?;
    }
    Ok(())
}

/// Returns a value in a form that people read.
fn value_text(value: &Value, kind: Option<ValueKind>) -> String {
    let text = |text: &str| match kind {
        Some(ValueKind::Text | ValueKind::Texts) | None => Safe(text).isolated().to_string(),
        Some(ValueKind::Country | ValueKind::Countries) => country_name(text),
        Some(ValueKind::Regions) => region_name(text),
        Some(ValueKind::Sdg) => goal_name(text),
        Some(_) => Safe(text).to_string(),
    };
    match value {
        Value::String(one) => text(one),
        Value::Array(items) if items.iter().all(|item| item.is_string()) => {
            let items: Vec<_> = items.iter().filter_map(Value::as_str).map(text).collect();
            items.join(if matches!(kind, Some(ValueKind::Countries | ValueKind::Regions)) {
                ", "
            } else {
                "\n"
            })
        }
        other => {
            let mut lines = String::new();
            outline(&mut lines, other, 0);
            lines.truncate(lines.trim_end().len());
            lines
        }
    }
}

/// Writes nested members, one a line, each level two spaces further in.
fn outline(out: &mut String, value: &Value, depth: usize) {
    let margin = "  ".repeat(depth);
    // Writing to a string cannot fail.
    let _ = match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::Object(_) | Value::Array(_) => {
                        let _ = writeln!(out, "{margin}{}:", Safe(name));
                        outline(out, value, depth + 1);
                    }
                    scalar => {
                        let _ = writeln!(out, "{margin}{}: {}", Safe(name), scalar_text(scalar));
                    }
                }
            }
            Ok(())
        }
        Value::Array(items) => {
            for item in items {
                match item {
                    Value::Object(_) | Value::Array(_) => {
                        let start = out.len();
                        outline(out, item, depth + 1);
                        // The dash stands in the margin of the item's first line.
                        let dash = start + margin.len();
                        if dash < out.len() && out.is_char_boundary(dash + 1) {
                            out.replace_range(dash..=dash, "-");
                        }
                    }
                    scalar => {
                        let _ = writeln!(out, "{margin}- {}", scalar_text(scalar));
                    }
                }
            }
            Ok(())
        }
        scalar => writeln!(out, "{margin}{}", scalar_text(scalar)),
    };
}

fn scalar_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| Safe(text).to_string())
}

fn region_name(code: &str) -> String {
    vocab::region(code).map_or_else(|| Safe(code).to_string(), |known| known.name.to_owned())
}

fn goal_name(code: &str) -> String {
    let known = vocab::parse_sdg(code).ok();
    let name = known.and_then(|known| vocab::goal_name(known.goal, "en"));
    match name {
        Some(name) => format!("{} {name}", Safe(code)),
        None => Safe(code).to_string(),
    }
}

/// Prints a record as a draft of its next version.
fn markdown(shell: &mut Shell<'_, '_>, record: RecordView) -> Result<(), Failure> {
    let RecordView { summary, body, .. } = record;
    let Some(kind) = Kind::from_name(&summary.kind) else {
        let what = format!("this version cannot write records of kind {}", summary.kind);
        return Err(failure(ErrorCode::Invalid, what));
    };
    let Some(Value::Object(mut body)) = body else {
        return Err(failure(ErrorCode::NotFound, "the body is not held"));
    };
    remove_version_links(&mut body);
    let draft = Draft {
        kind,
        language: Some(summary.language),
        revises: Some(summary.id.to_string()),
        audience: None,
        body,
        source: Source { file: String::new(), place: Place::Item(1) },
    };
    let text = to_markdown(&draft);
    match shell.screen.columns {
        Some(_) => shell.print(Safe(&text).isolated()),
        None => shell.print(Safe(&text).plain()),
    }
}

/// Removes the links to earlier versions: publishing sets the one of the next version.
fn remove_version_links(body: &mut Map<String, Value>) {
    let Some(Value::Array(links)) = body.get_mut("links") else { return };
    links.retain(|link| link.get("rel").and_then(Value::as_str) != Some("supersedes"));
    if links.is_empty() {
        body.shift_remove("links");
    }
}
