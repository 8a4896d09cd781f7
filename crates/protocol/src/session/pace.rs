//! How much is asked for at once.
//!
//! On a fast line a batch is as large as an answer may be and four are under way; on a line of
//! 64 kbit/s a batch takes a few seconds, so that a cut costs little and a plan moves on.
//! Invariant: a batch is never larger than an answer, never so small that headers outweigh it.
//! Spec: docs/PROTOCOL.md, section 6.3.

use std::collections::BTreeMap;

use baraza_record::{FeedId, RECORD_BYTES_MAX, Timestamp};

use crate::wire::BATCH_BYTES;

use super::WINDOW;

/// Bytes of records that are asked for at first (32 KiB): 2 s on a line of 64 kbit/s.
pub const BATCH_START: u64 = 32 * 1_024;

/// Fewest bytes that are asked for at once (8 KiB).
pub const BATCH_MIN: u64 = 8 * 1_024;

/// Most bytes that are asked for at once: a little less than an answer holds, because a batch
/// that comes short leaves those behind it waiting.
const BATCH_MAX: u64 = BATCH_BYTES as u64 / 8 * 7;

/// An answer that comes faster (2 s) makes the next batch twice as large.
const QUICK_MS: u64 = 2_000;

/// An answer that comes slower (6 s) makes it half as large.
const SLOW_MS: u64 = 6_000;

/// Requests under way at first, and at least: while one comes, the next is on its way. With one
/// alone a line of 800 ms is idle for that long after each, and has no packets behind a lost one
/// that would tell of it.
const WINDOW_START: usize = 2;

/// Bytes that a record takes in a batch until some have come.
const MEAN_START: u64 = 2_500;

/// Fewest bytes that a record takes: what a peer says of less is not believed.
const MEAN_MIN: u64 = 64;

/// What a session has learnt about a line and about what comes over it.
#[derive(Debug)]
pub(super) struct Pace {
    bytes: u64,
    window: usize,
    answered_at: Timestamp,
    took_ms: u64,
    mean: u64,
    means: BTreeMap<FeedId, u64>,
}

impl Pace {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            bytes: BATCH_START,
            window: WINDOW_START,
            answered_at: now,
            took_ms: 0,
            mean: MEAN_START,
            means: BTreeMap::new(),
        }
    }

    /// Returns how many bytes of records to ask for.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns how many requests may be under way.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    /// Returns how long the last batch took, in milliseconds.
    pub(super) fn batch_ms(&self) -> u64 {
        self.took_ms
    }

    /// Returns about how many bytes a record of a feed takes.
    pub(super) fn mean(&self, feed: &FeedId) -> u64 {
        self.means.get(feed).copied().unwrap_or(self.mean)
    }

    /// Notes what a peer says: `records` of a feed take `bytes`.
    pub(super) fn hint(&mut self, feed: FeedId, records: u64, bytes: u64) {
        if let Some(mean) = bytes.checked_div(records).filter(|mean| *mean != 0) {
            self.means.insert(feed, mean.clamp(MEAN_MIN, RECORD_BYTES_MAX as u64));
        }
    }

    /// Notes what came of a feed.
    pub(super) fn saw(&mut self, feed: FeedId, records: u64, bytes: u64) {
        if let Some(mean) = bytes.checked_div(records) {
            self.mean = mean.max(MEAN_MIN);
            self.means.insert(feed, self.mean);
        }
    }

    /// Notes that a batch of `bytes` came at `now` that was asked for at `asked`.
    pub(super) fn answered(&mut self, asked: Timestamp, now: Timestamp, bytes: u64) {
        // Of several under way each takes its time from the end of the one before.
        let took = now.since(asked.max(self.answered_at));
        (self.answered_at, self.took_ms) = (now, took);
        if took < QUICK_MS {
            // One that was not full says nothing about a larger one.
            if self.bytes / 2 <= bytes {
                self.bytes = (self.bytes * 2).min(BATCH_MAX);
            }
            self.window = (self.window + 1).min(WINDOW);
        } else if SLOW_MS < took {
            self.slow_down();
        }
    }

    /// Asks for less: a request failed, or the peer has too much to do.
    pub(super) fn slow_down(&mut self) {
        self.bytes = (self.bytes / 2).max(BATCH_MIN);
        self.window = (self.window / 2).max(WINDOW_START);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_on_a_fast_line_and_shrink_on_a_slow_one() {
        let mut pace = Pace::new(Timestamp(0));
        (1..10).for_each(|n| pace.answered(Timestamp(n), Timestamp(n + 1), pace.bytes()));
        assert_eq!((pace.bytes(), pace.window()), (BATCH_MAX, WINDOW));
        for n in 1..20 {
            let at = Timestamp(10_000 * n);
            pace.answered(at, at.plus_ms(9_000), pace.bytes());
        }
        assert_eq!((pace.bytes(), pace.window()), (BATCH_MIN, WINDOW_START));
        pace.answered(Timestamp(300_000), Timestamp(303_000), BATCH_MIN);
        assert_eq!(pace.bytes(), BATCH_MIN, "in between nothing changes");
    }

    #[test]
    fn what_a_peer_says_of_sizes_is_believed_within_bounds_and_until_records_come() {
        let (mut pace, feed) = (Pace::new(Timestamp(0)), FeedId([1; 32]));
        assert_eq!(pace.mean(&feed), MEAN_START);
        pace.hint(feed, 10, u64::MAX);
        assert_eq!(pace.mean(&feed), RECORD_BYTES_MAX as u64);
        pace.hint(feed, 10, 10);
        assert_eq!(pace.mean(&feed), MEAN_MIN);
        pace.hint(feed, 0, 5);
        pace.saw(feed, 4, 8_000);
        assert_eq!((pace.mean(&feed), pace.mean(&FeedId([2; 32]))), (2_000, 2_000));
    }
}
