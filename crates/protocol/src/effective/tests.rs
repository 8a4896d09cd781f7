//! What records are worth, for every reason that they may be worth less.
//!
//! Spec: docs/PROTOCOL.md, section 4.5.

use baraza_identity::{EVENT_VERSION, EventKind, Inception, Operator, Role, SignedEvent};
use baraza_record::{
    Audience, BodyCommit, EventId, Header, KeyDigest, Payload, VerifiedRecord, hash,
    sign::SecretKey,
};
use serde_json::json;

use super::*;
use crate::{
    ingest::{ingest_identity, ingest_range},
    model::MemoryStore,
};

const WRITER: Capabilities = Capabilities::PUBLISH.and(Capabilities::RETRACT);

/// One key of one centre, and the end of its feed.
struct Author {
    key: SecretKey,
    identity: SignedEvent,
    head: Option<VerifiedRecord>,
}

impl Author {
    fn new(number: u8, capabilities: Capabilities) -> Self {
        let key = SecretKey::from_seed([number; 32]);
        let root = SecretKey::from_seed([number + 100; 32]);
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
        Self { key, identity: event.sign(&[&root]), head: None }
    }

    fn write(
        &mut self,
        kind: Kind,
        created_ms: u64,
        links: (Option<RecordId>, Option<RecordId>),
        body: &Value,
    ) -> VerifiedRecord {
        let (centre, signer) = (CentreId(self.identity.id().0), self.key.public());
        let feed = hash::feed_id(&centre, &signer, &Audience::Public);
        let start = (0, RecordId(feed.0));
        let (seq, prev) = self.head.as_ref().map_or(start, |r| (r.header().seq, r.id()));
        let header = Header {
            version: 1,
            kind,
            centre,
            signer,
            audience: Audience::Public,
            seq: seq + 1,
            prev,
            identity_head: EventId(centre.0),
            created_ms: Timestamp(created_ms),
            language: "EN".into(),
            goals: body.as_object().map(body::goals).unwrap_or_default(),
            series: links.0,
            target: links.1,
            attachment_bytes: 0,
            body_bytes: 0,
            body_commit: BodyCommit([0; 32]),
        };
        let payload = Payload { salt: [7; 16], body: body.to_string().into_bytes() };
        let record = SignedRecord::sign(header, payload, &self.key);
        self.head = Some(record.clone());
        record
    }

    fn reference(&mut self, created_ms: u64, series: Option<&VerifiedRecord>) -> VerifiedRecord {
        let series = series.map(|record| record.id());
        self.write(Kind::REFERENCE, created_ms, (series, None), &reference())
    }

    fn retraction(&mut self, target: &VerifiedRecord) -> VerifiedRecord {
        let body = json!({ "reason": "error", "licence": "CC0-1.0", "schema": "retraction/1" });
        self.write(Kind::RETRACTION, 9, (None, Some(target.id())), &body)
    }
}

fn reference() -> Value {
    json!({
        "title": "Rainwater tanks", "text": "Tanks at schools.", "source": "A field guide",
        "countries": ["KE"], "sdg": ["6.2", "13"], "licence": "CC-BY-4.0",
        "schema": "reference/1",
    })
}

fn store(authors: &[&Author], records: &[&VerifiedRecord]) -> MemoryStore {
    let mut store = MemoryStore::new(1);
    for author in authors {
        ingest_identity(&mut store, &author.identity.encode()).unwrap();
    }
    for record in records {
        ingest_range(&mut store, &[VerifiedRecord::clone(record)], Timestamp(5)).unwrap();
    }
    store
}

#[track_caller]
fn standing_in(store: &MemoryStore, record: &VerifiedRecord) -> Standing {
    let place = place_of(store, &record.id()).unwrap().expect("it was kept");
    Effective::new(store).view(&place).unwrap().unwrap().standing
}

/// Returns what the actions after a change of `record` put and remove.
fn actions(store: &MemoryStore, record: &VerifiedRecord) -> (Vec<RecordId>, Vec<RecordId>) {
    let place = place_of(store, &record.id()).unwrap().unwrap();
    let (mut put, mut removed) = (Vec::new(), Vec::new());
    for action in Effective::new(store).index_actions(&place).unwrap() {
        match action {
            IndexAction::Put(doc) => put.push(doc.id),
            IndexAction::Remove(id) => removed.push(id),
        }
    }
    (put, removed)
}

#[test]
fn a_revision_takes_the_place_of_what_it_revises() {
    let mut alice = Author::new(1, WRITER);
    let first = alice.reference(900, None);
    let late = alice.reference(20, Some(&first));
    let later = alice.reference(10, Some(&first));
    let store = store(&[&alice], &[&first, &late, &later]);
    // The first version's clock was ahead; among revisions the author's time decides.
    assert_eq!(standing_in(&store, &first), Standing::Superseded);
    assert_eq!(standing_in(&store, &later), Standing::Superseded);
    assert_eq!(standing_in(&store, &late), Standing::Current);
    let versions = Effective::new(&store).versions(&first).unwrap();
    let ids: Vec<_> = versions.iter().map(|version| version.id).collect();
    assert_eq!(ids, [first.id(), later.id(), late.id()]);
    for record in [&first, &late, &later] {
        let (put, mut removed) = actions(&store, record);
        removed.sort();
        let mut others = vec![first.id(), later.id()];
        others.sort();
        assert_eq!((put, removed), (vec![late.id()], others));
    }
}

#[test]
fn versions_that_replace_the_same_one_are_concurrent() {
    let mut alice = Author::new(1, WRITER);
    let first = alice.reference(1, None);
    let mut revise = |created_ms, earlier: &VerifiedRecord| {
        let mut body = reference();
        body["links"] = json!([
            { "rel": "cites", "target": first.id() },
            { "rel": "supersedes", "target": earlier.id() },
        ]);
        alice.write(Kind::REFERENCE, created_ms, (Some(first.id()), None), &body)
    };
    let (one, other) = (revise(2, &first), revise(3, &first));
    let later = revise(4, &other);
    let store = store(&[&alice], &[&first, &one, &other, &later]);
    let versions = Effective::new(&store).versions(&one).unwrap();
    let earlier: Vec<_> = versions.iter().map(|version| version.supersedes).collect();
    let (first, one, other) = (first.id(), one.id(), other.id());
    assert_eq!(earlier, [None, Some(first), Some(first), Some(other)]);
    assert_eq!(concurrent(&versions), [one, other]);
    assert_eq!(standing_in(&store, &later), Standing::Current, "one counts all the same");
}

#[test]
fn only_the_publisher_revises_and_retracts() {
    let (mut alice, mut bob) = (Author::new(1, WRITER), Author::new(2, WRITER));
    let record = alice.reference(1, None);
    let (revision, refusal) = (bob.reference(2, Some(&record)), bob.retraction(&record));
    let others = [&record, &revision, &refusal];
    let before = store(&[&alice, &bob], &others);
    assert_eq!(standing_in(&before, &record), Standing::Current);
    assert_eq!(standing_in(&before, &revision), Standing::Current, "a record of its own");

    let retraction = alice.retraction(&record);
    let after = store(&[&alice, &bob], &[others.as_slice(), &[&retraction]].concat());
    assert_eq!(standing_in(&after, &record), Standing::Retracted);
    assert_eq!(standing_in(&after, &retraction), Standing::Current);
    assert_eq!(actions(&after, &retraction), (vec![], vec![retraction.id(), record.id()]));
}

#[test]
fn a_key_without_the_right_changes_nothing() {
    let mut alice = Author::new(1, Capabilities::PUBLISH);
    let record = alice.reference(1, None);
    let retraction = alice.retraction(&record);
    let mut mallory = Author::new(3, Capabilities::NODE);
    let forbidden = mallory.reference(1, None);
    let kept = store(&[&alice, &mallory], &[&record, &retraction, &forbidden]);
    assert_eq!(standing_in(&kept, &record), Standing::Current);
    assert_eq!(standing_in(&kept, &retraction), Standing::Held);
    assert_eq!(standing_in(&kept, &forbidden), Standing::Held);
    assert_eq!(actions(&kept, &forbidden), (vec![], vec![forbidden.id()]));

    let stranger = store(&[], &[&record]);
    assert_eq!(standing_in(&stranger, &record), Standing::Held, "its identity is not held");
}

#[test]
fn what_cannot_be_read_is_not_indexed() {
    let mut alice = Author::new(1, WRITER);
    let broken = alice.write(Kind::REFERENCE, 1, (None, None), &json!({ "title": 7 }));
    let list = alice.write(Kind::REFERENCE, 1, (None, None), &json!([1]));
    let newer = alice.write(Kind(99), 1, (None, None), &reference());
    let missing = alice.reference(1, None);
    let bare = missing.record().clone().without_payload().verify().unwrap();
    let fork = Author { head: Some(missing.clone()), ..Author::new(1, WRITER) }.reference(2, None);
    let evidence = alice.reference(1, None);
    let kept = store(&[&alice], &[&broken, &list, &newer, &bare, &fork, &evidence]);
    for (record, standing) in [
        (&broken, Standing::Unreadable),
        (&list, Standing::Unreadable),
        (&newer, Standing::Unreadable),
        (&missing, Standing::BodyMissing),
        (&fork, Standing::Forked),
        (&evidence, Standing::Forked),
    ] {
        assert_eq!(standing_in(&kept, record), standing);
        assert_eq!(actions(&kept, record), (vec![], vec![record.id()]));
    }
}

#[test]
fn a_document_has_the_words_and_the_codes_apart() {
    let mut alice = Author::new(1, WRITER);
    let record = alice.reference(1, None);
    let kept = store(&[&alice], &[&record]);
    let place = place_of(&kept, &record.id()).unwrap().unwrap();
    let actions = Effective::new(&kept).index_actions(&place).unwrap();
    let [IndexAction::Put(doc)] = &actions[..] else { panic!("one document: {actions:?}") };
    assert_eq!((doc.title.as_str(), doc.language.as_str()), ("Rainwater tanks", "en"));
    assert_eq!(doc.text, "Tanks at schools.\nA field guide");
    assert_eq!(doc.regions, ["001", "002", "014", "202"]);
    assert_eq!((&doc.countries[..], &doc.targets[..]), (&["KE".into()][..], &["6.2".into()][..]));
    assert_eq!(doc.goals.iter().collect::<Vec<_>>(), [6, 13]);
}
