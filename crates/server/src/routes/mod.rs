//! The handlers, one file for each subject.
//!
//! Invariant: a handler reads its request, does one thing, and words the reply.
//! Spec: docs/OPERATIONS.md, "API".

mod accredit;
mod bundle;
mod centres;
mod direct;
mod drafts;
mod identity;
mod networks;
mod node;
mod policy;
mod publish;
mod quarantine;
mod records;
mod search;
mod staff;
mod trust;

use std::sync::Arc;

use axum::Json;

use crate::{failure::Failure, input::Params, state::App};

pub use centres::CENTRES_MAX;
pub use publish::PROBLEMS_MAX;
pub use quarantine::QUARANTINED_MAX;
pub use search::{EXCERPT_CHARS, HITS_DEFAULT, OFFSET_MAX};

pub(crate) use accredit::accredit;
pub(crate) use bundle::{export, have, import, missing, plan};
pub(crate) use centres::{centre, centre_log, centres};
pub(crate) use direct::{publish, retract};
pub(crate) use drafts::{
    discard_draft, draft_retraction, edit_draft, import_drafts, list_drafts, release_draft,
    show_draft, submit_draft,
};
pub(crate) use identity::{events, feeds, identify};
pub(crate) use networks::{
    create as create_network, inspect as inspect_invitation, invite as invite_to_network,
    join as join_network, leave as leave_network, list as list_networks,
};
pub(crate) use node::{dial, peers, status, sync, unlock};
pub(crate) use policy::{explain, policy};
pub(crate) use quarantine::{quarantine, quarantined, release};
pub(crate) use records::{list, raw, show};
pub(crate) use search::search;
pub(crate) use staff::{staff, staff_log};
pub(crate) use trust::{trust, trusted, untrust};

/// The state of a handler.
type Node = axum::extract::State<Arc<App>>;

/// The reply of a handler.
type Reply<T> = Result<Json<T>, Failure>;

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// Takes the member `limit`, 1 to `max`.
fn limit(params: &mut Params, default: usize, max: usize) -> Result<usize, Failure> {
    match params.take("limit")?.unwrap_or(default) {
        limit if (1..=max).contains(&limit) => Ok(limit),
        limit => Err(Failure::bad_request(format!("`limit` is {limit}, allowed are 1 to {max}"))),
    }
}
