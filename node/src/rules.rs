//! `policy.toml` and `trust.toml`: what the operator wants shown, and whom it trusts.
//!
//! Invariant: a file that changed counts at the next request. One with an error never takes
//! effect: at a start it is refused, later the last good one stays in force and the error is
//! shown. A misspelt member must not look as if it worked.
//! Not here: what follows from them (`baraza_protocol::policy`).
//! Spec: docs/OPERATIONS.md, "Policy".

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use baraza_api::{ErrorBody, ErrorCode, Warning};
use baraza_protocol::{
    accreditation::Pin,
    policy::{Action, OVERRIDES_MAX, Override, Policy, STALE_MARK_DAYS, Trust, Unaccredited},
    quota::Quotas,
};
use baraza_record::{CentreId, Timestamp, body, vocab};
use baraza_server::{Loaded, RulesSource};
use serde::{Deserialize, Serialize};

use crate::{
    attachments::AttachmentsEntry,
    clock,
    home::{self, Home},
    interests::InterestsEntry,
};

/// Most bytes of either file: every override that may be, with a reason of a few lines.
const FILE_BYTES_MAX: u64 = 1_024 * 1_024;

const TRUST_HEAD: &str = "\
# Written by `baraza trust` and `baraza quarantine release`; use these commands to change it.

";

/// The policy as people write it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PolicyFile {
    unaccredited: UnaccreditedWord,
    stale_mark_days: u64,
    quotas: QuotasEntry,
    interests: InterestsEntry,
    attachments: AttachmentsEntry,
    r#override: Vec<OverrideEntry>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum UnaccreditedWord {
    Carry,
    Quarantine,
    Drop,
}

/// Quotas as people write them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct QuotasEntry {
    centres: u64,
    new_centres_per_day: u32,
    bytes: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OverrideEntry {
    id: CentreId,
    action: ActionWord,
    #[serde(default)]
    reason: String,
    until: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ActionWord {
    Block,
    Trust,
}

/// Trust as it is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TrustFile {
    released: Vec<CentreId>,
    nation: Vec<NationEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NationEntry {
    country: String,
    id: CentreId,
    since_ms: u64,
}

impl Default for PolicyFile {
    fn default() -> Self {
        Self {
            unaccredited: UnaccreditedWord::Carry,
            stale_mark_days: STALE_MARK_DAYS,
            quotas: QuotasEntry::default(),
            interests: InterestsEntry::default(),
            attachments: AttachmentsEntry::default(),
            r#override: Vec::new(),
        }
    }
}

impl Default for QuotasEntry {
    fn default() -> Self {
        let Quotas { centres, new_centres_per_day, bytes } = Quotas::default();
        Self { centres, new_centres_per_day, bytes }
    }
}

/// Tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

/// A file, and what its last good state says.
pub(crate) struct Watched<T> {
    path: PathBuf,
    read: fn(&Path, &str) -> Result<T, ErrorBody>,
    stamp: Option<Stamp>,
    /// What the last good state of the file says.
    pub(crate) good: Arc<T>,
    /// What is wrong with its present one.
    pub(crate) error: Option<ErrorBody>,
}

/// Both files of a home.
struct Files {
    policy: Watched<Policy>,
    trust: Watched<Trust>,
}

/// Opens policy and trust of a home.
///
/// # Errors
///
/// `Home`: a file has an error, or cannot be read.
pub(crate) fn open(home: &Home) -> Result<RulesSource, ErrorBody> {
    let files = Files {
        policy: Watched::open(home.policy(), read_policy)?,
        trust: Watched::open(home.trust(), read_trust)?,
    };
    let path = home.trust();
    let files = Arc::new(Mutex::new(files));
    let saved = Arc::clone(&files);
    let load = move || files.lock().unwrap_or_else(PoisonError::into_inner).load();
    let save = move |trust: &Trust| {
        let mut files = saved.lock().unwrap_or_else(PoisonError::into_inner);
        // What a person broke by hand is not overwritten with what was there before.
        files.trust.refresh();
        match &files.trust.error {
            Some(error) => Err(error.clone()),
            None => save_trust(&path, trust),
        }
    };
    Ok(RulesSource::new(Arc::new(load), Arc::new(save), Arc::new(clock::now)))
}

/// Writes trust to its file.
fn save_trust(path: &Path, trust: &Trust) -> Result<(), ErrorBody> {
    let nation = trust.pins.iter().map(|pin| NationEntry {
        country: pin.country.clone(),
        id: pin.nation,
        since_ms: pin.since.0,
    });
    let released = trust.released.iter().copied().map(CentreId).collect();
    let file = TrustFile { released, nation: nation.collect() };
    let text = toml::to_string_pretty(&file).expect("plain trust always encodes");
    home::replace_private_file(path, format!("{TRUST_HEAD}{text}").as_bytes())
}

/// Has a new home of a nation trust that nation.
pub(crate) fn trust_own(home: &Home, nation: CentreId, country: &str) -> Result<(), ErrorBody> {
    let pin = Pin { nation, country: country.to_owned(), since: clock::now() };
    save_trust(&home.trust(), &Trust { pins: vec![pin], released: BTreeSet::new() })
}

impl Files {
    fn load(&mut self) -> Loaded {
        self.policy.refresh();
        self.trust.refresh();
        let errors = [&self.policy.error, &self.trust.error].into_iter().flatten();
        let errors = errors.map(|error| Warning {
            message: format!("the last good version stays in force: {}", error.message),
            hint: error.hint.clone().unwrap_or_default(),
        });
        Loaded {
            errors: errors.collect(),
            policy: Arc::clone(&self.policy.good),
            trust: Arc::clone(&self.trust.good),
        }
    }
}

impl<T: Default> Watched<T> {
    pub(crate) fn open(
        path: PathBuf,
        read: fn(&Path, &str) -> Result<T, ErrorBody>,
    ) -> Result<Self, ErrorBody> {
        let mut watched = Self { path, read, stamp: None, good: Arc::default(), error: None };
        watched.refresh();
        match watched.error.take() {
            Some(error) => Err(error),
            None => Ok(watched),
        }
    }

    /// Reads the file if it is another than before.
    pub(crate) fn refresh(&mut self) {
        match stamp(&self.path) {
            Ok(stamp) if stamp == self.stamp && self.error.is_none() => (),
            Ok(None) => (self.stamp, self.good, self.error) = (None, Arc::default(), None),
            Ok(stamp) => {
                // The stamp was taken first: what is written meanwhile is read the next time.
                self.stamp = stamp;
                match read_text(&self.path).and_then(|text| (self.read)(&self.path, &text)) {
                    Ok(good) => (self.good, self.error) = (Arc::new(good), None),
                    Err(error) => self.error = Some(error),
                }
            }
            Err(error) => self.error = Some(home::file_error("cannot read", &self.path, &error)),
        }
    }
}

fn stamp(path: &Path) -> io::Result<Option<Stamp>> {
    match fs::metadata(path) {
        Ok(facts) => Ok(Some(Stamp {
            inode: facts.ino(),
            bytes: facts.len(),
            changed: (facts.mtime(), facts.mtime_nsec()),
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_text(path: &Path) -> Result<String, ErrorBody> {
    let unreadable = |error: io::Error| home::file_error("cannot read", path, &error);
    let bytes = fs::metadata(path).map_err(unreadable)?.len();
    if FILE_BYTES_MAX < bytes {
        return Err(wrong(path, format!("it has {bytes} bytes, the limit is {FILE_BYTES_MAX}")));
    }
    fs::read_to_string(path).map_err(unreadable)
}

fn read_policy(path: &Path, text: &str) -> Result<Policy, ErrorBody> {
    let file: PolicyFile = toml::from_str(text).map_err(|error| wrong(path, error.to_string()))?;
    let count = file.r#override.len();
    if OVERRIDES_MAX < count {
        return Err(wrong(path, format!("it has {count} overrides, the limit is {OVERRIDES_MAX}")));
    }
    let overrides = file.r#override.into_iter().map(|entry| {
        let OverrideEntry { id, action, reason, until } = entry;
        if let Some(day) = until.as_ref().filter(|day| !body::is_date(day)) {
            let what = format!("override of {id}: until: `{day}` is no day such as 2027-02-28");
            return Err(wrong(path, what));
        }
        let action = match action {
            ActionWord::Block => Action::Block,
            ActionWord::Trust => Action::Trust,
        };
        Ok(Override { id: id.0, action, reason, until })
    });
    Ok(Policy {
        unaccredited: match file.unaccredited {
            UnaccreditedWord::Carry => Unaccredited::Carry,
            UnaccreditedWord::Quarantine => Unaccredited::Quarantine,
            UnaccreditedWord::Drop => Unaccredited::Drop,
        },
        stale_mark_days: file.stale_mark_days,
        quotas: Quotas {
            centres: file.quotas.centres,
            new_centres_per_day: file.quotas.new_centres_per_day,
            bytes: file.quotas.bytes,
        },
        interests: file.interests.read(),
        attachments: file.attachments.read(),
        overrides: overrides.collect::<Result<_, _>>()?,
    })
}

fn read_trust(path: &Path, text: &str) -> Result<Trust, ErrorBody> {
    let file: TrustFile = toml::from_str(text).map_err(|error| wrong(path, error.to_string()))?;
    let pins = file.nation.into_iter().map(|entry| {
        let NationEntry { country, id, since_ms } = entry;
        match vocab::is_country_code(&country) {
            true => Ok(Pin { nation: id, country, since: Timestamp(since_ms) }),
            false => Err(wrong(path, format!("nation {id}: `{country}` is no country code"))),
        }
    });
    let released = file.released.into_iter().map(|id| id.0).collect();
    Ok(Trust { pins: pins.collect::<Result<_, _>>()?, released })
}

fn wrong(path: &Path, what: String) -> ErrorBody {
    ErrorBody::new(ErrorCode::Home, format!("{}: {}", path.display(), what.trim_end()))
        .with_hint("correct the line named, then try again")
}

#[cfg(test)]
mod tests {
    use baraza_protocol::{attachments::AttachmentRules, interests::Interests};
    use baraza_record::{Goals, Kind};

    use super::*;

    const ID: &str = "4aeb96f989bf02b7d1b7eb68232405cae4bcd43704bae6b4a3c9eb11b2284588";

    fn policy(text: &str) -> Result<Policy, String> {
        read_policy(Path::new("policy.toml"), text).map_err(|error| error.message)
    }

    #[test]
    fn every_member_of_a_policy_is_read() {
        let read = policy(&format!(
            "unaccredited = \"quarantine\"\nstale_mark_days = 30\n[[override]]\nid = \"{ID}\"\n\
             action = \"block\"\nreason = \"asked to\"\nuntil = \"2027-02-28\"\n\
             [[override]]\nid = \"{ID}\"\naction = \"trust\"\n"
        ));
        let id = ID.parse::<CentreId>().unwrap().0;
        let (reason, until) = ("asked to".to_owned(), Some("2027-02-28".to_owned()));
        let block = Override { id, action: Action::Block, reason, until };
        let trust = Override { id, action: Action::Trust, reason: String::new(), until: None };
        let expected = Policy {
            unaccredited: Unaccredited::Quarantine,
            stale_mark_days: 30,
            quotas: Quotas::default(),
            interests: Interests::default(),
            attachments: AttachmentRules::default(),
            overrides: vec![block, trust],
        };
        assert_eq!(read, Ok(expected));
        let quotas = Quotas { centres: 7, new_centres_per_day: 8, bytes: Some(9) };
        let some = policy("[quotas]\ncentres = 7\nnew_centres_per_day = 8\nbytes = 9\n");
        assert_eq!(some, Ok(Policy { quotas, ..Policy::default() }));
        let some = policy(
            "[interests]\nkinds = [\"practice\", \"lesson\"]\ngoals = [6, 13]\nregions = [\"014\"]\n",
        );
        let interests = Interests {
            kinds: vec![Kind::PRACTICE, Kind::LESSON],
            goals: Goals::default().with(6).with(13),
            regions: vec![14],
        };
        assert_eq!(some, Ok(Policy { interests, ..Policy::default() }));
        let some =
            policy("[attachments]\nfetch_bytes = 7\ntypes = [\"image/*\"]\nquota_bytes = 8\n");
        let types = vec!["image/*".to_owned()];
        let attachments = AttachmentRules { fetch_bytes: 7, types, quota_bytes: 8 };
        assert_eq!(some, Ok(Policy { attachments, ..Policy::default() }));
        let one = policy("[quotas]\nbytes = 9\n").map(|policy| policy.quotas);
        assert_eq!(one, Ok(Quotas { bytes: Some(9), ..Quotas::default() }));
        assert_eq!(policy(""), Ok(Policy::default()), "an empty file is the default");
        let drop = Policy { unaccredited: Unaccredited::Drop, ..Policy::default() };
        assert_eq!(policy("unaccredited = \"drop\""), Ok(drop));
    }

    #[test]
    fn a_policy_with_a_slip_is_refused_with_its_place() {
        let entry =
            |rest: &str| format!("[[override]]\nid = \"{ID}\"\naction = \"block\"\n{rest}\n");
        for (text, said) in [
            ("unacredited = \"carry\"".to_owned(), "unknown field `unacredited`"),
            ("\nunaccredited = \"hide\"".to_owned(), "line 2"),
            ("stale_mark_days = -1".to_owned(), "line 1"),
            ("[quotas]\nbytes = \"10 %\"".to_owned(), "line 2"),
            ("[quotas]\ncentres = 9\ncenters = 9".to_owned(), "line 3"),
            ("[quotas]\nnew_centres_per_day = -1".to_owned(), "line 2"),
            ("[interests]\ngoals = [6]\nkinds = [\"practise\"]".to_owned(), "line 3"),
            ("[interests]\nkinds = [\"practise\"]".to_owned(), "`practise` is no kind"),
            ("[interests]\ngoals = [18]".to_owned(), "18 is no goal from 1 to 17"),
            ("[interests]\nregions = [\"14\"]".to_owned(), "`14` is no region code"),
            ("[interests]\nkinds = []".to_owned(), "an empty list says nothing"),
            ("[attachments]\nfetch = 1".to_owned(), "unknown field `fetch`"),
            ("[attachments]\nfetch_bytes = \"1 MB\"".to_owned(), "line 2"),
            ("[attachments]\ntypes = [\"png\"]".to_owned(), "`png` is no media type"),
            ("[attachments]\ntypes = []".to_owned(), "an empty list says nothing"),
            (format!("[interests]\ngoals = [{}1]", "1, ".repeat(64)), "65 interests"),
            ("[[override]]\naction = \"block\"".to_owned(), "missing field `id`"),
            ("[[override]]\nid = \"4aeb\"\naction = \"block\"".to_owned(), "line 2"),
            (entry("till = \"2027-01-01\""), "unknown field `till`"),
            (entry("until = \"tomorrow\""), "`tomorrow` is no day"),
            (entry("").repeat(OVERRIDES_MAX + 1), "it has 1001 overrides, the limit is 1000"),
        ] {
            let error = policy(&text).unwrap_err();
            assert!(error.starts_with("policy.toml: ") && error.contains(said), "{error}");
        }
    }

    #[test]
    fn trust_survives_its_file_and_what_a_person_broke_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trust.toml");
        let nation = ID.parse().unwrap();
        let pin = Pin { nation, country: "KE".into(), since: Timestamp(7) };
        let trust = Trust { pins: vec![pin], released: BTreeSet::from([[3; 32]]) };
        save_trust(&path, &trust).unwrap();
        save_trust(&path, &trust).unwrap();
        let mut watched = Watched::open(path.clone(), read_trust).unwrap();
        assert_eq!(*watched.good, trust);

        fs::write(&path, "nation = 1\n").unwrap();
        watched.refresh();
        assert_eq!(*watched.good, trust, "the last good one stays");
        assert!(watched.error.as_ref().unwrap().message.contains("line 1"));
        assert!(Watched::open(path.clone(), read_trust).is_err(), "and none is made of it");
        save_trust(&path, &Trust::default()).unwrap();
        watched.refresh();
        assert_eq!((&*watched.good, &watched.error), (&Trust::default(), &None));
        fs::remove_file(&path).unwrap();
        watched.refresh();
        assert_eq!(*watched.good, Trust::default());
    }
}
