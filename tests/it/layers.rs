//! Who may depend on whom.
//!
//! Edges between our own packages are read from `cargo metadata`, where every declared one
//! counts, whatever the system. What a package links comes from `cargo tree` for that package alone:
//! metadata unites the features of the whole workspace and would blame one crate for
//! what another one asks for.
//! Spec: docs/ARCHITECTURE.md, "Layers".

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

use crate::tree;

/// Clocks, random numbers, networks, storage and executors: nothing that a rule may link.
const NOT_PURE: &[&str] = &[
    "async-std",
    "chrono",
    "fastrand",
    "getrandom",
    "instant",
    "jiff",
    "libp2p",
    "mio",
    "oorandom",
    "quanta",
    "rand",
    "sled",
    "smol",
    "tantivy",
    "time",
    "tokio",
    "web-time",
];

/// Each package: its folder, the packages below it that it may use, and the crates that it may
/// not link, not even through others. A crate of a family (`libp2p-swarm`) counts as the family.
const LAYERS: &[(&str, &str, &[&str], &[&str])] = &[
    ("baraza-record", "crates/record", &[], NOT_PURE),
    ("baraza-identity", "crates/identity", &["record"], NOT_PURE),
    ("baraza-reconcile", "crates/reconcile", &[], NOT_PURE),
    ("baraza-protocol", "crates/protocol", &["record", "identity", "reconcile"], NOT_PURE),
    (
        "baraza-store",
        "crates/store",
        &["record", "identity", "reconcile", "protocol"],
        &["tokio", "libp2p", "tantivy"],
    ),
    ("baraza-search", "crates/search", &["record", "protocol"], &["tokio", "libp2p", "sled"]),
    ("baraza-network", "crates/network", &["record", "protocol"], &["sled", "tantivy"]),
    ("baraza-formats", "crates/formats", &["record"], &["tokio", "libp2p", "sled", "tantivy"]),
    ("baraza-api", "crates/api", &["record"], &["libp2p", "sled", "tantivy"]),
    (
        "baraza-server",
        "crates/server",
        &["api", "identity", "protocol", "record"],
        &["libp2p", "sled", "tantivy"],
    ),
    (
        "baraza-cli",
        "crates/cli",
        &["api", "formats", "identity", "record"],
        &["libp2p", "sled", "tantivy", "tokio"],
    ),
    (
        "baraza",
        "node",
        &[
            "api", "cli", "formats", "identity", "network", "protocol", "record", "search",
            "server", "store",
        ],
        &[],
    ),
    ("baraza-tests", "tests", &[], &[]),
];

/// Lowest versions without a known hole. `.deny.toml` says why, and has the same list.
const FLOORS: &[(&str, [u64; 3])] = &[
    ("libp2p-gossipsub", [0, 50, 1]),
    ("libp2p-quic", [0, 13, 1]),
    ("quinn-proto", [0, 11, 15]),
    ("hickory-proto", [0, 26, 1]),
    ("crossbeam-epoch", [0, 9, 20]),
    ("ed25519-dalek", [3, 0, 0]),
];

#[test]
fn dependencies_point_down() {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--no-deps"])).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let found: BTreeSet<_> = packages.iter().map(|package| text(&package["name"])).collect();
    let listed: BTreeSet<_> = LAYERS.iter().map(|layer| layer.0).collect();
    assert_eq!(found, listed, "the table here names every package of the workspace");

    for package in packages {
        let name = text(&package["name"]);
        let (_, folder, allowed, _) = LAYERS.iter().find(|layer| layer.0 == name).unwrap();
        let manifest = text(&package["manifest_path"]).replace('\\', "/");
        assert!(manifest.ends_with(&format!("/{folder}/Cargo.toml")), "{name} is at {manifest}");

        let dependencies = package["dependencies"].as_array().unwrap();
        let linked = dependencies.iter().filter(|one| one["kind"] != "dev");
        for dependency in linked.filter(|one| !one["path"].is_null()) {
            let below = text(&dependency["name"]);
            let short = below.strip_prefix("baraza-");
            assert!(
                short.is_some_and(|short| allowed.contains(&short)),
                "{name} may not depend on {below}"
            );
        }
    }
}

#[test]
fn the_document_names_every_package() {
    let document = tree::read("docs/ARCHITECTURE.md");
    for (package, folder, ..) in LAYERS {
        let row = format!("| `{folder}` | `{package}` |");
        assert!(document.contains(&row), "docs/ARCHITECTURE.md has no row {row}");
    }
}

#[test]
fn no_package_links_what_it_exists_to_avoid() {
    for (package, _, _, banned) in LAYERS {
        let linked = linked(package);
        assert!(linked.contains(*package), "cargo tree does not list {package} itself");
        for crate_name in &linked {
            let of_family = |family: &&&str| {
                crate_name.strip_prefix(**family).is_some_and(|rest| {
                    rest.is_empty() || rest.starts_with('-') || rest.starts_with('_')
                })
            };
            if let Some(family) = banned.iter().find(of_family) {
                let path = ["tree", "-p", package, "-e", "normal,build", "-i", crate_name];
                panic!("{package} links {crate_name} ({family}):\n{}", cargo(&path));
            }
        }
    }
}

#[test]
fn no_locked_version_is_below_its_floor() {
    let versions = locked_versions();
    let settings = tree::read(".deny.toml");
    for (name, floor) in FLOORS {
        let [major, minor, patch] = floor;
        let entry = format!("crate = \"{name}:<{major}.{minor}.{patch}\"");
        assert!(settings.contains(&entry), ".deny.toml has no {entry}");
        let locked = versions.get(*name);
        let locked = locked.unwrap_or_else(|| panic!("{name} is locked no more: drop its floor"));
        for version in locked {
            assert!(floor <= version, "{name} {version:?} is below {floor:?}");
        }
    }
}

/// Returns the names of the crates that the package alone links, or runs while it is built.
fn linked(package: &str) -> BTreeSet<String> {
    let tree = ["tree", "-p", package, "-e", "normal,build", "--prefix", "none", "--format", "{p}"];
    let lines = cargo(&tree);
    let names = lines.lines().filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).collect()
}

/// Returns the versions of every crate in `Cargo.lock`, without what follows the third number.
fn locked_versions() -> BTreeMap<String, Vec<[u64; 3]>> {
    let lock = tree::read("Cargo.lock");
    let mut versions: BTreeMap<String, Vec<[u64; 3]>> = BTreeMap::new();
    let mut name = "";
    for line in lock.lines() {
        let value = |key| line.strip_prefix(key)?.strip_suffix('"');
        if let Some(this) = value("name = \"") {
            name = this;
        } else if let Some(version) = value("version = \"") {
            let numbers = version.split(['.', '-', '+']).take(3).map(|part| part.parse().unwrap());
            let numbers: Vec<u64> = numbers.collect();
            versions.entry(name.to_owned()).or_default().push(numbers.try_into().unwrap());
        }
    }
    versions
}

/// Runs cargo in the workspace and returns what it prints. It is the cargo that runs this test,
/// and all it needs was fetched to build it.
#[track_caller]
fn cargo(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    let ran = command.args(arguments).args(["--offline", "--locked"]).current_dir(tree::root());
    let ran = ran.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "cargo {}: {said}", arguments.join(" "));
    String::from_utf8(ran.stdout).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
