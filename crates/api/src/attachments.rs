//! Files of records in requests and replies.
//!
//! Spec: docs/OPERATIONS.md, "Attachments" and "API".

use baraza_record::FileHash;
use serde::{Deserialize, Serialize};

/// A file that a record lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentView {
    /// Its place in the record's list, from 1.
    pub number: usize,
    /// BLAKE3 hash.
    pub hash: FileHash,
    /// Length.
    pub bytes: u64,
    /// Media type, as its publisher says.
    pub mime: String,
    /// What it is, as its publisher says.
    pub title: String,
    /// Bytes that are here.
    pub bytes_held: u64,
    /// Whether all of it is here.
    pub whole: bool,
    /// Whether it is being fetched, or will be when a peer that has it is met.
    pub wanted: bool,
    /// Whether it stays whatever else comes.
    pub pinned: bool,
    /// Whether it was deleted because its publisher asked for it.
    pub gone: bool,
}

/// Asks for a file of a record to be fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FetchRequest {
    /// Have it stay whatever else comes.
    pub pin: bool,
    /// Fetch it no longer.
    pub stop: bool,
}

/// Asks for a file to stay whatever else comes, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinRequest {
    /// Whether it stays.
    pub pinned: bool,
}

/// What there is of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReply {
    /// Which.
    pub hash: FileHash,
    /// Whether all of it is here.
    pub whole: bool,
    /// Whether it is wanted.
    pub wanted: bool,
}

/// Files of a node, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentCounts {
    /// Whole ones.
    pub whole: usize,
    /// Bytes that are here, parts included.
    pub bytes: u64,
    /// Wanted ones.
    pub wanted: usize,
    /// Bytes of the wanted ones that are still to come.
    pub wanted_bytes: u64,
}
