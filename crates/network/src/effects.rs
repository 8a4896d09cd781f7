//! What the rules want done, done with the swarm.
//!
//! Invariant: every request has one `Response` or `RequestFailed`, never two; none only
//! if the consumer leaves its whole queue and `PARKED_MAX` events unread. The addresses of
//! a dial are tried until one answers, and those that had failed by then are told.
//! Not here: what comes back (`events`).
//! Spec: docs/PROTOCOL.md, section 7.

use std::collections::VecDeque;

use baraza_protocol::net::{
    ANSWER_BYTES_MAX, GOSSIP_BYTES_MAX, NetEffect, NetEvent, Peer, REQUEST_BYTES_MAX, RequestId,
    Ticket, Token, Verdict,
};
use libp2p::{
    Multiaddr, PeerId,
    gossipsub::{IdentTopic, MessageAcceptance, PublishError},
    swarm::dial_opts::{DialOpts, PeerCondition},
};

use crate::{
    address,
    codec::Asked,
    config::DIAL_ADDRESSES_MAX,
    driver::Driver,
    gossip::TOPIC,
    peer,
    pending::{Dial, Heard},
    reason,
};

impl Driver {
    /// Does what the rules want.
    pub(crate) fn apply(&mut self, effect: NetEffect) {
        match effect {
            NetEffect::Dial { peer, addresses } => self.dial(peer, addresses),
            NetEffect::Disconnect { peer } => {
                // Fails only for a peer that is not connected.
                let _ = self.swarm.disconnect_peer_id(peer::peer_id(&peer));
            }
            NetEffect::Request { peer, request, bytes } => self.request(peer, request, bytes),
            NetEffect::Respond { ticket, bytes } => self.respond(ticket, bytes),
            NetEffect::Publish { bytes } => self.publish(bytes),
            NetEffect::Rate { kbit_s } => self.limiter.set(kbit_s),
            NetEffect::Verdict { token, verdict } => self.verdict(
                token,
                match verdict {
                    Verdict::Accept => MessageAcceptance::Accept,
                    Verdict::Reject => MessageAcceptance::Reject,
                    Verdict::Ignore => MessageAcceptance::Ignore,
                },
            ),
        }
    }

    /// Dials a known peer at all addresses at once, anybody at one after the other.
    fn dial(&mut self, expected: Option<Peer>, addresses: Vec<String>) {
        let mut peer = expected;
        let mut usable = VecDeque::new();
        for text in addresses.into_iter().take(DIAL_ADDRESSES_MAX) {
            match address::parse_dial(&text) {
                Ok((_, Some(named))) if peer.is_some_and(|peer| peer != named) => {
                    let reason = "it names another peer than the one that is expected".into();
                    self.tell(NetEvent::DialFailed { address: text, reason });
                }
                Ok((address, named)) => {
                    peer = peer.or(named);
                    usable.push_back(address);
                }
                Err(error) => {
                    self.tell(NetEvent::DialFailed { address: text, reason: error.to_string() })
                }
            }
        }
        if let Some(peer) = peer {
            return self.dial_peer(peer::peer_id(&peer), usable.into());
        }
        let circuit = |address: &Multiaddr| address::relay_of(address).is_some();
        let circuits: Vec<_> = usable.iter().filter(|address| circuit(address)).cloned().collect();
        usable.retain(|address| !circuit(address));
        self.tell_failed(&circuits, "the id of the node is missing: write /p2p/ID at the end");
        self.dial_next(usable);
    }

    pub(crate) fn dial_peer(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        if peer == *self.swarm.local_peer_id() {
            return self.tell_failed(&addresses, reason::OURSELVES);
        }
        if addresses.is_empty() {
            return;
        }
        let call = DialOpts::peer_id(peer)
            .addresses(addresses.clone())
            // Not `DisconnectedAndNotDialing`: a new address must not wait for a dead one.
            .condition(PeerCondition::Disconnected)
            .allocate_new_port()
            .build();
        self.call(call, Dial { addresses, expected: Some(peer), then: VecDeque::new() });
    }

    /// Dials the first of `addresses`; the others follow if it fails.
    pub(crate) fn dial_next(&mut self, mut addresses: VecDeque<Multiaddr>) {
        let Some(first) = addresses.pop_front() else { return };
        // From the port that we listen on, TCP would connect to itself under another name of
        // this machine, and nobody could tell what is wrong.
        let call = DialOpts::unknown_peer_id().address(first.clone()).allocate_new_port().build();
        self.call(call, Dial { addresses: vec![first], expected: None, then: addresses });
    }

    fn call(&mut self, call: DialOpts, dial: Dial) {
        let id = call.connection_id();
        self.guard.mean(&dial.addresses);
        self.pending.dialled(id, dial);
        if let Err(error) = self.swarm.dial(call) {
            self.dial_failed(id, &error);
        }
    }

    /// Tells that a dial failed at each of `addresses` for one reason.
    pub(crate) fn tell_failed(&mut self, addresses: &[Multiaddr], reason: &str) {
        for address in addresses {
            let address = address::without_peer(address.clone()).to_string();
            self.tell(NetEvent::DialFailed { address, reason: reason.into() });
        }
    }

    fn request(&mut self, peer: Peer, request: RequestId, bytes: Vec<u8>) {
        let id = peer::peer_id(&peer);
        let refused = if REQUEST_BYTES_MAX < bytes.len() {
            Some(format!("request has {} bytes, the limit is {REQUEST_BYTES_MAX}", bytes.len()))
        } else if !self.peers.contains_key(&id) {
            Some("the peer is not connected".into())
        } else {
            self.pending.request_limit(&id)
        };
        match refused {
            Some(reason) => self.tell(NetEvent::RequestFailed { peer, request, reason }),
            None => {
                let sent =
                    self.swarm.behaviour_mut().catchup.send_request(&id, Asked { request, bytes });
                self.pending.sent(sent, id, request);
            }
        }
    }

    /// Answers who holds `ticket`; nobody, if that one has given up.
    pub(crate) fn respond(&mut self, ticket: Ticket, bytes: Vec<u8>) {
        let Some(channel) = self.pending.redeem(ticket) else { return };
        if ANSWER_BYTES_MAX < bytes.len() {
            // Dropping the channel tells the peer that there is no answer.
            tracing::error!(
                bytes = bytes.len(),
                limit = ANSWER_BYTES_MAX,
                "answer is too large to be sent"
            );
            return;
        }
        // Fails only if the peer has given up meanwhile.
        let _ = self.swarm.behaviour_mut().catchup.send_response(channel, bytes);
    }

    fn publish(&mut self, bytes: Vec<u8>) {
        if GOSSIP_BYTES_MAX < bytes.len() {
            tracing::error!(
                bytes = bytes.len(),
                limit = GOSSIP_BYTES_MAX,
                "message is too large for gossip"
            );
            return;
        }
        match self.swarm.behaviour_mut().gossip.publish(IdentTopic::new(TOPIC), bytes) {
            Ok(_) => (),
            // Catch-up brings what gossip does not: to have no peers is not an error.
            Err(PublishError::NoPeersSubscribedToTopic | PublishError::Duplicate) => (),
            Err(error) => tracing::debug!(%error, "message not published"),
        }
    }

    /// Gives a gossip message its one verdict.
    pub(crate) fn verdict(&mut self, token: Token, verdict: MessageAcceptance) {
        if let Some(heard) = self.pending.judged(token) {
            self.judge(&heard, verdict);
        }
    }

    /// Tells gossip what to do with a message.
    pub(crate) fn judge(&mut self, heard: &Heard, verdict: MessageAcceptance) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        if !gossip.report_message_validation_result(&heard.message, &heard.relayer, verdict) {
            tracing::debug!(message = %heard.message, "verdict came too late");
        }
    }
}
