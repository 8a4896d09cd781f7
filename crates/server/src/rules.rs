//! Policy and trust as the node has them at the time of a request.
//!
//! Invariant: they are asked for anew at every request, so that a changed file counts at once.
//! Not here: the files (`node`), what follows from them (`baraza_protocol::policy`).
//! Spec: docs/OPERATIONS.md, "Policy".

use std::sync::{Arc, Mutex, PoisonError};

use baraza_api::{ErrorBody, ErrorCode, Warning};
use baraza_protocol::{
    accreditation::Cache,
    policy::{Policy, Rules, Trust, Verdict},
    store::StoreError,
};
use baraza_record::{CentreId, RecordId, Timestamp};

use crate::{failure::Failure, state::App};

/// What is in force now.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// What the operator wrote down.
    pub policy: Arc<Policy>,
    /// Whom the operator trusts.
    pub trust: Arc<Trust>,
    /// Why a newer file is not in force.
    pub errors: Vec<Warning>,
}

/// Returns what is in force.
pub type Load = Arc<dyn Fn() -> Loaded + Send + Sync>;

/// Keeps trust that was changed by command.
pub type Save = Arc<dyn Fn(&Trust) -> Result<(), ErrorBody> + Send + Sync>;

/// Tells the time of day.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Where policy and trust come from.
pub struct RulesSource {
    load: Load,
    save: Save,
    clock: Clock,
    cache: Cache,
    changing: Mutex<()>,
}

impl RulesSource {
    /// Makes a source.
    pub fn new(load: Load, save: Save, clock: Clock) -> Self {
        Self { load, save, clock, cache: Cache::default(), changing: Mutex::new(()) }
    }

    /// Returns what is in force.
    pub(crate) fn loaded(&self) -> Loaded {
        (self.load)()
    }

    /// Returns the time.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Changes trust and keeps it; nothing is kept if `change` fails.
    pub(crate) fn change(
        &self,
        change: impl FnOnce(&mut Trust) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut trust = Trust::clone(&self.loaded().trust);
        change(&mut trust)?;
        (self.save)(&trust).map_err(Failure)
    }
}

impl App {
    /// Returns policy, trust and what the pinned nations say now.
    pub(crate) fn rules(&self) -> Result<Rules, StoreError> {
        let (source, Loaded { policy, trust, .. }) = (&self.node.rules, self.node.rules.loaded());
        let now = source.now();
        let pins = trust.counting(&policy, now);
        let accreditations = source.cache.get(&*self.reader, &pins)?;
        Ok(Rules { own: self.node.centre, policy, trust, accreditations, now })
    }
}

/// Refuses what this node blocks.
pub(crate) fn refuse_blocked(
    rules: &Rules,
    centre: &CentreId,
    record: Option<&RecordId>,
) -> Result<(), Failure> {
    match rules.judge(centre, record).0 {
        Verdict::Blocked => Err(hidden(centre, record, "blocked")),
        Verdict::Shown | Verdict::Quarantined => Ok(()),
    }
}

/// Refuses what this node blocks or keeps in quarantine.
pub(crate) fn refuse_hidden(
    rules: &Rules,
    centre: &CentreId,
    record: &RecordId,
) -> Result<(), Failure> {
    refuse_blocked(rules, centre, Some(record))?;
    match rules.judge(centre, Some(record)).0 {
        Verdict::Quarantined => Err(hidden(centre, Some(record), "in quarantine")),
        Verdict::Shown | Verdict::Blocked => Ok(()),
    }
}

fn hidden(centre: &CentreId, record: Option<&RecordId>, how: &str) -> Failure {
    let (what, id) = match record {
        Some(record) => ("record", record.to_string()),
        None => ("centre", centre.to_string()),
    };
    Failure::new(ErrorCode::NotFound, format!("{what} {id} is {how} on this node"))
        .hint(format!("why: baraza policy explain {}", &id[..16]))
}
