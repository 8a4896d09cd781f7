//! A transfer between two stations and what is measured of it.
//!
//! Invariant: it ends when the second station holds every record with its body, or at its
//! deadline; the outcome says which.
//! Spec: docs/BENCHMARKS.md, "The link laboratory".

use std::time::{Duration, Instant};

use super::{Cut, Lab, Line, Transport};

/// Longest time between two looks at a station while nothing is delivered.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Shortest time between two looks: asking costs the station little.
const LOOK_LEAST: Duration = Duration::from_millis(100);

/// A fresh transfer from one station to another.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    pub(crate) line: Line,
    pub(crate) transport: Transport,
    pub(crate) records: u64,
    pub(crate) signers: u64,
    pub(crate) cuts: Vec<Cut>,
    /// When the wait ends.
    pub(crate) deadline: Duration,
    pub(crate) seed: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Records that the second station holds at the end.
    pub(crate) held: u64,
    /// From the start of the second station to its last record, in seconds.
    pub(crate) seconds: f64,
    /// Longest time without a further record, in seconds.
    pub(crate) longest_wait: f64,
    /// Bytes of IP packets that reached the second station.
    pub(crate) down: u64,
    /// Bytes of IP packets that it sent.
    pub(crate) up: u64,
    /// Bytes of IP packets that were on their way to it and were lost.
    pub(crate) lost: u64,
    /// Cuts that there were.
    pub(crate) cuts: usize,
    /// Bytes of the records, encoded.
    pub(crate) bytes: u64,
}

impl Transfer {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// Says why when the system permits no laboratory.
    pub(crate) fn run(&self) -> Result<Outcome, String> {
        let mut lab = Lab::make(2, &self.line, self.transport, self.seed)?;
        let bytes = lab.stations[0].fill(self.records, self.signers, 0);
        lab.stations[0].start(&[]);
        let bootstrap = lab.stations[0].address.clone();
        lab.carrier.cut(self.cuts.clone());
        let started = now();
        lab.stations[1].start(&[bootstrap]);
        let mut outcome = Outcome { bytes, ..Outcome::default() };
        let mut last = started;
        while outcome.held < self.records && started.elapsed() < self.deadline {
            lab.carrier.wait(LOOK_LEAST, LOOK_EVERY);
            let looked = now();
            let held = lab.stations[1].records();
            if outcome.held < held {
                outcome.longest_wait = outcome.longest_wait.max((looked - last).as_secs_f64());
                (outcome.held, last) = (held, looked);
            }
        }
        outcome.seconds = started.elapsed().as_secs_f64();
        outcome.longest_wait = outcome.longest_wait.max(last.elapsed().as_secs_f64());
        let down = lab.carrier.counted(0, 1);
        (outcome.down, outcome.lost) = (down.delivered, down.dropped);
        outcome.up = lab.carrier.counted(1, 0).offered;
        outcome.cuts = self.cuts.len() - lab.carrier.cuts_left();
        Ok(outcome)
    }
}

impl Outcome {
    /// Returns the seconds that what was delivered takes at `kbit_s`.
    pub(crate) fn floor(&self, kbit_s: u64) -> f64 {
        self.down as f64 * 8.0 / 1_000.0 / kbit_s as f64
    }
}

#[expect(clippy::disallowed_methods, reason = "a laboratory measures time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
