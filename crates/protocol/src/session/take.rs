//! What a session does with an answer.
//!
//! Invariant: an answer of the wrong kind, out of order, or that goes backwards ends the
//! session; a peer that merely lacks something does not.
//! Spec: docs/PROTOCOL.md, section 6.4.

use baraza_identity::Log;
use baraza_record::{FeedId, Timestamp};

use crate::{
    entitle::{NetworkTag, Shared, is_node},
    holders,
    ingest::{self, IngestError},
    peers::Seen,
    screen::Screened,
    standing::{self, Standing},
    store::{Branch, FeedState, Place, ShelfName, Store, StoreError},
    want,
    wire::{
        Answer, Cursor, Differs, HeadEntry, Hello, KnownPeer, LogHead, LogPart, PEERS_MAX, Wanted,
    },
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
            (Asked::Compare, Screened::Plain(Answer::Same(cursor))) => {
                return self.same(cursor, store, now);
            }
            (Asked::Compare, Screened::Plain(Answer::Differs(differs))) => {
                return self.differs(*differs, store, now);
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
            (Asked::Descend(tree, prefixes), Screened::Plain(Answer::Descent(found))) => {
                self.descended(tree, &prefixes, found, store, now)?;
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

    /// Both sides hold the same of what we believed to share.
    fn same<S: Store>(
        &mut self,
        cursor: Cursor,
        store: &mut S,
        now: Timestamp,
    ) -> Result<Vec<Learnt>, TakeError> {
        let Some(centre) = self.known.centre.filter(|_| self.theirs.is_none()) else {
            return violation("it holds the same as a node whose centre it does not know");
        };
        let tags: Vec<_> =
            self.known.shared.iter().filter_map(|shelf| self.tag_of(shelf)).collect();
        let hello = standing::mirrored(store, &self.ours, &self.peer, &centre, &tags)?;
        let named = self.named_shelves(&hello).into_iter().flatten();
        self.shared = named.collect();
        self.theirs = Some(hello);
        let learnt = self.prove(store)?;
        self.follows = Some(Seen { walked_ms: now, ..self.following(store.epoch(), cursor, now) });
        self.final_compare = true;
        self.tasks.peers = self.known.ask_peers;
        if self.wants_any(store)? {
            self.tasks.missing_from = Some(None);
        }
        Ok(learnt)
    }

    fn differs<S: Store>(
        &mut self,
        differs: Differs,
        store: &mut S,
        now: Timestamp,
    ) -> Result<Vec<Learnt>, TakeError> {
        let Differs { hello, cursor, logs, feeds } = differs;
        let standing = Standing::of(store, &self.ours, &self.peer, &hello)?;
        let tried = self.known.tried.as_ref().is_some_and(|tried| standing.is_no_news_after(tried));
        let named = self.named_shelves(&hello);
        if feeds.len() != named.len() {
            return violation("it does not say of each shelf what stands on it");
        }
        self.theirs = Some(hello);
        self.shared = standing.shared().collect();
        let learnt = self.prove(store)?;
        if tried && !self.final_compare {
            (self.skipped, self.final_compare, self.failed_parts) = (true, true, true);
            return Ok(learnt);
        }
        if !self.final_compare {
            self.follows = Some(self.following(store.epoch(), cursor, now));
            if standing.agrees() && !self.wants_any(store)? {
                self.final_compare = true;
                return Ok(learnt);
            }
            self.tasks.missing_from = Some(None);
            self.tasks.peers = self.known.ask_peers;
            if !standing.same_identities() {
                self.plan_logs(logs, store, now)?;
            }
        } else if self.skipped {
            return Ok(learnt);
        }
        // Of a shelf that is shared only since we hold the peer's log, the last comparison tells.
        let mut unseen = standing.differing().filter(|shelf| self.walked.insert(*shelf));
        let unseen: Vec<_> = unseen.by_ref().collect();
        if !unseen.is_empty() && self.final_compare {
            (self.final_compare, self.tasks.missing_from) = (false, Some(None));
        }
        for (shelf, news) in named.into_iter().zip(feeds) {
            if shelf.is_some_and(|shelf| unseen.contains(&shelf))
                && let Some(shelf) = shelf
            {
                self.plan_shelf(shelf, news, store, now)?;
            }
        }
        Ok(learnt)
    }

    /// Returns the shelves of a hello in its order; none where it names what we do not share.
    fn named_shelves(&self, hello: &Hello) -> Vec<Option<Shared>> {
        let network = |(tag, _): &(NetworkTag, _)| {
            let one = self.ours.network_of(tag, &self.peer)?;
            Some(Shared::Network(one.id))
        };
        let mut named = vec![Some(Shared::Public)];
        named.extend(hello.networks.iter().map(network));
        named.extend(hello.centres.map(|_| Some(Shared::Centres(hello.centre))));
        named
    }

    /// Returns by what the peer shows that it belongs to the network of a shelf.
    fn tag_of(&self, shelf: &Shared) -> Option<NetworkTag> {
        let Shared::Network(id) = shelf else { return None };
        let one = self.ours.networks.iter().find(|one| one.id == *id)?;
        Some(one.tag(&self.peer, &self.ours.node))
    }

    /// Returns whether a body is wanted that the peer may have.
    fn wants_any<S: Store>(&self, store: &S) -> Result<bool, StoreError> {
        let ours = self.ours.centre;
        let shared =
            |state: &FeedState| self.shared.iter().any(|shelf| shelf.holds_feed(&ours, state));
        want::any(store, self.gate.as_deref(), shared)
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
        Ok(self.wanted_logs(&heads, store)?)
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
            self.uncommitted |= done.added != 0;
            // An event of a newer version is nobody's fault; what it says is unknown here.
            self.failed_parts |= done.unread != 0;
            if done.added != 0 && done.unread == 0 && lacks(store, &head)? {
                self.tasks.logs.push_back(head);
            }
        }
        // One answer may be too small for all of them; one that brings none has no more.
        match rest.len() == wanted.len() {
            true => self.miss(),
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
        Ok(self.take_heads(shelf, heads, store, now)?)
    }

    /// Plans what heads on a shelf of the peer ask for.
    pub(super) fn take_heads<S: Store>(
        &mut self,
        shelf: Shared,
        heads: &[HeadEntry],
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), StoreError> {
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
    fn compare_head<S: Store>(&mut self, head: &HeadEntry, store: &S) -> Result<bool, StoreError> {
        let feed = head.feed;
        let state = self.held(&feed, store)?;
        if self.declines_feed(&feed, state.as_ref()) {
            return Ok(false);
        }
        let (chain, fork) = state.as_ref().map_or((0, None), |state| (state.chain.seq, state.fork));
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
            let missing = head.bytes.saturating_sub(store.feed_bytes(&feed)?);
            self.pace.hint(feed, head.seq - chain, missing);
            let wanted = Wanted { feed, from: chain + 1, to: head.seq };
            // Those for whom somebody vouches come first, so that what nations say is known soon.
            match state.is_some_and(|state| self.is_welcome(&state.centre)) {
                true => self.tasks.ranges.push_front(wanted),
                false => self.tasks.ranges.push_back(wanted),
            }
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
        self.count_heads(count)
    }

    /// Counts heads and branches that were looked at.
    pub(super) fn count_heads(&mut self, count: usize) -> Result<(), TakeError> {
        match self.heads_left.checked_sub(count) {
            Some(left) => {
                self.heads_left = left;
                Ok(())
            }
            None => violation("more heads than a session looks at"),
        }
    }
}

/// Returns whether a peer's log may have events that ours lacks.
pub(super) fn lacks(store: &impl Store, head: &LogHead) -> Result<bool, StoreError> {
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
