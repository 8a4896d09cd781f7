//! Whether a session has shown all that its peer has of a feed.
//!
//! Invariant: only a peer that has shown all its heads, and of the feed nothing that is not
//! here, settles it.
//! Spec: docs/PROTOCOL.md, section 6.6.

use baraza_record::FeedId;

use crate::store::FeedState;

use super::{Asked, Outcome, Session};

impl Session {
    /// Returns whether the peer has shown all its heads, and nothing of `feed` that is not here.
    pub fn settles(&self, feed: &FeedId) -> bool {
        let live = matches!(self.outcome, None | Some(Outcome::Agreed | Outcome::Differ));
        live && self.has_all_heads() && !self.lacks(feed)
    }

    /// Returns whether a feed is on a shelf that the peer has proved to share: only then can
    /// it tell of the feed.
    pub fn shares(&self, state: &FeedState) -> bool {
        self.shared.iter().any(|shelf| shelf.holds_feed(&self.ours.centre, state))
    }

    /// Returns whether the peer named something of `feed` that has not come.
    pub fn lacks(&self, feed: &FeedId) -> bool {
        let tasks = &self.tasks;
        tasks.probes.contains_key(feed)
            || tasks.branches.contains_key(feed)
            || tasks.evidence.contains(feed)
            || tasks.ranges.iter().any(|wanted| wanted.feed == *feed)
            || self.given_up.contains(feed)
            || self.early.keys().any(|(early, _)| early == feed)
            || self.asked.values().any(|asked| asked.is_about(feed))
    }

    pub(super) fn has_all_heads(&self) -> bool {
        let tasks = &self.tasks;
        let asking = |asked: &Asked| {
            // The comparison at the end asks for no heads any more.
            matches!(
                asked,
                Asked::LogHeads(_) | Asked::Logs(_) | Asked::Heads(..) | Asked::Descend(..)
            ) || (matches!(asked, Asked::Compare) && !self.final_compare)
        };
        self.theirs.is_some()
            && !self.skipped
            && !tasks.compare
            && tasks.log_heads.is_none()
            && tasks.logs.is_empty()
            && tasks.heads.is_empty()
            && tasks.branches_of.is_empty()
            && !self.asked.values().any(asking)
    }
}

impl Asked {
    fn is_about(&self, one: &FeedId) -> bool {
        match self {
            Self::Fetch(ranges) => ranges.iter().any(|wanted| wanted.feed == *one),
            Self::Probe(feed, ..) | Self::Evidence(feed) => feed == one,
            Self::Parting(wanted) | Self::Branch(wanted) => wanted.feed == *one,
            Self::Compare | Self::LogHeads(_) | Self::Logs(_) | Self::Heads(..) => false,
            Self::Descend(..) | Self::Bodies(_) | Self::Peers => false,
        }
    }
}
