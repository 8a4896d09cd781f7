//! A station: a home in a place, its records, its daemon, what the daemon says.
//!
//! Not here: records themselves (`benches/support`).
//! Spec: docs/BENCHMARKS.md, "The link laboratory".

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use baraza_protocol::{
    ingest::{ingest_identity, ingest_range},
    store::Store,
};
use baraza_record::Timestamp;
use baraza_store::{LedgerStore, Options};

use super::place::Place;
use crate::support::{Author, Random};

/// Lets stations take as many strangers at once as a scene has signers.
const POLICY: &str = "[quotas]\ncentres = 1_000_000\nnew_centres_per_day = 1_000_000\n";

/// What a daemon listens on and calls through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Quic,
}

/// A home in a place, and its daemon while it runs.
pub(crate) struct Station {
    place: Place,
    /// Its home.
    pub(crate) home: PathBuf,
    transport: Transport,
    daemon: Option<Child>,
    /// Multiaddr of the running daemon.
    pub(crate) address: String,
}

impl Station {
    /// Makes an empty home.
    pub(crate) fn new(place: Place, home: PathBuf, transport: Transport) -> Self {
        let made = program(Command::new(env!("CARGO_BIN_EXE_baraza")), &home)
            .args(["init", "--name", "Laboratory", "--language", "en", "--licence", "CC0-1.0"])
            .args(["--no-passphrase", "--yes", "--no-mdns"])
            .output()
            .expect("it runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::write(home.join("policy.toml"), POLICY).expect("a home can be written");
        Self { place, home, transport, daemon: None, address: String::new() }
    }

    /// Puts `records` records of `signers` signers, numbered from `first`, into the home; returns
    /// their bytes.
    pub(crate) fn fill(&self, records: u64, signers: u64, first: u64) -> u64 {
        let opened = LedgerStore::open(&self.home, &Options::default());
        let (mut store, _) = opened.expect("the store opens");
        let mut bytes = 0;
        for number in 0..signers {
            let mut random = Random(42 + first + number);
            let mut author = Author::new(first + number);
            ingest_identity(&mut store, &author.inception).expect("the identity is valid");
            let share = records / signers + u64::from(number < records % signers);
            let range: Vec<_> = (0..share).map(|_| author.lesson(&mut random)).collect();
            bytes += range.iter().map(|record| record.encode().len() as u64).sum::<u64>();
            for part in range.chunks(256) {
                ingest_range(&mut store, part, Timestamp(1)).expect("the store takes it");
            }
            store.commit().expect("the disk takes it");
        }
        bytes
    }

    /// Chooses the profile of a metered line, if the configuration knows profiles.
    pub(crate) fn profile(&self, name: &str) -> bool {
        let path = self.home.join("config.toml");
        let before = std::fs::read_to_string(&path).expect("a home has a configuration");
        std::fs::write(&path, format!("profile = \"{name}\"\n{before}"))
            .expect("the disk takes it");
        let mut status = program(Command::new(env!("CARGO_BIN_EXE_baraza")), &self.home);
        let known = status.arg("status").output().expect("it runs").status.success();
        if !known {
            std::fs::write(&path, before).expect("the disk takes it");
        }
        known
    }

    /// Starts the daemon.
    pub(crate) fn start(&mut self, bootstrap: &[String]) {
        let port = match self.transport {
            Transport::Tcp => "tcp/4640",
            Transport::Quic => "udp/4640/quic-v1",
        };
        let listen = format!("/ip4/{}/{port}", self.place.address());
        let command = self.place.command(env!("CARGO_BIN_EXE_baraza"));
        let mut command = program(command, &self.home);
        command.args(["--json", "start", "--listen", &listen]);
        bootstrap.iter().for_each(|address| {
            command.args(["--bootstrap", address]);
        });
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the daemon starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("it was asked for");
        BufReader::new(output).read_line(&mut line).expect("a ready line");
        let ready: serde_json::Value = serde_json::from_str(&line).expect("one object");
        self.address = ready["listen"][0].as_str().expect("an address").to_owned();
        self.daemon = Some(child);
    }

    /// Kills the daemon.
    pub(crate) fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    /// Asks the daemon for its status.
    pub(crate) fn status(&self) -> serde_json::Value {
        let reply = ask(&self.home.join("api.sock")).unwrap_or_default();
        let body = reply.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).unwrap_or_default()
    }

    /// Returns how many records it holds with their bodies.
    pub(crate) fn records(&self) -> u64 {
        let status = self.status();
        let number = |member: &str| status[member].as_u64().unwrap_or(0);
        number("records").saturating_sub(number("bodies_missing"))
    }

    /// Returns the most memory that the daemon took, in kilobytes.
    pub(crate) fn peak_kb(&self) -> u64 {
        let pid = self.daemon.as_ref().map_or(0, Child::id);
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("VmHWM"));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program(mut command: Command, home: &Path) -> Command {
    command.arg("--home").arg(home).stdin(Stdio::null());
    command.env_remove("BARAZA_HOME").env_remove("BARAZA_SOCKET");
    command
}

fn ask(socket: &Path) -> std::io::Result<String> {
    let mut socket = UnixStream::connect(socket)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    socket.write_all(b"GET /v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut reply = String::new();
    socket.read_to_string(&mut reply)?;
    Ok(reply)
}
