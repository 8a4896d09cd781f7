//! Arguments of the commands about networks.
//!
//! Spec: docs/OPERATIONS.md, "Networks".

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::PassphraseFile;

#[derive(Debug, Subcommand)]
pub(crate) enum Network {
    /// Make a network, by invitation unless it is open
    Create(NetworkCreate),
    /// Print an invitation: text, picture, and words to compare
    Invite {
        /// Name of the network, or the beginning of its id; absent if there is only one
        network: Option<String>,
        /// Print the text only
        #[arg(long)]
        text_only: bool,
    },
    /// List the networks of this node
    List,
}

#[derive(Debug, Args)]
pub(crate) struct NetworkCreate {
    /// Its name
    pub(crate) name: String,
    /// Let anybody in who knows its id
    #[arg(long)]
    pub(crate) open: bool,
    /// Where the key goes that replaces its root key, for example a memory stick
    #[arg(long, value_name = "DIR")]
    pub(crate) recovery: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseFile,
}

#[derive(Debug, Args)]
pub(crate) struct Join {
    /// The text of the invitation
    #[arg(required_unless_present = "file")]
    pub(crate) text: Option<String>,
    /// File with the text, so that it does not stand in the history of the shell
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Leave {
    /// Name of the network, or the beginning of its id
    pub(crate) network: String,
}
