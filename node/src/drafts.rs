//! Drafts on the disk: one JSON file for each, in the home, and nowhere else.
//!
//! Invariant: a file is written whole under another name, fsynced and renamed; it has mode 0600.
//! Ledger, index and network never see a draft.
//! Not here: who may do what with one (`baraza_server`).
//! Spec: docs/OPERATIONS.md, "Drafts and staff".

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use baraza_api::{DraftSummary, DraftView};
use baraza_record::BODY_BYTES_MAX;
use baraza_server::{DraftError, DraftStore};
use serde::{Deserialize, Serialize};

use crate::{clock, home, keys};

/// Version of a draft's file.
const DRAFT_FORMAT: u32 = 1;

/// Most drafts that a node keeps: nobody looks through more.
const DRAFTS_KEPT_MAX: usize = 1_000;

/// Most bytes of a draft's body: those of a record, beyond which it could not be published.
const DRAFT_BYTES_MAX: usize = BODY_BYTES_MAX as usize;

/// Most bytes of a draft's file: its body, and its other members.
const DRAFT_FILE_BYTES_MAX: u64 = 2 * BODY_BYTES_MAX as u64;

/// Hexadecimal digits of an id.
const ID_DIGITS: usize = 8;

/// Most candidates that the answer to an ambiguous prefix lists.
const LISTED_MAX: usize = 8;

/// The drafts of a home.
pub(crate) struct Drafts {
    folder: PathBuf,
}

/// What a file holds.
#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    #[serde(flatten)]
    draft: DraftView,
}

impl Drafts {
    /// Takes the drafts in `folder`, which is made with the first one. What a crash left half
    /// written is removed: nobody else writes there.
    pub(crate) fn new(folder: PathBuf) -> Self {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "new") {
                let _ = fs::remove_file(entry.path());
            }
        }
        Self { folder }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    /// Returns the ids of all drafts, in order.
    fn ids(&self) -> Result<Vec<String>, DraftError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| disk("cannot read", &self.folder, &error))?,
        };
        let mut ids = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| disk("cannot read", &self.folder, &error))?;
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".json"));
            ids.extend(id.filter(|id| is_id(id)).map(str::to_owned));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// Reads a draft; says why the file is none.
    fn read(&self, id: &str) -> Result<DraftView, DraftError> {
        let path = self.path(id);
        let read = || {
            let mut bytes = Vec::new();
            File::open(&path)?.take(DRAFT_FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => DraftError::Unknown { prefix: id.to_owned() },
            _ => disk("cannot read", &path, &error),
        })?;
        let unfit = |why: String| DraftError::Disk {
            what: format!("{} is not a draft of this version: {why}", path.display()),
        };
        if DRAFT_FILE_BYTES_MAX < bytes.len() as u64 {
            return Err(unfit(format!("it has more than {DRAFT_FILE_BYTES_MAX} bytes")));
        }
        let kept: Kept =
            serde_json::from_slice(&bytes).map_err(|error| unfit(error.to_string()))?;
        match (kept.format, kept.draft.id == id) {
            (DRAFT_FORMAT, true) => Ok(kept.draft),
            (DRAFT_FORMAT, false) => Err(unfit("it has the id of another".into())),
            (format, _) => Err(unfit(format!("its format is {format}"))),
        }
    }

    fn write(&self, draft: &DraftView) -> Result<(), DraftError> {
        let path = self.path(&draft.id);
        let kept = Kept { format: DRAFT_FORMAT, draft: draft.clone() };
        let json = serde_json::to_vec(&kept)
            .map_err(|error| disk("cannot write", &path, &io::Error::other(error)))?;
        home::replace_private_file(&path, &json)
            .map_err(|error| DraftError::Disk { what: error.message })
    }

    /// Returns an id that no draft has.
    fn new_id(&self) -> String {
        loop {
            let random = keys::random();
            let digits = random.iter().take(ID_DIGITS / 2).map(|byte| format!("{byte:02x}"));
            let id: String = digits.collect();
            if !self.path(&id).exists() {
                return id;
            }
        }
    }
}

impl DraftStore for Drafts {
    fn list(&self) -> Result<(Vec<DraftSummary>, Vec<String>), DraftError> {
        let (mut drafts, mut unreadable) = (Vec::new(), Vec::new());
        for id in self.ids()? {
            match self.read(&id) {
                Ok(draft) => drafts.push(draft.summary()),
                Err(error) => {
                    tracing::warn!(%error, "a draft cannot be read");
                    unreadable.push(format!("{id}.json"));
                }
            }
        }
        drafts.sort_by(|one, other| (other.updated_ms, &one.id).cmp(&(one.updated_ms, &other.id)));
        Ok((drafts, unreadable))
    }

    fn get(&self, prefix: &str) -> Result<DraftView, DraftError> {
        let short: String = prefix.chars().take(2 * ID_DIGITS).collect();
        let prefix = short.trim().to_ascii_lowercase();
        let mut ids = self.ids()?;
        ids.retain(|id| !prefix.is_empty() && id.starts_with(&prefix));
        match ids.as_slice() {
            [] => Err(DraftError::Unknown { prefix }),
            [id] => self.read(id),
            _ => {
                ids.truncate(LISTED_MAX);
                Err(DraftError::Ambiguous { prefix, ids })
            }
        }
    }

    fn create(&self, drafts: Vec<DraftView>) -> Result<Vec<DraftView>, DraftError> {
        let count = self.ids()?.len() + drafts.len();
        if DRAFTS_KEPT_MAX < count {
            return Err(DraftError::Full { count, limit: DRAFTS_KEPT_MAX });
        }
        drafts.iter().try_for_each(fits)?;
        home::create_private_dir(&self.folder)
            .map_err(|error| DraftError::Disk { what: error.message })?;
        let mut made: Vec<DraftView> = Vec::new();
        for mut draft in drafts {
            draft.id = self.new_id();
            draft.version = 1;
            draft.updated_ms = clock::now().0;
            if let Err(error) = self.write(&draft) {
                made.iter().for_each(|draft| drop(fs::remove_file(self.path(&draft.id))));
                return Err(error);
            }
            made.push(draft);
        }
        Ok(made)
    }

    fn replace(&self, mut draft: DraftView) -> Result<DraftView, DraftError> {
        fits(&draft)?;
        draft.version += 1;
        draft.updated_ms = clock::now().0;
        self.write(&draft)?;
        Ok(draft)
    }

    fn remove(&self, id: &str) -> Result<(), DraftError> {
        let path = self.path(id);
        let remove = || {
            fs::remove_file(&path)?;
            File::open(&self.folder)?.sync_all()
        };
        remove().map_err(|error| disk("cannot remove", &path, &error))
    }
}

fn fits(draft: &DraftView) -> Result<(), DraftError> {
    let bytes = serde_json::to_vec(&draft.body).map_or(usize::MAX, |json| json.len());
    match bytes <= DRAFT_BYTES_MAX {
        true => Ok(()),
        false => Err(DraftError::TooLarge { bytes, limit: DRAFT_BYTES_MAX }),
    }
}

fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn disk(what: &str, path: &Path, error: &io::Error) -> DraftError {
    DraftError::Disk { what: format!("{what} {}: {error}", path.display()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use baraza_api::{DraftState, Person};
    use serde_json::json;

    use super::*;

    fn draft(title: &str) -> DraftView {
        DraftView {
            kind: "lesson".into(),
            language: Some("en".into()),
            body: json!({ "title": title }).as_object().unwrap().clone(),
            authors: vec![Person { uid: 1_001, user: "amina".into() }],
            ..DraftView::default()
        }
    }

    fn store() -> (tempfile::TempDir, Drafts) {
        let folder = tempfile::tempdir().unwrap();
        let drafts = Drafts::new(folder.path().join("drafts"));
        (folder, drafts)
    }

    #[test]
    fn a_file_has_this_form_and_only_its_owner_reads_it() {
        let (_folder, drafts) = store();
        let made = drafts.create(vec![draft("Tank")]).unwrap().remove(0);
        let path = drafts.path(&made.id);
        let kept: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(
            kept,
            json!({
                "format": 1, "id": made.id, "kind": "lesson", "language": "en",
                "body": { "title": "Tank" }, "state": "draft",
                "authors": [{ "uid": 1_001, "user": "amina" }], "version": 1,
                "updated_ms": made.updated_ms,
            })
        );
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&drafts.folder)), (0o600, 0o700));
    }

    #[test]
    fn drafts_are_kept_changed_and_removed() {
        let (_folder, drafts) = store();
        assert_eq!(drafts.list().unwrap(), (Vec::new(), Vec::new()), "no folder yet");
        let made = drafts.create(vec![draft("One"), draft("Two")]).unwrap();
        let mut one = drafts.get(&made[0].id).unwrap();
        assert_eq!(one, made[0]);
        one.state = DraftState::Submitted;
        one.submitted_by = one.authors.first().cloned();
        let changed = drafts.replace(one).unwrap();
        assert_eq!((changed.version, changed.state), (2, DraftState::Submitted));
        assert_eq!(drafts.get(&made[0].id.to_uppercase()).unwrap(), changed);
        drafts.remove(&made[0].id).unwrap();
        let prefix = made[0].id.clone();
        assert_eq!(drafts.get(&prefix), Err(DraftError::Unknown { prefix }));
        assert_eq!(drafts.list().unwrap().0.len(), 1);
        assert!(matches!(drafts.remove("00000000"), Err(DraftError::Disk { .. })));
    }

    #[test]
    fn a_prefix_picks_one_or_none() {
        let (_folder, drafts) = store();
        home::create_private_dir(&drafts.folder).unwrap();
        for id in ["aa000000", "aa100000", "bb000000"] {
            drafts.write(&DraftView { id: id.into(), ..draft(id) }).unwrap();
        }
        assert_eq!(drafts.get("b").unwrap().id, "bb000000");
        assert_eq!(drafts.get("aa1").unwrap().id, "aa100000");
        let ids = vec!["aa000000".to_owned(), "aa100000".to_owned()];
        assert_eq!(drafts.get("aa"), Err(DraftError::Ambiguous { prefix: "aa".into(), ids }));
        for absent in ["", "c", "../keys", "aa000000.json"] {
            let found = drafts.get(absent);
            assert!(matches!(found, Err(DraftError::Unknown { .. })), "{absent}: {found:?}");
        }
    }

    #[test]
    fn limits_hold_and_nothing_is_written_beyond_them() {
        let (_folder, drafts) = store();
        let mut large = draft("");
        let rest = DRAFT_BYTES_MAX - serde_json::to_vec(&large.body).unwrap().len();
        large.body.insert("title".into(), "x".repeat(rest).into());
        let mut larger = large.clone();
        larger.body.insert("title".into(), "x".repeat(rest + 1).into());
        let refused = drafts.create(vec![draft("small"), larger.clone()]);
        let (bytes, limit) = (DRAFT_BYTES_MAX + 1, DRAFT_BYTES_MAX);
        assert_eq!(refused, Err(DraftError::TooLarge { bytes, limit }));
        assert!(!drafts.folder.exists(), "all or none");
        let kept = drafts.create(vec![large]).unwrap().remove(0);
        assert_eq!(drafts.get(&kept.id).unwrap(), kept);
        let change = DraftView { id: kept.id.clone(), ..larger };
        assert!(matches!(drafts.replace(change), Err(DraftError::TooLarge { .. })));

        let many = vec![draft("many"); DRAFTS_KEPT_MAX];
        let (count, limit) = (DRAFTS_KEPT_MAX + 1, DRAFTS_KEPT_MAX);
        assert_eq!(drafts.create(many), Err(DraftError::Full { count, limit }));
        assert_eq!(drafts.list().unwrap().0.len(), 1);
    }

    #[test]
    fn what_is_no_draft_is_named_and_left_alone() {
        let (_folder, drafts) = store();
        let made = drafts.create(vec![draft("Tank")]).unwrap().remove(0);
        for (name, text) in [
            ("00000001.json", "{\"format\": 1"),
            ("00000002.json", "{\"format\": 2, \"id\": \"00000002\"}"),
            ("notes.txt", "of somebody else"),
        ] {
            fs::write(drafts.folder.join(name), text).unwrap();
        }
        fs::copy(drafts.path(&made.id), drafts.path("00000003")).unwrap();
        let (listed, unreadable) = drafts.list().unwrap();
        assert_eq!(listed, [made.summary()]);
        assert_eq!(unreadable, ["00000001.json", "00000002.json", "00000003.json"]);
        assert!(matches!(drafts.get("00000001"), Err(DraftError::Disk { .. })));
        assert_eq!(fs::read_dir(&drafts.folder).unwrap().count(), 5);

        fs::write(drafts.folder.join("00000004.new"), "half a dra").unwrap();
        let drafts = Drafts::new(drafts.folder);
        assert_eq!(fs::read_dir(&drafts.folder).unwrap().count(), 5, "left by a crash");
    }
}
