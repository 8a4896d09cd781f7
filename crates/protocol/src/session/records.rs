//! What a session does with records, bodies and the evidence of forks.
//!
//! Invariant: each part is placed right behind what is held, waits within a limit, or is
//! asked for again; each answer leaves less to ask for.
//! Spec: docs/PROTOCOL.md, section 6.4.

use baraza_record::{FeedId, Payload, RecordId, Seq, Timestamp, VerifiedRecord};

use crate::{
    ingest,
    store::{BodyState, Branch, Place, Store, StoreError},
    wire::Wanted,
};

use super::{
    EARLY_BYTES_MAX, STRANGERS_MAX, Session, Span,
    take::{TakeError, violation},
};

/// Records of ranges by the number of the range.
pub(super) type Parts = Vec<(u8, Vec<VerifiedRecord>)>;

impl Session {
    pub(super) fn batch<S: Store>(
        &mut self,
        ranges: &[Wanted],
        parts: Parts,
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), TakeError> {
        let mut again = Vec::new();
        let mut unanswered: Vec<_> = ranges.iter().copied().map(Some).collect();
        let nothing = parts.is_empty();
        for (range, part) in parts {
            let slot = unanswered.get_mut(usize::from(range)).and_then(Option::take);
            let Some(wanted) = slot else { return violation("a part answers no range") };
            let Some(first) = part.first() else {
                // The feed goes on in a version that this node does not read.
                self.give_up(wanted.feed);
                continue;
            };
            if first.feed() != wanted.feed || first.header().seq != wanted.from {
                return violation("a part is not of the range asked for");
            }
            self.check_shelf(first)?;
            self.bytes_done += size(&part) as u64;
            self.pace.saw(wanted.feed, part.len() as u64, whole_size(&part) as u64);
            if self.refuses(first, store) {
                // Left behind on purpose: if that changes, the peer is looked through again.
                self.failed_parts = true;
                self.given_up.insert(wanted.feed);
                continue;
            }
            if self.is_strange(first, store)? {
                self.give_up(wanted.feed);
                continue;
            }
            again.extend(self.place(wanted, part, store, now)?);
            again.extend(self.place_early(wanted.feed, store, now)?);
        }
        // What did not fit is asked for again, unless nothing came at all.
        for wanted in unanswered.into_iter().flatten() {
            match nothing {
                true => self.give_up(wanted.feed),
                false => again.push(wanted),
            }
        }
        again.into_iter().rev().for_each(|wanted| self.tasks.ranges.push_front(wanted));
        Ok(())
    }

    /// Checks that a record belongs on the shelf on which the peer listed its feed.
    fn check_shelf(&self, record: &VerifiedRecord) -> Result<(), TakeError> {
        let header = record.header();
        let shelf = self.shelf_of(&record.feed());
        match shelf.holds(&self.ours.centre, &header.centre, &header.audience) {
            true => Ok(()),
            false => violation("a record is for another audience than asked for"),
        }
    }

    /// Returns whether a record begins one more feed of unknown authority than is kept.
    fn is_strange<S: Store>(
        &mut self,
        record: &VerifiedRecord,
        store: &S,
    ) -> Result<bool, StoreError> {
        let header = record.header();
        let known = store.feed(&record.feed())?.is_some()
            || ingest::log_of(store, &header.centre)?.is_some_and(|log| log.names(&header.signer));
        let full = self.strangers == STRANGERS_MAX;
        self.strangers += u32::from(!known && !full);
        Ok(!known && full)
    }

    /// Stores a part. Returns the rest of its range if that is worth asking for.
    fn place<S: Store>(
        &mut self,
        wanted: Wanted,
        part: Vec<VerifiedRecord>,
        store: &mut S,
        now: Timestamp,
    ) -> Result<Option<Wanted>, StoreError> {
        let done = ingest::ingest_range(store, &part, now)?;
        self.gains.records += done.inserted;
        self.gains.bodies += done.bodies;
        self.uncommitted |= done.inserted + done.bodies != 0;
        if done.gap.is_some() {
            self.keep_early(wanted, part);
            return Ok(None);
        }
        if let Some(at) = done.diverged {
            self.ends.insert(wanted.feed, wanted.to);
            self.tasks.probes.insert(wanted.feed, Span { agree: 0, differ: at - 1 });
            return Ok(None);
        }
        if done.deferred != 0 {
            self.give_up(wanted.feed);
            return Ok(None);
        }
        let last = part.last().map_or(wanted.to, |last| last.header().seq);
        Ok((last < wanted.to).then(|| Wanted { from: last + 1, ..wanted }))
    }

    /// Notes that the peer did not give something that it had named.
    pub(super) fn miss(&mut self) {
        (self.failed_parts, self.incomplete) = (true, true);
    }

    /// Asks for nothing more of a feed: what follows could not be placed.
    fn give_up(&mut self, feed: FeedId) {
        self.miss();
        self.given_up.insert(feed);
    }

    /// Keeps a part until the batch before it, which came short, is whole.
    fn keep_early(&mut self, wanted: Wanted, part: Vec<VerifiedRecord>) {
        let bytes = self.early_bytes + size(&part);
        if bytes <= EARLY_BYTES_MAX {
            self.early_bytes = bytes;
            if let Some((_, old)) = self.early.insert((wanted.feed, wanted.from), (wanted, part)) {
                self.early_bytes -= size(&old);
            }
            return;
        }
        let ranges = &mut self.tasks.ranges;
        let later = |queued: &Wanted| queued.feed == wanted.feed && wanted.from < queued.from;
        let place = ranges.iter().position(later).unwrap_or(ranges.len());
        ranges.insert(place, wanted);
    }

    /// Places what waited for the records that have just come.
    fn place_early<S: Store>(
        &mut self,
        feed: FeedId,
        store: &mut S,
        now: Timestamp,
    ) -> Result<Vec<Wanted>, StoreError> {
        let mut rests = Vec::new();
        loop {
            let chain = store.feed(&feed)?.map_or(0, |state| state.chain.seq);
            let next = self.early.range((feed, 0)..=(feed, chain + 1)).next();
            let Some(key) = next.map(|(key, _)| *key) else { return Ok(rests) };
            let Some((wanted, part)) = self.early.remove(&key) else { return Ok(rests) };
            self.early_bytes -= size(&part);
            rests.extend(self.place(wanted, part, store, now)?);
        }
    }

    pub(super) fn bodies<S: Store>(
        &mut self,
        places: &[Place],
        bodies: &[Option<Payload>],
        store: &mut S,
    ) -> Result<(), TakeError> {
        if places.len() != bodies.len() {
            return violation("bodies do not match what was asked for");
        }
        let mut rest = Vec::new();
        for (place, payload) in places.iter().zip(bodies) {
            if let Some(payload) = payload {
                let new = ingest::ingest_body(store, place, payload)?;
                self.gains.bodies += u64::from(new);
                self.uncommitted |= new;
            }
            let entry = store.entry(place)?;
            if entry.is_some_and(|entry| entry.body == BodyState::Missing) {
                rest.push(*place);
            }
        }
        // One answer may be too small for all of them; one that brings none has no more.
        match rest.len() == places.len() {
            true => self.failed_parts = true,
            false => self.tasks.bodies.extend(rest),
        }
        Ok(())
    }

    /// Narrows down where two chains part.
    pub(super) fn probed<S: Store>(
        &mut self,
        feed: FeedId,
        span: Span,
        positions: &[Seq],
        ids: &[Option<RecordId>],
        store: &S,
    ) -> Result<(), TakeError> {
        if positions.len() != ids.len() {
            return violation("a probe is not answered for each position");
        }
        let mut narrow = span;
        for (seq, id) in positions.iter().zip(ids) {
            let ours = store.entry(&Place { feed, seq: *seq, branch: Branch::Main })?;
            match (ours, id) {
                (Some(ours), Some(id)) if ours.id == *id => narrow.agree = *seq,
                (Some(_), Some(_)) => {
                    narrow.differ = *seq;
                    break;
                }
                // The peer no longer has what it advertised.
                _ => {
                    self.miss();
                    return Ok(());
                }
            }
        }
        self.tasks.probes.insert(feed, narrow);
        Ok(())
    }

    /// Takes the first record of the other chain: it proves that the feed forks.
    pub(super) fn parting<S: Store>(
        &mut self,
        wanted: Wanted,
        parts: &Parts,
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), TakeError> {
        let before = self.gains.records;
        self.other_chain(wanted, parts, store, now)?;
        self.pursue(wanted.feed, store)?;
        match self.gains.records == before {
            true => self.expect_fork(&wanted.feed, wanted.from, store),
            false => Ok(()),
        }
    }

    /// Takes a part of the branch that the author's log names.
    pub(super) fn branch<S: Store>(
        &mut self,
        wanted: Wanted,
        parts: &Parts,
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), TakeError> {
        let last = self.other_chain(wanted, parts, store, now)?;
        if store.feed(&wanted.feed)?.is_some_and(|state| state.fork.is_none()) {
            return Ok(self.pursue(wanted.feed, store)?);
        }
        match last {
            Some(last) if last < wanted.to => {
                self.tasks.branches.insert(wanted.feed, Wanted { from: last + 1, ..wanted });
            }
            // The peer has another branch, or none of it any more.
            _ => self.give_up(wanted.feed),
        }
        Ok(())
    }

    /// Keeps what is new of a chain that is not ours; returns its last position.
    fn other_chain<S: Store>(
        &mut self,
        wanted: Wanted,
        parts: &Parts,
        store: &mut S,
        now: Timestamp,
    ) -> Result<Option<Seq>, TakeError> {
        let mut last = None;
        for (range, part) in parts {
            let Some(first) = part.first() else { continue };
            let fits = first.feed() == wanted.feed && first.header().seq == wanted.from;
            if *range != 0 || !fits {
                return violation("a part is not of the range asked for");
            }
            self.check_shelf(first)?;
            self.gains.records += ingest::ingest_range(store, part, now)?.inserted;
            self.uncommitted = true;
            last = part.last().map(|record| record.header().seq);
        }
        Ok(last)
    }

    /// Plans what follows from a fork: the branch that the author's log names, or, once that
    /// is the main one, the rest of it.
    pub(super) fn pursue<S: Store>(&mut self, feed: FeedId, store: &S) -> Result<(), StoreError> {
        let end = self.ends.get(&feed).copied().unwrap_or_default();
        let Some(state) = store.feed(&feed)? else { return Ok(()) };
        if state.fork.is_none() && state.chain.seq < end {
            let from = state.chain.seq + 1;
            self.tasks.ranges.push_back(Wanted { feed, from, to: end });
        }
        if let Some((from, to)) = ingest::branch_to_fetch(store, &feed)?
            && from <= end
        {
            let to = to.min(end);
            self.tasks.branches.insert(feed, Wanted { feed, from, to });
        }
        Ok(())
    }

    pub(super) fn evidence<S: Store>(
        &mut self,
        feed: FeedId,
        branches: &[Vec<VerifiedRecord>],
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), TakeError> {
        for branch in branches {
            if branch.iter().any(|record| record.feed() != feed) {
                return violation("evidence of a fork is of another feed");
            }
            branch.first().map_or(Ok(()), |first| self.check_shelf(first))?;
            self.gains.records += ingest::ingest_range(store, branch, now)?.inserted;
            self.uncommitted = true;
        }
        self.expect_fork(&feed, Seq::MAX, store)
    }

    /// Notes that the peer did not prove a fork at or before `seq`.
    fn expect_fork<S: Store>(
        &mut self,
        feed: &FeedId,
        seq: Seq,
        store: &S,
    ) -> Result<(), TakeError> {
        let fork = store.feed(feed)?.and_then(|state| state.fork);
        if fork.is_none_or(|fork| seq < fork) {
            self.miss();
        }
        Ok(())
    }
}

/// Returns about how many bytes records take in a batch with all of their bodies: the other
/// side counts those that it leaves out.
fn whole_size(part: &[VerifiedRecord]) -> usize {
    let body = |record: &VerifiedRecord| record.header().body_bytes as usize;
    part.iter().map(|record| record.header_bytes().len() + body(record) + 96).sum()
}

/// Returns about how many bytes records take in a batch.
pub(super) fn size(part: &[VerifiedRecord]) -> usize {
    let body = |record: &VerifiedRecord| record.payload().map_or(0, |payload| payload.body.len());
    part.iter().map(|record| record.header_bytes().len() + body(record) + 96).sum()
}
