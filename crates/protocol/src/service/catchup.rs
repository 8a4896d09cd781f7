//! When sessions start, and what follows from them.
//!
//! Invariant: at most one session for each peer. Two nodes that cannot become equal do
//! not compare in a circle: what left them different once is not tried again at once.
//! Spec: docs/PROTOCOL.md, section 6.2.

use std::sync::Arc;

use baraza_record::{CentreId, FeedId, VerifiedRecord};

use crate::{
    entitle::{Shared, is_node},
    holders,
    ingest::{self, IngestError, Rejection},
    net::{NetEffect, Peer, RequestId, Verdict},
    peers::Seen,
    screen::Screened,
    session::{Gains, Known, Learnt, Outcome, Session},
    standing::{self, Heard, Standing},
    store::{Store, StoreError},
    want,
    wire::Compare,
};

use super::Service;

/// Wait before the other peers are told of what a session brought (0.2 s), so that one
/// comparison covers what several sessions bring.
const NEWS_AFTER_MS: u64 = 200;

/// Wait for a peer to fetch what is new here before it is compared with (5 s).
const AFTER_PEER_MS: u64 = 5_000;

/// Most members of a network that are remembered for the operator.
const MEMBERS_SEEN_MAX: usize = 10_000;

impl<S: Store> Service<S> {
    pub(super) fn start_session(&mut self, peer: Peer) -> Result<(), StoreError> {
        // One that is under way may have passed what is new: the wish to compare stays.
        if self.sessions.contains_key(&peer) || self.read_only.is_some() {
            return Ok(());
        }
        if self.held_for(&peer).is_some() {
            return Ok(());
        }
        let every = self.spending.terms().compare_every_ms;
        let lacking = self.lacks_company()?;
        let Some(link) = self.links.up.get_mut(&peer) else { return Ok(()) };
        link.compare_at = self.now.plus_ms(every);
        let entry = self.links.book.get(&peer);
        let (walks, epoch) = (link.walks(self.now), self.store.epoch());
        let follows = |seen: &Seen| seen.epoch == epoch && !walks;
        let known = Known {
            centre: entry.and_then(|entry| entry.centre),
            shared: link.shared.clone(),
            seen: entry.and_then(|entry| entry.seen.clone()).filter(follows),
            tried: link.fruitless.clone().filter(|_| self.now < link.retry_at),
            ask_peers: link.asks_peers(lacking, self.now),
        };
        let session = Session::new(peer, Arc::clone(&self.ours), known, self.now);
        self.sessions.insert(peer, session.through(&self.gate));
        self.whys.began(peer, self.now);
        self.step(peer)
    }

    /// A peer compared itself with us: if it differs, or may have a body that we want, we
    /// look what it has.
    pub(super) fn heard(&mut self, peer: Peer, question: &Compare) -> Result<(), StoreError> {
        let heard = Heard::of(&self.store, &self.ours, &peer, question)?;
        let every = self.spending.terms().compare_every_ms;
        let ours = self.config.centre;
        let wanting = want::any(&self.store, Some(&self.gate), |state| {
            heard.shared.iter().any(|shelf| shelf.holds_feed(&ours, state))
        })?;
        if let Some(link) = self.links.up.get_mut(&peer) {
            // Whoever asks has something left to spend.
            link.later_until = None;
            // What left us different once is not tried again at once.
            match link.differed == Some((heard.ours, question.digest)) {
                // If only we have moved since we agreed, it is the peer that fetches; it is told
                // of nothing new by a comparison while it does.
                false if !heard.equal && link.agreed == Some(question.digest) => {
                    link.compare_by(self.now.plus_ms(AFTER_PEER_MS));
                }
                false if !heard.equal => link.compare_by(self.now),
                // The peer may have told of itself before it had committed what it got.
                true if !heard.equal && link.fruitless.is_some() => link.compare_soon(self.now),
                _ if wanting => link.compare_soon(self.now),
                _ => (),
            }
            if heard.equal {
                link.agreed = Some(question.digest);
                // One question a minute is enough for both.
                link.compare_at = link.compare_at.max(self.now.plus_ms(every));
            }
            link.told = Some(question.clone());
            link.shared = heard.shared;
        }
        if heard.equal {
            self.note_holders(&peer)?;
        }
        Ok(())
    }

    /// Keeps what had come of an answer before it broke off.
    pub(super) fn salvaged(
        &mut self,
        peer: Peer,
        ranges: &[Vec<VerifiedRecord>],
    ) -> Result<(), StoreError> {
        let entitled = self.ours.entitlement();
        for range in ranges {
            let Some(first) = range.first() else { continue };
            let header = first.header();
            let named = self.store.feed(&first.feed())?.is_some()
                || ingest::log_of(&self.store, &header.centre)?
                    .is_some_and(|log| log.names(&header.signer));
            let ledger_bytes = self.store.counts().ledger_bytes;
            if named
                && entitled.covers(&header.centre, &header.audience)
                && !self.gate.refuses(first, ledger_bytes)
            {
                let records = ingest::ingest_range(&mut self.store, range, self.now)?.inserted;
                tracing::debug!(peer = %peer.short(), records, "salvaged");
            }
        }
        Ok(())
    }

    pub(super) fn answered(
        &mut self,
        peer: Peer,
        request: RequestId,
        answer: Result<Screened, Rejection>,
    ) -> Result<(), StoreError> {
        let Some(session) = self.sessions.get_mut(&peer) else { return Ok(()) };
        if !session.awaits(request) {
            return Ok(());
        }
        let learnt = match answer {
            Ok(answer) => match session.handle(request, answer, &mut self.store, self.now) {
                Ok(learnt) => learnt,
                Err(error) => return self.session_error(peer, error),
            },
            // What a newer node wrote is nobody's fault; here the session ends.
            Err(rejection) if rejection.verdict() == Verdict::Ignore => {
                session.fail(&rejection.to_string());
                Vec::new()
            }
            Err(rejection) => {
                session.violate(rejection.to_string());
                Vec::new()
            }
        };
        self.go_on(peer, learnt)
    }

    /// Lets sessions ask on that waited for what others were fetching, and ends those whose
    /// answers were lost.
    pub(super) fn step_waiting(&mut self) -> Result<(), StoreError> {
        let idle = |session: &Session| session.is_idle() || session.stalled(self.now);
        let waiting = self.sessions.iter().filter(|(_, session)| idle(session));
        let waiting: Vec<_> = waiting.map(|(peer, _)| *peer).collect();
        for peer in waiting {
            if let Some(session) = self.sessions.get_mut(&peer)
                && session.stalled(self.now)
            {
                session.fail("an answer is overdue");
            }
            self.step(peer)?;
        }
        Ok(())
    }

    pub(super) fn request_failed(
        &mut self,
        peer: Peer,
        request: RequestId,
        reason: &str,
    ) -> Result<(), StoreError> {
        let Some(session) = self.sessions.get_mut(&peer) else { return Ok(()) };
        if !session.awaits(request) {
            return Ok(());
        }
        let learnt = match session.failed(request, reason, &mut self.store, self.now) {
            Ok(learnt) => learnt,
            Err(error) => return self.session_error(peer, error),
        };
        self.go_on(peer, learnt)
    }

    /// Lets sessions ask on that waited for a commit.
    pub(super) fn step_committed(&mut self) -> Result<(), StoreError> {
        let waited = self.sessions.iter_mut().filter_map(|(peer, session)| {
            let waits = session.is_idle();
            (session.committed() && waits).then_some(*peer)
        });
        let waited: Vec<_> = waited.collect();
        waited.into_iter().try_for_each(|peer| self.step(peer))
    }

    /// Ends a session with a peer because our store failed, or because of what it sent.
    fn session_error(&mut self, peer: Peer, error: IngestError) -> Result<(), StoreError> {
        if let Some(session) = self.sessions.get_mut(&peer) {
            match error {
                IngestError::Store(error) => {
                    session.fail("our own store failed");
                    return Err(error);
                }
                IngestError::Rejected(rejection) => session.violate(rejection.to_string()),
            }
        }
        self.go_on(peer, Vec::new())
    }

    /// Notes what a session learnt, and lets it and those that wait for it ask on.
    fn go_on(&mut self, peer: Peer, learnt: Vec<Learnt>) -> Result<(), StoreError> {
        for one in learnt {
            self.learn(peer, one)?;
        }
        self.step(peer)?;
        self.step_waiting()
    }

    fn learn(&mut self, peer: Peer, learnt: Learnt) -> Result<(), StoreError> {
        match learnt {
            Learnt::Centre(centre) => self.note_peer(peer, |entry| {
                let news = entry.centre != Some(centre);
                entry.centre = Some(centre);
                news
            }),
            Learnt::Peers(known) => {
                if let Some(link) = self.links.up.get_mut(&peer) {
                    link.asked_peers_at = Some(self.now);
                }
                known.into_iter().try_for_each(|(other, addresses)| self.told_of(other, &addresses))
            }
        }
    }

    /// Lets a session ask on, and does what follows if it has ended.
    fn step(&mut self, peer: Peer) -> Result<(), StoreError> {
        let held = self.held_for(&peer).is_some();
        let Some(session) = self.sessions.get_mut(&peer) else { return Ok(()) };
        if held {
            // What was asked for before comes; then it ends.
            if !session.is_idle() {
                return Ok(());
            }
            session.hold();
        }
        let last = &mut self.last_request;
        session.advance(&self.store, &mut self.claims, self.now, || {
            *last += 1;
            *last
        })?;
        self.look_at_own_feed(&peer)?;
        let Some(session) = self.sessions.get_mut(&peer) else { return Ok(()) };
        let mut requests = Vec::new();
        while let Some((request, what)) = session.poll_request() {
            requests.push(NetEffect::Request { peer, request, bytes: what.encode() });
        }
        if session.outcome().is_some() {
            self.end_session(peer)?;
        }
        requests.into_iter().for_each(|request| self.net(request));
        Ok(())
    }

    /// Takes a session that has ended, or whose peer left, out of the list, and draws the
    /// conclusions.
    pub(super) fn end_session(&mut self, peer: Peer) -> Result<(), StoreError> {
        let Some(session) = self.sessions.remove(&peer) else { return Ok(()) };
        self.claims.release(&peer);
        let gains = session.gains();
        let outcome = session.outcome().cloned().unwrap_or(Outcome::Differ);
        tracing::debug!(peer = %peer.short(), ?outcome, ?gains, "session ended");
        let now = self.now;
        self.whys.ended(peer, &session, &outcome, now);
        let follows = session.follows().cloned();
        if outcome == Outcome::Agreed || follows.is_some() {
            self.note_peer(peer, |entry| {
                if outcome == Outcome::Agreed {
                    entry.agreed_ms = Some(now);
                }
                entry.seen = follows.or(entry.seen.take());
                true
            })?;
        }
        if matches!(outcome, Outcome::Violated(_)) {
            self.offended(peer);
        }
        let standing = match session.theirs() {
            Some(hello) => Some(Standing::of(&self.store, &self.ours, &peer, hello)?),
            None => None,
        };
        if let (Some(standing), Some(hello)) = (&standing, session.theirs()) {
            self.note_networks(&peer, hello.centre, standing)?;
        }
        if let Some(link) = self.links.up.get_mut(&peer) {
            if let Some(hello) = session.theirs() {
                let told = Compare::of(hello);
                link.stands = Heard::of(&self.store, &self.ours, &peer, &told)?.ours;
                link.told = Some(told);
            }
            link.conclude(&session, outcome.clone(), standing, now);
        }
        if outcome == Outcome::Agreed {
            self.note_holders(&peer)?;
        }
        self.end_visit(peer);
        if gains != Gains::default() {
            self.renew_rules()?;
            self.spread_news(Some(peer));
        }
        Ok(())
    }

    /// Notes who is a member of our networks, and with whom we agree on them.
    fn note_networks(
        &mut self,
        peer: &Peer,
        centre: CentreId,
        standing: &Standing,
    ) -> Result<(), StoreError> {
        let proved = is_node(&self.store, &centre, peer)?;
        for shelf in standing.shared() {
            let Shared::Network(id) = shelf else { continue };
            let seen = self.seen.entry(id).or_default();
            if proved && seen.centres.len() < MEMBERS_SEEN_MAX {
                seen.centres.insert(centre);
            }
            if !standing.differing().any(|other| other == shelf) {
                seen.agreed_ms = Some(self.now);
            }
        }
        Ok(())
    }

    /// Notes that the centre of a peer with whom we agree holds all that we share, as far as we do.
    fn note_holders(&mut self, peer: &Peer) -> Result<(), StoreError> {
        let Some(link) = self.links.up.get_mut(peer) else { return Ok(()) };
        let Some(centre) = link.told.as_ref().map(|told| told.centre) else { return Ok(()) };
        if link.noted == link.agreed || centre == self.ours.centre {
            return Ok(());
        }
        link.noted = link.agreed;
        let shared = link.shared.clone();
        if !is_node(&self.store, &centre, peer)? {
            return Ok(());
        }
        for shared in &shared {
            let shelf = standing::shelf(&self.store, &self.ours, shared)?;
            for entry in shelf.entries() {
                let feed = FeedId(entry.key);
                holders::note(&mut self.store, &feed, &centre, entry.head.seq, self.now)?;
            }
        }
        Ok(())
    }

    /// Counts an offence, and sends the peer away if it was one too many.
    pub(super) fn offended(&mut self, peer: Peer) {
        if self.links.offences.count(peer, self.now) {
            tracing::debug!(peer = %peer.short(), "sent away after repeated offences");
            self.net(NetEffect::Disconnect { peer });
        }
    }

    /// Has every other connected peer compared with soon: the comparison tells it our root.
    pub(super) fn spread_news(&mut self, but: Option<Peer>) {
        let at = self.now.plus_ms(NEWS_AFTER_MS);
        let others = self.links.up.iter_mut().filter(|(peer, _)| Some(**peer) != but);
        others.for_each(|(_, link)| link.compare_by(at));
    }

    /// Returns the centre that a peer's node key was proved to belong to.
    pub(super) fn centre_of(&self, peer: &Peer) -> Option<CentreId> {
        self.links.book.get(peer).and_then(|entry| entry.centre)
    }
}
