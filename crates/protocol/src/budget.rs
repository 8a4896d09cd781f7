//! Budgets: what may go over the link, when, and for whom.
//!
//! A pure state machine: traffic and times go in; whether a purpose may use the link, and
//! from when on it may again, come out. Bytes are counted on the day of the operator's clock
//! on which they went: a clock that is set back and forth finds each day as it left it, and
//! nobody's allowance starts anew.
//! Invariant: the list of days is bounded; nothing here stops a byte, it says what may start.
//! Not here: what is done about it (`service`), the file with the settings (`node`).
//! Spec: docs/OPERATIONS.md, "Budgets, windows and profiles".

mod calendar;
mod profile;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use baraza_record::{Timestamp, codec};
use bincode::{Decode, Encode};

pub use calendar::{Window, WindowError};
pub use profile::Profile;

use calendar::{DAY_MS, Local};

/// Days whose traffic is remembered: two months, for a month that is summed up and a clock
/// that is set.
pub const TRAFFIC_DAYS_MAX: usize = 62;

/// Most windows of a day.
pub const WINDOWS_MAX: usize = 16;

/// Longest pause with an end (a year).
pub const PAUSE_MAX_MS: u64 = 366 * DAY_MS;

/// Most bytes of the encoded state.
const STATE_BYTES_MAX: usize = 8 * 1_024;

/// Steps in which the end of a hold is looked for: each is a window, a day or a pause.
const STEPS_MAX: usize = 100;

/// For whom bytes go over the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// What the node does by itself, also answers to peers.
    Background,
    /// What a person asked for.
    Asked,
}

/// Most bytes of a purpose; `None`: as many as there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// On a day.
    pub day_bytes: Option<u64>,
    /// In a month of the calendar.
    pub month_bytes: Option<u64>,
}

/// What the operator lets the link cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Where the values that nobody set come from.
    pub profile: Profile,
    /// For what the node does by itself.
    pub background: Allowance,
    /// For what a person asks for.
    pub asked: Allowance,
    /// Bytes of a day that may go, while background traffic is held, for own publications and
    /// identity events.
    pub reserve_day_bytes: u64,
    /// Thousand bits a second, each way; `None`: as much as there is.
    pub kbit_s: Option<u32>,
    /// When background traffic may go; none: always.
    pub windows: Vec<Window>,
    /// Minutes that the operator's clock is ahead of UTC.
    pub utc_offset_minutes: i32,
    /// Time between two comparisons with a peer that says nothing, in milliseconds.
    pub compare_every_ms: u64,
    /// Connections to keep up by dialling.
    pub connections: usize,
    /// Time between two pings of a connection, in seconds.
    pub ping_every_s: u64,
    /// Whether only addresses of private networks are dialled and accepted.
    pub private_only: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Profile::Normal.terms()
    }
}

impl Terms {
    fn allowance(&self, purpose: Purpose) -> Allowance {
        match purpose {
            Purpose::Background => self.background,
            Purpose::Asked => self.asked,
        }
    }

    fn local(&self, now: Timestamp) -> Local {
        Local::at(now, self.utc_offset_minutes)
    }
}

/// Bytes that went over the wire, both ways together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Used {
    /// By the node itself.
    pub background: u64,
    /// As a person asked.
    pub asked: u64,
    /// Of `background`: while that was held.
    pub reserve: u64,
}

impl Used {
    fn of(&self, purpose: Purpose) -> u64 {
        match purpose {
            Purpose::Background => self.background,
            Purpose::Asked => self.asked,
        }
    }

    fn plus(self, more: Self) -> Self {
        Self {
            background: self.background.saturating_add(more.background),
            asked: self.asked.saturating_add(more.asked),
            reserve: self.reserve.saturating_add(more.reserve),
        }
    }
}

/// What a person stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// How long, in milliseconds; `None`: until somebody resumes.
    pub for_ms: Option<u64>,
}

/// Why nothing may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldReason {
    /// A person paused the node.
    Paused,
    /// No window is open.
    Window,
    /// The allowance of the day is used up.
    Day,
    /// The allowance of the month is used up.
    Month,
}

/// That nothing may start for a purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Why.
    pub why: HoldReason,
    /// When it may again, as far as that is known.
    pub until: Option<Timestamp>,
}

/// What is kept of a budget.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
struct Kept {
    pause: Option<Pause>,
    days: Vec<(i64, Used)>,
}

/// What went over the link, and what may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    terms: Terms,
    days: BTreeMap<i64, Used>,
    pause: Option<Pause>,
    changed: bool,
}

impl Budget {
    /// Makes a budget from what was kept; from nothing if that is of another version.
    pub fn new(kept: Option<&[u8]>) -> Self {
        let kept: Option<Kept> = kept.and_then(|kept| codec::decode(kept, STATE_BYTES_MAX).ok());
        let Kept { pause, days } = kept.unwrap_or_default();
        Self { days: days.into_iter().collect(), pause, ..Self::default() }
    }

    /// Returns what is to be kept, if that has changed since it was last asked.
    pub fn changes(&mut self) -> Option<Vec<u8>> {
        let days = self.days.iter().map(|(day, used)| (*day, *used)).collect();
        let kept = Kept { pause: self.pause, days };
        std::mem::take(&mut self.changed).then(|| codec::encode(&kept))
    }

    /// Returns the terms.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Takes new terms. What was used stays used.
    pub fn set_terms(&mut self, terms: Terms) {
        self.terms = terms;
    }

    /// Counts bytes that went over the wire.
    pub fn count(&mut self, purpose: Purpose, bytes: u64, now: Timestamp) {
        if bytes == 0 {
            return;
        }
        let held = self.held(Purpose::Background, now).is_some();
        let more = match purpose {
            Purpose::Asked => Used { asked: bytes, ..Used::default() },
            Purpose::Background if held => {
                Used { background: bytes, reserve: bytes, ..Used::default() }
            }
            Purpose::Background => Used { background: bytes, ..Used::default() },
        };
        let today = self.terms.local(now).day;
        let used = self.days.entry(today).or_default();
        *used = used.plus(more);
        while TRAFFIC_DAYS_MAX < self.days.len() {
            let farthest = self.days.keys().copied().max_by_key(|day| day.abs_diff(today));
            farthest.map(|day| self.days.remove(&day));
        }
        self.changed = true;
    }

    /// Stops everything, for a time or until [`resume`](Self::resume).
    pub fn pause(&mut self, for_ms: Option<u64>, now: Timestamp) {
        let for_ms = for_ms.map(|length| length.min(PAUSE_MAX_MS));
        (self.pause, self.changed) = (Some(Pause { since: now, for_ms }), true);
    }

    /// Ends a pause. Returns whether there was one.
    pub fn resume(&mut self) -> bool {
        let paused = self.pause.take().is_some();
        self.changed |= paused;
        paused
    }

    /// Ends a pause that is over. One that a clock set back would prolong begins anew: it never
    /// takes longer than was asked for.
    pub fn tick(&mut self, now: Timestamp) {
        let Some(pause) = &mut self.pause else { return };
        if now < pause.since {
            (pause.since, self.changed) = (now, true);
        }
        if pause_end(pause).is_some_and(|end| end <= now) {
            self.resume();
        }
    }

    /// Returns the pause, if there is one.
    pub fn paused(&self, now: Timestamp) -> Option<Pause> {
        self.pause.filter(|pause| pause_end(pause).is_none_or(|end| now < end))
    }

    /// Returns why nothing may start for a purpose, if so.
    pub fn held(&self, purpose: Purpose, now: Timestamp) -> Option<Hold> {
        let (why, mut until) = self.held_at(purpose, now)?;
        // What ends this may begin in another hold: a day that begins outside the windows.
        for _ in 0..STEPS_MAX {
            let Some(at) = until else { break };
            match self.held_at(purpose, at) {
                Some((_, next)) => until = next,
                None => break,
            }
        }
        Some(Hold { why, until })
    }

    /// Returns the first thing that holds a purpose at a time, and when that alone ends.
    fn held_at(&self, purpose: Purpose, at: Timestamp) -> Option<(HoldReason, Option<Timestamp>)> {
        if let Some(pause) = self.paused(at) {
            return Some((HoldReason::Paused, pause_end(&pause)));
        }
        let (terms, local) = (&self.terms, self.terms.local(at));
        if purpose == Purpose::Background && !calendar::open(&terms.windows, local.minute()) {
            let opens = calendar::opens(&terms.windows, local.minute());
            let until = opens.map(|minutes| local.minutes_later(minutes));
            return Some((HoldReason::Window, until));
        }
        let Allowance { day_bytes, month_bytes } = terms.allowance(purpose);
        let (day, month) = (self.day(at).of(purpose), self.month(at).of(purpose));
        let is_used = |used: u64, most: Option<u64>| most.is_some_and(|most| most <= used);
        if is_used(month, month_bytes) {
            return Some((HoldReason::Month, Some(local.next_month())));
        }
        is_used(day, day_bytes).then(|| (HoldReason::Day, Some(local.next_day())))
    }

    /// Returns what was used on the day of `now`.
    pub fn day(&self, now: Timestamp) -> Used {
        self.days.get(&self.terms.local(now).day).copied().unwrap_or_default()
    }

    /// Returns what was used in the month of `now`.
    pub fn month(&self, now: Timestamp) -> Used {
        let days = self.days.range(self.terms.local(now).days_of_month());
        days.fold(Used::default(), |sum, (_, used)| sum.plus(*used))
    }

    /// Returns how many bytes are left of the reserve of the day.
    pub fn reserve_left(&self, now: Timestamp) -> u64 {
        self.terms.reserve_day_bytes.saturating_sub(self.day(now).reserve)
    }

    /// Returns when so many bytes, which take so long on the line, are through if they start at
    /// `starts`: what exceeds the day waits for the next ones. A guess: windows and the month
    /// count only for the start.
    pub fn done_at(
        &self,
        purpose: Purpose,
        bytes: u64,
        took_ms: u64,
        starts: Timestamp,
    ) -> Option<Timestamp> {
        let Some(most) = self.terms.allowance(purpose).day_bytes else {
            return Some(starts.plus_ms(took_ms));
        };
        let left = most.saturating_sub(self.day(starts).of(purpose));
        if bytes <= left {
            return Some(starts.plus_ms(took_ms));
        }
        let days = (bytes - left).checked_div(most)?;
        let last = (bytes - left) % most;
        let took = u64::try_from(u128::from(took_ms) * u128::from(last) / u128::from(bytes.max(1)));
        let begins = self.terms.local(starts).next_day().plus_ms(days.saturating_mul(DAY_MS));
        Some(begins.plus_ms(took.unwrap_or(u64::MAX)))
    }

    /// Returns whether what is urgent may go: background traffic may, or there is a reserve.
    pub fn urgent(&self, now: Timestamp) -> bool {
        self.held(Purpose::Background, now).is_none() || self.reserve_left(now) != 0
    }
}

fn pause_end(pause: &Pause) -> Option<Timestamp> {
    pause.for_ms.map(|length| pause.since.plus_ms(length))
}
