//! `baraza restore`: a new home from a backup, with new keys.
//!
//! Invariant: the home appears under its name only when it is whole; nothing is put where
//! anything is. Every record passes the rules again, because the index is made anew from what
//! the backup has. The new keys sign a feed of their own, so the old one cannot fork.
//! Not here: letting the keys act for the centre (`baraza operator add`).
//! Spec: docs/PROTOCOL.md, section 8.4; docs/OPERATIONS.md, "Restore".

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use baraza_api::{ErrorBody, ErrorCode};
use baraza_cli::{RestoreOptions, RestoreReport};
use baraza_network::peer_id_text;
use baraza_protocol::{ingest::log_of, store::StoreRead};
use baraza_record::{
    CentreId,
    backup::{Assembler, DRAFTS, Part},
    frame::{Frame, FrameReader, ReadError},
};
use baraza_store::{LedgerStore, LedgerWriter, Options};

use crate::{
    config::{Defaults, HOME_VERSION, Network, Settings},
    enrol,
    home::{self, Home},
    keys,
    link::Link,
    node,
    staff::Staff,
};

/// Name of the configuration among the files of a backup.
const CONFIG: &str = "config.toml";

/// What was read of a backup.
#[derive(Default)]
struct Unpacked {
    made_ms: u64,
    centre: Option<CentreId>,
    config: Option<Vec<u8>>,
    files: Vec<String>,
    files_broken: Vec<String>,
    frames: u64,
    damaged: u64,
    complete: bool,
}

/// Makes a new home from a backup.
pub(crate) fn restore(home: &Home, options: RestoreOptions) -> Result<RestoreReport, ErrorBody> {
    refuse_existing(home)?;
    let mut name = home.path().file_name().unwrap_or_default().to_owned();
    name.push(".restoring");
    let part = Home::new(&home.path().with_file_name(name));
    // What a restore left that was killed.
    remove(part.path())?;
    let made = make(&part, &options).and_then(|report| {
        put_in_place(part.path(), home.path())?;
        Ok(report)
    });
    if made.is_err() {
        // Best effort: the error that counts is told.
        let _ = remove(part.path());
    }
    let report = made?;
    Ok(RestoreReport { home: home.path().into(), request: home.enrolment(), ..report })
}

fn refuse_existing(home: &Home) -> Result<(), ErrorBody> {
    let free = match fs::read_dir(home.path()) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    match free {
        true => Ok(()),
        false => Err(ErrorBody::new(
            ErrorCode::Home,
            format!("{} exists: a backup is restored into a new home", home.path().display()),
        )
        .with_hint("choose another folder with --home DIR, or move this one away")),
    }
}

fn remove(folder: &Path) -> Result<(), ErrorBody> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(home::file_error("cannot remove", folder, &error))
        }
        _ => Ok(()),
    }
}

fn put_in_place(part: &Path, home: &Path) -> Result<(), ErrorBody> {
    let put = || {
        File::open(part)?.sync_all()?;
        fs::rename(part, home)?;
        let folder = home.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    put().map_err(|error: io::Error| home::file_error("cannot make the home", home, &error))
}

/// Makes the home in the folder `part`.
fn make(part: &Home, options: &RestoreOptions) -> Result<RestoreReport, ErrorBody> {
    let file = File::open(&options.file).map_err(|error| {
        let what = format!("`{}` cannot be read: {error}", options.file.display());
        ErrorBody::new(ErrorCode::Invalid, what)
    })?;
    home::create_private_dir(part.path())?;
    let unpacked = unpack(part, file, &options.file)?;
    let settings = settings(part, &unpacked, &options.file)?;
    let (name, records, rejected) = open_once(part, &settings.centre)?;
    home::create_private_dir(&part.keys())?;
    let (operator, node) = (keys::generate(), keys::generate());
    let passphrase = options.passphrase.as_ref().map(|text| text.as_str());
    keys::store(&part.keys().join(keys::OPERATOR), &operator, passphrase)?;
    keys::store(&part.keys().join(keys::NODE), &node, None)?;
    let request = part.enrolment();
    let enrolment = enrol::write(&request, settings.centre, &operator, &node, &options.label)?;
    let Unpacked { config, made_ms, mut files, files_broken, damaged, complete, .. } = unpacked;
    let text = config.unwrap_or_else(|| settings.to_toml().into_bytes());
    home::create_private_file(&part.config(), &text)?;
    files.sort_unstable();
    Ok(RestoreReport {
        centre: settings.centre,
        name,
        peer_id: peer_id_text(&node.public()),
        home: PathBuf::new(),
        made_ms,
        records,
        rejected,
        files,
        files_broken,
        damaged,
        complete,
        request,
        words: enrolment.words,
    })
}

/// Writes the frames of a backup as a ledger, and its files beside it.
fn unpack(part: &Home, file: File, path: &Path) -> Result<Unpacked, ErrorBody> {
    let failed = |error: io::Error| {
        let what = format!("cannot restore {}: {error}", path.display());
        ErrorBody::new(ErrorCode::Store, what)
    };
    let mut ledger = LedgerWriter::create(part.path()).map_err(failed)?;
    let (mut unpacked, mut assembler) = (Unpacked::default(), Assembler::default());
    for item in FrameReader::new(file) {
        match item {
            Ok((_, Frame::Private(content))) => {
                if let Some(one) = Part::decode(&content) {
                    take_part(part, one, &mut unpacked, &mut assembler)?;
                }
            }
            Ok((_, Frame::Unknown { .. })) => (),
            Ok((_, frame)) => ledger.add(&frame).map_err(failed)?,
            Err(ReadError::Damaged(_)) => {
                unpacked.damaged += 1;
                continue;
            }
            Err(ReadError::Io(error)) => return Err(failed(error)),
        }
        unpacked.frames += 1;
    }
    ledger.finish().map_err(failed)?;
    unpacked.files_broken = assembler.finish();
    // Without it the node gets the settings of a new one, which its owner must know.
    let config = CONFIG.to_owned();
    if unpacked.config.is_none() && !unpacked.files_broken.contains(&config) {
        unpacked.files_broken.push(config);
    }
    Ok(unpacked)
}

fn take_part(
    part: &Home,
    one: Part,
    unpacked: &mut Unpacked,
    assembler: &mut Assembler,
) -> Result<(), ErrorBody> {
    match one {
        Part::Start { made_ms, centre } => {
            (unpacked.made_ms, unpacked.centre) = (made_ms.0, Some(centre));
        }
        Part::End { frames } => unpacked.complete = frames == unpacked.frames,
        Part::File(piece) => {
            let Some((name, content)) = assembler.take(piece) else { return Ok(()) };
            if unpacked.files.contains(&name) {
                return Ok(());
            }
            // The configuration makes a home of a folder: it is written last.
            if name == CONFIG {
                unpacked.config = Some(content);
            } else {
                if name.starts_with(DRAFTS) {
                    home::create_private_dir(&part.drafts())?;
                }
                home::create_private_file(&part.path().join(&name), &content)?;
            }
            unpacked.files.push(name);
        }
    }
    Ok(())
}

/// Returns the settings of the backup, or those that a new node has if they are lost.
fn settings(part: &Home, unpacked: &Unpacked, path: &Path) -> Result<Settings, ErrorBody> {
    let invalid =
        |what: &str| ErrorBody::new(ErrorCode::Invalid, format!("`{}` {what}", path.display()));
    let config = unpacked.config.as_deref().and_then(|text| std::str::from_utf8(text).ok());
    if let Some(text) = config {
        return Settings::parse(text, path, part);
    }
    let Some(centre) = unpacked.centre else {
        return Err(match unpacked.frames {
            0 => invalid("is not a backup"),
            _ => invalid("has neither a configuration nor the name of a centre")
                .with_hint("a bundle is taken by: baraza bundle import FILE"),
        });
    };
    let defaults = Defaults { language: "en".into(), ..Defaults::default() };
    let (network, staff) = (Network::default(), Staff::default());
    Ok(Settings {
        version: HOME_VERSION,
        centre,
        profile: None,
        defaults,
        network,
        link: Link::default(),
        staff,
    })
}

/// Opens the store for the first time, which makes its index from the ledger. Returns the name of
/// the centre, how many records there are, and how many frames the rules refused.
fn open_once(part: &Home, centre: &CentreId) -> Result<(String, u64, u64), ErrorBody> {
    let options = Options::default();
    let (store, report) =
        LedgerStore::open(part.path(), &options).map_err(|error| node::open_error(part, &error))?;
    let log = log_of(&store, centre)
        .map_err(|error| ErrorBody::new(ErrorCode::Store, error.to_string()))?;
    let Some(log) = log else {
        let what = format!("the identity log of centre {centre} is not in the backup, or damaged");
        return Err(ErrorBody::new(ErrorCode::Invalid, what)
            .with_hint("use another backup; a new node of the centre gets all from its peers"));
    };
    Ok((log.state().name.clone(), store.counts().records, report.rejected))
}
