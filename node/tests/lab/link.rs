//! What happens to a packet on one direction of a line: rate, queue, delay, loss, cuts.
//!
//! Invariant: one seed and the same packets at the same times give the same fate; packets keep
//! their order. No IO and no clock here: the time is an argument.
//! Not here: who reads and writes packets (`carrier`), flows that a cut ends (`packet`).
//! Spec: docs/BENCHMARKS.md, "The link laboratory".

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// What a line is like, in one direction.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// Delay, in milliseconds.
    pub(crate) delay_ms: u64,
    /// Up to so much more delay, in milliseconds.
    pub(crate) jitter_ms: u64,
    /// Share of the packets that are lost, in percent.
    pub(crate) loss_percent: f64,
    /// Rate, in kbit/s of whole IP packets; 0: no limit.
    pub(crate) kbit_s: u64,
    /// What the modem keeps when packets come faster than the rate, in milliseconds of the line;
    /// what comes on top is dropped.
    pub(crate) queue_ms: u64,
}

impl Default for Line {
    fn default() -> Self {
        Self { delay_ms: 0, jitter_ms: 0, loss_percent: 0.0, kbit_s: 0, queue_ms: 1_000 }
    }
}

/// Bytes and packets that went one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Bytes that the sender put on the line.
    pub(crate) offered: u64,
    /// Bytes that the line lost, its queue refused or a cut took.
    pub(crate) dropped: u64,
    /// Bytes that came out at the other end.
    pub(crate) delivered: u64,
    /// Packets that the sender put on the line.
    pub(crate) packets: u64,
}

/// One direction of a line.
#[derive(Debug)]
pub(crate) struct Link {
    line: Line,
    random: StdRng,
    /// When the last accepted packet has left the modem, in microseconds.
    free_at: u64,
    /// When the last accepted packet arrives, in microseconds.
    last_arrival: u64,
    counted: Counted,
}

impl Link {
    pub(crate) fn new(line: Line, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self { line, random, free_at: 0, last_arrival: 0, counted: Counted::default() }
    }

    /// Takes a packet of `bytes` at `now`; returns when it arrives, both in microseconds, or
    /// `None` if it does not.
    pub(crate) fn offer(&mut self, now: u64, bytes: u64, down: bool) -> Option<u64> {
        self.counted.offered += bytes;
        self.counted.packets += 1;
        let arrival = if down { None } else { self.carry(now, bytes) };
        match arrival {
            Some(_) => self.counted.delivered += bytes,
            None => self.counted.dropped += bytes,
        }
        arrival
    }

    fn carry(&mut self, now: u64, bytes: u64) -> Option<u64> {
        let waiting = self.free_at.saturating_sub(now);
        if self.line.kbit_s != 0 && self.line.queue_ms * 1_000 < waiting {
            return None;
        }
        // kbit/s are bits per millisecond: the rest of the division is less than a microsecond.
        let sending = (bytes * 8 * 1_000).checked_div(self.line.kbit_s).unwrap_or(0);
        self.free_at = now.max(self.free_at) + sending;
        // A lost packet has used the line all the same.
        if self.random.random_bool(self.line.loss_percent / 100.0) {
            return None;
        }
        let jitter = self.random.random_range(0..=self.line.jitter_ms * 1_000);
        let arrival = self.free_at + self.line.delay_ms * 1_000 + jitter;
        self.last_arrival = self.last_arrival.max(arrival);
        Some(self.last_arrival)
    }

    /// Notes that a packet that was under way was lost after all.
    pub(crate) fn lose(&mut self, bytes: u64) {
        self.counted.delivered -= bytes;
        self.counted.dropped += bytes;
    }

    /// Returns what went over it so far.
    pub(crate) fn counted(&self) -> Counted {
        self.counted
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_line_takes_its_time_and_a_full_queue_drops() {
        use super::*;

        let line = Line { delay_ms: 400, kbit_s: 64, queue_ms: 500, ..Line::default() };
        let mut link = Link::new(line, 1);
        // 1,000 bytes take 125 ms at 64 kbit/s.
        let arrivals: Vec<_> = (0..8).map(|_| link.offer(0, 1_000, false)).collect();
        let taken = [525_000, 650_000, 775_000, 900_000, 1_025_000].map(Some);
        assert_eq!(arrivals[..5], taken);
        assert_eq!(arrivals[5..], [None; 3], "500 ms of the line are waiting");
        assert_eq!(link.offer(625_000, 1_000, false), Some(1_150_000), "the queue is empty again");
        let Counted { offered, dropped, delivered, packets } = link.counted();
        assert_eq!((offered, dropped, delivered, packets), (9_000, 3_000, 6_000, 9));
    }

    #[test]
    fn loss_is_what_was_asked_for_and_the_same_for_a_seed() {
        use super::*;

        let line = Line { loss_percent: 30.0, jitter_ms: 50, ..Line::default() };
        let fate = |seed| {
            let mut link = Link::new(line.clone(), seed);
            (0..10_000).map(|n| link.offer(n * 100, 100, false)).collect::<Vec<_>>()
        };
        let lost = fate(7).iter().filter(|one| one.is_none()).count();
        assert!((2_800..3_200).contains(&lost), "{lost} of 10,000");
        assert_eq!(fate(7), fate(7));
        assert_ne!(fate(7), fate(8));
        let arrived: Vec<_> = fate(7).into_iter().flatten().collect();
        assert!(arrived.is_sorted(), "jitter keeps the order");
    }

    #[test]
    fn nothing_passes_a_line_that_is_cut() {
        use super::*;

        let mut link = Link::new(Line::default(), 1);
        assert_eq!(link.offer(5, 100, true), None);
        assert_eq!(link.offer(6, 100, false), Some(6));
        assert_eq!(link.counted().dropped, 100);
    }
}
