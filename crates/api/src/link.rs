//! The link in requests and replies: budgets, windows, pauses.
//!
//! Spec: docs/OPERATIONS.md, "Budgets, windows and profiles".

use serde::{Deserialize, Serialize};

/// Stops traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// For how long, in milliseconds; absent: until it is resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
}

/// Why nothing starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldWhy {
    /// A person paused the node.
    Paused,
    /// No window is open.
    Window,
    /// The bytes of the day are used up.
    Day,
    /// The bytes of the month are used up.
    Month,
}

/// That nothing starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldView {
    /// Why.
    pub why: HoldWhy,
    /// Since when, as far as this run of the node knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
    /// Until when; absent: until somebody resumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
}

/// Bytes of one purpose over the wire, both ways, and what is left of its allowance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpentView {
    /// Today.
    pub day_bytes: u64,
    /// Left of today's; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day_left_bytes: Option<u64>,
    /// This month.
    pub month_bytes: u64,
    /// Left of this month's; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month_left_bytes: Option<u64>,
    /// What holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HoldView>,
}

/// What goes over the link, and what may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkView {
    /// Name of the profile.
    pub profile: String,
    /// What the node does by itself.
    pub background: SpentView,
    /// What people ask for.
    pub asked: SpentView,
    /// Bytes left today for what is urgent while background traffic is held.
    pub reserve_left_bytes: u64,
    /// When background traffic may go; none: always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<String>,
    /// Minutes by which the node's clock on the wall is ahead of UTC.
    pub utc_offset_minutes: i32,
    /// Thousand bits a second at most; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kbit_s: Option<u32>,
    /// Whether only private networks are dialled and accepted.
    #[serde(default)]
    pub private_only: bool,
    /// Since when a person paused the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_since_ms: Option<u64>,
}
