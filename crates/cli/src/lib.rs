//! Arguments and output of the command line.
//!
//! Layer 3. Invariant: the same commands, output and exit codes whether a daemon answers or
//! the node runs in the process; nothing here knows which.
//! Not here: nodes and sockets (`node`), routes (`baraza-server`).
//! Spec: docs/ARCHITECTURE.md, "Command line".

mod args;
mod ceremony;
mod clock;
mod commands;
mod error;
mod host;
mod output;
mod safe;
mod screen;
mod shell;

use std::{ffi::OsString, process::ExitCode};

use baraza_api::{ErrorBody, ErrorCode};
use clap::Parser;

use crate::{args::Arguments, error::Failure, shell::Shell};

pub use clock::day;
pub use host::{
    BackupReport, DemoOptions, DemoStep, Enrolment, ErasureToSign, Host, InitOptions, InitReport,
    JoinOptions, JoinReport, KeyAt, KeyPlan, NewKeys, Passphrase, Ready, RepairReport,
    RestoreOptions, RestoreReport, Seal, StartOptions,
};
pub use safe::Safe;
pub use screen::{Answers, Screen};

/// Runs one command with the streams of the process. The first argument is the program's name.
pub fn run(arguments: impl Iterator<Item = OsString>, host: &dyn Host) -> ExitCode {
    ExitCode::from(screen::with_process(|screen| run_on(arguments, host, screen)))
}

/// Runs one command on `screen` and returns the exit code.
pub fn run_on(
    arguments: impl Iterator<Item = OsString>,
    host: &dyn Host,
    screen: &mut Screen<'_>,
) -> u8 {
    let arguments: Vec<_> = arguments.collect();
    let arguments = match Arguments::try_parse_from(&arguments) {
        Ok(arguments) => arguments,
        Err(told) => return tell(&told, arguments.iter().any(|one| one == "--json"), screen),
    };
    let json = arguments.common.json;
    let mut shell = Shell::new(host, screen, arguments.common);
    let done = commands::run(&mut shell, arguments.command);
    // What was printed comes before the error.
    let flushed = screen.out.flush().map_err(Failure::from);
    let failure = done.and(flushed).err();
    failure.map_or(0, |failure| failure.print(screen.err, json, screen.err_colour))
}

/// Prints what the parser of the arguments has to say: help, the version or an error.
fn tell(told: &clap::Error, json: bool, screen: &mut Screen<'_>) -> u8 {
    let text = told.render().to_string();
    if !told.use_stderr() {
        let written = screen.out.write_all(text.as_bytes()).and_then(|()| screen.out.flush());
        return written
            .err()
            .map_or(0, |error| Failure::from(error).print(screen.err, false, false));
    }
    if json {
        let what = text.lines().next().unwrap_or_default();
        let what = what.strip_prefix("error: ").unwrap_or(what);
        let failure = Failure::from(ErrorBody::new(ErrorCode::BadRequest, what));
        return failure.hint("baraza --help").print(screen.err, true, false);
    }
    let _ = write!(screen.err, "{}", Safe(&text).plain());
    ErrorCode::BadRequest.exit()
}
