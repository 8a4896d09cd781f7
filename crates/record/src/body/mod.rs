//! What a record says: the fields of each kind, their limits and the checks.
//!
//! Invariant: nothing here decides whether a record is stored or relayed. A body that breaks
//! these rules is kept as it was signed; it is not published from here and not shown as valid.
//! Members that a kind does not know are kept and are no error.
//! Not here: what is signed around a body (`header`), other people's formats (`baraza-formats`).
//! Spec: docs/RECORDS.md.

mod check;
mod fields;
mod parse;
mod period;
mod personal;
mod practice;
mod scalar;
mod spec;
mod template;
mod text;

pub use check::{PROBLEMS_MAX, Problem, Reach, goals, validate, validate_for};
pub use fields::{FILE_MEMBERS, fields};
pub use parse::{BodyError, DEPTH_MAX, parse_body};
pub use period::{Period, PeriodError, is_date, parse_period};
pub use personal::warnings;
pub use scalar::mailbox;
pub use spec::{FieldSpec, LINE_CHARS_MAX, LIST_ITEMS_MAX, Required, URL_CHARS_MAX, ValueKind};
pub use template::{describe, template};
pub use text::{normalize_line, normalize_text};

/// A body as JSON: its members in the order in which they were written.
pub type Body = serde_json::Map<String, serde_json::Value>;

/// Returns what the member `schema` of a body of this kind says, such as `practice/1`.
pub fn schema(kind: crate::Kind) -> Option<String> {
    kind.name().map(|name| format!("{name}/1"))
}
