//! Odd input and many threads: answers, never a panic.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use baraza_protocol::index::{Index, IndexDoc, Query};

use crate::fixture::{Fixture, all, at, doc};

/// The big list of naughty strings, of which `tests/vectors/SOURCES.md` tells the source.
fn naughty_strings() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/blns/blns.json");
    let strings: Vec<String> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(500 < strings.len());
    strings
}

#[test]
fn no_text_is_an_error() {
    let strings = naughty_strings();
    let languages = ["ar", "en", "es", "fr", "hi", "pt", "ru", "sw", "zh", "", "x-odd"];
    let docs: Vec<IndexDoc> = strings
        .iter()
        .zip(languages.iter().cycle())
        .zip(0..)
        .map(|((text, language), number)| doc(number, language, text, text))
        .collect();
    let fixture = Fixture::new(&docs);
    assert_eq!(fixture.index.search(&all()).unwrap().total, docs.len());
    let mut found = 0;
    for text in &strings {
        for text in [text.clone(), format!("\"{text}\""), format!("-{text}"), format!("+{text}")] {
            let odd = vec![text.clone()];
            let plain = fixture.index.search(&Query { text, ..all() }).unwrap();
            found += plain.hits.len();
            let filtered =
                Query { languages: odd.clone(), countries: odd.clone(), targets: odd, ..all() };
            fixture.index.search(&filtered).unwrap();
        }
    }
    assert!(1_000 < found, "most strings that have words find themselves");
}

#[test]
fn a_text_without_words_finds_nothing() {
    let fixture = Fixture::new(&[doc(1, "en", "Title", "text")]);
    for text in ["?!", "-", "\"\"", "\u{1F33E}", "\u{0}"] {
        assert_eq!(fixture.find(text), [] as [u16; 0], "{text:?}");
    }
}

#[test]
fn a_long_query_and_a_long_record_are_taken() {
    let words: String = (0..40_000).map(|number| format!("neno{number} ")).collect();
    let fixture =
        Fixture::new(&[doc(1, "sw", &words, &words), doc(2, "th", "ข้าว", &"ปลูกข้าว".repeat(3_000))]);
    assert_eq!(fixture.find(&words), [1]);
    assert_eq!(fixture.find("neno39999"), [1]);
}

#[test]
fn searches_see_whole_batches_while_others_are_applied() {
    let fixture = Fixture::new(&[]);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut seen = 0;
                while !done.load(Ordering::Acquire) {
                    let query = Query { text: "water".to_owned(), ..all() };
                    let total = fixture.index.search(&query).unwrap().total;
                    assert_eq!(total % 5, 0, "a batch is seen whole or not at all");
                    assert!(seen <= total);
                    seen = total;
                }
            });
        }
        for batch in 0..20_u16 {
            let docs: Vec<IndexDoc> =
                (0..5).map(|n| doc(batch * 5 + n, "en", "Wells", "deep water")).collect();
            fixture.index.apply(&docs, &[], at(u64::from(batch) + 2)).unwrap();
            let seen = fixture.find("water").len();
            assert_eq!(seen, usize::from(batch + 1) * 5, "seen as soon as applied");
        }
        done.store(true, Ordering::Release);
    });
}
