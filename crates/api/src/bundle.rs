//! What is missing at two sites, as the API counts it.
//!
//! Spec: docs/OPERATIONS.md, "API".

use serde::{Deserialize, Serialize};

/// What is missing at another site, and here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReply {
    /// Identity events that are missing there.
    pub events: u64,
    /// Feeds of which something is missing there.
    pub feeds: u64,
    /// Records that are missing there.
    pub records: u64,
    /// Bodies that are wanted there and held here.
    pub bodies: u64,
    /// About how many bytes all of that has.
    pub bytes: u64,
    /// What they have and this node lacks.
    pub lacking: Lacking,
    /// Where the next part starts (query member `at`); none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What another site has and this one lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lacking {
    /// Identity events.
    pub events: u64,
    /// Feeds of which something is lacking.
    pub feeds: u64,
    /// Records.
    pub records: u64,
}

impl Lacking {
    /// Adds what another part lacks. What a file says may be no number that can be.
    pub fn add(&mut self, more: &Self) {
        self.events = self.events.saturating_add(more.events);
        self.feeds = self.feeds.saturating_add(more.feeds);
        self.records = self.records.saturating_add(more.records);
    }
}
