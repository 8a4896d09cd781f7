//! What a change says of feeds: how far those of an ended key count.
//!
//! Spec: docs/PROTOCOL.md, section 5.3.

use baraza_api::{ErrorCode, FeedView};
use baraza_identity::{EndKind, EndedKey, FEEDS_MAX, Horizon};
use baraza_record::PublicKey;

use crate::error::{Failure, failure};

/// Returns where a feed ends that counts as far as it is admitted here; none if nothing is.
pub(crate) fn end_of_shelf(feed: &FeedView) -> Option<Horizon> {
    let FeedView { feed, seq, record, .. } = feed;
    (*seq != 0).then_some(Horizon { feed: *feed, seq: *seq, record: *record })
}

/// Returns the ending of a key with these horizons.
pub(crate) fn ended_key(
    key: PublicKey,
    kind: EndKind,
    horizons: impl IntoIterator<Item = Horizon>,
) -> EndedKey {
    let mut horizons: Vec<_> = horizons.into_iter().collect();
    horizons.sort_by_key(|horizon| horizon.feed);
    EndedKey { key, kind, horizons }
}

/// Returns endings in the order in which an event has them.
///
/// # Errors
///
/// `Invalid` if they name more feeds than one event may.
pub(crate) fn sorted(mut ended: Vec<EndedKey>) -> Result<Vec<EndedKey>, Failure> {
    let feeds: usize = ended.iter().map(|one| one.horizons.len()).sum();
    if FEEDS_MAX < feeds {
        let what = format!("{feeds} feeds would end, one event ends at most {FEEDS_MAX}");
        return Err(failure(ErrorCode::Invalid, what)
            .hint("end some keys first: baraza operator end KEY --retired"));
    }
    ended.sort_by_key(|one| one.key);
    Ok(ended)
}
