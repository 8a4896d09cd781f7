//! Stems: what the forms of a word have in common.
//!
//! Invariant: a record is stemmed in its own language, a query word in all of them.
//! Not here: languages without a stemmer, which have grams (`fields`).
//! Spec: docs/ARCHITECTURE.md, "Derived state".

use std::borrow::Cow;

use frostem::{Algorithm, Stemmer};

use crate::{analysis::Word, fold::fold};

/// The stemmed languages by primary subtag.
pub(crate) const STEMMED: [(&str, Algorithm); 7] = [
    ("ar", Algorithm::Arabic),
    ("en", Algorithm::English),
    ("es", Algorithm::Spanish),
    ("fr", Algorithm::French),
    ("hi", Algorithm::Hindi),
    ("pt", Algorithm::Portuguese),
    ("ru", Algorithm::Russian),
];

/// Languages that are written without spaces: a word of theirs is short and has no forms.
const SPACELESS: [&str; 7] = ["ja", "km", "lo", "my", "th", "yue", "zh"];

/// The Arabic article, alone and written together with "and", "so", "by", "like" and "for".
const ARABIC_ARTICLES: [&str; 9] = ["وبال", "وال", "فال", "بال", "كال", "ولل", "فلل", "لل", "ال"];

/// Fewest characters after what is taken for an article: `والد` is a father, not "and the".
const ARABIC_NOUN_CHARS_MIN: usize = 3;

/// Returns the primary subtag of a language tag, in lower case.
pub(crate) fn primary(tag: &str) -> String {
    tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase()
}

/// Returns whether parts of words are indexed for this language.
pub(crate) fn has_grams(primary: &str) -> bool {
    !SPACELESS.contains(&primary) && STEMMED.iter().all(|(stemmed, _)| *stemmed != primary)
}

/// Returns the stem of the word as written and, if another, of its [`plain`] form.
pub(crate) fn stems(algorithm: Algorithm, word: &Word) -> impl Iterator<Item = String> {
    let stemmer = Stemmer::new(algorithm);
    let written = fold(&stemmer.stem(&word.lower));
    let plain = fold(&stemmer.stem(&plain(algorithm, &word.folded)));
    let plain = Some(plain).filter(|plain| *plain != written);
    [Some(written), plain].into_iter().flatten().filter(|stem| !stem.is_empty())
}

/// Returns a form in which words that stemmers tell apart by their spelling are alike.
///
/// Stemmers know endings such as `-ción` by their marks, and people leave these out: so all
/// are left out. The Arabic one knows a noun, and then its plural, by the article alone, and
/// that not after "and": so every word has the article, and nothing before it.
fn plain(algorithm: Algorithm, folded: &str) -> Cow<'_, str> {
    if !matches!(algorithm, Algorithm::Arabic) {
        return Cow::Borrowed(folded);
    }
    let mut nouns = ARABIC_ARTICLES.iter().filter_map(|article| folded.strip_prefix(article));
    let noun = nouns.find(|noun| ARABIC_NOUN_CHARS_MIN <= noun.chars().count());
    Cow::Owned(format!("ال{}", noun.unwrap_or(folded)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Analyzer;

    /// Checks that two forms of a word share a stem.
    #[track_caller]
    fn check(language: &str, one: &str, other: &str) {
        let (_, algorithm) = STEMMED.iter().find(|(tag, _)| *tag == language).unwrap();
        let of = |text| -> Vec<String> {
            let words = Analyzer::new().words(text);
            words.iter().flat_map(|word| stems(*algorithm, word)).collect()
        };
        let (ones, others) = (of(one), of(other));
        assert!(ones.iter().any(|stem| others.contains(stem)), "{ones:?} {others:?}");
    }

    #[test]
    fn forms_of_a_word_share_a_stem() {
        check("ar", "المزارعين", "مزارع");
        check("ar", "كِتَاب", "الكتاب");
        check("ar", "مكتبات", "المكتبات");
        check("ar", "والمكتبات", "مكتبة");
        check("ar", "للمياه", "مياه");
        check("ar", "والد", "الوالد");
        check("en", "libraries", "library");
        check("es", "educación", "educaciones");
        check("es", "educacion", "educación");
        check("fr", "agricultrices", "agricultrice");
        check("fr", "préparés", "préparer");
        check("fr", "preparer", "préparer");
        check("hi", "किसान", "किसानों");
        check("pt", "organizações", "organização");
        check("ru", "учителями", "учителей");
        check("ru", "новый", "новая");
    }

    #[test]
    fn the_primary_subtag_decides() {
        assert_eq!(primary("pt-BR"), "pt");
        assert_eq!(primary(""), "");
        assert!(has_grams("sw") && has_grams("und"));
        assert!(!has_grams("zh") && !has_grams("en"));
    }
}
