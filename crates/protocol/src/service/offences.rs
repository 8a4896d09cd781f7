//! Who sent what no honest node sends.
//!
//! Invariant: the list is bounded; the peer that offended longest ago makes room.
//! Spec: docs/PROTOCOL.md, section 7.4.

use std::collections::BTreeMap;

use baraza_record::Timestamp;

use crate::net::Peer;

/// Messages that were not authentic, after which a peer is sent away.
pub const OFFENCES_MAX: u32 = 5;

/// How long a peer that was sent away is not talked to, and how long an offence is
/// remembered (1 h).
pub const BAN_MS: u64 = 3_600_000;

/// Most peers whose offences are remembered.
pub const OFFENDERS_MAX: usize = 1_000;

/// Offences by peer: how many, and when the last one was.
#[derive(Debug, Default)]
pub(super) struct Offences(BTreeMap<Peer, (u32, Timestamp)>);

impl Offences {
    /// Counts one. Returns whether the peer is to be sent away.
    pub(super) fn count(&mut self, peer: Peer, now: Timestamp) -> bool {
        self.0.retain(|_, (_, last)| now.since(*last) < BAN_MS);
        let (count, last) = self.0.entry(peer).or_default();
        *count = count.saturating_add(1);
        *last = now;
        let banned = OFFENCES_MAX <= *count;
        if OFFENDERS_MAX < self.0.len() {
            let oldest = self.0.iter().min_by_key(|(_, (_, last))| *last).map(|(peer, _)| *peer);
            oldest.and_then(|oldest| self.0.remove(&oldest));
        }
        banned
    }

    pub(super) fn banned(&self, peer: &Peer, now: Timestamp) -> bool {
        self.0
            .get(peer)
            .is_some_and(|(count, last)| OFFENCES_MAX <= *count && now.since(*last) < BAN_MS)
    }
}

#[cfg(test)]
mod tests {
    use baraza_record::PublicKey;

    use super::*;

    #[test]
    fn a_ban_ends_and_with_it_what_led_to_it() {
        let mallory = PublicKey([6; 32]);
        let mut offences = Offences::default();
        let sent_away: Vec<_> =
            (1..=5).map(|now| offences.count(mallory, Timestamp(now))).collect();
        assert_eq!(sent_away, [false, false, false, false, true]);
        assert!(offences.banned(&mallory, Timestamp(4 + BAN_MS)));
        assert!(!offences.banned(&mallory, Timestamp(5 + BAN_MS)));
        assert!(!offences.count(mallory, Timestamp(5 + BAN_MS)));
    }

    #[test]
    fn the_list_is_bounded() {
        let mut offences = Offences::default();
        for n in 0..2 * OFFENDERS_MAX as u64 {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_be_bytes());
            offences.count(PublicKey(key), Timestamp(n));
        }
        assert_eq!(offences.0.len(), OFFENDERS_MAX);
    }
}
