//! The folder of a node: what lies where, and who may read it.
//!
//! Invariant: folders are 0700 and files 0600; a key file that others can read is
//! refused. Files are made whole or not at all.
//! Not here: what the store keeps (`baraza-store`).
//! Spec: docs/OPERATIONS.md, "The home".

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use baraza_api::{ErrorBody, ErrorCode};

/// Paths inside a home.
#[derive(Clone, Debug)]
pub(crate) struct Home(PathBuf);

impl Home {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.0.join("index")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join("api.sock")
    }

    /// What the operator wants shown; absent: the defaults.
    pub(crate) fn policy(&self) -> PathBuf {
        self.0.join("policy.toml")
    }

    /// Whom the operator trusts; written by commands.
    pub(crate) fn trust(&self) -> PathBuf {
        self.0.join("trust.toml")
    }

    /// Keys of the networks that were made here.
    pub(crate) fn networks(&self) -> PathBuf {
        self.0.join("networks")
    }

    /// The networks that the node belongs to, with their secrets.
    pub(crate) fn networks_file(&self) -> PathBuf {
        self.0.join("networks.toml")
    }

    pub(crate) fn drafts(&self) -> PathBuf {
        self.0.join("drafts")
    }

    /// What people of this machine did.
    pub(crate) fn staff_log(&self) -> PathBuf {
        self.0.join("staff.log")
    }

    /// When the last backup was made: milliseconds since 1970, as text.
    pub(crate) fn last_backup(&self) -> PathBuf {
        self.0.join("last-backup")
    }

    /// The request to be added to the centre that a node joins.
    pub(crate) fn enrolment(&self) -> PathBuf {
        self.0.join("enrolment.json")
    }

    /// Names the recovery folder until its owner has put it away.
    pub(crate) fn recovery_note(&self) -> PathBuf {
        self.0.join("recovery-not-stored")
    }

    pub(crate) fn exists(&self) -> bool {
        self.config().is_file()
    }

    /// Checks that there is a node here.
    pub(crate) fn require(&self) -> Result<(), ErrorBody> {
        match self.exists() {
            true => Ok(()),
            false => Err(ErrorBody::new(
                ErrorCode::Home,
                format!("there is no node in {}", self.0.display()),
            )
            .with_hint("baraza init --name \"Your centre\" --country KE")),
        }
    }
}

/// Makes a folder that only its owner can enter, and those above it as they come.
pub(crate) fn create_private_dir(path: &Path) -> Result<(), ErrorBody> {
    let make = || {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::DirBuilder::new().mode(0o700).create(path).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists if path.is_dir() => Ok(()),
            _ => Err(error),
        })
    };
    make().map_err(|error| file_error("cannot make the folder", path, &error))
}

/// Writes a new file that only its owner can read. It must not exist.
pub(crate) fn create_private_file(path: &Path, content: &[u8]) -> Result<(), ErrorBody> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(content)?;
        file.sync_all()?;
        path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    };
    write().map_err(|error| file_error("cannot write", path, &error))
}

/// Writes a file that only its owner can read, whole: whoever reads it sees the old content or
/// the new one.
pub(crate) fn replace_private_file(path: &Path, content: &[u8]) -> Result<(), ErrorBody> {
    let aside = path.with_extension("new");
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(file_error("cannot remove", &aside, &error));
        }
        _ => (),
    }
    create_private_file(&aside, content)?;
    let replace = || {
        fs::rename(&aside, path)?;
        path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    };
    replace().map_err(|error| file_error("cannot write", path, &error))
}

/// Reads a file that holds a secret, and refuses one that others can read.
pub(crate) fn read_private_file(path: &Path) -> Result<Vec<u8>, ErrorBody> {
    let read = || {
        let mode = fs::metadata(path)?.permissions().mode();
        Ok((mode & 0o077, fs::read(path)?))
    };
    let (others, content) =
        read().map_err(|error: io::Error| file_error("cannot read", path, &error))?;
    match others {
        0 => Ok(content),
        _ => Err(ErrorBody::new(
            ErrorCode::Home,
            format!(
                "{} may be read by others (mode {others:03o} beyond the owner's)",
                path.display()
            ),
        )
        .with_hint(format!("chmod 600 {}", path.display()))),
    }
}

/// Says which file could not be used and why.
pub(crate) fn file_error(what: &str, path: &Path, error: &io::Error) -> ErrorBody {
    ErrorBody::new(ErrorCode::Home, format!("{what} {}: {error}", path.display()))
}
