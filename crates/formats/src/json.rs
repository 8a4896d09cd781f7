//! Drafts as JSON: an object, an array of objects, or an object a line.
//!
//! The members are those of a body, with `kind`, `language`, `revises` and `audience` beside them. Members
//! that no field describes are kept; `null` is the same as absent.
//! Invariant: an object that cannot be read costs that object, not its neighbours.
//! Spec: docs/FORMATS.md, drafts.

use baraza_record::{Kind, body::parse_body};
use serde_json::{Value, value::RawValue};

use crate::{
    Draft, Fault, FormatError, Place, ROWS_MAX, Row, RowError, Source, draft::Builder,
    error::excerpt,
};

/// Reads an object, an array of objects or, where the first line is an object and the whole is
/// none, an object a line.
pub(crate) fn parse(
    file: &str,
    text: &str,
    default_kind: Option<Kind>,
) -> Result<Vec<Row>, FormatError> {
    let refuse = |error: serde_json::Error| FormatError::Json {
        file: file.to_owned(),
        reason: error.to_string(),
    };
    if text.trim_start().starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(text).map_err(refuse)?;
        let items = items.iter().enumerate().map(|(at, item)| (Place::Item(at + 1), item.get()));
        return rows(file, items, default_kind);
    }
    let Err(error) = serde_json::from_str::<&RawValue>(text) else {
        return rows(file, [(Place::Item(1), text)], default_kind);
    };
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if parse_body(first.as_bytes()).is_err() {
        return Err(refuse(error));
    }
    parse_lines(file, text, default_kind)
}

/// Reads an object a line.
pub(crate) fn parse_lines(
    file: &str,
    text: &str,
    default_kind: Option<Kind>,
) -> Result<Vec<Row>, FormatError> {
    let lines = text.lines().enumerate().map(|(at, line)| (Place::Line(at + 1), line));
    rows(file, lines.filter(|(_, line)| !line.trim().is_empty()), default_kind)
}

fn rows<'a>(
    file: &str,
    items: impl IntoIterator<Item = (Place, &'a str)>,
    default_kind: Option<Kind>,
) -> Result<Vec<Row>, FormatError> {
    let mut rows = Vec::new();
    for (place, text) in items {
        if rows.len() == ROWS_MAX {
            return Err(FormatError::TooManyRows { file: file.to_owned() });
        }
        let refuse = |(field, fault): (String, Fault)| {
            let at = Source::new(file, place);
            RowError { at, field, fault }
        };
        rows.push(read(Source::new(file, place), text, default_kind).map_err(refuse));
    }
    Ok(rows)
}

fn read(source: Source, text: &str, default_kind: Option<Kind>) -> Result<Draft, (String, Fault)> {
    let members = parse_body(text.as_bytes()).map_err(|e| ("item".to_owned(), Fault::Body(e)))?;
    let text_of = |name: &str| members.get(name).and_then(Value::as_str);
    let mut draft = Builder::new(text_of("kind"), text_of("schema"), default_kind)
        .map_err(|fault| ("kind".to_owned(), fault))?;
    for (name, value) in members {
        let set = match (&name[..], value) {
            (_, Value::Null) => Ok(()),
            ("kind" | "schema" | "language" | "revises" | "audience", value) => {
                match value.as_str() {
                    Some(text) => draft.set_common(&name, text),
                    None => Err(Fault::NotText { value: excerpt(&value.to_string()) }),
                }
            }
            (_, value) => draft.set(&name, value),
        };
        set.map_err(|fault| (excerpt(&name), fault))?;
    }
    Ok(draft.finish(source))
}
