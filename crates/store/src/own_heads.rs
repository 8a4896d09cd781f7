//! The heads of the feeds that this node signs, in a file of their own.
//!
//! Invariant: written after the records it names and before they are acknowledged. If it
//! names more than the store holds, the store has lost its end, and a record published now
//! would fork the feed.
//! Spec: docs/STORAGE.md, section 5.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use baraza_protocol::store::FeedHead;
use baraza_record::{FeedId, RecordId};

use crate::home;

const TITLE: &str = "baraza own heads 1";

/// What the file of own heads says against what the store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnHeads {
    /// Feeds of which the store does not hold the record it should, with that record.
    /// Nothing may be published in them until a peer or a backup has given it back.
    pub lost: Vec<(FeedId, FeedHead)>,
    /// Whether the file itself cannot be read: any own feed may have lost its end.
    pub unreadable: bool,
}

/// The file, and what it says.
#[derive(Debug)]
pub(crate) struct OwnHeadsFile {
    path: PathBuf,
    heads: BTreeMap<FeedId, FeedHead>,
}

impl OwnHeadsFile {
    /// Reads the file in `dir`; also returns whether it is damaged. A missing file is empty.
    pub(crate) fn load(dir: &Path) -> io::Result<(Self, bool)> {
        let path = dir.join("own-heads");
        let parsed = match fs::read_to_string(&path) {
            Ok(text) => parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(BTreeMap::new()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
            Err(error) => return Err(error),
        };
        let unreadable = parsed.is_none();
        Ok((Self { path, heads: parsed.unwrap_or_default() }, unreadable))
    }

    /// Returns the heads.
    pub(crate) fn heads(&self) -> &BTreeMap<FeedId, FeedHead> {
        &self.heads
    }

    /// Adds heads and returns when the file is on the disk.
    pub(crate) fn set(&mut self, heads: &BTreeMap<FeedId, FeedHead>) -> io::Result<()> {
        self.heads.extend(heads);
        home::replace(&self.path, format(&self.heads).as_bytes())
    }
}

fn format(heads: &BTreeMap<FeedId, FeedHead>) -> String {
    let mut text = format!("{TITLE}\n");
    for (feed, head) in heads {
        text.push_str(&format!("{feed} {} {}\n", head.seq, head.id));
    }
    let checksum = crc32fast::hash(text.as_bytes());
    text.push_str(&format!("end {checksum:08x}\n"));
    text
}

fn parse(text: &str) -> Option<BTreeMap<FeedId, FeedHead>> {
    let body = text.strip_suffix('\n')?;
    let end = body.rfind('\n')? + 1;
    let (body, last) = body.split_at(end);
    if last != format!("end {:08x}", crc32fast::hash(body.as_bytes())) {
        return None;
    }
    let mut lines = body.lines();
    if lines.next() != Some(TITLE) {
        return None;
    }
    let head = |line: &str| {
        let mut words = line.split(' ');
        let feed: FeedId = words.next()?.parse().ok()?;
        let seq = words.next()?.parse().ok()?;
        let id: RecordId = words.next()?.parse().ok()?;
        words.next().is_none().then_some((feed, FeedHead { seq, id }))
    };
    lines.map(head).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_as_it_was_written_and_not_when_changed() {
        let head = |seq| FeedHead { seq, id: RecordId([seq as u8; 32]) };
        let heads: BTreeMap<_, _> = (1..4).map(|n| (FeedId([n; 32]), head(n.into()))).collect();
        let text = format(&heads);
        assert_eq!(parse(&text), Some(heads));
        for cut in 0..text.len() {
            assert_eq!(parse(&text[..cut]), None, "cut at {cut}");
            let mut flipped = text.clone().into_bytes();
            flipped[cut] ^= 1;
            assert_eq!(parse(&String::from_utf8(flipped).unwrap()), None, "flipped at {cut}");
        }
    }
}
