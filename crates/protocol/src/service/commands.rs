//! What people ask for.
//!
//! Invariant: `Publish` signs all of its records or none, and is answered after they are
//! durable.
//! Spec: docs/ARCHITECTURE.md, "Journeys".

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use baraza_identity::{Capabilities, LogStanding};
use baraza_record::{
    AUDIENCE_CENTRES_MAX, Audience, BODY_BYTES_MAX, BodyCommit, EventId, FeedId, Header, Payload,
    RecordId, SecretKey, Seq, SignedRecord, VerifiedRecord, attachment, body, hash,
};
use serde_json::{Value, json};

use crate::{
    budget::Purpose,
    command::{
        Command, NewRecord, PUBLISH_MAX, PeerStatus, Recipients, Refusal, Reply, ServiceStatus,
    },
    effective::needed,
    entitle::{Membership, Ours},
    ingest::{self, IngestError},
    net::{NetEffect, Peer},
    standing::Heard,
    store::{FeedHead, PAGE_MAX, ShelfName, Store, StoreError},
    stream::{self, Intake},
    want,
    wire::NETWORKS_MAX,
};

use super::{CallId, Effect, Service, Visits, budget::is_at};

/// Records of one publication that gossip carries; more are told by comparison.
const ANNOUNCE_MAX: usize = 16;

/// Feeds that a status looks at for forks.
const STATUS_FORKS_MAX: usize = 32;

impl<S: Store> Service<S> {
    pub(super) fn command(&mut self, call: CallId, command: Command) {
        if let Command::Publish(records) = command {
            return self.publish_in_turn(call, records);
        }
        let reply = self.command_reply(command);
        self.effects.push_back(Effect::Reply { call, reply });
    }

    /// Does what is asked for, at once.
    pub(super) fn command_reply(&mut self, command: Command) -> Reply {
        let reply = match command {
            Command::Publish(records) => self.publish(records),
            Command::Import(bytes) => self.import(&bytes),
            Command::Identify(event) => self.identify(event),
            Command::Sync(peer) => self.sync(peer),
            Command::Networks(networks) => self.set_networks(networks),
            Command::Dial(address) => self.dial(address),
            Command::Pause { for_ms } => self.pause(for_ms),
            Command::Resume => self.resume(),
            Command::Status => self.status().map(|status| Reply::Status(Box::new(status))),
            Command::Peers => Ok(Reply::Peers(self.peer_list())),
            Command::Why(Some(peer)) if !self.links.book.contains_key(&peer) => {
                Err(Refusal::UnknownPeer { peer })
            }
            Command::Why(peer) => Ok(Reply::Why(self.why(peer))),
            Command::File(command) => self.file_command(command),
        };
        reply.unwrap_or_else(Reply::Refused)
    }

    fn publish(&mut self, records: Vec<NewRecord>) -> Result<Reply, Refusal> {
        if let Some(why) = self.key_blocked()? {
            return Err(Refusal::KeyBlocked { why });
        }
        if let Some(why) = self.read_only.clone() {
            return Err(Refusal::Store(StoreError::ReadOnly { why }));
        }
        if PUBLISH_MAX < records.len() {
            return Err(Refusal::TooMany { count: records.len() });
        }
        let key = self.signer.clone().ok_or(Refusal::Locked)?;
        let none = Capabilities::default();
        let needed = records.iter().fold(none, |all, record| all.and(needed(record.kind)));
        let under = self.may_publish(&key, needed)?;
        let mut signed: Vec<VerifiedRecord> = Vec::with_capacity(records.len());
        let mut ends = BTreeMap::new();
        for (index, record) in records.into_iter().enumerate() {
            let recipients = self.recipients(&record)?;
            let end = match ends.entry(recipients.clone()) {
                Entry::Occupied(end) => end.into_mut(),
                Entry::Vacant(end) => end.insert(self.own_feed(&key, &recipients)?),
            };
            let (audience, head) = end.clone();
            let one = self.sign((&key, under), (audience, head), index, record)?;
            if let Some((_, head)) = ends.get_mut(&recipients) {
                *head = FeedHead { seq: one.header().seq, id: one.id() };
            }
            self.may_erase(&one)?;
            self.has_files(&one)?;
            signed.push(one);
        }
        let mut by_feed: BTreeMap<FeedId, Vec<VerifiedRecord>> = BTreeMap::new();
        for record in &signed {
            by_feed.entry(record.feed()).or_default().push(record.clone());
        }
        signed.iter().for_each(|record| self.erasures.retracts(record.header().target));
        for (feed, records) in by_feed {
            for range in records.chunks(baraza_record::ANCHOR_HEADERS_MAX) {
                let done = ingest::ingest_range(&mut self.store, range, self.now)?;
                debug_assert_eq!(done.inserted, range.len() as u64, "the feed goes on");
            }
            if let Some(last) = records.last() {
                let head = FeedHead { seq: last.header().seq, id: last.id() };
                self.own_heads.insert(feed, head);
            }
        }
        let announced = signed.iter().take(ANNOUNCE_MAX);
        announced.for_each(|record| self.announce(record));
        let public = |record: &VerifiedRecord| record.header().audience == Audience::Public;
        if ANNOUNCE_MAX < signed.len() || !signed.iter().all(public) {
            self.spread_news(None);
        }
        Ok(Reply::Published(signed.iter().map(|record| record.id()).collect()))
    }

    /// Checks that what `key` signs would be admitted: a record that nobody shows must not be
    /// reported as published. Returns the event under which it may sign.
    fn may_publish(&self, key: &SecretKey, needed: Capabilities) -> Result<EventId, Refusal> {
        let log = self.own_log()?;
        let operator = log.as_ref().and_then(|log| log.state().operator(&key.public()));
        let why = match (&log, operator) {
            (None, _) => "the identity log of this centre has not come to this node yet".to_owned(),
            (Some(log), _) if log.standing() == LogStanding::Ended => {
                "this centre is closed".to_owned()
            }
            (Some(_), None) => {
                "the identity log of this centre does not name this node's key".to_owned()
            }
            (Some(log), Some(operator)) => match (&operator.ended, operator.capabilities) {
                (Some(_), _) => {
                    "the operator key of this node has been ended by its centre".to_owned()
                }
                (None, may) if !may.has(needed) => {
                    let needed = needed.names().collect::<Vec<_>>().join(" and ");
                    format!("the identity log of this centre does not let it {needed}")
                }
                (None, _) => return Ok(log.head().id()),
            },
        };
        Err(Refusal::NotEnrolled { why })
    }

    /// Returns for whom a record is, in one form, if it may be.
    pub(super) fn recipients(&self, record: &NewRecord) -> Result<Recipients, Refusal> {
        let mut wanted = record.recipients.clone();
        if let Some(Recipients::Centres(centres)) = &mut wanted {
            centres.sort_unstable();
            centres.dedup();
            if !(1..=AUDIENCE_CENTRES_MAX).contains(&centres.len()) {
                return Err(Refusal::NamedCentres { count: centres.len() });
            }
        }
        if let Some(id) = record.revises.or(record.target) {
            let recipients = Recipients::of(&self.own_record(&id)?.audience);
            return match wanted.is_none_or(|wanted| wanted == recipients) {
                true => Ok(recipients),
                false => Err(Refusal::OtherRecipients { id, recipients }),
            };
        }
        match wanted.unwrap_or_default() {
            Recipients::Network(id) if !self.ours.networks.iter().any(|one| one.id == id) => {
                Err(Refusal::NotAMember { id })
            }
            recipients => Ok(recipients),
        }
    }

    fn own_public_feed(&self, key: &SecretKey) -> FeedId {
        hash::feed_id(&self.config.centre, &key.public(), &Audience::Public)
    }

    /// Returns the head of a feed that `key` signs.
    fn own_head(&self, feed: FeedId) -> Result<FeedHead, Refusal> {
        let Some(state) = self.store.feed(&feed)? else {
            return Ok(FeedHead { seq: 0, id: RecordId(feed.0) });
        };
        match state.fork {
            Some(seq) => Err(Refusal::Forked { seq }),
            None => Ok(state.chain),
        }
    }

    /// Returns the audience and the head of the feed that `key` signs for `recipients`: the
    /// number that keeps its id from being guessed is that of the first record.
    fn own_feed(
        &mut self,
        key: &SecretKey,
        recipients: &Recipients,
    ) -> Result<(Audience, FeedHead), Refusal> {
        if let Some((feed, audience)) = self.held_own_feed(key, recipients)? {
            return Ok((audience, self.own_head(feed)?));
        }
        let audience = match recipients {
            Recipients::Public => Audience::Public,
            Recipients::Network(id) => Audience::Network(*id, self.entropy.bytes()),
            Recipients::Centres(named) => Audience::Centres(named.clone(), self.entropy.bytes()),
        };
        let feed = hash::feed_id(&self.config.centre, &key.public(), &audience);
        Ok((audience, self.own_head(feed)?))
    }

    /// Returns the feed that `key` signs for `recipients`, if it is held.
    pub(super) fn held_own_feed(
        &self,
        key: &SecretKey,
        recipients: &Recipients,
    ) -> Result<Option<(FeedId, Audience)>, StoreError> {
        for feed in self.store.feeds_of(&self.config.centre)? {
            let Some(state) = self.store.feed(&feed)? else { continue };
            if state.signer == key.public() && Recipients::of(&state.audience) == *recipients {
                return Ok(Some((feed, state.audience)));
            }
        }
        Ok(None)
    }

    fn sign(
        &mut self,
        (key, under): (&SecretKey, EventId),
        (audience, head): (Audience, FeedHead),
        index: usize,
        record: NewRecord,
    ) -> Result<VerifiedRecord, Refusal> {
        let mut body = record.body;
        let mut series = None;
        if let Some(old) = record.revises {
            let header = self.own_record(&old)?;
            series = Some(header.series.unwrap_or(old));
            let links = body.entry("links").or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(links) = links {
                links.retain(|link| link.get("rel") != Some(&json!("supersedes")));
                links.push(json!({ "rel": "supersedes", "target": old }));
            }
        }
        if let Some(target) = &record.target {
            self.own_record(target)?;
        }
        let goals = body::goals(&body);
        let attachment_bytes = attachment::header_bytes(&attachment::list(&body));
        let body = serde_json::to_vec(&body).expect("a JSON object always encodes");
        if u64::from(BODY_BYTES_MAX) < body.len() as u64 {
            return Err(Refusal::TooLarge { index, bytes: body.len(), limit: BODY_BYTES_MAX });
        }
        let header = Header {
            version: baraza_record::HEADER_VERSION,
            kind: record.kind,
            centre: self.config.centre,
            signer: key.public(),
            audience,
            seq: head.seq + 1,
            prev: head.id,
            identity_head: under,
            created_ms: self.now,
            language: record.language,
            goals,
            series,
            target: record.target,
            attachment_bytes,
            body_bytes: 0,
            body_commit: BodyCommit([0; 32]),
        };
        let payload = Payload { salt: self.entropy.bytes(), body };
        Ok(SignedRecord::sign(header, payload, key))
    }

    /// Returns the header of a record of our own centre.
    fn own_record(&self, id: &RecordId) -> Result<Header, Refusal> {
        let place = stream::place_of(&self.store, id)?.ok_or(Refusal::Unknown { id: *id })?;
        let record = self.store.record(&place)?.ok_or(Refusal::Unknown { id: *id })?;
        let header = record.header().clone();
        match header.centre == self.config.centre {
            true => Ok(header),
            false => Err(Refusal::NotOurs { id: *id, owner: header.centre }),
        }
    }

    fn import(&mut self, bytes: &[u8]) -> Result<Reply, Refusal> {
        let mut intake = Intake::new(self.now, self.ours.entitlement()).through(&self.gate);
        for (_, frame) in baraza_record::frame::FrameReader::new(bytes).flatten() {
            intake.take(&mut self.store, frame)?;
        }
        let imported = intake.finish(&mut self.store)?;
        if imported.inserted + imported.identities != 0 {
            self.spread_news(None);
        }
        Ok(Reply::Imported(imported))
    }

    /// Takes an identity event that somebody here made, and tells everybody.
    fn identify(&mut self, event: Vec<u8>) -> Result<Reply, Refusal> {
        match ingest::ingest_identity(&mut self.store, &event) {
            Ok((centre, new)) => {
                if new {
                    self.announce_event(event);
                    self.spread_news(None);
                }
                Ok(Reply::Identified { centre, new })
            }
            Err(IngestError::Store(error)) => Err(error.into()),
            Err(IngestError::Rejected(rejection)) => Err(Refusal::Event(rejection)),
        }
    }

    /// Changes the networks. Sessions that are under way know only the old ones.
    fn set_networks(&mut self, networks: Vec<Membership>) -> Result<Reply, Refusal> {
        if NETWORKS_MAX < networks.len() {
            return Err(Refusal::TooManyNetworks { count: networks.len() });
        }
        self.ours = Arc::new(Ours { networks, ..*self.ours });
        let peers: Vec<_> = self.sessions.keys().copied().collect();
        for peer in peers {
            if let Some(session) = self.sessions.get_mut(&peer) {
                session.fail("the networks of this node were changed");
            }
            self.end_session(peer)?;
        }
        for link in self.links.up.values_mut() {
            link.forget_failures();
        }
        self.visits = Visits::default();
        self.seen.retain(|id, _| self.ours.networks.iter().any(|one| one.id == *id));
        self.spread_news(None);
        Ok(Reply::Joined)
    }

    fn sync(&mut self, peer: Option<Peer>) -> Result<Reply, Refusal> {
        if !self.links.online() {
            return Err(Refusal::Offline);
        }
        if let Some(hold) = self.held(Purpose::Asked) {
            return Err(Refusal::Held(hold));
        }
        let connected = |peer: &Peer| self.links.up.contains_key(peer);
        let peers: Vec<_> = match peer {
            None => self.links.up.keys().copied().collect(),
            Some(peer) if connected(&peer) => vec![peer],
            Some(peer) => match self.links.book.get(&peer) {
                None => return Err(Refusal::UnknownPeer { peer }),
                Some(entry) => {
                    let addresses = entry.addresses.clone();
                    self.spending.ask_for(Some(peer), None, self.now);
                    self.net(NetEffect::Dial { peer: Some(peer), addresses });
                    return Ok(Reply::Syncing(vec![peer]));
                }
            },
        };
        for peer in &peers {
            if let Some(link) = self.links.up.get_mut(peer) {
                link.forget_failures();
                link.ask(self.now);
            }
            self.start_session(*peer)?;
        }
        Ok(Reply::Syncing(peers))
    }

    fn dial(&mut self, address: String) -> Result<Reply, Refusal> {
        if !self.links.online() {
            return Err(Refusal::Offline);
        }
        if let Some(hold) = self.held(Purpose::Asked) {
            return Err(Refusal::Held(hold));
        }
        if !self.is_near_enough(&address) {
            return Err(Refusal::TooFar { address });
        }
        if let Some(peer) = self.connected_at(&address) {
            return self.sync(Some(peer)).map(|_| Reply::Dialling);
        }
        self.spending.ask_for(None, Some(address.clone()), self.now);
        self.net(NetEffect::Dial { peer: None, addresses: vec![address] });
        Ok(Reply::Dialling)
    }

    /// Returns the connected peer that is known to be at an address.
    fn connected_at(&self, address: &str) -> Option<Peer> {
        let at = |peer: &&Peer| {
            let entry = self.links.book.get(*peer);
            entry.is_some_and(|entry| {
                entry.addresses.first().is_some_and(|first| is_at(address, first))
            })
        };
        self.links.up.keys().find(at).copied()
    }

    fn status(&self) -> Result<ServiceStatus, Refusal> {
        let operator = self.signer.as_ref().map(SecretKey::public);
        let own_feed = match &self.signer {
            Some(key) => {
                let feed = self.own_public_feed(key);
                let start = FeedHead { seq: 0, id: RecordId(feed.0) };
                Some((feed, self.store.feed(&feed)?.map_or(start, |state| state.chain)))
            }
            None => None,
        };
        let (held, forks) = self.standing()?;
        Ok(ServiceStatus {
            centre: self.config.centre,
            identity_head: self.own_log()?.map(|log| log.head().id()),
            node: self.config.node,
            operator,
            unlocked: self.signer.is_some(),
            key_blocked: self.key_blocked()?,
            own_feed,
            listen: self.links.listen.clone(),
            peers_connected: self.links.up.len(),
            peers_known: self.links.book.len(),
            held,
            forks,
            sessions: self.sessions.len(),
            networks: self.seen.clone(),
            agreed_ms: self.links.book.values().filter_map(|entry| entry.agreed_ms).max(),
            dialling: self.spending.dialling(),
            dial_failures: self.links.failures.iter().cloned().collect(),
            declined_feeds: self.gate.declined(),
            quotas: self.gate.used(self.store.counts().ledger_bytes),
            bodies_left_out: self.gate.left_out(),
            files: self.file_counts()?,
            read_only: self.read_only.clone(),
            budget: self.budget_status(),
        })
    }

    /// Returns how many records are off the shelf for want of authority, and which feeds fork.
    fn standing(&self) -> Result<(u64, Vec<(FeedId, Seq)>), StoreError> {
        let (mut held, mut forks, mut after) = (0, Vec::new(), None);
        loop {
            let page = self.store.feeds(after, PAGE_MAX)?;
            for feed in &page {
                let Some(state) = self.store.feed(feed)? else { continue };
                match state.fork {
                    Some(fork) if forks.len() < STATUS_FORKS_MAX => forks.push((*feed, fork)),
                    Some(_) => (),
                    None => held += state.chain.seq - state.shelf.seq,
                }
            }
            after = page.last().copied();
            if page.len() < PAGE_MAX {
                return Ok((held, forks));
            }
        }
    }

    fn peer_list(&self) -> Vec<PeerStatus> {
        let mut list: Vec<_> = self.links.book.iter().collect();
        list.sort_by_key(|(peer, entry)| {
            (!self.links.up.contains_key(peer), std::cmp::Reverse(entry.connected_ms), **peer)
        });
        let status = |(peer, entry): (&Peer, &crate::peers::PeerEntry)| {
            let link = self.links.up.get(peer);
            let told = link.and_then(|link| link.told.as_ref());
            PeerStatus {
                peer: *peer,
                centre: self.centre_of(peer),
                connected: link.is_some(),
                addresses: entry.addresses.clone(),
                agreed_ms: entry.agreed_ms,
                equal: told.and_then(|told| {
                    let heard = Heard::of(&self.store, &self.ours, peer, told);
                    heard.ok().map(|heard| heard.equal)
                }),
                last_failure: link.and_then(|link| link.last_failure.clone()),
            }
        };
        list.into_iter().map(status).collect()
    }
}

impl<S: Store> Service<S> {
    /// Returns whether everything admitted here has its body: for tests and status.
    pub fn is_complete(&self) -> bool {
        want::any(&self.store, Some(&self.gate), |_| true).is_ok_and(|wanted| !wanted)
    }

    /// Returns the digest of all that is admitted here.
    pub fn set_digest(&self) -> [u8; 32] {
        let root = |name| self.store.shelf(name).root();
        crate::set_digest(root(ShelfName::Identities), root(ShelfName::Public))
    }
}
