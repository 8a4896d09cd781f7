//! Policy and trust as the service has them.
//!
//! Invariant: whoever becomes welcome is asked for at once: nobody has to ask twice.
//! Not here: what the gate decides (`gate`), files (`node`).
//! Spec: docs/PROTOCOL.md, section 4.7.

use std::sync::Arc;

use crate::{
    policy::{Policy, Trust},
    store::{Store, StoreError},
};

use super::Service;

impl<S: Store> Service<S> {
    /// Says how many bytes the disk under the store has: strangers share a tenth of it.
    pub fn set_disk(&mut self, bytes: u64) {
        self.gate.set_disk(bytes);
    }

    /// Takes policy and trust from the operator.
    pub(super) fn set_rules(
        &mut self,
        policy: Arc<Policy>,
        trust: Arc<Trust>,
    ) -> Result<(), StoreError> {
        let (kept_out, before) = (self.gate.keeps_out(), self.gate.attachments());
        self.gate.set(policy, trust);
        if self.gate.attachments() != before {
            self.look_at_all_lists();
        }
        self.renew(kept_out)
    }

    /// Looks whether nations have said something new, and compares anew with everybody if so.
    pub(super) fn renew_rules(&mut self) -> Result<(), StoreError> {
        self.renew(self.gate.keeps_out())
    }

    fn renew(&mut self, kept_out: bool) -> Result<(), StoreError> {
        if self.gate.renew(&self.store, self.now)? {
            let now = self.now;
            if kept_out {
                // Of peers that were followed something was left behind.
                let followed = self.links.book.iter().filter(|(_, entry)| entry.seen.is_some());
                let followed: Vec<_> = followed.map(|(peer, _)| *peer).collect();
                for peer in followed {
                    self.note_peer(peer, |entry| entry.seen.take().is_some())?;
                }
            }
            for link in self.links.up.values_mut() {
                link.forget_failures();
                link.compare_by(now);
            }
        }
        Ok(())
    }
}
