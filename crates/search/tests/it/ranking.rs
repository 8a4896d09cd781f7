//! Which records are hits, and which come first.

use baraza_protocol::index::{Hidden, Index, IndexDoc, Query};
use baraza_record::{CentreId, Goals, Kind, Timestamp};

use crate::fixture::{Fixture, all, doc, id};

#[test]
fn a_title_ranks_above_a_text() {
    let fixture = Fixture::new(&[
        doc(1, "en", "A story", "about water and other things of the village"),
        doc(2, "en", "Water for all", "a long story of other things and of the village"),
    ]);
    assert_eq!(fixture.find("water"), [2, 1]);
}

#[test]
fn more_matching_words_rank_higher() {
    let fixture = Fixture::new(&[
        doc(1, "en", "One", "solar lamps and hand tools"),
        doc(2, "en", "Two", "solar lamps and a pump"),
        doc(3, "en", "Three", "nothing of it"),
    ]);
    assert_eq!(fixture.find("solar pump"), [2, 1]);
}

#[test]
fn the_word_as_written_ranks_above_its_other_forms() {
    let fixture = Fixture::new(&[
        doc(1, "en", "One", "a library there"),
        doc(2, "en", "Two", "the libraries there"),
    ]);
    assert_eq!(fixture.find("libraries"), [2, 1]);
}

#[test]
fn phrases_hold_their_order() {
    let fixture = Fixture::new(&[
        doc(1, "en", "One", "the hand pump broke"),
        doc(2, "en", "Two", "pump it by hand"),
        doc(3, "en", "Hand pump", "three"),
    ]);
    assert_eq!(fixture.find("\"hand pump\""), [3, 1]);
    assert_eq!(fixture.find("\"pumps\""), [] as [u16; 0], "a quoted word is meant as written");
}

#[test]
fn signs_exclude_and_demand() {
    let fixture = Fixture::new(&[
        doc(1, "en", "One", "drip irrigation for maize"),
        doc(2, "en", "Two", "drip irrigation for rice"),
        doc(3, "en", "Three", "sprinklers for rice"),
    ]);
    assert_eq!(fixture.find("irrigation -rice"), [1]);
    assert_eq!(fixture.find("irrigation -sprinkler rice"), [2, 1], "forms are excluded as well");
    assert_eq!(fixture.find("+rice irrigation"), [2, 3]);
    assert_eq!(fixture.find("+rice +maize"), [] as [u16; 0]);
    assert_eq!(fixture.find("rice -\"drip irrigation\""), [3]);
}

#[test]
fn only_exclusions_leave_the_rest_newest_first() {
    let mut docs =
        [doc(1, "en", "Rice", ""), doc(2, "en", "Maize", ""), doc(3, "en", "Millet", "")];
    docs[2].created_ms = Timestamp(2_000);
    assert_eq!(Fixture::new(&docs).find("-rice"), [3, 2]);
}

#[test]
fn an_empty_text_gives_all_newest_first_and_equals_by_id() {
    let mut docs: Vec<IndexDoc> =
        (1..=5).map(|number| doc(number, "en", "Title", "text")).collect();
    docs[3].created_ms = Timestamp(9_000);
    docs[0].created_ms = Timestamp(10);
    docs.reverse();
    let fixture = Fixture::new(&docs);
    assert_eq!(fixture.find(""), [4, 2, 3, 5, 1]);
    assert_eq!(fixture.find("  \n"), [4, 2, 3, 5, 1]);
}

/// The records of the filter tests: an even number differs in everything from an odd one.
fn mixed() -> Vec<IndexDoc> {
    let mut docs: Vec<IndexDoc> =
        (1..=6).map(|number| doc(number, "pt-BR", "Água", "text")).collect();
    for (doc, number) in docs.iter_mut().zip(1..) {
        doc.created_ms = Timestamp(1_000 * number);
        if number % 2 == 0 {
            doc.kind = Kind::LESSON;
            doc.centre = CentreId([2; 32]);
            doc.language = "sw".to_owned();
            doc.goals = Goals::default().with(6).with(13);
            doc.targets = vec!["6.1".to_owned(), "6.b".to_owned()];
            doc.countries = vec!["KE".to_owned(), "TZ".to_owned()];
            doc.regions = vec!["202".to_owned(), "014".to_owned()];
        } else {
            doc.goals = Goals::default().with(4);
            doc.targets = vec!["4.1".to_owned()];
            doc.countries = vec!["BR".to_owned()];
            doc.regions = vec!["419".to_owned()];
        }
    }
    docs
}

#[test]
fn every_filter_holds_with_and_without_words() {
    let fixture = Fixture::new(&mixed());
    let text =
        |values: &[&str]| -> Vec<String> { values.iter().map(|v| (*v).to_owned()).collect() };
    let even = [
        Query { kinds: vec![Kind::LESSON], ..all() },
        Query { kinds: vec![Kind::LESSON, Kind(999)], ..all() },
        Query { centres: vec![CentreId([2; 32])], ..all() },
        Query { languages: text(&["sw"]), ..all() },
        Query { goals: vec![13], ..all() },
        Query { goals: vec![5, 6], ..all() },
        Query { targets: text(&["6.b"]), ..all() },
        Query { countries: text(&["TZ"]), ..all() },
        Query { countries: text(&["ke", "UG"]), ..all() },
        Query { regions: text(&["014"]), ..all() },
    ];
    for query in even {
        assert_eq!(fixture.ask(&query), [6, 4, 2], "{query:?}");
        let with_words = Query { text: "agua".to_owned(), ..query };
        assert_eq!(fixture.ask(&with_words), [2, 4, 6], "{with_words:?}");
    }
    assert_eq!(fixture.ask(&Query { languages: text(&["pt"]), ..all() }), [5, 3, 1]);
    assert_eq!(fixture.ask(&Query { languages: text(&["pt-PT", "sw"]), ..all() }).len(), 6);
    let both = Query { kinds: vec![Kind::LESSON], countries: text(&["BR"]), ..all() };
    assert!(fixture.ask(&both).is_empty(), "every filter must hold");
}

#[test]
fn since_and_until_include_their_ends() {
    let fixture = Fixture::new(&mixed());
    let between = |since: Option<u64>, until: Option<u64>| {
        fixture.ask(&Query { since: since.map(Timestamp), until: until.map(Timestamp), ..all() })
    };
    assert_eq!(between(Some(2_000), Some(4_000)), [4, 3, 2]);
    assert_eq!(between(Some(5_001), None), [6]);
    assert_eq!(between(None, Some(1_000)), [1]);
    assert!(between(Some(4_000), Some(2_000)).is_empty());
    assert_eq!(between(Some(0), Some(u64::MAX)).len(), 6);
}

#[test]
fn what_policy_hides_is_no_hit_and_not_counted() {
    let fixture = Fixture::new(&mixed());
    let [one, two] = [1, 2].map(|number| CentreId([number; 32]));
    let hidden = |centres: &[CentreId], shown: &[u16], records: &[u16]| Hidden {
        centres: centres.to_vec(),
        shown: shown.iter().copied().map(id).collect(),
        records: records.iter().copied().map(id).collect(),
    };
    for (hidden, left) in [
        (hidden(&[], &[], &[]), vec![6, 5, 4, 3, 2, 1]),
        (hidden(&[two], &[], &[]), vec![5, 3, 1]),
        (hidden(&[two], &[4, 99], &[]), vec![5, 4, 3, 1]),
        (hidden(&[], &[], &[5, 6]), vec![4, 3, 2, 1]),
        (hidden(&[two], &[4], &[4, 5]), vec![3, 1]),
        (hidden(&[one, two], &[], &[]), vec![]),
    ] {
        let query = Query { hidden, ..all() };
        assert_eq!(fixture.ask(&query), left, "{query:?}");
        let mut sorted = left;
        sorted.sort_unstable();
        let mut found = fixture.ask(&Query { text: "agua".to_owned(), ..query });
        found.sort_unstable();
        assert_eq!(found, sorted, "with words");
    }
    let query = Query { hidden: hidden(&[two], &[], &[]), limit: 1, ..all() };
    assert_eq!(fixture.index.search(&query).unwrap().total, 3, "a page tells the right total");
}

#[test]
fn within_no_centre_there_is_nothing() {
    let fixture = Fixture::new(&mixed());
    let within = |list: &[u8]| {
        let within = Some(list.iter().map(|number| CentreId([*number; 32])).collect());
        fixture.ask(&Query { within, ..all() })
    };
    assert_eq!(within(&[]), [] as [u16; 0]);
    assert_eq!(within(&[2, 9]), [6, 4, 2]);
    assert_eq!(within(&[1, 2]).len(), 6);
}
