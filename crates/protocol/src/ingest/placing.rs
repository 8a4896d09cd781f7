//! A range on its way into a feed: what is new of it finds its place.
//!
//! Invariant: the main branch has no gap; of the other one no more is kept than shows that
//! the feed forks, or than leads to a record that the identity log names.
//! Spec: docs/PROTOCOL.md, sections 4.2 and 4.4.

use baraza_record::{FeedId, Seq, Timestamp, VerifiedRecord};

use crate::store::{
    BodyState, Branch, Entry, FeedHead, FeedState, Place, SignatureState, Store, StoreError,
};

use super::{Admission, HELD_PER_FEED_MAX, Ingested};

/// A range on its way into a feed.
pub(super) struct Placing<'a, S> {
    store: &'a mut S,
    feed: FeedId,
    state: FeedState,
    admission: &'a Admission<'a>,
    /// Up to here the log says which record stands, and it does.
    kept_to: Seq,
    /// Up to here the log says which record stands, and it does not yet.
    wanted_to: Seq,
    now: Timestamp,
    pub(super) done: Ingested,
}

impl<'a, S: Store> Placing<'a, S> {
    pub(super) fn new(
        store: &'a mut S,
        feed: FeedId,
        state: FeedState,
        admission: &'a Admission<'a>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let kept_to = admission.kept_to(store, feed, state.chain.seq)?;
        let wanted_to = admission.wanted_to(store, feed, state.chain.seq)?;
        let done = Ingested::default();
        Ok(Self { store, feed, state, admission, kept_to, wanted_to, now, done })
    }

    /// Returns the state of the feed and what became of the range.
    pub(super) fn into_parts(self) -> (FeedState, Ingested) {
        (self.state, self.done)
    }

    /// Puts one record where it belongs and moves the chain, and the shelf if it can follow.
    pub(super) fn place(&mut self, record: &VerifiedRecord) -> Result<(), StoreError> {
        let header = record.header();
        let seq = header.seq;
        if seq <= self.state.chain.seq {
            return self.meet(record);
        }
        if !self.admission.reaches(seq) {
            self.done.deferred += 1;
            return Ok(());
        }
        let follows = seq == self.state.chain.seq + 1 && header.prev == self.state.chain.id;
        // After a fork only its evidence is kept, unless the author said which branch goes on.
        if self.state.fork.is_some() && !(follows && seq <= self.wanted_to) {
            return self.keep_evidence(record, false);
        }
        // One before it was not kept.
        if seq != self.state.chain.seq + 1 {
            self.done.deferred += 1;
            return Ok(());
        }
        if !follows {
            if self.leads_on(record)? {
                return self.keep_evidence(record, false);
            }
            self.done.diverged = Some(seq);
            return Ok(());
        }
        self.append(record)
    }

    fn append(&mut self, record: &VerifiedRecord) -> Result<(), StoreError> {
        let (state, seq) = (&self.state, record.header().seq);
        let authorised = self.admission.authorises(record);
        let whole = state.shelf == state.chain;
        let waits = !authorised || !(whole || seq <= self.wanted_to);
        if waits && HELD_PER_FEED_MAX <= state.chain.seq - state.shelf.seq {
            self.done.deferred += 1;
            return Ok(());
        }
        self.store.put_record(record, Branch::Main, self.now)?;
        self.state.chain = FeedHead { seq, id: record.id() };
        self.done.inserted += 1;
        match authorised && whole {
            true => self.state.shelf = self.state.chain,
            false => self.done.held += 1,
        }
        Ok(())
    }

    /// Compares a record with the one that is held at its place.
    fn meet(&mut self, record: &VerifiedRecord) -> Result<(), StoreError> {
        let header = record.header();
        let (feed, seq) = (self.feed, header.seq);
        let main = Place { feed, seq, branch: Branch::Main };
        let Some(entry) = self.store.entry(&main)? else {
            return Err(StoreError::Damaged { what: format!("no entry for {feed} at {seq}") });
        };
        if entry.id == record.id() {
            self.done.duplicates += 1;
            return complete(self.store, &main, &entry, record, &mut self.done);
        }
        // What the author has ruled on needs no evidence any more, once all of it is here.
        let ruled = seq <= self.kept_to && self.wanted_to == 0;
        if ruled || !self.admission.reaches(seq) {
            self.done.duplicates += 1;
            return Ok(());
        }
        if !self.admission.is_named() {
            self.done.deferred += 1;
            return Ok(());
        }
        let known = self.state.fork.is_some_and(|fork| fork <= seq);
        if self.parts_here(record)? {
            self.keep_evidence(record, !known)?;
            if !known {
                self.state.fork = Some(seq);
                self.done.forked = Some(seq);
            }
            return Ok(());
        }
        if known || self.leads_on(record)? {
            return self.keep_evidence(record, false);
        }
        self.done.diverged = Some(seq);
        Ok(())
    }

    /// Returns whether the record follows the same one as the record that is held at its place.
    fn parts_here(&self, record: &VerifiedRecord) -> Result<bool, StoreError> {
        let header = record.header();
        let before = Place { feed: self.feed, seq: header.seq - 1, branch: Branch::Main };
        Ok(match header.seq {
            1 => header.prev.0 == self.feed.0,
            _ => self.store.entry(&before)?.is_some_and(|before| before.id == header.prev),
        })
    }

    /// Keeps a record of the other branch if it shows that the feed forks, or if it leads
    /// from such a record to a signature that proves it, or to a record that the log names.
    /// A third branch shows nothing more.
    fn keep_evidence(&mut self, record: &VerifiedRecord, lowest: bool) -> Result<(), StoreError> {
        let seq = record.header().seq;
        let other = Place { feed: self.feed, seq, branch: Branch::Other };
        let wanted = seq <= self.wanted_to;
        match self.store.entry(&other)? {
            Some(entry) if entry.id == record.id() => {
                self.done.duplicates += 1;
                complete(self.store, &other, &entry, record, &mut self.done)
            }
            // The branch that the log names may leave the main one behind where a third one did.
            None if lowest || self.leads_on(record)? || (wanted && self.parts_here(record)?) => {
                self.done.inserted += 1;
                self.store.put_record(record, Branch::Other, self.now)
            }
            // What stood there was ruled out; or the branch that the log names comes third.
            Some(_)
                if lowest || (wanted && (self.parts_here(record)? || self.leads_on(record)?)) =>
            {
                self.drop_evidence_from(seq)?;
                self.done.inserted += 1;
                self.store.put_record(record, Branch::Other, self.now)
            }
            _ => {
                self.done.duplicates += 1;
                Ok(())
            }
        }
    }

    fn drop_evidence_from(&mut self, from: Seq) -> Result<(), StoreError> {
        let positions = self.store.evidence(&self.feed)?;
        positions
            .into_iter()
            .filter(|seq| from <= *seq)
            .try_for_each(|seq| self.store.drop_evidence(&self.feed, seq))
    }

    /// Returns whether the record continues the other branch and is wanted there.
    fn leads_on(&self, record: &VerifiedRecord) -> Result<bool, StoreError> {
        let header = record.header();
        let before = Place { feed: self.feed, seq: header.seq - 1, branch: Branch::Other };
        let before = self.store.entry(&before)?;
        Ok(before.is_some_and(|before| {
            let unproved = before.signature != SignatureState::Checked;
            before.id == header.prev && (unproved || header.seq <= self.wanted_to)
        }))
    }
}

/// Adds what a second copy of a record has and the held one lacks.
fn complete<S: Store>(
    store: &mut S,
    place: &Place,
    entry: &Entry,
    record: &VerifiedRecord,
    done: &mut Ingested,
) -> Result<(), StoreError> {
    if let (BodyState::Missing, Some(payload)) = (entry.body, record.payload()) {
        store.put_payload(place, payload)?;
        done.bodies += 1;
    }
    if let (true, true, Some(signature)) =
        (entry.signature != SignatureState::Checked, record.has_own_signature(), record.signature())
    {
        store.put_signature(place, signature)?;
    }
    Ok(())
}
