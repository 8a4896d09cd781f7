//! From bytes of a peer to inputs of the service: decoding and signatures.
//!
//! Invariant: a pure function, so that it runs on any thread; nothing unverified that
//! could be stored comes out of it.
//! Not here: what is done with the outcome (`service`).
//! Spec: docs/PROTOCOL.md, sections 4.1 and 6.

use baraza_identity::SignedEvent;
use baraza_record::{
    ANCHOR_HEADERS_MAX, HeaderError, RecordError, SignedRecord, VerifiedRecord, WireRecord,
    attachment::VerifiedPart, codec::DecodeError,
};

use crate::{
    ingest::Rejection,
    net::NetEvent,
    service::Input,
    wire::{Answer, BRANCHES_MAX, Gossip, RANGES_MAX, Request},
};

/// An answer whose records are verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Screened {
    /// Records by the range that they answer; none where the first is of a newer version.
    Batch(Vec<(u8, Vec<VerifiedRecord>)>),
    /// Branches of a feed.
    Evidence(Vec<Vec<VerifiedRecord>>),
    /// A part of a file; none if the peer does not have it.
    Attachment(Option<Box<VerifiedPart>>),
    /// Any other answer.
    Plain(Answer),
}

/// A gossiped message whose record, if it has one, is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gossiped {
    /// A record.
    Record(Box<VerifiedRecord>),
    /// A signed identity event; its structure is checked.
    Identity(Vec<u8>),
}

/// Turns a network event into what the service takes. Costs a signature check for each
/// gossiped record and each range.
pub fn screen(event: NetEvent) -> Input {
    match event {
        NetEvent::Gossip { peer, token, bytes } => {
            Input::Gossip { peer, token, heard: screen_gossip(&bytes) }
        }
        NetEvent::Response { peer, request, bytes } => {
            Input::Answer { peer, request, answer: screen_answer(&bytes) }
        }
        NetEvent::Request { peer, bytes, .. } => match Request::decode(&bytes) {
            Ok(Request::Compare(hello)) => Input::Heard { peer, hello },
            _ => Input::Net(NetEvent::Found { peer, addresses: Vec::new(), local: false }),
        },
        other => Input::Net(other),
    }
}

/// Verifies a gossiped record. Whether the keys of an identity event may sign depends on the
/// log that is held: that is for the service to verify.
fn screen_gossip(bytes: &[u8]) -> Result<Gossiped, Rejection> {
    match Gossip::decode(bytes)? {
        Gossip::Record(wire) => {
            let record = SignedRecord::from_wire(wire).and_then(SignedRecord::verify)?;
            Ok(Gossiped::Record(Box::new(record)))
        }
        Gossip::Identity(event) => {
            SignedEvent::decode(&event)?;
            Ok(Gossiped::Identity(event))
        }
    }
}

fn screen_answer(bytes: &[u8]) -> Result<Screened, Rejection> {
    Ok(match Answer::decode(bytes)? {
        // Each part costs a signature check: their number is checked first.
        Answer::Batch(parts) if RANGES_MAX < parts.len() => {
            return Err(too_many(parts.len(), RANGES_MAX));
        }
        Answer::Evidence(branches) if BRANCHES_MAX < branches.len() => {
            return Err(too_many(branches.len(), BRANCHES_MAX));
        }
        Answer::Batch(parts) => {
            let verified = parts.into_iter().map(|part| Ok((part.range, verify(part.records)?)));
            Screened::Batch(verified.collect::<Result<_, Rejection>>()?)
        }
        Answer::Evidence(branches) => {
            let verified = branches.into_iter().map(verify);
            Screened::Evidence(verified.collect::<Result<_, Rejection>>()?)
        }
        Answer::Attachment(part) => {
            let verified = part.map(|part| part.verify().map(Box::new)).transpose()?;
            Screened::Attachment(verified)
        }
        plain => Screened::Plain(plain),
    })
}

fn too_many(length: usize, limit: usize) -> Rejection {
    DecodeError::TooLong { bytes: length, limit }.into()
}

/// Verifies a range. Of one that goes on in a newer version of records, what stands before
/// is kept as far as a signature of its own covers it: perhaps nothing.
fn verify(records: Vec<WireRecord>) -> Result<Vec<VerifiedRecord>, Rejection> {
    let headers = records.len();
    if ANCHOR_HEADERS_MAX < headers {
        return Err(RecordError::RangeLength { headers }.into());
    }
    let mut signed = Vec::with_capacity(headers);
    for record in records {
        match SignedRecord::from_wire(record) {
            Ok(record) => signed.push(record),
            Err(RecordError::Header(HeaderError::UnknownVersion { .. })) => break,
            Err(error) => return Err(error.into()),
        }
    }
    if signed.len() < headers {
        while signed.last().is_some_and(|last| last.verify_own_signature().is_err()) {
            signed.pop();
        }
        if signed.is_empty() {
            return Ok(Vec::new());
        }
    }
    Ok(VerifiedRecord::verify_range(signed)?)
}
