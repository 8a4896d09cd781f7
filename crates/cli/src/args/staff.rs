//! Arguments of drafts that the node keeps, and of the staff.
//!
//! Spec: docs/ARCHITECTURE.md, "Command line".

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{PassphraseFile, kinds, page, reasons};

#[derive(Debug, Subcommand)]
pub(crate) enum Draft {
    /// List the drafts, the latest change first
    List,
    /// Show a draft
    Show {
        /// Id of the draft, or the beginning of it
        id: String,
        /// As a draft, to be edited and given to `draft edit`
        #[arg(long, conflicts_with = "json")]
        markdown: bool,
    },
    /// Have the node keep the drafts of files
    Import(DraftImport),
    /// Write a draft anew, from a file or in the editor
    Edit {
        /// Id of the draft, or the beginning of it
        id: String,
        /// What it says now; absent: opens $VISUAL or $EDITOR
        file: Option<PathBuf>,
    },
    /// Hand a draft in, to be released
    Submit {
        /// Id of the draft, or the beginning of it
        id: String,
    },
    /// Sign a draft and share it
    Release(DraftRelease),
    /// Make a draft that withdraws a record of your centre, and hand it in
    Retract(DraftRetract),
    /// Throw a draft away
    Discard {
        /// Id of the draft, or the beginning of it
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DraftImport {
    /// Drafts: .md, .json, .jsonl or .csv; they may be incomplete
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Kind of drafts that name none
    #[arg(long, value_parser = kinds())]
    pub(crate) kind: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DraftRelease {
    /// Id of the draft, or the beginning of it
    pub(crate) id: String,
    /// Publish although something looks like personal data
    #[arg(long)]
    pub(crate) allow_personal_data: bool,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseFile,
}

#[derive(Debug, Args)]
pub(crate) struct DraftRetract {
    /// Id of the record, or the beginning of it
    pub(crate) id: String,
    /// Why
    #[arg(long, value_parser = reasons())]
    pub(crate) reason: String,
    /// In words, for everybody
    #[arg(long)]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Staff {
    /// List who may use the node of this machine, and for what
    List,
    /// Show who did what, the latest last
    Log {
        /// Most entries
        #[arg(long, default_value_t = 20, value_parser = page())]
        limit: u16,
    },
}
