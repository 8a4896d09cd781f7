//! What one line of events comes to: from an inception, each event in turn.
//!
//! Invariant: whether an event may follow depends on the events before it alone. A key that
//! was revealed, or that ended, never comes back.
//! Not here: two events that follow the same one (`log`).
//! Spec: docs/PROTOCOL.md, sections 5.2 and 5.3.

use std::collections::{BTreeMap, BTreeSet};

use baraza_record::{CentreId, EventId, FeedId, PublicKey, RecordId, Seq, hash};

use crate::{
    Capabilities, Changes, EndKind, EndedKey, EventError, IdentityEvent, Inception, KeySet,
    LOG_BYTES_MAX, Operator, Role, SignedEvent, body::Rotate,
};

/// An operator key that a log has named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorState {
    /// What it may do.
    pub capabilities: Capabilities,
    /// Its label.
    pub label: String,
    /// Position of the event that names it.
    pub since: u64,
    /// How it ended, if it has.
    pub ended: Option<Ended>,
}

/// How a key ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub kind: EndKind,
    /// Position of the event that ended it.
    pub since: u64,
    /// How far its feeds count. A feed that is not here ends before its first record.
    pub horizons: BTreeMap<FeedId, (Seq, RecordId)>,
}

/// Where a feed ends because its key did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedEnd {
    /// Last position that counts; 0: none.
    pub seq: Seq,
    /// Whether nothing counts before the chain that is held leads to the horizon.
    pub compromised: bool,
}

/// What a log says of one feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedRule {
    /// Where it ends, if its key has ended.
    pub end: Option<FeedEnd>,
    /// Records that stand at their positions whatever else is signed there, ascending.
    pub pins: Vec<(Seq, RecordId)>,
}

/// What a line of events comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Whose log.
    pub role: Role,
    /// Name that the centre gives itself.
    pub name: String,
    /// Country that it states.
    pub country: Option<[u8; 2]>,
    /// Keys that change the log.
    pub keys: KeySet,
    /// Whether events may follow.
    pub active: bool,
    centre: EventId,
    head: EventId,
    events: u64,
    bytes: usize,
    operators: BTreeMap<PublicKey, OperatorState>,
    revealed: BTreeSet<PublicKey>,
    choices: BTreeMap<FeedId, BTreeMap<Seq, RecordId>>,
}

/// Whether signatures are verified, or were before the event was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signatures {
    Verify,
    Verified,
}

impl State {
    /// Returns the state after an inception.
    pub(crate) fn begin(signed: &SignedEvent, check: Signatures) -> Result<Self, EventError> {
        let IdentityEvent::Inception(inception) = signed.event() else {
            return Err(EventError::Orphan { seq: signed.event().seq() });
        };
        if check == Signatures::Verify {
            let signed = signed.verified_signers(&inception.root_keys)?.len();
            enough(signed, inception.root_threshold)?;
        }
        let Inception { role, name, country, .. } = inception.clone();
        let mut state = Self {
            role,
            name,
            country,
            keys: inception.keys(),
            active: true,
            centre: signed.id(),
            head: signed.id(),
            events: 1,
            bytes: signed.event_bytes(),
            operators: BTreeMap::new(),
            revealed: BTreeSet::new(),
            choices: BTreeMap::new(),
        };
        state.add(&inception.operators, 0);
        Ok(state)
    }

    /// Returns the state after one more event.
    pub(crate) fn after(
        mut self,
        signed: &SignedEvent,
        check: Signatures,
    ) -> Result<Self, EventError> {
        let event = signed.event();
        let (Some(link), Some(changes)) = (event.link(), event.changes()) else {
            return Err(field("kind", "of an inception stands behind another event"));
        };
        if (link.centre, link.prev) != (self.centre, self.head) {
            return Err(EventError::Orphan { seq: link.seq });
        }
        self.bytes += signed.event_bytes();
        let rules = [
            ("seq", "is not the next position", link.seq == self.events),
            ("kind", "follows the end of the log", self.active),
            ("bytes", "are more than a log may have", self.bytes <= LOG_BYTES_MAX),
        ];
        crate::parts::first_broken(rules)?;
        self.check_keys(event)?;
        self.check_changes(changes)?;
        if check == Signatures::Verify {
            self.check_signatures(signed)?;
        }
        self.apply(event, changes);
        (self.head, self.events) = (signed.id(), self.events + 1);
        Ok(self)
    }

    /// Returns the keys that may sign `event` next, in the order in which its signatures
    /// name them: of an update the root keys; of a rotation the keys that it reveals, then
    /// its new root keys; of the end of a log the keys that it reveals.
    pub fn signers(&self, event: &IdentityEvent) -> Vec<PublicKey> {
        match event {
            IdentityEvent::Inception(inception) => inception.root_keys.clone(),
            IdentityEvent::Update(_) => self.keys.root_keys.clone(),
            IdentityEvent::Rotate(Rotate { revealed, keys, .. }) => {
                [revealed.as_slice(), &keys.root_keys].concat()
            }
            IdentityEvent::Deactivate(end) => end.revealed.clone(),
        }
    }

    /// Returns how many of the keys that may sign `event` must: groups of them, in the order of
    /// [`signers`](Self::signers), each with its size and its threshold.
    pub fn needed(&self, event: &IdentityEvent) -> Vec<(usize, u8)> {
        let next = self.keys.next_threshold;
        match event {
            IdentityEvent::Inception(first) => vec![(first.root_keys.len(), first.root_threshold)],
            IdentityEvent::Update(_) => {
                vec![(self.keys.root_keys.len(), self.keys.root_threshold)]
            }
            IdentityEvent::Rotate(Rotate { revealed, keys, .. }) => {
                vec![(revealed.len(), next), (keys.root_keys.len(), keys.root_threshold)]
            }
            IdentityEvent::Deactivate(end) => vec![(end.revealed.len(), next)],
        }
    }

    /// Checks an event that is to follow, without its signatures: for whoever makes one.
    ///
    /// # Errors
    ///
    /// [`EventError`].
    pub fn would_take(&self, event: &IdentityEvent) -> Result<(), EventError> {
        event.validate()?;
        let unsigned = SignedEvent::sign(event.clone(), &[], &[]);
        self.clone().after(&unsigned, Signatures::Verified).map(|_| ())
    }

    /// Returns the operator keys, those that ended included, in the order of their bytes.
    pub fn operators(&self) -> impl Iterator<Item = (&PublicKey, &OperatorState)> {
        self.operators.iter()
    }

    /// Returns what is known of an operator key.
    pub fn operator(&self, key: &PublicKey) -> Option<&OperatorState> {
        self.operators.get(key)
    }

    /// Returns the id of the log.
    pub fn centre(&self) -> CentreId {
        CentreId(self.centre.0)
    }

    /// Returns the id of the last event.
    pub fn head(&self) -> EventId {
        self.head
    }

    /// Returns the number of events, which is the position of the next one.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Returns what the log says of a feed of `signer`.
    pub fn feed_rule(&self, signer: &PublicKey, feed: &FeedId) -> FeedRule {
        let ended = self.operators.get(signer).and_then(|operator| operator.ended.as_ref());
        let horizon = ended.and_then(|ended| ended.horizons.get(feed).copied());
        let end = ended.map(|ended| FeedEnd {
            seq: horizon.map_or(0, |(seq, _)| seq),
            compromised: ended.kind == EndKind::Compromised,
        });
        let last = end.map_or(Seq::MAX, |end| end.seq);
        let mut pins: BTreeMap<_, _> = self.choices.get(feed).cloned().unwrap_or_default();
        pins.retain(|seq, _| *seq <= last);
        pins.extend(horizon);
        FeedRule { end, pins: pins.into_iter().collect() }
    }

    /// Keys that were used up do not come back, and only committed ones are revealed.
    fn check_keys(&self, event: &IdentityEvent) -> Result<(), EventError> {
        let mut used = self.revealed.clone();
        let (keys, revealed) = match event {
            IdentityEvent::Rotate(rotate) => (Some(&rotate.keys), rotate.revealed.as_slice()),
            IdentityEvent::Deactivate(end) => (None, end.revealed.as_slice()),
            _ => (None, &[][..]),
        };
        let committed = |key| self.keys.next_digests.contains(&hash::key_digest(key));
        if !revealed.iter().all(committed) {
            return Err(field("revealed", "name a key that the event before did not commit to"));
        }
        if revealed.iter().any(|key| used.contains(key)) {
            return Err(field("revealed", "name a key that was used up before"));
        }
        used.extend(revealed);
        let roots = keys.map_or(&[][..], |keys| &keys.root_keys);
        let operators = event.operators().iter().map(|operator| &operator.key);
        if roots.iter().chain(operators).any(|key| used.contains(key)) {
            return Err(field("keys", "name a key that was used up"));
        }
        let next = keys.map_or(&[][..], |keys| &keys.next_digests);
        if used.iter().any(|key| next.contains(&hash::key_digest(key))) {
            return Err(field("next_digests", "commit to a key that was used up"));
        }
        Ok(())
    }

    /// Operators are new, endings and choices never move.
    fn check_changes(&self, changes: &Changes) -> Result<(), EventError> {
        if changes.operators.iter().any(|new| self.operators.contains_key(&new.key)) {
            return Err(field("operators", "add a key that the log has named before"));
        }
        for EndedKey { key, kind, horizons } in &changes.ended {
            let Some(operator) = self.operators.get(key) else {
                return Err(field("ended", "names a key that is no operator"));
            };
            let Some(ended) = &operator.ended else { continue };
            let moves = |feed, place| ended.horizons.get(feed).is_some_and(|known| *known != place);
            if ended.kind != *kind {
                return Err(field("ended", "gives a key that ended another reason"));
            }
            if horizons.iter().any(|end| moves(&end.feed, (end.seq, end.record))) {
                return Err(field("ended", "moves a horizon"));
            }
        }
        for choice in &changes.branches {
            let chosen = self.choices.get(&choice.feed).and_then(|feed| feed.get(&choice.seq));
            if chosen.is_some_and(|record| *record != choice.record) {
                return Err(field("branches", "choose another branch than before"));
            }
        }
        Ok(())
    }

    fn check_signatures(&self, signed: &SignedEvent) -> Result<(), EventError> {
        let event = signed.event();
        let places = signed.verified_signers(&self.signers(event))?;
        match event {
            IdentityEvent::Rotate(rotate) => {
                let next = places.iter().filter(|place| **place < rotate.revealed.len()).count();
                enough(next, self.keys.next_threshold)?;
                enough(places.len() - next, rotate.keys.root_threshold)
            }
            IdentityEvent::Deactivate(_) => enough(places.len(), self.keys.next_threshold),
            _ => enough(places.len(), self.keys.root_threshold),
        }
    }

    fn apply(&mut self, event: &IdentityEvent, changes: &Changes) {
        let seq = self.events;
        if let Some(profile) = &changes.profile {
            (self.name, self.country) = (profile.name.clone(), profile.country);
        }
        self.add(&changes.operators, seq);
        for EndedKey { key, kind, horizons } in &changes.ended {
            let Some(operator) = self.operators.get_mut(key) else { continue };
            let new = Ended { kind: *kind, since: seq, horizons: BTreeMap::new() };
            let places = horizons.iter().map(|end| (end.feed, (end.seq, end.record)));
            operator.ended.get_or_insert(new).horizons.extend(places);
        }
        for choice in &changes.branches {
            self.choices.entry(choice.feed).or_default().insert(choice.seq, choice.record);
        }
        match event {
            IdentityEvent::Rotate(rotate) => {
                self.keys = rotate.keys.clone();
                self.revealed.extend(&rotate.revealed);
            }
            IdentityEvent::Deactivate(end) => {
                self.active = false;
                self.revealed.extend(&end.revealed);
                for operator in self.operators.values_mut() {
                    let (kind, horizons) = (EndKind::Retired, BTreeMap::new());
                    operator.ended.get_or_insert(Ended { kind, since: seq, horizons });
                }
            }
            _ => (),
        }
    }

    fn add(&mut self, operators: &[Operator], since: u64) {
        for Operator { key, capabilities, label } in operators {
            let (capabilities, label, ended) = (*capabilities, label.clone(), None);
            self.operators.insert(*key, OperatorState { capabilities, label, since, ended });
        }
    }
}

fn enough(signed: usize, needed: u8) -> Result<(), EventError> {
    match signed < usize::from(needed) {
        true => Err(EventError::Threshold { signed, needed }),
        false => Ok(()),
    }
}

fn field(field: &'static str, rule: &'static str) -> EventError {
    EventError::Field { field, rule }
}
