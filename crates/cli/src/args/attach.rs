//! Arguments of files that are attached to records.
//!
//! Spec: docs/OPERATIONS.md, "Attachments".

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Attach {
    /// Id of the draft, or the beginning of it: baraza draft list
    pub(crate) draft: String,
    /// The file
    pub(crate) file: PathBuf,
    /// What it is, in one line; the file's name if left out
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// What a picture shows, for those who do not see it
    #[arg(long, value_name = "TEXT")]
    pub(crate) alt: Option<String>,
    /// Its language
    #[arg(long, value_name = "TAG")]
    pub(crate) lang: Option<String>,
    /// Who holds the rights
    #[arg(long, value_name = "TEXT")]
    pub(crate) rights: Option<String>,
    /// Persons can be recognised in it
    #[arg(long, requires = "consent", conflicts_with = "no_people")]
    pub(crate) people: bool,
    /// How those persons agreed
    #[arg(long, value_name = "TEXT", requires = "people")]
    pub(crate) consent: Option<String>,
    /// Nobody can be recognised in it
    #[arg(long)]
    pub(crate) no_people: bool,
    /// Attach it as it is, with whatever its program or camera wrote into it
    #[arg(long)]
    pub(crate) as_is: bool,
    /// Media type, if it is not the one that its content or name shows
    #[arg(long, value_name = "TYPE")]
    pub(crate) mime: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct OneFile {
    /// Id of the record, or the beginning of it
    pub(crate) id: String,
    /// Which of its attachments, from 1; may be left out if there is one
    pub(crate) number: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct Fetch {
    #[command(flatten)]
    pub(crate) which: OneFile,
    /// Write it to this file, or into this folder
    #[arg(long, value_name = "PATH")]
    pub(crate) to: Option<PathBuf>,
    /// Have it stay, whatever else comes
    #[arg(long)]
    pub(crate) pin: bool,
    /// Do not wait until it is here
    #[arg(long, conflicts_with = "to")]
    pub(crate) no_wait: bool,
    /// Fetch it no longer
    #[arg(long, conflicts_with_all = ["to", "pin", "no_wait"])]
    pub(crate) stop: bool,
}
