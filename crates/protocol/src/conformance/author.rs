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
        let [root, next, operator] = [0x40, 0x80, 0xc0].map(|role| Self::secret(number, role));
        let rights = Capabilities::PUBLISH.and(Capabilities::NODE);
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
        let event = event.sign(&[&root]);
        Self { key: operator, event, audience: Audience::Public }
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
        let body = format!("{{\"text\":\"{text}\"}}").into_bytes();
        SignedRecord::sign(header, Payload { salt: [9; 16], body }, &self.key)
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
