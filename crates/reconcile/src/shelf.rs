//! A shelf and its root.
//!
//! Invariant: the cached root is dropped by every change.
//! Spec: docs/PROTOCOL.md, section 6.1.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{LazyLock, OnceLock},
};

/// A 32-byte id: of a feed or of a record.
pub type Id = [u8; 32];

static ROOT: LazyLock<blake3::Hasher> =
    LazyLock::new(|| blake3::Hasher::new_derive_key("baraza 1 shelf"));

/// How far a feed is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Position of the last admitted record; 0 if there is none.
    pub seq: u64,
    /// Id of that record; of an empty feed, the feed id.
    pub id: Id,
    /// Whether the feed is known to fork right after it.
    pub forked: bool,
}

/// Feeds with their heads, in the order of their ids.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    heads: BTreeMap<Id, Head>,
    root: OnceLock<Id>,
}

impl Shelf {
    /// Puts `feed` at `head`. A feed at 0 that does not fork is not on the shelf.
    pub fn set(&mut self, feed: Id, head: Head) {
        let changed = match head.seq == 0 && !head.forked {
            true => self.heads.remove(&feed).is_some(),
            false => self.heads.insert(feed, head) != Some(head),
        };
        if changed {
            self.root = OnceLock::new();
        }
    }

    /// Returns the head of `feed`.
    pub fn get(&self, feed: &Id) -> Option<&Head> {
        self.heads.get(feed)
    }

    /// Returns the number of feeds.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Returns up to `count` feeds that follow `after`, in order.
    pub fn page(&self, after: Option<&Id>, count: usize) -> impl Iterator<Item = (&Id, &Head)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.heads.range::<Id, _>((from, Bound::Unbounded)).take(count)
    }

    /// Returns a collision-resistant digest of the whole shelf.
    ///
    /// Computed at the first call after a change: one hash over 73 bytes a feed.
    pub fn root(&self) -> Id {
        *self.root.get_or_init(|| {
            let mut hasher = ROOT.clone();
            for (feed, head) in &self.heads {
                hasher.update(feed);
                hasher.update(&head.seq.to_be_bytes());
                hasher.update(&head.id);
                hasher.update(&[u8::from(head.forked)]);
            }
            *hasher.finalize().as_bytes()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(seq: u64) -> Head {
        Head { seq, id: [seq as u8; 32], forked: false }
    }

    #[test]
    fn the_root_depends_on_content_not_on_order() {
        let (mut a, mut b) = (Shelf::default(), Shelf::default());
        for n in 1..=20 {
            a.set([n; 32], head(n.into()));
            b.set([21 - n; 32], head((21 - n).into()));
        }
        assert_eq!(a.root(), b.root());
        a.set([3; 32], Head { forked: true, ..head(3) });
        assert_ne!(a.root(), b.root());
        a.set([3; 32], head(3));
        assert_eq!(a.root(), b.root());
    }

    #[test]
    fn an_empty_feed_is_not_on_the_shelf() {
        let mut shelf = Shelf::default();
        let empty = shelf.root();
        shelf.set([1; 32], head(0));
        assert!(shelf.is_empty());
        shelf.set([1; 32], head(4));
        shelf.set([1; 32], head(0));
        assert_eq!(shelf.root(), empty);
    }

    #[test]
    fn pages_cover_the_shelf() {
        let mut shelf = Shelf::default();
        (0..10).for_each(|n| shelf.set([n; 32], head(u64::from(n) + 1)));
        let first: Vec<_> = shelf.page(None, 4).map(|(id, _)| *id).collect();
        let rest = shelf.page(first.last(), 100).count();
        assert_eq!((first.len(), rest), (4, 6));
    }
}
