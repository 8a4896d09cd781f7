//! The staff of the node and the log of what they did.
//!
//! Spec: docs/OPERATIONS.md, "Drafts and staff".

use axum::{Extension, Json, extract::State};
use baraza_api::{ErrorCode, PAGE_MAX, Role, StaffLogReply, StaffReply};

use super::{Node, Reply, limit};
use crate::{failure::Failure, input::Params, staff::Caller};

/// Entries of the log that a reply has if the client does not say.
const LOG_DEFAULT: usize = 50;

pub(crate) async fn staff(
    State(app): Node,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Reply<StaffReply> {
    params.finish()?;
    let role = caller.role.unwrap_or(Role::Reader);
    Ok(Json(app.node.staff.view(&caller, role)))
}

pub(crate) async fn staff_log(State(app): Node, mut params: Params) -> Reply<StaffLogReply> {
    let limit = limit(&mut params, LOG_DEFAULT, PAGE_MAX)?;
    params.finish()?;
    let read = app.read(move |app| {
        let entries = app.node.staff.log.latest(limit);
        entries.map_err(|what| Failure::new(ErrorCode::Store, what))
    });
    read.await.map(|entries| Json(StaffLogReply { entries }))
}
