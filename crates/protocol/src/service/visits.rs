//! Visits: finding those with whom we share more than what is public.
//!
//! What is public reaches everybody by way of anybody. What is for a network or for named
//! centres goes only from one that is entitled to the next, so those must be connected.
//! Invariant: one visit at a time and each peer seldom; a visit that finds nothing in common
//! ends with the session.
//! Spec: docs/PROTOCOL.md, section 7.3.

use std::collections::{BTreeMap, BTreeSet};

use baraza_record::{CentreId, FeedId, NetworkId, Timestamp};

use crate::{
    entitle::Shared,
    net::{NetEffect, Peer},
    store::{ShelfName, Store, StoreError},
};

use super::Service;

/// Members of each of our networks with whom we want to be connected.
pub const MEMBERS_TARGET: usize = 2;

/// Time between two visits (10 s).
pub const VISIT_EVERY_MS: u64 = 10_000;

/// Times that a peer at rest is compared with before the same one may be visited again (10 min).
const VISIT_AGAIN_COMPARISONS: u64 = 10;

/// Visits of a node.
#[derive(Debug, Default)]
pub(super) struct Visits {
    next: Timestamp,
    last: BTreeMap<Peer, Timestamp>,
}

/// With whom we want to be connected and are not.
struct Lacking {
    networks: bool,
    centres: BTreeSet<CentreId>,
}

impl<S: Store> Service<S> {
    /// Visits a known peer if we lack the company of members or of centres that we write for.
    pub(super) fn visit_due(&mut self) -> Result<(), StoreError> {
        if self.now < self.visits.next {
            return Ok(());
        }
        self.visits.next = self.now.plus_ms(VISIT_EVERY_MS);
        let lacking = self.lacking()?;
        if !lacking.networks && lacking.centres.is_empty() {
            return Ok(());
        }
        let Self { links, visits, now, .. } = self;
        let again = self.spending.terms().compare_every_ms.saturating_mul(VISIT_AGAIN_COMPARISONS);
        visits.last.retain(|_, last| now.since(*last) < again);
        let known = links.book.iter().filter(|(peer, entry)| {
            !links.up.contains_key(peer)
                && !entry.addresses.is_empty()
                && !visits.last.contains_key(peer)
                && !links.banned(peer, *now)
        });
        let useful = known.filter(|(_, entry)| match &entry.centre {
            Some(centre) => lacking.networks || lacking.centres.contains(centre),
            None => true,
        });
        // Whom we write for goes first, then whoever was not seen for longest.
        let next = useful.min_by_key(|(peer, entry)| {
            let named = entry.centre.is_some_and(|centre| lacking.centres.contains(&centre));
            (!named, entry.connected_ms, **peer)
        });
        if let Some((peer, entry)) = next {
            let (peer, addresses) = (*peer, entry.addresses.clone());
            self.visits.last.insert(peer, self.now);
            self.net(NetEffect::Dial { peer: Some(peer), addresses });
        }
        Ok(())
    }

    /// Ends a visit that found nothing in common.
    pub(super) fn end_visit(&mut self, peer: Peer) {
        let idle = self.links.up.get(&peer).is_some_and(|link| {
            link.outbound && link.shared.iter().all(|shelf| *shelf == Shared::Public)
        });
        let visit = self
            .visits
            .last
            .get(&peer)
            .is_some_and(|last| self.now.since(*last) < VISIT_EVERY_MS.saturating_mul(6));
        if visit && idle && self.spending.terms().connections < self.links.up.len() {
            self.net(NetEffect::Disconnect { peer });
        }
    }

    /// Returns whether we want to be connected with somebody and are not.
    pub(super) fn lacks_company(&self) -> Result<bool, StoreError> {
        let lacking = self.lacking()?;
        let few = self.links.up.len() < self.spending.terms().connections;
        Ok(few || lacking.networks || !lacking.centres.is_empty())
    }

    fn lacking(&self) -> Result<Lacking, StoreError> {
        let shared = || self.links.up.values().flat_map(|link| &link.shared);
        let few = |id: NetworkId| {
            shared().filter(|shelf| **shelf == Shared::Network(id)).count() < MEMBERS_TARGET
        };
        let networks = self.ours.networks.iter().any(|one| few(one.id));
        let mut centres = BTreeSet::new();
        for (feed, _) in self.store.shelf(ShelfName::Named).page(None, usize::MAX) {
            let Some(state) = self.store.feed(&FeedId(*feed))? else { continue };
            if let baraza_record::Audience::Centres(named, _) = state.audience
                && state.centre == self.config.centre
            {
                centres.extend(named);
            }
        }
        centres.remove(&self.config.centre);
        centres.retain(|centre| shared().all(|shelf| *shelf != Shared::Centres(*centre)));
        Ok(Lacking { networks, centres })
    }
}
