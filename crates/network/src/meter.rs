//! How many bytes go over the wire with each peer.
//!
//! TCP connections are counted at their socket, below encryption and multiplexing; QUIC, whose
//! packets libp2p does not show, at its streams. What lies below is estimated.
//! Invariant: a byte is counted once, with the peer at the other end of the wire: what goes
//! through a relay counts with the relay. Nothing is lost when a connection closes: what it
//! counted is told later.
//! Not here: when it is told (`driver`), the limit of a rate (`rate`).
//! Spec: docs/PROTOCOL.md, section 7.8.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use libp2p::PeerId;

/// What a transport adds to the bytes that are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overhead {
    /// Counted bytes in a full packet.
    packet_bytes: u64,
    /// Bytes around them.
    header_bytes: u64,
    /// Bytes of an acknowledgement; one for every two packets goes the other way.
    ack_bytes: u64,
    /// Bytes that each write costs besides, and their acknowledgement.
    write_bytes: (u64, u64),
    /// Bytes that came and went before the first one was counted.
    start: (u64, u64),
}

/// TCP over IPv4 with timestamps, Ethernet's 1,500 bytes a packet: 20 + 32 bytes of headers.
/// The start is SYN, its acknowledgement, and the choice of noise.
pub(crate) const TCP: Overhead = Overhead {
    packet_bytes: 1_448,
    header_bytes: 52,
    ack_bytes: 52,
    write_bytes: (0, 0),
    start: (300, 300),
};

/// The same with WebSocket, which sends the header of some frames (8 bytes) in a packet of its
/// own, and a request and an answer of HTTP at the start.
pub(crate) const WEBSOCKET: Overhead = Overhead { write_bytes: (24, 10), start: (800, 800), ..TCP };

/// QUIC: 28 bytes of IP and UDP, 11 of a short header, 16 of a tag and 8 of a frame around
/// the 1,137 that are left of 1,200. The start is the handshake with its certificates.
pub(crate) const QUIC: Overhead = Overhead {
    packet_bytes: 1_137,
    header_bytes: 63,
    ack_bytes: 61,
    write_bytes: (0, 0),
    start: (2_500, 2_500),
};

/// What has gone through one connection and was not told yet.
#[derive(Debug)]
pub(crate) struct Meter {
    overhead: Overhead,
    received: AtomicU64,
    sent: AtomicU64,
}

impl Meter {
    pub(crate) fn new(overhead: Overhead) -> Arc<Self> {
        let (received, sent) = overhead.start;
        Arc::new(Self { overhead, received: AtomicU64::new(received), sent: AtomicU64::new(sent) })
    }

    /// Counts bytes that came at once.
    pub(crate) fn came(&self, bytes: usize) {
        let (there, back) = self.overhead.on_the_wire(bytes);
        self.received.fetch_add(there, Ordering::Relaxed);
        self.sent.fetch_add(back, Ordering::Relaxed);
    }

    /// Counts bytes that went at once.
    pub(crate) fn went(&self, bytes: usize) {
        let (there, back) = self.overhead.on_the_wire(bytes);
        self.sent.fetch_add(there, Ordering::Relaxed);
        self.received.fetch_add(back, Ordering::Relaxed);
    }
}

impl Overhead {
    /// Returns what so many bytes take on the wire, and their acknowledgements the other way.
    pub(crate) fn on_the_wire(&self, bytes: usize) -> (u64, u64) {
        let bytes = bytes as u64;
        let packets = bytes.div_ceil(self.packet_bytes);
        let (there, back) = self.write_bytes;
        (bytes + packets * self.header_bytes + there, packets * self.ack_bytes / 2 + back)
    }
}

/// The meters of all connections, by peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meters(Arc<Mutex<HashMap<PeerId, Vec<Arc<Meter>>>>>);

impl Meters {
    /// Has a connection counted with the peer that it proved.
    pub(crate) fn attach(&self, peer: PeerId, meter: Arc<Meter>) {
        self.lock().entry(peer).or_default().push(meter);
    }

    /// Takes what was counted with a peer: bytes that came, and that went.
    pub(crate) fn take(&self, peer: &PeerId) -> (u64, u64) {
        let mut meters = self.lock();
        let Some(of_peer) = meters.get_mut(peer) else { return (0, 0) };
        let sum = drain(of_peer);
        if of_peer.is_empty() {
            meters.remove(peer);
        }
        sum
    }

    /// Takes what was counted with everybody who has anything to tell.
    pub(crate) fn take_all(&self) -> Vec<(PeerId, u64, u64)> {
        let mut told = Vec::new();
        self.lock().retain(|peer, of_peer| {
            let (received, sent) = drain(of_peer);
            if 0 < received + sent {
                told.push((*peer, received, sent));
            }
            !of_peer.is_empty()
        });
        told
    }

    /// Gives back what could not be told.
    pub(crate) fn put_back(&self, peer: PeerId, received: u64, sent: u64) {
        let meter =
            Meter { overhead: TCP, received: AtomicU64::new(received), sent: AtomicU64::new(sent) };
        self.attach(peer, Arc::new(meter));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PeerId, Vec<Arc<Meter>>>> {
        // Counters are whole after any panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes what the meters have counted, and lets go those of closed connections.
fn drain(meters: &mut Vec<Arc<Meter>>) -> (u64, u64) {
    let mut sum = (0, 0);
    meters.retain(|meter| {
        // Whoever still counts holds a second reference, and does so until the last byte.
        let open = 1 < Arc::strong_count(meter);
        sum.0 += meter.received.swap(0, Ordering::Relaxed);
        sum.1 += meter.sent.swap(0, Ordering::Relaxed);
        open
    });
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_closed_connection_counted_is_told_and_then_forgotten() {
        let meters = Meters::default();
        let peer = PeerId::random();
        let meter = Meter::new(TCP);
        meters.attach(peer, Arc::clone(&meter));
        meters.take(&peer);
        meter.went(100);
        meter.came(2_000);
        assert_eq!(meters.take(&peer), (2_000 + 2 * 52 + 26, 100 + 52 + 52));
        assert_eq!(meters.take_all(), []);
        meter.went(1);
        drop(meter);
        assert_eq!(meters.take_all(), [(peer, 26, 53)]);
        assert!(meters.lock().is_empty());

        meters.put_back(peer, 3, 4);
        assert_eq!(meters.take(&peer), (3, 4));
        assert!(meters.lock().is_empty());
    }
}
