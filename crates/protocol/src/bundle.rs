//! Bundles on the way out: what is missing at another site, piece by piece.
//!
//! Invariant: a piece is whole frames and can be verified by itself: each run of records of a
//! feed ends at a header whose signature was checked. A piece is a pure function of what is
//! held, what the other site has and where the last piece ended; nothing is kept in between,
//! and nothing is given that its receiver is not entitled to or that policy blocks.
//! Not here: what an import keeps (`ingest`, `stream`), files (`baraza-cli`).
//! Spec: docs/PROTOCOL.md, sections 8.2 and 8.5.

mod cursor;
mod have;
mod need;
mod shelves;

use baraza_record::{
    ANCHOR_HEADERS_MAX, CentreId, FeedId, HEADER_BYTES_MAX, RecordId, Seq, SignedRecord,
    exchange::{Head, Note},
    frame,
    sign::{self, Domain, Signature},
};

use crate::{
    entitle::Entitlement,
    erasure,
    policy::{Rules, Verdict},
    store::{Branch, Place, SignatureState, StoreError, StoreRead},
    stream,
};

pub use cursor::{BadCursor, Cursor};
pub use have::{HaveCursor, have};
pub use need::{Lacking, Plan};

use need::Need;
use shelves::Shelves;

/// Bytes after which a piece ends (1 MiB with a preamble): one request of the API carries one.
pub const PIECE_BYTES: usize = 1_024 * 1_024 - frame::PREAMBLE.len();

/// Most feeds or logs that are looked at for one piece or one part of a plan: where nothing is
/// missing, a look costs two look-ups and no byte.
pub const LOOKS_MAX: usize = 10_000;

/// A part of what another site says it has, and so of what is looked at.
#[derive(Clone, Debug)]
pub struct Theirs {
    /// What it has: `Logs` and `Feeds` in ascending order, or `Bodies`.
    pub note: Note,
    /// Nothing up to this key is looked at.
    pub after: Option<[u8; 32]>,
    /// Nothing behind this key is looked at; none: all to the end.
    pub to: Option<[u8; 32]>,
}

impl Theirs {
    /// Returns that of a site that has nothing: all logs are missing there.
    pub fn no_logs() -> Self {
        Self { note: Note::Logs(Vec::new()), after: None, to: None }
    }

    /// Returns that of a site that has nothing: all feeds are missing there.
    pub fn no_feeds() -> Self {
        Self { note: Note::Feeds(Vec::new()), after: None, to: None }
    }

    fn heads(&self) -> &[Head] {
        match &self.note {
            Note::Logs(heads) | Note::Feeds(heads) => heads,
            _ => &[],
        }
    }

    fn of(&self, key: &[u8; 32]) -> Option<&Head> {
        let heads = self.heads();
        heads.binary_search_by_key(key, |head| head.key).ok().map(|place| &heads[place])
    }

    fn reaches(&self, key: &[u8; 32]) -> bool {
        self.to.is_none_or(|to| *key <= to)
    }
}

/// Frames, without a preamble, and where the next piece starts.
#[derive(Debug, Default)]
pub struct Piece {
    /// Whole frames.
    pub bytes: Vec<u8>,
    /// Where the next piece starts; none at the end.
    pub next: Option<Cursor>,
}

/// Gives what is missing elsewhere.
pub struct Export<'a> {
    reader: &'a dyn StoreRead,
    rules: &'a Rules,
    entitled: &'a Entitlement,
    shelves: Shelves,
}

impl<'a> Export<'a> {
    /// Reads for whom is `entitled`; what `rules` block stays here.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn new(
        reader: &'a dyn StoreRead,
        rules: &'a Rules,
        entitled: &'a Entitlement,
    ) -> Result<Self, StoreError> {
        Ok(Self { reader, rules, entitled, shelves: Shelves::of(reader, entitled)? })
    }

    /// Returns the next piece of what is missing where a site has `theirs`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn piece(&self, theirs: &Theirs, at: Option<Cursor>) -> Result<Piece, StoreError> {
        match &theirs.note {
            Note::Logs(_) => self.logs(theirs, at),
            Note::Feeds(_) => self.feeds(theirs, at),
            Note::Bodies(ids) => self.bodies(ids, at),
            _ => Ok(Piece::default()),
        }
    }

    fn logs(&self, theirs: &Theirs, at: Option<Cursor>) -> Result<Piece, StoreError> {
        let mut piece = Piece::default();
        let mut after = at.and_then(Cursor::key).or(theirs.after);
        for _ in 0..LOOKS_MAX {
            let Some((key, ours)) = self.shelves.next_log(after.as_ref()) else { return Ok(piece) };
            if !theirs.reaches(&key) {
                return Ok(piece);
            }
            let mut log = Vec::new();
            if !self.blocks(&CentreId(key), None) {
                let events = need::events(self.reader, &ours, theirs.of(&key))?;
                events.iter().for_each(|event| frame::encode_identity(&mut log, event));
            }
            // A log is never cut: some of its events may count only together.
            if !piece.bytes.is_empty() && PIECE_BYTES < piece.bytes.len() + log.len() {
                break;
            }
            piece.bytes.append(&mut log);
            after = Some(key);
        }
        piece.next = after.map(Cursor::after);
        Ok(piece)
    }

    fn feeds(&self, theirs: &Theirs, at: Option<Cursor>) -> Result<Piece, StoreError> {
        let mut piece = Piece::default();
        let mut after = at.and_then(Cursor::key).or(theirs.after);
        let mut within = at.and_then(Cursor::within);
        for _ in 0..LOOKS_MAX {
            let next = match within {
                // It may have left its shelf since the last piece.
                Some((FeedId(key), _)) => match self.shelves.get(&key) {
                    Some(head) => Some((key, head)),
                    None => {
                        within = None;
                        self.shelves.next_feed(Some(&key))
                    }
                },
                None => self.shelves.next_feed(after.as_ref()),
            };
            let Some((key, ours)) = next.filter(|(key, _)| theirs.reaches(key)) else {
                return Ok(piece);
            };
            let from = within.take().map_or(1, |(_, seq)| seq);
            let need = self.need(&ours, theirs.of(&key))?;
            let feed = FeedId(key);
            if let Some(seq) = self.add_feed(&mut piece.bytes, feed, &need, from)? {
                piece.next = Some(Cursor::at(feed, seq));
                return Ok(piece);
            }
            after = Some(key);
        }
        piece.next = after.map(Cursor::after);
        Ok(piece)
    }

    /// Returns what is missing of one of our feeds.
    fn need(&self, ours: &Head, theirs: Option<&Head>) -> Result<Need, StoreError> {
        let feed = FeedId(ours.key);
        match self.reader.feed(&feed)? {
            Some(state) if !self.blocks(&state.centre, None) => {
                need::records(self.reader, &state, ours, theirs)
            }
            _ => Ok(Need::default()),
        }
    }

    /// Adds what a feed needs from position `from` on. Returns where to go on if it does not fit.
    fn add_feed(
        &self,
        bytes: &mut Vec<u8>,
        feed: FeedId,
        need: &Need,
        from: Seq,
    ) -> Result<Option<Seq>, StoreError> {
        let Need { headers, records, evidence } = need;
        for (range, bare) in [(headers, true), (records, false)] {
            let Some((start, to)) = range else { continue };
            let start = (*start).max(from);
            if start <= *to {
                let end = self.add_records(bytes, feed, start, *to, bare)?;
                if end <= *to {
                    return Ok(Some(end));
                }
            }
        }
        let Some(fork) = evidence else { return Ok(None) };
        let mut frames = Vec::new();
        for branch in [Branch::Main, Branch::Other] {
            self.add_to_anchor(&mut frames, feed, *fork, branch)?;
        }
        if !bytes.is_empty() && PIECE_BYTES < bytes.len() + frames.len() {
            // Behind all that was to be given of its records.
            return Ok(Some(Seq::MAX));
        }
        bytes.append(&mut frames);
        Ok(None)
    }

    /// Adds the records of `feed` from `from` to `to`, and at least one if the piece has no
    /// frame. Returns the position that the next piece starts with; after `to` if all are in.
    fn add_records(
        &self,
        bytes: &mut Vec<u8>,
        feed: FeedId,
        from: Seq,
        to: Seq,
        bare: bool,
    ) -> Result<Seq, StoreError> {
        let (mut seq, mut anchored) = (from, true);
        'piece: while seq <= to {
            let room = PIECE_BYTES.saturating_sub(bytes.len());
            let records = self.reader.range(&feed, seq, to, room)?;
            if records.is_empty() {
                return Err(StoreError::Damaged {
                    what: format!("record {seq} of feed {feed} is not held"),
                });
            }
            for record in records {
                let signature = self.checked_signature(&feed, Branch::Main, &record)?;
                let mut frames = Vec::with_capacity(HEADER_BYTES_MAX);
                frame::encode_header(&mut frames, signature, record.header_bytes());
                // The header of a blocked record stays: the chain leads through it.
                let blocked = self.blocks(&record.header().centre, Some(&record.id()));
                if let Some(payload) = record.payload().filter(|_| !blocked && !bare) {
                    frame::encode_payload(&mut frames, &record.id(), payload);
                }
                if !bytes.is_empty() && PIECE_BYTES < bytes.len() + frames.len() {
                    break 'piece;
                }
                bytes.append(&mut frames);
                anchored = signature.is_some();
                seq += 1;
            }
        }
        if !anchored {
            self.add_to_anchor(bytes, feed, seq, Branch::Main)?;
        }
        Ok(seq)
    }

    /// Adds bare headers from `seq` on, up to the first with a signature: it proves those before it.
    fn add_to_anchor(
        &self,
        bytes: &mut Vec<u8>,
        feed: FeedId,
        seq: Seq,
        branch: Branch,
    ) -> Result<(), StoreError> {
        for seq in (seq..).take(ANCHOR_HEADERS_MAX) {
            let Some(record) = self.reader.record(&Place { feed, seq, branch })? else { break };
            let signature = self.checked_signature(&feed, branch, &record)?;
            frame::encode_header(bytes, signature, record.header_bytes());
            if signature.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Adds records whose bodies are wanted, each with the headers that prove it.
    fn bodies(&self, ids: &[RecordId], at: Option<Cursor>) -> Result<Piece, StoreError> {
        let mut piece = Piece::default();
        let start = at.and_then(Cursor::within).map_or(0, |(_, place)| place);
        let start = usize::try_from(start).unwrap_or(usize::MAX).min(ids.len());
        for (place, id) in ids.iter().enumerate().skip(start) {
            let mut frames = Vec::new();
            if let Some((place, record)) = self.body(id)? {
                let signature = self.checked_signature(&place.feed, place.branch, &record)?;
                frame::encode_header(&mut frames, signature, record.header_bytes());
                if let Some(payload) = record.payload() {
                    frame::encode_payload(&mut frames, id, payload);
                }
                if signature.is_none() {
                    self.add_to_anchor(&mut frames, place.feed, place.seq + 1, place.branch)?;
                }
            }
            if !piece.bytes.is_empty() && PIECE_BYTES < piece.bytes.len() + frames.len() {
                piece.next = Some(Cursor::at(FeedId([0; 32]), place as Seq));
                break;
            }
            piece.bytes.append(&mut frames);
        }
        Ok(piece)
    }

    /// Returns the record with this id if its body may be given.
    fn body(&self, id: &RecordId) -> Result<Option<(Place, SignedRecord)>, StoreError> {
        let Some(place) = stream::place_of(self.reader, id)? else { return Ok(None) };
        let Some(state) = self.reader.feed(&place.feed)? else { return Ok(None) };
        if !self.entitled.covers_feed(&state)
            || !state.admits(&place)
            || self.blocks(&state.centre, Some(id))
            || erasure::of(self.reader, id, &state.centre)?.is_some()
        {
            return Ok(None);
        }
        let record = self.reader.record(&place)?.filter(|record| record.payload().is_some());
        Ok(record.map(|record| (place, record)))
    }

    fn blocks(&self, centre: &CentreId, record: Option<&RecordId>) -> bool {
        self.rules.judge(centre, record).0 == Verdict::Blocked
    }

    /// Returns the record's own signature if it is valid.
    fn checked_signature<'r>(
        &self,
        feed: &FeedId,
        branch: Branch,
        record: &'r SignedRecord,
    ) -> Result<Option<&'r Signature>, StoreError> {
        let header = record.header();
        let place = Place { feed: *feed, seq: header.seq, branch };
        let checked = self.reader.entry(&place)?.map(|entry| entry.signature)
            == Some(SignatureState::Checked);
        let valid = |signature: &&Signature| {
            checked
                || sign::verify(Domain::Record, &header.signer, record.header_bytes(), signature)
                    .is_ok()
        };
        Ok(record.signature().filter(valid))
    }
}
