//! Who may say what: a pure function of the identity events held.
//!
//! Layer 1. Invariant: the state of a log depends on the set of events alone, never on the
//! order of their arrival, on a clock, or on anybody's opinion.
//! Not here: where keys and events are kept.
//! Spec: docs/PROTOCOL.md, section 5.

mod body;
mod event;
mod log;
mod parts;
mod state;

pub use body::{Deactivate, IdentityEvent, Inception, Rotate, Update};
pub use event::{EVENT_BYTES_MAX, EVENT_VERSION, EventError, EventKind, KeySignature, SignedEvent};
pub use log::{Join, LOG_BYTES_MAX, Log, LogError, LogStanding, OTHERS_BYTES_MAX};
pub use parts::{
    BranchChoice, Capabilities, Changes, EndKind, EndedKey, FEEDS_MAX, Horizon, KEYS_MAX, KeySet,
    LABEL_BYTES_MAX, Link, NAME_CHARS_MAX, OPERATORS_MAX, Operator, Profile, Role,
};
pub use state::{Ended, FeedEnd, FeedRule, OperatorState, State};
