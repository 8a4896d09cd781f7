//! Events of an identity log: their bytes and their signatures.
//!
//! Invariant: a [`SignedEvent`] in hand has the structure that every node demands;
//! whether it counts is for the log to say. The bytes that were signed are kept.
//! Spec: docs/PROTOCOL.md, section 5.1.

use baraza_record::{
    EventId, KeyDigest, PublicKey, Timestamp,
    codec::{self, DecodeError},
    hash,
    sign::{self, Domain, SecretKey, Signature, VerifyError},
};
use bincode::{Decode, Encode};

/// Event version that this code writes and reads.
pub const EVENT_VERSION: u16 = 1;

/// Most bytes of a signed event (16 KiB). An inception with 16 keys and 64 operators has about 9,000.
pub const EVENT_BYTES_MAX: usize = 16 * 1_024;

/// Most root keys, and most digests of next keys.
pub const KEYS_MAX: usize = 16;

/// Most operator keys that one event adds.
pub const OPERATORS_MAX: usize = 64;

/// Most characters of a centre's name.
pub const NAME_CHARS_MAX: usize = 200;

/// Most bytes of an operator's label.
pub const LABEL_BYTES_MAX: usize = 64;

/// What an event does. Numbers of kinds that this version does not know are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EventKind(pub u8);

impl EventKind {
    /// The first event of a log: its id is the id of the centre.
    pub const INCEPTION: Self = Self(0);

    /// Returns the name of the kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::INCEPTION => "inception",
            _ => "unknown",
        }
    }
}

/// Whose log it is; fixed at inception.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Role {
    /// A centre of excellence.
    Centre,
    /// The focal point of the country with this ISO 3166-1 alpha-2 code.
    Nation([u8; 2]),
    /// A network.
    Network,
}

/// What an operator key may do, as a bit set. Unknown bits are kept and give nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Capabilities(pub u16);

impl Capabilities {
    /// Publish records, revise one's own.
    pub const PUBLISH: Self = Self(1);
    /// Retract the centre's records.
    pub const RETRACT: Self = Self(1 << 1);
    /// Have bodies of the centre's records erased everywhere.
    pub const ERASE: Self = Self(1 << 2);
    /// Accredit centres.
    pub const ACCREDIT: Self = Self(1 << 3);
    /// Be a node of the centre: the key of its connections.
    pub const NODE: Self = Self(1 << 4);

    const NAMES: [(Self, &str); 5] = [
        (Self::PUBLISH, "publish"),
        (Self::RETRACT, "retract"),
        (Self::ERASE, "erase"),
        (Self::ACCREDIT, "accredit"),
        (Self::NODE, "node"),
    ];

    /// Returns the union.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether everything in `other` is in the set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the names of the known capabilities in the set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(one, _)| self.has(*one)).map(|(_, name)| name)
    }
}

/// A key that acts for the centre day by day.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Operator {
    /// The key.
    pub key: PublicKey,
    /// What it may do.
    pub capabilities: Capabilities,
    /// For people; never a person's name.
    pub label: String,
}

/// An inception, as it is signed. Events of other kinds share `version` and `kind` only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct IdentityEvent {
    /// Version of this structure.
    pub version: u16,
    /// What the event does.
    pub kind: EventKind,
    /// Position in the log; 0 for the inception.
    pub seq: u64,
    /// Event before it; none for the inception.
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
    /// Operator keys added, in ascending order of the key.
    pub operators: Vec<Operator>,
    /// Stated time; information only.
    pub created_ms: Timestamp,
    /// Random bytes, so that two centres with one name and time differ.
    pub nonce: [u8; 16],
}

/// A signature with the place of its key among the keys that may sign.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KeySignature {
    /// Index into the event's root keys.
    pub key: u8,
    /// The signature.
    pub signature: Signature,
}

#[derive(Encode, Decode)]
struct WireEvent {
    event: Vec<u8>,
    signatures: Vec<KeySignature>,
}

/// An event with its bytes and signatures. Structure is checked, signatures are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedEvent {
    id: EventId,
    event: IdentityEvent,
    event_bytes: Vec<u8>,
    signatures: Vec<KeySignature>,
}

/// Why an event is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// It does not decode.
    #[error("identity event does not decode")]
    Decode(#[from] DecodeError),
    /// Written by newer code. Nobody's fault.
    #[error("identity event of version {version} or kind {kind} is newer than this node")]
    Newer {
        /// Its version.
        version: u16,
        /// Its kind.
        kind: u8,
    },
    /// A member has a value that no event may have.
    #[error("identity event: {field} {rule}")]
    Field {
        /// Which member.
        field: &'static str,
        /// What it breaks.
        rule: &'static str,
    },
    /// A signature does not verify.
    #[error("identity event: signature of root key {key}: {cause}")]
    Signature {
        /// Index of the key.
        key: u8,
        /// What is wrong.
        cause: VerifyError,
    },
    /// Too few distinct keys signed.
    #[error("identity event has {signed} valid signatures, {needed} are needed")]
    Threshold {
        /// Distinct keys that signed.
        signed: usize,
        /// How many must.
        needed: u8,
    },
}

impl SignedEvent {
    /// Signs `event` with `keys`, which are among its root keys.
    pub fn sign(event: IdentityEvent, keys: &[&SecretKey]) -> Self {
        let event_bytes = codec::encode(&event);
        let sign = |key: &&SecretKey| {
            let place = event.root_keys.iter().position(|root| *root == key.public())?;
            let signature = key.sign(Domain::IdentityEvent, &event_bytes);
            Some(KeySignature { key: u8::try_from(place).ok()?, signature })
        };
        let mut signatures: Vec<_> = keys.iter().filter_map(sign).collect();
        signatures.sort_by_key(|signature| signature.key);
        Self { id: hash::event_id(&event_bytes), event, event_bytes, signatures }
    }

    /// Decodes a signed event and checks its structure.
    ///
    /// # Errors
    ///
    /// [`EventError::Decode`], [`EventError::Newer`] or [`EventError::Field`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EventError> {
        let signed = Self::decode_kept(bytes)?;
        signed.event.validate()?;
        Ok(signed)
    }

    /// Decodes an event that was checked before it was kept: the keys in it are not looked
    /// at again, which costs a hundred times as much as the rest.
    pub(crate) fn decode_kept(bytes: &[u8]) -> Result<Self, EventError> {
        let wire: WireEvent = codec::decode(bytes, EVENT_BYTES_MAX)?;
        let head =
            bincode::decode_from_slice::<(u16, u8), _>(&wire.event, bincode::config::standard());
        let ((version, kind), _) =
            head.map_err(|error| DecodeError::Invalid { reason: error.to_string() })?;
        if EVENT_VERSION < version || EventKind(kind) != EventKind::INCEPTION {
            return Err(EventError::Newer { version, kind });
        }
        let event: IdentityEvent = codec::decode(&wire.event, EVENT_BYTES_MAX)?;
        let id = hash::event_id(&wire.event);
        Ok(Self { id, event, event_bytes: wire.event, signatures: wire.signatures })
    }

    /// Encodes the event with its signatures: the inverse of [`decode`](Self::decode).
    pub fn encode(&self) -> Vec<u8> {
        let signatures = self.signatures.clone();
        codec::encode(&WireEvent { event: self.event_bytes.clone(), signatures })
    }

    /// Returns the id.
    pub fn id(&self) -> EventId {
        self.id
    }

    /// Returns the event.
    pub fn event(&self) -> &IdentityEvent {
        &self.event
    }

    /// Verifies every signature and that enough distinct root keys signed.
    ///
    /// # Errors
    ///
    /// [`EventError::Signature`], [`EventError::Threshold`], or a list of signatures that
    /// is not in ascending order of distinct keys.
    pub fn verify(&self) -> Result<(), EventError> {
        if !self.signatures.is_sorted_by(|a, b| a.key < b.key) {
            let rule = "are not of distinct keys in ascending order";
            return Err(EventError::Field { field: "signatures", rule });
        }
        for KeySignature { key, signature } in &self.signatures {
            let root = self.event.root_keys.get(usize::from(*key));
            let check = root.ok_or(VerifyError::BadKey).and_then(|root| {
                sign::verify(Domain::IdentityEvent, root, &self.event_bytes, signature)
            });
            check.map_err(|cause| EventError::Signature { key: *key, cause })?;
        }
        let (signed, needed) = (self.signatures.len(), self.event.root_threshold);
        match signed < usize::from(needed) {
            true => Err(EventError::Threshold { signed, needed }),
            false => Ok(()),
        }
    }
}

impl IdentityEvent {
    /// Checks the structure of an inception.
    fn validate(&self) -> Result<(), EventError> {
        let keys_valid =
            |keys: &[PublicKey]| keys.iter().all(|key| sign::validate_key(key).is_ok());
        let threshold_fits =
            |threshold: u8, keys: usize| (1..=keys).contains(&usize::from(threshold));
        let is_country = |code: [u8; 2]| code.iter().all(u8::is_ascii_uppercase);
        let operator_keys: Vec<_> = self.operators.iter().map(|operator| operator.key).collect();
        let rules = [
            ("version", "is 0", self.version != 0),
            ("seq", "of an inception is not 0", self.seq == 0),
            ("prev", "of an inception is set", self.prev.is_none()),
            (
                "role",
                "names no country",
                !matches!(self.role, Role::Nation(code) if !is_country(code)),
            ),
            ("name", "is empty, too long, or has control characters", is_name(&self.name)),
            ("country", "is not two capital letters", self.country.is_none_or(is_country)),
            (
                "root_keys",
                "are not 1 to 16 usable keys in ascending order",
                (1..=KEYS_MAX).contains(&self.root_keys.len())
                    && self.root_keys.is_sorted_by(|a, b| a < b)
                    && keys_valid(&self.root_keys),
            ),
            (
                "root_threshold",
                "is not between 1 and the number of keys",
                threshold_fits(self.root_threshold, self.root_keys.len()),
            ),
            (
                "next_digests",
                "are not 1 to 16 in ascending order",
                (1..=KEYS_MAX).contains(&self.next_digests.len())
                    && self.next_digests.is_sorted_by(|a, b| a < b),
            ),
            (
                "next_digests",
                "commit to a key in use",
                !self
                    .root_keys
                    .iter()
                    .any(|key| self.next_digests.contains(&hash::key_digest(key))),
            ),
            (
                "next_threshold",
                "is not between 1 and the number of digests",
                threshold_fits(self.next_threshold, self.next_digests.len()),
            ),
            (
                "operators",
                "are not up to 64 usable keys in ascending order",
                operator_keys.len() <= OPERATORS_MAX
                    && operator_keys.is_sorted_by(|a, b| a < b)
                    && keys_valid(&operator_keys),
            ),
            (
                "operators",
                "have a label over 64 bytes or with control characters",
                self.operators.iter().all(|operator| {
                    operator.label.len() <= LABEL_BYTES_MAX
                        && !operator.label.chars().any(char::is_control)
                }),
            ),
        ];
        match rules.iter().find(|(_, _, holds)| !holds) {
            Some(&(field, rule, _)) => Err(EventError::Field { field, rule }),
            None => Ok(()),
        }
    }
}

fn is_name(name: &str) -> bool {
    let chars = name.chars().count();
    (1..=NAME_CHARS_MAX).contains(&chars)
        && !name.trim().is_empty()
        && !name.chars().any(char::is_control)
}
