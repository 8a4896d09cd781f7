//! What the documents promise: limits, links, commands.
//!
//! Not here: what the commands do (`node/tests`, `crates/cli/tests`). A command is parsed as
//! far as `--help` allows: subcommands, options and their values must exist, what is required
//! may be missing.

use std::{collections::BTreeSet, path::Path};

use baraza_api::{CheckReply, Client, ErrorBody, ErrorCode, RootSignature};
use baraza_cli::{
    BackupReport, DemoOptions, DemoStep, Enrolment, ErasureToSign, Host, InitOptions, InitReport,
    JoinOptions, JoinReport, KeyAt, KeyPlan, NewKeys, Passphrase, Ready, RepairReport,
    RestoreOptions, RestoreReport, Screen, StartOptions, run_on,
};
use baraza_record::{PublicKey, Timestamp, sign::Signature};

use crate::{
    tidy::assert_none,
    tree::{self, File},
};

/// How the name of a limit ends.
const LIMIT_ENDS: &[&str] = &["_MAX", "_MIN", "_BYTES", "_MS", "_EVERY", "_TARGET"];

#[test]
fn the_list_of_limits_has_every_public_limit_and_no_other() {
    let list = tree::read("docs/LIMITS.md");
    let listed: BTreeSet<&str> = list.lines().filter_map(limit_of_row).collect();
    let sources = tree::files(&["crates", "node"], ".rs");
    let constants: BTreeSet<&str> =
        sources.iter().flat_map(|file| file.text.lines()).filter_map(constant).collect();

    let mut broken = Vec::new();
    for File { path, text } in &sources {
        let public = text.lines().filter(|line| line.starts_with("pub const "));
        let public = public.filter(|_| path.contains("/src/"));
        for name in public.filter_map(constant) {
            if LIMIT_ENDS.iter().any(|end| name.ends_with(end)) && !listed.contains(name) {
                broken.push(format!("{path}: docs/LIMITS.md does not list {name}"));
            }
        }
    }
    let gone = listed.difference(&constants);
    broken.extend(gone.map(|name| format!("docs/LIMITS.md: there is no constant {name}")));
    assert!(!listed.is_empty(), "docs/LIMITS.md lists nothing that is recognised");
    assert_none(&broken);
}

#[test]
fn documents_have_no_trailing_whitespace() {
    let mut broken = Vec::new();
    for File { path, text } in documents() {
        for (index, line) in text.lines().enumerate() {
            if line.ends_with(char::is_whitespace) {
                broken.push(format!("{path}:{}", index + 1));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for File { path, text } in documents() {
        let folder = tree::root().join(&path).parent().unwrap().to_owned();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if !target.contains("://") && !file.is_empty() && !folder.join(file).exists() {
                broken.push(format!("{path}: {target}"));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn commands_in_documents_exist() {
    let (mut broken, mut seen) = (Vec::new(), 0);
    for File { path, text } in documents() {
        for line in commands(&text) {
            let mut words = shell_words(line);
            match words.first().map(String::as_str) {
                Some("baraza") => (),
                // `cargo run` takes what follows the dashes for the program's arguments.
                Some("cargo") if words.get(1).is_some_and(|verb| verb == "run") => {
                    let dashes = words.iter().position(|word| word == "--").unwrap_or(words.len());
                    words.drain(..dashes);
                    words.insert(0, "baraza".to_owned());
                    words.retain(|word| word != "--");
                }
                Some(script) if script.starts_with("scripts/") => {
                    if !tree::root().join(script).exists() {
                        broken.push(format!("{path}: {line}\n  there is no {script}"));
                    }
                    continue;
                }
                _ => continue,
            }
            seen += 1;
            words.push("--help".to_owned());
            if let Err(said) = parse(words) {
                broken.push(format!("{path}: {line}\n  {said}"));
            }
        }
    }
    assert!(seen > 0, "no document shows a command");
    assert_none(&broken);
}

#[test]
fn a_command_that_does_not_exist_is_found() {
    let parse = |line| parse(shell_words(line).into_iter().chain(["--help".to_owned()]).collect());
    assert_eq!(parse("baraza search \"clean water\" --sdg 6"), Ok(()));
    for wrong in ["baraza serach water", "baraza search --goals 6", "baraza new poem"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_line_is_split_as_a_shell_does() {
    let words = shell_words("baraza init --name \"Water Institute\" 'a b'  > out.txt");
    assert_eq!(words, ["baraza", "init", "--name", "Water Institute", "a b"]);
    assert_eq!(shell_words("baraza status      what is well"), ["baraza", "status"]);
    assert_eq!(shell_words("baraza list | head"), ["baraza", "list"]);
}

fn documents() -> Vec<File> {
    tree::files(&["README.md", "docs", "tests/vectors/SOURCES.md", "node/demo/SOURCES.md"], ".md")
}

/// Returns the name in the first cell of a row of the list of limits.
fn limit_of_row(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix("| `")?.split_once("` |")?;
    is_constant(name).then_some(name)
}

/// Returns the name of the constant that a line of code defines.
fn constant(line: &str) -> Option<&str> {
    let (before, rest) = line.trim_start().split_once("const ")?;
    let (name, _) = rest.split_once(':')?;
    ((before.is_empty() || before.starts_with("pub")) && is_constant(name)).then_some(name)
}

fn is_constant(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// Returns what stands behind a prompt in the fenced blocks of a document.
pub(crate) fn commands(document: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    document.lines().filter_map(move |line| {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        line.strip_prefix("$ ").filter(|_| fenced)
    })
}

/// Splits a command as a shell does, up to a redirection, a pipe, a comment, or the two
/// spaces with which documents set off an explanation.
fn shell_words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('>' | '|' | '#' | ';' | '&', None) if word.is_none() => break,
            (' ', None) => {
                words.extend(word.take());
                if characters.peek() == Some(&' ') {
                    // An explanation, unless something quoted or a redirection follows.
                    match characters.by_ref().find(|c| *c != ' ') {
                        Some(open @ ('"' | '\'')) => {
                            quote = Some(open);
                            word = Some(String::new());
                        }
                        _ => break,
                    }
                }
            }
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Has the command line read the words, which end with `--help`; fails with what it says.
fn parse(words: Vec<String>) -> Result<(), String> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut screen = Screen {
        out: &mut out,
        err: &mut err,
        answers: None,
        columns: None,
        out_colour: false,
        err_colour: false,
        progress: false,
        now: Timestamp::default(),
    };
    match run_on(words.into_iter().map(Into::into), &Nowhere, &mut screen) {
        0 => Ok(()),
        _ => Err(String::from_utf8_lossy(&err).trim().replace('\n', "\n  ")),
    }
}

/// A host without a node: help needs none.
struct Nowhere;

impl Nowhere {
    fn refuse<T>(&self) -> Result<T, ErrorBody> {
        Err(ErrorBody::new(ErrorCode::Home, "help needs no node"))
    }
}

impl Host for Nowhere {
    fn default_home(&self) -> std::path::PathBuf {
        tree::root().join("no home")
    }

    fn client(&self, _: &Path) -> Result<Box<dyn Client>, ErrorBody> {
        self.refuse()
    }

    fn client_at(&self, _: &Path) -> Result<Box<dyn Client>, ErrorBody> {
        self.refuse()
    }

    fn init(&self, _: &Path, _: InitOptions) -> Result<InitReport, ErrorBody> {
        self.refuse()
    }

    fn start(&self, _: &Path, _: StartOptions, _: &mut dyn FnMut(&Ready)) -> Result<(), ErrorBody> {
        self.refuse()
    }

    fn check(&self, _: &Path, _: bool) -> Result<CheckReply, ErrorBody> {
        self.refuse()
    }

    fn repair(&self, _: &Path) -> Result<RepairReport, ErrorBody> {
        self.refuse()
    }

    fn backup(&self, _: &Path, _: &Path) -> Result<BackupReport, ErrorBody> {
        self.refuse()
    }

    fn restore(&self, _: &Path, _: RestoreOptions) -> Result<RestoreReport, ErrorBody> {
        self.refuse()
    }

    fn last_backup(&self, _: &Path) -> Option<u64> {
        None
    }

    fn confirm_recovery(&self, _: &Path) -> Result<(), ErrorBody> {
        self.refuse()
    }

    fn sign_erasure(&self, _: &Path, _: ErasureToSign<'_>) -> Result<RootSignature, ErrorBody> {
        self.refuse()
    }

    fn demo(&self, _: DemoOptions, _: &mut dyn FnMut(&DemoStep)) -> Result<(), ErrorBody> {
        self.refuse()
    }

    fn join(&self, _: &Path, _: JoinOptions) -> Result<JoinReport, ErrorBody> {
        self.refuse()
    }

    fn read_enrolment(&self, _: &Path) -> Result<Enrolment, ErrorBody> {
        self.refuse()
    }

    fn public_key(
        &self,
        _: &Path,
        _: KeyAt<'_>,
        _: Option<&Passphrase>,
    ) -> Result<PublicKey, ErrorBody> {
        self.refuse()
    }

    fn sign_event(
        &self,
        _: &Path,
        _: KeyAt<'_>,
        _: Option<&Passphrase>,
        _: &[u8],
    ) -> Result<(PublicKey, Signature), ErrorBody> {
        self.refuse()
    }

    fn new_keys(
        &self,
        _: &Path,
        _: &str,
        _: KeyPlan,
        _: Option<&Path>,
        _: Option<&Passphrase>,
    ) -> Result<NewKeys, ErrorBody> {
        self.refuse()
    }

    fn new_operator(
        &self,
        _: &Path,
        _: Option<&Passphrase>,
    ) -> Result<(PublicKey, PublicKey), ErrorBody> {
        self.refuse()
    }

    fn settle_keys(&self, _: &Path, _: &[PublicKey]) -> Result<bool, ErrorBody> {
        self.refuse()
    }
}
