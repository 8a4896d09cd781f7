//! [`TantivyIndex`]: the full-text index of a node, on disk.
//!
//! Invariant: documents and position change in one tantivy commit, so that a crash leaves
//! both as before or both as after.
//! Not here: files and their soundness (`folder`), meaning of a query (`query`).
//! Spec: docs/ARCHITECTURE.md, "Derived state".

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use baraza_protocol::index::{
    HITS_MAX, Hit, Hits, Index, IndexDoc, IndexError, IndexPosition, Query,
};
use baraza_record::{ID_BYTES, RecordId};
use tantivy::{
    Searcher,
    collector::{Count, SortKeyComputer, TopDocs},
    schema::Schema,
};

use crate::{
    analysis::Analyzer,
    fields::Fields,
    folder::{self, Live, failed},
    order::{SCORE_STEPS, best, newest},
    purge,
    query::{Ranking, build},
    writing::{Writing, new_writer},
};

/// A full-text index in a folder.
///
/// Searches run on any number of threads, also while documents are applied; applying is
/// one at a time. The writer and its memory exist from the first [`Index::apply`] until
/// [`Index::idle`]; reads map the files.
pub struct TantivyIndex {
    dir: PathBuf,
    analyzer: Analyzer,
    schema: Schema,
    fields: Fields,
    live: RwLock<Arc<Live>>,
    /// What the last commit covers; asked for often, and while files are being replaced.
    position: RwLock<IndexPosition>,
    writing: Mutex<Writing>,
}

impl TantivyIndex {
    /// Opens the index in `dir`, which is made if absent.
    ///
    /// An index that is damaged or of another [`FORMAT_VERSION`](crate::FORMAT_VERSION) is
    /// dropped for an empty one, whose position is the default. Nothing else in `dir` is
    /// touched. Reads every file of the index once to check it. One process at a time: the
    /// caller holds a lock on its home.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if the folder cannot be written.
    pub fn open(dir: &Path) -> Result<Self, IndexError> {
        let (schema, fields) = Fields::schema();
        let live = folder::open(dir, &schema)?;
        let position = RwLock::new(live.position()?);
        Ok(Self {
            dir: dir.to_owned(),
            analyzer: Analyzer::new(),
            schema,
            fields,
            live: RwLock::new(Arc::new(live)),
            position,
            writing: Mutex::default(),
        })
    }

    pub(crate) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_position(&self, position: IndexPosition) {
        *self.position.write().unwrap_or_else(PoisonError::into_inner) = position;
    }

    /// A thread that panicked left at most an uncommitted writer, which is never committed.
    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(|poisoned| {
            let mut writing = poisoned.into_inner();
            writing.give_up();
            writing
        })
    }

    /// Returns a page in the order of `sort`, and the number of all matches.
    fn page<K, S>(
        searcher: &Searcher,
        query: &dyn tantivy::query::Query,
        page: (usize, usize),
        sort: S,
        score: impl Fn(K) -> f32,
    ) -> Result<Hits, IndexError>
    where
        K: Clone + fmt::Debug + Send + Sync + 'static,
        S: SortKeyComputer<SortKey = (K, Option<Vec<u8>>)> + Send + 'static,
    {
        // The collector reserves room for all it may keep, so an offset is not taken on trust.
        let documents = usize::try_from(searcher.num_docs()).unwrap_or(usize::MAX);
        let (offset, limit) = page;
        let end = offset.saturating_add(limit).min(documents);
        let search = || {
            if end <= offset {
                return Ok((Vec::new(), searcher.search(query, &Count)?));
            }
            let top = TopDocs::for_doc_range(offset..end).order_by(sort);
            searcher.search(query, &(top, Count))
        };
        let (found, total) = search().map_err(failed("cannot search"))?;
        let hits = found.into_iter().map(|((key, id), _)| {
            let id: Option<[u8; ID_BYTES]> = id.and_then(|bytes| bytes.try_into().ok());
            let id = id.ok_or_else(|| IndexError {
                what: "a document has no id".to_owned(),
                source: None,
            })?;
            Ok(Hit { id: RecordId(id), score: score(key) })
        });
        Ok(Hits { total, hits: hits.collect::<Result<_, IndexError>>()? })
    }
}

impl Index for TantivyIndex {
    fn position(&self) -> Result<IndexPosition, IndexError> {
        Ok(*self.position.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn stage(&self, put: &[IndexDoc], remove: &[RecordId]) -> Result<(), IndexError> {
        let mut writing = self.writing();
        let staged = writing.stage((&self.fields, &self.analyzer), &self.live(), (put, remove));
        staged.map_err(failed("cannot take changes"))
    }

    fn apply(
        &self,
        put: &[IndexDoc],
        remove: &[RecordId],
        position: IndexPosition,
    ) -> Result<(), IndexError> {
        let mut writing = self.writing();
        let live = self.live();
        writing
            .stage((&self.fields, &self.analyzer), &live, (put, remove))
            .map_err(failed("cannot take changes"))?;
        writing.commit(&live, position).map_err(failed("cannot commit"))?;
        self.set_position(position);
        Ok(())
    }

    fn clear(&self) -> Result<(), IndexError> {
        let mut writing = self.writing();
        // Its last merge must not write into the new folder; the outcome does not matter.
        drop(writing.close());
        let live = folder::recreate(&self.dir, &self.schema)?;
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
        self.set_position(IndexPosition::default());
        Ok(())
    }

    fn purge(&self) -> Result<(), IndexError> {
        let mut writing = self.writing();
        let live = self.live();
        // A merge that is under way may be reading what must go.
        writing.close().map_err(failed("cannot end its merges"))?;
        purge::run(&live, new_writer(&live)).map_err(failed("cannot purge"))?;
        purge::check(&live, &self.dir)
    }

    fn idle(&self) {
        let closed = self.writing().idle();
        let read = closed.and_then(|closed| match closed {
            true => self.live().reader.reload(),
            false => Ok(()),
        });
        if let Err(error) = read {
            tracing::warn!(%error, "the full-text index did not merge its segments");
        }
    }

    fn search(&self, query: &Query) -> Result<Hits, IndexError> {
        let (built, ranking) = build(&self.fields, &self.analyzer, query);
        let searcher = self.live().reader.searcher();
        let page = (query.offset, query.limit.min(HITS_MAX));
        match ranking {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a score only has to be larger or smaller"
            )]
            Ranking::Best => {
                Self::page(&searcher, &*built, page, best(), |steps| steps as f32 / SCORE_STEPS)
            }
            #[expect(
                clippy::cast_precision_loss,
                reason = "a score only has to be larger or smaller"
            )]
            Ranking::Newest => {
                Self::page(&searcher, &*built, page, newest(), |created: Option<u64>| {
                    created.unwrap_or_default() as f32
                })
            }
        }
    }
}

impl fmt::Debug for TantivyIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TantivyIndex").field("dir", &self.dir).finish_non_exhaustive()
    }
}
