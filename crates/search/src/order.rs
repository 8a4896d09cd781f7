//! The order of hits: a total one, the same on every node.
//!
//! Invariant: equals stand in the order of their ids, wherever the documents lie on disk.
//! Not here: how a score comes about (`query`).
//! Spec: docs/ARCHITECTURE.md, "Derived state".

use tantivy::{
    DocId, Order, Score, SegmentReader,
    collector::{
        SegmentSortKeyComputer, SortKeyComputer,
        sort_key::{NaturalComparator, SortByBytes, SortByStaticFastValue},
    },
};

use crate::fields::{CREATED_MS, ID};

/// Steps of one point of score that still order hits.
///
/// A score is a sum whose last bits depend on the order of its terms, and that order on the
/// layout on disk. Rounding hides it, so that equals stay equal.
pub(crate) const SCORE_STEPS: f32 = 1_024.0;

/// Latest first, then by id.
pub(crate) fn newest() -> impl SortKeyComputer<SortKey = (Option<u64>, Option<Vec<u8>>)> + Send {
    let created = SortByStaticFastValue::<u64>::for_field(CREATED_MS);
    ((created, Order::Desc), (SortByBytes::for_field(ID), Order::Asc))
}

/// Best first, then by id.
pub(crate) fn best() -> impl SortKeyComputer<SortKey = (u32, Option<Vec<u8>>)> + Send {
    (RoundedScore, (SortByBytes::for_field(ID), Order::Asc))
}

/// The score in steps, larger first.
#[derive(Clone, Copy, Debug)]
struct RoundedScore;

impl SortKeyComputer for RoundedScore {
    type SortKey = u32;
    type Child = Self;
    type Comparator = NaturalComparator;

    fn requires_scoring(&self) -> bool {
        true
    }

    fn segment_sort_key_computer(&self, _: &SegmentReader) -> tantivy::Result<Self> {
        Ok(*self)
    }
}

impl SegmentSortKeyComputer for RoundedScore {
    type SortKey = u32;
    type SegmentSortKey = u32;
    type SegmentComparator = NaturalComparator;

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates"
    )]
    fn segment_sort_key(&mut self, _: DocId, score: Score) -> u32 {
        (score * SCORE_STEPS).round() as u32
    }

    fn convert_segment_sort_key(&self, steps: u32) -> u32 {
        steps
    }
}
