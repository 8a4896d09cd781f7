//! What is remembered of words from record to record.
//!
//! A language has few words, and a record mostly has common ones: each is made comparable
//! and stemmed once.
//! Invariant: what is remembered is what `analysis` and `stem` say; forgetting changes nothing.
//! Not here: how it goes into fields (`fields`).
//! Spec: docs/ARCHITECTURE.md, "Derived state".

use std::collections::HashMap;

use frostem::Algorithm;

use crate::{
    analysis::{Analyzer, word},
    stem::{STEMMED, has_grams, stems},
};

/// Most words that are remembered, of all languages together. Beyond, all are forgotten.
///
/// Some 120 bytes each, 4 MB in all. Of prose, they cover more than nine words in ten.
const WORDS_MAX: usize = 32_768;

/// Ends each word and each form. No word has one: there is a boundary before and after it.
pub(crate) const END: char = '\n';

/// What is indexed of a word besides the word itself, by language.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Forms {
    /// Stems by the language at this index of [`STEMMED`].
    Stems(usize),
    Grams,
    Nothing,
}

impl Forms {
    /// Returns what a language has, by its primary subtag.
    pub(crate) fn of(language: &str) -> Self {
        match STEMMED.iter().position(|(stemmed, _)| *stemmed == language) {
            Some(index) => Self::Stems(index),
            None if has_grams(language) => Self::Grams,
            None => Self::Nothing,
        }
    }

    fn algorithm(self) -> Option<Algorithm> {
        match self {
            Self::Stems(index) => Some(STEMMED[index].1),
            Self::Grams | Self::Nothing => None,
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Stems(index) => index,
            Self::Grams => STEMMED.len(),
            Self::Nothing => STEMMED.len() + 1,
        }
    }
}

/// A word and its forms, each followed by [`END`].
#[derive(Debug)]
struct Entry {
    text: Box<str>,
    /// Where the forms begin.
    forms_at: usize,
}

/// Words that were met, by how they were written.
#[derive(Debug, Default)]
pub(crate) struct Lexicon {
    known: [HashMap<Box<str>, Entry>; STEMMED.len() + 2],
    count: usize,
}

impl Lexicon {
    /// Adds the words of `text` to `words` and their forms to `forms`, each with its [`END`].
    pub(crate) fn read(
        &mut self,
        analyzer: &Analyzer,
        kind: Forms,
        text: &str,
        words: &mut String,
        forms: &mut String,
    ) {
        analyzer.parts(text, |part| {
            let mut put = |entry: &Entry| {
                let (word, rest) = entry.text.split_at(entry.forms_at);
                words.push_str(word);
                forms.push_str(rest);
            };
            match self.known[kind.index()].get(part) {
                Some(entry) => put(entry),
                None => {
                    let entry = entry(kind, part);
                    put(&entry);
                    self.learn(kind, part, entry);
                }
            }
        });
    }

    fn learn(&mut self, kind: Forms, part: &str, entry: Entry) {
        if self.count == WORDS_MAX {
            *self = Self::default();
        }
        self.count += 1;
        self.known[kind.index()].insert(part.into(), entry);
    }
}

fn entry(kind: Forms, part: &str) -> Entry {
    let mut text = String::new();
    let Some(word) = word(part) else { return Entry { text: text.into(), forms_at: 0 } };
    let push = |text: &mut String, form: &str| {
        text.push_str(form);
        text.push(END);
    };
    push(&mut text, &word.folded);
    let forms_at = text.len();
    if let Some(algorithm) = kind.algorithm() {
        stems(algorithm, &word).for_each(|stem| push(&mut text, &stem));
    } else if matches!(kind, Forms::Grams) {
        word.grams().for_each(|gram| push(&mut text, gram));
    }
    Entry { text: text.into(), forms_at }
}
