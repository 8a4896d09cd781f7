//! Room for documents on their way to the thread that indexes them.
//!
//! tantivy's own queue is bounded by documents, 10,000 of them, whatever their size.
//! Invariant: what is on its way takes at most [`ROOM_BYTES`], or is one document.
//! Spec: docs/ARCHITECTURE.md, "Derived state".

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tantivy::{TantivyDocument, schema::document::Document};

/// Most bytes of text of the documents that wait to be indexed (4 MiB).
///
/// Some 1,000 records of 2 KB, with their stems: what keeps both threads at work.
const ROOM_BYTES: usize = 4 * 1_024 * 1_024;

/// What is left of the room.
#[derive(Debug, Default)]
pub(crate) struct Room(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    taken: Mutex<usize>,
    freed: Condvar,
}

/// A document that gives its room back when it is dropped: after it was indexed, or with a
/// writer that failed.
#[derive(Debug)]
pub(crate) struct Admitted {
    document: TantivyDocument,
    bytes: usize,
    room: Arc<Inner>,
}

impl Room {
    /// Returns `document`, of about `bytes` bytes, when there is room for it.
    pub(crate) fn admit(&self, document: TantivyDocument, bytes: usize) -> Admitted {
        let taken = self.0.taken();
        let full = |taken: &mut usize| *taken != 0 && ROOM_BYTES < taken.saturating_add(bytes);
        let taken = self.0.freed.wait_while(taken, full);
        *taken.unwrap_or_else(PoisonError::into_inner) += bytes;
        Admitted { document, bytes, room: Arc::clone(&self.0) }
    }
}

impl Inner {
    fn taken(&self) -> MutexGuard<'_, usize> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        *self.room.taken() -= self.bytes;
        self.room.freed.notify_all();
    }
}

impl Document for Admitted {
    type Value<'a> = <TantivyDocument as Document>::Value<'a>;
    type FieldsValuesIter<'a> = <TantivyDocument as Document>::FieldsValuesIter<'a>;

    fn iter_fields_and_values(&self) -> Self::FieldsValuesIter<'_> {
        self.document.iter_fields_and_values()
    }
}
