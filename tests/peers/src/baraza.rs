//! Baraza: its own benchmark between two daemons, which also writes the bodies for the others.

use std::{path::Path, process::Command};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::measure::Row;

/// Runs it. Times run from the start of the empty node's process, and for ten new ones from the
/// order to connect: handshakes are included.
pub fn run(records: u64, signers: u64, bodies: &Path) -> anyhow::Result<Row> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the project's root")?;
    let ran = Command::new("cargo")
        .current_dir(root)
        .args(["bench", "--offline", "-p", "baraza", "--bench", "catchup", "--"])
        .args([records.to_string(), signers.to_string()])
        .arg("--bodies")
        .arg(bodies)
        .output()?;
    ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let said = String::from_utf8_lossy(&ran.stdout);
    print!("{said}");
    let figures: Value = serde_json::from_str(said.lines().last().unwrap_or_default())?;
    let (fresh, ten) = (&figures["fresh"], &figures["ten_new"]);
    let number = |value: &Value| value.as_f64().context("a figure is missing");
    Ok(Row {
        name: "Baraza".into(),
        fresh: number(&fresh["seconds"])?,
        fresh_wire: number(&fresh["wire"])? as u64,
        searchable: Some(number(&fresh["searchable"])?),
        ten: number(&ten["seconds"])?,
        ten_wire: number(&ten["wire"])? as u64,
        nothing_wire: figures["nothing_new"]["agree_wire"].as_u64(),
        serving_kb: number(&fresh["serving_kb"])? as u64,
        fetching_kb: number(&fresh["fetching_kb"])? as u64,
    })
}
