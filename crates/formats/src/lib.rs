//! Other people's formats, in and out: reads drafts from Markdown, JSON and CSV.
//!
//! Invariant: no bytes panic a reader, and nothing that was written is dropped in silence: it is
//! in the draft or in an error.
//! Not here: the rules of a body (`baraza_record::body`), publishing, files and folders.
//! Spec: docs/RECORDS.md, fields by kind; docs/FORMATS.md, drafts.

mod draft;
mod error;
pub mod files;
mod initiatives;
mod json;
mod lines;
mod markdown;
mod render;
mod table;
#[cfg(test)]
mod tests;
mod value;
pub mod words;

use std::borrow::Cow;

use baraza_record::Kind;

pub use draft::{Draft, Place, Row, Source};
pub use error::{Fault, FormatError, RowError};
pub use initiatives::initiatives;
pub use render::to_markdown;

/// Largest file that is read, in bytes (16 MiB): 64 of the largest bodies, or a table of 10,000
/// rows with 1,600 bytes each.
pub const FILE_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// Most drafts of one file.
pub const ROWS_MAX: usize = 10_000;

/// Reads the drafts of a file; its extension says how: `.md`, `.markdown`, `.json`, `.jsonl`,
/// `.ndjson` or `.csv`.
///
/// `default_kind` holds for drafts that name no kind. A draft that cannot be read is an error in
/// its place, and the others are still read. The bodies are not yet validated.
///
/// # Errors
///
/// [`FormatError`] if nothing of the file can be read.
pub fn parse(
    name: &str,
    bytes: &[u8],
    default_kind: Option<Kind>,
) -> Result<Vec<Row>, FormatError> {
    let (_, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    match extension.to_ascii_lowercase().as_str() {
        "md" | "markdown" => {
            let text = decode(name, bytes)?;
            Ok(vec![markdown::parse(name, &unix_lines(text), default_kind)])
        }
        "json" => json::parse(name, decode(name, bytes)?, default_kind),
        "jsonl" | "ndjson" => json::parse_lines(name, decode(name, bytes)?, default_kind),
        "csv" => table::parse(name, &unix_lines(decode(name, bytes)?), default_kind),
        _ => Err(FormatError::Extension { file: name.to_owned() }),
    }
}

/// Returns the text of a file, without a byte order mark.
fn decode<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, FormatError> {
    let file = || name.to_owned();
    if FILE_BYTES_MAX < bytes.len() {
        return Err(FormatError::TooLarge { file: file(), bytes: bytes.len() });
    }
    let text = str::from_utf8(bytes)
        .map_err(|error| FormatError::NotUtf8 { file: file(), offset: error.valid_up_to() })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(FormatError::Empty { file: file() });
    }
    Ok(text)
}

/// Returns `text` with each line ended by one line feed, whatever system wrote it.
fn unix_lines(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}
