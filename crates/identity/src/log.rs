//! The state of one identity log.
//!
//! Invariant: [`Log::from_events`] gives the same state for the same set of events.
//! Not here: updates, rotations and endings of keys, which this version does not read.
//! Spec: docs/PROTOCOL.md, section 5.2.

use baraza_record::{CentreId, EventId, PublicKey, codec::DecodeError};

use crate::{Capabilities, EventError, IdentityEvent, Operator, SignedEvent};

/// What is known of a centre from its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    id: CentreId,
    events: Vec<SignedEvent>,
}

/// Why a log is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// There is no event.
    #[error("identity log is empty")]
    Empty,
    /// An event is refused.
    #[error(transparent)]
    Event(#[from] EventError),
    /// An event is not the one that belongs at its place.
    #[error("identity log has {events} events where this node reads 1")]
    TooMany {
        /// How many there are.
        events: usize,
    },
}

impl From<DecodeError> for LogError {
    fn from(error: DecodeError) -> Self {
        Self::Event(error.into())
    }
}

impl Log {
    /// Reads and verifies a log from its signed events, oldest first.
    ///
    /// # Errors
    ///
    /// Any of [`LogError`].
    pub fn from_events<T: AsRef<[u8]>>(signed: &[T]) -> Result<Self, LogError> {
        let log = Self::from_kept(signed)?;
        for event in signed {
            SignedEvent::decode(event.as_ref())?.verify()?;
        }
        Ok(log)
    }

    /// Reads a log from events that were verified before they were kept.
    ///
    /// # Errors
    ///
    /// [`LogError`] if they are not what was kept.
    pub fn from_kept<T: AsRef<[u8]>>(signed: &[T]) -> Result<Self, LogError> {
        match signed {
            [] => Err(LogError::Empty),
            [inception] => {
                let event = SignedEvent::decode_kept(inception.as_ref())?;
                Ok(Self { id: CentreId(event.id().0), events: vec![event] })
            }
            more => Err(LogError::TooMany { events: more.len() }),
        }
    }

    /// Returns the id of the centre.
    pub fn id(&self) -> CentreId {
        self.id
    }

    /// Returns the events, oldest first.
    pub fn events(&self) -> &[SignedEvent] {
        &self.events
    }

    /// Returns the last event.
    pub fn head(&self) -> &SignedEvent {
        self.events.last().expect("a log is made with at least one event")
    }

    /// Returns the state that the last event left: name, country, keys.
    pub fn state(&self) -> &IdentityEvent {
        self.head().event()
    }

    /// Returns the operator keys in force.
    pub fn operators(&self) -> &[Operator] {
        &self.state().operators
    }

    /// Returns what `key` may do under the event `under`; `None` if the log lacks that event
    /// or does not name the key there or earlier.
    pub fn capabilities(&self, key: &PublicKey, under: &EventId) -> Option<Capabilities> {
        let known = self.events.iter().position(|event| event.id() == *under)?;
        let mut named = self.events[..=known].iter().flat_map(|event| &event.event().operators);
        named.rfind(|operator| operator.key == *key).map(|operator| operator.capabilities)
    }

    /// Returns whether any event of the log names `key` as an operator.
    pub fn names(&self, key: &PublicKey) -> bool {
        let mut named = self.events.iter().flat_map(|event| &event.event().operators);
        named.any(|operator| operator.key == *key)
    }

    /// Returns whether `key` is a node of the centre.
    pub fn is_node(&self, key: &PublicKey) -> bool {
        self.operators()
            .iter()
            .any(|operator| operator.key == *key && operator.capabilities.has(Capabilities::NODE))
    }
}
