//! Withdrawing a record, and having its text erased.
//!
//! Invariant: what cannot be recalled is said before anything is signed.
//! Spec: docs/GUIDE.md, "Withdraw and erase"; docs/PROTOCOL.md, section 4.6.

use std::path::Path;

use baraza_api::{ErrorCode, Published, RecordView, RetractRequest, RootSignature};
use baraza_record::{CentreId, ParseIdError, RecordId};

use super::{draft, id_prefix, key, publish::RECALL};
use crate::{
    args::{Retract, SignErasure},
    error::{Failure, failure},
    host::ErasureToSign,
    output::count,
    safe::Safe,
    shell::{Shell, read_file},
};

/// Most bytes of a file with the signature of a root key.
const SIGNATURE_FILE_BYTES: usize = 4_096;

const LIMITS_OF_ERASURE: &str = "Only nodes that hear of it delete it. Bundles that were handed \
    out, nodes that stay away, printouts and pictures of screens keep it. This cannot be undone.";

const QUESTION: &str = "Passphrase of the root key: ";

/// Withdraws a record.
pub(super) fn retract(shell: &mut Shell<'_, '_>, args: Retract) -> Result<(), Failure> {
    let client = shell.client()?;
    let record: RecordView = client.get(format!("/v1/records/{}", id_prefix(&args.id)?))?;
    let id = record.summary.id;
    if !shell.confirm(&question(&record, &args))? {
        return Ok(());
    }
    let root_signatures = match args.now {
        true => root_signatures(shell, &args, &record)?,
        false => Vec::new(),
    };
    let others = record.series.versions.len().saturating_sub(1);
    let Retract { reason, note, erase, now, .. } = args;
    let request = RetractRequest { reason, note, erase, root_signatures };
    let path = format!("/v1/records/{id}/retract");
    let retraction: Published = match key::signed(shell, &*client, &args.passphrase, || {
        client.post(path.as_str(), &request)
    }) {
        // Two persons are needed: this one asks for it.
        Err(failure) if failure.code() == Some(ErrorCode::SecondPerson) => {
            return draft::propose(shell, &*client, &record, request);
        }
        retracted => retracted?,
    };
    if shell.json {
        return shell.print_json(&retraction);
    }
    shell.print(format!("Retracted {} by {}\n", id.short(), retraction.id.short()))?;
    match (erase, now) {
        (false, _) => (),
        (true, true) => shell.note("Its text is deleted here, and by others when they hear of it."),
        (true, false) => shell.note(
            "Its text is deleted here. Others hide it when they hear of it, and delete it 7 days later.",
        ),
    }
    if erase && others != 0 {
        let others = count(others as u64, "other version of it keeps", "other versions of it keep");
        shell.note(format!(
            "{others} the text: erase each that must go (baraza show {})",
            id.short()
        ));
    }
    Ok(())
}

/// Signs for an erasure with a root key, and prints the signature.
pub(super) fn sign_erasure(shell: &mut Shell<'_, '_>, args: &SignErasure) -> Result<(), Failure> {
    // There may be no node here: nothing completes the beginning of an id.
    let whole = |error: ParseIdError| failure(ErrorCode::BadRequest, error.to_string());
    let target: RecordId = args.id.parse().map_err(whole)?;
    let centre: CentreId = args.centre.parse().map_err(whole)?;
    let question =
        format!("Sign that the text of record {target} of centre {centre} is deleted everywhere?");
    if !shell.confirm(&question)? {
        return Ok(());
    }
    let erasure = ErasureToSign { target, centre, key: args.key.as_deref(), passphrase: None };
    let signature = sign(shell, erasure, args.root_passphrase_file.as_deref())?;
    shell.print_json(&signature)
}

fn question(record: &RecordView, args: &Retract) -> String {
    let (id, title) = (record.summary.id.short(), Safe(&record.summary.title).to_string());
    match (args.erase, args.now) {
        (false, _) => format!("Retract `{title}` ({id})? {RECALL}"),
        (true, true) => format!(
            "Retract `{title}` ({id}) and have its text deleted everywhere at once? {LIMITS_OF_ERASURE}"
        ),
        (true, false) => format!(
            "Retract `{title}` ({id}) and have its text deleted everywhere after 7 days? \
             {LIMITS_OF_ERASURE}"
        ),
    }
}

/// Returns the signatures of root keys: of the home's, and those that were made elsewhere.
fn root_signatures(
    shell: &mut Shell<'_, '_>,
    args: &Retract,
    record: &RecordView,
) -> Result<Vec<RootSignature>, Failure> {
    let mut signatures = Vec::with_capacity(args.root_signature.len() + 1);
    for path in &args.root_signature {
        let bytes = read_file(path, SIGNATURE_FILE_BYTES)?;
        let signature = serde_json::from_slice(&bytes).map_err(|error| {
            let what = format!("`{}` is no signature of a root key: {error}", path.display());
            failure(ErrorCode::Invalid, what).hint("baraza sign-erasure prints one")
        })?;
        signatures.push(signature);
    }
    let (target, centre) = (record.summary.id, record.summary.centre);
    let erasure = ErasureToSign { target, centre, key: None, passphrase: None };
    match sign(shell, erasure, args.root_passphrase_file.as_deref()) {
        Ok(signature) => signatures.push(signature),
        // The root keys are elsewhere, where they belong.
        Err(failure) if failure.code() == Some(ErrorCode::NotFound) && !signatures.is_empty() => (),
        Err(failure) => return Err(failure),
    }
    Ok(signatures)
}

/// Signs with a root key; asks for its passphrase if it has one.
fn sign(
    shell: &mut Shell<'_, '_>,
    erasure: ErasureToSign<'_>,
    passphrase_file: Option<&Path>,
) -> Result<RootSignature, Failure> {
    let locked = match shell.host.sign_erasure(&shell.home, erasure) {
        Err(error) if error.code == ErrorCode::Locked => error,
        done => return Ok(done?),
    };
    let Some(passphrase) = key::other_passphrase(shell, passphrase_file, QUESTION)? else {
        return Err(Failure::from(locked).hint("add --root-passphrase-file FILE"));
    };
    let erasure = ErasureToSign { passphrase: Some(&passphrase), ..erasure };
    Ok(shell.host.sign_erasure(&shell.home, erasure)?)
}
