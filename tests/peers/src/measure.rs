//! Bytes of the loopback device, memory of process trees, and the table.

use std::{
    collections::BTreeMap,
    process::Child,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Time between two looks at the memory of a process tree.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What one of those compared needed.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub name: String,
    /// Until all content is held, in seconds.
    pub fresh: f64,
    pub fresh_wire: u64,
    /// Until all of it can be searched, in seconds; absent where nothing is indexed.
    pub searchable: Option<f64>,
    /// Until ten more are held, in seconds.
    pub ten: f64,
    pub ten_wire: u64,
    /// Bytes when there is nothing new.
    pub nothing_wire: Option<u64>,
    pub serving_kb: u64,
    pub fetching_kb: u64,
}

/// Returns the bytes that went over the loopback device.
pub fn wire() -> u64 {
    let text = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let line = text.lines().find(|line| line.trim_start().starts_with("lo:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// Runs `work`; returns seconds, bytes on the loopback device, and what it returned.
pub fn timed<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(f64, u64, T)> {
    let (started, before) = (Instant::now(), wire());
    let result = work()?;
    Ok((started.elapsed().as_secs_f64(), wire() - before, result))
}

/// Watches the resident memory of a program and of those that it started.
pub struct Memory {
    peak: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Memory {
    pub fn watch(child: &Child) -> Self {
        let (peak, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (theirs, ended, root) = (peak.clone(), stop.clone(), child.id());
        std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                theirs.fetch_max(tree_kb(root), Ordering::Relaxed);
                std::thread::sleep(LOOK_EVERY);
            }
        });
        Self { peak, stop }
    }

    /// Returns the most so far, in kilobytes.
    pub fn peak_kb(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A program that is ended when dropped.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tree_kb(root: u32) -> u64 {
    let mut parents = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir("/proc") else { return 0 };
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let text = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let number = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        };
        parents.insert(pid, (number("PPid:").unwrap_or(0) as u32, number("VmRSS:").unwrap_or(0)));
    }
    let below = |mut pid: u32| {
        while pid != root {
            match parents.get(&pid) {
                Some((parent, _)) if *parent != 0 => pid = *parent,
                _ => return false,
            }
        }
        true
    };
    parents.iter().filter(|(pid, _)| below(**pid)).map(|(_, (_, kb))| kb).sum()
}

/// Prints the rows with their ratio to the first.
pub fn table(records: u64, signers: u64, rows: &[Row]) {
    let Some(ours) = rows.first() else { return };
    let ratio = |one: f64, other: f64| format!("{:.2}", one / other);
    println!("\n### {records} records of 2 KB, {signers} signers\n");
    println!(
        "| | all held | ratio | bytes | ratio | searchable | 10 new | bytes | nothing new | peak memory, serving / fetching |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for row in rows {
        println!(
            "| {} | {:.2} s | {} | {:.2} MB | {} | {} | {:.3} s | {} | {} | {:.0} / {:.0} MB |",
            row.name,
            row.fresh,
            ratio(row.fresh, ours.fresh),
            row.fresh_wire as f64 / 1e6,
            ratio(row.fresh_wire as f64, ours.fresh_wire as f64),
            row.searchable.map_or("-".into(), |seconds| format!("{seconds:.2} s")),
            row.ten,
            row.ten_wire,
            row.nothing_wire.map_or("-".into(), |bytes| bytes.to_string()),
            row.serving_kb as f64 / 1_024.0,
            row.fetching_kb as f64 / 1_024.0,
        );
    }
}
