//! From bytes of a peer to inputs of the service: decoding and signatures.
//!
//! Invariant: a pure function, so that it runs on any thread; nothing unverified that
//! could be stored comes out of it.
//! Not here: what is done with the outcome (`service`).
//! Spec: docs/PROTOCOL.md, sections 4.1 and 6.

use baraza_identity::SignedEvent;
use baraza_record::{
    ANCHOR_HEADERS_MAX, RecordError, SignedRecord, VerifiedRecord, attachment::VerifiedPart,
};

use crate::{
    ingest::Rejection,
    net::NetEvent,
    service::Input,
    wire::{Answer, Gossip, Request, expand_whole},
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
            Ok(Request::Compare(question)) => Input::Heard { peer, question },
            _ => Input::Net(NetEvent::Found { peer, addresses: Vec::new(), local: false }),
        },
        NetEvent::Salvaged { peer, bytes, .. } => {
            Input::Salvaged { peer, ranges: screen_salvage(&bytes) }
        }
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
        Answer::Batch(parts) => {
            let verified = parts.into_iter().map(|part| {
                within(part.records.len())?;
                Ok((part.range, verify(part.into_records()?)?))
            });
            Screened::Batch(verified.collect::<Result<_, Rejection>>()?)
        }
        Answer::Evidence(branches) => {
            let verified = branches.into_iter().map(|branch| {
                within(branch.len())?;
                verify(expand_whole(branch)?)
            });
            Screened::Evidence(verified.collect::<Result<_, Rejection>>()?)
        }
        Answer::Attachment(part) => {
            let verified = part.map(|part| part.verify().map(Box::new)).transpose()?;
            Screened::Attachment(verified)
        }
        plain => Screened::Plain(plain),
    })
}

/// Verifies what came of an answer that broke off; what is not authentic is nobody's fault here,
/// since whoever asked will hear the rest from somebody.
fn screen_salvage(bytes: &[u8]) -> Vec<Vec<VerifiedRecord>> {
    let ranges = Answer::salvage(bytes).into_iter();
    ranges.map_while(|records| VerifiedRecord::verify_range(records).ok()).collect()
}

/// Verifies a range. Of one that goes on in a `newer` version of records, what stands before
/// is kept as far as a signature of its own covers it: perhaps nothing.
fn verify(
    (mut signed, newer): (Vec<SignedRecord>, bool),
) -> Result<Vec<VerifiedRecord>, Rejection> {
    if newer {
        while signed.last().is_some_and(|last| last.verify_own_signature().is_err()) {
            signed.pop();
        }
        if signed.is_empty() {
            return Ok(Vec::new());
        }
    }
    Ok(VerifiedRecord::verify_range(signed)?)
}

/// Checks the length of a range before its records are looked at.
fn within(headers: usize) -> Result<(), Rejection> {
    match ANCHOR_HEADERS_MAX < headers {
        true => Err(RecordError::RangeLength { headers }.into()),
        false => Ok(()),
    }
}
