//! Whoever owns a centre: its keys, and the events that change its log.
//!
//! Invariant: everything comes from one number, so that every run signs the same bytes.

use baraza_identity::{
    BranchChoice, Capabilities, Changes, EndKind, EndedKey, Horizon, IdentityEvent, KeySet, Link,
    Log, Operator, SignedEvent, State,
};
use baraza_record::{EventId, SecretKey, Timestamp, VerifiedRecord, hash};

use super::Author;

/// The owner of a centre with one operator, one root key and one next key.
#[derive(Clone, Debug)]
pub struct Owner {
    /// Who writes for the centre from its inception on.
    pub author: Author,
    /// The log as its owner knows it.
    pub log: Log,
    number: u8,
    root: SecretKey,
    next: SecretKey,
}

impl Owner {
    /// Makes the owner of the centre with this number.
    pub fn new(number: u8) -> Self {
        Self::of(number, Author::new(number))
    }

    /// Makes the owner of the nation with this number.
    pub fn nation(number: u8) -> Self {
        Self::of(number, Author::nation(number))
    }

    fn of(number: u8, author: Author) -> Self {
        let log = Log::from_events(&[author.event.encode()]).expect("an author has a log");
        let [root, next] = [0x40, 0x80].map(|role| Author::secret(number, role));
        Self { author, log, number, root, next }
    }

    /// Returns another writer for the centre, whose key the log does not name yet.
    pub fn writer(&self, role: u8) -> Author {
        Author { key: Author::secret(self.number, role), ..self.author.clone() }
    }

    /// Signs an update with the root key of now, without taking it into the log: what a
    /// thief of that key can do. `time` tells it from others at its place.
    pub fn forge(&self, changes: Changes, time: u64) -> SignedEvent {
        let state = self.log.state();
        sign(state, IdentityEvent::update(link(state, time), changes), &[&self.root])
    }

    /// Signs an update and takes it into the log.
    pub fn update(&mut self, changes: Changes) -> SignedEvent {
        let event = self.forge(changes, 1);
        self.take(&event);
        event
    }

    /// Signs a rotation to new keys and takes it into the log.
    pub fn rotate(&mut self, changes: Changes) -> SignedEvent {
        let place = u8::try_from(self.log.events().len()).expect("a test makes few events");
        let [root, next] = [0x41, 0x81].map(|role| Author::secret(self.number, role + 2 * place));
        let keys = KeySet {
            root_keys: vec![root.public()],
            root_threshold: 1,
            next_digests: vec![hash::key_digest(&next.public())],
            next_threshold: 1,
        };
        let state = self.log.state();
        let revealed = vec![self.next.public()];
        let event = IdentityEvent::rotate(link(state, 1), changes, revealed, keys);
        let event = sign(state, event, &[&self.next, &root]);
        (self.root, self.next) = (root, next);
        self.take(&event);
        event
    }

    /// Signs the end of the log and takes it in.
    pub fn close(&mut self, changes: Changes) -> SignedEvent {
        let state = self.log.state();
        let event = IdentityEvent::deactivate(link(state, 1), changes, vec![self.next.public()]);
        let event = sign(state, event, &[&self.next]);
        self.take(&event);
        event
    }

    /// Takes an event into the log.
    ///
    /// # Panics
    ///
    /// If there is no log any more.
    pub fn take(&mut self, event: &SignedEvent) {
        let held = self.log.events().iter().chain(self.log.others()).cloned().collect();
        self.log = Log::join(held, vec![event.clone()]).log.expect("the inception is there");
    }
}

/// Adds a writer who may publish and retract, and accredit if the centre is a nation.
pub fn adds(writer: &Author) -> Changes {
    let rights = Capabilities::PUBLISH.and(Capabilities::RETRACT);
    let capabilities = rights.and(Capabilities::ACCREDIT);
    let operator = Operator { key: writer.key.public(), capabilities, label: String::new() };
    Changes { operators: vec![operator], ..Changes::default() }
}

/// Ends a writer's key, with horizons at these records.
pub fn ends(writer: &Author, kind: EndKind, last: &[&VerifiedRecord]) -> Changes {
    let mut horizons: Vec<_> = last.iter().map(|record| horizon(record)).collect();
    horizons.sort_by_key(|horizon| horizon.feed);
    let ended = vec![EndedKey { key: writer.key.public(), kind, horizons }];
    Changes { ended, ..Changes::default() }
}

/// Chooses the branches of these records.
pub fn chooses(records: &[&VerifiedRecord]) -> Changes {
    let mut branches: Vec<BranchChoice> = records.iter().map(|record| horizon(record)).collect();
    branches.sort_by_key(|choice| (choice.feed, choice.seq));
    Changes { branches, ..Changes::default() }
}

fn horizon(record: &VerifiedRecord) -> Horizon {
    Horizon { feed: record.feed(), seq: record.header().seq, record: record.id() }
}

fn link(state: &State, time: u64) -> Link {
    let centre = EventId(state.centre().0);
    Link { centre, seq: state.events(), prev: state.head(), created_ms: Timestamp(time) }
}

fn sign(state: &State, event: IdentityEvent, keys: &[&SecretKey]) -> SignedEvent {
    let signers = state.signers(&event);
    SignedEvent::sign(event, &signers, keys)
}
