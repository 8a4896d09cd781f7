//! The `baraza` program: wiring, and nothing else.
//!
//! Layer 4. Follow one record: `crates/cli/src/commands/publish.rs` reads a draft,
//! `crates/server/src` takes it, `crates/protocol/src/service/commands.rs` signs it,
//! `crates/protocol/src/ingest.rs` decides its place, `crates/store/src/write.rs` keeps it.
//! Spec: docs/ARCHITECTURE.md.

mod backup;
mod ceremony;
mod client;
mod clock;
mod config;
mod daemon;
mod demo;
mod drafts;
mod engine;
mod enrol;
mod home;
mod host;
mod indexer;
mod init;
mod interests;
mod keys;
mod networks;
mod node;
mod reach;
mod recovery;
mod restore;
mod rules;
mod sockets;
mod staff;
mod staff_log;

use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

/// The system's own allocator keeps what threads that have ended left behind, and the index
/// starts a thread for every commit (docs/decisions/0018-words-come-cut.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("BARAZA_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    baraza_cli::run(std::env::args_os(), &host::Program)
}
