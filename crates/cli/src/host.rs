//! What the command line needs from the program around it.
//!
//! Invariant: everything that touches a node, its home or a socket is behind [`Host`], so
//! that this crate depends on neither libp2p nor sled.
//! Not here: the implementation (`node`).
//! Spec: docs/ARCHITECTURE.md, "Command line".

use std::path::{Path, PathBuf};

use baraza_api::{CheckReply, Client, ErrorBody, Problem, RootSignature};
use baraza_record::{CentreId, RecordId};
use serde::Serialize;
use zeroize::Zeroizing;

/// A passphrase; its bytes are overwritten when it is dropped.
pub type Passphrase = Zeroizing<String>;

/// How a centre and its first node are made.
#[derive(Debug)]
pub struct InitOptions {
    /// Whether it is the focal point of the nation of `country`, which accredits centres.
    pub nation: bool,
    /// Name of the centre, in its own language.
    pub name: String,
    /// Country as code or name; none for an intergovernmental body.
    pub country: Option<String>,
    /// BCP 47 tag of the language in which the centre usually writes.
    pub language: String,
    /// SPDX identifier of the licence under which it usually publishes.
    pub licence: String,
    /// Mailbox of an office.
    pub contact: Option<String>,
    /// Where the recovery keys go; the host's choice if absent.
    pub recovery: Option<PathBuf>,
    /// Protects the operator key; none leaves it readable to whoever reads the file.
    pub passphrase: Option<Passphrase>,
    /// Whether nodes of the local network are looked for.
    pub mdns: bool,
    /// Multiaddrs on which peers are accepted; the default ones if empty.
    pub listen: Vec<String>,
    /// Multiaddrs of peers that are dialled at every start.
    pub bootstrap: Vec<String>,
}

/// What [`Host::init`] made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InitReport {
    /// Id of the centre.
    pub centre: CentreId,
    /// Its name.
    pub name: String,
    /// Peer id of the node in libp2p's text form.
    pub peer_id: String,
    /// The node's folder.
    pub home: PathBuf,
    /// Folder with the recovery keys, which must not stay on this machine.
    pub recovery: PathBuf,
}

/// How the daemon runs.
#[derive(Debug, Default)]
pub struct StartOptions {
    /// Multiaddrs on which peers are accepted, instead of the configured ones.
    pub listen: Vec<String>,
    /// Multiaddrs of peers to dial, beside the configured ones.
    pub bootstrap: Vec<String>,
    /// Unlocks the operator key; without it the node runs and cannot publish.
    pub passphrase: Option<Passphrase>,
    /// Do not look for nodes of the local network, whatever is configured.
    pub no_mdns: bool,
}

/// What a root key signs to have a record erased at once.
#[derive(Clone, Copy, Debug)]
pub struct ErasureToSign<'a> {
    /// The record.
    pub target: RecordId,
    /// The centre that published it.
    pub centre: CentreId,
    /// File of the root key; that of the home if absent.
    pub key: Option<&'a Path>,
    /// Opens the file.
    pub passphrase: Option<&'a Passphrase>,
}

/// What a daemon says once it takes requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ready {
    /// Peer id in libp2p's text form.
    pub peer_id: String,
    /// Addresses on which peers reach the node.
    pub listen: Vec<String>,
    /// Centre of the node.
    pub centre: CentreId,
    /// Where the API answers: a socket's path.
    pub api: String,
}

/// What [`Host::repair`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RepairReport {
    /// What was done, in order, in words.
    pub steps: Vec<String>,
    /// Records in the store afterwards.
    pub records: u64,
    /// What could not be repaired; `field` is where.
    pub lost: Vec<Problem>,
}

/// What [`Host::backup`] wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BackupReport {
    /// The file.
    pub file: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Records in it; a fork's and those without authority are among them.
    pub records: u64,
    /// Identity events in it.
    pub identities: u64,
    /// Files of the node in it.
    pub files: Vec<String>,
    /// Files of the node that could not be taken.
    pub files_left_out: Vec<String>,
    /// Damaged parts of the ledger.
    pub damaged: u64,
    /// Parts of the ledger that only a newer version knows.
    pub unknown: u64,
    /// Segments of the ledger that are gone.
    pub segments_lost: u64,
    /// When the last backup before this one was made, in milliseconds since 1970.
    pub previous_ms: Option<u64>,
}

/// How a home is made from a backup.
#[derive(Debug)]
pub struct RestoreOptions {
    /// The backup.
    pub file: PathBuf,
    /// What the centre calls the node; never a person's name.
    pub label: String,
    /// Protects the new operator key.
    pub passphrase: Option<Passphrase>,
}

/// What [`Host::restore`] made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestoreReport {
    /// Id of the centre.
    pub centre: CentreId,
    /// Its name, if its log was in the backup.
    pub name: String,
    /// Peer id of the node in libp2p's text form; a new one.
    pub peer_id: String,
    /// The node's folder.
    pub home: PathBuf,
    /// When the backup was made, in milliseconds since 1970; 0 if it no longer says so.
    pub made_ms: u64,
    /// Records in the store.
    pub records: u64,
    /// Frames that are whole and were refused as not authentic, or lost what proves them.
    pub rejected: u64,
    /// Files of the node that were restored.
    pub files: Vec<String>,
    /// Files that were damaged and are not restored.
    pub files_broken: Vec<String>,
    /// Damaged parts of the backup.
    pub damaged: u64,
    /// Whether the backup was whole.
    pub complete: bool,
    /// The request to let the new keys act for the centre.
    pub request: PathBuf,
    /// Words to compare with those of the request.
    pub words: String,
}

/// How the demonstration runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DemoOptions {
    /// Leave the nodes' folders in place.
    pub keep: bool,
}

/// A step of the demonstration that is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DemoStep {
    /// Number, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// What happened, in words; several lines are allowed.
    pub text: String,
}

/// The program around the command line. Calls block.
pub trait Host {
    /// Returns the folder that is used when none is named.
    fn default_home(&self) -> PathBuf;

    /// Returns a way to the node of `home`: its daemon's socket or, if none runs, this process.
    ///
    /// # Errors
    ///
    /// `Home` if there is no node there or it cannot be used, `Store` if it is damaged.
    fn client(&self, home: &Path) -> Result<Box<dyn Client>, ErrorBody>;

    /// Returns a way to the daemon that listens on `socket`.
    ///
    /// # Errors
    ///
    /// `Offline` if nobody answers there, `NoRole` if it may not be used.
    fn client_at(&self, socket: &Path) -> Result<Box<dyn Client>, ErrorBody>;

    /// Makes a centre and its first node in `home`.
    ///
    /// # Errors
    ///
    /// `Home` if there is one already, `Invalid` for an option's value.
    fn init(&self, home: &Path, options: InitOptions) -> Result<InitReport, ErrorBody>;

    /// Runs the daemon until it is told to stop. Calls `ready` once, when requests are taken.
    ///
    /// # Errors
    ///
    /// `Home` if another process holds it, or what ended the daemon.
    fn start(
        &self,
        home: &Path,
        options: StartOptions,
        ready: &mut dyn FnMut(&Ready),
    ) -> Result<(), ErrorBody>;

    /// Reads the store of `home` and reports what is wrong; `full` checks signatures too.
    ///
    /// # Errors
    ///
    /// `Home` or `Store` if it cannot be read at all.
    fn check(&self, home: &Path, full: bool) -> Result<CheckReply, ErrorBody>;

    /// Rebuilds what can be rebuilt from the ledger. No daemon may run.
    ///
    /// # Errors
    ///
    /// `Home` if a daemon holds it, `Store` or `DiskFull` if that fails.
    fn repair(&self, home: &Path) -> Result<RepairReport, ErrorBody>;

    /// Writes all that the node of `home` holds to a file, without its keys. A daemon may run.
    ///
    /// # Errors
    ///
    /// `Home` if there is no node, `Invalid` for a path that cannot be used, `Store` if reading
    /// or writing fails; nothing is left behind then.
    fn backup(&self, home: &Path, path: &Path) -> Result<BackupReport, ErrorBody>;

    /// Makes a new home from a backup, with new keys.
    ///
    /// # Errors
    ///
    /// `Home` if there is something at `home`, `Invalid` if the file is no backup; nothing is
    /// left behind then.
    fn restore(&self, home: &Path, options: RestoreOptions) -> Result<RestoreReport, ErrorBody>;

    /// Returns when the last backup of `home` was made, in milliseconds since 1970.
    fn last_backup(&self, home: &Path) -> Option<u64>;

    /// Notes that the recovery folder has been put away.
    ///
    /// # Errors
    ///
    /// `Home` if there is none.
    fn confirm_recovery(&self, home: &Path) -> Result<(), ErrorBody>;

    /// Signs for the erasure of a record with a root key.
    ///
    /// # Errors
    ///
    /// `Locked` if the passphrase is absent or does not fit, `NotFound` if there is no such
    /// file, `Home` if it cannot be used.
    fn sign_erasure(
        &self,
        home: &Path,
        erasure: ErasureToSign<'_>,
    ) -> Result<RootSignature, ErrorBody>;

    /// Shows several nodes at work on this machine; calls `tell` after each step.
    ///
    /// # Errors
    ///
    /// What went wrong in a step.
    fn demo(&self, options: DemoOptions, tell: &mut dyn FnMut(&DemoStep)) -> Result<(), ErrorBody>;
}
