//! Random changes to the bytes of valid records: what is still accepted is still itself.

use baraza_record::{
    Audience, BodyCommit, CentreId, EventId, Goals, HEADER_VERSION, Header, Kind, NetworkId,
    Payload, RecordId, SignedRecord, Timestamp, sign::SecretKey,
};

/// Number of changed records that are tried.
const MUTATIONS: usize = 100_000;

const SEED: u64 = 0x6261_7261_7a61_0001;

/// Marsaglia's xorshift64: the same numbers on every run.
struct XorShift(u64);

impl XorShift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// Returns a valid record: kinds, audiences, positions and optional parts differ by `n`.
fn record(n: u8) -> Vec<u8> {
    let key = SecretKey::from_seed([n; 32]);
    let audience = match n % 3 {
        0 => Audience::Public,
        1 => Audience::Network(NetworkId([n; 32]), [n; 16]),
        _ => Audience::Centres((0..n).map(|c| CentreId([c; 32])).collect(), [n; 16]),
    };
    let mut header = Header {
        version: HEADER_VERSION,
        kind: Kind(u16::from(n) * 100),
        centre: CentreId([n; 32]),
        signer: key.public(),
        audience,
        seq: 1 + u64::from(n) * 200,
        prev: RecordId([n; 32]),
        identity_head: EventId([n; 32]),
        created_ms: Timestamp(1_700_000_000_000),
        language: "sw".into(),
        goals: Goals::default().with(6),
        series: n.is_multiple_of(2).then_some(RecordId([1; 32])),
        target: (n % 4 == 1).then_some(RecordId([2; 32])),
        attachment_bytes: 1 << n,
        body_bytes: 0,
        body_commit: BodyCommit([0; 32]),
    };
    if header.seq == 1 {
        header.prev = RecordId(header.feed().0);
    }
    let body =
        format!(r#"{{"schema":"practice/1","title":"{}"}}"#, "x".repeat(usize::from(n) * 40));
    SignedRecord::sign(header, Payload { salt: [n; 16], body: body.into_bytes() }, &key).encode()
}

/// Changes, inserts, removes or repeats a few bytes.
fn mutate(bytes: &mut Vec<u8>, random: &mut XorShift) {
    for _ in 0..=random.below(3) {
        let place = random.below(bytes.len());
        let byte = u8::try_from(random.next() % 256).unwrap();
        match random.below(6) {
            0 => bytes[place] ^= 1 << (byte % 8),
            1 => bytes[place] = byte,
            2 => bytes.insert(place, byte),
            3 if 1 < bytes.len() => drop(bytes.remove(place)),
            4 => bytes.truncate(place.max(1)),
            _ => bytes.extend_from_within(place..),
        }
    }
}

#[test]
fn a_changed_record_is_refused_or_reencodes_to_its_own_bytes() {
    let originals: Vec<_> = (0..8).map(record).collect();
    let mut random = XorShift(SEED);
    let (mut other_header, mut verified) = (0, 0);
    for turn in 0..MUTATIONS {
        let original = &originals[random.below(originals.len())];
        let mut bytes = original.clone();
        mutate(&mut bytes, &mut random);
        let Ok(record) = SignedRecord::decode(&bytes) else { continue };
        let signed = SignedRecord::decode(original).unwrap();
        other_header += usize::from(record.header_bytes() != signed.header_bytes());
        assert_eq!(record.encode(), bytes, "seed {SEED:#x}, turn {turn}");
        assert_eq!(record.header().encode(), record.header_bytes(), "seed {SEED:#x}, turn {turn}");
        if record.verify().is_ok() {
            verified += 1;
            // Only what is not signed may differ: the body may be gone, never be another one.
            let record = SignedRecord::decode(&bytes).unwrap();
            assert_eq!(record.header_bytes(), signed.header_bytes(), "seed {SEED:#x}, turn {turn}");
            assert!(record.payload().is_none_or(|payload| Some(payload) == signed.payload()));
        }
    }
    // The test would show nothing if every change broke the encoding, or none were harmless.
    assert!(1_000 < other_header && 0 < verified, "{other_header} headers, {verified} verified");
}
