//! People on the node's machine: who calls, where their drafts are kept, and the log of what
//! they did.
//!
//! Invariant: who serves a connection says who calls, in an extension of each request.
//! Not here: accounts, files and the clock (`node`), what a role allows (`roles`).
//! Spec: docs/OPERATIONS.md, "Drafts and staff".

use std::sync::{Arc, Mutex, PoisonError};

use baraza_api::{
    DraftSummary, DraftView, ErrorCode, LogEntry, MemberView, Person, Role, StaffReply,
};

use crate::failure::Failure;

/// Most drafts or records that one entry of the log names; it counts the others.
pub const LOG_OBJECTS_MAX: usize = 8;

/// The staff of a node, their drafts and their log.
#[derive(Clone)]
pub struct Staff {
    /// Whether another person than its authors must release a draft.
    pub two_person: bool,
    /// Socket of the staff, if there is one.
    pub socket: Option<String>,
    /// Group that may use it.
    pub group: Option<String>,
    /// Who is listed.
    pub members: Vec<MemberView>,
    /// Keeps drafts.
    pub drafts: Arc<dyn DraftStore>,
    /// Keeps the log.
    pub log: Arc<dyn StaffLog>,
}

/// Keeps drafts on the node's disk. Calls block; one change is made at a time.
pub trait DraftStore: Send + Sync {
    /// Returns all drafts, the latest change first, and the names of files that cannot be read.
    ///
    /// # Errors
    ///
    /// [`DraftError::Disk`].
    fn list(&self) -> Result<(Vec<DraftSummary>, Vec<String>), DraftError>;

    /// Returns the draft whose id starts with `prefix`.
    ///
    /// # Errors
    ///
    /// [`DraftError`]: none, several, or the disk.
    fn get(&self, prefix: &str) -> Result<DraftView, DraftError>;

    /// Keeps new drafts, all or none, and returns them with ids and times.
    ///
    /// # Errors
    ///
    /// [`DraftError`]: too many, too large, or the disk.
    fn create(&self, drafts: Vec<DraftView>) -> Result<Vec<DraftView>, DraftError>;

    /// Writes a draft that is kept anew, whole, and returns it with its next version and time.
    ///
    /// # Errors
    ///
    /// [`DraftError`]: too large, or the disk.
    fn replace(&self, draft: DraftView) -> Result<DraftView, DraftError>;

    /// Removes a draft.
    ///
    /// # Errors
    ///
    /// [`DraftError::Disk`].
    fn remove(&self, id: &str) -> Result<(), DraftError>;
}

/// Keeps the log of what people did. Calls block.
pub trait StaffLog: Send + Sync {
    /// Appends an entry, whose time is filled in, durably. A failure is told where an operator
    /// looks: what was done cannot be undone.
    fn append(&self, entry: LogEntry);

    /// Returns the latest entries, the oldest first.
    ///
    /// # Errors
    ///
    /// What went wrong, in words.
    fn latest(&self, limit: usize) -> Result<Vec<LogEntry>, String>;
}

/// Why the store of drafts did not do as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// There is no such draft.
    #[error("no draft has an id that starts with {prefix}")]
    Unknown {
        /// What was looked for.
        prefix: String,
    },
    /// Several drafts fit.
    #[error("several drafts have an id that starts with {prefix}: {}", ids.join(", "))]
    Ambiguous {
        /// What was looked for.
        prefix: String,
        /// Some of them.
        ids: Vec<String>,
    },
    /// There is no room for more.
    #[error("{count} drafts would be kept, the limit is {limit}")]
    Full {
        /// How many.
        count: usize,
        /// What is allowed.
        limit: usize,
    },
    /// One is too large.
    #[error("the draft has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Its length as JSON.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// Reading or writing failed.
    #[error("{what}")]
    Disk {
        /// What went wrong, with the path.
        what: String,
    },
}

impl From<DraftError> for Failure {
    fn from(error: DraftError) -> Self {
        let (code, hint) = match &error {
            DraftError::Unknown { .. } => (ErrorCode::NotFound, "`baraza draft list` lists them"),
            DraftError::Ambiguous { .. } => (ErrorCode::Ambiguous, "give more digits"),
            DraftError::Full { .. } => (ErrorCode::Invalid, "release or discard some first"),
            DraftError::TooLarge { .. } => (ErrorCode::Invalid, "shorten it"),
            DraftError::Disk { .. } => (ErrorCode::Store, "look at the disk and the home's modes"),
        };
        Self::new(code, error.to_string()).hint(hint)
    }
}

/// Who calls, and what the log will say of the call.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The account.
    pub person: Person,
    /// What it may do; none for an account that is not listed.
    pub role: Option<Role>,
    note: Arc<Mutex<Note>>,
}

/// What a handler wants the log to say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Note {
    /// Drafts and records that it is about.
    pub(crate) objects: Vec<String>,
    /// How it ended, where the status of the reply does not say.
    pub(crate) refused: Option<ErrorCode>,
    /// Whether nothing was to change.
    pub(crate) silent: bool,
}

impl Caller {
    /// Names a caller.
    pub fn new(person: Person, role: Option<Role>) -> Self {
        Self { person, role, note: Arc::default() }
    }

    /// Has the log name these drafts or records.
    pub(crate) fn about(&self, objects: impl IntoIterator<Item = String>) {
        self.noting(|note| note.objects = objects.into_iter().collect());
    }

    /// Has the log say that what was asked for was not done, although the reply is a success.
    pub(crate) fn refused(&self, code: ErrorCode) {
        self.noting(|note| note.refused = Some(code));
    }

    /// Keeps the call out of the log: nothing was to change.
    pub(crate) fn silent(&self) {
        self.noting(|note| note.silent = true);
    }

    pub(crate) fn note(&self) -> Note {
        self.note.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn noting(&self, change: impl FnOnce(&mut Note)) {
        change(&mut self.note.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Staff {
    /// Returns what the API tells `caller` of the staff.
    pub(crate) fn view(&self, caller: &Caller, role: Role) -> StaffReply {
        StaffReply {
            two_person: self.two_person,
            you: MemberView { user: caller.person.user.clone(), role },
            socket: self.socket.clone(),
            group: self.group.clone(),
            members: self.members.clone(),
        }
    }
}
