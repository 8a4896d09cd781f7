//! Whom libp2p may dial on somebody else's word.
//!
//! The rules say whom to dial; the address book, the reservation at a relay, the phone book
//! and hole punching dial by themselves, at addresses that peers have named.
//! Invariant: an address of a private network or of this machine is dialled only if the
//! rules or the configuration mean it, or if every connected peer is as near: a stranger
//! cannot let us knock at the doors of our own house.
//! Not here: which claims are kept (`address`).
//! Spec: docs/PROTOCOL.md, section 7.1.

use std::{
    collections::HashMap,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId, Transport, TransportError,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, DialOpts, ListenerId, TransportEvent},
    },
};

use crate::address::{self, Scope};

/// What may be dialled.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    /// Addresses without peer id that the rules have dialled and are not done with.
    meant: Mutex<HashMap<Multiaddr, usize>>,
    site: AtomicBool,
    machine: AtomicBool,
}

impl Guard {
    /// Allows addresses until they are given to [`done`](Self::done).
    pub(crate) fn mean(&self, addresses: &[Multiaddr]) {
        let mut meant = self.lock();
        for address in addresses.iter().flat_map(doors) {
            *meant.entry(address).or_default() += 1;
        }
    }

    /// Takes back what [`mean`](Self::mean) allowed.
    pub(crate) fn done(&self, addresses: &[Multiaddr]) {
        let mut meant = self.lock();
        for address in addresses.iter().flat_map(doors) {
            if let Some(count) = meant.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    meant.remove(&address);
                }
            }
        }
    }

    /// Notes how near the farthest of the connected peers is; `None`: nobody is connected.
    pub(crate) fn set_farthest(&self, farthest: Option<Scope>) {
        let near = |scope| farthest.is_some_and(|farthest| farthest <= scope);
        self.site.store(near(Scope::Site), Ordering::Relaxed);
        self.machine.store(near(Scope::Machine), Ordering::Relaxed);
    }

    fn allows(&self, address: &Multiaddr) -> bool {
        match address::scope(&address::without_peer(address.clone())) {
            Scope::World => true,
            Scope::Site if self.site.load(Ordering::Relaxed) => true,
            Scope::Machine if self.machine.load(Ordering::Relaxed) => true,
            Scope::Site | Scope::Machine | Scope::Nowhere => {
                self.lock().contains_key(&address::without_peer(address.clone()))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Multiaddr, usize>> {
        self.meant.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the addresses that are dialled for one: itself, and that of the relay in it.
fn doors(address: &Multiaddr) -> Vec<Multiaddr> {
    let whole = address::without_peer(address.clone());
    let relay = address::relay_of(&whole).map(|(relay, _)| relay);
    [whole].into_iter().chain(relay).collect()
}

/// A transport with a guard at its door.
pub(crate) struct Guarded {
    inner: Boxed<(PeerId, StreamMuxerBox)>,
    guard: Arc<Guard>,
}

impl Guarded {
    pub(crate) fn new(inner: Boxed<(PeerId, StreamMuxerBox)>, guard: Arc<Guard>) -> Self {
        Self { inner, guard }
    }
}

impl Transport for Guarded {
    type Output = (PeerId, StreamMuxerBox);
    type Error = io::Error;
    type ListenerUpgrade = <Boxed<(PeerId, StreamMuxerBox)> as Transport>::ListenerUpgrade;
    type Dial = <Boxed<(PeerId, StreamMuxerBox)> as Transport>::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        match self.guard.allows(&address) {
            true => self.inner.dial(address, options),
            false => {
                tracing::debug!(%address, "not dialled on somebody else's word");
                let reason = "an address of a private network, named by somebody outside";
                Err(TransportError::Other(io::Error::other(reason)))
            }
        }
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_address_is_dialled_if_it_is_meant_or_everybody_is_near() {
        let guard = Guard::default();
        let allows = |text: &str| guard.allows(&text.parse().unwrap());
        let id = PeerId::random();
        let site = "/ip4/10.0.0.7/tcp/4001";
        let with_id = format!("{site}/p2p/{id}");
        let circuit: Multiaddr = format!("{with_id}/p2p-circuit").parse().unwrap();
        assert!(allows("/ip4/198.51.100.7/tcp/4001") && allows("/dns/example.org/tcp/1/ws"));
        assert!(!allows(site) && !allows(&with_id) && !allows(&circuit.to_string()));

        guard.mean(&[circuit.clone(), site.parse().unwrap()]);
        assert!(allows(site) && allows(&with_id) && allows(&circuit.to_string()));
        assert!(!allows("/ip4/10.0.0.7/tcp/4002"));
        guard.done(&[site.parse().unwrap()]);
        assert!(allows(site), "the relay is still meant");
        guard.done(&[circuit]);
        assert!(!allows(site));

        guard.set_farthest(Some(Scope::Site));
        assert!(allows(site) && !allows("/ip4/127.0.0.1/tcp/4001"));
        guard.set_farthest(Some(Scope::Machine));
        assert!(allows(site) && allows("/ip4/127.0.0.1/tcp/4001"));
        guard.set_farthest(Some(Scope::World));
        assert!(!allows(site));
        guard.set_farthest(None);
        assert!(!allows(site));
        assert!(guard.lock().is_empty());
    }
}
