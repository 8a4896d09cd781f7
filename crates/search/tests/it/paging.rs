//! Pages, equals and layouts: the order is total and the same on every node.

use baraza_protocol::index::{HITS_MAX, Index, IndexDoc, Query};
use baraza_record::Timestamp;

use crate::fixture::{Fixture, all, at, doc, numbers};

/// Records of which many are equal in score and in time.
fn docs() -> Vec<IndexDoc> {
    let text = ["water", "water water pump", "pump for water and water"];
    let numbers = 0..90_u16;
    let docs = numbers.map(|number| {
        let mut doc = doc(number, "en", "Title", text[usize::from(number) % 3]);
        doc.created_ms = Timestamp(u64::from(number / 10));
        doc
    });
    docs.collect()
}

#[test]
fn pages_cover_every_hit_once_and_in_order() {
    let fixture = Fixture::new(&docs());
    for text in ["water pump", ""] {
        let whole = fixture.find(text);
        let mut paged = Vec::new();
        for offset in (0..100).step_by(7) {
            let query = Query { text: text.to_owned(), offset, limit: 7, ..all() };
            let hits = fixture.index.search(&query).unwrap();
            assert_eq!(hits.total, 90);
            paged.extend(numbers(&hits));
        }
        assert_eq!(paged, whole, "`{text}`");
    }
}

#[test]
fn pages_outside_the_hits_are_empty_and_counted() {
    let fixture = Fixture::new(&docs());
    for (offset, limit) in [(0, 0), (90, 10), (usize::MAX, usize::MAX), (1_000_000, 1)] {
        let hits = fixture
            .index
            .search(&Query { text: "pump".to_owned(), offset, limit, ..all() })
            .unwrap();
        assert_eq!((hits.total, hits.hits.len()), (60, 0), "{offset} {limit}");
    }
}

#[test]
fn a_page_is_never_larger_than_its_limit() {
    let many: Vec<IndexDoc> = (0..300).map(|number| doc(number, "en", "Title", "water")).collect();
    let fixture = Fixture::new(&many);
    let hits = fixture.index.search(&Query { limit: usize::MAX, ..Query::default() }).unwrap();
    assert_eq!((hits.total, hits.hits.len()), (300, HITS_MAX));
}

#[test]
fn the_order_does_not_depend_on_how_records_came() {
    let alice = Fixture::new(&docs());
    let bob = Fixture::new(&[]);
    let mut shuffled = docs();
    shuffled.rotate_left(31);
    shuffled.reverse();
    for (part, change) in shuffled.chunks(11).zip(2..) {
        bob.index.apply(part, &[], at(change)).unwrap();
    }
    for text in ["water", "pump water", "\"pump for\" water", ""] {
        assert_eq!(alice.find(text), bob.find(text), "`{text}`");
    }
}

#[test]
fn scores_fall_along_a_page() {
    let fixture = Fixture::new(&docs());
    let hits = fixture.index.search(&Query { text: "pump".to_owned(), ..all() }).unwrap();
    assert!(hits.hits.is_sorted_by(|one, next| next.score <= one.score));
    assert!(hits.hits.iter().all(|hit| hit.score.is_finite() && 0.0 < hit.score));
}
