//! Which parts of which files are asked of whom: a state machine of its own.
//!
//! Several peers give parts of one file at once, each as much at a time as its line bears. A peer
//! that does not have a file, does not answer or lies is left alone for a while, and no other
//! waits for it.
//! Invariant: a part that is under way is asked of nobody else; every list is bounded.
//! Not here: who may be asked (`service`), bytes (`Store`), proofs (`baraza_record::attachment`).
//! Spec: docs/PROTOCOL.md, section 6.8.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use baraza_record::{
    FileHash, Timestamp,
    attachment::{self, VerifiedPart},
};

use crate::{
    net::{Peer, RequestId},
    store::HeldFile,
};

use super::WantRow;

/// Most groups that one request asks for (256 KiB): as much as a batch of records.
pub const COUNT_MAX: u8 = 16;

/// Groups that the first request to a peer asks for (64 KiB): 8 s at 64 kbit/s.
const COUNT_START: u8 = 4;

/// An answer that takes less has the next request ask for twice as much (5 s).
const FAST_MS: u64 = 5_000;

/// An answer that takes more has the next request ask for half (20 s): a cut costs it all.
const SLOW_MS: u64 = 20_000;

/// Requests under way with one peer: one travels while the other is answered.
pub const IN_FLIGHT_PER_PEER_MAX: usize = 2;

/// Requests under way in all.
pub const IN_FLIGHT_MAX: usize = 8;

/// Most files that are wanted at once.
pub const WANTS_MAX: usize = 10_000;

/// Wanted files of which it is asked for one request whether the peer may have them.
const LOOKED_AT_MAX: usize = 1_000;

/// Wait before a peer that does not have a file is asked for it again (1 min); doubled each time.
const LACKS_MS: u64 = 60_000;

/// Longest such wait (1 h).
pub const LACKS_MAX_MS: u64 = 3_600_000;

/// Wait after a request that failed (5 s); doubled for each further one, up to 5 min.
const FAILED_MS: u64 = 5_000;
const FAILED_MAX_MS: u64 = 300_000;

/// Time after which an answer is given up (11 min): the network gives up before that.
const STALLED_MS: u64 = 11 * 60_000;

/// Most files of which a peer is remembered to lack them.
const LACKED_MAX: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Missing,
    UnderWay,
    Held,
}

#[derive(Debug)]
struct Want {
    row: WantRow,
    groups: Vec<Group>,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    peer: Peer,
    hash: FileHash,
    from: u32,
    count: u8,
    sent: Timestamp,
}

#[derive(Debug)]
struct Source {
    count: u8,
    failures: u32,
    again_at: Timestamp,
    /// Files that it does not have: until when, and how often it said so.
    lacks: BTreeMap<FileHash, (Timestamp, u32)>,
}

impl Default for Source {
    fn default() -> Self {
        let again_at = Timestamp::default();
        Self { count: COUNT_START, failures: 0, again_at, lacks: BTreeMap::new() }
    }
}

impl Source {
    fn lacks(&mut self, hash: FileHash, now: Timestamp) {
        if self.lacks.len() < LACKED_MAX || self.lacks.contains_key(&hash) {
            let (until, times) = self.lacks.entry(hash).or_default();
            *until = now.plus_ms((LACKS_MS << (*times).min(8)).min(LACKS_MAX_MS));
            *times = times.saturating_add(1);
        }
    }

    fn failed(&mut self, now: Timestamp) {
        self.again_at = now.plus_ms((FAILED_MS << self.failures.min(8)).min(FAILED_MAX_MS));
        self.failures = self.failures.saturating_add(1);
        self.count = (self.count / 2).max(1);
    }
}

/// A part to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Of which file.
    pub hash: FileHash,
    /// Why it is wanted.
    pub row: WantRow,
    /// First group.
    pub from: u32,
    /// How many.
    pub count: u8,
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The part is of a file that is wanted: to be kept.
    Part,
    /// There is nothing to keep.
    Nothing,
    /// It is not what was asked for: an offence.
    Offence,
}

/// What is wanted, and what is under way.
#[derive(Debug, Default)]
pub struct Fetcher {
    wants: BTreeMap<FileHash, Want>,
    /// Lengths of all wanted files together.
    bytes: u64,
    /// What people asked for first, then by time.
    order: BTreeSet<(bool, Timestamp, FileHash)>,
    flights: BTreeMap<RequestId, Flight>,
    sources: BTreeMap<Peer, Source>,
}

impl Fetcher {
    /// Wants a file of which this much is held. Returns false if too many are wanted already.
    pub fn want(&mut self, hash: FileHash, row: WantRow, held: Option<&HeldFile>) -> bool {
        self.forget(&hash);
        if WANTS_MAX <= self.wants.len() {
            return false;
        }
        let held = held.and_then(|held| held.groups.as_ref());
        let is_held = |group: u32| held.is_some_and(|held| held.get(group as usize) == Some(&true));
        let state = |group| if is_held(group) { Group::Held } else { Group::Missing };
        let groups = (0..attachment::groups(row.bytes)).map(state).collect();
        // Somebody may have asked because the others were not there before.
        for source in self.sources.values_mut() {
            source.lacks.remove(&hash);
        }
        self.order.insert((!row.asked, row.since_ms, hash));
        self.bytes = self.bytes.saturating_add(row.bytes);
        self.wants.insert(hash, Want { row, groups });
        true
    }

    /// Wants a file no longer. Returns whether it was wanted.
    pub fn forget(&mut self, hash: &FileHash) -> bool {
        let Some(want) = self.wants.remove(hash) else { return false };
        self.bytes = self.bytes.saturating_sub(want.row.bytes);
        self.order.remove(&(!want.row.asked, want.row.since_ms, *hash));
        true
    }

    /// Returns whether a file is wanted.
    pub fn wants(&self, hash: &FileHash) -> bool {
        self.wants.contains_key(hash)
    }

    /// Returns how many files are wanted, and how many bytes of them are to come.
    pub fn totals(&self) -> (usize, u64) {
        let missing = |want: &Want| {
            let lacking = want.groups.iter().filter(|group| **group != Group::Held).count();
            (lacking as u64 * attachment::GROUP_BYTES as u64).min(want.row.bytes)
        };
        (self.wants.len(), self.wants.values().map(missing).sum())
    }

    /// Returns the lengths of all wanted files but this one together.
    pub fn bytes_beside(&self, hash: &FileHash) -> u64 {
        self.bytes.saturating_sub(self.wants.get(hash).map_or(0, |want| want.row.bytes))
    }

    /// Returns a part to ask `peer` for, if there is one that it `may` be asked for. Follow it
    /// with [`sent`](Self::sent).
    pub fn next(
        &self,
        peer: &Peer,
        now: Timestamp,
        mut may: impl FnMut(&WantRow) -> bool,
    ) -> Option<Ask> {
        let with_peer = self.flights.values().filter(|flight| flight.peer == *peer).count();
        let source = self.sources.get(peer);
        if IN_FLIGHT_MAX <= self.flights.len()
            || IN_FLIGHT_PER_PEER_MAX <= with_peer
            || source.is_some_and(|source| now < source.again_at)
        {
            return None;
        }
        let at_once = source.map_or(COUNT_START, |source| source.count);
        let may_have = |hash: &&FileHash| {
            let lacks = source.and_then(|source| source.lacks.get(*hash));
            lacks.is_none_or(|(until, _)| *until <= now)
        };
        let candidates = self.order.iter().map(|(_, _, hash)| hash).filter(may_have);
        for hash in candidates.take(LOOKED_AT_MAX) {
            let Some(want) = self.wants.get(hash).filter(|want| may(&want.row)) else { continue };
            let Some(from) = want.groups.iter().position(|group| *group == Group::Missing) else {
                continue;
            };
            let run = want.groups[from..].iter().take(at_once.into());
            let count = run.take_while(|group| **group == Group::Missing).count();
            let (from, count) = (from as u32, count as u8);
            return Some(Ask { hash: *hash, row: want.row, from, count });
        }
        None
    }

    /// Notes that a part was asked for.
    pub fn sent(&mut self, request: RequestId, peer: Peer, ask: &Ask, now: Timestamp) {
        let Ask { hash, from, count, .. } = *ask;
        let flight = Flight { peer, hash, from, count, sent: now };
        self.mark(&flight, Group::Missing, Group::UnderWay);
        self.flights.insert(request, flight);
    }

    /// Returns whether an answer of `peer` is waited for here.
    pub fn awaits(&self, peer: &Peer, request: RequestId) -> bool {
        self.flights.get(&request).is_some_and(|flight| flight.peer == *peer)
    }

    /// Takes an answer: a part, or that the peer does not have it.
    pub fn answered(
        &mut self,
        request: RequestId,
        part: Option<&VerifiedPart>,
        now: Timestamp,
    ) -> Taken {
        let Some(flight) = self.land(request) else { return Taken::Nothing };
        let Some(part) = part else {
            self.sources.entry(flight.peer).or_default().lacks(flight.hash, now);
            return Taken::Nothing;
        };
        let row = self.wants.get(&flight.hash).map(|want| want.row);
        let range = part.range();
        let is_asked = part.hash() == flight.hash
            && range.start == flight.from
            && range.end - range.start <= flight.count.into()
            && row.is_none_or(|row| row.bytes == part.bytes());
        if !is_asked {
            self.lied(&flight, now);
            return Taken::Offence;
        }
        let source = self.sources.entry(flight.peer).or_default();
        (source.failures, source.again_at) = (0, now);
        source.lacks.remove(&flight.hash);
        match now.since(flight.sent) {
            took if took <= FAST_MS && flight.count == source.count => {
                source.count = (2 * source.count).min(COUNT_MAX);
            }
            took if SLOW_MS < took => source.count = (source.count / 2).max(1),
            _ => (),
        }
        if row.is_none() {
            return Taken::Nothing;
        }
        let count = (range.end - range.start) as u8;
        self.mark(&Flight { count, ..flight }, Group::Missing, Group::Held);
        Taken::Part
    }

    /// Notes that a part which was taken could not be kept.
    pub fn not_kept(&mut self, part: &VerifiedPart) {
        if let Some(want) = self.wants.get_mut(&part.hash()) {
            let range = part.range();
            let groups = want.groups.get_mut(range.start as usize..range.end as usize);
            groups.into_iter().flatten().for_each(|group| *group = Group::Missing);
        }
    }

    /// Takes an answer that is none: it does not decode, or does not match its proof.
    pub fn violated(&mut self, request: RequestId, now: Timestamp) {
        if let Some(flight) = self.land(request) {
            self.lied(&flight, now);
        }
    }

    /// Takes an answer that the peer is busy, or that there is none.
    pub fn failed(&mut self, request: RequestId, now: Timestamp) {
        if let Some(flight) = self.land(request) {
            self.sources.entry(flight.peer).or_default().failed(now);
        }
    }

    /// Takes an answer that the peer gives nothing before a time.
    pub fn later(&mut self, request: RequestId, until: Timestamp) {
        if let Some(flight) = self.land(request) {
            self.sources.entry(flight.peer).or_default().again_at = until;
        }
    }

    /// Returns whether a peer was asked for something that people here asked for.
    pub fn is_asked_for(&self, peer: &Peer) -> bool {
        let asked = |hash| self.wants.get(hash).is_some_and(|want| want.row.asked);
        self.flights.values().any(|flight| flight.peer == *peer && asked(&flight.hash))
    }

    /// Gives up what a peer that left was asked for.
    pub fn left(&mut self, peer: &Peer) {
        let of = self.flights.iter().filter(|(_, flight)| flight.peer == *peer);
        let of: Vec<_> = of.map(|(request, _)| *request).collect();
        for request in of {
            self.land(request);
        }
        if let Some(source) = self.sources.get_mut(peer) {
            // Whoever comes back may have been at a better line, or have got more.
            let count = (source.count / 2).max(1);
            *source = Source { count, ..Source::default() };
        }
    }

    /// Forgets peers that are not connected, and answers that never came.
    pub fn tidy(&mut self, now: Timestamp, connected: impl Fn(&Peer) -> bool) {
        let late = self.flights.iter().filter(|(_, flight)| STALLED_MS <= now.since(flight.sent));
        let late: Vec<_> = late.map(|(request, _)| *request).collect();
        late.into_iter().for_each(|request| self.failed(request, now));
        self.sources.retain(|peer, _| connected(peer));
    }

    /// Gives up all that is under way: the requests never left.
    pub fn reset(&mut self) {
        let all: Vec<_> = self.flights.keys().copied().collect();
        for request in all {
            self.land(request);
        }
    }

    fn lied(&mut self, flight: &Flight, now: Timestamp) {
        let source = self.sources.entry(flight.peer).or_default();
        source.failed(now);
        source.lacks.insert(flight.hash, (now.plus_ms(LACKS_MAX_MS), 8));
    }

    /// Takes a request off those under way; what it asked for is missing again.
    fn land(&mut self, request: RequestId) -> Option<Flight> {
        let flight = self.flights.remove(&request)?;
        self.mark(&flight, Group::UnderWay, Group::Missing);
        Some(flight)
    }

    fn mark(&mut self, flight: &Flight, before: Group, after: Group) {
        if let Some(want) = self.wants.get_mut(&flight.hash) {
            let (from, count) = (flight.from as usize, usize::from(flight.count));
            let groups = want.groups.iter_mut().skip(from).take(count);
            groups.filter(|group| **group == before).for_each(|group| *group = after);
        }
    }
}
