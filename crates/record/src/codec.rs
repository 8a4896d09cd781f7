//! The one decoder for bytes that others wrote.
//!
//! Invariant: a value decoded here encodes to exactly the bytes it came from, so one
//! value has one byte form and one hash. bincode alone accepts longer forms of small
//! integers and ignores what follows a value.
//! Not here: what a decoded value means.
//! Spec: docs/PROTOCOL.md, section 2.1.

use bincode::{
    Decode, Encode,
    config::{Configuration, Limit, LittleEndian, Varint, standard},
};

/// Largest value that the decoder takes, in bytes (384 KiB).
///
/// A body of 256 KiB, its header and its frame fit; it bounds what a forged length
/// can make us allocate. Source: docs/PROTOCOL.md, section 2.1.
pub const DECODE_BYTES_MAX: usize = 384 * 1_024;

/// Why bytes are not a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than the caller allows here.
    #[error("{bytes} bytes, the limit is {limit}")]
    TooLong {
        /// How many there are.
        bytes: usize,
        /// How many may be.
        limit: usize,
    },
    /// The bytes end early, or a tag, a length or a text in them is not valid.
    #[error("not a valid encoding: {reason}")]
    Invalid {
        /// What the decoder says.
        reason: String,
    },
    /// Bytes follow the value.
    #[error("{bytes} bytes follow the value")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// The value has a shorter form than the one given.
    #[error("not the shortest encoding of its value")]
    NotCanonical,
}

/// Encodes `value`: bincode 2 `standard()`, little-endian with variable-length integers.
///
/// # Panics
///
/// Never for the types of this workspace: they hold no borrowed cells, paths or locks,
/// which are all that bincode fails to encode.
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    bincode::encode_to_vec(value, standard()).expect("plain data always encodes")
}

/// Decodes `bytes`, which must be the one encoding of a `T` and no longer than `limit` bytes.
///
/// `T` must not be recursive, hold maps, or collections of zero-size elements: bincode
/// bounds neither depth nor such counts.
///
/// # Errors
///
/// Any of [`DecodeError`]; nothing larger than [`DECODE_BYTES_MAX`] is allocated.
pub fn decode<T: Decode<()> + Encode>(bytes: &[u8], limit: usize) -> Result<T, DecodeError> {
    let limit = limit.min(DECODE_BYTES_MAX);
    if limit < bytes.len() {
        return Err(DecodeError::TooLong { bytes: bytes.len(), limit });
    }
    let (value, used) = bincode::decode_from_slice::<T, _>(bytes, bounded())
        .map_err(|error| DecodeError::Invalid { reason: error.to_string() })?;
    if used < bytes.len() {
        return Err(DecodeError::Trailing { bytes: bytes.len() - used });
    }
    if encode(&value) != bytes {
        return Err(DecodeError::NotCanonical);
    }
    Ok(value)
}

/// Decodes the value at the beginning of bytes that may break off behind it; returns what follows.
///
/// `None` if there is no whole value, or not in its one encoding.
pub fn decode_first<T: Decode<()> + Encode>(bytes: &[u8]) -> Option<(T, &[u8])> {
    let (value, used) = bincode::decode_from_slice::<T, _>(bytes, bounded()).ok()?;
    let (own, rest) = bytes.split_at_checked(used)?;
    (encode(&value) == own).then_some((value, rest))
}

fn bounded() -> Configuration<LittleEndian, Varint, Limit<DECODE_BYTES_MAX>> {
    standard().with_limit::<DECODE_BYTES_MAX>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_encoding() {
        assert_eq!(decode::<u64>(&[5], 9), Ok(5));
        assert_eq!(decode::<u64>(&[251, 5, 0], 9), Err(DecodeError::NotCanonical));
        assert_eq!(decode::<u64>(&[5, 0], 9), Err(DecodeError::Trailing { bytes: 1 }));
        assert_eq!(decode::<u64>(&[5, 0], 1), Err(DecodeError::TooLong { bytes: 2, limit: 1 }));
    }

    #[test]
    fn a_forged_length_allocates_nothing() {
        let mut bytes = vec![253];
        bytes.extend((1_u64 << 40).to_le_bytes());
        assert!(matches!(decode::<Vec<u8>>(&bytes, 64), Err(DecodeError::Invalid { .. })));
        assert!(matches!(decode::<String>(&bytes, 64), Err(DecodeError::Invalid { .. })));
    }
}
