//! Attachments on the disk: one file for each, named by its hash, with the hashes of its groups.
//!
//! Invariant: a file stands under its hash only once all of it is fsynced and matches that hash;
//! until then it is `HASH.part`, and `HASH.have` says which groups of it are fsynced. A crash
//! at any moment leaves one or the other. No name is made of anything but a hash.
//! Not here: what is wanted, kept and dropped (`baraza-protocol`).
//! Spec: docs/STORAGE.md, section 10.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use baraza_protocol::store::{HeldFile, StoreError};
use baraza_record::{
    FileHash, ID_BYTES,
    attachment::{self, GROUP_BYTES, GroupHash, Part, VerifiedPart},
};

use crate::{fault, home};

/// Begins the file that says which groups of a part are held.
const HAVE: &[u8; 8] = b"baraza1\n";

/// Attachments by their hash, as they were committed.
type Table = BTreeMap<FileHash, Arc<HeldFile>>;

/// The folder with the attachments.
#[derive(Debug)]
pub(crate) struct Attachments {
    dir: PathBuf,
    table: RwLock<Table>,
}

/// What the writer has put and not committed: `None` drops an attachment.
pub(crate) type Staged = BTreeMap<FileHash, Option<Arc<HeldFile>>>;

impl Attachments {
    /// Looks what is in the folder, and removes what a crash left of no use. With `doubt`, all
    /// files are read and compared with their names. Also returns the names of those that do
    /// not match; they are set aside.
    pub(crate) fn open(dir: PathBuf, doubt: bool) -> io::Result<(Self, Vec<String>)> {
        let (mut hashes, mut wrong) = (BTreeSet::new(), Vec::new());
        match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            entries => {
                for entry in entries? {
                    let name = entry?.file_name();
                    let stem = name.to_str().and_then(|name| name.split('.').next());
                    hashes.extend(stem.and_then(|stem| stem.parse::<FileHash>().ok()));
                }
            }
        }
        let files = Self { dir, table: RwLock::default() };
        let mut table = Table::new();
        for hash in hashes {
            match files.found(&hash, doubt)? {
                Found::Held(held) => drop(table.insert(hash, Arc::new(held))),
                Found::Wrong => wrong.push(hash.to_string()),
                Found::Nothing => (),
            }
        }
        *files.table.write().unwrap_or_else(PoisonError::into_inner) = table;
        Ok((files, wrong))
    }

    fn path(&self, hash: &FileHash, ending: &str) -> PathBuf {
        self.dir.join(format!("{hash}{ending}"))
    }

    /// Looks what is held of one file.
    fn found(&self, hash: &FileHash, doubt: bool) -> io::Result<Found> {
        let whole = self.path(hash, "");
        if let Some(bytes) = length(&whole)? {
            for rest in [".part", ".have"] {
                remove(&self.path(hash, rest))?;
            }
            let groups = attachment::groups(bytes);
            let tree = length(&self.path(hash, ".tree"))?;
            if tree == Some(u64::from(groups) * ID_BYTES as u64) && !doubt {
                return Ok(Found::Held(HeldFile { bytes, groups: None }));
            }
            return self.adopt(hash, bytes);
        }
        let held = self.read_have(hash).filter(|held| {
            let tree = length(&self.path(hash, ".tree")).ok().flatten();
            let groups = held.groups.as_ref().map_or(0, Vec::len) as u64;
            length(&self.path(hash, ".part")).ok().flatten().is_some()
                && tree.is_some_and(|tree| tree <= groups * ID_BYTES as u64)
        });
        if let Some(held) = held {
            return Ok(Found::Held(held));
        }
        // What was written and never fsynced.
        for rest in [".part", ".have", ".tree", ".have.new"] {
            remove(&self.path(hash, rest))?;
        }
        Ok(Found::Nothing)
    }

    /// Takes a file that somebody put into the folder, or that is in doubt, if it matches.
    fn adopt(&self, hash: &FileHash, bytes: u64) -> io::Result<Found> {
        let path = self.path(hash, "");
        let hashes = hashes_of(&File::open(&path)?, bytes)?;
        if attachment::root(&hashes) != *hash {
            fs::rename(&path, self.path(hash, ".damaged"))?;
            remove(&self.path(hash, ".tree"))?;
            home::sync_dir(&self.dir)?;
            return Ok(Found::Wrong);
        }
        let tree: Vec<u8> = hashes.concat();
        home::replace(&self.path(hash, ".tree"), &tree)?;
        Ok(Found::Held(HeldFile { bytes, groups: None }))
    }

    fn read_have(&self, hash: &FileHash) -> Option<HeldFile> {
        let text = fs::read(self.path(hash, ".have")).ok()?;
        let (content, sum) = text.split_last_chunk::<4>()?;
        if crc32fast::hash(content).to_le_bytes() != *sum {
            return None;
        }
        let (bytes, bits) = content.strip_prefix(HAVE)?.split_first_chunk::<8>()?;
        let bytes = u64::from_le_bytes(*bytes);
        let count = attachment::groups(bytes) as usize;
        if bits.len() != count.div_ceil(8) {
            return None;
        }
        let groups = (0..count).map(|n| bits[n / 8] & (1 << (n % 8)) != 0).collect();
        Some(HeldFile { bytes, groups: Some(groups) })
    }

    fn write_have(&self, hash: &FileHash, bytes: u64, groups: &[bool]) -> io::Result<()> {
        let mut content = HAVE.to_vec();
        content.extend(bytes.to_le_bytes());
        content.extend(groups.chunks(8).map(|eight| {
            eight.iter().enumerate().fold(0, |bits, (n, held)| bits | u8::from(*held) << n)
        }));
        content.extend(crc32fast::hash(&content).to_le_bytes());
        home::replace(&self.path(hash, ".have"), &content)
    }

    /// Returns what was committed of a file.
    pub(crate) fn held(&self, hash: &FileHash) -> Option<Arc<HeldFile>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }

    /// Returns a page of what was committed.
    pub(crate) fn page(
        &self,
        after: Option<FileHash>,
        count: usize,
    ) -> Vec<(FileHash, Arc<HeldFile>)> {
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let rest = table.range((from, std::ops::Bound::Unbounded)).take(count);
        rest.map(|(hash, held)| (*hash, Arc::clone(held))).collect()
    }

    /// Reads a part of a file that is whole.
    pub(crate) fn part(
        &self,
        hash: &FileHash,
        from: u32,
        count: u32,
    ) -> Result<Option<Part>, StoreError> {
        let Some(held) = self.held(hash).filter(|held| held.is_whole()) else { return Ok(None) };
        let all = attachment::groups(held.bytes);
        let range = from..from.saturating_add(count).min(all);
        if range.is_empty() {
            return Ok(None);
        }
        let read = || -> io::Result<Option<Part>> {
            let tree = fs::read(self.path(hash, ".tree"))?;
            let hashes: Vec<GroupHash> = tree.as_chunks::<ID_BYTES>().0.to_vec();
            if hashes.len() != all as usize {
                return Ok(None);
            }
            let span = attachment::span(held.bytes, &range);
            let mut data = vec![0; (span.end - span.start) as usize];
            File::open(self.path(hash, ""))?.read_exact_at(&mut data, span.start)?;
            let proof = attachment::proof(&hashes, &range);
            Ok(Some(Part { hash: *hash, bytes: held.bytes, from, proof, data }))
        };
        let damaged = || fault::damaged(format!("attachment {hash} is not what its name says"));
        match read() {
            // A disk that forgot must not make us a liar.
            Ok(Some(part)) if part.clone().verify().is_err() => Err(damaged()),
            Ok(Some(part)) => Ok(Some(part)),
            Ok(None) => Err(damaged()),
            // Dropped meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fault::io(format!("reading attachment {hash}"))(error)),
        }
    }

    /// Writes a part beside what is held of its file, and notes it in `staged`. Nothing of it
    /// counts before [`commit`](Self::commit).
    pub(crate) fn put(&self, staged: &mut Staged, part: &VerifiedPart) -> io::Result<()> {
        let hash = part.hash();
        let before = match staged.get(&hash) {
            Some(staged) => staged.clone(),
            None => self.held(&hash),
        };
        if matches!(staged.get(&hash), Some(None)) {
            self.remove_all(&hash)?;
        }
        let held = before.unwrap_or_else(|| {
            let groups = vec![false; attachment::groups(part.bytes()) as usize];
            Arc::new(HeldFile { bytes: part.bytes(), groups: Some(groups) })
        });
        let mut held = HeldFile::clone(&held);
        let Some(groups) = held.groups.as_mut().filter(|_| held.bytes == part.bytes()) else {
            return Ok(());
        };
        make_dir(&self.dir)?;
        let range = part.range();
        let span = attachment::span(part.bytes(), &range);
        write_at(&self.path(&hash, ".part"), part.data(), span.start)?;
        let tree_at = u64::from(range.start) * ID_BYTES as u64;
        write_at(&self.path(&hash, ".tree"), &part.hashes().concat(), tree_at)?;
        groups[range.start as usize..range.end as usize].fill(true);
        staged.insert(hash, Some(Arc::new(held)));
        Ok(())
    }

    /// Makes what is staged durable, then visible.
    pub(crate) fn commit(&self, staged: &mut Staged) -> io::Result<()> {
        for (hash, held) in staged.iter_mut() {
            match held {
                None => self.remove_all(hash)?,
                Some(held) => {
                    let mut now = HeldFile::clone(held);
                    self.settle(hash, &mut now)?;
                    *held = Arc::new(now);
                }
            }
        }
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        for (hash, held) in std::mem::take(staged) {
            match held.filter(|held| held.groups.as_ref().is_none_or(|all| all.contains(&true))) {
                Some(held) => table.insert(hash, held),
                None => table.remove(&hash),
            };
        }
        Ok(())
    }

    /// Fsyncs what was written of a file, and gives it its name if it is whole.
    fn settle(&self, hash: &FileHash, held: &mut HeldFile) -> io::Result<()> {
        let Some(groups) = &mut held.groups else { return Ok(()) };
        let (part, tree) = (self.path(hash, ".part"), self.path(hash, ".tree"));
        File::open(&part)?.sync_data()?;
        File::open(&tree)?.sync_data()?;
        if groups.contains(&false) {
            return self.write_have(hash, held.bytes, groups);
        }
        let hashes = fs::read(&tree)?;
        if attachment::root(hashes.as_chunks::<ID_BYTES>().0) != *hash {
            // Not what was verified: the disk lost some of it. It is fetched again.
            groups.fill(false);
            return self.remove_all(hash);
        }
        fs::rename(&part, self.path(hash, ""))?;
        home::sync_dir(&self.dir)?;
        remove(&self.path(hash, ".have"))?;
        held.groups = None;
        Ok(())
    }

    fn remove_all(&self, hash: &FileHash) -> io::Result<()> {
        // What makes the rest count goes first.
        let endings = ["", ".have", ".part", ".tree", ".damaged"];
        let removed = endings.map(|ending| remove(&self.path(hash, ending)));
        if removed.into_iter().collect::<io::Result<Vec<_>>>()?.contains(&true) {
            home::sync_dir(&self.dir)?;
        }
        Ok(())
    }

    /// Reads a whole file and returns whether it matches its hash.
    pub(crate) fn check(&self, hash: &FileHash) -> io::Result<bool> {
        let Some(held) = self.held(hash) else { return Ok(true) };
        match &held.groups {
            None => {
                let hashes = hashes_of(&File::open(self.path(hash, ""))?, held.bytes)?;
                Ok(attachment::root(&hashes) == *hash)
            }
            Some(groups) => {
                let file = File::open(self.path(hash, ".part"))?;
                let tree = fs::read(self.path(hash, ".tree"))?;
                let mut whole = true;
                for group in (0..groups.len() as u32).filter(|group| groups[*group as usize]) {
                    let data = read_group(&file, held.bytes, group)?;
                    let found = attachment::group_hash(group, &data, groups.len() == 1);
                    let noted = tree.as_chunks::<ID_BYTES>().0.get(group as usize);
                    whole &= noted == Some(&found);
                }
                Ok(whole)
            }
        }
    }
}

/// What the folder has of a hash.
enum Found {
    Held(HeldFile),
    Wrong,
    Nothing,
}

fn make_dir(dir: &Path) -> io::Result<()> {
    home::make_dir(dir).map_err(io::Error::other)
}

fn write_at(path: &Path, bytes: &[u8], at: u64) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(home::FILE_MODE);
    options.open(path)?.write_all_at(bytes, at)
}

fn read_group(file: &File, bytes: u64, group: u32) -> io::Result<Vec<u8>> {
    let span = attachment::span(bytes, &(group..group + 1));
    let mut data = vec![0; (span.end - span.start) as usize];
    file.read_exact_at(&mut data, span.start)?;
    Ok(data)
}

/// Reads a file and returns the hashes of its groups.
fn hashes_of(file: &File, bytes: u64) -> io::Result<Vec<GroupHash>> {
    let all = attachment::groups(bytes);
    debug_assert!(bytes <= u64::from(all) * GROUP_BYTES as u64, "groups cover the file");
    let hash = |group| {
        let data = read_group(file, bytes, group)?;
        Ok(attachment::group_hash(group, &data, all == 1))
    };
    (0..all).map(hash).collect()
}

fn length(path: &Path) -> io::Result<Option<u64>> {
    match fs::symlink_metadata(path) {
        Ok(facts) if facts.is_file() => Ok(Some(facts.len())),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a file; returns whether there was one.
fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
