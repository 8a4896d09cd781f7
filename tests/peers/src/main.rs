//! Baraza beside its peers in one run: iroh-docs, git, rsync and negentropy carry the same bodies.
//!
//! `scripts/bench-peers` builds this and runs it in a network namespace of its own, so that the
//! counters of the loopback device show the bytes of one of them at a time. How the peers are used
//! follows their own benchmarks and documents; docs/BENCHMARKS.md says what is counted.

mod baraza;
mod docs;
mod measure;
mod negentropy;
mod tools;

use std::path::{Path, PathBuf};

use anyhow::Context;
use measure::Row;

/// What runs side by side with `records` records of `signers` signers.
fn side_by_side(records: u64, signers: u64, work: &Path) -> anyhow::Result<()> {
    let bodies = work.join(format!("bodies-{records}"));
    let _ = std::fs::remove_dir_all(&bodies);
    let ours = baraza::run(records, signers, &bodies).context("Baraza")?;
    let mut rows = vec![ours];
    for (name, run) in [
        ("iroh-docs 0.101, file store", docs::run as fn(&Path, &Path) -> anyhow::Result<Row>),
        ("git clone, git fetch (daemon)", tools::git),
        ("rsync -az (daemon)", tools::rsync),
    ] {
        match run(&bodies, &work.join("work")) {
            Ok(row) => rows.push(Row { name: name.into(), ..row }),
            Err(error) => println!("skipped: {name}: {error:#}"),
        }
    }
    measure::table(records, signers, &rows);
    negentropy::run(records);
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["docs-serve", bodies, folder] => docs::serve(Path::new(bodies), Path::new(folder)),
        ["docs-fetch", ticket, records, folder] => {
            docs::fetch(ticket, records.parse()?, Path::new(folder))
        }
        [work, sizes @ ..] => {
            let work = PathBuf::from(work);
            std::fs::create_dir_all(&work)?;
            let sizes = if sizes.is_empty() { &["10000", "50000"] } else { sizes };
            sizes.iter().try_for_each(|size| side_by_side(size.parse()?, 100, &work))
        }
        [] => anyhow::bail!("usage: bench-peers WORK-FOLDER [RECORDS..]"),
    }
}
