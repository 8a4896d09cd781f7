//! From what was written to JSON, as the field's type says.
//!
//! Invariant: text stays as it was written; only fields that hold numbers or truth values
//! become such.
//! Not here: whether the value is a good one (`baraza_record::body::validate`).
//! Spec: docs/FORMATS.md, drafts.

use baraza_record::{
    Kind,
    body::{FILE_MEMBERS, FieldSpec, ValueKind, parse_body},
};
use serde_json::{Map, Number, Value, value::RawValue};

use crate::{
    Fault, Place, RowError, Source,
    error::excerpt,
    lines::{BLANKS, Cell, Line, Scalar, entries, flow_items, items},
};

/// Why a line was refused; the file is added where it is known.
#[derive(Debug)]
pub(crate) struct Refused {
    line: usize,
    field: String,
    fault: Fault,
}

impl Refused {
    pub(crate) fn new(line: usize, field: &str, fault: Fault) -> Self {
        Self { line, field: excerpt(field), fault }
    }

    pub(crate) fn in_file(self, file: &str) -> RowError {
        let at = Source::new(file, Place::Line(self.line));
        RowError { at, field: self.field, fault: self.fault }
    }
}

/// Returns the name of the field that a key, heading or column means.
pub(crate) fn field_name(written: &str) -> String {
    written.trim().to_lowercase().replace([' ', '-'], "_")
}

/// Returns the field with this name.
pub(crate) fn find(fields: &'static [FieldSpec], name: &str) -> Option<&'static FieldSpec> {
    let lists_files = || fields.iter().any(|field| field.name == "depicts_people");
    let known = fields.iter().find(|field| field.name == name);
    known.or_else(|| FILE_MEMBERS.iter().find(|field| field.name == name && lists_files()))
}

/// Reads a value as `holds` says; `path` names it in errors. Nothing written is `None`.
pub(crate) fn read(
    kind: Kind,
    holds: ValueKind,
    cell: &Cell<'_>,
    path: &str,
) -> Result<Option<Value>, Refused> {
    let refuse = |fault| Refused::new(cell.number, path, fault);
    match holds {
        ValueKind::Object(_) | ValueKind::Objects(_) if !cell.inline.is_empty() => {
            if let Some(line) = cell.first_below() {
                return Err(refuse(Fault::GoesOn { value: excerpt(line.text) }));
            }
            json(holds, cell.inline).map(Some).map_err(refuse)
        }
        ValueKind::Object(_) | ValueKind::Objects(_) if cell.first_below().is_none() => Ok(None),
        ValueKind::Object(fields) => object(kind, fields, cell.block, path).map(Some),
        ValueKind::Objects(fields) => {
            let items = items(cell.block)?;
            let objects = items
                .iter()
                .enumerate()
                .map(|(at, lines)| object(kind, fields, lines, &format!("{path}.{at}")));
            objects.collect::<Result<_, _>>().map(|all| Some(Value::Array(all)))
        }
        _ if holds.is_list() => list(holds, cell, path),
        _ => match cell.scalar().map_err(refuse)? {
            Some(scalar) => from_text(holds, scalar).map(Some).map_err(refuse),
            None => Ok(None),
        },
    }
}

/// Reads a text as `holds`, which is neither list nor object, says.
pub(crate) fn from_text(holds: ValueKind, scalar: Scalar) -> Result<Value, Fault> {
    let Scalar { text, is_quoted } = scalar;
    match holds {
        ValueKind::Bool | ValueKind::Confirmed => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" => Ok(Value::Bool(true)),
            "false" | "no" => Ok(Value::Bool(false)),
            _ => Err(Fault::NotBool { value: excerpt(&text) }),
        },
        ValueKind::Number(..) | ValueKind::Integer(..) => match serde_json::from_str(&text) {
            Ok(number) => Ok(Value::Number(number)),
            Err(_) => Err(Fault::NotNumber { value: excerpt(&text) }),
        },
        // A number only if it is the same in writing: 17.10 is two digits after the point.
        ValueKind::Quantity if !is_quoted => match serde_json::from_str::<Number>(&text) {
            Ok(number) if number.to_string() == text => Ok(Value::Number(number)),
            _ => Ok(Value::String(text)),
        },
        _ => Ok(Value::String(text)),
    }
}

/// Reads an object, or a list of them, from JSON.
pub(crate) fn json(holds: ValueKind, text: &str) -> Result<Value, Fault> {
    if let ValueKind::Object(_) = holds {
        return Ok(Value::Object(parse_body(text.as_bytes())?));
    }
    let items: Vec<&RawValue> = serde_json::from_str(text)
        .map_err(|error| Fault::NotJson { value: excerpt(text), reason: error.to_string() })?;
    let objects = items.iter().map(|item| parse_body(item.get().as_bytes()).map(Value::Object));
    Ok(Value::Array(objects.collect::<Result<_, _>>()?))
}

fn object(
    kind: Kind,
    fields: &'static [FieldSpec],
    lines: &[Line<'_>],
    path: &str,
) -> Result<Value, Refused> {
    let mut members = Map::new();
    for (key, cell) in entries(lines)? {
        let name = field_name(key);
        let path = format!("{path}.{name}");
        let refuse = |fault| Refused::new(cell.number, &path, fault);
        if fields.is_empty() {
            // Nobody but its maker knows what a member of `ext` holds.
            return Err(refuse(Fault::Opaque { value: excerpt(key) }));
        }
        let field =
            find(fields, &name).ok_or_else(|| refuse(Fault::unknown_field(kind, fields, &name)))?;
        if members.contains_key(&name) {
            return Err(refuse(Fault::Twice));
        }
        if let Some(value) = read(kind, field.value, &cell, &path)? {
            members.insert(name, value);
        }
    }
    Ok(Value::Object(members))
}

fn list(holds: ValueKind, cell: &Cell<'_>, path: &str) -> Result<Option<Value>, Refused> {
    let refuse = |fault| Refused::new(cell.number, path, fault);
    if cell.inline.is_empty() {
        let items = items(cell.block)?;
        if items.is_empty() {
            return Ok(None);
        }
        let values = items.iter().map(|lines| {
            let first = lines[0];
            let inline = first.text.trim_matches(BLANKS);
            let indent = first.indent.saturating_sub(1);
            let cell = Cell { number: first.number, indent, inline, block: &lines[1..] };
            let refuse = |fault| Refused::new(first.number, path, fault);
            match cell.scalar().map_err(refuse)? {
                Some(scalar) => Ok(Value::String(scalar.text)),
                None => Err(refuse(Fault::EmptyItem)),
            }
        });
        return values.collect::<Result<_, _>>().map(|all| Some(Value::Array(all)));
    }
    if cell.inline.starts_with('[') {
        if let Some(line) = cell.first_below() {
            return Err(refuse(Fault::GoesOn { value: excerpt(line.text) }));
        }
        let items = flow_items(cell.inline)
            .ok_or_else(|| refuse(Fault::OpenList { value: excerpt(cell.inline) }))?;
        if items.iter().any(|item| item.is_empty()) {
            return Err(refuse(Fault::EmptyItem));
        }
        return Ok(Some(items.into_iter().map(str::to_owned).collect()));
    }
    let Some(scalar) = cell.scalar().map_err(refuse)? else { return Ok(None) };
    // No code has a comma in it, so `KE, UG` needs no brackets.
    let is_text = matches!(holds, ValueKind::Lines | ValueKind::Texts);
    Ok(Some(if is_text || scalar.is_quoted {
        Value::Array(vec![Value::String(scalar.text)])
    } else {
        scalar.text.split(',').map(|item| item.trim_matches(BLANKS).to_owned()).collect()
    }))
}
