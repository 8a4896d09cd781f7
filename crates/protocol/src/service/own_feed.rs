//! Before the first publication after a start, a peer is asked how far our own feed goes.
//!
//! A node that was put back from an old image of its disk would sign anew what it has signed
//! before, and fork its feed. So what is to be published waits until one peer has shown all its
//! heads and what it has of our own feeds is here, for a bounded time.
//! Invariant: what waits is bounded, and is answered; without a network or anybody known
//! nothing waits.
//! Spec: docs/PROTOCOL.md, section 6.6.

use std::collections::{BTreeSet, VecDeque};

use baraza_record::{Audience, FeedId, SecretKey, Timestamp, hash};

use crate::{
    command::{Command, NewRecord, Recipients, Refusal, Reply},
    net::Peer,
    store::{Branch, FeedHead, Place, Store, StoreError},
};

use super::{CallId, Effect, Service};

/// How long after a start publications wait for a peer to answer (20 s): a dial over a satellite
/// link with a retry. A node that is alone publishes after it.
pub const OWN_FEED_WAIT_MS: u64 = 20_000;

/// How long one publication waits while a peer is being compared with (1 min). If the peer is
/// then known to have more of our own feed, the publication is refused.
pub const OWN_FEED_COMPARE_MS: u64 = 60_000;

/// Publications that wait at once; one more is told that the node is busy.
pub const PUBLISH_WAITING_MAX: usize = 16;

/// What is known of our own feeds since the start.
#[derive(Debug)]
pub(super) struct OwnFeed {
    started: Timestamp,
    /// Whether there is a network in this process, although it has not said so yet.
    network: bool,
    /// Heads that this node signed and that its store has lost.
    lost: Vec<(FeedId, FeedHead)>,
    /// Whether a peer was compared with.
    settled: bool,
    /// Feeds not for everybody of which a peer that shares them has shown all that it has.
    shown: BTreeSet<FeedId>,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    call: CallId,
    records: Vec<NewRecord>,
    since: Timestamp,
}

impl OwnFeed {
    pub(super) fn new(started: Timestamp) -> Self {
        let (lost, waiting) = (Vec::new(), VecDeque::new());
        let shown = BTreeSet::new();
        Self { started, network: false, lost, settled: false, shown, waiting }
    }
}

impl<S: Store> Service<S> {
    /// Says whether this process has a network, and which heads of its own feeds the store has
    /// lost, if that is why the operator key is blocked. To be called before the first input.
    pub fn set_start(&mut self, network: bool, lost: Vec<(FeedId, FeedHead)>) {
        (self.own.network, self.own.lost) = (network, lost);
    }

    /// Publishes now, or once a peer has said how far our own feed goes.
    pub(super) fn publish_in_turn(&mut self, call: CallId, records: Vec<NewRecord>) {
        if !self.own_feed_is_open(&records) {
            return self.publish_now(call, records, 0);
        }
        if PUBLISH_WAITING_MAX <= self.own.waiting.len() {
            let reply = Reply::Refused(Refusal::Busy);
            return self.effects.push_back(Effect::Reply { call, reply });
        }
        self.own.waiting.push_back(Waiting { call, records, since: self.now });
    }

    /// Returns whether a peer may still tell us of our own feeds that `records` go on.
    fn own_feed_is_open(&self, records: &[NewRecord]) -> bool {
        let able = self.signer.is_some() && self.read_only.is_none();
        let reachable = (self.own.network || self.links.online()) && self.links.knows_anybody();
        let asked = self.own.settled && self.are_shown(records);
        able && !asked && reachable && (self.is_starting() || self.is_comparing())
    }

    /// Returns whether a peer has shown the feeds not for everybody that `records` go on. One
    /// that is not held gets a new id, so that it cannot fork.
    fn are_shown(&self, records: &[NewRecord]) -> bool {
        let Some(key) = &self.signer else { return true };
        records.iter().all(|record| match self.recipients(record) {
            Err(_) | Ok(Recipients::Public) => true,
            Ok(recipients) => match self.held_own_feed(key, &recipients) {
                Ok(Some((feed, _))) => self.own.shown.contains(&feed),
                Ok(None) | Err(_) => true,
            },
        })
    }

    fn is_starting(&self) -> bool {
        self.now.since(self.own.started) < OWN_FEED_WAIT_MS
    }

    fn is_comparing(&self) -> bool {
        !self.sessions.is_empty()
    }

    fn publish_now(&mut self, call: CallId, records: Vec<NewRecord>, waited_ms: u64) {
        let reply = match (self.command_reply(Command::Publish(records)), waited_ms) {
            (Reply::Published(ids), 1..) => Reply::PublishedLate { ids, waited_ms },
            (reply, _) => reply,
        };
        self.effects.push_back(Effect::Reply { call, reply });
    }

    /// Lets publications go that have waited long enough.
    pub(super) fn publish_due(&mut self) -> Result<(), StoreError> {
        while let Some(first) = self.own.waiting.front() {
            let open = self.own_feed_is_open(&first.records);
            let waited_ms = self.now.since(first.since);
            if open && (self.is_starting() || waited_ms < OWN_FEED_COMPARE_MS) {
                return Ok(());
            }
            let behind = open && self.is_behind()?;
            let Some(Waiting { call, records, .. }) = self.own.waiting.pop_front() else { break };
            if behind {
                let why = "a peer shows records of it that are still on their way".to_owned();
                let reply = Reply::Refused(Refusal::KeyBlocked { why });
                self.effects.push_back(Effect::Reply { call, reply });
            } else {
                self.publish_now(call, records, waited_ms);
            }
        }
        Ok(())
    }

    /// Notes what the session with `peer` has shown of our own feeds so far.
    pub(super) fn look_at_own_feed(&mut self, peer: &Peer) -> Result<(), StoreError> {
        let Some(session) = self.sessions.get(peer) else { return Ok(()) };
        let (mut public, mut shown) = (true, Vec::new());
        // The operators of the log decide, and the session may have brought some.
        for feed in self.own_feeds()? {
            match self.store.feed(&feed)?.filter(|state| state.audience != Audience::Public) {
                None => public &= self.own.settled || session.settles(&feed),
                Some(state) if session.shares(&state) && session.settles(&feed) => shown.push(feed),
                Some(_) => (),
            }
        }
        let news =
            (public && !self.own.settled) || shown.iter().any(|one| !self.own.shown.contains(one));
        self.own.settled |= public;
        self.own.shown.extend(shown);
        if news { self.publish_due() } else { Ok(()) }
    }

    fn is_behind(&self) -> Result<bool, StoreError> {
        let own = self.own_feeds()?;
        Ok(self.sessions.values().any(|session| own.iter().any(|feed| session.lacks(feed))))
    }

    /// Returns the feeds of our centre: those held, and what its operators would sign for everybody.
    fn own_feeds(&self) -> Result<BTreeSet<FeedId>, StoreError> {
        let centre = self.config.centre;
        let log = self.own_log()?;
        let operators = log.iter().flat_map(|log| log.state().operators());
        let keys = operators.map(|(key, _)| *key);
        let signer = self.signer.as_ref().map(SecretKey::public);
        let feed = |key| hash::feed_id(&centre, &key, &Audience::Public);
        let mut feeds: BTreeSet<_> = keys.chain(signer).map(feed).collect();
        feeds.extend(self.store.feeds_of(&centre)?);
        Ok(feeds)
    }

    /// Returns why the operator key may not sign, unless what the store had lost is back.
    pub(super) fn key_blocked(&self) -> Result<Option<String>, StoreError> {
        let Some(why) = &self.config.key_blocked else { return Ok(None) };
        for (feed, head) in &self.own.lost {
            let mut back = false;
            for branch in [Branch::Main, Branch::Other] {
                let place = Place { feed: *feed, seq: head.seq, branch };
                back |= self.store.entry(&place)?.is_some_and(|entry| entry.id == head.id);
            }
            if !back {
                return Ok(Some(why.clone()));
            }
        }
        // What a file that cannot be read said is not known: then a peer must have been asked.
        let back = !self.own.lost.is_empty() || self.own.settled;
        Ok((!back).then(|| why.clone()))
    }
}
