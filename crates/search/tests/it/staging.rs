//! What is staged: one commit for many calls, nothing seen before, nothing kept of a failure.

use std::fs;

use baraza_protocol::index::{Index, IndexDoc};
use baraza_search::TantivyIndex;

use crate::fixture::{Fixture, at, doc, id};

#[test]
fn what_is_staged_is_seen_with_the_next_apply() {
    let fixture = Fixture::new(&[doc(1, "en", "Old", "water")]);
    fixture.index.stage(&[doc(2, "en", "New", "water")], &[id(1)]).unwrap();
    fixture.index.stage(&[doc(3, "en", "Newer", "water")], &[]).unwrap();
    assert_eq!(fixture.find("water"), [1]);
    assert_eq!(fixture.index.position().unwrap(), at(1));

    fixture.index.apply(&[doc(4, "en", "Newest", "water")], &[], at(9)).unwrap();
    assert_eq!(fixture.find("water"), [2, 3, 4]);
    assert_eq!(fixture.reopen().index.position().unwrap(), at(9));
}

#[test]
fn the_last_word_on_a_record_holds() {
    let fixture = Fixture::new(&[doc(1, "en", "One", "first")]);
    fixture
        .index
        .stage(&[doc(1, "en", "One", "second"), doc(2, "en", "Two", "second")], &[])
        .unwrap();
    fixture.index.stage(&[], &[id(2)]).unwrap();
    fixture.index.stage(&[doc(1, "en", "One", "third")], &[]).unwrap();
    fixture.index.stage(&[doc(3, "en", "Three", "third")], &[id(3)]).unwrap();
    fixture.index.stage(&[doc(3, "en", "Three", "fourth")], &[]).unwrap();
    fixture.index.apply(&[], &[], at(2)).unwrap();
    let none = [] as [u16; 0];
    assert_eq!((fixture.find("first"), fixture.find("second")), (none.into(), none.into()));
    assert_eq!((fixture.find("third"), fixture.find("fourth")), (vec![1], vec![3]));
    assert_eq!(fixture.find("").len(), 2);
}

#[test]
fn what_is_staged_goes_with_a_restart_a_purge_and_a_clear() {
    let fixture = Fixture::new(&[doc(1, "en", "One", "water")]);
    let staged = [doc(2, "en", "Two", "water")];
    fixture.index.stage(&staged, &[]).unwrap();
    let fixture = fixture.reopen();
    assert_eq!((fixture.find("water"), fixture.index.position().unwrap()), (vec![1], at(1)));

    fixture.index.stage(&staged, &[]).unwrap();
    fixture.index.purge().unwrap();
    fixture.index.apply(&[], &[], at(2)).unwrap();
    assert_eq!(fixture.find("water"), [1]);

    fixture.index.stage(&staged, &[]).unwrap();
    fixture.index.clear().unwrap();
    fixture.index.apply(&[], &[], at(3)).unwrap();
    assert_eq!(fixture.find("water"), [] as [u16; 0]);
}

#[test]
fn what_is_staged_outlives_two_idles() {
    let fixture = Fixture::new(&[]);
    fixture.index.stage(&[doc(1, "en", "One", "water")], &[]).unwrap();
    (0..3).for_each(|_| fixture.index.idle());
    fixture.index.apply(&[], &[], at(2)).unwrap();
    assert_eq!(fixture.find("water"), [1]);
}

/// More than fits into the writer and into the queue before it.
fn many() -> Vec<IndexDoc> {
    let text =
        |number: u16| -> String { (0..2_000).map(|word| format!("w{number}x{word} ")).collect() };
    (0..1_000).map(|number| doc(number, "en", "Many", &text(number))).collect()
}

#[test]
fn a_writer_that_cannot_write_is_an_error_and_never_a_wait() {
    let fixture = Fixture::new(&[doc(1, "en", "One", "water")]);
    fs::remove_dir_all(fixture.dir.path().join("tantivy")).unwrap();
    let docs = many();
    let staged = docs.chunks(100).try_for_each(|part| fixture.index.stage(part, &[]));
    let applied = staged.and_then(|()| fixture.index.apply(&[], &[], at(2)));
    assert!(applied.is_err());

    let fixture = fixture.reopen();
    fixture.index.apply(&docs[..10], &[], at(3)).unwrap();
    assert_eq!(fixture.find("w7x1999"), [7]);
}

#[test]
fn one_commit_may_have_more_than_the_writer_holds() {
    let dir = tempfile::tempdir().unwrap();
    let index = TantivyIndex::open(dir.path()).unwrap();
    let docs = many();
    docs.chunks(100).for_each(|part| index.stage(part, &[]).unwrap());
    index.apply(&[], &[id(7)], at(2)).unwrap();
    let fixture = Fixture { index, dir };
    assert_eq!((fixture.find("w7x0"), fixture.find("w999x1999")), (vec![], vec![999]));
}
