//! The language in which the fields of a body are written down.
//!
//! Invariant: a [`FieldSpec`] is data; what checks, forms, templates and imports know of a
//! field comes from it, so they cannot differ.
//! Not here: the fields themselves (`fields`, `practice`), the checks (`check`).
//! Spec: docs/RECORDS.md, fields by kind.

/// Most items of a list.
///
/// The largest list in use is that of countries, 249; nobody reads a hundred partners.
pub const LIST_ITEMS_MAX: usize = 256;

/// Most characters of a code, a number or a date, and of a line that states no other limit.
pub const LINE_CHARS_MAX: usize = 200;

/// Most characters of a web address.
pub const URL_CHARS_MAX: usize = 2_000;

/// One member of a body, or of an object in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FieldSpec {
    /// Name of the member.
    pub name: &'static str,
    /// What it holds.
    pub value: ValueKind,
    /// Most characters (Unicode scalar values) of a text in it; a list has this for each item.
    pub chars_max: usize,
    /// Most items, if it is a list.
    pub items_max: usize,
    /// Whether it must be there.
    pub required: Required,
    /// One line for the person who fills it in.
    pub hint: &'static str,
}

/// When a field must be there and not be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Required {
    /// In every body of the kind.
    Always,
    /// In a practice whose `form` is `full`.
    Full,
    /// In a record for everybody.
    Public,
    /// Where the named member beside it is absent.
    Unless(&'static str),
    /// Where the named member beside it is `true`.
    When(&'static str),
    /// Never.
    No,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueKind {
    /// Text of one line: no control characters, no direction controls.
    Line,
    /// Text of any number of lines; line feeds and tabs are its only control characters.
    Text,
    /// List of lines.
    Lines,
    /// List of texts.
    Texts,
    /// `true` or `false`.
    Bool,
    /// `true` only: something that must have been done.
    Confirmed,
    /// Number from the first to the second.
    Number(f64, f64),
    /// Whole number from the first to the second.
    Integer(u64, u64),
    /// A line, or a number.
    Quantity,
    /// ISO 3166-1 alpha-2 code, in capitals, or one left to users (`X?`, `ZZ`).
    Country,
    /// List of countries.
    Countries,
    /// List of three-digit M49 codes.
    Regions,
    /// ISO 3166-2 code: a country's, a hyphen, one to three letters or digits.
    Subdivision,
    /// List of goals (`6`) and targets (`6.2`, `1.a`).
    Sdg,
    /// One of these codes.
    Code(&'static [&'static str]),
    /// A code: one of these, or another of lower-case letters, digits and hyphens.
    OpenCode(&'static [&'static str]),
    /// List of open codes.
    OpenCodes(&'static [&'static str]),
    /// ISO 4217 code: three capitals.
    Currency,
    /// Day, as `2026-02-28`.
    Date,
    /// Time as precisely as it is known: a subset of EDTF, see [`parse_period`](super::parse_period).
    Period,
    /// BCP 47 tag.
    Language,
    /// SPDX licence identifier, or `LicenseRef-` and a name.
    Licence,
    /// Mailbox of an office, alone or as `Office <mailbox>`.
    Contact,
    /// Address that starts with `http://` or `https://`.
    Url,
    /// Id of a record or a centre, or hash of a file: 64 hexadecimal digits.
    Id,
    /// List of ids.
    Ids,
    /// Name and version of the body's own structure, such as `practice/1`.
    Schema,
    /// Object with these members; any other is kept.
    Object(&'static [FieldSpec]),
    /// List of such objects.
    Objects(&'static [FieldSpec]),
}

impl ValueKind {
    /// Returns whether the value is a list.
    pub fn is_list(self) -> bool {
        use ValueKind::*;
        matches!(self, Lines | Texts | Countries | Regions | Sdg | OpenCodes(_) | Ids | Objects(_))
    }

    /// Returns what one item of the list is; of what is no list, the kind itself.
    ///
    /// Lists of regions and goals have no item kind of their own and return themselves.
    pub fn item(self) -> Self {
        match self {
            Self::Lines => Self::Line,
            Self::Texts => Self::Text,
            Self::Countries => Self::Country,
            Self::OpenCodes(codes) => Self::OpenCode(codes),
            Self::Ids => Self::Id,
            Self::Objects(fields) => Self::Object(fields),
            other => other,
        }
    }

    /// Returns the codes to choose from, if there are any.
    pub fn codes(self) -> &'static [&'static str] {
        match self {
            Self::Code(codes) | Self::OpenCode(codes) | Self::OpenCodes(codes) => codes,
            _ => &[],
        }
    }
}

impl FieldSpec {
    pub(super) const fn new(name: &'static str, value: ValueKind, hint: &'static str) -> Self {
        let chars_max = match value {
            ValueKind::Url => URL_CHARS_MAX,
            _ => LINE_CHARS_MAX,
        };
        Self { name, value, chars_max, items_max: LIST_ITEMS_MAX, required: Required::No, hint }
    }

    pub(super) const fn line(name: &'static str, hint: &'static str) -> Self {
        Self::new(name, ValueKind::Line, hint)
    }

    pub(super) const fn text(name: &'static str, chars_max: usize, hint: &'static str) -> Self {
        Self { chars_max, ..Self::new(name, ValueKind::Text, hint) }
    }

    pub(super) const fn max(self, chars_max: usize) -> Self {
        Self { chars_max, ..self }
    }

    pub(super) const fn items(self, items_max: usize) -> Self {
        Self { items_max, ..self }
    }

    pub(super) const fn required(self, required: Required) -> Self {
        Self { required, ..self }
    }

    pub(super) const fn always(self) -> Self {
        self.required(Required::Always)
    }

    pub(super) const fn full(self) -> Self {
        self.required(Required::Full)
    }
}
