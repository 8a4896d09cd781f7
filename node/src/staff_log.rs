//! The log of what people of this machine did: one JSON object a line, in the home.
//!
//! Invariant: an entry is appended and fsynced before its call is answered; nothing here is ever
//! sent anywhere. A file is moved aside at a limit, and a limited number of them is kept.
//! Not here: what is worth an entry (`baraza_server`).
//! Spec: docs/OPERATIONS.md, "Drafts and staff".

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use baraza_api::{LogEntry, Warning};
use baraza_server::StaffLog;

use crate::clock;

/// Size at which the file is moved aside, in bytes (1 MiB): some 6,000 entries.
const LOG_BYTES_MAX: u64 = 1_024 * 1_024;

/// Files that are kept besides the one that is written.
pub(crate) const LOG_FILES_MAX: usize = 9;

/// The log of a home.
pub(crate) struct Log {
    path: PathBuf,
    bytes_max: u64,
    /// Held while a line is written.
    turn: Mutex<()>,
    /// Where an operator is told that it cannot be written.
    notices: Arc<RwLock<Vec<Warning>>>,
}

impl Log {
    /// Takes the log at `path`, which is made with its first entry.
    pub(crate) fn new(path: PathBuf, notices: Arc<RwLock<Vec<Warning>>>) -> Self {
        Self { path, bytes_max: LOG_BYTES_MAX, turn: Mutex::default(), notices }
    }

    fn write(&self, entry: &LogEntry) -> io::Result<()> {
        let mut line = escape(&serde_json::to_string(entry)?);
        line.push('\n');
        let is_full = fs::metadata(&self.path)
            .is_ok_and(|file| self.bytes_max < file.len() + line.len() as u64);
        if is_full {
            self.rotate()?;
        }
        let is_new = !self.path.exists();
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).mode(0o600).open(&self.path)?;
        if is_cut(&mut file)? {
            line.insert(0, '\n');
        }
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
        match self.path.parent() {
            Some(folder) if is_new => File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    }

    fn rotate(&self) -> io::Result<()> {
        for number in (1..LOG_FILES_MAX).rev() {
            let from = self.aside(number);
            if from.exists() {
                fs::rename(from, self.aside(number + 1))?;
            }
        }
        fs::rename(&self.path, self.aside(1))
    }

    fn aside(&self, number: usize) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }

    fn tell(&self, error: &io::Error) {
        tracing::error!(%error, path = %self.path.display(), "the staff log cannot be written");
        let message = format!("the staff log {} cannot be written", self.path.display());
        let warning = Warning { message, hint: "look at the disk and the file's mode".into() };
        let mut notices = self.notices.write().unwrap_or_else(PoisonError::into_inner);
        if !notices.contains(&warning) {
            notices.push(warning);
        }
    }
}

impl StaffLog for Log {
    fn append(&self, mut entry: LogEntry) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        entry.time_ms = clock::now().0;
        if let Err(error) = self.write(&entry) {
            self.tell(&error);
        }
    }

    fn latest(&self, limit: usize) -> Result<Vec<LogEntry>, String> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = VecDeque::new();
        for path in
            std::iter::once(self.path.clone()).chain((1..=LOG_FILES_MAX).map(|n| self.aside(n)))
        {
            let missing = limit - entries.len();
            let older = last_lines(&path, missing)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            older.into_iter().rev().for_each(|entry| entries.push_front(entry));
            if limit <= entries.len() {
                break;
            }
        }
        Ok(entries.into())
    }
}

/// Returns whether the last line of a file lacks its end, as after a crash.
fn is_cut(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Returns the last entries of a file, the oldest first; a line that a crash cut is left out.
fn last_lines(path: &Path, limit: usize) -> io::Result<VecDeque<LogEntry>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(VecDeque::new()),
        file => file?,
    };
    let mut last = VecDeque::new();
    for line in BufReader::new(file).split(b'\n') {
        let Ok(entry) = serde_json::from_slice(&line?) else { continue };
        if last.len() == limit {
            last.pop_front();
        }
        last.push_back(entry);
    }
    Ok(last)
}

/// Escapes what JSON may carry as it is and a terminal may obey.
fn escape(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        let is_bidi = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || is_bidi {
            text += &format!("\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use baraza_api::Person;

    use super::*;

    fn entry(object: &str) -> LogEntry {
        LogEntry {
            time_ms: 0,
            person: Person { uid: 1_001, user: "amina".into() },
            action: "draft edit".into(),
            objects: vec![object.into()],
            more: 0,
            outcome: "done".into(),
        }
    }

    #[test]
    fn an_entry_is_one_line_that_no_terminal_obeys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("staff.log");
        let log = Log::new(path.clone(), Arc::default());
        log.append(entry("a\nb\u{1b}[31m\u{9b}\u{202e}\u{7f}"));
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 1);
        let is_bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(is_bad), "{text:?}");
        let kept = log.latest(10).unwrap();
        assert_eq!(kept[0].objects, ["a\nb\u{1b}[31m\u{9b}\u{202e}\u{7f}"], "nothing is lost");
        assert_ne!(kept[0].time_ms, 0);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        let members: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["time_ms", "uid", "user", "action", "objects", "outcome"]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn files_are_moved_aside_and_a_limited_number_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::new(folder.path().join("staff.log"), Arc::default());
        log.bytes_max = 300;
        for number in 0..40 {
            log.append(entry(&number.to_string()));
        }
        let latest = log.latest(5).unwrap();
        let objects: Vec<_> = latest.iter().map(|entry| entry.objects[0].as_str()).collect();
        assert_eq!(objects, ["35", "36", "37", "38", "39"]);
        let files = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 1 + LOG_FILES_MAX);
        let kept = log.latest(200).unwrap().len();
        assert!((1 + LOG_FILES_MAX..40).contains(&kept), "{kept}");
    }

    #[test]
    fn a_line_that_a_crash_cut_costs_that_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("staff.log");
        let log = Log::new(path.clone(), Arc::default());
        log.append(entry("first"));
        let cut = [fs::read(&path).unwrap(), b"{\"time_ms\": 12, \"ui".to_vec()].concat();
        fs::write(&path, cut).unwrap();
        log.append(entry("third"));
        assert_eq!(log.latest(10).unwrap().len(), 2);
    }

    #[test]
    fn a_log_that_cannot_be_written_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let notices: Arc<RwLock<Vec<Warning>>> = Arc::default();
        let log = Log::new(folder.path().join("gone/staff.log"), Arc::clone(&notices));
        log.append(entry("one"));
        log.append(entry("two"));
        assert_eq!(notices.read().unwrap().len(), 1);
    }
}
