//! A shelf and its root.
//!
//! Invariant: two shelves have one root if, and only if, they are equal.
//! Spec: docs/PROTOCOL.md, section 6.1.

use std::sync::{Arc, LazyLock};

use crate::trie::{DIGITS, Entry, Node, Walk};

/// A 32-byte id: of a feed or of a record.
pub type Id = [u8; 32];

/// Most entries below a prefix that a descent lists as such; more are shown as hashes.
///
/// An entry takes some 70 bytes, a hash with its prefix 36: up to here listing them is cheaper
/// than another round trip for each of the branches. Source: docs/PROTOCOL.md, section 6.4.
pub const LISTED_MAX: usize = 16;

static EMPTY: LazyLock<Id> = LazyLock::new(|| {
    *blake3::Hasher::new_derive_key("baraza 1 shelf branch").finalize().as_bytes()
});

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

/// Feeds with their heads, in the order of their ids. A copy shares what it was made from.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    root: Option<Arc<Node>>,
}

/// What stands below a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Below {
    /// All of it, in ascending order.
    Entries(Vec<Entry>),
    /// The digits of each branch and the hash of what stands below it, in ascending order.
    Branches(Vec<(Vec<u8>, Id)>),
}

impl Shelf {
    /// Puts `feed` at `head`, by change number `moved`. A feed at 0 that does not fork is not on
    /// the shelf.
    pub fn set(&mut self, feed: Id, head: Head, moved: u64) {
        if head.seq == 0 && !head.forked {
            Node::take(&mut self.root, &feed);
            return;
        }
        if self.get(&feed) == Some(&head) {
            return;
        }
        let entry = Entry { key: feed, head, moved };
        match &mut self.root {
            Some(root) => drop(root.put(entry)),
            None => self.root = Some(Node::leaf(entry)),
        }
    }

    /// Returns the head of `feed`.
    pub fn get(&self, feed: &Id) -> Option<&Head> {
        self.entry(feed).map(|entry| &entry.head)
    }

    /// Returns the head of `feed` with its change.
    pub fn entry(&self, feed: &Id) -> Option<&Entry> {
        let digits: [u8; DIGITS] =
            std::array::from_fn(|place| feed[place / 2] >> (4 * (1 - place % 2)) & 0x0f);
        self.root.as_ref()?.below(&digits)?.entry()
    }

    /// Returns the number of feeds.
    pub fn len(&self) -> usize {
        self.root.as_ref().map_or(0, |root| root.count())
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// Returns up to `count` feeds that follow `after`, in order.
    pub fn page(&self, after: Option<&Id>, count: usize) -> impl Iterator<Item = (&Id, &Head)> {
        self.entries_after(after).take(count).map(|entry| (&entry.key, &entry.head))
    }

    /// Returns every entry, in order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries_after(None)
    }

    /// Returns the entries whose key follows `after`, in order.
    pub fn entries_after(&self, after: Option<&Id>) -> impl Iterator<Item = &Entry> {
        Walk::new(self.root.as_ref(), after)
    }

    /// Returns the entries that changed after change `after`, in order of their keys. Costs no
    /// more than they are, times the depth.
    pub fn changed(&self, after: u64) -> impl Iterator<Item = &Entry> {
        Walk::since(self.root.as_ref(), after)
    }

    /// Returns a collision-resistant digest of the whole shelf; after a change, that costs the
    /// hashes on one path.
    pub fn root(&self) -> Id {
        self.root.as_ref().map_or(*EMPTY, |root| root.hash())
    }

    /// Returns a digest of the entries whose key starts with these hexadecimal digits (values
    /// 0 to 15); none if there are none.
    pub fn hash_below(&self, prefix: &[u8]) -> Option<Id> {
        self.root.as_ref()?.below(prefix).map(|node| node.hash())
    }

    /// Returns what stands below a prefix: its entries if they are at most [`LISTED_MAX`].
    pub fn below(&self, prefix: &[u8]) -> Below {
        match self.root.as_ref().and_then(|root| root.below(prefix)) {
            Some(node) if LISTED_MAX < node.count() => {
                let branches = node.children().into_iter();
                Below::Branches(branches.map(|(prefix, child)| (prefix, child.hash())).collect())
            }
            Some(node) => Below::Entries(Walk::new(Some(node), None).copied().collect()),
            None => Below::Entries(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn head(seq: u64) -> Head {
        Head { seq, id: [seq as u8; 32], forked: false }
    }

    /// A key whose first digits are drawn from few values, so that paths are long.
    fn key(n: u64) -> Id {
        let mut id = *blake3::hash(&n.to_le_bytes()).as_bytes();
        id[..3].iter_mut().for_each(|byte| *byte &= 0x11);
        id
    }

    fn draw(state: &mut u64) -> u64 {
        *state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    }

    #[test]
    fn it_behaves_like_a_map_and_its_root_depends_on_content_alone() {
        for seed in 0..20 {
            let (mut shelf, mut map, mut state) = (Shelf::default(), BTreeMap::new(), seed);
            for moved in 1..=400 {
                let (id, seq) = (key(draw(&mut state) % 60), draw(&mut state) % 4);
                match seq {
                    0 => drop(map.remove(&id)),
                    _ => drop(map.insert(id, head(seq))),
                }
                shelf.set(id, head(seq), moved);
                assert_eq!(shelf.len(), map.len(), "seed {seed}");
                let root = shelf.root();
                if moved % 40 == 0 {
                    let all: Vec<_> =
                        shelf.page(None, 1_000).map(|(id, head)| (*id, *head)).collect();
                    assert_eq!(all, map.clone().into_iter().collect::<Vec<_>>(), "seed {seed}");
                    let mut other = Shelf::default();
                    map.iter().rev().for_each(|(id, head)| other.set(*id, *head, 1));
                    assert_eq!(root, other.root(), "seed {seed}");
                }
            }
        }
    }

    #[test]
    fn the_root_tells_every_part_of_a_head() {
        let mut shelf = Shelf::default();
        let empty = shelf.root();
        (1..=20).for_each(|n| shelf.set(key(n), head(n), n));
        let root = shelf.root();
        for other in [
            Head { forked: true, ..head(3) },
            Head { seq: 4, ..head(3) },
            Head { id: [9; 32], ..head(3) },
            head(0),
        ] {
            let mut changed = shelf.clone();
            changed.set(key(3), other, 21);
            assert_ne!(changed.root(), root, "{other:?}");
            changed.set(key(3), head(3), 22);
            assert_eq!(changed.root(), root);
        }
        (1..=20).for_each(|n| shelf.set(key(n), head(0), 30));
        assert!(shelf.is_empty() && shelf.root() == empty);
    }

    #[test]
    fn pages_begin_behind_any_key() {
        let mut shelf = Shelf::default();
        (0..200).for_each(|n| shelf.set(key(n), head(n + 1), n));
        let all: Vec<_> = shelf.entries().map(|entry| entry.key).collect();
        assert!(all.is_sorted() && all.len() == 200);
        for n in 0..400 {
            let after = key(n);
            let rest: Vec<_> = shelf.page(Some(&after), 1_000).map(|(id, _)| *id).collect();
            assert_eq!(rest, all[all.partition_point(|id| *id <= after)..], "{n}");
        }
    }

    #[test]
    fn what_changed_is_found_without_the_rest() {
        let mut shelf = Shelf::default();
        (1..=300).for_each(|n| shelf.set(key(n), head(1), n));
        let before = shelf.clone();
        for (n, moved) in [(7, 301), (150, 302), (7, 303), (20, 304)] {
            shelf.set(key(n), head(moved), moved);
        }
        shelf.set(key(9), head(1), 305);
        let mut changed: Vec<_> = shelf.changed(300).map(|entry| entry.moved).collect();
        changed.sort_unstable();
        assert_eq!(changed, [302, 303, 304], "what was set to what it was has not changed");
        assert_eq!(before.changed(300).count(), 0);
        assert_eq!(shelf.changed(0).count(), 300);
    }

    #[test]
    fn a_descent_finds_every_difference() {
        for differing in [1, 10, 100] {
            let mut ours = Shelf::default();
            (0..1_000).for_each(|n| ours.set(key(n), head(1), n));
            let mut theirs = ours.clone();
            (0..differing).for_each(|n| theirs.set(key(n * 13), head(2), 1_000 + n));
            (0..differing).for_each(|n| theirs.set(key(5_000 + n), head(2), 2_000 + n));
            let (mut asked, mut found) = (vec![Vec::new()], 0);
            while let Some(prefix) = asked.pop() {
                match theirs.below(&prefix) {
                    Below::Entries(entries) => {
                        assert!(entries.len() <= LISTED_MAX);
                        let news = |entry: &&Entry| ours.get(&entry.key) != Some(&entry.head);
                        found += entries.iter().filter(news).count();
                    }
                    Below::Branches(branches) => {
                        let differs =
                            |(prefix, hash): &(Vec<u8>, Id)| ours.hash_below(prefix) != Some(*hash);
                        asked
                            .extend(branches.into_iter().filter(differs).map(|(prefix, _)| prefix));
                    }
                }
            }
            assert_eq!(found as u64, 2 * differing);
        }
    }
}
