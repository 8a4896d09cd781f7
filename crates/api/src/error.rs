//! Errors as they cross the API.
//!
//! Invariant: a code never changes its meaning; each maps to one HTTP status and one
//! exit code of the command line.
//! Spec: docs/OPERATIONS.md, "Exit codes".

use serde::{Deserialize, Serialize};

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The request itself is malformed.
    BadRequest,
    /// A draft, a file or a value breaks a rule.
    Invalid,
    /// There is no such record, centre or peer.
    NotFound,
    /// A prefix fits several ids.
    Ambiguous,
    /// It belongs to another centre.
    NotOurs,
    /// The operator key is locked.
    Locked,
    /// The operator key may not sign until the store is repaired.
    KeyBlocked,
    /// The operator key has no right to do that.
    NotAllowed,
    /// The caller's role, or its want of one, does not allow it.
    NoRole,
    /// Two persons are needed for it, and this is not the second one.
    SecondPerson,
    /// The daemon is needed and does not run.
    Offline,
    /// There is no home, there is one already, or it cannot be used: it belongs to a newer
    /// version or another process, or its key files can be read by others.
    Home,
    /// A budget, a window or a pause of this node holds it.
    Held,
    /// More to do than is queued; try again.
    Busy,
    /// The disk is nearly full.
    DiskFull,
    /// The store is damaged or read-only.
    Store,
    /// Anything else: a bug of ours.
    Internal,
}

impl ErrorCode {
    /// Returns its name, as in JSON.
    pub fn name(self) -> String {
        let name = serde_json::to_value(self).ok();
        name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Returns the HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Invalid => 422,
            Self::NotFound => 404,
            Self::Ambiguous | Self::Offline | Self::Held | Self::Home => 409,
            Self::NotOurs
            | Self::Locked
            | Self::KeyBlocked
            | Self::NoRole
            | Self::SecondPerson
            | Self::NotAllowed => 403,
            Self::Busy => 503,
            Self::DiskFull => 507,
            Self::Store | Self::Internal => 500,
        }
    }

    /// Returns the exit code of the command line.
    pub fn exit(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::BadRequest => 2,
            Self::Invalid => 3,
            Self::NotFound | Self::Ambiguous => 4,
            Self::Home => 5,
            Self::DiskFull | Self::Store => 6,
            Self::Offline | Self::Held | Self::Busy => 7,
            Self::NotOurs
            | Self::Locked
            | Self::KeyBlocked
            | Self::NoRole
            | Self::SecondPerson
            | Self::NotAllowed => 8,
        }
    }
}

/// Body of every reply that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Kind of failure.
    pub code: ErrorCode,
    /// What, where, with the offending value.
    pub message: String,
    /// What to do next, often a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl ErrorBody {
    /// Makes an error without a hint.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl std::fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ErrorBody {}
