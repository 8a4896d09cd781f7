//! What a session asks next.
//!
//! Invariant: who may speak is asked before what is said; evidence of a fork when all that
//! stands before the fork is here; bodies last.
//! Spec: docs/PROTOCOL.md, section 6.3.

use baraza_record::{ANCHOR_HEADERS_MAX, FeedId, Seq, Timestamp};

use crate::{
    entitle::Shared,
    ingest,
    net::RequestId,
    standing::{self, Standing},
    store::{BodyState, PAGE_MAX, Place, Store, StoreError},
    want,
    wire::{
        BODIES_MAX, Fetch, HEADS_MAX, LOGS_MAX, LogWanted, PROBE_MAX, RANGES_MAX, Request, Scope,
        Wanted,
    },
};

use super::{Asked, CLAIM_MAX_MS, CLAIM_MS, Claims, Known, Outcome, Session, Span, Tree};

/// Most records asked for in one range: what one signature may cover.
const RANGE_RECORDS_MAX: u64 = ANCHOR_HEADERS_MAX as u64;

/// Ranges that are passed over for one request because other sessions fetch their feeds.
const PASSED_MAX: usize = 256;

impl Session {
    /// Fills the window with requests; ends the session when there is nothing left to ask.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn advance<S: Store>(
        &mut self,
        store: &S,
        claims: &mut Claims,
        now: Timestamp,
        mut number: impl FnMut() -> RequestId,
    ) -> Result<(), StoreError> {
        while self.outcome.is_none() && self.asked.len() < self.window.min(self.pace.window()) {
            let Some((asked, request)) = self.next(store, claims, now)? else { break };
            if self.requests_left == 0 {
                self.finish(Outcome::Failed("the session reached its limit of requests".into()));
                return Ok(());
            }
            self.requests_left -= 1;
            let id = number();
            self.asked.insert(id, asked);
            self.asked_at.insert(id, now);
            self.outbox.push_back((id, request));
            self.active_at = now;
        }
        // Ranges may be left that other sessions are fetching, or what came is not committed yet:
        // then this one waits.
        if self.asked.is_empty()
            && self.tasks.ranges.is_empty()
            && !self.uncommitted
            && self.outcome.is_none()
        {
            let agreed = self.final_compare && !self.failed_parts && self.agrees(store)?;
            self.finish(if agreed { Outcome::Agreed } else { Outcome::Differ });
        }
        Ok(())
    }

    /// Returns whether both sides held the same when the peer last said what it holds.
    fn agrees<S: Store>(&self, store: &S) -> Result<bool, StoreError> {
        // The hello is of what was committed; within a batch ours may be a little behind.
        let Some(theirs) = &self.theirs else { return Ok(false) };
        Ok(Standing::of(store, &self.ours, &self.peer, theirs)?.agrees())
    }

    /// Returns how a shelf is named in a request to the peer.
    pub(super) fn scope(&self, shelf: &Shared) -> Scope {
        // A shelf whose network we left was dropped with the sessions of that time.
        self.ours.scope(shelf, &self.peer).unwrap_or(Scope::Public)
    }

    fn next<S: Store>(
        &mut self,
        store: &S,
        claims: &mut Claims,
        now: Timestamp,
    ) -> Result<Option<(Asked, Request)>, StoreError> {
        if self.tasks.compare {
            self.tasks.compare = false;
            return Ok(Some(self.compare(store)?));
        }
        if let Some(after) = self.tasks.log_heads.take() {
            return Ok(Some((Asked::LogHeads(after), Request::LogHeads(after))));
        }
        if self.tasks.branches_of.front().is_some_and(|(tree, _)| *tree == Tree::Logs) {
            return Ok(self.next_branches());
        }
        self.plan_newcomers();
        if !self.tasks.logs.is_empty() {
            let count = self.tasks.logs.len().min(LOGS_MAX);
            let logs: Vec<_> = self.tasks.logs.drain(..count).collect();
            let wanted = logs.iter().map(|head| {
                let log = ingest::log_of(store, &head.centre)?;
                Ok(LogWanted { centre: head.centre, after: log.map(|log| log.head().id()) })
            });
            let wanted = wanted.collect::<Result<_, StoreError>>()?;
            return Ok(Some((Asked::Logs(logs), Request::Logs(wanted))));
        }
        // Records wait until every log that was asked for is here.
        if self.asked.values().any(|asked| !asked.may_overlap()) {
            return Ok(None);
        }
        if let Some(step) = self.next_branches() {
            return Ok(Some(step));
        }
        if let Some((shelf, after)) = self.tasks.heads.pop_front() {
            let request = Request::Heads(self.scope(&shelf), after);
            return Ok(Some((Asked::Heads(shelf, after), request)));
        }
        // Early, so that a peer that is hard to reach is not for ever the only one known.
        if std::mem::take(&mut self.tasks.peers) {
            return Ok(Some((Asked::Peers, Request::Peers)));
        }
        if let Some((feed, span)) = self.tasks.probes.pop_first() {
            let scope = self.scope(&self.shelf_of(&feed));
            let positions = span.positions();
            if positions.is_empty() {
                // Nothing is left between: the first record that differs.
                let first = Wanted { feed, from: span.differ, to: span.differ };
                return Ok(Some((Asked::Parting(first), self.whole(scope, vec![first]))));
            }
            let asked = Asked::Probe(feed, span, positions.clone());
            return Ok(Some((asked, Request::Probe(scope, feed, positions))));
        }
        if let Some((feed, wanted)) = self.tasks.branches.pop_first() {
            let to = wanted.to.min(wanted.from.saturating_add(RANGE_RECORDS_MAX - 1));
            let range = vec![Wanted { feed, from: wanted.from, to }];
            let scope = self.scope(&self.shelf_of(&feed));
            return Ok(Some((Asked::Branch(wanted), self.whole(scope, range))));
        }
        if let Some(ranges) = self.next_ranges(store, claims, now)? {
            let scope = self.scope(&self.shelf_of(&ranges[0].feed));
            return Ok(Some((Asked::Fetch(ranges.clone()), self.fetch(scope, ranges))));
        }
        let fetching = self.asked.values().any(|asked| matches!(asked, Asked::Fetch(_)));
        if fetching || !self.tasks.ranges.is_empty() {
            return Ok(None);
        }
        if let Some(feed) = self.tasks.evidence.pop_first() {
            let scope = self.scope(&self.shelf_of(&feed));
            return Ok(Some((Asked::Evidence(feed), Request::Evidence(scope, feed))));
        }
        self.next_last(store)
    }

    /// Plans again what was not answered.
    pub(super) fn put_back(&mut self, asked: Asked) {
        match asked {
            Asked::Compare if self.final_compare => self.final_compare = false,
            Asked::Compare => self.tasks.compare = true,
            Asked::LogHeads(after) => self.tasks.log_heads = Some(after),
            Asked::Logs(heads) => self.tasks.logs.extend(heads),
            Asked::Heads(shelf, after) => self.tasks.heads.push_front((shelf, after)),
            Asked::Descend(tree, prefixes) => {
                let again = prefixes.into_iter().map(|prefix| (tree, prefix));
                again.for_each(|one| self.tasks.branches_of.push_front(one));
            }
            Asked::Fetch(ranges) => {
                ranges.into_iter().rev().for_each(|wanted| self.tasks.ranges.push_front(wanted));
            }
            Asked::Bodies(places) => self.tasks.bodies.extend(places),
            Asked::Probe(feed, span, _) => {
                self.tasks.probes.insert(feed, span);
            }
            Asked::Parting(Wanted { feed, from, .. }) => {
                self.tasks.probes.insert(feed, Span { agree: from - 1, differ: from });
            }
            Asked::Branch(wanted) => {
                self.tasks.branches.insert(wanted.feed, wanted);
            }
            Asked::Evidence(feed) => {
                self.tasks.evidence.insert(feed);
            }
            Asked::Peers => self.tasks.peers = true,
        }
    }

    fn compare<S: Store>(&self, store: &S) -> Result<(Asked, Request), StoreError> {
        let Known { centre, shared, seen, .. } = &self.known;
        // At the end the answer is to say in full how both stand.
        let known = centre.as_ref().filter(|_| self.theirs.is_none());
        let since = seen.as_ref().map(|seen| seen.cursor).filter(|_| self.theirs.is_none());
        let question = standing::question(store, &self.ours, &self.peer, known, shared, since)?;
        Ok((Asked::Compare, Request::Compare(question)))
    }

    /// Asks for ranges with all of their bodies.
    fn whole(&self, scope: Scope, ranges: Vec<Wanted>) -> Request {
        Request::Fetch(Fetch { scope, ranges, bytes: u32::MAX, interests: None })
    }

    /// Packs ranges until they are expected to fill a batch.
    fn next_ranges<S: Store>(
        &mut self,
        store: &S,
        claims: &mut Claims,
        now: Timestamp,
    ) -> Result<Option<Vec<Wanted>>, StoreError> {
        let for_ms = self.pace.batch_ms().saturating_mul(4).clamp(CLAIM_MS, CLAIM_MAX_MS);
        let (mut ranges, mut left, mut passed) = (Vec::new(), self.pace.bytes(), Vec::new());
        while ranges.len() < RANGES_MAX && left != 0 && passed.len() < PASSED_MAX {
            let Some(mut wanted) = self.tasks.ranges.pop_front() else { break };
            let feed = wanted.feed;
            let state = self.held(&feed, store)?;
            let (chain, fork) = state.map_or((0, None), |state| (state.chain.seq, state.fork));
            // What another session brought meanwhile need not come again.
            wanted.from = wanted.from.max(chain + 1);
            if wanted.to < wanted.from || fork.is_some() || self.given_up.contains(&feed) {
                continue;
            }
            // If what stands before it failed to come, it could not be placed.
            let coming = self.fetches(&feed)
                || ranges.iter().chain(&passed).any(|one: &Wanted| one.feed == feed);
            if chain + 1 < wanted.from && !coming {
                self.miss();
                continue;
            }
            // First what lies before a part that waits; or more and more of them would wait.
            let waiting = self.early.range((feed, 0)..(feed, wanted.from)).next().is_some();
            let wary = self.is_wary_of(chain);
            // One request is about one shelf.
            let apart = ranges
                .first()
                .is_some_and(|first: &Wanted| self.shelf_of(&first.feed) != self.shelf_of(&feed));
            if waiting || (wary && coming) || apart || !claims.take(feed, self.peer, now, for_ms) {
                passed.push(wanted);
                continue;
            }
            let most = if wary { 1 } else { RANGE_RECORDS_MAX };
            let mean = self.pace.mean(&feed);
            let room = (left / mean).clamp(1, most);
            if room <= wanted.to - wanted.from {
                let rest = Wanted { from: wanted.from + room, ..wanted };
                self.tasks.ranges.push_front(rest);
                wanted.to = wanted.from + room - 1;
            }
            left = left.saturating_sub((wanted.to - wanted.from + 1).saturating_mul(mean));
            ranges.push(wanted);
        }
        passed.into_iter().rev().for_each(|wanted| self.tasks.ranges.push_front(wanted));
        Ok((!ranges.is_empty()).then_some(ranges))
    }

    /// Returns whether records of `feed` are on their way.
    fn fetches(&self, feed: &FeedId) -> bool {
        self.asked.values().any(|asked| match asked {
            Asked::Fetch(ranges) => ranges.iter().any(|wanted| wanted.feed == *feed),
            _ => false,
        })
    }

    fn next_last<S: Store>(&mut self, store: &S) -> Result<Option<(Asked, Request)>, StoreError> {
        let (shelf, places) = self.next_bodies(store)?;
        if !places.is_empty() {
            let wanted = places.iter().map(|place| (place.feed, place.seq)).collect();
            let request = Request::Bodies(self.scope(&shelf), wanted);
            return Ok(Some((Asked::Bodies(places), request)));
        }
        if !self.asked.is_empty() {
            return Ok(None);
        }
        if self.uncommitted {
            return Ok(None);
        }
        if !self.final_compare {
            self.final_compare = true;
            // What the peer said at the beginning is enough if it is what we hold now.
            if !self.agrees(store)? || self.failed_parts {
                return Ok(Some(self.compare(store)?));
            }
        }
        Ok(None)
    }

    /// Returns bodies of one shelf to ask for: none if none is wanted that was not asked for.
    fn next_bodies<S: Store>(&mut self, store: &S) -> Result<(Shared, Vec<Place>), StoreError> {
        let (mut of, mut places, mut left) = (None, Vec::new(), self.pace.bytes());
        while places.len() < BODIES_MAX && left != 0 {
            let Some(place) = self.tasks.bodies.pop_front() else {
                let Some(after) = self.tasks.missing_from.take() else { break };
                let (wanted, next) = want::page(store, after, self.gate.as_deref(), |_| true)?;
                self.tasks.missing_from = next.map(Some);
                self.tasks.bodies.extend(wanted);
                continue;
            };
            // Gossip or another session may have brought it.
            let entry = store.entry(&place)?;
            if entry.is_none_or(|entry| entry.body != BodyState::Missing) {
                continue;
            }
            let Some(state) = store.feed(&place.feed)? else { continue };
            let holds = |shelf: &&Shared| shelf.holds_feed(&self.ours.centre, &state);
            let Some(shelf) = self.shared.iter().find(holds).copied() else { continue };
            if *of.get_or_insert(shelf) != shelf {
                self.tasks.bodies.push_front(place);
                break;
            }
            left = left.saturating_sub(self.pace.mean(&place.feed));
            places.push(place);
        }
        Ok((of.unwrap_or(Shared::Public), places))
    }
}

impl Asked {
    /// Returns whether records may be asked for while this is under way.
    fn may_overlap(&self) -> bool {
        let logs = matches!(self, Self::LogHeads(_) | Self::Logs(_) | Self::Descend(Tree::Logs, _));
        !logs && !matches!(self, Self::Compare)
    }
}

impl Span {
    /// Returns up to [`PROBE_MAX`] positions between the ends, evenly spread.
    fn positions(self) -> Vec<Seq> {
        let between = self.differ - self.agree - 1;
        let count = between.min(PROBE_MAX as u64);
        // Dividing first would leave the last step too long; the product fits 128 bits.
        let step = |n: u64| u128::from(between + 1) * u128::from(n) / u128::from(count + 1);
        (1..=count).map(|n| self.agree + u64::try_from(step(n)).unwrap_or(between)).collect()
    }
}

const _: () = assert!(HEADS_MAX < PAGE_MAX + 1, "a page of heads is a page of the store");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_of_a_probe_ascend_between_the_ends() {
        for (agree, differ, count) in
            [(0, 1, 0), (0, 2, 1), (5, 38, 32), (5, 39, 32), (0, 1_000_000, 32), (0, u64::MAX, 32)]
        {
            let positions = Span { agree, differ }.positions();
            assert_eq!(positions.len(), count, "{agree}..{differ}");
            assert!(positions.is_sorted_by(|a, b| a < b), "{positions:?}");
            assert!(positions.iter().all(|seq| agree < *seq && *seq < differ), "{positions:?}");
        }
    }
}
