//! Tests of records from outside: signatures, mutations, bodies.
//!
//! Vectors: tests/vectors, whose sources are in its SOURCES.md.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

mod bodies;
mod compact;
mod mutations;
mod signatures;

use std::path::Path;

use serde_json::Value;

/// Reads a JSON file of `tests/vectors`.
fn vectors(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// Returns the bytes of a text in hexadecimal.
fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes();
    assert_eq!(digits.len() % 2, 0, "{text}");
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks_exact(2).map(pair).collect()
}
