//! The four kinds of events, as they are signed.
//!
//! Invariant: the first two members are version and kind; the rest depends on the kind.
//! Not here: signatures (`event`), which event may follow which (`state`).
//! Spec: docs/PROTOCOL.md, section 5.1; docs/decisions/0005-event-bodies-by-kind.md.

use baraza_record::{
    CentreId, EventId, KeyDigest, PublicKey, Timestamp,
    codec::{self, DecodeError},
};
use bincode::{Decode, Encode};

use crate::{
    EventError, SignedEvent,
    event::{EVENT_BYTES_MAX, EVENT_VERSION, EventKind},
    parts::{
        Changes, KEYS_MAX, KeySet, Link, Operator, Role, Rule, are_keys, first_broken, is_country,
        is_name, link_rules, operator_rules,
    },
};

/// The first event of a log.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Inception {
    /// Version of this structure.
    pub version: u16,
    /// [`EventKind::INCEPTION`].
    pub kind: EventKind,
    /// 0.
    pub seq: u64,
    /// None.
    pub prev: Option<EventId>,
    /// Whose log.
    pub role: Role,
    /// Name that the centre gives itself, in its own language.
    pub name: String,
    /// Country that it states: ISO 3166-1 alpha-2, or none for an intergovernmental body.
    pub country: Option<[u8; 2]>,
    /// Keys that change the log, ascending.
    pub root_keys: Vec<PublicKey>,
    /// How many of them must sign.
    pub root_threshold: u8,
    /// Digests of the keys that replace them, ascending.
    pub next_digests: Vec<KeyDigest>,
    /// How many of those must sign a rotation.
    pub next_threshold: u8,
    /// Operator keys, in ascending order of the key.
    pub operators: Vec<Operator>,
    /// Stated time; information only.
    pub created_ms: Timestamp,
    /// Random bytes, so that two centres with one name and time differ.
    pub nonce: [u8; 16],
}

/// Adds and ends operator keys, chooses branches, changes the name. Signed by root keys.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Update {
    /// Version of this structure.
    pub version: u16,
    /// [`EventKind::UPDATE`].
    pub kind: EventKind,
    /// Where it stands.
    pub link: Link,
    /// What it changes.
    pub changes: Changes,
}

/// Replaces the root keys. Signed by next keys, which it reveals, and by new root keys.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Rotate {
    /// Version of this structure.
    pub version: u16,
    /// [`EventKind::ROTATE`].
    pub kind: EventKind,
    /// Where it stands.
    pub link: Link,
    /// What it changes besides.
    pub changes: Changes,
    /// Next keys that sign, ascending. They are used up by this.
    pub revealed: Vec<PublicKey>,
    /// The new keys.
    pub keys: KeySet,
}

/// Ends the log and every operator key. Signed by next keys, which it reveals.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Deactivate {
    /// Version of this structure.
    pub version: u16,
    /// [`EventKind::DEACTIVATE`].
    pub kind: EventKind,
    /// Where it stands.
    pub link: Link,
    /// Endings and choices; it adds no operators.
    pub changes: Changes,
    /// Next keys that sign, ascending.
    pub revealed: Vec<PublicKey>,
}

/// An event, as it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityEvent {
    /// The first of a log.
    Inception(Inception),
    /// A change by the root keys.
    Update(Update),
    /// New root keys.
    Rotate(Rotate),
    /// The end of the log.
    Deactivate(Deactivate),
}

impl IdentityEvent {
    /// Makes an update.
    pub fn update(link: Link, changes: Changes) -> Self {
        Self::Update(Update { version: EVENT_VERSION, kind: EventKind::UPDATE, link, changes })
    }

    /// Makes a rotation; `revealed` is ascending.
    pub fn rotate(link: Link, changes: Changes, revealed: Vec<PublicKey>, keys: KeySet) -> Self {
        let (version, kind) = (EVENT_VERSION, EventKind::ROTATE);
        Self::Rotate(Rotate { version, kind, link, changes, revealed, keys })
    }

    /// Makes the end of a log; `revealed` is ascending.
    pub fn deactivate(link: Link, changes: Changes, revealed: Vec<PublicKey>) -> Self {
        let (version, kind) = (EVENT_VERSION, EventKind::DEACTIVATE);
        Self::Deactivate(Deactivate { version, kind, link, changes, revealed })
    }

    /// Returns the kind.
    pub fn kind(&self) -> EventKind {
        match self {
            Self::Inception(_) => EventKind::INCEPTION,
            Self::Update(_) => EventKind::UPDATE,
            Self::Rotate(_) => EventKind::ROTATE,
            Self::Deactivate(_) => EventKind::DEACTIVATE,
        }
    }

    /// Returns where the event stands; none for an inception.
    pub fn link(&self) -> Option<&Link> {
        match self {
            Self::Inception(_) => None,
            Self::Update(Update { link, .. })
            | Self::Rotate(Rotate { link, .. })
            | Self::Deactivate(Deactivate { link, .. }) => Some(link),
        }
    }

    /// Returns the position in the log.
    pub fn seq(&self) -> u64 {
        self.link().map_or(0, |link| link.seq)
    }

    /// Returns the stated time.
    pub fn created_ms(&self) -> Timestamp {
        match self {
            Self::Inception(inception) => inception.created_ms,
            _ => self.link().map(|link| link.created_ms).unwrap_or_default(),
        }
    }

    /// Returns what the event changes; none for an inception.
    pub fn changes(&self) -> Option<&Changes> {
        match self {
            Self::Inception(_) => None,
            Self::Update(Update { changes, .. })
            | Self::Rotate(Rotate { changes, .. })
            | Self::Deactivate(Deactivate { changes, .. }) => Some(changes),
        }
    }

    /// Returns the operator keys that the event adds.
    pub fn operators(&self) -> &[Operator] {
        match self {
            Self::Inception(inception) => &inception.operators,
            _ => self.changes().map_or(&[], |changes| &changes.operators),
        }
    }

    /// Returns whether next keys sign it: then its branch of the log wins.
    pub fn is_recovery(&self) -> bool {
        matches!(self, Self::Rotate(_) | Self::Deactivate(_))
    }

    /// Encodes the event.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Inception(event) => codec::encode(event),
            Self::Update(event) => codec::encode(event),
            Self::Rotate(event) => codec::encode(event),
            Self::Deactivate(event) => codec::encode(event),
        }
    }

    /// Decodes an event, whose structure is not checked.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, EventError> {
        let head = bincode::decode_from_slice::<(u16, u8), _>(bytes, bincode::config::standard());
        let ((version, kind), _) =
            head.map_err(|error| DecodeError::Invalid { reason: error.to_string() })?;
        let newer = EventError::Newer { version, kind };
        if EVENT_VERSION < version {
            return Err(newer);
        }
        Ok(match EventKind(kind) {
            EventKind::INCEPTION => Self::Inception(codec::decode(bytes, EVENT_BYTES_MAX)?),
            EventKind::UPDATE => Self::Update(codec::decode(bytes, EVENT_BYTES_MAX)?),
            EventKind::ROTATE => Self::Rotate(codec::decode(bytes, EVENT_BYTES_MAX)?),
            EventKind::DEACTIVATE => Self::Deactivate(codec::decode(bytes, EVENT_BYTES_MAX)?),
            _ => return Err(newer),
        })
    }

    /// Checks what no event of the kind may be, whatever came before it.
    pub(crate) fn validate(&self) -> Result<(), EventError> {
        match self {
            Self::Inception(inception) => inception.validate(),
            Self::Update(Update { version, kind, link, changes }) => {
                let link = link_rules(*version, *kind, EventKind::UPDATE, link);
                first_broken(link.into_iter().chain(changes.rules()))
            }
            Self::Rotate(rotate) => {
                let Rotate { version, kind, link, changes, revealed, keys } = rotate;
                let link = link_rules(*version, *kind, EventKind::ROTATE, link);
                let own = [
                    revealed_rule(revealed),
                    (
                        "root_keys",
                        "name a revealed key",
                        !keys.root_keys.iter().any(|key| revealed.contains(key)),
                    ),
                ];
                let rules = link.into_iter().chain(changes.rules()).chain(own);
                first_broken(rules.chain(keys.rules()))
            }
            Self::Deactivate(end) => {
                let Deactivate { version, kind, link, changes, revealed } = end;
                let link = link_rules(*version, *kind, EventKind::DEACTIVATE, link);
                let nothing = changes.operators.is_empty() && changes.profile.is_none();
                let own = [
                    revealed_rule(revealed),
                    ("operators", "are added by an event that ends the log", nothing),
                ];
                first_broken(link.into_iter().chain(changes.rules()).chain(own))
            }
        }
    }
}

impl From<Inception> for IdentityEvent {
    fn from(inception: Inception) -> Self {
        Self::Inception(inception)
    }
}

impl Inception {
    /// Signs the inception with `keys`, which are among its root keys.
    pub fn sign(self, keys: &[&baraza_record::SecretKey]) -> SignedEvent {
        let signers = self.root_keys.clone();
        SignedEvent::sign(self.into(), &signers, keys)
    }

    /// Returns the id that its centre would have.
    pub fn centre(&self) -> CentreId {
        CentreId(baraza_record::hash::event_id(&codec::encode(self)).0)
    }

    /// Returns the keys.
    pub fn keys(&self) -> KeySet {
        KeySet {
            root_keys: self.root_keys.clone(),
            root_threshold: self.root_threshold,
            next_digests: self.next_digests.clone(),
            next_threshold: self.next_threshold,
        }
    }

    fn validate(&self) -> Result<(), EventError> {
        let named = !matches!(self.role, Role::Nation(code) if !is_country(code));
        let own = [
            ("version", "is 0", self.version != 0),
            ("kind", "is not that of its structure", self.kind == EventKind::INCEPTION),
            ("seq", "of an inception is not 0", self.seq == 0),
            ("prev", "of an inception is set", self.prev.is_none()),
            ("role", "names no country", named),
            ("name", "is empty, too long, or has control characters", is_name(&self.name)),
            ("country", "is not two capital letters", self.country.is_none_or(is_country)),
        ];
        let rules = own.into_iter().chain(self.keys().rules());
        first_broken(rules.chain(operator_rules(&self.operators)))
    }
}

fn revealed_rule(revealed: &[PublicKey]) -> Rule {
    (
        "revealed",
        "are not 1 to 16 usable keys in ascending order",
        (1..=KEYS_MAX).contains(&revealed.len()) && are_keys(revealed),
    )
}
