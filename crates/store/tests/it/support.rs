//! Records that ingest takes, and stores in folders that are removed afterwards.

use std::path::{Path, PathBuf};

use baraza_identity::{
    Capabilities, EVENT_VERSION, EventKind, Inception, Operator, Role, SignedEvent,
};
use baraza_protocol::{
    ingest::{ingest_identity, ingest_range},
    store::{Branch, Place, ShelfName, SignatureState, Store, StoreRead},
};
use baraza_record::{
    Audience, BodyCommit, CentreId, EventId, FeedId, Header, KeyDigest, Kind, Payload, RecordId,
    SignedRecord, Timestamp, VerifiedRecord, hash, sign::SecretKey,
};
use baraza_store::{LedgerStore, Options, RecoveryReport};
use tempfile::TempDir;

/// A centre with one key.
pub(crate) struct Author {
    pub(crate) key: SecretKey,
    pub(crate) identity: SignedEvent,
    pub(crate) audience: Audience,
    head: Option<(u64, RecordId)>,
}

impl Author {
    pub(crate) fn new(number: u8) -> Self {
        let key = SecretKey::from_seed([number; 32]);
        let root = SecretKey::from_seed([number + 100; 32]);
        let capabilities = Capabilities::PUBLISH.and(Capabilities::RETRACT);
        let event = Inception {
            version: EVENT_VERSION,
            kind: EventKind::INCEPTION,
            seq: 0,
            prev: None,
            role: Role::Centre,
            name: format!("Centre {number}"),
            country: Some(*b"KE"),
            root_keys: vec![root.public()],
            root_threshold: 1,
            next_digests: vec![KeyDigest([number; 32])],
            next_threshold: 1,
            operators: vec![Operator { key: key.public(), capabilities, label: "desk".into() }],
            created_ms: Timestamp(1),
            nonce: [number; 16],
        };
        let identity = event.sign(&[&root]);
        Self { key, identity, audience: Audience::Public, head: None }
    }

    pub(crate) fn centre(&self) -> CentreId {
        CentreId(self.identity.id().0)
    }

    pub(crate) fn feed(&self) -> FeedId {
        hash::feed_id(&self.centre(), &self.key.public(), &self.audience)
    }

    pub(crate) fn place(&self, seq: u64) -> Place {
        Place { feed: self.feed(), seq, branch: Branch::Main }
    }

    /// Signs the next record of the feed.
    pub(crate) fn write(
        &mut self,
        body: &str,
        series: Option<RecordId>,
        target: Option<RecordId>,
    ) -> VerifiedRecord {
        let (seq, prev) = self.head.unwrap_or((0, RecordId(self.feed().0)));
        let header = Header {
            version: 1,
            kind: if target.is_some() { Kind::RETRACTION } else { Kind::LESSON },
            centre: self.centre(),
            signer: self.key.public(),
            audience: self.audience.clone(),
            seq: seq + 1,
            prev,
            identity_head: EventId(self.centre().0),
            created_ms: Timestamp(1_700_000_000_000 + seq),
            language: "en".into(),
            goals: Default::default(),
            series,
            target,
            attachment_bytes: 0,
            body_bytes: 0,
            body_commit: BodyCommit([0; 32]),
        };
        let payload = Payload { salt: [number_of(seq); 16], body: body.as_bytes().to_vec() };
        let record = SignedRecord::sign(header, payload, &self.key);
        self.head = Some((seq + 1, record.id()));
        record
    }

    pub(crate) fn lessons(&mut self, count: usize) -> Vec<VerifiedRecord> {
        let from = self.head.map_or(0, |(seq, _)| seq);
        (0..count).map(|n| self.write(&format!("lesson {}", from + n as u64), None, None)).collect()
    }
}

fn number_of(seq: u64) -> u8 {
    (seq % 250) as u8 + 1
}

/// Takes an author's records in as if they had come from a peer, one commit.
pub(crate) fn take(store: &mut impl Store, author: &Author, records: &[VerifiedRecord], now: u64) {
    ingest_identity(store, &author.identity.encode()).unwrap();
    for range in records.chunks(256) {
        let done = ingest_range(store, range, Timestamp(now)).unwrap();
        assert_eq!(done.inserted + done.duplicates, range.len() as u64, "{done:?}");
    }
    store.commit().unwrap();
}

/// A folder for a store.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("store")
    }

    pub(crate) fn open(&self) -> LedgerStore {
        let (store, report) = self.reopen(&options());
        assert!(report.is_clean(), "{report:?}");
        store
    }

    pub(crate) fn open_in(&self, name: &str) -> LedgerStore {
        LedgerStore::open(&self.0.path().join(name), &options()).unwrap().0
    }

    pub(crate) fn reopen(&self, options: &Options) -> (LedgerStore, RecoveryReport) {
        LedgerStore::open(&self.path(), options).unwrap()
    }

    /// Returns a copy of what a power cut leaves at worst: the fsynced ledger, and nothing of sled.
    pub(crate) fn after_power_cut(&self, store: &LedgerStore) -> Self {
        let (copy, end) = (Self::new(), store.durable_end());
        let (from, to) = (self.path().join("ledger"), copy.path().join("ledger"));
        std::fs::create_dir_all(&to).unwrap();
        for file in std::fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            let copied = to.join(file.file_name());
            std::fs::copy(file.path(), &copied).unwrap();
            if copied == segment(&copy.path(), end.segment) {
                cut(&copied, end.offset.into());
            }
        }
        copy
    }
}

pub(crate) fn options() -> Options {
    Options { floor_bytes: Some(0), ballast_bytes: 0, lock_attempts: 1, ..Options::default() }
}

pub(crate) fn segment(home: &Path, number: u32) -> PathBuf {
    home.join("ledger").join(format!("{number:08}.ledger"))
}

pub(crate) fn cut(file: &Path, bytes: u64) {
    std::fs::OpenOptions::new().write(true).open(file).unwrap().set_len(bytes).unwrap();
}

/// What two stores with the same content agree on: shelf roots, totals, and every record.
pub(crate) fn content(store: &impl StoreRead) -> (Vec<[u8; 32]>, [u64; 4], Vec<String>) {
    let roots = [ShelfName::Identities, ShelfName::Public].map(|name| store.shelf(name).root());
    let counts = store.counts();
    let counts = [counts.records, counts.bodies_missing, counts.feeds, counts.centres];
    let mut records = Vec::new();
    for (_, place) in store.changes(0, 1_000).unwrap() {
        let entry = store.entry(&place).unwrap().unwrap();
        let record = store.record(&place).unwrap().unwrap();
        // Which of the signatures were checked one by one depends on how a range was cut.
        let signed = entry.signature != SignatureState::Missing;
        let (body, arrived) = (entry.body, entry.arrived_ms);
        let bytes = hash::record_id(&record.encode()).short();
        records.push(format!("{place:?} {arrived:?} {body:?} {signed} {} {bytes}", entry.id));
    }
    records.sort();
    (roots.to_vec(), counts, records)
}
