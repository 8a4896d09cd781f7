//! Attachments in memory.
//!
//! Invariant: what is held of a file was verified; it is whole once every group is held.
//! Spec: docs/PROTOCOL.md, section 3.8.

use std::{collections::BTreeMap, sync::Arc};

use baraza_record::{
    FileHash,
    attachment::{self, GroupHash, Part, VerifiedPart},
};

use crate::store::HeldFile;

/// Attachments by their hash.
#[derive(Clone, Debug, Default)]
pub(super) struct Files(BTreeMap<FileHash, Arc<File>>);

#[derive(Clone, Debug)]
struct File {
    data: Vec<u8>,
    hashes: Vec<GroupHash>,
    groups: Option<Vec<bool>>,
}

impl File {
    fn held(&self) -> HeldFile {
        HeldFile { bytes: self.data.len() as u64, groups: self.groups.clone() }
    }
}

impl Files {
    pub(super) fn held(&self, hash: &FileHash) -> Option<HeldFile> {
        Some(self.0.get(hash)?.held())
    }

    pub(super) fn page(&self, after: Option<FileHash>, count: usize) -> Vec<(FileHash, HeldFile)> {
        let rest = self.0.iter().filter(|(hash, _)| after.is_none_or(|after| after < **hash));
        rest.take(count).map(|(hash, file)| (*hash, file.held())).collect()
    }

    pub(super) fn part(&self, hash: &FileHash, from: u32, count: u32) -> Option<Part> {
        let file = self.0.get(hash).filter(|file| file.groups.is_none())?;
        let bytes = file.data.len() as u64;
        let range = from..from.saturating_add(count).min(attachment::groups(bytes));
        if range.is_empty() {
            return None;
        }
        let span = attachment::span(bytes, &range);
        let data = file.data[span.start as usize..span.end as usize].to_vec();
        let proof = attachment::proof(&file.hashes, &range);
        Some(Part { hash: *hash, bytes, from, proof, data })
    }

    pub(super) fn put(&mut self, part: &VerifiedPart) {
        let count = attachment::groups(part.bytes()) as usize;
        let file = self.0.entry(part.hash()).or_insert_with(|| {
            let data = vec![0; part.bytes() as usize];
            let (hashes, groups) = (vec![[0; 32]; count], Some(vec![false; count]));
            Arc::new(File { data, hashes, groups })
        });
        let file = Arc::make_mut(file);
        let Some(groups) = &mut file.groups else { return };
        if file.data.len() as u64 != part.bytes() {
            return;
        }
        let range = part.range();
        let (span, range) =
            (attachment::span(part.bytes(), &range), range.start as usize..range.end as usize);
        file.data[span.start as usize..span.end as usize].copy_from_slice(part.data());
        file.hashes[range.clone()].copy_from_slice(part.hashes());
        groups[range].fill(true);
        if groups.iter().all(|held| *held) {
            file.groups = None;
        }
    }

    pub(super) fn drop(&mut self, hash: &FileHash) {
        self.0.remove(hash);
    }
}
