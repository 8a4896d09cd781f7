//! The node itself: how it is, its peers, its key.
//!
//! Spec: docs/OPERATIONS.md, "API".

use axum::{Json, extract::State};
use baraza_api::{
    AttachmentCounts, DialRequest, PeerView, PeersReply, StatusView, SyncReply, SyncRequest,
    UnlockRequest, Warning,
};
use baraza_identity::{Log, LogStanding};
use baraza_protocol::{
    command::{Command, PeerStatus, Reply as Answer, ServiceStatus},
    effective::Effective,
    net::Peer,
    policy::{Rules, Verdict},
    set_digest,
    store::{ShelfName, StoreError, StoreRead},
};
use serde_json::{Value, json};

use super::{Node, Reply, link::link_view, networks, trust::is_awaited};
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
    let peer = request.peer.map(|text| parse_peer(&app, &text)).transpose()?;
    match app.service.call(Command::Sync(peer)).await? {
        Answer::Syncing(peers) => {
            let peers = peers.iter().map(app.node.peer_id_text).collect();
            Ok(Json(SyncReply { peers }))
        }
        _ => Err(Failure::odd_reply()),
    }
}

pub(super) fn parse_peer(app: &App, text: &str) -> Result<Peer, Failure> {
    (app.node.parse_peer)(text).ok_or_else(|| {
        let short: String = text.chars().take(80).collect();
        Failure::bad_request(format!("`{short}` is no peer id"))
    })
}

pub(crate) async fn unlock(
    State(app): Node,
    JsonBody(request): JsonBody<UnlockRequest>,
) -> Reply<Value> {
    let open = move |app: &App| Ok((app.node.unlock)(&request.passphrase)?);
    app.read(open).await.map(|()| Json(json!({})))
}

pub(crate) async fn service_status(app: &App) -> Result<ServiceStatus, Failure> {
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
    let networks = networks::views(app, &status.networks)?;
    let mut warnings = warnings(&status, reader)?;
    warnings.extend(enrolment(&status, log));
    warnings.extend(app.notices());
    warnings.extend(rules_warnings(app)?);
    Ok(StatusView {
        version: app.node.version.clone(),
        centre: status.centre,
        centre_name: log.map(|log| log.state().name.clone()).unwrap_or_default(),
        peer_id: (app.node.peer_id_text)(&status.node),
        node_key: Some(status.node),
        operator_key: status.operator,
        daemon: app.node.daemon,
        listen: status.listen,
        records: counts.records,
        bodies_missing: counts.bodies_missing,
        bodies_left_out: status.bodies_left_out as u64,
        held: status.held,
        centres: counts.centres,
        feeds: counts.feeds,
        ledger_bytes: counts.ledger_bytes,
        attachments: AttachmentCounts {
            whole: status.files.whole,
            bytes: status.files.bytes,
            wanted: status.files.wanted,
            wanted_bytes: status.files.wanted_bytes,
        },
        peers_connected: status.peers_connected,
        peers_known: status.peers_known,
        sessions: status.sessions,
        set_digest: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        networks,
        agreed_ms: status.agreed_ms.map(|time| time.0),
        index_behind: reader.last_change().saturating_sub(covered),
        unlocked: status.unlocked,
        link: Some(link_view(&status.budget)),
        warnings,
    })
}

/// Returns what the service's own state asks an operator to do.
fn warnings(status: &ServiceStatus, reader: &dyn StoreRead) -> Result<Vec<Warning>, StoreError> {
    let warning = |message: String, hint: &str| Warning { message, hint: hint.to_owned() };
    let mut forks = Vec::new();
    for (feed, seq) in &status.forks {
        let ours = reader.feed(feed)?.is_some_and(|state| state.centre == status.centre);
        forks.push(match ours {
            true => warning(
                format!("our own feed forks at position {seq}: two records were signed there"),
                "stop every copy of the node that signs it, then: baraza centre resume",
            ),
            false => warning(
                format!(
                    "feed {} forks at position {seq}: its author signed two records there",
                    feed.short()
                ),
                "tell the centre; what follows is hidden until it repairs the feed",
            ),
        });
    }
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
    let no_room = status.files.no_room.then(|| {
        warning(
            "attachments are not fetched: the disk is too full".into(),
            "free some space; baraza unpin frees what is not needed",
        )
    });
    let forks = forks.into_iter().chain(no_room);
    Ok(read_only.chain(blocked).chain(forks).chain(deferred(status)).collect())
}

/// Says what a quota keeps out for now.
fn deferred(status: &ServiceStatus) -> Option<Warning> {
    let (centres, feeds) = (status.quotas.deferred_centres, status.quotas.deferred_feeds);
    (centres + feeds != 0).then(|| Warning {
        message: format!(
            "a quota defers {centres} new centres and {feeds} new feeds without accreditation"
        ),
        hint: "baraza policy show; trust a nation or a centre, or raise [quotas]".into(),
    })
}

/// Says what this node lacks before it can act for its centre.
fn enrolment(status: &ServiceStatus, log: Option<&Log>) -> Option<Warning> {
    let warning = |message: String, hint: &str| Some(Warning { message, hint: hint.to_owned() });
    let Some(log) = log else {
        let centre = status.centre.short();
        return warning(
            format!("the identity log of our centre {centre} has not come to this node yet"),
            "meet a node that has it: baraza sync ADDRESS; or: baraza bundle import FILE",
        );
    };
    let standing = match log.standing() {
        LogStanding::Ended => return warning("our centre is closed".into(), "baraza centre log"),
        LogStanding::Frozen => Some("frozen: two updates follow one event"),
        LogStanding::Disputed => Some("disputed: two rotations follow one event"),
        LogStanding::Sound => None,
    };
    if let Some(standing) = standing {
        let message = format!("our own identity log is {standing}");
        return warning(message, "who else has our root keys? then: baraza centre rotate");
    }
    for key in [Some(status.node), status.operator].into_iter().flatten() {
        match log.state().operator(&key) {
            None => {
                return warning(
                    format!("our centre has not added this node's key {} yet", key.short()),
                    "whoever has its root key runs: baraza operator add REQUEST",
                );
            }
            Some(operator) if operator.ended.is_some() => {
                return warning(
                    format!("our centre has ended this node's key {}", key.short()),
                    "nothing that it signs counts any more: baraza centre show",
                );
            }
            Some(_) => (),
        }
    }
    None
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
