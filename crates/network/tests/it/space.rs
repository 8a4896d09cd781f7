//! Network namespaces of Linux, for tests that need a network of their own.

use std::process::Command;

/// Tells the test that it runs inside.
const INSIDE: &str = "BARAZA_TEST_NAMESPACE";

/// Runs the test named `test` again inside a new network namespace, prepared by the shell
/// commands `prepare`. Returns whether this is the run inside, which has to do the work.
///
/// Where namespaces are not allowed the test is skipped, and says so.
pub(crate) fn inside(test: &str, prepare: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let allowed = Command::new("unshare").args(["--net", "ip", "link"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        println!("skipped: this machine does not allow network namespaces");
        return false;
    }
    let script =
        format!("set -e; ip link set lo up; {prepare}\nexec \"$0\" --exact {test} --nocapture");
    let program = std::env::current_exe().unwrap();
    let run = Command::new("unshare")
        .args(["--net", "sh", "-c", &script])
        .arg(program)
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success() && out.contains("1 passed"), "{out}{err}");
    println!("{out}");
    false
}

/// Returns the bytes that a device of this namespace has sent.
pub(crate) fn device_sent(device: &str) -> u64 {
    let table = std::fs::read_to_string("/proc/net/dev").unwrap();
    let line = table.lines().find_map(|line| line.trim().strip_prefix(&format!("{device}:")));
    line.unwrap().split_whitespace().nth(8).unwrap().parse().unwrap()
}
