//! The budget at work: whose bytes are counted for whom, and what waits while it is held.
//!
//! Invariant: while a purpose is held, no session of it starts and none asks on; what was asked
//! for before is still taken. What was used is written down once a minute and at the stop.
//! Not here: what is held and until when (`budget`), how peers are told (`answer_later`'s caller).
//! Spec: docs/OPERATIONS.md, "Budgets, windows and profiles"; docs/PROTOCOL.md, section 6.7.

use core::net::IpAddr;
use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use baraza_record::Timestamp;

use crate::{
    budget::{Budget, Hold, Purpose, Terms},
    command::{BudgetStatus, Refusal, Reply},
    net::{NetEffect, Peer, Verdict},
    session::Outcome,
    store::{Store, StoreError, Table},
    wire::{Answer, Request, Trie},
};

use super::{Service, links::Link};

/// Time between two writes of what was used (1 min): what a crash can lose.
pub const BUDGET_SAVE_EVERY_MS: u64 = 60_000;

/// Longest wait that a peer's answer "later" asks for (6 h): it may have more before that.
pub const LATER_MAX_MS: u64 = 6 * 3_600_000;

/// Wait that peers are told while it is not known when a pause ends (1 h).
const LATER_UNKNOWN_MS: u64 = 3_600_000;

/// Addresses that somebody asked to dial and that have not answered yet.
const ASKED_DIALS_MAX: usize = 16;

/// How long such an address is waited for (2 min): longer than any dial takes.
const ASKED_DIAL_MS: u64 = 120_000;

/// Time within which the network tells of bytes that went over the wire (1.5 s).
const TOLD_WITHIN_MS: u64 = 1_500;

/// Key of the one fact in its table.
const KEY: &[u8] = b"budget";

/// The budget of a service.
#[derive(Debug)]
pub(super) struct Spending {
    pub(super) budget: Budget,
    saved: Timestamp,
    /// What holds background traffic, and since when.
    held: Option<(Hold, Timestamp)>,
    kbit_s: Option<u32>,
    /// Whom somebody asked for and who is not connected yet.
    asked_peers: BTreeSet<Peer>,
    asked_addresses: VecDeque<(String, Timestamp)>,
}

impl Spending {
    pub(super) fn new(store: &impl Store, now: Timestamp) -> Result<Self, StoreError> {
        let kept = store.local(Table::Budget, KEY)?;
        Ok(Self {
            budget: Budget::new(kept.as_deref()),
            saved: now,
            held: None,
            kbit_s: None,
            asked_peers: BTreeSet::new(),
            asked_addresses: VecDeque::new(),
        })
    }

    /// Returns the terms.
    pub(super) fn terms(&self) -> &Terms {
        self.budget.terms()
    }

    /// Notes that somebody asked for a dial.
    pub(super) fn ask_for(&mut self, peer: Option<Peer>, address: Option<String>, now: Timestamp) {
        if self.asked_peers.len() < ASKED_DIALS_MAX {
            self.asked_peers.extend(peer);
        }
        self.asked_addresses.extend(address.map(|address| (address, now)));
        if ASKED_DIALS_MAX < self.asked_addresses.len() {
            self.asked_addresses.pop_front();
        }
    }

    /// Returns the addresses that somebody asked to dial and that have not answered yet.
    pub(super) fn dialling(&self) -> Vec<String> {
        self.asked_addresses.iter().map(|(address, _)| address.clone()).collect()
    }

    /// Notes that a dial failed.
    pub(super) fn dial_failed(&mut self, address: &str) {
        self.asked_addresses.retain(|(asked, _)| !is_at(asked, address));
    }

    /// Returns whether a connection is one that somebody asked for.
    pub(super) fn was_asked_for(&mut self, peer: &Peer, address: &str) -> bool {
        let before = self.asked_addresses.len();
        self.asked_addresses.retain(|(asked, _)| !is_at(asked, address));
        self.asked_peers.remove(peer) || self.asked_addresses.len() < before
    }
}

/// What peers are answered while background traffic is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Later {
    /// When to ask again.
    until: Timestamp,
    /// Whether what is about identities is answered all the same, out of the reserve.
    identities: bool,
}

impl Later {
    /// Returns the answer to a request; `None` if it is to be answered as usual.
    pub fn answer(&self, request: &Request, now: Timestamp) -> Option<Answer> {
        let urgent = matches!(
            request,
            Request::Compare(_)
                | Request::LogHeads(_)
                | Request::Logs(_)
                | Request::Descend(Trie::Logs, _)
        );
        let seconds = self.until.since(now).div_ceil(1_000).max(1);
        let later = Answer::Later(u32::try_from(seconds).unwrap_or(u32::MAX));
        (!(urgent && self.identities)).then_some(later)
    }
}

impl Link {
    /// Notes that a person asked for what goes on with the peer.
    pub(super) fn ask(&mut self, now: Timestamp) {
        (self.asked, self.asked_at) = (true, Some(now));
    }

    /// Returns for whom a connection works now.
    fn purpose(&self) -> Purpose {
        if self.asked { Purpose::Asked } else { Purpose::Background }
    }

    /// Returns for whom the bytes went that are told now: they are told a moment later.
    fn told_purpose(&self, now: Timestamp) -> Purpose {
        if now < self.asked_until { Purpose::Asked } else { self.purpose() }
    }

    /// Draws what follows for the budget from the end of a session. Returns whether that was
    /// for its sake, so that nothing else follows.
    pub(super) fn conclude_later(
        &mut self,
        outcome: &Outcome,
        brought: bool,
        now: Timestamp,
    ) -> bool {
        // What was asked for goes on until it is done or fails.
        let goes_on = match outcome {
            Outcome::Differ => brought,
            Outcome::Busy => true,
            _ => false,
        };
        if self.asked && !goes_on {
            (self.asked, self.asked_until) = (false, now.plus_ms(TOLD_WITHIN_MS));
        }
        match outcome {
            Outcome::Later(seconds) => {
                let wait = u64::from(*seconds).saturating_mul(1_000).clamp(1_000, LATER_MAX_MS);
                self.later_until = Some(now.plus_ms(wait));
                (self.compare_at, self.last_failure) = (now.plus_ms(wait), None);
                true
            }
            // It goes on as soon as it may.
            Outcome::Held => {
                self.compare_at = now;
                true
            }
            _ => {
                self.later_until = None;
                false
            }
        }
    }
}

impl<S: Store> Service<S> {
    /// Takes the operator's terms.
    pub(super) fn set_terms(&mut self, terms: &Arc<Terms>) -> Result<(), StoreError> {
        // A network starts without a limit.
        if self.spending.kbit_s != terms.kbit_s {
            self.net(NetEffect::Rate { kbit_s: terms.kbit_s });
        }
        self.spending.kbit_s = terms.kbit_s;
        let every = terms.compare_every_ms;
        self.spending.budget.set_terms(Terms::clone(terms));
        let now = self.now;
        for link in self.links.up.values_mut() {
            link.compare_by(now.plus_ms(every));
        }
        self.look_at_budget()
    }

    /// Counts bytes that went over the wire with a peer.
    pub(super) fn traffic(&mut self, peer: &Peer, bytes: u64) -> Result<(), StoreError> {
        let purpose = match self.attachments.fetcher.is_asked_for(peer) {
            true => Purpose::Asked,
            false => {
                let link = self.links.up.get(peer);
                link.map_or(Purpose::Background, |link| link.told_purpose(self.now))
            }
        };
        self.spending.budget.count(purpose, bytes, self.now);
        self.look_at_budget()
    }

    /// Returns what holds sessions with a peer.
    pub(super) fn held_for(&self, peer: &Peer) -> Option<Hold> {
        let purpose = self.links.up.get(peer).map_or(Purpose::Background, Link::purpose);
        self.spending.budget.held(purpose, self.now)
    }

    /// Returns what holds a purpose.
    pub(super) fn held(&self, purpose: Purpose) -> Option<Hold> {
        self.spending.budget.held(purpose, self.now)
    }

    /// Notes when holds begin and end, and writes down what was used if it is time.
    pub(super) fn look_at_budget(&mut self) -> Result<(), StoreError> {
        let now = self.now;
        self.spending.budget.tick(now);
        let waits = |since: Timestamp| now.since(since) < ASKED_DIAL_MS && since <= now;
        self.spending.asked_addresses.retain(|(_, since)| waits(*since));
        let hold = self.held(Purpose::Background);
        match (hold, self.spending.held) {
            (Some(hold), Some((_, since))) => self.spending.held = Some((hold, since)),
            (Some(hold), None) => {
                tracing::info!(why = ?hold.why, "background traffic is held");
                self.spending.held = Some((hold, now));
            }
            (None, Some(_)) => {
                tracing::info!("background traffic goes on");
                self.spending.held = None;
            }
            (None, None) => (),
        }
        // Also after a clock was set back.
        if self.spending.saved.since(now) != 0
            || BUDGET_SAVE_EVERY_MS <= now.since(self.spending.saved)
        {
            self.save()?;
        }
        Ok(())
    }

    /// Writes down what was used, with the next commit.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn save(&mut self) -> Result<(), StoreError> {
        self.spending.saved = self.now;
        match self.spending.budget.changes() {
            Some(kept) if self.read_only.is_none() => {
                self.store.put_local(Table::Budget, KEY, Some(&kept))
            }
            _ => Ok(()),
        }
    }

    /// Returns what peers are answered, if it is not what they ask for.
    pub fn later(&self) -> Option<Later> {
        let hold = self.held(Purpose::Background)?;
        let until = hold.until.unwrap_or_else(|| self.now.plus_ms(LATER_UNKNOWN_MS));
        Some(Later { until, identities: self.may_spread(true) })
    }

    /// Returns whether something may be passed on to everybody; what is urgent also out of the
    /// reserve.
    pub(super) fn may_spread(&self, urgent: bool) -> bool {
        match urgent {
            true => self.spending.budget.urgent(self.now),
            false => self.held(Purpose::Background).is_none(),
        }
    }

    /// Returns the verdict on what others passed on: while it is held, it is kept and not
    /// passed on further, and nobody is blamed.
    pub(super) fn verdict(&self, verdict: Verdict, urgent: bool) -> Verdict {
        match verdict {
            Verdict::Accept if !self.may_spread(urgent) => Verdict::Ignore,
            verdict => verdict,
        }
    }

    /// Returns whether an address may be dialled and accepted.
    pub(super) fn is_near_enough(&self, address: &str) -> bool {
        !self.spending.terms().private_only || is_private(address)
    }

    pub(super) fn pause(&mut self, for_ms: Option<u64>) -> Result<Reply, Refusal> {
        self.spending.budget.pause(for_ms, self.now);
        self.budget_changed()
    }

    pub(super) fn resume(&mut self) -> Result<Reply, Refusal> {
        self.spending.budget.resume();
        self.budget_changed()
    }

    /// Takes up sessions again, or lets those end that are under way.
    fn budget_changed(&mut self) -> Result<Reply, Refusal> {
        self.look_at_budget()?;
        self.save()?;
        self.step_waiting()?;
        if self.held(Purpose::Background).is_none() {
            self.spread_news(None);
        }
        Ok(Reply::Budget(Box::new(self.budget_status())))
    }

    pub(super) fn budget_status(&self) -> BudgetStatus {
        let (budget, now) = (&self.spending.budget, self.now);
        BudgetStatus {
            terms: budget.terms().clone(),
            day: budget.day(now),
            month: budget.month(now),
            reserve_left: budget.reserve_left(now),
            background: self.held(Purpose::Background),
            background_since: self.spending.held.map(|(_, since)| since),
            asked: self.held(Purpose::Asked),
            pause: budget.paused(now),
        }
    }
}

/// Returns whether what somebody asked for is at an address: there, with a peer id behind it
/// or without.
pub(super) fn is_at(asked: &str, address: &str) -> bool {
    let rest = asked.strip_prefix(address);
    rest.is_some_and(|rest| !address.is_empty() && (rest.is_empty() || rest.starts_with('/')))
}

/// Returns whether an address is one of a private network or of this machine. A name may stand
/// for any, so it is none.
fn is_private(address: &str) -> bool {
    let mut parts = address.split('/').skip(1);
    let host = match (parts.next(), parts.next()) {
        (Some("ip4" | "ip6"), Some(host)) => host.parse::<IpAddr>().ok(),
        _ => None,
    };
    let near = host.is_some_and(|host| match host.to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local(),
    });
    // A relay may stand anywhere.
    near && parts.all(|part| part != "p2p-circuit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_private_networks() {
        for (address, private) in [
            ("/ip4/192.168.1.7/tcp/4640", true),
            ("/ip4/10.1.2.3/udp/4640/quic-v1", true),
            ("/ip4/172.31.0.1/tcp/1", true),
            ("/ip4/172.32.0.1/tcp/1", false),
            ("/ip4/127.0.0.1/tcp/1/p2p/12D3KooW", true),
            ("/ip4/169.254.3.4/tcp/1", true),
            ("/ip4/100.64.0.1/tcp/1", false),
            ("/ip4/198.51.100.7/tcp/1", false),
            ("/ip6/fd00::1/tcp/1", true),
            ("/ip6/fe80::1/tcp/1", true),
            ("/ip6/::1/tcp/1", true),
            ("/ip6/::ffff:198.51.100.7/tcp/1", false),
            ("/ip6/2001:db8::1/tcp/1", false),
            ("/dns/node.example.org/tcp/1", false),
            ("/ip4/192.168.1.7/tcp/1/p2p/12D3KooW/p2p-circuit", false),
            ("/memory/1", false),
            ("", false),
        ] {
            assert_eq!(is_private(address), private, "{address}");
        }
    }
}
