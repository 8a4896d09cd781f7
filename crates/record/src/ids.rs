//! Newtypes for ids, keys and quantities: 32 bytes never stand for two things.
//!
//! Invariant: the text form is lower-case hexadecimal and parses back to the same bytes.
//! Not here: how an id is computed (`hash`), what a key may do (`baraza-identity`).
//! Spec: docs/PROTOCOL.md, section 2.

use std::{fmt, str::FromStr};

use bincode::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Length of every hash and public key, in bytes.
pub const ID_BYTES: usize = 32;

/// Number of hexadecimal digits shown to people where an id need only be recognised.
///
/// 48 bits: with a million records, two share a short form with a chance of 1 in 500.
pub const SHORT_DIGITS: usize = 12;

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id: 64 hexadecimal digits are needed")]
pub struct ParseIdError {
    /// What was given, cut to 80 characters.
    pub text: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        pub struct $name(pub [u8; ID_BYTES]);

        impl $name {
            /// Returns the first [`SHORT_DIGITS`] hexadecimal digits.
            pub fn short(&self) -> String {
                let mut text = self.to_string();
                text.truncate(SHORT_DIGITS);
                text
            }

            /// Returns the 32 bytes.
            pub fn as_bytes(&self) -> &[u8; ID_BYTES] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse_hex(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

id! {
    /// Id of a record: a hash of its header bytes.
    RecordId
}
id! {
    /// Id of a feed: a hash of centre, signer and audience.
    FeedId
}
id! {
    /// Id of a centre: the id of the first event of its identity log.
    CentreId
}
id! {
    /// Id of one event of an identity log.
    EventId
}
id! {
    /// Id of a network.
    NetworkId
}
id! {
    /// Salted hash of a body.
    BodyCommit
}
id! {
    /// BLAKE3 hash of a file that is attached to records.
    FileHash
}
id! {
    /// Digest of a public key that is not revealed yet.
    KeyDigest
}
id! {
    /// An Ed25519 public key as bytes; not necessarily a valid point.
    PublicKey
}

/// Position of a record in its feed, from 1.
pub type Seq = u64;

/// Milliseconds since 1970-01-01T00:00:00Z, by somebody's clock.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    Serialize,
    Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Returns the time `millis` milliseconds later, saturating.
    #[must_use]
    pub fn plus_ms(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Returns the milliseconds since `earlier`, 0 if that is later.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

fn parse_hex(text: &str) -> Result<[u8; ID_BYTES], ParseIdError> {
    let fail = || ParseIdError { text: text.chars().take(80).collect() };
    let digits = text.as_bytes();
    if digits.len() != ID_BYTES * 2 {
        return Err(fail());
    }
    let mut bytes = [0; ID_BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |c: u8| (c as char).to_digit(16).ok_or_else(fail);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).map_err(|_| fail())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_form() {
        let id = RecordId([0xa7; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.short(), "a7a7a7a7a7a7");
    }

    #[test]
    fn text_that_is_no_id_is_refused() {
        for text in ["", "a7", &"g".repeat(64), &"é".repeat(32), &"0".repeat(65)] {
            assert!(text.parse::<RecordId>().is_err(), "{text}");
        }
    }
}
