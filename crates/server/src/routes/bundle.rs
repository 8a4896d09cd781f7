//! Bundles: all that is public, or that somebody is entitled to, and that this node does not
//! block, piece by piece, out and in.
//!
//! Invariant: a piece is whole frames and can be verified by itself: each run of records of
//! a feed ends at a header whose signature was checked. The same store gives the same pieces,
//! so a transfer that was cut off goes on where it stopped.
//! Not here: what an import keeps (`baraza_protocol::ingest`), files (`baraza-cli`).
//! Spec: docs/PROTOCOL.md, section 8.2.

use std::{fmt, str::FromStr};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use baraza_api::{BUNDLE_PIECE_BYTES, Imported};
use baraza_protocol::{
    command::{Command, Reply as Answer},
    entitle::Entitlement,
    policy::{Rules, Verdict},
    standing::{self, Shelf},
    store::{Branch, PAGE_MAX, Place, SignatureState, StoreError, StoreRead},
};
use baraza_record::{
    ANCHOR_HEADERS_MAX, CentreId, FeedId, HEADER_BYTES_MAX, RecordId, Seq, SignedRecord,
    frame::{self, PREAMBLE},
    sign::{self, Domain, Signature},
};

use super::{Node, Reply};
use crate::{
    failure::Failure,
    input::{OCTETS, Octets, Params},
    networks,
};

/// Header of a reply that says where the next piece starts.
const NEXT: &str = "baraza-next";

/// Where a piece starts. Its text is opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cursor {
    /// With the identities that follow this centre's, or with the first.
    Identities(Option<CentreId>),
    /// With this record of this feed.
    Records(FeedId, Seq),
}

/// A piece of a bundle.
struct Piece {
    bytes: Vec<u8>,
    next: Option<Cursor>,
}

pub(crate) async fn export(State(app): Node, mut params: Params) -> Result<Response, Failure> {
    let (after, whom) = (params.take::<Cursor>("after")?, params.take::<String>("for")?);
    params.finish()?;
    let read = app.read(move |app| {
        let entitled = match whom {
            Some(whom) => networks::entitlement(app, &whom)?,
            None => Entitlement::public(),
        };
        let shelf = standing::shelf_for(&*app.reader, &entitled)?;
        Ok(piece(&*app.reader, &app.rules()?, &shelf, after)?)
    });
    let piece = read.await?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(OCTETS));
    if let Some(next) = piece.next {
        let text = HeaderValue::try_from(next.to_string()).expect("a cursor is ASCII");
        headers.insert(NEXT, text);
    }
    Ok((headers, piece.bytes).into_response())
}

pub(crate) async fn import(State(app): Node, Octets(bytes): Octets) -> Reply<Imported> {
    match app.service.call(Command::Import(bytes.into())).await? {
        Answer::Imported(done) => Ok(Json(Imported {
            inserted: done.inserted,
            duplicates: done.duplicates,
            held: done.held,
            bodies: done.bodies,
            identities: done.identities,
            rejected: done.rejected,
            gaps: done.gaps,
            declined: done.declined,
            foreign: done.foreign,
        })),
        _ => Err(Failure::odd_reply()),
    }
}

/// Puts a piece together. The first one (`after` is none) begins with the preamble.
fn piece(
    reader: &dyn StoreRead,
    rules: &Rules,
    shelf: &Shelf,
    after: Option<Cursor>,
) -> Result<Piece, StoreError> {
    let mut bytes = if after.is_none() { PREAMBLE.to_vec() } else { Vec::new() };
    let mut start = match after.unwrap_or(Cursor::Identities(None)) {
        Cursor::Records(feed, seq) => Some((feed, seq)),
        Cursor::Identities(after) => {
            if let Some(last) = add_identities(reader, rules, &mut bytes, after)? {
                return Ok(Piece { bytes, next: Some(Cursor::Identities(Some(last))) });
            }
            shelf.page(None, 1).next().map(|(feed, _)| (FeedId(*feed), 1))
        }
    };
    while let Some((feed, from)) = start {
        let state = reader.feed(&feed)?;
        let blocked = state.is_some_and(|state| is_blocked(rules, &state.centre, None));
        let to = if blocked { 0 } else { shelf.get(&feed.0).map_or(0, |head| head.seq) };
        let end = add_records(reader, rules, &mut bytes, feed, from, to)?;
        if end <= to {
            return Ok(Piece { bytes, next: Some(Cursor::Records(feed, end)) });
        }
        start = shelf.page(Some(&feed.0), 1).next().map(|(feed, _)| (FeedId(*feed), 1));
    }
    Ok(Piece { bytes, next: None })
}

/// Adds the identity logs that follow `after`. Returns the last one added if the piece is full.
fn add_identities(
    reader: &dyn StoreRead,
    rules: &Rules,
    bytes: &mut Vec<u8>,
    mut after: Option<CentreId>,
) -> Result<Option<CentreId>, StoreError> {
    loop {
        let centres = reader.centres(after, PAGE_MAX)?;
        for centre in &centres {
            let mut log = Vec::new();
            let events = match is_blocked(rules, centre, None) {
                true => Vec::new(),
                false => reader.identity(centre)?,
            };
            for signed in events {
                frame::encode_identity(&mut log, &signed);
            }
            if let (Some(last), true) = (after, BUNDLE_PIECE_BYTES < bytes.len() + log.len()) {
                return Ok(Some(last));
            }
            bytes.append(&mut log);
            after = Some(*centre);
        }
        if centres.len() < PAGE_MAX {
            return Ok(None);
        }
    }
}

/// Adds the records of `feed` from `from` to `to`, and at least one if the piece has no frame.
/// Returns the position that the next piece starts with; after `to` if all are in.
fn add_records(
    reader: &dyn StoreRead,
    rules: &Rules,
    bytes: &mut Vec<u8>,
    feed: FeedId,
    from: Seq,
    to: Seq,
) -> Result<Seq, StoreError> {
    let (mut seq, mut anchored) = (from, true);
    'piece: while seq <= to {
        let room = BUNDLE_PIECE_BYTES.saturating_sub(bytes.len());
        let records = reader.range(&feed, seq, to, room)?;
        if records.is_empty() {
            return Err(StoreError::Damaged {
                what: format!("record {seq} of feed {feed} is not held"),
            });
        }
        for record in records {
            let signature = checked_signature(reader, &feed, &record)?;
            let mut frames = Vec::with_capacity(HEADER_BYTES_MAX);
            frame::encode_header(&mut frames, signature, record.header_bytes());
            // The header of a blocked record stays: the chain leads through it.
            let blocked = is_blocked(rules, &record.header().centre, Some(&record.id()));
            if let Some(payload) = record.payload().filter(|_| !blocked) {
                frame::encode_payload(&mut frames, &record.id(), payload);
            }
            if PREAMBLE.len() < bytes.len() && BUNDLE_PIECE_BYTES < bytes.len() + frames.len() {
                break 'piece;
            }
            bytes.append(&mut frames);
            anchored = signature.is_some();
            seq += 1;
        }
    }
    if !anchored {
        add_anchor(reader, bytes, feed, seq)?;
    }
    Ok(seq)
}

fn is_blocked(rules: &Rules, centre: &CentreId, record: Option<&RecordId>) -> bool {
    rules.judge(centre, record).0 == Verdict::Blocked
}

/// Adds bare headers from `seq` on, up to the first with a signature: it proves those before it.
fn add_anchor(
    reader: &dyn StoreRead,
    bytes: &mut Vec<u8>,
    feed: FeedId,
    seq: Seq,
) -> Result<(), StoreError> {
    for seq in (seq..).take(ANCHOR_HEADERS_MAX) {
        let place = Place { feed, seq, branch: Branch::Main };
        let Some(record) = reader.record(&place)? else { break };
        let signature = checked_signature(reader, &feed, &record)?;
        frame::encode_header(bytes, signature, record.header_bytes());
        if signature.is_some() {
            break;
        }
    }
    Ok(())
}

/// Returns the record's own signature if it is valid.
fn checked_signature<'r>(
    reader: &dyn StoreRead,
    feed: &FeedId,
    record: &'r SignedRecord,
) -> Result<Option<&'r Signature>, StoreError> {
    let header = record.header();
    let place = Place { feed: *feed, seq: header.seq, branch: Branch::Main };
    let checked =
        reader.entry(&place)?.map(|entry| entry.signature) == Some(SignatureState::Checked);
    let valid = |signature: &&Signature| {
        checked
            || sign::verify(Domain::Record, &header.signer, record.header_bytes(), signature)
                .is_ok()
    };
    Ok(record.signature().filter(valid))
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identities(None) => f.write_str("identities"),
            Self::Identities(Some(centre)) => write!(f, "identities-{centre}"),
            Self::Records(feed, seq) => write!(f, "records-{feed}-{seq}"),
        }
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let parts: Vec<_> = text.split('-').collect();
        let cursor = match parts[..] {
            ["identities"] => Some(Self::Identities(None)),
            ["identities", centre] => centre.parse().ok().map(|id| Self::Identities(Some(id))),
            ["records", feed, seq] => {
                feed.parse().ok().zip(seq.parse().ok()).map(|(feed, seq)| Self::Records(feed, seq))
            }
            _ => None,
        };
        cursor.ok_or("not a place where a piece starts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        for cursor in [
            Cursor::Identities(None),
            Cursor::Identities(Some(CentreId([0xa7; 32]))),
            Cursor::Records(FeedId([9; 32]), u64::MAX),
        ] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "records", "records-00-1", "identities-", "records-x-y-z"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
