//! The text of a query, as clauses.
//!
//! Words and "phrases"; a leading `-` excludes, a leading `+` demands.
//! Invariant: every text has a meaning; there is no syntax error.
//! Not here: where a word is looked for (`query`).
//! Spec: docs/OPERATIONS.md, "Search".

use baraza_protocol::index::QUERY_CHARS_MAX;
use unicode_normalization::UnicodeNormalization;

use crate::analysis::{Analyzer, Word};

/// Most clauses of a query; later ones are dropped.
///
/// Each is looked up in some ten fields. The longest title seen in a catalogue has 40 words.
pub(crate) const CLAUSES_MAX: usize = 64;

/// What a clause asks of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// Ranks higher with it.
    Optional,
    /// Must have it.
    Demanded,
    /// Must not have it.
    Excluded,
}

/// A word, or several in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clause {
    pub(crate) sign: Sign,
    pub(crate) what: What,
}

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A word in any of its forms.
    Word(Word),
    /// These words, in this order and as written; never empty.
    Phrase(Vec<Word>),
}

/// Returns the clauses of a query text, in order, each once.
pub(crate) fn parse(analyzer: &Analyzer, text: &str) -> Vec<Clause> {
    let text: String = text.chars().take(QUERY_CHARS_MAX).nfkc().collect();
    let mut clauses: Vec<Clause> = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() && clauses.len() < CLAUSES_MAX {
        let sign;
        (sign, rest) = split_sign(rest);
        let (part, is_phrase);
        (part, is_phrase, rest) = split_part(rest);
        for clause in clauses_of(analyzer.words(part), sign, is_phrase) {
            if !clauses.contains(&clause) {
                clauses.push(clause);
            }
        }
        rest = rest.trim_start();
    }
    clauses.truncate(CLAUSES_MAX);
    clauses
}

fn split_sign(text: &str) -> (Sign, &str) {
    match text.chars().next() {
        Some('+') => (Sign::Demanded, &text[1..]),
        Some('-') => (Sign::Excluded, &text[1..]),
        _ => (Sign::Optional, text),
    }
}

/// Returns the first part, whether it was quoted, and what follows it. A quotation that
/// does not end is closed by the end of the text.
fn split_part(text: &str) -> (&str, bool, &str) {
    let mut chars = text.chars();
    if chars.next().is_some_and(is_quote) {
        let quoted = chars.as_str();
        let (part, rest) = quoted.split_once(is_quote).unwrap_or((quoted, ""));
        (part, true, rest)
    } else {
        let end = text.find(|c: char| c.is_whitespace() || is_quote(c)).unwrap_or(text.len());
        (&text[..end], false, &text[end..])
    }
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\u{201C}' | '\u{201D}' | '\u{201E}' | '«' | '»')
}

fn clauses_of(words: Vec<Word>, sign: Sign, is_phrase: bool) -> Vec<Clause> {
    // `-e-mail` excludes what has "e mail", not whatever has an "e".
    let is_phrase = is_phrase || (sign == Sign::Excluded && 1 < words.len());
    match (words.is_empty(), is_phrase) {
        (true, _) => Vec::new(),
        (false, true) => vec![Clause { sign, what: What::Phrase(words) }],
        (false, false) => {
            words.into_iter().map(|word| Clause { sign, what: What::Word(word) }).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares the clauses in a short form: sign, then words, phrases in brackets.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown = parse(&Analyzer::new(), text).into_iter().map(|clause| {
            let sign = match clause.sign {
                Sign::Optional => "",
                Sign::Demanded => "+",
                Sign::Excluded => "-",
            };
            match clause.what {
                What::Word(word) => format!("{sign}{}", word.folded),
                What::Phrase(words) => {
                    let words: Vec<String> = words.into_iter().map(|word| word.folded).collect();
                    format!("{sign}[{}]", words.join(" "))
                }
            }
        });
        assert_eq!(shown.collect::<Vec<_>>().join(" "), expected, "{text}");
    }

    #[test]
    fn words_phrases_and_signs() {
        check("drip irrigation", "drip irrigation");
        check("+drip -sprinkler Water", "+drip -sprinkler water");
        check("\"safe water\" -\"hand pump\"", "[safe water] -[hand pump]");
        check("«eau potable» “hand pump”", "[eau potable] [hand pump]");
    }

    #[test]
    fn a_part_of_several_words_keeps_its_sign() {
        check("e-mail", "e mail");
        check("+e-mail", "+e +mail");
        check("-e-mail", "-[e mail]");
        check("农民学习", "农民 学习");
    }

    #[test]
    fn odd_text_has_a_meaning() {
        check("", "");
        check(" - + -- \"\" \"", "");
        check("\"no end", "[no end]");
        check("a\"b c\"d", "a [b c] d");
        check("--water ++x", "-water +x");
        check("water WATER water", "water");
    }

    #[test]
    fn a_long_query_is_cut() {
        let text: String = (0..500).map(|n| format!("w{n} ")).collect();
        assert_eq!(parse(&Analyzer::new(), &text).len(), CLAUSES_MAX);
        assert_eq!(parse(&Analyzer::new(), &"a-".repeat(50_000)).len(), 1);
    }
}
