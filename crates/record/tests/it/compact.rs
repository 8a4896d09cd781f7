//! Ranges without what can be derived: they come back as they were, whole or broken off.

use baraza_record::{
    Audience, BodyCommit, CentreId, EventId, Goals, HEADER_VERSION, Header, Kind, NetworkId,
    Payload, RecordError, RecordId, SignedRecord, Timestamp, VerifiedRecord, codec,
    compact::{CompactRange, RowBody},
    sign::SecretKey,
};

/// Returns a feed for an audience, with every optional part now there, now absent.
fn feed(audience: &Audience, from: u64, count: u64) -> Vec<SignedRecord> {
    let key = SecretKey::from_seed([3; 32]);
    let (mut prev, mut records) = (RecordId([9; 32]), Vec::new());
    for seq in from..from + count {
        let mut header = Header {
            version: HEADER_VERSION,
            kind: Kind((seq % 30) as u16),
            centre: CentreId([1; 32]),
            signer: key.public(),
            audience: audience.clone(),
            seq,
            prev,
            identity_head: EventId([(seq / 3) as u8; 32]),
            // A clock that goes back, and one that runs over.
            created_ms: Timestamp([5_000, 4_000, u64::MAX, 0][(seq % 4) as usize]),
            language: ["sw", "pt-BR"][(seq % 2) as usize].into(),
            goals: Goals::default().with(1 + (seq % 17) as u8),
            series: seq.is_multiple_of(2).then_some(RecordId([1; 32])),
            target: seq.is_multiple_of(5).then_some(RecordId([2; 32])),
            attachment_bytes: if seq.is_multiple_of(3) { 1 << 20 } else { 0 },
            body_bytes: 0,
            body_commit: BodyCommit([0; 32]),
        };
        if seq == 1 {
            header.prev = RecordId(header.feed().0);
        }
        let body = format!(r#"{{"schema":"lesson/1","title":"{seq}"}}"#).into_bytes();
        let signed = SignedRecord::sign(header, Payload { salt: [seq as u8; 16], body }, &key);
        let mut wire = signed.to_wire();
        if seq % 4 == 1 && seq + 1 != from + count {
            wire.signature = None;
        }
        if seq % 6 == 2 {
            wire.payload = None;
        }
        let record = SignedRecord::from_wire(wire).unwrap();
        prev = record.id();
        records.push(record);
    }
    records
}

fn audiences() -> [Audience; 3] {
    [
        Audience::Public,
        Audience::Network(NetworkId([4; 32]), [5; 16]),
        Audience::Centres(vec![CentreId([6; 32]), CentreId([7; 32])], [8; 16]),
    ]
}

#[test]
fn a_range_comes_back_byte_for_byte() {
    for audience in audiences() {
        for from in [1, 2, 700, u64::MAX - 40] {
            let records = feed(&audience, from, 40);
            let compact = CompactRange::of(&records).unwrap();
            let bytes = codec::encode(&compact);
            let plain: usize = records.iter().map(|record| record.encode().len()).sum();
            assert!(bytes.len() + 40 * 140 < plain, "{} of {plain} bytes", bytes.len());
            let back: CompactRange = codec::decode(&bytes, usize::MAX).unwrap();
            let back = back.expand().unwrap();
            assert_eq!(back, records);
            assert_eq!(VerifiedRecord::verify_range(back).unwrap().len(), 40);
        }
    }
}

#[test]
fn of_one_that_broke_off_the_rows_before_come_back() {
    let records = feed(&Audience::Public, 1, 12);
    let bytes = codec::encode(&CompactRange::of(&records).unwrap());
    let mut most = 0;
    for cut in 0..bytes.len() {
        let Some((part, rest)) = CompactRange::decode_beginning(&bytes[..cut]) else {
            assert_eq!(most, 0, "cut at {cut}");
            continue;
        };
        assert!(rest.is_none() && part.rows.len() < 12, "cut at {cut}");
        assert!(most <= part.rows.len());
        most = part.rows.len();
        assert_eq!(part.expand().unwrap(), records[..most]);
    }
    assert_eq!(most, 11);
    let longer = [&bytes[..], b"more"].concat();
    let (whole, rest) = CompactRange::decode_beginning(&longer).unwrap();
    assert_eq!((whole.rows.len(), rest), (12, Some(&b"more"[..])));
}

#[test]
fn what_cannot_be_derived_is_refused() {
    let records = feed(&Audience::Public, 5, 3);
    let range = || CompactRange::of(&records).unwrap();
    let refused = |change: &dyn Fn(&mut CompactRange)| {
        let mut range = range();
        change(&mut range);
        range.expand().unwrap_err()
    };
    let unlinked = |seq| RecordError::Unlinked { seq };
    assert_eq!(refused(&|range| range.head.prev = None), unlinked(5));
    assert_eq!(refused(&|range| range.head.from = 1), unlinked(1));
    assert_eq!(refused(&|range| range.rows[0].identity_head = None), unlinked(5));
    for (what, change) in [
        ("no position", (|range| range.head.from = 0) as fn(&mut CompactRange)),
        ("position beyond the last", |range| range.head.from = u64::MAX),
        ("language", |range| range.rows[1].language = "x".repeat(36)),
        ("attachments", |range| range.rows[2].attachment_bytes = 3),
        ("audience", |range| range.head.audience = Audience::Centres(Vec::new(), [0; 16])),
        ("body", |range| range.rows[0].body = RowBody::Absent(u32::MAX, BodyCommit([0; 32]))),
    ] {
        let error = refused(&change);
        assert!(!error.to_string().is_empty(), "{what}");
    }
    assert_eq!(CompactRange::of(&[]), None);
}
