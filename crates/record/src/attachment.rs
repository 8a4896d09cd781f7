//! Files that bodies list: what is listed, and the hash tree by which any part of one is proved.
//!
//! A file is cut into groups of 16 KiB. Groups are subtrees of the BLAKE3 tree of the file, so
//! that a few hashes beside a part prove it against the hash that the body names.
//! Invariant: a [`VerifiedPart`] is made by [`Part::verify`] and nothing else: its bytes are those
//! of the file at their place, whoever sent them.
//! Not here: files on the disk (`baraza-store`), who may have a part (`baraza-protocol`).
//! Spec: docs/PROTOCOL.md, section 3.8.

use std::ops::Range;

use bincode::{Decode, Encode};
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use serde_json::Value;

use crate::{
    FileHash, Header,
    body::{Body, LIST_ITEMS_MAX},
    codec::{self, DecodeError},
};

/// Bytes of a group (16 KiB): the least that is proved by itself.
///
/// It takes 2 s at 64 kbit/s, so a cut costs no more than that; its hash is 0.2 % of it.
pub const GROUP_BYTES: usize = 16 * 1_024;

/// Most bytes of a file that this implementation attaches or fetches (1 GiB).
///
/// An hour of film; 37 hours at 64 kbit/s. The hashes of its groups take 2 MiB of memory.
pub const ATTACHMENT_BYTES_MAX: u64 = 1_024 * 1_024 * 1_024;

/// Most hashes beside a part: two for each level of the tree of the longest file.
pub const PROOF_HASHES_MAX: usize = 64;

/// Hash of a group or of a subtree of groups.
pub type GroupHash = [u8; 32];

/// A file that a body lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its BLAKE3 hash.
    pub hash: FileHash,
    /// Its length.
    pub bytes: u64,
    /// Its media type.
    pub mime: String,
    /// What it is.
    pub title: String,
}

/// Returns the files that a body lists; none if any item does not say hash and length.
pub fn list(body: &Body) -> Vec<Listed> {
    let items = body.get("attachments").and_then(Value::as_array);
    let Some(items) = items.filter(|items| items.len() <= LIST_ITEMS_MAX) else {
        return Vec::new();
    };
    let text = |item: &Value, name| item.get(name).and_then(Value::as_str).map(str::to_owned);
    let read = |item: &Value| {
        Some(Listed {
            hash: item.get("hash")?.as_str()?.parse().ok()?,
            bytes: item.get("bytes")?.as_u64()?,
            mime: text(item, "mime").unwrap_or_default(),
            title: text(item, "title").unwrap_or_default(),
        })
    };
    items.iter().map(read).collect::<Option<_>>().unwrap_or_default()
}

/// Returns what a header says of a list: the sum of the lengths, rounded up to a power of two.
pub fn header_bytes(list: &[Listed]) -> u64 {
    let sum = list.iter().fold(0_u64, |sum, one| sum.saturating_add(one.bytes));
    match (list.is_empty(), sum) {
        (true, _) => 0,
        (false, sum) => sum.checked_next_power_of_two().unwrap_or(1 << 63),
    }
}

/// Returns the files of a record: what its body lists, if its header says the same of them.
pub fn list_of(header: &Header, body: &Body) -> Vec<Listed> {
    let list = list(body);
    match header_bytes(&list) == header.attachment_bytes {
        true => list,
        false => Vec::new(),
    }
}

/// Returns how many groups a file of `bytes` bytes has; an empty one has one.
pub fn groups(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(GROUP_BYTES as u64)).unwrap_or(u32::MAX).max(1)
}

/// Returns where the groups of a range stand in a file of `bytes` bytes.
pub fn span(bytes: u64, range: &Range<u32>) -> Range<u64> {
    let at = |group: u32| (u64::from(group) * GROUP_BYTES as u64).min(bytes);
    at(range.start)..at(range.end)
}

/// Returns the hash of a group; of the only one of its file it is the file's.
pub fn group_hash(group: u32, data: &[u8], only: bool) -> GroupHash {
    if only {
        return *blake3::hash(data).as_bytes();
    }
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(u64::from(group) * GROUP_BYTES as u64);
    hasher.update(data);
    hasher.finalize_non_root()
}

/// Returns the hash of the file whose groups have these hashes.
pub fn root(hashes: &[GroupHash]) -> FileHash {
    match hashes {
        [] => FileHash(*blake3::hash(&[]).as_bytes()),
        [only] => FileHash(*only),
        many => {
            let (left, right) = many.split_at(left_groups(many.len()));
            let root = merge_subtrees_root(&subtree(left), &subtree(right), Mode::Hash);
            FileHash(*root.as_bytes())
        }
    }
}

/// Returns the hashes beside a range of groups: of each subtree next to it, from the left.
pub fn proof(hashes: &[GroupHash], range: &Range<u32>) -> Vec<GroupHash> {
    let mut found = Vec::new();
    collect(hashes, 0, &(range.start as usize..range.end as usize), &mut found);
    found
}

/// Groups of a file that stand next to each other, with what proves them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Part {
    /// Hash of the file.
    pub hash: FileHash,
    /// Length of the file.
    pub bytes: u64,
    /// First group.
    pub from: u32,
    /// Hashes of the subtrees beside the groups, from the left.
    pub proof: Vec<GroupHash>,
    /// The groups: whole ones, or up to the end of the file.
    pub data: Vec<u8>,
}

/// A part that was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedPart {
    part: Part,
    hashes: Vec<GroupHash>,
}

/// Why a part is none of the file that it names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// It does not decode.
    #[error("a part of an attachment does not decode: {0}")]
    Decode(#[from] DecodeError),
    /// It does not end where a group or the file ends.
    #[error("a part of an attachment has {data} bytes from group {from} of {bytes} bytes")]
    Length {
        /// Bytes of the part.
        data: usize,
        /// First group.
        from: u32,
        /// Length of the file.
        bytes: u64,
    },
    /// The bytes, the proof, or the length are not those of the file.
    #[error("a part of attachment {} does not match its hash", hash.short())]
    Mismatch {
        /// Which file.
        hash: FileHash,
    },
}

impl Part {
    /// Encodes the part.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Decodes a part of at most `bytes_max` bytes.
    ///
    /// # Errors
    ///
    /// [`PartError::Decode`].
    pub fn decode(bytes: &[u8], bytes_max: usize) -> Result<Self, PartError> {
        Ok(codec::decode(bytes, bytes_max)?)
    }

    /// Returns the groups that it has.
    ///
    /// # Errors
    ///
    /// [`PartError::Length`].
    fn range(&self) -> Result<Range<u32>, PartError> {
        let Self { bytes, from, .. } = *self;
        let error = PartError::Length { data: self.data.len(), from, bytes };
        let all = groups(bytes);
        let count = groups(self.data.len() as u64);
        let range = match from.checked_add(count) {
            Some(end) if from < end && end <= all => from..end,
            _ => return Err(error),
        };
        let span = span(bytes, &range);
        let is_whole = span.end - span.start == self.data.len() as u64;
        match is_whole && bytes <= u64::from(u32::MAX) * GROUP_BYTES as u64 {
            true => Ok(range),
            false => Err(error),
        }
    }

    /// Checks the bytes against the hash and the length of the file that it names.
    ///
    /// # Errors
    ///
    /// [`PartError`].
    pub fn verify(self) -> Result<VerifiedPart, PartError> {
        let range = self.range()?;
        let mismatch = || PartError::Mismatch { hash: self.hash };
        if PROOF_HASHES_MAX < self.proof.len() {
            return Err(mismatch());
        }
        let all = groups(self.bytes) as usize;
        let mut hashes: Vec<_> = range
            .clone()
            .zip(self.data.chunks(GROUP_BYTES))
            .map(|(group, data)| group_hash(group, data, all == 1))
            .collect();
        if hashes.is_empty() {
            hashes.push(group_hash(0, &[], true));
        }
        let (mut beside, wanted) = (self.proof.iter(), range.start as usize..range.end as usize);
        let mut rebuild = |first, count| rebuild(first, count, &wanted, &hashes, &mut beside);
        let root = match all {
            1 => hashes[0],
            _ => {
                let left = rebuild(0, left_groups(all));
                let right = rebuild(left_groups(all), all - left_groups(all));
                let (left, right) = left.zip(right).ok_or_else(mismatch)?;
                *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()
            }
        };
        match root == self.hash.0 && beside.next().is_none() {
            true => Ok(VerifiedPart { part: self, hashes }),
            false => Err(mismatch()),
        }
    }
}

impl VerifiedPart {
    /// Returns the hash of the file.
    pub fn hash(&self) -> FileHash {
        self.part.hash
    }

    /// Returns the length of the file.
    pub fn bytes(&self) -> u64 {
        self.part.bytes
    }

    /// Returns the groups that it has.
    pub fn range(&self) -> Range<u32> {
        self.part.from..self.part.from + self.hashes.len() as u32
    }

    /// Returns the bytes of the groups.
    pub fn data(&self) -> &[u8] {
        &self.part.data
    }

    /// Returns the hashes of the groups.
    pub fn hashes(&self) -> &[GroupHash] {
        &self.hashes
    }
}

/// Returns how many groups stand left in a tree of `count`, 2 or more: the largest power of two
/// below it.
fn left_groups(count: usize) -> usize {
    count.next_power_of_two() / 2
}

/// Returns the hash of a subtree that is not a whole file.
fn subtree(hashes: &[GroupHash]) -> GroupHash {
    match hashes {
        [] => unreachable!("a subtree has a group"),
        [only] => *only,
        many => {
            let (left, right) = many.split_at(left_groups(many.len()));
            merge_subtrees_non_root(&subtree(left), &subtree(right), Mode::Hash)
        }
    }
}

fn collect(hashes: &[GroupHash], first: usize, range: &Range<usize>, found: &mut Vec<GroupHash>) {
    let end = first + hashes.len();
    if hashes.is_empty() || (range.start <= first && end <= range.end) {
        return;
    }
    if end <= range.start || range.end <= first {
        return found.push(subtree(hashes));
    }
    let (left, right) = hashes.split_at(left_groups(hashes.len()));
    collect(left, first, range, found);
    collect(right, first + left.len(), range, found);
}

/// Computes the hash of a subtree from those of the groups at hand and those beside them.
fn rebuild<'p>(
    first: usize,
    count: usize,
    range: &Range<usize>,
    hashes: &[GroupHash],
    beside: &mut impl Iterator<Item = &'p GroupHash>,
) -> Option<GroupHash> {
    if first + count <= range.start || range.end <= first {
        return beside.next().copied();
    }
    if count == 1 {
        return hashes.get(first - range.start).copied();
    }
    let left_count = left_groups(count);
    let left = rebuild(first, left_count, range, hashes, beside)?;
    let right = rebuild(first + left_count, count - left_count, range, hashes, beside)?;
    Some(merge_subtrees_non_root(&left, &right, Mode::Hash))
}

/// Cuts the bytes of a whole file into parts of at most `count` groups.
///
/// For tests and for files that are at hand: a part on the wire is read from a store.
pub fn parts(file: &[u8], count: u32) -> impl Iterator<Item = Part> + '_ {
    let (bytes, all) = (file.len() as u64, groups(file.len() as u64));
    let hashes: Vec<_> = (0..all)
        .map(|group| {
            let span = span(bytes, &(group..group + 1));
            group_hash(group, &file[span.start as usize..span.end as usize], all == 1)
        })
        .collect();
    let hash = root(&hashes);
    (0..all).step_by(count.max(1) as usize).map(move |from| {
        let range = from..from.saturating_add(count.max(1)).min(all);
        let span = span(bytes, &range);
        let data = file[span.start as usize..span.end as usize].to_vec();
        Part { hash, bytes, from, proof: proof(&hashes, &range), data }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|n| (n * 31 % 251) as u8 ^ (n >> 13) as u8).collect()
    }

    #[test]
    fn every_part_of_files_of_many_lengths_is_proved() {
        let g = GROUP_BYTES;
        for bytes in [0, 1, g - 1, g, g + 1, 2 * g, 3 * g + 5, 7 * g, 16 * g, 17 * g + 1, 40 * g] {
            let file = file(bytes);
            for count in [1, 2, 3, 5, 15, 16] {
                let mut whole = Vec::new();
                for part in parts(&file, count) {
                    assert_eq!(part.hash.0, *blake3::hash(&file).as_bytes(), "{bytes}");
                    let again = Part::decode(&part.encode(), part.encode().len()).unwrap();
                    let part = again.verify().unwrap_or_else(|why| panic!("{bytes}: {why}"));
                    assert_eq!(part.range().start as usize * g, whole.len());
                    whole.extend_from_slice(part.data());
                }
                assert_eq!(whole, file);
            }
        }
    }

    #[test]
    fn what_is_not_of_the_file_is_refused() {
        let file = file(21 * GROUP_BYTES + 100);
        let good: Vec<_> = parts(&file, 4).collect();
        for part in &good {
            let changed = |change: &dyn Fn(&mut Part)| {
                let mut part = part.clone();
                change(&mut part);
                part.verify()
            };
            assert!(part.clone().verify().is_ok());
            assert!(changed(&|part| part.data[77] ^= 1).is_err());
            assert!(changed(&|part| part.proof[0][3] ^= 1).is_err());
            assert!(changed(&|part| part.proof.truncate(part.proof.len() - 1)).is_err());
            assert!(changed(&|part| part.proof.push([0; 32])).is_err());
            assert!(changed(&|part| part.proof = vec![[0; 32]; 10_000]).is_err());
            assert!(changed(&|part| part.bytes = u64::MAX).is_err());
            assert!(changed(&|part| part.bytes = 0).is_err());
            assert!(changed(&|part| part.from += 1).is_err());
            assert!(changed(&|part| part.from = u32::MAX).is_err());
            assert!(changed(&|part| part.data.push(0)).is_err());
            assert!(changed(&|part| part.data.truncate(part.data.len() - 1)).is_err());
            assert!(changed(&|part| part.data.clear()).is_err());
            assert!(changed(&|part| part.hash.0[0] ^= 1).is_err());
        }
        // The length is proved with the last group; before that it is for the asker to compare.
        let mut longer = good.last().unwrap().clone();
        longer.bytes += 1;
        assert!(longer.verify().is_err());
        let mut swapped = good[0].clone();
        swapped.data = good[1].data.clone();
        assert_eq!(swapped.verify(), Err(PartError::Mismatch { hash: good[0].hash }));
    }

    #[test]
    fn a_list_counts_if_header_and_body_agree() {
        let hash = FileHash([7; 32]);
        let body = |value: Value| value.as_object().unwrap().clone();
        let two = body(serde_json::json!({ "attachments": [
            { "hash": hash, "bytes": 5, "mime": "image/png", "title": "Chart" },
            { "hash": hash, "bytes": 4 },
        ]}));
        assert_eq!(list(&two).len(), 2);
        assert_eq!(header_bytes(&list(&two)), 16);
        assert_eq!(header_bytes(&[]), 0);
        let empty = Listed { hash, bytes: 0, mime: String::new(), title: String::new() };
        assert_eq!(header_bytes(&[empty]), 1, "an empty file is one too");
        let odd = body(serde_json::json!({ "attachments": [{ "hash": "x", "bytes": 4 }] }));
        assert_eq!(list(&odd), []);
    }
}
