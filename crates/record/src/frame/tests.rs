//! Streams that were cut, flipped and overwritten.
//!
//! Invariant under test: damage costs the frame it hits and no other.

use std::io::Read;

use super::*;

fn frames() -> Vec<Frame> {
    let record = RecordId([7; 32]);
    let payload = Payload { salt: [9; 16], body: b"{\"title\":\"Pin it\"}".to_vec() };
    vec![
        Frame::Clock(Timestamp(1_700_000_000_000)),
        Frame::Header { signature: Some([3; 64]), header: vec![1, 2, 3, 0xf7, b'b'] },
        Frame::Payload { record, payload },
        Frame::Header { signature: None, header: vec![4; 40] },
        Frame::Signature { record, signature: [5; 64] },
        Frame::Erase { record, retraction: RecordId([8; 32]) },
        Frame::Identity(MARKER.repeat(3)),
    ]
}

/// Returns a stream of `frames` and where each starts.
fn stream(frames: &[Frame]) -> (Vec<u8>, Vec<u64>) {
    let mut bytes = PREAMBLE.to_vec();
    let starts = frames.iter().map(|frame| {
        let start = bytes.len() as u64;
        frame.encode_into(&mut bytes);
        start
    });
    let starts = starts.collect();
    (bytes, starts)
}

/// Reads everything; checks that frames and damage cover the stream without a gap.
#[track_caller]
fn read(bytes: &[u8]) -> (Vec<(u64, Frame)>, Vec<Damage>) {
    let (mut whole, mut damage) = (Vec::new(), Vec::new());
    let mut reader = FrameReader::new(bytes);
    let mut end = if bytes.starts_with(PREAMBLE) { PREAMBLE.len() as u64 } else { 0 };
    while let Some(next) = reader.next() {
        match next {
            Ok((at, frame)) => {
                assert_eq!(at, end, "frame right behind what came before");
                whole.push((at, frame));
            }
            Err(ReadError::Damaged(gap)) => {
                assert_eq!(gap.from, end, "damage right behind what came before");
                assert!(gap.from < gap.to && gap.torn == (gap.to == bytes.len() as u64), "{gap:?}");
                damage.push(gap);
            }
            Err(ReadError::Io(error)) => panic!("a slice does not fail: {error}"),
        }
        end = reader.offset();
    }
    assert_eq!(end, bytes.len() as u64, "read to the end");
    (whole, damage)
}

#[test]
fn a_stream_is_read_as_it_was_written() {
    let (bytes, starts) = stream(&frames());
    let (whole, damage) = read(&bytes);
    assert_eq!(whole, starts.into_iter().zip(frames()).collect::<Vec<_>>());
    assert_eq!(damage, []);
}

#[test]
fn the_bytes_of_a_frame_never_change() {
    let mut bytes = Vec::new();
    Frame::Identity(b"ab".to_vec()).encode_into(&mut bytes);
    assert_eq!(&bytes[..13], b"\xf7brz\xfe\r\n\x1a\x05\x02\0\0\0", "marker, kind 5, length 2");
    assert_eq!((bytes.len(), &bytes[17..19]), (23, &b"ab"[..]));
    // CRC-32 (IEEE) of `ab`, as published for that text.
    assert_eq!(&bytes[bytes.len() - 4..], 0x9e83_486d_u32.to_le_bytes());
}

#[test]
fn a_cut_costs_what_is_behind_it() {
    let (bytes, starts) = stream(&frames());
    for cut in 0..bytes.len() {
        let ends = starts.iter().skip(1).copied().chain([bytes.len() as u64]);
        let kept = ends.filter(|end| *end <= cut as u64).count();
        let (whole, damage) = read(&bytes[..cut]);
        assert_eq!(whole.len(), kept, "cut at {cut}");
        assert!(damage.iter().all(|gap| gap.torn) && damage.len() <= 1, "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_costs_one_frame() {
    let (bytes, starts) = stream(&frames());
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << bit;
            let hit = starts.iter().rposition(|start| *start <= place as u64);
            let undamaged = starts.iter().copied().zip(frames()).enumerate();
            let expected: Vec<_> =
                undamaged.filter(|(n, _)| Some(*n) != hit).map(|(_, frame)| frame).collect();
            let (whole, damage) = read(&flipped);
            assert_eq!(whole, expected, "bit {bit} of byte {place}");
            assert_eq!(damage.len(), 1, "bit {bit} of byte {place}");
        }
    }
}

#[test]
fn bytes_in_between_are_skipped() {
    let (mut bytes, starts) = stream(&frames());
    let start = usize::try_from(starts[2]).unwrap();
    let garbage = [MARKER.to_vec(), vec![0xf7; 100_000]].concat();
    bytes.splice(start..start, garbage.iter().copied());
    let (whole, damage) = read(&bytes);
    assert_eq!(whole.into_iter().map(|(_, frame)| frame).collect::<Vec<_>>(), frames());
    assert_eq!((damage.len(), damage[0].to - damage[0].from), (1, garbage.len() as u64));
}

#[test]
fn an_unknown_kind_is_skipped_whole() {
    let mut bytes = PREAMBLE.to_vec();
    encode(&mut bytes, 200, &[&MARKER, b"from a later version"]);
    encode(&mut bytes, KIND_LOCAL, &[&[77, 1]]);
    encode(&mut bytes, KIND_SIGNATURE, &[b"too short"]);
    Frame::Clock(Timestamp(1)).encode_into(&mut bytes);
    let (whole, damage) = read(&bytes);
    let whole: Vec<_> = whole.into_iter().map(|(_, frame)| frame).collect();
    let unknown = |kind, bytes| Frame::Unknown { kind, bytes };
    assert_eq!(whole, [unknown(200, 28), unknown(16, 2), Frame::Clock(Timestamp(1))]);
    assert_eq!(damage[0].why, FrameError::Content { kind: KIND_SIGNATURE });
}

#[test]
fn a_length_over_the_limit_is_refused_before_it_is_read() {
    let mut head = vec![KIND_IDENTITY];
    head.extend(u32::MAX.to_le_bytes());
    let bytes = [&MARKER[..], &head, &crc32fast::hash(&head).to_le_bytes()].concat();
    let refused = Frame::decode(&bytes);
    assert_eq!(refused, Err(FrameError::TooLong { bytes: u32::MAX as usize }));
}

#[test]
fn a_source_that_trickles_is_read_the_same() {
    struct Trickle<'a>(&'a [u8]);
    impl Read for Trickle<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let bytes = out.len().min(3);
            self.0.read(&mut out[..bytes])
        }
    }
    let big = Frame::Identity(vec![1; CONTENT_BYTES_MAX]);
    let all = [frames(), vec![big.clone(), big]].concat();
    let (bytes, _) = stream(&all);
    let read: Result<Vec<_>, _> = FrameReader::new(Trickle(&bytes)).collect();
    assert_eq!(read.unwrap().into_iter().map(|(_, frame)| frame).collect::<Vec<_>>(), all);
}

#[test]
fn an_erased_payload_is_a_valid_frame_of_the_same_length() {
    let record = RecordId([7; 32]);
    let payload = Payload { salt: [9; 16], body: b"a secret".to_vec() };
    let mut bytes = Vec::new();
    encode_payload(&mut bytes, &record, &payload);
    let zeros = erased_payload(&record, payload.body.len());
    assert_eq!(PAYLOAD_SALT_OFFSET + zeros.len(), bytes.len());
    bytes[PAYLOAD_SALT_OFFSET..].copy_from_slice(&zeros);
    let (frame, length) = Frame::decode(&bytes).unwrap();
    assert_eq!(length, bytes.len());
    let Frame::Payload { record: of, payload: erased } = frame else { panic!("{frame:?}") };
    assert!(of == record && is_erased(&erased) && !is_erased(&payload));
}
