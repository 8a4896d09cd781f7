//! What a nation's focal point says of centres.
//!
//! Spec: docs/GUIDE.md, "The nation's focal point".

use baraza_api::{AccreditRequest, ErrorCode, Published};

use super::{id_prefix, key, node};
use crate::{
    args::{Nation, PassphraseFile},
    error::{Failure, failure},
    safe::Safe,
    shell::Shell,
};

/// Runs a command of a nation.
pub(super) fn run(shell: &mut Shell<'_, '_>, command: Nation) -> Result<(), Failure> {
    let (request, passphrase) = match command {
        Nation::Init(args) if args.country.is_none() => {
            let what = "a nation needs its country";
            return Err(failure(ErrorCode::BadRequest, what)
                .hint("baraza nation init --country KE --name \"Name of the focal point\""));
        }
        Nation::Init(args) => return node::init(shell, args, true),
        Nation::Accredit(args) => {
            let request = AccreditRequest {
                centre: id_prefix(&args.centre)?,
                status: "accredited".into(),
                scope: args.scope,
                review_by: args.review_by,
                reason: args.reason,
            };
            (request, args.passphrase)
        }
        Nation::Suspend(args) => (ended("suspended", &args.centre, args.reason)?, args.passphrase),
        Nation::Withdraw(args) => (ended("withdrawn", &args.centre, args.reason)?, args.passphrase),
    };
    state(shell, &request, &passphrase)
}

fn ended(status: &str, centre: &str, reason: String) -> Result<AccreditRequest, Failure> {
    let (centre, status) = (id_prefix(centre)?, status.to_owned());
    Ok(AccreditRequest { centre, status, reason: Some(reason), ..AccreditRequest::default() })
}

fn state(
    shell: &mut Shell<'_, '_>,
    request: &AccreditRequest,
    passphrase: &PassphraseFile,
) -> Result<(), Failure> {
    let client = shell.client()?;
    let said: Published =
        key::signed(shell, &*client, passphrase, || client.post("/v1/accreditations", request))?;
    match shell.json {
        true => shell.print_json(&said),
        false => shell.print(format!("Stated by {}: {}\n", said.id.short(), Safe(&said.title))),
    }
}
