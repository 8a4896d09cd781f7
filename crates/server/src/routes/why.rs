//! Why: how this node stands to its peers, and what keeps it from what they have.
//!
//! Spec: docs/OPERATIONS.md, "Why".

use axum::{Json, extract::State};
use baraza_api::{CauseView, FeedLack, NodeWhy, PeerWhyView, UnderwayView, WhyReply};
use baraza_protocol::{
    command::{Command, Reply as Answer, ServiceStatus},
    effective::Effective,
    policy::{Rules, Verdict},
    session::Lacking,
    set_digest,
    store::{PAGE_MAX, ShelfName, StoreError, StoreRead},
    why::{Cause, PeerWhy, Underway},
};
use baraza_record::{CentreId, Timestamp};

use super::{
    Node, Reply,
    link::{hold_view, link_view},
    node::service_status,
};
use crate::{failure::Failure, input::Params, state::App};

/// Most records, the latest ones, that are looked at for kinds that this version cannot read.
pub const NEWER_SCAN_MAX: usize = 20_000;

pub(crate) async fn why(State(app): Node, mut params: Params) -> Reply<WhyReply> {
    let peer = params.take::<String>("peer")?;
    params.finish()?;
    let peer = peer.map(|text| super::node::parse_peer(&app, &text)).transpose()?;
    let Answer::Why(peers) = app.service.call(Command::Why(peer)).await? else {
        return Err(Failure::odd_reply());
    };
    let status = service_status(&app).await?;
    app.read(move |app| Ok(reply(app, status, peers)?)).await.map(Json)
}

fn reply(app: &App, status: ServiceStatus, peers: Vec<PeerWhy>) -> Result<WhyReply, StoreError> {
    let reader = &*app.reader;
    let [identities, public] =
        [ShelfName::Identities, ShelfName::Public].map(|name| reader.shelf(name).root());
    let digest = set_digest(identities, public);
    let rules = app.rules()?;
    let mut effective = Effective::under(reader, &rules);
    let peers = peers.into_iter().map(|peer| peer_view(app, &mut effective, peer));
    let peers = peers.collect::<Result<_, _>>()?;
    let missing = reader.counts().bodies_missing;
    Ok(WhyReply {
        set_digest: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        link: link_view(&status.budget),
        node: NodeWhy {
            newer_records: newer_records(reader)?,
            bodies_wanted: missing.saturating_sub(status.bodies_left_out as u64),
            held: status.held,
            declined_feeds: status.declined_feeds as u64,
            deferred_centres: status.quotas.deferred_centres as u64,
            deferred_feeds: status.quotas.deferred_feeds as u64,
        },
        dialling: status.dialling,
        dial_failures: status.dial_failures,
        peers,
    })
}

/// Counts records of kinds that this version cannot read, among the latest ones.
fn newer_records(reader: &dyn StoreRead) -> Result<u64, StoreError> {
    let (mut newer, mut before, mut looked) = (0, None, 0);
    while looked < NEWER_SCAN_MAX {
        let page = reader.newest(before, PAGE_MAX)?;
        for (_, place) in &page {
            let entry = reader.entry(place)?;
            newer += u64::from(entry.is_some_and(|entry| entry.kind.name().is_none()));
        }
        before = page.last().map(|(change, _)| *change);
        looked += page.len();
        if page.len() < PAGE_MAX {
            break;
        }
    }
    Ok(newer)
}

fn peer_view(
    app: &App,
    effective: &mut Effective<'_>,
    peer: PeerWhy,
) -> Result<PeerWhyView, StoreError> {
    let ms = |time: Option<Timestamp>| time.map(|time| time.0);
    let mut feeds = Vec::with_capacity(peer.lacking.len());
    for lacking in peer.lacking {
        feeds.push(feed_view(app, effective, lacking)?);
    }
    Ok(PeerWhyView {
        peer_id: (app.node.peer_id_text)(&peer.peer),
        centre: peer.centre,
        centre_name: name(effective, peer.centre)?,
        connected: peer.connected,
        asked: peer.asked,
        asked_ms: ms(peer.asked_ms),
        equal: peer.equal,
        agreed_ms: ms(peer.agreed_ms),
        underway: peer.underway.map(underway_view),
        records: peer.records,
        bytes: peer.bytes,
        shown_ms: ms(peer.shown_ms),
        feeds,
        causes: peer.causes.into_iter().map(cause_view).collect(),
        done_ms: ms(peer.done_ms),
    })
}

fn feed_view(
    app: &App,
    effective: &mut Effective<'_>,
    lacking: Lacking,
) -> Result<FeedLack, StoreError> {
    let Lacking { feed, records, bytes } = lacking;
    let centre = app.reader.feed(&feed)?.map(|state| state.centre);
    Ok(FeedLack { feed, centre, centre_name: name(effective, centre)?, records, bytes })
}

/// Returns the name of a centre. A blocked one may be a good neighbour; its words are not shown.
fn name(
    effective: &mut Effective<'_>,
    centre: Option<CentreId>,
) -> Result<Option<String>, StoreError> {
    let blocked = |rules: &Rules, centre| rules.judge(centre, None).0 == Verdict::Blocked;
    match &centre {
        Some(centre) if effective.rules().is_some_and(|rules| blocked(rules, centre)) => Ok(None),
        Some(centre) => Ok(effective.log(centre)?.map(|log| log.state().name.clone())),
        None => Ok(None),
    }
}

fn underway_view(underway: Underway) -> UnderwayView {
    let progress = underway.progress;
    UnderwayView {
        records_done: progress.records_done,
        records_left: progress.records_left,
        bytes_done: progress.bytes_done,
        bytes_left: progress.bytes_left,
        since_ms: underway.since.0,
        bytes_s: underway.bytes_s,
    }
}

fn cause_view(cause: Cause) -> CauseView {
    match cause {
        Cause::Held(hold) => CauseView::Held { held: hold_view(hold, None) },
        Cause::Later { until } => CauseView::Later { until_ms: until.0 },
        Cause::Away { since, reason, again_at } => CauseView::Away {
            since_ms: since.map(|time| time.0),
            reason,
            again_ms: again_at.map(|time| time.0),
        },
        Cause::Banned => CauseView::Banned,
        Cause::Failed { reason, again_at } => CauseView::Failed { reason, again_ms: again_at.0 },
        Cause::Stalled { since } => CauseView::Stalled { since_ms: since.0 },
        Cause::NothingToTake => CauseView::NothingToTake,
    }
}
