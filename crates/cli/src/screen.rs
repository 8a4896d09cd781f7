//! Where a command writes, and whom it can ask.
//!
//! Invariant: without a terminal there are no colours, no progress and no questions.
//! Not here: what is written (`output`, `commands`).
//! Spec: docs/OPERATIONS.md, "Output".

use std::io::{self, BufRead, IsTerminal, Write};

use baraza_record::Timestamp;
use zeroize::Zeroizing;

use crate::{clock, host::Passphrase};

/// Most bytes of an answer to a question.
const ANSWER_BYTES_MAX: u64 = 4_096;

/// Somebody who answers questions.
pub trait Answers {
    /// Reads a line.
    ///
    /// # Errors
    ///
    /// If there is none.
    fn line(&mut self) -> io::Result<String>;

    /// Shows `prompt` and reads a line that is not shown.
    ///
    /// # Errors
    ///
    /// If there is none.
    fn secret(&mut self, prompt: &str) -> io::Result<Passphrase>;
}

/// What surrounds a command.
pub struct Screen<'a> {
    /// Results.
    pub out: &'a mut dyn Write,
    /// Errors, notes and questions.
    pub err: &'a mut dyn Write,
    /// Answers, if there is a terminal to give them.
    pub answers: Option<&'a mut dyn Answers>,
    /// Columns of the terminal that results go to; none if they go elsewhere.
    pub columns: Option<usize>,
    /// Whether results may be coloured.
    pub out_colour: bool,
    /// Whether errors may be coloured.
    pub err_colour: bool,
    /// Whether progress is drawn on the process's error stream.
    pub progress: bool,
    /// The time.
    pub now: Timestamp,
}

/// Runs `command` with the streams and the clock of the process.
pub(crate) fn with_process<T>(command: impl FnOnce(&mut Screen<'_>) -> T) -> T {
    let [stdin, stdout, stderr] =
        [io::stdin().is_terminal(), io::stdout().is_terminal(), io::stderr().is_terminal()];
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && !dumb;
    let columns = || terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
    let mut keyboard = Keyboard;
    command(&mut Screen {
        out: &mut io::stdout(),
        err: &mut io::stderr(),
        answers: (stdin && stderr).then_some(&mut keyboard),
        columns: stdout.then(columns),
        out_colour: stdout && colour,
        err_colour: stderr && colour,
        progress: stderr && !dumb,
        now: clock::now(),
    })
}

struct Keyboard;

impl Answers for Keyboard {
    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        io::Read::take(io::stdin().lock(), ANSWER_BYTES_MAX).read_line(&mut line)?;
        match line.is_empty() {
            true => Err(io::ErrorKind::UnexpectedEof.into()),
            false => Ok(line.trim().to_owned()),
        }
    }

    fn secret(&mut self, prompt: &str) -> io::Result<Passphrase> {
        rpassword::prompt_password(prompt).map(Zeroizing::new)
    }
}
