//! The fields of a document, and how a record fills them.
//!
//! Invariant: nothing but the id can be read back; texts are not kept a second time.
//! Not here: which fields a query asks (`query`).
//! Spec: docs/ARCHITECTURE.md, "Derived state".

use std::collections::BTreeSet;

use baraza_protocol::index::IndexDoc;
use tantivy::{
    TantivyDocument,
    schema::{
        BytesOptions, FAST, Field, INDEXED, IndexRecordOption, Schema, SchemaBuilder,
        TextFieldIndexing, TextOptions,
    },
    tokenizer::{PreTokenizedString, Token},
};

use crate::{
    analysis::{Analyzer, Word},
    stem::{STEMMED, has_grams, primary, stems},
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
            grams: tag_field(&mut schema, "grams"),
        };
        (schema.build(), fields)
    }

    /// Returns the document of a record.
    pub(crate) fn document(&self, analyzer: &Analyzer, doc: &IndexDoc) -> TantivyDocument {
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

        let title = analyzer.words(&doc.title);
        let text = analyzer.words(&doc.text);
        let both = || title.iter().chain(&text);
        document.add_pre_tokenized_text(self.title_any, folded(&title));
        document.add_pre_tokenized_text(self.body_any, folded(&text));
        for ((stemmed, algorithm), field) in STEMMED.iter().zip(self.stemmed) {
            if *stemmed == language {
                let words = both().map(|word| stems(*algorithm, word));
                document.add_pre_tokenized_text(field, tokens(words));
            }
        }
        if has_grams(&language) {
            let grams: BTreeSet<&str> = both().flat_map(Word::grams).collect();
            let grams = grams.into_iter().map(|gram| [gram.to_owned()]);
            document.add_pre_tokenized_text(self.grams, tokens(grams));
        }
        document
    }
}

fn folded(words: &[Word]) -> PreTokenizedString {
    tokens(words.iter().map(|word| [word.folded.clone()]))
}

/// Returns the tokens of words that each have one or more forms, all at the word's position.
fn tokens<W: IntoIterator<Item = String>>(words: impl Iterator<Item = W>) -> PreTokenizedString {
    let token = |position| move |text| Token { position, text, ..Token::default() };
    let tokens =
        words.enumerate().flat_map(|(at, forms)| forms.into_iter().map(token(at))).collect();
    PreTokenizedString { text: String::new(), tokens }
}

/// A field of exact values that are looked up and never ranked.
fn tag_field(schema: &mut SchemaBuilder, name: &str) -> Field {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer("raw")
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::Basic);
    schema.add_text_field(name, TextOptions::default().set_indexing_options(indexing))
}

/// A field of words that are ranked. The tokenizer is never run: words come cut.
fn words_field(schema: &mut SchemaBuilder, name: &str, option: IndexRecordOption) -> Field {
    let indexing = TextFieldIndexing::default().set_tokenizer("raw").set_index_option(option);
    schema.add_text_field(name, TextOptions::default().set_indexing_options(indexing))
}
