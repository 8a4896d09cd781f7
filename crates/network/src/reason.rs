//! Failures of the network in words for an operator.
//!
//! Invariant: a text says what is probably wrong there, in one line; what a peer wrote
//! itself is cut and cleaned before it is shown.
//! Not here: when it is told (`events`).
//! Spec: docs/PROTOCOL.md, section 7.1.

use std::{error::Error, io};

use libp2p::{
    Multiaddr, PeerId, TransportError, connection_limits,
    core::upgrade::{NegotiationError, ProtocolError},
    dns, noise, request_response,
    swarm::DialError,
};

/// We have dialled our own node.
pub(crate) const OURSELVES: &str = "this is the address of this node itself";

const OTHER_PROTOCOL: &str = "what answers there is not a Baraza node: it speaks another protocol";

/// Most characters of a text of somebody else's that are shown.
const FOREIGN_CHARS_MAX: usize = 120;

/// Returns why an address could not be reached.
pub(crate) fn of_transport(error: &TransportError<io::Error>) -> String {
    match error {
        TransportError::MultiaddrNotSupported(_) => "no transport for such an address".into(),
        TransportError::Other(error) => of_error(error),
    }
}

/// Returns why a dial failed that did not get as far as an address.
pub(crate) fn of_dial(error: &DialError) -> String {
    match error {
        // The swarm leaves out addresses that it listens on itself; none was left.
        DialError::LocalPeerId { .. } | DialError::NoAddresses => OURSELVES.into(),
        DialError::Aborted => "given up".into(),
        DialError::Denied { cause } => {
            match cause.source().and_then(|c| c.downcast_ref::<connection_limits::Exceeded>()) {
                Some(exceeded) => exceeded.to_string(),
                None => clean(&cause.to_string()),
            }
        }
        other => clean(&other.to_string()),
    }
}

/// Returns that somebody else is at an address.
pub(crate) fn of_wrong_peer(
    address: &Multiaddr,
    obtained: &PeerId,
    expected: Option<&PeerId>,
) -> String {
    match expected {
        Some(expected) => format!("the node at {address} has key {obtained}, not {expected}"),
        None => format!("the node at {address} has key {obtained}, which is not the expected one"),
    }
}

/// Returns that a peer is no node of ours.
pub(crate) fn of_foreign(agent: &str) -> String {
    format!(
        "what answers there is not a Baraza node of this version, it calls itself `{}`",
        clean(agent)
    )
}

/// Returns why a request has no answer.
pub(crate) fn of_request(error: &request_response::OutboundFailure) -> String {
    use request_response::OutboundFailure::{
        ConnectionClosed, DialFailure, Io, Timeout, UnsupportedProtocols,
    };
    match error {
        DialFailure => "the peer is not connected".into(),
        Timeout => "no answer in time".into(),
        ConnectionClosed => "the connection closed before the answer".into(),
        UnsupportedProtocols => "the peer does not take such requests".into(),
        Io(error) => match error.kind() {
            io::ErrorKind::UnexpectedEof => "the peer gave no answer".into(),
            _ => clean(&error.to_string()),
        },
    }
}

/// Looks for the innermost error that means something to people.
fn of_error(error: &io::Error) -> String {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    let mut last = error.to_string();
    while let Some(error) = next {
        last = error.to_string();
        if let Some(text) = known(error) {
            return text;
        }
        next = inner(error);
    }
    match last.contains("imeout") || last.contains("timed out") {
        true => "timed out: nothing answers there".into(),
        false => clean(&last),
    }
}

/// Returns the cause of `error`, also where `source` passes over it: what a boxed
/// `io::Error` holds, what noise got from the stream, the last of several dials.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(held) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return Some(held);
    }
    if let Some(noise::Error::Io(cause)) = error.downcast_ref::<noise::Error>() {
        return Some(cause);
    }
    if let Some(dns::Error::Dial(failures)) = error.downcast_ref::<dns::Error<io::Error>>() {
        return failures.last().map(|failure| failure as &(dyn Error + 'static));
    }
    error.source()
}

fn known(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(dns::Error::ResolveError(cause)) = error.downcast_ref::<dns::Error<io::Error>>() {
        let cause = cause.to_string();
        // What follows is the query as a data structure.
        let cause = cause.split(" for Query").next().unwrap_or_default();
        return Some(format!("the name cannot be resolved: {}", clean(cause)));
    }
    if error.is::<NegotiationError>() || error.is::<ProtocolError>() {
        return Some(OTHER_PROTOCOL.into());
    }
    match error.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::ConnectionRefused => {
            Some("connection refused: nothing listens there".into())
        }
        io::ErrorKind::TimedOut => Some("timed out: nothing answers there".into()),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Some("there is no route to this address".into())
        }
        io::ErrorKind::InvalidData => Some(OTHER_PROTOCOL.into()),
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => Some(
            "what answers there closed the connection: it is busy, or not a Baraza node".into(),
        ),
        _ => None,
    }
}

/// Makes one short line without control characters of a text of somebody else's.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(FOREIGN_CHARS_MAX).collect()
}
