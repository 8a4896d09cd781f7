//! Where a piece of a bundle starts.
//!
//! Invariant: its text is opaque to clients, and parses back to the same place.
//! Spec: docs/OPERATIONS.md, "API".

use std::{fmt, str::FromStr};

use baraza_record::{FeedId, Seq};

/// Why a text is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a place where a piece starts")]
pub struct BadCursor;

/// Where a piece starts, within one part of what another site has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    key: [u8; 32],
    /// Within the feed `key`; none: with what follows the key.
    seq: Option<Seq>,
}

impl Cursor {
    pub(super) fn after(key: [u8; 32]) -> Self {
        Self { key, seq: None }
    }

    pub(super) fn at(feed: FeedId, seq: Seq) -> Self {
        Self { key: feed.0, seq: Some(seq) }
    }

    pub(super) fn key(self) -> Option<[u8; 32]> {
        self.seq.is_none().then_some(self.key)
    }

    pub(super) fn within(self) -> Option<(FeedId, Seq)> {
        self.seq.map(|seq| (FeedId(self.key), seq))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = FeedId(self.key);
        match self.seq {
            Some(seq) => write!(f, "{key}-{seq}"),
            None => write!(f, "{key}"),
        }
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (key, seq) = match text.split_once('-') {
            Some((key, seq)) => (key, Some(seq.parse().map_err(|_| BadCursor)?)),
            None => (text, None),
        };
        let FeedId(key) = key.parse().map_err(|_| BadCursor)?;
        Ok(Self { key, seq })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        for cursor in [
            Cursor::after([0xa7; 32]),
            Cursor::at(FeedId([9; 32]), 0),
            Cursor::at(FeedId([9; 32]), u64::MAX),
        ] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        let id = FeedId([9; 32]).to_string();
        for text in ["", "records", "00-1", &id[1..], &format!("{id}-"), &format!("{id}-x")] {
            assert_eq!(text.parse::<Cursor>(), Err(BadCursor), "{text}");
        }
    }
}
