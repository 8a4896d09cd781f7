//! Nodes that cannot dial each other, and nodes without any way to the outside: in network
//! namespaces, where the machine allows them.

use std::{io::Write, process::Command};

use crate::harness::{Scene, Site, agree, lesson};

/// Network namespaces; removed when dropped, with all that is in them.
struct Spaces(Vec<String>);

impl Spaces {
    /// Makes namespaces, each with its loopback device up. `None` where that is not allowed.
    fn new(names: &[&str]) -> Option<Self> {
        let mut spaces = Self(Vec::new());
        for name in names {
            let name = format!("bz{}{name}", std::process::id());
            let made = Command::new("ip").args(["netns", "add", &name]).output();
            if !made.is_ok_and(|made| made.status.success()) {
                println!("skipped: this machine does not allow network namespaces");
                return None;
            }
            spaces.0.push(name);
        }
        for space in &spaces.0 {
            spaces.ip(&format!("-n {space} link set lo up"));
        }
        Some(spaces)
    }

    fn ip(&self, arguments: &str) {
        let run = Command::new("ip").args(arguments.split(' ')).output().unwrap();
        assert!(run.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&run.stderr));
    }

    /// Lays a cable between two of them, with an address at each end.
    fn join(&self, cable: usize, one: (usize, &str), other: (usize, &str)) {
        let (left, right) = (format!("bzl{cable}"), format!("bzr{cable}"));
        let (one_space, other_space) = (&self.0[one.0], &self.0[other.0]);
        self.ip(&format!(
            "link add {left} netns {one_space} type veth peer name {right} netns {other_space}"
        ));
        for (space, end, address) in [(one_space, left, one.1), (other_space, right, other.1)] {
            self.ip(&format!("-n {space} addr add {address} dev {end}"));
            self.ip(&format!("-n {space} link set {end} up"));
        }
    }
}

impl Drop for Spaces {
    fn drop(&mut self) {
        for space in &self.0 {
            let _ = Command::new("ip").args(["netns", "del", space]).output();
        }
    }
}

/// Appends to the configuration of a home.
fn configure(site: &Site, text: &str) {
    let path = site.home.join("config.toml");
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

//     alice -- relay -- bob          (the relay's machine forwards no packets)
#[test]
fn two_nodes_that_cannot_dial_each_other_exchange_a_record() {
    let Some(spaces) = Spaces::new(&["a", "r", "b"]) else { return };
    spaces.join(1, (0, "198.18.1.2/24"), (1, "198.18.1.1/24"));
    spaces.join(2, (2, "198.18.2.2/24"), (1, "198.18.2.1/24"));
    spaces.ip(&format!("-n {} addr add 198.18.0.1/32 dev lo", spaces.0[1]));
    spaces.ip(&format!("-n {} route add default via 198.18.1.1", spaces.0[0]));
    spaces.ip(&format!("-n {} route add default via 198.18.2.1", spaces.0[2]));

    let scene = Scene::new();
    let (alice, relay, bob) = (scene.centre("alice"), scene.centre("relay"), scene.centre("bob"));
    // It carries nothing for them but what is in its circuits.
    std::fs::write(relay.home.join("policy.toml"), "unaccredited = \"drop\"\n").unwrap();
    configure(&relay, "\n[network.reach]\nrelay_server = true\npublic = true\n");
    let running = relay.start_within(&spaces.0[1], "/ip4/198.18.0.1/tcp/4640", &[]);
    let at_relay = running.address.clone();

    configure(&bob, &format!("\n[network.reach]\nrelays = [\"{at_relay}\"]\n"));
    let draft = scene.file("lesson.md", lesson("Dry wells", "The wells fell dry in May."));
    bob.publish(&draft);
    let _bob = bob.start_within(&spaces.0[2], "/ip4/0.0.0.0/tcp/4640", &[]);
    let _alice = alice.start_within(&spaces.0[0], "/ip4/0.0.0.0/tcp/4640", &[&at_relay]);
    agree(&[&alice, &bob], 1);
    assert_eq!(relay.json(&["status"])["records"], 0, "it came through a circuit");
    let peers = alice.json(&["peers"]).to_string();
    assert!(peers.contains("/p2p-circuit"), "{peers}");
}

//     alice -- bob                   (no route to anywhere else)
#[test]
fn a_local_network_without_any_way_to_the_outside_is_enough() {
    let Some(spaces) = Spaces::new(&["m", "n"]) else { return };
    spaces.join(3, (0, "10.77.0.1/24"), (1, "10.77.0.2/24"));
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    for site in [&alice, &bob] {
        let path = site.home.join("config.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("mdns = false"), "{text}");
        std::fs::write(path, text.replace("mdns = false", "mdns = true")).unwrap();
    }
    let draft = scene.file("lesson.md", lesson("Dry wells", "The wells fell dry in May."));
    alice.publish(&draft);
    let _alice = alice.start_within(&spaces.0[0], "/ip4/0.0.0.0/tcp/4640", &[]);
    let _bob = bob.start_within(&spaces.0[1], "/ip4/0.0.0.0/tcp/4640", &[]);
    agree(&[&alice, &bob], 1);
}

#[test]
fn settings_of_the_network_that_cannot_be_are_named() {
    let scene = Scene::new();
    let centre = scene.centre("centre");
    let path = centre.home.join("config.toml");
    let plain = std::fs::read_to_string(&path).unwrap();
    for (setting, part) in [
        ("relays = [\"/ip4/192.0.2.7/tcp/4640\"]", "the id of the relay is missing"),
        ("relay_server = true", "needs `public = true`"),
        ("announce = [\"192.0.2.7:4640\"]", "write it like /ip4/192.0.2.7/tcp/4640"),
        ("ping_s = 0", "ping_s is 0, the limits are 1 to 1800 seconds"),
        ("realys = []", "unknown field `realys`"),
    ] {
        std::fs::write(&path, format!("{plain}\n[network.reach]\n{setting}\n")).unwrap();
        let run = centre.run(&["start"]);
        assert_ne!(run.code, 0);
        assert!(run.err.contains(part), "{setting}: {}", run.err);
        assert!(run.err.contains("config.toml") || run.err.contains("line named"), "{}", run.err);
    }
}
