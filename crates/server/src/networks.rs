//! Networks that the node belongs to, and from the words for an audience to whom it means.
//!
//! Invariant: a name that fits two networks picks none of them.
//! Not here: where memberships are kept (`node`), who gets what (`baraza_protocol::entitle`).
//! Spec: docs/OPERATIONS.md, "Networks".

use std::path::PathBuf;

use baraza_api::{AudienceView, ErrorBody, ErrorCode};
use baraza_protocol::{
    command::Recipients,
    entitle::{Entitlement, Membership},
};
use baraza_record::{Audience, NetworkId};

use crate::{failure::Failure, resolve, state::App};

/// A network that the node belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// What it takes to be a member.
    pub membership: Membership,
    /// Its name.
    pub name: String,
    /// Who invited us, if we did not make it: a name.
    pub invited_by: Option<String>,
    /// Where the inviter is reached.
    pub addresses: Vec<String>,
}

/// What a new network is made from.
pub struct NewNetwork {
    /// Its name.
    pub name: String,
    /// Whether anybody may join who knows its id.
    pub open: bool,
    /// Folder for the key that replaces its root key.
    pub recovery: Option<PathBuf>,
    /// Protects its keys.
    pub passphrase: Option<String>,
}

/// A network that was made.
pub struct MadeNetwork {
    /// The network.
    pub network: Network,
    /// The inception of its identity log, signed.
    pub inception: Vec<u8>,
    /// Folder with the key that replaces its root key.
    pub recovery: PathBuf,
}

/// Keeps the networks of a node on its disk. Calls block; one change is made at a time.
pub trait NetworkKeeper: Send + Sync {
    /// Returns the networks, in the order of their names.
    fn list(&self) -> Vec<Network>;

    /// Makes the keys of a new network and keeps it.
    ///
    /// # Errors
    ///
    /// `Invalid` for its name or if there are too many, `Home` if it cannot be written.
    fn create(&self, new: NewNetwork) -> Result<MadeNetwork, ErrorBody>;

    /// Keeps a network, in place of what is kept of it.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    fn add(&self, network: Network) -> Result<(), ErrorBody>;

    /// Keeps a network no longer.
    ///
    /// # Errors
    ///
    /// `Home` if that cannot be written.
    fn remove(&self, id: &NetworkId) -> Result<(), ErrorBody>;
}

/// Returns the network that `text` names: by its name, or by the first digits of its id.
pub(crate) fn find(app: &App, text: &str) -> Result<Network, Failure> {
    let text = text.trim();
    let known = app.node.networks.list();
    let named = |one: &&Network| one.name.to_lowercase() == text.to_lowercase();
    let digits = text.to_ascii_lowercase();
    let is_start = resolve::DIGITS_MIN <= digits.len();
    let begins = |one: &&Network| is_start && one.membership.id.to_string().starts_with(&digits);
    let by_name: Vec<_> = known.iter().filter(named).collect();
    let by_id: Vec<_> = known.iter().filter(begins).collect();
    match (by_name.as_slice(), by_id.as_slice()) {
        ([one], _) | ([], [one]) => Ok((*one).clone()),
        ([], []) => {
            let shown: String = text.chars().take(80).collect();
            let what = format!("this node belongs to no network called `{shown}`");
            Err(Failure::not_found(what).hint("baraza network list"))
        }
        _ => {
            let what = format!("several networks are called `{text}`");
            Err(Failure::new(ErrorCode::Ambiguous, what)
                .hint("name one by the first digits of its id: baraza network list"))
        }
    }
}

/// Reads an audience: `public`, `network:NAME` or `centres:ID,ID`.
pub(crate) fn recipients(app: &App, text: &str) -> Result<Recipients, Failure> {
    let text = text.trim();
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    match (kind.trim().to_ascii_lowercase().as_str(), rest.trim()) {
        ("public", "") => Ok(Recipients::Public),
        ("network", name) if !name.is_empty() => {
            Ok(Recipients::Network(find(app, name)?.membership.id))
        }
        ("centres" | "centre", ids) if !ids.is_empty() => {
            let ids = ids.split(',').map(str::trim).filter(|id| !id.is_empty());
            let centres = ids.map(|id| resolve::centre_or_id(&*app.reader, id));
            let mut centres = centres.collect::<Result<Vec<_>, _>>()?;
            centres.sort_unstable();
            centres.dedup();
            Ok(Recipients::Centres(centres))
        }
        _ => {
            let shown: String = text.chars().take(80).collect();
            let what =
                format!("`{shown}` is no audience: public, network:NAME or centres:ID,ID is");
            Err(Failure::bad_request(what))
        }
    }
}

/// Returns what the one is entitled to for whom a bundle is made: `network:NAME` or a centre.
pub(crate) fn entitlement(app: &App, whom: &str) -> Result<Entitlement, Failure> {
    match whom.trim().split_once(':') {
        Some(("network", name)) => Ok(Entitlement::member(find(app, name)?.membership.id)),
        Some(("centre", id)) => Ok(Entitlement::centre(resolve::centre(&*app.reader, id)?)),
        _ => Ok(Entitlement::centre(resolve::centre(&*app.reader, whom)?)),
    }
}

/// Returns for whom a record is, as the API states it.
pub(crate) fn view(audience: &Audience) -> AudienceView {
    match audience {
        Audience::Public => AudienceView::Public,
        Audience::Network(id, _) => AudienceView::Network { id: *id },
        Audience::Centres(centres, _) => AudienceView::Centres { centres: centres.clone() },
    }
}
