//! A draft as Markdown: front matter for short fields, a `## heading` for each long one.
//!
//! ```text
//! ---
//! kind: lesson
//! language: en
//! title: Pumps: who repairs them?
//! ---
//!
//! ## Context
//!
//! Text as written. A line that begins with `## ` and is text gets a backslash before it.
//! ```
//!
//! A `# heading` before the first section is the title. Lines that are one `<!-- comment -->`
//! are left out.
//! Invariant: what [`crate::to_markdown`] writes is read as the same draft.
//! Not here: the line grammar of front matter (`lines`).
//! Spec: docs/FORMATS.md, drafts.

use std::collections::BTreeSet;

use baraza_record::{Kind, body::ValueKind};
use serde_json::Value;

use crate::{
    Fault, Place, Row, Source,
    draft::{Builder, Draft},
    error::excerpt,
    lines::{BLANKS, Cell, Line, entries},
    value::{self, Refused, field_name},
};

/// Name of the entry with members that no field describes, as a JSON object on one line.
pub(crate) const OTHER: &str = "other";

/// The lines of a long field, under its heading.
#[derive(Debug)]
struct Section<'a> {
    number: usize,
    heading: &'a str,
    lines: &'a [Line<'a>],
}

/// Reads the one draft of a Markdown file, whose lines end with line feeds.
pub(crate) fn parse(file: &str, text: &str, default_kind: Option<Kind>) -> Row {
    let lines = Line::all(text, 1);
    read(file, &lines, default_kind).map_err(|refused| refused.in_file(file))
}

fn read(file: &str, lines: &[Line<'_>], default: Option<Kind>) -> Result<Draft, Refused> {
    let (front, rest) = split_front(lines)?;
    let entries = entries(front)?;
    let scalar_of = |name: &str| {
        let entry = entries.iter().find(|(key, _)| field_name(key) == name);
        entry.and_then(|(_, cell)| cell.scalar().ok().flatten()).map(|scalar| scalar.text)
    };
    let mut draft =
        Builder::new(scalar_of("kind").as_deref(), scalar_of("schema").as_deref(), default)
            .map_err(|fault| Refused::new(1, "kind", fault))?;
    let mut seen = BTreeSet::new();
    for (key, cell) in &entries {
        let name = field_name(key);
        if !seen.insert(name.clone()) {
            return Err(Refused::new(cell.number, &name, Fault::Twice));
        }
        read_entry(&mut draft, &name, cell)?;
    }
    let (preamble, sections) = split_sections(rest);
    for section in &sections {
        read_section(&mut draft, section)?;
    }
    read_preamble(&mut draft, preamble)?;
    Ok(draft.finish(Source::new(file, Place::Line(1))))
}

/// Splits the lines into those between `---` and `---`, and those after.
fn split_front<'a>(lines: &'a [Line<'a>]) -> Result<(&'a [Line<'a>], &'a [Line<'a>]), Refused> {
    let is_fence = |line: &Line| line.indent == 0 && line.text.trim_end_matches(BLANKS) == "---";
    let Some(first) = lines.iter().position(|line| !line.is_blank()) else {
        return Ok((&[], &[]));
    };
    if !is_fence(&lines[first]) {
        return Ok((&[], lines));
    }
    let inner = &lines[first + 1..];
    let end = inner
        .iter()
        .position(is_fence)
        .ok_or_else(|| Refused::new(lines[first].number, "---", Fault::OpenFrontMatter))?;
    Ok((&inner[..end], &inner[end + 1..]))
}

fn read_entry(draft: &mut Builder, name: &str, cell: &Cell<'_>) -> Result<(), Refused> {
    let refuse = |fault| Refused::new(cell.number, name, fault);
    if name == OTHER {
        let other = value::read(draft.kind, ValueKind::Object(&[]), cell, name)?;
        let Some(Value::Object(members)) = other else { return Ok(()) };
        let mut set = |(member, value): (String, Value)| draft.set(&member, value);
        return members.into_iter().try_for_each(&mut set).map_err(refuse);
    }
    if matches!(name, "kind" | "schema" | "language" | "revises" | "audience") {
        let Some(scalar) = cell.scalar().map_err(refuse)? else { return Ok(()) };
        return draft.set_common(name, &scalar.text).map_err(refuse);
    }
    let field = value::find(draft.fields, name)
        .ok_or_else(|| refuse(Fault::unknown_field(draft.kind, draft.fields, name)))?;
    match value::read(draft.kind, field.value, cell, name)? {
        Some(value) => draft.set(name, value).map_err(refuse),
        None => Ok(()),
    }
}

/// Returns the lines before the first heading of level two, and the sections.
fn split_sections<'a>(lines: &'a [Line<'a>]) -> (&'a [Line<'a>], Vec<Section<'a>>) {
    let starts: Vec<_> = lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| Some((at, heading(line, "##")?)))
        .collect();
    let ends = starts.iter().skip(1).map(|(at, _)| *at).chain([lines.len()]);
    let section = |(&(at, heading), end): (&(usize, &'a str), usize)| {
        let number = lines[at].number;
        Section { number, heading, lines: &lines[at + 1..end] }
    };
    let sections = starts.iter().zip(ends).map(section).collect();
    (&lines[..starts.first().map_or(lines.len(), |(at, _)| *at)], sections)
}

/// Returns the words of a heading of this level.
fn heading<'a>(line: &Line<'a>, level: &str) -> Option<&'a str> {
    let rest = line.text.strip_prefix(level).filter(|_| line.indent == 0)?;
    if !rest.is_empty() && !rest.starts_with(BLANKS) {
        return None;
    }
    let words = rest.trim_matches(BLANKS);
    let open = words.trim_end_matches('#');
    // Hashes at the end close a heading only after a blank: `C#` is a word.
    Some(if open.is_empty() || open.ends_with(BLANKS) {
        open.trim_end_matches(BLANKS)
    } else {
        words
    })
}

fn read_section(draft: &mut Builder, section: &Section<'_>) -> Result<(), Refused> {
    let name = field_name(section.heading);
    let refuse = |fault| Refused::new(section.number, &name, fault);
    let field = value::find(draft.fields, &name)
        .ok_or_else(|| refuse(Fault::unknown_field(draft.kind, draft.fields, &name)))?;
    let text = section_text(section.lines);
    if text.is_empty() {
        return Ok(());
    }
    let is_object = matches!(field.value, ValueKind::Object(_) | ValueKind::Objects(_));
    let first = section.lines.iter().find(|line| !line.is_blank() && !is_comment(line));
    let value = if field.value.is_list() && first.is_some_and(Line::is_item) || is_object {
        let lines: Vec<_> =
            section.lines.iter().filter(|line| !is_comment(line)).copied().collect();
        if let Some(line) = lines.iter().find(|line| line.text.starts_with('#')) {
            let fault = Fault::NotItem { value: excerpt(line.text) };
            return Err(Refused::new(line.number, &name, fault));
        }
        let cell = Cell { number: section.number, indent: 0, inline: "", block: &lines };
        value::read(draft.kind, field.value, &cell, &name)?
    } else if field.value.is_list() {
        let cell = Cell { number: section.number, indent: 0, inline: &text, block: &[] };
        value::read(draft.kind, field.value, &cell, &name)?
    } else {
        let scalar = crate::lines::Scalar { text, is_quoted: false };
        Some(value::from_text(field.value, scalar).map_err(refuse)?)
    };
    value.map_or(Ok(()), |value| draft.set(&name, value).map_err(refuse))
}

/// Takes the title from the heading of level one; nothing else may stand before the sections.
fn read_preamble(draft: &mut Builder, lines: &[Line<'_>]) -> Result<(), Refused> {
    for line in lines.iter().filter(|line| !line.is_blank() && !is_comment(line)) {
        let refuse = |field: &str, fault| Refused::new(line.number, field, fault);
        let Some(title) =
            heading(line, "#").filter(|_| value::find(draft.fields, "title").is_some())
        else {
            return Err(refuse("text", Fault::Stray { value: excerpt(line.text) }));
        };
        match draft.get("title") {
            Some(Value::String(known)) if known == title => (),
            Some(_) => {
                return Err(refuse("title", Fault::TwoTitles { value: excerpt(title) }));
            }
            None => draft
                .set("title", Value::String(title.to_owned()))
                .map_err(|fault| refuse("title", fault))?,
        }
    }
    Ok(())
}

/// Returns whether the line is a comment of Markdown, as in templates.
fn is_comment(line: &Line<'_>) -> bool {
    let text = line.text.trim_end_matches(BLANKS);
    let inner = text.strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->"));
    line.indent == 0 && inner.is_some_and(|inner| !inner.contains("-->"))
}

/// Returns the text of a section, without blank lines around it, comments and escapes.
fn section_text(lines: &[Line<'_>]) -> String {
    let kept: Vec<_> = lines.iter().filter(|line| !is_comment(line)).collect();
    let Some(first) = kept.iter().position(|line| !line.is_blank()) else { return String::new() };
    let last = kept.iter().rposition(|line| !line.is_blank()).unwrap_or(first);
    let unescaped = |line: &&Line| match escaped(line.text) {
        Some(text) if line.indent == 0 => text.to_owned(),
        _ => line.dedent(0),
    };
    kept[first..=last].iter().map(unescaped).collect::<Vec<_>>().join("\n")
}

/// Returns what a line means that begins with backslashes and what they keep from being read.
fn escaped(text: &str) -> Option<&str> {
    let bare = text.trim_start_matches('\\');
    let is_kept = bare.starts_with('#') || bare.starts_with("<!--");
    text.strip_prefix('\\').filter(|_| is_kept)
}

/// Returns `text` as it is written in a section.
pub(crate) fn escape(text: &str) -> String {
    let line = |line: &str| {
        let whole = Line { number: 0, indent: 0, text: line };
        let needs =
            escaped(line).is_some() || heading(&whole, "##").is_some() || is_comment(&whole);
        format!("{}{line}", if needs { "\\" } else { "" })
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// Reads back one entry of front matter, for the writer to compare.
pub(crate) fn read_back_entry(draft: &mut Builder, text: &str) -> Result<(), Refused> {
    let lines = Line::all(text, 1);
    for (key, cell) in entries(&lines)? {
        read_entry(draft, &field_name(key), &cell)?;
    }
    Ok(())
}

/// Reads back one section, for the writer to compare.
pub(crate) fn read_back_section(draft: &mut Builder, text: &str) -> Result<(), Refused> {
    let lines = Line::all(text, 1);
    let (_, sections) = split_sections(&lines);
    sections.iter().try_for_each(|section| read_section(draft, section))
}
