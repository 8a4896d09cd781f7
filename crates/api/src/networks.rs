//! Networks in requests and replies.
//!
//! Spec: docs/OPERATIONS.md, "Networks".

use baraza_record::{CentreId, NetworkId};
use serde::{Deserialize, Serialize};

/// A network that the node belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkView {
    /// Its id.
    pub id: NetworkId,
    /// Its name.
    pub name: String,
    /// Whether anybody may join who knows its id.
    pub open: bool,
    /// Hash by which members check that they mean the same network and the same secret; shown
    /// as words.
    pub fingerprint: CentreId,
    /// Who invited us, if we did not make it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invited_by: Option<String>,
    /// Centres of members that were seen: those that published for it, and those whose nodes
    /// were connected since the start.
    pub members: usize,
    /// Records held of it.
    pub records: u64,
    /// Digest of what is held of it: equal on two members that hold the same.
    pub digest: String,
    /// When we last agreed with another member on all of it, since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed_ms: Option<u64>,
}

/// The networks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworksReply {
    /// In the order of their names.
    pub networks: Vec<NetworkView>,
}

/// Asks for a new network.
#[derive(Clone, Serialize, Deserialize)]
pub struct CreateNetwork {
    /// Its name.
    pub name: String,
    /// Whether anybody may join who knows its id.
    #[serde(default)]
    pub open: bool,
    /// Folder for the key that replaces the network's root key; beside the home if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<String>,
    /// Protects the keys of the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<String>,
}

/// A network that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedNetwork {
    /// The network.
    pub network: NetworkView,
    /// Folder with the key that replaces its root key, which must not stay on the machine.
    pub recovery: String,
}

/// An invitation as text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The text, beginning with `baraza-join:`.
    pub text: String,
}

/// What an invitation says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationView {
    /// The network.
    pub id: NetworkId,
    /// Its name.
    pub name: String,
    /// Whether anybody may join who knows its id.
    pub open: bool,
    /// Hash to compare with whoever sent it; shown as words.
    pub fingerprint: CentreId,
    /// Centre of whoever made the invitation.
    pub inviter: CentreId,
    /// Its name, as the invitation says.
    pub inviter_name: String,
    /// Where it is reached.
    pub addresses: Vec<String>,
    /// Whether the node belongs to the network already.
    pub joined: bool,
}
