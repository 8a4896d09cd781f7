//! The commands: which does what.
//!
//! Spec: docs/ARCHITECTURE.md, "Command line".

mod backup;
mod bundle;
mod centre;
mod custody;
mod draft;
mod editor;
mod exchange;
mod keep;
mod key;
mod nation;
mod network;
mod node;
mod operator;
mod picture;
mod publish;
mod query;
mod record;
mod resume;
mod retract;
mod rotate;
mod staff;
mod trust;
mod verify;

use baraza_api::ErrorCode;
use baraza_record::ID_BYTES;

use crate::{
    args::{Centre, Command},
    error::{Failure, failure},
    shell::Shell,
};

/// Runs a command; without one, shows the status or the first steps.
pub(crate) fn run(shell: &mut Shell<'_, '_>, command: Option<Command>) -> Result<(), Failure> {
    let Some(command) = command else { return node::welcome(shell) };
    match command {
        Command::Init(args) => node::init(shell, args, false),
        Command::Start(args) => node::start(shell, args),
        Command::Status(args) => node::status(shell, &args),
        Command::Unlock(args) => key::unlock(shell, &args),
        Command::Demo(args) => node::demo(shell, &args),
        Command::New(args) => publish::new(shell, &args),
        Command::Publish(args) => publish::publish(shell, &args),
        Command::Revise(args) => publish::revise(shell, &args),
        Command::Retract(args) => retract::retract(shell, args),
        Command::SignErasure(args) => retract::sign_erasure(shell, &args),
        Command::Draft(command) => draft::run(shell, command),
        Command::Staff(command) => staff::run(shell, &command),
        Command::Search(args) => query::search(shell, &args),
        Command::List(args) => query::list(shell, &args),
        Command::Show(args) => record::show(shell, &args),
        Command::Sync(args) => exchange::sync(shell, args),
        Command::Peers => exchange::peers(shell),
        Command::Bundle(command) => bundle::run(shell, command),
        Command::Network(command) => network::run(shell, command),
        Command::Join(args) => network::join(shell, &args),
        Command::Leave(args) => network::leave(shell, &args),
        Command::Verify(args) => verify::verify(shell, &args.files),
        Command::Centre(Centre::Show { id }) => centre::show(shell, id.as_deref()),
        Command::Centre(Centre::List) => centre::list(shell),
        Command::Centre(Centre::Log { id }) => centre::log(shell, id.as_deref()),
        Command::Centre(Centre::Rotate(args)) => rotate::rotate(shell, &args),
        Command::Centre(Centre::Recover(args)) => rotate::recover(shell, &args),
        Command::Centre(Centre::Close(args)) => rotate::close(shell, &args),
        Command::Centre(Centre::Sign(args)) => custody::sign(shell, &args),
        Command::Centre(Centre::Assemble(args)) => custody::assemble(shell, &args),
        Command::Centre(Centre::Resume(args)) => resume::resume(shell, &args),
        Command::Operator(command) => operator::run(shell, command),
        Command::Nation(command) => nation::run(shell, command),
        Command::Trust(command) => trust::trust(shell, command),
        Command::Policy(command) => trust::policy(shell, &command),
        Command::Quarantine(command) => trust::quarantine(shell, &command),
        Command::Backup(args) => backup::backup(shell, &args),
        Command::Restore(args) => backup::restore(shell, args),
        Command::Check(args) => keep::check(shell, &args),
        Command::Repair => keep::repair(shell),
    }
}

/// Returns what a person wrote for an id in the form that goes into a path.
fn id_prefix(text: &str) -> Result<String, Failure> {
    let digits = text.trim().to_ascii_lowercase();
    let fits = (1..=ID_BYTES * 2).contains(&digits.len());
    if fits && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(digits);
    }
    let what =
        format!("`{text}` is neither an id nor the beginning of one: up to 64 digits 0-9 and a-f");
    Err(failure(ErrorCode::BadRequest, what))
}
