//! Finding out what a peer has: by what moved there, by its tries, or by pages of heads.
//!
//! Invariant: what moved is relied upon only for shelves that were followed to the cursor; once
//! a day, and whenever it does not explain a difference, the tries are gone through.
//! Spec: docs/PROTOCOL.md, section 6.3.

use baraza_reconcile::{DIGITS, Head};
use baraza_record::{CentreId, EventId, Timestamp};

use crate::{
    entitle::Shared,
    peers::Seen,
    standing,
    store::{ShelfName, Store, StoreError},
    wire::{Below, Cursor, HeadEntry, LogHead, News, PREFIXES_MAX, Request, Trie},
};

use super::{
    Asked, Session,
    take::{TakeError, violation},
};

/// Time between two walks through the tries of a peer that is followed (1 day).
pub(super) const WALK_EVERY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Heads on a shelf up to which pages of them are asked for: no more than a few steps down
/// a trie would cost.
const PAGED_MAX: u64 = 64;

/// A shelf of ours is walked by pages if it has less than this part of what the peer's has.
const PAGED_PART: u64 = 4;

/// A trie that is gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    Logs,
    Feeds(Shared),
}

impl Session {
    /// Plans how to find out what the peer has on its shelf of identity logs.
    pub(super) fn plan_logs<S: Store>(
        &mut self,
        news: News<LogHead>,
        store: &S,
        now: Timestamp,
    ) -> Result<(), TakeError> {
        if let Some(moved) = news.moved.filter(|_| self.relies_on_news(None, now)) {
            return Ok(self.wanted_logs(&moved, store)?);
        }
        let ours = store.shelf(ShelfName::Identities).len() as u64;
        match pages(ours, news.total) {
            true => self.tasks.log_heads = Some(None),
            false => self.tasks.branches_of.push_back((Tree::Logs, Vec::new())),
        }
        Ok(())
    }

    /// Plans how to find out what the peer has on a shelf of feeds.
    pub(super) fn plan_shelf<S: Store>(
        &mut self,
        shelf: Shared,
        news: News<HeadEntry>,
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), TakeError> {
        if let Some(moved) = news.moved.filter(|_| self.relies_on_news(Some(&shelf), now)) {
            return Ok(self.take_heads(shelf, &moved, store, now)?);
        }
        let ours = standing::shelf(store, &self.ours, &shelf)?.len() as u64;
        match pages(ours, news.total) {
            true => self.tasks.heads.push_back((shelf, None)),
            false => self.tasks.branches_of.push_back((Tree::Feeds(shelf), Vec::new())),
        }
        Ok(())
    }

    /// Returns whether a shelf, or with `None` that of identity logs, was followed.
    fn relies_on_news(&self, shelf: Option<&Shared>, now: Timestamp) -> bool {
        self.known.seen.as_ref().is_some_and(|seen| {
            now.since(seen.walked_ms) < WALK_EVERY_MS
                && shelf.is_none_or(|shelf| seen.shelves.contains(shelf))
        })
    }

    /// Returns how far the peer is followed if all that it names is taken.
    pub(super) fn following(&self, epoch: u64, cursor: Cursor, now: Timestamp) -> Seen {
        let relied = self.relies_on_news(None, now);
        let walked_ms = self.known.seen.as_ref().filter(|_| relied).map(|seen| seen.walked_ms);
        let walked_ms = walked_ms.unwrap_or(now);
        Seen { epoch, cursor, shelves: self.shared.clone(), walked_ms }
    }

    /// Returns the next step down a trie.
    pub(super) fn next_branches(&mut self) -> Option<(Asked, Request)> {
        let (tree, first) = self.tasks.branches_of.pop_front()?;
        let mut prefixes = vec![first];
        while prefixes.len() < PREFIXES_MAX
            && self.tasks.branches_of.front().is_some_and(|(of, _)| *of == tree)
        {
            prefixes.extend(self.tasks.branches_of.pop_front().map(|(_, next)| next));
        }
        let trie = match &tree {
            Tree::Logs => Trie::Logs,
            Tree::Feeds(shelf) => Trie::Feeds(self.scope(shelf)),
        };
        Some((Asked::Descend(tree, prefixes.clone()), Request::Descend(trie, prefixes)))
    }

    /// Goes further down where hashes differ, and takes the heads at the ends.
    pub(super) fn descended<S: Store>(
        &mut self,
        tree: Tree,
        asked: &[Vec<u8>],
        found: Vec<Below>,
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), TakeError> {
        if found.len() != asked.len() {
            return violation("a trie is not answered for each branch");
        }
        let ours = match &tree {
            Tree::Logs => store.shelf(ShelfName::Identities),
            Tree::Feeds(shelf) => standing::shelf(store, &self.ours, shelf)?,
        };
        for (prefix, below) in asked.iter().zip(found) {
            match below {
                Below::Branches(branches) => {
                    self.count_heads(branches.len())?;
                    let further = |(deeper, _): &(Vec<u8>, [u8; 32])| {
                        deeper.len() <= DIGITS
                            && prefix.len() < deeper.len()
                            && deeper.starts_with(prefix)
                    };
                    if !branches.iter().all(further) || !branches.is_sorted_by(|a, b| a.0 < b.0) {
                        return violation("a trie does not go down");
                    }
                    let differing = branches
                        .into_iter()
                        .filter(|(prefix, hash)| ours.hash_below(prefix) != Some(*hash));
                    self.tasks.branches_of.extend(differing.map(|(prefix, _)| (tree, prefix)));
                }
                Below::Heads(heads) => {
                    self.count_heads(heads.len())?;
                    match &tree {
                        Tree::Logs => {
                            let heads: Vec<_> = heads.iter().map(log_head).collect();
                            self.wanted_logs(&heads, store)?;
                        }
                        Tree::Feeds(shelf) => self.take_heads(*shelf, &heads, store, now)?,
                    }
                }
            }
        }
        Ok(())
    }

    /// Plans to ask for the logs that may have events that ours lack.
    pub(super) fn wanted_logs<S: Store>(
        &mut self,
        heads: &[LogHead],
        store: &S,
    ) -> Result<(), StoreError> {
        let shelf = store.shelf(ShelfName::Identities);
        for head in heads {
            let theirs = Head { seq: head.events, id: head.id.0, forked: head.forked };
            let ours = shelf.get(&head.centre.0);
            if ours != Some(&theirs) && (ours.is_none() || super::take::lacks(store, head)?) {
                self.plan_log(*head, ours.is_some());
            }
        }
        Ok(())
    }
}

/// Returns whether a shelf is walked by pages rather than down its trie.
fn pages(ours: u64, theirs: u64) -> bool {
    theirs <= PAGED_MAX || ours < theirs / PAGED_PART
}

fn log_head(head: &HeadEntry) -> LogHead {
    let HeadEntry { feed, seq: events, id, forked, .. } = *head;
    LogHead { centre: CentreId(feed.0), events, id: EventId(id.0), forked }
}
