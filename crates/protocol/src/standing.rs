//! How two nodes stand to each other: which shelves they share, and whether those are equal.
//!
//! Invariant: the same definition on both sides; a shelf is shared only if both have proved
//! that they may.
//! Spec: docs/PROTOCOL.md, sections 6.1 and 6.2.

use std::sync::Arc;

pub use baraza_reconcile::Shelf;
use baraza_record::FeedId;

use crate::{
    entitle::{Entitlement, Ours, Shared, is_node},
    net::Peer,
    store::{PAGE_MAX, ShelfName, StoreError, StoreRead},
    wire::{Hello, NETWORKS_MAX},
};

/// Returns the shelf that we share with a peer.
///
/// # Errors
///
/// [`StoreError`].
pub fn shelf(
    reader: &(impl StoreRead + ?Sized),
    ours: &Ours,
    shared: &Shared,
) -> Result<Arc<Shelf>, StoreError> {
    let theirs = match shared {
        Shared::Public => return Ok(reader.shelf(ShelfName::Public)),
        Shared::Network(id) => return Ok(reader.shelf(ShelfName::Network(*id))),
        Shared::Centres(theirs) => theirs,
    };
    // A centre is named by few: the shelf of all that is for named centres is short.
    let all = reader.shelf(ShelfName::Named);
    let mut both = Shelf::default();
    for (feed, head) in all.page(None, usize::MAX) {
        let state = reader.feed(&FeedId(*feed))?;
        let shared = Shared::Centres(*theirs);
        if state.is_some_and(|state| shared.holds_feed(&ours.centre, &state)) {
            both.set(*feed, *head);
        }
    }
    Ok(Arc::new(both))
}

/// Returns the heads of all feeds that whoever is `entitled` may have.
///
/// # Errors
///
/// [`StoreError`].
pub fn shelf_for(
    reader: &(impl StoreRead + ?Sized),
    entitled: &Entitlement,
) -> Result<Arc<Shelf>, StoreError> {
    let public = reader.shelf(ShelfName::Public);
    if *entitled == Entitlement::public() {
        return Ok(public);
    }
    let (mut all, mut after) = (Shelf::clone(&public), None);
    loop {
        let page = reader.feeds(after, PAGE_MAX)?;
        for feed in &page {
            let state = reader.feed(feed)?.filter(|state| entitled.covers_feed(state));
            if let Some(state) = state {
                all.set(feed.0, state.head());
            }
        }
        after = page.last().copied();
        if page.len() < PAGE_MAX {
            return Ok(Arc::new(all));
        }
    }
}

/// Returns what we say of ourselves to `to`, whose networks are not known yet. `claimed` is
/// the centre that it is said to belong to.
///
/// # Errors
///
/// [`StoreError`].
pub fn hello(
    reader: &(impl StoreRead + ?Sized),
    ours: &Ours,
    to: &Peer,
    claimed: Option<&baraza_record::CentreId>,
) -> Result<Hello, StoreError> {
    let networks = ours.networks.iter().take(NETWORKS_MAX).map(|one| {
        let root = reader.shelf(ShelfName::Network(one.id)).root();
        (one.tag(&ours.node, to), one.seal(root, &ours.node, to))
    });
    let centres = match claimed {
        Some(centre) if is_node(reader, centre, to)? => {
            Some(shelf(reader, ours, &Shared::Centres(*centre))?.root())
        }
        _ => None,
    };
    Ok(Hello {
        centre: ours.centre,
        identities: reader.shelf(ShelfName::Identities).root(),
        public: reader.shelf(ShelfName::Public).root(),
        networks: networks.collect(),
        centres,
    })
}

/// Returns what we answer to the hello of `from`: of our networks only those that it proved.
///
/// # Errors
///
/// [`StoreError`].
pub fn answering_hello(
    reader: &(impl StoreRead + ?Sized),
    ours: &Ours,
    from: &Peer,
    theirs: &Hello,
) -> Result<Hello, StoreError> {
    let proved = theirs.networks.iter().filter_map(|(tag, _)| ours.network_of(tag, from));
    let networks = proved.cloned().collect();
    hello(reader, &Ours { networks, ..*ours }, from, Some(&theirs.centre))
}

/// Two roots of one shelf, ours first.
type Roots = [[u8; 32]; 2];

/// How two nodes stand to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    identities: Roots,
    shelves: Vec<(Shared, Roots)>,
}

impl Standing {
    /// Compares what is held here with what a peer said in its last hello to us.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn of(
        reader: &(impl StoreRead + ?Sized),
        ours: &Ours,
        peer: &Peer,
        theirs: &Hello,
    ) -> Result<Self, StoreError> {
        let public = reader.shelf(ShelfName::Public).root();
        let mut shelves = vec![(Shared::Public, [public, theirs.public])];
        for (tag, root) in &theirs.networks {
            let Some(one) = ours.network_of(tag, peer) else { continue };
            let own = reader.shelf(ShelfName::Network(one.id)).root();
            let own = one.seal(own, peer, &ours.node);
            shelves.push((Shared::Network(one.id), [own, *root]));
        }
        if let Some(root) = theirs.centres
            && is_node(reader, &theirs.centre, peer)?
        {
            let shared = Shared::Centres(theirs.centre);
            shelves.push((shared, [shelf(reader, ours, &shared)?.root(), root]));
        }
        shelves.sort_by_key(|(shared, _)| *shared);
        shelves.dedup_by_key(|(shared, _)| *shared);
        let identities = [reader.shelf(ShelfName::Identities).root(), theirs.identities];
        Ok(Self { identities, shelves })
    }

    /// Returns whether both hold the same identity logs.
    pub fn same_identities(&self) -> bool {
        self.identities[0] == self.identities[1]
    }

    /// Returns whether both hold the same of all that they share.
    pub fn agrees(&self) -> bool {
        self.same_identities() && self.differing().next().is_none()
    }

    /// Returns the shelves that both have.
    pub fn shared(&self) -> impl Iterator<Item = Shared> {
        self.shelves.iter().map(|(shared, _)| *shared)
    }

    /// Returns the shelves on which they differ.
    pub fn differing(&self) -> impl Iterator<Item = Shared> {
        self.shelves.iter().filter(|(_, roots)| roots[0] != roots[1]).map(|(shared, _)| *shared)
    }

    /// Returns whether all that differs differed in just this way before.
    pub fn is_no_news_after(&self, before: &Self) -> bool {
        if self.agrees() {
            return self == before;
        }
        let same = |one: &(Shared, Roots)| before.shelves.contains(one) || one.1[0] == one.1[1];
        (self.same_identities() || self.identities == before.identities)
            && self.shelves.iter().all(same)
    }
}
