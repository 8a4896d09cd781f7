//! What a session leaves alone because of policy.
//!
//! Invariant: of a feed that is declined nothing is asked for once it is known whose it is;
//! logs of centres for which nobody vouches come after all others.
//! Spec: docs/PROTOCOL.md, section 4.7.

use std::sync::Arc;

use baraza_record::{CentreId, FeedId, VerifiedRecord};

use crate::{
    gate::Gate,
    store::{FeedState, Store, StoreError},
    wire::{Fetch, LogHead, Request, Scope, Wanted},
};

use super::{Asked, Session};

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

    /// Returns whether the first record of a part shows that its feed is not taken.
    pub(super) fn refuses<S: Store>(&self, first: &VerifiedRecord, store: &S) -> bool {
        let ledger_bytes = || store.counts().ledger_bytes;
        self.gate.as_ref().is_some_and(|gate| gate.refuses(first, ledger_bytes()))
    }

    /// Returns whether a first record is to show whose a feed is, of which up to `chain` is held.
    pub(super) fn is_wary_of(&self, chain: u64) -> bool {
        chain == 0 && self.gate.as_ref().is_some_and(|gate| gate.is_wary())
    }

    /// Returns whether somebody vouches for a centre.
    pub(super) fn is_welcome(&self, centre: &CentreId) -> bool {
        self.gate.as_ref().is_some_and(|gate| !gate.is_stranger(centre))
    }

    /// Asks for ranges, with the bodies that fit our interests.
    pub(super) fn fetch(&self, scope: Scope, ranges: Vec<Wanted>) -> Request {
        let interests = self.gate.as_ref().and_then(|gate| gate.interests());
        // Somewhat more than is expected, so that a batch seldom comes short.
        let bytes = u32::try_from(self.pace.bytes().saturating_mul(5) / 4).unwrap_or(u32::MAX);
        Request::Fetch(Fetch { scope, ranges, bytes, interests })
    }

    /// Plans to ask for a log: at once, or behind all others if it is of a centre that is new
    /// here and for which nobody vouches; the peer's own first.
    pub(super) fn plan_log(&mut self, head: LogHead, held: bool) {
        let stranger = |gate: &Arc<Gate>| !held && gate.is_stranger(&head.centre);
        if !self.gate.as_ref().is_some_and(stranger) {
            self.tasks.logs.push_back(head);
        } else if self.theirs.as_ref().is_some_and(|hello| hello.centre == head.centre) {
            self.newcomers.push_front(head);
        } else {
            self.newcomers.push_back(head);
        }
    }

    /// Once every head of a log was seen, plans as many newcomers as the quotas leave room for.
    pub(super) fn plan_newcomers(&mut self) {
        let asking = |asked: &Asked| matches!(asked, Asked::LogHeads(_) | Asked::Logs(_));
        let more = self.tasks.log_heads.is_some() || !self.tasks.logs.is_empty();
        let Some(gate) = self.gate.as_ref().filter(|_| !self.newcomers.is_empty() && !more) else {
            return;
        };
        if self.asked.values().any(asking) {
            return;
        }
        let taken = gate.room(&self.peer).min(self.newcomers.len());
        let later = self.newcomers.split_off(taken);
        self.failed_parts |= !later.is_empty();
        later.iter().for_each(|head| gate.defer_centre(head.centre));
        self.tasks.logs.append(&mut self.newcomers);
    }

    /// Returns whether the log of a centre is taken: it is held already, or there is room.
    pub(super) fn takes_log<S: Store>(
        &mut self,
        centre: &CentreId,
        store: &S,
    ) -> Result<bool, StoreError> {
        let Some(gate) = &self.gate else { return Ok(true) };
        let takes = !store.identity(centre)?.is_empty() || gate.takes_log(self.peer, centre);
        self.failed_parts |= !takes;
        Ok(takes)
    }
}
