//! Requests, answers and gossip, told to the rules.
//!
//! Invariant: every request of a peer is answered or declined, every gossip message has one
//! verdict.
//! Not here: what to do about it (`baraza-protocol`), connections (`peers`).
//! Spec: docs/PROTOCOL.md, sections 7.2 and 7.5.

use baraza_protocol::net::{GOSSIP_BYTES_MAX, NetEvent};
use libp2p::{
    gossipsub::MessageAcceptance,
    request_response::{self, Message},
};

use crate::{codec::Asked, driver::Driver, peer, pending::Heard, reason, salvage::Salvaged};

impl Driver {
    /// A gossip message came.
    pub(crate) fn heard(&mut self, heard: Heard, bytes: Vec<u8>) {
        let Some(peer) = peer::peer_key(&heard.relayer) else {
            return self.judge(&heard, MessageAcceptance::Ignore);
        };
        if GOSSIP_BYTES_MAX < bytes.len() {
            return self.judge(&heard, MessageAcceptance::Reject);
        }
        let (token, oldest) = self.pending.heard(heard.message, heard.relayer);
        if let Some(oldest) = oldest {
            self.judge(&oldest, MessageAcceptance::Ignore);
        }
        self.tell(NetEvent::Gossip { peer, token, bytes });
    }

    /// Tells what had come of an answer.
    pub(crate) fn salvaged(&mut self, salvaged: Salvaged) {
        let Salvaged { request, bytes } = salvaged;
        if let Some(peer) = self.pending.asked(request).and_then(|id| peer::peer_key(&id)) {
            self.tell(NetEvent::Salvaged { peer, request, bytes });
        }
    }

    /// Takes what happened to a request, ours or a peer's.
    pub(crate) fn take_catchup(&mut self, event: request_response::Event<Asked, Vec<u8>>) {
        match event {
            request_response::Event::Message { peer: id, message, .. } => {
                let Some(peer) = peer::peer_key(&id) else { return };
                match message {
                    Message::Request { request_id, request, channel } => {
                        match self.pending.issue(request_id, id, channel) {
                            Ok(ticket) => {
                                self.tell(NetEvent::Request { peer, ticket, bytes: request.bytes })
                            }
                            Err(channel) => {
                                let busy = self.busy_answer.clone();
                                // Fails only if the peer has given up meanwhile.
                                let _ =
                                    self.swarm.behaviour_mut().catchup.send_response(channel, busy);
                            }
                        }
                    }
                    Message::Response { request_id, response } => {
                        if let Some(request) = self.pending.settled(request_id) {
                            self.tell(NetEvent::Response { peer, request, bytes: response });
                        }
                    }
                }
            }
            request_response::Event::OutboundFailure { peer, request_id, error, .. } => {
                if let (Some(peer), Some(request)) =
                    (peer::peer_key(&peer), self.pending.failed(request_id))
                {
                    let reason = reason::of_request(&error);
                    self.tell(NetEvent::RequestFailed { peer, request, reason });
                }
            }
            request_response::Event::InboundFailure { peer, request_id, error, .. } => {
                tracing::debug!(%peer, %error, "request of a peer failed");
                self.pending.abandoned(request_id);
            }
            request_response::Event::ResponseSent { request_id, .. } => {
                self.pending.answered(request_id);
            }
        }
    }
}
