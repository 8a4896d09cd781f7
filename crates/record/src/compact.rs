//! A range of records without what its reader can derive.
//!
//! Centre, signer, audience and position are said once; what links a record to the one before it,
//! and the commitment to a body that is there, follow from the rest. Headers are made anew
//! byte for byte, so a wrong one has another id and breaks the chain.
//! Invariant: `expand` gives exactly the records that `of` was given, or the range is refused.
//! Not here: signatures and chains (`record`).
//! Spec: docs/PROTOCOL.md, section 3.7.

use bincode::{Decode, Encode};

use crate::{
    Audience, Goals, HEADER_VERSION, Header, Kind, Payload, RecordError, SignedRecord, codec, hash,
    ids::{BodyCommit, CentreId, EventId, PublicKey, RecordId, Seq, Timestamp},
    sign::Signature,
};

/// What all records of a range share, and where they stand.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RangeHead {
    /// In whose name.
    pub centre: CentreId,
    /// By which key.
    pub signer: PublicKey,
    /// For whom.
    pub audience: Audience,
    /// Position of the first record.
    pub from: Seq,
    /// Id of the record before it; none for the first of the feed.
    pub prev: Option<RecordId>,
}

/// What is left of one record.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Row {
    /// Kind.
    pub kind: Kind,
    /// Identity event, if it is not that of the record before.
    pub identity_head: Option<EventId>,
    /// Milliseconds since the record before; of the first, since 1970.
    pub later_ms: i64,
    /// Language.
    pub language: String,
    /// Goals.
    pub goals: Goals,
    /// First version.
    pub series: Option<RecordId>,
    /// What is retracted.
    pub target: Option<RecordId>,
    /// Total of the attachments, in bytes, rounded up to a power of two, or 0.
    pub attachment_bytes: u64,
    /// Own signature, if the sender has it.
    pub signature: Option<Signature>,
    /// Body.
    pub body: RowBody,
}

/// The body of a row.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum RowBody {
    /// It follows; length and commitment are derived from it.
    Present(Payload),
    /// The sender does not have it, or leaves it out.
    Absent(u32, BodyCommit),
}

/// Records of one feed, each following the one before.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CompactRange {
    /// What they share.
    pub head: RangeHead,
    /// The records.
    pub rows: Vec<Row>,
}

impl CompactRange {
    /// Makes it of records that follow each other; `None` of none, or of a header that is not of
    /// this version.
    pub fn of(records: &[SignedRecord]) -> Option<Self> {
        let first = records.first()?.header();
        let head = RangeHead {
            centre: first.centre,
            signer: first.signer,
            audience: first.audience.clone(),
            from: first.seq,
            prev: (first.seq != 1).then_some(first.prev),
        };
        let (mut rows, mut under, mut created) = (Vec::with_capacity(records.len()), None, 0_u64);
        for record in records {
            let header = record.header();
            if header.version != HEADER_VERSION {
                return None;
            }
            let identity_head =
                (under != Some(header.identity_head)).then_some(header.identity_head);
            under = Some(header.identity_head);
            let later_ms = header.created_ms.0.wrapping_sub(created).cast_signed();
            created = header.created_ms.0;
            let body = match record.payload() {
                Some(payload) => RowBody::Present(payload.clone()),
                None => RowBody::Absent(header.body_bytes, header.body_commit),
            };
            rows.push(Row {
                kind: header.kind,
                identity_head,
                later_ms,
                language: header.language.clone(),
                goals: header.goals,
                series: header.series,
                target: header.target,
                attachment_bytes: header.attachment_bytes,
                signature: record.signature().copied(),
                body,
            });
        }
        Some(Self { head, rows })
    }

    /// Makes the records anew, nothing of them verified.
    ///
    /// # Errors
    ///
    /// [`RecordError::Header`] for a row that makes no header; [`RecordError::Unlinked`] if the
    /// first row names no identity event, or no record before it although there is one.
    pub fn expand(self) -> Result<Vec<SignedRecord>, RecordError> {
        let RangeHead { centre, signer, audience, from, prev } = self.head;
        let mut prev = match prev {
            None if from == 1 => RecordId(hash::feed_id(&centre, &signer, &audience).0),
            Some(prev) if from != 1 => prev,
            _ => return Err(RecordError::Unlinked { seq: from }),
        };
        let (mut records, mut under, mut created) =
            (Vec::with_capacity(self.rows.len()), None, 0_u64);
        for (place, row) in self.rows.into_iter().enumerate() {
            let seq = from.checked_add(place as u64).ok_or(RecordError::Chain { seq: from })?;
            under = row.identity_head.or(under);
            let identity_head = under.ok_or(RecordError::Unlinked { seq })?;
            created = created.wrapping_add_signed(row.later_ms);
            let (body_bytes, body_commit, payload) = match row.body {
                RowBody::Present(payload) => {
                    let bytes = u32::try_from(payload.body.len()).unwrap_or(u32::MAX);
                    (bytes, hash::body_commit(&payload.salt, &payload.body), Some(payload))
                }
                RowBody::Absent(bytes, commit) => (bytes, commit, None),
            };
            let header = Header {
                version: HEADER_VERSION,
                kind: row.kind,
                centre,
                signer,
                audience: audience.clone(),
                seq,
                prev,
                identity_head,
                created_ms: Timestamp(created),
                language: row.language,
                goals: row.goals,
                series: row.series,
                target: row.target,
                attachment_bytes: row.attachment_bytes,
                body_bytes,
                body_commit,
            };
            let record = SignedRecord::rebuild(header, row.signature, payload)?;
            prev = record.id();
            records.push(record);
        }
        Ok(records)
    }

    /// Reads as much of an encoded range as is there: of one that broke off, the rows before.
    /// Returns what follows it, if it is whole.
    pub fn decode_beginning(bytes: &[u8]) -> Option<(Self, Option<&[u8]>)> {
        let (head, rest) = codec::decode_first::<RangeHead>(bytes)?;
        let (count, mut rest) = codec::decode_first::<u64>(rest)?;
        let mut rows = Vec::new();
        while (rows.len() as u64) < count {
            let Some((row, behind)) = codec::decode_first::<Row>(rest) else {
                return Some((Self { head, rows }, None));
            };
            rows.push(row);
            rest = behind;
        }
        Some((Self { head, rows }, Some(rest)))
    }
}
