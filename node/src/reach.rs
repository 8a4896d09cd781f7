//! How a node is reached by those who cannot dial it, and what it does for others.
//!
//! Invariant: everything here is off unless somebody wrote it down: a first start opens no
//! connection beyond what is configured.
//! Spec: docs/OPERATIONS.md, "Configuration"; docs/PROTOCOL.md, section 7.7.

use std::time::Duration;

use baraza_api::{ErrorBody, ErrorCode};
use baraza_network::{Config, NetworkError, PING_EVERY, PING_EVERY_RANGE};
use serde::{Deserialize, Serialize};

/// The section `[network.reach]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Seconds between pings.
    pub(crate) ping_s: u64,
}

impl Default for Reach {
    fn default() -> Self {
        Self {
            relays: Vec::new(),
            public: false,
            announce: Vec::new(),
            relay_server: false,
            dht: false,
            autonat: false,
            autonat_server: false,
            #[cfg(feature = "upnp")]
            upnp: false,
            ping_s: PING_EVERY.as_secs(),
        }
    }
}

impl Reach {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Writes it into the configuration of the network.
    ///
    /// # Errors
    ///
    /// A time between pings that is out of range.
    pub(crate) fn apply(&self, config: &mut Config) -> Result<(), ErrorBody> {
        let (least, most) = PING_EVERY_RANGE;
        let ping_every = Duration::from_secs(self.ping_s);
        if !(least..=most).contains(&ping_every) {
            let range = format!("{} to {}", least.as_secs(), most.as_secs());
            let what =
                format!("network.reach: ping_s is {}, the limits are {range} seconds", self.ping_s);
            return Err(ErrorBody::new(ErrorCode::Home, what).with_hint(HINT));
        }
        config.ping_every = ping_every;
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
        Ok(())
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
