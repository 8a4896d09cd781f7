//! Attachments: who may have which part of a file, and what a node notes of the files it knows.
//!
//! A file is asked for by the record that lists it, never by its hash alone, so that the audience
//! of the record holds for it.
//! Invariant: a file that came for some is not given because of a record for others: whoever
//! learns a hash and lists it in a record of his own gets nothing by it.
//! Not here: the bytes on the disk (`Store`), whom to ask and when (`service`).
//! Spec: docs/PROTOCOL.md, sections 3.8 and 6.8.

mod erased;
mod fetch;
mod rows;
mod rules;

use baraza_record::{
    CentreId, FeedId, FileHash, Seq, SignedRecord,
    attachment::{self, Listed, Part, VerifiedPart},
    body::parse_body,
};
use bincode::{Decode, Encode};

use crate::{
    entitle::Entitlement,
    store::{Branch, Place, StoreError, StoreRead},
};

pub use erased::{ErasedFile, erased};
pub use fetch::{
    Ask, COUNT_MAX, Fetcher, IN_FLIGHT_MAX, IN_FLIGHT_PER_PEER_MAX, LACKS_MAX_MS, Taken, WANTS_MAX,
};
pub use rows::{FileRow, Listing, Origin, WantRow};
pub use rules::{AttachmentRules, FETCH_BYTES_DEFAULT, QUOTA_BYTES_DEFAULT, TYPES_MAX};

pub(crate) use rows::{PutRows, Rows};

/// A part of a file that a peer is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Asked {
    /// Feed of the record that lists it.
    pub feed: FeedId,
    /// Position of the record.
    pub seq: Seq,
    /// Which item of the list, from 0.
    pub index: u16,
    /// First group.
    pub from: u32,
    /// How many groups, 1 to [`COUNT_MAX`].
    pub count: u8,
}

/// What people ask the service to do with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileCommand {
    /// Keep a part of a file of somebody here; it is pinned.
    Keep(Box<VerifiedPart>),
    /// Get a file that a record lists, and pin it if so.
    Fetch {
        /// The record.
        place: Place,
        /// Which item of its list, from 0.
        index: u16,
        /// Whether it stays whatever else comes.
        pin: bool,
    },
    /// Want a file no longer; what is held of it is dropped unless it is whole.
    Stop(FileHash),
    /// Have a file stay whatever else comes, or not.
    Pin {
        /// Which.
        hash: FileHash,
        /// Whether it stays.
        pinned: bool,
    },
    /// Note that somebody here reads a file.
    Used(FileHash),
    /// Drop a file that was brought for a draft which was thrown away, unless a record lists it.
    Discard(FileHash),
}

/// What the service says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileReply {
    /// Whether all of it is here, with the next commit.
    pub whole: bool,
    /// Whether it is wanted.
    pub wanted: bool,
}

/// Files of a node, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileCounts {
    /// Whole ones.
    pub whole: usize,
    /// Bytes that are held, parts included.
    pub bytes: u64,
    /// Wanted ones.
    pub wanted: usize,
    /// Bytes of the wanted ones that are still to come.
    pub wanted_bytes: u64,
    /// Whether room on the disk is lacking, so that nothing is fetched.
    pub no_room: bool,
}

/// Returns the files that a record lists; none if its body is not held.
pub fn list_of(record: &SignedRecord) -> Vec<Listed> {
    if record.header().attachment_bytes == 0 {
        return Vec::new();
    }
    let body = record.payload().and_then(|payload| parse_body(&payload.body).ok());
    body.map(|body| attachment::list_of(record.header(), &body)).unwrap_or_default()
}

/// Returns a part of a file to somebody who is entitled to records as `to` says; none if it is
/// not held, or not for him. `ours` is our centre: what it lists itself, it gives.
///
/// # Errors
///
/// [`StoreError`].
pub fn part(
    reader: &(impl StoreRead + ?Sized),
    ours: &CentreId,
    to: &Entitlement,
    asked: &Asked,
) -> Result<Option<Part>, StoreError> {
    let place = Place { feed: asked.feed, seq: asked.seq, branch: Branch::Main };
    let state = reader.feed(&place.feed)?.filter(|state| to.covers_feed(state));
    let Some(state) = state.filter(|state| state.admits(&place)) else { return Ok(None) };
    let Some(record) = reader.record(&place)? else { return Ok(None) };
    let listed = list_of(&record).into_iter().nth(asked.index.into());
    let Some(listed) = listed else { return Ok(None) };
    let row = Rows(reader).file(&listed.hash)?;
    let covered = row.is_some_and(|row| row.origin.covers(&state.centre, &state.audience));
    let given = covered || state.centre == *ours;
    let gone = Rows(reader).listing(&listed.hash, &place, asked.index)?.is_some_and(|one| one.gone);
    if !given || gone {
        return Ok(None);
    }
    match reader.attachment_part(&listed.hash, asked.from, asked.count.into()) {
        Ok(part) => Ok(part.filter(|part| part.bytes == listed.bytes)),
        // Who asks finds it elsewhere; `check --full` tells the operator.
        Err(StoreError::Damaged { what }) => {
            tracing::error!(what, "an attachment is damaged; run: baraza check --full");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Returns what is noted of a file here.
///
/// # Errors
///
/// [`StoreError`].
pub fn file(
    reader: &(impl StoreRead + ?Sized),
    hash: &FileHash,
) -> Result<Option<FileRow>, StoreError> {
    Rows(reader).file(hash)
}

/// Returns what is wanted of a file, if anything is.
///
/// # Errors
///
/// [`StoreError`].
pub fn want(
    reader: &(impl StoreRead + ?Sized),
    hash: &FileHash,
) -> Result<Option<WantRow>, StoreError> {
    Rows(reader).want(hash)
}

/// Returns whether a file was deleted because its publisher asked for it in the record at `place`.
///
/// # Errors
///
/// [`StoreError`].
pub fn is_gone(
    reader: &(impl StoreRead + ?Sized),
    hash: &FileHash,
    place: &Place,
    index: u16,
) -> Result<bool, StoreError> {
    Ok(Rows(reader).listing(hash, place, index)?.is_some_and(|listing| listing.gone))
}
