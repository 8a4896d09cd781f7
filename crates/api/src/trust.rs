//! Nations, policy and quarantine in requests and replies.
//!
//! Spec: docs/OPERATIONS.md, "Policy" and "API".

use baraza_record::{CentreId, RecordId};
use serde::{Deserialize, Serialize};

/// Asks for a nation to be trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustRequest {
    /// Country for which it may speak, by code or name.
    pub country: String,
    /// Id of the nation's log, or a unique prefix of one that is held.
    pub nation: String,
    /// Only say what would be trusted.
    #[serde(default)]
    pub dry_run: bool,
}

/// Asks for the nation of a country to be trusted no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UntrustRequest {
    /// The country, by code or name.
    pub country: String,
}

/// A nation that is trusted here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedNation {
    /// ISO 3166-1 alpha-2 code.
    pub country: String,
    /// Id of its log.
    pub id: CentreId,
    /// Name that it gives itself, if its log is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Since when it is trusted.
    pub since_ms: u64,
    /// When its latest record arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub news_ms: Option<u64>,
    /// What is not as it should be, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// The nations that are trusted here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustReply {
    /// By country.
    pub nations: Vec<TrustedNation>,
}

/// Asks for a statement of our own nation about a centre.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccreditRequest {
    /// Id of the centre, or a unique prefix of one that is held.
    pub centre: String,
    /// `accredited`, `suspended` or `withdrawn`.
    pub status: String,
    /// For what.
    #[serde(default)]
    pub scope: Vec<String>,
    /// Day by which the nation looks at it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A nation's statement about a centre.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementView {
    /// The record.
    pub id: RecordId,
    /// Whose.
    pub nation: CentreId,
    /// For which country that nation's log says that it speaks.
    pub country: String,
    /// `accredited`, `suspended` or `withdrawn`.
    pub status: String,
    /// Author's time.
    pub since_ms: u64,
    /// For what.
    pub scope: Vec<String>,
    /// Day by which the nation looks at it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_by: Option<String>,
    /// Why; empty if it does not say.
    pub reason: String,
    /// Whether the nation is trusted here; otherwise it is a claim and counts for nothing.
    pub trusted: bool,
    /// All of it in words.
    pub words: String,
}

/// An exception that the operator made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideView {
    /// Id of the record, or bytes of the id of the centre.
    pub id: RecordId,
    /// `block` or `trust`.
    pub action: String,
    /// Why.
    pub reason: String,
    /// Last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// Of which records bodies are fetched; an empty list stands for everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterestsView {
    /// Names of kinds.
    pub kinds: Vec<String>,
    /// Goals.
    pub goals: Vec<u8>,
    /// M49 codes of regions.
    pub regions: Vec<String>,
}

/// Which files of records come by themselves, and how much room fetched ones take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentsView {
    /// Longest file that comes by itself, in bytes; 0: none does.
    pub fetch_bytes: u64,
    /// Media types that come by themselves; none: all.
    pub types: Vec<String>,
    /// Bytes that fetched files may take which are neither pinned nor our own.
    pub quota_bytes: u64,
}

/// How much of the quotas centres use for which nobody vouches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotasView {
    /// Centres held.
    pub centres: u64,
    /// How many may be.
    pub centres_max: u64,
    /// New ones that one peer brings in a day.
    pub new_centres_per_day: u32,
    /// Bytes that they take at most.
    pub bytes: u64,
    /// How many they may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_max: Option<u64>,
    /// Centres that are known to be deferred.
    pub deferred_centres: usize,
    /// Feeds that are known to be deferred.
    pub deferred_feeds: usize,
}

/// The policy in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyView {
    /// `carry`, `quarantine` or `drop`.
    pub unaccredited: String,
    /// Days after which a nation's news is marked as old.
    pub stale_mark_days: u64,
    /// Exceptions.
    pub overrides: Vec<OverrideView>,
    /// Nations that are trusted, by country.
    pub nations: Vec<TrustedNation>,
    /// Centres and records released from quarantine.
    pub released: usize,
    /// Feeds that are known to be kept out by `drop`.
    #[serde(default)]
    pub declined_feeds: usize,
    /// How much of the quotas is used.
    #[serde(default)]
    pub quotas: QuotasView,
    /// Of which records bodies are fetched.
    #[serde(default)]
    pub interests: InterestsView,
    /// Which files come by themselves.
    #[serde(default)]
    pub attachments: AttachmentsView,
    /// Why a newer file is not in force, if so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

/// How policy comes to its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The centre.
    pub centre: CentreId,
    /// Its name, if its identity is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub centre_name: Option<String>,
    /// The record, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordId>,
    /// `shown`, `quarantined` or `blocked`.
    pub verdict: String,
    /// Step by step, in words.
    pub chain: Vec<String>,
    /// What nations say of the centre.
    pub statements: Vec<StatementView>,
}

/// A centre whose records are in quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantinedCentre {
    /// Id.
    pub id: CentreId,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Records of it that are not shown.
    pub records: u64,
}

/// What is in quarantine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineReply {
    /// Records in all.
    pub records: u64,
    /// By centre, most records first.
    pub centres: Vec<QuarantinedCentre>,
    /// Centres that are not listed, because there are many.
    #[serde(default)]
    pub omitted: usize,
}

/// Asks for a centre or a record to be released from quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineRelease {
    /// Id, or a unique prefix of one, of a centre or a record that is held.
    pub id: String,
}

/// What was released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// The centre, or the record's centre.
    pub centre: CentreId,
    /// The record, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordId>,
}
