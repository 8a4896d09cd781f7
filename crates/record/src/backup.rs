//! What stands in a backup beside the frames of a ledger: what it is, and files of the node.
//!
//! Invariant: a file counts only if all its pieces are there and have its hash; a name is one of
//! a short list, so that a backup cannot write elsewhere. No key is ever among them.
//! Not here: reading and writing files (`node`).
//! Spec: docs/PROTOCOL.md, section 8.4.

use bincode::{Decode, Encode};

use crate::{
    codec::{self, DECODE_BYTES_MAX},
    ids::{CentreId, Timestamp},
};

/// Most bytes of a file in one frame (256 KiB); a longer file has several.
pub const PIECE_BYTES: usize = 256 * 1_024;

/// Most bytes of a file in a backup (4 MiB): the largest, the staff's log, is moved aside at 1 MiB.
pub const FILE_BYTES_MAX: u64 = 4 * 1_024 * 1_024;

/// Files of a home that a backup has, if they are there.
pub const FILES: [&str; 5] =
    ["config.toml", "trust.toml", "policy.toml", "networks.toml", "staff.log"];

/// Folder of the drafts, whose files a backup has.
pub const DRAFTS: &str = "drafts";

/// Content of a private frame.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Part {
    /// First frame of a backup.
    Start {
        /// When it was made.
        made_ms: Timestamp,
        /// Of whose node.
        centre: CentreId,
    },
    /// A piece of a file.
    File(Piece),
    /// Last frame of a backup.
    End {
        /// How many frames stand before it.
        frames: u64,
    },
}

/// A piece of a file.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Piece {
    /// Path inside the home, with `/` between its parts.
    pub name: String,
    /// BLAKE3 hash of the whole file.
    pub hash: [u8; 32],
    /// Bytes of the whole file.
    pub total: u64,
    /// Where this piece starts.
    pub offset: u64,
    /// What stands there.
    pub bytes: Vec<u8>,
}

impl Part {
    /// Returns the content of a private frame.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads the content of a private frame; none if it is of another version.
    pub fn decode(content: &[u8]) -> Option<Self> {
        codec::decode(content, DECODE_BYTES_MAX).ok()
    }
}

/// Returns the pieces of a file. An empty file has one.
pub fn pieces<'f>(name: &'f str, content: &'f [u8]) -> impl Iterator<Item = Part> + 'f {
    let hash = *blake3::hash(content).as_bytes();
    let total = content.len() as u64;
    let starts = (0..content.len().max(1)).step_by(PIECE_BYTES);
    starts.map(move |start| {
        let end = content.len().min(start + PIECE_BYTES);
        let bytes = content[start..end].to_vec();
        Part::File(Piece { name: name.to_owned(), hash, total, offset: start as u64, bytes })
    })
}

/// Returns whether a backup may have a file of this name.
pub fn may_hold(name: &str) -> bool {
    let plain = |name: &str| {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.';
        !name.is_empty() && !name.starts_with('.') && name.chars().all(letters)
    };
    match name.split_once('/') {
        Some((DRAFTS, draft)) => plain(draft) && draft.ends_with(".json"),
        Some(_) => false,
        None => {
            let log = name.strip_prefix("staff.log.").is_some_and(|n| n.parse::<u8>().is_ok());
            FILES.contains(&name) || log
        }
    }
}

/// Puts the pieces of one file after another together.
#[derive(Debug, Default)]
pub struct Assembler {
    current: Option<Piece>,
    /// Names of files that came in part or with another hash.
    broken: Vec<String>,
}

impl Assembler {
    /// Takes a piece; returns a file that is whole now, with its name.
    pub fn take(&mut self, piece: Piece) -> Option<(String, Vec<u8>)> {
        if FILE_BYTES_MAX < piece.total || !may_hold(&piece.name) {
            self.note(piece.name);
            return None;
        }
        let same = |one: &Piece| {
            (&one.name, one.hash, one.total) == (&piece.name, piece.hash, piece.total)
        };
        let file = match self.current.take() {
            Some(mut file) if same(&file) && file.bytes.len() as u64 == piece.offset => {
                file.bytes.extend(piece.bytes);
                file
            }
            before => {
                before.into_iter().for_each(|file| self.note(file.name));
                if piece.offset != 0 {
                    self.note(piece.name);
                    return None;
                }
                piece
            }
        };
        if (file.bytes.len() as u64) < file.total {
            self.current = Some(file);
            return None;
        }
        if *blake3::hash(&file.bytes).as_bytes() != file.hash {
            self.note(file.name);
            return None;
        }
        Some((file.name, file.bytes))
    }

    /// Returns the names of the files that were not whole.
    pub fn finish(mut self) -> Vec<String> {
        if let Some(file) = self.current.take() {
            self.note(file.name);
        }
        self.broken
    }

    fn note(&mut self, name: String) {
        if !self.broken.contains(&name) {
            self.broken.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(part: Part) -> Piece {
        match Part::decode(&part.encode()) {
            Some(Part::File(piece)) => piece,
            other => panic!("no piece: {other:?}"),
        }
    }

    #[test]
    fn a_file_of_any_length_comes_back_whole() {
        for bytes in [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES] {
            let content: Vec<u8> = (0..bytes).map(|n| n as u8).collect();
            let mut assembler = Assembler::default();
            let mut got: Vec<_> = pieces("staff.log", &content)
                .filter_map(|part| assembler.take(piece(part)))
                .collect();
            assert_eq!(got.pop(), Some(("staff.log".to_owned(), content)), "{bytes} bytes");
            assert!(got.is_empty() && assembler.finish().is_empty());
        }
    }

    #[test]
    fn a_file_with_a_piece_lost_or_changed_is_no_file() {
        let content = vec![7; 2 * PIECE_BYTES + 5];
        let all: Vec<_> = pieces("config.toml", &content).map(piece).collect();
        for lost in 0..all.len() {
            let mut assembler = Assembler::default();
            let mut some = all.clone();
            some.remove(lost);
            let got: Vec<_> = some.into_iter().filter_map(|one| assembler.take(one)).collect();
            assert!(got.is_empty(), "without piece {lost}");
            assert_eq!(assembler.finish(), ["config.toml"], "without piece {lost}");

            let mut assembler = Assembler::default();
            let mut changed = all.clone();
            changed[lost].bytes[0] ^= 1;
            assert!(changed.into_iter().filter_map(|one| assembler.take(one)).next().is_none());
            assert_eq!(assembler.finish(), ["config.toml"], "with piece {lost} changed");
        }
    }

    #[test]
    fn no_name_leads_out_of_the_home_or_to_a_key() {
        for name in ["config.toml", "staff.log", "staff.log.9", "drafts/0123abcd.json"] {
            assert!(may_hold(name), "{name}");
        }
        for name in [
            "",
            "..",
            "/etc/passwd",
            "../config.toml",
            "drafts/../config.toml",
            "drafts/.json",
            "drafts/a/b.json",
            "keys/operator.pem",
            "keys",
            "staff.log.x",
            "staff.log/1",
            "lock",
            "ledger/own-heads",
            "drafts",
            "drafts/",
            "drafts/A.json",
            "drafts/x\u{0}.json",
        ] {
            assert!(!may_hold(name), "{name}");
            let mut assembler = Assembler::default();
            let part = pieces(name, b"text").next().expect("one piece");
            assert_eq!(assembler.take(piece(part)), None, "{name}");
        }
    }
}
