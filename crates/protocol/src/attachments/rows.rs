//! What a node notes of files, in the table of node-local facts.
//!
//! | first byte | rest of the key | value |
//! |---|---|---|
//! | `l` | hash, feed, position, item | a record lists the file |
//! | `p` | feed, position | hashes that the record lists |
//! | `f` | hash | what is held: for whom it came, whether it is pinned, when it was used |
//! | `w` | hash | it is wanted |
//! | `e` | time, feed, position | a file of the record is to be deleted then |
//! | `n` | | how far the changes of the store were looked at |
//!
//! Invariant: a row that does not decode counts as none.
//! Spec: docs/STORAGE.md, section 10.

use baraza_record::{Audience, CentreId, FeedId, FileHash, ID_BYTES, Seq, Timestamp, codec};
use bincode::{Decode, Encode};

use crate::store::{Branch, Place, Store, StoreError, StoreRead, Table};

/// Most bytes of a row: 256 hashes.
const ROW_BYTES_MAX: usize = 16 * 1_024;

/// For whom a file came here.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Origin {
    /// Publisher of the record for which it came; our own centre if somebody here brought it.
    pub centre: CentreId,
    /// Audience of that record; none if somebody here brought it.
    pub audience: Option<Audience>,
    /// Whether this was found out later, from records that list it.
    pub guessed: bool,
}

impl Origin {
    /// Returns whether the file may be given because of a record of `centre` for `audience`.
    pub fn covers(&self, centre: &CentreId, audience: &Audience) -> bool {
        self.centre == *centre
            || self.audience.as_ref().is_some_and(|own| match own {
                Audience::Public => true,
                Audience::Network(id, _) => {
                    matches!(audience, Audience::Network(of, _) if of == id)
                }
                Audience::Centres(..) => own == audience,
            })
    }
}

/// What is noted of a file that is held, or that was.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FileRow {
    /// For whom it came.
    pub origin: Origin,
    /// Whether it stays whatever else comes.
    pub pinned: bool,
    /// Whether it made room for others: only somebody here can have it come again.
    pub evicted: bool,
    /// When somebody here last used it, or it came.
    pub used_ms: Timestamp,
}

/// A record that lists a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Where the record stands.
    pub place: Place,
    /// Which item of its list, from 0.
    pub index: u16,
    /// Whether its publisher had the file deleted.
    pub gone: bool,
}

/// A file that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct WantRow {
    /// Feed of the record for which it is fetched.
    pub feed: FeedId,
    /// Position of that record.
    pub seq: Seq,
    /// Which item of its list, from 0.
    pub index: u16,
    /// Length of the file.
    pub bytes: u64,
    /// Whether somebody here asked for it; otherwise policy did.
    pub asked: bool,
    /// Whether it is pinned when it is here.
    pub pin: bool,
    /// Since when.
    pub since_ms: Timestamp,
}

impl WantRow {
    /// Returns where the record stands.
    pub fn place(&self) -> Place {
        Place { feed: self.feed, seq: self.seq, branch: Branch::Main }
    }
}

/// Reads and writes the rows.
pub(crate) struct Rows<'s, S: ?Sized>(pub(crate) &'s S);

impl<S: StoreRead + ?Sized> Rows<'_, S> {
    fn get<T: Encode + Decode<()>>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        let row = self.0.local(Table::Attachments, key)?;
        Ok(row.and_then(|row| codec::decode(&row, ROW_BYTES_MAX).ok()))
    }

    /// Returns what is noted of a file.
    pub(crate) fn file(&self, hash: &FileHash) -> Result<Option<FileRow>, StoreError> {
        self.get(&file_key(hash))
    }

    /// Returns the files of which something is noted.
    pub(crate) fn files(&self) -> Result<Vec<(FileHash, FileRow)>, StoreError> {
        self.all(b'f')
    }

    /// Returns what is wanted of a file.
    pub(crate) fn want(&self, hash: &FileHash) -> Result<Option<WantRow>, StoreError> {
        self.get(&want_key(hash))
    }

    /// Returns all that is wanted.
    pub(crate) fn wants(&self) -> Result<Vec<(FileHash, WantRow)>, StoreError> {
        self.all(b'w')
    }

    fn all<T: Encode + Decode<()>>(&self, first: u8) -> Result<Vec<(FileHash, T)>, StoreError> {
        let rows = self.0.locals(Table::Attachments, &[first])?;
        let read = |(key, value): (Vec<u8>, Vec<u8>)| {
            let hash = FileHash(key.get(1..)?.try_into().ok()?);
            Some((hash, codec::decode(&value, ROW_BYTES_MAX).ok()?))
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Returns one listing.
    pub(crate) fn listing(
        &self,
        hash: &FileHash,
        place: &Place,
        index: u16,
    ) -> Result<Option<Listing>, StoreError> {
        let gone = self.get::<bool>(&listing_key(hash, place, index))?;
        Ok(gone.map(|gone| Listing { place: *place, index, gone }))
    }

    /// Returns the records that list a file.
    pub(crate) fn listings(&self, hash: &FileHash) -> Result<Vec<Listing>, StoreError> {
        let rows = self.0.locals(Table::Attachments, &[&[b'l'][..], &hash.0].concat())?;
        let read = |(key, value): (Vec<u8>, Vec<u8>)| {
            let (feed, rest) = key.get(1 + ID_BYTES..)?.split_first_chunk::<ID_BYTES>()?;
            let (seq, index) = rest.split_first_chunk::<8>()?;
            let place = place(*feed, *seq);
            let index = u16::from_be_bytes(index.try_into().ok()?);
            let gone = codec::decode(&value, ROW_BYTES_MAX).ok()?;
            Some(Listing { place, index, gone })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Returns the hashes that the record at a place was found to list.
    pub(crate) fn listed(&self, place: &Place) -> Result<Vec<FileHash>, StoreError> {
        Ok(self.get(&listed_key(place))?.unwrap_or_default())
    }

    /// Returns how far the changes of which epoch were looked at.
    pub(crate) fn position(&self) -> Result<Option<(u64, u64)>, StoreError> {
        self.get(b"n")
    }

    /// Returns what is to be deleted later, in order of time.
    pub(crate) fn due(&self) -> Result<Vec<(Timestamp, Place)>, StoreError> {
        let rows = self.0.locals(Table::Attachments, b"e")?;
        let read = |(key, _): (Vec<u8>, Vec<u8>)| {
            let (due, rest) = key.get(1..)?.split_first_chunk::<8>()?;
            let (feed, seq) = rest.split_first_chunk::<ID_BYTES>()?;
            let due = Timestamp(u64::from_be_bytes(*due));
            Some((due, place(*feed, seq.try_into().ok()?)))
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }
}

/// Sets or removes rows.
pub(crate) trait PutRows: Store {
    /// Sets what is noted of a file.
    fn put_file(&mut self, hash: &FileHash, row: Option<&FileRow>) -> Result<(), StoreError> {
        self.put_row(&file_key(hash), row)
    }

    /// Sets what is wanted of a file.
    fn put_want(&mut self, hash: &FileHash, row: Option<&WantRow>) -> Result<(), StoreError> {
        self.put_row(&want_key(hash), row)
    }

    /// Sets whether a record lists a file, and whether that is gone.
    fn put_listing(
        &mut self,
        hash: &FileHash,
        place: &Place,
        index: u16,
        gone: Option<bool>,
    ) -> Result<(), StoreError> {
        self.put_row(&listing_key(hash, place, index), gone.as_ref())
    }

    /// Sets what the record at a place lists.
    fn put_listed(&mut self, place: &Place, hashes: &[FileHash]) -> Result<(), StoreError> {
        let row = (!hashes.is_empty()).then(|| hashes.to_vec());
        self.put_row(&listed_key(place), row.as_ref())
    }

    /// Sets how far the changes were looked at.
    fn put_position(&mut self, position: (u64, u64)) -> Result<(), StoreError> {
        self.put_row(b"n", Some(&position))
    }

    /// Notes, or no longer, that files of the record at a place are to be deleted at a time.
    fn put_due(&mut self, due: Timestamp, place: &Place, is: bool) -> Result<(), StoreError> {
        let key = [&[b'e'][..], &due.0.to_be_bytes(), &place.feed.0, &place.seq.to_be_bytes()];
        self.put_row(&key.concat(), is.then_some(&()))
    }

    /// Sets or removes a row.
    fn put_row<T: Encode>(&mut self, key: &[u8], row: Option<&T>) -> Result<(), StoreError> {
        let row = row.map(codec::encode);
        self.put_local(Table::Attachments, key, row.as_deref())
    }
}

impl<S: Store> PutRows for S {}

fn place(feed: [u8; ID_BYTES], seq: [u8; 8]) -> Place {
    Place { feed: FeedId(feed), seq: u64::from_be_bytes(seq), branch: Branch::Main }
}

fn file_key(hash: &FileHash) -> Vec<u8> {
    [&[b'f'][..], &hash.0].concat()
}

fn want_key(hash: &FileHash) -> Vec<u8> {
    [&[b'w'][..], &hash.0].concat()
}

fn listing_key(hash: &FileHash, place: &Place, index: u16) -> Vec<u8> {
    let (seq, index) = (place.seq.to_be_bytes(), index.to_be_bytes());
    [&[b'l'][..], &hash.0, &place.feed.0, &seq, &index].concat()
}

fn listed_key(place: &Place) -> Vec<u8> {
    [&[b'p'][..], &place.feed.0, &place.seq.to_be_bytes()].concat()
}
