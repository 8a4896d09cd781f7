//! The sweep: finds what retractions have erased, and deletes it when it is due.
//!
//! Invariant: a body is deleted only after the retraction that asks for it is committed, and
//! only while the rule still asks for it. Everything is found from the store, from its first
//! change on, so that a restart or a rebuild forgets nothing.
//! Not here: the rule (`erasure`), bytes on the disk (`Store::erase`).
//! Spec: docs/PROTOCOL.md, section 4.6.

use std::collections::BTreeSet;

use baraza_record::{Kind, RecordId, Timestamp, VerifiedRecord};

use crate::{
    command::Refusal,
    erasure,
    store::{BodyState, Place, Store, StoreError},
};

use super::Service;

/// Most changes of the store that one sweep looks at: two look-ups in the index for each.
pub const SWEEP_CHANGES_MAX: usize = 1_000;

/// Most bodies that one sweep deletes: each is written to the disk by itself.
pub const ERASES_MAX: usize = 64;

/// Most erasures whose day has not come that are remembered; beyond them, the last ones are
/// found again when the whole store is looked through.
pub const ERASURES_PENDING_MAX: usize = 100_000;

/// Time between two looks through the whole store (1 h): what a retraction asks for also
/// changes with the identity log of its centre. With 100,000 records a look takes 0.4 s in all.
pub const ERASURES_RESCAN_EVERY_MS: u64 = 60 * 60 * 1_000;

/// Wait between two sweeps while there is more to do (50 ms): others need the service too.
const PAUSE_MS: u64 = 50;

/// What the sweep remembers.
#[derive(Debug, Default)]
pub(super) struct Erasures {
    /// Last change that was looked at.
    position: u64,
    /// What this node itself was just told to retract: it waits neither for its turn nor,
    /// because whoever asks is at this machine, for the delay.
    own: BTreeSet<RecordId>,
    /// What is looked at by the next sweep.
    targets: BTreeSet<RecordId>,
    /// What goes later, in order of time.
    pending: BTreeSet<(Timestamp, RecordId)>,
    /// When the look through the whole store began.
    began: Timestamp,
    /// Whether there was more to look at than one sweep does.
    behind: bool,
}

impl Erasures {
    /// Notes what this node itself retracts.
    pub(super) fn retracts(&mut self, target: Option<RecordId>) {
        self.own.extend(target);
    }

    /// Returns when to sweep again at the latest.
    pub(super) fn next_timeout(&self, now: Timestamp) -> Timestamp {
        let first = self.pending.first().map(|(due, _)| *due).filter(|due| now < *due);
        let is_late = first.is_none() && !self.pending.is_empty();
        let soon = (self.behind || is_late).then(|| now.plus_ms(PAUSE_MS));
        first.into_iter().chain(soon).min().unwrap_or(Timestamp(u64::MAX))
    }

    fn postpone(&mut self, due: Timestamp, target: RecordId) {
        self.pending.insert((due, target));
        if ERASURES_PENDING_MAX < self.pending.len() {
            self.pending.pop_last();
        }
    }

    /// Takes what is due.
    fn take_due(&mut self, now: Timestamp) {
        while self.targets.len() < SWEEP_CHANGES_MAX
            && let Some((due, target)) = self.pending.pop_first()
        {
            if now < due {
                self.pending.insert((due, target));
                break;
            }
            self.targets.insert(target);
        }
        if !self.behind && self.began.plus_ms(ERASURES_RESCAN_EVERY_MS) <= now {
            (self.position, self.began) = (0, now);
        }
    }
}

impl<S: Store> Service<S> {
    /// Looks at what was committed since the last sweep and at what is due, and deletes what
    /// must go.
    pub(super) fn sweep(&mut self) -> Result<(), StoreError> {
        self.erasures.take_due(self.now);
        self.look_through_changes()?;
        let mut erased = 0;
        for target in std::mem::take(&mut self.erasures.own) {
            erased += self.sweep_one(&target, true, true)?;
        }
        for target in std::mem::take(&mut self.erasures.targets) {
            erased += self.sweep_one(&target, false, erased < ERASES_MAX)?;
        }
        match erased {
            0 => Ok(()),
            _ => self.store.commit(),
        }
    }

    /// Notes the records that changed and that a retraction names, or whose retraction changed.
    fn look_through_changes(&mut self) -> Result<(), StoreError> {
        let changes = self.store.changes(self.erasures.position, SWEEP_CHANGES_MAX)?;
        for (change, place) in &changes {
            let target = self.target_of_change(place)?;
            self.erasures.targets.extend(target);
            self.erasures.position = *change;
        }
        self.erasures.behind = changes.len() == SWEEP_CHANGES_MAX;
        Ok(())
    }

    /// Returns which record a change of the one at `place` may have erased.
    fn target_of_change(&self, place: &Place) -> Result<Option<RecordId>, StoreError> {
        let Some(entry) = self.store.entry(place)? else { return Ok(None) };
        if entry.kind == Kind::RETRACTION {
            return Ok(self.store.record(place)?.and_then(|record| record.header().target));
        }
        let is_named =
            entry.body != BodyState::Erased && !self.store.targeting(&entry.id)?.is_empty();
        Ok(is_named.then_some(entry.id))
    }

    /// Deletes the body of a record if its erasure is due and `may`, or notes when it will
    /// be. Returns how many bodies were deleted: where a feed forks, a record stands twice.
    fn sweep_one(
        &mut self,
        target: &RecordId,
        is_own: bool,
        may: bool,
    ) -> Result<usize, StoreError> {
        let (now, mut erased) = (self.now, 0);
        for (_, place) in self.store.find(&target.to_string(), 2)? {
            let (Some(entry), Some(feed)) =
                (self.store.entry(&place)?, self.store.feed(&place.feed)?)
            else {
                continue;
            };
            if entry.body == BodyState::Erased || entry.kind == Kind::RETRACTION {
                continue;
            }
            let Some(erasure) = erasure::of(&self.store, target, &feed.centre)? else { continue };
            match (is_own || erasure.is_due(now), may) {
                (true, true) => {
                    self.store.erase(&place)?;
                    erased += 1;
                    let retraction = erasure.retraction;
                    tracing::debug!(record = %target.short(), %retraction, "body erased");
                }
                (true, false) => self.erasures.postpone(now, *target),
                (false, _) => self.erasures.postpone(erasure.due(), *target),
            }
        }
        Ok(erased)
    }

    /// Checks that a retraction that asks for erasure will be heeded: nobody should be told
    /// that a body goes which stays.
    pub(super) fn may_erase(&self, record: &VerifiedRecord) -> Result<(), Refusal> {
        let header = record.header();
        let (Kind::RETRACTION, Some(target), Some(payload)) =
            (header.kind, header.target, record.payload())
        else {
            return Ok(());
        };
        let body = baraza_record::body::parse_body(&payload.body).unwrap_or_default();
        let Some(log) = self.own_log()? else { return Ok(()) };
        let signers = erasure::root_signers(&log, &body, &target);
        let needed = log.state().keys.root_threshold;
        // Root signatures that do not suffice are a mistake, not a wish to wait.
        let lacks = signers < usize::from(needed) && body.contains_key("root_signatures");
        match erasure::asks(&body) && (lacks || erasure::urgency(&log, record).is_none()) {
            true => Err(Refusal::MayNotErase { signers, needed }),
            false => Ok(()),
        }
    }
}
