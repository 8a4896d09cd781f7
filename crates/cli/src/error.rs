//! How a command ends other than well.
//!
//! Invariant: an error is two lines on the error stream, what and what next, or one JSON
//! object there; the exit code is the one that `baraza --help` documents.
//! Spec: docs/OPERATIONS.md, "Exit codes".

use std::io::{self, Write};

use baraza_api::{ErrorBody, ErrorCode};
use serde::Serialize;
use serde_json::Value;

use crate::{output, safe::Safe};

/// Some of what was asked for was done.
pub(crate) const EXIT_PARTLY: u8 = 9;

/// Why a command stopped.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Whoever read our output has gone. Nobody's fault.
    Closed,
    /// Something to tell.
    Error(Box<Told>),
}

/// What is told of an error; as JSON, one object.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    /// What and what next.
    #[serde(flatten)]
    body: ErrorBody,
    /// Exit code.
    exit: u8,
    /// More for scripts.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
}

impl From<ErrorBody> for Failure {
    fn from(body: ErrorBody) -> Self {
        let exit = body.code.exit();
        Self::Error(Box::new(Told { body, exit, details: None }))
    }
}

/// Only output is written with `?` on an IO error; files have messages of their own.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => failure(ErrorCode::Store, format!("output cannot be written: {error}")),
        }
    }
}

/// Makes a failure without a hint.
pub(crate) fn failure(code: ErrorCode, message: impl Into<String>) -> Failure {
    ErrorBody::new(code, message).into()
}

impl Failure {
    /// Adds what to do next.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        self.with(|told| told.body.hint = Some(hint.into()))
    }

    /// Says that some of what was asked for was done.
    pub(crate) fn partly(self) -> Self {
        self.with(|told| told.exit = EXIT_PARTLY)
    }

    /// Adds facts for scripts.
    pub(crate) fn details(self, details: &impl Serialize) -> Self {
        self.with(|told| told.details = serde_json::to_value(details).ok())
    }

    /// Returns what is told of it.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Closed => String::new(),
            Self::Error(told) => told.body.message.clone(),
        }
    }

    /// Returns what kind of failure it is, if it is one.
    pub(crate) fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Closed => None,
            Self::Error(told) => Some(told.body.code),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Told)) -> Self {
        if let Self::Error(told) = &mut self {
            change(told);
        }
        self
    }

    /// Prints the failure and returns the exit code. An error stream that is closed is no matter.
    pub(crate) fn print(&self, err: &mut dyn Write, json: bool, colour: bool) -> u8 {
        let Self::Error(told) = self else { return 0 };
        let Told { body, exit, .. } = &**told;
        let mut text = String::new();
        if json {
            text = output::json(told);
            text.push('\n');
        } else {
            let paint = |text: &str, code| output::paint(text, code, colour);
            text += &format!("{} {}\n", paint("error:", output::RED), Safe(&body.message));
            if let Some(hint) = &body.hint {
                text += &format!("{} {}\n", paint("hint:", output::BOLD), Safe(hint));
            }
        }
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
        *exit
    }
}
