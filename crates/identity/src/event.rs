//! Events of an identity log: their bytes and their signatures.
//!
//! Invariant: a [`SignedEvent`] in hand has the structure that every node demands;
//! whether it counts is for the log to say. The bytes that were signed are kept.
//! Spec: docs/PROTOCOL.md, section 5.1.

use baraza_record::{
    EventId, PublicKey,
    codec::{self, DecodeError},
    hash,
    sign::{self, Domain, SecretKey, Signature, VerifyError},
};
use bincode::{Decode, Encode};

use crate::{IdentityEvent, Link};

/// Event version that this code writes and reads.
pub const EVENT_VERSION: u16 = 1;

/// Most bytes of a signed event (16 KiB). An inception with 16 keys and 64 operators has about 9,000.
pub const EVENT_BYTES_MAX: usize = 16 * 1_024;

/// What an event does. Numbers of kinds that this version does not know are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EventKind(pub u8);

impl EventKind {
    /// The first event of a log: its id is the id of the centre.
    pub const INCEPTION: Self = Self(0);
    /// A change by the root keys.
    pub const UPDATE: Self = Self(1);
    /// New root keys, by the next keys.
    pub const ROTATE: Self = Self(2);
    /// The end of the log, by the next keys.
    pub const DEACTIVATE: Self = Self(3);

    /// Returns the name of the kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::INCEPTION => "inception",
            Self::UPDATE => "update",
            Self::ROTATE => "rotate",
            Self::DEACTIVATE => "deactivate",
            _ => "unknown",
        }
    }
}

/// A signature with the place of its key among the keys that may sign.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KeySignature {
    /// Index into the keys that may sign the event: see [`State::signers`](crate::State::signers).
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
    /// A member has a value that no event may have, or none at this place of its log.
    #[error("identity event: {field} {rule}")]
    Field {
        /// Which member.
        field: &'static str,
        /// What it breaks.
        rule: &'static str,
    },
    /// A signature does not verify.
    #[error("identity event: signature of key {key}: {cause}")]
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
    /// The event before it is not held. Nobody's fault: the rest of the log may follow.
    #[error("the event before identity event {seq} is not held")]
    Orphan {
        /// Its position.
        seq: u64,
    },
}

impl SignedEvent {
    /// Signs `event` with `keys`. `signers` are the keys that may sign it, in their order;
    /// a key that is not among them signs nothing.
    pub fn sign(event: IdentityEvent, signers: &[PublicKey], keys: &[&SecretKey]) -> Self {
        let bytes = event.encode();
        let signed = keys.iter().map(|key| (key.public(), key.sign(Domain::IdentityEvent, &bytes)));
        Self::assemble(event, signers, signed)
    }

    /// Puts an event and signatures that were made apart together. `signers` are the keys
    /// that may sign it; other signatures, and second ones of a key, are left out.
    pub fn assemble(
        event: IdentityEvent,
        signers: &[PublicKey],
        signed: impl IntoIterator<Item = (PublicKey, Signature)>,
    ) -> Self {
        let event_bytes = event.encode();
        let place = |(key, signature): (PublicKey, Signature)| {
            let place = signers.iter().position(|signer| *signer == key)?;
            Some(KeySignature { key: u8::try_from(place).ok()?, signature })
        };
        let mut signatures: Vec<_> = signed.into_iter().filter_map(place).collect();
        signatures.sort_by_key(|signature| signature.key);
        signatures.dedup_by_key(|signature| signature.key);
        Self { id: hash::event_id(&event_bytes), event, event_bytes, signatures }
    }

    /// Decodes a signed event and checks its structure.
    ///
    /// # Errors
    ///
    /// [`EventError::Decode`], [`EventError::Newer`] or [`EventError::Field`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EventError> {
        let signed = Self::from_kept(bytes)?;
        signed.event.validate()?;
        Ok(signed)
    }

    /// Decodes an event that was checked before it was kept: the keys in it are not looked
    /// at again, which costs a hundred times as much as the rest.
    ///
    /// # Errors
    ///
    /// [`EventError::Decode`] or [`EventError::Newer`].
    pub fn from_kept(bytes: &[u8]) -> Result<Self, EventError> {
        let wire: WireEvent = codec::decode(bytes, EVENT_BYTES_MAX)?;
        let event = IdentityEvent::decode(&wire.event)?;
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

    /// Returns where the event stands; none for an inception.
    pub fn link(&self) -> Option<&Link> {
        self.event.link()
    }

    /// Returns the id of the log that the event belongs to.
    pub fn centre(&self) -> baraza_record::CentreId {
        baraza_record::CentreId(self.link().map_or(self.id, |link| link.centre).0)
    }

    /// Returns the signatures, in the order of their keys.
    pub fn signatures(&self) -> &[KeySignature] {
        &self.signatures
    }

    /// Returns the number of bytes that were signed: the same whoever signed.
    pub(crate) fn event_bytes(&self) -> usize {
        self.event_bytes.len()
    }

    /// Verifies every signature and returns the places of the keys among `signers`,
    /// ascending and distinct.
    ///
    /// # Errors
    ///
    /// [`EventError::Signature`], or a list of signatures that is not in ascending order of
    /// distinct keys.
    pub(crate) fn verified_signers(&self, signers: &[PublicKey]) -> Result<Vec<usize>, EventError> {
        if !self.signatures.is_sorted_by(|a, b| a.key < b.key) {
            let rule = "are not of distinct keys in ascending order";
            return Err(EventError::Field { field: "signatures", rule });
        }
        for KeySignature { key, signature } in &self.signatures {
            let signer = signers.get(usize::from(*key)).ok_or(VerifyError::BadKey);
            let check = signer.and_then(|signer| {
                sign::verify(Domain::IdentityEvent, signer, &self.event_bytes, signature)
            });
            check.map_err(|cause| EventError::Signature { key: *key, cause })?;
        }
        Ok(self.signatures.iter().map(|signature| usize::from(signature.key)).collect())
    }
}
