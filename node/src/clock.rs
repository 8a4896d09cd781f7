//! The one place of the program that asks what time it is.

use std::time::{SystemTime, UNIX_EPOCH};

use baraza_record::Timestamp;

/// Returns the time by this machine's clock; 1970 if the clock stands before that.
#[expect(clippy::disallowed_methods, reason = "the clock of the program")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
