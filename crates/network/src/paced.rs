//! Streams that wait for their turn, and are counted where the socket cannot be.
//!
//! Invariant: without a limit nothing waits. With one, the first [`SMALL_BYTES`] of a stream
//! in [`SMALL_EVERY`] never wait, so pings and control messages overtake a batch; they are
//! taken out of the bucket all the same.
//! A stream that is not read makes its peer stop: that peer may have sent what the stream's
//! window allows by then.
//! Not here: the buckets (`rate`), the counts (`meter`).
//! Spec: docs/PROTOCOL.md, section 7.8.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent, SubstreamBox};
use tokio::time::{Instant, Sleep};

use crate::{
    meter::Meter,
    rate::{self, Bucket, Limiter},
};

/// Bytes of a stream that never wait, each way (2 KiB): a ping has 32, a short message of
/// gossip some hundred.
pub(crate) const SMALL_BYTES: usize = 2 * 1_024;

/// Time after which so many may again.
pub(crate) const SMALL_EVERY: Duration = Duration::from_secs(10);

/// A connection whose streams wait for their turn.
pub(crate) struct Paced {
    inner: StreamMuxerBox,
    limiter: Arc<Limiter>,
    /// For a connection whose socket is not counted.
    meter: Option<Arc<Meter>>,
}

impl Paced {
    pub(crate) fn new(
        inner: StreamMuxerBox,
        limiter: Arc<Limiter>,
        meter: Option<Arc<Meter>>,
    ) -> Self {
        Self { inner, limiter, meter }
    }

    fn stream(&self, inner: SubstreamBox) -> PacedStream {
        PacedStream {
            inner,
            limiter: Arc::clone(&self.limiter),
            meter: self.meter.clone(),
            reading: Turn::new(),
            writing: Turn::new(),
        }
    }
}

impl StreamMuxer for Paced {
    type Substream = PacedStream;
    type Error = io::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<PacedStream>> {
        let stream = ready!(Pin::new(&mut self.inner).poll_inbound(cx))?;
        Poll::Ready(Ok(self.stream(stream)))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<PacedStream>> {
        let stream = ready!(Pin::new(&mut self.inner).poll_outbound(cx))?;
        Poll::Ready(Ok(self.stream(stream)))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

/// A stream that waits for its turn.
pub(crate) struct PacedStream {
    inner: SubstreamBox,
    limiter: Arc<Limiter>,
    meter: Option<Arc<Meter>>,
    reading: Turn,
    writing: Turn,
}

impl AsyncRead for PacedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let rate = this.limiter.rate();
        let bucket = &this.limiter.reading;
        let may = ready!(this.reading.poll(cx, bucket, rate, usize::MAX)).min(space.len());
        let read = ready!(Pin::new(&mut this.inner).poll_read(cx, &mut space[..may]))?;
        this.reading.used(bucket, rate, read);
        if let Some(meter) = &this.meter {
            meter.came(read);
        }
        Poll::Ready(Ok(read))
    }
}

impl AsyncWrite for PacedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let rate = this.limiter.rate();
        let bucket = &this.limiter.writing;
        let may = ready!(this.writing.poll(cx, bucket, rate, bytes.len())).min(bytes.len());
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, &bytes[..may]))?;
        this.writing.used(bucket, rate, written);
        if let Some(meter) = &this.meter {
            meter.went(written);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_close(cx)
    }
}

/// What one way of a stream may do now.
struct Turn {
    /// Bytes that were taken out of the bucket and not used yet.
    granted: usize,
    /// Bytes that will be granted after the wait.
    waiting: Option<(usize, Pin<Box<Sleep>>)>,
    small_left: usize,
    small_from: Instant,
}

impl Turn {
    fn new() -> Self {
        Self { granted: 0, waiting: None, small_left: SMALL_BYTES, small_from: Instant::now() }
    }

    /// Returns how many bytes may go now, at least one.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        bucket: &Bucket,
        rate: Option<u64>,
        wanted: usize,
    ) -> Poll<usize> {
        let Some(rate) = rate else {
            (self.granted, self.waiting) = (0, None);
            return Poll::Ready(usize::MAX);
        };
        if 0 < self.granted {
            return Poll::Ready(self.granted);
        }
        if SMALL_EVERY <= self.small_from.elapsed() {
            (self.small_left, self.small_from) = (SMALL_BYTES, Instant::now());
        }
        if 0 < self.small_left {
            return Poll::Ready(self.small_left);
        }
        if self.waiting.is_none() {
            let turn = rate::turn_bytes(rate).min(wanted.max(1));
            let wait = bucket.take(turn, rate);
            self.waiting = Some((turn, Box::pin(tokio::time::sleep(wait))));
        }
        if let Some((turn, sleep)) = &mut self.waiting {
            ready!(sleep.as_mut().poll(cx));
            self.granted = *turn;
            self.waiting = None;
        }
        Poll::Ready(self.granted)
    }

    /// Notes that so many of them went.
    fn used(&mut self, bucket: &Bucket, rate: Option<u64>, bytes: usize) {
        let Some(rate) = rate else { return };
        if 0 < self.granted {
            self.granted = self.granted.saturating_sub(bytes);
        } else if 0 < bytes {
            self.small_left = self.small_left.saturating_sub(bytes);
            bucket.take(bytes, rate);
        }
    }
}
