//! Tests of the readers and the writer as callers see them.
//!
//! Spec: docs/FORMATS.md, drafts.

mod hostile;
mod json;
mod markdown;
mod round_trip;
mod table;

use crate::{FILE_BYTES_MAX, parse};

#[test]
fn a_file_is_refused_whole_for_what_makes_it_unreadable() {
    let large = vec![b'a'; FILE_BYTES_MAX + 1];
    check("a.md", b"ab\xff", "`a.md` is not UTF-8 at byte 2; save it as UTF-8");
    check("a.csv", b"\xff\xfet\0", "`a.csv` is not UTF-8 at byte 0; save it as UTF-8");
    check("a.json", b"\xef\xbb\xbf \n", "`a.json` is empty");
    check(
        "a.xlsx",
        b"PK",
        "`a.xlsx` ends in none of .md, .markdown, .json, .jsonl, .ndjson and .csv; save it as one of them",
    );
    check("practice", b"a", "`practice` ends in none of");
    check("A.MD", &large, "`A.MD` has 16777217 bytes, the limit is 16777216; split it");

    #[track_caller]
    fn check(name: &str, bytes: &[u8], message: &str) {
        let error = parse(name, bytes, None).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
}
