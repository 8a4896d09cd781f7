//! How much may go over the wire, with all peers together.
//!
//! A bucket for each way, kept as the time at which it is level: what is taken moves that
//! time on, and whoever finds it in the future waits until then. A wait is a reservation, so
//! those who wait proceed in their order, and none starves.
//! Invariant: over any time `t` at most rate x (t + [`BURST`]) goes, besides what small
//! messages overdraw and the waits that follow make good.
//! Not here: streams (`paced`), budgets (`baraza-protocol`).
//! Spec: docs/PROTOCOL.md, section 7.8.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::meter::TCP;

/// What may go at once after a time of silence, as time at the full rate.
pub(crate) const BURST: Duration = Duration::from_millis(500);

/// Longest wait that a change of the rate leaves.
const CARRIED_MAX: Duration = Duration::from_secs(1);

/// Pieces in which a stream takes its turns: an eighth of a second at the full rate, but not
/// fewer bytes than fill a packet to a third, and not more than a frame has.
const TURN_BYTES: (u64, u64) = (512, 16 * 1_024);

/// The limits of a node, each way.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    /// Bytes a second; 0: no limit.
    rate: AtomicU64,
    pub(crate) reading: Bucket,
    pub(crate) writing: Bucket,
}

/// One way.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    level_at: Mutex<Option<Instant>>,
}

impl Limiter {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Sets the rate, in thousand bits a second; `None`: no limit.
    pub(crate) fn set(&self, kbit_s: Option<u32>) {
        let bytes = kbit_s.map_or(0, |kbit_s| (u64::from(kbit_s) * 125).max(1));
        if self.rate.swap(bytes, Ordering::Relaxed) != bytes {
            let soon = Instant::now() + CARRIED_MAX;
            for bucket in [&self.reading, &self.writing] {
                let mut level_at = bucket.lock();
                *level_at = level_at.map(|at| at.min(soon));
            }
        }
    }

    /// Returns the rate in bytes a second, if there is a limit.
    pub(crate) fn rate(&self) -> Option<u64> {
        match self.rate.load(Ordering::Relaxed) {
            0 => None,
            rate => Some(rate),
        }
    }
}

/// Returns how many bytes a stream takes in one turn.
pub(crate) fn turn_bytes(rate: u64) -> usize {
    usize::try_from((rate / 8).clamp(TURN_BYTES.0, TURN_BYTES.1)).unwrap_or(usize::MAX)
}

impl Bucket {
    /// Takes `bytes` out; returns how long to wait before they may go.
    pub(crate) fn take(&self, bytes: usize, rate: u64) -> Duration {
        // What multiplexing, encryption and the packets add.
        let wire = TCP.on_the_wire(bytes + 30).0;
        let now = Instant::now();
        let mut level_at = self.lock();
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let from = level_at.unwrap_or(earliest).max(earliest);
        *level_at = Some(from + Duration::from_micros(wire.saturating_mul(1_000_000) / rate));
        from.saturating_duration_since(now)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.level_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets `streams` take turns for a minute of virtual time; returns what each got.
    async fn share(limiter: &Limiter, streams: usize) -> Vec<usize> {
        let rate = limiter.rate().unwrap();
        let turn = turn_bytes(rate);
        let end = Instant::now() + Duration::from_secs(60);
        let takers = (0..streams).map(|_| async {
            let mut got = 0;
            loop {
                tokio::time::sleep(limiter.writing.take(turn, rate)).await;
                if end <= Instant::now() {
                    return got;
                }
                got += turn;
            }
        });
        futures::future::join_all(takers).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_minute_at_64_kbit_s_is_480_kb_in_equal_shares() {
        let limiter = Limiter::new();
        limiter.set(Some(64));
        let shares = share(&limiter, 4).await;
        let sum: usize = shares.iter().sum();
        // What is left goes into headers.
        assert!((400_000..484_000).contains(&sum), "{sum} bytes of 480,000");
        for got in &shares {
            // The first one takes what silence had saved up.
            assert!(got.abs_diff(sum / 4) <= 4 * turn_bytes(8_000), "{shares:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_saves_up_half_a_second_and_no_more() {
        let limiter = Limiter::new();
        limiter.set(Some(64));
        tokio::time::advance(Duration::from_secs(3_600)).await;
        let mut at_once = 0;
        while limiter.reading.take(100, 8_000).is_zero() {
            at_once += 100;
        }
        assert!((1_500..=4_100).contains(&at_once), "{at_once} bytes at once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_rate_counts_at_once() {
        let limiter = Limiter::new();
        limiter.set(Some(8));
        limiter.writing.take(100_000, 1_000);
        assert!(Duration::from_secs(60) < limiter.writing.take(1, 1_000));
        limiter.set(Some(8_000));
        assert!(limiter.writing.take(1, 1_000_000) <= CARRIED_MAX);
        limiter.set(None);
        assert_eq!(limiter.rate(), None);
    }
}
