//! The networks of a node on its disk, and the keys of those that were made here.
//!
//! Invariant: `networks.toml` holds the secrets of closed networks: it has mode 0600 and is
//! written whole. A network is in it only when its keys are on the disk.
//! Not here: who gets what (`baraza_protocol::entitle`).
//! Spec: docs/OPERATIONS.md, "Networks".

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use baraza_api::{ErrorBody, ErrorCode};
use baraza_identity::{EVENT_VERSION, EventKind, Inception, NAME_CHARS_MAX, Role, SignedEvent};
use baraza_protocol::{
    entitle::{Membership, NetworkSecret},
    wire::NETWORKS_MAX,
};
use baraza_record::{NetworkId, SecretKey, hash};
use baraza_server::{MadeNetwork, Network, NetworkKeeper, NewNetwork};
use serde::{Deserialize, Serialize};

use crate::{
    clock,
    home::{self, Home},
    keys,
};

/// Version of the file.
const NETWORKS_FORMAT: u32 = 1;

/// What lies in the recovery folder of a network beside the key.
const RECOVERY_TEXT: &str = "\
This folder holds the key that replaces the root key of a network.

Whoever has it can take the network over; without it, a lost root key cannot be replaced.
Put the folder on a memory stick, lock it away, and remove it from this machine.
";

/// The networks of a home.
pub(crate) struct Networks {
    home: Home,
    kept: Mutex<Vec<Network>>,
}

/// What the file holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    network: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: NetworkId,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invited_by: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<String>,
}

impl Networks {
    /// Reads the networks of a home; without a file there are none.
    pub(crate) fn load(home: &Home) -> Result<Self, ErrorBody> {
        let path = home.networks_file();
        let networks = match path.exists() {
            true => parse(&path, &home::read_private_file(&path)?)?,
            false => Vec::new(),
        };
        Ok(Self { home: home.clone(), kept: Mutex::new(networks) })
    }

    /// Returns what it takes to be a member of each.
    pub(crate) fn memberships(&self) -> Vec<Membership> {
        self.kept().iter().map(|one| one.membership.clone()).collect()
    }

    /// Returns where those are reached who invited us.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.kept().iter().flat_map(|one| one.addresses.clone()).collect()
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Network>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, change: impl FnOnce(&mut Vec<Network>)) -> Result<(), ErrorBody> {
        let mut kept = self.kept();
        let mut networks = kept.clone();
        change(&mut networks);
        if NETWORKS_MAX < networks.len() {
            let what = format!("{} networks, the limit is {NETWORKS_MAX}", networks.len());
            return Err(ErrorBody::new(ErrorCode::Invalid, what).with_hint("leave one first"));
        }
        networks.sort_by_key(|one| (one.name.to_lowercase(), one.membership.id));
        let file = File { version: NETWORKS_FORMAT, network: networks.iter().map(entry).collect() };
        let text = toml::to_string_pretty(&file).expect("plain values always encode");
        home::replace_private_file(&self.home.networks_file(), text.as_bytes())?;
        *kept = networks;
        Ok(())
    }
}

impl NetworkKeeper for Networks {
    fn list(&self) -> Vec<Network> {
        self.kept().clone()
    }

    fn create(&self, new: NewNetwork) -> Result<MadeNetwork, ErrorBody> {
        let name = check_name(&new.name)?;
        if NETWORKS_MAX <= self.kept().len() {
            let what = format!("this node belongs to {NETWORKS_MAX} networks, which is the limit");
            return Err(ErrorBody::new(ErrorCode::Invalid, what).with_hint("leave one first"));
        }
        let (root, next) = (keys::generate(), keys::generate());
        let inception = inception(&name, &root, &next);
        let id = NetworkId(inception.id().0);
        let folder = self.home.networks().join(id.to_string());
        let recovery = new.recovery.unwrap_or_else(|| beside(self.home.path(), &id));
        if recovery.starts_with(self.home.path()) {
            let what = format!("the recovery folder {} lies inside the home", recovery.display());
            return Err(ErrorBody::new(ErrorCode::Invalid, what)
                .with_hint("name a folder elsewhere, best on a USB stick: --recovery DIR"));
        }
        let passphrase = new.passphrase.as_deref();
        home::create_private_dir(&recovery)?;
        home::create_private_file(&recovery.join("READ-ME.txt"), RECOVERY_TEXT.as_bytes())?;
        keys::store(&recovery.join("next-key.pem"), &next, passphrase)?;
        home::create_private_dir(&self.home.networks())?;
        home::create_private_dir(&folder)?;
        keys::store(&folder.join(keys::ROOT), &root, passphrase)?;
        let event = inception.encode();
        home::create_private_file(&folder.join("inception"), &event)?;
        let secret = (!new.open).then(|| *keys::random());
        let network = Network {
            membership: Membership { id, secret },
            name,
            invited_by: None,
            addresses: Vec::new(),
        };
        self.add(network.clone())?;
        Ok(MadeNetwork { network, inception: event, recovery })
    }

    fn add(&self, network: Network) -> Result<(), ErrorBody> {
        self.keep(|kept| {
            kept.retain(|one| one.membership.id != network.membership.id);
            kept.push(network);
        })
    }

    fn remove(&self, id: &NetworkId) -> Result<(), ErrorBody> {
        self.keep(|kept| kept.retain(|one| one.membership.id != *id))
    }
}

fn check_name(name: &str) -> Result<String, ErrorBody> {
    let name = name.trim();
    let chars = name.chars().count();
    match (1..=NAME_CHARS_MAX).contains(&chars) && !name.chars().any(char::is_control) {
        true => Ok(name.to_owned()),
        false => Err(ErrorBody::new(
            ErrorCode::Invalid,
            format!(
                "name of the network: 1 to {NAME_CHARS_MAX} characters without control characters, got {chars}"
            ),
        )),
    }
}

fn inception(name: &str, root: &SecretKey, next: &SecretKey) -> SignedEvent {
    let mut nonce = [0; 16];
    nonce.copy_from_slice(&keys::random()[..16]);
    let event = Inception {
        version: EVENT_VERSION,
        kind: EventKind::INCEPTION,
        seq: 0,
        prev: None,
        role: Role::Network,
        name: name.to_owned(),
        country: None,
        root_keys: vec![root.public()],
        root_threshold: 1,
        next_digests: vec![hash::key_digest(&next.public())],
        next_threshold: 1,
        operators: Vec::new(),
        created_ms: clock::now(),
        nonce,
    };
    event.sign(&[root])
}

/// Returns the folder beside `home` for the recovery key of a network.
fn beside(home: &Path, id: &NetworkId) -> PathBuf {
    let mut name = home.file_name().unwrap_or_default().to_owned();
    name.push(format!("-network-{}-recovery", id.short()));
    home.with_file_name(name)
}

fn entry(network: &Network) -> Entry {
    let Network { membership, name, invited_by, addresses } = network.clone();
    let hex = |secret: NetworkSecret| {
        secret.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a text takes what is written to it");
            text
        })
    };
    Entry { id: membership.id, name, secret: membership.secret.map(hex), invited_by, addresses }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Network>, ErrorBody> {
    let refuse = |what: String| {
        ErrorBody::new(ErrorCode::Home, format!("{}: {what}", path.display()))
            .with_hint("correct it, or move it away and join again")
    };
    let text = str::from_utf8(bytes).map_err(|error| refuse(error.to_string()))?;
    let file: File = toml::from_str(text).map_err(|error| refuse(error.message().to_owned()))?;
    if NETWORKS_FORMAT < file.version {
        return Err(refuse(format!("it is of version {}, which is newer", file.version)));
    }
    if NETWORKS_MAX < file.network.len() {
        return Err(refuse(format!("more than {NETWORKS_MAX} networks")));
    }
    let network = |entry: Entry| {
        let Entry { id, name, secret, invited_by, addresses } = entry;
        let secret = secret.map(|text| text.parse::<NetworkId>().map(|bytes| bytes.0));
        let secret = secret
            .transpose()
            .map_err(|_| refuse(format!("the secret of `{name}` is not 64 hexadecimal digits")))?;
        Ok(Network { membership: Membership { id, secret }, name, invited_by, addresses })
    };
    file.network.into_iter().map(network).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn new(name: &str, open: bool) -> NewNetwork {
        NewNetwork { name: name.into(), open, recovery: None, passphrase: None }
    }

    #[test]
    fn networks_are_there_after_a_restart_and_secrets_are_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(&folder.path().join("home"));
        home::create_private_dir(home.path()).unwrap();
        let networks = Networks::load(&home).unwrap();
        let closed = networks.create(new("  Beta ", false)).unwrap();
        let open = networks.create(new("alpha", true)).unwrap();
        let joined = Network {
            membership: Membership { id: NetworkId([1; 32]), secret: Some([2; 32]) },
            name: "Gamma".into(),
            invited_by: Some("Lake".into()),
            addresses: vec!["/ip4/192.0.2.1/tcp/4640".into()],
        };
        networks.add(joined.clone()).unwrap();
        let expected = [open.network, closed.network.clone(), joined];
        assert_eq!(networks.list(), expected);
        assert_eq!(Networks::load(&home).unwrap().list(), expected);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&home.networks_file()), 0o600);
        assert_eq!(mode(&closed.recovery.join("next-key.pem")), 0o600);
        assert!(!closed.recovery.starts_with(home.path()));

        networks.remove(&closed.network.membership.id).unwrap();
        assert_eq!(Networks::load(&home).unwrap().list().len(), 2);
        assert!(networks.create(new("a\nb", true)).is_err());
        assert!(networks.create(new(" ", true)).is_err());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let path = Path::new("networks.toml");
        for (text, said) in [
            ("version = 9", "newer"),
            ("version = 1\nother = 2", "unknown field"),
            ("version = 1\n[[network]]\nid = \"00\"\nname = \"A\"", "not an id"),
        ] {
            let error = parse(path, text.as_bytes()).unwrap_err();
            assert!(error.message.contains(said), "{}", error.message);
        }
    }
}
