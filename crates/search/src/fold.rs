//! Folding: spellings that people use for one another become one.
//!
//! Invariant: marks go only where they are optional in writing (Latin, Greek, Cyrillic,
//! Arabic, Hebrew). In Indic, Thai, Khmer and the like, a mark is a vowel and stays.
//! Not here: the order of the steps (`analysis`).
//! Spec: docs/ARCHITECTURE.md, "Derived state".

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The zero of every decimal system of a script in use; the other nine follow it.
const ZEROS: [u32; 31] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90,
    0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA8D0, 0xABF0, 0x1E950,
];

/// Returns `word` (in lower case) in the form that is compared.
pub(crate) fn fold(word: &str) -> String {
    let mut folded = String::with_capacity(word.len());
    let mut marks_go = false;
    for c in word.nfd() {
        if is_combining_mark(c) {
            match c {
                '\u{93C}' => (),                     // Devanagari nukta: often left out
                '\u{901}' => folded.push('\u{902}'), // chandrabindu, often written as anusvara
                _ if marks_go => (),
                _ => folded.push(c),
            }
        } else {
            marks_go = is_mark_optional(c);
            push_folded(&mut folded, c);
        }
    }
    // Hangul and kana were taken apart only to look at them.
    folded.nfc().collect()
}

/// Returns whether `c` is written as an apostrophe.
pub(crate) fn is_apostrophe(c: char) -> bool {
    matches!(
        c,
        '\'' | '\u{2018}' | '\u{2019}' | '\u{201B}' | '\u{2BC}' | '\u{2BB}' | '\u{2B9}' | '`'
    )
}

/// Returns whether `c` shapes or orders text without being seen itself.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{61C}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{2069}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{640}' // tatweel: stretches an Arabic word
    )
}

/// Returns whether marks over or under `base` may be left out by a writer.
fn is_mark_optional(base: char) -> bool {
    matches!(
        u32::from(base),
        0x41..=0x5A | 0x61..=0x7A | 0xC0..=0x2AF | 0x1E00..=0x1EFF | 0x2C60..=0x2C7F // Latin
            | 0x370..=0x3FF | 0x1F00..=0x1FFF // Greek
            | 0x400..=0x52F | 0x1C80..=0x1C8F | 0xA640..=0xA69F // Cyrillic
            | 0x590..=0x5FF // Hebrew
            | 0x600..=0x6FF | 0x750..=0x77F | 0x8A0..=0x8FF // Arabic
    )
}

fn push_folded(folded: &mut String, c: char) {
    match c {
        'ß' => folded.push_str("ss"),
        'æ' => folded.push_str("ae"),
        'œ' => folded.push_str("oe"),
        'þ' => folded.push_str("th"),
        _ => folded.push(folded_char(c)),
    }
}

fn folded_char(c: char) -> char {
    match c {
        // Letters with a stroke, hook or no dot do not decompose.
        'ø' => 'o',
        'đ' | 'ð' | 'ɗ' => 'd',
        'ł' => 'l',
        'ı' => 'i',
        'ɓ' => 'b',
        'ƙ' => 'k',
        'ƴ' => 'y',
        'ħ' => 'h',
        'ς' => 'σ',
        // Arabic: wasla, alef maqsura, ta marbuta; Persian and Urdu keyboards.
        'ٱ' => 'ا',
        'ى' | 'ی' => 'ي',
        'ة' | 'ہ' | 'ۃ' => 'ه',
        'ک' => 'ك',
        _ => ethiopic(c).or_else(|| digit(c)).unwrap_or(c),
    }
}

/// Returns the usual spelling of an Ethiopic syllable that sounds like another in Amharic.
fn ethiopic(c: char) -> Option<char> {
    let code = u32::from(c);
    let (base, order) = match code {
        0x1200..=0x1207 => (0x1200, code - 0x1200),
        0x1210..=0x1216 => (0x1200, code - 0x1210),
        0x1280..=0x1286 => (0x1200, code - 0x1280),
        0x12B8..=0x12BE => (0x1200, code - 0x12B8),
        0x1220..=0x1227 => (0x1230, code - 0x1220),
        0x12A0..=0x12A6 => (0x12A0, code - 0x12A0),
        0x12D0..=0x12D6 => (0x12A0, code - 0x12D0),
        0x1340..=0x1346 => (0x1338, code - 0x1340),
        _ => return None,
    };
    // In the two guttural rows, the first and the fourth order sound alike as well.
    let order = if order == 3 && (base == 0x1200 || base == 0x12A0) { 0 } else { order };
    char::from_u32(base + order)
}

fn digit(c: char) -> Option<char> {
    let code = u32::from(c);
    let at = ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?;
    char::from_digit(code - ZEROS[at], 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, expected: &str) {
        assert_eq!(fold(word), expected, "{word}");
    }

    #[test]
    fn marks_go_where_they_are_optional() {
        check("éducação", "educacao");
        check("άνεμος", "ανεμοσ");
        check("ёлка", "елка");
        check("مُعَلِّم", "معلم");
        check("שָׁלוֹם", "שלום");
        check("ẹ̀kọ́", "eko");
        check("ƙasa", "kasa");
    }

    #[test]
    fn marks_stay_where_they_are_vowels() {
        check("किसान", "किसान");
        check("ข้าว", "ข้าว");
        check("স্কুল", "স্কুল");
        check("がっこう", "がっこう");
        check("한국", "한국");
    }

    #[test]
    fn hindi_spellings_meet() {
        check("गाँव", "गांव");
        check("ज़मीन", "जमीन");
    }

    #[test]
    fn arabic_letter_forms_meet() {
        check("أحمد", "احمد");
        check("إدارة", "اداره");
        check("آبار", "ابار");
        check("مستشفى", "مستشفي");
    }

    #[test]
    fn ethiopic_homophones_meet() {
        check("ፀሐይ", "ጸሀይ");
        check("ሠላም", "ሰላም");
        check("ዓለም", "አለም");
        check("ኃይል", "ሀይል");
    }

    #[test]
    fn digits_of_every_script_are_ascii() {
        check("٢٠٢٤", "2024");
        check("२०२४", "2024");
        check("৭", "7");
        check("𞥐𞥙", "09");
        assert!(ZEROS.is_sorted(), "`digit` searches by halves");
    }
}
