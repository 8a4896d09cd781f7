//! The service: the one writer of a node, as a state machine.
//!
//! After a batch of [`handle`](Service::handle) calls, call [`commit`](Service::commit),
//! then drain [`poll_effect`](Service::poll_effect): nothing is answered or sent before
//! what it speaks of is durable. Call [`handle_timeout`](Service::handle_timeout) once
//! [`poll_timeout`](Service::poll_timeout) has passed. Same inputs, same effects.
//! Not here: reading for people (`effective`, the index), answering peers (`answer`).
//! Spec: docs/ARCHITECTURE.md, "Threads"; docs/PROTOCOL.md, sections 4, 6 and 7.

mod attachments;
mod book;
mod budget;
mod catchup;
mod commands;
mod erasures;
mod gossip;
mod links;
mod listings;
mod offences;
mod own_feed;
mod rules;
mod visits;
mod why;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use baraza_identity::Log;
use baraza_record::{CentreId, FeedId, NetworkId, SecretKey, Timestamp, VerifiedRecord};

use crate::{
    budget::Terms,
    command::{Command, Refusal, Reply, SeenNetwork},
    entitle::{Membership, Ours},
    entropy::Entropy,
    gate::Gate,
    ingest::Rejection,
    net::{NetEffect, NetEvent, Peer, RequestId, Token},
    policy::{Policy, Trust},
    screen::{Gossiped, Screened},
    session::{Claims, Session},
    store::{FeedHead, Store, StoreError},
    wire::Compare,
};

use attachments::Attachments;
use budget::Spending;
use erasures::Erasures;
use links::Links;
use own_feed::OwnFeed;
use visits::Visits;
use why::Whys;

pub use budget::{BUDGET_SAVE_EVERY_MS, LATER_MAX_MS, Later};
pub use erasures::{ERASES_MAX, ERASURES_PENDING_MAX, ERASURES_RESCAN_EVERY_MS, SWEEP_CHANGES_MAX};
pub use gossip::GOSSIP_RECORD_BYTES_MAX;
pub use offences::{BAN_MS, OFFENCES_MAX, OFFENDERS_MAX};
pub use own_feed::{OWN_FEED_COMPARE_MS, OWN_FEED_WAIT_MS, PUBLISH_WAITING_MAX};
pub use visits::{MEMBERS_TARGET, VISIT_EVERY_MS};

/// Effects that may wait to be taken. A driver that drains after every commit never meets it.
pub const EFFECTS_MAX: usize = 65_536;

/// Number of a command, unique while the process runs.
pub type CallId = u64;

/// What a service is made for.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our centre. Until the store holds its log, and that names our keys, nothing is published.
    pub centre: CentreId,
    /// Our node key.
    pub node: Peer,
    /// Random bytes from the operating system: salts come from them.
    pub seed: [u8; 32],
    /// Multiaddrs to keep a connection to.
    pub bootstrap: Vec<String>,
    /// Networks that we belong to.
    pub networks: Vec<Membership>,
    /// Why the operator key may not sign, if the store was found damaged.
    pub key_blocked: Option<String>,
}

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// On the network; gossip, answers and comparisons go through `screen` first.
    Net(NetEvent),
    /// A peer compares itself with us.
    Heard {
        /// Who.
        peer: Peer,
        /// What it asks.
        question: Compare,
    },
    /// What had come of an answer when it broke off.
    Salvaged {
        /// From whom.
        peer: Peer,
        /// Verified ranges.
        ranges: Vec<Vec<VerifiedRecord>>,
    },
    /// A gossiped message; its record, if it has one, is verified.
    Gossip {
        /// Who passed it on.
        peer: Peer,
        /// Number for the verdict.
        token: Token,
        /// The message.
        heard: Result<Gossiped, Rejection>,
    },
    /// An answer, its records verified.
    Answer {
        /// Who.
        peer: Peer,
        /// To which request.
        request: RequestId,
        /// The answer.
        answer: Result<Screened, Rejection>,
    },
    /// Somebody asks for something.
    Command {
        /// Number for the reply.
        call: CallId,
        /// What.
        command: Command,
    },
    /// The operator key is at hand.
    Unlocked(SecretKey),
    /// What the operator wrote down and whom it trusts: at the start and after each change.
    Rules(Arc<Policy>, Arc<Trust>),
    /// What the operator lets the link cost: at the start and after each change.
    Terms(Arc<Terms>),
}

/// Something to do.
#[derive(Debug)]
pub enum Effect {
    /// On the network.
    Net(NetEffect),
    /// Answer a command.
    Reply {
        /// Which.
        call: CallId,
        /// The answer.
        reply: Reply,
    },
}

/// The rules of one node over its store.
#[derive(Debug)]
pub struct Service<S: Store> {
    store: S,
    config: Config,
    ours: Arc<Ours>,
    signer: Option<SecretKey>,
    entropy: Entropy,
    links: Links,
    visits: Visits,
    seen: BTreeMap<NetworkId, SeenNetwork>,
    sessions: BTreeMap<Peer, Session>,
    claims: Claims,
    gate: Arc<Gate>,
    own: OwnFeed,
    erasures: Erasures,
    attachments: Attachments,
    spending: Spending,
    whys: Whys,
    effects: VecDeque<Effect>,
    /// What became durable only with the next commit.
    own_heads: BTreeMap<FeedId, FeedHead>,
    last_request: RequestId,
    read_only: Option<String>,
    now: Timestamp,
}

impl<S: Store> Service<S> {
    /// Makes the service of a node over its store.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn new(store: S, config: Config, now: Timestamp) -> Result<Self, StoreError> {
        let links = Links::new(&store, &config, now)?;
        let attachments = Attachments::new(&store)?;
        let spending = Spending::new(&store, now)?;
        let (node, networks) = (config.node, config.networks.clone());
        Ok(Self {
            ours: Arc::new(Ours { centre: config.centre, node, networks }),
            entropy: Entropy::new(config.seed),
            store,
            signer: None,
            links,
            visits: Visits::default(),
            seen: BTreeMap::new(),
            sessions: BTreeMap::new(),
            claims: Claims::default(),
            gate: Arc::new(Gate::new(config.centre, now)),
            own: OwnFeed::new(now),
            erasures: Erasures::default(),
            attachments,
            spending,
            whys: Whys::default(),
            effects: VecDeque::new(),
            own_heads: BTreeMap::new(),
            last_request: 0,
            read_only: None,
            now,
            config,
        })
    }

    /// Returns the store, for its reader.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Returns who we are and which networks we belong to, for whoever answers peers.
    pub fn ours(&self) -> &Arc<Ours> {
        &self.ours
    }

    /// Gives the store back.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Returns the identity log of our own centre; none if it has not come here yet.
    fn own_log(&self) -> Result<Option<Log>, StoreError> {
        crate::ingest::log_of(&self.store, &self.config.centre)
    }

    /// Takes one input. Nothing of it is durable before [`commit`](Self::commit).
    pub fn handle(&mut self, input: Input, now: Timestamp) {
        self.now = now;
        let done = match input {
            Input::Net(event) => self.network(event),
            Input::Heard { peer, question } => self.heard(peer, &question),
            Input::Salvaged { peer, ranges } => self.salvaged(peer, &ranges),
            Input::Gossip { peer, token, heard } => self.gossip(peer, token, heard),
            Input::Answer { peer, request, answer }
                if self.attachments.fetcher.awaits(&peer, request) =>
            {
                self.attachment_answered(peer, request, answer)
            }
            Input::Answer { peer, request, answer } => self.answered(peer, request, answer),
            Input::Command { call, command } => {
                self.command(call, command);
                Ok(())
            }
            Input::Rules(policy, trust) => self.set_rules(policy, trust),
            Input::Terms(terms) => self.set_terms(&terms),
            Input::Unlocked(key) => {
                self.signer = Some(key);
                Ok(())
            }
        };
        if let Err(error) = done {
            self.store_failed(&error);
        }
    }

    /// Makes all that was handled durable. Effects may be taken afterwards.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: effects that speak of what was not written are gone; the node
    /// should say so and go on reading.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        let result = self.commit_store();
        if let Err(error) = &result {
            self.store_failed(error);
            self.fail_effects();
        } else if let Err(error) =
            self.step_committed().and_then(|()| self.sweep()).and_then(|()| self.follow_lists())
        {
            // What was promised is durable; what is not erased is tried again at the next start.
            self.store_failed(&error);
        }
        result
    }

    fn commit_store(&mut self) -> Result<(), StoreError> {
        for (feed, head) in std::mem::take(&mut self.own_heads) {
            self.store.put_own_head(&feed, &head)?;
        }
        self.store.commit()
    }

    /// Returns the next thing to do, oldest first.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Timestamp {
        let erasures = self.erasures.next_timeout(self.now);
        self.links.next_timeout().min(erasures).min(self.next_lists())
    }

    /// Does what is due: dials, comparisons.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.now = now;
        if let Err(error) = self.on_timeout().and_then(|()| self.fetch_attachments()) {
            self.store_failed(&error);
        }
    }

    fn network(&mut self, event: NetEvent) -> Result<(), StoreError> {
        match event {
            NetEvent::Listening { address } => self.links.listening(address),
            NetEvent::Connected { peer, address, outbound } => {
                self.connected(peer, &address, outbound)?;
            }
            NetEvent::Disconnected { peer } => {
                self.attachments.fetcher.left(&peer);
                self.disconnected(peer)?;
            }
            NetEvent::DialFailed { address, reason } => {
                self.spending.dial_failed(&address);
                self.links.dial_failed(address, reason);
            }
            NetEvent::Found { peer, addresses, local } => self.found(peer, &addresses, local)?,
            NetEvent::RequestFailed { peer, request, .. }
                if self.attachments.fetcher.awaits(&peer, request) =>
            {
                self.attachments.fetcher.failed(request, self.now);
            }
            NetEvent::RequestFailed { peer, request, reason } => {
                self.request_failed(peer, request, &reason)?;
            }
            // These arrive through `screen`; a driver that sends them raw loses them.
            NetEvent::Request { .. } | NetEvent::Response { .. } | NetEvent::Gossip { .. } => (),
            NetEvent::Traffic { peer, received, sent } => {
                self.traffic(&peer, received.saturating_add(sent))?;
            }
            NetEvent::Salvaged { .. } => (),
        }
        Ok(())
    }

    fn store_failed(&mut self, error: &StoreError) {
        tracing::error!(%error, "store failed");
        if !matches!(error, StoreError::DiskFull { .. }) {
            self.read_only = Some(error.to_string());
        }
    }

    /// Turns replies that promise what was not written into refusals; drops the rest.
    fn fail_effects(&mut self) {
        let why = self.read_only.clone().unwrap_or_else(|| "the disk is full".to_owned());
        for effect in &mut self.effects {
            if let Effect::Reply { reply, .. } = effect
                && matches!(
                    reply,
                    Reply::Published(_)
                        | Reply::PublishedLate { .. }
                        | Reply::Imported(_)
                        | Reply::File(_)
                )
            {
                *reply = Reply::Refused(Refusal::Store(StoreError::ReadOnly { why: why.clone() }));
            }
        }
        self.effects.retain(|effect| {
            !matches!(effect, Effect::Net(NetEffect::Publish { .. } | NetEffect::Request { .. }))
        });
        self.sessions.clear();
        self.attachments.fetcher.reset();
        self.claims = Claims::default();
    }

    /// Queues an effect. One beyond the limit is lost like a packet: a session whose request
    /// is lost ends by itself.
    fn net(&mut self, mut effect: NetEffect) {
        if let NetEffect::Dial { addresses, .. } = &mut effect {
            addresses.retain(|address| self.is_near_enough(address));
            if addresses.is_empty() {
                return;
            }
        }
        if self.effects.len() < EFFECTS_MAX {
            self.effects.push_back(Effect::Net(effect));
        }
    }
}
