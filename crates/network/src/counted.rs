//! A socket whose bytes are counted, and the handshake that says with whom.
//!
//! Invariant: every byte of a connection is counted from the first one of its handshake on;
//! whose they are is known when the handshake has proved a key.
//! Not here: what the counts are for (`meter`).
//! Spec: docs/PROTOCOL.md, section 7.8.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::{AsyncRead, AsyncWrite, FutureExt, TryFutureExt};
use libp2p::{
    PeerId,
    core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo},
    noise,
};

use crate::meter::{Meter, Meters, Overhead};

/// A byte stream with a meter.
pub(crate) struct Counted<T> {
    inner: T,
    meter: Arc<Meter>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.inner).poll_read(cx, space))?;
        self.meter.came(read);
        Poll::Ready(Ok(read))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
        self.meter.went(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

/// Noise over a counted stream.
#[derive(Clone)]
pub(crate) struct CountedNoise {
    noise: noise::Config,
    meters: Meters,
    overhead: Overhead,
}

impl CountedNoise {
    pub(crate) fn new(noise: noise::Config, meters: Meters, overhead: Overhead) -> Self {
        Self { noise, meters, overhead }
    }

    fn counted<T>(&self, socket: T) -> (Counted<T>, impl FnOnce(PeerId) + use<T>) {
        let meter = Meter::new(self.overhead);
        let counted = Counted { inner: socket, meter: Arc::clone(&meter) };
        let meters = self.meters.clone();
        (counted, move |peer| meters.attach(peer, meter))
    }
}

impl UpgradeInfo for CountedNoise {
    type Info = <noise::Config as UpgradeInfo>::Info;
    type InfoIter = <noise::Config as UpgradeInfo>::InfoIter;

    fn protocol_info(&self) -> Self::InfoIter {
        self.noise.protocol_info()
    }
}

/// A future on the heap, as upgrades want it.
type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What the handshake makes of a stream, and the peer that it proved.
type Secured<T> = (PeerId, noise::Output<Counted<T>>);

impl<T> InboundConnectionUpgrade<T> for CountedNoise
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Output = Secured<T>;
    type Error = noise::Error;
    type Future = Boxed<Result<Secured<T>, noise::Error>>;

    fn upgrade_inbound(self, socket: T, info: Self::Info) -> Self::Future {
        let (socket, prove) = self.counted(socket);
        self.noise.upgrade_inbound(socket, info).inspect_ok(|(peer, _)| prove(*peer)).boxed()
    }
}

impl<T> OutboundConnectionUpgrade<T> for CountedNoise
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Output = Secured<T>;
    type Error = noise::Error;
    type Future = Boxed<Result<Secured<T>, noise::Error>>;

    fn upgrade_outbound(self, socket: T, info: Self::Info) -> Self::Future {
        let (socket, prove) = self.counted(socket);
        self.noise.upgrade_outbound(socket, info).inspect_ok(|(peer, _)| prove(*peer)).boxed()
    }
}
