//! The shelves on which all stands that somebody is entitled to, read as one.
//!
//! Invariant: in the order of their ids, each feed once.
//! Spec: docs/PROTOCOL.md, section 6.1.

use std::sync::Arc;

use baraza_reconcile::Shelf;
use baraza_record::{FeedId, exchange::Head};

use crate::{
    entitle::Entitlement,
    store::{ShelfName, StoreError, StoreRead},
};

/// Shelves as they were at one moment.
pub(super) struct Shelves {
    logs: Arc<Shelf>,
    feeds: Vec<Arc<Shelf>>,
}

impl Shelves {
    pub(super) fn of(reader: &dyn StoreRead, entitled: &Entitlement) -> Result<Self, StoreError> {
        let shelf = |name| {
            let all = reader.shelf(name);
            if name != ShelfName::Named {
                return Ok(all);
            }
            // A centre is named by few: the shelf of all that is for named centres is short.
            let mut covered = Shelf::default();
            for (feed, head) in all.page(None, usize::MAX) {
                if reader.feed(&FeedId(*feed))?.is_some_and(|state| entitled.covers_feed(&state)) {
                    covered.set(*feed, *head, 0);
                }
            }
            Ok(Arc::new(covered))
        };
        let feeds = entitled.shelves().into_iter().map(shelf).collect::<Result<_, StoreError>>()?;
        Ok(Self { logs: reader.shelf(ShelfName::Identities), feeds })
    }

    /// Returns the first log that follows `after`.
    pub(super) fn next_log(&self, after: Option<&[u8; 32]>) -> Option<([u8; 32], Head)> {
        first(&self.logs, after)
    }

    /// Returns the first feed that follows `after`.
    pub(super) fn next_feed(&self, after: Option<&[u8; 32]>) -> Option<([u8; 32], Head)> {
        self.feeds.iter().filter_map(|shelf| first(shelf, after)).min_by_key(|(key, _)| *key)
    }

    /// Returns the head of a log.
    pub(super) fn log(&self, key: &[u8; 32]) -> Option<Head> {
        self.logs.get(key).map(|found| head(*key, found))
    }

    /// Returns the head of a feed.
    pub(super) fn get(&self, key: &[u8; 32]) -> Option<Head> {
        self.feeds.iter().find_map(|shelf| shelf.get(key)).map(|found| head(*key, found))
    }
}

fn first(shelf: &Shelf, after: Option<&[u8; 32]>) -> Option<([u8; 32], Head)> {
    shelf.page(after, 1).next().map(|(key, found)| (*key, head(*key, found)))
}

fn head(key: [u8; 32], found: &baraza_reconcile::Head) -> Head {
    Head { key, seq: found.seq, id: found.id, forked: found.forked }
}
