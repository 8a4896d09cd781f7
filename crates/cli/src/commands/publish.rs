//! Writing: from files to records.
//!
//! Invariant: without `--skip-invalid`, either every draft of a command is published or,
//! because one breaks a rule, none is.
//! Spec: docs/OPERATIONS.md, "Publish".

use std::{
    collections::BTreeSet,
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
};

use baraza_api::{
    Client, DraftBody, ErrorCode, Problem, PublishReply, PublishRequest, Published, RowReport,
};
use baraza_formats::{Draft, FILE_BYTES_MAX};
use baraza_record::{Kind, body};

use super::{
    attach::{self, FileProblem, Prepared},
    id_prefix, key,
};
use crate::{
    args::{self, New, PassphraseFile, Revise},
    error::{Failure, failure},
    output::{Table, count},
    safe::Safe,
    shell::{Shell, read_file},
};

/// Bytes of drafts after which a request ends (1 MiB); one draft is at most about half of it.
const REQUEST_BYTES: usize = 1_024 * 1_024;

/// Most drafts of one command, as of one request.
const DRAFTS_MAX: usize = 10_000;

/// Most rows of the table of drafts that cannot be published; all are in the JSON.
const ROWS_SHOWN_MAX: usize = 50;

pub(super) const RECALL: &str =
    "Public records cannot be recalled from others' disks; a retraction asks them to hide one.";

/// Drafts as they were read, and what could not be read.
#[derive(Default)]
struct Drafts {
    drafts: Vec<DraftBody>,
    reports: Vec<RowReport>,
    files: Vec<Prepared>,
}

/// Waits that people are told of, from half a second on.
const WAIT_TOLD_MS: u64 = 500;

/// How drafts are published.
struct Rules {
    dry_run: bool,
    allow_personal_data: bool,
    skip_invalid: bool,
    passphrase: PassphraseFile,
}

/// Writes the template of a draft.
pub(super) fn new(shell: &mut Shell<'_, '_>, args: &New) -> Result<(), Failure> {
    let template = Kind::from_name(&args.kind).and_then(body::template);
    let Some(template) = template else {
        return Err(failure(ErrorCode::Invalid, format!("`{}` is no kind of draft", args.kind)));
    };
    let Some(path) = &args.output else { return shell.print(template) };
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(template.as_bytes())).map_err(|error| {
        let code = match error.kind() {
            io::ErrorKind::AlreadyExists => ErrorCode::Invalid,
            _ => ErrorCode::Store,
        };
        failure(code, format!("`{}` cannot be written: {error}", path.display()))
    })?;
    shell.note(format!("Fill it in, then: baraza publish {}", Safe(&path.to_string_lossy())));
    Ok(())
}

/// Publishes the drafts of files.
pub(super) fn publish(shell: &mut Shell<'_, '_>, args: &args::Publish) -> Result<(), Failure> {
    let kind = args.kind.as_deref().and_then(Kind::from_name);
    let mut drafts = Drafts::read(&args.files, kind)?;
    for draft in &mut drafts.drafts {
        draft.audience = draft.audience.take().or_else(|| args.audience.clone());
    }
    let rules = Rules {
        dry_run: args.dry_run,
        allow_personal_data: args.allow_personal_data,
        skip_invalid: args.skip_invalid,
        passphrase: args.passphrase.clone(),
    };
    send(shell, drafts, &rules)
}

/// Publishes a new version of a record.
pub(super) fn revise(shell: &mut Shell<'_, '_>, args: &Revise) -> Result<(), Failure> {
    let id = id_prefix(&args.id)?;
    let mut drafts = Drafts::read(std::slice::from_ref(&args.file), None)?;
    if 1 < drafts.drafts.len() + drafts.reports.len() {
        let what = format!("`{}` has more than one draft", args.file.display());
        return Err(failure(ErrorCode::Invalid, what));
    }
    for draft in &mut drafts.drafts {
        let other = draft.revises.replace(id.clone()).map(|other| other.to_ascii_lowercase());
        if let Some(other) = other.filter(|other| !other.starts_with(&id) && !id.starts_with(other))
        {
            let what = format!("the draft revises {other}, the command {id}");
            return Err(failure(ErrorCode::Invalid, what).hint("correct one of them"));
        }
    }
    let Revise { dry_run, allow_personal_data, .. } = *args;
    let passphrase = args.passphrase.clone();
    send(shell, drafts, &Rules { dry_run, allow_personal_data, skip_invalid: false, passphrase })
}

/// Reads the drafts of files, for the node to keep, with the files that they name; each must be
/// readable, none need be complete.
pub(super) fn read_drafts(
    shell: &mut Shell<'_, '_>,
    files: &[PathBuf],
    kind: Option<Kind>,
) -> Result<(Vec<DraftBody>, Vec<Prepared>), Failure> {
    let Drafts { drafts, reports, files } = Drafts::read(files, kind)?;
    if reports.is_empty() {
        return Ok((drafts, files));
    }
    print_reports(shell, &reports)?;
    let unread = count(reports.len() as u64, "draft", "drafts");
    let what = format!("{unread} cannot be read; nothing was kept");
    Err(failure(ErrorCode::Invalid, what).hint("correct them and try again").details(&reports))
}

/// Reads the one draft of a file, with the files that it names.
pub(super) fn read_one_draft(
    shell: &mut Shell<'_, '_>,
    file: &Path,
) -> Result<(DraftBody, Vec<Prepared>), Failure> {
    let (mut drafts, files) = read_drafts(shell, &[file.to_owned()], None)?;
    match (drafts.pop(), drafts.is_empty()) {
        (Some(draft), true) => Ok((draft, files)),
        _ => {
            let what = format!("`{}` does not have exactly one draft", file.display());
            Err(failure(ErrorCode::Invalid, what))
        }
    }
}

/// Cuts drafts into portions that a request can carry.
pub(super) fn portions(drafts: Vec<DraftBody>) -> impl Iterator<Item = Vec<DraftBody>> {
    let rules = Rules {
        dry_run: false,
        allow_personal_data: false,
        skip_invalid: false,
        passphrase: PassphraseFile::default(),
    };
    requests(drafts, &rules).into_iter().map(|request| request.drafts)
}

impl Drafts {
    /// Reads all files. What is wrong with a draft is kept as a report.
    fn read(files: &[PathBuf], default: Option<Kind>) -> Result<Self, Failure> {
        let mut drafts = Self::default();
        for path in files {
            drafts.read_one(path, default)?;
            let count = drafts.drafts.len() + drafts.reports.len();
            if DRAFTS_MAX < count {
                let what = format!("{count} drafts at once, the limit is {DRAFTS_MAX}");
                return Err(failure(ErrorCode::Invalid, what).hint("publish fewer files at a time"));
            }
        }
        Ok(drafts)
    }

    fn read_one(&mut self, path: &Path, default: Option<Kind>) -> Result<(), Failure> {
        let bytes = read_file(path, FILE_BYTES_MAX)?;
        let rows = baraza_formats::parse(&path.to_string_lossy(), &bytes, default)
            .map_err(|error| failure(ErrorCode::Invalid, error.to_string()))?;
        for row in rows {
            match row {
                Ok(draft) => self.add(body_of(draft), path.parent().unwrap_or(Path::new(""))),
                Err(error) => self.reports.push(RowReport {
                    source: error.at.to_string(),
                    problems: vec![Problem {
                        field: error.field,
                        rule: error.fault.to_string(),
                        value: String::new(),
                    }],
                    warnings: Vec::new(),
                }),
            }
        }
        Ok(())
    }
}

impl Drafts {
    /// Takes a draft, and the files that it names from its folder.
    fn add(&mut self, mut draft: DraftBody, folder: &Path) {
        match attach::files_of(&mut draft, folder) {
            Ok(files) => {
                self.files.extend(files);
                self.drafts.push(draft);
            }
            Err(FileProblem { index, name, what }) => self.reports.push(RowReport {
                source: draft.source,
                problems: vec![Problem {
                    field: format!("attachments[{index}].file"),
                    rule: what,
                    value: name,
                }],
                warnings: Vec::new(),
            }),
        }
    }
}

/// Cuts drafts into requests of limited size.
fn requests(drafts: Vec<DraftBody>, rules: &Rules) -> Vec<PublishRequest> {
    let mut requests: Vec<PublishRequest> = Vec::new();
    let mut bytes = 0;
    for draft in drafts {
        let draft_bytes = serde_json::to_vec(&draft).map_or(REQUEST_BYTES, |json| json.len());
        match requests.last_mut().filter(|_| bytes + draft_bytes <= REQUEST_BYTES) {
            Some(request) => request.drafts.push(draft),
            None => {
                let allow_personal_data = rules.allow_personal_data;
                let drafts = vec![draft];
                requests.push(PublishRequest {
                    drafts,
                    allow_personal_data,
                    ..PublishRequest::default()
                });
                bytes = 0;
            }
        }
        bytes += draft_bytes;
    }
    requests
}

fn body_of(draft: Draft) -> DraftBody {
    DraftBody {
        kind: draft.kind.to_string(),
        language: draft.language,
        revises: draft.revises,
        audience: draft.audience,
        body: draft.body,
        source: draft.source.to_string(),
    }
}

/// What was found in drafts.
#[derive(Default)]
struct Findings {
    reports: Vec<RowReport>,
    /// Drafts whose findings are left out of the reports.
    unreported: usize,
    /// Whether a draft cannot be published.
    refused: bool,
}

impl Findings {
    fn add(&mut self, reply: PublishReply) {
        self.reports.extend(reply.reports);
        self.unreported += reply.unreported;
        self.refused |= reply.refused;
    }
}

/// Checks all drafts, then publishes them.
fn send(shell: &mut Shell<'_, '_>, drafts: Drafts, rules: &Rules) -> Result<(), Failure> {
    let client = shell.client()?;
    let Drafts { drafts, reports, files } = drafts;
    let mut findings = Findings { refused: !reports.is_empty(), reports, unreported: 0 };
    let mut requests = requests(drafts, rules);
    // A request is all or nothing by itself; several are checked before the first is sent.
    let several = 1 < requests.len() || !files.is_empty();
    if rules.dry_run || rules.skip_invalid || findings.refused || several {
        for request in &mut requests {
            request.dry_run = true;
            request.coming = files.iter().map(Prepared::hash).collect();
            findings.add(client.post("/v1/records", request)?);
            (request.dry_run, request.coming) = (false, Vec::new());
        }
    }
    if findings.refused && !rules.skip_invalid {
        return Err(refuse(shell, &findings, rules)?);
    }
    let refused = refused(&findings.reports, rules);
    requests.iter_mut().for_each(|one| one.drafts.retain(|draft| !refused.contains(&draft.source)));
    requests.retain(|request| !request.drafts.is_empty());
    if rules.dry_run {
        return print_dry_run(shell, &requests, &findings.reports);
    }
    attach::bring_all(shell, &*client, &files)?;
    let mut published = Vec::new();
    for request in &requests {
        match send_one(shell, &*client, request, rules) {
            Ok(more) => published.extend(more),
            Err(failure) if published.is_empty() => return Err(failure),
            Err(failure) => {
                print_published(shell, &published)?;
                return Err(failure.partly());
            }
        }
    }
    print_published(shell, &published)?;
    if refused.is_empty() {
        return Ok(());
    }
    print_reports(shell, &findings.reports)?;
    let what = format!("{} left out", count(refused.len() as u64, "draft was", "drafts were"));
    Err(failure(ErrorCode::Invalid, what).partly().details(&findings.reports))
}

fn send_one(
    shell: &mut Shell<'_, '_>,
    client: &dyn Client,
    request: &PublishRequest,
    rules: &Rules,
) -> Result<Vec<Published>, Failure> {
    let mut reply: PublishReply =
        key::signed(shell, client, &rules.passphrase, || client.post("/v1/records", request))?;
    if !reply.refused {
        return Ok(std::mem::take(&mut reply.published));
    }
    let mut findings = Findings::default();
    findings.add(reply);
    Err(refuse(shell, &findings, rules)?)
}

/// Returns the sources of the drafts that cannot be published.
fn refused(reports: &[RowReport], rules: &Rules) -> BTreeSet<String> {
    let is_refused = |report: &&RowReport| {
        !report.problems.is_empty() || !(report.warnings.is_empty() || rules.allow_personal_data)
    };
    reports.iter().filter(is_refused).map(|report| report.source.clone()).collect()
}

/// Prints what is wrong and returns the failure.
fn refuse(
    shell: &mut Shell<'_, '_>,
    findings: &Findings,
    rules: &Rules,
) -> Result<Failure, Failure> {
    let reports = &findings.reports;
    print_reports(shell, reports)?;
    let has_problems = reports.iter().any(|report| !report.problems.is_empty());
    let hint = match has_problems {
        true => "correct them and try again, or publish the others with --skip-invalid",
        false => "take personal data out; if it is none, add --allow-personal-data",
    };
    let drafts = (refused(reports, rules).len() + findings.unreported) as u64;
    let drafts = count(drafts, "draft breaks a rule", "drafts break a rule");
    let what = format!("{drafts}; nothing was published");
    Ok(failure(ErrorCode::Invalid, what).hint(hint).details(reports))
}

/// Prints a table of what is wrong, for people; for scripts it is in the error.
pub(super) fn print_reports(
    shell: &mut Shell<'_, '_>,
    reports: &[RowReport],
) -> Result<(), Failure> {
    if shell.json {
        return Ok(());
    }
    let mut table = Table::new(&["DRAFT", "FIELD", "WHAT IS WRONG", "FOUND"], 2);
    let problems = |report: &RowReport| {
        let all = report.problems.iter().chain(&report.warnings);
        all.map(|problem| (report.source.clone(), problem.clone())).collect::<Vec<_>>()
    };
    let rows: Vec<_> = reports.iter().flat_map(problems).collect();
    for (source, Problem { field, rule, value }) in rows.iter().take(ROWS_SHOWN_MAX) {
        table.row([source, field, rule, value].map(|text| Safe(text).to_string()));
    }
    shell.print_table(&table)?;
    match rows.len().saturating_sub(ROWS_SHOWN_MAX) {
        0 => Ok(()),
        more => shell.print(format!("... and {more} more; --json has all\n")),
    }
}

fn print_dry_run(
    shell: &mut Shell<'_, '_>,
    requests: &[PublishRequest],
    reports: &[RowReport],
) -> Result<(), Failure> {
    if shell.json {
        return shell.print_json(&reports);
    }
    if !reports.is_empty() {
        print_reports(shell, reports)?;
    }
    let good: usize = requests.iter().map(|request| request.drafts.len()).sum();
    shell
        .print(format!("{} can be published; nothing was\n", count(good as u64, "draft", "drafts")))
}

pub(super) fn print_published(
    shell: &mut Shell<'_, '_>,
    published: &[Published],
) -> Result<(), Failure> {
    if shell.json {
        return shell.print_json(&published);
    }
    if published.is_empty() {
        return shell.print("Nothing was published\n");
    }
    let mut table = Table::new(&["ID", "KIND", "TITLE"], 2);
    for record in published {
        table.row([
            record.id.short(),
            Safe(&record.kind).to_string(),
            Safe(&record.title).to_string(),
        ]);
    }
    shell.print_table(&table)?;
    let waited_ms = published.iter().map(|record| record.waited_ms).max().unwrap_or(0);
    if WAIT_TOLD_MS <= waited_ms {
        shell.note(format!(
            "\nWaited {} s: after a start, a peer is asked first for what it has of this node's \
             own feed.",
            waited_ms.div_ceil(1_000)
        ));
    }
    shell.note(format!(
        "\nPublished {}. {}\n{RECALL}",
        count(published.len() as u64, "record", "records"),
        held_by(published),
    ));
    Ok(())
}

/// Says who else is known to hold what was just published.
fn held_by(published: &[Published]) -> String {
    let later = "later: baraza show ID";
    match published.iter().map(|record| record.holders.centres).min() {
        None | Some(0) => format!("No other centre is known to hold it yet; {later}"),
        Some(centres) => {
            let centres = count(centres as u64, "other centre is", "other centres are");
            format!("{centres} known to hold it; {later}")
        }
    }
}
