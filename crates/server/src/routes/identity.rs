//! Identity logs as bytes, and the feeds of a centre.
//!
//! Invariant: events come signed; no root key is ever near the node.
//! Spec: docs/OPERATIONS.md, "API".

use axum::{Json, extract::State};
use baraza_api::{
    BranchView, EventsReply, FeedRecord, FeedView, FeedsReply, IdentifyReply, IdentifyRequest,
};
use baraza_protocol::{
    command::{Command, Reply as Answer},
    effective::{Effective, title},
    store::{Branch, FeedState, Place, StoreError, StoreRead},
};
use baraza_record::{Audience, FeedId, Seq};

use super::{Node, Reply, centres::unknown};
use crate::{
    failure::Failure,
    input::{Id, JsonBody},
    resolve,
    rules::refuse_blocked,
};

/// Most records of a branch that are counted.
const BRANCH_COUNT_MAX: Seq = 10_000;

/// Most records of a branch that are listed.
const BRANCH_LISTED_MAX: Seq = 100;

/// Most records at the end of a feed that are listed.
const LAST_LISTED_MAX: usize = 10;

pub(crate) async fn events(State(app): Node, Id(text): Id) -> Reply<EventsReply> {
    let read = app.read(move |app| {
        let id = resolve::centre(&*app.reader, &text)?;
        refuse_blocked(&app.rules()?, &id, None)?;
        let events = app.reader.identity(&id)?;
        match events.is_empty() {
            true => Err(unknown(&id)),
            false => Ok(EventsReply { events: events.iter().map(|event| to_hex(event)).collect() }),
        }
    });
    read.await.map(Json)
}

pub(crate) async fn identify(
    State(app): Node,
    JsonBody(request): JsonBody<IdentifyRequest>,
) -> Reply<IdentifyReply> {
    let event = from_hex(&request.event)
        .ok_or_else(|| Failure::bad_request("`event` is not a row of hexadecimal digits"))?;
    match app.service.call(Command::Identify(event)).await? {
        Answer::Identified { centre, new } => Ok(Json(IdentifyReply { centre, new })),
        _ => Err(Failure::odd_reply()),
    }
}

pub(crate) async fn feeds(State(app): Node, Id(text): Id) -> Reply<FeedsReply> {
    let read = app.read(move |app| {
        let id = resolve::centre(&*app.reader, &text)?;
        refuse_blocked(&app.rules()?, &id, None)?;
        let mut effective = Effective::new(&*app.reader);
        let mut feeds = Vec::new();
        for feed in app.reader.feeds_of(&id)? {
            if let Some(state) = app.reader.feed(&feed)? {
                feeds.push(feed_view(&*app.reader, &mut effective, feed, &state)?);
            }
        }
        Ok(FeedsReply { feeds })
    });
    read.await.map(Json)
}

fn feed_view(
    reader: &dyn StoreRead,
    effective: &mut Effective<'_>,
    feed: FeedId,
    state: &FeedState,
) -> Result<FeedView, StoreError> {
    let audience = match state.audience {
        Audience::Public => "public",
        Audience::Network(..) => "network",
        Audience::Centres(..) => "centres",
    };
    let mut branches = Vec::new();
    for branch in state.fork.iter().flat_map(|_| [Branch::Main, Branch::Other]) {
        let first = state.fork.unwrap_or_default();
        let at = |seq| Place { feed, seq, branch };
        let Some(entry) = reader.entry(&at(first))? else { continue };
        let mut held = 1;
        while held < BRANCH_COUNT_MAX && reader.entry(&at(first + held))?.is_some() {
            held += 1;
        }
        let listed = first..first + held.min(BRANCH_LISTED_MAX);
        let records = records_at(effective, listed.map(at))?;
        branches.push(BranchView { record: entry.id, held, records });
    }
    let last = (1..=state.shelf.seq).rev().take(LAST_LISTED_MAX);
    let last = last.map(|seq| Place { feed, seq, branch: Branch::Main });
    Ok(FeedView {
        feed,
        signer: state.signer,
        audience: audience.to_owned(),
        seq: state.shelf.seq,
        record: state.shelf.id,
        held: state.chain.seq,
        last: records_at(effective, last)?,
        fork: state.fork,
        branches,
    })
}

fn records_at(
    effective: &mut Effective<'_>,
    places: impl Iterator<Item = Place>,
) -> Result<Vec<FeedRecord>, StoreError> {
    let mut records = Vec::new();
    for place in places {
        let Some(view) = effective.view(&place)? else { continue };
        records.push(FeedRecord {
            id: view.entry.id,
            seq: place.seq,
            title: view.body.as_ref().map(title).unwrap_or_default().to_owned(),
            created_ms: view.record.header().created_ms.0,
        });
    }
    Ok(records)
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim().as_bytes();
    let digit = |c: u8| (c as char).to_digit(16);
    let byte = |pair: &[u8]| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok();
    digits.len().is_multiple_of(2).then(|| digits.chunks_exact(2).map(byte).collect())?
}
