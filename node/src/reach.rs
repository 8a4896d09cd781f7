//! How a node is reached by those who cannot dial it, and what it does for others.
//!
//! Invariant: everything here is off unless somebody wrote it down: a first start opens no
//! connection beyond what is configured.
//! Spec: docs/OPERATIONS.md, "Configuration"; docs/PROTOCOL.md, section 7.7.

use baraza_api::{ErrorBody, ErrorCode};
use baraza_network::{Config, NetworkError};
use serde::{Deserialize, Serialize};

/// The section `[network.reach]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Reach {
    /// Relays at which this node can be reached, with their ids.
    pub(crate) relays: Vec<String>,
    /// Whether the addresses listened on can be dialled from everywhere.
    pub(crate) public: bool,
    /// Other addresses at which it can be dialled from everywhere.
    pub(crate) announce: Vec<String>,
    /// Whether to be a relay for others.
    pub(crate) relay_server: bool,
    /// Whether to use the phone book, and to keep a part of it if public.
    pub(crate) dht: bool,
    /// Whether to ask peers if they can dial this node.
    pub(crate) autonat: bool,
    /// Whether to dial peers that ask.
    pub(crate) autonat_server: bool,
    /// Whether to ask the router of the local network for a way in.
    #[cfg(feature = "upnp")]
    pub(crate) upnp: bool,
}

impl Reach {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Writes it into the configuration of the network.
    pub(crate) fn apply(&self, config: &mut Config) {
        config.relays.clone_from(&self.relays);
        config.public = self.public;
        config.announce.clone_from(&self.announce);
        config.relay_server = self.relay_server;
        config.dht = self.dht;
        config.autonat = self.autonat;
        config.autonat_server = self.autonat_server;
        #[cfg(feature = "upnp")]
        {
            config.upnp = self.upnp;
        }
    }
}

const HINT: &str = "correct the section [network.reach] of config.toml, then try again";

/// Says in words why the network does not start, and what to do.
pub(crate) fn refusal(error: &NetworkError) -> ErrorBody {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    let hint = match error {
        NetworkError::Relay(_)
        | NetworkError::Relays { .. }
        | NetworkError::Announce(_)
        | NetworkError::Announced { .. }
        | NetworkError::NotPublic => HINT,
        _ => "choose another address: baraza start --listen /ip4/0.0.0.0/tcp/4640",
    };
    ErrorBody::new(ErrorCode::Invalid, format!("{error}{}", cause.unwrap_or_default()))
        .with_hint(hint)
}
