//! From what went wrong to what the client is told.
//!
//! Invariant: every reply that is no success has an `ErrorBody` and the status of its code.
//! Spec: docs/OPERATIONS.md, "API" and "Exit codes".

use std::error::Error;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use baraza_api::{ErrorBody, ErrorCode};
use baraza_protocol::{command::Refusal, index::IndexError, store::StoreError};

use crate::state::UnlockError;

/// A reply that is no success.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) ErrorBody);

impl Failure {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(ErrorBody::new(code, message))
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Invalid, message)
    }

    /// A bug: the service answered something that was not asked.
    pub(crate) fn odd_reply() -> Self {
        Self::new(ErrorCode::Internal, "the service answered another question")
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self(self.0.with_hint(hint))
    }

    /// Says which draft it is about.
    pub(crate) fn about(mut self, source: &str) -> Self {
        if !source.is_empty() {
            self.0.message = format!("{source}: {}", self.0.message);
        }
        self
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let code = self.0.code;
        let status =
            StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.0)).into_response();
        // For the log of what people did.
        response.extensions_mut().insert(code);
        response
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::DiskFull { .. } => ErrorCode::DiskFull,
            StoreError::ReadOnly { .. } | StoreError::Damaged { .. } | StoreError::Io { .. } => {
                ErrorCode::Store
            }
        };
        let hint = match code {
            ErrorCode::DiskFull => "free some disk space, then try again",
            _ => "run `baraza check`",
        };
        Self::new(code, with_causes(&error)).hint(hint)
    }
}

impl From<IndexError> for Failure {
    fn from(error: IndexError) -> Self {
        Self::new(ErrorCode::Store, with_causes(&error))
            .hint("the index is derived: `baraza repair` rebuilds it")
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        let (code, hint) = match refusal {
            Refusal::Store(error) => return error.into(),
            Refusal::Locked => (ErrorCode::Locked, Some("run `baraza unlock`")),
            Refusal::KeyBlocked { .. } => {
                (ErrorCode::KeyBlocked, Some("`baraza status` says what helps"))
            }
            Refusal::NotEnrolled { .. } => (ErrorCode::KeyBlocked, Some("run `baraza status`")),
            Refusal::Forked { .. } => {
                (ErrorCode::KeyBlocked, Some("choose a branch: baraza centre resume"))
            }
            Refusal::Unknown { .. } => (ErrorCode::NotFound, None),
            Refusal::UnknownPeer { .. } => {
                (ErrorCode::NotFound, Some("`baraza peers` lists those that are known"))
            }
            Refusal::NotOurs { .. } => (ErrorCode::NotOurs, None),
            Refusal::MayNotErase { signers: 0, .. } => (
                ErrorCode::NotAllowed,
                Some(
                    "use a key that has the capability `erase`, or add --now to sign with the root key",
                ),
            ),
            Refusal::MayNotErase { .. } => (
                ErrorCode::NotAllowed,
                Some(
                    "add signatures of other root keys with --root-signature FILE (baraza sign-erasure)",
                ),
            ),
            Refusal::TooMany { .. }
            | Refusal::TooLarge { .. }
            | Refusal::Event(_)
            | Refusal::OtherRecipients { .. }
            | Refusal::NamedCentres { .. }
            | Refusal::TooManyNetworks { .. } => (ErrorCode::Invalid, None),
            Refusal::NoFile { .. } => (ErrorCode::Invalid, Some("baraza attach DRAFT FILE")),
            Refusal::NoSuchItem { .. } => (ErrorCode::NotFound, Some("baraza show ID")),
            Refusal::FileGone { .. } => (ErrorCode::NotFound, None),
            Refusal::FileTooLarge { .. } => (ErrorCode::Invalid, None),
            Refusal::OverQuota { .. } => (
                ErrorCode::Invalid,
                Some("raise `quota_bytes` in [attachments] of policy.toml, or add --pin"),
            ),
            Refusal::NotAMember { .. } => (ErrorCode::Invalid, Some("baraza network list")),
            Refusal::Held(_) => (
                ErrorCode::Held,
                Some("`baraza status` says until when; after a pause: baraza resume"),
            ),
            Refusal::TooFar { .. } => {
                (ErrorCode::Invalid, Some("choose another profile in config.toml"))
            }
            Refusal::Offline => (ErrorCode::Offline, Some("run `baraza start`")),
            Refusal::Busy => (ErrorCode::Busy, Some("try again in a moment")),
        };
        let failure = Self::new(code, message);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<UnlockError> for Failure {
    fn from(error: UnlockError) -> Self {
        let code = match error {
            UnlockError::WrongPassphrase => ErrorCode::Locked,
            UnlockError::NoKey => ErrorCode::NotFound,
            UnlockError::Failed { .. } => ErrorCode::Store,
        };
        Self::new(code, error.to_string())
    }
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}
