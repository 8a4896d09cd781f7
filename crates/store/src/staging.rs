//! What the writer has put and not committed.
//!
//! Invariant: nothing here is on the disk or seen by a reader; `commit` turns all of it
//! into frames, one batch of the index and changes of the tables, in this order.
//! Spec: docs/STORAGE.md, section 4.

use std::collections::{BTreeMap, BTreeSet};

use baraza_protocol::store::{Counts, FeedHead, ShelfName};
use baraza_reconcile::Head;
use baraza_record::{FeedId, Timestamp};

use crate::{
    attachments,
    keys::Spot,
    segments::At,
    tables::{Feed, IdPlace, Tables},
};

/// What the writer has put and not committed.
#[derive(Debug, Default)]
pub(crate) struct Staging {
    /// Frames for the ledger.
    pub(crate) frames: Vec<u8>,
    /// Where the frames will stand: the end of the ledger.
    pub(crate) frames_at: At,
    /// The clock frame that is in force behind the frames.
    pub(crate) clock: Option<Timestamp>,
    /// Rows of the index; `None` removes one.
    pub(crate) rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// New ids.
    pub(crate) ids: BTreeSet<IdPlace>,
    /// New changes.
    pub(crate) changes: BTreeMap<u64, Spot>,
    /// Committed changes that new ones replace.
    pub(crate) dead: BTreeSet<u64>,
    /// New feeds and new states.
    pub(crate) feeds: BTreeMap<FeedId, Feed>,
    /// Ids of the new feeds, in the order of their numbers.
    pub(crate) new_feeds: Vec<FeedId>,
    /// New heads on the shelves, with the numbers of their moves.
    pub(crate) heads: Vec<(ShelfName, [u8; 32], Head, u64)>,
    /// Bytes of records that were put and not counted with their feeds yet.
    pub(crate) bytes: BTreeMap<FeedId, u64>,
    /// New heads of own feeds.
    pub(crate) own_heads: BTreeMap<FeedId, FeedHead>,
    /// Attachments.
    pub(crate) files: attachments::Staged,
    /// Totals with all of this.
    pub(crate) counts: Counts,
    /// Highest change number with all of this.
    pub(crate) last_change: u64,
    /// Highest number of a move with all of this.
    pub(crate) last_move: u64,
}

impl Staging {
    /// Starts empty, on what was committed.
    pub(crate) fn on(tables: &Tables, frames_at: At) -> Self {
        let Tables { counts, last_change, last_move, .. } = *tables;
        Self { frames_at, counts, last_change, last_move, ..Self::default() }
    }

    /// Returns whether there is nothing to commit.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
            && self.frames.is_empty()
            && self.own_heads.is_empty()
            && self.files.is_empty()
    }

    /// Returns whether the frame at `at` is not on the disk yet.
    pub(crate) fn holds(&self, at: At) -> bool {
        at.segment == self.frames_at.segment && self.frames_at.offset <= at.offset
    }

    /// Takes up the next change number for a record that had the number `before`.
    pub(crate) fn change(&mut self, before: Option<u64>, spot: Spot) -> u64 {
        if let Some(before) = before {
            // A change that was never committed is simply forgotten.
            if self.changes.remove(&before).is_none() {
                self.dead.insert(before);
            }
        }
        self.last_change += 1;
        self.changes.insert(self.last_change, spot);
        self.last_change
    }

    /// Takes up the next number of a move if the head of a shelf changes from `before` to `head`,
    /// or the one that it has.
    pub(crate) fn moved(&mut self, before: Option<(Head, u64)>, head: Head) -> u64 {
        match before {
            Some((before, moved)) if before == head => moved,
            _ => {
                self.last_move += 1;
                self.last_move
            }
        }
    }

    /// Moves everything into the tables; what is left is empty.
    pub(crate) fn publish(&mut self, tables: &mut Tables, frames_at: At) {
        let staged = std::mem::take(self);
        for id in &staged.new_feeds {
            let feed = staged.feeds.get(id).expect("a new feed is staged with its number");
            tables.feeds.set(*id, feed.clone());
        }
        staged.feeds.into_iter().for_each(|(id, feed)| tables.feeds.set(id, feed));
        tables.add_ids(staged.ids);
        tables.add_changes(staged.dead, staged.changes);
        for (feed, bytes) in staged.bytes {
            tables.feeds.rows.entry(feed).and_modify(|feed| feed.bytes += bytes);
        }
        for (name, id, head, moved) in staged.heads {
            tables.set_head(name, id, head, moved);
        }
        (tables.counts, tables.last_change) = (staged.counts, staged.last_change);
        *self = Self::on(tables, frames_at);
        // The buffer of the frames is used again.
        self.frames = staged.frames;
        self.frames.clear();
    }
}
