//! Drafts and the log of the staff in memory.
//!
//! Invariant: ids count from 1, times are not kept.

use std::sync::{Arc, Mutex};

use baraza_api::{DraftSummary, DraftView, LogEntry, MemberView, Person, Role};
use baraza_server::{Caller, DraftError, DraftStore, Staff, StaffLog};

/// Drafts and entries in memory.
#[derive(Default)]
pub(crate) struct Memory {
    drafts: Mutex<Vec<DraftView>>,
    made: Mutex<u32>,
    pub(crate) entries: Mutex<Vec<LogEntry>>,
}

impl DraftStore for Memory {
    fn list(&self) -> Result<(Vec<DraftSummary>, Vec<String>), DraftError> {
        let drafts = self.drafts.lock().unwrap();
        Ok((drafts.iter().rev().map(DraftView::summary).collect(), Vec::new()))
    }

    fn get(&self, prefix: &str) -> Result<DraftView, DraftError> {
        let drafts = self.drafts.lock().unwrap();
        let found = drafts.iter().find(|draft| draft.id.starts_with(prefix));
        found.cloned().ok_or_else(|| DraftError::Unknown { prefix: prefix.to_owned() })
    }

    fn create(&self, mut drafts: Vec<DraftView>) -> Result<Vec<DraftView>, DraftError> {
        let mut made = self.made.lock().unwrap();
        for draft in &mut drafts {
            *made += 1;
            draft.id = format!("{:08x}", *made);
            draft.version = 1;
        }
        self.drafts.lock().unwrap().extend(drafts.clone());
        Ok(drafts)
    }

    fn replace(&self, mut draft: DraftView) -> Result<DraftView, DraftError> {
        draft.version += 1;
        let mut drafts = self.drafts.lock().unwrap();
        *drafts.iter_mut().find(|kept| kept.id == draft.id).unwrap() = draft.clone();
        Ok(draft)
    }

    fn remove(&self, id: &str) -> Result<(), DraftError> {
        self.drafts.lock().unwrap().retain(|draft| draft.id != id);
        Ok(())
    }
}

impl StaffLog for Memory {
    fn append(&self, entry: LogEntry) {
        self.entries.lock().unwrap().push(entry);
    }

    fn latest(&self, limit: usize) -> Result<Vec<LogEntry>, String> {
        let entries = self.entries.lock().unwrap();
        Ok(entries[entries.len().saturating_sub(limit)..].to_vec())
    }
}

/// Returns a staff of nobody over `memory`.
pub(crate) fn staff(memory: &Arc<Memory>, two_person: bool) -> Staff {
    Staff {
        two_person,
        socket: None,
        group: None,
        members: vec![MemberView { user: "amina".into(), role: Role::Drafter }],
        drafts: Arc::clone(memory) as Arc<dyn DraftStore>,
        log: Arc::clone(memory) as Arc<dyn StaffLog>,
    }
}

/// Returns somebody who calls; the name decides the number.
pub(crate) fn caller(user: &str, role: Option<Role>) -> Caller {
    let uid = user.bytes().map(u32::from).sum();
    Caller::new(Person { uid, user: user.into() }, role)
}

/// Returns the account that runs the node.
pub(crate) fn owner() -> Caller {
    caller("owner", Some(Role::Owner))
}
