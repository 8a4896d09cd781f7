//! What the command line needs from the program around it.
//!
//! Invariant: everything that touches a node, its home or a socket is behind [`Host`], so
//! that this crate depends on neither libp2p nor sled.
//! Not here: the implementation (`node`).
//! Spec: docs/ARCHITECTURE.md, "Command line".

use std::path::{Path, PathBuf};

use baraza_api::{CheckReply, Client, ErrorBody, Problem, RootSignature};
use baraza_identity::KeySet;
use baraza_record::{CentreId, PublicKey, RecordId, sign::Signature};
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
    /// Protects the keys; none leaves them readable to whoever reads the files.
    pub passphrase: Option<Passphrase>,
    /// Keys that change the identity, and those that replace them.
    pub keys: KeyPlan,
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

/// How many keys change a centre's identity, how many replace them, and how these are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPlan {
    /// Root keys, 1 to 16.
    pub root_keys: u8,
    /// How many of them sign a change.
    pub root_threshold: u8,
    /// Next keys, 1 to 16.
    pub next_keys: u8,
    /// How many of them sign a rotation.
    pub next_threshold: u8,
    /// How next keys are written down.
    pub seal: Seal,
}

/// How a next key is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// A key file, encrypted if there is a passphrase.
    File,
    /// A sheet with 24 words, to be printed and deleted.
    Words,
}

impl Default for KeyPlan {
    /// One root key; three next keys, of which two sign.
    fn default() -> Self {
        let (root_keys, root_threshold, next_keys, next_threshold) = (1, 1, 3, 2);
        Self { root_keys, root_threshold, next_keys, next_threshold, seal: Seal::File }
    }
}

/// How a node is made that is to act for a centre that exists.
#[derive(Debug)]
pub struct JoinOptions {
    /// The centre.
    pub centre: CentreId,
    /// What the centre calls the node; never a person's name.
    pub label: String,
    /// BCP 47 tag of the language in which it usually writes.
    pub language: String,
    /// SPDX identifier of the licence under which it usually publishes.
    pub licence: String,
    /// Mailbox of an office.
    pub contact: Option<String>,
    /// Country as code or name, for drafts.
    pub country: Option<String>,
    /// Protects the operator key.
    pub passphrase: Option<Passphrase>,
    /// Whether nodes of the local network are looked for.
    pub mdns: bool,
    /// Multiaddrs on which peers are accepted; the default ones if empty.
    pub listen: Vec<String>,
    /// Multiaddrs of peers that are dialled at every start.
    pub bootstrap: Vec<String>,
    /// Where the request goes; inside the home if absent.
    pub request: Option<PathBuf>,
}

/// A request of new keys to act for a centre. Both keys have signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Enrolment {
    /// The centre.
    pub centre: CentreId,
    /// Key that is to sign records.
    pub operator: PublicKey,
    /// Key of the node's connections.
    pub node: PublicKey,
    /// What the centre calls the node.
    pub label: String,
    /// Words to compare, for example by telephone.
    pub words: String,
}

/// What [`Host::join`] made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JoinReport {
    /// What it asks for.
    #[serde(flatten)]
    pub enrolment: Enrolment,
    /// Peer id of the node in libp2p's text form.
    pub peer_id: String,
    /// The node's folder.
    pub home: PathBuf,
    /// File with the request.
    pub request: PathBuf,
}

/// Where a secret key is.
#[derive(Clone, Copy, Debug)]
pub enum KeyAt<'a> {
    /// The root key of the home.
    Root,
    /// A key file, or a sheet with words.
    File(&'a Path),
    /// 24 words that somebody typed.
    Words(&'a Passphrase),
}

/// Keys that [`Host::new_keys`] made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKeys {
    /// The public halves.
    pub keys: KeySet,
    /// Files of the new root keys; the home's is in use once [`Host::settle_keys`] says so.
    pub root_files: Vec<PathBuf>,
    /// Folder with the new next keys.
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

    /// Makes a node in `home` that is to act for a centre that exists, and its request.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    fn join(&self, home: &Path, options: JoinOptions) -> Result<JoinReport, ErrorBody>;

    /// Reads and verifies the request of a new node.
    ///
    /// # Errors
    ///
    /// `Invalid` if it is none, is damaged, or was changed.
    fn read_enrolment(&self, file: &Path) -> Result<Enrolment, ErrorBody>;

    /// Returns the public half of a key.
    ///
    /// # Errors
    ///
    /// `Locked` if the passphrase is absent or does not fit, `NotFound` if there is no such
    /// file, `Invalid` if what is there is no key.
    fn public_key(
        &self,
        home: &Path,
        key: KeyAt<'_>,
        passphrase: Option<&Passphrase>,
    ) -> Result<PublicKey, ErrorBody>;

    /// Signs the bytes of an identity event.
    ///
    /// # Errors
    ///
    /// As [`public_key`](Self::public_key).
    fn sign_event(
        &self,
        home: &Path,
        key: KeyAt<'_>,
        passphrase: Option<&Passphrase>,
        event: &[u8],
    ) -> Result<(PublicKey, Signature), ErrorBody>;

    /// Makes root keys and next keys for a rotation of the centre called `name`: a root key
    /// beside that of the home, the rest in the folder `recovery` or one of the host's choice.
    ///
    /// # Errors
    ///
    /// `Invalid` for a plan outside its limits, `Home` if they cannot be written.
    fn new_keys(
        &self,
        home: &Path,
        name: &str,
        plan: KeyPlan,
        recovery: Option<&Path>,
        passphrase: Option<&Passphrase>,
    ) -> Result<NewKeys, ErrorBody>;

    /// Makes an operator key and a node key beside those of the home; returns both.
    ///
    /// # Errors
    ///
    /// `Home` if they cannot be written.
    fn new_operator(
        &self,
        home: &Path,
        passphrase: Option<&Passphrase>,
    ) -> Result<(PublicKey, PublicKey), ErrorBody>;

    /// Puts keys that were made before in the place of the home's, if they are among those in
    /// force. Returns whether a running node must be started anew to have them.
    ///
    /// # Errors
    ///
    /// `Home` if that fails.
    fn settle_keys(&self, home: &Path, in_force: &[PublicKey]) -> Result<bool, ErrorBody>;

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
