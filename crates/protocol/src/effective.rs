//! What an admitted record is worth: whether people are shown it, and what search has of it.
//!
//! Invariant: the answer is a function of the objects held, never of the order in which they
//! came, and it never changes a record's place in its feed or on a shelf.
//! Not here: admission (`ingest`), dates such as an embargo, what policy says (`policy`).
//! Spec: docs/PROTOCOL.md, section 4.5.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use baraza_identity::{Capabilities, Log};
use baraza_record::{
    Audience, CentreId, Kind, RecordId, SignedRecord, Timestamp,
    body::{self, Body, FieldSpec, Problem, Reach, ValueKind},
    language::canonical_language,
    vocab,
};
use serde_json::Value;

use crate::{
    erasure::{self, Erasure},
    index::IndexDoc,
    ingest::log_of,
    policy::Rules,
    store::{BodyState, Branch, Entry, FeedState, Place, StoreError, StoreRead},
    stream::place_of,
};

/// Most versions of one record that are compared. What comes after them, in the order of
/// feed and position, is superseded at once.
///
/// Every new version costs a look at all others, so their number must have a limit.
/// Source: docs/LIMITS.md.
pub const VERSIONS_MAX: usize = 1_000;

/// What a record is worth here, the strongest reason first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This node's operator blocks it or its centre: it is shown nowhere.
    Blocked,
    /// Nobody whom this node trusts vouches for its centre, and such records are not shown.
    Quarantined,
    /// Evidence: its feed forks at or before it.
    Forked,
    /// Its chain is not whole, or its signer is not known to be allowed to write it.
    Held,
    /// Its publisher retracted it.
    Retracted,
    /// A later version by the same centre for the same audience is in force.
    Superseded,
    /// Its body is not held.
    BodyMissing,
    /// Its body breaks a rule of its kind, or its kind is not known here.
    Unreadable,
    /// None of these: it is shown.
    Current,
}

/// A record with what it is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Where it stands.
    pub place: Place,
    /// Facts about it.
    pub entry: Entry,
    /// The record.
    pub record: SignedRecord,
    /// What it is worth.
    pub standing: Standing,
    /// The retraction in force, whatever the standing.
    pub retracted_by: Option<RecordId>,
    /// The erasure in force: the body is hidden at once, wherever it still is.
    pub erasure: Option<Erasure>,
    /// Its body, if that is held, is a JSON object and is not to be erased.
    pub body: Option<Body>,
    /// What is wrong with the body.
    pub problems: Vec<Problem>,
}

/// A version of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Which record.
    pub id: RecordId,
    /// Where it stands.
    pub place: Place,
    /// Author's time.
    pub created_ms: Timestamp,
    /// The version that it says it replaces, if its body is held.
    pub supersedes: Option<RecordId>,
}

/// What an index does to follow a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexAction {
    /// Have this document, in place of an earlier one of the record.
    Put(Box<IndexDoc>),
    /// Have none of this record.
    Remove(RecordId),
}

/// Judges records of one store. Make a new one for every request or batch: it remembers
/// the identity logs that it has verified.
pub struct Effective<'a> {
    reader: &'a dyn StoreRead,
    logs: BTreeMap<CentreId, Option<Log>>,
    rules: Option<&'a Rules>,
}

impl<'a> Effective<'a> {
    /// Judges what `reader` sees.
    pub fn new(reader: &'a dyn StoreRead) -> Self {
        Self { reader, logs: BTreeMap::new(), rules: None }
    }

    /// Judges what `reader` sees as this node's policy wants it shown.
    pub fn under(reader: &'a dyn StoreRead, rules: &'a Rules) -> Self {
        Self { rules: Some(rules), ..Self::new(reader) }
    }

    /// Returns the policy, if it judges by one.
    pub fn rules(&self) -> Option<&'a Rules> {
        self.rules
    }

    /// Returns the identity log of a centre, if one is held.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn log(&mut self, centre: &CentreId) -> Result<Option<&Log>, StoreError> {
        if !self.logs.contains_key(centre) {
            self.logs.insert(*centre, log_of(self.reader, centre)?);
        }
        Ok(self.logs.get(centre).and_then(Option::as_ref))
    }

    /// Returns the record at `place` and what it is worth; none if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn view(&mut self, place: &Place) -> Result<Option<View>, StoreError> {
        let reader = self.reader;
        let (Some(entry), Some(record), Some(feed)) =
            (reader.entry(place)?, reader.record(place)?, reader.feed(&place.feed)?)
        else {
            return Ok(None);
        };
        let retracted_by = self.retraction(&record)?;
        let erasure = match retracted_by {
            Some(_) => erasure::of(reader, &entry.id, &record.header().centre)?,
            None => None,
        };
        let record = if erasure.is_some() { record.without_payload() } else { record };
        let (body, problems) = read_body(&record);
        let forked = place.branch == Branch::Other || feed.fork.is_some_and(|at| at <= place.seq);
        let hidden = self.rules.and_then(|rules| rules.hides(&feed.centre, &entry.id));
        let standing = if let Some(hidden) = hidden {
            hidden
        } else if forked {
            Standing::Forked
        } else if !feed.admits(place) || !self.may_write(&record)? {
            Standing::Held
        } else if retracted_by.is_some() {
            Standing::Retracted
        } else if self.is_superseded(&record)? {
            Standing::Superseded
        } else if entry.body != BodyState::Present {
            Standing::BodyMissing
        } else if !problems.is_empty() {
            Standing::Unreadable
        } else {
            Standing::Current
        };
        let place = *place;
        Ok(Some(View { place, entry, record, standing, retracted_by, erasure, body, problems }))
    }

    /// Returns the versions in force of the series that `record` belongs to: the first version
    /// first, then by author's time and id. The last one is the one that counts.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn versions(&mut self, record: &SignedRecord) -> Result<Vec<Version>, StoreError> {
        let header = record.header();
        if header.kind == Kind::RETRACTION {
            return Ok(Vec::new());
        }
        let first = header.series.unwrap_or(record.id());
        let mut places = self.reader.series(&first)?;
        places.sort_unstable();
        places.splice(..0, place_of(self.reader, &first)?);
        let mut versions = Vec::new();
        for place in places {
            let series_of = |feed: &FeedState| {
                feed.admits(&place)
                    && (feed.centre, &feed.audience) == (header.centre, &header.audience)
            };
            if versions.len() == VERSIONS_MAX {
                break;
            }
            if !self.reader.feed(&place.feed)?.as_ref().is_some_and(series_of) {
                continue;
            }
            let Some(other) = self.reader.record(&place)? else { continue };
            if other.header().kind != Kind::RETRACTION && self.may_write(&other)? {
                let created_ms = other.header().created_ms;
                let supersedes = supersedes(&other);
                versions.push(Version { id: other.id(), place, created_ms, supersedes });
            }
        }
        // A first version never replaces another one, whatever its author's clock said.
        versions
            .sort_unstable_by_key(|version| (version.id != first, version.created_ms, version.id));
        Ok(versions)
    }

    /// Returns what an index must do after a change of the record at `place`: for the record,
    /// for the other versions of it, and for what it retracts.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn index_actions(&mut self, place: &Place) -> Result<Vec<IndexAction>, StoreError> {
        let Some(view) = self.view(place)? else { return Ok(Vec::new()) };
        let mut actions = vec![action(&view)];
        let versions = self.versions(&view.record)?;
        let latest = versions.last().map(|version| version.id);
        for version in versions.iter().filter(|version| version.id != view.entry.id) {
            match Some(version.id) == latest {
                true => actions.extend(self.view(&version.place)?.as_ref().map(action)),
                false => actions.push(IndexAction::Remove(version.id)),
            }
        }
        if let (Kind::RETRACTION, Some(target)) = (view.entry.kind, view.record.header().target)
            && let Some(place) = place_of(self.reader, &target)?
        {
            actions.extend(self.view(&place)?.as_ref().map(action));
        }
        Ok(actions)
    }

    /// Returns the earliest retraction in force of `record`. A retraction has none.
    fn retraction(&mut self, record: &SignedRecord) -> Result<Option<RecordId>, StoreError> {
        let header = record.header();
        if header.kind == Kind::RETRACTION {
            return Ok(None);
        }
        let mut earliest = None;
        for place in self.reader.targeting(&record.id())? {
            // Anybody may name a target; the feed says whose word it is before anything is read.
            let ours = |feed: &FeedState| feed.admits(&place) && feed.centre == header.centre;
            if !self.reader.feed(&place.feed)?.as_ref().is_some_and(ours) {
                continue;
            }
            let Some(other) = self.reader.record(&place)? else { continue };
            if other.header().kind == Kind::RETRACTION && self.may_write(&other)? {
                let found = (other.header().created_ms, other.id());
                earliest = Some(earliest.map_or(found, |known| found.min(known)));
            }
        }
        Ok(earliest.map(|(_, id)| id))
    }

    fn is_superseded(&mut self, record: &SignedRecord) -> Result<bool, StoreError> {
        let header = record.header();
        // Most records have one version: two look-ups settle them.
        let alone = header.series.is_none() && self.reader.series(&record.id())?.is_empty();
        if alone || header.kind == Kind::RETRACTION {
            return Ok(false);
        }
        Ok(self.versions(record)?.last().is_none_or(|latest| latest.id != record.id()))
    }

    /// Returns whether the centre's log gives the signer the right to write such a record.
    fn may_write(&mut self, record: &SignedRecord) -> Result<bool, StoreError> {
        let header = record.header();
        let log = self.log(&header.centre)?;
        let given = log.and_then(|log| log.capabilities(&header.signer, &header.identity_head));
        Ok(given.is_some_and(|given| given.has(needed(header.kind))))
    }
}

/// Returns what a key must be allowed to write a record of this kind.
pub fn needed(kind: Kind) -> Capabilities {
    match kind {
        Kind::RETRACTION => Capabilities::RETRACT,
        Kind::ACCREDITATION => Capabilities::ACCREDIT,
        _ => Capabilities::PUBLISH,
    }
}

/// Returns the versions that were written beside each other: they replace the same one, and
/// none of them knows of the others.
pub fn concurrent(versions: &[Version]) -> Vec<RecordId> {
    let mut siblings: BTreeMap<RecordId, Vec<RecordId>> = BTreeMap::new();
    for version in versions {
        if let Some(earlier) = version.supersedes {
            siblings.entry(earlier).or_default().push(version.id);
        }
    }
    siblings.into_values().filter(|group| 1 < group.len()).flatten().collect()
}

/// Returns the record that a body says it replaces.
fn supersedes(record: &SignedRecord) -> Option<RecordId> {
    let body = body::parse_body(&record.payload()?.body).ok()?;
    let links = body.get("links")?.as_array()?;
    let link = links.iter().find(|link| link.get("rel") == Some(&"supersedes".into()))?;
    link.get("target")?.as_str()?.parse().ok()
}

/// Returns the title of a body: one line, empty if there is none.
pub fn title(body: &Body) -> &str {
    body.get("title").and_then(Value::as_str).unwrap_or_default()
}

/// Returns the text of a body that people would look for, without its title: a section a line.
pub fn text(kind: Kind, body: &Body) -> String {
    let mut sections = Vec::new();
    for field in body::fields(kind).unwrap_or_default().iter().filter(|field| field.name != "title")
    {
        collect(field, body, &mut sections);
    }
    sections.join("\n")
}

fn collect<'b>(field: &FieldSpec, object: &'b Body, sections: &mut Vec<&'b str>) {
    let Some(value) = object.get(field.name) else { return };
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    match field.value.item() {
        ValueKind::Line | ValueKind::Text => {
            sections.extend(items.iter().filter_map(Value::as_str))
        }
        ValueKind::Object(fields) => {
            for inner in items.iter().filter_map(Value::as_object) {
                fields.iter().for_each(|field| collect(field, inner, sections));
            }
        }
        _ => (),
    }
}

fn read_body(record: &SignedRecord) -> (Option<Body>, Vec<Problem>) {
    let kind = record.header().kind;
    let Some(payload) = record.payload() else { return (None, Vec::new()) };
    match body::parse_body(&payload.body) {
        Err(error) => (None, vec![problem("", error.to_string(), String::new())]),
        Ok(body) if kind.name().is_none() => (
            Some(body),
            vec![problem("kind", "is not known to this node".into(), kind.to_string())],
        ),
        Ok(body) => {
            let reach = match record.header().audience {
                Audience::Public => Reach::Public,
                Audience::Network(..) | Audience::Centres(..) => Reach::Limited,
            };
            let problems = body::validate_for(kind, &body, reach);
            (Some(body), problems)
        }
    }
}

fn problem(field: &str, rule: String, value: String) -> Problem {
    Problem { field: field.into(), rule, value }
}

fn action(view: &View) -> IndexAction {
    match &view.body {
        Some(body) if view.standing == Standing::Current && view.entry.kind.is_content() => {
            IndexAction::Put(Box::new(document(view, body)))
        }
        _ => IndexAction::Remove(view.entry.id),
    }
}

fn document(view: &View, body: &Body) -> IndexDoc {
    let header = view.record.header();
    let countries = codes(body, "countries");
    let mut regions = codes(body, "regions");
    let around = countries.iter().flat_map(|country| vocab::regions_of(country));
    regions.extend(around.map(str::to_owned));
    regions.sort_unstable();
    regions.dedup();
    let sdg = codes(body, "sdg").into_iter().filter_map(|code| vocab::parse_sdg(&code).ok());
    IndexDoc {
        id: view.entry.id,
        kind: header.kind,
        centre: header.centre,
        language: canonical_language(&header.language).unwrap_or_else(|_| header.language.clone()),
        goals: header.goals,
        targets: sdg.filter_map(|sdg| sdg.target).map(str::to_owned).collect(),
        countries,
        regions,
        created_ms: header.created_ms,
        title: title(body).to_owned(),
        text: text(header.kind, body),
    }
}

/// Returns the texts of the list `name` of a body.
pub fn codes(body: &Body, name: &str) -> Vec<String> {
    let items = body.get(name).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}
