//! What is under way: requests each way, messages that await a verdict, dials.
//!
//! Invariant: every table has a bound, and every number is used once while the node runs.
//! Not here: connections (`driver`).
//! Spec: docs/PROTOCOL.md, section 7.

use std::collections::{BTreeMap, HashMap, VecDeque};

use baraza_protocol::net::{RequestId, Ticket, Token};
use libp2p::{
    Multiaddr, PeerId,
    gossipsub::MessageId,
    request_response::{InboundRequestId, OutboundRequestId, ResponseChannel},
    swarm::ConnectionId,
};

use crate::config::{REQUESTS_MAX, REQUESTS_PER_PEER_MAX, TICKETS_MAX, TOKENS_MAX};

/// What is under way.
#[derive(Default)]
pub(crate) struct Pending {
    requests: HashMap<OutboundRequestId, (PeerId, RequestId)>,
    /// The last ones that failed: what had come of their answers may still be told.
    failed: VecDeque<(RequestId, PeerId)>,
    tickets: BTreeMap<Ticket, (InboundRequestId, ResponseChannel<Vec<u8>>)>,
    /// Who waits for our answers, until the last byte has gone.
    answering: HashMap<InboundRequestId, PeerId>,
    tokens: BTreeMap<Token, Heard>,
    dials: HashMap<ConnectionId, Dial>,
    number: u64,
}

/// Which gossip message, and who passed it on.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) message: MessageId,
    pub(crate) relayer: PeerId,
}

/// A dial under way.
#[derive(Debug)]
pub(crate) struct Dial {
    /// The addresses being tried.
    pub(crate) addresses: Vec<Multiaddr>,
    /// Who is expected, if known.
    pub(crate) expected: Option<PeerId>,
    /// What to try when these fail.
    pub(crate) then: VecDeque<Multiaddr>,
}

impl Pending {
    /// Returns why no further request may be made of `peer`, or `None` if one may.
    pub(crate) fn request_limit(&self, peer: &PeerId) -> Option<String> {
        let theirs = self.requests.values().filter(|(asked, _)| asked == peer).count();
        if REQUESTS_PER_PEER_MAX <= theirs {
            return Some(format!(
                "{theirs} requests to this peer are not answered yet, that is the limit"
            ));
        }
        let all = self.requests.len();
        (REQUESTS_MAX <= all)
            .then(|| format!("{all} requests are not answered yet, that is the limit"))
    }

    /// Notes a request that was sent.
    pub(crate) fn sent(&mut self, id: OutboundRequestId, peer: PeerId, request: RequestId) {
        self.requests.insert(id, (peer, request));
    }

    /// Returns which request of ours is over.
    pub(crate) fn settled(&mut self, id: OutboundRequestId) -> Option<RequestId> {
        self.requests.remove(&id).map(|(_, request)| request)
    }

    /// Returns which request of ours has failed, and remembers whom it went to.
    pub(crate) fn failed(&mut self, id: OutboundRequestId) -> Option<RequestId> {
        let (peer, request) = self.requests.remove(&id)?;
        if self.failed.len() == REQUESTS_MAX {
            self.failed.pop_front();
        }
        self.failed.push_back((request, peer));
        Some(request)
    }

    /// Returns to whom a request went that is under way or has failed.
    pub(crate) fn asked(&self, request: RequestId) -> Option<PeerId> {
        let under_way = self.requests.values().map(|(peer, number)| (*number, *peer));
        let mut all = under_way.chain(self.failed.iter().copied());
        all.find(|(number, _)| *number == request).map(|(_, peer)| peer)
    }

    /// Keeps the way back to who asked.
    ///
    /// # Errors
    ///
    /// Returns it when [`TICKETS_MAX`] requests await an answer.
    pub(crate) fn issue(
        &mut self,
        id: InboundRequestId,
        peer: PeerId,
        channel: ResponseChannel<Vec<u8>>,
    ) -> Result<Ticket, ResponseChannel<Vec<u8>>> {
        if TICKETS_MAX <= self.tickets.len() {
            return Err(channel);
        }
        let ticket = self.next();
        self.tickets.insert(ticket, (id, channel));
        self.answering.insert(id, peer);
        Ok(ticket)
    }

    /// Returns the way back to who asked, unless that one has given up.
    pub(crate) fn redeem(&mut self, ticket: Ticket) -> Option<ResponseChannel<Vec<u8>>> {
        self.tickets.remove(&ticket).map(|(_, channel)| channel)
    }

    /// Forgets a request whose sender has given up.
    pub(crate) fn abandoned(&mut self, id: InboundRequestId) {
        self.tickets.retain(|_, (held, _)| *held != id);
        self.answered(id);
    }

    /// Notes that an answer has gone.
    pub(crate) fn answered(&mut self, id: InboundRequestId) {
        self.answering.remove(&id);
    }

    /// Returns whether neither side waits for an answer of the other.
    pub(crate) fn is_quiet(&self, peer: &PeerId) -> bool {
        self.requests.values().all(|(asked, _)| asked != peer)
            && self.answering.values().all(|asking| asking != peer)
    }

    /// Notes a gossip message that needs a verdict. Returns its number, and the oldest
    /// message if there are now too many: it needs a verdict at once.
    pub(crate) fn heard(&mut self, message: MessageId, relayer: PeerId) -> (Token, Option<Heard>) {
        let oldest = match self.tokens.len() < TOKENS_MAX {
            true => None,
            false => self.tokens.pop_first().map(|(_, heard)| heard),
        };
        let token = self.next();
        self.tokens.insert(token, Heard { message, relayer });
        (token, oldest)
    }

    /// Returns the message that the verdict is about, unless it had one.
    pub(crate) fn judged(&mut self, token: Token) -> Option<Heard> {
        self.tokens.remove(&token)
    }

    /// Notes a dial. Bounded by the limit of pending connections.
    pub(crate) fn dialled(&mut self, id: ConnectionId, dial: Dial) {
        self.dials.insert(id, dial);
    }

    /// Returns the dial that succeeded or failed.
    pub(crate) fn dial_over(&mut self, id: ConnectionId) -> Option<Dial> {
        self.dials.remove(&id)
    }

    fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_message_makes_room_and_has_no_second_verdict() {
        let mut pending = Pending::default();
        let relayer = PeerId::random();
        let mut hear = |n: usize| pending.heard(MessageId::from(n.to_be_bytes().to_vec()), relayer);
        let first = hear(0);
        assert!(first.1.is_none());
        for n in 1..TOKENS_MAX {
            assert!(hear(n).1.is_none(), "{n} messages fit");
        }
        let oldest = hear(TOKENS_MAX).1.unwrap();
        assert_eq!(oldest.message, MessageId::from(0_usize.to_be_bytes().to_vec()));
        assert!(pending.judged(first.0).is_none());
        assert!(pending.judged(first.0 + 1).is_some());
        assert!(pending.judged(first.0 + 1).is_none());
    }
}
