//! Arguments of nations, trust, policy and quarantine.
//!
//! Spec: docs/ARCHITECTURE.md, "Command line".

use clap::{Args, Subcommand};

use super::{Init, PassphraseFile};

#[derive(Debug, Subcommand)]
pub(crate) enum Nation {
    /// Create the identity of a nation's focal point and its first node
    Init(Init),
    /// State that the nation vouches for a centre
    Accredit(Accredit),
    /// State that the nation does not vouch for a centre for the time being
    Suspend(Unaccredit),
    /// State that the nation no longer vouches for a centre
    Withdraw(Unaccredit),
}

#[derive(Debug, Args)]
pub(crate) struct Accredit {
    /// Id of the centre, or the beginning of it
    pub(crate) centre: String,
    /// For what; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub(crate) scope: Vec<String>,
    /// Day by which the nation looks at it again
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) review_by: Option<String>,
    /// Why, for everybody
    #[arg(long)]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseFile,
}

#[derive(Debug, Args)]
pub(crate) struct Unaccredit {
    /// Id of the centre, or the beginning of it
    pub(crate) centre: String,
    /// Why, for everybody
    #[arg(long)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseFile,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Trust {
    /// Trust a nation's key to speak for its country, after comparing words
    Add {
        /// Country, by code or name
        #[arg(long)]
        country: String,
        /// Id of the nation; the beginning of it is enough where its log is held
        id: String,
    },
    /// Trust the nation of a country no longer
    Rm {
        /// Country, by code or name
        country: String,
    },
    /// List the nations trusted here
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Show the policy in force
    Show,
    /// Say step by step why a record or a centre is shown or not
    Explain {
        /// Id of the record or the centre, or the beginning of it
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Quarantine {
    /// Count what is in quarantine by centre or, of one centre, list it
    List {
        /// Id of the centre, or the beginning of it
        centre: Option<String>,
    },
    /// Show a record or all records of a centre from now on
    Release {
        /// Id of the record or the centre, or the beginning of it
        id: String,
    },
}
