//! The records of the demonstration, built into the program.
//!
//! Spec: node/demo/SOURCES.md.

use baraza_api::ErrorBody;
use baraza_formats::Draft;
use include_dir::{Dir, include_dir};

use super::failed;

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/demo");

/// A centre of the demonstration.
pub(super) struct DemoCentre {
    /// Folder of its examples, and of its home.
    pub(super) folder: &'static str,
    /// Its name; plainly an invented one.
    pub(super) name: &'static str,
    /// The language in which it usually writes.
    pub(super) language: &'static str,
    /// The languages of its examples, in words.
    pub(super) languages: &'static [&'static str],
}

/// The centres; the last one joins late and publishes nothing.
pub(super) const CENTRES: [DemoCentre; 4] = [
    DemoCentre {
        folder: "centre-a",
        name: "Demonstration Centre A",
        language: "en",
        languages: &["English", "Arabic"],
    },
    DemoCentre {
        folder: "centre-b",
        name: "Demonstration Centre B",
        language: "pt",
        languages: &["Portuguese", "Spanish"],
    },
    DemoCentre {
        folder: "centre-c",
        name: "Demonstration Centre C",
        language: "fr",
        languages: &["French", "Swahili"],
    },
    DemoCentre {
        folder: "centre-d",
        name: "Demonstration Centre D",
        language: "en",
        languages: &[],
    },
];

/// A lesson that is published after the first node has stopped.
pub(super) const LATE: (&str, &str) = ("late/late.md", include_str!("../../demo/late/late.md"));

/// A draft with the file that it came from.
pub(super) struct Example {
    pub(super) file: String,
    pub(super) draft: Draft,
}

impl Example {
    /// Reads the examples of a centre.
    pub(super) fn of(centre: &DemoCentre) -> Result<Vec<Self>, ErrorBody> {
        let Some(folder) = FILES.get_dir(centre.folder) else { return Ok(Vec::new()) };
        let mut examples = Vec::new();
        for file in folder.files() {
            let name = file.path().to_string_lossy().into_owned();
            examples.extend(Self::parse(&name, file.contents())?);
        }
        examples.sort_by(|a, b| a.file.cmp(&b.file));
        Ok(examples)
    }

    /// Reads one file.
    pub(super) fn parse(name: &str, content: &[u8]) -> Result<Vec<Self>, ErrorBody> {
        let rows = baraza_formats::parse(name, content, None)
            .map_err(|error| failed(format!("{name}: {error}")))?;
        let example = |row: baraza_formats::Row| match row {
            Ok(draft) => Ok(Self { file: name.to_owned(), draft }),
            Err(error) => Err(failed(error.to_string())),
        };
        rows.into_iter().map(example).collect()
    }

    /// Reads the initiatives that the outcome document names.
    pub(super) fn initiatives() -> Result<Vec<Self>, ErrorBody> {
        let file = FILES.get_file("initiatives.json").expect("it is built in");
        let drafts = baraza_formats::initiatives(file.contents())
            .map_err(|error| failed(format!("initiatives.json: {error}")))?;
        let named =
            |(index, draft)| Self { file: format!("initiatives.json#{}", index + 1), draft };
        Ok(drafts.into_iter().enumerate().map(named).collect())
    }
}

/// A search of the demonstration.
pub(super) struct DemoQuery {
    pub(super) language: &'static str,
    pub(super) words: &'static str,
    /// Examples that must be among the hits.
    pub(super) files: Vec<&'static str>,
}

/// Returns the searches, one a line in `queries.tsv`.
pub(super) fn queries() -> impl Iterator<Item = DemoQuery> {
    include_str!("../../demo/queries.tsv").lines().filter_map(|line| {
        let mut cells = line.split('\t');
        let (language, words, files) = (cells.next()?, cells.next()?, cells.next()?);
        Some(DemoQuery { language, words, files: files.split_whitespace().collect() })
    })
}
