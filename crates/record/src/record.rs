//! A record with its bytes: from what somebody sent to what may be stored.
//!
//! Invariant: only a valid signature of its own, or a chain to a later header that has
//! one, makes a [`VerifiedRecord`]; nothing else can be stored. The bytes that were
//! signed are the bytes that are kept: nothing is encoded again to be checked.
//! Spec: docs/PROTOCOL.md, sections 3.5 and 3.6.

use bincode::{Decode, Encode};

use crate::{
    Header, HeaderError,
    codec::{self, DecodeError},
    hash::{self, Salt},
    header::{BODY_BYTES_MAX, HEADER_BYTES_MAX},
    ids::{FeedId, RecordId, Seq},
    sign::{self, Domain, SecretKey, Signature, VerifyError},
};

/// Most bytes of a record on its own: header, signature, salt, body and their lengths.
pub const RECORD_BYTES_MAX: usize = HEADER_BYTES_MAX + BODY_BYTES_MAX as usize + 128;

/// Most headers that one signature covers, its own included.
pub const ANCHOR_HEADERS_MAX: usize = 256;

/// The body of a record as it was signed, with the salt of its commitment.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Payload {
    /// Random bytes that were hashed before the body.
    pub salt: Salt,
    /// UTF-8 JSON, exactly as written by the author.
    pub body: Vec<u8>,
}

/// The byte form of a record outside a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct WireRecord {
    /// The signed header bytes.
    pub header: Vec<u8>,
    /// The signer's own signature, if whoever sends this has it.
    pub signature: Option<Signature>,
    /// The body, if whoever sends this has it.
    pub payload: Option<Payload>,
}

/// A record whose structure is known and whose signature is not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRecord {
    id: RecordId,
    header: Header,
    header_bytes: Vec<u8>,
    signature: Option<Signature>,
    payload: Option<Payload>,
}

/// A record that is authentic: its signer wrote it at this place in this feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRecord {
    record: SignedRecord,
    own_signature: bool,
}

/// Why a record is not authentic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The record does not decode.
    #[error("record does not decode")]
    Decode(#[from] DecodeError),
    /// The header is refused.
    #[error("record has a bad header")]
    Header(#[from] HeaderError),
    /// The signature is refused.
    #[error("record at position {seq} of its feed: {cause}")]
    Signature {
        /// Position of the record.
        seq: Seq,
        /// What is wrong with it.
        cause: VerifyError,
    },
    /// There is no signature where one is needed.
    #[error("record at position {seq} of its feed carries no signature")]
    Unsigned {
        /// Position of the record.
        seq: Seq,
    },
    /// The body is not the one that the header commits to.
    #[error("body of the record at position {seq} is not the one its header commits to")]
    Payload {
        /// Position of the record.
        seq: Seq,
    },
    /// Two neighbours of a range are not chained.
    #[error("record at position {seq} does not follow the one before it")]
    Chain {
        /// Position of the later one.
        seq: Seq,
    },
    /// A range in compact form leaves out what cannot be derived.
    #[error("record at position {seq} does not say what it follows or under which identity event")]
    Unlinked {
        /// Position of the record.
        seq: Seq,
    },
    /// A range is empty or longer than one signature may cover.
    #[error("a range of {headers} headers, allowed are 1 to {ANCHOR_HEADERS_MAX}")]
    RangeLength {
        /// How many there are.
        headers: usize,
    },
}

impl SignedRecord {
    /// Signs `header` and puts the record together. The header's `body_bytes` and
    /// `body_commit` are set from `payload`.
    pub fn sign(mut header: Header, payload: Payload, key: &SecretKey) -> VerifiedRecord {
        header.body_bytes = u32::try_from(payload.body.len()).unwrap_or(u32::MAX);
        header.body_commit = hash::body_commit(&payload.salt, &payload.body);
        let header_bytes = header.encode();
        let signature = Some(key.sign(Domain::Record, &header_bytes));
        let id = hash::record_id(&header_bytes);
        let record = Self { id, header, header_bytes, signature, payload: Some(payload) };
        VerifiedRecord { record, own_signature: true }
    }

    /// Decodes the byte form of one record.
    ///
    /// # Errors
    ///
    /// [`RecordError::Decode`] or [`RecordError::Header`].
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        Self::from_wire(codec::decode::<WireRecord>(bytes, RECORD_BYTES_MAX)?)
    }

    /// Takes the parts of a record and checks the structure of its header.
    ///
    /// # Errors
    ///
    /// [`RecordError::Header`].
    pub fn from_wire(wire: WireRecord) -> Result<Self, RecordError> {
        let header = Header::decode(&wire.header)?;
        let id = hash::record_id(&wire.header);
        let WireRecord { header: header_bytes, signature, payload } = wire;
        Ok(Self { id, header, header_bytes, signature, payload })
    }

    /// Puts a record together again from a header that was taken apart.
    ///
    /// # Errors
    ///
    /// [`RecordError::Header`].
    pub(crate) fn rebuild(
        header: Header,
        signature: Option<Signature>,
        payload: Option<Payload>,
    ) -> Result<Self, RecordError> {
        let header_bytes = header.encode_checked()?;
        let id = hash::record_id(&header_bytes);
        Ok(Self { id, header, header_bytes, signature, payload })
    }

    /// Returns the parts of the record.
    pub fn to_wire(&self) -> WireRecord {
        WireRecord {
            header: self.header_bytes.clone(),
            signature: self.signature,
            payload: self.payload.clone(),
        }
    }

    /// Encodes the record: the inverse of [`decode`](Self::decode).
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(&self.to_wire())
    }

    /// Returns the id.
    pub fn id(&self) -> RecordId {
        self.id
    }

    /// Returns the header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the bytes that were signed.
    pub fn header_bytes(&self) -> &[u8] {
        &self.header_bytes
    }

    /// Returns the signature, which may be missing and need not be valid.
    pub fn signature(&self) -> Option<&Signature> {
        self.signature.as_ref()
    }

    /// Returns the body and its salt, if present.
    pub fn payload(&self) -> Option<&Payload> {
        self.payload.as_ref()
    }

    /// Returns the id of the record's feed.
    pub fn feed(&self) -> FeedId {
        self.header.feed()
    }

    /// Returns the record without its body.
    #[must_use]
    pub fn without_payload(mut self) -> Self {
        self.payload = None;
        self
    }

    /// Gives the record a body, which is checked when the record is verified.
    pub fn attach(&mut self, payload: Payload) {
        self.payload = Some(payload);
    }

    /// Verifies the record by its own signature, and its body if present.
    ///
    /// # Errors
    ///
    /// [`RecordError::Unsigned`], [`RecordError::Signature`] or [`RecordError::Payload`].
    pub fn verify(self) -> Result<VerifiedRecord, RecordError> {
        self.verify_payload()?;
        self.verify_own_signature()?;
        Ok(VerifiedRecord { record: self, own_signature: true })
    }

    /// Verifies the signature alone, without looking at the body.
    ///
    /// # Errors
    ///
    /// [`RecordError::Unsigned`] or [`RecordError::Signature`].
    pub fn verify_own_signature(&self) -> Result<(), RecordError> {
        let seq = self.header.seq;
        let signature = self.signature.as_ref().ok_or(RecordError::Unsigned { seq })?;
        sign::verify(Domain::Record, &self.header.signer, &self.header_bytes, signature)
            .map_err(|cause| RecordError::Signature { seq, cause })
    }

    fn verify_payload(&self) -> Result<(), RecordError> {
        match &self.payload {
            Some(payload) if !payload.fits(&self.header) => {
                Err(RecordError::Payload { seq: self.header.seq })
            }
            _ => Ok(()),
        }
    }
}

impl Payload {
    /// Returns whether this is the body that `header` commits to.
    pub fn fits(&self, header: &Header) -> bool {
        usize::try_from(header.body_bytes) == Ok(self.body.len())
            && hash::body_commit(&self.salt, &self.body) == header.body_commit
    }
}

impl VerifiedRecord {
    /// Verifies a contiguous range of one feed by the signature of its last record.
    ///
    /// One strict check and a hash for each record: the chain proves the rest. Bodies are
    /// checked against their commitments.
    ///
    /// # Errors
    ///
    /// [`RecordError::RangeLength`], [`RecordError::Chain`], or what is wrong with the last
    /// signature or with a body. Nothing of a range with an error is usable.
    pub fn verify_range(records: Vec<SignedRecord>) -> Result<Vec<Self>, RecordError> {
        let headers = records.len();
        if !(1..=ANCHOR_HEADERS_MAX).contains(&headers) {
            return Err(RecordError::RangeLength { headers });
        }
        for pair in records.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            let follows = Some(after.header.seq) == before.header.seq.checked_add(1)
                && after.header.prev == before.id
                && after.header.same_feed(&before.header);
            if !follows {
                return Err(RecordError::Chain { seq: after.header.seq });
            }
        }
        records.iter().try_for_each(SignedRecord::verify_payload)?;
        records[headers - 1].verify_own_signature()?;
        let last = headers - 1;
        let verified = |(place, record)| Self { record, own_signature: place == last };
        Ok(records.into_iter().enumerate().map(verified).collect())
    }

    /// Returns the record.
    pub fn record(&self) -> &SignedRecord {
        &self.record
    }

    /// Returns whether the record's own signature was checked, not only its chain.
    pub fn has_own_signature(&self) -> bool {
        self.own_signature
    }

    /// Gives up the proof.
    pub fn into_record(self) -> SignedRecord {
        self.record
    }
}

impl std::ops::Deref for VerifiedRecord {
    type Target = SignedRecord;

    fn deref(&self) -> &SignedRecord {
        &self.record
    }
}
