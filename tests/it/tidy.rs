//! Rules of the style that neither rustfmt nor clippy checks.
//!
//! Invariant: each check collects everything that breaks its rule before it fails.
//! Not here: what the documents promise (`docs`), dependencies (`layers`).
//! Spec: docs/ARCHITECTURE.md, "Tests by level".

use std::process::Command;

use crate::tree::{self, File};

/// Most lines of a source file.
const LINES_MAX: usize = 600;

/// Folders of Rust code.
const CODE: &[&str] = &["crates", "node", "tests/it"];

/// Sources whose functions take the time and random bytes as arguments and do no IO.
const RULES: &[&str] =
    &["crates/record/src", "crates/identity/src", "crates/reconcile/src", "crates/protocol/src"];

/// Words that a rule never needs: clocks, random numbers, the system.
const NOT_PURE: &[&str] = &["SystemTime", "Instant", "rand", "getrandom"];

/// Modules of `std` that a rule never uses.
const SYSTEM: &[&str] = &["env", "fs", "net", "process", "thread"];

#[test]
fn files_say_what_they_are_for_and_are_not_too_long() {
    let mut broken = Vec::new();
    for File { path, text } in tree::files(CODE, ".rs") {
        if !text.starts_with("//! ") {
            broken.push(format!("{path}: does not start with `//!`"));
        }
        let lines = text.lines().count();
        if LINES_MAX < lines {
            broken.push(format!("{path}: {lines} lines, the limit is {LINES_MAX}"));
        }
    }
    assert_none(&broken);
}

#[test]
fn rules_read_no_clock_no_random_numbers_and_no_system() {
    let mut broken = Vec::new();
    for File { path, text } in tree::files(RULES, ".rs") {
        if is_test(&path) {
            continue;
        }
        let code = without_comments(before_tests(&text));
        let word = NOT_PURE.iter().find(|word| words(&code).any(|found| found == **word));
        let module = SYSTEM.iter().find(|module| uses_std(&code, module));
        if let Some(found) = word.or(module) {
            broken.push(format!("{path}: uses `{found}`"));
        }
    }
    assert_none(&broken);
}

#[test]
fn the_search_for_impure_code_finds_it() {
    for code in [
        "let now = std::time::Instant::now();",
        "use std::{\n    collections::BTreeMap,\n    fs,\n};",
        "std::thread::spawn(run)",
        "use std::net::{IpAddr, Ipv4Addr};",
        "rand::rng()",
    ] {
        let word = NOT_PURE.iter().any(|word| words(code).any(|found| found == *word));
        assert!(word || SYSTEM.iter().any(|module| uses_std(code, module)), "{code}");
    }
    let pure = "use std::{collections::BTreeMap, fmt};\nuse crate::net::Frame;\nlet operand = 1;";
    assert!(!SYSTEM.iter().any(|module| uses_std(pure, module)));
    assert!(!NOT_PURE.iter().any(|word| words(pure).any(|found| found == *word)));
}

#[test]
fn code_has_no_placeholders_and_no_unbounded_queues() {
    // Put together here, so that this file does not contain them.
    let banned = [
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("dbg", "!("),
        concat!("unbounded", "_channel"),
        concat!("mpsc::", "unbounded"),
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
    ];
    assert_none(&lines_with(&tree::files(CODE, ".rs"), &banned));
}

#[test]
fn tests_do_not_sleep_and_are_not_ignored() {
    let mut tests = tree::files(CODE, ".rs");
    tests.retain_mut(|file| {
        if !is_test(&file.path) {
            file.text = file.text.split_off(before_tests(&file.text).len());
        }
        !file.text.is_empty()
    });
    let banned =
        [concat!("thread::", "sleep"), concat!("time::", "sleep"), concat!("#[", "ignore")];
    assert_none(&lines_with(&tests, &banned));
}

#[test]
fn scripts_say_what_they_do_and_stop_at_errors() {
    let mut broken = Vec::new();
    for File { path, text } in tree::files(&["scripts", ".ci"], "") {
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        let is_shell = first.ends_with("bash") || first.ends_with("sh");
        if !first.starts_with("#!") {
            broken.push(format!("{path}: does not name its interpreter"));
        } else if is_shell {
            if !lines.next().is_some_and(|second| second.starts_with("# ")) {
                broken.push(format!("{path}: does not say what it does"));
            }
            if !text.lines().any(|line| line.starts_with("set -eu")) {
                broken.push(format!("{path}: goes on after errors, `set -eu` is missing"));
            }
        }
        if !is_executable(&path) {
            broken.push(format!("{path}: is not executable"));
        }
    }
    assert_none(&broken);
}

#[test]
fn code_tables_are_what_their_sources_give() {
    let python = Command::new("python3").arg("--version").output();
    if !python.is_ok_and(|ran| ran.status.success()) {
        println!("skipped: there is no python3");
        return;
    }
    let script = tree::root().join("scripts/gen-tables");
    let ran = Command::new(script).arg("--check").output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// Returns every line that contains one of the texts.
fn lines_with(files: &[File], banned: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for File { path, text } in files {
        for line in text.lines() {
            if banned.iter().any(|one| line.contains(one)) {
                found.push(format!("{path}: {}", line.trim()));
            }
        }
    }
    found
}

/// Returns whether the whole file is test code.
fn is_test(path: &str) -> bool {
    path.starts_with("tests/")
        || path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || path.contains("/conformance")
}

/// Returns the code above the tests of a source file, which come last.
fn before_tests(text: &str) -> &str {
    let tests = text.find("\n#[cfg(test)]\nmod tests {");
    &text[..tests.unwrap_or(text.len())]
}

fn without_comments(code: &str) -> String {
    let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}

/// Returns the identifiers and keywords of the code.
fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Returns whether the code names a module of `std`, by its path or in a `use` of several.
fn uses_std(code: &str, module: &str) -> bool {
    let by_path = format!("std::{module}");
    let named = code.match_indices(&by_path).any(|(at, _)| {
        let after = code[at + by_path.len()..].chars().next();
        !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
    });
    let mut lists = code.split("use std::{").skip(1).filter_map(|rest| rest.split(';').next());
    named || lists.any(|list| words(list).any(|word| word == module))
}

#[cfg(unix)]
fn is_executable(path: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let data = std::fs::metadata(tree::root().join(path)).unwrap();
    data.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &str) -> bool {
    true
}

#[track_caller]
pub(crate) fn assert_none(broken: &[String]) {
    assert!(broken.is_empty(), "{} to mend:\n{}", broken.len(), broken.join("\n"));
}
