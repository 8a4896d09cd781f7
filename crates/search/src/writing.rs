//! The writer: from documents to a commit.
//!
//! Invariant: an id that the index may have is deleted before it is added again; a writer
//! that failed is dropped with what it had not committed.
//! Not here: who waits for whom (`index`), reading.
//! Spec: docs/ARCHITECTURE.md, "Derived state".

use std::collections::HashSet;

use baraza_protocol::index::{IndexDoc, IndexPosition};
use baraza_record::RecordId;
use tantivy::{IndexWriter, Searcher, Term, indexer::IndexWriterOptions};

use crate::{
    analysis::Analyzer,
    fields::Fields,
    folder::{Live, position_text},
    lexicon::Lexicon,
    room::{Admitted, Room},
};

/// Memory of the writer before it flushes a segment, in bytes; it takes what it needs of it.
///
/// With 15 MB, the least tantivy takes, a segment has some 1,000 records of 2 KB, and writing
/// and merging so many costs twice the processor time; with 40 MB it has some 8,000.
const WRITER_BYTES: usize = 40_000_000;

/// The writer and what it remembers.
#[derive(Default)]
pub(crate) struct Writing {
    writer: Option<IndexWriter<Admitted>>,
    /// Records put since the last commit.
    staged: HashSet<RecordId>,
    lexicon: Lexicon,
    room: Room,
    used_since_idle: bool,
}

impl Writing {
    /// Takes changes into the next commit.
    pub(crate) fn stage(
        &mut self,
        (fields, analyzer): (&Fields, &Analyzer),
        live: &Live,
        (put, remove): (&[IndexDoc], &[RecordId]),
    ) -> tantivy::Result<()> {
        let writer = self.take(live)?;
        let searcher = live.reader.searcher();
        let staged = &mut self.staged;
        let delete = |staged: &HashSet<RecordId>, id: &RecordId| {
            let term = Term::from_field_bytes(fields.id, id.as_bytes());
            if staged.contains(id) || has(&searcher, &term)? {
                writer.delete_term(term);
            }
            Ok::<_, tantivy::TantivyError>(())
        };
        for doc in put {
            delete(staged, &doc.id)?;
            staged.insert(doc.id);
            let document = fields.document(analyzer, &mut self.lexicon, doc);
            let bytes = doc.title.len() + doc.text.len();
            writer.add_document(self.room.admit(document, bytes))?;
        }
        for id in remove {
            delete(staged, id)?;
        }
        self.writer = Some(writer);
        Ok(())
    }

    /// Makes what was staged last and seen, and covers `position`.
    pub(crate) fn commit(&mut self, live: &Live, position: IndexPosition) -> tantivy::Result<()> {
        let mut writer = self.take(live)?;
        let mut commit = writer.prepare_commit()?;
        commit.set_payload(&position_text(position));
        commit.commit()?;
        live.reader.reload()?;
        self.staged.clear();
        self.writer = Some(writer);
        Ok(())
    }

    /// Returns the writer, or a new one. It is put back by what has not failed.
    fn take(&mut self, live: &Live) -> tantivy::Result<IndexWriter<Admitted>> {
        self.used_since_idle = true;
        match self.writer.take() {
            Some(writer) => Ok(writer),
            None => {
                self.staged.clear();
                new_writer(live)
            }
        }
    }

    /// Closes the writer, and forgets what was staged.
    pub(crate) fn close(&mut self) -> tantivy::Result<()> {
        self.staged.clear();
        self.writer.take().map_or(Ok(()), IndexWriter::wait_merging_threads)
    }

    /// Drops a writer whose thread panicked.
    pub(crate) fn give_up(&mut self) {
        self.writer = None;
    }

    /// Closes the writer if it was not used since the last call; returns whether it did.
    pub(crate) fn idle(&mut self) -> tantivy::Result<bool> {
        if std::mem::take(&mut self.used_since_idle)
            || !self.staged.is_empty()
            || self.writer.is_none()
        {
            return Ok(false);
        }
        self.lexicon = Lexicon::default();
        self.close().map(|()| true)
    }
}

/// Returns whether a segment has, or had, a record with this id.
fn has(searcher: &Searcher, id: &Term) -> tantivy::Result<bool> {
    for segment in searcher.segment_readers() {
        let ids = segment.inverted_index(id.field())?;
        if ids.terms().get(id.serialized_value_bytes())?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Opens a writer.
pub(crate) fn new_writer<D: tantivy::Document>(live: &Live) -> tantivy::Result<IndexWriter<D>> {
    let options = IndexWriterOptions::builder()
        .num_worker_threads(1)
        .num_merge_threads(1)
        .memory_budget_per_thread(WRITER_BYTES)
        .build();
    live.index.writer_with_options(options)
}
