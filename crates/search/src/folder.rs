//! The folder of an index: made, opened, or dropped and made anew.
//!
//! ```text
//! DIR/format     FORMAT_VERSION, written last
//! DIR/tantivy/   the index; the only folder that is ever dropped
//! ```
//!
//! Invariant: what `open` returns has the present format and sound checksums.
//! Not here: filling the index again (its position says that it must be).
//! Spec: docs/ARCHITECTURE.md, "Derived state".

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use baraza_protocol::index::{IndexError, IndexPosition};
use tantivy::{Index, IndexReader, IndexSettings, ReloadPolicy, schema::Schema};

use crate::{
    directory::CheckedDirectory,
    lines::{LINES, Lines},
};

/// Version of what is on disk: schema, analysis, and the tables behind it.
///
/// Raised with every change of these and of the versions of tantivy, `frostem` and
/// `icu_segmenter` that changes words, so that index and query never differ.
pub const FORMAT_VERSION: u32 = 2;

const FORMAT_FILE: &str = "format";
pub(crate) const INDEX_FOLDER: &str = "tantivy";

/// An open index. Replaced as a whole when the folder is made anew.
pub(crate) struct Live {
    pub(crate) index: Index,
    pub(crate) reader: IndexReader,
}

impl Live {
    fn new(index: Index) -> tantivy::Result<Self> {
        index.tokenizers().register(LINES, Lines::default());
        // By hand: a search sees an `apply` as soon as it has returned.
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { index, reader })
    }

    /// Returns the position in the last commit; the default before the first.
    pub(crate) fn position(&self) -> Result<IndexPosition, IndexError> {
        let metas = self.index.load_metas().map_err(failed("cannot read the position"))?;
        match metas.payload {
            None => Ok(IndexPosition::default()),
            Some(payload) => parse_position(&payload).ok_or_else(|| IndexError {
                what: format!("`{payload}` is not a position"),
                source: None,
            }),
        }
    }
}

/// Returns the text of a position in a commit.
pub(crate) fn position_text(position: IndexPosition) -> String {
    format!("{} {}", position.epoch, position.change)
}

fn parse_position(text: &str) -> Option<IndexPosition> {
    let (epoch, change) = text.split_once(' ')?;
    Some(IndexPosition { epoch: epoch.parse().ok()?, change: change.parse().ok()? })
}

/// Opens the index in `dir`, or makes a new one where there is none that can be used.
///
/// # Errors
///
/// [`IndexError`] if the folder cannot be written.
pub(crate) fn open(dir: &Path, schema: &Schema) -> Result<Live, IndexError> {
    let (format_file, index_folder) = paths(dir);
    match fs::read_to_string(format_file) {
        Ok(text) if text == format_text() => match open_sound(&index_folder, schema) {
            Ok(live) => return Ok(live),
            Err(error) => {
                tracing::warn!(%error, "the full-text index is damaged and is made anew");
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => (),
        Ok(_) | Err(_) => tracing::info!("the full-text index has another format and is made anew"),
    }
    recreate(dir, schema)
}

/// Drops what is in `dir` and makes an empty index there.
///
/// # Errors
///
/// [`IndexError`] if the folder cannot be written.
pub(crate) fn recreate(dir: &Path, schema: &Schema) -> Result<Live, IndexError> {
    let (format_file, index_folder) = paths(dir);
    // The marker goes first and comes last: with it stands a whole index.
    absent_is_fine(fs::remove_file(&format_file)).map_err(failed("cannot remove its marker"))?;
    absent_is_fine(fs::remove_dir_all(&index_folder))
        .map_err(failed("cannot remove its folder"))?;
    fs::create_dir_all(&index_folder).map_err(failed("cannot make its folder"))?;
    let directory =
        CheckedDirectory::open(&index_folder).map_err(failed("cannot open its folder"))?;
    let index = Index::create(directory, schema.clone(), IndexSettings::default());
    let live = index.and_then(Live::new).map_err(failed("cannot make a new one"))?;
    fs::write(format_file, format_text()).map_err(failed("cannot write its marker"))?;
    Ok(live)
}

/// Opens an index whose files all carry their checksums.
///
/// Reads every byte once; what is mapped into memory later is trusted by tantivy.
fn open_sound(index_folder: &Path, schema: &Schema) -> Result<Live, IndexError> {
    let directory =
        CheckedDirectory::open(index_folder).map_err(failed("cannot open its folder"))?;
    let index = Index::open(directory).map_err(failed("cannot open"))?;
    let damaged = index.validate_checksum().map_err(failed("cannot check its files"))?;
    if let Some(path) = damaged.iter().next() {
        let what =
            format!("wrong checksum of {} of its files, as {}", damaged.len(), path.display());
        return Err(IndexError { what, source: None });
    }
    if index.schema() != *schema {
        return Err(IndexError { what: "it has other fields".to_owned(), source: None });
    }
    let live = Live::new(index).map_err(failed("cannot read"))?;
    live.position()?;
    Ok(live)
}

fn paths(dir: &Path) -> (PathBuf, PathBuf) {
    (dir.join(FORMAT_FILE), dir.join(INDEX_FOLDER))
}

fn format_text() -> String {
    format!("{FORMAT_VERSION}\n")
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Returns what makes an [`IndexError`] of a cause.
pub(crate) fn failed<E>(what: &'static str) -> impl FnOnce(E) -> IndexError
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |source| IndexError { what: what.to_owned(), source: Some(Box::new(source)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_text() {
        let position = IndexPosition { epoch: u64::MAX, change: 7 };
        assert_eq!(parse_position(&position_text(position)), Some(position));
        for odd in ["", "1", "1 ", "1 x", "-1 2", "1 2 3"] {
            assert_eq!(parse_position(odd), None, "{odd}");
        }
    }
}
