//! Drafts kept by a node in requests and replies.
//!
//! Invariant: a draft is on the disk of its node and nowhere else; nothing here travels to peers.
//! Spec: docs/OPERATIONS.md, "Drafts and staff".

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{DraftBody, Person, RetractRequest, RowReport};

/// Most characters of a title in a [`DraftSummary`].
pub const DRAFT_TITLE_CHARS_MAX: usize = 200;

/// How far a draft has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DraftState {
    /// Being written.
    #[default]
    Draft,
    /// Handed in, to be released.
    Submitted,
}

impl DraftState {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Submitted => "submitted",
        }
    }
}

/// A draft with all that is known of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DraftView {
    /// Eight hexadecimal digits; empty until it is kept.
    pub id: String,
    /// Name of the kind.
    pub kind: String,
    /// BCP 47 tag; the centre's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Id, or a prefix of one, of the version that it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revises: Option<String>,
    /// For whom it is, as its author wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Id of the record that a retraction withdraws.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What it says; may be incomplete. Of a retraction: the members of a [`RetractRequest`].
    pub body: Map<String, Value>,
    /// How far it has come.
    pub state: DraftState,
    /// Everybody who wrote in it, who brought it first.
    pub authors: Vec<Person>,
    /// Who handed it in; absent while it is being written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_by: Option<Person>,
    /// How often it was written.
    pub version: u64,
    /// When it was last written, in milliseconds.
    pub updated_ms: u64,
}

/// A draft in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftSummary {
    /// Id.
    pub id: String,
    /// Name of the kind.
    pub kind: String,
    /// Title, cut to [`DRAFT_TITLE_CHARS_MAX`]; empty without one.
    pub title: String,
    /// Id of the record that a retraction withdraws.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How far it has come.
    pub state: DraftState,
    /// Everybody who wrote in it, who brought it first.
    pub authors: Vec<Person>,
    /// Who handed it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_by: Option<Person>,
    /// How often it was written.
    pub version: u64,
    /// When it was last written, in milliseconds.
    pub updated_ms: u64,
}

impl DraftView {
    /// Returns what a list shows of it.
    pub fn summary(&self) -> DraftSummary {
        let title = self.body.get("title").and_then(Value::as_str).unwrap_or_default();
        DraftSummary {
            id: self.id.clone(),
            kind: self.kind.clone(),
            title: title.chars().take(DRAFT_TITLE_CHARS_MAX).collect(),
            target: self.target.clone(),
            state: self.state,
            authors: self.authors.clone(),
            submitted_by: self.submitted_by.clone(),
            version: self.version,
            updated_ms: self.updated_ms,
        }
    }
}

/// The drafts of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftsReply {
    /// The latest change first.
    pub drafts: Vec<DraftSummary>,
    /// Names of files that should be drafts and cannot be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// Whether another person than its authors must release a draft.
    pub two_person: bool,
}

/// Asks for drafts to be kept: all of them or none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImportRequest {
    /// The drafts.
    pub drafts: Vec<DraftBody>,
}

/// Asks for a draft to be written anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EditRequest {
    /// What it says now.
    pub draft: DraftBody,
    /// The version that was edited; if given, a draft that has changed since is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// Asks for a draft that withdraws a record: kept and handed in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetractionDraft {
    /// Id, or a unique prefix of one, of the record.
    pub record: String,
    /// Why.
    #[serde(flatten)]
    pub request: RetractRequest,
}

/// What became of a draft that was handed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmitReply {
    /// The draft as it is now.
    pub draft: DraftSummary,
    /// What is wrong with it, and what looks like personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<RowReport>,
    /// Whether it breaks a rule and was therefore not taken.
    pub refused: bool,
}

/// Asks for a draft to be published. The reply is that of a publication.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReleaseRequest {
    /// Publish although a field looks like personal data.
    pub allow_personal_data: bool,
    /// The version that was looked at; if given, a draft that has changed since is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}
