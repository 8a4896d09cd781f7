//! What the rules and the swarm say to each other.
//!
//! Invariant: no type of a network library appears here; a peer is its node key, an
//! address is its text. Messages are bytes: `wire` says what is in them.
//! Not here: sockets (`baraza-network`), what a node does with an event (`service`).
//! Spec: docs/PROTOCOL.md, section 7.

use baraza_record::PublicKey;

/// A peer, named by the key that its connection proved.
pub type Peer = PublicKey;

/// Number of a request that we made, unique while the node runs.
pub type RequestId = u64;

/// Number of a request that a peer made and that we have not answered yet.
pub type Ticket = u64;

/// Number of a gossip message that awaits its verdict.
pub type Token = u64;

/// Most bytes of a request (16 KiB).
pub const REQUEST_BYTES_MAX: usize = 16 * 1_024;

/// Most bytes of an answer after decompression (320 KiB): a batch of 256 KiB that ends
/// with one record more, and its frame.
pub const ANSWER_BYTES_MAX: usize = 320 * 1_024;

/// Most bytes of a gossip message (20 KiB): a record of 16 KiB with its header.
pub const GOSSIP_BYTES_MAX: usize = 20 * 1_024;

/// What happened on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetEvent {
    /// We accept connections here.
    Listening {
        /// Multiaddr with our own peer id at its end.
        address: String,
    },
    /// A peer is connected; told once, however many connections there are.
    Connected {
        /// Who.
        peer: Peer,
        /// Its address as we see it.
        address: String,
        /// Whether we called.
        outbound: bool,
    },
    /// The last connection to a peer closed.
    Disconnected {
        /// Who.
        peer: Peer,
    },
    /// A dial failed.
    DialFailed {
        /// The address dialled.
        address: String,
        /// What went wrong, in words for an operator.
        reason: String,
    },
    /// Somebody may be reached at these addresses: from identify or the local network.
    Found {
        /// Who.
        peer: Peer,
        /// Multiaddrs, without the peer id.
        addresses: Vec<String>,
        /// Whether the local network told us, so that it is worth a dial.
        local: bool,
    },
    /// A peer asks something. To be answered with [`NetEffect::Respond`].
    Request {
        /// Who.
        peer: Peer,
        /// Its number.
        ticket: Ticket,
        /// The request, at most [`REQUEST_BYTES_MAX`].
        bytes: Vec<u8>,
    },
    /// A peer answered.
    Response {
        /// Who.
        peer: Peer,
        /// Which request.
        request: RequestId,
        /// The answer, at most [`ANSWER_BYTES_MAX`].
        bytes: Vec<u8>,
    },
    /// A request got no answer and never will.
    RequestFailed {
        /// Who did not answer.
        peer: Peer,
        /// Which request.
        request: RequestId,
        /// Why, in words for an operator.
        reason: String,
    },
    /// What had come of an answer when it broke off, told before or after
    /// [`NetEvent::RequestFailed`].
    Salvaged {
        /// Who was answering.
        peer: Peer,
        /// Which request.
        request: RequestId,
        /// The beginning of the answer, decompressed; at most [`ANSWER_BYTES_MAX`].
        bytes: Vec<u8>,
    },
    /// Bytes that went over the wire with a peer since the last such event, at most once a second.
    Traffic {
        /// With whom.
        peer: Peer,
        /// Bytes that came.
        received: u64,
        /// Bytes that went.
        sent: u64,
    },
    /// A gossip message. Exactly one [`NetEffect::Verdict`] must follow.
    Gossip {
        /// Who passed it on.
        peer: Peer,
        /// Its number.
        token: Token,
        /// The message, at most [`GOSSIP_BYTES_MAX`].
        bytes: Vec<u8>,
    },
}

/// What the network is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetEffect {
    /// Dial the first of these addresses that answers.
    Dial {
        /// Who is expected, if known.
        peer: Option<Peer>,
        /// Multiaddrs.
        addresses: Vec<String>,
    },
    /// Close every connection to a peer.
    Disconnect {
        /// Who.
        peer: Peer,
    },
    /// Ask a peer.
    Request {
        /// Whom.
        peer: Peer,
        /// Number for the answer.
        request: RequestId,
        /// The request.
        bytes: Vec<u8>,
    },
    /// Answer a peer.
    Respond {
        /// Which request.
        ticket: Ticket,
        /// The answer.
        bytes: Vec<u8>,
    },
    /// Let at most so much over the wire, each way, with all peers together.
    Rate {
        /// Thousand bits a second; `None`: as much as there is.
        kbit_s: Option<u32>,
    },
    /// Publish on the topic of public records.
    Publish {
        /// The message.
        bytes: Vec<u8>,
    },
    /// Say what to do with a gossip message.
    Verdict {
        /// Which one.
        token: Token,
        /// What to do.
        verdict: Verdict,
    },
}

/// What gossip does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Pass it on.
    Accept,
    /// Drop it and count it against whoever sent it.
    Reject,
    /// Drop it and blame nobody.
    Ignore,
}
