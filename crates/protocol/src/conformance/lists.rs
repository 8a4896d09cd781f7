//! Lists: what is found by id, by change, by link, by page.

use std::collections::BTreeSet;

use baraza_reconcile::Head;

use crate::store::{BodyState, FeedHead, Place, Store, StoreRead, Table};

use super::{
    Author, ok,
    records::{main, put, put_all},
};

pub(super) fn records_are_found_by_the_digits_of_their_id<S: Store>(store: &mut S) {
    let alice = Author::new(1);
    let records = alice.chain(40);
    put_all(store, &alice, &records);
    ok(store.commit());
    let reader = store.reader();
    for record in &records {
        let digits = record.id().to_string();
        assert_eq!(ok(reader.find(&digits, 2)), [(record.id(), main(record))]);
        // Whole bytes and half ones, the latter being where a search by bytes goes wrong.
        for length in [0, 1, 2, 3] {
            let prefix = &digits[..length];
            let mut all: Vec<_> = records.iter().map(|one| (one.id(), main(one))).collect();
            all.retain(|(id, _)| id.to_string().starts_with(prefix));
            all.sort();
            assert_eq!(ok(reader.find(prefix, 100)), all, "{prefix}");
        }
    }
    assert_eq!(ok(reader.find("", 7)).len(), 7);
    assert_eq!(ok(reader.find(&"0".repeat(64), 7)), []);
    let digits = records[0].id().to_string();
    assert_eq!(ok(store.find(&digits, 2)).len(), 1, "the writer finds them too");
}

pub(super) fn changes_are_numbered_in_order_and_anew<S: Store>(store: &mut S) {
    let alice = Author::new(1);
    let records = alice.chain(5);
    put(store, &records[0]);
    let bare = records[1].record().clone().without_payload().verify().expect("it is signed");
    put(store, &bare);
    ok(store.commit());
    records[2..].iter().for_each(|record| {
        put(store, record);
    });
    ok(store.commit());
    assert_order(store, &[1, 2, 3, 4, 5]);

    ok(store.touch(&main(&records[0])));
    assert_order(store, &[2, 3, 4, 5, 1]);
    ok(store.commit());
    let payload = records[1].payload().expect("it was written with one");
    ok(store.put_payload(&main(&records[1]), payload));
    ok(store.erase(&main(&records[3])));
    ok(store.commit());
    assert_order(store, &[3, 5, 1, 2, 4]);
    assert_order(&store.reader(), &[3, 5, 1, 2, 4]);

    let reader = store.reader();
    let changes = ok(reader.changes(0, 2));
    let rest = ok(reader.changes(changes[1].0, 100));
    assert_eq!((changes.len(), rest.len()), (2, 3), "a page goes on behind a number");
    assert_eq!(ok(reader.changes(reader.last_change(), 9)), []);
    let newest = ok(reader.newest(None, 2));
    let older = ok(reader.newest(Some(newest[1].0), 100));
    assert_eq!((newest[0].1.seq, newest[1].1.seq, older.len()), (4, 2, 3));
    assert!(older.iter().all(|(change, _)| *change < newest[1].0));
}

/// Checks the order of changes of one feed, both ways, and the numbers in the entries.
fn assert_order(store: &impl StoreRead, seqs: &[u64]) {
    let changes = ok(store.changes(0, 1_000));
    assert_eq!(changes.iter().map(|(_, place)| place.seq).collect::<Vec<_>>(), seqs);
    assert!(changes.is_sorted_by(|a, b| a.0 < b.0) && 0 < changes[0].0);
    assert_eq!(changes.last().map(|(change, _)| *change), Some(store.last_change()));
    for (change, place) in &changes {
        assert_eq!(ok(store.entry(place)).map(|entry| entry.change), Some(*change));
    }
    let mut newest = ok(store.newest(None, 1_000));
    newest.reverse();
    assert_eq!(newest, changes);
}

pub(super) fn versions_and_targets_are_found<S: Store>(store: &mut S) {
    let (alice, bob) = (Author::new(1), Author::new(2));
    let first = alice.write(alice.start(), "first", |_| ());
    let head = FeedHead { seq: 1, id: first.id() };
    let second = alice.write(head, "second", |header| header.series = Some(first.id()));
    let head = FeedHead { seq: 2, id: second.id() };
    let third = alice.write(head, "gone", |header| header.target = Some(second.id()));
    let foreign = bob.write(bob.start(), "a claim", |header| {
        (header.series, header.target) = (Some(first.id()), Some(second.id()));
    });
    for record in [&first, &second, &third, &foreign] {
        put(store, record);
    }
    assert_eq!(ok(store.series(&first.id())).len(), 2, "the writer sees them");
    ok(store.commit());
    let reader = store.reader();
    let set = |places: Vec<Place>| places.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(set(ok(reader.series(&first.id()))), set(vec![main(&second), main(&foreign)]));
    assert_eq!(set(ok(reader.targeting(&second.id()))), set(vec![main(&third), main(&foreign)]));
    assert_eq!(ok(reader.series(&second.id())), []);
    assert_eq!(ok(reader.targeting(&first.id())), []);
}

pub(super) fn missing_bodies_are_listed<S: Store>(store: &mut S) {
    let authors = [1, 2, 3].map(Author::new);
    let mut all = BTreeSet::new();
    for author in &authors {
        for (n, record) in author.chain(4).into_iter().enumerate() {
            let bare = record.record().clone().without_payload().verify().expect("it is signed");
            let place = put(store, if n % 2 == 0 { &bare } else { &record });
            all.extend((n % 2 == 0).then_some(place));
        }
    }
    ok(store.commit());
    let reader = store.reader();
    assert_eq!(reader.counts().bodies_missing, 6);
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = ok(reader.missing(after, 4));
        after = page.last().copied();
        listed.extend(page);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed.len(), 6, "each is listed once");
    assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), all);
    for place in &listed {
        assert_eq!(ok(reader.entry(place)).map(|entry| entry.body), Some(BodyState::Missing));
    }
}

pub(super) fn feeds_and_centres_are_listed_by_page<S: Store>(store: &mut S) {
    let authors: Vec<_> = (1..=9).map(Author::new).collect();
    for author in &authors {
        put_all(store, author, &author.chain(1));
        let (centre, event) = (author.centre(), &author.event);
        ok(store.put_identity(&centre, 0, &event.id(), &event.encode()));
        ok(store.put_identity_head(&centre, Head { seq: 1, id: event.id().0, forked: false }));
    }
    // A second feed of one centre.
    let audience = baraza_record::Audience::Network(baraza_record::NetworkId([5; 32]), [6; 16]);
    let closed = Author { audience, ..authors[0].clone() };
    put_all(store, &closed, &closed.chain(1));
    ok(store.commit());

    let reader = store.reader();
    let mut feeds: Vec<_> = authors.iter().chain([&closed]).map(Author::feed).collect();
    feeds.sort();
    assert_eq!(ok(reader.feeds(None, 100)), feeds);
    assert_eq!(ok(reader.feeds(Some(feeds[3]), 2)), feeds[4..6]);
    assert_eq!(ok(reader.feeds(feeds.last().copied(), 2)), []);
    let mut ours = [authors[0].feed(), closed.feed()];
    ours.sort();
    assert_eq!(ok(reader.feeds_of(&closed.centre())), ours);
    assert_eq!(ok(store.feeds_of(&authors[4].centre())), [authors[4].feed()]);

    let mut centres: Vec<_> = authors.iter().map(Author::centre).collect();
    centres.sort();
    assert_eq!(ok(reader.centres(None, 100)), centres);
    assert_eq!(ok(reader.centres(Some(centres[2]), 3)), centres[3..6]);
    assert_eq!(ok(reader.centres(centres.last().copied(), 3)), []);
    let counts = reader.counts();
    assert_eq!((counts.records, counts.feeds, counts.centres), (10, 10, 9));
    assert_ne!(counts.ledger_bytes, 0);
}

pub(super) fn local_facts_are_found_by_prefix<S: Store>(store: &mut S) {
    let fact = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
    for (key, value) in [(&b"ab"[..], &b"2"[..]), (b"a", b"1"), (b"abc", b"3"), (b"b", b"4")] {
        ok(store.put_local(Table::Peers, key, Some(value)));
    }
    ok(store.put_local(Table::Peers, &[0xff, 0xff], Some(b"5")));
    ok(store.put_local(Table::Holders, b"ab", Some(b"other")));
    assert_eq!(ok(store.local(Table::Peers, b"ab")), Some(b"2".to_vec()), "the writer sees it");
    assert_eq!(ok(store.reader().local(Table::Peers, b"ab")), None);
    ok(store.commit());

    let reader = store.reader();
    let found = |prefix: &[u8]| ok(reader.locals(Table::Peers, prefix));
    assert_eq!(found(b"ab"), [fact(b"ab", b"2"), fact(b"abc", b"3")]);
    assert_eq!(found(b"").len(), 5);
    assert_eq!(found(&[0xff]), [fact(&[0xff, 0xff], b"5")]);
    assert_eq!(found(b"c"), []);
    assert_eq!(ok(reader.locals(Table::Holders, b"")), [fact(b"ab", b"other")]);

    ok(store.put_local(Table::Peers, b"ab", Some(b"new")));
    ok(store.put_local(Table::Peers, b"a", None));
    ok(store.put_local(Table::Peers, b"never", None));
    assert_eq!(ok(store.locals(Table::Peers, b"a")).len(), 2);
    ok(store.commit());
    let reader = store.reader();
    let left = ok(reader.locals(Table::Peers, b"a"));
    assert_eq!(left, [fact(b"ab", b"new"), fact(b"abc", b"3")]);
}
