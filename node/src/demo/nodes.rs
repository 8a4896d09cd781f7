//! The processes of the demonstration.
//!
//! Invariant: a node ends with the value that stands for it.

use std::{
    io::{BufRead, BufReader, IsTerminal, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use baraza_api::{
    Client, DraftBody, ErrorBody, PublishReply, PublishRequest, Request, SearchReply, StatusView,
};
use baraza_cli::{InitOptions, KeyPlan};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    data::{DemoCentre, Example},
    failed,
};
use crate::{client::SocketClient, clock, home::Home, init};

/// Longest wait for anything (2 min): a first start on a slow board takes some of it.
const PATIENCE_MS: u64 = 120_000;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A running node of the demonstration.
pub(super) struct DemoNode {
    pub(super) name: String,
    pub(super) home: PathBuf,
    pub(super) address: String,
    api: PathBuf,
    child: Child,
}

/// The part of the ready line that is used here.
#[derive(Deserialize)]
struct ReadyLine {
    listen: Vec<String>,
    api: String,
}

impl DemoNode {
    /// Makes a centre and starts its daemon as a process of its own.
    pub(super) fn start(
        folder: &Path,
        centre: &DemoCentre,
        bootstrap: Option<&str>,
    ) -> Result<Self, ErrorBody> {
        let home = folder.join(centre.folder);
        init::init(&Home::new(&home), options(centre))?;
        let program = std::env::current_exe()
            .map_err(|error| failed(format!("cannot find this program: {error}")))?;
        let mut command = Command::new(program);
        command.arg("--home").arg(&home).args([
            "start",
            "--json",
            "--listen",
            "/ip4/127.0.0.1/tcp/0",
        ]);
        if let Some(address) = bootstrap {
            command.args(["--bootstrap", address]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().map_err(|error| failed(format!("cannot start a node: {error}")))?;
        let output = child.stdout.take().expect("it was asked for");
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        let ready: Result<ReadyLine, _> = serde_json::from_str(&line);
        let (Ok(_), Ok(ready)) = (read, ready) else {
            return Err(failed(format!("{} did not start: {}", centre.name, last_words(child))));
        };
        let address = ready.listen.into_iter().next();
        let address = address.ok_or_else(|| failed(format!("{} has no address", centre.name)))?;
        Ok(Self { name: centre.name.into(), home, address, api: ready.api.into(), child })
    }

    /// Stops the daemon as an operator would, and checks that it ended well.
    pub(super) fn stop(mut self) -> Result<(), ErrorBody> {
        self.terminate();
        let ended = until("a node to stop", || {
            self.child
                .try_wait()
                .map_err(|error| failed(format!("cannot wait for a node: {error}")))
        })?;
        match ended.success() {
            true => Ok(()),
            false => Err(failed(format!("{} stopped with {ended}", self.name))),
        }
    }

    pub(super) fn status(&self) -> Result<StatusView, ErrorBody> {
        self.get("/v1/status")
    }

    pub(super) fn search(&self, words: &str, limit: usize) -> Result<SearchReply, ErrorBody> {
        let encoded: String = words.bytes().map(|byte| format!("%{byte:02X}")).collect();
        self.get(&format!("/v1/search?q={encoded}&limit={limit}"))
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ErrorBody> {
        let client = self.client()?;
        let client: &dyn Client = &client;
        client.get(path)
    }

    /// Returns a record as its publisher signed it.
    pub(super) fn raw(&self, id: &str) -> Result<Vec<u8>, ErrorBody> {
        let client = self.client()?;
        let client: &dyn Client = &client;
        let path = format!("/v1/records/{id}/raw");
        Ok(client.call(Request { method: "GET", path, body: None })?.body)
    }

    /// Publishes files; returns their names and the ids of their records.
    pub(super) fn publish(
        &self,
        files: &[(&str, &str)],
    ) -> Result<Vec<(String, String)>, ErrorBody> {
        let mut examples = Vec::new();
        for (name, text) in files {
            examples.extend(Example::parse(name, text.as_bytes())?);
        }
        self.publish_examples(examples)
    }

    pub(super) fn publish_initiatives(&self) -> Result<Vec<(String, String)>, ErrorBody> {
        self.publish_examples(Example::initiatives()?)
    }

    pub(super) fn publish_examples(
        &self,
        examples: Vec<Example>,
    ) -> Result<Vec<(String, String)>, ErrorBody> {
        let files: Vec<_> = examples.iter().map(|example| example.file.clone()).collect();
        let drafts = examples.into_iter().map(|example| DraftBody {
            kind: example.draft.kind.to_string(),
            language: example.draft.language,
            revises: None,
            audience: None,
            body: example.draft.body,
            source: example.file,
        });
        let request = PublishRequest { drafts: drafts.collect(), ..PublishRequest::default() };
        let client = self.client()?;
        let client: &dyn Client = &client;
        let reply: PublishReply = client.post("/v1/records", &request)?;
        if reply.refused || reply.published.len() != files.len() {
            return Err(failed(format!(
                "{} refused its own records: {:?}",
                self.name, reply.reports
            )));
        }
        let ids = reply.published.into_iter().map(|published| published.id.to_string());
        Ok(files.into_iter().zip(ids).collect())
    }

    fn client(&self) -> Result<SocketClient, ErrorBody> {
        let client = SocketClient::connect(&self.api);
        let client =
            client.map_err(|error| failed(format!("cannot reach {}: {error}", self.name)))?;
        client.ok_or_else(|| failed(format!("{} has stopped", self.name)))
    }

    /// Sends SIGTERM, which the standard library cannot.
    fn terminate(&self) {
        if let Some(pid) =
            i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw)
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }
}

impl Drop for DemoNode {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        self.terminate();
        let stopped = until("a node to stop", || Ok(self.child.try_wait().ok().flatten()));
        if stopped.is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Asks again until there is an answer.
pub(super) fn until<T>(
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>, ErrorBody>,
) -> Result<T, ErrorBody> {
    let deadline = clock::now().plus_ms(PATIENCE_MS);
    loop {
        if let Some(answer) = look()? {
            return Ok(answer);
        }
        if deadline < clock::now() {
            return Err(failed(format!("waited {} s for {what}", PATIENCE_MS / 1_000)));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A progress bar on a terminal, nothing elsewhere.
pub(super) struct Progress(Option<indicatif::ProgressBar>);

impl Progress {
    pub(super) fn new(length: u64) -> Self {
        let bar = || indicatif::ProgressBar::new(length).with_message("records on all nodes");
        Self(std::io::stderr().is_terminal().then(bar))
    }

    pub(super) fn set(&self, position: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(position);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn options(centre: &DemoCentre) -> InitOptions {
    InitOptions {
        nation: false,
        name: centre.name.into(),
        country: None,
        language: centre.language.into(),
        licence: "CC0-1.0".into(),
        contact: Some(format!("exchange-office@{}.example.org", centre.folder)),
        recovery: None,
        passphrase: None,
        keys: KeyPlan::default(),
        mdns: false,
        listen: Vec::new(),
        bootstrap: Vec::new(),
    }
}

/// Returns what a node that did not start said last.
fn last_words(mut child: Child) -> String {
    let mut words = String::new();
    if let Some(output) = child.stderr.take() {
        let _ = output.take(4_096).read_to_string(&mut words);
    }
    let _ = child.kill();
    let _ = child.wait();
    words.trim().to_owned()
}
