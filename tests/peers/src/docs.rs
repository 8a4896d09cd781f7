//! iroh-docs: one document of 100 authors in a file store, served by one process and fetched by
//! another, over direct addresses on loopback without relays or look-ups.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use iroh::{Endpoint, RelayMode, endpoint::presets, protocol::Router};
use iroh_blobs::{ALPN as BLOBS_ALPN, BlobsProtocol, store::fs::FsStore};
use iroh_docs::{
    ALPN as DOCS_ALPN,
    api::{
        Doc,
        protocol::{AddrInfoOptions, ShareMode},
    },
    engine::LiveEvent,
    protocol::Docs,
};
use iroh_gossip::{ALPN as GOSSIP_ALPN, net::Gossip};
use n0_future::StreamExt;
use tokio::io::AsyncBufReadExt;

use crate::measure::{Ended, Memory, Row, timed};

/// Authors of the document.
const AUTHORS: usize = 100;

/// New values that the other side has not seen.
const NEW: usize = 10;

/// Longest time without an event.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time for a node that has left to be quiet.
const QUIET: Duration = Duration::from_millis(1_500);

/// Runs both processes and measures from outside.
pub fn run(bodies: &Path, work: &Path) -> anyhow::Result<Row> {
    let _ = std::fs::remove_dir_all(work);
    std::fs::create_dir_all(work)?;
    let mut serving = Program::start(&[
        "docs-serve".as_ref(),
        bodies.as_os_str(),
        work.join("serve").as_os_str(),
    ])?;
    let records = files(&bodies.join("fresh"))?.len();
    let ticket = serving.line()?;
    let memory = Memory::watch(&serving.child.0);
    let (fresh, fresh_wire, mut fetching) = timed(|| {
        let mut fetching = Program::start(&[
            "docs-fetch".as_ref(),
            ticket.as_ref(),
            records.to_string().as_ref(),
            work.join("fetch").as_os_str(),
        ])?;
        fetching.expect("held")?;
        Ok(fetching)
    })?;
    let (serving_kb, fetching_kb) = (memory.peak_kb(), peak_kb(fetching.child.0.id()));
    fetching.say("leave", "left")?;
    std::thread::sleep(QUIET);
    serving.say("new", "published")?;
    std::thread::sleep(QUIET);
    let (ten, ten_wire, ()) = timed(|| fetching.say("sync 10", "held"))?;
    fetching.say("leave", "left")?;
    std::thread::sleep(QUIET);
    let (_, nothing, ()) = timed(|| fetching.say("sync 0", "held"))?;
    let nothing_wire = Some(nothing);
    Ok(Row {
        fresh,
        fresh_wire,
        ten,
        ten_wire,
        nothing_wire,
        serving_kb,
        fetching_kb,
        ..Row::default()
    })
}

fn peak_kb(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmHWM"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// This program as another process that is spoken with in lines.
struct Program {
    child: Ended,
    output: BufReader<std::process::ChildStdout>,
}

impl Program {
    fn start(arguments: &[&std::ffi::OsStr]) -> anyhow::Result<Self> {
        let mut child: Child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().context("it was asked for")?);
        Ok(Self { child: Ended(child), output })
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn expect(&mut self, word: &str) -> anyhow::Result<()> {
        let line = self.line()?;
        if line == word { Ok(()) } else { bail!("`{line}` instead of `{word}`") }
    }

    fn say(&mut self, order: &str, word: &str) -> anyhow::Result<()> {
        let input = self.child.0.stdin.as_mut().context("it was asked for")?;
        writeln!(input, "{order}")?;
        self.expect(word)
    }
}

struct Node {
    docs: Docs,
    _router: Router,
    _blobs: FsStore,
}

async fn node(folder: &Path) -> anyhow::Result<Node> {
    std::fs::create_dir_all(folder)?;
    let endpoint = Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .clear_address_lookup()
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")?
        .bind()
        .await?;
    let gossip = Gossip::builder().spawn(endpoint.clone());
    let blobs = FsStore::load(folder.join("blobs")).await?;
    let docs = Docs::persistent(folder.to_path_buf());
    let docs = docs.spawn(endpoint.clone(), (*blobs).clone(), gossip.clone()).await?;
    let router = Router::builder(endpoint)
        .accept(BLOBS_ALPN, BlobsProtocol::new(&blobs, None))
        .accept(GOSSIP_ALPN, gossip)
        .accept(DOCS_ALPN, docs.clone())
        .spawn();
    Ok(Node { docs, _router: router, _blobs: blobs })
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        for file in std::fs::read_dir(entry?.path())? {
            found.push(file?.path());
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn say(word: &str) -> anyhow::Result<()> {
    let mut output = std::io::stdout();
    writeln!(output, "{word}")?;
    Ok(output.flush()?)
}

#[tokio::main(worker_threads = 2)]
pub async fn serve(bodies: &Path, folder: &Path) -> anyhow::Result<()> {
    let node = node(folder).await?;
    let mut authors = Vec::new();
    for _ in 0..AUTHORS {
        authors.push(node.docs.author_create().await?);
    }
    let doc = node.docs.create().await?;
    let publish = async |folder: PathBuf| {
        for (number, file) in files(&folder)?.into_iter().enumerate() {
            let key = file.file_stem().context("a name")?.as_encoded_bytes().to_vec();
            doc.set_bytes(authors[number % AUTHORS], key, std::fs::read(&file)?).await?;
        }
        anyhow::Ok(())
    };
    publish(bodies.join("fresh")).await?;
    let ticket = doc.share(ShareMode::Write, AddrInfoOptions::RelayAndAddresses).await?;
    say(&ticket.to_string())?;
    let mut orders = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    while orders.next_line().await?.is_some() {
        publish(bodies.join("new")).await?;
        say("published")?;
    }
    Ok(())
}

#[tokio::main(worker_threads = 2)]
pub async fn fetch(ticket: &str, records: usize, folder: &Path) -> anyhow::Result<()> {
    let ticket: iroh_docs::DocTicket = ticket.parse().ok().context("a ticket")?;
    let peers = ticket.nodes.clone();
    let node = node(folder).await?;
    let (doc, events) = node.docs.import_and_subscribe(ticket).await?;
    held(events, records).await?;
    say("held")?;
    let mut orders = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    while let Some(order) = orders.next_line().await? {
        match order.as_str() {
            "leave" => {
                doc.leave().await?;
                say("left")?;
            }
            order => sync(&doc, &peers, if order.ends_with(" 0") { 0 } else { NEW }).await?,
        }
    }
    Ok(())
}

async fn sync(doc: &Doc, peers: &[iroh::EndpointAddr], records: usize) -> anyhow::Result<()> {
    let events = doc.subscribe().await?;
    doc.start_sync(peers.to_vec()).await?;
    held(events, records).await?;
    say("held")
}

/// Waits until the content of `records` entries is stored and a sync has finished.
async fn held(
    events: impl n0_future::Stream<Item = anyhow::Result<LiveEvent>>,
    records: usize,
) -> anyhow::Result<()> {
    let mut events = Box::pin(events);
    let (mut ready, mut finished) = (0, false);
    while ready < records || !finished {
        match tokio::time::timeout(PATIENCE, events.next()).await {
            Ok(Some(Ok(LiveEvent::ContentReady { .. }))) => ready += 1,
            Ok(Some(Ok(LiveEvent::SyncFinished(_)))) => finished = true,
            Ok(Some(Ok(_))) => (),
            Ok(Some(Err(error))) => return Err(error),
            Ok(None) => bail!("the events ended"),
            Err(_) => bail!("nothing for {} s: {ready} of {records}", PATIENCE.as_secs()),
        }
    }
    Ok(())
}
