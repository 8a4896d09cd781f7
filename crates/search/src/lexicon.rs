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

#[cfg(test)]
pub(crate) mod tests {
    use std::{fs, path::Path};

    use icu_segmenter::{WordSegmenter, options::WordBreakInvariantOptions};
    use unicode_normalization::UnicodeNormalization;

    use super::*;
    use crate::{
        analysis::Word,
        fold::{fold, is_apostrophe, is_invisible},
    };

    /// Draws a text in which characters of all sorts stand side by side, some of them `often`.
    pub(crate) fn any_text(seed: u64, often: &str) -> String {
        const PLAIN: &str = "  \n'.,:_aZe09";
        const ODD: &str = "\u{301}\u{AD}\u{200D}\u{200B}\u{93F}\u{94D}क\u{627}\u{5E9}\"ข้漢カー한\
            \u{1F469}\u{1F1F0}\u{663}\u{2028}\t\r\u{202F}\u{3000}\u{FB01}\u{AA}\u{2026}";
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut draw = |end: usize| {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            usize::try_from(state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % end
        };
        let [plain, odd, often] =
            [PLAIN, ODD, often].map(|text| text.chars().collect::<Vec<char>>());
        let length = draw(40);
        let c = |_| match draw(12) {
            0..5 => plain[draw(plain.len())],
            5..9 => often[draw(often.len())],
            9..11 => odd[draw(odd.len())],
            _ => u32::try_from(draw(0x11_0000)).ok().and_then(char::from_u32).unwrap_or(' '),
        };
        (0..length).map(c).collect()
    }

    /// The reference: the whole text normalised and cut by ICU, and every word made
    /// comparable for itself, without a short way for any script.
    fn reference(text: &str) -> Vec<Word> {
        let segmenter = WordSegmenter::new_auto(WordBreakInvariantOptions::default());
        let text: String = text.nfkc().collect();
        let bounds: Vec<usize> = segmenter.segment_str(&text).collect();
        let parts = bounds.windows(2).map(|bounds| &text[bounds[0]..bounds[1]]);
        let parts = parts.filter(|part| part.contains(char::is_alphanumeric));
        let word = |part: &str| {
            let seen = part.chars().take(64).filter(|c| !is_invisible(*c));
            let seen = seen.map(|c| if is_apostrophe(c) { '\'' } else { c });
            let lower = seen.collect::<String>().to_lowercase();
            let lower = crate::analysis::without_elision(&lower).to_owned();
            let folded = fold(&lower);
            (!folded.is_empty()).then_some(Word { lower, folded })
        };
        parts.filter_map(word).collect()
    }

    /// Compares what is indexed of a text with the reference, token by token.
    #[track_caller]
    fn check(lexicon: &mut Lexicon, analyzer: &Analyzer, language: &str, text: &str) {
        let kind = Forms::of(language);
        let (mut words, mut forms) = (String::new(), String::new());
        lexicon.read(analyzer, kind, text, &mut words, &mut forms);
        let lines =
            |text: &str| -> Vec<String> { text.split_terminator(END).map(str::to_owned).collect() };
        let expected = reference(text);
        let folded: Vec<String> = expected.iter().map(|word| word.folded.clone()).collect();
        assert_eq!(lines(&words), folded, "{language} {text:?}");
        let of = |word: &Word| -> Vec<String> {
            match kind {
                Forms::Stems(index) => stems(STEMMED[index].1, word).collect(),
                Forms::Grams => word.grams().map(str::to_owned).collect(),
                Forms::Nothing => Vec::new(),
            }
        };
        let expected: Vec<String> = expected.iter().flat_map(of).collect();
        assert_eq!(lines(&forms), expected, "{language} {text:?}");
    }

    const LANGUAGES: [&str; 10] = ["ar", "en", "es", "fr", "hi", "pt", "ru", "sw", "zh", "am"];

    const PROSE: [&str; 10] = [
        "تدريب المزارعين: تعلم المزارعون حفظ البذور، في المكتبات وإدارة المياه 2.5 ٣٫٥",
        "The farmers' 1,000.50 seeds; don't_stop (e-mail) 3:30pm U.S.A. v1.2",
        "Formación de agricultores «canciones» ¿para? la educación… l·l",
        "Gestion de l’eau et d'irrigation – aujourd’hui, œuvre",
        "किसानों का प्रशिक्षण। गाँव की महिलाओं ने पुस्तकालयों में सीखा २०२४",
        "Capacitação: organizações de mulheres e bibliotecas comunitárias nº 5",
        "Библиотеки помогают учителям сельских школ; ёлка, объём 10,5%",
        "Wakulima walijifunza kuhifadhi mbegu na kutunza ng'ombe, ng’ombe",
        "农民在图书馆学习种植水稻和管理水资源。ﾊﾝｶｸ カタカナ ＡＢＣ１２３",
        "ገበሬዎች ስለ ውሃ አጠቃቀም ተማሩ፤ ፀሐይ ኃይል ẹ̀kọ́ Việt Nam ƙasa",
    ];

    #[test]
    fn what_is_indexed_is_what_each_word_says_for_itself() {
        let (mut lexicon, analyzer) = (Lexicon::default(), Analyzer::new());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/blns/blns.json");
        let odd: Vec<String> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let all = PROSE.concat();
        let drawn = (1..=1_500).map(|seed| any_text(seed, &all));
        let texts = PROSE.iter().map(|text| (*text).to_owned()).chain(odd).chain(drawn);
        for (text, language) in texts.zip(LANGUAGES.iter().cycle()) {
            check(&mut lexicon, &analyzer, language, &text);
            check(&mut lexicon, &analyzer, language, &text.to_uppercase());
            check(&mut lexicon, &analyzer, "en", &text);
        }
    }

    #[test]
    fn forgetting_changes_nothing() {
        let (mut lexicon, analyzer) = (Lexicon::default(), Analyzer::new());
        let number = |number: usize| format!("libraries{number} ");
        let many: String = (0..=WORDS_MAX).map(number).collect();
        let (mut words, mut forms) = (String::new(), String::new());
        lexicon.read(&analyzer, Forms::of("sw"), &many, &mut words, &mut forms);
        assert_eq!(words.split_terminator(END).count(), WORDS_MAX + 1);
        assert_eq!(lexicon.count, 1, "the last one found no place");
        check(&mut lexicon, &analyzer, "en", PROSE[1]);
    }
}
