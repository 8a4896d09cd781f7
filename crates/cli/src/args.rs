//! Arguments.
//!
//! Invariant: what is not built is absent; no argument carries a passphrase.
//! Not here: what the commands do (`commands`).
//! Spec: docs/ARCHITECTURE.md, "Command line".

mod backup;
mod bundle;
mod ceremony;
mod network;
mod staff;
mod who;

use std::path::PathBuf;

use baraza_record::Kind;
use clap::{Args, Parser, Subcommand, builder::PossibleValuesParser};

pub(crate) use backup::{Backup, Restore};
pub(crate) use bundle::{Bundle, PART_BYTES_DEFAULT, PART_BYTES_MIN};
pub(crate) use ceremony::{
    Assemble, KeyNumbers, NextKeys, Operator, OperatorAdd, OperatorEnd, Recover, Resume, RootKeys,
    Rotate, Sign,
};
pub(crate) use network::{Join, Leave, Network, NetworkCreate};
pub(crate) use staff::{Draft, DraftImport, DraftRelease, DraftRetract, Staff};
pub(crate) use who::{Nation, Policy, Quarantine, Trust};

const AFTER_HELP: &str = "\
Examples:
  baraza init --name \"Lake Region Water Desk\" --country KE
  baraza new lesson > lesson.md     (edit it, then: baraza publish lesson.md)
  baraza search rainwater schools --country KE,UG --sdg 6

Exit codes:
  0  done
  1  an error of this program
  2  the command line is not as it should be
  3  a draft, a file or a value breaks a rule
  4  there is no such thing, or several fit
  5  the home: there is none, there is one already, or it cannot be used
  6  the store or the disk
  7  the network, or the node is busy or not running
  8  the operator key is locked, the record is not yours, or it is not for you to do
  9  done in part: see what was printed";

const NARROWING: &str = "Narrowing (several values, separated by commas, are alternatives)";

const JOINING: &str = "Another node of a centre";

const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\nLicence: Apache-2.0 or MIT.\n\
     The designations used for countries, territories and areas imply no opinion on their legal\n\
     status, their authorities or their boundaries."
);

/// Good practices and lessons learned, shared between centres.
#[derive(Debug, Parser)]
#[command(
    name = "baraza",
    version,
    long_version = LONG_VERSION,
    after_help = "The exit codes and examples are in `baraza --help`.",
    after_long_help = AFTER_HELP,
    disable_help_subcommand = true
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Absent: the status or, without a node, the first steps.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Common {
    /// Print JSON, for scripts
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Folder of the node
    #[arg(long, global = true, value_name = "DIR", env = "BARAZA_HOME", hide_env_values = true)]
    pub(crate) home: Option<PathBuf>,
    /// Socket of a node whose home is not yours
    #[arg(long, global = true, value_name = "PATH", env = "BARAZA_SOCKET", hide_env_values = true)]
    pub(crate) socket: Option<PathBuf>,
    /// Print results only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Answer yes to every question
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a centre and its first node
    Init(Init),
    /// Run the node
    Start(Start),
    /// Tell what is well, what is wrong and what to do
    Status(Status),
    /// Write the template of a draft
    New(New),
    /// Sign drafts and share them
    Publish(Publish),
    /// Publish a new version of a record of your centre
    Revise(Revise),
    /// Withdraw a record of your centre
    Retract(Retract),
    /// Sign with a root key, on any machine, for the erasure of a record
    SignErasure(SignErasure),
    /// Keep drafts on the node until somebody releases them
    #[command(subcommand)]
    Draft(Draft),
    /// Find records by their words
    Search(Search),
    /// List records, the latest arrival first
    List(List),
    /// Show a record
    Show(Show),
    /// Compare with peers now, or dial one
    Sync(Sync),
    /// List peers
    Peers,
    /// Write or read bundles: records in a file, for where there is no network
    #[command(subcommand)]
    Bundle(Bundle),
    /// Make networks, and invite others to them
    #[command(subcommand)]
    Network(Network),
    /// Enter a network by invitation
    Join(Join),
    /// Leave a network
    Leave(Leave),
    /// Check files without a node: who signed what is in them
    Verify(Verify),
    /// Show centres; change, recover and close your own
    #[command(subcommand)]
    Centre(Centre),
    /// Say who acts for your centre
    #[command(subcommand)]
    Operator(Operator),
    /// Speak for a nation: accredit centres
    #[command(subcommand)]
    Nation(Nation),
    /// Choose the nations whose word counts here
    #[command(subcommand)]
    Trust(Trust),
    /// Show what this node shows and hides, and why
    #[command(subcommand)]
    Policy(Policy),
    /// See and release what waits because nobody vouches for its centre
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// Write all that this node holds to a file, without its keys
    Backup(Backup),
    /// Make a new home from a backup, with new keys
    Restore(Restore),
    /// Read the store and report what is wrong
    Check(Check),
    /// Rebuild what can be rebuilt from the ledger
    Repair,
    /// Unlock the operator key of the running node
    Unlock(Unlock),
    /// Show who on this machine may use the node, and who did what
    #[command(subcommand)]
    Staff(Staff),
    /// Show several nodes at work on this machine
    Demo(Demo),
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Name of the centre, in its own language
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Its country, as code or name; leave it out for an intergovernmental body
    #[arg(long)]
    pub(crate) country: Option<String>,
    /// Language in which it usually writes
    #[arg(long, value_name = "TAG", default_value = "en")]
    pub(crate) language: String,
    /// Licence under which it usually publishes
    #[arg(long, value_name = "SPDX", default_value = "CC-BY-4.0")]
    pub(crate) licence: String,
    /// Mailbox of an office, not of a person
    #[arg(long, value_name = "MAILBOX")]
    pub(crate) contact: Option<String>,
    /// Where the recovery keys go, for example a memory stick
    #[arg(long, value_name = "DIR")]
    pub(crate) recovery: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseFile,
    /// Leave the operator key without a passphrase
    #[arg(long, conflicts_with = "passphrase_file")]
    pub(crate) no_passphrase: bool,
    /// Find nodes of the local network, and be found there
    #[arg(long, conflicts_with = "no_mdns")]
    pub(crate) mdns: bool,
    /// Stay unseen on the local network; this is so without a terminal to ask on
    #[arg(long)]
    pub(crate) no_mdns: bool,
    #[command(flatten)]
    pub(crate) addresses: Addresses,
    #[command(flatten)]
    pub(crate) keys: KeyNumbers,
    /// Make another node of this centre, by its id; whoever has its root key must add it
    #[arg(long, value_name = "ID", conflicts_with_all = ["name", "recovery"], help_heading = JOINING)]
    pub(crate) join_centre: Option<String>,
    /// What the centre calls the node; never a person's name
    #[arg(long, default_value = "second node", help_heading = JOINING)]
    pub(crate) label: String,
    /// Where the request to be added goes; into the home if left out
    #[arg(long, value_name = "FILE", requires = "join_centre", help_heading = JOINING)]
    pub(crate) request: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PassphraseFile {
    /// File whose first line is the passphrase of the operator key
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Addresses {
    /// Multiaddr on which peers are accepted; may be repeated
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<String>,
    /// Multiaddr of a peer to dial; may be repeated
    #[arg(long, value_name = "ADDR")]
    pub(crate) bootstrap: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Start {
    #[command(flatten)]
    pub(crate) addresses: Addresses,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseFile,
    /// Do not look for nodes of the local network
    #[arg(long)]
    pub(crate) no_mdns: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Note that the recovery folder has been put away
    #[arg(long)]
    pub(crate) recovery_stored: bool,
}

#[derive(Debug, Args)]
pub(crate) struct New {
    /// What it will be
    #[arg(value_parser = kinds())]
    pub(crate) kind: String,
    /// Write to this file instead of the terminal
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// Drafts: .md, .json, .jsonl or .csv
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Kind of drafts that name none
    #[arg(long, value_parser = kinds())]
    pub(crate) kind: Option<String>,
    /// Audience of drafts that name none: public, network:NAME or centres:ID,ID
    #[arg(long, value_name = "AUDIENCE")]
    pub(crate) audience: Option<String>,
    /// Check only
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Publish although something looks like personal data
    #[arg(long)]
    pub(crate) allow_personal_data: bool,
    /// Leave out the drafts that cannot be published
    #[arg(long)]
    pub(crate) skip_invalid: bool,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseFile,
}

#[derive(Debug, Args)]
pub(crate) struct Revise {
    /// Id of the record, or the beginning of it
    pub(crate) id: String,
    /// The new version; begin with: baraza show ID --markdown
    pub(crate) file: PathBuf,
    /// Check only
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Publish although something looks like personal data
    #[arg(long)]
    pub(crate) allow_personal_data: bool,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseFile,
}

#[derive(Debug, Args)]
pub(crate) struct Retract {
    /// Id of the record, or the beginning of it
    pub(crate) id: String,
    /// Why
    #[arg(long, value_parser = reasons())]
    pub(crate) reason: String,
    /// In words, for everybody
    #[arg(long)]
    pub(crate) note: Option<String>,
    /// Have its text deleted on every node, 7 days after the node hears of it
    #[arg(long)]
    pub(crate) erase: bool,
    /// Have it deleted at once: signs with the root key, too
    #[arg(long, requires = "erase")]
    pub(crate) now: bool,
    /// Signature of another root key, as `baraza sign-erasure` prints it; may be repeated
    #[arg(long, value_name = "FILE", requires = "now")]
    pub(crate) root_signature: Vec<PathBuf>,
    /// File whose first line is the passphrase of the root key
    #[arg(long, value_name = "FILE", requires = "now")]
    pub(crate) root_passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseFile,
}

#[derive(Debug, Args)]
pub(crate) struct SignErasure {
    /// Id of the record, all 64 digits
    pub(crate) id: String,
    /// Id of the centre that published it, all 64 digits
    #[arg(long, value_name = "ID")]
    pub(crate) centre: String,
    /// File of the root key; that of the home if left out
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// File whose first line is the passphrase of the root key
    #[arg(long, value_name = "FILE")]
    pub(crate) root_passphrase_file: Option<PathBuf>,
}

/// What both lists and searches are narrowed to.
#[derive(Debug, Args)]
#[command(next_help_heading = NARROWING)]
pub(crate) struct Narrow {
    /// Kinds
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = known_kinds())]
    pub(crate) kind: Vec<String>,
    /// Goals or targets, such as 6 or 6.2
    #[arg(long, value_name = "GOAL", value_delimiter = ',')]
    pub(crate) sdg: Vec<String>,
    /// Languages, such as sw
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    pub(crate) language: Vec<String>,
    /// Publishers, by id or the beginning of it
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) centre: Vec<String>,
    /// Publishers for which this nation vouches, by country; `any`: some nation trusted here
    #[arg(long, value_name = "COUNTRY")]
    pub(crate) accredited_by: Option<String>,
    /// Not written before this day
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) since: Option<String>,
    /// Not written after this day
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) until: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Search {
    /// Words
    #[arg(required = true)]
    pub(crate) words: Vec<String>,
    /// Most hits
    #[arg(long, default_value_t = 10, value_parser = page())]
    pub(crate) limit: u16,
    /// Hits to leave out at the beginning
    #[arg(long, default_value_t = 0)]
    pub(crate) offset: u32,
    #[command(flatten)]
    pub(crate) narrow: Narrow,
    /// Countries, by code or name
    #[arg(long, value_delimiter = ',', help_heading = NARROWING)]
    pub(crate) country: Vec<String>,
    /// Regions, by M49 code, such as 014
    #[arg(long, value_name = "M49", value_delimiter = ',', help_heading = NARROWING)]
    pub(crate) region: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Most records
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: usize,
    /// Only those for this audience: public, network:NAME or centres:ID,ID
    #[arg(long, value_name = "AUDIENCE")]
    pub(crate) audience: Option<String>,
    #[command(flatten)]
    pub(crate) narrow: Narrow,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Id of the record, or the beginning of it
    pub(crate) id: String,
    /// As a draft, to be edited for `revise`
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
    /// Although it is in quarantine
    #[arg(long)]
    pub(crate) quarantined: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Sync {
    /// Peer id, or the multiaddr of a node to dial; absent: all that are connected
    pub(crate) peer: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Bundles, have-files, backups, or single records
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Centre {
    /// Show a centre; your own if none is named
    Show {
        /// Id of the centre, or the beginning of it
        id: Option<String>,
    },
    /// List the centres known
    List,
    /// Show the identity log of a centre; of your own if none is named
    Log {
        /// Id of the centre, or the beginning of it
        id: Option<String>,
    },
    /// Give your centre new root keys and next keys, by its next keys
    Rotate(Rotate),
    /// Give your centre new keys after the loss of those in use, by its next keys
    Recover(Recover),
    /// Close your centre for good, by its next keys: what it published stays
    Close(NextKeys),
    /// Sign a request as a custodian; needs neither a node nor a home
    Sign(Sign),
    /// Put what custodians signed together, and hand it in
    Assemble(Assemble),
    /// Choose which branch of a forked feed of yours goes on
    Resume(Resume),
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Read every record as well, with its place, its id and its body
    #[arg(long)]
    pub(crate) full: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Unlock {
    #[command(flatten)]
    pub(crate) passphrase: PassphraseFile,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Leave the nodes' folders in place
    #[arg(long)]
    pub(crate) keep: bool,
}

/// Kinds of which a person writes drafts. Commands of their own write the others.
fn kinds() -> PossibleValuesParser {
    let drafts = Kind::KNOWN.into_iter().filter(|(kind, _)| kind.is_content());
    PossibleValuesParser::new(drafts.map(|(_, name)| name).collect::<Vec<_>>())
}

fn known_kinds() -> PossibleValuesParser {
    PossibleValuesParser::new(Kind::KNOWN.map(|(_, name)| name))
}

fn reasons() -> PossibleValuesParser {
    let fields = baraza_record::body::fields(Kind::RETRACTION).unwrap_or_default();
    let reason = fields.iter().find(|field| field.name == "reason");
    PossibleValuesParser::new(reason.map_or(&[][..], |field| field.value.codes()))
}

fn page() -> clap::builder::RangedI64ValueParser<u16> {
    let most = i64::try_from(baraza_api::PAGE_MAX).unwrap_or(i64::MAX);
    clap::value_parser!(u16).range(1..=most)
}
