//! Why a file, or one draft of it, could not be read.
//!
//! Invariant: a message names the place, the field, the rule and the value, and says what to do;
//! it quotes at most [`EXCERPT_CHARS_MAX`] characters of the file.
//! Spec: docs/FORMATS.md, drafts.

use baraza_record::{
    Kind,
    body::{BodyError, FieldSpec},
    language::LanguageError,
};

use crate::{FILE_BYTES_MAX, ROWS_MAX, Source, table::COLUMNS_MAX, table::INDEX_MAX};

/// Most characters of a file that a message quotes.
const EXCERPT_CHARS_MAX: usize = 60;

/// Why nothing of a file could be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The name does not say what is in it.
    #[error(
        "`{file}` ends in none of .md, .markdown, .json, .jsonl, .ndjson and .csv; save it as one \
         of them"
    )]
    Extension {
        /// Name of the file.
        file: String,
    },
    /// More bytes than are read.
    #[error("`{file}` has {bytes} bytes, the limit is {FILE_BYTES_MAX}; split it")]
    TooLarge {
        /// Name of the file.
        file: String,
        /// How many it has.
        bytes: usize,
    },
    /// Not text, or text of another encoding.
    #[error("`{file}` is not UTF-8 at byte {offset}; save it as UTF-8")]
    NotUtf8 {
        /// Name of the file.
        file: String,
        /// First byte, from 0, that is wrong.
        offset: usize,
    },
    /// White space at most.
    #[error("`{file}` is empty")]
    Empty {
        /// Name of the file.
        file: String,
    },
    /// More drafts than are read.
    #[error("`{file}` has more than {ROWS_MAX} drafts; split it")]
    TooManyRows {
        /// Name of the file.
        file: String,
    },
    /// More columns than are read.
    #[error("`{file}` has {columns} columns, the limit is {COLUMNS_MAX}; leave out unused ones")]
    TooManyColumns {
        /// Name of the file.
        file: String,
        /// How many it has.
        columns: usize,
    },
    /// Not JSON.
    #[error("`{file}` is not JSON: {reason}")]
    Json {
        /// Name of the file.
        file: String,
        /// What the parser says, and where.
        reason: String,
    },
    /// Not a table.
    #[error("`{file}` is not a table: {reason}")]
    Table {
        /// Name of the file.
        file: String,
        /// What the parser says, and where.
        reason: String,
    },
    /// Something that concerns all drafts of the file, such as the header of a table.
    #[error(transparent)]
    Refused(Box<RowError>),
}

/// Why one draft could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {field}: {fault}")]
pub struct RowError {
    /// Where it stands.
    pub at: Source,
    /// Field or column, with dots before members of members.
    pub field: String,
    /// The rule that was broken, with the value that broke it.
    pub fault: Fault,
}

/// A rule of the formats that was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants and their members are")]
pub enum Fault {
    #[error("the draft does not say its kind; add `kind: practice`, or name the kind when reading")]
    NoKind,
    #[error("`{value}` is no kind that can be written; the kinds are {known}")]
    UnknownKind { value: String, known: String },
    #[error(transparent)]
    Language(#[from] LanguageError),
    #[error("`{value}` is no id of a record; write its letters and digits, or the first of them")]
    NotId { value: String },
    #[error("`{value}` is not the schema `{expected}` that this version writes; leave it out")]
    Schema { value: String, expected: String },
    #[error("not a field of a {kind}; did you mean `{nearest}`?")]
    UnknownField { kind: Kind, nearest: String },
    #[error("missing; add it")]
    Missing,
    #[error("given twice; keep one")]
    Twice,
    #[error("`{value}` is not of the form `key: value`")]
    NotKeyValue { value: String },
    #[error("`{value}` is not a list item; begin it with `- `")]
    NotItem { value: String },
    #[error("an item is empty; fill it in or delete its line")]
    EmptyItem,
    #[error("`{value}` stands less far to the right than the lines it belongs to; indent it alike")]
    Indent { value: String },
    #[error("`{value}` is indented with a tab; use spaces")]
    Tab { value: String },
    #[error(
        "the value goes on in `{value}`; write `key: |` and indent its lines, or use a heading"
    )]
    GoesOn { value: String },
    #[error("the list `{value}` does not end with `]`; close it, or write one `- item` a line")]
    OpenList { value: String },
    #[error("`{value}` is not a number; write it as 1250 or 12.5")]
    NotNumber { value: String },
    #[error("`{value}` is neither true nor false; write one of them")]
    NotBool { value: String },
    #[error("`{value}` is not text; put it in quotes")]
    NotText { value: String },
    #[error("`{value}` is in an object of others' making; write the object as JSON on one line")]
    Opaque { value: String },
    #[error("`{value}` is not JSON of one line: {reason}")]
    NotJson { value: String, reason: String },
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("no line `---` ends the part that begins with one; add it before the first heading")]
    OpenFrontMatter,
    #[error(
        "`{value}` stands before the first heading; put `## ` and the name of a field above it"
    )]
    Stray { value: String },
    #[error("the heading says `{value}`, the title is another; keep one")]
    TwoTitles { value: String },
    #[error("{cells} cells under {columns} columns; put quotes around cells that hold a separator")]
    Ragged { cells: usize, columns: usize },
    #[error("a quote that begins a cell is not closed; close it, or double it if it is text")]
    OpenQuote,
    #[error("item {index} of a list, the last that is read is {INDEX_MAX}; count from 0")]
    Index { index: usize },
    #[error("`{value}` is not the number of an item; name the column like results.0.statement")]
    NotIndex { value: String },
    #[error("column {column} has no name; name it after a field, or delete it")]
    NoName { column: usize },
}

impl Fault {
    pub(crate) fn unknown_kind(value: &str) -> Self {
        let written = Kind::KNOWN.iter().filter(|(kind, _)| kind.is_content());
        let known: Vec<_> = written.map(|(_, name)| *name).collect();
        Self::UnknownKind { value: excerpt(value), known: known.join(", ") }
    }

    pub(crate) fn unknown_field(kind: Kind, fields: &[FieldSpec], name: &str) -> Self {
        let nearest = nearest(fields.iter().map(|field| field.name), name).to_owned();
        Self::UnknownField { kind, nearest }
    }

    pub(crate) fn schema(value: &str, expected: &str) -> Self {
        Self::Schema { value: excerpt(value), expected: expected.to_owned() }
    }
}

/// Returns the first characters of what was written, none of which moves a terminal's cursor.
pub(crate) fn excerpt(text: &str) -> String {
    let is_unsafe = |c: char| {
        let moves = c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        moves
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut chars = text.chars();
    let visible = |c| if is_unsafe(c) { char::REPLACEMENT_CHARACTER } else { c };
    let mut short: String = chars.by_ref().take(EXCERPT_CHARS_MAX).map(visible).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

/// Returns the name that is most like `name`, or nothing where there is none.
fn nearest<'a>(names: impl Iterator<Item = &'a str>, name: &str) -> &'a str {
    // Names are short: what follows in a longer text does not make it more alike.
    let name: String = name.chars().take(EXCERPT_CHARS_MAX).collect();
    names.min_by_key(|known| strsim::damerau_levenshtein(known, &name)).unwrap_or_default()
}
