//! The configuration file of a node.
//!
//! Invariant: unknown members are refused, with the line: a misspelt setting must not
//! look as if it worked.
//! Spec: docs/OPERATIONS.md, "Configuration".

use std::path::Path;

use baraza_api::{ErrorBody, ErrorCode};
use baraza_record::CentreId;
use serde::{Deserialize, Serialize};

use crate::{
    home::{self, Home},
    reach::Reach,
    staff::Staff,
};

/// Version of the home's layout.
pub(crate) const HOME_VERSION: u32 = 1;

/// What a node is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Version of the home's layout.
    pub(crate) version: u32,
    /// Our centre.
    pub(crate) centre: CentreId,
    /// What drafts lack.
    #[serde(default)]
    pub(crate) defaults: Defaults,
    /// How peers are reached.
    #[serde(default)]
    pub(crate) network: Network,
    /// Who else on this machine may use the node, and for what.
    #[serde(default, skip_serializing_if = "Staff::is_default")]
    pub(crate) staff: Staff,
}

/// What is filled in where a draft says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Defaults {
    /// BCP 47 tag.
    pub(crate) language: String,
    /// SPDX identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) licence: Option<String>,
    /// Mailbox of an office.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) contact: Option<String>,
    /// ISO 3166-1 alpha-2 codes.
    pub(crate) countries: Vec<String>,
}

/// How peers are reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Network {
    /// Multiaddrs on which peers are accepted.
    pub(crate) listen: Vec<String>,
    /// Multiaddrs that are dialled when nobody is connected.
    pub(crate) bootstrap: Vec<String>,
    /// Whether to find and be found by nodes on the local network.
    pub(crate) mdns: bool,
    /// How else, and for whom this node does something.
    #[serde(skip_serializing_if = "Reach::is_default")]
    pub(crate) reach: Reach,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            reach: Reach::default(),
            listen: vec!["/ip4/0.0.0.0/tcp/4640".into(), "/ip4/0.0.0.0/udp/4640/quic-v1".into()],
            bootstrap: Vec::new(),
            mdns: false,
        }
    }
}

impl Settings {
    /// Reads the configuration of a home.
    pub(crate) fn load(home: &Home) -> Result<Self, ErrorBody> {
        home.require()?;
        let path = home.config();
        let text = std::fs::read_to_string(&path)
            .map_err(|error| home::file_error("cannot read", &path, &error))?;
        Self::parse(&text, &path, home)
    }

    /// Reads the text of a configuration that stands in `path`, of the node in `home`.
    pub(crate) fn parse(text: &str, path: &Path, home: &Home) -> Result<Self, ErrorBody> {
        let settings: Self = toml::from_str(text).map_err(|error| {
            ErrorBody::new(ErrorCode::Home, format!("{}: {error}", path.display()))
                .with_hint("correct the line named, then try again")
        })?;
        if HOME_VERSION < settings.version {
            let what = format!(
                "{} was made by a newer version (layout {}, this program knows {HOME_VERSION})",
                home.path().display(),
                settings.version
            );
            return Err(ErrorBody::new(ErrorCode::Home, what)
                .with_hint("install that version or a later one"));
        }
        settings.staff.check().map_err(|what| {
            ErrorBody::new(ErrorCode::Home, format!("{}: {what}", path.display()))
                .with_hint("correct the section [staff], then try again")
        })?;
        Ok(settings)
    }

    /// Returns the text of the configuration file.
    pub(crate) fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("plain settings always encode")
    }
}
