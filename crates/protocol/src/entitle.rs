//! Who may have what: the one rule for answers, gossip, wanted bodies and bundles.
//!
//! Invariant: nothing of a record that is not for everybody, not even that it exists, goes to
//! anybody who has not proved that it is for him. What was proved counts for one request.
//! Not here: what is asked and answered (`answer`, `session`), where secrets are kept (`node`).
//! Spec: docs/PROTOCOL.md, sections 3.2 and 6.1.

use std::fmt;

use baraza_record::{Audience, CentreId, NetworkId};
use bincode::{Decode, Encode};

use crate::{
    ingest,
    net::Peer,
    store::{FeedState, ShelfName, StoreError, StoreRead},
    wire::{NETWORKS_MAX, Scope},
};

/// Begins what is hashed into the tag of a closed network.
const TAG: &[u8] = b"baraza 1 network member";

/// Begins what is hashed into the sealed root of a closed network.
const ROOT: &[u8] = b"baraza 1 network root";

/// What members of a closed network know and nobody else.
pub type NetworkSecret = [u8; 32];

/// What one node shows another of a network that it belongs to: the id of an open one; of a
/// closed one a hash that only members can make and that is good between these two nodes
/// in this direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct NetworkTag(pub [u8; 32]);

/// A network that this node belongs to.
#[derive(Clone, PartialEq, Eq)]
pub struct Membership {
    /// Which.
    pub id: NetworkId,
    /// The secret of a closed network; an open one has none.
    pub secret: Option<NetworkSecret>,
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.secret.is_some() { "closed" } else { "open" };
        write!(f, "Membership({}, {kind})", self.id.short())
    }
}

impl Membership {
    /// Returns what `from` shows `to` of the network.
    pub fn tag(&self, from: &Peer, to: &Peer) -> NetworkTag {
        NetworkTag(self.keyed(TAG, from, to, &[]).unwrap_or(self.id.0))
    }

    /// Returns what `from` says to `to` in place of the root of the network's shelf: two
    /// members that stand beside an outsider must not show him the same.
    pub fn seal(&self, root: [u8; 32], from: &Peer, to: &Peer) -> [u8; 32] {
        self.keyed(ROOT, from, to, &root).unwrap_or(root)
    }

    fn keyed(&self, what: &[u8], from: &Peer, to: &Peer, more: &[u8]) -> Option<[u8; 32]> {
        let mut hasher = blake3::Hasher::new_keyed(self.secret.as_ref()?);
        hasher.update(what).update(&self.id.0).update(&from.0).update(&to.0).update(more);
        Some(*hasher.finalize().as_bytes())
    }
}

/// What somebody is entitled to beside what is public.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entitlement {
    centre: Option<CentreId>,
    networks: Vec<NetworkId>,
}

impl Entitlement {
    /// Returns that of anybody.
    pub fn public() -> Self {
        Self::default()
    }

    /// Returns that of a centre.
    pub fn centre(centre: CentreId) -> Self {
        Self { centre: Some(centre), networks: Vec::new() }
    }

    /// Returns that of a member of a network.
    pub fn member(network: NetworkId) -> Self {
        Self { centre: None, networks: vec![network] }
    }

    /// Returns whether it covers what `author` wrote for `audience`: the rule.
    pub fn covers(&self, author: &CentreId, audience: &Audience) -> bool {
        match audience {
            Audience::Public => true,
            Audience::Network(id, _) => self.networks.contains(id),
            Audience::Centres(named, _) => {
                self.centre.is_some_and(|centre| centre == *author || named.contains(&centre))
            }
        }
    }

    /// Returns the names of the shelves on which all stands that it covers; on the last one,
    /// that of named centres, stands more.
    pub(crate) fn shelves(&self) -> Vec<ShelfName> {
        let networks = self.networks.iter().map(|id| ShelfName::Network(*id));
        let named = self.centre.map(|_| ShelfName::Named);
        std::iter::once(ShelfName::Public).chain(networks).chain(named).collect()
    }

    /// Returns whether it covers a feed.
    pub fn covers_feed(&self, state: &FeedState) -> bool {
        self.covers(&state.centre, &state.audience)
    }
}

/// A node and what it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ours {
    /// Its centre.
    pub centre: CentreId,
    /// Its node key.
    pub node: Peer,
    /// Its networks, at most [`NETWORKS_MAX`].
    pub networks: Vec<Membership>,
}

impl Ours {
    /// Returns what this node itself is entitled to: what it keeps.
    pub fn entitlement(&self) -> Entitlement {
        let networks = self.networks.iter().map(|one| one.id).collect();
        Entitlement { centre: Some(self.centre), networks }
    }

    /// Returns our membership of the network whose tag `from` shows us.
    pub fn network_of(&self, tag: &NetworkTag, from: &Peer) -> Option<&Membership> {
        self.networks.iter().take(NETWORKS_MAX).find(|one| one.tag(from, &self.node) == *tag)
    }

    /// Returns which of our shelves a peer names in a request, if it proves that it may.
    pub fn shelf_for(
        &self,
        reader: &(impl StoreRead + ?Sized),
        asker: &Peer,
        scope: &Scope,
    ) -> Result<Option<Shared>, StoreError> {
        Ok(match scope {
            Scope::Public => Some(Shared::Public),
            Scope::Network(tag) => self.network_of(tag, asker).map(|one| Shared::Network(one.id)),
            Scope::Centres(claimed) => {
                is_node(reader, claimed, asker)?.then_some(Shared::Centres(*claimed))
            }
        })
    }

    /// Returns how we name a shelf that we share with `to` in a request to it; none for a
    /// network that we have left.
    pub fn scope(&self, shared: &Shared, to: &Peer) -> Option<Scope> {
        Some(match shared {
            Shared::Public => Scope::Public,
            Shared::Centres(_) => Scope::Centres(self.centre),
            Shared::Network(id) => {
                let ours = self.networks.iter().find(|one| one.id == *id)?;
                Scope::Network(ours.tag(&self.node, to))
            }
        })
    }
}

/// A shelf that two nodes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Shared {
    /// What is for everybody.
    Public,
    /// What is for the members of a network.
    Network(NetworkId),
    /// What is for named centres, among them ours and this one, the peer's.
    Centres(CentreId),
}

impl Shared {
    /// Returns what the peer proves by it.
    pub fn entitlement(&self) -> Entitlement {
        match self {
            Self::Public => Entitlement::public(),
            Self::Network(id) => Entitlement::member(*id),
            Self::Centres(centre) => Entitlement::centre(*centre),
        }
    }

    /// Returns whether what `author` wrote for `audience` stands on it; `ours` is our centre.
    pub fn holds(&self, ours: &CentreId, author: &CentreId, audience: &Audience) -> bool {
        let kind = matches!(
            (self, audience),
            (Self::Public, Audience::Public)
                | (Self::Network(_), Audience::Network(..))
                | (Self::Centres(_), Audience::Centres(..))
        );
        let both = match self {
            Self::Centres(_) => Entitlement::centre(*ours).covers(author, audience),
            Self::Public | Self::Network(_) => true,
        };
        kind && both && self.entitlement().covers(author, audience)
    }

    /// Returns whether a feed stands on it.
    pub fn holds_feed(&self, ours: &CentreId, state: &FeedState) -> bool {
        self.holds(ours, &state.centre, &state.audience)
    }
}

/// Returns whether the log of `centre` that is held says that `key` is one of its nodes.
pub fn is_node(
    reader: &(impl StoreRead + ?Sized),
    centre: &CentreId,
    key: &Peer,
) -> Result<bool, StoreError> {
    Ok(ingest::log_of(reader, centre)?.is_some_and(|log| log.is_node(key)))
}
