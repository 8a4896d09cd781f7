//! The node itself: how it is, its peers, its key.
//!
//! Spec: docs/OPERATIONS.md, "API".

use axum::{Json, extract::State};
use baraza_api::{
    DialRequest, PeerView, PeersReply, StatusView, SyncReply, SyncRequest, UnlockRequest, Warning,
};
use baraza_protocol::{
    command::{Command, PeerStatus, Reply as Answer, ServiceStatus},
    effective::Effective,
    policy::{Rules, Verdict},
    set_digest,
    store::{ShelfName, StoreError},
};
use serde_json::{Value, json};

use super::{Node, Reply, trust::is_awaited};
use crate::{
    failure::Failure,
    input::{JsonBody, Params},
    state::App,
};

/// What helps a key whose feed has lost its end.
const BLOCKED_HINT: &str =
    "get the records back: `baraza sync`, or `baraza bundle import`; then it signs again by itself";

pub(crate) async fn status(State(app): Node, params: Params) -> Reply<StatusView> {
    params.finish()?;
    let status = service_status(&app).await?;
    app.read(move |app| status_view(app, status)).await.map(Json)
}

pub(crate) async fn peers(State(app): Node, params: Params) -> Reply<PeersReply> {
    params.finish()?;
    let Answer::Peers(peers) = app.service.call(Command::Peers).await? else {
        return Err(Failure::odd_reply());
    };
    let dial_failures = service_status(&app).await?.dial_failures;
    let read = app.read(move |app| {
        let rules = app.rules()?;
        let mut effective = Effective::under(&*app.reader, &rules);
        let views = peers.into_iter().map(|peer| peer_view(app, &mut effective, peer));
        Ok(PeersReply { peers: views.collect::<Result<_, _>>()?, dial_failures })
    });
    read.await.map(Json)
}

/// Starts a dial. The reply says only that it is under way.
pub(crate) async fn dial(
    State(app): Node,
    JsonBody(request): JsonBody<DialRequest>,
) -> Reply<Value> {
    match app.service.call(Command::Dial(request.address)).await? {
        Answer::Dialling => Ok(Json(json!({}))),
        _ => Err(Failure::odd_reply()),
    }
}

pub(crate) async fn sync(
    State(app): Node,
    JsonBody(request): JsonBody<SyncRequest>,
) -> Reply<SyncReply> {
    let parse = |text: String| {
        (app.node.parse_peer)(&text).ok_or_else(|| {
            let short: String = text.chars().take(80).collect();
            Failure::bad_request(format!("`{short}` is no peer id"))
        })
    };
    let peer = request.peer.map(parse).transpose()?;
    match app.service.call(Command::Sync(peer)).await? {
        Answer::Syncing(peers) => {
            let peers = peers.iter().map(app.node.peer_id_text).collect();
            Ok(Json(SyncReply { peers }))
        }
        _ => Err(Failure::odd_reply()),
    }
}

pub(crate) async fn unlock(
    State(app): Node,
    JsonBody(request): JsonBody<UnlockRequest>,
) -> Reply<Value> {
    let open = move |app: &App| Ok((app.node.unlock)(&request.passphrase)?);
    app.read(open).await.map(|()| Json(json!({})))
}

async fn service_status(app: &App) -> Result<ServiceStatus, Failure> {
    match app.service.call(Command::Status).await? {
        Answer::Status(status) => Ok(*status),
        _ => Err(Failure::odd_reply()),
    }
}

fn status_view(app: &App, status: ServiceStatus) -> Result<StatusView, Failure> {
    let reader = &*app.reader;
    let counts = reader.counts();
    let position = app.index.position()?;
    let covered = if position.epoch == reader.epoch() { position.change } else { 0 };
    let mut effective = Effective::new(reader);
    let log = effective.log(&status.centre)?;
    let [identities, public] =
        [ShelfName::Identities, ShelfName::Public].map(|name| reader.shelf(name).root());
    let digest = set_digest(identities, public);
    let mut warnings = warnings(&status);
    warnings.extend(app.notices());
    warnings.extend(rules_warnings(app)?);
    Ok(StatusView {
        version: app.node.version.clone(),
        centre: status.centre,
        centre_name: log.map(|log| log.state().name.clone()).unwrap_or_default(),
        peer_id: (app.node.peer_id_text)(&status.node),
        daemon: app.node.daemon,
        listen: status.listen,
        records: counts.records,
        bodies_missing: counts.bodies_missing,
        held: status.held,
        centres: counts.centres,
        feeds: counts.feeds,
        ledger_bytes: counts.ledger_bytes,
        peers_connected: status.peers_connected,
        peers_known: status.peers_known,
        sessions: status.sessions,
        set_digest: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        agreed_ms: status.agreed_ms.map(|time| time.0),
        index_behind: reader.last_change().saturating_sub(covered),
        unlocked: status.unlocked,
        warnings,
    })
}

/// Returns what the service's own state asks an operator to do.
fn warnings(status: &ServiceStatus) -> Vec<Warning> {
    let warning = |message: String, hint: &str| Warning { message, hint: hint.to_owned() };
    let own_feed = status.own_feed.map(|(feed, _)| feed);
    let forks = status.forks.iter().map(|(feed, seq)| match Some(*feed) == own_feed {
        true => warning(
            format!("our own feed forks at position {seq}: two records were signed there"),
            "does another node use a copy of this key? then `baraza repair`",
        ),
        false => warning(
            format!(
                "feed {} forks at position {seq}: its author signed two records there",
                feed.short()
            ),
            "tell the centre; what follows is hidden until it repairs the feed",
        ),
    });
    let read_only = status.read_only.iter().map(|why| {
        warning(
            format!("the store is read-only: {why}"),
            "free the disk or repair it, then restart",
        )
    });
    let blocked = status
        .key_blocked
        .iter()
        .map(|why| warning(format!("the operator key may not sign: {why}"), BLOCKED_HINT));
    read_only.chain(blocked).chain(forks).collect()
}

/// Returns what policy and trust ask an operator to do.
fn rules_warnings(app: &App) -> Result<Vec<Warning>, StoreError> {
    let (mut warnings, rules) = (app.node.rules.loaded().errors, app.rules()?);
    let stale = rules.policy.stale_mark_days;
    for nation in rules.accreditations.nations() {
        let country = &nation.pin.country;
        let awaited = is_awaited(&rules, &nation.pin, nation.voice, nation.news.is_some());
        let silent = nation.silence(stale, rules.now).filter(|_| !awaited);
        warnings.extend(silent.map(|message| Warning {
            message,
            hint: format!("ask the nation, or: baraza trust rm {country}"),
        }));
    }
    Ok(warnings)
}

fn peer_view(
    app: &App,
    effective: &mut Effective<'_>,
    peer: PeerStatus,
) -> Result<PeerView, StoreError> {
    // A blocked centre may be a good neighbour; its words are not shown.
    let blocked = |rules: &Rules, centre| rules.judge(centre, None).0 == Verdict::Blocked;
    let name = match &peer.centre {
        Some(centre) if effective.rules().is_some_and(|rules| blocked(rules, centre)) => None,
        Some(centre) => effective.log(centre)?.map(|log| log.state().name.clone()),
        None => None,
    };
    Ok(PeerView {
        peer_id: (app.node.peer_id_text)(&peer.peer),
        centre: peer.centre,
        centre_name: name,
        connected: peer.connected,
        addresses: peer.addresses,
        agreed_ms: peer.agreed_ms.map(|time| time.0),
        equal: peer.equal,
        last_failure: peer.last_failure,
    })
}
