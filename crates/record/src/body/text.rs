//! Rules for text, and the form in which our own writer produces it.
//!
//! Invariant: what [`normalize_line`] and [`normalize_text`] return is unchanged by them.
//! Others need not write NFC: their bytes are signed and stay as they are.
//! Not here: lengths (`scalar`).
//! Spec: docs/RECORDS.md, text.

use unicode_normalization::UnicodeNormalization;

/// Most characters of an offending value that a message repeats.
const SHORT_CHARS_MAX: usize = 60;

/// Returns what is wrong with `text` as one line.
pub(super) fn line_fault(text: &str) -> Option<&'static str> {
    if text.chars().any(|c| c.is_control() || is_line_separator(c)) {
        return Some("must be one line without control characters");
    }
    text.contains(is_bidi_control).then_some("must not contain direction controls")
}

/// Returns what is wrong with `text` as long text.
pub(super) fn text_fault(text: &str) -> Option<&'static str> {
    let bad = |c: char| c.is_control() && c != '\n' && c != '\t';
    text.contains(bad).then_some("must not contain control characters other than line feed and tab")
}

/// Returns `text` as our writer stores a long text: NFC, lines ended by line feeds, no white
/// space around the whole. Control characters stay, for the check to find.
pub fn normalize_text(text: &str) -> String {
    let composed: String = text.nfc().collect();
    composed.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned()
}

/// Returns `text` as our writer stores one line: NFC, runs of white space as one space, without
/// direction controls, which could make a title read as another.
pub fn normalize_line(text: &str) -> String {
    let kept: String = text.chars().filter(|c| !is_bidi_control(*c)).nfc().collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the start of a value, fit for a message: one line, nothing that moves the cursor.
pub(super) fn shorten(text: &str) -> String {
    let unsafe_char = |c: char| c.is_control() || is_line_separator(c) || is_bidi_control(c);
    let visible = |c: char| if unsafe_char(c) { char::REPLACEMENT_CHARACTER } else { c };
    let mut short: String = text.chars().take(SHORT_CHARS_MAX).map(visible).collect();
    if text.chars().nth(SHORT_CHARS_MAX).is_some() {
        short.push('…');
    }
    short
}

fn is_line_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// Returns whether `c` has the Unicode property `Bidi_Control`.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_has_no_controls_and_long_text_has_two() {
        assert!(line_fault("हिन्दी عربي zero\u{200d}joiner").is_none());
        for text in ["a\nb", "a\tb", "a\0", "a\u{85}b", "a\u{2028}b", "a\u{202e}b", "\u{200f}a"] {
            assert!(line_fault(text).is_some(), "{text:?}");
        }
        assert!(text_fault("a\n\tb\u{202b}c").is_none());
        assert!(["a\rb", "\u{1b}[31m", "\u{7f}"].iter().all(|text| text_fault(text).is_some()));
    }

    #[test]
    fn our_writer_composes_and_joins() {
        assert_eq!(normalize_line("  Cafe\u{301}\r\n \u{202e}bar\u{202c} "), "Café bar");
        assert_eq!(normalize_text("\n a\r\nb\rc e\u{301} \n"), "a\nb\nc é");
        for text in ["\u{202e}\u{301}e \u{61c}\u{301}", "क\u{94d}\u{200d}ष", "e\u{200e}\u{301}"]
        {
            let line = normalize_line(text);
            assert_eq!(normalize_line(&line), line, "{text:?}");
        }
    }

    #[test]
    fn a_message_repeats_the_start_of_a_value_only() {
        assert_eq!(shorten("a\u{1b}[2J\u{202e}"), "a\u{fffd}[2J\u{fffd}");
        assert_eq!(shorten(&"é".repeat(61)), format!("{}…", "é".repeat(60)));
    }
}
