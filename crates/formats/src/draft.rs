//! A draft: what a person wrote, before it is checked, signed and published.
//!
//! Invariant: `schema` of a draft's body is that of its kind.
//! Not here: how it was written down (`markdown`, `json`, `table`).
//! Spec: docs/FORMATS.md, drafts.

use std::fmt;

use baraza_record::{Kind, body::FieldSpec, language::canonical_language};
use serde_json::{Map, Value};

use crate::{Fault, RowError, error::excerpt};

/// What a person wants to publish.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Kind of the record.
    pub kind: Kind,
    /// Language of the texts, in canonical form, if the draft says it.
    pub language: Option<String>,
    /// Id, or start of the id, of the record that this is a new version of.
    pub revises: Option<String>,
    /// For whom it is, as it was written: `public`, `network:NAME` or `centres:ID,ID`.
    pub audience: Option<String>,
    /// The body, not yet validated.
    pub body: Map<String, Value>,
    /// Where it was read.
    pub source: Source,
}

/// A draft, or why it could not be read.
pub type Row = Result<Draft, RowError>;

/// Where a draft, or something in it, was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name of the file.
    pub file: String,
    /// Where in the file.
    pub place: Place,
}

/// A place in a file; all count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Line of a text.
    Line(usize),
    /// Row as a spreadsheet numbers it: the header is row 1.
    Row(usize),
    /// Item of a list.
    Item(usize),
}

impl Source {
    /// Returns the place in the file.
    pub(crate) fn new(file: &str, place: Place) -> Self {
        Self { file: file.to_owned(), place }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.file, self.place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(f, "line {number}"),
            Self::Row(number) => write!(f, "row {number}"),
            Self::Item(number) => write!(f, "item {number}"),
        }
    }
}

/// A draft being put together, member by member.
pub(crate) struct Builder {
    pub(crate) kind: Kind,
    pub(crate) fields: &'static [FieldSpec],
    language: Option<String>,
    revises: Option<String>,
    audience: Option<String>,
    body: Map<String, Value>,
}

impl Builder {
    /// Starts a draft of the kind that it names, or that its `schema` does, or of the default one.
    pub(crate) fn new(
        kind: Option<&str>,
        schema: Option<&str>,
        default: Option<Kind>,
    ) -> Result<Self, Fault> {
        let of_schema =
            schema.map(|schema| schema.split_once('/').map_or(schema, |(kind, _)| kind));
        let kind = match kind.or(of_schema) {
            Some(name) => Kind::from_name(&name.trim().to_ascii_lowercase())
                .ok_or_else(|| Fault::unknown_kind(name))?,
            None => default.ok_or(Fault::NoKind)?,
        };
        let fields = baraza_record::body::fields(kind)
            .ok_or_else(|| Fault::unknown_kind(&kind.to_string()))?;
        let body = Map::from_iter([("schema".to_owned(), Value::String(schema_of(kind)))]);
        Ok(Self { kind, fields, language: None, revises: None, audience: None, body })
    }

    /// Takes the text of `kind`, `schema`, `language`, `revises` or `audience`, which are not of
    /// the body.
    pub(crate) fn set_common(&mut self, name: &str, text: &str) -> Result<(), Fault> {
        let member = match name {
            "kind" => return Ok(()),
            "schema" if text == schema_of(self.kind) => return Ok(()),
            "schema" => return Err(Fault::schema(text, &schema_of(self.kind))),
            "language" => &mut self.language,
            "audience" => &mut self.audience,
            _ => &mut self.revises,
        };
        if member.is_some() {
            return Err(Fault::Twice);
        }
        let text = text.trim();
        let is_id = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric());
        *member = Some(match name {
            "language" => canonical_language(text)?,
            "audience" => text.to_owned(),
            _ if is_id => text.to_owned(),
            _ => return Err(Fault::NotId { value: excerpt(text) }),
        });
        Ok(())
    }

    /// Takes a member of the body.
    pub(crate) fn set(&mut self, name: &str, value: Value) -> Result<(), Fault> {
        if self.body.contains_key(name) {
            return Err(Fault::Twice);
        }
        self.body.insert(name.to_owned(), value);
        Ok(())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.body.get(name)
    }

    pub(crate) fn finish(self, source: Source) -> Draft {
        let Self { kind, language, revises, audience, body, .. } = self;
        Draft { kind, language, revises, audience, body, source }
    }
}

fn schema_of(kind: Kind) -> String {
    baraza_record::body::schema(kind).expect("a builder has a kind with a name")
}
