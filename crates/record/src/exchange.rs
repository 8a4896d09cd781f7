//! What have-files and bundles say of themselves: what a site has, which part of how many it is.
//!
//! Invariant: nothing here names a record that is not for everybody unless its writer was asked
//! to; nothing here decides what is taken, only in which order and what is still missing.
//! Not here: frames around it (`frame`), what is missing elsewhere (`baraza-protocol`), files
//! (`baraza-cli`).
//! Spec: docs/PROTOCOL.md, sections 8.2 and 8.5.

use bincode::{Decode, Encode};

use crate::{
    codec::{self, DECODE_BYTES_MAX},
    ids::{CentreId, ID_BYTES, PublicKey, RecordId, Timestamp},
};

/// Bytes of the id of a bundle.
pub const BUNDLE_ID_BYTES: usize = 16;

/// Most heads that this implementation writes into one frame of a have-file: 73 KB of them.
pub const HAVE_HEADS_MAX: usize = 1_000;

/// Content of an exchange frame.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Note {
    /// First frame of a have-file.
    HaveStart(HaveStart),
    /// How far identity logs are held: ids of centres, numbers of events of the line that
    /// counts, ids of the last ones.
    Logs(Vec<Head>),
    /// How far feeds are admitted.
    Feeds(Vec<Head>),
    /// Records whose bodies are wanted.
    Bodies(Vec<RecordId>),
    /// Last frame of a have-file.
    HaveEnd(HaveEnd),
    /// First frame of a part of a bundle.
    PartStart(PartStart),
    /// Last frame of a part of a bundle.
    PartEnd(PartEnd),
}

/// Whose have-file it is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HaveStart {
    /// When it was made.
    pub made_ms: Timestamp,
    /// By whose node.
    pub centre: CentreId,
    /// By which node.
    pub node: PublicKey,
    /// What it tells of beside what is for everybody.
    pub with: Whom,
}

/// For whom a file is, beside everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Whom {
    /// Nobody else.
    Everybody,
    /// A centre.
    Centre(CentreId),
    /// The members of a network, which is not named: its id may be a secret of theirs.
    Network,
}

/// How far a log or a feed is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Head {
    /// Id of the centre or of the feed.
    pub key: [u8; ID_BYTES],
    /// Number of events, or position of the last record.
    pub seq: u64,
    /// Id of the last event or record; of a feed at 0, the feed id.
    pub id: [u8; ID_BYTES],
    /// Whether it is known to fork right after it.
    pub forked: bool,
}

/// What a have-file has, for whoever wants to know whether it is whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct HaveEnd {
    /// Logs named before it.
    pub logs: u64,
    /// Feeds named before it.
    pub feeds: u64,
    /// Bodies named before it.
    pub bodies: u64,
}

/// Which part of which bundle a file is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PartStart {
    /// Which.
    pub place: PartPlace,
    /// When the bundle was made.
    pub made_ms: Timestamp,
    /// By whose node.
    pub centre: CentreId,
    /// By which node.
    pub node: PublicKey,
    /// What it has beside what is for everybody.
    pub with: Whom,
    /// Whose have-file it answers, and when that was made; absent if it has everything.
    pub answers: Option<(CentreId, Timestamp)>,
}

/// Which part of a bundle a file is. Of fixed length: the number of parts is known, and
/// written, only at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct PartPlace {
    /// Id of the bundle, the same in all of its parts.
    pub bundle: [u8; BUNDLE_ID_BYTES],
    /// Number of this part, from 1: 4 bytes, big-endian.
    number: [u8; 4],
    /// How many there are, as `number`.
    of: [u8; 4],
}

/// What a part of a bundle has, for whoever wants to know whether it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PartEnd {
    /// Which part it ends.
    pub place: PartPlace,
    /// Frames before it, the start included.
    pub frames: u64,
}

impl Note {
    /// Returns the content of an exchange frame.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads the content of an exchange frame; none if it is of another version.
    pub fn decode(content: &[u8]) -> Option<Self> {
        codec::decode(content, DECODE_BYTES_MAX).ok()
    }
}

impl PartStart {
    /// Returns the id of the bundle whose parts begin like this one, wherever they stand in it.
    pub fn bundle_id(&self) -> [u8; BUNDLE_ID_BYTES] {
        let place = PartPlace::new([0; BUNDLE_ID_BYTES], 0, 0);
        let mut hasher = blake3::Hasher::new_derive_key("baraza 1 bundle id");
        hasher.update(&codec::encode(&Self { place, ..self.clone() }));
        let mut id = [0; BUNDLE_ID_BYTES];
        hasher.finalize_xof().fill(&mut id);
        id
    }
}

impl PartPlace {
    /// Returns the place of a part.
    pub fn new(bundle: [u8; BUNDLE_ID_BYTES], number: u32, of: u32) -> Self {
        Self { bundle, number: number.to_be_bytes(), of: of.to_be_bytes() }
    }

    /// Returns the number of the part, from 1; 0 if whoever wrote it lies.
    pub fn number(&self) -> u32 {
        u32::from_be_bytes(self.number)
    }

    /// Returns how many parts there are.
    pub fn of(&self) -> u32 {
        u32::from_be_bytes(self.of)
    }

    /// Returns whether there can be such a part.
    pub fn is_possible(&self) -> bool {
        (1..=self.of()).contains(&self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes() -> Vec<Note> {
        let place = PartPlace::new([7; 16], 2, 300);
        let head = Head { key: [1; 32], seq: 300, id: [2; 32], forked: true };
        let (made_ms, centre, node) = (Timestamp(1), CentreId([3; 32]), PublicKey([4; 32]));
        vec![
            Note::HaveStart(HaveStart { made_ms, centre, node, with: Whom::Network }),
            Note::Logs(vec![head]),
            Note::Feeds(vec![head; HAVE_HEADS_MAX]),
            Note::Bodies(vec![RecordId([5; 32])]),
            Note::HaveEnd(HaveEnd { logs: 1, feeds: 1_000, bodies: 1 }),
            Note::PartStart(PartStart {
                place,
                made_ms,
                centre,
                node,
                with: Whom::Centre(centre),
                answers: Some((centre, made_ms)),
            }),
            Note::PartEnd(PartEnd { place, frames: 12 }),
        ]
    }

    #[test]
    fn a_note_comes_back_as_it_was_and_nothing_else_is_one() {
        for note in notes() {
            let bytes = note.encode();
            assert_eq!(Note::decode(&bytes), Some(note), "{} bytes", bytes.len());
            assert_eq!(Note::decode(&bytes[..bytes.len() - 1]), None);
            assert_eq!(Note::decode(&[&bytes[..], &[0]].concat()), None);
        }
        // A count that no content can hold, and a variant of a later version.
        assert_eq!(Note::decode(&[1, 253, 255, 255, 255, 255, 255, 255, 255, 255]), None);
        assert_eq!(Note::decode(&[7]), None);
    }

    #[test]
    fn the_number_of_parts_can_be_filled_in_later() {
        let length =
            |of| Note::PartEnd(PartEnd { place: PartPlace::new([0; 16], 1, of), frames: 1 });
        assert_eq!(length(1).encode().len(), length(u32::MAX).encode().len());
        for (number, of, possible) in [(0, 1, false), (1, 0, false), (2, 1, false), (3, 3, true)] {
            let place = PartPlace::new([0; 16], number, of);
            assert_eq!((place.number(), place.of()), (number, of));
            assert_eq!(place.is_possible(), possible, "{number} of {of}");
        }
    }
}
