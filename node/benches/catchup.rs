//! Fresh catch-up between two daemons on loopback: seconds from the start of the empty
//! one until it holds everything, verified and durable, and until all of it is searchable;
//! bytes on the wire; processor time and peak memory of both; an idle daemon's memory and
//! time to open.
//!
//! `scripts/bench-catchup [RECORDS [SIGNERS]]` runs it in a network namespace of its own, so that
//! the loopback counters show its bytes alone. Figures: docs/BENCHMARKS.md.

mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use baraza_protocol::{
    ingest::{ingest_identity, ingest_range},
    store::Store,
};
use baraza_record::Timestamp;
use baraza_store::{LedgerStore, Options};
use support::{Author, Random, bytes_below, seconds};

/// Time between two looks at a daemon: what the figures are exact to.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks after which the run is given up: five minutes.
const LOOKS_MAX: u32 = 30_000;

/// Lets the fetching node take as many strangers at once as the run has signers.
const POLICY: &str = "[quotas]\ncentres = 1_000_000\nnew_centres_per_day = 1_000_000\n";

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse::<u64>().ok());
    let (records, signers) = (numbers.next().unwrap_or(10_000), numbers.next().unwrap_or(100));
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    [&a, &b].into_iter().for_each(|home| init(home));
    std::fs::write(b.join("policy.toml"), POLICY).expect("a home can be written");
    let bytes = fill(&a, records, signers);
    println!(
        "{records} records of {signers} signers, {} bytes on average, encoded",
        bytes / records
    );

    let alice = Daemon::start(&a, None);
    let (indexed, ()) = seconds(|| until_searchable(&a));
    println!("indexing {records} records: {indexed:.2} s");
    drop(alice);
    let (open, alice) = seconds(|| Daemon::start(&a, None));
    until_searchable(&a);
    println!("open with {records} records: ready after {open:.3} s");
    println!("idle: {:.1} MB resident", status_kb(alice.pid(), "VmRSS") as f64 / 1_024.0);

    let before = loopback_bytes();
    let (took, bob) = seconds(|| {
        let bob = Daemon::start(&b, Some(&alice.address));
        until(|| records <= status(&b, "records") && status(&b, "bodies_missing") == 0);
        bob
    });
    let wire = loopback_bytes() - before;
    println!(
        "fresh catch-up: {took:.2} s from the start of the process, {:.0} records/s",
        records as f64 / took
    );
    println!("bytes on the wire: {wire} ({:.2} of the records')", wire as f64 / bytes as f64);
    let (indexed, ()) = seconds(|| until_searchable(&b));
    println!("until all are searchable: {:.2} s", took + indexed);
    for (name, daemon) in [("serving", &alice), ("fetching", &bob)] {
        println!(
            "{name}: {:.2} s of processor time, peak memory {:.1} MB",
            cpu_seconds(daemon.pid()),
            status_kb(daemon.pid(), "VmHWM") as f64 / 1_024.0
        );
    }
    let disk = bytes_below(&b.join("ledger")) + bytes_below(&b.join("sled"));
    println!("disk: {:.3} of the records' bytes, index apart", disk as f64 / bytes as f64);
}

/// A daemon, killed when dropped.
struct Daemon {
    child: Child,
    address: String,
}

impl Daemon {
    fn start(home: &Path, bootstrap: Option<&str>) -> Self {
        let mut command = program(home);
        command.args(["--json", "start", "--listen", "/ip4/127.0.0.1/tcp/0"]);
        bootstrap.map(|address| command.args(["--bootstrap", address]));
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the daemon starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("it was asked for");
        BufReader::new(output).read_line(&mut line).expect("a ready line");
        let ready: serde_json::Value = serde_json::from_str(&line).expect("one object");
        let address = ready["listen"][0].as_str().expect("an address").to_owned();
        Self { child, address }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baraza"));
    command.arg("--home").arg(home).stdin(Stdio::null());
    command
}

fn init(home: &Path) {
    let made = program(home)
        .args(["init", "--name", "Benchmark", "--language", "en", "--licence", "CC0-1.0"])
        .args(["--no-passphrase", "--yes"])
        .output()
        .expect("it runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Puts the records into the store of a home; returns their bytes.
fn fill(home: &Path, records: u64, signers: u64) -> u64 {
    let (mut store, _) = LedgerStore::open(home, &Options::default()).expect("the store opens");
    let (mut random, mut bytes) = (Random(42), 0);
    for number in 0..signers {
        let mut author = Author::new(number);
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

/// Asks the daemon itself, so that asking costs little of what is measured.
fn status(home: &Path, member: &str) -> u64 {
    let ask = || {
        let mut socket = UnixStream::connect(home.join("api.sock"))?;
        socket.write_all(
            b"GET /v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        )?;
        let mut reply = String::new();
        socket.read_to_string(&mut reply)?;
        Ok::<_, std::io::Error>(reply)
    };
    let reply = ask().unwrap_or_default();
    let body = reply.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let status: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    status[member].as_u64().unwrap_or(u64::from(member != "records"))
}

fn until_searchable(home: &Path) {
    until(|| status(home, "index_behind") == 0);
}

fn until(mut reached: impl FnMut() -> bool) {
    let mut look = || {
        let reached = reached();
        if !reached {
            std::thread::sleep(LOOK_EVERY);
        }
        reached
    };
    assert!((0..LOOKS_MAX).any(|_| look()), "not reached after {LOOKS_MAX} looks");
}

/// Returns the bytes that went over the loopback device.
fn loopback_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let line = text.lines().find(|line| line.trim_start().starts_with("lo:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// Returns what a process has used of the processors, in and for it.
fn cpu_seconds(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // After the name in parentheses come the state and ten more; a tick is 10 ms on Linux.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = rest.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u32>().ok());
    f64::from(ticks.sum::<u32>()) / 100.0
}

/// Returns a number of kilobytes of `/proc/PID/status`.
fn status_kb(pid: u32, member: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(member));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}
