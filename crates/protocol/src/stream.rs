//! From frames to what ingest takes: bundles and our own ledger alike.
//!
//! Invariant: the order of frames does not matter beyond what ingest itself demands;
//! repetition does no harm. A header and its body, and neighbours of one feed, are put
//! together so that one signature check covers them.
//! Not here: finding frames in bytes (`baraza_record::frame`).
//! Spec: docs/PROTOCOL.md, section 8.

use std::sync::Arc;

use baraza_identity::{EventError, SignedEvent};
use baraza_record::{
    ANCHOR_HEADERS_MAX, CentreId, Payload, RecordId, SignedRecord, Timestamp, VerifiedRecord,
    WireRecord,
    frame::{self, Frame},
};

use crate::{
    command::Imported,
    entitle::Entitlement,
    gate::Gate,
    ingest::{self, IngestError, Ingested, Rejection},
    store::{Branch, Place, Store, StoreError},
};

/// Most bodies that wait for a header of their own to come behind them.
const BODIES_MAX: usize = 64;

/// Bytes of bodies in one run after which it is ingested (4 MiB).
const RUN_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Bytes of neighbouring events of one log after which they are ingested (256 KiB): more
/// than a log has.
const EVENTS_BYTES_MAX: usize = 256 * 1_024;

/// Takes frames in order and ingests what they make up.
#[derive(Debug)]
pub struct Intake {
    run: Vec<SignedRecord>,
    bodies: Vec<(RecordId, Payload)>,
    /// Neighbouring events of one log: some may count only together.
    events: Option<(CentreId, Vec<Vec<u8>>)>,
    done: Imported,
    now: Timestamp,
    /// What policy keeps out; nothing if there is none.
    gate: Option<Arc<Gate>>,
    /// What this node is entitled to; none while it reads its own ledger.
    entitled: Option<Entitlement>,
}

impl Intake {
    /// Starts on frames from elsewhere; `now` is the arrival time of what comes. What this node
    /// is not `entitled` to is not kept.
    pub fn new(now: Timestamp, entitled: Entitlement) -> Self {
        Self { entitled: Some(entitled), ..Self::starting(now) }
    }

    fn starting(now: Timestamp) -> Self {
        let (run, bodies, done) = (Vec::new(), Vec::new(), Imported::default());
        Self { run, bodies, events: None, done, now, gate: None, entitled: None }
    }

    /// Has only what passes `gate` taken.
    #[must_use]
    pub fn through(self, gate: &Arc<Gate>) -> Self {
        Self { gate: Some(Arc::clone(gate)), ..self }
    }

    /// Starts on our own ledger: its clock and erase frames count.
    pub fn replay() -> Self {
        Self::starting(Timestamp::default())
    }

    fn set_time<S: Store>(&mut self, store: &mut S, now: Timestamp) -> Result<(), StoreError> {
        if now != self.now {
            self.flush(store)?;
            self.now = now;
        }
        Ok(())
    }

    /// Takes one frame. Frames that only our own ledger has are passed over.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; a frame that is refused is counted.
    pub fn take<S: Store>(&mut self, store: &mut S, frame: Frame) -> Result<(), StoreError> {
        match frame {
            Frame::Header { header, signature } => {
                let wire = WireRecord { header, signature, payload: None };
                match SignedRecord::from_wire(wire) {
                    Ok(record) => self.queue(store, record),
                    Err(_) => {
                        self.done.rejected += 1;
                        Ok(())
                    }
                }
            }
            // An erased body stays where it was, as zeros.
            Frame::Payload { payload, .. } if frame::is_erased(&payload) => Ok(()),
            Frame::Payload { record, payload } => {
                let declined = self.declined(&record);
                match self.run.iter_mut().rev().find(|header| header.id() == record) {
                    Some(header) => header.attach(payload),
                    None if declined => (),
                    None => self.bodies.push((record, payload)),
                }
                match BODIES_MAX < self.bodies.len() {
                    true => self.flush(store),
                    false => Ok(()),
                }
            }
            Frame::Signature { record, signature } => {
                self.flush(store)?;
                self.signature(store, record, &signature)
            }
            Frame::Identity(event) => self.queue_event(store, event),
            Frame::Clock(now) if self.entitled.is_none() => self.set_time(store, now),
            Frame::Erase { record, .. } if self.entitled.is_none() => {
                self.flush(store)?;
                match place_of(store, &record)? {
                    Some(place) => store.erase(&place),
                    None => Ok(()),
                }
            }
            // What another node notes for itself is not ours to believe.
            Frame::Erase { .. }
            | Frame::Clock(_)
            | Frame::Exchange(_)
            | Frame::Private(_)
            | Frame::Unknown { .. } => Ok(()),
        }
    }

    /// Ingests what is still queued and returns the totals. Call `Store::commit` afterwards.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn finish<S: Store>(mut self, store: &mut S) -> Result<Imported, StoreError> {
        self.flush(store)?;
        Ok(self.done)
    }

    fn queue_event<S: Store>(&mut self, store: &mut S, event: Vec<u8>) -> Result<(), StoreError> {
        let Ok(signed) = SignedEvent::from_kept(&event) else {
            self.done.rejected += 1;
            return Ok(());
        };
        let centre = signed.centre();
        let full = |events: &Vec<Vec<u8>>| EVENTS_BYTES_MAX < events.iter().map(Vec::len).sum();
        match &mut self.events {
            Some((of, events)) if *of == centre && !full(events) => events.push(event),
            _ => {
                self.flush(store)?;
                self.events = Some((centre, vec![event]));
            }
        }
        Ok(())
    }

    /// Ingests the events in hand. One that is refused costs the others nothing here: they
    /// may come from a file with damage in the middle.
    fn flush_events<S: Store>(&mut self, store: &mut S) -> Result<(), StoreError> {
        let Some((centre, events)) = self.events.take() else { return Ok(()) };
        match ingest::ingest_log(store, centre, &events) {
            Ok(done) => {
                self.done.identities += done.added;
                // Authentic or not: that shows when what comes before them is here.
                self.done.gaps += done.unread;
                return Ok(());
            }
            Err(IngestError::Store(error)) => return Err(error),
            Err(IngestError::Rejected(_)) => (),
        }
        for event in &events {
            match ingest::ingest_identity(store, event) {
                Ok((_, new)) => self.done.identities += u64::from(new),
                Err(IngestError::Rejected(Rejection::Event(EventError::Orphan { .. }))) => {
                    self.done.gaps += 1;
                }
                Err(IngestError::Rejected(_)) => self.done.rejected += 1,
                Err(IngestError::Store(error)) => return Err(error),
            }
        }
        Ok(())
    }

    fn queue<S: Store>(&mut self, store: &mut S, record: SignedRecord) -> Result<(), StoreError> {
        self.flush_events(store)?;
        let follows = self.run.last().is_none_or(|last| {
            last.header().same_feed(record.header())
                && Some(record.header().seq) == last.header().seq.checked_add(1)
                && record.header().prev == last.id()
        });
        if !follows {
            self.flush(store)?;
        } else if self.run.len() == ANCHOR_HEADERS_MAX || RUN_BYTES_MAX <= self.run_bytes() {
            // What stands behind the last good signature may be covered by one that follows.
            self.run = self.ingest_run(store)?;
            if self.run.len() == ANCHOR_HEADERS_MAX {
                self.flush(store)?;
            }
        }
        self.run.push(record);
        Ok(())
    }

    fn run_bytes(&self) -> usize {
        let body = |record: &SignedRecord| record.payload().map_or(0, |body| body.body.len());
        self.run.iter().map(body).sum()
    }

    /// Ingests the run in hand, then bodies that came apart from their headers.
    fn flush<S: Store>(&mut self, store: &mut S) -> Result<(), StoreError> {
        self.flush_events(store)?;
        let rest = self.ingest_run(store)?;
        self.done.rejected += rest.len() as u64;
        for (id, payload) in std::mem::take(&mut self.bodies) {
            let place = place_of(store, &id)?;
            match place.map(|place| ingest::ingest_body(store, &place, &payload)) {
                Some(Ok(wanted)) => self.done.bodies += u64::from(wanted),
                Some(Err(IngestError::Store(error))) => return Err(error),
                // A body nobody asked for, or not the one that its header commits to.
                Some(Err(IngestError::Rejected(_))) | None => self.done.rejected += 1,
            }
        }
        Ok(())
    }

    /// Ingests the run in hand as far as a good signature covers it. Returns the rest.
    ///
    /// The records of a run are chained, so a range with an error has bodies that do not fit,
    /// which are left out, or a bad signature at its end.
    fn ingest_run<S: Store>(&mut self, store: &mut S) -> Result<Vec<SignedRecord>, StoreError> {
        let mut run = std::mem::take(&mut self.run);
        let mut rest = Vec::new();
        let verified = match VerifiedRecord::verify_range(run.clone()) {
            Ok(verified) => verified,
            Err(_) => {
                for record in &mut run {
                    let fits = record.payload().is_none_or(|body| body.fits(record.header()));
                    if !fits {
                        *record = record.clone().without_payload();
                        self.done.rejected += 1;
                    }
                }
                let good = |record: &SignedRecord| record.verify_own_signature().is_ok();
                let end = run.iter().rposition(good).map_or(0, |last| last + 1);
                rest = run.split_off(end);
                VerifiedRecord::verify_range(run).unwrap_or_default()
            }
        };
        if self.gate.as_ref().is_some_and(|gate| gate.declines_run(&verified)) {
            self.done.declined += verified.len() as u64;
            return Ok(rest);
        }
        if let (Some(entitled), Some(first)) = (&self.entitled, verified.first())
            && !entitled.covers(&first.header().centre, &first.header().audience)
        {
            self.done.foreign += verified.len() as u64;
            return Ok(rest);
        }
        let done = ingest::ingest_range(store, &verified, self.now)?;
        self.count(&done, verified.len());
        Ok(rest)
    }

    /// Returns whether this is the body or signature of a record that was just declined.
    fn declined(&self, id: &RecordId) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.just_declined(id))
    }

    fn count(&mut self, done: &Ingested, records: usize) {
        self.done.inserted += done.inserted;
        self.done.duplicates += done.duplicates;
        self.done.held += done.held;
        self.done.deferred += done.deferred;
        self.done.bodies += done.bodies;
        if done.gap.is_some() || done.diverged.is_some() {
            self.done.gaps += records as u64;
        }
    }

    fn signature<S: Store>(
        &mut self,
        store: &mut S,
        id: RecordId,
        signature: &baraza_record::sign::Signature,
    ) -> Result<(), StoreError> {
        let Some(place) = place_of(store, &id)? else {
            self.done.rejected += u64::from(!self.declined(&id));
            return Ok(());
        };
        let Some(record) = store.record(&place)? else { return Ok(()) };
        let mut wire = record.without_payload().to_wire();
        wire.signature = Some(*signature);
        let verified = SignedRecord::from_wire(wire).and_then(SignedRecord::verify);
        match verified {
            Ok(verified) => ingest::ingest_range(store, &[verified], self.now).map(|_| ()),
            Err(_) => {
                self.done.rejected += 1;
                Ok(())
            }
        }
    }
}

/// Returns where the record with this id stands, on the main branch if on both.
pub fn place_of(
    store: &(impl crate::store::StoreRead + ?Sized),
    id: &RecordId,
) -> Result<Option<Place>, StoreError> {
    let mut found = store.find(&id.to_string(), 2)?;
    found.sort_by_key(|(_, place)| place.branch != Branch::Main);
    Ok(found.first().map(|(_, place)| *place))
}
