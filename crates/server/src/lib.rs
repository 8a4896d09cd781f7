//! The HTTP router: from a request to a reader, to the index or to the service, and back.
//!
//! Layer 3. Invariant: nothing here writes; what changes the node goes to the service as a
//! [`Command`](baraza_protocol::command::Command), drafts and the staff's log to what `node` handed
//! in. Every call passes the table of roles. Every reply that is no success carries an
//! `ErrorBody` with the status of its code.
//! Not here: sockets, header time-outs and the number of connections (`node`), the forms of
//! requests and replies (`baraza-api`).
//! Spec: docs/OPERATIONS.md, "API".

mod drafting;
mod failure;
mod filter;
mod input;
mod networks;
mod resolve;
mod roles;
mod routes;
mod rules;
mod staff;
mod state;
mod view;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};
use baraza_api::{API_BODY_BYTES_MAX, ErrorCode};

use crate::failure::Failure;
pub use crate::{
    drafting::AUTHORS_MAX,
    filter::SCAN_MAX,
    input::OCTETS,
    networks::{MadeNetwork, Network, NetworkKeeper, NewNetwork},
    resolve::{DIGITS_MIN, LISTED_MAX},
    routes::{CENTRES_MAX, EXCERPT_CHARS, HITS_DEFAULT, OFFSET_MAX, PROBLEMS_MAX, QUARANTINED_MAX},
    rules::{Clock, Load, Loaded, RulesSource, Save},
    staff::{Caller, DraftError, DraftStore, LOG_OBJECTS_MAX, Staff, StaffLog},
    state::{
        App, Call, Defaults, HomeNotices, NodeFacts, READS_MAX, ServiceHandle, Unlock, UnlockError,
    },
};

/// Returns the routes of the API, to be served on a socket or called inside the process. Whoever
/// serves them adds a [`Caller`] to each request.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/status", get(routes::status))
        .route("/v1/records", get(routes::list).post(routes::publish))
        .route("/v1/records/{id}", get(routes::show))
        .route("/v1/records/{id}/raw", get(routes::raw))
        .route("/v1/records/{id}/retract", post(routes::retract))
        .route("/v1/search", get(routes::search))
        .route("/v1/peers", get(routes::peers).post(routes::dial))
        .route("/v1/sync", post(routes::sync))
        .route("/v1/centres", get(routes::centres))
        .route("/v1/centres/{id}", get(routes::centre))
        .route("/v1/centres/{id}/log", get(routes::centre_log))
        .route("/v1/trust", get(routes::trusted).post(routes::trust))
        .route("/v1/trust/remove", post(routes::untrust))
        .route("/v1/accreditations", post(routes::accredit))
        .route("/v1/policy", get(routes::policy))
        .route("/v1/policy/{id}", get(routes::explain))
        .route("/v1/quarantine", get(routes::quarantine))
        .route("/v1/quarantine/{id}", get(routes::quarantined))
        .route("/v1/quarantine/release", post(routes::release))
        .route("/v1/centres/{id}/events", get(routes::events))
        .route("/v1/centres/{id}/feeds", get(routes::feeds))
        .route("/v1/identity", post(routes::identify))
        .route("/v1/bundle", get(routes::export).post(routes::import))
        .route("/v1/bundle/have", get(routes::have))
        .route("/v1/bundle/missing", post(routes::missing))
        .route("/v1/bundle/plan", post(routes::plan))
        .route("/v1/networks", get(routes::list_networks).post(routes::create_network))
        .route("/v1/networks/inspect", post(routes::inspect_invitation))
        .route("/v1/networks/join", post(routes::join_network))
        .route("/v1/networks/{id}/invitation", get(routes::invite_to_network))
        .route("/v1/networks/{id}/leave", post(routes::leave_network))
        .route("/v1/unlock", post(routes::unlock))
        .route("/v1/drafts", get(routes::list_drafts).post(routes::import_drafts))
        .route("/v1/drafts/retraction", post(routes::draft_retraction))
        .route(
            "/v1/drafts/{id}",
            get(routes::show_draft).put(routes::edit_draft).delete(routes::discard_draft),
        )
        .route("/v1/drafts/{id}/submit", post(routes::submit_draft))
        .route("/v1/drafts/{id}/release", post(routes::release_draft))
        .route("/v1/staff", get(routes::staff))
        .route("/v1/staff/log", get(routes::staff_log))
        .fallback(|| async { Failure::new(ErrorCode::NotFound, "there is no such path") })
        .method_not_allowed_fallback(|| async {
            Failure::new(ErrorCode::BadRequest, "this path does not take that method")
        })
        .layer(middleware::from_fn_with_state(Arc::clone(&app), roles::guard))
        .layer(DefaultBodyLimit::max(API_BODY_BYTES_MAX))
        .with_state(app)
}
