//! The full-text index as the rules see it.
//!
//! Invariant: an index is derived. Dropping it loses nothing; [`Index::position`] says
//! which changes of the store it covers.
//! Not here: words, stems and ranking (`baraza-search`).
//! Spec: docs/ARCHITECTURE.md, "Derived state".

use baraza_record::{CentreId, Goals, Kind, RecordId, Timestamp};

/// Most hits on one page.
pub const HITS_MAX: usize = 200;

/// Most characters of a query.
pub const QUERY_CHARS_MAX: usize = 1_000;

/// How far an index follows a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexPosition {
    /// The store's epoch: another one means other change numbers.
    pub epoch: u64,
    /// Last change number covered.
    pub change: u64,
}

/// What is indexed of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexDoc {
    /// Which record.
    pub id: RecordId,
    /// Its kind.
    pub kind: Kind,
    /// Who published it.
    pub centre: CentreId,
    /// BCP 47 tag in canonical case; its primary subtag picks the stemmer.
    pub language: String,
    /// Goals from the header.
    pub goals: Goals,
    /// Targets such as `6.2`.
    pub targets: Vec<String>,
    /// ISO 3166-1 alpha-2 codes.
    pub countries: Vec<String>,
    /// UN M49 codes, those of the countries included.
    pub regions: Vec<String>,
    /// Author's time.
    pub created_ms: Timestamp,
    /// Title; weighs more than the text.
    pub title: String,
    /// All other text, sections separated by line feeds.
    pub text: String,
}

/// A question to the index. Everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Words and "phrases"; every word is optional, more matching words rank higher, a
    /// leading `-` excludes, a leading `+` demands. Empty: every record, newest first.
    pub text: String,
    /// Any of these kinds; empty: all.
    pub kinds: Vec<Kind>,
    /// Any of these countries.
    pub countries: Vec<String>,
    /// Any of these M49 regions.
    pub regions: Vec<String>,
    /// Any of these goals.
    pub goals: Vec<u8>,
    /// Any of these targets.
    pub targets: Vec<String>,
    /// Any of these languages, by primary subtag.
    pub languages: Vec<String>,
    /// Any of these centres.
    pub centres: Vec<CentreId>,
    /// Of these centres only, even if there are none; absent: of all.
    pub within: Option<Vec<CentreId>>,
    /// What this node does not show.
    pub hidden: Hidden,
    /// Not created before.
    pub since: Option<Timestamp>,
    /// Not created after.
    pub until: Option<Timestamp>,
    /// Hits to skip.
    pub offset: usize,
    /// Hits to return, at most [`HITS_MAX`].
    pub limit: usize,
}

/// What policy hides from a search. It is part of the question, so that an index need not
/// know policy and totals are right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Nothing of these centres,
    pub centres: Vec<CentreId>,
    /// but these records of theirs.
    pub shown: Vec<RecordId>,
    /// None of these records.
    pub records: Vec<RecordId>,
}

impl Hidden {
    /// Returns whether a record is left out.
    pub fn hides(&self, id: &RecordId, centre: &CentreId) -> bool {
        self.records.contains(id) || (self.centres.contains(centre) && !self.shown.contains(id))
    }
}

/// One hit.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Which record.
    pub id: RecordId,
    /// Larger is better; comparable within one answer only.
    pub score: f32,
}

/// A page of hits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hits {
    /// Records that match in all.
    pub total: usize,
    /// This page, best first; among equals the order of their ids.
    pub hits: Vec<Hit>,
}

/// Why the index could not answer. Ours, never the user's: it is rebuilt.
#[derive(Debug, thiserror::Error)]
#[error("full-text index: {what}")]
pub struct IndexError {
    /// What failed.
    pub what: String,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A full-text index.
pub trait Index: Send + Sync {
    /// Returns what the index durably covers.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if it cannot be read.
    fn position(&self) -> Result<IndexPosition, IndexError>;

    /// Takes documents to replace and records to remove, in this order, for the next
    /// [`apply`](Self::apply): many changes share one commit, and need not be in memory at
    /// once. Nothing of it is seen or lasts before.
    ///
    /// A failure here or there, [`clear`](Self::clear) and [`purge`](Self::purge) forget all
    /// that was staged: begin again after [`position`](Self::position).
    ///
    /// # Errors
    ///
    /// [`IndexError`]; the index is unchanged.
    fn stage(&self, put: &[IndexDoc], remove: &[RecordId]) -> Result<(), IndexError>;

    /// Replaces the documents of `put` and removes those of `remove`, after what was staged,
    /// and durably covers `position`.
    ///
    /// # Errors
    ///
    /// [`IndexError`]; the index is then unchanged or to be rebuilt.
    fn apply(
        &self,
        put: &[IndexDoc],
        remove: &[RecordId],
        position: IndexPosition,
    ) -> Result<(), IndexError>;

    /// Forgets everything.
    ///
    /// # Errors
    ///
    /// [`IndexError`].
    fn clear(&self) -> Result<(), IndexError>;

    /// Makes what was removed or replaced so far leave the disk, too: an index may only mark
    /// it at first. Costs as much as writing anew what stands beside it.
    ///
    /// # Errors
    ///
    /// [`IndexError`]: something may be left, also because a search still reads it.
    fn purge(&self) -> Result<(), IndexError>;

    /// Closes the writer if nothing was applied since the last call, to give memory back.
    fn idle(&self);

    /// Answers a query.
    ///
    /// # Errors
    ///
    /// [`IndexError`]; a query of odd text is not an error.
    fn search(&self, query: &Query) -> Result<Hits, IndexError>;
}
