//! Events on their way to the consumer, who may be slow.
//!
//! Invariant: order is kept; what happened is told in full or not at all: a `Connected`
//! that nobody heard of is taken back by its `Disconnected`. At most two changes per
//! peer wait, and at most `PARKED_MAX` other events.
//! Not here: what to do with an event that is refused (`driver`).
//! Spec: docs/PROTOCOL.md, section 7.

use std::collections::VecDeque;

use baraza_protocol::net::NetEvent;
use tokio::sync::mpsc::{Sender, error::TrySendError};

use crate::config::PARKED_MAX;

/// The queue to the consumer, and what waits for room in it.
pub(crate) struct Outbox {
    queue: Sender<NetEvent>,
    parked: VecDeque<NetEvent>,
}

impl Outbox {
    pub(crate) fn new(queue: Sender<NetEvent>) -> Self {
        Self { queue, parked: VecDeque::new() }
    }

    /// Hands `event` on or parks it.
    ///
    /// # Errors
    ///
    /// Returns an event that was not taken: the consumer is busy, and this one can be
    /// declined (gossip, a request, an address) or there is no room left for it.
    pub(crate) fn offer(&mut self, event: NetEvent) -> Result<(), NetEvent> {
        if !self.parked.is_empty() {
            return self.park(event);
        }
        match self.queue.try_send(event) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(event) | TrySendError::Closed(event)) => self.park(event),
        }
    }

    /// Returns whether events wait for room.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.parked.is_empty()
    }

    /// Hands on the event that waits longest, as soon as there is room.
    ///
    /// Returns `None` once the consumer is gone. May be cancelled: nothing is lost.
    pub(crate) async fn hand_on(&mut self) -> Option<()> {
        let room = self.queue.reserve().await.ok()?;
        if let Some(event) = self.parked.pop_front() {
            room.send(event);
        }
        Some(())
    }

    fn park(&mut self, event: NetEvent) -> Result<(), NetEvent> {
        match &event {
            NetEvent::Gossip { .. } | NetEvent::Request { .. } | NetEvent::Found { .. } => {
                return Err(event);
            }
            NetEvent::Connected { .. } => (),
            NetEvent::Disconnected { peer } => {
                let unheard =
                    |e: &NetEvent| matches!(e, NetEvent::Connected { peer: p, .. } if p == peer);
                if let Some(index) = self.parked.iter().rposition(unheard) {
                    self.parked.remove(index);
                    return Ok(());
                }
            }
            NetEvent::Traffic { peer, received, sent } => {
                let told = self.parked.iter_mut().rev().find_map(|e| match e {
                    NetEvent::Traffic { peer: p, received, sent } if p == peer => {
                        Some((received, sent))
                    }
                    _ => None,
                });
                if let Some((before, and)) = told {
                    *before += received;
                    *and += sent;
                    return Ok(());
                }
                if self.is_full() {
                    return Err(event);
                }
            }
            NetEvent::Listening { .. }
            | NetEvent::DialFailed { .. }
            | NetEvent::Salvaged { .. }
            | NetEvent::Response { .. }
            | NetEvent::RequestFailed { .. } => {
                if self.is_full() {
                    return Err(event);
                }
            }
        }
        self.parked.push_back(event);
        Ok(())
    }

    fn is_full(&self) -> bool {
        PARKED_MAX <= self.parked.iter().filter(|e| !is_peer_change(e)).count()
    }
}

fn is_peer_change(event: &NetEvent) -> bool {
    matches!(event, NetEvent::Connected { .. } | NetEvent::Disconnected { .. })
}

#[cfg(test)]
mod tests {
    use baraza_protocol::net::Peer;
    use tokio::sync::mpsc;

    use super::*;

    /// Makes an outbox and the receiving end of its queue.
    fn pair(capacity: usize) -> (Outbox, mpsc::Receiver<NetEvent>) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Outbox::new(sender), receiver)
    }

    fn connected(byte: u8) -> NetEvent {
        NetEvent::Connected { peer: peer(byte), address: String::new(), outbound: false }
    }

    fn disconnected(byte: u8) -> NetEvent {
        NetEvent::Disconnected { peer: peer(byte) }
    }

    fn peer(byte: u8) -> Peer {
        baraza_record::PublicKey([byte; 32])
    }

    async fn drain(mut outbox: Outbox, mut queue: mpsc::Receiver<NetEvent>) -> Vec<NetEvent> {
        let mut told = Vec::new();
        loop {
            while let Ok(event) = queue.try_recv() {
                told.push(event);
            }
            if !outbox.is_waiting() {
                return told;
            }
            outbox.hand_on().await.unwrap();
        }
    }

    #[tokio::test]
    async fn changes_of_peers_wait_and_keep_their_order() {
        let (mut outbox, queue) = pair(1);
        for event in [connected(1), connected(2), disconnected(1), connected(1)] {
            outbox.offer(event).unwrap();
        }
        assert_eq!(
            drain(outbox, queue).await,
            [connected(1), connected(2), disconnected(1), connected(1)]
        );
    }

    #[tokio::test]
    async fn a_peer_that_came_and_went_unheard_is_not_told() {
        let (mut outbox, queue) = pair(1);
        outbox.offer(connected(1)).unwrap();
        for round in 0..1_000 {
            for event in [connected(2), disconnected(2), disconnected(1), connected(1)] {
                outbox.offer(event).unwrap();
            }
            assert!(outbox.parked.len() <= 4, "{} wait after {round} rounds", outbox.parked.len());
        }
        let told = drain(outbox, queue).await;
        assert_eq!(told, [connected(1), disconnected(1), connected(1)]);
    }

    #[test]
    fn a_full_queue_refuses_what_can_be_declined() {
        let (mut outbox, _queue) = pair(1);
        let request = || NetEvent::Request { peer: peer(1), ticket: 1, bytes: Vec::new() };
        let failed = || NetEvent::DialFailed { address: String::new(), reason: String::new() };
        outbox.offer(request()).unwrap();
        assert_eq!(outbox.offer(request()), Err(request()));
        for _ in 0..PARKED_MAX {
            outbox.offer(failed()).unwrap();
        }
        assert_eq!(outbox.offer(failed()), Err(failed()), "parked events are bounded");
        outbox.offer(connected(1)).unwrap();
    }
}
