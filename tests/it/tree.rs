//! The files of the workspace.
//!
//! Invariant: files come in the order of their paths, which are relative to the root.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A text file of the workspace.
pub(crate) struct File {
    /// Its path from the root, with `/` between the folders.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) text: String,
}

/// Returns the folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("this package is a folder of the workspace").to_owned()
}

/// Reads a file of the workspace.
#[track_caller]
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the files under `folders`, or the files that they name, whose name ends with `end`.
pub(crate) fn files(folders: &[&str], end: &str) -> Vec<File> {
    let mut found = Vec::new();
    for folder in folders {
        walk(Path::new(folder), end, &mut found);
    }
    found.sort_unstable();
    let read = |path: String| File { text: read(&path), path };
    found.into_iter().map(read).collect()
}

fn walk(path: &Path, end: &str, found: &mut Vec<String>) {
    let here = root().join(path);
    if here.is_file() {
        let name = path.to_str().expect("paths of the workspace are ASCII").replace('\\', "/");
        if name.ends_with(end) {
            found.push(name);
        }
        return;
    }
    let entries = fs::read_dir(&here).unwrap_or_else(|error| panic!("{}: {error}", here.display()));
    for entry in entries {
        let name = entry.unwrap().file_name();
        // A package that was built alone has a build folder of its own.
        if name != "target" {
            walk(&path.join(name), end, found);
        }
    }
}
