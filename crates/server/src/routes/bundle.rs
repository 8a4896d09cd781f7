//! Bundles and have-files, piece by piece, out and in.
//!
//! Invariant: a piece is whole frames and can be verified by itself. The same store gives the
//! same pieces, so a transfer that was cut off goes on where it stopped; memory holds one piece.
//! Not here: what is missing elsewhere (`baraza_protocol::bundle`), what an import keeps
//! (`baraza_protocol::ingest`), files (`baraza-cli`).
//! Spec: docs/PROTOCOL.md, sections 8.2 and 8.5.

use std::{fmt, str::FromStr};

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use baraza_api::{Imported, Lacking, PlanReply};
use baraza_protocol::{
    bundle::{self, Cursor, Export, HaveCursor, Theirs},
    command::{Command, Reply as Answer},
    entitle::Entitlement,
};
use baraza_record::{
    FeedId,
    exchange::Note,
    frame::{Frame, PREAMBLE},
};

use super::{Node, Reply};
use crate::{
    failure::Failure,
    input::{OCTETS, Octets, Params},
    networks,
    state::App,
};

/// Header of a reply that says where the next piece starts.
const NEXT: &str = "baraza-next";

/// Where a piece of a whole bundle starts. Its text is opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    Logs(Option<Cursor>),
    Feeds(Option<Cursor>),
}

/// A part of what another site has, and where to go on in it.
struct Question {
    theirs: Theirs,
    at: Option<Cursor>,
    whom: Option<String>,
}

pub(crate) async fn export(State(app): Node, mut params: Params) -> Result<Response, Failure> {
    let (after, whom) = (params.take::<Whole>("after")?, params.take::<String>("for")?);
    params.finish()?;
    let read = app.read(move |app| {
        let (rules, entitled) = (app.rules()?, entitlement(app, whom.as_deref())?);
        let export = Export::new(&*app.reader, &rules, &entitled)?;
        let mut bytes = if after.is_none() { PREAMBLE.to_vec() } else { Vec::new() };
        let next = match after.unwrap_or(Whole::Logs(None)) {
            Whole::Logs(at) => {
                let mut piece = export.piece(&Theirs::no_logs(), at)?;
                bytes.append(&mut piece.bytes);
                piece.next.map_or(Whole::Feeds(None), |at| Whole::Logs(Some(at))).into()
            }
            Whole::Feeds(at) => {
                let mut piece = export.piece(&Theirs::no_feeds(), at)?;
                bytes.append(&mut piece.bytes);
                piece.next.map(|at| Whole::Feeds(Some(at)))
            }
        };
        Ok((bytes, next))
    });
    let (bytes, next) = read.await?;
    Ok(octets(bytes, next))
}

/// Gives a piece of what is missing where a site has what the body says.
pub(crate) async fn missing(
    State(app): Node,
    params: Params,
    Octets(body): Octets,
) -> Result<Response, Failure> {
    let question = question(params, &body)?;
    let read = app.read(move |app| {
        let entitled = entitlement(app, question.whom.as_deref())?;
        let rules = app.rules()?;
        let export = Export::new(&*app.reader, &rules, &entitled)?;
        Ok(export.piece(&question.theirs, question.at)?)
    });
    let piece = read.await?;
    Ok(octets([PREAMBLE, &piece.bytes[..]].concat(), piece.next))
}

/// Counts what is missing there and here.
pub(crate) async fn plan(
    State(app): Node,
    params: Params,
    Octets(body): Octets,
) -> Reply<PlanReply> {
    let question = question(params, &body)?;
    let read = app.read(move |app| {
        let entitled = entitlement(app, question.whom.as_deref())?;
        let rules = app.rules()?;
        let export = Export::new(&*app.reader, &rules, &entitled)?;
        Ok(export.plan(&question.theirs, question.at)?)
    });
    let (plan, next) = read.await?;
    let bundle::Lacking { events, feeds, records } = plan.lacking;
    Ok(Json(PlanReply {
        events: plan.events,
        feeds: plan.feeds,
        records: plan.records,
        bodies: plan.bodies,
        bytes: plan.bytes,
        lacking: Lacking { events, feeds, records },
        next: next.map(|next| next.to_string()),
    }))
}

/// Gives a part of what is held here, for a have-file.
pub(crate) async fn have(State(app): Node, mut params: Params) -> Result<Response, Failure> {
    let (after, whom) = (params.take::<HaveCursor>("after")?, params.take::<String>("for")?);
    params.finish()?;
    let read = app.read(move |app| {
        let (rules, entitled) = (app.rules()?, entitlement(app, whom.as_deref())?);
        let at = after.unwrap_or(HaveCursor::START);
        Ok(bundle::have(&*app.reader, &rules, &entitled, at)?)
    });
    let (note, next) = read.await?;
    let mut bytes = PREAMBLE.to_vec();
    Frame::Exchange(note.encode()).encode_into(&mut bytes);
    Ok(octets(bytes, next))
}

pub(crate) async fn import(State(app): Node, Octets(bytes): Octets) -> Reply<Imported> {
    match app.service.call(Command::Import(bytes.into())).await? {
        Answer::Imported(done) => Ok(Json(Imported {
            inserted: done.inserted,
            duplicates: done.duplicates,
            held: done.held,
            deferred: done.deferred,
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

fn entitlement(app: &App, whom: Option<&str>) -> Result<Entitlement, Failure> {
    whom.map_or(Ok(Entitlement::public()), |whom| networks::entitlement(app, whom))
}

fn question(mut params: Params, body: &Bytes) -> Result<Question, Failure> {
    let [after, to] = ["after", "to"].map(|name| params.take::<FeedId>(name));
    let (after, to) = (after?.map(|key| key.0), to?.map(|key| key.0));
    let (at, whom) = (params.take::<Cursor>("at")?, params.take::<String>("for")?);
    params.finish()?;
    let note = Note::decode(body)
        .ok_or_else(|| Failure::bad_request("the body is not what an exchange frame has"))?;
    let ordered = match &note {
        Note::Logs(heads) | Note::Feeds(heads) => heads.is_sorted_by(|a, b| a.key < b.key),
        Note::Bodies(_) => true,
        _ => return Err(Failure::bad_request("the body says nothing of what a site has")),
    };
    if !ordered {
        return Err(Failure::bad_request("the heads are not in ascending order"));
    }
    Ok(Question { theirs: Theirs { note, after, to }, at, whom })
}

fn octets(bytes: Vec<u8>, next: Option<impl fmt::Display>) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(OCTETS));
    if let Some(next) = next {
        let text = HeaderValue::try_from(next.to_string()).expect("a cursor is ASCII");
        headers.insert(NEXT, text);
    }
    (headers, bytes).into_response()
}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (part, at) = match self {
            Self::Logs(at) => ("logs", at),
            Self::Feeds(at) => ("feeds", at),
        };
        match at {
            Some(at) => write!(f, "{part}.{at}"),
            None => f.write_str(part),
        }
    }
}

impl FromStr for Whole {
    type Err = bundle::BadCursor;

    fn from_str(text: &str) -> Result<Self, bundle::BadCursor> {
        let (part, at) = match text.split_once('.') {
            Some((part, at)) => (part, Some(at.parse()?)),
            None => (text, None),
        };
        match part {
            "logs" => Ok(Self::Logs(at)),
            "feeds" => Ok(Self::Feeds(at)),
            _ => Err(bundle::BadCursor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_whole_bundle_survives_its_text() {
        let cursor: Cursor = format!("{}-7", FeedId([9; 32])).parse().expect("a cursor");
        for whole in [Whole::Logs(None), Whole::Logs(Some(cursor)), Whole::Feeds(Some(cursor))] {
            assert_eq!(whole.to_string().parse(), Ok(whole));
        }
        for text in ["", "records", "logs.", "feeds.00-1"] {
            assert!(text.parse::<Whole>().is_err(), "{text}");
        }
    }
}
