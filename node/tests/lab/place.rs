//! Places: network namespaces with one TUN device each, and the programs in them.
//!
//! Invariant: a place ends with its owner, also when that is killed: a namespace lives as long
//! as the program that waits in it, which ends when its input does.
//! Not here: what passes between places (`carrier`).
//! Spec: docs/BENCHMARKS.md, "The link laboratory".

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use tun_rs::{DeviceBuilder, SyncDevice};

/// Bytes of the largest packet: what a tunnelled satellite line leaves.
const MTU: u16 = 1_400;

/// A network namespace.
pub(crate) struct Place {
    holder: Child,
    number: usize,
}

impl Place {
    /// Makes place number `number` with its device; says why if the system does not allow it.
    pub(crate) fn make(number: usize) -> Result<(Self, SyncDevice), String> {
        let mut holder = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo here && exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot run unshare: {error}"))?;
        let output = holder.stdout.take().expect("it was asked for");
        let mut line = String::new();
        let said = BufReader::new(output).read_line(&mut line);
        let place = Self { holder, number };
        if said.is_err() || line.is_empty() {
            return Err("network namespaces are not permitted".into());
        }
        // Several laboratories may stand at once, in one process or more.
        let name = format!("bz{}", place.holder.id());
        let device = DeviceBuilder::new().name(&name).enable(false).build_sync();
        let device = device.map_err(|error| format!("no TUN device: {error}"))?;
        device.set_nonblocking(true).map_err(|error| format!("no TUN device: {error}"))?;
        let pid = place.holder.id().to_string();
        run(Command::new("ip").args(["link", "set", &name, "netns", &pid]))?;
        let address = place.address();
        // Without IPv6 nothing is sent that nobody asked for.
        let setup = format!(
            "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; ip link set lo up && \
             ip addr add {address}/24 dev {name} && ip link set {name} mtu {MTU} up"
        );
        run(place.command("sh").args(["-c", &setup]))?;
        Ok((place, device))
    }

    /// Returns the address of its device.
    pub(crate) fn address(&self) -> String {
        format!("10.77.0.{}", self.number + 1)
    }

    /// Returns a command that runs `program` in this place.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.holder.id())).arg("--").arg(program);
        command
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let ran = command.output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&ran.stderr);
    if ran.status.success() { Ok(()) } else { Err(format!("{command:?}: {}", said.trim())) }
}
