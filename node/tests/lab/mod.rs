//! The link laboratory: real daemons, each in a network namespace of its own, and a line between
//! them that delays, loses, limits and is cut, for TCP and QUIC alike.
//!
//! Invariant: what the line does follows from its settings and the seed; every byte is counted.
//! Not here: what is expected of the daemons (`it/links.rs`, `benches/lab.rs`).
//! Spec: docs/BENCHMARKS.md, "The link laboratory".

mod carrier;
mod link;
mod packet;
mod place;
mod scene;
mod station;

pub(crate) use carrier::{Carrier, Cut, When};
pub(crate) use link::Line;
use place::Place;
pub(crate) use scene::{Outcome, Transfer};
pub(crate) use station::{Station, Transport};

/// Places with stations in them, and the lines between them.
pub(crate) struct Lab {
    /// The stations, in the order of their addresses.
    pub(crate) stations: Vec<Station>,
    /// What carries packets between them.
    pub(crate) carrier: Carrier,
    /// Removed at the end.
    _folder: tempfile::TempDir,
}

impl Lab {
    /// Makes `count` stations with empty homes and a line like `line` between any two.
    ///
    /// # Errors
    ///
    /// Says why when the system permits no namespaces or devices.
    pub(crate) fn make(
        count: usize,
        line: &Line,
        transport: Transport,
        seed: u64,
    ) -> Result<Self, String> {
        let places: Result<Vec<_>, _> = (0..count).map(Place::make).collect();
        let (places, devices): (Vec<_>, Vec<_>) = places?.into_iter().unzip();
        let folder = tempfile::Builder::new().prefix("bz").tempdir().expect("a folder");
        let station = |place: Place| {
            let home = folder.path().join(place.address());
            Station::new(place, home, transport)
        };
        let stations = places.into_iter().map(station).collect();
        Ok(Self { stations, carrier: Carrier::start(devices, line, seed), _folder: folder })
    }

    /// Makes one, or says why a test that needs it is skipped.
    pub(crate) fn or_skip(made: Result<Self, String>) -> Option<Self> {
        made.inspect_err(|why| println!("skipped: {why}")).ok()
    }
}
