//! Records: what is put comes back, to the writer at once, to readers after a commit.

use baraza_record::{SignedRecord, VerifiedRecord, WireRecord};

use crate::store::{BodyState, Branch, Entry, FeedHead, Place, SignatureState, Store, StoreRead};

use super::{Author, NOW, ok};

pub(super) fn put<S: Store>(store: &mut S, record: &VerifiedRecord) -> Place {
    let place = main(record);
    ok(store.put_record(record, Branch::Main, NOW));
    place
}

/// Puts records, one feed behind the other, and the state of the feed.
pub(super) fn put_all<S: Store>(store: &mut S, author: &Author, records: &[VerifiedRecord]) {
    for record in records {
        put(store, record);
    }
    let last = records.last().expect("there are records");
    let head = FeedHead { seq: last.header().seq, id: last.id() };
    ok(store.put_feed(&author.feed(), &author.state(head)));
}

pub(super) fn main(record: &VerifiedRecord) -> Place {
    Place { feed: record.feed(), seq: record.header().seq, branch: Branch::Main }
}

fn entry<S: StoreRead>(store: &S, place: &Place) -> Entry {
    ok(store.entry(place)).expect("the record was put")
}

fn verified(wire: WireRecord) -> VerifiedRecord {
    SignedRecord::from_wire(wire).and_then(SignedRecord::verify).expect("it was signed")
}

pub(super) fn the_writer_sees_at_once_what_a_reader_sees_after_commit<S: Store>(store: &mut S) {
    let alice = Author::new(1);
    let records = alice.chain(2);
    let reader = store.reader();
    put_all(store, &alice, &records[..1]);
    let place = main(&records[0]);
    let head = FeedHead { seq: 1, id: records[0].id() };

    assert!(ok(store.entry(&place)).is_some(), "the writer sees what it put");
    assert!(ok(store.record(&place)).is_some());
    assert_eq!(ok(store.feed(&alice.feed())), Some(alice.state(head)));
    assert_eq!(ok(store.changes(0, 10)).len(), 1);
    assert_eq!(store.counts().records, 1);
    assert_eq!(ok(reader.entry(&place)), None, "a reader does not before the commit");
    assert_eq!(ok(reader.record(&place)), None);
    assert_eq!(ok(reader.feed(&alice.feed())), None);
    assert_eq!(ok(reader.changes(0, 10)), []);
    assert_eq!(reader.counts().records, 0);

    ok(store.commit());
    assert_eq!(ok(reader.record(&place)), Some(records[0].record().clone()));
    assert_eq!(ok(reader.feed(&alice.feed())), Some(alice.state(head)));
    let bytes = ok(reader.feed_bytes(&alice.feed()));
    assert_eq!(bytes, ok(store.feed_bytes(&alice.feed())));
    assert!((200..600).contains(&bytes), "{bytes}");
    assert_eq!(ok(reader.feed_bytes(&Author::new(2).feed())), 0);
    assert_eq!((reader.counts().records, reader.counts().feeds), (1, 1));
    assert_eq!((reader.epoch(), reader.last_change()), (store.epoch(), store.last_change()));
    ok(store.commit());
    assert_eq!(reader.counts().records, 1, "a commit of nothing changes nothing");
}

pub(super) fn a_record_comes_back_byte_for_byte<S: Store>(store: &mut S) {
    let record = &Author::new(1).chain(1)[0];
    let place = put(store, record);
    ok(store.commit());
    let read = ok(store.reader().record(&place)).expect("it was committed");
    assert_eq!(read.encode(), record.encode());
    let expected = Entry {
        id: record.id(),
        kind: record.header().kind,
        change: store.last_change(),
        arrived_ms: NOW,
        body: BodyState::Present,
        signature: SignatureState::Checked,
        lists_files: false,
    };
    assert_eq!(entry(&store.reader(), &place), expected);
    assert_eq!(ok(store.entry(&Place { seq: 2, ..place })), None);
    assert_eq!(ok(store.entry(&Place { branch: Branch::Other, ..place })), None);

    let head = FeedHead { seq: 1, id: record.id() };
    let with_files = Author::new(1).write(head, "x", |header| header.attachment_bytes = 8);
    let place = put(store, &with_files);
    ok(store.commit());
    assert!(entry(&store.reader(), &place).lists_files);
}

pub(super) fn a_missing_body_and_signature_can_follow<S: Store>(store: &mut S) {
    let alice = Author::new(1);
    let records = alice.chain(3);
    let bare = WireRecord { signature: None, payload: None, ..records[0].to_wire() };
    let garbled = WireRecord { signature: Some([1; 64]), ..records[1].to_wire() };
    let range = [bare, garbled, records[2].to_wire()].map(SignedRecord::from_wire);
    let range = range.into_iter().collect::<Result<_, _>>().expect("the headers are good");
    let range = VerifiedRecord::verify_range(range).expect("the last signature is good");
    let places: Vec<_> = range.iter().map(|record| put(store, record)).collect();
    let state = |store: &S, n: usize| {
        let entry = entry(store, &places[n]);
        (entry.body, entry.signature)
    };
    assert_eq!(state(store, 0), (BodyState::Missing, SignatureState::Missing));
    assert_eq!(state(store, 1), (BodyState::Present, SignatureState::Unchecked));
    assert_eq!(state(store, 2), (BodyState::Present, SignatureState::Checked));
    assert_eq!(store.counts().bodies_missing, 1);
    ok(store.commit());

    let payload = records[0].payload().expect("it was written with one");
    ok(store.put_payload(&places[0], payload));
    for (place, record) in places.iter().zip(&records[..2]) {
        ok(store.put_signature(place, record.signature().expect("it was signed")));
    }
    ok(store.commit());
    for (n, record) in records.iter().enumerate() {
        assert_eq!(state(store, n), (BodyState::Present, SignatureState::Checked), "{n}");
        let read = ok(store.reader().record(&places[n])).expect("it is held");
        assert_eq!(read.encode(), record.encode(), "{n}");
    }
    assert_eq!(store.counts().bodies_missing, 0);
    assert_eq!(ok(store.reader().missing(None, 10)), []);
}

pub(super) fn an_erased_body_is_gone<S: Store>(store: &mut S) {
    let records = Author::new(1).chain(2);
    let places: Vec<_> = records.iter().map(|record| put(store, record)).collect();
    ok(store.commit());
    let before = store.last_change();
    ok(store.erase(&places[0]));
    ok(store.commit());

    let reader = store.reader();
    assert_eq!(entry(&reader, &places[0]).body, BodyState::Erased);
    assert!(before < entry(&reader, &places[0]).change, "erasing is a change");
    let read = ok(reader.record(&places[0])).expect("the header stays");
    assert_eq!((read.id(), read.payload()), (records[0].id(), None));
    assert_eq!(verified(read.to_wire()).id(), records[0].id(), "and so does the signature");
    assert_eq!(store.counts().bodies_missing, 0, "what is erased is not wanted");
    assert_eq!(ok(reader.missing(None, 10)), []);
    assert_eq!(entry(&reader, &places[1]).body, BodyState::Present);
}

pub(super) fn ranges_stop_at_their_limits<S: Store>(store: &mut S) {
    let alice = Author::new(1);
    let records = alice.chain(6);
    put_all(store, &alice, &records);
    // A neighbour, so that a range that runs over the end of a feed is noticed.
    let bob = Author::new(2);
    put_all(store, &bob, &bob.chain(2));
    ok(store.commit());
    let reader = store.reader();
    let feed = alice.feed();
    let seqs = |from, to, bytes_max| {
        let range = ok(reader.range(&feed, from, to, bytes_max));
        range.iter().map(|record| record.header().seq).collect::<Vec<_>>()
    };
    let plenty = 1 << 20;
    assert_eq!(seqs(1, 6, plenty), [1, 2, 3, 4, 5, 6]);
    assert_eq!(seqs(2, 4, plenty), [2, 3, 4]);
    assert_eq!(seqs(5, u64::MAX, plenty), [5, 6], "it ends with what is held");
    assert_eq!(seqs(7, 9, plenty), [0; 0]);
    assert_eq!(seqs(4, 3, plenty), [0; 0]);
    assert_eq!(seqs(3, 6, 0), [3], "at least one");
    let two = records[0].encode().len() * 2 + 400;
    assert!((2..4).contains(&seqs(1, 6, two).len()), "{:?}", seqs(1, 6, two));
    let read = ok(reader.range(&feed, 2, 2, plenty));
    assert_eq!(read, [records[1].record().clone()]);
}

pub(super) fn both_branches_are_kept_apart<S: Store>(store: &mut S) {
    let alice = Author::new(1);
    let first = alice.chain(1);
    let head = FeedHead { seq: 1, id: first[0].id() };
    let [one, two] = ["one", "two"].map(|text| alice.write(head, text, |_| ()));
    put(store, &first[0]);
    let place = put(store, &one);
    let other = Place { branch: Branch::Other, ..place };
    ok(store.put_record(&two, Branch::Other, NOW));
    let state = crate::store::FeedState {
        chain: FeedHead { seq: 2, id: one.id() },
        fork: Some(2),
        ..alice.state(head)
    };
    ok(store.put_feed(&alice.feed(), &state));
    ok(store.commit());

    let reader = store.reader();
    assert_eq!(ok(reader.feed(&alice.feed())), Some(state));
    assert_eq!(ok(reader.record(&place)), Some(one.record().clone()));
    assert_eq!(ok(reader.record(&other)), Some(two.record().clone()));
    let range = ok(reader.range(&alice.feed(), 1, 9, 1 << 20));
    assert_eq!(range.len(), 2, "a range is of the main branch");
    assert_eq!(store.counts().records, 3);
    let found = ok(reader.find(&two.id().to_string(), 9));
    assert_eq!(found, [(two.id(), other)]);
}

pub(super) fn branches_change_places<S: Store>(store: &mut S) {
    let alice = Author::new(1);
    let first = alice.chain(1);
    let head = FeedHead { seq: 1, id: first[0].id() };
    let go_on = |text: &str, count: usize| {
        let mut head = head;
        let mut records = Vec::new();
        for n in 0..count {
            let revised = |header: &mut baraza_record::Header| header.series = Some(first[0].id());
            let record = alice.write(head, &format!("{text} {n}"), revised);
            head = FeedHead { seq: record.header().seq, id: record.id() };
            records.push(record);
        }
        records
    };
    let (main, other) = (go_on("main", 3), go_on("other", 2));
    put(store, &first[0]);
    for record in &main {
        put(store, record);
    }
    let bare = other[1].record().clone().without_payload().verify().expect("it is signed");
    ok(store.put_record(&other[0], Branch::Other, NOW));
    ok(store.put_record(&bare, Branch::Other, NOW));
    ok(store.put_feed(&alice.feed(), &alice.state(head)));
    assert_eq!(ok(store.evidence(&alice.feed())), [2, 3], "the writer sees it");
    ok(store.commit());
    assert_eq!(ok(store.reader().evidence(&alice.feed())), [2, 3]);

    let place = |seq, branch| Place { feed: alice.feed(), seq, branch };
    let check = |store: &S, main: &[VerifiedRecord], other: &[VerifiedRecord]| {
        let reader = store.reader();
        for (records, branch) in [(main, Branch::Main), (other, Branch::Other)] {
            for (n, record) in records.iter().enumerate() {
                let at = place(n as u64 + 2, branch);
                assert_eq!(ok(reader.entry(&at)).map(|entry| entry.id), Some(record.id()));
                assert_eq!(ok(reader.find(&record.id().to_string(), 9)), [(record.id(), at)]);
                let read = ok(reader.record(&at)).expect("it stands there");
                assert_eq!(read.header_bytes(), record.header_bytes());
            }
            assert_eq!(ok(reader.entry(&place(records.len() as u64 + 2, branch))), None);
        }
        let held: Vec<_> = ok(reader.series(&first[0].id()));
        assert_eq!(held.len(), main.len() + other.len(), "versions are found where they stand");
        for at in held {
            assert!(ok(reader.entry(&at)).is_some());
        }
        assert_eq!(ok(reader.changes(0, 100)).len(), 1 + main.len() + other.len());
        assert_eq!(reader.counts().records as usize, 1 + main.len() + other.len());
        assert_eq!(reader.counts().bodies_missing, 1);
        assert_eq!(ok(reader.missing(None, 10)).len(), 1);
    };
    check(store, &main, &other);
    let last = store.last_change();
    ok(store.exchange(&alice.feed(), 2, 4, 3));
    ok(store.commit());
    check(store, &other, &main);
    assert_eq!(ok(store.reader().changes(last, 100)).len(), 5, "all that moved has changed");
    ok(store.exchange(&alice.feed(), 2, 3, 4));
    ok(store.commit());
    check(store, &main, &other);
    ok(store.put_payload(&place(3, Branch::Other), other[1].payload().expect("it has one")));
    ok(store.put_payload(&place(3, Branch::Other), other[1].payload().expect("it has one")));
    ok(store.drop_evidence(&alice.feed(), 3));
    ok(store.commit());
    assert_eq!(ok(store.reader().evidence(&alice.feed())), [2]);
    assert_eq!(ok(store.reader().find(&other[1].id().to_string(), 9)), []);
    assert_eq!(store.counts().bodies_missing, 0);
}
