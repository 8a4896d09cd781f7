//! Records: a page of them, one with all that is known, one as it was signed.
//!
//! Invariant: a list looks through a bounded number of records and says where to go on.
//! Spec: docs/OPERATIONS.md, "API".

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use baraza_api::{ErrorCode, ListReply, PAGE_MAX, RecordView};
use baraza_protocol::{
    command::Recipients,
    effective::{Effective, Standing, View},
    index::Query,
    policy::Rules,
    store::{SignatureState, StoreError, StoreRead},
};
use serde_json::Value;

use super::{Node, Reply, attachments, limit, networks::is_for};
use crate::{
    failure::Failure,
    filter::{self, SCAN_MAX},
    input::{Id, OCTETS, Params},
    networks, resolve,
    rules::{refuse_blocked, refuse_hidden},
    state::App,
    view,
};

/// Records on a page of a list if the client does not say.
const LIST_DEFAULT: usize = 50;

/// Changes that are fetched from the store at once while looking for records of a list.
const STEP: usize = 100;

pub(crate) async fn list(State(app): Node, mut params: Params) -> Reply<ListReply> {
    let (words, before) = (params.filter(), params.take("before")?);
    let audience = params.take::<String>("audience")?;
    let limit = limit(&mut params, LIST_DEFAULT, PAGE_MAX)?;
    params.finish()?;
    let read = app.read(move |app| {
        let rules = app.rules()?;
        let query = filter::query(&*app.reader, &rules, &words)?;
        let recipients = audience.map(|text| networks::recipients(app, &text)).transpose()?;
        Ok(page(&*app.reader, &rules, (&query, recipients.as_ref()), before, limit)?)
    });
    read.await.map(Json)
}

pub(crate) async fn show(State(app): Node, Id(text): Id, mut params: Params) -> Reply<RecordView> {
    let quarantined = params.take("quarantined")?.unwrap_or(false);
    params.finish()?;
    record_view(&app, text, quarantined).await
}

/// Returns a record with all that is known of it; one in quarantine only to those who ask for it.
pub(super) async fn record_view(
    app: &Arc<App>,
    text: String,
    quarantined: bool,
) -> Reply<RecordView> {
    let read = app.read(move |app| {
        let (reader, rules) = (&*app.reader, app.rules()?);
        let (id, place) = resolve::record(reader, &text)?;
        let mut effective = Effective::under(reader, &rules);
        let view = effective.view(&place)?.ok_or_else(|| gone(&id))?;
        match quarantined {
            true => refuse_blocked(&rules, &view.record.header().centre, Some(&id))?,
            false => refuse_hidden(&rules, &view.record.header().centre, &id)?,
        }
        let header = view.record.header();
        Ok(RecordView {
            summary: view::summary(&mut effective, &view)?,
            seq: place.seq,
            feed: place.feed,
            signer: header.signer,
            body_bytes: header.body_bytes,
            series: view::series(&mut effective, &view)?,
            erasure: view::erasure(reader, &view)?,
            holders: view::holders(reader, &place)?,
            attachments: attachments::views(reader, &view)?,
            body: view.body.map(Value::Object),
            problems: view::problems(view.problems),
        })
    });
    read.await.map(Json)
}

pub(crate) async fn raw(State(app): Node, Id(text): Id) -> Result<Response, Failure> {
    let bytes =
        app.read(move |app| {
            let (id, place) = resolve::record(&*app.reader, &text)?;
            // Without its body, if that is to be erased.
            let view = Effective::new(&*app.reader).view(&place)?.ok_or_else(|| gone(&id))?;
            let View { entry, record, .. } = view;
            refuse_hidden(&app.rules()?, &record.header().centre, &id)?;
            // On its own a record has no chain: whoever gets it has only its own signature.
            match entry.signature {
                SignatureState::Checked => Ok(record.encode()),
                SignatureState::Missing | SignatureState::Unchecked => match record.verify() {
                    Ok(record) => Ok(record.encode()),
                    Err(_) => Err(Failure::not_found(format!(
                        "no valid signature of record {id} is held"
                    ))
                    .hint("it was authenticated by its chain; a peer may have its own signature")),
                },
            }
        });
    Ok(([(CONTENT_TYPE, OCTETS)], bytes.await?).into_response())
}

/// Returns up to `limit` records that match, newest change first.
fn page(
    reader: &dyn StoreRead,
    rules: &Rules,
    (query, recipients): (&Query, Option<&Recipients>),
    mut before: Option<u64>,
    limit: usize,
) -> Result<ListReply, StoreError> {
    let mut effective = Effective::under(reader, rules);
    let mut reply = ListReply::default();
    let mut examined = 0;
    loop {
        let changes = reader.newest(before, STEP)?;
        for (change, place) in &changes {
            if reply.records.len() == limit || examined == SCAN_MAX {
                reply.next = before;
                return Ok(reply);
            }
            examined += 1;
            before = Some(*change);
            // The kind is known without a look into the ledger.
            let asked = |kind| query.kinds.is_empty() || query.kinds.contains(&kind);
            if !reader.entry(place)?.is_some_and(|entry| asked(entry.kind)) {
                continue;
            }
            match effective.view(place)? {
                Some(view)
                    if is_listed(query, &view)
                        && filter::matches(query, &view)
                        && is_for(recipients, &view.record.header().audience) =>
                {
                    reply.records.push(view::summary(&mut effective, &view)?);
                }
                _ => (),
            }
        }
        if changes.len() < STEP {
            return Ok(reply);
        }
    }
}

/// Returns whether lists show a record: it is admitted, and neither replaced nor withdrawn.
/// Retractions and accreditations are shown to those who ask for them.
fn is_listed(query: &Query, view: &View) -> bool {
    let in_force =
        matches!(view.standing, Standing::Current | Standing::BodyMissing | Standing::Unreadable);
    in_force && (view.entry.kind.is_content() || query.kinds.contains(&view.entry.kind))
}

/// The store named a record that it then did not have.
fn gone(id: &baraza_record::RecordId) -> Failure {
    Failure::new(ErrorCode::Store, format!("record {id} is indexed and not held"))
        .hint("run `baraza check`")
}
