//! What another site lacks of a log or a feed, and what this one lacks of theirs.
//!
//! Invariant: decided by the two heads and what is held here; what cannot be told from them is
//! given rather than kept back, except what the other site has told that it knows.
//! Spec: docs/PROTOCOL.md, section 8.5.

use baraza_identity::SignedEvent;
use baraza_record::{
    CentreId, EventId, FeedId, Seq,
    exchange::{Head, Note},
    frame,
};

use crate::{
    ingest,
    store::{Branch, FeedState, Place, StoreError, StoreRead},
};

use super::{Cursor, Export, LOOKS_MAX, Theirs};

/// What is missing of a feed: closed ranges of positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Need {
    /// Where the branches part is not known: headers without bodies show it.
    pub(super) headers: Option<(Seq, Seq)>,
    /// Records with their bodies.
    pub(super) records: Option<(Seq, Seq)>,
    /// Both branches from here on, as far as they are evidence.
    pub(super) evidence: Option<Seq>,
}

/// What a site has that this one lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lacking {
    /// Events of identity logs.
    pub events: u64,
    /// Feeds of which something is lacking.
    pub feeds: u64,
    /// Records.
    pub records: u64,
}

/// What is missing on both sides, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Identity events that are missing there.
    pub events: u64,
    /// Feeds of which something is missing there.
    pub feeds: u64,
    /// Records that are missing there.
    pub records: u64,
    /// Bodies that are wanted there and held here.
    pub bodies: u64,
    /// About how many bytes all of that has.
    pub bytes: u64,
    /// What is lacking here.
    pub lacking: Lacking,
}

/// Returns the events of a log that are missing where its head is `theirs`.
pub(super) fn events(
    reader: &dyn StoreRead,
    ours: &Head,
    theirs: Option<&Head>,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let same = |head: &Head| (head.seq, head.id, head.forked) == (ours.seq, ours.id, ours.forked);
    if theirs.is_some_and(same) {
        return Ok(Vec::new());
    }
    // One that cannot be read any more must not keep the others back.
    let log = match ingest::log_of(reader, &CentreId(ours.key)) {
        Ok(Some(log)) => log,
        Ok(None) | Err(StoreError::Damaged { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let line = log.events();
    let whole = |from: usize| {
        line[from..].iter().chain(log.others()).map(SignedEvent::encode).collect::<Vec<_>>()
    };
    let Some(theirs) = theirs else { return Ok(whole(0)) };
    let theirs_id = EventId(theirs.id);
    if let Some(known) = line.iter().position(|event| event.id() == theirs_id) {
        // They end where we do and know of more branches than we.
        let ahead = known + 1 == line.len() && !ours.forked;
        return Ok(if ahead { Vec::new() } else { whole(known + 1) });
    }
    let beside = log.others().iter().any(|event| event.id() == theirs_id);
    // If theirs is longer and unknown, all that can be told is that they have more.
    Ok(if beside || theirs.seq <= ours.seq { whole(0) } else { Vec::new() })
}

/// Returns what is missing of a feed where its head is `theirs`.
pub(super) fn records(
    reader: &dyn StoreRead,
    state: &FeedState,
    ours: &Head,
    theirs: Option<&Head>,
) -> Result<Need, StoreError> {
    let feed = FeedId(ours.key);
    let evidence = state.fork.filter(|_| ours.forked);
    let span = |from: Seq| (from <= ours.seq).then_some((from, ours.seq));
    let Some(theirs) = theirs else {
        return Ok(Need { headers: None, records: span(1), evidence });
    };
    if ours.seq < theirs.seq {
        // They passed the fork, so they do not know of it.
        return Ok(Need { evidence, ..Need::default() });
    }
    if is_at(reader, &feed, Branch::Main, theirs)? {
        // They know of a fork right there: only a ruling of the author leads past it.
        let knows = theirs.forked && !rules_beyond(reader, state, &feed, theirs.seq)?;
        let past = theirs.seq.checked_add(1).filter(|_| !knows);
        let evidence = evidence.filter(|_| !theirs.forked);
        return Ok(Need { headers: None, records: past.and_then(span), evidence });
    }
    // They hold another branch. Where it parts is known if we have kept it as evidence.
    let parts = reader.evidence(&feed)?.first().copied().filter(|parts| *parts <= theirs.seq);
    if let Some(parts) = parts.filter(|_| !ours.forked) {
        return Ok(Need { headers: None, records: span(parts), evidence: None });
    }
    let ruled = rules_beyond(reader, state, &feed, 0)?;
    let past = theirs.seq.checked_add(1).filter(|_| ruled);
    let headers = (theirs.seq != 0).then_some((1, theirs.seq));
    Ok(Need { headers, records: past.and_then(span), evidence })
}

/// Returns whether the record of this branch is the one that a head names.
fn is_at(
    reader: &dyn StoreRead,
    feed: &FeedId,
    branch: Branch,
    head: &Head,
) -> Result<bool, StoreError> {
    if head.seq == 0 {
        return Ok(true);
    }
    let place = Place { feed: *feed, seq: head.seq, branch };
    Ok(reader.entry(&place)?.is_some_and(|entry| entry.id.0 == head.id))
}

/// Returns whether the author's log names a record of the feed behind `seq`.
fn rules_beyond(
    reader: &dyn StoreRead,
    state: &FeedState,
    feed: &FeedId,
    seq: Seq,
) -> Result<bool, StoreError> {
    let log = ingest::log_of(reader, &state.centre)?;
    let rule = log.map(|log| log.feed_rule(&state.signer, feed));
    Ok(rule.is_some_and(|rule| rule.pins.iter().any(|(pin, _)| seq < *pin)))
}

impl Export<'_> {
    /// Counts what is missing on both sides, as far as one call looks; also returns where the
    /// next call goes on.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn plan(
        &self,
        theirs: &Theirs,
        at: Option<Cursor>,
    ) -> Result<(Plan, Option<Cursor>), StoreError> {
        let mut plan = Plan::default();
        let first = at.is_none();
        let mut after = at.and_then(Cursor::key).or(theirs.after);
        let logs = match &theirs.note {
            Note::Logs(_) => true,
            Note::Feeds(_) => false,
            Note::Bodies(ids) => return self.plan_bodies(ids).map(|plan| (plan, None)),
            _ => return Ok((plan, None)),
        };
        if first {
            plan.lacking = self.lacking(theirs, logs)?;
        }
        for _ in 0..LOOKS_MAX {
            let next = match logs {
                true => self.shelves.next_log(after.as_ref()),
                false => self.shelves.next_feed(after.as_ref()),
            };
            let Some((key, ours)) = next.filter(|(key, _)| theirs.reaches(key)) else {
                return Ok((plan, None));
            };
            match logs {
                true if self.blocks(&CentreId(key), None) => (),
                true => {
                    for event in events(self.reader, &ours, theirs.of(&key))? {
                        plan.events += 1;
                        plan.bytes += (frame::OVERHEAD_BYTES + event.len()) as u64;
                    }
                }
                false => self.plan_feed(&mut plan, &ours, theirs.of(&key))?,
            }
            after = Some(key);
        }
        Ok((plan, after.map(Cursor::after)))
    }

    fn plan_feed(
        &self,
        plan: &mut Plan,
        ours: &Head,
        theirs: Option<&Head>,
    ) -> Result<(), StoreError> {
        let need = self.need(ours, theirs)?;
        if need == Need::default() {
            return Ok(());
        }
        plan.feeds += 1;
        let count = |range: Option<(Seq, Seq)>| range.map_or(0, |(from, to)| to - from + 1);
        let records = count(need.records);
        plan.records += records;
        // The average of the feed, for want of anything better that costs no reading.
        let all = self.reader.feed_bytes(&FeedId(ours.key))?;
        let share = u128::from(all) * u128::from(records) / u128::from(ours.seq.max(1));
        plan.bytes += u64::try_from(share).unwrap_or(u64::MAX);
        plan.bytes += 300 * (count(need.headers) + 2 * u64::from(need.evidence.is_some()));
        Ok(())
    }

    fn plan_bodies(&self, ids: &[baraza_record::RecordId]) -> Result<Plan, StoreError> {
        let mut plan = Plan::default();
        for id in ids {
            if let Some((_, record)) = self.body(id)? {
                plan.bodies += 1;
                let body = record.payload().map_or(0, |payload| payload.body.len());
                let header = frame::HEADER_FRAME_BYTES + record.header_bytes().len();
                plan.bytes += (frame::PAYLOAD_FRAME_BYTES + body + header) as u64;
            }
        }
        Ok(plan)
    }

    /// Counts what they have that is not here, whoever it is for.
    fn lacking(&self, theirs: &Theirs, logs: bool) -> Result<Lacking, StoreError> {
        let mut lacking = Lacking::default();
        for head in theirs.heads() {
            let held = match logs {
                true => self.shelves.log(&head.key).map_or(0, |ours| ours.seq),
                false => self.reader.feed(&FeedId(head.key))?.map_or(0, |state| state.shelf.seq),
            };
            let more = head.seq.saturating_sub(held);
            match logs {
                true => lacking.events = lacking.events.saturating_add(more),
                false => {
                    lacking.feeds += u64::from(more != 0);
                    lacking.records = lacking.records.saturating_add(more);
                }
            }
        }
        Ok(lacking)
    }
}
