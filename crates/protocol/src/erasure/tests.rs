//! Who may have a body erased, and that no order of arrival changes it.
//!
//! Spec: docs/PROTOCOL.md, section 4.6.

use baraza_identity::{Changes, IdentityEvent, KeySet, Link, SignedEvent};
use baraza_record::{KeyDigest, SecretKey, VerifiedRecord};
use serde_json::json;

use super::*;
use crate::{
    conformance::Author,
    ingest::{ingest_body, ingest_identity, ingest_range},
    model::MemoryStore,
    service::{Config, Input, Service},
    store::{BodyState, FeedHead, Store},
    stream::place_of,
};

const WRITER: Capabilities = Capabilities::PUBLISH.and(Capabilities::RETRACT);
const ERASER: Capabilities = WRITER.and(Capabilities::ERASE);
const NOW: Timestamp = Timestamp(1_750_000_000_000);

fn head(record: &VerifiedRecord) -> FeedHead {
    FeedHead { seq: record.header().seq, id: record.id() }
}

/// Signs for the erasure of `target` as a record of `centre`.
fn signature(key: &SecretKey, target: RecordId, centre: CentreId) -> Value {
    let bytes = key.sign(Domain::Erase, &message(&target, &centre));
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "key": key.public(), "signature": digits })
}

fn retract(author: &Author, behind: FeedHead, target: RecordId, body: &Value) -> VerifiedRecord {
    author.write_body(behind, body.to_string().into_bytes(), |header| {
        header.kind = Kind::RETRACTION;
        header.target = Some(target);
    })
}

/// Returns a store with the identities of `authors`.
fn store_of(authors: &[&Author]) -> MemoryStore {
    let mut store = MemoryStore::new(1);
    for author in authors {
        ingest_identity(&mut store, &author.event.encode()).unwrap();
    }
    store
}

#[test]
fn who_may_have_a_body_erased_and_how_soon() {
    let erase = |_: RecordId, _: CentreId| json!({ "erase": true });
    let roots = |of: u8, places: &'static [u8]| {
        move |target, centre| {
            let keys = places.iter().map(|place| Author::root(of, *place));
            let signed: Vec<_> = keys.map(|key| signature(&key, target, centre)).collect();
            json!({ "erase": true, "root_signatures": signed })
        }
    };
    check("plain", WRITER, 1, |_, _| json!({ "reason": "error" }), None);
    check("a key to publish and retract alone", WRITER, 1, erase, None);
    check("a key to publish alone", Capabilities::PUBLISH, 1, erase, None);
    check("a key that may erase", ERASER, 1, erase, Some(Urgency::Delayed));
    check("not asked for", ERASER, 1, |_, _| json!({ "erase": false }), None);
    check("asked for as text", ERASER, 1, |_, _| json!({ "erase": "true" }), None);
    check("a key that may erase and not retract", Capabilities::ERASE, 1, erase, None);
    check("one of one root keys", WRITER, 1, roots(1, &[0]), Some(Urgency::Now));
    check("root key, no right to retract", Capabilities::PUBLISH, 1, roots(1, &[0]), None);
    check("one of two root keys", WRITER, 2, roots(1, &[0]), None);
    check("one key twice is one key", WRITER, 2, roots(1, &[0, 0]), None);
    check("one key twice beside the right", ERASER, 2, roots(1, &[1, 1]), Some(Urgency::Delayed));
    check("two of two root keys", WRITER, 2, roots(1, &[1, 0]), Some(Urgency::Now));
    check("root keys of another centre", WRITER, 1, roots(9, &[0]), None);
    check("a list that is too long", WRITER, 1, roots(1, &[0; 17]), None);
    let of_another_record = |_, centre| {
        let signed = signature(&Author::root(1, 0), RecordId([1; 32]), centre);
        json!({ "erase": true, "root_signatures": [signed] })
    };
    check("signed for another record", WRITER, 1, of_another_record, None);
    let for_another_centre = |target, _| {
        let signed = signature(&Author::root(1, 0), target, CentreId([1; 32]));
        json!({ "erase": true, "root_signatures": [signed] })
    };
    check("signed for another centre", WRITER, 1, for_another_centre, None);
    let garbled = |target, centre| {
        let mut signed = signature(&Author::root(1, 0), target, centre);
        signed["signature"] = json!(format!("+f{}", &signed["signature"].as_str().unwrap()[2..]));
        json!({ "erase": true, "root_signatures": [signed, 7, { "key": "x" }] })
    };
    check("garbled", WRITER, 1, garbled, None);
    let as_a_header = |target: RecordId, centre: CentreId| {
        let mut signed = signature(&Author::root(1, 0), target, centre);
        let bytes = Author::root(1, 0).sign(Domain::Record, &message(&target, &centre));
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        signed["signature"] = json!(digits);
        json!({ "erase": true, "root_signatures": [signed] })
    };
    check("signed as another kind of object", WRITER, 1, as_a_header, None);

    /// Has the centre's own key retract one of its records.
    #[track_caller]
    fn check(
        what: &str,
        rights: Capabilities,
        roots: u8,
        body: impl Fn(RecordId, CentreId) -> Value,
        expected: Option<Urgency>,
    ) {
        let alice = Author::with_rights(1, rights, roots);
        let record = alice.write(alice.start(), "phrase", |_| ());
        let body = body(record.id(), alice.centre());
        let retraction = retract(&alice, head(&record), record.id(), &body);
        let mut store = store_of(&[&alice]);
        ingest_range(&mut store, &[record.clone(), retraction], NOW).unwrap();
        let found = of(&store, &record.id(), &alice.centre()).unwrap();
        assert_eq!(found.map(|erasure| erasure.urgency), expected, "{what}");
    }
}

#[test]
fn nobody_erases_what_another_centre_published() {
    let (alice, mallory) = (Author::with_rights(1, WRITER, 1), Author::with_rights(2, ERASER, 1));
    let record = alice.write(alice.start(), "phrase", |_| ());
    let signed = [
        signature(&Author::root(2, 0), record.id(), mallory.centre()),
        signature(&Author::root(2, 0), record.id(), alice.centre()),
    ];
    let body = json!({ "erase": true, "root_signatures": signed });
    let retraction = retract(&mallory, mallory.start(), record.id(), &body);
    let mut store = store_of(&[&alice, &mallory]);
    ingest_range(&mut store, std::slice::from_ref(&record), NOW).unwrap();
    ingest_range(&mut store, &[retraction], NOW).unwrap();
    assert_eq!(of(&store, &record.id(), &alice.centre()).unwrap(), None);

    let mut service = service(store, mallory.centre());
    service.handle_timeout(NOW.plus_ms(10 * ERASE_DELAY_MS));
    service.commit().unwrap();
    assert_eq!(body_of(service.store(), &record), Some(BodyState::Present));
}

/// A node of `centre` over a store.
fn service(store: MemoryStore, centre: CentreId) -> Service<MemoryStore> {
    let config = Config {
        centre,
        node: Author::new(7).key.public(),
        seed: [7; 32],
        bootstrap: Vec::new(),
        networks: Vec::new(),
        key_blocked: None,
    };
    Service::new(store, config, NOW).unwrap()
}

fn body_of(store: &MemoryStore, record: &VerifiedRecord) -> Option<BodyState> {
    let place = place_of(store, &record.id()).unwrap()?;
    Some(store.entry(&place).unwrap()?.body)
}

#[test]
fn without_root_keys_a_body_goes_a_week_after_the_retraction_arrived() {
    let (alice, bob) = (Author::with_rights(1, ERASER, 1), Author::new(2));
    let record = alice.write(alice.start(), "phrase", |_| ());
    let body = json!({ "reason": "legal", "erase": true });
    let retraction = retract(&alice, head(&record), record.id(), &body);
    let frames = |records: &[&VerifiedRecord]| {
        let mut bytes = baraza_record::frame::PREAMBLE.to_vec();
        for record in records {
            let (signature, header) = (record.signature(), record.header_bytes());
            baraza_record::frame::encode_header(&mut bytes, signature, header);
            let payload = record.payload().unwrap();
            baraza_record::frame::encode_payload(&mut bytes, &record.id(), payload);
        }
        Input::Command { call: 1, command: crate::command::Command::Import(bytes) }
    };
    let mut store = store_of(&[&alice, &bob]);
    ingest_range(&mut store, std::slice::from_ref(&record), NOW).unwrap();
    store.commit().unwrap();
    let mut node = service(store.clone(), bob.centre());
    let arrived = NOW.plus_ms(5_000);
    node.handle(frames(&[&retraction]), arrived);
    node.commit().unwrap();
    let due = arrived.plus_ms(ERASE_DELAY_MS);
    let place = place_of(node.store(), &record.id()).unwrap().unwrap();
    let view = crate::effective::Effective::new(node.store()).view(&place).unwrap().unwrap();
    assert_eq!(view.standing, crate::effective::Standing::Retracted, "hidden at once");
    assert_eq!((view.body, view.record.payload()), (None, None), "and its body with it");

    node.handle_timeout(Timestamp(due.0 - 1));
    node.commit().unwrap();
    assert_eq!(body_of(node.store(), &record), Some(BodyState::Present), "a moment before");
    // A restart forgets nothing: everything is found from the store.
    let mut node = service(node.into_store(), bob.centre());
    node.handle_timeout(Timestamp(due.0 - 1));
    node.commit().unwrap();
    assert!(node.poll_timeout() <= due, "it wakes up by itself");
    node.handle_timeout(due);
    node.commit().unwrap();
    assert_eq!(body_of(node.store(), &record), Some(BodyState::Erased));
    let place = place_of(node.store(), &record.id()).unwrap().unwrap();
    assert_eq!(node.store().record(&place).unwrap().unwrap().payload(), None);

    // An old bundle does not bring it back.
    node.handle(frames(&[&record, &retraction]), due.plus_ms(1));
    node.commit().unwrap();
    assert_eq!(body_of(node.store(), &record), Some(BodyState::Erased));

    // Who stole the key is heard of by the publisher's own node as by any other.
    let mut own = service(store.clone(), alice.centre());
    own.handle(Input::Unlocked(alice.key.clone()), arrived);
    own.handle(frames(&[&retraction]), arrived);
    own.commit().unwrap();
    assert_eq!(body_of(own.store(), &record), Some(BodyState::Present));

    let mut own = service(store, alice.centre());
    own.handle(Input::Unlocked(alice.key.clone()), arrived);
    let body = body.as_object().unwrap().clone();
    let (kind, language, target) = (Kind::RETRACTION, "en".to_owned(), Some(record.id()));
    let new =
        crate::command::NewRecord { kind, language, revises: None, target, recipients: None, body };
    let command = crate::command::Command::Publish(vec![new]);
    own.handle(Input::Command { call: 1, command }, arrived);
    own.commit().unwrap();
    assert_eq!(body_of(own.store(), &record), Some(BodyState::Erased), "where it was asked for");
}

#[test]
fn a_key_that_may_not_erase_is_told_so_and_signs_nothing() {
    let alice = Author::with_rights(1, WRITER, 2);
    let record = alice.write(alice.start(), "phrase", |_| ());
    let signed = signature(&Author::root(1, 0), record.id(), alice.centre());
    for body in
        [json!({ "erase": true }), json!({ "erase": true, "root_signatures": [&signed, &signed] })]
    {
        let mut store = store_of(&[&alice]);
        ingest_range(&mut store, std::slice::from_ref(&record), NOW).unwrap();
        let mut node = service(store, alice.centre());
        node.handle(Input::Unlocked(alice.key.clone()), NOW);
        let signers = usize::from(body.get("root_signatures").is_some());
        let body = body.as_object().unwrap().clone();
        let (kind, language, target) = (Kind::RETRACTION, "en".to_owned(), Some(record.id()));
        let new = crate::command::NewRecord {
            kind,
            language,
            revises: None,
            target,
            recipients: None,
            body,
        };
        let command = crate::command::Command::Publish(vec![new]);
        node.handle(Input::Command { call: 1, command }, NOW);
        node.commit().unwrap();
        let Some(crate::Effect::Reply { reply, .. }) = node.poll_effect() else {
            panic!("there is a reply")
        };
        let crate::command::Reply::Refused(refusal) = reply else { panic!("{reply:?}") };
        let expected = crate::command::Refusal::MayNotErase { signers, needed: 2 };
        assert_eq!(refusal.to_string(), expected.to_string());
        assert_eq!(node.store().counts().records, 1);
        assert_eq!(body_of(node.store(), &record), Some(BodyState::Present));
    }
}

#[test]
fn root_keys_count_while_they_are_in_force() {
    let (alice, bob) = (Author::with_rights(1, WRITER, 1), Author::new(2));
    let (old, next) = (Author::root(1, 0), SecretKey::from_seed([1 ^ 0x80; 32]));
    let new = SecretKey::from_seed([33; 32]);
    let link = Link { centre: alice.event.id(), seq: 1, prev: alice.event.id(), created_ms: NOW };
    let keys = KeySet {
        root_keys: vec![new.public()],
        root_threshold: 1,
        next_digests: vec![KeyDigest([9; 32])],
        next_threshold: 1,
    };
    let signers = [next.public(), new.public()];
    let rotation = IdentityEvent::rotate(link, Changes::default(), vec![next.public()], keys);
    let rotation = SignedEvent::sign(rotation, &signers, &[&next, &new]).encode();

    let first = alice.write(alice.start(), "first", |_| ());
    let second = alice.write(head(&first), "second", |_| ());
    let by = |key: &SecretKey, target: &VerifiedRecord| {
        let signed = signature(key, target.id(), alice.centre());
        json!({ "erase": true, "root_signatures": [signed] })
    };
    let early = retract(&alice, head(&second), first.id(), &by(&new, &first));
    let late = retract(&alice, head(&early), second.id(), &by(&old, &second));
    let mut store = store_of(&[&alice, &bob]);
    ingest_range(&mut store, &[first.clone(), second.clone(), early], NOW).unwrap();
    let mut node = service(store, bob.centre());
    node.commit().unwrap();
    assert_eq!(body_of(node.store(), &first), Some(BodyState::Present), "not in force yet");

    // The rotation comes as frames do, and with it a retraction by a key that is no more.
    let mut bytes = baraza_record::frame::PREAMBLE.to_vec();
    baraza_record::frame::encode_identity(&mut bytes, &rotation);
    baraza_record::frame::encode_header(&mut bytes, late.signature(), late.header_bytes());
    baraza_record::frame::encode_payload(&mut bytes, &late.id(), late.payload().unwrap());
    let import = crate::command::Command::Import(bytes);
    node.handle(Input::Command { call: 1, command: import }, NOW.plus_ms(1));
    node.commit().unwrap();
    assert_eq!(node.store().identity(&alice.centre()).unwrap().len(), 2);
    node.handle_timeout(NOW.plus_ms(crate::service::ERASURES_RESCAN_EVERY_MS));
    node.commit().unwrap();
    assert_eq!(body_of(node.store(), &first), Some(BodyState::Erased), "found by the next look");
    assert_eq!(body_of(node.store(), &second), Some(BodyState::Present));
}

/// A step of a history.
enum Step<'a> {
    Identity,
    Record(&'a VerifiedRecord),
    Body(&'a VerifiedRecord),
}

fn take(store: &mut MemoryStore, author: &Author, step: &Step<'_>) {
    match step {
        Step::Identity => {
            ingest_identity(store, &author.event.encode()).unwrap();
        }
        Step::Record(record) => {
            ingest_range(store, &[VerifiedRecord::clone(record)], NOW).unwrap();
        }
        Step::Body(record) => {
            if let Some(place) = place_of(store, &record.id()).unwrap() {
                ingest_body(store, &place, record.payload().unwrap()).unwrap();
            }
        }
    }
    store.commit().unwrap();
}

#[test]
fn no_order_of_arrival_leaves_a_body() {
    // Two keys, so that the retraction does not stand behind the record in one feed.
    let mut alice = Author::with_rights(1, WRITER, 1);
    let desk = SecretKey::from_seed([77; 32]);
    let IdentityEvent::Inception(mut event) = alice.event.event().clone() else {
        panic!("an author begins with an inception")
    };
    event.operators.push(baraza_identity::Operator {
        key: desk.public(),
        capabilities: WRITER,
        label: "desk".into(),
    });
    event.operators.sort_unstable_by_key(|operator| operator.key);
    alice.event = event.sign(&[&Author::root(1, 0)]);
    let desk = Author { key: desk, ..alice.clone() };

    let record = alice.write(alice.start(), "phrase", |_| ());
    let signed = signature(&Author::root(1, 0), record.id(), alice.centre());
    let body = json!({ "erase": true, "root_signatures": [signed] });
    let retraction = retract(&desk, desk.start(), record.id(), &body);
    let bare =
        |record: &VerifiedRecord| record.record().clone().without_payload().verify().unwrap();
    let (bare_record, bare_retraction) = (bare(&record), bare(&retraction));
    let steps = [
        Step::Identity,
        Step::Record(&bare_record),
        Step::Body(&record),
        Step::Record(&bare_retraction),
        Step::Body(&retraction),
    ];
    let observer = Author::new(2);
    for order in permutations(steps.len()) {
        let mut node = service(store_of(&[&observer]), observer.centre());
        // A body whose record is not here yet is offered again, and so is everything by an
        // old peer.
        for place in [order.as_slice(), &order].concat() {
            let mut store = node.into_store();
            take(&mut store, &alice, &steps[place]);
            node = service(store, observer.centre());
            node.commit().unwrap();
        }
        let mut store = node.into_store();
        take(&mut store, &alice, &Step::Record(&record));
        let mut node = service(store, observer.centre());
        node.commit().unwrap();
        assert_eq!(body_of(node.store(), &record), Some(BodyState::Erased), "{order:?}");
        assert_eq!(body_of(node.store(), &retraction), Some(BodyState::Present), "{order:?}");
        assert!(node.is_complete(), "an erased body is not wanted");
    }
}

/// Returns every order of the numbers below `count`.
fn permutations(count: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    for next in 0..count {
        let insert = |order: &Vec<usize>| {
            (0..=order.len())
                .map(|at| {
                    let mut order = order.clone();
                    order.insert(at, next);
                    order
                })
                .collect::<Vec<_>>()
        };
        orders = orders.iter().flat_map(insert).collect();
    }
    orders
}
