//! The ledger and its sled index: the only code that knows the disk.
//!
//! Layer 3. The ledger is the ground state: signed bytes in append-only, checksummed
//! segments that are really fsynced. sled says where in the ledger a record stands, is
//! never needed for durability, and is rebuilt from the ledger whenever it is in doubt.
//! Invariant: what `commit` has returned for is fsynced in the ledger.
//! Not here: what may be stored (`baraza-protocol`), the format of frames (`baraza-record`).
//! Spec: docs/PROTOCOL.md, section 8; docs/STORAGE.md.

mod attachments;
mod branches;
mod check;
mod copy;
mod fault;
mod home;
mod index;
mod keys;
mod ledger;
mod open;
mod own_heads;
mod read;
mod replay;
mod segments;
mod slot;
mod staging;
mod tables;
mod write;

pub use check::{CheckLevel, CheckReport, PROBLEMS_MAX};
pub use copy::{Copied, LedgerWriter, copy_ledger};
pub use home::{BALLAST_BYTES, FLOOR_BYTES_MAX, FLOOR_BYTES_MIN, FORMAT};
pub use ledger::{LedgerReader, LedgerStore};
pub use open::{OpenError, Options};
pub use own_heads::OwnHeads;
pub use replay::{DamagedSegment, RecoveryReport};
pub use segments::{At, SEGMENT_BYTES};
