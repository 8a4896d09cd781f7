//! Centres and their identity logs.
//!
//! Spec: docs/OPERATIONS.md, "API".

use axum::{Json, extract::State};
use baraza_api::{CentreView, EventView, HorizonView, ListCentres, LogState, OperatorView};
use baraza_identity::{EndKind, Ended, IdentityEvent, LogStanding, Role, SignedEvent};
use baraza_protocol::{
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
        let line = log.events().iter().map(|signed| event_view(signed, true));
        let views = line.chain(log.others().iter().map(|signed| event_view(signed, false)));
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
    let operators = state.operators().map(|(key, operator)| OperatorView {
        key: *key,
        capabilities: operator.capabilities.names().map(str::to_owned).collect(),
        label: operator.label.clone(),
        ended: operator.ended.as_ref().map(|ended| match ended.kind {
            EndKind::Retired => "retired".to_owned(),
            EndKind::Compromised => "compromised".to_owned(),
        }),
        horizons: horizons(operator.ended.as_ref()),
    });
    let standing = match log.standing() {
        LogStanding::Sound => LogState::Sound,
        LogStanding::Frozen => LogState::Frozen,
        LogStanding::Disputed => LogState::Disputed,
        LogStanding::Ended => LogState::Ended,
    };
    let role = match state.role {
        Role::Centre => "centre".to_owned(),
        Role::Nation(code) => format!("nation {}", String::from_utf8_lossy(&code)),
        Role::Network => "network".to_owned(),
    };
    Ok(CentreView {
        id: *id,
        name: state.name.clone(),
        role,
        accreditation: rules.map(|rules| rules.words(id, country.as_deref())).unwrap_or_default(),
        statements: Vec::new(),
        country,
        ours: *id == app.node.centre,
        records,
        identity_head: log.head().id(),
        identity: standing,
        root_keys: state.keys.root_keys.len(),
        root_threshold: state.keys.root_threshold.into(),
        next_keys: state.keys.next_digests.len(),
        next_threshold: state.keys.next_threshold.into(),
        operators: operators.collect(),
    })
}

fn horizons(ended: Option<&Ended>) -> Vec<HorizonView> {
    let horizons = ended.iter().flat_map(|ended| &ended.horizons);
    horizons
        .map(|(feed, (seq, record))| HorizonView { feed: *feed, seq: *seq, record: *record })
        .collect()
}

/// Says in words what an event does.
fn event_view(signed: &SignedEvent, counts: bool) -> EventView {
    let event = signed.event();
    let mut says = Vec::new();
    let keys = match event {
        IdentityEvent::Inception(inception) => {
            says.push(inception.name.clone());
            Some(inception.keys())
        }
        IdentityEvent::Rotate(rotate) => {
            says.push(format!("{} next keys used up", rotate.revealed.len()));
            Some(rotate.keys.clone())
        }
        IdentityEvent::Update(_) | IdentityEvent::Deactivate(_) => None,
    };
    if let Some(keys) = keys {
        says.push(format!("{} of {} root keys sign", keys.root_threshold, keys.root_keys.len()));
    }
    let mut some = |count: usize, what: &str| {
        if count != 0 {
            says.push(format!("{count} {what}"));
        }
    };
    some(event.operators().len(), "operator keys added");
    if let Some(changes) = event.changes() {
        some(changes.ended.len(), "operator keys ended");
        some(changes.branches.len(), "branches chosen");
        says.extend(changes.profile.as_ref().map(|profile| format!("now called {}", profile.name)));
    }
    EventView {
        seq: event.seq(),
        id: signed.id(),
        kind: event.kind().name().to_owned(),
        created_ms: event.created_ms().0,
        summary: says.join(", "),
        counts,
    }
}

pub(super) fn unknown(id: &CentreId) -> Failure {
    Failure::not_found(format!("the identity of centre {id} is not held"))
}
