//! What a session leaves alone because of policy.
//!
//! Invariant: of a feed that is declined nothing is asked for once it is known whose it is.
//! Spec: docs/PROTOCOL.md, section 4.7.

use std::sync::Arc;

use baraza_record::{FeedId, VerifiedRecord};

use crate::{gate::Gate, store::FeedState};

use super::Session;

impl Session {
    /// Has the session take only what passes `gate`.
    #[must_use]
    pub fn through(self, gate: &Arc<Gate>) -> Self {
        Self { gate: Some(Arc::clone(gate)), ..self }
    }

    /// Returns whether nothing of a feed is to be asked for.
    pub(super) fn declines_feed(&self, feed: &FeedId, held: Option<&FeedState>) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.declines_feed(feed, held))
    }

    /// Returns whether the first record of a part shows that its feed is declined.
    pub(super) fn declines(&self, first: &VerifiedRecord) -> bool {
        let centre = &first.header().centre;
        self.gate.as_ref().is_some_and(|gate| gate.declines_record(first.feed(), centre))
    }

    /// Returns whether a first record is to show whose a feed is, of which up to `chain` is held.
    pub(super) fn is_wary_of(&self, chain: u64) -> bool {
        chain == 0 && self.gate.as_ref().is_some_and(|gate| gate.is_wary())
    }
}
