//! People on the node's machine: who they are, what they may do, what they did.
//!
//! Invariant: all of it is local to one machine; no peer ever learns it.
//! Spec: docs/OPERATIONS.md, "Drafts and staff".

use serde::{Deserialize, Serialize};

/// Somebody with an account on the node's machine, as the system knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Number of the account.
    pub uid: u32,
    /// Its name; the number where it has none.
    pub user: String,
}

/// What somebody may do; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Reads, searches and exports what is published.
    Reader,
    /// Writes drafts and hands them in.
    Drafter,
    /// Releases drafts, publishes, revises, retracts, compares with peers.
    Publisher,
    /// Everything: the account that runs the node, and root. It is never given to others.
    Owner,
}

impl Role {
    /// Every role, the weakest first.
    pub const ALL: [Self; 4] = [Self::Reader, Self::Drafter, Self::Publisher, Self::Owner];

    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Drafter => "drafter",
            Self::Publisher => "publisher",
            Self::Owner => "owner",
        }
    }
}

/// A member of the staff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// Name of the account.
    pub user: String,
    /// What it may do.
    pub role: Role,
}

/// The staff of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffReply {
    /// Whether another person than its authors must release a draft.
    pub two_person: bool,
    /// Who asked.
    pub you: MemberView,
    /// Socket of the staff, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
    /// Group that may use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Who is listed, in the order of the configuration.
    pub members: Vec<MemberView>,
}

/// Something that somebody did or tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// When it was done, in milliseconds by the node's clock.
    pub time_ms: u64,
    /// Who did it.
    #[serde(flatten)]
    pub person: Person,
    /// What, such as `draft release`.
    pub action: String,
    /// To which drafts or records; the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
    /// How many more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
    /// `done`, or the code of the error.
    pub outcome: String,
}

/// The latest entries of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffLogReply {
    /// The oldest first.
    pub entries: Vec<LogEntry>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}
