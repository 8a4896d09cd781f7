//! The operator key: unlocked by itself, or on the way to what it must sign.
//!
//! Invariant: a passphrase comes from a terminal or a file, never from an argument or the
//! environment; the node keeps the key unlocked until it stops, and a command that runs
//! the node inside its own process until it ends.
//! Spec: docs/SECURITY.md, "Keys".

use std::path::Path;

use baraza_api::{Client, ErrorBody, ErrorCode, StatusView, UnlockRequest};
use serde_json::json;
use zeroize::Zeroizing;

use crate::{
    args::{PassphraseFile, Unlock},
    error::{Failure, failure},
    host::Passphrase,
    shell::Shell,
};

const QUESTION: &str = "Passphrase of the operator key: ";

/// Unlocks the operator key of a running node.
pub(super) fn unlock(shell: &mut Shell<'_, '_>, args: &Unlock) -> Result<(), Failure> {
    let client = shell.client()?;
    let status: StatusView = client.get("/v1/status")?;
    if !status.daemon {
        let what = "no daemon is running that the key could be unlocked for";
        let hint = "run `baraza start`; without a daemon, `baraza publish` asks for the passphrase";
        return Err(failure(ErrorCode::Offline, what).hint(hint));
    }
    let Some(passphrase) = passphrase(shell, &args.passphrase)? else {
        let what = "there is no terminal to ask for the passphrase";
        return Err(failure(ErrorCode::BadRequest, what).hint("add --passphrase-file FILE"));
    };
    send(&*client, &passphrase)?;
    match shell.json {
        true => shell.print_json(&json!({ "unlocked": true })),
        false => shell.print("The operator key can sign until the node stops.\n"),
    }
}

/// Sends what the operator key must sign; a locked key is unlocked if a passphrase is to be had.
pub(super) fn signed<T>(
    shell: &mut Shell<'_, '_>,
    client: &dyn Client,
    file: &PassphraseFile,
    attempt: impl Fn() -> Result<T, ErrorBody>,
) -> Result<T, Failure> {
    let locked = match attempt() {
        Err(error) if error.code == ErrorCode::Locked => error,
        done => return Ok(done?),
    };
    let Some(passphrase) = passphrase(shell, file)? else {
        let hint = "run `baraza unlock`, or add --passphrase-file FILE";
        return Err(Failure::from(locked).hint(hint));
    };
    send(client, &passphrase)?;
    Ok(attempt()?)
}

/// Returns the passphrase of another key: from a file or, with `question`, from a terminal.
pub(super) fn other_passphrase(
    shell: &mut Shell<'_, '_>,
    file: Option<&Path>,
    question: &str,
) -> Result<Option<Passphrase>, Failure> {
    let file = PassphraseFile { passphrase_file: file.map(Path::to_owned) };
    match file.read()? {
        Some(passphrase) => Ok(Some(passphrase)),
        None => shell.ask_secret(question),
    }
}

fn passphrase(
    shell: &mut Shell<'_, '_>,
    file: &PassphraseFile,
) -> Result<Option<Passphrase>, Failure> {
    match file.read()? {
        Some(passphrase) => Ok(Some(passphrase)),
        None => shell.ask_secret(QUESTION),
    }
}

fn send(client: &dyn Client, passphrase: &str) -> Result<(), ErrorBody> {
    // The request wants a string of its own; it is taken back and overwritten.
    let request = UnlockRequest { passphrase: passphrase.to_owned() };
    let reply = client.post::<serde_json::Value>("/v1/unlock", &request);
    drop(Zeroizing::new(request.passphrase));
    reply.map(|_| ())
}
