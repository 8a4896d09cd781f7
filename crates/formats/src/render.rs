//! A draft as Markdown, to be edited and read again.
//!
//! Invariant: the text is read as the same draft: each member is written in the plainest form
//! that reads back as it was, and in JSON under `other` if none does.
//! Not here: the grammar (`lines`, `markdown`).
//! Spec: docs/FORMATS.md, drafts.

use baraza_record::body::{self, FieldSpec, ValueKind};
use serde_json::{Map, Value};

use crate::{
    Draft,
    draft::Builder,
    lines::{Line, entries},
    markdown::{self, OTHER},
    value,
};

/// How far the lines under a key stand to the right of it, in spaces.
const STEP: usize = 2;

/// Writes a draft as a Markdown file, which [`parse`](crate::parse) reads as the same draft.
///
/// The draft of a kind that this version cannot read is written, but not read again.
pub fn to_markdown(draft: &Draft) -> String {
    let fields = body::fields(draft.kind).unwrap_or_default();
    let mut front = format!("---\nkind: {}\n", draft.kind);
    let common =
        [("language", &draft.language), ("revises", &draft.revises), ("audience", &draft.audience)];
    for (name, text) in common {
        let written = text.as_ref().and_then(|text| scalar(ValueKind::Line, &text[..].into(), 0));
        front += &written.map(|text| format!("{name}:{text}")).unwrap_or_default();
    }
    let mut sections = String::new();
    let mut other = Map::new();
    for field in fields {
        let Some(value) = draft.body.get(field.name).filter(|_| field.name != "schema") else {
            continue;
        };
        if let Some(text) = section(draft, field, value) {
            sections += &format!("\n{text}");
        } else if let Some(text) = entry(draft, field, value) {
            front += &text;
        } else {
            other.insert(field.name.to_owned(), value.clone());
        }
    }
    let is_unknown = |name: &str| fields.iter().all(|field| field.name != name);
    let unknown = draft.body.iter().filter(|(name, _)| is_unknown(name) && *name != "schema");
    other.extend(unknown.map(|(name, value)| (name.clone(), value.clone())));
    if !other.is_empty() {
        front += &format!("{OTHER}: {}\n", Value::Object(other));
    }
    format!("{front}---\n{sections}")
}

/// Returns a long text under its heading, if it reads back so.
fn section(draft: &Draft, field: &FieldSpec, value: &Value) -> Option<String> {
    let is_long = field.value == ValueKind::Text;
    let text = value.as_str().filter(|text| is_long && !text.contains('\r'))?;
    let mut heading = field.name.replace('_', " ");
    heading[..1].make_ascii_uppercase();
    let written = format!("## {heading}\n\n{}\n", markdown::escape(text));
    let mut back = Builder::new(None, None, Some(draft.kind)).ok()?;
    markdown::read_back_section(&mut back, &written).ok()?;
    (back.get(field.name) == Some(value)).then_some(written)
}

/// Returns a member as an entry of front matter, if it reads back so.
fn entry(draft: &Draft, field: &FieldSpec, value: &Value) -> Option<String> {
    let plain = member(field.value, value, 0);
    // Members of others' making within an object are kept as JSON.
    let json = Some(format!(" {value}\n"));
    [plain, json].into_iter().flatten().find_map(|text| {
        let written = format!("{}:{text}", field.name);
        let mut back = Builder::new(None, None, Some(draft.kind)).ok()?;
        markdown::read_back_entry(&mut back, &written).ok()?;
        (back.get(field.name) == Some(value)).then_some(written)
    })
}

/// Returns what follows `key:`, line end included, where the key stands so far to the right.
fn member(holds: ValueKind, value: &Value, indent: usize) -> Option<String> {
    match (holds, value) {
        (ValueKind::Object(fields), Value::Object(members)) => {
            let lines = object(fields, members, indent + STEP)?;
            Some(format!("\n{}{lines}", " ".repeat(indent + STEP)))
        }
        (ValueKind::Objects(fields), Value::Array(items)) => {
            let dash = format!("{}- ", " ".repeat(indent + STEP));
            let mut text = String::from("\n");
            for item in items {
                text += &dash;
                text += &object(fields, item.as_object()?, indent + 2 * STEP)?;
            }
            Some(text)
        }
        (_, Value::Array(items)) => list(items, indent),
        _ => scalar(holds, value, indent),
    }
}

/// Returns the lines of an object; the first without its indentation.
fn object(fields: &[FieldSpec], members: &Map<String, Value>, indent: usize) -> Option<String> {
    let known = fields.iter().filter_map(|field| Some((field, members.get(field.name)?)));
    let lines: Option<Vec<_>> = known
        .map(|(field, value)| {
            Some(format!("{}:{}", field.name, member(field.value, value, indent)?))
        })
        .collect();
    let lines = lines.filter(|lines| lines.len() == members.len() && !lines.is_empty())?;
    Some(lines.join(&" ".repeat(indent)))
}

fn list(items: &[Value], indent: usize) -> Option<String> {
    let texts: Vec<_> = items.iter().map(Value::as_str).collect::<Option<_>>()?;
    let is_code = |text: &&str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        !text.is_empty() && text.chars().all(is_plain)
    };
    if texts.iter().all(is_code) {
        return Some(format!(" [{}]\n", texts.join(", ")));
    }
    let mut lines = String::from("\n");
    for text in texts {
        // An item is not read as its kind: the lists that are not of objects are of texts.
        let item = scalar(ValueKind::Line, &text.into(), indent + STEP)?;
        lines += &format!("{}-{item}", " ".repeat(indent + STEP));
    }
    Some(lines)
}

/// Returns what follows `key:` or `-`, in the plainest form that reads back as `value`.
fn scalar(holds: ValueKind, value: &Value, indent: usize) -> Option<String> {
    let text = match value {
        // A carriage return would end a line, or vanish before a line feed.
        Value::String(text) if text.contains('\r') => return None,
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        _ => return None,
    };
    let margin = " ".repeat(indent + STEP);
    let block: String = text.split('\n').map(|line| format!("{margin}{line}\n")).collect();
    let forms = [
        format!(" {text}\n"),
        format!(" \"{text}\"\n"),
        format!(" '{text}'\n"),
        format!(" |\n{block}"),
    ];
    forms.into_iter().find(|form| {
        let written = format!("{}key:{form}", " ".repeat(indent));
        read_back(holds, &written).as_ref() == Some(value)
    })
}

fn read_back(holds: ValueKind, written: &str) -> Option<Value> {
    let lines = Line::all(written, 1);
    match entries(&lines).ok()?.as_slice() {
        [(_, cell)] => value::from_text(holds, cell.scalar().ok()??).ok(),
        _ => None,
    }
}
