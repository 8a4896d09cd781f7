//! The store: one writer, any number of readers, one implementation of reading.
//!
//! Invariant: a reader is a ledger without anything staged.
//! Not here: opening (`open`), reading (`read`), writing (`write`).
//! Spec: docs/STORAGE.md.

use std::{
    collections::BTreeMap,
    fs::File,
    path::PathBuf,
    sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use baraza_protocol::store::{BodyState, Place, SignatureState, StoreError};
use baraza_record::{
    SignedRecord, WireRecord,
    frame::{self, Frame},
};
use sled::IVec;

use crate::{
    attachments::Attachments,
    fault,
    home::Disk,
    index::Closing,
    keys::{self, Spot},
    own_heads::OwnHeadsFile,
    replay::Replay,
    segments::{At, Segments},
    slot::{self, Slot},
    staging::Staging,
    tables::Tables,
};

/// Bytes between two frames that are read over rather than around (4 KiB): one page.
const READ_OVER_BYTES: usize = 4 * 1_024;

/// Key and value of a row of the index.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// The writer of a store.
pub type LedgerStore = Ledger<Writer>;

/// A reader of a store: sees what was committed. Cheap to clone.
pub type LedgerReader = Ledger<Reader>;

/// A store, seen by its writer or by a reader.
#[derive(Clone, Debug)]
pub struct Ledger<L> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) layer: L,
}

/// What writer and readers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) epoch: u64,
    pub(crate) index: sled::Db,
    pub(crate) segments: Segments,
    pub(crate) files: Attachments,
    pub(crate) tables: RwLock<Tables>,
    /// Held as long as anybody may read.
    pub(crate) _lock: File,
}

impl Shared {
    pub(crate) fn tables(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().expect("no thread panics while it holds the lock")
    }

    pub(crate) fn tables_mut(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().expect("no thread panics while it holds the lock")
    }
}

/// Marks a reader.
#[derive(Clone, Copy, Debug)]
pub struct Reader;

/// What only the writer has.
#[derive(Debug)]
pub struct Writer {
    pub(crate) staging: Staging,
    /// Why nothing is written any more.
    pub(crate) read_only: Option<String>,
    pub(crate) own_heads: OwnHeadsFile,
    pub(crate) disk: Disk,
    pub(crate) segment_bytes: u32,
    /// Set while the ledger itself is read in: nothing is appended to it then.
    pub(crate) replay: Option<Replay>,
    pub(crate) closing: Closing,
}

/// Who looks: a reader has nothing staged.
pub trait Layer: Send + Sync {
    #[doc(hidden)]
    #[expect(
        private_interfaces,
        reason = "implemented here only; callers never see what is staged"
    )]
    fn staged(&self) -> Option<&Staging>;
}

impl Layer for Reader {
    #[expect(private_interfaces, reason = "see the trait")]
    fn staged(&self) -> Option<&Staging> {
        None
    }
}

impl Layer for Writer {
    #[expect(private_interfaces, reason = "see the trait")]
    fn staged(&self) -> Option<&Staging> {
        Some(&self.staging)
    }
}

impl<L: Layer> Ledger<L> {
    /// Returns a row of the index.
    pub(crate) fn row(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        match self.layer.staged().and_then(|staged| staged.rows.get(key)) {
            Some(row) => Ok(row.as_deref().map(IVec::from)),
            None => self.shared.index.get(key).map_err(fault::io("reading the index")),
        }
    }

    /// Returns up to `count` rows whose keys start with `prefix` and follow `after`, in order.
    pub(crate) fn rows(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        count: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let from = after.map_or_else(|| prefix.to_vec(), |after| [after, &[0]].concat());
        let staged = self.layer.staged().map(|staged| staged.rows.range(from.clone()..));
        let staged = staged.into_iter().flatten().take_while(|(key, _)| key.starts_with(prefix));
        let mut staged = staged.peekable();
        let mut stored = self.shared.index.range(from..).take_while(|row| match row {
            Ok((key, _)) => key.starts_with(prefix),
            Err(_) => true,
        });
        let (mut found, mut next) = (Vec::new(), stored.next().transpose());
        while found.len() < count {
            let below =
                next.as_ref().map_err(|error| fault::io("reading the index")(error.clone()))?;
            let (key, row) = match (staged.peek(), below) {
                (None, None) => break,
                (Some((key, _)), below) if below.as_ref().is_none_or(|(k, _)| ***key <= **k) => {
                    if below.as_ref().is_some_and(|(k, _)| ***key == **k) {
                        next = stored.next().transpose();
                    }
                    let Some((key, row)) = staged.next() else { break };
                    (key.clone(), row.clone())
                }
                (_, Some((key, row))) => {
                    let row = (key.to_vec(), Some(row.to_vec()));
                    next = stored.next().transpose();
                    row
                }
                (Some(_), None) => break,
            };
            found.extend(row.map(|row| (key, row)));
        }
        Ok(found)
    }

    /// Returns the spot of a place, if its feed has a number.
    pub(crate) fn spot(&self, place: &Place) -> Option<Spot> {
        let staged = self.layer.staged().and_then(|staged| staged.feeds.get(&place.feed));
        let number = match staged {
            Some(feed) => feed.number,
            None => self.shared.tables().feeds.rows.get(&place.feed)?.number,
        };
        Some(Spot { feed: number, seq: place.seq, branch: place.branch })
    }

    /// Returns the place of a spot.
    pub(crate) fn place(&self, spot: Spot) -> Result<Place, StoreError> {
        let tables = self.shared.tables();
        let new = || {
            let number = (spot.feed as usize).checked_sub(tables.feeds.ids.len())?;
            let feed = *self.layer.staged()?.new_feeds.get(number)?;
            Some(Place { feed, seq: spot.seq, branch: spot.branch })
        };
        tables.place(spot).or_else(new).ok_or_else(|| {
            fault::damaged(format!("the index names feed number {}, which is unknown", spot.feed))
        })
    }

    /// Returns the slot of a spot.
    pub(crate) fn slot(&self, spot: Spot) -> Result<Option<Slot>, StoreError> {
        match self.row(&keys::slots(spot))? {
            Some(row) => slot::find(&row, spot.seq),
            None => Ok(None),
        }
    }

    /// Reads records of one feed, those of neighbouring frames together.
    pub(crate) fn load(&self, slots: &[(Spot, Slot)]) -> Result<Vec<SignedRecord>, StoreError> {
        let mut regions = Vec::with_capacity(2 * slots.len());
        for (_, slot) in slots {
            regions.push((slot.header_at, slot.header_frame_bytes()));
            if slot.entry.body == BodyState::Present {
                regions.push((slot.payload_at, slot.payload_frame_bytes()));
            }
        }
        let spans = self.read_spans(&regions)?;
        slots.iter().map(|(spot, slot)| self.assemble(*spot, slot, &spans)).collect()
    }

    /// Puts a record together from its frames and checks that it is the one.
    fn assemble(&self, spot: Spot, slot: &Slot, spans: &Spans) -> Result<SignedRecord, StoreError> {
        let id = slot.entry.id;
        let fail =
            |what: &str| fault::damaged(format!("record {id} at {}: {what}", slot.header_at));
        let frame = |at, bytes| {
            let frame = Frame::decode(spans.get(at, bytes).ok_or_else(|| fail("not read"))?);
            frame.map(|(frame, _)| frame).map_err(|why| fail(&why.to_string()))
        };
        let Frame::Header { signature, header } = frame(slot.header_at, slot.header_frame_bytes())?
        else {
            return Err(fail("its frame is no header"));
        };
        let signature = match (slot.entry.signature, slot.late_signature) {
            (SignatureState::Missing, _) => None,
            (_, false) => signature,
            (_, true) => match self.row(&keys::signature(spot))? {
                Some(bytes) => bytes.as_ref().try_into().ok(),
                None => None,
            },
        };
        let record = SignedRecord::from_wire(WireRecord { header, signature, payload: None });
        let mut record = record.map_err(|error| fail(&error.to_string()))?;
        if record.id() != id {
            return Err(fail("its header is that of another record"));
        }
        if slot.entry.body != BodyState::Present {
            return Ok(record);
        }
        match frame(slot.payload_at, slot.payload_frame_bytes())? {
            // Erased, and the index does not say so yet.
            Frame::Payload { record: of, payload }
                if of == id && frame::is_erased(&payload) && !payload.fits(record.header()) => {}
            Frame::Payload { record: of, payload } if of == id => record.attach(payload),
            _ => return Err(fail("its body is that of another record")),
        }
        Ok(record)
    }

    /// Reads regions of the ledger, given in the order in which they will mostly stand.
    fn read_spans(&self, regions: &[(At, usize)]) -> Result<Spans, StoreError> {
        let mut spans: Vec<(At, usize)> = Vec::new();
        for (at, bytes) in regions {
            let end = at.plus(*bytes).offset;
            match spans.last_mut() {
                Some((start, length))
                    if start.segment == at.segment
                        && start.plus(*length).offset <= at.offset
                        && at.offset <= start.plus(*length + READ_OVER_BYTES).offset =>
                {
                    *length = (end - start.offset) as usize;
                }
                _ => spans.push((*at, *bytes)),
            }
        }
        let read = |(at, bytes)| Ok((at, self.read(at, bytes)?));
        Ok(Spans(spans.into_iter().map(read).collect::<Result<_, StoreError>>()?))
    }

    /// Reads bytes of the ledger, or of what will be appended to it.
    fn read(&self, at: At, bytes: usize) -> Result<Vec<u8>, StoreError> {
        if let Some(staged) = self.layer.staged().filter(|staged| staged.holds(at)) {
            let start = (at.offset - staged.frames_at.offset) as usize;
            let region = staged.frames.get(start..start + bytes);
            return region
                .map(<[u8]>::to_vec)
                .ok_or_else(|| fault::damaged(format!("no frame at {at}")));
        }
        if let Some(staged) = self.layer.staged() {
            let end = at.plus(bytes);
            // A span that starts on the disk and ends in what is staged.
            if at.segment == staged.frames_at.segment && staged.frames_at.offset < end.offset {
                let durable = (staged.frames_at.offset - at.offset) as usize;
                let mut both = self.shared.segments.read(at, durable)?;
                both.extend(self.read(staged.frames_at, bytes - durable)?);
                return Ok(both);
            }
        }
        self.shared.segments.read(at, bytes)
    }
}

impl LedgerStore {
    /// Returns where the ledger ends on the disk: everything before it is fsynced.
    pub fn durable_end(&self) -> At {
        self.shared.segments.synced()
    }
}

/// Bytes of the ledger by where they start.
struct Spans(BTreeMap<At, Vec<u8>>);

impl Spans {
    fn get(&self, at: At, bytes: usize) -> Option<&[u8]> {
        // Mostly the span that starts last; a body that came late may lie in a longer one.
        let before = self.0.range(..=at).rev().take_while(|(start, _)| start.segment == at.segment);
        let mut covering = before.filter_map(|(start, span)| {
            let from = (at.offset - start.offset) as usize;
            span.get(from..from + bytes)
        });
        covering.next()
    }
}
