//! `baraza init`: a centre, its keys and its first node.
//!
//! Invariant: the configuration file is written last, so that a home is either whole or
//! not there.
//! Spec: docs/OPERATIONS.md, "Making a centre"; docs/PROTOCOL.md, section 5.

use std::path::{Path, PathBuf};

use baraza_api::{ErrorBody, ErrorCode};
use baraza_cli::{InitOptions, InitReport};
use baraza_identity::{
    Capabilities, EVENT_VERSION, EventKind, Inception, KeySet, NAME_CHARS_MAX, Operator, Role,
    SignedEvent,
};
use baraza_network::{parse_address, peer_id_text};
use baraza_protocol::ingest::ingest_identity;
use baraza_protocol::store::Store;
use baraza_record::{CentreId, SecretKey, body, language, vocab};
use zeroize::Zeroizing;

use crate::{
    clock,
    config::{Defaults, HOME_VERSION, Network, Settings},
    home::{self, Home},
    keys, node,
    recovery::{self, Made},
    rules,
    staff::Staff,
};

/// The keys of a new centre.
struct NewKeys {
    identity: Made,
    operator: SecretKey,
    node: SecretKey,
}

/// What drafts and the network are to have by default.
pub(crate) struct Wishes<'a> {
    pub(crate) country: Option<&'a str>,
    pub(crate) language: &'a str,
    pub(crate) licence: &'a str,
    pub(crate) contact: Option<&'a str>,
    pub(crate) addresses: &'a [&'a [String]],
}

/// Makes a centre and its first node.
pub(crate) fn init(home: &Home, options: InitOptions) -> Result<InitReport, ErrorBody> {
    check_absent(home)?;
    let (defaults, country) = check(&options)?;
    let recovery = options.recovery.clone().unwrap_or_else(|| beside(home.path()));
    let recovery = absolute(&recovery);
    check_recovery(home, &recovery)?;
    let made = NewKeys {
        identity: recovery::make(options.keys)?,
        operator: keys::generate(),
        node: keys::generate(),
    };
    let role = match country {
        Some(code) if options.nation => Role::Nation(code),
        None if options.nation => {
            return Err(ErrorBody::new(ErrorCode::Invalid, "a nation needs its country")
                .with_hint("give an ISO 3166-1 code: --country KE"));
        }
        _ => Role::Centre,
    };
    let inception = inception(&options.name, country, role, &made);
    let centre = CentreId(inception.id().0);
    let passphrase = options.passphrase.as_ref().map(|text| text.as_str());
    write_keys(home, &made, passphrase)?;
    recovery::write(&recovery, &options.name, &made.identity, options.keys, passphrase)?;
    write_identity(home, &inception)?;
    let network = Network {
        listen: match options.listen.is_empty() {
            true => Network::default().listen,
            false => options.listen,
        },
        bootstrap: options.bootstrap,
        mdns: options.mdns,
        reach: Default::default(),
    };
    let staff = Staff::default();
    let settings = Settings { version: HOME_VERSION, centre, defaults, network, staff };
    let note = recovery.display().to_string();
    home::create_private_file(&home.recovery_note(), note.as_bytes())?;
    if let (true, [country]) = (options.nation, &*settings.defaults.countries) {
        rules::trust_own(home, centre, country)?;
    }
    home::create_private_file(&home.config(), settings.to_toml().as_bytes())?;
    Ok(InitReport {
        centre,
        name: options.name,
        peer_id: peer_id_text(&made.node.public()),
        home: home.path().to_owned(),
        recovery,
    })
}

/// Checks that there is no node in the home yet.
pub(crate) fn check_absent(home: &Home) -> Result<(), ErrorBody> {
    if !home.exists() {
        return Ok(());
    }
    let what = format!("there is already a node in {}", home.path().display());
    Err(ErrorBody::new(ErrorCode::Home, what)
        .with_hint("choose another folder with --home DIR, or run: baraza status"))
}

/// Checks that keys for recovery do not end in the home that they recover.
pub(crate) fn check_recovery(home: &Home, recovery: &Path) -> Result<(), ErrorBody> {
    if !absolute(recovery).starts_with(absolute(home.path())) {
        return Ok(());
    }
    let what = format!("the recovery folder {} lies inside the home", recovery.display());
    Err(ErrorBody::new(ErrorCode::Invalid, what)
        .with_hint("name a folder elsewhere, best on a USB stick: --recovery DIR"))
}

/// Checks the options before anything is written.
fn check(options: &InitOptions) -> Result<(Defaults, Option<[u8; 2]>), ErrorBody> {
    let invalid = |what: String| ErrorBody::new(ErrorCode::Invalid, what);
    let chars = options.name.chars().count();
    if options.name.trim().is_empty()
        || NAME_CHARS_MAX < chars
        || options.name.chars().any(char::is_control)
    {
        return Err(invalid(format!(
            "name of the centre: 1 to {NAME_CHARS_MAX} characters without control characters, got {chars}"
        )));
    }
    check_defaults(&Wishes {
        country: options.country.as_deref(),
        language: &options.language,
        licence: &options.licence,
        contact: options.contact.as_deref(),
        addresses: &[options.listen.as_slice(), options.bootstrap.as_slice()],
    })
}

/// Checks what drafts and the network are to have by default.
pub(crate) fn check_defaults(
    wishes: &Wishes<'_>,
) -> Result<(Defaults, Option<[u8; 2]>), ErrorBody> {
    let invalid = |what: String| ErrorBody::new(ErrorCode::Invalid, what);
    let country = wishes.country.map(vocab::parse_country).transpose();
    let country = country.map_err(|error| {
        invalid(format!("country: {error}"))
            .with_hint("give an ISO 3166-1 code such as KE, or a name")
    })?;
    let language = language::canonical_language(wishes.language).map_err(|error| {
        invalid(format!("language: {error}")).with_hint("give a BCP 47 tag such as en, sw or pt-BR")
    })?;
    if let Some(contact) = wishes.contact
        && body::mailbox(contact).is_none()
    {
        return Err(invalid(format!(
            "contact: `{contact}` is not a mailbox such as office@centre.example"
        )));
    }
    for address in wishes.addresses.iter().copied().flatten() {
        parse_address(address).map_err(|error| invalid(error.to_string()))?;
    }
    let defaults = Defaults {
        language,
        licence: Some(wishes.licence.to_owned()),
        contact: wishes.contact.map(str::to_owned),
        countries: country.iter().cloned().collect(),
    };
    let code = country.and_then(|code| code.as_bytes().try_into().ok());
    Ok((defaults, code))
}

fn inception(name: &str, country: Option<[u8; 2]>, role: Role, keys: &NewKeys) -> SignedEvent {
    let mut rights = Capabilities::PUBLISH.and(Capabilities::RETRACT);
    if let Role::Nation(_) = role {
        rights = rights.and(Capabilities::ACCREDIT);
    }
    let label = |text: &str| text.to_owned();
    let mut operators = vec![
        Operator { key: keys.operator.public(), capabilities: rights, label: label("operator") },
        Operator {
            key: keys.node.public(),
            capabilities: Capabilities::NODE,
            label: label("node"),
        },
    ];
    operators.sort_by_key(|operator| operator.key);
    let mut nonce = [0; 16];
    nonce.copy_from_slice(&keys::random()[..16]);
    let KeySet { root_keys, root_threshold, next_digests, next_threshold } =
        keys.identity.keys.clone();
    let event = Inception {
        version: EVENT_VERSION,
        kind: EventKind::INCEPTION,
        seq: 0,
        prev: None,
        role,
        name: name.to_owned(),
        country,
        root_keys,
        root_threshold,
        next_digests,
        next_threshold,
        operators,
        created_ms: clock::now(),
        nonce,
    };
    event.sign(&keys.identity.roots.iter().collect::<Vec<_>>())
}

fn write_keys(home: &Home, made: &NewKeys, passphrase: Option<&str>) -> Result<(), ErrorBody> {
    home::create_private_dir(home.path())?;
    home::create_private_dir(&home.keys())?;
    keys::store(&home.keys().join(keys::ROOT), &made.identity.roots[0], passphrase)?;
    keys::store(&home.keys().join(keys::OPERATOR), &made.operator, passphrase)?;
    keys::store(&home.keys().join(keys::NODE), &made.node, None)
}

fn write_identity(home: &Home, inception: &SignedEvent) -> Result<(), ErrorBody> {
    let mut store = node::open_store(home)?.store;
    let kept = ingest_identity(&mut store, &inception.encode()).map(|_| ());
    let kept = kept.map_err(|error| error.to_string());
    kept.and_then(|()| store.commit().map_err(|error| error.to_string())).map_err(|error| {
        ErrorBody::new(ErrorCode::Store, format!("cannot keep the identity: {error}"))
    })
}

/// Returns a path that means the same from another folder.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns the folder beside `home` for the recovery keys.
pub(crate) fn beside(home: &Path) -> PathBuf {
    let mut name = home.file_name().unwrap_or_default().to_owned();
    name.push("-recovery");
    home.with_file_name(name)
}

/// Reads the node key's seed.
pub(crate) fn node_seed(home: &Home) -> Result<Zeroizing<[u8; 32]>, ErrorBody> {
    match keys::load(&home.keys().join(keys::NODE), None) {
        Ok(key) => Ok(Zeroizing::new(key.to_seed())),
        Err(keys::KeyError::File(error)) => Err(error),
        Err(keys::KeyError::Passphrase) => Err(ErrorBody::new(
            ErrorCode::Home,
            "the node key is encrypted: the daemon must be able to read it by itself",
        )),
    }
}
