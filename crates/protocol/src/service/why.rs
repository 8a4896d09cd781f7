//! What keeps us from what peers have, from what sessions and links know.
//!
//! Invariant: what is remembered of sessions that ended is bounded.
//! Not here: the words (`baraza-cli`).
//! Spec: docs/OPERATIONS.md, "Why".

use std::collections::BTreeMap;

use baraza_record::Timestamp;

use crate::{
    budget::Purpose,
    net::Peer,
    session::{Lacking, Outcome, Session},
    standing::Heard,
    store::Store,
    why::{Cause, PeerWhy, Underway, WHY_FEEDS_MAX, WHY_PEERS_MAX},
};

use super::{Service, budget::is_at};

/// Time over which a rate is worth something (1 s).
const RATE_AFTER_MS: u64 = 1_000;

/// What is remembered for whoever asks why.
#[derive(Debug, Default)]
pub(super) struct Whys {
    /// When the sessions under way began.
    began: BTreeMap<Peer, Timestamp>,
    /// What peers had and we lacked when their last session ended.
    left: BTreeMap<Peer, Left>,
}

#[derive(Clone, Debug)]
struct Left {
    at: Timestamp,
    lacking: Vec<Lacking>,
    records: u64,
    bytes: u64,
    bytes_s: Option<u64>,
}

impl Whys {
    pub(super) fn began(&mut self, peer: Peer, now: Timestamp) {
        self.began.insert(peer, now);
    }

    /// Remembers what a session has left.
    pub(super) fn ended(
        &mut self,
        peer: Peer,
        session: &Session,
        outcome: &Outcome,
        now: Timestamp,
    ) {
        let bytes_s = self.rate(&peer, session, now);
        self.began.remove(&peer);
        let known = self.left.get(&peer).and_then(|left| left.bytes_s);
        match Left::of(session, bytes_s.or(known), now) {
            Some(left) if *outcome != Outcome::Agreed => {
                self.left.insert(peer, left);
            }
            // It was stopped before it could look.
            None if matches!(outcome, Outcome::Held | Outcome::Later(_) | Outcome::Failed(_)) => (),
            _ => {
                self.left.remove(&peer);
            }
        }
        while WHY_PEERS_MAX < self.left.len() {
            let oldest = self.left.iter().min_by_key(|(_, left)| left.at).map(|(peer, _)| *peer);
            oldest.map(|peer| self.left.remove(&peer));
        }
    }

    fn rate(&self, peer: &Peer, session: &Session, now: Timestamp) -> Option<u64> {
        let elapsed = now.since(*self.began.get(peer)?);
        let done = session.progress().bytes_done;
        (RATE_AFTER_MS <= elapsed && done != 0).then(|| done.saturating_mul(1_000) / elapsed)
    }
}

impl Left {
    /// Returns what a session lacks, if it is anything.
    fn of(session: &Session, bytes_s: Option<u64>, at: Timestamp) -> Option<Self> {
        let mut lacking = session.lacking();
        let sum = |of: fn(&Lacking) -> u64| lacking.iter().map(of).fold(0, u64::saturating_add);
        let (records, bytes) = (sum(|one| one.records), sum(|one| one.bytes));
        lacking.sort_by_key(|one| (std::cmp::Reverse(one.bytes), one.feed));
        lacking.truncate(WHY_FEEDS_MAX);
        (records != 0).then_some(Self { at, lacking, records, bytes, bytes_s })
    }
}

impl<S: Store> Service<S> {
    /// Says how we stand to peers: to one, or to all that are known; connected ones first.
    pub(super) fn why(&self, peer: Option<Peer>) -> Vec<PeerWhy> {
        let mut peers: Vec<_> = self.links.book.keys().copied().collect();
        peers.retain(|known| peer.is_none_or(|peer| *known == peer));
        let connected = |peer: &Peer| self.links.up.contains_key(peer);
        let last = |peer: &Peer| self.links.book.get(peer).and_then(|entry| entry.connected_ms);
        peers.sort_by_key(|peer| (!connected(peer), std::cmp::Reverse(last(peer)), *peer));
        peers.into_iter().map(|peer| self.why_of(peer)).collect()
    }

    fn why_of(&self, peer: Peer) -> PeerWhy {
        let now = self.now;
        let link = self.links.up.get(&peer);
        let entry = self.links.book.get(&peer);
        let session = self.sessions.get(&peer);
        let underway = session.map(|session| Underway {
            progress: session.progress(),
            since: self.whys.began.get(&peer).copied().unwrap_or(now),
            bytes_s: self.whys.rate(&peer, session, now),
        });
        let remembered = self.whys.left.get(&peer).cloned();
        let left = match (session, &underway) {
            (Some(session), Some(underway)) if underway.progress.records_left != 0 => {
                let known = remembered.as_ref().and_then(|left| left.bytes_s);
                Left::of(session, underway.bytes_s.or(known), now)
            }
            // What an earlier one had left is still to come.
            (Some(_), Some(underway)) if underway.progress.whole => None,
            _ => remembered,
        };
        let equal = link.and_then(|link| link.told.as_ref()).and_then(|told| {
            let heard = Heard::of(&self.store, &self.ours, &peer, told);
            heard.ok().map(|heard| heard.equal)
        });
        // What is here now may have come from others.
        let left = left.filter(|_| equal != Some(true));
        let lacks = left.is_some();
        let causes = self.causes(&peer, equal, lacks);
        PeerWhy {
            peer,
            centre: self.centre_of(&peer),
            connected: link.is_some(),
            asked: link.is_some_and(|link| link.asked),
            asked_ms: link.and_then(|link| link.asked_at),
            equal,
            agreed_ms: entry.and_then(|entry| entry.agreed_ms),
            done_ms: left.as_ref().and_then(|left| self.done_at(&peer, left, &causes)),
            underway,
            records: left.as_ref().map_or(0, |left| left.records),
            bytes: left.as_ref().map_or(0, |left| left.bytes),
            shown_ms: left.as_ref().map(|left| left.at),
            lacking: left.map(|left| left.lacking).unwrap_or_default(),
            causes,
        }
    }

    /// Returns what keeps us from a peer, the most telling first.
    fn causes(&self, peer: &Peer, equal: Option<bool>, lacks: bool) -> Vec<Cause> {
        let mut causes = Vec::new();
        if equal == Some(true) {
            return causes;
        }
        if self.links.banned(peer, self.now) {
            causes.push(Cause::Banned);
        }
        causes.extend(self.held_for(peer).map(Cause::Held));
        let Some(link) = self.links.up.get(peer) else {
            causes.extend(self.away(peer));
            return causes;
        };
        if let Some(until) = link.later_until.filter(|until| self.now < *until) {
            causes.push(Cause::Later { until });
        }
        if let Some(session) = self.sessions.get(peer) {
            let since = session.active_at();
            if STALL_SHOWN_MS <= self.now.since(since) {
                causes.push(Cause::Stalled { since });
            }
            return causes;
        }
        if let Some(reason) = &link.last_failure {
            causes.push(Cause::Failed { reason: reason.clone(), again_at: link.compare_at });
        }
        if causes.is_empty() && equal == Some(false) && !lacks {
            causes.push(Cause::NothingToTake);
        }
        causes
    }

    fn away(&self, peer: &Peer) -> Option<Cause> {
        let entry = self.links.book.get(peer)?;
        let tried = self.links.failures.iter().rev();
        let mut of_it =
            tried.filter(|(address, _)| entry.addresses.iter().any(|known| is_at(address, known)));
        Some(Cause::Away {
            since: entry.connected_ms,
            reason: of_it.next().map(|(_, reason)| reason.clone()),
            again_at: self.links.dialled.get(peer).map(|dialled| dialled.again_at),
        })
    }

    /// Returns when what is left will be here, if nothing but the rate and our own budget
    /// stands in the way.
    fn done_at(&self, peer: &Peer, left: &Left, causes: &[Cause]) -> Option<Timestamp> {
        let starts = match causes.first() {
            None => self.now,
            Some(Cause::Held(hold)) => hold.until?,
            Some(Cause::Later { until }) => *until,
            Some(_) => return None,
        };
        let asked = self.links.up.get(peer).is_some_and(|link| link.asked);
        let purpose = if asked { Purpose::Asked } else { Purpose::Background };
        let took = left.bytes.saturating_mul(1_000) / left.bytes_s.filter(|rate| *rate != 0)?;
        self.spending.budget.done_at(purpose, left.bytes, took, starts)
    }
}

/// Silence of a session that is told to whoever asks why (30 s).
const STALL_SHOWN_MS: u64 = 30_000;
