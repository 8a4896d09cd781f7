//! Have-files: what this site has, for another one that never meets it.
//!
//! Invariant: of what is not for everybody it tells only what the one may have for whom it is
//! made; the wanted bodies are those that catch-up would ask for.
//! Not here: the first and the last frame, which whoever writes the file adds.
//! Spec: docs/PROTOCOL.md, section 8.5.

use std::{fmt, str::FromStr};

use baraza_record::{
    CentreId, FeedId, RecordId,
    exchange::{HAVE_HEADS_MAX, Head, Note},
};

use crate::{
    entitle::Entitlement,
    ingest,
    policy::Rules,
    store::{Place, StoreError, StoreRead},
    stream, want,
};

use super::{BadCursor, shelves::Shelves};

/// Where the next part of a have-file starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HaveCursor {
    /// With the logs behind this centre's.
    Logs(Option<CentreId>),
    /// With the feeds behind this one.
    Feeds(Option<FeedId>),
    /// With the wanted bodies behind this record's.
    Bodies(Option<RecordId>),
}

impl HaveCursor {
    /// Where a have-file starts.
    pub const START: Self = Self::Logs(None);
}

/// Returns the next part of what this site has, as far as whoever is `entitled` may know, and
/// where the part after it starts. A part may be empty although others follow.
///
/// # Errors
///
/// [`StoreError`].
pub fn have(
    reader: &dyn StoreRead,
    rules: &Rules,
    entitled: &Entitlement,
    at: HaveCursor,
) -> Result<(Note, Option<HaveCursor>), StoreError> {
    let shelves = || Shelves::of(reader, entitled);
    Ok(match at {
        HaveCursor::Logs(after) => {
            let shelves = shelves()?;
            let heads = heads(after.map(|id| id.0), |after| shelves.next_log(after));
            let next = match heads.last().filter(|_| heads.len() == HAVE_HEADS_MAX) {
                Some(last) => HaveCursor::Logs(Some(CentreId(last.key))),
                None => HaveCursor::Feeds(None),
            };
            (Note::Logs(heads), Some(next))
        }
        HaveCursor::Feeds(after) => {
            let shelves = shelves()?;
            let heads = heads(after.map(|id| id.0), |after| shelves.next_feed(after));
            let next = match heads.last().filter(|_| heads.len() == HAVE_HEADS_MAX) {
                Some(last) => HaveCursor::Feeds(Some(FeedId(last.key))),
                None => HaveCursor::Bodies(None),
            };
            (Note::Feeds(heads), Some(next))
        }
        HaveCursor::Bodies(after) => bodies(reader, rules, entitled, after.as_ref())?,
    })
}

fn heads(
    mut after: Option<[u8; 32]>,
    next: impl Fn(Option<&[u8; 32]>) -> Option<([u8; 32], Head)>,
) -> Vec<Head> {
    let mut heads = Vec::new();
    while heads.len() < HAVE_HEADS_MAX {
        let Some((key, head)) = next(after.as_ref()) else { break };
        heads.push(head);
        after = Some(key);
    }
    heads
}

fn bodies(
    reader: &dyn StoreRead,
    rules: &Rules,
    entitled: &Entitlement,
    after: Option<&RecordId>,
) -> Result<(Note, Option<HaveCursor>), StoreError> {
    let after = match after {
        Some(id) => stream::place_of(reader, id)?,
        None => None,
    };
    let (places, next) = want::page(reader, after, None, |state| entitled.covers_feed(state))?;
    let mut ids = Vec::new();
    for place in &places {
        if let Some(id) = id_of(reader, place)?
            && fits(reader, rules, place)?
        {
            ids.push(id);
        }
    }
    let next = match next {
        Some(place) => id_of(reader, &place)?.map(|id| HaveCursor::Bodies(Some(id))),
        None => None,
    };
    Ok((Note::Bodies(ids), next))
}

fn id_of(reader: &dyn StoreRead, place: &Place) -> Result<Option<RecordId>, StoreError> {
    Ok(reader.entry(place)?.map(|entry| entry.id))
}

/// Returns whether the body at this place fits the interests of this node.
fn fits(reader: &dyn StoreRead, rules: &Rules, place: &Place) -> Result<bool, StoreError> {
    let interests = &rules.policy.interests;
    if interests.is_everything() {
        return Ok(true);
    }
    let Some(record) = reader.record(place)? else { return Ok(true) };
    let centre = record.header().centre;
    let country = ingest::country_of(reader, &centre)?;
    Ok(centre == rules.own || interests.want(record.header(), || country))
}

impl fmt::Display for HaveCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (part, after) = match self {
            Self::Logs(after) => ("logs", after.map(|id| id.to_string())),
            Self::Feeds(after) => ("feeds", after.map(|id| id.to_string())),
            Self::Bodies(after) => ("bodies", after.map(|id| id.to_string())),
        };
        write!(f, "{part}-{}", after.unwrap_or_default())
    }
}

impl FromStr for HaveCursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (part, after) = text.split_once('-').ok_or(BadCursor)?;
        let after = match after {
            "" => None,
            id => Some(id.parse::<FeedId>().map_err(|_| BadCursor)?.0),
        };
        match part {
            "logs" => Ok(Self::Logs(after.map(CentreId))),
            "feeds" => Ok(Self::Feeds(after.map(FeedId))),
            "bodies" => Ok(Self::Bodies(after.map(RecordId))),
            _ => Err(BadCursor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        for cursor in [
            HaveCursor::START,
            HaveCursor::Logs(Some(CentreId([1; 32]))),
            HaveCursor::Feeds(None),
            HaveCursor::Bodies(Some(RecordId([3; 32]))),
        ] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "logs", "feeds-00", "all-"] {
            assert_eq!(text.parse::<HaveCursor>(), Err(BadCursor), "{text}");
        }
    }
}
