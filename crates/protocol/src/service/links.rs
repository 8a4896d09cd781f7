//! Connections: whom to dial, whom to compare with, and when.
//!
//! Invariant: one timer for the whole service; every list is bounded.
//! Spec: docs/PROTOCOL.md, section 7.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
};

use baraza_record::Timestamp;

use crate::{
    budget::Purpose,
    entitle::Shared,
    net::{NetEffect, Peer},
    peers::PeerEntry,
    session::{Gains, Outcome, Session},
    standing::Standing,
    store::{Store, StoreError, Table},
    wire::Compare,
};

use super::{Config, Service, offences::Offences};

/// Time between two looks at what is due (1 s).
const TICK_MS: u64 = 1_000;

/// Wait after a first failed dial or session (2 s); doubled for each further one.
const BACKOFF_MS: u64 = 2_000;

/// Longest such wait (5 min).
const BACKOFF_MAX_MS: u64 = 300_000;

/// Longest wait between two dials of the same while nobody is connected (30 s): then it is
/// most likely our own link that is away, and it may be back at any time.
const ALONE_WAIT_MAX_MS: u64 = 30_000;

/// Longest wait for a peer that is busy (15 s): it is well and will have time again.
const BUSY_WAIT_MAX_MS: u64 = 15_000;

/// Wait after a session that brought something and left the sides different (2 s).
const AGAIN_MS: u64 = 2_000;

/// Time between two walks through the tries of a peer that nothing else explains (1 h).
const WALK_AGAIN_MS: u64 = 60 * 60 * 1_000;

/// Time between two questions to one peer whom it knows (1 h).
const ASK_PEERS_MS: u64 = 60 * 60 * 1_000;

/// Failed dials of a peer with whom we were never connected, after which it is forgotten.
const DIALS_MAX: u32 = 8;

/// Failed dials that are remembered for the operator.
const FAILURES_MAX: usize = 8;

/// Gossip messages of one peer that are looked at at once, and how many more each second.
const GOSSIP_BURST: u32 = 256;
const GOSSIP_PER_SECOND: u32 = 5;

/// A peer that is connected.
#[derive(Debug)]
pub(super) struct Link {
    /// When to compare with it next.
    pub(super) compare_at: Timestamp,
    /// Sessions in a row that failed.
    pub(super) failures: u32,
    /// Sessions in a row for which the peer was too busy.
    busy: u32,
    /// Why the last one failed.
    pub(super) last_failure: Option<String>,
    /// How both sides stood when a session last brought nothing and left them different.
    pub(super) fruitless: Option<Standing>,
    /// Sessions in a row that brought nothing and left something to wish for.
    dry: u32,
    /// When the same may be tried again although nothing has changed.
    pub(super) retry_at: Timestamp,
    /// What the peer last said it holds.
    pub(super) told: Option<Compare>,
    /// What it would have said if it had held what we held then.
    pub(super) stands: [u8; 32],
    /// What it said when it held the same.
    pub(super) agreed: Option<[u8; 32]>,
    /// The same, when it was last noted what it holds.
    pub(super) noted: Option<[u8; 32]>,
    /// What it would have said and what it said when a session last brought nothing and left
    /// us different.
    pub(super) differed: Option<([u8; 32], [u8; 32])>,
    /// When its tries were last gone through because nothing else explained a difference.
    walked_at: Option<Timestamp>,
    /// When it was last asked whom it knows.
    pub(super) asked_peers_at: Option<Timestamp>,
    /// Shelves that it has proved to share.
    pub(super) shared: Vec<Shared>,
    /// Whether we called.
    pub(super) outbound: bool,
    /// Whether a person asked for what goes on with it.
    pub(super) asked: bool,
    /// When a person last asked.
    pub(super) asked_at: Option<Timestamp>,
    /// Until when bytes are told that were asked for.
    pub(super) asked_until: Timestamp,
    /// Until when it gives nothing, by its own budget.
    pub(super) later_until: Option<Timestamp>,
    /// Gossip messages that may still be looked at.
    gossip_left: u32,
    gossip_refilled: Timestamp,
}

impl Link {
    fn new(outbound: bool, now: Timestamp) -> Self {
        Self {
            compare_at: now,
            failures: 0,
            busy: 0,
            last_failure: None,
            fruitless: None,
            dry: 0,
            retry_at: now,
            told: None,
            stands: [0; 32],
            agreed: None,
            noted: None,
            differed: None,
            walked_at: None,
            asked_peers_at: None,
            shared: Vec::new(),
            outbound,
            asked: false,
            asked_at: None,
            asked_until: Timestamp::default(),
            later_until: None,
            gossip_left: GOSSIP_BURST,
            gossip_refilled: now,
        }
    }

    /// Compares at `at`, unless failures call for a longer wait: something has changed.
    pub(super) fn compare_by(&mut self, at: Timestamp) {
        if self.failures == 0 {
            let at = self.later_until.map_or(at, |until| until.max(at));
            self.compare_at = self.compare_at.min(at);
        }
    }

    /// Compares soon; not before the end of the wait that fruitless sessions call for.
    pub(super) fn compare_soon(&mut self, now: Timestamp) {
        self.compare_by(now.max(self.retry_at));
    }

    /// Returns whether the next session is to go through the peer's tries, whatever moved there.
    pub(super) fn walks(&mut self, now: Timestamp) -> bool {
        let long_ago = |at: Timestamp| WALK_AGAIN_MS <= now.since(at);
        let walks = 1 < self.dry && self.walked_at.is_none_or(long_ago);
        if walks {
            self.walked_at = Some(now);
        }
        walks
    }

    /// Returns whether the next session is to ask whom the peer knows: once, and again after a
    /// while if company is `lacking`.
    pub(super) fn asks_peers(&self, lacking: bool, now: Timestamp) -> bool {
        self.asked_peers_at.is_none_or(|at| lacking && ASK_PEERS_MS <= now.since(at))
    }

    /// Lets the next session try everything: somebody asked for it.
    pub(super) fn forget_failures(&mut self) {
        (self.failures, self.dry, self.fruitless, self.differed) = (0, 0, None, None);
        self.later_until = None;
    }

    /// Draws the conclusions from a session.
    pub(super) fn conclude(
        &mut self,
        session: &Session,
        outcome: Outcome,
        standing: Option<Standing>,
        now: Timestamp,
    ) {
        if let Some(standing) = &standing {
            self.shared = standing.shared().collect();
        }
        let brought = session.gains() != Gains::default();
        if self.conclude_later(&outcome, brought, now) {
            return;
        }
        match outcome {
            Outcome::Failed(why) | Outcome::Violated(why) => {
                // Whoever brings something before it fails is worth another try soon.
                self.failures = if brought { 1 } else { self.failures.saturating_add(1) };
                self.last_failure = Some(why);
                self.compare_at = now.plus_ms(backoff_ms(self.failures));
                return;
            }
            Outcome::Busy => {
                self.last_failure = Some("the peer is busy".to_owned());
                self.busy = if brought { 1 } else { self.busy.saturating_add(1) };
                let wait = backoff_ms(self.busy).min(BUSY_WAIT_MAX_MS);
                self.retry_at = now.plus_ms(wait);
                self.compare_at = self.retry_at;
                return;
            }
            Outcome::Later(_) | Outcome::Held => (),
            Outcome::Agreed => {
                (self.dry, self.retry_at, self.fruitless) = (0, now, None);
                self.agreed = Some(self.stands);
                self.differed = self.told.as_ref().map(|told| (self.stands, told.digest));
            }
            Outcome::Differ if brought => {
                (self.dry, self.retry_at, self.fruitless) = (0, now, None);
                self.compare_at = self.compare_at.min(now.plus_ms(AGAIN_MS));
            }
            Outcome::Differ if session.skipped() => (),
            Outcome::Differ => {
                self.dry = self.dry.saturating_add(1);
                self.retry_at = now.plus_ms(backoff_ms(self.dry));
                self.fruitless = standing;
                self.differed = self.told.as_ref().map(|told| (self.stands, told.digest));
            }
        }
        (self.failures, self.busy, self.last_failure) = (0, 0, None);
    }
}

/// Connections and book of a service.
#[derive(Debug)]
pub(super) struct Links {
    pub(super) book: BTreeMap<Peer, PeerEntry>,
    pub(super) up: BTreeMap<Peer, Link>,
    pub(super) listen: Vec<String>,
    pub(super) failures: VecDeque<(String, String)>,
    bootstrap: BTreeMap<String, Dialled>,
    pub(super) dialled: BTreeMap<Peer, Dialled>,
    pub(super) offences: Offences,
    next_tick: Timestamp,
    online: bool,
}

/// When an address may be dialled again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dialled {
    failures: u32,
    pub(super) again_at: Timestamp,
}

impl Dialled {
    fn wait(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.again_at = now.plus_ms(backoff_ms(self.failures));
    }

    /// Shortens a wait that was for a peer that is away.
    fn alone(&mut self, now: Timestamp) {
        self.again_at = self.again_at.min(now.plus_ms(ALONE_WAIT_MAX_MS));
    }
}

impl Links {
    pub(super) fn new<S: Store>(
        store: &S,
        config: &Config,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let known = store.locals(Table::Peers, &[])?;
        let book = known.iter().filter_map(|(key, value)| PeerEntry::decode(key, value));
        Ok(Self {
            book: book.collect(),
            up: BTreeMap::new(),
            listen: Vec::new(),
            failures: VecDeque::new(),
            bootstrap: config.bootstrap.iter().map(|a| (a.clone(), Dialled::default())).collect(),
            dialled: BTreeMap::new(),
            offences: Offences::default(),
            next_tick: now,
            online: false,
        })
    }

    pub(super) fn next_timeout(&self) -> Timestamp {
        self.next_tick
    }

    pub(super) fn online(&self) -> bool {
        self.online
    }

    /// Returns whether there is anybody to ask: connected, known or configured.
    pub(super) fn knows_anybody(&self) -> bool {
        !(self.up.is_empty() && self.book.is_empty() && self.bootstrap.is_empty())
    }

    pub(super) fn listening(&mut self, address: String) {
        if !self.online {
            // The first dials need not wait for the next look at what is due.
            self.next_tick = Timestamp::default();
        }
        self.online = true;
        if !self.listen.contains(&address) {
            self.listen.push(address);
        }
    }

    pub(super) fn dial_failed(&mut self, address: String, reason: String) {
        tracing::debug!(address, reason, "dial failed");
        self.failures.retain(|(known, _)| *known != address);
        self.failures.push_back((address, reason));
        if FAILURES_MAX < self.failures.len() {
            self.failures.pop_front();
        }
    }

    pub(super) fn banned(&self, peer: &Peer, now: Timestamp) -> bool {
        self.offences.banned(peer, now)
    }

    /// Takes one gossip message out of a peer's allowance. Returns whether there was one left.
    pub(super) fn allow_gossip(&mut self, peer: &Peer, now: Timestamp) -> bool {
        let Some(link) = self.up.get_mut(peer) else { return false };
        let seconds = u32::try_from(now.since(link.gossip_refilled) / 1_000).unwrap_or(u32::MAX);
        if 0 < seconds {
            let more = seconds.saturating_mul(GOSSIP_PER_SECOND);
            link.gossip_left = link.gossip_left.saturating_add(more).min(GOSSIP_BURST);
            link.gossip_refilled = now;
        }
        let allowed = link.gossip_left != 0;
        link.gossip_left = link.gossip_left.saturating_sub(1);
        allowed
    }
}

impl<S: Store> Service<S> {
    pub(super) fn connected(
        &mut self,
        peer: Peer,
        address: &str,
        outbound: bool,
    ) -> Result<(), StoreError> {
        if self.links.banned(&peer, self.now) || !self.is_near_enough(address) {
            self.net(NetEffect::Disconnect { peer });
            return Ok(());
        }
        self.links.online = true;
        let link = self.links.up.entry(peer).or_insert_with(|| Link::new(outbound, self.now));
        if outbound && self.spending.was_asked_for(&peer, address) {
            link.ask(self.now);
        }
        self.links.dialled.remove(&peer);
        if self.links.up.len() == 1 {
            // The link is back: what was waited for meanwhile says nothing of the others.
            self.links.dialled.clear();
        }
        if outbound {
            self.links.failures.retain(|(failed, _)| !failed.starts_with(address));
        }
        let now = self.now;
        self.note_peer(peer, |entry| {
            entry.connected_ms = Some(now);
            entry.failures = 0;
            // What an incoming connection shows is not where the peer accepts calls.
            if outbound {
                entry.prefer(address);
            }
            true
        })?;
        self.start_session(peer)
    }

    pub(super) fn disconnected(&mut self, peer: Peer) -> Result<(), StoreError> {
        // One that was sent away at once never counted as connected.
        if self.links.up.remove(&peer).is_none() {
            return Ok(());
        }
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.fail("the connection was lost");
        }
        self.end_session(peer)?;
        let now = self.now;
        self.note_peer(peer, |entry| {
            entry.connected_ms = Some(now);
            true
        })
    }

    pub(super) fn on_timeout(&mut self) -> Result<(), StoreError> {
        if self.now < self.links.next_tick {
            return Ok(());
        }
        self.links.next_tick = self.now.plus_ms(TICK_MS);
        self.renew_rules()?;
        self.look_at_budget()?;
        if self.links.online && self.held(Purpose::Background).is_none() {
            self.dial_due()?;
            self.visit_due()?;
        }
        self.step_waiting()?;
        let due = self.links.up.iter().filter(|(_, link)| link.compare_at <= self.now);
        let due: Vec<_> = due.map(|(peer, _)| *peer).collect();
        due.into_iter().try_for_each(|peer| self.start_session(peer))?;
        self.publish_due()
    }

    /// Dials the bootstrap addresses while nobody is connected, and known peers while few are.
    fn dial_due(&mut self) -> Result<(), StoreError> {
        let now = self.now;
        let alone = self.links.up.is_empty();
        if alone {
            self.links.dialled.values_mut().for_each(|dialled| dialled.alone(now));
            self.links.bootstrap.values_mut().for_each(|dialled| dialled.alone(now));
            let due = self.links.bootstrap.iter_mut().filter(|(_, one)| one.again_at <= now);
            let addresses: Vec<_> = due
                .map(|(address, dialled)| {
                    dialled.wait(now);
                    address.clone()
                })
                .collect();
            for address in addresses {
                self.net(NetEffect::Dial { peer: None, addresses: vec![address] });
            }
        } else {
            self.links.bootstrap.values_mut().for_each(|dialled| *dialled = Dialled::default());
        }
        let lacking = self.spending.terms().connections.saturating_sub(self.links.up.len());
        let dialled = |peer: &Peer| self.links.dialled.get(peer).copied().unwrap_or_default();
        let mut candidates: Vec<_> = self.links.book.iter().collect();
        candidates.retain(|(peer, entry)| {
            lacking != 0
                && !self.links.up.contains_key(peer)
                && !entry.addresses.is_empty()
                && dialled(peer).again_at <= now
                && !self.links.banned(peer, now)
        });
        candidates.sort_by_key(|(peer, entry)| (Reverse(entry.connected_ms), **peer));
        let due = candidates.into_iter().take(lacking);
        let due: Vec<_> = due.map(|(peer, entry)| (*peer, entry.clone())).collect();
        for (peer, entry) in due {
            // While nobody can be reached, nobody is found to be gone.
            if !alone
                && entry.connected_ms.is_none()
                && DIALS_MAX <= self.links.dialled.get(&peer).map_or(0, |dialled| dialled.failures)
            {
                self.forget_peer(&peer)?;
                continue;
            }
            self.links.dialled.entry(peer).or_default().wait(now);
            self.net(NetEffect::Dial { peer: Some(peer), addresses: entry.addresses });
        }
        Ok(())
    }
}

/// Returns how long to wait after `failures` in a row.
pub(super) fn backoff_ms(failures: u32) -> u64 {
    (BACKOFF_MS << failures.saturating_sub(1).min(16)).min(BACKOFF_MAX_MS)
}
