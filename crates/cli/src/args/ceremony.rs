//! Arguments of ceremonies: keys that change, custodians who sign, branches that are chosen.
//!
//! Invariant: a key is named by its file or typed on a terminal, never an argument.
//! Spec: docs/ARCHITECTURE.md, "Command line"; docs/OPERATIONS.md, "Keys and custodians".

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Addresses, PassphraseFile};
use crate::host::{KeyPlan, Seal};

/// How next keys are written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SealAs {
    /// Key files, encrypted with the passphrase
    #[default]
    Files,
    /// Sheets with 24 words each, to be printed and deleted
    Words,
}

#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Keys that change the identity")]
pub(crate) struct KeyNumbers {
    /// Root keys, which change the identity; the first stays here, the others are for custodians
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = keys())]
    pub(crate) root_keys: u8,
    /// How many of them must sign
    #[arg(long, value_name = "T", default_value_t = 1, value_parser = keys())]
    pub(crate) root_threshold: u8,
    /// Next keys, which replace the root keys after a loss or theft
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = keys())]
    pub(crate) next_keys: u8,
    /// How many of them must sign: 2 if left out, 1 where there is only one
    #[arg(long, value_name = "T", value_parser = keys())]
    pub(crate) next_threshold: Option<u8>,
    /// How next keys are written down
    #[arg(long, value_enum, default_value_t)]
    pub(crate) seal: SealAs,
}

impl KeyNumbers {
    pub(crate) fn plan(self) -> KeyPlan {
        KeyPlan {
            root_keys: self.root_keys,
            root_threshold: self.root_threshold,
            next_keys: self.next_keys,
            next_threshold: self.next_threshold.unwrap_or(self.next_keys.min(2)),
            seal: match self.seal {
                SealAs::Files => Seal::File,
                SealAs::Words => Seal::Words,
            },
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Operator {
    /// List the keys that act for your centre, also those that ended
    List,
    /// Add the keys of a new node or person
    Add(OperatorAdd),
    /// End keys: they are not used any more, or somebody else may have them
    End(OperatorEnd),
}

#[derive(Debug, Args)]
pub(crate) struct OperatorAdd {
    /// File that `baraza init --join-centre` wrote
    #[arg(value_name = "REQUEST")]
    pub(crate) file: PathBuf,
    /// What the operator key may do: publish, retract, erase, accredit
    #[arg(long, value_name = "CAPS", value_delimiter = ',', default_value = "publish,retract")]
    pub(crate) caps: Vec<String>,
    /// What the centre calls it, instead of what the request says; never a person's name
    #[arg(long)]
    pub(crate) label: Option<String>,
    #[command(flatten)]
    pub(crate) roots: RootKeys,
}

#[derive(Debug, Args)]
pub(crate) struct OperatorEnd {
    /// The key, the beginning of it, or the label of all that end: see `baraza operator list`
    pub(crate) key: String,
    /// It is not used any more; what it signed stays
    #[arg(long, required_unless_present = "compromised", conflicts_with = "compromised")]
    pub(crate) retired: bool,
    /// Somebody else may have it; what it signed after the last good record goes
    #[arg(long)]
    pub(crate) compromised: bool,
    /// Last record that your centre signed with it, or `none`; may be repeated, one for a feed
    #[arg(long, value_name = "RECORD", requires = "compromised")]
    pub(crate) last_good: Vec<String>,
    #[command(flatten)]
    pub(crate) roots: RootKeys,
}

/// Who signs a change.
#[derive(Debug, Args)]
#[command(next_help_heading = "Who signs")]
pub(crate) struct RootKeys {
    /// Write a request for custodians to this file, and change nothing yet
    #[arg(long = "request", value_name = "FILE")]
    pub(crate) request: Option<PathBuf>,
    /// Root key to sign with, besides that of the home; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) root_key: Vec<PathBuf>,
    /// File whose first line is the passphrase of the root keys
    #[arg(long, value_name = "FILE")]
    pub(crate) root_passphrase_file: Option<PathBuf>,
}

/// Which next keys sign.
#[derive(Debug, Args)]
#[command(next_help_heading = "Who signs")]
pub(crate) struct NextKeys {
    /// Next key: its file, or a sheet with its words; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) next_key: Vec<PathBuf>,
    /// Ask for the words of next keys on the terminal
    #[arg(long)]
    pub(crate) words: bool,
    /// File whose first line is the passphrase of the next keys
    #[arg(long, value_name = "FILE")]
    pub(crate) key_passphrase_file: Option<PathBuf>,
    /// Write a request for custodians to this file, and change nothing yet
    #[arg(long, value_name = "FILE")]
    pub(crate) request: Option<PathBuf>,
    /// Public half of a next key whose keeper will sign the request; may be repeated
    #[arg(long, value_name = "KEY", requires = "request")]
    pub(crate) reveal: Vec<String>,
}

/// Where the new keys go, and how they are protected.
#[derive(Debug, Args)]
pub(crate) struct NewKeyFiles {
    /// Where the new next keys go, for example a memory stick
    #[arg(long, value_name = "DIR")]
    pub(crate) recovery: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseFile,
    /// Leave the new keys without a passphrase
    #[arg(long, conflicts_with = "passphrase_file")]
    pub(crate) no_passphrase: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    #[command(flatten)]
    pub(crate) next: NextKeys,
    #[command(flatten)]
    pub(crate) files: NewKeyFiles,
    #[command(flatten)]
    pub(crate) keys: KeyNumbers,
}

#[derive(Debug, Args)]
pub(crate) struct Recover {
    /// Bundle with the identity and the records of the centre; makes a new home from it
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
    /// Somebody else may have the old keys: nothing counts that is not held here
    #[arg(long)]
    pub(crate) compromised: bool,
    /// What the centre calls this node; never a person's name
    #[arg(long, default_value = "recovered")]
    pub(crate) label: String,
    /// Language in which the centre usually writes, for a new home
    #[arg(long, value_name = "TAG", default_value = "en")]
    pub(crate) language: String,
    /// Mailbox of an office, for a new home
    #[arg(long, value_name = "MAILBOX")]
    pub(crate) contact: Option<String>,
    #[command(flatten)]
    pub(crate) addresses: Addresses,
    #[command(flatten)]
    pub(crate) rotate: Rotate,
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// File with the request
    #[arg(value_name = "REQUEST")]
    pub(crate) file: PathBuf,
    /// Your key: its file, or a sheet with its words; may be repeated
    #[arg(long, value_name = "FILE", required_unless_present = "words")]
    pub(crate) key: Vec<PathBuf>,
    /// Ask for the words of your key on the terminal
    #[arg(long)]
    pub(crate) words: bool,
    /// File whose first line is the passphrase of your key
    #[arg(long, value_name = "FILE")]
    pub(crate) key_passphrase_file: Option<PathBuf>,
    /// Write the signed request here; into the same file if left out
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Assemble {
    /// Copies of one request, signed by different custodians
    #[arg(required = true, value_name = "REQUEST")]
    pub(crate) files: Vec<PathBuf>,
    /// Write a bundle to this file, to be imported at a node, instead of handing it to this one
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The feed, or the beginning of its id; needed if several fork
    #[arg(long)]
    pub(crate) feed: Option<String>,
    /// First record of the branch that goes on, or the beginning of its id
    #[arg(long, value_name = "RECORD")]
    pub(crate) keep: Option<String>,
    #[command(flatten)]
    pub(crate) roots: RootKeys,
}

fn keys() -> clap::builder::RangedI64ValueParser<u8> {
    let most = i64::try_from(baraza_identity::KEYS_MAX).unwrap_or(i64::MAX);
    clap::value_parser!(u8).range(1..=most)
}
