//! Relays: a slot at those that are configured, and what this node passes on as one.
//!
//! Invariant: a slot is reserved again whenever it is lost, within a minute of the relay
//! being within reach. A relay that is far away sees who talks to whom, and how much, never
//! what: a circuit has its own handshake inside.
//! Not here: reaching a peer through a relay (`effects`): its address says how.
//! Spec: docs/PROTOCOL.md, section 7.7.

use std::{num::NonZeroU32, time::Duration};

use libp2p::{Multiaddr, PeerId, core::transport::ListenerId, multiaddr::Protocol, relay};
use tokio::time::Instant;

use crate::{driver::Driver, reason};

/// Bytes that one circuit passes on each way (64 MiB): a first catch-up of 20,000 records.
/// Whoever needs more makes another circuit and goes on where it stood.
const CIRCUIT_BYTES_MAX: u64 = 64 * 1_024 * 1_024;

/// Time for which a circuit lasts (2 h): 64 MiB take that long at 75 kbit/s.
const CIRCUIT_TIME_MAX: Duration = Duration::from_secs(2 * 3_600);

/// Circuits at a time: twice as many connections of a relay as it takes of others.
const CIRCUITS_MAX: usize = 32;

/// Circuits of one peer at a time.
const CIRCUITS_PER_PEER_MAX: usize = 4;

/// Reserved slots at a time: as many as connections that peers may make.
const RESERVATIONS_MAX: usize = 64;

/// Time for which a slot is reserved; it is renewed before.
const RESERVATION_TIME: Duration = Duration::from_secs(3_600);

/// Reservations and circuits that one peer may ask for at once, and the time in which it
/// gains another: a link that breaks every minute can have its slot back each time.
const ASKED_MAX: (u32, Duration) = (30, Duration::from_secs(60));

/// The same for one IP address: many nodes of a country may share one.
const ASKED_PER_IP_MAX: (u32, Duration) = (120, Duration::from_secs(15));

/// Time for a relay to grant a slot.
const GRANT_TIMEOUT: Duration = Duration::from_secs(90);

/// Wait after a first failure with a relay; doubled for each further one.
const WAIT: Duration = Duration::from_secs(2);

/// Longest such wait while nobody is connected: the link may be back at any time.
const WAIT_ALONE_MAX: Duration = Duration::from_secs(30);

/// Longest such wait while others are connected: then it is the relay that is away.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// Builds the part of a node that is a relay.
pub(crate) fn server(id: PeerId) -> relay::Behaviour {
    let limit = |(limit, every): (u32, Duration)| {
        (NonZeroU32::new(limit).expect("the limits above are not zero"), every)
    };
    let (peer, ip) = (limit(ASKED_MAX), limit(ASKED_PER_IP_MAX));
    let config = relay::Config {
        max_reservations: RESERVATIONS_MAX,
        reservation_duration: RESERVATION_TIME,
        reservation_rate_limiters: Vec::new(),
        max_circuits: CIRCUITS_MAX,
        max_circuits_per_peer: CIRCUITS_PER_PEER_MAX,
        max_circuit_duration: CIRCUIT_TIME_MAX,
        max_circuit_bytes: CIRCUIT_BYTES_MAX,
        circuit_src_rate_limiters: Vec::new(),
        ..relay::Config::default()
    }
    .reservation_rate_per_peer(peer.0, peer.1)
    .reservation_rate_per_ip(ip.0, ip.1)
    .circuit_src_per_peer(peer.0, peer.1)
    .circuit_src_per_ip(ip.0, ip.1);
    relay::Behaviour::new(id, config)
}

/// A relay at which we want to be reached.
#[derive(Debug)]
pub(crate) struct Relay {
    /// Where it is, without its id.
    pub(crate) address: Multiaddr,
    pub(crate) id: PeerId,
    /// The slot, and when it was asked for.
    slot: Option<(ListenerId, Instant)>,
    granted: bool,
    failures: u32,
    again_at: Option<Instant>,
}

impl Relay {
    pub(crate) fn new(address: Multiaddr, id: PeerId) -> Self {
        Self { address, id, slot: None, granted: false, failures: 0, again_at: None }
    }

    fn wait(&mut self, now: Instant, alone: bool) {
        let longest = if alone { WAIT_ALONE_MAX } else { WAIT_MAX };
        let wait = WAIT * 2_u32.saturating_pow(self.failures.min(16));
        self.again_at = Some(now + wait.min(longest));
        self.failures = self.failures.saturating_add(1);
    }
}

impl Driver {
    /// Asks for the slots that are missing, and dials the relays that are away.
    pub(crate) fn keep_slots(&mut self, now: Instant) {
        let alone = self.peers.is_empty();
        for index in 0..self.relays.len() {
            let relay = &mut self.relays[index];
            if let Some((listener, asked)) = relay.slot {
                if !relay.granted && GRANT_TIMEOUT <= now - asked {
                    self.swarm.remove_listener(listener);
                }
                continue;
            }
            if relay.again_at.is_some_and(|at| now < at) {
                // The link may have gone since: a long wait was for a relay that is away.
                let soonest = now + WAIT_ALONE_MAX;
                relay.again_at = relay.again_at.map(|at| if alone { at.min(soonest) } else { at });
                continue;
            }
            relay.wait(now, alone);
            let (address, id) = (relay.address.clone(), relay.id);
            if !self.peers.contains_key(&id) {
                self.dial_peer(id, vec![address]);
                continue;
            }
            let circuit = address.with(Protocol::P2p(id)).with(Protocol::P2pCircuit);
            match self.swarm.listen_on(circuit.clone()) {
                Ok(listener) => {
                    self.relays[index].slot = Some((listener, now));
                    self.relays[index].granted = false;
                }
                Err(error) => self.tell_failed(&[circuit], &reason::of_transport(&error)),
            }
        }
    }

    /// A relay is connected: its slot need not wait any longer.
    pub(crate) fn relay_is_there(&mut self, id: &PeerId) {
        if let Some(relay) = self.relays.iter_mut().find(|relay| relay.id == *id) {
            if relay.slot.is_none() {
                relay.again_at = None;
            }
            self.keep_slots(Instant::now());
        }
    }

    /// Takes what happened at a relay.
    pub(crate) fn take_relayed(&mut self, event: &relay::client::Event) {
        if let relay::client::Event::ReservationReqAccepted { relay_peer_id, .. } = event
            && let Some(relay) = self.relays.iter_mut().find(|relay| relay.id == *relay_peer_id)
        {
            (relay.granted, relay.failures) = (true, 0);
        }
    }

    /// A listener has closed: perhaps the slot at a relay. Returns whether it was one.
    pub(crate) fn slot_lost(&mut self, listener: ListenerId, why: Option<&str>) -> bool {
        let alone = self.peers.is_empty();
        let slot = |relay: &&mut Relay| relay.slot.is_some_and(|(id, _)| id == listener);
        let Some(relay) = self.relays.iter_mut().find(slot) else { return false };
        let was_granted = std::mem::take(&mut relay.granted);
        relay.slot = None;
        relay.wait(Instant::now(), alone);
        if !was_granted {
            let circuit =
                relay.address.clone().with(Protocol::P2p(relay.id)).with(Protocol::P2pCircuit);
            let reason = match why {
                Some(why) => format!("the relay grants no slot: {}", reason::clean(why)),
                None => "the relay grants no slot".to_owned(),
            };
            self.tell_failed(&[circuit], &reason);
        }
        true
    }
}
