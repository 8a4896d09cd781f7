//! Addresses: what people type, what peers claim, what can be dialled.
//!
//! Invariant: an address that passes here is a host with TCP, WebSocket or QUIC, or a circuit
//! through one, and nothing else, so no peer can make us dial in a way we did not mean to. An address of a private or
//! loopback network is believed only from a peer of that network: otherwise a stranger
//! could let us knock at the doors of our own house.
//! Not here: dialling (`effects`), who is worth a dial (`node`).
//! Spec: docs/PROTOCOL.md, section 7.1.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use baraza_protocol::net::Peer;
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};

use crate::{config::FOUND_ADDRESSES_MAX, peer};

/// Most bytes of an address as text: a DNS name has at most 253, a peer id 52.
pub const ADDRESS_BYTES_MAX: usize = 400;

/// Why a text is not an address. Every message shows how to write it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Too long to be one.
    #[error("address has {bytes} bytes, the limit is {ADDRESS_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not a multiaddr.
    #[error("`{text}` is not an address ({reason}); write it like {example}")]
    Malformed {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
        /// What was perhaps meant, or else any address.
        example: String,
    },
    /// A multiaddr, but not of a kind that this node can dial or listen on.
    #[error("`{text}` cannot be used: {reason}; write it like {example}")]
    Unusable {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
        /// An address of the right kind.
        example: &'static str,
    },
    /// The part after `/p2p/` is not the id of a node.
    #[error("`{id}` is not the id of a node: it starts with 12D3KooW and has 52 characters")]
    BadPeerId {
        /// What stands there.
        id: String,
    },
}

/// What stands in an address between a relay and whoever is reached through it.
const CIRCUIT: &str = "/p2p-circuit";

const DIAL_EXAMPLE: &str = "/ip4/192.0.2.7/tcp/4001 or /dns4/node.example.org/udp/4001/quic-v1";
const RELAY_EXAMPLE: &str = "/ip4/192.0.2.7/tcp/4001/p2p/12D3KooW...";
const LISTEN_EXAMPLE: &str = "/ip4/0.0.0.0/tcp/4001 or /ip4/0.0.0.0/udp/4001/quic-v1";

/// Reads an address to dial: `/ip4`, `/ip6`, `/dns4`, `/dns6` or `/dns`, then `/tcp/PORT`,
/// perhaps with `/ws` or `/wss`, or `/udp/PORT/quic-v1`, then perhaps `/p2p/RELAY/p2p-circuit`,
/// then perhaps `/p2p/ID`.
///
/// Returns it without the id, and the peer with that id.
///
/// # Errors
///
/// [`AddressError`] says what is wrong and shows an example.
pub fn parse_address(text: &str) -> Result<(String, Option<Peer>), AddressError> {
    let (address, peer) = parse_dial(text)?;
    Ok((address.to_string(), peer))
}

/// Reads an address to dial, like [`parse_address`].
pub(crate) fn parse_dial(text: &str) -> Result<(Multiaddr, Option<Peer>), AddressError> {
    let (address, id) = parse(text)?;
    let peer = match id {
        None => None,
        Some(id) => Some(
            peer::peer_key(&id).ok_or_else(|| AddressError::BadPeerId { id: id.to_string() })?,
        ),
    };
    let unusable = |reason: String| AddressError::Unusable {
        text: text.into(),
        reason,
        example: DIAL_EXAMPLE,
    };
    let endpoint = Endpoint::of(&address).map_err(unusable)?;
    if endpoint.port == 0 {
        return Err(unusable("port 0 cannot be dialled".into()));
    }
    if endpoint.scope() == Scope::Nowhere {
        return Err(unusable("no node has this IP address".into()));
    }
    Ok((address, peer))
}

/// Reads an address to listen on: IP only; port 0 takes a free port.
pub(crate) fn parse_listen(text: &str) -> Result<Multiaddr, AddressError> {
    let unusable = |reason: String| AddressError::Unusable {
        text: text.into(),
        reason,
        example: LISTEN_EXAMPLE,
    };
    let (address, id) = parse(text)?;
    if id.is_some() {
        return Err(unusable("the id of a node does not belong in an address to listen on".into()));
    }
    let endpoint = Endpoint::of(&address).map_err(unusable)?;
    if endpoint.relay.is_some() {
        return Err(unusable("circuits of a relay are accepted if `relays` names it".into()));
    }
    if endpoint.secured {
        return Err(unusable("this node has no certificate: use /ws behind a web server".into()));
    }
    match endpoint.host {
        Some(_) => Ok(address),
        None => Err(unusable("a node listens on an IP address, not on a name".into())),
    }
}

/// Reads the address of a relay: like one to dial, with the id of the relay at its end.
pub(crate) fn parse_relay(text: &str) -> Result<(Multiaddr, Peer), AddressError> {
    let (address, peer) = parse_dial(text)?;
    let unusable = |reason: &str| AddressError::Unusable {
        text: text.into(),
        reason: reason.into(),
        example: RELAY_EXAMPLE,
    };
    if relay_of(&address).is_some() {
        return Err(unusable("a relay is not reached through another one"));
    }
    let peer = peer.ok_or_else(|| unusable("the id of the relay is missing at its end"))?;
    Ok((address, peer))
}

/// Returns the address of the relay in the address of a circuit, and the relay's id.
pub(crate) fn relay_of(address: &Multiaddr) -> Option<(Multiaddr, PeerId)> {
    let relay = Endpoint::of(address).ok()?.relay?;
    let hops = |part: &Protocol<'_>| !matches!(part, Protocol::P2p(_) | Protocol::P2pCircuit);
    Some((address.iter().take_while(hops).collect(), relay))
}

/// Returns the address without `/p2p/ID` at its end.
pub(crate) fn without_peer(mut address: Multiaddr) -> Multiaddr {
    if let Some(Protocol::P2p(_)) = address.iter().last() {
        address.pop();
    }
    address
}

/// How far an address reaches; a peer is believed about its own circle and wider ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// Cannot be dialled by anybody, or not without more than the address.
    Nowhere,
    /// This machine.
    Machine,
    /// A private network.
    Site,
    /// The internet, or a name.
    World,
}

/// Returns how far `address` reaches.
pub(crate) fn scope(address: &Multiaddr) -> Scope {
    Endpoint::of(address).map_or(Scope::Nowhere, |endpoint| endpoint.scope())
}

/// Returns those of a peer's `claimed` addresses that are worth keeping if whoever knows of
/// each is as `near` as it says: at most [`FOUND_ADDRESSES_MAX`], each once, without the
/// peer id.
pub(crate) fn dialable(
    claimed: impl IntoIterator<Item = Multiaddr>,
    near: impl Fn(&Multiaddr) -> Scope,
) -> Vec<String> {
    let mut addresses: Vec<String> = Vec::new();
    for address in claimed.into_iter().map(without_peer) {
        let text = address.to_string();
        let fits = text.len() <= ADDRESS_BYTES_MAX && !addresses.contains(&text);
        let near = near(&address);
        let usable = Endpoint::of(&address).is_ok_and(|e| e.port != 0 && near <= e.scope());
        if fits && usable && near != Scope::Nowhere {
            addresses.push(text);
        }
        if addresses.len() == FOUND_ADDRESSES_MAX {
            break;
        }
    }
    addresses
}

/// What is in an address: a host (`None`: a name), a port, and how it is reached.
struct Endpoint {
    host: Option<IpAddr>,
    port: u16,
    /// Whether TLS of the web is below, which this node cannot serve.
    secured: bool,
    /// The relay through which the circuit goes; its address is the rest.
    relay: Option<PeerId>,
}

impl Endpoint {
    /// Takes an address without peer id apart.
    ///
    /// # Errors
    ///
    /// In words, why it is none that this node can use.
    fn of(address: &Multiaddr) -> Result<Self, String> {
        let mut parts = address.iter().peekable();
        let host = match parts.next() {
            Some(Protocol::Ip4(ip)) => Some(IpAddr::V4(ip)),
            Some(Protocol::Ip6(ip)) => Some(IpAddr::V6(ip)),
            Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)) => None,
            Some(other) => {
                return Err(format!("it must start with a host, not with /{}", other.tag()));
            }
            None => return Err("it is empty".into()),
        };
        let mut secured = false;
        let port = match parts.next() {
            Some(Protocol::Udp(port)) => match parts.next() {
                Some(Protocol::QuicV1) => port,
                _ => return Err("/udp/PORT must be followed by /quic-v1".into()),
            },
            Some(Protocol::Tcp(port)) => {
                secured = parts.next_if_eq(&Protocol::Tls).is_some();
                match parts.peek() {
                    Some(Protocol::Wss(path)) if path == "/" && !secured => {
                        secured = true;
                        parts.next();
                    }
                    Some(Protocol::Ws(path)) if path == "/" => {
                        parts.next();
                    }
                    _ if secured => return Err("/tls must be followed by /ws".into()),
                    _ => (),
                }
                port
            }
            Some(other) => return Err(format!("/{} is not supported", other.tag())),
            None => return Err("/tcp/PORT or /udp/PORT/quic-v1 is missing".into()),
        };
        let relay = match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => None,
            (Some(Protocol::P2p(relay)), Some(Protocol::P2pCircuit), None) => Some(relay),
            (Some(Protocol::P2pCircuit), ..) => {
                return Err("the id of the relay must stand before /p2p-circuit".into());
            }
            (Some(other), ..) => return Err(format!("/{} is not supported", other.tag())),
        };
        Ok(Self { host, port, secured, relay })
    }

    fn scope(&self) -> Scope {
        match self.host {
            None => Scope::World,
            Some(IpAddr::V4(ip)) => scope_v4(ip),
            Some(IpAddr::V6(ip)) => ip.to_ipv4_mapped().map_or_else(|| scope_v6(ip), scope_v4),
        }
    }
}

fn scope_v4(ip: Ipv4Addr) -> Scope {
    // 100.64.0.0/10 is the address space of carriers (RFC 6598), private in effect.
    let carrier = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
    if ip.is_unspecified() || ip.is_broadcast() || ip.is_multicast() {
        Scope::Nowhere
    } else if ip.is_loopback() {
        Scope::Machine
    } else if ip.is_private() || ip.is_link_local() || carrier {
        Scope::Site
    } else {
        Scope::World
    }
}

fn scope_v6(ip: Ipv6Addr) -> Scope {
    // A link-local address needs the name of an interface, which no multiaddr here carries.
    if ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local() {
        Scope::Nowhere
    } else if ip.is_loopback() {
        Scope::Machine
    } else if ip.is_unique_local() {
        Scope::Site
    } else {
        Scope::World
    }
}

/// Splits off the peer id first, because its own errors are the clearer ones.
fn parse(text: &str) -> Result<(Multiaddr, Option<PeerId>), AddressError> {
    if ADDRESS_BYTES_MAX < text.len() {
        return Err(AddressError::TooLong { bytes: text.len() });
    }
    let read =
        |id: &str| id.parse::<PeerId>().map_err(|_| AddressError::BadPeerId { id: id.into() });
    let (relay, rest) = match text.split_once(CIRCUIT) {
        Some((relay, rest)) => (Some(relay), rest),
        None => (None, text),
    };
    let (host, id) = match rest.split_once("/p2p/") {
        None => (rest, None),
        Some((host, id)) => (host, Some(read(id)?)),
    };
    let host = match relay {
        None => host.to_owned(),
        Some(relay) => {
            if let Some((_, id)) = relay.split_once("/p2p/") {
                read(id)?;
            }
            format!("{relay}{CIRCUIT}{host}")
        }
    };
    match host.parse::<Multiaddr>() {
        Ok(address) => Ok((address, id)),
        Err(error) => Err(AddressError::Malformed {
            text: text.into(),
            reason: error.to_string(),
            example: meant(text).unwrap_or_else(|| DIAL_EXAMPLE.into()),
        }),
    }
}

/// Guesses the multiaddr behind the customary `host:port`.
fn meant(text: &str) -> Option<String> {
    if let Ok(socket) = text.parse::<SocketAddr>() {
        let version = if socket.is_ipv4() { "ip4" } else { "ip6" };
        return Some(format!("/{version}/{}/tcp/{}", socket.ip(), socket.port()));
    }
    let (name, port) = text.split_once(':')?;
    let port: u16 = port.parse().ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    (!name.is_empty() && name.chars().all(plain)).then(|| format!("/dns/{name}/tcp/{port}"))
}

#[cfg(test)]
mod tests;
