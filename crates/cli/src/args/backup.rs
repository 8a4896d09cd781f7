//! Arguments of backup and restore.
//!
//! Spec: docs/ARCHITECTURE.md, "Command line".

use std::path::PathBuf;

use clap::Args;

use super::PassphraseFile;

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// File to write, or a folder in which it gets a name with the day
    #[arg(value_name = "FILE|DIR")]
    pub(crate) path: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// Backup to read
    pub(crate) file: PathBuf,
    /// What the centre calls the new node; not a person's name
    #[arg(long, default_value = "restored")]
    pub(crate) label: String,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseFile,
    /// Leave the new operator key without a passphrase
    #[arg(long, conflicts_with = "passphrase_file")]
    pub(crate) no_passphrase: bool,
}
