//! Requests and answers of catch-up on a stream.
//!
//! ```text
//! request = length (u32, big-endian), bytes
//! answer  = flag (0 raw, 1 zstd), length of what follows (u32, big-endian), bytes
//! ```
//!
//! The length is there because a reset stream reads like an ended one: without it, half a
//! raw answer would pass for a whole one.
//! Invariant: nothing is read beyond its limit, whatever a peer claims. A stream that brings
//! less than `PIECE_BYTES` per `STALL_TIMEOUT` is given up. Of an answer that breaks off, what
//! has come is handed on.
//! Not here: compression (`compress`), what the bytes mean (`baraza-protocol`).
//! Spec: docs/PROTOCOL.md, section 7.2.

use std::{future::Future, io, time::Duration};

use baraza_protocol::net::{ANSWER_BYTES_MAX, REQUEST_BYTES_MAX, RequestId};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};
use tokio::sync::mpsc::Sender;

use crate::{
    compress::{Expander, compress, invalid},
    salvage::{Coming, Salvaged},
};

/// Name of the protocol; identify tells by it who is one of us.
pub(crate) const CATCHUP_PROTOCOL: StreamProtocol = StreamProtocol::new("/baraza/catchup/1");

/// Bytes that must get through per [`STALL_TIMEOUT`]: 2.2 kbit/s.
const PIECE_BYTES: usize = 16 * 1_024;

/// Time for one piece, and for the first byte of an answer.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

const RAW: u8 = 0;
const ZSTD: u8 = 1;

/// A request, and the number by which its answer is known here; only the bytes travel.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Ours; 0 for a request of a peer.
    pub(crate) request: RequestId,
    pub(crate) bytes: Vec<u8>,
}

/// Reads and writes requests and answers. libp2p clones it for each exchange, so the clone
/// that wrote a request reads its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct CatchupCodec {
    salvage: Option<Sender<Salvaged>>,
    request: RequestId,
}

impl CatchupCodec {
    /// Makes a codec that hands on what had come of broken answers.
    pub(crate) fn new(salvage: Sender<Salvaged>) -> Self {
        Self { salvage: Some(salvage), request: 0 }
    }
}

impl request_response::Codec for CatchupCodec {
    type Protocol = StreamProtocol;
    type Request = Asked;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Asked>
    where
        T: AsyncRead + Unpin + Send,
    {
        let length = read_length(io, REQUEST_BYTES_MAX).await?;
        let mut bytes = Vec::new();
        read_pieces(io, length, |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })
        .await?;
        Ok(Asked { request: 0, bytes })
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut coming = Coming::new(self.request, self.salvage.clone());
        match read_answer(io, &mut coming.bytes).await {
            Ok(()) => Ok(coming.complete()),
            Err(error) => {
                if error.kind() == io::ErrorKind::InvalidData {
                    coming.refuse();
                }
                Err(error)
            }
        }
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        asked: Asked,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        self.request = asked.request;
        write_pieces(io, &frame(None, &asked.bytes)?).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        answer: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let framed = match compress(&answer)? {
            Some(smaller) => frame(Some(ZSTD), &smaller)?,
            None => frame(Some(RAW), &answer)?,
        };
        drop(answer);
        write_pieces(io, &framed).await
    }
}

/// Reads an answer; `bytes` has at any time what has come of it.
async fn read_answer<T: AsyncRead + Unpin>(io: &mut T, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut flag = [0];
    in_time(io.read_exact(&mut flag)).await?;
    let length = read_length(io, ANSWER_BYTES_MAX).await?;
    match flag {
        [RAW] => {
            let take = |piece: &[u8]| {
                bytes.extend_from_slice(piece);
                Ok(())
            };
            read_pieces(io, length, take).await
        }
        [ZSTD] => {
            let mut expander = Expander::new()?;
            read_pieces(io, length, |piece| expander.push(piece, bytes)).await?;
            expander.finish()
        }
        [flag] => Err(invalid(format!("flag of an answer is {flag}, 0 and 1 are known"))),
    }
}

/// Puts flag and length before the bytes, so that they leave in one packet.
fn frame(flag: Option<u8>, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(bytes.len()).map_err(|_| invalid("message of 4 GiB".into()))?;
    let mut framed = Vec::with_capacity(bytes.len() + 5);
    framed.extend(flag);
    framed.extend(length.to_be_bytes());
    framed.extend_from_slice(bytes);
    Ok(framed)
}

async fn read_length<T: AsyncRead + Unpin>(io: &mut T, bytes_max: usize) -> io::Result<usize> {
    let mut length = [0; 4];
    in_time(io.read_exact(&mut length)).await?;
    let length = u32::from_be_bytes(length);
    match usize::try_from(length) {
        Ok(length) if length <= bytes_max => Ok(length),
        _ => Err(invalid(format!("message has {length} bytes, the limit is {bytes_max}"))),
    }
}

/// Reads `length` bytes and hands them on as they come; memory grows with what came, not
/// with the claim.
async fn read_pieces<T: AsyncRead + Unpin>(
    io: &mut T,
    length: usize,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut space = vec![0; PIECE_BYTES.min(length)];
    let mut left = length;
    while 0 < left {
        let piece_bytes = PIECE_BYTES.min(left);
        let piece = async {
            let mut missing = piece_bytes;
            while 0 < missing {
                let read = io.read(&mut space[..missing]).await?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                take(&space[..read])?;
                missing -= read;
            }
            Ok(())
        };
        in_time(piece).await?;
        left -= piece_bytes;
    }
    Ok(())
}

async fn write_pieces<T: AsyncWrite + Unpin>(io: &mut T, bytes: &[u8]) -> io::Result<()> {
    for piece in bytes.chunks(PIECE_BYTES) {
        in_time(io.write_all(piece)).await?;
    }
    in_time(io.flush()).await
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let seconds = STALL_TIMEOUT.as_secs();
    tokio::time::timeout(STALL_TIMEOUT, work).await.unwrap_or_else(|_| {
        let text = format!("less than {PIECE_BYTES} bytes in {seconds} s");
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}

#[cfg(test)]
mod tests;
