//! Who is fetching which feed, so that two sessions seldom fetch the same.
//!
//! Invariant: a claim is not renewed, so that a slow peer delays a feed and does not keep
//! it from the others.
//! Spec: docs/PROTOCOL.md, section 6.3.

use std::collections::BTreeMap;

use baraza_record::{FeedId, Timestamp};

use crate::net::Peer;

/// How long a session has a feed to itself (10 s), if a batch does not take longer.
pub const CLAIM_MS: u64 = 10_000;

/// How long at most (1 min): so long a batch may be under way on a bad line.
pub const CLAIM_MAX_MS: u64 = 60_000;

/// Claims of the sessions of one node.
#[derive(Debug, Default)]
pub struct Claims(BTreeMap<FeedId, (Peer, Timestamp)>);

impl Claims {
    /// Returns whether the session with `peer` may fetch `feed`; if nobody does, it claims it for
    /// so many milliseconds, at most [`CLAIM_MAX_MS`].
    pub fn take(&mut self, feed: FeedId, peer: Peer, now: Timestamp, for_ms: u64) -> bool {
        match self.0.get(&feed) {
            Some((holder, _)) if *holder == peer => true,
            Some((_, until)) if now < *until => false,
            _ => {
                self.0.insert(feed, (peer, now.plus_ms(for_ms.min(CLAIM_MAX_MS))));
                true
            }
        }
    }

    /// Gives up what the session with `peer` claimed.
    pub fn release(&mut self, peer: &Peer) {
        self.0.retain(|_, (holder, _)| holder != peer);
    }
}

#[cfg(test)]
mod tests {
    use baraza_record::PublicKey;

    use super::*;

    #[test]
    fn a_feed_is_fetched_by_one_session_at_a_time_and_by_each_in_turn() {
        let (alice, bob) = (PublicKey([1; 32]), PublicKey([2; 32]));
        let feed = FeedId([7; 32]);
        let mut claims = Claims::default();
        assert!(claims.take(feed, alice, Timestamp(0), CLAIM_MS));
        assert!(!claims.take(feed, bob, Timestamp(1), CLAIM_MS));
        assert!(
            claims.take(feed, alice, Timestamp(CLAIM_MS), CLAIM_MS),
            "it goes on while nobody waits"
        );
        assert!(claims.take(feed, bob, Timestamp(CLAIM_MS), CLAIM_MS));
        assert!(!claims.take(feed, alice, Timestamp(CLAIM_MS + 1), CLAIM_MS));
        claims.release(&bob);
        assert!(claims.take(feed, alice, Timestamp(CLAIM_MS + 2), CLAIM_MS));
    }
}
