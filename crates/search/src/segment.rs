//! Where the words of a text begin and end: UAX 29, without ICU where that is not needed.
//!
//! A piece between two spaces whose characters all have a class here is cut by the few
//! rules that concern them. Everything else goes to ICU, together with the spaces before it:
//! a mark at its beginning belongs to them.
//! Invariant: the parts are those that ICU finds in the whole text.
//! Not here: normalisation before, comparable words after (`analysis`).
//! Spec: docs/ARCHITECTURE.md, "Derived state"; UAX 29, WB5 to WB13b.

use icu_segmenter::WordSegmenterBorrowed;

/// What the rules tell apart. Characters without a class are for ICU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Letter,
    Digit,
    /// Joins what stands beside it.
    Connector,
    /// Joins letters.
    MidLetter,
    /// Joins digits.
    MidNumber,
    /// Joins letters, and digits.
    Mid,
    /// A word of its own, without a letter or a digit.
    Other,
}

/// Calls `take` with each part of `text` that has a letter or a digit, in order.
pub(crate) fn parts(
    segmenter: WordSegmenterBorrowed<'static>,
    text: &str,
    mut take: impl FnMut(&str),
) {
    // Start of what is given to ICU, and end of the last piece that was cut here.
    let (mut hard_from, mut done) = (None, 0);
    let mut at = 0;
    while at < text.len() {
        let gap = text[at..].find(|c| !is_gap(c)).unwrap_or(text.len() - at);
        let start = at + gap;
        let end = text[start..].find(is_gap).map_or(text.len(), |length| start + length);
        let piece = &text[start..end];
        if piece.chars().all(|c| class(c).is_some()) {
            if let Some(from) = hard_from.take() {
                by_icu(segmenter, &text[from..done], &mut take);
            }
            by_class(piece, &mut take);
        } else if hard_from.is_none() {
            hard_from = Some(at);
        }
        (at, done) = (end, end);
    }
    if let Some(from) = hard_from {
        by_icu(segmenter, &text[from..], &mut take);
    }
}

/// The reference: ICU alone.
fn by_icu(segmenter: WordSegmenterBorrowed<'static>, text: &str, take: &mut impl FnMut(&str)) {
    let mut start = 0;
    for end in segmenter.segment_str(text) {
        // Not by the segmenter's word type: it is lost where two vowel signs end a word,
        // as in Hindi "में" (icu_segmenter 2.4.0).
        let part = &text[start..end];
        if part.contains(char::is_alphanumeric) {
            take(part);
        }
        start = end;
    }
}

/// Cuts a piece of characters that all have a class.
fn by_class(piece: &str, take: &mut impl FnMut(&str)) {
    // Where the word began that is being read, and whether it has a letter or a digit.
    let (mut start, mut has_word) = (None, false);
    let mut last = Class::Other;
    let mut chars = piece.char_indices().map(|(at, c)| (at, class(c))).peekable();
    while let Some((at, Some(class))) = chars.next() {
        let next = chars.peek().and_then(|(_, class)| *class);
        let joins = match class {
            Class::Letter | Class::Digit | Class::Connector => true,
            Class::MidLetter => last == Class::Letter && next == Some(Class::Letter),
            Class::MidNumber => last == Class::Digit && next == Some(Class::Digit),
            Class::Mid => matches!(last, Class::Letter | Class::Digit) && next == Some(last),
            Class::Other => false,
        };
        match (joins, start) {
            (true, None) => start = Some(at),
            (true, Some(_)) => (),
            (false, from) => {
                if let Some(from) = from.filter(|_| has_word) {
                    take(&piece[from..at]);
                }
                (start, has_word) = (None, false);
            }
        }
        has_word |= matches!(class, Class::Letter | Class::Digit);
        last = class;
    }
    if let Some(from) = start.filter(|_| has_word) {
        take(&piece[from..]);
    }
}

/// Returns whether there is a boundary on both sides of `c` whatever stands there, but for
/// marks after it and for more of its kind.
fn is_gap(c: char) -> bool {
    c == ' ' || c == '\n'
}

fn class(c: char) -> Option<Class> {
    if c.is_ascii() {
        return Some(ASCII[c as usize]);
    }
    match c {
        '\u{B7}' => Some(Class::MidLetter),
        '\u{2018}' | '\u{2019}' => Some(Class::Mid),
        '§'
        | '°'
        | '«'
        | '»'
        | '¿'
        | '¡'
        | '×'
        | '÷'
        | '£'
        | '€'
        | '\u{2010}'..='\u{2015}'
        | '\u{201A}'
        | '\u{201C}'..='\u{201E}'
        | '•' => Some(Class::Other),
        // Latin, Cyrillic, and the Ethiopic syllables.
        'À'..='\u{24F}'
        | '\u{1E00}'..='\u{1EFF}'
        | '\u{400}'..='\u{481}'
        | '\u{48A}'..='\u{52F}'
        | '\u{1200}'..='\u{1248}' => Some(Class::Letter),
        _ => None,
    }
}

static ASCII: [Class; 128] = {
    let mut table = [Class::Other; 128];
    let mut at = 0;
    while at < 128 {
        table[at as usize] = match at {
            b'0'..=b'9' => Class::Digit,
            b'a'..=b'z' | b'A'..=b'Z' => Class::Letter,
            b'_' => Class::Connector,
            b':' => Class::MidLetter,
            b',' | b';' => Class::MidNumber,
            b'.' | b'\'' => Class::Mid,
            _ => Class::Other,
        };
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use icu_segmenter::{WordSegmenter, options::WordBreakInvariantOptions};

    use super::*;
    use crate::lexicon::tests::any_text;

    fn segmenter() -> WordSegmenterBorrowed<'static> {
        WordSegmenter::new_auto(WordBreakInvariantOptions::default())
    }

    /// Compares with the reference, ICU over the whole text.
    #[track_caller]
    fn check(text: &str) {
        let (mut fast, mut reference) = (Vec::new(), Vec::new());
        parts(segmenter(), text, |part| fast.push(part.to_owned()));
        by_icu(segmenter(), text, &mut |part: &str| reference.push(part.to_owned()));
        assert_eq!(fast, reference, "{text:?}");
    }

    fn classed() -> impl Iterator<Item = char> {
        ('\0'..='\u{3000}').filter(|c| class(*c).is_some())
    }

    #[test]
    fn every_character_with_a_class_is_cut_as_icu_does() {
        assert!(1_000 < classed().count());
        for c in classed() {
            // Between letters, digits, marks and what joins them, and doubled.
            check(&format!("a{c}a 1{c}1 a{c}1 1{c}a _{c}_ {c} a{c}{c}a 1{c}{c}1"));
            check(&format!("a.{c}.a 1,{c},1 a:{c}:a é-{c}ж {c}.{c} {c},{c} {c}:{c} {c}_{c}"));
            check(&format!("{c}\u{301}{c} 漢{c}ข ا{c}ا 1{c}a{c}_\n{c}\n\u{301}{c}\r{c}"));
        }
        let ascii = || ('\t'..='~').filter(|c| !c.is_ascii_control());
        for (c, d) in ascii().flat_map(|c| ascii().map(move |d| (c, d))) {
            check(&format!("a{c}{d}a1{c}{d}1a{c}{d}1 {c}é{d}_"));
        }
    }

    #[test]
    fn a_mark_after_a_space_stays_with_it() {
        for text in ["a \u{301}b", "a  \u{93F}क", "a\n\u{93F}b c", " \u{200D}b", "a\u{202F}b c"] {
            check(text);
        }
    }

    #[test]
    fn any_text_has_the_parts_that_icu_finds() {
        let classed: String = classed().collect();
        for seed in 1..=5_000 {
            check(&any_text(seed, &classed));
        }
    }
}
