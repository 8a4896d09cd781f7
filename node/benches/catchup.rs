//! Fresh catch-up between two daemons on loopback, then a visit for ten new records, then one for
//! nothing: seconds, bytes on the wire, processor time, memory.
//!
//! `scripts/bench-catchup [RECORDS [SIGNERS]]` runs it in a network namespace of its own, so that
//! the loopback counters show its bytes alone. `--bodies DIR` writes the bodies to files, so that
//! others can carry the same (`scripts/bench-peers`); `--visit-only` gives both nodes the records
//! at the start. The last line is one JSON object. Figures: docs/BENCHMARKS.md.

mod support;

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
use serde_json::{Value, json};
use support::{Author, Random, bytes_below, seconds};

/// Time between two looks at a daemon: what the figures are exact to.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks after which the run is given up: half an hour.
const LOOKS_MAX: u32 = 180_000;

/// Lets nodes take as many strangers at once as the run has signers.
const POLICY: &str = "[quotas]\ncentres = 1_000_000\nnew_centres_per_day = 1_000_000\n";

/// Records that the other side has not seen when it comes back.
const NEW: u64 = 10;

/// Clock ticks a second in `/proc/PID/stat`.
const TICKS: f64 = 100.0;

fn main() {
    let mut options = Asked { records: 10_000, signers: 100, bodies: None, visit_only: false };
    let mut arguments = std::env::args().skip(1);
    let mut numbers = Vec::new();
    while let Some(one) = arguments.next() {
        match one.as_str() {
            "--bodies" => options.bodies = arguments.next().map(PathBuf::from),
            "--visit-only" => options.visit_only = true,
            number => numbers.extend(number.parse::<u64>()),
        }
    }
    options.records = numbers.first().copied().unwrap_or(options.records);
    options.signers = numbers.get(1).copied().unwrap_or(options.signers);

    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    [&a, &b].into_iter().for_each(|home| init(home));
    let mut source = Source::new(options.signers);
    let share = options.records / options.signers;
    let bodies = options.bodies.as_deref();
    let mut homes = vec![a.as_path()];
    if options.visit_only {
        homes.push(&b);
    }
    let bytes = source.fill(&homes, options.signers, share, bodies.map(|d| d.join("fresh")));
    let records = share * options.signers;
    println!(
        "{records} records of {} signers, {} bytes on average",
        options.signers,
        bytes / records
    );

    let mut figures = json!({ "records": records, "signers": options.signers, "bytes": bytes });
    if options.visit_only {
        meet(&a, &b);
    } else {
        fresh(&a, &b, records, bytes, &mut figures);
    }
    let new = source.fill(&[&a], NEW, 1, bodies.map(|d| d.join("new")));
    figures["ten_new"] = visit(&a, &b, records + NEW);
    figures["ten_new"]["bytes"] = new.into();
    figures["nothing_new"] = visit(&a, &b, records + NEW);
    println!("{figures}");
}

/// What is measured.
struct Asked {
    records: u64,
    signers: u64,
    bodies: Option<PathBuf>,
    visit_only: bool,
}

/// Measures opening, idling and a fresh catch-up.
fn fresh(a: &Path, b: &Path, records: u64, bytes: u64, figures: &mut Value) {
    let alice = Daemon::start(a, None);
    let (indexed, ()) = seconds(|| until_searchable(a));
    println!("indexing {records} records: {indexed:.2} s");
    drop(alice);
    let (open, alice) = seconds(|| Daemon::start(a, None));
    until_searchable(a);
    println!("open with {records} records: ready after {open:.3} s");
    println!("idle: {:.1} MB resident", status_kb(alice.pid(), "VmRSS") as f64 / 1_024.0);

    let before = loopback_bytes();
    let (took, bob) = seconds(|| {
        let bob = Daemon::start(b, Some(&alice.address));
        until_held(b, records);
        bob
    });
    let wire = loopback_bytes() - before;
    let cpu = [alice.cpu(), bob.cpu()];
    println!(
        "fresh catch-up: {took:.2} s from the start of the process, {:.0} records/s",
        records as f64 / took
    );
    println!("bytes on the wire: {wire} ({:.2} of the records')", wire as f64 / bytes as f64);
    let (indexed, ()) = seconds(|| until_searchable(b));
    println!("until all are searchable: {:.2} s", took + indexed);
    let [serving, fetching] = [&alice, &bob].map(|one| status_kb(one.pid(), "VmHWM"));
    for (name, peak, cpu) in [("serving", serving, cpu[0]), ("fetching", fetching, cpu[1])] {
        let peak = peak as f64 / 1_024.0;
        println!("{name}: {cpu:.2} s of processor time until held, peak memory {peak:.1} MB");
    }
    let disk = bytes_below(&b.join("ledger")) + bytes_below(&b.join("sled"));
    println!("disk: {:.3} of the records' bytes, index apart", disk as f64 / bytes as f64);
    figures["fresh"] = json!({
        "seconds": took, "wire": wire, "cpu_serving": cpu[0], "cpu_fetching": cpu[1], "searchable": took + indexed,
        "serving_kb": serving, "fetching_kb": fetching, "open": open,
    });
}

/// Lets two nodes that hold the same find that out.
fn meet(a: &Path, b: &Path) {
    let alice = Daemon::start(a, None);
    until_searchable(a);
    let _bob = Daemon::start(b, Some(&alice.address));
    until_searchable(b);
    until(b, |status| status["agreed_ms"].is_u64());
}

/// Starts both nodes apart, waits until they rest, then lets the second call the first; returns
/// the seconds until it holds `records` and both agree, the bytes, and the processor time of both.
fn visit(a: &Path, b: &Path, records: u64) -> Value {
    let bob = Daemon::start(b, None);
    until_searchable(b);
    let alice = Daemon::start(a, None);
    until_searchable(a);
    let agreed = status(b)["agreed_ms"].clone();
    let (before, cpu) = (loopback_bytes(), [alice.cpu(), bob.cpu()]);
    let ((held, wire), agrees) = {
        let (held, ()) = seconds(|| {
            let (code, body) = ask(b, "POST /v1/peers", &json!({ "address": alice.address }));
            assert!((200..300).contains(&code), "{code}: {body}");
            until_held(b, records);
        });
        let wire = loopback_bytes() - before;
        let (more, ()) = seconds(|| until(b, |status| status["agreed_ms"] != agreed));
        ((held, wire), held + more)
    };
    let whole = loopback_bytes() - before;
    let used = [alice.cpu() - cpu[0], bob.cpu() - cpu[1]];
    println!(
        "a visit: {held:.3} s until {records} are held ({wire} bytes with connecting), {agrees:.3} s and {whole} bytes until both agree"
    );
    json!({ "seconds": held, "wire": wire, "agree_seconds": agrees, "agree_wire": whole,
            "cpu_serving": used[0], "cpu_fetching": used[1] })
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

    /// Returns the processor time that it took, in seconds.
    fn cpu(&self) -> f64 {
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks = fields.skip(11).take(2).filter_map(|one| one.parse::<f64>().ok());
        ticks.sum::<f64>() / TICKS
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
    std::fs::write(home.join("policy.toml"), POLICY).expect("a home can be written");
}

/// Writes the records.
struct Source {
    authors: Vec<Author>,
    random: Random,
}

impl Source {
    fn new(signers: u64) -> Self {
        Self { authors: (0..signers).map(Author::new).collect(), random: Random(42) }
    }

    /// Puts `each` records of the first `signers` signers into stores, and their bodies into
    /// files below `bodies`; returns the bytes of the records.
    fn fill(&mut self, homes: &[&Path], signers: u64, each: u64, bodies: Option<PathBuf>) -> u64 {
        let open = |home: &&Path| LedgerStore::open(home, &Options::default());
        let mut stores: Vec<_> =
            homes.iter().map(|home| open(home).expect("the store opens").0).collect();
        let mut bytes = 0;
        for author in self.authors.iter_mut().take(signers as usize) {
            let range: Vec<_> = (0..each).map(|_| author.lesson(&mut self.random)).collect();
            for record in &range {
                bytes += record.encode().len() as u64;
                if let Some(folder) = &bodies {
                    let name = record.id().to_string();
                    let folder = folder.join(&name[..2]);
                    std::fs::create_dir_all(&folder).expect("a folder");
                    let body = &record.payload().expect("it was just signed").body;
                    let file = folder.join(&name[..32]).with_extension("json");
                    std::fs::write(file, body).expect("the disk takes it");
                }
            }
            for store in &mut stores {
                ingest_identity(store, &author.inception).expect("the identity is valid");
                for part in range.chunks(256) {
                    ingest_range(store, part, Timestamp(1)).expect("the store takes it");
                }
                store.commit().expect("the disk takes it");
            }
        }
        bytes
    }
}

/// Asks the daemon itself, so that asking costs little of what is measured.
fn ask(home: &Path, what: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let ask = || {
        let mut socket = UnixStream::connect(home.join("api.sock"))?;
        write!(
            socket,
            "{what} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut reply = String::new();
        socket.read_to_string(&mut reply)?;
        Ok::<_, std::io::Error>(reply)
    };
    let reply = ask().unwrap_or_default();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or_default();
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    (code, serde_json::from_str(body).unwrap_or_default())
}

fn status(home: &Path) -> Value {
    ask(home, "GET /v1/status", &Value::Null).1
}

fn until(home: &Path, is: impl Fn(&Value) -> bool) {
    let look = || {
        let is = is(&status(home));
        if !is {
            std::thread::sleep(LOOK_EVERY);
        }
        is
    };
    assert!((0..LOOKS_MAX).any(|_| look()), "given up: {} says {}", home.display(), status(home));
}

fn until_held(home: &Path, records: u64) {
    until(home, |status| {
        status["records"].as_u64() >= Some(records) && status["bodies_missing"] == 0
    });
}

fn until_searchable(home: &Path) {
    until(home, |status| status["index_behind"] == 0);
}

/// Returns the bytes that went over the loopback device.
fn loopback_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let line = text.lines().find(|line| line.trim_start().starts_with("lo:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// Returns a number of kilobytes of `/proc/PID/status`.
fn status_kb(pid: u32, member: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(member));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}
