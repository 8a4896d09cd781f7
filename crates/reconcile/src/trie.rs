//! A Merkle trie over the heads of feeds.
//!
//! Sixteen ways at each digit of a key, levels at which nothing parts left out. Nodes are shared
//! between copies, so that a copy costs nothing and a change costs one path.
//! Invariant: the shape, and with it every hash, follows from the set of entries alone; the hash
//! of a node is dropped by every change below it.
//! Not here: which shelf an entry stands on (`baraza-protocol`).
//! Spec: docs/PROTOCOL.md, section 6.1.

use std::sync::{Arc, LazyLock, OnceLock};

use crate::{Head, Id};

/// Digits of a key.
pub const DIGITS: usize = 64;

static LEAF: LazyLock<blake3::Hasher> =
    LazyLock::new(|| blake3::Hasher::new_derive_key("baraza 1 shelf leaf"));

static BRANCH: LazyLock<blake3::Hasher> =
    LazyLock::new(|| blake3::Hasher::new_derive_key("baraza 1 shelf branch"));

/// A head with its key and the number of its last change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Key.
    pub key: Id,
    /// Head.
    pub head: Head,
    /// Number of the change that set it; not part of any hash.
    pub moved: u64,
}

/// Entries below one prefix.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Leaf { entry: Entry, hash: OnceLock<Id> },
    Branch(Branch),
}

/// Where keys part: all share the first `depth` digits of `key`.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    depth: usize,
    key: Id,
    /// Ascending by digit, at least two.
    children: Vec<(u8, Arc<Node>)>,
    count: usize,
    newest: u64,
    hash: OnceLock<Id>,
}

impl Node {
    pub(crate) fn leaf(entry: Entry) -> Arc<Self> {
        Arc::new(Self::Leaf { entry, hash: OnceLock::new() })
    }

    /// Any key below it.
    fn key(&self) -> &Id {
        match self {
            Self::Leaf { entry, .. } => &entry.key,
            Self::Branch(branch) => &branch.key,
        }
    }

    /// Number of digits that all keys below share.
    fn depth(&self) -> usize {
        match self {
            Self::Leaf { .. } => DIGITS,
            Self::Branch(branch) => branch.depth,
        }
    }

    /// Returns the number of entries.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Leaf { .. } => 1,
            Self::Branch(branch) => branch.count,
        }
    }

    /// Returns the number of the latest change below.
    pub(crate) fn newest(&self) -> u64 {
        match self {
            Self::Leaf { entry, .. } => entry.moved,
            Self::Branch(branch) => branch.newest,
        }
    }

    /// Returns a digest of all entries below.
    pub(crate) fn hash(&self) -> Id {
        match self {
            Self::Leaf { entry, hash } => *hash.get_or_init(|| {
                let mut hasher = LEAF.clone();
                hasher.update(&entry.key).update(&entry.head.seq.to_be_bytes());
                hasher.update(&entry.head.id).update(&[u8::from(entry.head.forked)]);
                *hasher.finalize().as_bytes()
            }),
            Self::Branch(branch) => *branch.hash.get_or_init(|| {
                let mut hasher = BRANCH.clone();
                for (digit, child) in &branch.children {
                    hasher.update(&[*digit]).update(&child.hash());
                }
                *hasher.finalize().as_bytes()
            }),
        }
    }

    /// Returns its children, each with the digits by which it is found.
    pub(crate) fn children(&self) -> Vec<(Vec<u8>, &Arc<Self>)> {
        let Self::Branch(branch) = self else { return Vec::new() };
        let shared: Vec<_> = (0..branch.depth).map(|place| digit(&branch.key, place)).collect();
        let prefix = |last: u8| shared.iter().copied().chain([last]).collect();
        branch.children.iter().map(|(digit, child)| (prefix(*digit), child)).collect()
    }

    pub(crate) fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Leaf { entry, .. } => Some(entry),
            Self::Branch(_) => None,
        }
    }

    /// Returns the node that has all keys with these digits, if there are any.
    pub(crate) fn below(self: &Arc<Self>, prefix: &[u8]) -> Option<&Arc<Self>> {
        let mut node = self;
        loop {
            let shared = node.depth().min(prefix.len());
            if (0..shared).any(|place| digit(node.key(), place) != prefix[place]) {
                return None;
            }
            match &**node {
                Self::Branch(branch) if branch.depth < prefix.len() => {
                    node = branch.child(prefix[branch.depth])?;
                }
                Self::Leaf { .. } | Self::Branch(_) => return Some(node),
            }
        }
    }

    /// Puts an entry below, and returns the one that it replaces.
    pub(crate) fn put(self: &mut Arc<Self>, entry: Entry) -> Option<Entry> {
        let apart = parting(self.key(), &entry.key);
        if apart < self.depth() {
            let old = Arc::clone(self);
            let mut children =
                vec![(digit(old.key(), apart), old), (digit(&entry.key, apart), Self::leaf(entry))];
            children.sort_by_key(|(digit, _)| *digit);
            *self = Arc::new(Self::Branch(Branch::of(apart, children)));
            return None;
        }
        match Arc::make_mut(self) {
            Self::Leaf { entry: old, hash } => {
                *hash = OnceLock::new();
                Some(std::mem::replace(old, entry))
            }
            Self::Branch(branch) => {
                let digit = digit(&entry.key, branch.depth);
                let old = match branch.children.binary_search_by_key(&digit, |(digit, _)| *digit) {
                    Ok(place) => branch.children[place].1.put(entry),
                    Err(place) => {
                        branch.children.insert(place, (digit, Self::leaf(entry)));
                        None
                    }
                };
                branch.settle();
                old
            }
        }
    }

    /// Takes the entry of `key` out of a node; `None` is left of one that had no other.
    pub(crate) fn take(node: &mut Option<Arc<Self>>, key: &Id) -> Option<Entry> {
        let holder = node.as_mut().filter(|node| node.depth() <= parting(node.key(), key))?;
        if let Some(entry) = holder.entry().copied() {
            *node = None;
            return Some(entry);
        }
        let Self::Branch(branch) = Arc::make_mut(holder) else { return None };
        let digit = digit(key, branch.depth);
        let place = branch.children.binary_search_by_key(&digit, |(digit, _)| *digit).ok()?;
        let (_, child) = branch.children.remove(place);
        let mut child = Some(child);
        let taken = Self::take(&mut child, key);
        if let Some(child) = child {
            branch.children.insert(place, (digit, child));
        }
        let taken = taken?;
        let only = match branch.children.as_slice() {
            [(_, last)] => Some(Arc::clone(last)),
            _ => None,
        };
        match only {
            Some(last) => *holder = last,
            None => branch.settle(),
        }
        Some(taken)
    }
}

impl Branch {
    fn of(depth: usize, children: Vec<(u8, Arc<Node>)>) -> Self {
        let key = *children[0].1.key();
        let mut branch = Self { depth, key, children, count: 0, newest: 0, hash: OnceLock::new() };
        branch.settle();
        branch
    }

    fn child(&self, digit: u8) -> Option<&Arc<Node>> {
        let place = self.children.binary_search_by_key(&digit, |(digit, _)| *digit).ok()?;
        Some(&self.children[place].1)
    }

    /// Makes what follows from the children anew.
    fn settle(&mut self) {
        self.count = self.children.iter().map(|(_, child)| child.count()).sum();
        self.newest = self.children.iter().map(|(_, child)| child.newest()).max().unwrap_or(0);
        self.hash = OnceLock::new();
    }
}

/// Walks entries in ascending order of key.
#[derive(Debug, Default)]
pub(crate) struct Walk<'a> {
    /// Nodes still to be walked, the next one last.
    rest: Vec<&'a Node>,
    /// Only what changed after this change.
    since: Option<u64>,
}

impl<'a> Walk<'a> {
    /// Starts behind `after`, or at the first entry.
    pub(crate) fn new(root: Option<&'a Arc<Node>>, after: Option<&Id>) -> Self {
        let mut walk = Self { rest: root.map(|root| &**root).into_iter().collect(), since: None };
        let Some(after) = after else { return walk };
        while let Some(node) = walk.rest.pop() {
            let apart = parting(node.key(), after);
            if apart < node.depth() {
                // All of it lies on one side.
                if digit(after, apart) < digit(node.key(), apart) {
                    walk.rest.push(node);
                }
                return walk;
            }
            let Node::Branch(branch) = node else { return walk };
            let at = digit(after, branch.depth);
            let later = branch.children.iter().rev().take_while(|(digit, _)| at <= *digit);
            walk.rest.extend(later.map(|(_, child)| &**child));
            if branch.child(at).is_none() {
                return walk;
            }
        }
        walk
    }

    /// Walks only what changed after change `since`, and looks at little else.
    pub(crate) fn since(root: Option<&'a Arc<Node>>, since: u64) -> Self {
        Self { since: Some(since), ..Self::new(root, None) }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = &'a Entry;

    fn next(&mut self) -> Option<&'a Entry> {
        loop {
            let node = self.rest.pop()?;
            if self.since.is_some_and(|since| node.newest() <= since) {
                continue;
            }
            match node {
                Node::Leaf { entry, .. } => return Some(entry),
                Node::Branch(branch) => {
                    self.rest.extend(branch.children.iter().rev().map(|(_, child)| &**child));
                }
            }
        }
    }
}

/// Returns the digit of a key at a place.
fn digit(key: &Id, place: usize) -> u8 {
    let byte = key[place / 2];
    if place.is_multiple_of(2) { byte >> 4 } else { byte & 0x0f }
}

/// Returns the first place at which two keys differ, [`DIGITS`] if they are one.
fn parting(a: &Id, b: &Id) -> usize {
    let Some(byte) = a.iter().zip(b).position(|(a, b)| a != b) else { return DIGITS };
    2 * byte + usize::from(a[byte] >> 4 == b[byte] >> 4)
}
