//! Publishing and retracting without a draft on the node: refused where two persons are needed.
//!
//! Not here: checking and signing (`publish`), releasing drafts (`drafts`).
//! Spec: docs/OPERATIONS.md, "Drafts and staff".

use axum::{Extension, Json, extract::State};
use baraza_api::{ErrorCode, PublishReply, PublishRequest, Published, RetractRequest};

use super::{Node, Reply, publish as signing};
use crate::{
    drafting,
    input::{Id, JsonBody},
    staff::Caller,
};

/// Publishes drafts, or only checks them, which one person may always do.
pub(crate) async fn publish(
    State(app): Node,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<PublishRequest>,
) -> Reply<PublishReply> {
    if request.dry_run {
        caller.silent();
    } else {
        drafting::direct(app.node.staff.two_person)?;
    }
    let Json(reply) = signing::publish(State(app), JsonBody(request)).await?;
    note(&caller, &reply);
    Ok(Json(reply))
}

/// Retracts a record.
pub(crate) async fn retract(
    State(app): Node,
    Extension(caller): Extension<Caller>,
    Id(text): Id,
    JsonBody(request): JsonBody<RetractRequest>,
) -> Reply<Published> {
    drafting::direct(app.node.staff.two_person)?;
    let Json(retraction) =
        signing::retract(State(app), Id(text.clone()), JsonBody(request)).await?;
    caller.about([text, retraction.id.to_string()]);
    Ok(Json(retraction))
}

/// Has the log say what a publication did.
pub(super) fn note(caller: &Caller, reply: &PublishReply) {
    match reply.refused {
        true => caller.refused(ErrorCode::Invalid),
        false => caller.about(reply.published.iter().map(|record| record.id.to_string())),
    }
}
