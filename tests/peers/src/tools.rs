//! git and rsync over their daemons. They verify no author, index nothing and know no policy.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};

use crate::measure::{Ended, Memory, Row, timed};

/// Time for a daemon to open its port.
const DAEMON_START: Duration = Duration::from_millis(500);

const GIT_PORT: &str = "9419";
const RSYNC_PORT: &str = "8730";

/// Clones the fresh bodies, then fetches the new ones.
pub fn git(bodies: &Path, work: &Path) -> anyhow::Result<Row> {
    there("git")?;
    let (work, source) = prepare(bodies, work)?;
    let git = |folder: &Path, arguments: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(folder).args(["-c", "gc.auto=0"]).args(arguments);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        for name in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{name}_NAME"), "a")
                .env(format!("GIT_{name}_EMAIL"), "a@b.org");
        }
        command
    };
    let done = |folder: &Path, arguments: &[&str]| finish(git(folder, arguments));
    done(&source, &["init", "-q", "-b", "main"])?;
    done(&source, &["add", "-A"])?;
    done(&source, &["commit", "-q", "-m", "fresh"])?;
    done(&work, &["clone", "-q", "--bare", "--no-local", "source", "server.git"])?;
    let base = format!("--base-path={}", work.display());
    let port = format!("--port={GIT_PORT}");
    let daemon = git(&work, &["daemon", "--reuseaddr", "--export-all", "--listen=127.0.0.1"])
        .args([&base, &port])
        .stderr(Stdio::null())
        .spawn()?;
    let daemon = Ended(daemon);
    std::thread::sleep(DAEMON_START);
    let serving = Memory::watch(&daemon.0);

    let url = format!("git://127.0.0.1:{GIT_PORT}/server.git");
    let (fresh, fresh_wire, fetching_kb) = timed(|| {
        let mut child = git(&work, &["clone", "-q", &url, "clone"]).spawn()?;
        let memory = Memory::watch(&child);
        ensure!(child.wait()?.success(), "git clone failed");
        Ok(memory.peak_kb())
    })?;
    let serving_kb = serving.peak_kb();
    copy(&bodies.join("new"), &source)?;
    done(&source, &["add", "-A"])?;
    done(&source, &["commit", "-q", "-m", "new"])?;
    done(&source, &["push", "-q", "../server.git", "main"])?;
    let clone = work.join("clone");
    let (ten, ten_wire, ()) = timed(|| done(&clone, &["fetch", "-q"]))?;
    let (_, nothing, ()) = timed(|| done(&clone, &["fetch", "-q"]))?;
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

/// Copies the fresh bodies, then the new ones.
pub fn rsync(bodies: &Path, work: &Path) -> anyhow::Result<Row> {
    there("rsync")?;
    let (work, source) = prepare(bodies, work)?;
    let config = work.join("rsyncd.conf");
    let text = format!(
        "port={RSYNC_PORT}\naddress=127.0.0.1\nuse chroot=no\npid file={}\n[d]\npath={}\nread only=yes\n",
        work.join("rsyncd.pid").display(),
        source.display()
    );
    fs::write(&config, text)?;
    let daemon =
        Command::new("rsync").args(["--daemon", "--no-detach", "--config"]).arg(&config).spawn()?;
    let daemon = Ended(daemon);
    std::thread::sleep(DAEMON_START);
    let serving = Memory::watch(&daemon.0);
    let url = format!("rsync://127.0.0.1:{RSYNC_PORT}/d/");
    let copied = work.join("copy");
    let run = || {
        let mut child = Command::new("rsync").args(["-az", &url]).arg(&copied).spawn()?;
        let memory = Memory::watch(&child);
        ensure!(child.wait()?.success(), "rsync failed");
        Ok(memory.peak_kb())
    };
    let (fresh, fresh_wire, fetching_kb) = timed(run)?;
    let serving_kb = serving.peak_kb();
    copy(&bodies.join("new"), &source)?;
    let (ten, ten_wire, _) = timed(run)?;
    let (_, nothing, _) = timed(run)?;
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

fn there(tool: &str) -> anyhow::Result<()> {
    let ran = Command::new(tool).arg("--version").stdout(Stdio::null()).status();
    if !ran.is_ok_and(|status| status.success()) {
        bail!("{tool} is not installed; BARAZA_TEST_INSTALL=1 scripts/bench-peers installs it");
    }
    Ok(())
}

/// Returns an empty folder to work in, and one in it with the fresh bodies.
fn prepare(bodies: &Path, work: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let _ = fs::remove_dir_all(work);
    let source = work.join("source");
    fs::create_dir_all(&source)?;
    copy(&bodies.join("fresh"), &source)?;
    let work = work.canonicalize()?;
    let source = work.join("source");
    Ok((work, source))
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("cp");
    command.arg("-r").arg(from.join(".")).arg(to);
    finish(command)
}

fn finish(mut command: Command) -> anyhow::Result<()> {
    let ran = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(ran.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ran.stderr));
    Ok(())
}
