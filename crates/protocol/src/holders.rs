//! Who else is known to hold which records.
//!
//! Invariant: an entry says only what a peer's own head proved; it never goes back.
//! Not here: how heads are learnt (`session`).
//! Spec: docs/ARCHITECTURE.md, "Who holds it".

use baraza_record::{CentreId, FeedId, Seq, Timestamp};

use crate::store::{Store, StoreError, StoreRead, Table};

/// Most steps that are kept for one feed and centre. Between two kept steps the later
/// time counts, so that "known since" is never too early.
const STEPS_MAX: usize = 8;

/// Length of one step: position and time, big-endian.
const STEP_BYTES: usize = 16;

/// Notes that `centre` holds `feed` up to `seq`. Returns whether that was news.
///
/// # Errors
///
/// [`StoreError`].
pub fn note<S: Store>(
    store: &mut S,
    feed: &FeedId,
    centre: &CentreId,
    seq: Seq,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let key = [feed.0, centre.0].concat();
    let mut steps = decode(&store.local(Table::Holders, &key)?.unwrap_or_default());
    if seq == 0 || steps.last().is_some_and(|(known, _)| seq <= *known) {
        return Ok(false);
    }
    steps.push((seq, now));
    if STEPS_MAX < steps.len() {
        steps.remove(STEPS_MAX / 2);
    }
    let value: Vec<u8> = steps
        .iter()
        .flat_map(|(seq, time)| [seq.to_be_bytes(), time.0.to_be_bytes()].concat())
        .collect();
    store.put_local(Table::Holders, &key, Some(&value))?;
    Ok(true)
}

/// Returns how many other centres are known to hold the record at `seq` of `feed`, and
/// since when the first of them is.
///
/// # Errors
///
/// [`StoreError`].
pub fn of(
    reader: &(impl StoreRead + ?Sized),
    feed: &FeedId,
    seq: Seq,
) -> Result<(usize, Option<Timestamp>), StoreError> {
    let known_since = |value: &[u8]| {
        decode(value).into_iter().find(|(known, _)| seq <= *known).map(|(_, time)| time)
    };
    let entries = reader.locals(Table::Holders, &feed.0)?;
    let times: Vec<_> = entries.iter().filter_map(|(_, value)| known_since(value)).collect();
    Ok((times.len(), times.iter().min().copied()))
}

fn decode(value: &[u8]) -> Vec<(Seq, Timestamp)> {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    value
        .chunks_exact(STEP_BYTES)
        .map(|step| (number(&step[..8]), Timestamp(number(&step[8..]))))
        .collect()
}
