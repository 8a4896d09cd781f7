//! Real daemons over bad lines: slow, far, lossy, cut.
//!
//! Invariant: each test is skipped, and says so, where the system permits no namespaces or
//! devices. The long ones: `scripts/lab`.
//! Spec: docs/BENCHMARKS.md, "The link laboratory".

use std::time::Duration;

use crate::lab::{Cut, Lab, Line, Outcome, Transfer, Transport, When};

/// A line of 256 kbit/s with 300 ms there and back, and 2 % of the packets lost.
fn line() -> Line {
    Line { delay_ms: 150, jitter_ms: 10, loss_percent: 2.0, kbit_s: 256, queue_ms: 1_000 }
}

fn transfer(transport: Transport, cuts: Vec<Cut>) -> Transfer {
    let deadline = Duration::from_secs(240);
    Transfer { line: line(), transport, records: 100, signers: 5, cuts, deadline, seed: 1 }
}

/// Runs a transfer with two cuts and checks that it is whole and that little came twice.
#[track_caller]
fn whole_after(transport: Transport, cut: impl Fn(u64) -> Cut, repeated_max: f64) {
    let plain = transfer(transport, Vec::new()).run();
    let Some(plain) = plain.inspect_err(|why| println!("skipped: {why}")).ok() else { return };
    assert_eq!(plain.held, 100, "{plain:?}");
    let cuts = vec![cut(plain.down / 3), cut(plain.down * 2 / 3)];
    let Outcome { held, cuts, down, .. } = transfer(transport, cuts).run().expect("as before");
    assert_eq!((held, cuts), (100, 2));
    let repeated = down as f64 / plain.down as f64 - 1.0;
    assert!(repeated < repeated_max, "{down} bytes came, {} without cuts", plain.down);
}

#[test]
fn a_transfer_over_tcp_survives_a_carrier_that_forgets_its_connections() {
    let cut = |bytes| Cut { at: When::Bytes(bytes), length_ms: 2_000, forget: true };
    whole_after(Transport::Tcp, cut, 0.5);
}

#[test]
fn a_transfer_over_quic_survives_silence() {
    let cut = |bytes| Cut { at: When::Bytes(bytes), length_ms: 4_000, forget: false };
    whole_after(Transport::Quic, cut, 0.3);
}

#[test]
fn a_laboratory_counts_what_passes_and_a_partition_lets_nothing_pass() {
    let line = Line { delay_ms: 20, ..Line::default() };
    let Some(mut lab) = Lab::or_skip(Lab::make(2, &line, Transport::Tcp, 1)) else { return };
    lab.carrier.partition(|_, _| true);
    lab.stations[0].fill(3, 1, 0);
    lab.stations[0].start(&[]);
    let first = lab.stations[0].address.clone();
    lab.stations[1].start(&[first]);
    let tried = |lab: &Lab| 0 < lab.carrier.counted(1, 0).dropped;
    crate::harness::until("a try to connect", || tried(&lab));
    assert_eq!((lab.carrier.counted(1, 0).delivered, lab.stations[1].records()), (0, 0));
    lab.carrier.partition(|_, _| false);
    crate::harness::until("the records", || lab.stations[1].records() == 3);
    assert_ne!(lab.carrier.counted(0, 1).delivered, 0);
}
