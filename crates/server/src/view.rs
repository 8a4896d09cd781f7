//! From what the rules say of a record or a problem to what the API says of it.
//!
//! Invariant: nothing is decided here; words are exchanged.
//! Spec: docs/OPERATIONS.md, "API".

use baraza_api as api;
use baraza_protocol::{
    accreditation::{self, Statement},
    effective::{Effective, Standing, View, codes, concurrent, title},
    erasure::Urgency,
    holders,
    policy::{Rules, Verdict},
    store::{BodyState, Place, StoreError, StoreRead},
    stream::place_of,
};
use baraza_record::{
    CentreId, Kind,
    body::{Body, Problem, parse_body},
};
use serde_json::Value;

use crate::state::App;

/// Returns what lists show of a record.
pub(crate) fn summary(
    effective: &mut Effective<'_>,
    view: &View,
) -> Result<api::RecordSummary, StoreError> {
    let header = view.record.header();
    let title = match (header.kind, &view.body) {
        (Kind::ACCREDITATION, Some(body)) => statement_title(effective, body)?,
        (_, body) => body.as_ref().map(title).unwrap_or_default().to_owned(),
    };
    let rules = effective.rules();
    let log = effective.log(&header.centre)?;
    let code = log.and_then(|log| log.state().country);
    let country = code.map(|code| String::from_utf8_lossy(&code).into_owned());
    let words = |rules: &Rules| rules.words(&header.centre, country.as_deref());
    let accreditation = rules.map(words).unwrap_or_default();
    Ok(api::RecordSummary {
        id: view.entry.id,
        kind: header.kind.to_string(),
        title,
        language: header.language.clone(),
        centre: header.centre,
        centre_name: log.map(|log| log.state().name.clone()),
        created_ms: header.created_ms.0,
        arrived_ms: view.entry.arrived_ms.0,
        countries: view.body.as_ref().map(|body| codes(body, "countries")).unwrap_or_default(),
        goals: header.goals.iter().collect(),
        standing: match rules.is_some_and(|rules| left_out(rules, view, code)) {
            true => api::Standing::BodyLeftOut,
            false => standing(view.standing),
        },
        audience: crate::networks::view(&header.audience),
        accreditation,
    })
}

/// Returns whether a body is missing because it does not fit the interests of this node;
/// `country` is what its publisher states.
fn left_out(rules: &Rules, view: &View, country: Option<[u8; 2]>) -> bool {
    let header = view.record.header();
    view.standing == Standing::BodyMissing
        && header.centre != rules.own
        && !rules.policy.interests.want(header, || country)
}

/// Returns in one line what a nation says of whom: a statement has no title of its own.
fn statement_title(effective: &mut Effective<'_>, body: &Body) -> Result<String, StoreError> {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let status = text("status");
    let Ok(centre) = text("centre").parse::<CentreId>() else { return Ok(status.to_owned()) };
    let named = |rules: &Rules| rules.judge(&centre, None).0 != Verdict::Blocked;
    let name = match effective.rules().is_none_or(named) {
        true => effective.log(&centre)?.map(|log| log.state().name.clone()),
        false => None,
    };
    Ok(format!("{status}: {}", name.unwrap_or_else(|| centre.short())))
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

/// Returns what nations say of a centre: first those that are trusted here, then claims.
pub(crate) fn statements(
    app: &App,
    rules: &Rules,
    centre: &CentreId,
) -> Result<Vec<api::StatementView>, StoreError> {
    let pins = rules.trust.counting(&rules.policy, rules.now);
    let claims = accreditation::claims(&*app.reader, &pins, centre)?;
    let today = accreditation::day(rules.now);
    let state = |statement: &Statement, trusted: bool| {
        let words = statement.words(&today);
        api::StatementView {
            id: statement.id,
            nation: statement.nation,
            country: statement.country.clone(),
            status: statement.status.to_string(),
            since_ms: statement.since.0,
            scope: statement.scope.clone(),
            review_by: statement.review_by.clone(),
            reason: statement.reason.clone(),
            trusted,
            words: match trusted {
                true => words,
                false => format!(
                    "claimed by {}, whose key this node does not trust: {words}",
                    statement.country
                ),
            },
        }
    };
    let deciding = rules.accreditations.of(centre).iter().map(|one| state(one, true));
    Ok(deciding.chain(claims.iter().map(|one| state(one, false))).collect())
}

fn standing(standing: Standing) -> api::Standing {
    match standing {
        Standing::Blocked => api::Standing::Blocked,
        Standing::Quarantined => api::Standing::Quarantined,
        Standing::Forked => api::Standing::Forked,
        Standing::Held => api::Standing::Held,
        Standing::Retracted => api::Standing::Retracted,
        Standing::Superseded => api::Standing::Superseded,
        Standing::BodyMissing => api::Standing::BodyMissing,
        Standing::Unreadable => api::Standing::Unreadable,
        Standing::Current => api::Standing::Current,
    }
}
