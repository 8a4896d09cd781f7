//! Backup and restore, and what a backup says of itself.
//!
//! Invariant: no key is ever in a backup; what a person must keep apart is said each time.
//! Not here: reading and writing the files of a home (`node`).
//! Spec: docs/OPERATIONS.md, "Backup, restore, upgrade"; docs/PROTOCOL.md, section 8.4.

use std::path::Path;

use baraza_api::ErrorCode;
use baraza_record::{
    CentreId, Timestamp,
    backup::{Assembler, Part},
};
use serde::Serialize;

use crate::{
    args::{Backup, Restore},
    ceremony, clock,
    error::{Failure, failure},
    host::{BackupReport, RestoreOptions},
    output::{Facts, bytes, count},
    safe::Safe,
    shell::Shell,
};

/// Age of the last backup from which on the status says so (30 days).
const REMIND_MS: u64 = 30 * 24 * 60 * 60 * 1_000;

const FILES_APART: &str = "
The attachments are not in it. Copy the folder attachments/ of the home as well: its files never
change, and a restored home takes those that are put back.";

const KEPT_APART: &str = "
No key is in it: operator, node and root keys stay out. Keep apart, each in another place:
  - the backup, away from this machine
  - the recovery folder with the next key, and its passphrase
  - a copy of the root key (keys/root.pem), and its passphrase
Whoever has the backup reads drafts, the staff's log and the secrets of networks.";

/// What a file says of itself, if it is a backup.
#[derive(Debug, Default, Serialize)]
pub(super) struct BackupSeen {
    centre: Option<CentreId>,
    made_ms: Option<Timestamp>,
    /// Files of the node that are whole.
    files: Vec<String>,
    /// Files of which something is missing or damaged.
    pub(super) files_broken: Vec<String>,
    /// Whether the end is there, and as many frames before it as there should be.
    pub(super) complete: bool,
    #[serde(skip)]
    assembler: Assembler,
}

impl BackupSeen {
    /// Takes a private frame; `before` is how many frames came before it.
    pub(super) fn take(&mut self, content: &[u8], before: u64) {
        match Part::decode(content) {
            Some(Part::Start { made_ms, centre }) => {
                (self.made_ms, self.centre) = (Some(made_ms), Some(centre));
            }
            Some(Part::File(piece)) => {
                self.files.extend(self.assembler.take(piece).map(|(name, _)| name));
            }
            Some(Part::End { frames }) => self.complete = frames == before,
            None => (),
        }
    }

    pub(super) fn finish(&mut self) {
        self.files_broken = std::mem::take(&mut self.assembler).finish();
    }

    pub(super) fn print(&self, shell: &mut Shell<'_, '_>) -> Result<(), Failure> {
        let centre = self.centre.map_or_else(|| "unknown".to_owned(), |centre| centre.short());
        let when = self.made_ms.map_or_else(
            || "at an unknown time".to_owned(),
            |made_ms| clock::moment(made_ms.0, shell.screen.now),
        );
        let files = count(self.files.len() as u64, "file", "files");
        shell
            .print(format!("  backup of a node of centre {centre}, made {when}, with {files}\n"))?;
        for name in &self.files_broken {
            shell.print(format!("  damaged file: {}\n", Safe(name)))?;
        }
        match self.complete {
            true => Ok(()),
            false => shell.print("  not complete: the end, or something before it, is missing\n"),
        }
    }
}

/// Writes a backup.
pub(super) fn backup(shell: &mut Shell<'_, '_>, args: &Backup) -> Result<(), Failure> {
    let question = format!("`{}` exists. Overwrite it?", args.path.display());
    if args.path.is_file() && !shell.confirm(&question)? {
        return Ok(());
    }
    let report = shell.host.backup(&shell.home, &args.path)?;
    if shell.json {
        shell.print_json(&report)?;
    } else {
        print_backup(shell, &report)?;
        if shell.home.join("attachments").is_dir() {
            shell.note(FILES_APART);
        }
        shell.note(KEPT_APART);
    }
    let left_out = report.damaged + report.unknown + report.segments_lost;
    if left_out == 0 && report.files_left_out.is_empty() {
        return Ok(());
    }
    let what = format!(
        "{} of the ledger and {} could not be taken",
        count(left_out, "part", "parts"),
        count(report.files_left_out.len() as u64, "file", "files")
    );
    Err(failure(ErrorCode::Store, what).partly().hint("baraza check; then make another backup"))
}

fn print_backup(shell: &mut Shell<'_, '_>, report: &BackupReport) -> Result<(), Failure> {
    let name = report.file.to_string_lossy();
    shell.print(format!(
        "Wrote {} ({}): {}, {}, {}\n",
        Safe(&name),
        bytes(report.bytes),
        count(report.records, "record", "records"),
        count(report.identities, "identity event", "identity events"),
        count(report.files.len() as u64, "file of the node", "files of the node"),
    ))?;
    for name in &report.files_left_out {
        shell.print(format!("  left out, too large or unreadable: {}\n", Safe(name)))?;
    }
    let before = match report.previous_ms {
        Some(previous_ms) => {
            format!("The last backup was made {}.", clock::moment(previous_ms, shell.screen.now))
        }
        None => "This is the first backup of this node.".to_owned(),
    };
    shell.print(before + "\n")
}

/// Makes a new home from a backup.
pub(super) fn restore(shell: &mut Shell<'_, '_>, args: Restore) -> Result<(), Failure> {
    let what = "the new operator key";
    let passphrase = ceremony::new_passphrase(shell, &args.passphrase, args.no_passphrase, what)?;
    let options = RestoreOptions { file: args.file, label: args.label, passphrase };
    let report = shell.host.restore(&shell.home, options)?;
    let lost = report.damaged + u64::from(!report.complete) + report.files_broken.len() as u64;
    if shell.json {
        shell.print_json(&report)?;
    } else {
        let mut facts = Facts::default();
        facts.add("Centre", format!("{} ({})", Safe(&report.name), report.centre.short()));
        facts.add("Node", Safe(&report.peer_id).to_string());
        facts.add("Home", Safe(&report.home.to_string_lossy()).to_string());
        facts.add("Backup", clock::moment(report.made_ms, shell.screen.now));
        facts.add("Records", count(report.records, "record", "records"));
        facts.add("Files", Safe(&report.files.join(", ")).to_string());
        facts.add("Request", Safe(&report.request.to_string_lossy()).to_string());
        facts.add("Words", Safe(&report.words).to_string());
        shell.print(facts.render())?;
        for name in &report.files_broken {
            shell.print(format!("  not restored, missing or damaged: {}\n", Safe(name)))?;
        }
        shell.note(next_steps(&report.request));
    }
    if lost == 0 {
        return Ok(());
    }
    let what = format!("the backup is not whole: {}", count(lost, "part is", "parts are"));
    Err(failure(ErrorCode::Invalid, what + " missing or damaged")
        .partly()
        .hint("what is whole was restored; records come back from peers: baraza start"))
}

fn next_steps(request: &Path) -> String {
    format!(
        "
The node has new keys. It reads, searches and exchanges at once, and publishes once the
centre's log names its keys:
  1. baraza start, and let it catch up: records and changes newer than the backup come from peers
  2. then, with the root key: baraza operator add {} --root-key FILE
  3. end the keys of the old machine: baraza operator list, baraza operator end KEY --retired;
     if somebody may have them: --compromised
Its peer id is a new one: tell the peers that have the old one in an address.",
        Safe(&request.to_string_lossy())
    )
}

/// Says when the last backup was made, and reminds of the next one.
pub(super) fn age(shell: &Shell<'_, '_>) -> Option<String> {
    if shell.socket.is_some() {
        return None;
    }
    let hint = "make one with: baraza backup DIR";
    let Some(last_ms) = shell.host.last_backup(&shell.home) else {
        return Some(format!("none yet; {hint}"));
    };
    let when = clock::moment(last_ms, shell.screen.now);
    let old = REMIND_MS <= shell.screen.now.since(Timestamp(last_ms));
    Some(if old { format!("last one {when}; {hint}") } else { when })
}
