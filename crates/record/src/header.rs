//! The header of a record: what is signed, hashed and chained.
//!
//! Invariant: a [`Header`] in hand has the structure that every node demands, and its
//! bytes are kept beside it wherever they matter. Unknown kinds and goal bits pass
//! unchanged, so that an old node relays what a newer one wrote.
//! Not here: signatures and chains (`record`, `chain`), the body (`body`).
//! Spec: docs/PROTOCOL.md, section 3.

use bincode::{Decode, Encode};

use crate::{
    Audience, Kind,
    codec::{self, DecodeError},
    goals::Goals,
    hash,
    ids::{BodyCommit, CentreId, EventId, FeedId, PublicKey, RecordId, Seq, Timestamp},
};

/// Header version that this code writes and reads.
pub const HEADER_VERSION: u16 = 1;

/// Most bytes of an encoded header (1 KiB).
///
/// The widest header, for 16 named centres, has about 800. Source: docs/PROTOCOL.md, section 3.1.
pub const HEADER_BYTES_MAX: usize = 1_024;

/// Most bytes of a body (256 KiB).
///
/// The longest practice of the field guides has 4,000 words: about 70 KB in Hindi, the
/// widest script measured. The rest is room for new kinds.
/// Source: docs/PROTOCOL.md, section 3.1 (the same on every node).
pub const BODY_BYTES_MAX: u32 = 256 * 1_024;

/// Most bytes of a language tag: the longest that RFC 5646 section 4.4.1 expects.
pub const LANGUAGE_BYTES_MAX: usize = 35;

/// What a record says of itself, in the order in which it is encoded.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Header {
    /// Version of this structure, [`HEADER_VERSION`].
    pub version: u16,
    /// What the body is.
    pub kind: Kind,
    /// In whose name the record speaks.
    pub centre: CentreId,
    /// Which operator key signed it.
    pub signer: PublicKey,
    /// For whom it is.
    pub audience: Audience,
    /// Position in its feed, from 1.
    pub seq: Seq,
    /// Id of the record before it; of the first, the bytes of the feed id.
    pub prev: RecordId,
    /// Identity event of the centre under which the signer acted.
    pub identity_head: EventId,
    /// Time by the author's clock; it never decides anything.
    pub created_ms: Timestamp,
    /// BCP 47 tag of the body's language.
    pub language: String,
    /// Sustainable Development Goals that the body is about.
    pub goals: Goals,
    /// First version of what this revises; absent in a first version.
    pub series: Option<RecordId>,
    /// What a retraction retracts; absent in every other kind.
    pub target: Option<RecordId>,
    /// Total of the attachments, in bytes, rounded up to a power of two, or 0.
    pub attachment_bytes: u64,
    /// Length of the body, in bytes.
    pub body_bytes: u32,
    /// Salted hash of the body.
    pub body_commit: BodyCommit,
}

/// Why header bytes are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not a header at all.
    #[error("header does not decode")]
    Decode(#[from] DecodeError),
    /// Written by newer code. Nobody's fault: the feed ends here for this node.
    #[error("header version {version} is newer than this node, which reads {HEADER_VERSION}")]
    UnknownVersion {
        /// The version it states.
        version: u16,
    },
    /// A field has a value that no header may have.
    #[error("header field `{field}` {rule}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What it breaks.
        rule: &'static str,
    },
}

impl Header {
    /// Encodes the header.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Decodes header bytes and checks their structure.
    ///
    /// # Errors
    ///
    /// Any of [`HeaderError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        if HEADER_BYTES_MAX < bytes.len() {
            let limit = HEADER_BYTES_MAX;
            return Err(DecodeError::TooLong { bytes: bytes.len(), limit }.into());
        }
        // The version comes first, so that a header of a later one is told from a broken one.
        let (version, _) = bincode::decode_from_slice::<u16, _>(bytes, bincode::config::standard())
            .map_err(|error| DecodeError::Invalid { reason: error.to_string() })?;
        if HEADER_VERSION < version {
            return Err(HeaderError::UnknownVersion { version });
        }
        let header: Self = codec::decode(bytes, HEADER_BYTES_MAX)?;
        header.validate()?;
        Ok(header)
    }

    /// Checks the structure of the header and encodes it.
    pub(crate) fn encode_checked(&self) -> Result<Vec<u8>, HeaderError> {
        self.validate()?;
        let bytes = self.encode();
        match HEADER_BYTES_MAX < bytes.len() {
            true => {
                Err(DecodeError::TooLong { bytes: bytes.len(), limit: HEADER_BYTES_MAX }.into())
            }
            false => Ok(bytes),
        }
    }

    /// Returns the id of the feed that the header belongs to.
    pub fn feed(&self) -> FeedId {
        hash::feed_id(&self.centre, &self.signer, &self.audience)
    }

    /// Returns whether both headers belong to one feed, without hashing.
    pub fn same_feed(&self, other: &Self) -> bool {
        self.centre == other.centre
            && self.signer == other.signer
            && self.audience == other.audience
    }

    fn validate(&self) -> Result<(), HeaderError> {
        let language = self.language.as_bytes();
        let rules: [(&'static str, &'static str, bool); 7] = [
            ("version", "is 0", self.version != 0),
            ("audience", "names no centre, too many, or not in order", self.audience.is_valid()),
            ("seq", "is 0", self.seq != 0),
            (
                "prev",
                "of the first record is not the feed id",
                self.seq != 1 || self.prev.0 == self.feed().0,
            ),
            (
                "language",
                "is not a language tag of 2 to 35 bytes",
                (2..=LANGUAGE_BYTES_MAX).contains(&language.len())
                    && language.iter().all(|c| c.is_ascii_alphanumeric() || *c == b'-'),
            ),
            (
                "attachment_bytes",
                "is not 0 or a power of two",
                self.attachment_bytes == 0 || self.attachment_bytes.is_power_of_two(),
            ),
            ("body_bytes", "is over the limit", self.body_bytes <= BODY_BYTES_MAX),
        ];
        match rules.iter().find(|(_, _, holds)| !holds) {
            Some(&(field, rule, _)) => Err(HeaderError::Field { field, rule }),
            None => Ok(()),
        }
    }
}
