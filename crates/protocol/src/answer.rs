//! Answering a peer: a pure function of what is held.
//!
//! Invariant: the answering side keeps no state between requests, and one answer costs
//! it a bounded number of reads. What a peer is not entitled to is to it as if it were not
//! held.
//! Not here: who is entitled to what (`entitle`), how many may ask (`baraza-network`).
//! Spec: docs/PROTOCOL.md, section 6.

use baraza_identity::SignedEvent;
use baraza_reconcile::Shelf;
use baraza_record::{
    ANCHOR_HEADERS_MAX, CentreId, FeedId, Header, RecordId, Seq, SignedRecord, WireRecord,
};

use crate::{
    attachments,
    entitle::{Entitlement, Ours, Shared},
    ingest, interests,
    net::Peer,
    peers::PeerEntry,
    standing,
    store::{Branch, FeedState, Place, ShelfName, StoreError, StoreRead, Table},
    wire::{
        ADDRESSES_MAX, Answer, BATCH_BYTES, BRANCHES_MAX, Below, Fetch, HEADS_MAX, KnownPeer,
        LogPart, LogWanted, PEERS_MAX, Part, Request, Scope, Trie, Wanted,
    },
};

/// Most signatures that are checked for one answer: two ranges of nothing but bad ones.
///
/// A good one is found at the first check; a peer that planted bad ones must not be able to
/// make every answer about them cost a second.
const CHECKS_MAX: usize = 2 * ANCHOR_HEADERS_MAX;

/// Answers a `request` of `asker`, a key that its connection proved, from what was committed.
///
/// What is on a shelf is given to whoever is entitled to it; nothing held or forked except as
/// evidence.
///
/// # Errors
///
/// [`StoreError`]; the peer is then told that we are busy.
pub fn answer(
    reader: &(impl StoreRead + ?Sized),
    ours: &Ours,
    asker: &Peer,
    request: &Request,
) -> Result<Answer, StoreError> {
    let entitled = |scope: &Scope| {
        let shared = ours.shelf_for(reader, asker, scope)?;
        Ok::<_, StoreError>(shared.unwrap_or(Shared::Public).entitlement())
    };
    Ok(match request {
        Request::Compare(theirs) => standing::answer(reader, ours, asker, theirs)?,
        Request::LogHeads(after) => log_heads(reader, after.as_ref()),
        Request::Logs(wanted) => Answer::Logs(logs(reader, wanted)?),
        Request::Heads(scope, after) => match ours.shelf_for(reader, asker, scope)? {
            Some(shared) => {
                let shelf = standing::shelf(reader, ours, &shared)?;
                heads(reader, &shelf, after.as_ref())?
            }
            None => Answer::Heads(Vec::new(), false),
        },
        Request::Fetch(fetch) => Answer::Batch(batch(reader, &entitled(&fetch.scope)?, fetch)?),
        Request::Bodies(scope, places) => bodies(reader, &entitled(scope)?, places)?,
        Request::Probe(scope, feed, positions) => {
            let end = shelf_end(reader, &entitled(scope)?, feed)?;
            let ids = positions.iter().map(|seq| match *seq <= end {
                true => id_at(reader, feed, *seq),
                false => Ok(None),
            });
            Answer::Ids(ids.collect::<Result<_, _>>()?)
        }
        Request::Evidence(scope, feed) => {
            Answer::Evidence(evidence(reader, &entitled(scope)?, feed)?)
        }
        Request::Peers => Answer::Peers(known_peers(reader)?),
        Request::Attachment(scope, asked) => {
            Answer::Attachment(attachments::part(reader, &ours.centre, &entitled(scope)?, asked)?)
        }
        Request::Descend(trie, prefixes) => {
            let shelf = match trie {
                Trie::Logs => Some(reader.shelf(ShelfName::Identities)),
                Trie::Feeds(scope) => match ours.shelf_for(reader, asker, scope)? {
                    Some(shared) => Some(standing::shelf(reader, ours, &shared)?),
                    None => None,
                },
            };
            let shelf = shelf.unwrap_or_default();
            let below = prefixes.iter().map(|prefix| below(reader, &shelf, prefix));
            Answer::Descent(below.collect::<Result<_, _>>()?)
        }
    })
}

/// Returns what stands below a branch of a trie. A count of bytes costs no more than a look into
/// a table; of a centre there is none.
fn below(
    reader: &(impl StoreRead + ?Sized),
    shelf: &Shelf,
    prefix: &[u8],
) -> Result<Below, StoreError> {
    Ok(match shelf.below(prefix) {
        baraza_reconcile::Below::Branches(branches) => Below::Branches(branches),
        baraza_reconcile::Below::Entries(entries) => {
            let heads = entries.iter().map(|entry| standing::head(reader, entry));
            Below::Heads(heads.collect::<Result<_, _>>()?)
        }
    })
}

fn log_heads(reader: &(impl StoreRead + ?Sized), after: Option<&CentreId>) -> Answer {
    let shelf = reader.shelf(ShelfName::Identities);
    let page = shelf.entries_after(after.map(|centre| &centre.0));
    let mut heads: Vec<_> = page.take(HEADS_MAX + 1).map(standing::log_head).collect();
    let more = HEADS_MAX < heads.len();
    heads.truncate(HEADS_MAX);
    Answer::LogHeads(heads, more)
}

/// Returns logs until they fill a batch. What no longer fits is asked for again, behind
/// what was sent.
fn logs(
    reader: &(impl StoreRead + ?Sized),
    wanted: &[LogWanted],
) -> Result<Vec<LogPart>, StoreError> {
    let (mut logs, mut left) = (Vec::new(), BATCH_BYTES);
    for LogWanted { centre, after } in wanted {
        // One that cannot be read any more must not keep the peer from the others.
        let log = match ingest::log_of(reader, centre) {
            Ok(Some(log)) => log,
            Ok(None) | Err(StoreError::Damaged { .. }) => continue,
            Err(error) => return Err(error),
        };
        let line = log.events();
        let known = after.and_then(|after| line.iter().position(|event| event.id() == after));
        let rest = &line[known.map_or(0, |known| known + 1)..];
        let mut events = Vec::new();
        for event in rest.iter().chain(log.others()).map(SignedEvent::encode) {
            if left < event.len() {
                left = 0;
                break;
            }
            left -= event.len();
            events.push(event);
        }
        logs.push(LogPart { centre: *centre, events });
        if left == 0 {
            break;
        }
    }
    Ok(logs)
}

fn heads(
    reader: &(impl StoreRead + ?Sized),
    shelf: &Shelf,
    after: Option<&FeedId>,
) -> Result<Answer, StoreError> {
    let page = shelf.entries_after(after.map(|feed| &feed.0)).take(HEADS_MAX + 1);
    let heads = page.map(|entry| standing::head(reader, entry));
    let mut heads: Vec<_> = heads.collect::<Result<_, _>>()?;
    let more = HEADS_MAX < heads.len();
    heads.truncate(HEADS_MAX);
    Ok(Answer::Heads(heads, more))
}

/// Returns what is held of a feed, if something of it is on a shelf and may be given.
fn given(
    reader: &(impl StoreRead + ?Sized),
    to: &Entitlement,
    feed: &FeedId,
) -> Result<Option<FeedState>, StoreError> {
    let state = reader.feed(feed)?.filter(|state| to.covers_feed(state));
    Ok(state.filter(|state| state.shelf.seq != 0 || state.head().forked))
}

/// Returns the last position of `feed` that may be given.
fn shelf_end(
    reader: &(impl StoreRead + ?Sized),
    to: &Entitlement,
    feed: &FeedId,
) -> Result<Seq, StoreError> {
    Ok(given(reader, to, feed)?.map_or(0, |state| state.shelf.seq))
}

fn batch(
    reader: &(impl StoreRead + ?Sized),
    entitled: &Entitlement,
    fetch: &Fetch,
) -> Result<Vec<Part>, StoreError> {
    let most = usize::try_from(fetch.bytes).unwrap_or(BATCH_BYTES).min(BATCH_BYTES);
    let (mut parts, mut left, mut checks) = (Vec::new(), most, CHECKS_MAX);
    for (place, wanted) in fetch.ranges.iter().enumerate() {
        let to = wanted.to.min(shelf_end(reader, entitled, &wanted.feed)?);
        if wanted.from == 0 || to < wanted.from {
            continue;
        }
        let to = to.min(wanted.from.saturating_add(ANCHOR_HEADERS_MAX as u64 - 1));
        // The first record is always given, however large; later ranges must fit.
        let records = reader.range(&wanted.feed, wanted.from, to, left)?;
        let short = (records.len() as u64) < to - wanted.from + 1;
        let records = match anchored(records, &mut checks) {
            records if records.is_empty() => headers_to_anchor(reader, wanted, &mut checks)?,
            records => records,
        };
        let bytes = records.iter().map(size).sum();
        if left < bytes && !parts.is_empty() {
            break;
        }
        left = left.saturating_sub(bytes);
        let records = match &fetch.interests {
            Some(interests) => {
                let country = |header: &Header| ingest::country_of(reader, &header.centre);
                interests::leave_out(interests, records, country)?
            }
            None => records,
        };
        if !records.is_empty() {
            parts.push(Part::new(u8::try_from(place).unwrap_or(u8::MAX), &records));
        }
        if short || left == 0 || checks == 0 {
            break;
        }
    }
    Ok(parts)
}

/// Checks a record's own signature, as long as `checks` are left.
fn is_anchor(record: &SignedRecord, checks: &mut usize) -> bool {
    let may = *checks != 0;
    *checks = checks.saturating_sub(1);
    may && record.verify_own_signature().is_ok()
}

/// Cuts `records` after the last one whose own signature is valid.
fn anchored(mut records: Vec<SignedRecord>, checks: &mut usize) -> Vec<SignedRecord> {
    while records.last().is_some_and(|last| !is_anchor(last, checks)) {
        records.pop();
    }
    records
}

/// Returns the records from the first wanted one to the first that has a valid signature,
/// without bodies: the way past signatures that somebody garbled. The signature may stand
/// behind the end of the shelf, where the feed forks.
fn headers_to_anchor(
    reader: &(impl StoreRead + ?Sized),
    wanted: &Wanted,
    checks: &mut usize,
) -> Result<Vec<SignedRecord>, StoreError> {
    let read = |seq| reader.record(&Place { feed: wanted.feed, seq, branch: Branch::Main });
    to_anchor(wanted.from, BATCH_BYTES, checks, read)
}

/// Reads headers from `from` to the first that has a valid signature of its own; none if
/// there is no such chain within the limits.
fn to_anchor(
    from: Seq,
    bytes_max: usize,
    checks: &mut usize,
    read: impl Fn(Seq) -> Result<Option<SignedRecord>, StoreError>,
) -> Result<Vec<SignedRecord>, StoreError> {
    let (mut records, mut bytes) = (Vec::<SignedRecord>::new(), 0);
    for seq in (from..).take(ANCHOR_HEADERS_MAX) {
        let Some(record) = read(seq)? else { break };
        if records.last().is_some_and(|last| record.header().prev != last.id()) {
            break;
        }
        let record = record.without_payload();
        bytes += size(&record);
        if bytes_max < bytes {
            break;
        }
        let found = is_anchor(&record, checks);
        records.push(record);
        if found {
            return Ok(records);
        }
    }
    Ok(Vec::new())
}

fn bodies(
    reader: &(impl StoreRead + ?Sized),
    to: &Entitlement,
    places: &[(FeedId, Seq)],
) -> Result<Answer, StoreError> {
    let (mut found, mut left) = (Vec::new(), BATCH_BYTES);
    for (feed, seq) in places {
        let place = Place { feed: *feed, seq: *seq, branch: Branch::Main };
        let may = *seq <= shelf_end(reader, to, feed)?;
        let record = if may && left != 0 { reader.record(&place)? } else { None };
        let payload = record.and_then(|record| record.payload().cloned());
        let bytes = payload.as_ref().map_or(0, |payload| payload.body.len());
        // The first is given whatever its length; what no longer fits may be asked for again.
        let fits = bytes <= left || left == BATCH_BYTES;
        left = if fits { left.saturating_sub(bytes) } else { 0 };
        found.push(payload.filter(|_| fits));
    }
    Ok(Answer::Bodies(found))
}

fn id_at(
    reader: &(impl StoreRead + ?Sized),
    feed: &FeedId,
    seq: Seq,
) -> Result<Option<RecordId>, StoreError> {
    let place = Place { feed: *feed, seq, branch: Branch::Main };
    Ok(reader.entry(&place)?.map(|entry| entry.id))
}

/// Returns both branches of a feed that forks, each from the fork to its first anchor.
fn evidence(
    reader: &(impl StoreRead + ?Sized),
    to: &Entitlement,
    feed: &FeedId,
) -> Result<Vec<Vec<WireRecord>>, StoreError> {
    let fork = given(reader, to, feed)?.and_then(|state| state.fork);
    let Some(fork) = fork else { return Ok(Vec::new()) };
    let (mut branches, mut checks) = (Vec::new(), CHECKS_MAX);
    for branch in [Branch::Main, Branch::Other] {
        let read = |seq| reader.record(&Place { feed: *feed, seq, branch });
        let records = to_anchor(fork, BATCH_BYTES / BRANCHES_MAX, &mut checks, read)?;
        if !records.is_empty() {
            branches.push(records.iter().map(SignedRecord::to_wire).collect());
        }
    }
    Ok(branches)
}

fn known_peers(reader: &(impl StoreRead + ?Sized)) -> Result<Vec<KnownPeer>, StoreError> {
    let mut entries: Vec<_> = reader
        .locals(Table::Peers, &[])?
        .into_iter()
        .filter_map(|(key, value)| PeerEntry::decode(&key, &value))
        .filter(|(_, entry)| entry.connected_ms.is_some() && !entry.addresses.is_empty())
        .collect();
    entries.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.connected_ms));
    let known = entries.into_iter().take(PEERS_MAX).map(|(peer, entry)| KnownPeer {
        peer,
        addresses: entry.addresses.into_iter().take(ADDRESSES_MAX).collect(),
    });
    Ok(known.collect())
}

/// Returns about how many bytes a record takes in a batch.
fn size(record: &SignedRecord) -> usize {
    record.header_bytes().len() + record.payload().map_or(0, |payload| payload.body.len()) + 96
}
