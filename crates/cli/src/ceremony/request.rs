//! Signing requests: an event of an identity log, on its way between custodians.
//!
//! Invariant: a request that was read carries the whole log that its event follows, verified from
//! its first event; who may sign, and how many must, follows from that, not from what the file
//! says. Every signature in it is valid and of a key that may sign.
//! Spec: docs/OPERATIONS.md, "Keys and custodians".

use std::{fs, io::Write, path::Path};

use baraza_api::ErrorCode;
use baraza_identity::{IdentityEvent, Log, SignedEvent, State};
use baraza_record::{
    PublicKey,
    sign::{self, Domain, SIGNATURE_BYTES, Signature},
};
use serde::{Deserialize, Serialize};

use super::{assembled, from_hex, in_words, refused, to_hex};
use crate::{
    error::{Failure, failure},
    shell::read_file,
};

/// Version of the format.
const VERSION: u16 = 1;

/// Most bytes of a request (1 MiB): the longest log in hexadecimal digits is 300 KiB.
const REQUEST_BYTES_MAX: usize = 1_024 * 1_024;

/// An event that is to be signed, behind the log that it follows.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    log: Log,
    event: IdentityEvent,
    signatures: Vec<(PublicKey, Signature)>,
}

/// A group of keys of which too few have signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Missing {
    /// What keys.
    pub(crate) group: &'static str,
    /// How many have signed.
    pub(crate) signed: usize,
    /// How many must.
    pub(crate) needed: usize,
    /// How many may.
    pub(crate) of: usize,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestFile {
    /// Version of the format, and what the file is.
    baraza_signing_request: u16,
    /// What the event does, for people who open the file. What counts is computed.
    summary: Vec<String>,
    /// Keys that may sign, in the order of the event. What counts is computed.
    may_sign: Vec<PublicKey>,
    /// Signed events of the log, in hexadecimal digits.
    log: Vec<String>,
    /// The event without signatures, in hexadecimal digits.
    event: String,
    /// Signatures so far.
    signatures: Vec<KeySigned>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeySigned {
    key: PublicKey,
    signature: String,
}

impl Request {
    /// Makes a request; signatures of keys that may not sign are an error.
    pub(crate) fn new(
        log: Log,
        event: IdentityEvent,
        signatures: Vec<(PublicKey, Signature)>,
    ) -> Result<Self, Failure> {
        log.state().would_take(&event).map_err(|error| refused(&error))?;
        let mut request = Self { log, event, signatures: Vec::new() };
        for (key, signature) in signatures {
            request.add(key, signature)?;
        }
        Ok(request)
    }

    /// Reads a request and verifies all of it.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = read_file(path, REQUEST_BYTES_MAX)?;
        Self::parse(&bytes).map_err(|what| {
            let what = format!("`{}` {what}", path.display());
            failure(ErrorCode::Invalid, what).hint("ask for another copy of the request")
        })
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let file: RequestFile = serde_json::from_slice(bytes)
            .map_err(|error| format!("is no signing request: {error}"))?;
        if file.baraza_signing_request != VERSION {
            let version = file.baraza_signing_request;
            return Err(format!("has version {version}, this program knows {VERSION}"));
        }
        let log: Option<Vec<_>> = file.log.iter().map(|text| from_hex(text)).collect();
        let log = log.ok_or("is damaged: its log is no row of hexadecimal digits")?;
        let log = Log::from_events(&log)
            .map_err(|error| format!("is damaged: its identity log does not verify: {error}"))?;
        let event =
            from_hex(&file.event).ok_or("is damaged: its event is no row of hexadecimal digits")?;
        let event =
            SignedEvent::decode(&event).map_err(|error| format!("has a damaged event: {error}"))?;
        if event.centre() != log.id() {
            let [event, log] = [event.centre(), log.id()].map(|id| id.short());
            return Err(format!("has an event of centre {event} behind the log of centre {log}"));
        }
        let state = log.state();
        state
            .would_take(event.event())
            .map_err(|error| format!("has an event that does not follow its log: {error}"))?;
        if state.signers(event.event()) != file.may_sign {
            return Err("names other keys than those that may sign its event".into());
        }
        let event = event.event().clone();
        let mut request = Self { log, event, signatures: Vec::new() };
        for KeySigned { key, signature } in file.signatures {
            let signature = from_hex(&signature).and_then(|bytes| bytes.try_into().ok());
            let signature: Signature = signature.ok_or_else(|| {
                format!(
                    "has a signature of key {} that is not {SIGNATURE_BYTES} bytes",
                    key.short()
                )
            })?;
            request.check(&key, &signature)?;
            request.signatures.push((key, signature));
        }
        Ok(request)
    }

    /// Adds a signature.
    pub(crate) fn add(&mut self, key: PublicKey, signature: Signature) -> Result<(), Failure> {
        if self.signatures.iter().any(|(known, _)| *known == key) {
            return Ok(());
        }
        self.check(&key, &signature).map_err(|what| {
            failure(ErrorCode::Invalid, format!("the request {what}"))
                .hint("is it the right key, and the right request?")
        })?;
        self.signatures.push((key, signature));
        Ok(())
    }

    fn check(&self, key: &PublicKey, signature: &Signature) -> Result<(), String> {
        if !self.signers().contains(key) {
            return Err(format!("is signed by key {}, which may not sign it", key.short()));
        }
        if self.signatures.iter().any(|(known, _)| known == key) {
            return Err(format!("has two signatures of key {}", key.short()));
        }
        sign::verify(Domain::IdentityEvent, key, &self.event.encode(), signature)
            .map_err(|error| format!("has a bad signature of key {}: {error}", key.short()))
    }

    /// Takes the signatures of another copy.
    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), Failure> {
        if self.event != other.event {
            return Err(failure(ErrorCode::Invalid, "these are requests for different events")
                .hint("put only copies of one request together"));
        }
        other.signatures.iter().try_for_each(|(key, signature)| self.add(*key, *signature))
    }

    /// Writes the request to a file that must not be there yet.
    pub(crate) fn write_new(&self, path: &Path) -> Result<(), Failure> {
        if path.exists() {
            let what = format!("`{}` is there already", path.display());
            return Err(failure(ErrorCode::Invalid, what).hint("name another file"));
        }
        self.write(path)
    }

    /// Writes the request to a file, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let state = self.state();
        let unsigned = assembled(state, &self.event, &[]);
        let signed = |(key, signature): &(PublicKey, Signature)| KeySigned {
            key: *key,
            signature: to_hex(signature),
        };
        let file = RequestFile {
            baraza_signing_request: VERSION,
            summary: in_words(state, &self.event),
            may_sign: self.signers(),
            log: self.log.events().iter().map(|event| to_hex(&event.encode())).collect(),
            event: to_hex(&unsigned.encode()),
            signatures: self.signatures.iter().map(signed).collect(),
        };
        let text = serde_json::to_string_pretty(&file).expect("plain members always encode") + "\n";
        let mut part = path.file_name().unwrap_or_default().to_owned();
        part.push(".tmp");
        let part = path.with_file_name(part);
        let write = || {
            let mut file = fs::File::create(&part)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&part, path)
        };
        write().map_err(|error| {
            failure(ErrorCode::Store, format!("`{}` cannot be written: {error}", path.display()))
        })
    }

    /// Returns the keys that may sign, in the order of the event.
    pub(crate) fn signers(&self) -> Vec<PublicKey> {
        self.state().signers(&self.event)
    }

    /// Returns the keys that have signed.
    pub(crate) fn signed_by(&self) -> impl Iterator<Item = &PublicKey> {
        self.signatures.iter().map(|(key, _)| key)
    }

    /// Returns the bytes to sign.
    pub(crate) fn event_bytes(&self) -> Vec<u8> {
        self.event.encode()
    }

    /// Says what the event does.
    pub(crate) fn in_words(&self) -> Vec<String> {
        in_words(self.state(), &self.event)
    }

    /// Returns the event with its signatures.
    pub(crate) fn signed(&self) -> SignedEvent {
        assembled(self.state(), &self.event, &self.signatures)
    }

    /// Returns the log that the event follows.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    fn state(&self) -> &State {
        self.log.state()
    }

    /// Returns the groups of keys of which too few have signed.
    pub(crate) fn missing(&self) -> Vec<Missing> {
        let (signers, mut from) = (self.signers(), 0);
        let groups: &[&str] = match self.event {
            IdentityEvent::Rotate(_) => &["next keys", "new root keys"],
            IdentityEvent::Deactivate(_) => &["next keys"],
            IdentityEvent::Inception(_) | IdentityEvent::Update(_) => &["root keys"],
        };
        let mut missing = Vec::new();
        for ((of, needed), group) in self.state().needed(&self.event).into_iter().zip(groups) {
            let keys = &signers[from..from + of];
            let signed = self.signed_by().filter(|key| keys.contains(key)).count();
            let needed = usize::from(needed);
            from += of;
            if signed < needed {
                missing.push(Missing { group, signed, needed, of });
            }
        }
        missing
    }
}
