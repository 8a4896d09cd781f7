//! The gate: what this node takes of centres for which nobody vouches, its *strangers*.
//!
//! Invariant: what is kept out is asked for again once policy, trust or accreditation let it in.
//! Our own centre, pinned nations, and centres that are trusted or accredited always pass.
//! Not here: what is shown of what is held (`policy`), when it is renewed (`service`).
//! Spec: docs/PROTOCOL.md, section 4.7.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use baraza_record::{CentreId, FeedId, RecordId, SignedRecord, Timestamp, VerifiedRecord};

use crate::{
    accreditation::{Accreditations, Cache, day},
    attachments::AttachmentRules,
    ingest,
    interests::Interests,
    net::Peer,
    policy::{Policy, Rules, Trust, Unaccredited},
    quota::{DISK_PART, Meter, QuotaUse},
    store::{FeedState, Place, StoreError, StoreRead},
};

/// Most feeds of which a node remembers that policy keeps them out.
///
/// Heads name feeds, not centres: a feed that is not remembered costs one record at each
/// session that walks the shelf. Source: docs/LIMITS.md.
pub const DECLINED_MAX: usize = 100_000;

/// Most missing bodies of which a node remembers that they do not fit its interests. Beyond,
/// their headers are looked at again each time. Source: docs/LIMITS.md.
pub const LEFT_OUT_MAX: usize = 1_000_000;

/// What all sessions of a node, its gossip and its bundles pass.
#[derive(Debug)]
pub struct Gate {
    cache: Cache,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rules: Rules,
    /// Feeds of centres that are declined and of which nothing is held.
    declined: BTreeSet<FeedId>,
    /// The run of a bundle that was declined last: more of it may come apart.
    run: Vec<RecordId>,
    meter: Meter,
    /// What strangers share of the disk if the policy says nothing else.
    disk_share: Option<u64>,
    /// Records whose missing bodies do not fit our interests, as far as they were looked at.
    left_out: BTreeSet<Place>,
    /// Countries that centres state.
    countries: BTreeMap<CentreId, Option<[u8; 2]>>,
}

impl Gate {
    /// Makes the gate of a node of centre `own`, with the default policy.
    pub fn new(own: CentreId, now: Timestamp) -> Self {
        let rules = Rules {
            own,
            policy: Arc::default(),
            trust: Arc::default(),
            accreditations: Arc::new(Accreditations::default()),
            now,
        };
        Self {
            cache: Cache::default(),
            state: Mutex::new(State {
                rules,
                declined: BTreeSet::new(),
                run: Vec::new(),
                meter: Meter::default(),
                disk_share: None,
                left_out: BTreeSet::new(),
                countries: BTreeMap::new(),
            }),
        }
    }

    /// Sets what the operator wrote down and whom it trusts; in force with the next
    /// [`renew`](Self::renew).
    pub fn set(&self, policy: Arc<Policy>, trust: Arc<Trust>) {
        let mut state = self.state();
        (state.rules.policy, state.rules.trust) = (policy, trust);
        // No accreditation is the same object as the one that follows: all is decided anew.
        state.rules.accreditations = Arc::new(Accreditations::default());
    }

    /// Reads again what the pinned nations say. Returns whether anybody's standing may have
    /// changed since the last time.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn renew(&self, reader: &dyn StoreRead, now: Timestamp) -> Result<bool, StoreError> {
        let mut guard = self.state();
        let state = &mut *guard;
        let pins = state.rules.trust.counting(&state.rules.policy, now);
        let accreditations = self.cache.get(reader, &pins)?;
        let new_day = day(now) != day(state.rules.now);
        let same = Arc::ptr_eq(&accreditations, &state.rules.accreditations) && !new_day;
        (state.rules.accreditations, state.rules.now) = (accreditations, now);
        if !same {
            state.declined.clear();
            state.left_out.clear();
            state.countries.clear();
            state.meter.start(reader, &state.rules, new_day)?;
        }
        state.meter.measure(reader, &state.rules, state.bytes_max())?;
        Ok(!same)
    }

    /// Returns whether feeds may be declined, so that of one not known yet a first record is
    /// asked for to see whose it is.
    pub fn is_wary(&self) -> bool {
        let state = self.state();
        state.meter.defers() || state.rules.policy.unaccredited == Unaccredited::Drop
    }

    /// Returns whether anything may have been left behind because of policy or quotas.
    pub fn keeps_out(&self) -> bool {
        let state = self.state();
        !state.declined.is_empty()
            || state.meter.defers()
            || state.rules.policy.unaccredited == Unaccredited::Drop
    }

    /// Says how many bytes the disk has.
    pub fn set_disk(&self, bytes: u64) {
        self.state().disk_share = Some(bytes / DISK_PART);
    }

    /// Returns whether nobody vouches for a centre.
    pub fn is_stranger(&self, centre: &CentreId) -> bool {
        self.state().rules.is_stranger(centre)
    }

    /// Returns how many more new centres for which nobody vouches are taken of a peer.
    pub fn room(&self, peer: &Peer) -> usize {
        let state = self.state();
        state.meter.room(peer, &state.rules.policy.quotas)
    }

    /// Remembers a centre whose log is not taken now.
    pub fn defer_centre(&self, centre: CentreId) {
        self.state().meter.defer_centre(centre);
    }

    /// Returns whether the log of a centre that is not known yet is taken of a peer.
    pub fn takes_log(&self, peer: Peer, centre: &CentreId) -> bool {
        let mut guard = self.state();
        let state = &mut *guard;
        !state.rules.is_stranger(centre)
            || state.meter.take(peer, centre, &state.rules.policy.quotas)
    }

    /// Returns how much of the quotas is used while the ledger has this length.
    pub fn used(&self, ledger_bytes: u64) -> QuotaUse {
        let state = self.state();
        state.meter.used(&state.rules.policy.quotas, ledger_bytes, state.bytes_max())
    }

    /// Returns whether records of this centre are declined.
    pub fn declines(&self, centre: &CentreId) -> bool {
        self.state().declines(centre)
    }

    /// Returns whether nothing of a feed is to be asked for; `held` is what is held of it.
    pub fn declines_feed(&self, feed: &FeedId, held: Option<&FeedState>) -> bool {
        let state = self.state();
        match held {
            Some(held) => state.declines(&held.centre),
            None => state.declined.contains(feed) || state.meter.deferred_feed(feed),
        }
    }

    /// Returns whether a record is not taken: policy declines its feed, or a quota defers the
    /// first record of a new one while the ledger has this length. Remembers the feed if so.
    pub fn refuses(&self, record: &SignedRecord, ledger_bytes: u64) -> bool {
        let mut guard = self.state();
        let state = &mut *guard;
        let (feed, header) = (record.feed(), record.header());
        if state.declines(&header.centre) {
            if state.declined.len() < DECLINED_MAX {
                state.declined.insert(feed);
            }
            return true;
        }
        let bytes_max = state.bytes_max();
        header.seq == 1
            && state.rules.is_stranger(&header.centre)
            && state.meter.defers_feed(feed, &header.centre, ledger_bytes, bytes_max)
    }

    /// Returns whether a run of one feed out of a bundle is declined.
    pub fn declines_run(&self, run: &[VerifiedRecord]) -> bool {
        let mut state = self.state();
        let declines = run.first().is_some_and(|first| state.declines(&first.header().centre));
        if declines {
            state.run = run.iter().map(|record| record.id()).collect();
        }
        declines
    }

    /// Returns whether this record was of the run that was declined last.
    pub fn just_declined(&self, record: &RecordId) -> bool {
        self.state().run.contains(record)
    }

    /// Returns our interests, unless they are everything.
    pub fn interests(&self) -> Option<Interests> {
        let state = self.state();
        let interests = &state.rules.policy.interests;
        (!interests.is_everything()).then(|| interests.clone())
    }

    /// Returns what the operator wrote down about attachments.
    pub fn attachments(&self) -> AttachmentRules {
        self.state().rules.policy.attachments.clone()
    }

    /// Returns whether people here are not shown a record.
    pub fn hides(&self, centre: &CentreId, record: &RecordId) -> bool {
        self.state().rules.hides(centre, record).is_some()
    }

    /// Returns whether the missing body at this place is known not to fit our interests.
    pub(crate) fn leaves_out(&self, place: &Place) -> bool {
        self.state().left_out.contains(place)
    }

    /// Returns whether the missing body at this place fits our interests; remembers it if not.
    pub(crate) fn wants_body(
        &self,
        store: &(impl StoreRead + ?Sized),
        place: &Place,
        centre: &CentreId,
    ) -> Result<bool, StoreError> {
        let mut guard = self.state();
        let state = &mut *guard;
        let interests = &state.rules.policy.interests;
        if interests.is_everything() || *centre == state.rules.own {
            return Ok(true);
        }
        let country = match state.countries.get(centre) {
            Some(known) => *known,
            None => ingest::country_of(store, centre)?,
        };
        state.countries.insert(*centre, country);
        let Some(record) = store.record(place)? else { return Ok(true) };
        let wants = interests.want(record.header(), || country);
        if !wants && state.left_out.len() < LEFT_OUT_MAX {
            state.left_out.insert(*place);
        }
        Ok(wants)
    }

    /// Returns how many missing bodies are known not to fit our interests.
    pub fn left_out(&self) -> usize {
        self.state().left_out.len()
    }

    /// Returns how many feeds are remembered as declined.
    pub fn declined(&self) -> usize {
        self.state().declined.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn bytes_max(&self) -> Option<u64> {
        self.rules.policy.quotas.bytes.or(self.disk_share)
    }

    fn declines(&self, centre: &CentreId) -> bool {
        self.rules.policy.unaccredited == Unaccredited::Drop && self.rules.is_stranger(centre)
    }
}
