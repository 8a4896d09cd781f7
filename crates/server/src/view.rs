//! From what the rules say of a record or a problem to what the API says of it.
//!
//! Invariant: nothing is decided here; words are exchanged.
//! Spec: docs/OPERATIONS.md, "API".

use baraza_api as api;
use baraza_protocol::{
    effective::{Effective, Standing, View, codes, concurrent, title},
    erasure::Urgency,
    holders,
    store::{BodyState, Place, StoreError, StoreRead},
    stream::place_of,
};
use baraza_record::body::{Problem, parse_body};

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

/// Returns the erasure in force of a record, with what its retraction says.
pub(crate) fn erasure(
    reader: &dyn StoreRead,
    view: &View,
) -> Result<Option<api::ErasureView>, StoreError> {
    let Some(erasure) = view.erasure else { return Ok(None) };
    let place = place_of(reader, &erasure.retraction)?;
    let record = place.map(|place| reader.record(&place)).transpose()?.flatten();
    let payload = record.as_ref().and_then(|record| record.payload());
    let body = payload.and_then(|payload| parse_body(&payload.body).ok()).unwrap_or_default();
    let text = |name| body.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
    Ok(Some(api::ErasureView {
        retraction: erasure.retraction,
        reason: text("reason").unwrap_or_default(),
        note: text("note"),
        created_ms: record.map_or(0, |record| record.header().created_ms.0),
        arrived_ms: erasure.arrived_ms.0,
        due_ms: erasure.due().0,
        done: view.entry.body == BodyState::Erased,
        at_once: erasure.urgency == Urgency::Now,
    }))
}

/// Returns the versions of a record.
pub(crate) fn series(
    effective: &mut Effective<'_>,
    view: &View,
) -> Result<api::SeriesView, StoreError> {
    let versions = effective.versions(&view.record)?;
    let history = versions.iter().map(|version| api::VersionView {
        id: version.id,
        created_ms: version.created_ms.0,
        supersedes: version.supersedes,
    });
    Ok(api::SeriesView {
        versions: versions.iter().map(|version| version.id).collect(),
        history: if versions.len() < 2 { Vec::new() } else { history.collect() },
        concurrent: concurrent(&versions),
        latest: versions.last().map(|version| version.id),
        retracted_by: view.retracted_by,
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
