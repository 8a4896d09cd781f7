//! Requests and answers through the codec: sizes, limits, damage, answers that break off.

use futures::io::Cursor;
use libp2p::request_response::Codec;

use super::*;
use crate::{
    compress::{BLOCK_BYTES, COMPRESS_BYTES_MIN, ZSTD_WINDOW_LOG_MAX},
    salvage::{self, SALVAGE_BYTES_MIN},
};

async fn carry(answer: &[u8]) -> (usize, io::Result<Vec<u8>>) {
    let mut wire = Cursor::new(Vec::new());
    CatchupCodec::default()
        .write_response(&CATCHUP_PROTOCOL, &mut wire, answer.to_vec())
        .await
        .unwrap();
    let wire = wire.into_inner();
    (wire.len(), read_answer(&wire).await)
}

async fn read_answer(wire: &[u8]) -> io::Result<Vec<u8>> {
    CatchupCodec::default().read_response(&CATCHUP_PROTOCOL, &mut Cursor::new(wire)).await
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
    let mut bytes = Vec::new();
    Expander::new().unwrap().push(&bomb, &mut bytes).unwrap_err();
    assert!(bytes.len() <= ANSWER_BYTES_MAX);

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
    let error =
        CatchupCodec::default().read_request(&CATCHUP_PROTOCOL, &mut Silent).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

/// Reads an answer of which only `wire` comes, and returns what is salvaged of it.
async fn salvaged(wire: &[u8]) -> Option<Vec<u8>> {
    let (sender, mut broken) = salvage::channel();
    let mut codec = CatchupCodec::new(sender);
    let asked = Asked { request: 7, bytes: vec![1] };
    codec.write_request(&CATCHUP_PROTOCOL, &mut Cursor::new(Vec::new()), asked).await.unwrap();
    let whole = codec.read_response(&CATCHUP_PROTOCOL, &mut Cursor::new(wire)).await;
    let salvaged = broken.try_recv().ok();
    assert!(whole.is_err() || salvaged.is_none(), "a whole answer is not salvaged");
    salvaged.map(|salvaged| {
        assert_eq!(salvaged.request, 7);
        salvaged.bytes
    })
}

#[tokio::test]
async fn what_came_of_a_broken_answer_is_handed_on() {
    let answer: Vec<u8> = (0..20_000_u32).flat_map(|n| n.to_string().into_bytes()).collect();
    let packed = frame(Some(ZSTD), &compress(&answer).unwrap().unwrap()).unwrap();
    let raw = frame(Some(RAW), &answer).unwrap();
    assert_eq!(salvaged(&raw).await, None, "whole");
    for wire in [packed, raw] {
        let part = salvaged(&wire[..wire.len() / 2]).await.unwrap();
        assert_eq!(part, answer[..part.len()]);
        assert!(answer.len() / 2 < part.len() + 2 * BLOCK_BYTES, "{} bytes", part.len());
        assert_eq!(salvaged(&wire[..100]).await, None, "not worth it");
    }
    let just = frame(Some(RAW), &noise(5_000)).unwrap();
    assert_eq!(salvaged(&just[..5 + SALVAGE_BYTES_MIN]).await.unwrap().len(), SALVAGE_BYTES_MIN);
    assert_eq!(salvaged(&just[..4 + SALVAGE_BYTES_MIN]).await, None);
    let mut spoilt = frame(Some(ZSTD), &zstd::bulk::compress(&[7; 50_000], 3).unwrap()).unwrap();
    spoilt.extend([0; 3]);
    let length = u32::try_from(spoilt.len() - 5).unwrap();
    spoilt[1..5].copy_from_slice(&length.to_be_bytes());
    assert_eq!(salvaged(&spoilt).await, None, "an answer that breaks the rules");
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_any_more_is_handed_on() {
    struct Half(usize);
    impl AsyncRead for Half {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            space: &mut [u8],
        ) -> std::task::Poll<io::Result<usize>> {
            let wire = frame(Some(RAW), &noise(10_000)).unwrap();
            let part = &wire[self.0..(self.0 + space.len()).min(6_000)];
            if part.is_empty() {
                return std::task::Poll::Pending;
            }
            space[..part.len()].copy_from_slice(part);
            self.0 += part.len();
            std::task::Poll::Ready(Ok(part.len()))
        }
    }
    let (sender, mut broken) = salvage::channel();
    let mut codec = CatchupCodec::new(sender);
    let mut io = Half(0);
    {
        let protocol = CATCHUP_PROTOCOL;
        let reading = codec.read_response(&protocol, &mut io);
        futures::pin_mut!(reading);
        assert!(futures::poll!(reading).is_pending());
        assert!(broken.try_recv().is_err());
    }
    assert_eq!(broken.try_recv().unwrap().bytes, noise(10_000)[..5_995]);
}
