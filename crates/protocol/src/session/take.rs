//! What a session does with an answer.
//!
//! Invariant: an answer of the wrong kind, out of order, or that goes backwards ends the
//! session; a peer that merely lacks something does not.
//! Spec: docs/PROTOCOL.md, section 6.4.

use baraza_identity::Log;
use baraza_reconcile::Head;
use baraza_record::{CentreId, FeedId, Timestamp};

use crate::{
    entitle::{Shared, is_node},
    holders,
    ingest::{self, IngestError},
    screen::Screened,
    standing::{self, Standing},
    store::{Branch, FeedState, Place, ShelfName, Store, StoreError},
    want,
    wire::{Answer, HeadEntry, Hello, KnownPeer, LogHead, LogPart, PEERS_MAX, Wanted},
};

use super::{Asked, Learnt, Session, Span};

/// Why an answer ends a session.
pub(super) enum TakeError {
    Store(StoreError),
    Violation(String),
    /// With what was asked.
    Busy(Asked),
    /// For so many seconds.
    Later(u32),
}

impl From<StoreError> for TakeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<IngestError> for TakeError {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Store(error) => Self::Store(error),
            IngestError::Rejected(rejection) => Self::Violation(rejection.to_string()),
        }
    }
}

pub(super) fn violation<T>(what: impl Into<String>) -> Result<T, TakeError> {
    Err(TakeError::Violation(what.into()))
}

impl Session {
    pub(super) fn take<S: Store>(
        &mut self,
        asked: Asked,
        answer: Screened,
        store: &mut S,
        now: Timestamp,
    ) -> Result<Vec<Learnt>, TakeError> {
        match (asked, answer) {
            (asked, Screened::Plain(Answer::Busy)) => return Err(TakeError::Busy(asked)),
            (_, Screened::Plain(Answer::Later(seconds))) => return Err(TakeError::Later(seconds)),
            (Asked::Compare, Screened::Plain(Answer::Compared(hello))) => {
                return self.compared(hello, store, now);
            }
            (Asked::LogHeads(after), Screened::Plain(Answer::LogHeads(heads, more))) => {
                self.log_heads(after.map(|id| id.0), heads, more, store)?;
            }
            (Asked::Logs(wanted), Screened::Plain(Answer::Logs(logs))) => {
                return self.logs(&wanted, &logs, store);
            }
            (Asked::Heads(shelf, after), Screened::Plain(Answer::Heads(heads, more))) => {
                self.heads((shelf, after), &heads, more, store, now)?;
            }
            (Asked::Fetch(ranges), Screened::Batch(parts)) => {
                self.batch(&ranges, parts, store, now)?;
            }
            (Asked::Bodies(places), Screened::Plain(Answer::Bodies(bodies))) => {
                self.bodies(&places, &bodies, store)?;
            }
            (Asked::Probe(feed, span, positions), Screened::Plain(Answer::Ids(ids))) => {
                self.probed(feed, span, &positions, &ids, store)?;
            }
            (Asked::Parting(wanted), Screened::Batch(parts)) => {
                self.parting(wanted, &parts, store, now)?;
            }
            (Asked::Branch(wanted), Screened::Batch(parts)) => {
                self.branch(wanted, &parts, store, now)?;
            }
            (Asked::Evidence(feed), Screened::Evidence(branches)) => {
                self.evidence(feed, &branches, store, now)?;
            }
            (Asked::Peers, Screened::Plain(Answer::Peers(known))) => return peers(known),
            (asked, _) => {
                return violation(format!("an answer does not fit its question: {asked:?}"));
            }
        }
        Ok(Vec::new())
    }

    fn compared<S: Store>(
        &mut self,
        hello: Hello,
        store: &mut S,
        now: Timestamp,
    ) -> Result<Vec<Learnt>, TakeError> {
        let standing = Standing::of(store, &self.ours, &self.peer, &hello)?;
        let tried = self.tried.as_ref().is_some_and(|tried| standing.is_no_news_after(tried));
        let centre = hello.centre;
        self.theirs = Some(hello);
        self.shared = standing.shared().collect();
        let learnt = self.prove(store)?;
        if standing.agrees() && self.proved {
            self.note_all(centre, store, now)?;
        }
        if tried && !self.final_compare {
            (self.skipped, self.final_compare, self.failed_parts) = (true, true, true);
            return Ok(learnt);
        }
        // Of a shelf that is shared only since we hold the peer's log, the last comparison tells.
        let unseen = standing.differing().filter(|shelf| self.walked.insert(*shelf));
        let unseen: Vec<_> = unseen.map(|shelf| (shelf, None)).collect();
        if !self.final_compare {
            let ours = self.ours.centre;
            let shared =
                |state: &FeedState| self.shared.iter().any(|shelf| shelf.holds_feed(&ours, state));
            if standing.agrees() && !want::any(store, self.gate.as_deref(), shared)? {
                self.final_compare = true;
                return Ok(learnt);
            }
            self.tasks.log_heads = (!standing.same_identities()).then_some(None);
            self.tasks.missing_from = Some(None);
            self.tasks.peers = true;
        } else if !unseen.is_empty() && !self.skipped {
            (self.final_compare, self.tasks.missing_from) = (false, Some(None));
        } else {
            return Ok(learnt);
        }
        self.tasks.heads.extend(unseen);
        Ok(learnt)
    }

    /// Checks the peer's word for its centre against that centre's log, if it is held.
    fn prove<S: Store>(&mut self, store: &S) -> Result<Vec<Learnt>, TakeError> {
        let Some(centre) = self.theirs.as_ref().map(|hello| hello.centre) else {
            return Ok(Vec::new());
        };
        let proved = is_node(store, &centre, &self.peer)?;
        let news = proved && !self.proved;
        self.proved = proved;
        Ok(if news { vec![Learnt::Centre(centre)] } else { Vec::new() })
    }

    /// Both sides hold the same: the peer's centre holds every feed as far as we do.
    fn note_all<S: Store>(
        &self,
        centre: CentreId,
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if centre == self.ours.centre {
            return Ok(());
        }
        for shared in &self.shared {
            let shelf = standing::shelf(store, &self.ours, shared)?;
            for (feed, head) in shelf.page(None, usize::MAX) {
                holders::note(store, &FeedId(*feed), &centre, head.seq, now)?;
            }
        }
        Ok(())
    }

    fn log_heads<S: Store>(
        &mut self,
        after: Option<[u8; 32]>,
        heads: Vec<LogHead>,
        more: bool,
        store: &S,
    ) -> Result<(), TakeError> {
        self.count_page(after, heads.iter().map(|head| head.centre.0), more)?;
        if more {
            self.tasks.log_heads = Some(heads.last().map(|head| head.centre));
        }
        let shelf = store.shelf(ShelfName::Identities);
        for head in heads {
            let theirs = Head { seq: head.events, id: head.id.0, forked: head.forked };
            let ours = shelf.get(&head.centre.0);
            if ours != Some(&theirs) && (ours.is_none() || lacks(store, &head)?) {
                self.plan_log(head, ours.is_some());
            }
        }
        Ok(())
    }

    fn logs<S: Store>(
        &mut self,
        wanted: &[LogHead],
        logs: &[LogPart],
        store: &mut S,
    ) -> Result<Vec<Learnt>, TakeError> {
        let mut rest = wanted.to_vec();
        for LogPart { centre, events } in logs {
            let Some(place) = rest.iter().position(|head| head.centre == *centre) else {
                return violation(format!("the log of {centre} was not asked for"));
            };
            let head = rest.remove(place);
            if !self.takes_log(centre, store)? {
                continue;
            }
            let done = ingest::ingest_log(store, *centre, events)?;
            self.gains.identities += done.added;
            // An event of a newer version is nobody's fault; what it says is unknown here.
            self.failed_parts |= done.unread != 0;
            if done.added != 0 && done.unread == 0 && lacks(store, &head)? {
                self.tasks.logs.push_back(head);
            }
        }
        // One answer may be too small for all of them; one that brings none has no more.
        match rest.len() == wanted.len() {
            true => self.failed_parts = true,
            false => self.tasks.logs.extend(rest),
        }
        self.prove(store)
    }

    fn heads<S: Store>(
        &mut self,
        (shelf, after): (Shared, Option<FeedId>),
        heads: &[HeadEntry],
        more: bool,
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), TakeError> {
        self.count_page(after.map(|feed| feed.0), heads.iter().map(|head| head.feed.0), more)?;
        if more {
            self.tasks.heads.push_front((shelf, heads.last().map(|head| head.feed)));
        }
        let centre = self.theirs.as_ref().map(|hello| hello.centre);
        let centre = centre.filter(|centre| self.proved && *centre != self.ours.centre);
        for head in heads {
            if shelf != Shared::Public {
                self.listed.insert(head.feed, shelf);
            }
            let same = self.compare_head(head, store)?;
            if let (true, Some(centre)) = (same, &centre) {
                holders::note(store, &head.feed, centre, head.seq, now)?;
            }
        }
        Ok(())
    }

    /// Plans what one head asks for. Returns whether we hold the very record that it names.
    fn compare_head<S: Store>(&mut self, head: &HeadEntry, store: &S) -> Result<bool, TakeError> {
        let feed = head.feed;
        let state = self.held(&feed, store)?;
        if self.declines_feed(&feed, state.as_ref()) {
            return Ok(false);
        }
        let (chain, fork) = state.map_or((0, None), |state| (state.chain.seq, state.fork));
        let evident = fork.is_some_and(|fork| fork <= head.seq.saturating_add(1));
        if head.forked && !evident {
            self.tasks.evidence.insert(feed);
        }
        if fork.is_some_and(|fork| fork <= head.seq) {
            // Which branch goes on is for its author to say: the peer may have heard.
            self.ends.insert(feed, head.seq);
            self.pursue(feed, store)?;
            return Ok(false);
        }
        if chain < head.seq {
            self.tasks.ranges.push_back(Wanted { feed, from: chain + 1, to: head.seq });
            return Ok(false);
        }
        if head.seq == 0 {
            return Ok(true);
        }
        let ours = store.entry(&Place { feed, seq: head.seq, branch: Branch::Main })?;
        let same = ours.is_some_and(|entry| entry.id == head.id);
        // A fork that is known further on does not explain why they differ here.
        if !same {
            self.ends.insert(feed, head.seq);
            self.tasks.probes.insert(feed, Span { agree: 0, differ: head.seq });
        }
        Ok(same)
    }

    /// Checks that a page goes forward, and counts it.
    fn count_page(
        &mut self,
        after: Option<[u8; 32]>,
        ids: impl Iterator<Item = [u8; 32]> + Clone,
        more: bool,
    ) -> Result<(), TakeError> {
        let count = ids.clone().count();
        let ascending = ids.clone().is_sorted_by(|a, b| a < b);
        let forward =
            ids.clone().next().is_none_or(|first| after.is_none_or(|after| after < first));
        if !ascending || !forward || (more && count == 0) {
            return violation("a page of heads does not go forward");
        }
        self.heads_left = match self.heads_left.checked_sub(count) {
            Some(left) => left,
            None => return violation("more heads than a session looks at"),
        };
        Ok(())
    }
}

/// Returns whether a peer's log may have events that ours lacks.
fn lacks(store: &impl Store, head: &LogHead) -> Result<bool, StoreError> {
    let log = ingest::log_of(store, &head.centre)?;
    let known = |log: Log| log.events().iter().any(|event| event.id() == head.id);
    let forked =
        store.shelf(ShelfName::Identities).get(&head.centre.0).is_some_and(|ours| ours.forked);
    Ok((head.forked && !forked) || !log.is_some_and(known))
}

fn peers(known: Vec<KnownPeer>) -> Result<Vec<Learnt>, TakeError> {
    if PEERS_MAX < known.len() {
        return violation(format!("{} peers, the limit is {PEERS_MAX}", known.len()));
    }
    let known = known.into_iter().map(|known| (known.peer, known.addresses));
    Ok(vec![Learnt::Peers(known.collect())])
}
