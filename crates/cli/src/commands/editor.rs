//! A text in the editor of whoever sits at the terminal.
//!
//! Invariant: the file is readable to its owner only, and is removed unless it is kept on purpose.
//! Spec: docs/OPERATIONS.md, "Drafts and staff".

use std::{
    ffi::OsString,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use baraza_api::ErrorCode;
use tempfile::TempPath;

use crate::{
    error::{Failure, failure},
    shell::Shell,
};

/// The editor where nobody has named one; POSIX demands it.
const EDITOR_DEFAULT: &str = "vi";

/// A text that was edited, in its file.
pub(super) struct Edited(TempPath);

impl Edited {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Returns whether the text is still `before`.
    pub(super) fn is_unchanged(&self, before: &str) -> bool {
        fs::read(&self.0).is_ok_and(|text| text == before.as_bytes())
    }

    /// Leaves the file in place and returns its path.
    pub(super) fn keep(self) -> Result<PathBuf, Failure> {
        self.0.keep().map_err(|error| {
            failure(ErrorCode::Store, format!("the text cannot be kept: {}", error.error))
        })
    }
}

/// Opens `text` in the editor and waits for its end.
pub(super) fn edit(shell: &mut Shell<'_, '_>, text: &str) -> Result<Edited, Failure> {
    if shell.screen.answers.is_none() {
        let what = "there is no terminal for an editor";
        return Err(failure(ErrorCode::BadRequest, what).hint("baraza draft edit ID FILE"));
    }
    let unwritten =
        |error| failure(ErrorCode::Store, format!("a file to edit cannot be written: {error}"));
    let mut builder = tempfile::Builder::new();
    let mut file = builder.prefix("baraza-draft-").suffix(".md").tempfile().map_err(unwritten)?;
    file.write_all(text.as_bytes()).map_err(unwritten)?;
    let edited = Edited(file.into_temp_path());
    // The variable may hold options too; a shell splits it as people expect.
    let editor = chosen();
    let mut script = editor.clone();
    script.push(" \"$1\"");
    let ended = Command::new("sh").arg("-c").arg(script).arg("sh").arg(edited.path()).status();
    let editor = editor.to_string_lossy();
    match ended {
        Ok(status) if status.success() => Ok(edited),
        Ok(status) => {
            let what = format!("the editor `{editor}` failed ({status}); the draft is as it was");
            Err(failure(ErrorCode::BadRequest, what).hint("set EDITOR to a program that is there"))
        }
        Err(error) => {
            let what = format!("the editor `{editor}` cannot be started: {error}");
            Err(failure(ErrorCode::BadRequest, what).hint("set EDITOR to a program that is there"))
        }
    }
}

fn chosen() -> OsString {
    let named = ["VISUAL", "EDITOR"].into_iter().filter_map(std::env::var_os);
    named.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| EDITOR_DEFAULT.into())
}
