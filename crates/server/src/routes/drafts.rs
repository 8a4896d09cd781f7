//! Drafts kept by the node: brought, edited, handed in, released, discarded.
//!
//! Invariant: a draft reaches the service only by `release`, and is removed only once its record
//! is kept; one change of drafts is made at a time.
//! Not here: rules about drafts (`drafting`), checking and signing (`publish`), files (`node`).
//! Spec: docs/OPERATIONS.md, "Drafts and staff".

use std::{collections::BTreeSet, sync::Arc};

use axum::{Extension, Json, extract::State};
use baraza_api::{
    DraftSummary, DraftView, DraftsReply, EditRequest, ErrorCode, ImportRequest, PublishReply,
    PublishRequest, ReleaseRequest, RetractRequest, RetractionDraft, Role, SubmitReply,
};
use baraza_protocol::{attachments::FileCommand, command::Command};
use baraza_record::{
    Kind,
    attachment::{self, Listed},
};
use serde_json::{Map, Value, json};

use super::{Node, Reply, direct, publish, records};
use crate::{
    drafting,
    failure::Failure,
    input::{Id, JsonBody, Params},
    staff::Caller,
    state::App,
};

pub(crate) async fn list_drafts(State(app): Node, params: Params) -> Reply<DraftsReply> {
    params.finish()?;
    let two_person = app.node.staff.two_person;
    let list = app.read(|app| Ok(app.node.staff.drafts.list()?)).await;
    list.map(|(drafts, unreadable)| Json(DraftsReply { drafts, unreadable, two_person }))
}

pub(crate) async fn show_draft(State(app): Node, Id(id): Id) -> Reply<DraftView> {
    load(&app, id).await.map(Json)
}

pub(crate) async fn import_drafts(
    State(app): Node,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<ImportRequest>,
) -> Reply<Vec<DraftSummary>> {
    if request.drafts.is_empty() {
        return Err(Failure::bad_request("there is no draft in the request"));
    }
    let made = request.drafts.into_iter().map(|draft| drafting::new(draft, &caller.person));
    create(&app, &caller, made.collect::<Result<_, _>>()?).await.map(Json)
}

pub(crate) async fn edit_draft(
    State(app): Node,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    JsonBody(request): JsonBody<EditRequest>,
) -> Reply<DraftSummary> {
    let _turn = app.drafting.lock().await;
    let mut draft = load(&app, id).await?;
    caller.about([draft.id.clone()]);
    drafting::is_version(&draft, request.version)?;
    drafting::edit(&mut draft, request.draft, &caller.person)?;
    replace(&app, draft).await.map(Json)
}

pub(crate) async fn discard_draft(
    State(app): Node,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Reply<Value> {
    let _turn = app.drafting.lock().await;
    let draft = load(&app, id).await?;
    caller.about([draft.id.clone()]);
    drafting::may_discard(&draft, &caller.person, caller.role.unwrap_or(Role::Reader))?;
    remove(&app, draft.id).await?;
    discard_files(&app, attachment::list(&draft.body)).await?;
    Ok(Json(json!({})))
}

/// Drops the files that were brought for a draft which is gone, as far as no other lists them.
async fn discard_files(app: &Arc<App>, list: Vec<Listed>) -> Result<(), Failure> {
    if list.is_empty() {
        return Ok(());
    }
    let others = app.read(move |app| {
        let drafts = &app.node.staff.drafts;
        let mut others = BTreeSet::new();
        for summary in drafts.list()?.0 {
            let other = attachment::list(&drafts.get(&summary.id)?.body);
            others.extend(other.into_iter().map(|listed| listed.hash));
        }
        Ok(others)
    });
    let others = others.await?;
    for listed in list.into_iter().filter(|listed| !others.contains(&listed.hash)) {
        app.service.call(Command::File(FileCommand::Discard(listed.hash))).await?;
    }
    Ok(())
}

/// Hands a draft in, if nothing is wrong with it. What looks like personal data is told; whoever
/// releases it decides.
pub(crate) async fn submit_draft(
    State(app): Node,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Reply<SubmitReply> {
    let _turn = app.drafting.lock().await;
    let mut draft = load(&app, id).await?;
    caller.about([draft.id.clone()]);
    let mut report = None;
    if draft.target.is_none() {
        let drafts = vec![drafting::body_of(&draft)];
        let request =
            PublishRequest { drafts, dry_run: true, allow_personal_data: true, coming: Vec::new() };
        let Json(mut checked) =
            publish::publish(State(Arc::clone(&app)), JsonBody(request)).await?;
        report = checked.reports.pop();
        if checked.refused {
            caller.refused(ErrorCode::Invalid);
            return Ok(Json(SubmitReply { draft: draft.summary(), report, refused: true }));
        }
    }
    drafting::submit(&mut draft, &caller.person);
    let draft = replace(&app, draft).await?;
    Ok(Json(SubmitReply { draft, report, refused: false }))
}

/// Makes a draft that withdraws a record, and hands it in.
pub(crate) async fn draft_retraction(
    State(app): Node,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<RetractionDraft>,
) -> Reply<DraftSummary> {
    let RetractionDraft { record, request } = request;
    let Json(record) = records::record_view(&app, record, false).await?;
    let (id, owner) = (record.summary.id, record.summary.centre);
    if owner != app.node.centre {
        return Err(baraza_protocol::command::Refusal::NotOurs { id, owner }.into());
    }
    let mut body = match serde_json::to_value(&request) {
        Ok(Value::Object(body)) => body,
        _ => Map::new(),
    };
    // Who releases it should see what it is about.
    body.insert("title".to_owned(), record.summary.title.into());
    let mut draft = DraftView {
        kind: Kind::RETRACTION.to_string(),
        target: Some(id.to_string()),
        body,
        authors: vec![caller.person.clone()],
        ..DraftView::default()
    };
    drafting::submit(&mut draft, &caller.person);
    let mut made = create(&app, &caller, vec![draft]).await?;
    made.pop().map(Json).ok_or_else(Failure::odd_reply)
}

/// Publishes a draft and removes it. If that fails, or the draft is refused, it stays as it was.
pub(crate) async fn release_draft(
    State(app): Node,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    JsonBody(request): JsonBody<ReleaseRequest>,
) -> Reply<PublishReply> {
    let _turn = app.drafting.lock().await;
    let draft = load(&app, id).await?;
    caller.about([draft.id.clone()]);
    drafting::is_version(&draft, request.version)?;
    drafting::may_release(app.node.staff.two_person, &draft, &caller.person)?;
    let id = draft.id.clone();
    let reply = sign(&app, draft, request.allow_personal_data).await?;
    direct::note(&caller, &reply);
    if !reply.refused {
        caller.about(
            std::iter::once(id.clone())
                .chain(reply.published.iter().map(|record| record.id.to_string())),
        );
        // The record is kept: a draft that stays by accident must not look like a failure.
        if let Err(failure) = remove(&app, id).await {
            tracing::error!(error = %failure.0, "a draft that was released is still there");
        }
    }
    Ok(Json(reply))
}

async fn sign(
    app: &Arc<App>,
    draft: DraftView,
    allow_personal_data: bool,
) -> Result<PublishReply, Failure> {
    let Some(target) = draft.target else {
        let drafts = vec![drafting::body_of(&draft)];
        let request = PublishRequest { drafts, allow_personal_data, ..PublishRequest::default() };
        let Json(reply) = publish::publish(State(Arc::clone(app)), JsonBody(request)).await?;
        return Ok(reply);
    };
    let mut body = draft.body;
    body.remove("title");
    let request: RetractRequest = serde_json::from_value(Value::Object(body))
        .map_err(|error| Failure::invalid(format!("draft {}: {error}", draft.id)))?;
    let Json(retraction) =
        publish::retract(State(Arc::clone(app)), Id(target), JsonBody(request)).await?;
    Ok(PublishReply { published: vec![retraction], ..PublishReply::default() })
}

async fn load(app: &Arc<App>, id: String) -> Result<DraftView, Failure> {
    app.read(move |app| Ok(app.node.staff.drafts.get(&id)?)).await
}

async fn create(
    app: &Arc<App>,
    caller: &Caller,
    drafts: Vec<DraftView>,
) -> Result<Vec<DraftSummary>, Failure> {
    let _turn = app.drafting.lock().await;
    let made = app.read(move |app| Ok(app.node.staff.drafts.create(drafts)?)).await?;
    caller.about(made.iter().map(|draft| draft.id.clone()));
    Ok(made.iter().map(DraftView::summary).collect())
}

async fn replace(app: &Arc<App>, draft: DraftView) -> Result<DraftSummary, Failure> {
    app.read(move |app| Ok(app.node.staff.drafts.replace(draft)?.summary())).await
}

async fn remove(app: &Arc<App>, id: String) -> Result<(), Failure> {
    app.read(move |app| Ok(app.node.staff.drafts.remove(&id)?)).await
}
