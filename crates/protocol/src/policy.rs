//! Policy: what this node shows, and why.
//!
//! Block goes before trust, trust before accreditation, accreditation before the default. The
//! operator of the node decides all of it: no other node, centre or nation can.
//! Invariant: policy never changes what is admitted: two nodes with different policies over one
//! set show different records and have one set digest.
//! Not here: files (`node`), hits that policy hides (`index`).
//! Spec: docs/PROTOCOL.md, section 4.5; docs/OPERATIONS.md, "Policy".

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc};

use baraza_record::{CentreId, ID_BYTES, RecordId, Timestamp};

use crate::{
    accreditation::{Accreditations, Pin, Statement, day},
    attachments::AttachmentRules,
    effective::Standing,
    index::Hidden,
    interests::Interests,
    quota::Quotas,
    store::{PAGE_MAX, StoreError, StoreRead},
    stream::place_of,
};

/// Most overrides of a policy.
pub const OVERRIDES_MAX: usize = 1_000;

/// Days without a record of a pinned nation after which its news is marked as old.
pub const STALE_MARK_DAYS: u64 = 90;

/// What becomes of records of centres for which nobody vouches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unaccredited {
    /// They are shown and marked.
    #[default]
    Carry,
    /// They are kept and passed on, and not shown until they are released.
    Quarantine,
    /// Nothing more of them is taken; what is held already is as in quarantine.
    Drop,
}

/// What an override does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Show nothing of it.
    Block,
    /// Show it, whatever anybody says of it.
    Trust,
}

/// The operator's word on one centre or one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Id of the centre or of the record.
    pub id: [u8; ID_BYTES],
    /// What to do.
    pub action: Action,
    /// Why, for people.
    pub reason: String,
    /// Last day on which it holds, as `2026-02-28`; forever if absent.
    pub until: Option<String>,
}

/// What the operator wrote down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Records of centres for which nobody vouches.
    pub unaccredited: Unaccredited,
    /// Days after which a nation's news is marked as old.
    pub stale_mark_days: u64,
    /// What centres for which nobody vouches may take together.
    pub quotas: Quotas,
    /// Of which records bodies are fetched.
    pub interests: Interests,
    /// Which attachments come by themselves, and how much room they take.
    pub attachments: AttachmentRules,
    /// Exceptions.
    pub overrides: Vec<Override>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            unaccredited: Unaccredited::default(),
            stale_mark_days: STALE_MARK_DAYS,
            quotas: Quotas::default(),
            interests: Interests::default(),
            attachments: AttachmentRules::default(),
            overrides: Vec::new(),
        }
    }
}

/// Whom the operator trusts and what was released from quarantine, by command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The nations.
    pub pins: Vec<Pin>,
    /// Ids of centres and records.
    pub released: BTreeSet<[u8; ID_BYTES]>,
}

/// What policy makes of a record or a centre.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is shown.
    Shown,
    /// It is kept, passed on, listed by `quarantine list`, and not shown otherwise.
    Quarantined,
    /// It is kept, passed on, and shown nowhere.
    Blocked,
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason<'a> {
    /// An override blocks it.
    Blocked(&'a Override),
    /// An override trusts it.
    Trusted(&'a Override),
    /// It is our own centre.
    Ours,
    /// It is a nation that is pinned.
    Nation(&'a Pin),
    /// A pinned nation vouches for it.
    Accredited(&'a Statement),
    /// It was released from quarantine.
    Released,
    /// Nothing else spoke.
    Default(Unaccredited),
}

/// Policy, trust and what the trusted nations say, at one time.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Our centre.
    pub own: CentreId,
    /// What the operator wrote down.
    pub policy: Arc<Policy>,
    /// Whom the operator trusts.
    pub trust: Arc<Trust>,
    /// What the pinned nations say.
    pub accreditations: Arc<Accreditations>,
    /// The time.
    pub now: Timestamp,
}

impl Policy {
    /// Returns the override of this action that holds on `today` for one of `ids`.
    fn find(&self, action: Action, ids: &[[u8; ID_BYTES]], today: &str) -> Option<&Override> {
        self.overrides.iter().find(|one| {
            one.action == action
                && ids.contains(&one.id)
                && one.until.as_ref().is_none_or(|until| today <= until.as_str())
        })
    }
}

impl Trust {
    /// Returns the pins that count under a policy: a nation that is blocked has no word.
    pub fn counting(&self, policy: &Policy, now: Timestamp) -> Vec<Pin> {
        let today = day(now);
        let blocked = |pin: &&Pin| policy.find(Action::Block, &[pin.nation.0], &today).is_none();
        self.pins.iter().filter(blocked).cloned().collect()
    }
}

impl Rules {
    /// Returns what becomes of a centre or, with `record`, of one of its records, and why.
    pub fn judge(&self, centre: &CentreId, record: Option<&RecordId>) -> (Verdict, Reason<'_>) {
        let ids: Vec<_> = record.map(|id| id.0).into_iter().chain([centre.0]).collect();
        let today = day(self.now);
        if let Some(block) = self.policy.find(Action::Block, &ids, &today) {
            return (Verdict::Blocked, Reason::Blocked(block));
        }
        let pin = self.trust.pins.iter().find(|pin| pin.nation == *centre);
        let trusted = self.policy.find(Action::Trust, &ids, &today).map(Reason::Trusted);
        let reason = trusted
            .or_else(|| (*centre == self.own).then_some(Reason::Ours))
            .or_else(|| pin.map(Reason::Nation))
            .or_else(|| self.accreditations.accredits(centre).map(Reason::Accredited));
        if let Some(reason) = reason {
            return (Verdict::Shown, reason);
        }
        match self.policy.unaccredited {
            Unaccredited::Carry => (Verdict::Shown, Reason::Default(Unaccredited::Carry)),
            _ if ids.iter().any(|id| self.trust.released.contains(id)) => {
                (Verdict::Shown, Reason::Released)
            }
            hiding => (Verdict::Quarantined, Reason::Default(hiding)),
        }
    }

    /// Returns whether nobody vouches for a centre: neither the operator nor a pinned nation.
    pub fn is_stranger(&self, centre: &CentreId) -> bool {
        let trusts = || self.policy.find(Action::Trust, &[centre.0], &day(self.now)).is_some();
        *centre != self.own
            && self.trust.pins.iter().all(|pin| pin.nation != *centre)
            && self.accreditations.accredits(centre).is_none()
            && !self.trust.released.contains(&centre.0)
            && !trusts()
    }

    /// Returns the standing of a record that policy hides.
    pub fn hides(&self, centre: &CentreId, record: &RecordId) -> Option<Standing> {
        match self.judge(centre, Some(record)).0 {
            Verdict::Shown => None,
            Verdict::Quarantined => Some(Standing::Quarantined),
            Verdict::Blocked => Some(Standing::Blocked),
        }
    }

    /// Says in words how a centre stands with the nations that are trusted here.
    pub fn words(&self, centre: &CentreId, country: Option<&str>) -> String {
        if let Some(pin) = self.trust.pins.iter().find(|pin| pin.nation == *centre) {
            return format!("trusted here to speak for {}", pin.country);
        }
        self.accreditations.words(centre, country, self.policy.stale_mark_days, self.now)
    }

    /// Says step by step how policy comes to its verdict.
    pub fn explain(&self, centre: &CentreId, record: Option<&RecordId>) -> Vec<String> {
        let (verdict, reason) = self.judge(centre, record);
        let because =
            |text: &str| if text.is_empty() { String::new() } else { format!(": {text}") };
        let until = |one: &Override| {
            one.until.as_ref().map(|day| format!(" until {day}")).unwrap_or_default()
        };
        let said = |one: &Override| format!("{}{}", until(one), because(&one.reason));
        let mut chain = Vec::new();
        chain.push(match reason {
            Reason::Blocked(one) => format!("block: an override blocks it{}", said(one)),
            _ => "block: no override blocks it".to_owned(),
        });
        if verdict != Verdict::Blocked {
            chain.push(match reason {
                Reason::Trusted(one) => format!("trust: an override trusts it{}", said(one)),
                Reason::Ours => "trust: it is our own centre".to_owned(),
                Reason::Nation(pin) => {
                    format!("trust: it is the nation pinned for {}", pin.country)
                }
                _ => "trust: no override trusts it".to_owned(),
            });
        }
        if matches!(reason, Reason::Accredited(_) | Reason::Released | Reason::Default(_)) {
            let nations: Vec<_> = self.trust.pins.iter().map(|pin| pin.country.as_str()).collect();
            let by = match nations.is_empty() {
                true => "no nation is trusted here".to_owned(),
                false => format!("trusted here: {}", nations.join(", ")),
            };
            chain.push(format!("accreditation: {} ({by})", self.words(centre, None)));
        }
        match reason {
            Reason::Released => chain.push("default: it was released from quarantine".to_owned()),
            Reason::Default(Unaccredited::Carry) => {
                chain.push("default: records without accreditation are shown".to_owned());
            }
            Reason::Default(Unaccredited::Quarantine) => {
                chain.push("default: records without accreditation are in quarantine".to_owned());
            }
            Reason::Default(Unaccredited::Drop) => chain.push(
                "default: nothing more is taken without accreditation, and what is held is in \
                 quarantine"
                    .to_owned(),
            ),
            _ => (),
        }
        chain.push(match verdict {
            Verdict::Shown => "so it is shown".to_owned(),
            Verdict::Quarantined if reason == Reason::Default(Unaccredited::Drop) => {
                "so nothing more of it is taken, and what is held is not shown".to_owned()
            }
            Verdict::Quarantined => "so it is kept and passed on, and not shown".to_owned(),
            Verdict::Blocked => "so it is kept and passed on, and shown nowhere".to_owned(),
        });
        chain
    }

    /// Returns what an index must leave out.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn hidden(&self, reader: &dyn StoreRead) -> Result<Hidden, StoreError> {
        let mut hidden = Hidden::default();
        let today = day(self.now);
        for one in self.policy.overrides.iter().filter(|one| one.action == Action::Block) {
            if self.policy.find(Action::Block, &[one.id], &today).is_some() {
                hidden.centres.push(CentreId(one.id));
                hidden.records.push(RecordId(one.id));
            }
        }
        if self.policy.unaccredited == Unaccredited::Carry {
            return Ok(hidden);
        }
        let mut after = None;
        loop {
            let page = reader.centres(after, PAGE_MAX)?;
            let held = |centre: &&CentreId| self.judge(centre, None).0 == Verdict::Quarantined;
            hidden.centres.extend(page.iter().filter(held));
            after = page.last().copied();
            if page.len() < PAGE_MAX {
                break;
            }
        }
        // What is shown of a centre that is not.
        let trusted = self.policy.overrides.iter().filter(|one| one.action == Action::Trust);
        let ids = trusted.map(|one| one.id).chain(self.trust.released.iter().copied());
        for id in ids.map(RecordId) {
            let Some(place) = place_of(reader, &id)? else { continue };
            let Some(state) = reader.feed(&place.feed)? else { continue };
            if self.judge(&state.centre, Some(&id)).0 == Verdict::Shown {
                hidden.shown.push(id);
            }
        }
        Ok(hidden)
    }
}
