//! The nations that this node's operator trusts.
//!
//! Invariant: nothing is trusted on first sight; a nation is pinned by its whole id, which the
//! command line shows as words to compare.
//! Spec: docs/OPERATIONS.md, "API".

use axum::{Extension, Json, extract::State};
use baraza_api::{TrustReply, TrustRequest, TrustedNation, UntrustRequest};
use baraza_protocol::{
    accreditation::{Pin, Voice, country_of},
    effective::Effective,
    policy::Rules,
    store::StoreError,
};
use baraza_record::{CentreId, vocab};

use super::{Node, Reply};
use crate::{
    failure::Failure,
    input::{JsonBody, Params},
    resolve,
    staff::Caller,
    state::App,
};

pub(crate) async fn trusted(State(app): Node, params: Params) -> Reply<TrustReply> {
    params.finish()?;
    let read = app.read(|app| Ok(TrustReply { nations: nations(app, &app.rules()?)? }));
    read.await.map(Json)
}

pub(crate) async fn trust(
    State(app): Node,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<TrustRequest>,
) -> Reply<TrustedNation> {
    if request.dry_run {
        caller.silent();
    }
    caller.about([request.country.clone(), request.nation.clone()]);
    let write = app.read(move |app| {
        let country = country(&request.country)?;
        let nation = resolve::centre_or_id(&*app.reader, &request.nation)?;
        let name = check(app, &country, &nation)?;
        let since = app.node.rules.now();
        let pin = Pin { nation, country: country.clone(), since };
        let free = |pins: &[Pin]| match pins.iter().find(|known| known.country == country) {
            None => Ok(()),
            Some(known) => Err(Failure::invalid(format!(
                "another nation is trusted for {country} already: {}",
                known.nation
            ))
            .hint(format!("baraza trust rm {country}"))),
        };
        match request.dry_run {
            true => free(&app.node.rules.loaded().trust.pins)?,
            false => app.node.rules.change(|trust| {
                free(&trust.pins)?;
                trust.pins.push(pin);
                trust.pins.sort_by(|a, b| a.country.cmp(&b.country));
                Ok(())
            })?,
        }
        let warning = name
            .is_none()
            .then(|| "its log is not held yet: nothing that it says counts before that".to_owned());
        let since_ms = since.0;
        Ok(TrustedNation { country, id: nation, name, since_ms, news_ms: None, warning })
    });
    write.await.map(Json)
}

pub(crate) async fn untrust(
    State(app): Node,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<UntrustRequest>,
) -> Reply<TrustReply> {
    caller.about([request.country.clone()]);
    let write = app.read(move |app| {
        let country = country(&request.country)?;
        app.node.rules.change(|trust| {
            let before = trust.pins.len();
            trust.pins.retain(|pin| pin.country != country);
            match trust.pins.len() < before {
                true => Ok(()),
                false => Err(Failure::not_found(format!("no nation is trusted for {country}"))
                    .hint("baraza trust list")),
            }
        })?;
        Ok(TrustReply { nations: nations(app, &app.rules()?)? })
    });
    write.await.map(Json)
}

/// Returns the pinned nations with what is held of them.
pub(super) fn nations(app: &App, rules: &Rules) -> Result<Vec<TrustedNation>, StoreError> {
    let mut effective = Effective::new(&*app.reader);
    let mut list = Vec::new();
    for pin in &rules.trust.pins {
        let known = rules.accreditations.nations();
        let known = known.iter().find(|known| known.pin.nation == pin.nation);
        let name = effective.log(&pin.nation)?.map(|log| log.state().name.clone());
        let warning = match known {
            None => Some("it is blocked: nothing that it says counts".to_owned()),
            Some(known) => known.silence(rules.policy.stale_mark_days, rules.now),
        };
        list.push(TrustedNation {
            country: pin.country.clone(),
            id: pin.nation,
            name,
            since_ms: pin.since.0,
            news_ms: known.and_then(|known| known.news).map(|time| time.0),
            warning,
        });
    }
    Ok(list)
}

/// Checks that a log that is held is that country's; returns the name in it.
fn check(app: &App, country: &str, nation: &CentreId) -> Result<Option<String>, Failure> {
    let mut effective = Effective::new(&*app.reader);
    let Some(log) = effective.log(nation)? else { return Ok(None) };
    let name = log.state().name.clone();
    match country_of(log) {
        Some(theirs) if theirs == country => Ok(Some(name)),
        Some(theirs) => Err(Failure::invalid(format!(
            "{nation} is the log of the nation {theirs}, not of {country}"
        ))),
        None => Err(Failure::invalid(format!(
            "{nation} is the log of a centre, not of a nation: it accredits nobody"
        ))
        .hint("ask the nation's focal point for its id")),
    }
}

fn country(text: &str) -> Result<String, Failure> {
    vocab::parse_country(text).map_err(|error| Failure::bad_request(format!("country: {error}")))
}

/// Tells whether a nation's silence matters: one that was pinned lately may be on its way.
pub(super) fn is_awaited(rules: &Rules, pin: &Pin, voice: Voice, heard: bool) -> bool {
    let days = rules.now.since(pin.since) / super::DAY_MS;
    !heard && voice != Voice::Other && days <= rules.policy.stale_mark_days
}
