//! Records and questions in few words.

use baraza_protocol::index::{HITS_MAX, Hits, Index, IndexDoc, IndexPosition, Query};
use baraza_record::{CentreId, Goals, Kind, RecordId, Timestamp};
use baraza_search::TantivyIndex;
use tempfile::TempDir;

/// An index in its own folder, which goes with it.
pub(crate) struct Fixture {
    pub(crate) index: TantivyIndex,
    pub(crate) dir: TempDir,
}

impl Fixture {
    pub(crate) fn new(docs: &[IndexDoc]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let index = TantivyIndex::open(dir.path()).unwrap();
        index.apply(docs, &[], at(1)).unwrap();
        Self { index, dir }
    }

    /// Closes the index and opens its folder again.
    pub(crate) fn reopen(self) -> Self {
        drop(self.index);
        Self { index: TantivyIndex::open(self.dir.path()).unwrap(), dir: self.dir }
    }

    /// Returns the numbers of the records that match a text, best first.
    #[track_caller]
    pub(crate) fn find(&self, text: &str) -> Vec<u16> {
        self.ask(&Query { text: text.to_owned(), ..all() })
    }

    /// Returns the numbers of the records that match, in their order.
    #[track_caller]
    pub(crate) fn ask(&self, query: &Query) -> Vec<u16> {
        let hits = self.index.search(query).unwrap();
        assert_eq!(hits.total, hits.hits.len(), "all fit on one page");
        numbers(&hits)
    }
}

/// A position in the first epoch.
pub(crate) fn at(change: u64) -> IndexPosition {
    IndexPosition { epoch: 1, change }
}

/// A question for everything.
pub(crate) fn all() -> Query {
    Query { limit: HITS_MAX, ..Query::default() }
}

/// The id of the record with this number; ids stand in the order of numbers.
pub(crate) fn id(number: u16) -> RecordId {
    let mut bytes = [7; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    RecordId(bytes)
}

pub(crate) fn numbers(hits: &Hits) -> Vec<u16> {
    hits.hits.iter().map(|hit| u16::from_be_bytes([hit.id.0[0], hit.id.0[1]])).collect()
}

/// A record without anything to filter by.
pub(crate) fn doc(number: u16, language: &str, title: &str, text: &str) -> IndexDoc {
    IndexDoc {
        id: id(number),
        kind: Kind::PRACTICE,
        centre: CentreId([1; 32]),
        language: language.to_owned(),
        goals: Goals::default(),
        targets: Vec::new(),
        countries: Vec::new(),
        regions: Vec::new(),
        created_ms: Timestamp(1_000),
        title: title.to_owned(),
        text: text.to_owned(),
    }
}
