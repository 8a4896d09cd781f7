//! Requests and answers of catch-up on a stream.
//!
//! ```text
//! request = length (u32, big-endian), bytes
//! answer  = flag (0 raw, 1 zstd), length of what follows (u32, big-endian), bytes
//! ```
//!
//! The length is there because a reset stream reads like an ended one: without it, half a
//! raw answer would pass for a whole one.
//! Invariant: nothing is read or decompressed beyond its limit, whatever a peer claims;
//! the window of a zstd frame is bounded too. A stream that brings less than `PIECE_BYTES`
//! per `STALL_TIMEOUT` is given up.
//! Not here: what the bytes mean (`baraza-protocol`).
//! Spec: docs/PROTOCOL.md, section 7.2.

use std::{future::Future, io, time::Duration};

use baraza_protocol::net::{ANSWER_BYTES_MAX, REQUEST_BYTES_MAX};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

/// Name of the protocol; identify tells by it who is one of us.
pub(crate) const CATCHUP_PROTOCOL: StreamProtocol = StreamProtocol::new("/baraza/catchup/1");

/// Bytes that must get through per [`STALL_TIMEOUT`]: 2.2 kbit/s.
const PIECE_BYTES: usize = 16 * 1_024;

/// Time for one piece, and for the first byte of an answer.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Level of zstd: the fastest that still finds what repeats between records.
const ZSTD_LEVEL: i32 = 3;

/// Largest window of a zstd frame, as a power of two: 512 KiB holds any answer.
const ZSTD_WINDOW_LOG_MAX: u32 = 19;

/// Answers below this size, in bytes, are not worth compressing.
const COMPRESS_BYTES_MIN: usize = 256;

const RAW: u8 = 0;
const ZSTD: u8 = 1;

/// Reads and writes requests and answers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CatchupCodec;

impl request_response::Codec for CatchupCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
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
        Ok(bytes)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut flag = [0];
        in_time(io.read_exact(&mut flag)).await?;
        let length = read_length(io, ANSWER_BYTES_MAX).await?;
        match flag {
            [RAW] => {
                let mut bytes = Vec::new();
                read_pieces(io, length, |piece| {
                    bytes.extend_from_slice(piece);
                    Ok(())
                })
                .await?;
                Ok(bytes)
            }
            [ZSTD] => {
                let mut expander = Expander::new()?;
                read_pieces(io, length, |piece| expander.push(piece)).await?;
                expander.finish()
            }
            [flag] => Err(invalid(format!("flag of an answer is {flag}, 0 and 1 are known"))),
        }
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_pieces(io, &frame(None, &request)?).await
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

/// Decompresses one zstd frame as it comes in, up to [`ANSWER_BYTES_MAX`].
struct Expander {
    decoder: Decoder<'static>,
    bytes: Vec<u8>,
    finished: bool,
}

impl Expander {
    fn new() -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(zstd::zstd_safe::DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
        Ok(Self { decoder, bytes: Vec::new(), finished: false })
    }

    fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        let mut space = [0; PIECE_BYTES];
        let mut input = InBuffer::around(piece);
        loop {
            if self.finished {
                return match input.pos() == piece.len() {
                    true => Ok(()),
                    false => Err(invalid("bytes follow the compressed answer".into())),
                };
            }
            let mut output = OutBuffer::around(&mut space[..]);
            self.finished = self.decoder.run(&mut input, &mut output)? == 0;
            let written = output.pos();
            if ANSWER_BYTES_MAX < self.bytes.len() + written {
                return Err(invalid(format!("answer expands beyond {ANSWER_BYTES_MAX} bytes")));
            }
            self.bytes.extend_from_slice(&space[..written]);
            if input.pos() == piece.len() && written < PIECE_BYTES {
                return Ok(());
            }
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self.finished {
            true => Ok(self.bytes),
            false => Err(invalid("compressed answer ends too early".into())),
        }
    }
}

/// Returns the compressed form if that is smaller.
fn compress(answer: &[u8]) -> io::Result<Option<Vec<u8>>> {
    if answer.len() < COMPRESS_BYTES_MIN {
        return Ok(None);
    }
    // In one call, so that the frame has the window of its own size.
    let smaller = zstd::bulk::compress(answer, ZSTD_LEVEL)?;
    Ok((smaller.len() < answer.len()).then_some(smaller))
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

/// Reads `length` bytes piece by piece; memory grows with what came, not with the claim.
async fn read_pieces<T: AsyncRead + Unpin>(
    io: &mut T,
    length: usize,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut space = vec![0; PIECE_BYTES.min(length)];
    let mut left = length;
    while 0 < left {
        let piece = &mut space[..PIECE_BYTES.min(left)];
        in_time(io.read_exact(piece)).await?;
        take(piece)?;
        left -= piece.len();
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

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use futures::io::Cursor;
    use libp2p::request_response::Codec;

    use super::*;

    async fn carry(answer: &[u8]) -> (usize, io::Result<Vec<u8>>) {
        let mut wire = Cursor::new(Vec::new());
        CatchupCodec.write_response(&CATCHUP_PROTOCOL, &mut wire, answer.to_vec()).await.unwrap();
        let wire = wire.into_inner();
        (wire.len(), read_answer(&wire).await)
    }

    async fn read_answer(wire: &[u8]) -> io::Result<Vec<u8>> {
        CatchupCodec.read_response(&CATCHUP_PROTOCOL, &mut Cursor::new(wire)).await
    }

    /// Bytes that do not compress: the output of a hash.
    fn noise(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    #[tokio::test]
    async fn an_answer_comes_back_as_it_was() {
        for length in [0, 1, COMPRESS_BYTES_MIN, PIECE_BYTES, PIECE_BYTES + 1, ANSWER_BYTES_MAX] {
            let (_, answer) = carry(&vec![7; length]).await;
            assert_eq!(answer.unwrap(), vec![7; length], "{length} equal bytes");
            let (wire, answer) = carry(&noise(length)).await;
            assert_eq!(answer.unwrap(), noise(length), "{length} random bytes");
            assert_eq!(wire, length + 5, "what does not compress is sent as it is");
        }
        let (wire, _) = carry(&vec![7; ANSWER_BYTES_MAX]).await;
        assert!(wire < 1_000, "{wire} bytes for what compresses");
    }

    #[tokio::test]
    async fn an_answer_above_the_limit_is_refused_unread() {
        let wire = frame(Some(RAW), &noise(ANSWER_BYTES_MAX + 1)).unwrap();
        let error = read_answer(&wire[..5]).await.unwrap_err();
        assert_eq!(error.to_string(), "message has 327681 bytes, the limit is 327680");
    }

    #[tokio::test]
    async fn a_bomb_costs_no_more_than_the_limit() {
        // One frame of 64 MiB of zeros made as a stream, so that it does not state its size.
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(ZSTD_WINDOW_LOG_MAX).unwrap();
        io::copy(&mut io::Read::take(io::repeat(0), 64 << 20), &mut encoder).unwrap();
        let bomb = encoder.finish().unwrap();
        assert!(bomb.len() < 16 * 1_024);

        let error = read_answer(&frame(Some(ZSTD), &bomb).unwrap()).await.unwrap_err();
        assert_eq!(error.to_string(), "answer expands beyond 327680 bytes");
        let mut expander = Expander::new().unwrap();
        expander.push(&bomb).unwrap_err();
        assert!(expander.bytes.len() <= ANSWER_BYTES_MAX);

        // The same with a window that would need 64 MiB to decode.
        let wide = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
        read_answer(&frame(Some(ZSTD), &wide).unwrap()).await.unwrap_err();
    }

    #[tokio::test]
    async fn damaged_answers_are_refused() {
        let whole = zstd::bulk::compress(&[7; 5_000], 3).unwrap();
        let longer = [&whole[..], &[0]].concat();
        let twice = [&whole[..], &whole[..]].concat();
        for (what, flag, bytes) in [
            ("cut short", ZSTD, &whole[..whole.len() - 1]),
            ("a byte more", ZSTD, &longer[..]),
            ("two frames", ZSTD, &twice[..]),
            ("not zstd", ZSTD, b"no compressed bytes"),
            ("nothing", ZSTD, b""),
            ("unknown flag", 2, b"bytes"),
        ] {
            let wire = frame(Some(flag), bytes).unwrap();
            assert!(read_answer(&wire).await.is_err(), "{what}");
        }
        let half = frame(Some(RAW), &noise(1_000)).unwrap();
        let error = read_answer(&half[..500]).await.unwrap_err();
        assert_eq!(
            error.kind(),
            io::ErrorKind::UnexpectedEof,
            "a stream that ends inside a raw answer"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_stream_is_given_up() {
        struct Silent;
        impl AsyncRead for Silent {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                _: &mut [u8],
            ) -> std::task::Poll<io::Result<usize>> {
                std::task::Poll::Pending
            }
        }
        let error = CatchupCodec.read_request(&CATCHUP_PROTOCOL, &mut Silent).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
