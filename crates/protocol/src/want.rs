//! Bodies that are wanted.
//!
//! Invariant: a body is wanted if its record is admitted, it is missing, no retraction asks
//! for its erasure, and it fits the interests of this node. Evidence of a fork and records of
//! unknown authority have no claim on anybody's time.
//! Spec: docs/PROTOCOL.md, section 6.3.

use crate::{
    erasure,
    gate::Gate,
    store::{FeedState, PAGE_MAX, Place, StoreError, StoreRead},
};

/// Returns wanted bodies of the feeds `of` that follow `after`, and where to go on; `None` at the end.
///
/// A page may have none although more follow.
///
/// # Errors
///
/// [`StoreError`].
pub(crate) fn page(
    store: &(impl StoreRead + ?Sized),
    after: Option<Place>,
    gate: Option<&Gate>,
    of: impl Fn(&FeedState) -> bool,
) -> Result<(Vec<Place>, Option<Place>), StoreError> {
    let missing = store.missing(after, PAGE_MAX)?;
    let next = missing.last().copied().filter(|_| missing.len() == PAGE_MAX);
    let mut wanted = Vec::new();
    for place in missing {
        if gate.is_some_and(|gate| gate.leaves_out(&place)) {
            continue;
        }
        let (Some(state), Some(entry)) = (store.feed(&place.feed)?, store.entry(&place)?) else {
            continue;
        };
        if of(&state)
            && state.admits(&place)
            && erasure::of(store, &entry.id, &state.centre)?.is_none()
            && gate.map_or(Ok(true), |gate| gate.wants_body(store, &place, &state.centre))?
        {
            wanted.push(place);
        }
    }
    Ok((wanted, next))
}

/// Returns whether any body of the feeds `of` is wanted.
///
/// # Errors
///
/// [`StoreError`].
pub(crate) fn any(
    store: &(impl StoreRead + ?Sized),
    gate: Option<&Gate>,
    of: impl Fn(&FeedState) -> bool,
) -> Result<bool, StoreError> {
    let mut after = None;
    loop {
        let (wanted, next) = page(store, after, gate, &of)?;
        if !wanted.is_empty() || next.is_none() {
            return Ok(!wanted.is_empty());
        }
        after = next;
    }
}
