//! Records and measures that the benchmarks share.

use std::{path::Path, time::Instant};

use baraza_identity::{Capabilities, EVENT_VERSION, EventKind, Inception, Operator, Role};
use baraza_record::{
    Audience, BodyCommit, CentreId, Goals, HEADER_VERSION, Header, Kind, Payload, RecordId,
    SecretKey, SignedRecord, Timestamp, VerifiedRecord, hash,
};

/// Bytes of the body of a benchmark record: 2 KB, as the anchors'.
pub(crate) const BODY_BYTES: usize = 2_000;

/// A centre that writes benchmark records.
pub(crate) struct Author {
    /// Its signed inception.
    pub(crate) inception: Vec<u8>,
    centre: CentreId,
    event: baraza_record::EventId,
    key: SecretKey,
    seq: u64,
    prev: RecordId,
}

/// Pseudo-random numbers (xorshift64*): the same records in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// Returns the next number.
    pub(crate) fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Returns text of pseudo-words with about the entropy of prose.
    pub(crate) fn text(&mut self, bytes: usize) -> String {
        const SYLLABLES: [&str; 24] = [
            "ba", "co", "di", "fu", "ge", "ha", "ki", "lo", "mu", "ne", "pa", "qui", "ro", "sa",
            "tu", "ve", "wi", "xo", "yu", "za", "tra", "pre", "sti", "gra",
        ];
        let mut text = String::with_capacity(bytes + 16);
        while text.len() < bytes {
            for _ in 0..1 + self.draw() % 3 {
                // Squaring prefers the first syllables, as words of prose are unevenly used.
                let draw = (self.draw() % 1_000) as usize;
                text.push_str(SYLLABLES[draw * draw * SYLLABLES.len() / 1_000_000]);
            }
            text.push(' ');
        }
        text.truncate(bytes);
        text
    }
}

impl Author {
    /// Makes the centre number `number`.
    pub(crate) fn new(number: u64) -> Self {
        let seed = |role: u8| {
            let mut seed = [role; 32];
            seed[..8].copy_from_slice(&number.to_le_bytes());
            SecretKey::from_seed(seed)
        };
        let (root, key) = (seed(1), seed(2));
        let event = Inception {
            version: EVENT_VERSION,
            kind: EventKind::INCEPTION,
            seq: 0,
            prev: None,
            role: Role::Centre,
            name: format!("Benchmark centre {number}"),
            country: None,
            root_keys: vec![root.public()],
            root_threshold: 1,
            next_digests: vec![hash::key_digest(&seed(3).public())],
            next_threshold: 1,
            operators: vec![Operator {
                key: key.public(),
                capabilities: Capabilities::PUBLISH,
                label: String::new(),
            }],
            created_ms: Timestamp(0),
            nonce: [0; 16],
        };
        let signed = event.sign(&[&root]);
        let centre = CentreId(signed.id().0);
        let feed = hash::feed_id(&centre, &key.public(), &Audience::Public);
        let (event, inception) = (signed.id(), signed.encode());
        Self { inception, centre, event, key, seq: 0, prev: RecordId(feed.0) }
    }

    /// Signs the next record.
    pub(crate) fn lesson(&mut self, random: &mut Random) -> VerifiedRecord {
        let text = random.text(BODY_BYTES - 300);
        let title = random.text(40);
        let body = format!(
            "{{\"schema\":\"lesson/1\",\"title\":\"{title}\",\"polarity\":\"worked\",\"sdg\":[\"6.2\"],\
             \"countries\":[\"KE\"],\"sensitivity_checked\":true,\"licence\":\"CC0-1.0\",\
             \"context\":\"A district.\",\"event\":\"{text}\",\"lesson\":\"Ask first.\",\
             \"recommendation\":\"Ask the users.\",\"applies_when\":\"There are users.\"}}"
        );
        self.seq += 1;
        let header = Header {
            version: HEADER_VERSION,
            kind: Kind::LESSON,
            centre: self.centre,
            signer: self.key.public(),
            audience: Audience::Public,
            seq: self.seq,
            prev: self.prev,
            identity_head: self.event,
            created_ms: Timestamp(1_700_000_000_000 + self.seq),
            language: "en".into(),
            goals: Goals::default().with(6),
            series: None,
            target: None,
            attachment_bytes: 0,
            body_bytes: 0,
            body_commit: BodyCommit([0; 32]),
        };
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&random.draw().to_le_bytes());
        let record =
            SignedRecord::sign(header, Payload { salt, body: body.into_bytes() }, &self.key);
        self.prev = record.id();
        record
    }
}

/// Runs `work` and returns how many seconds it took.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub(crate) fn seconds<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let started = Instant::now();
    let result = work();
    (started.elapsed().as_secs_f64(), result)
}

/// Returns the bytes of the files below `path`.
pub(crate) fn bytes_below(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => bytes_below(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}
