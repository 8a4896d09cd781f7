//! The fields of a document, and how a record fills them.
//!
//! Invariant: nothing but the id can be read back; texts are not kept a second time.
//! Not here: which fields a query asks (`query`).
//! Spec: docs/ARCHITECTURE.md, "Derived state".

use baraza_protocol::index::IndexDoc;
use tantivy::{
    TantivyDocument,
    schema::{
        BytesOptions, FAST, Field, INDEXED, IndexRecordOption, Schema, SchemaBuilder,
        TextFieldIndexing, TextOptions,
    },
};

use crate::{
    analysis::Analyzer,
    lexicon::{END, Forms, Lexicon},
    lines::LINES,
    stem::{STEMMED, primary},
};

/// Name of the field of ids, which is also a column.
pub(crate) const ID: &str = "id";

/// Name of the column of creation times.
pub(crate) const CREATED_MS: &str = "created_ms";

/// The fields by name.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    pub(crate) id: Field,
    pub(crate) kind: Field,
    pub(crate) centre: Field,
    pub(crate) language: Field,
    pub(crate) goals: Field,
    pub(crate) targets: Field,
    pub(crate) countries: Field,
    pub(crate) regions: Field,
    pub(crate) created_ms: Field,
    /// Folded words of the title, with positions.
    pub(crate) title_any: Field,
    /// Folded words of the text, with positions.
    pub(crate) body_any: Field,
    /// Stems of title and text, one field for each language of [`STEMMED`], in its order.
    pub(crate) stemmed: [Field; STEMMED.len()],
    /// Distinct grams of title and text, for the languages that have no stemmer.
    pub(crate) grams: Field,
}

impl Fields {
    /// Returns the schema and its fields. The order is part of the format on disk.
    pub(crate) fn schema() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let fields = Self {
            id: schema.add_bytes_field(ID, BytesOptions::default().set_indexed().set_fast()),
            kind: schema.add_u64_field("kind", INDEXED),
            centre: schema.add_bytes_field("centre", BytesOptions::default().set_indexed()),
            language: tag_field(&mut schema, "language"),
            goals: schema.add_u64_field("goals", INDEXED),
            targets: tag_field(&mut schema, "targets"),
            countries: tag_field(&mut schema, "countries"),
            regions: tag_field(&mut schema, "regions"),
            created_ms: schema.add_u64_field(CREATED_MS, FAST),
            title_any: words_field(
                &mut schema,
                "title_any",
                IndexRecordOption::WithFreqsAndPositions,
            ),
            body_any: words_field(
                &mut schema,
                "body_any",
                IndexRecordOption::WithFreqsAndPositions,
            ),
            stemmed: STEMMED.map(|(language, _)| {
                words_field(&mut schema, &format!("body_{language}"), IndexRecordOption::WithFreqs)
            }),
            grams: tags_field(&mut schema, "grams", LINES),
        };
        (schema.build(), fields)
    }

    /// Returns the document of a record.
    pub(crate) fn document(
        &self,
        analyzer: &Analyzer,
        lexicon: &mut Lexicon,
        doc: &IndexDoc,
    ) -> TantivyDocument {
        let language = primary(&doc.language);
        let mut document = TantivyDocument::default();
        document.add_bytes(self.id, doc.id.as_bytes());
        document.add_u64(self.kind, u64::from(doc.kind.0));
        document.add_bytes(self.centre, doc.centre.as_bytes());
        document.add_text(self.language, &language);
        document.add_u64(self.created_ms, doc.created_ms.0);
        doc.goals.iter().for_each(|goal| document.add_u64(self.goals, u64::from(goal)));
        doc.targets.iter().for_each(|target| document.add_text(self.targets, target));
        doc.countries
            .iter()
            .for_each(|code| document.add_text(self.countries, code.to_ascii_uppercase()));
        doc.regions.iter().for_each(|code| document.add_text(self.regions, code));

        let kind = Forms::of(&language);
        let (mut words, mut forms) = (String::new(), String::new());
        for (field, text) in [(self.title_any, &doc.title), (self.body_any, &doc.text)] {
            words.clear();
            lexicon.read(analyzer, kind, text, &mut words, &mut forms);
            document.add_text(field, &words);
        }
        match kind {
            Forms::Stems(index) => document.add_text(self.stemmed[index], forms),
            Forms::Grams => document.add_text(self.grams, distinct(&forms)),
            Forms::Nothing => (),
        }
        document
    }
}

/// Returns the lines of a text, each once.
fn distinct(text: &str) -> String {
    let mut lines: Vec<&str> = text.split_terminator(END).collect();
    lines.sort_unstable();
    lines.dedup();
    lines.join("\n")
}

/// A field of exact values that are looked up and never ranked.
fn tag_field(schema: &mut SchemaBuilder, name: &str) -> Field {
    tags_field(schema, name, "raw")
}

fn tags_field(schema: &mut SchemaBuilder, name: &str, tokenizer: &str) -> Field {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(tokenizer)
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::Basic);
    schema.add_text_field(name, TextOptions::default().set_indexing_options(indexing))
}

/// A field of words that are ranked.
fn words_field(schema: &mut SchemaBuilder, name: &str, option: IndexRecordOption) -> Field {
    let indexing = TextFieldIndexing::default().set_tokenizer(LINES).set_index_option(option);
    schema.add_text_field(name, TextOptions::default().set_indexing_options(indexing))
}
