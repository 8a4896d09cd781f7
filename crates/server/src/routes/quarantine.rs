//! What is kept, passed on and not shown, because nobody trusted here vouches for its centre.
//!
//! Spec: docs/OPERATIONS.md, "Policy" and "API".

use axum::{Extension, Json, extract::State};
use baraza_api::{
    ListReply, PAGE_MAX as LISTED_MAX, QuarantineRelease, QuarantineReply, QuarantinedCentre,
    Released,
};
use baraza_protocol::{
    effective::{Effective, Standing},
    policy::{Rules, Verdict},
    store::{Branch, PAGE_MAX, Place, StoreError, StoreRead},
};
use baraza_record::CentreId;

use super::{Node, Reply};
use crate::{
    failure::Failure,
    input::{Id, JsonBody, Params},
    resolve,
    staff::Caller,
    view,
};

/// Most centres that a reply lists; it counts the records of the others too.
pub const QUARANTINED_MAX: usize = 2_000;

pub(crate) async fn quarantine(State(app): Node, params: Params) -> Reply<QuarantineReply> {
    params.finish()?;
    let read = app.read(|app| {
        let (reader, rules) = (&*app.reader, app.rules()?);
        let (mut reply, mut after) = (QuarantineReply::default(), None);
        loop {
            let page = reader.centres(after, PAGE_MAX)?;
            for centre in &page {
                let records = held_back(reader, &rules, centre)?;
                if records != 0 {
                    reply.records += records;
                    reply.centres.push(QuarantinedCentre { id: *centre, name: None, records });
                }
            }
            after = page.last().copied();
            if page.len() < PAGE_MAX {
                break;
            }
        }
        reply.centres.sort_by_key(|centre| (std::cmp::Reverse(centre.records), centre.id));
        reply.omitted = reply.centres.len().saturating_sub(QUARANTINED_MAX);
        reply.centres.truncate(QUARANTINED_MAX);
        let mut effective = Effective::new(reader);
        for centre in &mut reply.centres {
            centre.name = effective.log(&centre.id)?.map(|log| log.state().name.clone());
        }
        Ok(reply)
    });
    read.await.map(Json)
}

/// Lists the latest records of a centre that are in quarantine.
pub(crate) async fn quarantined(State(app): Node, Id(text): Id) -> Reply<ListReply> {
    let read = app.read(move |app| {
        let (reader, rules) = (&*app.reader, app.rules()?);
        let centre = resolve::centre(reader, &text)?;
        let mut effective = Effective::under(reader, &rules);
        let mut reply = ListReply::default();
        for feed in reader.feeds_of(&centre)? {
            let shelf = reader.feed(&feed)?.map_or(0, |state| state.shelf.seq);
            for seq in (1..=shelf).rev() {
                if reply.records.len() == LISTED_MAX {
                    return Ok(reply);
                }
                let view = effective.view(&Place { feed, seq, branch: Branch::Main })?;
                let held = view.filter(|view| view.standing == Standing::Quarantined);
                if let Some(view) = held {
                    reply.records.push(view::summary(&mut effective, &view)?);
                }
            }
        }
        Ok(reply)
    });
    read.await.map(Json)
}

pub(crate) async fn release(
    State(app): Node,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<QuarantineRelease>,
) -> Reply<Released> {
    caller.about([request.id.clone()]);
    let write = app.read(move |app| {
        let rules = app.rules()?;
        let (centre, record) = resolve::record_or_centre(&*app.reader, &request.id)?;
        let id = record.map_or(centre.0, |record| record.0);
        if rules.judge(&centre, record.as_ref()).0 != Verdict::Quarantined {
            let message = format!("{} is not in quarantine", CentreId(id));
            return Err(Failure::invalid(message).hint("baraza quarantine list"));
        }
        app.node.rules.change(|trust| {
            trust.released.insert(id);
            Ok(())
        })?;
        Ok(Released { centre, record })
    });
    write.await.map(Json)
}

/// Returns how many admitted records of a centre are in quarantine.
fn held_back(reader: &dyn StoreRead, rules: &Rules, centre: &CentreId) -> Result<u64, StoreError> {
    if rules.judge(centre, None).0 != Verdict::Quarantined {
        return Ok(0);
    }
    let mut held = 0;
    for feed in reader.feeds_of(centre)? {
        let shelf = reader.feed(&feed)?.map_or(0, |state| state.shelf.seq);
        for seq in 1..=shelf {
            let entry = reader.entry(&Place { feed, seq, branch: Branch::Main })?;
            let back = |id| rules.judge(centre, Some(&id)).0 == Verdict::Quarantined;
            held += u64::from(entry.is_some_and(|entry| back(entry.id)));
        }
    }
    Ok(held)
}
