//! The line grammar of front matter: a small subset of YAML.
//!
//! ```text
//! # a comment, on a line of its own
//! key: value              text as written, colons included; "quotes" around the whole are removed
//! key: [a, "b, c"]        list
//! key:                    list, one item a line; the items may also stand under the key
//!   - item
//! key:                    object, or list of objects
//!   - name: value
//!     other: value
//! key: |                  text of several lines
//!   line
//! ```
//!
//! Invariant: only the structure is read here; what a value means depends on the field. A YAML
//! library would read 17.10 as 17.1 and NO (Norway) as false.
//! Spec: docs/FORMATS.md, drafts.

use crate::{Fault, error::excerpt, value::Refused};

/// What separates words on a line.
pub(crate) const BLANKS: [char; 2] = [' ', '\t'];

/// One line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    /// Number in the file, from 1.
    pub(crate) number: usize,
    /// How many spaces it begins with.
    pub(crate) indent: usize,
    /// What follows them.
    pub(crate) text: &'a str,
}

/// A value: what stands after the colon or the dash, and the lines under it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell<'a> {
    pub(crate) number: usize,
    pub(crate) indent: usize,
    pub(crate) inline: &'a str,
    pub(crate) block: &'a [Line<'a>],
}

/// A text, and whether quotes around it were removed.
#[derive(Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) is_quoted: bool,
}

impl<'a> Line<'a> {
    /// Returns the lines of `text`, the first of which has this number.
    pub(crate) fn all(text: &'a str, first: usize) -> Vec<Self> {
        let lines = text.strip_suffix('\n').unwrap_or(text).split('\n').enumerate();
        lines
            .map(|(at, line)| {
                let text = line.trim_start_matches(' ');
                Self { number: first + at, indent: line.len() - text.len(), text }
            })
            .collect()
    }

    /// Returns whether there is nothing to see on it.
    pub(crate) fn is_blank(&self) -> bool {
        self.text.trim_matches(BLANKS).is_empty()
    }

    /// Returns whether it is neither blank nor a comment.
    pub(crate) fn is_structure(&self) -> bool {
        !self.is_blank() && !self.text.starts_with('#')
    }

    /// Returns whether it begins an item of a list.
    pub(crate) fn is_item(&self) -> bool {
        self.text.strip_prefix('-').is_some_and(|rest| rest.is_empty() || rest.starts_with(BLANKS))
    }

    /// Returns the line without so many of its leading spaces.
    pub(crate) fn dedent(&self, spaces: usize) -> String {
        " ".repeat(self.indent.saturating_sub(spaces)) + self.text
    }

    fn refuse(&self, fault: impl FnOnce(String) -> Fault) -> Refused {
        Refused::new(self.number, "line", fault(excerpt(self.text.trim_matches(BLANKS))))
    }
}

impl<'a> Cell<'a> {
    /// Returns the first line under it that carries structure.
    pub(crate) fn first_below(&self) -> Option<&'a Line<'a>> {
        self.block.iter().find(|line| line.is_structure())
    }

    /// Returns the text that it holds, if it holds anything.
    ///
    /// # Errors
    ///
    /// The text goes on below without `|`.
    pub(crate) fn scalar(&self) -> Result<Option<Scalar>, Fault> {
        if matches!(self.inline, "|" | "|-") {
            return Ok(Some(Scalar { text: self.literal(), is_quoted: true }));
        }
        if let Some(line) = self.first_below() {
            return Err(Fault::GoesOn { value: excerpt(line.text) });
        }
        Ok(match unquoted(self.inline) {
            Some(text) => Some(Scalar { text: text.to_owned(), is_quoted: true }),
            None if self.inline.is_empty() => None,
            None => Some(Scalar { text: self.inline.to_owned(), is_quoted: false }),
        })
    }

    /// Returns the lines below, as far left as they go, without blank ones at the end.
    fn literal(&self) -> String {
        // A comment that stands no further right than the key is none of the text.
        let inside = |line: &&Line| line.is_blank() || self.indent < line.indent;
        let lines: Vec<_> = self.block.iter().filter(inside).collect();
        let end = lines.iter().rposition(|line| !line.is_blank()).map_or(0, |last| last + 1);
        let text = lines[..end].iter().filter(|line| !line.is_blank());
        let indent = text.map(|line| line.indent).min().unwrap_or(0);
        let lines: Vec<_> = lines[..end].iter().map(|line| line.dedent(indent)).collect();
        lines.join("\n")
    }
}

/// Returns what stands in quotes if they are around the whole and not within.
pub(crate) fn unquoted(text: &str) -> Option<&str> {
    ['"', '\''].into_iter().find_map(|quote| {
        let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inner.contains(quote)).then_some(inner)
    })
}

/// Returns the `key: value` entries of a block, each with the lines under it.
///
/// # Errors
///
/// A line at their level is no entry, or stands to their left.
pub(crate) fn entries<'a>(lines: &'a [Line<'a>]) -> Result<Vec<(&'a str, Cell<'a>)>, Refused> {
    let Some(base) = lines.iter().find(|line| line.is_structure()).map(|line| line.indent) else {
        return Ok(Vec::new());
    };
    let mut found: Vec<(usize, &str, &str)> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if !line.is_structure() || base < line.indent {
            continue;
        }
        check_indent(line, base)?;
        // YAML allows the items of a list to stand right under its key.
        if line.is_item() && found.last().is_some_and(|(_, _, inline)| inline.is_empty()) {
            continue;
        }
        let (key, inline) = key_value(line.text)
            .ok_or_else(|| line.refuse(|value| Fault::NotKeyValue { value }))?;
        found.push((at, key, inline));
    }
    let ends = found.iter().skip(1).map(|(at, ..)| *at).chain([lines.len()]);
    let cell = |(&(at, key, inline), end): (&(usize, &'a str, &'a str), usize)| {
        let number = lines[at].number;
        (key, Cell { number, indent: base, inline, block: &lines[at + 1..end] })
    };
    Ok(found.iter().zip(ends).map(cell).collect())
}

/// Returns the `- item` items of a block: of each its lines, the dash taken from the first.
///
/// # Errors
///
/// A line at their level is no item, or stands to their left.
pub(crate) fn items<'a>(lines: &[Line<'a>]) -> Result<Vec<Vec<Line<'a>>>, Refused> {
    let Some(base) = lines.iter().find(|line| line.is_structure()).map(|line| line.indent) else {
        return Ok(Vec::new());
    };
    let mut found: Vec<Vec<Line<'a>>> = Vec::new();
    for line in lines {
        if !line.is_structure() || base < line.indent {
            if let Some(item) = found.last_mut() {
                item.push(*line);
            }
            continue;
        }
        check_indent(line, base)?;
        if !line.is_item() {
            return Err(line.refuse(|value| Fault::NotItem { value }));
        }
        let text = line.text[1..].trim_start_matches(BLANKS);
        let indent = base + line.text.len() - text.len();
        found.push(vec![Line { number: line.number, indent, text }]);
    }
    Ok(found)
}

/// Returns the items of `[a, "b, c"]`, or `None` if the brackets or quotes do not match.
pub(crate) fn flow_items(text: &str) -> Option<Vec<&str>> {
    let mut rest = text.strip_prefix('[')?.strip_suffix(']')?.trim_matches(BLANKS);
    let mut found = Vec::new();
    while !rest.is_empty() {
        let quote = rest.chars().next().filter(|first| matches!(first, '"' | '\''));
        let (item, after) = match quote {
            Some(quote) => {
                let (item, after) = rest[1..].split_once(quote)?;
                let after = after.trim_start_matches(BLANKS);
                if !after.is_empty() && !after.starts_with(',') {
                    return None;
                }
                (item, after.get(1..).unwrap_or_default())
            }
            None => {
                let (item, after) = rest.split_once(',').unwrap_or((rest, ""));
                (item.trim_matches(BLANKS), after)
            }
        };
        found.push(item);
        rest = after.trim_matches(BLANKS);
    }
    Some(found)
}

fn check_indent(line: &Line<'_>, base: usize) -> Result<(), Refused> {
    if line.text.starts_with('\t') {
        return Err(line.refuse(|value| Fault::Tab { value }));
    }
    if line.indent < base {
        return Err(line.refuse(|value| Fault::Indent { value }));
    }
    Ok(())
}

/// Splits a line at its first colon that a blank, or nothing, follows.
fn key_value(text: &str) -> Option<(&str, &str)> {
    let is_end = |at: &usize| {
        let after = &text[at + 1..];
        after.is_empty() || after.starts_with(BLANKS)
    };
    let at = text.match_indices(':').map(|(at, _)| at).find(is_end)?;
    let key = text[..at].trim_matches(BLANKS);
    (!key.is_empty()).then(|| (key, text[at + 1..].trim_matches(BLANKS)))
}
