//! Custodians: they sign requests on machines of their own, and somebody puts them together.
//!
//! Invariant: signing needs neither a node nor a home; what is shown is computed from the event
//! and its log, never read from the file's text.
//! Spec: docs/OPERATIONS.md, "Keys and custodians".

use std::{fs, path::Path};

use baraza_api::ErrorCode;
use baraza_record::frame::{Frame, PREAMBLE};
use serde_json::json;

use crate::{
    args::{Assemble, Sign},
    ceremony::{self, Request, Secret, missing_in_words, typed},
    error::{Failure, failure},
    safe::Safe,
    shell::Shell,
};

/// Signs a request as a custodian.
pub(super) fn sign(shell: &mut Shell<'_, '_>, args: &Sign) -> Result<(), Failure> {
    let mut request = Request::read(&args.file)?;
    let summary = request.in_words().join("\n  ");
    shell.tell(format!("What will be signed:\n\n  {}\n", Safe(&summary).isolated()));
    let mut secrets = Vec::new();
    for path in &args.key {
        let passphrase = args.key_passphrase_file.as_deref();
        secrets.push(Secret::file(shell, path, passphrase, "--key-passphrase-file")?);
    }
    secrets.extend(typed(shell, args.words)?);
    if secrets.is_empty() {
        return Err(failure(ErrorCode::BadRequest, "there is no key to sign with")
            .hint("baraza centre sign REQUEST --key FILE, or --words"));
    }
    for secret in &secrets {
        if !request.signers().contains(&secret.public) {
            let what = format!("the key {} may not sign this request", secret.public.short());
            return Err(failure(ErrorCode::Invalid, what)
                .hint("is it the newest key, and the right request?"));
        }
    }
    if !shell.confirm("Sign this?")? {
        return Ok(());
    }
    let bytes = request.event_bytes();
    for secret in &secrets {
        let (key, signature) = secret.sign(shell, &bytes)?;
        request.add(key, signature)?;
    }
    let output = args.output.as_deref().unwrap_or(&args.file);
    request.write(output)?;
    let missing = request.missing();
    if shell.json {
        return shell.print_json(&json!({ "request": output, "missing": missing }));
    }
    let name = output.to_string_lossy();
    shell.print(format!("Signed: {}\n{}", Safe(&name), missing_in_words(&missing)))?;
    shell.note("Give it back to whoever asked for it; they type: baraza centre assemble REQUEST");
    Ok(())
}

/// Puts what custodians signed together, and hands it in.
pub(super) fn assemble(shell: &mut Shell<'_, '_>, args: &Assemble) -> Result<(), Failure> {
    let mut request: Option<Request> = None;
    for path in &args.files {
        let read = Request::read(path)?;
        match &mut request {
            None => request = Some(read),
            Some(request) => request.merge(&read)?,
        }
    }
    let Some(request) = request else {
        return Err(failure(ErrorCode::BadRequest, "no request is named"));
    };
    let missing = request.missing();
    if !missing.is_empty() {
        let what = missing_in_words(&missing).trim_end().replace('\n', "; ");
        let signed: Vec<_> = request.signed_by().map(|key| key.short()).collect();
        let signed = if signed.is_empty() { "nobody".to_owned() } else { signed.join(", ") };
        return Err(failure(ErrorCode::Invalid, format!("{what} (signed by {signed})"))
            .hint("have more custodians sign: baraza centre sign REQUEST --key FILE")
            .partly());
    }
    let summary = request.in_words().join("\n  ");
    shell.tell(format!("What was signed:\n\n  {}\n", Safe(&summary).isolated()));
    if let Some(path) = &args.output {
        write_bundle(&request, path)?;
        return match shell.json {
            true => shell.print_json(&json!({ "bundle": path })),
            false => {
                let name = path.to_string_lossy();
                shell.print(format!("Wrote {}; at a node: baraza bundle import\n", Safe(&name)))
            }
        };
    }
    if !shell.confirm("Hand it in? It cannot be taken back.")? {
        return Ok(());
    }
    let client = shell.client()?;
    ceremony::submit(shell, &*client, &request)?;
    match shell.json {
        true => shell.print_json(&json!({ "event": request.signed().id() })),
        false => {
            shell.print("It is in force here; the others hear of it with the next exchange.\n")
        }
    }
}

/// Writes the log and the event as a bundle.
fn write_bundle(request: &Request, path: &Path) -> Result<(), Failure> {
    if path.exists() {
        let what = format!("`{}` is there already", path.display());
        return Err(failure(ErrorCode::Invalid, what).hint("name another file"));
    }
    let mut bytes = PREAMBLE.to_vec();
    let events = request.log().events().iter().map(|event| event.encode());
    for event in events.chain([request.signed().encode()]) {
        Frame::Identity(event).encode_into(&mut bytes);
    }
    fs::write(path, bytes).map_err(|error| {
        failure(ErrorCode::Store, format!("`{}` cannot be written: {error}", path.display()))
    })
}
