//! New keys for our centre, by its next keys; its recovery; its end.
//!
//! Invariant: keys in use are replaced only after the node has taken the event that says so.
//! Spec: docs/OPERATIONS.md, "Keys and custodians"; docs/PROTOCOL.md, section 5.3.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
};

use baraza_api::{Client, ErrorCode};
use baraza_identity::{
    Capabilities, Changes, EndKind, IdentityEvent, Join, Log, LogStanding, Operator, SignedEvent,
};
use baraza_record::{
    CentreId, PublicKey,
    frame::{Frame, FrameReader, ReadError},
    hash,
};
use serde_json::json;

use super::bundle;
use crate::{
    args::{NextKeys, Recover, Rotate},
    ceremony::{self, Finished, Own, Secret, next_keys},
    error::{Failure, failure},
    host::{JoinOptions, Passphrase},
    safe::Safe,
    shell::Shell,
};

/// The next keys that an event uses up.
struct Revealed {
    /// Those that sign here.
    secrets: Vec<Secret>,
    /// All of them, ascending.
    keys: Vec<PublicKey>,
}

/// Gives the centre new root keys and next keys.
pub(super) fn rotate(shell: &mut Shell<'_, '_>, args: &Rotate) -> Result<(), Failure> {
    let own = Own::load(shell)?;
    let secrets = next_keys(shell, &args.next)?;
    let revealed = reveal(&own.log, secrets, &args.next)?;
    let name = own.state().name.clone();
    if !shell
        .confirm(&format!("Replace the root keys of {name}? It uses up the next keys that sign."))?
    {
        return Ok(());
    }
    let passphrase = new_passphrase(shell, args)?;
    let recovery = rotation(shell, &own, args, revealed, Changes::default(), passphrase)?;
    told(shell, recovery, "The centre has new root keys and new next keys.")
}

/// Gives the centre new keys of every kind after the loss of those in use.
pub(super) fn recover(shell: &mut Shell<'_, '_>, args: &Recover) -> Result<(), Failure> {
    let secrets = next_keys(shell, &args.rotate.next)?;
    let (mut joined, mut passphrase) = (None, None);
    if let Some(bundle) = &args.bundle {
        let log = find_log(bundle, &revealed_keys(&secrets, &args.rotate.next)?)?;
        passphrase = new_passphrase(shell, &args.rotate)?;
        joined = Some(join_from(shell, args, &log, bundle, passphrase.clone())?);
    }
    let own = Own::load(shell)?;
    let revealed = reveal(&own.log, secrets, &args.rotate.next)?;
    let kind = if args.compromised { EndKind::Compromised } else { EndKind::Retired };
    let feeds = own.feeds()?.feeds;
    let mut ended = Vec::new();
    for (key, _) in own.log.operators() {
        let theirs = feeds.iter().filter(|feed| feed.signer == *key);
        ended.push(ceremony::ended_key(*key, kind, theirs.filter_map(ceremony::end_of_shelf)));
    }
    let records: u64 = feeds.iter().map(|feed| feed.seq).sum();
    let state = own.state();
    shell.tell(format!(
        "{} has {} here. {} end; what they signed beyond that {}.",
        Safe(&state.name),
        crate::output::count(records, "record", "records"),
        crate::output::count(ended.len() as u64, "operator key", "operator keys"),
        match kind {
            EndKind::Retired => "does not count",
            EndKind::Compromised => "disappears everywhere",
        }
    ));
    let question = format!("Recover {}? It uses up the next keys that sign.", state.name);
    if !shell.confirm(&question)? {
        return Ok(());
    }
    let (operator, node) = match joined {
        Some(keys) => keys,
        None => {
            passphrase = new_passphrase(shell, &args.rotate)?;
            shell.host.new_operator(&shell.home, passphrase.as_ref())?
        }
    };
    let label = args.label.clone();
    let publish = Capabilities::PUBLISH.and(Capabilities::RETRACT);
    let mut operators = vec![
        Operator { key: operator, capabilities: publish, label: label.clone() },
        Operator { key: node, capabilities: Capabilities::NODE, label },
    ];
    operators.sort_by_key(|operator| operator.key);
    let ended = ceremony::sorted(ended)?;
    let changes = Changes { operators, ended, ..Changes::default() };
    let recovery = rotation(shell, &own, &args.rotate, revealed, changes, passphrase)?;
    told(shell, recovery, "The centre is recovered: this home acts for it now.")
}

/// Makes a rotation and hands it in or writes a request; returns the new recovery folder if the
/// event is in force.
fn rotation(
    shell: &mut Shell<'_, '_>,
    own: &Own,
    args: &Rotate,
    revealed: Revealed,
    changes: Changes,
    passphrase: Option<Passphrase>,
) -> Result<Option<PathBuf>, Failure> {
    // A request that cannot be written must not leave keys behind.
    if let Some(path) = args.next.request.as_deref().filter(|path| path.exists()) {
        let what = format!("`{}` is there already", path.display());
        return Err(failure(ErrorCode::Invalid, what).hint("name another file: --request FILE"));
    }
    let (name, plan) = (own.state().name.clone(), args.keys.plan());
    let folder = args.files.recovery.as_deref();
    let made = shell.host.new_keys(&shell.home, &name, plan, folder, passphrase.as_ref())?;
    let link = own.link(shell.screen.now);
    let event = IdentityEvent::rotate(link, changes, revealed.keys, made.keys);
    own.state().would_take(&event).map_err(|error| ceremony::refused(&error))?;
    let bytes = event.encode();
    let mut signatures = Vec::new();
    for secret in &revealed.secrets {
        signatures.push(secret.sign(shell, &bytes)?);
    }
    for file in made.root_files {
        let secret = Secret::opened(shell, file, passphrase.clone())?;
        signatures.push(secret.sign(shell, &bytes)?);
    }
    let done = ceremony::finish(shell, own, event, signatures, args.next.request.as_deref())?;
    let folder = made.recovery.to_string_lossy();
    shell.note(format!("The new next keys are in {}.", Safe(&folder)));
    Ok(matches!(done, Finished::Taken).then_some(made.recovery))
}

fn told(shell: &mut Shell<'_, '_>, recovery: Option<PathBuf>, what: &str) -> Result<(), Failure> {
    let Some(recovery) = recovery else { return Ok(()) };
    match shell.json {
        true => shell.print_json(&json!({ "done": true, "recovery": recovery }))?,
        false => shell.print(format!("{what}\n"))?,
    }
    shell.note(
        "Destroy the next keys that signed: they are used up. Give the new ones to their keepers,\n\
         then: baraza status --recovery-stored",
    );
    Ok(())
}

/// Closes the centre for good.
pub(super) fn close(shell: &mut Shell<'_, '_>, args: &NextKeys) -> Result<(), Failure> {
    let own = Own::load(shell)?;
    let secrets = next_keys(shell, args)?;
    let revealed = reveal(&own.log, secrets, args)?;
    let feeds = own.feeds()?.feeds;
    let mut ended = Vec::new();
    for (key, _) in own.log.operators() {
        let theirs = feeds.iter().filter(|feed| feed.signer == *key);
        let horizons = theirs.filter_map(ceremony::end_of_shelf);
        ended.push(ceremony::ended_key(*key, EndKind::Retired, horizons));
    }
    let changes = Changes { ended: ceremony::sorted(ended)?, ..Changes::default() };
    let event = IdentityEvent::deactivate(own.link(shell.screen.now), changes, revealed.keys);
    own.state().would_take(&event).map_err(|error| ceremony::refused(&error))?;
    let name = own.state().name.clone();
    let question = format!(
        "Close {name} for good? What it published stays; nobody publishes, revises or retracts in \
         its name again, and nothing undoes this."
    );
    if !shell.confirm(&question)? || !confirm_in_words(shell, &name)? {
        return Ok(());
    }
    let bytes = event.encode();
    let signatures = revealed.secrets.iter().map(|secret| secret.sign(shell, &bytes));
    let signatures = signatures.collect::<Result<Vec<_>, _>>()?;
    match ceremony::finish(shell, &own, event, signatures, args.request.as_deref())? {
        Finished::Requested => Ok(()),
        Finished::Taken if shell.json => shell.print_json(&json!({ "closed": own.log.id() })),
        Finished::Taken => shell.print(format!("{} is closed.\n", Safe(&name))),
    }
}

/// Has a person type what is to be done.
fn confirm_in_words(shell: &mut Shell<'_, '_>, name: &str) -> Result<bool, Failure> {
    if shell.yes() {
        return Ok(true);
    }
    let sentence = format!("close {name}");
    let typed = shell.ask(&format!("Type `{sentence}` to do it: "))?;
    let sure = typed.is_some_and(|typed| typed.trim() == sentence);
    if !sure {
        shell.note("Nothing was done.");
    }
    Ok(sure)
}

/// Asks for the passphrase of everything that a rotation makes.
fn new_passphrase(shell: &mut Shell<'_, '_>, args: &Rotate) -> Result<Option<Passphrase>, Failure> {
    let files = &args.files;
    ceremony::new_passphrase(shell, &files.passphrase, files.no_passphrase, "the new keys")
}

/// Checks that next keys are those of the log, and enough of them.
fn reveal(log: &Log, secrets: Vec<Secret>, args: &NextKeys) -> Result<Revealed, Failure> {
    match log.standing() {
        LogStanding::Ended => {
            return Err(
                failure(ErrorCode::Invalid, "the centre is closed").hint("baraza centre log")
            );
        }
        LogStanding::Disputed => {
            let what = "the identity log is disputed: two rotations follow one event";
            return Err(failure(ErrorCode::Invalid, what).hint("baraza centre log"));
        }
        LogStanding::Sound | LogStanding::Frozen => (),
    }
    let keys = revealed_keys(&secrets, args)?;
    let state = log.state();
    let strange = |key: &&PublicKey| !state.keys.next_digests.contains(&hash::key_digest(key));
    if let Some(key) = keys.iter().find(strange) {
        let what =
            format!("key {} is no next key of {} any more, or never was", key.short(), state.name);
        return Err(failure(ErrorCode::Invalid, what)
            .hint("a next key signs once; take the newest recovery folder"));
    }
    let needed = usize::from(state.keys.next_threshold);
    if keys.len() < needed {
        let what = format!("{} next keys are named, {needed} must sign", keys.len());
        return Err(failure(ErrorCode::Invalid, what).hint(
            "--next-key FILE for each, --words to type them, or --request FILE with --reveal KEY \
             for those whose keepers sign elsewhere",
        ));
    }
    Ok(Revealed { secrets, keys })
}

fn revealed_keys(secrets: &[Secret], args: &NextKeys) -> Result<Vec<PublicKey>, Failure> {
    let mut keys: Vec<PublicKey> = secrets.iter().map(|secret| secret.public).collect();
    for text in &args.reveal {
        let key = text.trim().parse().map_err(|_| {
            let what = format!("`{text}` is no public key: 64 hexadecimal digits are needed");
            failure(ErrorCode::BadRequest, what)
                .hint("the READ-ME of the recovery folder lists them")
        })?;
        keys.push(key);
    }
    keys.sort();
    keys.dedup();
    Ok(keys)
}

/// Makes a new home for the centre of a log and gives it what is in a bundle; returns the public
/// halves of its operator key and node key.
fn join_from(
    shell: &mut Shell<'_, '_>,
    args: &Recover,
    log: &Log,
    path: &Path,
    passphrase: Option<Passphrase>,
) -> Result<(PublicKey, PublicKey), Failure> {
    let country = log.state().country.map(|code| String::from_utf8_lossy(&code).into_owned());
    let options = JoinOptions {
        centre: log.id(),
        label: args.label.clone(),
        language: args.language.clone(),
        licence: "CC-BY-4.0".into(),
        contact: args.contact.clone(),
        country,
        passphrase,
        mdns: false,
        listen: args.addresses.listen.clone(),
        bootstrap: args.addresses.bootstrap.clone(),
        request: None,
    };
    let made = shell.host.join(&shell.home, options)?;
    let client: Box<dyn Client> = shell.client()?;
    bundle::import_quietly(shell, &*client, path)?;
    Ok((made.enrolment.operator, made.enrolment.node))
}

/// Finds the identity log in a bundle that commits to these next keys.
fn find_log(path: &Path, keys: &[PublicKey]) -> Result<Log, Failure> {
    let unreadable = |error: &std::io::Error| {
        failure(ErrorCode::Invalid, format!("`{}` cannot be read: {error}", path.display()))
    };
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let mut events: BTreeMap<CentreId, Vec<SignedEvent>> = BTreeMap::new();
    for item in FrameReader::new(file) {
        match item {
            Ok((_, Frame::Identity(bytes))) => {
                if let Ok(event) = SignedEvent::decode(&bytes) {
                    events.entry(event.centre()).or_default().push(event);
                }
            }
            Ok(_) | Err(ReadError::Damaged(_)) => (),
            Err(ReadError::Io(error)) => return Err(unreadable(&error)),
        }
    }
    let digests: Vec<_> = keys.iter().map(hash::key_digest).collect();
    for events in events.into_values() {
        let Join { log: Some(log), .. } = Log::join(Vec::new(), events) else { continue };
        if digests.iter().any(|digest| log.state().keys.next_digests.contains(digest)) {
            return Ok(log);
        }
    }
    let what = format!("`{}` has no centre to which these next keys belong", path.display());
    Err(failure(ErrorCode::NotFound, what)
        .hint("take a bundle that was written after the last rotation, and the newest next keys"))
}
