//! From what the rules say of a record or a problem to what the API says of it.
//!
//! Invariant: nothing is decided here; words are exchanged.
//! Spec: docs/OPERATIONS.md, "API".

use baraza_api as api;
use baraza_protocol::{
    effective::{Effective, Standing, View, codes, title},
    holders,
    store::{Place, StoreError, StoreRead},
};
use baraza_record::body::Problem;

/// Returns what lists show of a record.
pub(crate) fn summary(
    effective: &mut Effective<'_>,
    view: &View,
) -> Result<api::RecordSummary, StoreError> {
    let header = view.record.header();
    let log = effective.log(&header.centre)?;
    Ok(api::RecordSummary {
        id: view.entry.id,
        kind: header.kind.to_string(),
        title: view.body.as_ref().map(title).unwrap_or_default().to_owned(),
        language: header.language.clone(),
        centre: header.centre,
        centre_name: log.map(|log| log.state().name.clone()),
        created_ms: header.created_ms.0,
        arrived_ms: view.entry.arrived_ms.0,
        countries: view.body.as_ref().map(|body| codes(body, "countries")).unwrap_or_default(),
        goals: header.goals.iter().collect(),
        standing: standing(view.standing),
    })
}

/// Returns who else is known to hold a record.
pub(crate) fn holders(reader: &dyn StoreRead, place: &Place) -> Result<api::Holders, StoreError> {
    let (centres, since) = holders::of(reader, &place.feed, place.seq)?;
    Ok(api::Holders { centres, since_ms: since.map(|time| time.0) })
}

/// Returns problems as the API states them.
pub(crate) fn problems(problems: Vec<Problem>) -> Vec<api::Problem> {
    let state = |problem| {
        let Problem { field, rule, value } = problem;
        api::Problem { field, rule, value }
    };
    problems.into_iter().map(state).collect()
}

fn standing(standing: Standing) -> api::Standing {
    match standing {
        Standing::Forked => api::Standing::Forked,
        Standing::Held => api::Standing::Held,
        Standing::Retracted => api::Standing::Retracted,
        Standing::Superseded => api::Standing::Superseded,
        Standing::BodyMissing => api::Standing::BodyMissing,
        Standing::Unreadable => api::Standing::Unreadable,
        Standing::Current => api::Standing::Current,
    }
}
