//! Quotas: how much centres for which nobody vouches may take of a node together.
//!
//! Invariant: a quota defers what would be new, an identity log or the first record of a feed,
//! and nothing else: no feed that is carried is cut, and whoever is trusted or accredited does
//! not count.
//! Not here: who counts (`policy`), what is asked for (`session`).
//! Spec: docs/PROTOCOL.md, section 4.7.

use std::collections::{BTreeMap, BTreeSet};

use baraza_record::{CentreId, FeedId};

use crate::{
    net::Peer,
    policy::Rules,
    store::{PAGE_MAX, StoreError, StoreRead},
};

/// Most centres for which nobody vouches whose identity logs are taken from peers, unless
/// `policy.toml` says another number.
pub const STRANGERS_CENTRES_MAX: u64 = 10_000;

/// Most of them that one peer brings in a day, unless `policy.toml` says another number.
pub const NEWCOMERS_PER_DAY: u32 = 50;

/// Which part of the disk they share: a tenth, unless `policy.toml` says a number of bytes.
pub const DISK_PART: u64 = 10;

/// Most peers whose newcomers of a day are counted. Beyond, none are taken of further peers.
pub const NEWCOMERS_PEERS_MAX: usize = 1_000;

/// Most centres, and most feeds, that are remembered as deferred: for the operator, and so that
/// a feed is not asked for again and again.
pub const DEFERRED_MAX: usize = 10_000;

/// By which part of the quota the ledger grows before what strangers take is measured anew.
const MEASURE_PART: u64 = 64;

/// What the operator allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Centres.
    pub centres: u64,
    /// New centres that one peer brings in a day.
    pub new_centres_per_day: u32,
    /// Bytes of the ledger; a tenth of the disk if absent.
    pub bytes: Option<u64>,
}

impl Default for Quotas {
    fn default() -> Self {
        let (centres, new_centres_per_day) = (STRANGERS_CENTRES_MAX, NEWCOMERS_PER_DAY);
        Self { centres, new_centres_per_day, bytes: None }
    }
}

/// How much of the quotas is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaUse {
    /// Centres for which nobody vouches.
    pub centres: u64,
    /// What is allowed.
    pub centres_max: u64,
    /// New ones that one peer brings in a day.
    pub new_centres_per_day: u32,
    /// Bytes that they take at most.
    pub bytes: u64,
    /// What is allowed, if that is known.
    pub bytes_max: Option<u64>,
    /// Centres that are known to be deferred.
    pub deferred_centres: usize,
    /// Feeds that are known to be deferred.
    pub deferred_feeds: usize,
}

/// Counts what strangers take.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    centres: u64,
    /// Length of the ledger when it was measured, and what was theirs of it.
    measured: Option<(u64, u64)>,
    over: bool,
    taken: BTreeMap<Peer, u32>,
    deferred_centres: BTreeSet<CentreId>,
    /// With the centres whose they are.
    deferred_feeds: BTreeMap<FeedId, CentreId>,
}

impl Meter {
    /// Forgets what was deferred and who brought newcomers, and counts anew: rules or the day
    /// have changed.
    pub(crate) fn start(
        &mut self,
        reader: &dyn StoreRead,
        rules: &Rules,
        new_day: bool,
    ) -> Result<(), StoreError> {
        let taken = if new_day { BTreeMap::new() } else { std::mem::take(&mut self.taken) };
        *self = Self { taken, ..Self::default() };
        for_strangers(reader, rules, |_| {
            self.centres += 1;
            Ok(())
        })
    }

    /// Measures what strangers take of the ledger, if it may be too much and has not been
    /// measured lately.
    pub(crate) fn measure(
        &mut self,
        reader: &dyn StoreRead,
        rules: &Rules,
        bytes_max: Option<u64>,
    ) -> Result<(), StoreError> {
        let ledger = reader.counts().ledger_bytes;
        let Some(max) = bytes_max.filter(|max| *max <= self.bytes_at_most(ledger)) else {
            self.over = false;
            return Ok(());
        };
        let grown = self.measured.map(|(at, _)| ledger.saturating_sub(at));
        if grown.is_none_or(|grown| max / MEASURE_PART < grown) {
            let mut bytes = 0;
            for_strangers(reader, rules, |centre| {
                for feed in reader.feeds_of(centre)? {
                    bytes += reader.feed_bytes(&feed)?;
                }
                Ok(())
            })?;
            self.measured = Some((ledger, bytes));
        }
        self.over = max <= self.bytes_at_most(ledger);
        Ok(())
    }

    /// Returns how much of a ledger of this length may be of strangers.
    fn bytes_at_most(&self, ledger: u64) -> u64 {
        match self.measured {
            Some((at, bytes)) => bytes.saturating_add(ledger.saturating_sub(at)).min(ledger),
            None => ledger,
        }
    }

    /// Returns whether anything is deferred now.
    pub(crate) fn defers(&self) -> bool {
        self.over || !self.deferred_centres.is_empty()
    }

    /// Returns whether a new feed of a stranger is deferred while the ledger has this length:
    /// because strangers take too much, or because the log of its centre is.
    pub(crate) fn defers_feed(
        &mut self,
        feed: FeedId,
        centre: &CentreId,
        ledger: u64,
        bytes_max: Option<u64>,
    ) -> bool {
        self.over = bytes_max.is_some_and(|max| max <= self.bytes_at_most(ledger));
        let defers = self.over || self.deferred_centres.contains(centre);
        if !defers {
            self.deferred_feeds.remove(&feed);
        } else if self.deferred_feeds.len() < DEFERRED_MAX {
            self.deferred_feeds.insert(feed, *centre);
        }
        defers
    }

    /// Returns whether this feed was deferred and still would be.
    pub(crate) fn deferred_feed(&self, feed: &FeedId) -> bool {
        let centre = self.deferred_feeds.get(feed);
        centre.is_some_and(|centre| self.over || self.deferred_centres.contains(centre))
    }

    /// Returns how many more newcomers are taken of a peer.
    pub(crate) fn room(&self, peer: &Peer, quotas: &Quotas) -> usize {
        let most = match self.taken.get(peer) {
            None if NEWCOMERS_PEERS_MAX <= self.taken.len() => 0,
            taken => quotas.new_centres_per_day.saturating_sub(taken.copied().unwrap_or_default()),
        };
        let free = quotas.centres.saturating_sub(self.centres);
        usize::try_from(free.min(u64::from(most))).unwrap_or(usize::MAX)
    }

    /// Takes a newcomer of a peer, if there is room.
    pub(crate) fn take(&mut self, peer: Peer, centre: &CentreId, quotas: &Quotas) -> bool {
        if self.room(&peer, quotas) == 0 {
            self.defer_centre(*centre);
            return false;
        }
        self.deferred_centres.remove(centre);
        self.centres += 1;
        *self.taken.entry(peer).or_default() += 1;
        true
    }

    /// Remembers a centre as deferred.
    pub(crate) fn defer_centre(&mut self, centre: CentreId) {
        if self.deferred_centres.len() < DEFERRED_MAX {
            self.deferred_centres.insert(centre);
        }
    }

    /// Returns how much is used while the ledger has this length.
    pub(crate) fn used(&self, quotas: &Quotas, ledger: u64, bytes_max: Option<u64>) -> QuotaUse {
        QuotaUse {
            centres: self.centres,
            centres_max: quotas.centres,
            new_centres_per_day: quotas.new_centres_per_day,
            bytes: self.bytes_at_most(ledger),
            bytes_max,
            deferred_centres: self.deferred_centres.len(),
            deferred_feeds: self.deferred_feeds.len(),
        }
    }
}

/// Calls `each` with the centres whose logs are held and for which nobody vouches.
fn for_strangers(
    reader: &dyn StoreRead,
    rules: &Rules,
    mut each: impl FnMut(&CentreId) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let page = reader.centres(after, PAGE_MAX)?;
        page.iter().filter(|centre| rules.is_stranger(centre)).try_for_each(&mut each)?;
        after = page.last().copied();
        if page.len() < PAGE_MAX {
            return Ok(());
        }
    }
}
