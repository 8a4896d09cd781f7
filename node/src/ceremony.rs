//! Keys for ceremonies: found, made, used to sign, and put in their place.
//!
//! Invariant: a key in use is replaced only by one that the identity log has in force; until
//! then the new one lies beside it. No root or next key is ever near the daemon or the API.
//! Not here: which event is signed (`baraza-cli`), what it does (`baraza-identity`).
//! Spec: docs/SECURITY.md, "Keys"; docs/OPERATIONS.md, "Keys and custodians".

use std::{
    fs,
    path::{Path, PathBuf},
};

use baraza_api::{ErrorBody, ErrorCode};
use baraza_cli::{JoinOptions, JoinReport, KeyAt, KeyPlan, NewKeys, Passphrase};
use baraza_network::peer_id_text;
use baraza_record::{
    PublicKey, SecretKey,
    sign::{Domain, Signature},
};

use crate::{
    config::{HOME_VERSION, Network, Settings},
    enrol,
    home::{self, Home},
    init,
    keys::{self, KeyError},
    recovery,
    staff::Staff,
};

/// Files of the `keys` folder that may be replaced, without their ending.
const ROLES: [&str; 3] = ["root", "operator", "node"];

/// Makes a node that is to act for a centre that exists, and its request.
pub(crate) fn join(home: &Home, options: JoinOptions) -> Result<JoinReport, ErrorBody> {
    init::check_absent(home)?;
    let (defaults, _) = init::check_defaults(&init::Wishes {
        country: options.country.as_deref(),
        language: &options.language,
        licence: &options.licence,
        contact: options.contact.as_deref(),
        addresses: &[options.listen.as_slice(), options.bootstrap.as_slice()],
    })?;
    let (operator, node) = (keys::generate(), keys::generate());
    home::create_private_dir(home.path())?;
    home::create_private_dir(&home.keys())?;
    let passphrase = options.passphrase.as_ref().map(|text| text.as_str());
    let request = options.request.unwrap_or_else(|| home.enrolment());
    let enrolment = enrol::write(&request, options.centre, &operator, &node, &options.label)?;
    keys::store(&home.keys().join(keys::OPERATOR), &operator, passphrase)?;
    keys::store(&home.keys().join(keys::NODE), &node, None)?;
    let network = Network {
        listen: match options.listen.is_empty() {
            true => Network::default().listen,
            false => options.listen,
        },
        bootstrap: options.bootstrap,
        mdns: options.mdns,
        reach: Default::default(),
    };
    let (centre, staff) = (options.centre, Staff::default());
    let settings = Settings { version: HOME_VERSION, centre, defaults, network, staff };
    home::create_private_file(&home.config(), settings.to_toml().as_bytes())?;
    let peer_id = peer_id_text(&node.public());
    Ok(JoinReport { enrolment, peer_id, home: home.path().to_owned(), request })
}

/// Returns a secret key.
pub(crate) fn key(
    home: &Home,
    at: KeyAt<'_>,
    passphrase: Option<&Passphrase>,
) -> Result<SecretKey, ErrorBody> {
    let text = passphrase.map(|text| text.as_str());
    let (path, read) = match at {
        KeyAt::Words(words) => return recovery::from_words(words),
        KeyAt::File(path) => (path.to_owned(), recovery::read(path, text)),
        KeyAt::Root => {
            let path = home.keys().join(keys::ROOT);
            if !path.exists() {
                let what = format!("there is no root key in {}", home.path().display());
                return Err(ErrorBody::new(ErrorCode::NotFound, what).with_hint(
                    "name its file: --root-key FILE; or write a request: --request FILE",
                ));
            }
            let read = keys::load(&path, text);
            (path, read)
        }
    };
    read.map_err(|error| match error {
        KeyError::Passphrase => {
            let path = path.display();
            let what = match text {
                None => format!("the key in {path} needs its passphrase"),
                Some(_) => format!("the passphrase does not open the key in {path}"),
            };
            ErrorBody::new(ErrorCode::Locked, what)
        }
        KeyError::File(error) => error,
    })
}

/// Signs the bytes of an identity event.
pub(crate) fn sign(
    home: &Home,
    at: KeyAt<'_>,
    passphrase: Option<&Passphrase>,
    event: &[u8],
) -> Result<(PublicKey, Signature), ErrorBody> {
    let key = key(home, at, passphrase)?;
    Ok((key.public(), key.sign(Domain::IdentityEvent, event)))
}

/// Makes keys for a rotation: a root key beside the home's, the rest in a recovery folder.
pub(crate) fn new_keys(
    home: &Home,
    name: &str,
    plan: KeyPlan,
    folder: Option<&Path>,
    passphrase: Option<&Passphrase>,
) -> Result<NewKeys, ErrorBody> {
    home.require()?;
    let made = recovery::make(plan)?;
    let folder = match folder {
        Some(folder) => folder.to_owned(),
        None => free_folder(&init::beside(home.path())),
    };
    let folder = init::absolute(&folder);
    init::check_recovery(home, &folder)?;
    let text = passphrase.map(|text| text.as_str());
    let others = recovery::write(&folder, name, &made, plan, text)?;
    let staged = home.keys().join(recovery::staged_name("root", &made.roots[0].public()));
    keys::store(&staged, &made.roots[0], text)?;
    let note = folder.display().to_string();
    home::replace_private_file(&home.recovery_note(), note.as_bytes())?;
    let root_files = std::iter::once(staged).chain(others).collect();
    Ok(NewKeys { keys: made.keys, root_files, recovery: folder })
}

/// Makes an operator key and a node key beside those of the home.
pub(crate) fn new_operator(
    home: &Home,
    passphrase: Option<&Passphrase>,
) -> Result<(PublicKey, PublicKey), ErrorBody> {
    home.require()?;
    let (operator, node) = (keys::generate(), keys::generate());
    let text = passphrase.map(|text| text.as_str());
    let staged =
        |role, key: &SecretKey| home.keys().join(recovery::staged_name(role, &key.public()));
    keys::store(&staged("operator", &operator), &operator, text)?;
    keys::store(&staged("node", &node), &node, None)?;
    Ok((operator.public(), node.public()))
}

/// Puts keys that wait in the place of the home's, if they are in force. Returns whether a
/// running node must be started anew to have them.
pub(crate) fn settle(home: &Home, in_force: &[PublicKey]) -> Result<bool, ErrorBody> {
    let mut restart = false;
    for role in ROLES {
        for key in in_force {
            let staged = home.keys().join(recovery::staged_name(role, key));
            if !staged.exists() {
                continue;
            }
            let place = home.keys().join(format!("{role}.pem"));
            fs::rename(&staged, &place)
                .and_then(|()| fs::File::open(home.keys())?.sync_all())
                .map_err(|error| home::file_error("cannot replace", &place, &error))?;
            restart |= role != "root";
        }
    }
    Ok(restart)
}

/// Returns `folder` or, if that is there, the first of `folder-2`, `folder-3`, ... that is not.
fn free_folder(folder: &Path) -> PathBuf {
    let numbered = |number: u32| {
        let mut name = folder.file_name().unwrap_or_default().to_owned();
        name.push(format!("-{number}"));
        folder.with_file_name(name)
    };
    std::iter::once(folder.to_owned())
        .chain((2..=u32::MAX).map(numbered))
        .find(|folder| !folder.exists())
        .unwrap_or_else(|| folder.to_owned())
}
