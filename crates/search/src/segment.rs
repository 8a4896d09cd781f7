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
            // Beside and between every other class, doubled, at both ends.
            for (left, right) in
                ["", "a", "1", "_", ".", ",", ":", "-", "é", " ", "\u{301}", "漢", "ا", "\r"]
                    .iter()
                    .flat_map(|left| {
                        ["", "a", "1", "_", ".", ",", ":", " ", "ж", "ข", "\n"]
                            .map(|right| (left, right))
                    })
            {
                check(&format!("{left}{c}{right}"));
                check(&format!("a{left}{c}{right}1"));
                check(&format!("1{left}{c}{c}{right}a"));
            }
        }
    }

    #[test]
    fn a_mark_after_a_space_stays_with_it() {
        for text in ["a \u{301}b", "a  \u{93F}क", "a\n\u{93F}b c", " \u{200D}b", "a\u{202F}b c"] {
            check(text);
        }
    }

    /// Draws a text in which characters of all sorts stand side by side.
    fn any_text(state: &mut u64) -> String {
        const ODD: [char; 24] = [
            '\u{301}',
            '\u{AD}',
            '\u{200D}',
            '\u{200B}',
            '\u{93F}',
            '\u{94D}',
            'क',
            'ا',
            'ש',
            '"',
            'ข',
            '้',
            '漢',
            'カ',
            'ー',
            '한',
            '\u{1F469}',
            '\u{1F1F0}',
            '٣',
            '\u{2028}',
            '\t',
            '\r',
            '\u{202F}',
            '\u{3000}',
        ];
        const PLAIN: [char; 12] = [' ', ' ', '\n', '\'', '.', ',', ':', '_', 'a', 'Z', '0', '9'];
        let mut draw = |end: usize| {
            *state ^= *state >> 12;
            *state ^= *state << 25;
            *state ^= *state >> 27;
            usize::try_from(state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % end
        };
        let classed: Vec<char> = classed().collect();
        let length = draw(40);
        let c = |_| match draw(12) {
            0..5 => PLAIN[draw(PLAIN.len())],
            5..9 => classed[draw(classed.len())],
            9..11 => ODD[draw(ODD.len())],
            _ => char::from_u32(draw(0x11_0000) as u32).unwrap_or(' '),
        };
        (0..length).map(c).collect()
    }

    #[test]
    fn any_text_has_the_parts_that_icu_finds() {
        for seed in 1..=20_000 {
            let mut state = seed;
            check(&any_text(&mut state));
        }
    }
}
