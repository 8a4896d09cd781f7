//! Statements of our own nation about a centre.
//!
//! Invariant: a new statement replaces all of the nation's that stand about that centre.
//! Spec: docs/RECORDS.md, "Accreditation".

use axum::{Extension, Json, extract::State};
use baraza_api::{AccreditRequest, ErrorCode, Published};
use baraza_protocol::{
    accreditation::{Word, country_of},
    command::NewRecord,
    effective::Effective,
};
use baraza_record::{CentreId, Kind, RecordId, body, body::Body, language::canonical_language};
use serde_json::{Value, json};

use super::{
    Node, Reply,
    publish::{Row, complete, hand_over},
};
use crate::{
    failure::Failure,
    input::JsonBody,
    resolve,
    staff::Caller,
    state::{App, Defaults},
};

pub(crate) async fn accredit(
    State(app): Node,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<AccreditRequest>,
) -> Reply<Published> {
    caller.about([request.centre.clone()]);
    let row = app.read(move |app| row(app, request)).await?;
    let mut published = hand_over(&app, vec![row]).await?;
    published.pop().map(Json).ok_or_else(Failure::odd_reply)
}

fn row(app: &App, request: AccreditRequest) -> Result<Row, Failure> {
    let (reader, own) = (&*app.reader, app.node.centre);
    let mut effective = Effective::new(reader);
    let Some(country) = effective.log(&own)?.and_then(country_of) else {
        let message = "this home belongs to a centre: only a nation accredits centres";
        return Err(Failure::new(ErrorCode::Home, message)
            .hint("use the nation's home: baraza --home DIR nation accredit ..."));
    };
    let centre = resolve::centre_or_id(reader, &request.centre)?;
    if centre == own {
        return Err(Failure::invalid("a nation does not accredit itself"));
    }
    let word = Word::read(&mut effective, reader, &own, &country)?;
    let replaced = word.standing.iter().filter(|statement| statement.centre == centre);
    let replaced = replaced.map(|statement| statement.id).collect();
    let body = statement(&request, &centre, replaced);
    let problems: Vec<_> =
        body::validate(Kind::ACCREDITATION, &body).iter().map(ToString::to_string).collect();
    if !problems.is_empty() {
        return Err(Failure::invalid(problems.join("; ")));
    }
    let language = canonical_language(&app.node.defaults.language)
        .map_err(|error| Failure::invalid(format!("default language: {error}")))?;
    let name = effective.log(&centre)?.map(|log| log.state().name.clone());
    let title = format!("{}: {}", request.status, name.unwrap_or_else(|| centre.to_string()));
    let kind = Kind::ACCREDITATION;
    let record = NewRecord { kind, language, revises: None, target: None, recipients: None, body };
    Ok(Row { source: String::new(), title, record })
}

fn statement(request: &AccreditRequest, centre: &CentreId, replaces: Vec<RecordId>) -> Body {
    let mut body = Body::new();
    body.insert("centre".into(), json!(centre));
    body.insert("status".into(), request.status.clone().into());
    if !request.scope.is_empty() {
        body.insert("scope".into(), json!(request.scope));
    }
    for (name, value) in [("review_by", &request.review_by), ("reason", &request.reason)] {
        body.extend(value.clone().map(|value| (name.to_owned(), Value::from(value))));
    }
    if !replaces.is_empty() {
        body.insert("replaces".into(), json!(replaces));
    }
    complete(Kind::ACCREDITATION, &mut body, &Defaults::default());
    body
}
