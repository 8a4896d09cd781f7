//! Records in requests and replies.
//!
//! Spec: docs/OPERATIONS.md, "API".

use baraza_record::{CentreId, FileHash, NetworkId, PublicKey, RecordId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::AttachmentView;

/// A draft to publish.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DraftBody {
    /// Name of the kind.
    pub kind: String,
    /// BCP 47 tag; the centre's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Id, or a unique prefix of one, of the version that it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revises: Option<String>,
    /// For whom it is: `public`, `network:NAME` or `centres:ID,ID`. Absent: everybody or, for a
    /// new version, whom the earlier one is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Fields of the kind; the centre's defaults fill contact, licence and countries.
    pub body: Map<String, Value>,
    /// Where it came from, for messages: file name and line or row.
    #[serde(default)]
    pub source: String,
}

/// Asks for drafts to be published: all of them or, if any is invalid, none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PublishRequest {
    /// The drafts, at most 10,000.
    pub drafts: Vec<DraftBody>,
    /// Check only.
    #[serde(default)]
    pub dry_run: bool,
    /// Publish although a field looks like personal data.
    #[serde(default)]
    pub allow_personal_data: bool,
    /// Of a check: files that will be brought before the drafts are published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coming: Vec<FileHash>,
}

/// A rule that a field breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Field, as a path.
    pub field: String,
    /// The rule.
    pub rule: String,
    /// The value, shortened.
    pub value: String,
}

/// What became of one draft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowReport {
    /// Where the draft came from.
    pub source: String,
    /// What is wrong with it; empty if nothing.
    pub problems: Vec<Problem>,
    /// What looks like personal data.
    pub warnings: Vec<Problem>,
}

/// A published record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Its id.
    pub id: RecordId,
    /// Kind.
    pub kind: String,
    /// Title.
    pub title: String,
    /// Where the draft came from.
    pub source: String,
    /// How many others hold it.
    pub holders: Holders,
    /// How long it waited until a peer had said how far this node's own feed goes, in milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waited_ms: u64,
}

/// Reply to [`PublishRequest`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PublishReply {
    /// What was published, in the order of the drafts; empty if a draft was refused or for a dry run.
    pub published: Vec<Published>,
    /// Drafts with problems or warnings.
    pub reports: Vec<RowReport>,
    /// Whether drafts were refused, so that nothing was published.
    pub refused: bool,
    /// Drafts with problems or warnings that `reports` leaves out, because it has many already.
    #[serde(default)]
    pub unreported: usize,
}

/// Asks for a retraction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetractRequest {
    /// Reason code.
    pub reason: String,
    /// In words, for everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Have the body deleted everywhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erase: bool,
    /// Root keys that have it deleted at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub root_signatures: Vec<RootSignature>,
}

/// A root key's signature for the erasure of one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootSignature {
    /// The root key.
    pub key: PublicKey,
    /// The signature: 128 hexadecimal digits.
    pub signature: String,
}

/// Who else is known to hold a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holders {
    /// Number of other centres.
    pub centres: usize,
    /// Since when the first of them is known to hold it, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
}

/// What a record is worth here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// This node's operator blocks it: it is shown nowhere.
    Blocked,
    /// It waits for somebody to release it: nobody trusted here vouches for its centre.
    Quarantined,
    /// Shown: the latest version, not retracted.
    Current,
    /// A newer version by the same publisher is held.
    Superseded,
    /// Its publisher retracted it.
    Retracted,
    /// Kept, but the signer's authority is not known yet.
    Held,
    /// Kept as evidence: the feed forks at or before it.
    Forked,
    /// Its body has not arrived yet.
    BodyMissing,
    /// Its body does not fit the interests of this node and is not fetched.
    BodyLeftOut,
    /// Its body breaks a rule of its kind, or the kind is not known here.
    Unreadable,
}

/// For whom a record is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "kebab-case")]
pub enum AudienceView {
    /// Everybody.
    #[default]
    Public,
    /// The members of a network.
    Network {
        /// Which.
        id: NetworkId,
    },
    /// Named centres and the publisher's own.
    Centres {
        /// Which.
        centres: Vec<CentreId>,
    },
}

/// A record in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSummary {
    /// Id.
    pub id: RecordId,
    /// Name of the kind.
    pub kind: String,
    /// Title; empty without a body.
    pub title: String,
    /// Language tag.
    pub language: String,
    /// Publisher.
    pub centre: CentreId,
    /// Its name, if its identity is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub centre_name: Option<String>,
    /// Author's time.
    pub created_ms: u64,
    /// Our arrival time.
    pub arrived_ms: u64,
    /// Countries from the body.
    pub countries: Vec<String>,
    /// Goals from the header.
    pub goals: Vec<u8>,
    /// What it is worth here.
    pub standing: Standing,
    /// How its publisher stands with the nations trusted here, in words.
    #[serde(default)]
    pub accreditation: String,
    /// For whom it is.
    #[serde(default)]
    pub audience: AudienceView,
}

/// One version of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionView {
    /// Which record.
    pub id: RecordId,
    /// Author's time.
    pub created_ms: u64,
    /// The version that it says it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<RecordId>,
}

/// An erasure in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureView {
    /// The retraction that asks for it.
    pub retraction: RecordId,
    /// Its reason code.
    pub reason: String,
    /// In words, if something was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Author's time of the retraction.
    pub created_ms: u64,
    /// When it arrived here.
    pub arrived_ms: u64,
    /// When the body goes from a node at which it arrived then; the one that published it
    /// does not wait.
    pub due_ms: u64,
    /// Whether it is gone.
    pub done: bool,
    /// Whether root keys ask for it, so that nobody waits.
    pub at_once: bool,
}

/// The versions of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesView {
    /// Every version held, by author's time, the first version first.
    pub versions: Vec<RecordId>,
    /// The same with more of each, if there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<VersionView>,
    /// Versions that replace the same one, each written without knowing of the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub concurrent: Vec<RecordId>,
    /// The latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<RecordId>,
    /// The retraction that is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retracted_by: Option<RecordId>,
}

/// A record with all that is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordView {
    /// What a list shows.
    #[serde(flatten)]
    pub summary: RecordSummary,
    /// The erasure in force: the body is hidden, and then gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<ErasureView>,
    /// The body as signed; absent if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// What is wrong with the body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// The files that it lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<AttachmentView>,
    /// Position in its feed.
    pub seq: u64,
    /// Feed.
    pub feed: baraza_record::FeedId,
    /// Key that signed it.
    pub signer: baraza_record::PublicKey,
    /// Length of the body in bytes.
    pub body_bytes: u32,
    /// Versions.
    pub series: SeriesView,
    /// Who else holds it.
    pub holders: Holders,
}

/// A page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListReply {
    /// Newest arrival first.
    pub records: Vec<RecordSummary>,
    /// Give as `before` for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// What a list or a search is narrowed to: several values of one member are alternatives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Names of kinds, separated by commas, as all lists here.
    pub kind: Option<String>,
    /// Country codes or names.
    pub country: Option<String>,
    /// M49 codes.
    pub region: Option<String>,
    /// Goals or targets: `6`, `6.2`.
    pub sdg: Option<String>,
    /// Languages.
    pub language: Option<String>,
    /// Centres, by id or unique prefix.
    pub centre: Option<String>,
    /// Only centres for which this nation vouches, by country code or name; `any`: some nation
    /// that is trusted here.
    pub accredited_by: Option<String>,
    /// Not created before this day (YYYY-MM-DD).
    pub since: Option<String>,
    /// Not created after this day.
    pub until: Option<String>,
}

/// A hit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HitView {
    /// The record.
    #[serde(flatten)]
    pub summary: RecordSummary,
    /// Larger is better, within one reply.
    pub score: f32,
    /// Words of the body around the first match, for people.
    pub excerpt: String,
}

/// A page of hits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SearchReply {
    /// Matches in all.
    pub total: usize,
    /// This page, best first.
    pub hits: Vec<HitView>,
    /// Changes of the store that the index does not cover yet.
    pub behind: u64,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}
