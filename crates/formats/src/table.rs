//! Drafts as a table: CSV with a header of field names, a draft a row.
//!
//! The separator is the one of `,`, `;` and tab that the header has most of. In cells of lists
//! `|` separates items, and so does `;` where it does not separate cells. A dotted column is a
//! member of an object: `resources.staff`, `results.0.statement`. Empty cells are absent, blank
//! rows are skipped.
//! Invariant: a row that cannot be read costs that row, not its neighbours.
//! Not here: writing tables.
//! Spec: docs/FORMATS.md, drafts.

use std::collections::BTreeSet;

use baraza_record::{
    Kind,
    body::{ValueKind, fields},
};
use serde_json::{Map, Value};

use crate::{
    Draft, Fault, FormatError, Place, ROWS_MAX, Row, RowError, Source,
    draft::Builder,
    error::excerpt,
    lines::{BLANKS, Scalar},
    value,
};

/// Most columns of a table; a practice has 46 fields, some of them lists of objects.
pub(crate) const COLUMNS_MAX: usize = 1_000;

/// Highest number of an item in a column such as `results.0.statement`.
pub(crate) const INDEX_MAX: usize = 99;

/// Members that are beside the body.
const COMMON: [&str; 5] = ["kind", "schema", "language", "revises", "audience"];

/// Reads the rows of a table, whose lines end with line feeds.
pub(crate) fn parse(
    file: &str,
    text: &str,
    default_kind: Option<Kind>,
) -> Result<Vec<Row>, FormatError> {
    let mut table = Table { file, separator: separator(text), columns: Vec::new(), default_kind };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(table.separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut cells = csv::StringRecord::new();
    let mut rows = Vec::new();
    let mut written = text;
    let mut number = 0;
    loop {
        let start = reader.position().byte();
        let is_row = reader.read_record(&mut cells).map_err(|error| FormatError::Table {
            file: file.to_owned(),
            reason: error.to_string(),
        })?;
        if !is_row {
            return Ok(rows);
        }
        let bytes = usize::try_from(reader.position().byte() - start).unwrap_or(usize::MAX);
        let (this, rest) = written.split_at_checked(bytes).unwrap_or((written, ""));
        written = rest;
        let blank = this.len() - this.trim_start_matches('\n').len();
        number += blank + 1;
        if table.columns.is_empty() {
            table.columns = table.header(&cells, number)?;
        } else if cells.iter().any(|cell| !cell.trim_matches(BLANKS).is_empty()) {
            if rows.len() == ROWS_MAX {
                return Err(FormatError::TooManyRows { file: file.to_owned() });
            }
            let is_open = is_open(&this[blank..], table.separator);
            rows.push(table.row(&cells, number, is_open));
        }
    }
}

/// The header of a table, and what holds for all its rows.
struct Table<'a> {
    file: &'a str,
    separator: u8,
    columns: Vec<Vec<String>>,
    default_kind: Option<Kind>,
}

/// What the cells of a column are.
#[derive(Clone, Copy, Debug)]
enum Target {
    Common,
    Member(ValueKind),
}

impl Table<'_> {
    /// Reads the names of the columns; each must be one of a kind that the table may hold.
    fn header(
        &self,
        cells: &csv::StringRecord,
        row: usize,
    ) -> Result<Vec<Vec<String>>, FormatError> {
        if COLUMNS_MAX < cells.len() {
            let file = self.file.to_owned();
            return Err(FormatError::TooManyColumns { file, columns: cells.len() });
        }
        let refuse =
            |name: &str, fault| FormatError::Refused(Box::new(self.refuse(row, name, fault)));
        let names: Vec<_> = cells.iter().map(value::field_name).collect();
        let says_kind = names.iter().any(|name| name == "kind" || name == "schema");
        let known = Kind::KNOWN.iter().map(|(kind, _)| *kind);
        let kinds: Vec<_> =
            known.filter(|kind| says_kind || Some(*kind) == self.default_kind).collect();
        let mut seen = BTreeSet::new();
        for (at, name) in names.iter().enumerate() {
            if name.is_empty() {
                return Err(refuse("header", Fault::NoName { column: at + 1 }));
            }
            if !seen.insert(name) {
                return Err(refuse(name, Fault::Twice));
            }
            let mut targets = kinds.iter().map(|kind| target(*kind, &path(name)));
            match targets.next() {
                None => return Err(refuse("kind", Fault::NoKind)),
                Some(Err(fault)) if !targets.any(|target| target.is_ok()) => {
                    return Err(refuse(name, fault));
                }
                Some(_) => (),
            }
        }
        Ok(names.iter().map(|name| path(name)).collect())
    }

    fn row(&self, cells: &csv::StringRecord, row: usize, is_open: bool) -> Row {
        if is_open {
            return Err(self.refuse(row, "row", Fault::OpenQuote));
        }
        if cells.len() != self.columns.len() {
            let fault = Fault::Ragged { cells: cells.len(), columns: self.columns.len() };
            return Err(self.refuse(row, "row", fault));
        }
        self.draft(cells, row).map_err(|(field, fault)| self.refuse(row, &field, fault))
    }

    fn draft(&self, cells: &csv::StringRecord, row: usize) -> Result<Draft, (String, Fault)> {
        let cells = || {
            let cells = cells.iter().map(|cell| cell.trim_matches(BLANKS));
            self.columns.iter().zip(cells).filter(|(_, cell)| !cell.is_empty())
        };
        let cell_of = |name: &str| cells().find(|(path, _)| path[0] == name).map(|(_, cell)| cell);
        let mut draft = Builder::new(cell_of("kind"), cell_of("schema"), self.default_kind)
            .map_err(|fault| ("kind".to_owned(), fault))?;
        let mut body = Value::Object(Map::new());
        for (path, cell) in cells() {
            let refuse = |fault| (path.join("."), fault);
            match target(draft.kind, path).map_err(refuse)? {
                Target::Common => draft.set_common(&path[0], cell).map_err(refuse)?,
                Target::Member(holds) => {
                    let value = self.read(holds, cell).map_err(refuse)?;
                    place(&mut body, path, value).map_err(refuse)?;
                }
            }
        }
        if let Value::Object(members) = body {
            for (name, mut value) in members {
                // An item whose cells are all empty leaves no gap.
                if let Value::Array(items) = &mut value {
                    items.retain(|item| !item.is_null());
                }
                draft.set(&name, value).map_err(|fault| (name.clone(), fault))?;
            }
        }
        Ok(draft.finish(Source::new(self.file, Place::Row(row))))
    }

    fn read(&self, holds: ValueKind, cell: &str) -> Result<Value, Fault> {
        if matches!(holds, ValueKind::Object(_) | ValueKind::Objects(_)) {
            return value::json(holds, cell);
        }
        if !holds.is_list() {
            return value::from_text(holds, Scalar { text: cell.to_owned(), is_quoted: false });
        }
        let is_separator = |c: char| c == '|' || c == ';' && self.separator != b';';
        let items = cell.split(is_separator).map(|item| item.trim_matches([' ', '\t', '\n']));
        Ok(items.filter(|item| !item.is_empty()).map(str::to_owned).collect())
    }

    fn refuse(&self, row: usize, field: &str, fault: Fault) -> RowError {
        let at = Source::new(self.file, Place::Row(row));
        RowError { at, field: excerpt(field), fault }
    }
}

/// Returns the separator that the first line with anything on it has most of.
fn separator(text: &str) -> u8 {
    let header = text.lines().find(|line| !line.is_empty()).unwrap_or_default();
    let count = |separator: &u8| {
        let mut is_quoted = false;
        let counts = |byte: &u8| {
            is_quoted ^= *byte == b'"';
            !is_quoted && byte == separator
        };
        header.bytes().filter(counts).count()
    };
    // Of equals the last is taken: a comma before the others.
    [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',')
}

fn path(name: &str) -> Vec<String> {
    name.split('.').map(str::to_owned).collect()
}

/// Returns what a column with this path holds in drafts of this kind.
fn target(kind: Kind, path: &[String]) -> Result<Target, Fault> {
    if let [name] = path
        && COMMON.contains(&name.as_str())
    {
        return Ok(Target::Common);
    }
    let mut members = fields(kind).unwrap_or_default();
    let mut rest = path;
    loop {
        let unknown = |name: &str| Fault::unknown_field(kind, members, name);
        let Some((name, after)) = rest.split_first() else { return Err(unknown("")) };
        let field = value::find(members, name).ok_or_else(|| unknown(name))?;
        (members, rest) = match (field.value, after) {
            (holds, []) => return Ok(Target::Member(holds)),
            (ValueKind::Object(inner), after) => (inner, after),
            (ValueKind::Objects(inner), [index, after @ ..]) => match index.parse::<usize>() {
                Ok(index) if index <= INDEX_MAX => (inner, after),
                Ok(index) => return Err(Fault::Index { index }),
                Err(_) => return Err(Fault::NotIndex { value: excerpt(index) }),
            },
            _ => return Err(unknown(&path.join("."))),
        };
    }
}

/// Puts a value where the path leads; the path has been checked by [`target`].
fn place(at: &mut Value, path: &[String], value: Value) -> Result<(), Fault> {
    let Some((step, rest)) = path.split_first() else {
        if !at.is_null() {
            return Err(Fault::Twice);
        }
        *at = value;
        return Ok(());
    };
    let index = step.parse::<usize>().ok().filter(|index| *index <= INDEX_MAX);
    if at.is_null() {
        *at = if index.is_some() { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
    }
    match (at, index) {
        (Value::Array(items), Some(index)) => {
            if items.len() <= index {
                items.resize(index + 1, Value::Null);
            }
            place(&mut items[index], rest, value)
        }
        (Value::Object(members), _) => {
            place(members.entry(step.as_str()).or_insert(Value::Null), rest, value)
        }
        _ => Err(Fault::Twice),
    }
}

/// Returns whether the row ends within quotes, having swallowed the rows after it.
fn is_open(row: &str, separator: u8) -> bool {
    #[derive(Clone, Copy, PartialEq)]
    enum In {
        Start,
        Plain,
        Quotes,
        QuotesEnd,
    }
    let step = |state, byte| match (state, byte) {
        (In::Start | In::QuotesEnd, b'"') => In::Quotes,
        (In::Quotes, b'"') => In::QuotesEnd,
        (In::Quotes, _) => In::Quotes,
        (_, byte) if byte == separator => In::Start,
        _ => In::Plain,
    };
    row.bytes().fold(In::Start, step) == In::Quotes
}
