//! Ceremonies: events of an identity log, from what a person wants to what is handed in.
//!
//! Invariant: an event is checked against the log before anybody signs it, and what people are
//! shown is computed from the event itself.
//! Not here: keys (`Host`), what each command asks (`commands`).
//! Spec: docs/OPERATIONS.md, "Keys and custodians"; docs/PROTOCOL.md, section 5.

mod changes;
mod request;
mod secrets;
mod summary;
#[cfg(test)]
mod tests;

use std::path::Path;

use baraza_api::{
    Client, ErrorCode, EventsReply, FeedsReply, IdentifyReply, IdentifyRequest, StatusView,
};
use baraza_identity::{EventError, IdentityEvent, Link, Log, LogStanding, SignedEvent, State};
use baraza_record::{CentreId, EventId, PublicKey, Timestamp, sign::Signature};
use serde_json::json;

use crate::{
    error::{Failure, failure},
    safe::Safe,
    shell::Shell,
};

pub(crate) use changes::{end_of_shelf, ended_key, sorted};
pub(crate) use request::Request;
pub(crate) use secrets::{Secret, new_passphrase, next_keys, root_keys, typed};
pub(crate) use summary::in_words;

/// The log of our own centre, and the way to the node that holds it.
pub(crate) struct Own {
    pub(crate) client: Box<dyn Client>,
    pub(crate) status: StatusView,
    pub(crate) log: Log,
}

impl Own {
    /// Asks the node for the log of its centre.
    pub(crate) fn load(shell: &Shell<'_, '_>) -> Result<Self, Failure> {
        let client = shell.client()?;
        let status: StatusView = client.get("/v1/status")?;
        let log = log_of(&*client, &status.centre)?;
        Ok(Self { client, status, log })
    }

    /// Returns what the log comes to.
    pub(crate) fn state(&self) -> &State {
        self.log.state()
    }

    /// Returns where the next event stands.
    pub(crate) fn link(&self, now: Timestamp) -> Link {
        let state = self.log.state();
        let centre = EventId(state.centre().0);
        Link { centre, seq: state.events(), prev: state.head(), created_ms: now }
    }

    /// Returns the feeds of the centre.
    pub(crate) fn feeds(&self) -> Result<FeedsReply, Failure> {
        Ok(self.client.get(format!("/v1/centres/{}/feeds", self.log.id()))?)
    }

    /// Checks that root keys may change the log now.
    pub(crate) fn require_sound(&self) -> Result<(), Failure> {
        let (what, hint) = match self.log.standing() {
            LogStanding::Sound => return Ok(()),
            LogStanding::Frozen => (
                "the identity log is frozen: two updates follow one event",
                "only the next keys can mend it: baraza centre rotate",
            ),
            LogStanding::Disputed => (
                "the identity log is disputed: two rotations follow one event",
                "nothing mends it; see SECURITY.md, \"Keys\"",
            ),
            LogStanding::Ended => ("the centre is closed", "baraza centre log"),
        };
        Err(failure(ErrorCode::Invalid, what).hint(hint))
    }
}

/// Asks for an identity log and verifies it.
pub(crate) fn log_of(client: &dyn Client, centre: &CentreId) -> Result<Log, Failure> {
    let reply: EventsReply = match client.get(format!("/v1/centres/{centre}/events")) {
        Err(error) if error.code == ErrorCode::NotFound => {
            let what = format!("the identity log of centre {} is not here yet", centre.short());
            return Err(failure(ErrorCode::NotFound, what)
                .hint("baraza sync ADDRESS, or: baraza bundle import FILE"));
        }
        reply => reply?,
    };
    let events: Option<Vec<_>> = reply.events.iter().map(|text| from_hex(text)).collect();
    let events = events
        .ok_or_else(|| failure(ErrorCode::Internal, "an event of the node is no hexadecimal"))?;
    Log::from_events(&events).map_err(|error| {
        failure(ErrorCode::Store, format!("the identity log held does not verify: {error}"))
            .hint("baraza check")
    })
}

/// What became of an event.
pub(crate) enum Finished {
    /// The node has taken it.
    Taken,
    /// It waits for custodians in a file.
    Requested,
}

/// Hands a signed event in or, with `request`, writes it for those who must sign it yet.
pub(crate) fn finish(
    shell: &mut Shell<'_, '_>,
    own: &Own,
    event: IdentityEvent,
    signatures: Vec<(PublicKey, Signature)>,
    request: Option<&Path>,
) -> Result<Finished, Failure> {
    let request_of = Request::new(own.log.clone(), event, signatures)?;
    match request {
        None => submit(shell, &*own.client, &request_of).map(|()| Finished::Taken),
        Some(path) => {
            request_of.write_new(path)?;
            let missing = request_of.missing();
            match shell.json {
                true => shell.print_json(&json!({ "request": path, "missing": missing }))?,
                false => {
                    let path = path.to_string_lossy();
                    shell.print(format!("Wrote {}\n", Safe(&path)))?;
                    shell.print(missing_in_words(&missing))?;
                }
            }
            shell.note(
                "Give each custodian a copy; each signs it: baraza centre sign REQUEST --key FILE\n\
                 Then, here: baraza centre assemble REQUEST REQUEST",
            );
            Ok(Finished::Requested)
        }
    }
}

/// Hands in an event that enough keys have signed.
pub(crate) fn submit(
    shell: &mut Shell<'_, '_>,
    client: &dyn Client,
    request: &Request,
) -> Result<(), Failure> {
    let missing = request.missing();
    if !missing.is_empty() {
        let what = missing_in_words(&missing).trim_end().replace('\n', "; ");
        return Err(failure(ErrorCode::Invalid, what).hint(
            "have custodians sign it: --request FILE; or sign here with more keys: --root-key FILE",
        ));
    }
    let signed = request.signed();
    let event = to_hex(&signed.encode());
    let reply: IdentifyReply = client.post("/v1/identity", &IdentifyRequest { event })?;
    let log = log_of(client, &reply.centre)?;
    if !log.events().iter().any(|known| known.id() == signed.id()) {
        let what = "the node keeps the event and it does not count: another one is in its place";
        return Err(failure(ErrorCode::Invalid, what).hint("baraza centre log"));
    }
    settle(shell, &log)
}

/// Puts keys of the home that were made for an event in their place.
pub(crate) fn settle(shell: &mut Shell<'_, '_>, log: &Log) -> Result<(), Failure> {
    let in_force: Vec<PublicKey> = log.operators().map(|(key, _)| *key).collect();
    let in_force = [in_force, log.state().keys.root_keys.clone()].concat();
    if shell.host.settle_keys(&shell.home, &in_force)? {
        shell.note("The new keys of this home are in use. If the node runs, start it anew.");
    }
    Ok(())
}

/// Says which signatures are missing.
pub(crate) fn missing_in_words(missing: &[request::Missing]) -> String {
    let line = |one: &request::Missing| {
        format!("{} of {} {} have signed, {} must\n", one.signed, one.of, one.group, one.needed)
    };
    missing.iter().map(line).collect()
}

/// Says why an event may not follow.
pub(crate) fn refused(error: &EventError) -> Failure {
    failure(ErrorCode::Invalid, error.to_string()).hint("baraza centre log")
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim().as_bytes();
    let digit = |c: u8| (c as char).to_digit(16);
    let byte = |pair: &[u8]| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok();
    digits.len().is_multiple_of(2).then(|| digits.chunks_exact(2).map(byte).collect())?
}

/// Returns the event of a request, signed.
fn assembled(
    state: &State,
    event: &IdentityEvent,
    signatures: &[(PublicKey, Signature)],
) -> SignedEvent {
    SignedEvent::assemble(event.clone(), &state.signers(event), signatures.iter().copied())
}
