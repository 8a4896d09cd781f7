//! Who may say what: a pure function of the identity events held.
//!
//! Layer 1. Invariant: the state of a log depends on the events alone, never on the
//! order of their arrival, on a clock, or on anybody's opinion.
//! Not here: where keys and events are kept.
//! Spec: docs/PROTOCOL.md, section 5.

mod event;
mod log;

pub use event::{
    Capabilities, EVENT_BYTES_MAX, EVENT_VERSION, EventError, EventKind, IdentityEvent, KEYS_MAX,
    KeySignature, LABEL_BYTES_MAX, NAME_CHARS_MAX, OPERATORS_MAX, Operator, Role, SignedEvent,
};
pub use log::{Log, LogError};
