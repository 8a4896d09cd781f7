//! Somebody who writes records: a centre with one root and one operator key.
//!
//! Invariant: everything comes from one number, so that every run writes the same bytes.

use baraza_identity::{
    Capabilities, EVENT_VERSION, EventKind, Inception, Operator, Role, SignedEvent,
};
use baraza_record::{
    Audience, BodyCommit, CentreId, FeedId, Goals, HEADER_VERSION, Header, Kind, Payload, RecordId,
    SecretKey, Seq, SignedRecord, Timestamp, VerifiedRecord, hash,
};

use crate::store::{FeedHead, FeedState};

/// A centre, its signed inception and the key of its feed.
#[derive(Clone, Debug)]
pub struct Author {
    /// The operator key.
    pub key: SecretKey,
    /// The inception.
    pub event: SignedEvent,
    /// For whom it writes.
    pub audience: Audience,
}

impl Author {
    /// Makes the author with this number, who writes for everybody.
    pub fn new(number: u8) -> Self {
        Self::with_rights(number, Capabilities::PUBLISH.and(Capabilities::NODE), 1)
    }

    /// Makes the author with this number, whose operator key has these rights, and whose
    /// centre has as many root keys as must sign.
    pub fn with_rights(number: u8, rights: Capabilities, roots: u8) -> Self {
        Self::make(number, Role::Centre, rights, roots)
    }

    /// Makes the author with this number, who speaks for Kenya and accredits centres.
    pub fn nation(number: u8) -> Self {
        let rights = Capabilities::PUBLISH.and(Capabilities::RETRACT).and(Capabilities::ACCREDIT);
        Self::make(number, Role::Nation(*b"KE"), rights, 1)
    }

    fn make(number: u8, role: Role, rights: Capabilities, roots: u8) -> Self {
        let (next, operator) = (Self::secret(number, 0x80), Self::secret(number, 0xc0));
        let roots: Vec<_> = (0..roots).map(|place| Self::root(number, place)).collect();
        let mut root_keys: Vec<_> = roots.iter().map(SecretKey::public).collect();
        root_keys.sort_unstable();
        let event = Inception {
            version: EVENT_VERSION,
            kind: EventKind::INCEPTION,
            seq: 0,
            prev: None,
            role,
            name: format!("Centre {number}"),
            country: Some(*b"KE"),
            root_threshold: u8::try_from(roots.len()).expect("made from such a number"),
            root_keys,
            next_digests: vec![hash::key_digest(&next.public())],
            next_threshold: 1,
            operators: vec![Operator {
                key: operator.public(),
                capabilities: rights,
                label: String::new(),
            }],
            created_ms: Timestamp(1),
            nonce: [number; 16],
        };
        let event = event.sign(&roots.iter().collect::<Vec<_>>());
        Self { key: operator, event, audience: Audience::Public }
    }

    /// Returns the root key at this place, from 0, of the author with this number.
    pub fn root(number: u8, place: u8) -> SecretKey {
        Self::secret(number, 0x40 + place)
    }

    /// Returns the key of the centre with this number for a role.
    pub(super) fn secret(number: u8, role: u8) -> SecretKey {
        SecretKey::from_seed([number; 32].map(|byte| byte ^ role))
    }

    /// Returns the id of the centre.
    pub fn centre(&self) -> CentreId {
        CentreId(self.event.id().0)
    }

    /// Returns the id of the feed.
    pub fn feed(&self) -> FeedId {
        hash::feed_id(&self.centre(), &self.key.public(), &self.audience)
    }

    /// Returns the head of the feed before its first record.
    pub fn start(&self) -> FeedHead {
        FeedHead { seq: 0, id: RecordId(self.feed().0) }
    }

    /// Signs a record behind `head` whose body has `text`; `change` has the last word on
    /// the header.
    pub fn write(
        &self,
        head: FeedHead,
        text: &str,
        change: impl FnOnce(&mut Header),
    ) -> VerifiedRecord {
        self.write_body(head, format!("{{\"text\":\"{text}\"}}").into_bytes(), change)
    }

    /// Signs a record behind `head` with this body; `change` has the last word on the header.
    pub fn write_body(
        &self,
        head: FeedHead,
        body: Vec<u8>,
        change: impl FnOnce(&mut Header),
    ) -> VerifiedRecord {
        let mut header = Header {
            version: HEADER_VERSION,
            kind: Kind::LESSON,
            centre: self.centre(),
            signer: self.key.public(),
            audience: self.audience.clone(),
            seq: head.seq + 1,
            prev: head.id,
            identity_head: self.event.id(),
            created_ms: Timestamp(1_000 + head.seq),
            language: "en".to_owned(),
            goals: Goals::default().with(17),
            series: None,
            target: None,
            attachment_bytes: 0,
            body_bytes: 0,
            body_commit: BodyCommit([0; 32]),
        };
        change(&mut header);
        let payload = Payload { salt: [9; 16], body };
        SignedRecord::sign(header, payload, &self.key)
    }

    /// Signs the first `count` records of the feed.
    pub fn chain(&self, count: Seq) -> Vec<VerifiedRecord> {
        let mut head = self.start();
        let next = |seq| {
            let record = self.write(head, &format!("record {seq}"), |_| ());
            head = FeedHead { seq, id: record.id() };
            record
        };
        (1..=count).map(next).collect()
    }

    /// Returns the state of the feed with chain and shelf at `head`.
    pub fn state(&self, head: FeedHead) -> FeedState {
        FeedState {
            centre: self.centre(),
            signer: self.key.public(),
            audience: self.audience.clone(),
            chain: head,
            shelf: head,
            fork: None,
        }
    }
}
