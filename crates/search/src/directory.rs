//! A directory whose every byte carries a checksum.
//!
//! tantivy ends its data files with one, but not the two lists of files that it replaces
//! as a whole (`meta.json`, `.managed.json`), and the first also holds our position. Here
//! these end with the CRC-32 of what precedes it.
//! Invariant: a list that does not match its checksum is never handed to tantivy.
//! Not here: comparing the checksums of the data files (`folder`).
//! Spec: docs/ARCHITECTURE.md, "Derived state".

use std::{io, path::Path, sync::Arc};

use tantivy::directory::{
    Directory, DirectoryLock, FileHandle, Lock, MmapDirectory, WatchCallback, WatchHandle,
    WritePtr,
    error::{DeleteError, LockError, OpenDirectoryError, OpenReadError, OpenWriteError},
};

/// Bytes of a checksum.
const CHECKSUM_BYTES: usize = 4;

/// Fewest bytes of a data file: the length of its footer and a magic number.
///
/// tantivy 0.27 slices a shorter one without looking, and panics.
const FILE_BYTES_MIN: usize = 8;

/// A memory-mapped directory with checked lists.
#[derive(Clone, Debug)]
pub(crate) struct CheckedDirectory(MmapDirectory);

impl CheckedDirectory {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenDirectoryError> {
        MmapDirectory::open(path).map(Self)
    }
}

impl Directory for CheckedDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        let file = self.0.get_file_handle(path)?;
        if file.len() < FILE_BYTES_MIN {
            return Err(damaged(path, "the file is shorter than its footer"));
        }
        Ok(file)
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let mut data = self.0.atomic_read(path)?;
        let checksum = data.split_last_chunk::<CHECKSUM_BYTES>();
        let is_sound = checksum.is_some_and(|(data, sum)| checksum_of(data) == *sum);
        if !is_sound {
            return Err(damaged(path, "the checksum of the list does not match"));
        }
        data.truncate(data.len() - CHECKSUM_BYTES);
        Ok(data)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        self.0.atomic_write(path, &[data, &checksum_of(data)].concat())
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.0.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.0.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        self.0.open_write(path)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.0.sync_directory()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.0.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.0.watch(callback)
    }
}

fn checksum_of(data: &[u8]) -> [u8; CHECKSUM_BYTES] {
    crc32fast::hash(data).to_be_bytes()
}

fn damaged(path: &Path, why: &str) -> OpenReadError {
    OpenReadError::wrap_io_error(io::Error::new(io::ErrorKind::InvalidData, why), path.to_owned())
}
