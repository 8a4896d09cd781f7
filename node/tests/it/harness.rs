//! Runs the program and its daemons in folders that the test removes.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// Longest wait for anything that must happen.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder for the homes of one test.
pub(crate) struct Scene(TempDir);

/// A centre's home.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) home: PathBuf,
}

/// A running daemon; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) address: String,
    pub(crate) ready: Value,
}

/// What a run of the program gave.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self(tempfile::Builder::new().prefix("bz").tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Makes a centre without a passphrase.
    pub(crate) fn centre(&self, name: &str) -> Site {
        self.made(&["init"], name)
    }

    /// Makes a nation without a passphrase.
    pub(crate) fn nation(&self, name: &str) -> Site {
        self.made(&["nation", "init"], name)
    }

    fn made(&self, verb: &[&str], name: &str) -> Site {
        let site = Site { home: self.path().join(name) };
        let options = [
            "--name",
            name,
            "--country",
            "KE",
            "--language",
            "en",
            "--licence",
            "CC-BY-4.0",
            "--contact",
            "office@centre.example.org",
            "--no-passphrase",
            "--yes",
        ];
        let made = site.run(&[verb, &options[..]].concat());
        assert_eq!(made.code, 0, "{}{}", made.out, made.err);
        site
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }
}

/// Returns the program, to be run on `home`.
pub(crate) fn program(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baraza"));
    command
        .arg("--home")
        .arg(home)
        .env_remove("BARAZA_HOME")
        .env_remove("BARAZA_LOG")
        .env_remove("BARAZA_SOCKET");
    command
}

impl Site {
    /// Runs a command and waits for its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, "")
    }

    /// Runs a command with text on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Run {
        let mut child = program(&self.home)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        Run {
            code: status.code().unwrap_or(-1),
            out: String::from_utf8(stdout).expect("output is UTF-8"),
            err: String::from_utf8(stderr).expect("errors are UTF-8"),
        }
    }

    /// Starts a command that the test may kill.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        let quiet = || Stdio::null();
        let mut command = program(&self.home);
        command.args(arguments).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn().unwrap()
    }

    /// Runs a command that must succeed, with `--json`, and returns what it printed.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let run = self.run(&[&["--json"], arguments].concat());
        assert_eq!(run.code, 0, "{arguments:?}: {}{}", run.out, run.err);
        serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}", run.out))
    }

    /// Publishes a file and returns the ids of its records.
    #[track_caller]
    pub(crate) fn publish(&self, file: &str) -> Vec<String> {
        let published = self.json(&["publish", file]);
        let ids = published.as_array().expect("an array of objects").iter();
        ids.map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
    }

    pub(crate) fn start(&self, bootstrap: &[&str]) -> Daemon {
        self.start_on("/ip4/127.0.0.1/tcp/0", bootstrap)
    }

    #[track_caller]
    pub(crate) fn start_on(&self, listen: &str, bootstrap: &[&str]) -> Daemon {
        self.start_in(program(&self.home), listen, bootstrap)
    }

    /// Starts a daemon in a network namespace that was made with `ip netns add`.
    #[track_caller]
    pub(crate) fn start_within(&self, space: &str, listen: &str, bootstrap: &[&str]) -> Daemon {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", space, env!("CARGO_BIN_EXE_baraza"), "--home"]);
        command.arg(&self.home).env_remove("BARAZA_HOME").env_remove("BARAZA_LOG");
        self.start_in(command, listen, bootstrap)
    }

    /// Starts a daemon as systemd does that has a passphrase among its credentials.
    #[track_caller]
    pub(crate) fn start_with_credentials(&self, folder: &Path) -> Daemon {
        let mut command = program(&self.home);
        command.env("CREDENTIALS_DIRECTORY", folder);
        self.start_in(command, "/ip4/127.0.0.1/tcp/0", &[])
    }

    #[track_caller]
    fn start_in(&self, mut command: Command, listen: &str, bootstrap: &[&str]) -> Daemon {
        command.args(["--json", "start", "--listen", listen]);
        bootstrap.iter().for_each(|address| {
            command.args(["--bootstrap", address]);
        });
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: `{line}`"));
        let address = ready["listen"][0].as_str().expect("an address").to_owned();
        Daemon { child, address, ready }
    }

    pub(crate) fn digest(&self) -> String {
        self.json(&["status"])["set_digest"].as_str().expect("a digest").to_owned()
    }
}

impl Daemon {
    /// Stops the daemon as an operator would and checks that it ended well.
    pub(crate) fn stop(mut self) {
        self.signal(rustix::process::Signal::TERM);
        assert!(self.child.wait().unwrap().success(), "a daemon stops cleanly on SIGTERM");
    }

    /// Kills the daemon at once.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.expect("a pid"), signal).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again until `look` says yes; panics with `what` after two minutes.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "a deadline, not a measure")]
pub(crate) fn until(what: &str, mut look: impl FnMut() -> bool) {
    let started = Instant::now();
    while !look() {
        assert!(started.elapsed() < PATIENCE, "waited too long for {what}");
    }
}

/// Waits until all sites hold `records` records, with bodies, and say the same of them.
#[track_caller]
pub(crate) fn agree(sites: &[&Site], records: u64) {
    until("the nodes to agree", || {
        let statuses: Vec<_> = sites.iter().map(|site| site.json(&["status"])).collect();
        statuses.iter().all(|status| {
            status["records"] == records
                && status["bodies_missing"] == 0
                && status["set_digest"] == statuses[0]["set_digest"]
        })
    });
}

/// Returns a draft of a lesson.
pub(crate) fn lesson(title: &str, text: &str) -> String {
    format!(
        "---\nkind: lesson\nlanguage: en\ntitle: {title}\npolarity: worked\nsdg: [6.2]\n\
         countries: [KE]\nsensitivity_checked: true\n---\n## context\nA district.\n\n\
         ## event\n{text}\n\n## lesson\nAsk first.\n\n## recommendation\nAsk the users.\n\n\
         ## applies_when\nThere are users.\n"
    )
}

/// Returns how many records a search finds.
#[track_caller]
pub(crate) fn hits(site: &Site, words: &str) -> usize {
    site.json(&["search", words]).as_array().expect("an array of hits").len()
}
