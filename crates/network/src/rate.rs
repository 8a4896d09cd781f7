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
