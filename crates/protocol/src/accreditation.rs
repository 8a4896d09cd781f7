//! Accreditation: what the nations that are trusted here say of centres.
//!
//! Invariant: the answer is a function of the objects held and of the nations pinned, never of
//! the order in which they came. Each nation speaks for itself: no statement of one takes away
//! what another gave.
//! Not here: what follows from it (`policy`), who is pinned (`node`).
//! Spec: docs/PROTOCOL.md, section 4.5.

#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use baraza_identity::{Log, Role};
use baraza_reconcile::Head;
use baraza_record::{Audience, CentreId, FeedId, Kind, RecordId, Timestamp, body::Body};
use serde_json::Value;

use crate::{
    effective::{Effective, Standing, View, codes},
    store::{Branch, FeedHead, PAGE_MAX, Place, ShelfName, StoreError, StoreRead},
};

/// Most nations that are not pinned whose statements about one centre are looked up.
///
/// Anybody may make a log that calls itself a nation's. Source: docs/LIMITS.md.
pub const CLAIMS_MAX: usize = 16;

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// A nation that the operator of this node trusts, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Id of the nation's identity log.
    pub nation: CentreId,
    /// ISO 3166-1 alpha-2 code of the country for which it may speak.
    pub country: String,
    /// When it was pinned.
    pub since: Timestamp,
}

/// What a nation says of a centre, the most restrictive last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It vouches for it.
    Accredited,
    /// It does not for the time being.
    Suspended,
    /// It does no longer.
    Withdrawn,
}

/// One statement of a nation about a centre.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The record.
    pub id: RecordId,
    /// Who says it.
    pub nation: CentreId,
    /// For which country that nation's log speaks.
    pub country: String,
    /// Of whom.
    pub centre: CentreId,
    /// What.
    pub status: Status,
    /// Author's time.
    pub since: Timestamp,
    /// For what.
    pub scope: Vec<String>,
    /// Day by which the nation looks at it again.
    pub review_by: Option<String>,
    /// Why.
    pub reason: String,
}

/// Whether a nation that is pinned can be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Its log is held and is that country's.
    Known,
    /// Its log is not held.
    Unknown,
    /// Its log is another country's, or a centre's.
    Other,
}

/// A nation that is pinned, and how old its news is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nation {
    /// The pin.
    pub pin: Pin,
    /// Whether it can be heard.
    pub voice: Voice,
    /// When its latest record arrived here.
    pub news: Option<Timestamp>,
}

/// What the pinned nations say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accreditations {
    nations: Vec<Nation>,
    deciding: BTreeMap<CentreId, Vec<Statement>>,
    /// A body of a statement is not held.
    incomplete: bool,
}

/// Keeps [`Accreditations`] until a pinned nation says something.
#[derive(Debug, Default)]
pub struct Cache(Mutex<Option<(Key, Arc<Accreditations>)>>);

/// What a result depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    epoch: u64,
    pins: Vec<Pin>,
    logs: Vec<Option<Head>>,
    /// End of chain and shelf of every feed.
    feeds: Vec<(FeedId, FeedHead, FeedHead)>,
    /// Set while a body is missing: its arrival moves no head.
    change: Option<u64>,
}

impl Accreditations {
    /// Works out what the nations of `pins` say.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn compute(reader: &dyn StoreRead, pins: &[Pin]) -> Result<Self, StoreError> {
        let mut all = Self::default();
        let mut effective = Effective::new(reader);
        for pin in pins {
            let voice = match role(&mut effective, &pin.nation)? {
                None => Voice::Unknown,
                Some(Role::Nation(code)) if code == pin.country.as_bytes() => Voice::Known,
                Some(_) => Voice::Other,
            };
            let mut nation = Nation { pin: pin.clone(), voice, news: None };
            if voice == Voice::Known {
                let word = Word::read(&mut effective, reader, &pin.nation, &pin.country)?;
                nation.news = word.news;
                all.incomplete |= word.incomplete;
                for statement in word.deciding() {
                    all.deciding.entry(statement.centre).or_default().push(statement);
                }
            }
            all.nations.push(nation);
        }
        Ok(all)
    }

    /// Returns the pinned nations.
    pub fn nations(&self) -> &[Nation] {
        &self.nations
    }

    /// Returns what decides about a centre: at most one statement of each pinned nation.
    pub fn of(&self, centre: &CentreId) -> &[Statement] {
        self.deciding.get(centre).map_or(&[], Vec::as_slice)
    }

    /// Returns a statement by which a pinned nation vouches for the centre, if there is one.
    pub fn accredits(&self, centre: &CentreId) -> Option<&Statement> {
        self.of(centre).iter().find(|statement| statement.status == Status::Accredited)
    }

    /// Returns the centres for which a pinned nation vouches: that of `country`, or any.
    pub fn accredited_by(&self, country: Option<&str>) -> Vec<CentreId> {
        let vouches = |statement: &Statement| {
            statement.status == Status::Accredited
                && country.is_none_or(|country| statement.country == country)
        };
        let vouched = self.deciding.iter().filter(|(_, list)| list.iter().any(vouches));
        vouched.map(|(centre, _)| *centre).collect()
    }

    /// Says in words how a centre stands: what each pinned nation says of it, and whether the
    /// news of a nation that matters to it is older than `stale_days`. `country` is what the
    /// centre states.
    pub fn words(
        &self,
        centre: &CentreId,
        country: Option<&str>,
        stale_days: u64,
        now: Timestamp,
    ) -> String {
        let statements = self.of(centre);
        let today = day(now);
        let mut parts: Vec<_> = statements.iter().map(|one| one.words(&today)).collect();
        if parts.is_empty() {
            parts.push("not accredited".to_owned());
        }
        for nation in &self.nations {
            let speaks = statements.iter().any(|one| one.nation == nation.pin.nation);
            if speaks || country == Some(&nation.pin.country) {
                parts.extend(nation.silence(stale_days, now));
            }
        }
        parts.join("; ")
    }
}

impl Nation {
    /// Says in words that there is no news of the nation, if there is none for more than
    /// `stale_days`; counted from its pinning while nothing came at all.
    pub fn silence(&self, stale_days: u64, now: Timestamp) -> Option<String> {
        let country = &self.pin.country;
        match (self.voice, self.news) {
            (Voice::Other, _) => Some(format!("the key trusted for {country} is another's")),
            (Voice::Unknown, _) | (Voice::Known, None) => {
                let days = now.since(self.pin.since) / DAY_MS;
                let since =
                    if stale_days < days { format!(" for {days} days") } else { " yet".into() };
                Some(format!("no accreditation news from {country}{since}"))
            }
            (Voice::Known, Some(news)) => {
                let days = now.since(news) / DAY_MS;
                let stale = stale_days < days;
                stale.then(|| format!("no accreditation news from {country} for {days} days"))
            }
        }
    }
}

impl Statement {
    /// Says the statement in words; `today` as `2026-02-28`.
    pub fn words(&self, today: &str) -> String {
        let (status, country, since) = (self.status, &self.country, day(self.since));
        let late = self
            .review_by
            .as_ref()
            .filter(|review| self.status == Status::Accredited && review.as_str() < today);
        let late = late.map(|review| format!(" (its review was due by {review})"));
        let words = match status {
            Status::Withdrawn => format!("accreditation withdrawn by {country} since {since}"),
            Status::Accredited | Status::Suspended => {
                format!("{status} by {country} since {since}")
            }
        };
        words + &late.unwrap_or_default()
    }

    fn read(view: &View, nation: &CentreId, country: &str) -> Option<(Self, Vec<RecordId>)> {
        let body = view.body.as_ref()?;
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let statement = Self {
            id: view.entry.id,
            nation: *nation,
            country: country.to_owned(),
            centre: text("centre")?.parse().ok()?,
            status: Status::from_name(text("status")?)?,
            since: view.record.header().created_ms,
            scope: codes(body, "scope"),
            review_by: text("review_by").map(str::to_owned),
            reason: text("reason").unwrap_or_default().to_owned(),
        };
        Some((statement, replaced(body)))
    }
}

impl Status {
    const NAMES: [(Self, &str); 3] = [
        (Self::Accredited, "accredited"),
        (Self::Suspended, "suspended"),
        (Self::Withdrawn, "withdrawn"),
    ];

    /// Returns the status that a body calls by this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(status, _)| *status)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, name) = Self::NAMES[*self as usize];
        f.write_str(name)
    }
}

impl Cache {
    /// Returns what the nations of `pins` say, worked out anew only if it may have changed.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn get(
        &self,
        reader: &dyn StoreRead,
        pins: &[Pin],
    ) -> Result<Arc<Accreditations>, StoreError> {
        // Read before the records: what changes meanwhile is looked at again the next time.
        let change = reader.last_change();
        let key = Key::read(reader, pins)?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, result)) = &*kept {
            let as_before = known.change.is_none_or(|known| known == change);
            if as_before && (Key { change: known.change, ..key.clone() }) == *known {
                return Ok(Arc::clone(result));
            }
        }
        let result = Arc::new(Accreditations::compute(reader, pins)?);
        let change = result.incomplete.then_some(change);
        *kept = Some((Key { change, ..key }, Arc::clone(&result)));
        Ok(result)
    }
}

impl Key {
    fn read(reader: &dyn StoreRead, pins: &[Pin]) -> Result<Self, StoreError> {
        let identities = reader.shelf(ShelfName::Identities);
        let (mut logs, mut feeds) = (Vec::new(), Vec::new());
        for pin in pins {
            for feed in reader.feeds_of(&pin.nation)? {
                let state = reader.feed(&feed)?;
                feeds.extend(state.map(|state| (feed, state.chain, state.shelf)));
            }
            logs.push(identities.get(&pin.nation.0).copied());
        }
        Ok(Self { epoch: reader.epoch(), pins: pins.to_vec(), logs, feeds, change: None })
    }
}

/// What one nation says, pinned or not.
#[derive(Debug, Default)]
pub struct Word {
    /// Its statements that no other one of it replaces, in the order of their ids.
    pub standing: Vec<Statement>,
    news: Option<Timestamp>,
    incomplete: bool,
}

impl Word {
    /// Reads the statements of a nation whose log is held. `country` is what its log says.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn read(
        effective: &mut Effective<'_>,
        reader: &dyn StoreRead,
        nation: &CentreId,
        country: &str,
    ) -> Result<Self, StoreError> {
        let (mut word, mut replaced) = (Self::default(), BTreeSet::new());
        for feed in reader.feeds_of(nation)? {
            let public = |state: &crate::store::FeedState| state.audience == Audience::Public;
            let Some(state) = reader.feed(&feed)?.filter(public) else { continue };
            for seq in 1..=state.shelf.seq {
                let place = Place { feed, seq, branch: Branch::Main };
                let Some(entry) = reader.entry(&place)? else { continue };
                word.news = word.news.max(Some(entry.arrived_ms));
                if entry.kind != Kind::ACCREDITATION {
                    continue;
                }
                let Some(view) = effective.view(&place)? else { continue };
                word.incomplete |= view.standing == Standing::BodyMissing;
                // `replaces` says which statement follows which; a series says nothing here.
                let counts = matches!(view.standing, Standing::Current | Standing::Superseded);
                if !counts || !view.problems.is_empty() {
                    continue;
                }
                if let Some((statement, others)) = Statement::read(&view, nation, country) {
                    replaced.extend(others.into_iter().filter(|other| *other != statement.id));
                    word.standing.push(statement);
                }
            }
        }
        word.standing.retain(|statement| !replaced.contains(&statement.id));
        word.standing.sort_unstable_by_key(|statement| statement.id);
        Ok(word)
    }

    /// Returns for each centre the statement that decides: the most restrictive one and, among
    /// equals, the latest.
    fn deciding(self) -> impl Iterator<Item = Statement> {
        let mut deciding: BTreeMap<CentreId, Statement> = BTreeMap::new();
        let weight = |one: &Statement| (one.status, one.since, one.id);
        for statement in self.standing {
            let known = deciding.get(&statement.centre);
            if known.is_none_or(|known| weight(known) < weight(&statement)) {
                deciding.insert(statement.centre, statement);
            }
        }
        deciding.into_values()
    }
}

/// Returns what nations that are not among `pins` say of a centre, the first [`CLAIMS_MAX`].
///
/// # Errors
///
/// [`StoreError`].
pub fn claims(
    reader: &dyn StoreRead,
    pins: &[Pin],
    centre: &CentreId,
) -> Result<Vec<Statement>, StoreError> {
    let mut effective = Effective::new(reader);
    let (mut found, mut asked, mut after) = (Vec::new(), 0, None);
    loop {
        let page = reader.centres(after, PAGE_MAX)?;
        for id in &page {
            if pins.iter().any(|pin| pin.nation == *id) {
                continue;
            }
            let country = effective.log(id)?.and_then(country_of);
            let Some(country) = country else { continue };
            let word = Word::read(&mut effective, reader, id, &country)?;
            found.extend(word.deciding().filter(|statement| statement.centre == *centre));
            asked += 1;
            if asked == CLAIMS_MAX {
                return Ok(found);
            }
        }
        after = page.last().copied();
        if page.len() < PAGE_MAX {
            return Ok(found);
        }
    }
}

/// Returns for which country a log may speak, if it is a nation's.
pub fn country_of(log: &Log) -> Option<String> {
    match &log.state().role {
        Role::Nation(code) => Some(String::from_utf8_lossy(code).into_owned()),
        Role::Centre | Role::Network => None,
    }
}

/// Returns the role of a log, if it is held.
fn role(effective: &mut Effective<'_>, id: &CentreId) -> Result<Option<Role>, StoreError> {
    Ok(effective.log(id)?.map(|log| log.state().role.clone()))
}

fn replaced(body: &Body) -> Vec<RecordId> {
    codes(body, "replaces").iter().filter_map(|id| id.parse().ok()).collect()
}

/// Returns a time as the day in UTC: `2026-02-28`.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
pub fn day(time: Timestamp) -> String {
    let days = time.0 / DAY_MS + 719_468; // from 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    format!("{:04}-{month:02}-{day:02}", year_of_era + era * 400 + u64::from(month <= 2))
}
