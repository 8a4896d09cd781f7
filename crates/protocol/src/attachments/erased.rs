//! Which files of a record its publisher has deleted while the record's text stays.
//!
//! Invariant: it takes the same right as deleting the text (`erasure`), and only files that the
//! record itself lists go.
//! Not here: files of a record whose text is deleted: they go with it.
//! Spec: docs/PROTOCOL.md, section 4.6.

use baraza_record::{
    CentreId, FileHash, RecordId, Timestamp,
    body::{LIST_ITEMS_MAX, parse_body},
};
use serde_json::Value;

use crate::{
    erasure::{ERASE_DELAY_MS, Urgency, right},
    ingest::log_of,
    store::{StoreError, StoreRead},
};

/// A file that a retraction has deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ErasedFile {
    /// Which.
    pub hash: FileHash,
    /// When, by our clock.
    pub due: Timestamp,
}

/// Returns the files that retractions in force of the record `target` of `centre` name.
///
/// # Errors
///
/// [`StoreError`].
pub fn erased(
    store: &(impl StoreRead + ?Sized),
    target: &RecordId,
    centre: &CentreId,
) -> Result<Vec<ErasedFile>, StoreError> {
    let (mut files, mut log) = (Vec::new(), None);
    for place in store.targeting(target)? {
        let state = store.feed(&place.feed)?;
        if !state.is_some_and(|state| state.admits(&place) && state.centre == *centre) {
            continue;
        }
        let (Some(entry), Some(record)) = (store.entry(&place)?, store.record(&place)?) else {
            continue;
        };
        let body = record.payload().and_then(|payload| parse_body(&payload.body).ok());
        let named = body.as_ref().and_then(|body| body.get("erase_blobs")?.as_array());
        let Some(named) = named.filter(|named| named.len() <= LIST_ITEMS_MAX) else { continue };
        if log.is_none() {
            log = log_of(store, centre)?;
        }
        let due = match log.as_ref().and_then(|log| right(log, &record)) {
            None => continue,
            // What need not wait does not wait for a clock that was set back either.
            Some(Urgency::Now) => Timestamp(0),
            Some(Urgency::Delayed) => entry.arrived_ms.plus_ms(ERASE_DELAY_MS),
        };
        let hashes = named.iter().filter_map(Value::as_str).filter_map(|text| text.parse().ok());
        files.extend(hashes.map(|hash| ErasedFile { hash, due }));
    }
    files.sort_unstable();
    Ok(files)
}
