//! Checks a body against the fields of its kind.
//!
//! Invariant: the result depends on kind, body and reach only; it is bounded by [`PROBLEMS_MAX`].
//! Not here: whether a record may be stored (it may), dates against a clock, links' targets.
//! Spec: docs/RECORDS.md.

use std::fmt;

use serde_json::Value;

use super::{
    Body, fields, scalar, schema,
    spec::{FieldSpec, Required, ValueKind},
    text::shorten,
};
use crate::{Goals, Kind, vocab};

/// Most problems that a check reports: nobody mends more at a time.
pub const PROBLEMS_MAX: usize = 100;

/// One thing that is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, such as `results[0].value`.
    pub field: String,
    /// What would be right.
    pub rule: String,
    /// The start of what is there, empty if nothing is.
    pub value: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, rule, value } = self;
        match value.as_str() {
            "" => write!(f, "field {field}: {rule} (got nothing)"),
            _ => write!(f, "field {field}: {rule} (got `{value}`)"),
        }
    }
}

/// For whom a body is meant: for everybody, it must say under what licence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Everybody.
    Public,
    /// A network or named centres.
    Limited,
}

/// Checks a body that is meant for everybody: [`validate_for`] with [`Reach::Public`].
pub fn validate(kind: Kind, body: &Body) -> Vec<Problem> {
    validate_for(kind, body, Reach::Public)
}

/// Returns what is wrong with a body; nothing if it is valid, or of a kind that this version
/// does not know.
pub fn validate_for(kind: Kind, body: &Body, reach: Reach) -> Vec<Problem> {
    let (Some(fields), Some(schema)) = (fields(kind), schema(kind)) else {
        return Vec::new();
    };
    let full = body.get("form").and_then(Value::as_str) == Some("full");
    let mut check = Check { full, reach, schema, problems: Vec::new() };
    check.members(fields, body, "");
    check.problems
}

/// Returns the goals that the member `sdg` names, by goal or by target.
pub fn goals(body: &Body) -> Goals {
    let codes = body.get("sdg").and_then(Value::as_array).into_iter().flatten();
    let known = codes.filter_map(Value::as_str).filter_map(|code| vocab::parse_sdg(code).ok());
    known.fold(Goals::default(), |goals, sdg| goals.with(sdg.goal))
}

struct Check {
    full: bool,
    reach: Reach,
    schema: String,
    problems: Vec<Problem>,
}

impl Check {
    fn members(&mut self, fields: &[FieldSpec], object: &Body, path: &str) {
        for field in fields {
            let path =
                if path.is_empty() { field.name.into() } else { format!("{path}.{}", field.name) };
            match object.get(field.name).filter(|value| !is_empty(value)) {
                Some(value) => self.field(field, value, &path),
                None => {
                    if let Some(rule) = self.missing(field.required, object) {
                        self.report(&path, rule, &Value::Null);
                    }
                }
            }
        }
    }

    /// Returns the rule that the absence of a field breaks.
    fn missing(&self, required: Required, object: &Body) -> Option<String> {
        let given = |name: &str| object.get(name).filter(|value| !is_empty(value));
        match required {
            Required::Always => Some("is required".into()),
            Required::Full if self.full => Some("is required in the full form".into()),
            Required::Public if self.reach == Reach::Public => {
                Some("is required in a public record".into())
            }
            Required::Unless(other) if given(other).is_none() => {
                Some(format!("is required unless `{other}` is given"))
            }
            Required::When(other) if given(other) == Some(&Value::Bool(true)) => {
                Some(format!("is required where `{other}` is true"))
            }
            _ => None,
        }
    }

    fn field(&mut self, field: &FieldSpec, value: &Value, path: &str) {
        match value {
            _ if !field.value.is_list() => self.value(field.value, field.chars_max, value, path),
            Value::Array(items) if field.items_max < items.len() => {
                let rule = format!("has {} items, the limit is {}", items.len(), field.items_max);
                self.report(path, rule, value);
            }
            Value::Array(items) => {
                for (place, item) in items.iter().enumerate() {
                    let path = format!("{path}[{place}]");
                    self.value(field.value.item(), field.chars_max, item, &path);
                }
            }
            _ => self.report(path, "must be a list".into(), value),
        }
    }

    fn value(&mut self, kind: ValueKind, chars_max: usize, value: &Value, path: &str) {
        match (kind, value) {
            (ValueKind::Object(fields), Value::Object(object)) => {
                self.members(fields, object, path)
            }
            (ValueKind::Object(_), _) => self.report(path, "must be an object".into(), value),
            // An empty text in a list is a slip; in a member it means that nothing was said.
            _ if is_empty(value) => self.report(path, "must not be empty".into(), value),
            _ => {
                if let Some(rule) = scalar::fault(kind, chars_max, value, &self.schema) {
                    self.report(path, rule, value);
                }
            }
        }
    }

    fn report(&mut self, path: &str, rule: String, value: &Value) {
        if self.problems.len() < PROBLEMS_MAX {
            let value = match value {
                Value::Null => String::new(),
                Value::String(text) => shorten(text),
                Value::Array(_) => "a list".into(),
                Value::Object(_) => "an object".into(),
                Value::Bool(_) | Value::Number(_) => value.to_string(),
            };
            self.problems.push(Problem { field: path.to_owned(), rule, value });
        }
    }
}

/// Returns whether a member says nothing: absent, null, blank, or an empty list or object.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}
