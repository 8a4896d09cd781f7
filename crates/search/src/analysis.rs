//! From a text to its words.
//!
//! NFKC, word boundaries of UAX 29 (dictionaries for Chinese and Japanese, models for Thai,
//! Lao, Khmer and Burmese), lower case, elided articles off, folding.
//! Invariant: the same text gives the same words, in a record and in a query.
//! Not here: boundaries (`segment`), character tables (`fold`), stems (`stem`), what of it
//! is remembered from record to record (`lexicon`).
//! Spec: docs/ARCHITECTURE.md, "Derived state".

use std::borrow::Cow;

use icu_segmenter::{WordSegmenter, WordSegmenterBorrowed, options::WordBreakInvariantOptions};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use crate::{
    fold::{fold, is_apostrophe, is_invisible},
    segment,
};

/// Most characters of a word that count; the rest is cut off.
///
/// The longest words of the stemmed languages have under 40; what is longer is encoded data.
pub(crate) const WORD_CHARS_MAX: usize = 64;

/// Characters of one gram.
pub(crate) const GRAM_CHARS: usize = 3;

/// Articles, pronouns and prepositions that French, Italian and Catalan write together with
/// the next word. Taken off in every language: on both sides, so nothing is missed by it.
const ELIDED: [&str; 23] = [
    "all", "c", "d", "dall", "dell", "gl", "j", "jusqu", "l", "lorsqu", "m", "n", "nell", "puisqu",
    "qu", "quell", "quest", "quoiqu", "s", "sull", "t", "un", "presqu",
];

/// One word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// Lower case, marks kept: what stemmers expect.
    pub(crate) lower: String,
    /// Folded: what is compared.
    pub(crate) folded: String,
}

impl Word {
    /// Returns the word's grams, in order; none if it is shorter than [`GRAM_CHARS`].
    pub(crate) fn grams(&self) -> impl Iterator<Item = &str> {
        let bounds: Vec<usize> =
            self.folded.char_indices().map(|(at, _)| at).chain([self.folded.len()]).collect();
        (GRAM_CHARS..bounds.len())
            .map(move |end| &self.folded[bounds[end - GRAM_CHARS]..bounds[end]])
    }
}

/// Cuts texts into words.
#[derive(Debug)]
pub(crate) struct Analyzer {
    segmenter: WordSegmenterBorrowed<'static>,
}

impl Analyzer {
    pub(crate) fn new() -> Self {
        Self { segmenter: WordSegmenter::new_auto(WordBreakInvariantOptions::default()) }
    }

    /// Returns the words of `text`, in order.
    pub(crate) fn words(&self, text: &str) -> Vec<Word> {
        let mut words = Vec::new();
        self.parts(text, |part| words.extend(word(part)));
        words
    }

    /// Calls `take` with each part of `text` of which [`word`] may make a word, in order.
    pub(crate) fn parts(&self, text: &str, take: impl FnMut(&str)) {
        segment::parts(self.segmenter, &nfkc(text), take);
    }
}

fn nfkc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfkc_quick(text.chars()) == IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfkc().collect())
    }
}

/// Makes one word comparable; `None` if nothing of it is left.
pub(crate) fn word(raw: &str) -> Option<Word> {
    let lower: String = raw
        .chars()
        .take(WORD_CHARS_MAX)
        .filter(|c| !is_invisible(*c))
        .map(|c| if is_apostrophe(c) { '\'' } else { c })
        .collect::<String>()
        .to_lowercase();
    let lower = without_elision(&lower);
    // What folding changes is not ASCII.
    let folded = if lower.is_ascii() { lower.to_owned() } else { fold(lower) };
    (!folded.is_empty()).then(|| Word { lower: lower.to_owned(), folded })
}

pub(crate) fn without_elision(word: &str) -> &str {
    match word.split_once('\'') {
        Some((article, rest)) if !rest.is_empty() && ELIDED.contains(&article) => rest,
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let words = Analyzer::new().words(text);
        let folded: Vec<&str> = words.iter().map(|word| word.folded.as_str()).collect();
        assert_eq!(folded, expected, "{text}");
    }

    #[test]
    fn punctuation_and_signs_are_no_words() {
        check("Seeds, tools & water -- for all!", &["seeds", "tools", "water", "for", "all"]);
        check("  \u{1F33E}\n!?", &[]);
        check("", &[]);
    }

    #[test]
    fn a_hindi_word_is_not_cut_at_the_virama() {
        check("विद्यालय में प्रशिक्षण", &["विद्यालय", "में", "प्रशिक्षण"]);
    }

    #[test]
    fn chinese_and_thai_are_cut_into_words() {
        check("农民学习种植水稻", &["农民", "学习", "种植", "水稻"]);
        check("เกษตรกรปลูกข้าว", &["เกษตรกร", "ปลูก", "ข้าว"]);
    }

    #[test]
    fn elided_articles_are_taken_off_with_either_apostrophe() {
        check("l'eau l’eau d'irrigation dell'acqua", &["eau", "eau", "irrigation", "acqua"]);
        check("ng'ombe ng’ombe", &["ng'ombe", "ng'ombe"]);
    }

    #[test]
    fn compatibility_forms_are_the_same_word() {
        check("ＦＡＲＭ ﬁeld", &["farm", "field"]);
        check("co\u{AD}operative می\u{200C}شود", &["cooperative", "ميشود"]);
    }

    #[test]
    fn an_endless_word_is_cut() {
        let words = Analyzer::new().words(&"a".repeat(100_000));
        assert_eq!(words.len(), 1);
        assert_eq!(words[0].folded.len(), WORD_CHARS_MAX);
    }

    #[test]
    fn grams_overlap_and_need_three_characters() {
        let words = Analyzer::new().words("maji ገበሬ ab");
        let grams: Vec<Vec<&str>> = words.iter().map(|word| word.grams().collect()).collect();
        assert_eq!(grams, [vec!["maj", "aji"], vec!["ገበሬ"], vec![]]);
    }
}
