//! What every command has at hand: the host, the screen and the options that hold everywhere.
//!
//! Spec: docs/ARCHITECTURE.md, "Command line".

use std::{
    fmt::Display,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use baraza_api::{Client, ErrorCode};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    args::{Common, PassphraseFile},
    error::{Failure, failure},
    host::{Host, Passphrase},
    output::{self, Table},
    safe::Safe,
    screen::Screen,
};

/// Most bytes of a file with a passphrase.
const PASSPHRASE_BYTES_MAX: usize = 4_096;

/// One run of the command line.
pub(crate) struct Shell<'a, 'b> {
    pub(crate) host: &'a dyn Host,
    pub(crate) screen: &'a mut Screen<'b>,
    pub(crate) home: PathBuf,
    /// Where the node listens, if it is not to be looked for in the home.
    pub(crate) socket: Option<PathBuf>,
    pub(crate) json: bool,
    quiet: bool,
    yes: bool,
}

impl<'a, 'b> Shell<'a, 'b> {
    pub(crate) fn new(host: &'a dyn Host, screen: &'a mut Screen<'b>, common: Common) -> Self {
        let Common { json, home, socket, quiet, yes } = common;
        let home = home.unwrap_or_else(|| host.default_home());
        Self { host, screen, home, socket, json, quiet, yes }
    }

    /// Returns a way to the node.
    pub(crate) fn client(&self) -> Result<Box<dyn Client>, Failure> {
        match &self.socket {
            Some(socket) => Ok(self.host.client_at(socket)?),
            None => Ok(self.host.client(&self.home)?),
        }
    }

    /// Prints a part of the result as it is.
    pub(crate) fn print(&mut self, text: impl Display) -> Result<(), Failure> {
        Ok(write!(self.screen.out, "{text}")?)
    }

    /// Prints the result as JSON.
    pub(crate) fn print_json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        self.print(output::json(value) + "\n")
    }

    /// Prints a table that is part of the result.
    pub(crate) fn print_table(&mut self, table: &Table) -> Result<(), Failure> {
        self.print(table.render(self.screen.columns, self.screen.out_colour))
    }

    /// Returns `text` as a heading.
    pub(crate) fn heading(&self, text: impl Display) -> String {
        output::paint(&text.to_string(), output::BOLD, self.screen.out_colour)
    }

    /// Tells people something beside the result. A closed error stream is no matter.
    pub(crate) fn note(&mut self, text: impl Display) {
        if !self.quiet && !self.json {
            let _ = writeln!(self.screen.err, "{text}");
        }
    }

    /// Tells what a person must see before a question is answered, also with `--quiet`.
    pub(crate) fn tell(&mut self, text: impl Display) {
        if !(self.yes && (self.quiet || self.json)) {
            let _ = writeln!(self.screen.err, "{text}");
        }
    }

    /// Returns whether every question is answered with yes.
    pub(crate) fn yes(&self) -> bool {
        self.yes
    }

    /// Returns whether the person wants `question` done.
    pub(crate) fn confirm(&mut self, question: &str) -> Result<bool, Failure> {
        self.confirm_or(question, "this cannot be undone and there is no terminal to ask on")
    }

    /// Returns whether the person wants `question` done; `what` is the error without a terminal.
    pub(crate) fn confirm_or(&mut self, question: &str, what: &str) -> Result<bool, Failure> {
        if self.yes {
            return Ok(true);
        }
        let answer = self.ask(&format!("{question} [y/N] "))?;
        let Some(answer) = answer else {
            return Err(failure(ErrorCode::BadRequest, what).hint("add --yes to do it"));
        };
        let sure = matches!(answer.to_lowercase().as_str(), "y" | "yes");
        if !sure {
            self.note("Nothing was done.");
        }
        Ok(sure)
    }

    /// Asks for a line; none if there is nobody to ask.
    pub(crate) fn ask(&mut self, question: &str) -> Result<Option<String>, Failure> {
        let Some(answers) = self.screen.answers.as_mut() else { return Ok(None) };
        write!(self.screen.err, "{}", Safe(question))?;
        self.screen.err.flush()?;
        answers.line().map(Some).map_err(|error| no_answer(&error))
    }

    /// Asks for a passphrase; none if there is nobody to ask.
    pub(crate) fn ask_secret(&mut self, question: &str) -> Result<Option<Passphrase>, Failure> {
        let Some(answers) = self.screen.answers.as_mut() else { return Ok(None) };
        answers.secret(question).map(Some).map_err(|error| no_answer(&error))
    }

    /// Asks for words that are shown while they are typed; none if there is nobody to ask.
    pub(crate) fn ask_words(&mut self, question: &str) -> Result<Option<Passphrase>, Failure> {
        Ok(self.ask(question)?.map(Zeroizing::new))
    }

    /// Draws how far long work is; invisible without a terminal.
    pub(crate) fn progress(&self, total_bytes: u64, what: &'static str) -> ProgressBar {
        let hidden = self.quiet || self.json || !self.screen.progress;
        let target =
            if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let style = "{msg} [{bar:30}] {binary_bytes} of {binary_total_bytes}, {eta} left";
        let style = ProgressStyle::with_template(style).expect("the template is well formed");
        let style = style.progress_chars("=> ");
        ProgressBar::with_draw_target(Some(total_bytes), target)
            .with_style(style)
            .with_message(what)
    }

    /// Draws a line that changes in place; invisible without a terminal.
    pub(crate) fn line(&self) -> ProgressBar {
        let hidden = self.quiet || self.json || !self.screen.progress;
        let target =
            if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let style = ProgressStyle::with_template("{msg}").expect("the template is well formed");
        ProgressBar::with_draw_target(None, target).with_style(style)
    }
}

impl PassphraseFile {
    /// Returns the first line of the file, if one is named.
    pub(crate) fn read(&self) -> Result<Option<Passphrase>, Failure> {
        let Some(path) = &self.passphrase_file else { return Ok(None) };
        let bytes = Zeroizing::new(read_file(path, PASSPHRASE_BYTES_MAX)?);
        let line = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
        match str::from_utf8(line) {
            Ok(text) if !text.is_empty() => Ok(Some(Zeroizing::new(text.to_owned()))),
            _ => {
                let what = format!("`{}` does not begin with a line of text", path.display());
                Err(failure(ErrorCode::Invalid, what))
            }
        }
    }
}

/// Reads a file of at most `bytes_max` bytes.
pub(crate) fn read_file(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: io::Error| {
        failure(ErrorCode::Invalid, format!("`{}` cannot be read: {error}", path.display()))
    };
    let file = fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // One byte more shows that there is more.
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes_max < bytes.len() {
        let what = format!("`{}` has more than the {bytes_max} bytes allowed", path.display());
        return Err(failure(ErrorCode::Invalid, what));
    }
    Ok(bytes)
}

fn no_answer(error: &io::Error) -> Failure {
    failure(ErrorCode::BadRequest, format!("there was no answer: {error}"))
}
