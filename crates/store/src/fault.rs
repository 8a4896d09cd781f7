//! Making errors that say what was tried.
//!
//! Spec: `baraza_protocol::store::StoreError`.

use std::error::Error;

use baraza_protocol::store::StoreError;

/// Returns what turns a cause into [`StoreError::Io`].
pub(crate) fn io<E: Into<Box<dyn Error + Send + Sync>>>(
    what: impl Into<String>,
) -> impl FnOnce(E) -> StoreError {
    let what = what.into();
    move |source| StoreError::Io { what, source: source.into() }
}

/// Returns [`StoreError::Damaged`].
pub(crate) fn damaged(what: impl Into<String>) -> StoreError {
    StoreError::Damaged { what: what.into() }
}
