//! How far a feed stands on the shelf.
//!
//! Invariant: a function of the chain, the evidence and the identity log that are held,
//! whatever their order of arrival. Positions decide, never a clock.
//! Spec: docs/PROTOCOL.md, sections 4.3 and 4.4.

use baraza_identity::{FeedEnd, FeedRule, Log};
use baraza_record::{FeedId, PublicKey, RecordId, Seq, SignedRecord};

use crate::store::{Branch, FeedHead, FeedState, Place, Store, StoreError};

/// What the identity log that is held says of one feed.
pub(super) struct Admission<'a> {
    log: Option<&'a Log>,
    named: bool,
    rule: FeedRule,
}

impl<'a> Admission<'a> {
    pub(super) fn of(log: Option<&'a Log>, signer: &PublicKey, feed: &FeedId) -> Self {
        let rule = log.map(|log| log.feed_rule(signer, feed)).unwrap_or_default();
        Self { log, named: log.is_some_and(|log| log.names(signer)), rule }
    }

    /// Returns whether the key is known to be the centre's at all. Only then is a second
    /// record at one place a fork: before that, keeping it would cost its inventor nothing.
    pub(super) fn is_named(&self) -> bool {
        self.named
    }

    /// Returns whether the log gives the record's signer authority under its identity head.
    pub(super) fn authorises(&self, record: &SignedRecord) -> bool {
        let header = record.header();
        self.log
            .is_some_and(|log| log.capabilities(&header.signer, &header.identity_head).is_some())
    }

    /// Returns whether a record at this position may still come to count.
    pub(super) fn reaches(&self, seq: Seq) -> bool {
        self.rule.end.is_none_or(|end| seq <= end.seq)
    }

    /// Returns whether the log names records of the feed.
    pub(super) fn has_pins(&self) -> bool {
        !self.rule.pins.is_empty() || self.rule.end.is_some()
    }

    /// Returns the highest position that the log names and that the main branch has not
    /// reached with the record named; 0 if there is none.
    pub(super) fn wanted_to<S: Store>(
        &self,
        store: &S,
        feed: FeedId,
        chain: Seq,
    ) -> Result<Seq, StoreError> {
        let kept = self.kept_to(store, feed, chain)?;
        let last = self.rule.pins.last().map_or(0, |(seq, _)| *seq);
        Ok(if kept < last { last } else { 0 })
    }

    /// Returns the highest position at which the main branch has the record that the log
    /// names: what else is signed there or before counts for nothing. 0 if there is none.
    pub(super) fn kept_to<S: Store>(
        &self,
        store: &S,
        feed: FeedId,
        chain: Seq,
    ) -> Result<Seq, StoreError> {
        for (seq, id) in self.rule.pins.iter().rev().filter(|(seq, _)| *seq <= chain) {
            if id_at(store, feed, *seq, Branch::Main)? == Some(*id) {
                return Ok(*seq);
            }
        }
        Ok(0)
    }

    /// Sets which branch is the main one, where the feed forks and how far it is admitted,
    /// and renumbers the records whose standing changed. `before` is the state that readers
    /// know; authority that it gave is taken to be there still.
    pub(super) fn settle<S: Store>(
        &self,
        store: &mut S,
        feed: FeedId,
        state: &mut FeedState,
        before: Option<&FeedState>,
    ) -> Result<(), StoreError> {
        let exchanged = self.follow_choices(store, feed, state)?;
        let kept = self.kept_to(store, feed, state.chain.seq)?;
        state.fork = self.lowest_fork(store, feed, kept)?;
        let limit = self.limit(state, kept);
        let shown = before.map_or(0, |before| before.shelf.seq);
        let authorised = state.shelf.seq.min(exchanged.map_or(Seq::MAX, |from| from - 1));
        let mut end = authorised.min(limit);
        while end < limit {
            let place = Place { feed, seq: end + 1, branch: Branch::Main };
            let Some(record) = store.record(&place)? else { break };
            if !self.authorises(&record) {
                break;
            }
            end += 1;
        }
        state.shelf = head_at(store, feed, end)?;
        // New records have a fresh number anyway; these were numbered under another standing.
        let held = before.map_or(0, |before| before.chain.seq).min(state.chain.seq);
        let gained = shown + 1..=end.min(held);
        for seq in (end + 1..=shown.min(state.chain.seq)).chain(gained) {
            store.touch(&Place { feed, seq, branch: Branch::Main })?;
        }
        Ok(())
    }

    /// Makes the branches that the log names the main ones. Returns the lowest position at
    /// which another record stands now.
    fn follow_choices<S: Store>(
        &self,
        store: &mut S,
        feed: FeedId,
        state: &mut FeedState,
    ) -> Result<Option<Seq>, StoreError> {
        let kept = self.kept_to(store, feed, state.chain.seq)?;
        let mut lowest: Option<Seq> = None;
        for (seq, id) in self.rule.pins.iter().filter(|(seq, _)| kept < *seq) {
            if id_at(store, feed, *seq, Branch::Other)? != Some(*id) {
                continue;
            }
            let Some(from) = branches_off(store, feed, *seq)? else { continue };
            let to = end_of_branch(store, feed, *seq)?;
            store.exchange(&feed, from, state.chain.seq, to)?;
            state.chain = head_at(store, feed, to)?;
            lowest = Some(lowest.map_or(from, |known| known.min(from)));
        }
        Ok(lowest)
    }

    /// Returns the lowest position behind `kept`, and not behind the end of the feed, at
    /// which two records follow the same one.
    fn lowest_fork<S: Store>(
        &self,
        store: &S,
        feed: FeedId,
        kept: Seq,
    ) -> Result<Option<Seq>, StoreError> {
        for seq in store.evidence(&feed)? {
            if kept < seq && self.reaches(seq) && parts_at(store, feed, seq)? {
                return Ok(Some(seq));
            }
        }
        Ok(None)
    }

    /// Returns the last position that may be admitted as far as the chain is held.
    fn limit(&self, state: &FeedState, kept: Seq) -> Seq {
        let mut limit = state.chain.seq;
        // The chain is another one than the log names, and where they part is not known.
        let parts = |(seq, _): &(Seq, RecordId)| kept < *seq && *seq <= state.chain.seq;
        if state.fork.is_none() && self.rule.pins.iter().any(parts) {
            limit = kept;
        }
        if let Some(fork) = state.fork {
            limit = limit.min(fork - 1);
        }
        match self.rule.end {
            Some(FeedEnd { seq, compromised: true }) if kept < seq => 0,
            Some(FeedEnd { seq, .. }) => limit.min(seq),
            None => limit,
        }
    }
}

/// Returns whether the record on the other branch at `seq` follows the same one as the
/// record on the main branch.
fn parts_at<S: Store>(store: &S, feed: FeedId, seq: Seq) -> Result<bool, StoreError> {
    let other = store.record(&Place { feed, seq, branch: Branch::Other })?;
    let main = id_at(store, feed, seq, Branch::Main)?;
    let before = head_at(store, feed, seq - 1)?;
    Ok(other.is_some_and(|other| {
        main.is_some_and(|main| main != other.id()) && other.header().prev == before.id
    }))
}

/// Returns where the other branch that has `seq` parts from the main one.
fn branches_off<S: Store>(store: &S, feed: FeedId, seq: Seq) -> Result<Option<Seq>, StoreError> {
    for at in (1..=seq).rev() {
        if parts_at(store, feed, at)? {
            return Ok(Some(at));
        }
        let other = store.record(&Place { feed, seq: at, branch: Branch::Other })?;
        let before = if at == 1 { None } else { id_at(store, feed, at - 1, Branch::Other)? };
        if other.is_none_or(|other| Some(other.header().prev) != before) {
            return Ok(None);
        }
    }
    Ok(None)
}

/// Returns the last position of the other branch that follows from `seq` without a gap.
fn end_of_branch<S: Store>(store: &S, feed: FeedId, seq: Seq) -> Result<Seq, StoreError> {
    let mut last = seq;
    loop {
        let next = store.record(&Place { feed, seq: last + 1, branch: Branch::Other })?;
        let end = id_at(store, feed, last, Branch::Other)?;
        match next {
            Some(next) if Some(next.header().prev) == end => last += 1,
            _ => return Ok(last),
        }
    }
}

fn id_at<S: Store>(
    store: &S,
    feed: FeedId,
    seq: Seq,
    branch: Branch,
) -> Result<Option<RecordId>, StoreError> {
    Ok(store.entry(&Place { feed, seq, branch })?.map(|entry| entry.id))
}

/// Returns the head of the main branch at `seq`, or before the first record.
fn head_at<S: Store>(store: &S, feed: FeedId, seq: Seq) -> Result<FeedHead, StoreError> {
    let id = if seq == 0 { None } else { id_at(store, feed, seq, Branch::Main)? };
    Ok(match id {
        Some(id) => FeedHead { seq, id },
        None => FeedHead { seq: 0, id: RecordId(feed.0) },
    })
}
