//! What events are made of: roles, capabilities, keys, endings and choices.
//!
//! Invariant: every list has a limit and one order, so that one event has one form.
//! Not here: which event may follow which (`state`).
//! Spec: docs/PROTOCOL.md, section 5.1.

use baraza_record::{EventId, FeedId, KeyDigest, PublicKey, RecordId, Seq, hash, sign};
use bincode::{Decode, Encode};

use crate::{EventError, event::EventKind};

/// Most root keys, and most digests of next keys.
pub const KEYS_MAX: usize = 16;

/// Most operator keys that one event adds, and most that it ends.
pub const OPERATORS_MAX: usize = 64;

/// Most feeds for which one event says where an ended key stopped, and most choices of a branch.
pub const FEEDS_MAX: usize = 64;

/// Most characters of a centre's name.
pub const NAME_CHARS_MAX: usize = 200;

/// Most bytes of an operator's label.
pub const LABEL_BYTES_MAX: usize = 64;

/// A rule: the member, what it breaks, and whether it holds.
pub(crate) type Rule = (&'static str, &'static str, bool);

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

    /// Returns the capability with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(one, _)| *one)
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

/// Keys that change a log, and the digests of those that replace them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KeySet {
    /// Keys that change the log, ascending.
    pub root_keys: Vec<PublicKey>,
    /// How many of them must sign.
    pub root_threshold: u8,
    /// Digests of the keys that replace them, ascending.
    pub next_digests: Vec<KeyDigest>,
    /// How many of those must sign a rotation.
    pub next_threshold: u8,
}

impl KeySet {
    pub(crate) fn rules(&self) -> [Rule; 5] {
        let Self { root_keys, root_threshold, next_digests, next_threshold } = self;
        let fits = |threshold: u8, keys: usize| (1..=keys).contains(&usize::from(threshold));
        [
            (
                "root_keys",
                "are not 1 to 16 usable keys in ascending order",
                (1..=KEYS_MAX).contains(&root_keys.len()) && are_keys(root_keys),
            ),
            (
                "root_threshold",
                "is not between 1 and the number of keys",
                fits(*root_threshold, root_keys.len()),
            ),
            (
                "next_digests",
                "are not 1 to 16 in ascending order",
                (1..=KEYS_MAX).contains(&next_digests.len())
                    && next_digests.is_sorted_by(|a, b| a < b),
            ),
            (
                "next_digests",
                "commit to a key in use",
                !root_keys.iter().any(|key| next_digests.contains(&hash::key_digest(key))),
            ),
            (
                "next_threshold",
                "is not between 1 and the number of digests",
                fits(*next_threshold, next_digests.len()),
            ),
        ]
    }
}

/// Why a key ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum EndKind {
    /// It is not used any more. What it signed stays.
    Retired,
    /// Somebody else may have it. Only what leads to a horizon stays.
    Compromised,
}

/// How far a feed of an ended key counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Horizon {
    /// Which feed.
    pub feed: FeedId,
    /// Last position that counts.
    pub seq: Seq,
    /// Id of the record there.
    pub record: RecordId,
}

/// An operator key that ends. A feed of it that is not named ends before its first record.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EndedKey {
    /// The key.
    pub key: PublicKey,
    /// Why.
    pub kind: EndKind,
    /// How far its feeds count, in ascending order of the feed.
    pub horizons: Vec<Horizon>,
}

/// Which branch of a feed that forked goes on: the record at one position.
pub type BranchChoice = Horizon;

/// What a log calls itself.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Profile {
    /// Name that the centre gives itself, in its own language.
    pub name: String,
    /// Country that it states: ISO 3166-1 alpha-2, or none for an intergovernmental body.
    pub country: Option<[u8; 2]>,
}

/// Where an event stands, and when it is said to have been made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Link {
    /// Whose log: the id of its inception.
    pub centre: EventId,
    /// Position in the log.
    pub seq: u64,
    /// Event before it.
    pub prev: EventId,
    /// Stated time, in milliseconds since 1970; information only.
    pub created_ms: baraza_record::Timestamp,
}

/// What an event changes besides the keys that sign for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Changes {
    /// New name and country, if they change.
    pub profile: Option<Profile>,
    /// Operator keys added, in ascending order of the key.
    pub operators: Vec<Operator>,
    /// Operator keys ended, in ascending order of the key.
    pub ended: Vec<EndedKey>,
    /// Branches chosen, in ascending order of feed and position.
    pub branches: Vec<BranchChoice>,
}

impl Changes {
    pub(crate) fn rules(&self) -> [Rule; 6] {
        let Self { profile, operators, ended, branches } = self;
        let [operator_keys, labels] = operator_rules(operators);
        let feeds: usize = ended.iter().map(|ended| ended.horizons.len()).sum();
        let sorted = |horizons: &[Horizon]| horizons.is_sorted_by(|a, b| a.feed < b.feed);
        let places: Vec<_> = branches.iter().map(|choice| (choice.feed, choice.seq)).collect();
        [
            (
                "profile",
                "has a name that is empty, too long or has control characters, or no country code",
                profile.as_ref().is_none_or(|profile| {
                    is_name(&profile.name) && profile.country.is_none_or(is_country)
                }),
            ),
            operator_keys,
            labels,
            (
                "ended",
                "are not up to 64 keys in ascending order",
                ended.len() <= OPERATORS_MAX && ended.is_sorted_by(|a, b| a.key < b.key),
            ),
            (
                "ended",
                "have horizons out of order, at position 0, or more than 64",
                feeds <= FEEDS_MAX
                    && ended.iter().all(|ended| {
                        sorted(&ended.horizons) && ended.horizons.iter().all(|end| end.seq != 0)
                    }),
            ),
            (
                "branches",
                "are not up to 64 in order, or choose position 0",
                branches.len() <= FEEDS_MAX
                    && places.is_sorted_by(|a, b| a < b)
                    && places.iter().all(|(_, seq)| *seq != 0),
            ),
        ]
    }
}

pub(crate) fn operator_rules(operators: &[Operator]) -> [Rule; 2] {
    let keys: Vec<_> = operators.iter().map(|operator| operator.key).collect();
    let labelled = |operator: &Operator| {
        operator.label.len() <= LABEL_BYTES_MAX && !operator.label.chars().any(char::is_control)
    };
    [
        (
            "operators",
            "are not up to 64 usable keys in ascending order",
            keys.len() <= OPERATORS_MAX && are_keys(&keys),
        ),
        (
            "operators",
            "have a label over 64 bytes or with control characters",
            operators.iter().all(labelled),
        ),
    ]
}

/// Returns whether these are usable keys in ascending order.
pub(crate) fn are_keys(keys: &[PublicKey]) -> bool {
    keys.is_sorted_by(|a, b| a < b) && keys.iter().all(|key| sign::validate_key(key).is_ok())
}

pub(crate) fn is_country(code: [u8; 2]) -> bool {
    code.iter().all(u8::is_ascii_uppercase)
}

pub(crate) fn is_name(name: &str) -> bool {
    let chars = name.chars().count();
    (1..=NAME_CHARS_MAX).contains(&chars)
        && !name.trim().is_empty()
        && !name.chars().any(char::is_control)
}

/// Returns the first rule that does not hold, as an error.
pub(crate) fn first_broken(rules: impl IntoIterator<Item = Rule>) -> Result<(), EventError> {
    match rules.into_iter().find(|(_, _, holds)| !holds) {
        Some((field, rule, _)) => Err(EventError::Field { field, rule }),
        None => Ok(()),
    }
}

/// Returns the rules that all events but an inception share.
pub(crate) fn link_rules(
    version: u16,
    kind: EventKind,
    wanted: EventKind,
    link: &Link,
) -> [Rule; 3] {
    [
        ("version", "is 0", version != 0),
        ("kind", "is not that of its structure", kind == wanted),
        ("seq", "of an event that is no inception is 0", link.seq != 0),
    ]
}
