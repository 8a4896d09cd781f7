//! Networks: those of the node, new ones, invitations, entering and leaving.
//!
//! Invariant: the disk is written before the service is told, so that a node that starts again
//! belongs to what it said it does.
//! Spec: docs/OPERATIONS.md, "Networks".

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use axum::{Json, extract::State};
use baraza_api::{
    CreateNetwork, CreatedNetwork, ErrorCode, Invitation as Text, InvitationView, NetworkView,
    NetworksReply,
};
use baraza_protocol::{
    command::{Command, Recipients, Reply as Answer, SeenNetwork},
    effective::Effective,
    invitation::Invitation,
    store::{PAGE_MAX, ShelfName, StoreRead},
    wire::NETWORKS_MAX,
};
use baraza_record::{CentreId, NetworkId};
use serde_json::{Value, json};

use super::{Node, Reply, node::service_status};
use crate::{
    failure::Failure,
    input::{Id, JsonBody, Params},
    networks::{self, Network, NewNetwork},
    state::App,
};

type Seen = BTreeMap<NetworkId, SeenNetwork>;

pub(crate) async fn list(State(app): Node, params: Params) -> Reply<NetworksReply> {
    params.finish()?;
    let seen = service_status(&app).await?.networks;
    let networks = app.read(move |app| views(app, &seen)).await?;
    Ok(Json(NetworksReply { networks }))
}

pub(crate) async fn create(
    State(app): Node,
    JsonBody(request): JsonBody<CreateNetwork>,
) -> Reply<CreatedNetwork> {
    let CreateNetwork { name, open, recovery, passphrase } = request;
    let recovery = recovery.map(PathBuf::from);
    let new = NewNetwork { name, open, recovery, passphrase };
    let made = app.read(move |app| app.node.networks.create(new).map_err(Failure)).await?;
    if open {
        // Of a closed network nobody need hear but its members.
        app.service.call(Command::Identify(made.inception)).await?;
    }
    tell(&app).await?;
    let (id, recovery) = (made.network.membership.id, made.recovery.display().to_string());
    Ok(Json(CreatedNetwork { network: one(&app, id).await?, recovery }))
}

/// Returns the text of an invitation. It holds the secret of a closed network.
pub(crate) async fn invite(State(app): Node, Id(name): Id) -> Reply<Text> {
    let listen = service_status(&app).await?.listen;
    let read = app.read(move |app| {
        let network = networks::find(app, &name)?;
        let mut effective = Effective::new(&*app.reader);
        let log = effective.log(&app.node.centre)?;
        let ours = log.map(|log| log.state().name.clone()).unwrap_or_default();
        let is_local =
            |address: &String| address.starts_with("/ip4/127.") || address.starts_with("/ip6/::1");
        let (local, mut addresses): (Vec<_>, Vec<_>) = listen.into_iter().partition(is_local);
        if addresses.is_empty() {
            addresses = local;
        }
        let Network { membership, name, .. } = network;
        let invitation = Invitation::new(&membership, &name, app.node.centre, &ours, addresses);
        Ok(Text { text: invitation.to_text() })
    });
    read.await.map(Json)
}

/// Says what an invitation says. Nothing is kept.
pub(crate) async fn inspect(
    State(app): Node,
    JsonBody(request): JsonBody<Text>,
) -> Reply<InvitationView> {
    let invitation = read(&request)?;
    let membership = invitation.membership();
    let joined = app.node.networks.list().iter().any(|one| one.membership == membership);
    Ok(Json(InvitationView {
        id: invitation.network,
        open: invitation.secret.is_none(),
        fingerprint: CentreId(membership.fingerprint()),
        name: invitation.name,
        inviter: invitation.inviter,
        inviter_name: invitation.inviter_name,
        addresses: invitation.addresses,
        joined,
    }))
}

pub(crate) async fn join(
    State(app): Node,
    JsonBody(request): JsonBody<Text>,
) -> Reply<NetworkView> {
    let invitation = read(&request)?;
    let addresses = invitation.addresses.clone();
    let network = Network {
        membership: invitation.membership(),
        name: invitation.name,
        invited_by: Some(invitation.inviter_name),
        addresses: invitation.addresses,
    };
    app.read(move |app| app.node.networks.add(network).map_err(Failure)).await?;
    tell(&app).await?;
    for address in addresses {
        // Without a daemon it is dialled at the next start.
        let _ = app.service.call(Command::Dial(address)).await;
    }
    one(&app, invitation.network).await.map(Json)
}

/// Stops sharing with a network. What is held of it stays.
pub(crate) async fn leave(State(app): Node, Id(name): Id) -> Reply<Value> {
    let read = app.read(move |app| {
        let network = networks::find(app, &name)?;
        app.node.networks.remove(&network.membership.id).map_err(Failure)?;
        let shelf = app.reader.shelf(ShelfName::Network(network.membership.id));
        let records: u64 = shelf.page(None, usize::MAX).map(|(_, head)| head.seq).sum();
        Ok(json!({ "id": network.membership.id, "name": network.name, "records": records }))
    });
    let left = read.await?;
    tell(&app).await?;
    Ok(Json(left))
}

fn read(request: &Text) -> Result<Invitation, Failure> {
    Invitation::from_text(&request.text).map_err(|error| {
        Failure::new(ErrorCode::Invalid, error.to_string())
            .hint("ask for it again, best as a file or as the picture")
    })
}

/// Tells the service which networks there are now.
async fn tell(app: &App) -> Result<(), Failure> {
    let networks = app.node.networks.list();
    let memberships = networks.into_iter().map(|one| one.membership).collect();
    match app.service.call(Command::Networks(memberships)).await? {
        Answer::Joined => Ok(()),
        _ => Err(Failure::odd_reply()),
    }
}

async fn one(app: &Arc<App>, id: NetworkId) -> Result<NetworkView, Failure> {
    let seen = service_status(app).await?.networks;
    let views = app.read(move |app| views(app, &seen)).await?;
    views.into_iter().find(|view| view.id == id).ok_or_else(Failure::odd_reply)
}

/// Returns the networks of the node; `seen` is what the service saw of them.
pub(crate) fn views(app: &App, seen: &Seen) -> Result<Vec<NetworkView>, Failure> {
    let known = app.node.networks.list().into_iter().take(NETWORKS_MAX);
    known.map(|network| network_view(app, network, seen)).collect()
}

fn network_view(app: &App, network: Network, seen: &Seen) -> Result<NetworkView, Failure> {
    let reader: &dyn StoreRead = &*app.reader;
    let Network { membership, name, invited_by, .. } = network;
    let shelf = reader.shelf(ShelfName::Network(membership.id));
    let seen = seen.get(&membership.id).cloned().unwrap_or_default();
    let mut centres = seen.centres;
    let (mut records, mut after) = (0, None);
    loop {
        let page: Vec<_> = shelf.page(after.as_ref(), PAGE_MAX).collect();
        for (feed, head) in &page {
            records += head.seq;
            let state = reader.feed(&baraza_record::FeedId(**feed))?;
            centres.extend(state.map(|state| state.centre));
        }
        after = page.last().map(|(feed, _)| **feed);
        if page.len() < PAGE_MAX {
            break;
        }
    }
    centres.insert(app.node.centre);
    Ok(NetworkView {
        id: membership.id,
        name,
        open: membership.secret.is_none(),
        fingerprint: CentreId(membership.fingerprint()),
        invited_by,
        members: centres.len(),
        records,
        digest: shelf.root().iter().map(|byte| format!("{byte:02x}")).collect(),
        agreed_ms: seen.agreed_ms.map(|time| time.0),
    })
}

/// Returns whether a record for `audience` is for those whom `wanted` names: any of them if
/// it names none.
pub(crate) fn is_for(wanted: Option<&Recipients>, audience: &baraza_record::Audience) -> bool {
    wanted.is_none_or(|wanted| Recipients::of(audience) == *wanted)
}
