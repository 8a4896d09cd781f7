//! Centres and their identity logs.
//!
//! Spec: docs/OPERATIONS.md, "API".

use axum::{Json, extract::State};
use baraza_api::{CentreView, EventView, ListCentres, OperatorView};
use baraza_protocol::{
    accreditation::country_of,
    effective::Effective,
    policy::Verdict,
    store::{PAGE_MAX, StoreRead},
};
use baraza_record::CentreId;

use super::{Node, Reply};
use crate::{
    failure::Failure,
    input::{Id, Params},
    resolve,
    rules::refuse_blocked,
    state::App,
    view::statements,
};

/// Most centres that a reply lists: about 1 MiB of them.
pub const CENTRES_MAX: usize = 2_000;

pub(crate) async fn centres(State(app): Node, params: Params) -> Reply<ListCentres> {
    params.finish()?;
    let read = app.read(|app| {
        let rules = app.rules()?;
        let mut effective = Effective::under(&*app.reader, &rules);
        let mut ids: Vec<CentreId> = Vec::new();
        while ids.len() < CENTRES_MAX {
            let count = PAGE_MAX.min(CENTRES_MAX - ids.len());
            let page = app.reader.centres(ids.last().copied(), count)?;
            ids.extend(&page);
            if page.len() < count {
                break;
            }
        }
        let listed = ids.len();
        ids.retain(|id| rules.judge(id, None).0 != Verdict::Blocked);
        let blocked = listed - ids.len();
        let views = ids.iter().map(|id| centre_view(app, &mut effective, id));
        let mut centres = views.collect::<Result<Vec<_>, _>>()?;
        centres.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        let held = usize::try_from(app.reader.counts().centres).unwrap_or(usize::MAX);
        Ok(ListCentres { omitted: held.saturating_sub(centres.len() + blocked), centres })
    });
    read.await.map(Json)
}

pub(crate) async fn centre(State(app): Node, Id(text): Id) -> Reply<CentreView> {
    let read = app.read(move |app| {
        let (id, rules) = (resolve::centre(&*app.reader, &text)?, app.rules()?);
        refuse_blocked(&rules, &id, None)?;
        let mut view = centre_view(app, &mut Effective::under(&*app.reader, &rules), &id)?;
        view.statements = statements(app, &rules, &id)?;
        Ok(view)
    });
    read.await.map(Json)
}

pub(crate) async fn centre_log(State(app): Node, Id(text): Id) -> Reply<Vec<EventView>> {
    let read = app.read(move |app| {
        let id = resolve::centre(&*app.reader, &text)?;
        refuse_blocked(&app.rules()?, &id, None)?;
        let mut effective = Effective::new(&*app.reader);
        let log = effective.log(&id)?.ok_or_else(|| unknown(&id))?;
        let views = log.events().iter().map(|signed| {
            let event = signed.event();
            EventView {
                seq: event.seq,
                id: signed.id(),
                kind: event.kind.name().to_owned(),
                created_ms: event.created_ms.0,
                summary: format!(
                    "{}: {} of {} root keys sign, {} operator keys added",
                    event.name,
                    event.root_threshold,
                    event.root_keys.len(),
                    event.operators.len()
                ),
            }
        });
        Ok(views.collect())
    });
    read.await.map(Json)
}

fn centre_view(
    app: &App,
    effective: &mut Effective<'_>,
    id: &CentreId,
) -> Result<CentreView, Failure> {
    let reader: &dyn StoreRead = &*app.reader;
    let mut records = 0;
    for feed in reader.feeds_of(id)? {
        records += reader.feed(&feed)?.map_or(0, |state| state.shelf.seq);
    }
    let rules = effective.rules();
    let log = effective.log(id)?.ok_or_else(|| unknown(id))?;
    let state = log.state();
    let country = state.country.map(|code| String::from_utf8_lossy(&code).into_owned());
    let operators = log.operators().iter().map(|operator| OperatorView {
        key: operator.key,
        capabilities: operator.capabilities.names().map(str::to_owned).collect(),
        label: operator.label.clone(),
    });
    Ok(CentreView {
        id: *id,
        name: state.name.clone(),
        accreditation: rules.map(|rules| rules.words(id, country.as_deref())).unwrap_or_default(),
        nation: country_of(log),
        statements: Vec::new(),
        country,
        ours: *id == app.node.centre,
        records,
        identity_head: log.head().id(),
        operators: operators.collect(),
    })
}

fn unknown(id: &CentreId) -> Failure {
    Failure::not_found(format!("the identity of centre {id} is not held"))
}
