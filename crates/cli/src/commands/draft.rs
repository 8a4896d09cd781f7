//! Drafts that the node keeps, from the first line to the release.
//!
//! Invariant: what somebody wrote is never lost to a fault in it: the old draft stays, and the
//! new text stays in its file.
//! Not here: reading files (`publish`, `baraza_formats`), the editor (`editor`).
//! Spec: docs/OPERATIONS.md, "Drafts and staff".

use std::path::Path;

use baraza_api::{
    Client, DraftBody, DraftSummary, DraftView, DraftsReply, EditRequest, ErrorCode, ImportRequest,
    Person, PublishReply, RecordView, ReleaseRequest, RetractRequest, RetractionDraft, SubmitReply,
};
use baraza_formats::{Draft as Written, Place, Source, to_markdown};
use baraza_record::Kind;
use serde_json::{Value, json};

use super::{attach, editor, id_prefix, key, publish};
use crate::{
    args::{Draft, DraftImport, DraftRelease, DraftRetract},
    clock,
    error::{Failure, failure},
    output::{Facts, Table, count},
    safe::Safe,
    shell::Shell,
};

/// Runs a command about drafts.
pub(super) fn run(shell: &mut Shell<'_, '_>, command: Draft) -> Result<(), Failure> {
    match command {
        Draft::List => list(shell),
        Draft::Show { id, markdown } => show(shell, &id, markdown),
        Draft::Import(args) => import(shell, &args),
        Draft::Edit { id, file } => edit(shell, &id, file.as_deref()),
        Draft::Submit { id } => submit(shell, &id),
        Draft::Release(args) => release(shell, &args),
        Draft::Retract(args) => retract(shell, args),
        Draft::Discard { id } => discard(shell, &id),
    }
}

fn path_of(id: &str) -> Result<String, Failure> {
    Ok(format!("/v1/drafts/{}", id_prefix(id)?))
}

fn list(shell: &mut Shell<'_, '_>) -> Result<(), Failure> {
    let reply: DraftsReply = shell.client()?.get("/v1/drafts")?;
    if shell.json {
        return shell.print_json(&reply);
    }
    if reply.drafts.is_empty() && reply.unreadable.is_empty() {
        return shell.print("No drafts are kept. Begin with: baraza draft import FILE\n");
    }
    print_table(shell, &reply.drafts)?;
    for name in &reply.unreadable {
        shell.print(format!("Cannot be read: {}\n", Safe(name)))?;
    }
    if reply.two_person {
        shell.note("A draft is released by somebody who neither wrote nor submitted it.");
    }
    Ok(())
}

fn print_table(shell: &mut Shell<'_, '_>, drafts: &[DraftSummary]) -> Result<(), Failure> {
    let mut table = Table::new(&["DRAFT", "STATE", "KIND", "TITLE", "BY", "CHANGED"], 3);
    for draft in drafts {
        table.row([
            Safe(&draft.id).to_string(),
            draft.state.name().to_owned(),
            Safe(&draft.kind).to_string(),
            Safe(&draft.title).to_string(),
            names(&draft.authors),
            clock::moment(draft.updated_ms, shell.screen.now),
        ]);
    }
    shell.print_table(&table)
}

fn show(shell: &mut Shell<'_, '_>, id: &str, markdown: bool) -> Result<(), Failure> {
    let draft: DraftView = shell.client()?.get(path_of(id)?)?;
    if shell.json {
        return shell.print_json(&draft);
    }
    if !markdown {
        let mut facts = Facts::default();
        facts.add("Draft", Safe(&draft.id).to_string());
        facts.add("State", draft.state.name());
        facts.add("By", names(&draft.authors));
        facts.add("Submitted by", names(draft.submitted_by.as_slice()));
        facts.add("Changed", clock::moment(draft.updated_ms, shell.screen.now));
        if let Some(target) = &draft.target {
            let text = |name: &str| {
                let value = draft.body.get(name).and_then(Value::as_str);
                Safe(value.unwrap_or_default()).to_string()
            };
            facts.add("Withdraws", Safe(target).to_string());
            facts.add("Its title", text("title"));
            facts.add("Reason", text("reason"));
            facts.add("Note", text("note"));
        }
        shell.print(facts.render())?;
        if draft.target.is_some() {
            return further(&draft).into_iter().try_for_each(|line| shell.print(line + "\n"));
        }
        shell.print("\n")?;
    }
    let text = text_of(draft)?;
    match shell.screen.columns {
        Some(_) => shell.print(Safe(&text).isolated()),
        None => shell.print(Safe(&text).plain()),
    }
}

/// Returns what a retraction asks for beside its reason: whoever releases it must see it.
fn further(draft: &DraftView) -> Vec<String> {
    let known = ["title", "reason", "note"];
    let members = draft.body.iter().filter(|(name, _)| !known.contains(&name.as_str()));
    members.map(|(name, value)| format!("{}: {}", Safe(name), Safe(&value.to_string()))).collect()
}

/// Returns a draft as Markdown.
fn text_of(draft: DraftView) -> Result<String, Failure> {
    if draft.target.is_some() {
        let what = format!("draft {} is a retraction, which is not edited", draft.id);
        return Err(failure(ErrorCode::Invalid, what)
            .hint(format!("baraza draft discard {}, then make another", draft.id)));
    }
    let Some(kind) = Kind::from_name(&draft.kind) else {
        let what = format!("this version cannot write records of kind {}", draft.kind);
        return Err(failure(ErrorCode::Invalid, what));
    };
    Ok(to_markdown(&Written {
        kind,
        language: draft.language,
        revises: draft.revises,
        audience: draft.audience,
        body: draft.body,
        source: Source { file: String::new(), place: Place::Item(1) },
    }))
}

fn import(shell: &mut Shell<'_, '_>, args: &DraftImport) -> Result<(), Failure> {
    let kind = args.kind.as_deref().and_then(Kind::from_name);
    let (drafts, files) = publish::read_drafts(shell, &args.files, kind)?;
    let client = shell.client()?;
    attach::bring_all(shell, &*client, &files)?;
    let mut kept: Vec<DraftSummary> = Vec::new();
    for drafts in publish::portions(drafts) {
        match client.post::<Vec<DraftSummary>>("/v1/drafts", &ImportRequest { drafts }) {
            Ok(more) => kept.extend(more),
            Err(error) if kept.is_empty() => return Err(error.into()),
            Err(error) => {
                print_kept(shell, &kept)?;
                return Err(Failure::from(error).partly());
            }
        }
    }
    print_kept(shell, &kept)
}

fn print_kept(shell: &mut Shell<'_, '_>, kept: &[DraftSummary]) -> Result<(), Failure> {
    if shell.json {
        return shell.print_json(&kept);
    }
    let mut table = Table::new(&["DRAFT", "KIND", "TITLE"], 2);
    for draft in kept {
        table.row([&draft.id, &draft.kind, &draft.title].map(|text| Safe(text).to_string()));
    }
    shell.print_table(&table)?;
    let drafts = count(kept.len() as u64, "draft is", "drafts are");
    shell.note(format!("\n{drafts} kept on this node only. Next: baraza draft submit ID"));
    Ok(())
}

fn edit(shell: &mut Shell<'_, '_>, id: &str, file: Option<&Path>) -> Result<(), Failure> {
    let client = shell.client()?;
    let path = path_of(id)?;
    let Some(file) = file else { return edit_by_hand(shell, &*client, &path) };
    let (draft, files) = publish::read_one_draft(shell, file)?;
    attach::bring_all(shell, &*client, &files)?;
    changed(shell, &client.put(path, &EditRequest { draft, version: None })?)
}

/// Opens the draft in an editor; a text that cannot be taken stays in its file.
fn edit_by_hand(shell: &mut Shell<'_, '_>, client: &dyn Client, path: &str) -> Result<(), Failure> {
    let draft: DraftView = client.get(path)?;
    let (id, version) = (draft.id.clone(), Some(draft.version));
    let before = text_of(draft)?;
    let edited = editor::edit(shell, &before)?;
    let take = |shell: &mut Shell<'_, '_>| -> Result<DraftSummary, Failure> {
        let (draft, files): (DraftBody, _) = publish::read_one_draft(shell, edited.path())?;
        attach::bring_all(shell, client, &files)?;
        Ok(client.put(path, &EditRequest { draft, version })?)
    };
    if edited.is_unchanged(&before) {
        shell.note("Nothing was changed.");
        return Ok(());
    }
    match take(shell) {
        Ok(summary) => changed(shell, &summary),
        Err(failure) => {
            let file = edited.keep()?;
            let file = Safe(&file.to_string_lossy()).to_string();
            Err(failure.hint(format!(
                "the draft is as it was, and your text is in {file}: correct it, then: baraza draft edit {id} {file}"
            )))
        }
    }
}

fn changed(shell: &mut Shell<'_, '_>, draft: &DraftSummary) -> Result<(), Failure> {
    match shell.json {
        true => shell.print_json(draft),
        false => shell.print(format!(
            "Changed draft {}; when it is ready: baraza draft submit {}\n",
            Safe(&draft.id),
            Safe(&draft.id)
        )),
    }
}

fn submit(shell: &mut Shell<'_, '_>, id: &str) -> Result<(), Failure> {
    let path = format!("{}/submit", path_of(id)?);
    let reply: SubmitReply = shell.client()?.post(path, &json!({}))?;
    let reports = reply.report.as_slice();
    if reply.refused {
        publish::print_reports(shell, reports)?;
        let what = format!("draft {} breaks a rule and was not submitted", reply.draft.id);
        return Err(failure(ErrorCode::Invalid, what)
            .hint(format!("baraza draft edit {}", reply.draft.id))
            .details(&reports));
    }
    if shell.json {
        return shell.print_json(&reply);
    }
    if !reports.is_empty() {
        publish::print_reports(shell, reports)?;
        shell.note("Whoever releases it must say whether this is personal data.");
    }
    let id = Safe(&reply.draft.id).to_string();
    shell.print(format!("Submitted draft {id}; to publish it: baraza draft release {id}\n"))
}

fn release(shell: &mut Shell<'_, '_>, args: &DraftRelease) -> Result<(), Failure> {
    let client = shell.client()?;
    let path = path_of(&args.id)?;
    let draft: DraftView = client.get(path.as_str())?;
    if draft.target.is_some() {
        let title = draft.summary().title;
        let more = further(&draft).iter().map(|line| format!(" ({line})")).collect::<String>();
        let question = format!("Retract `{}`{more}? {}", Safe(&title), publish::RECALL);
        if !shell.confirm(&question)? {
            return Ok(());
        }
    }
    let request = ReleaseRequest {
        allow_personal_data: args.allow_personal_data,
        // What was looked at is what is published.
        version: Some(draft.version),
    };
    let path = format!("/v1/drafts/{}/release", draft.id);
    let reply: PublishReply =
        key::signed(shell, &*client, &args.passphrase, || client.post(path.as_str(), &request))?;
    if reply.refused {
        publish::print_reports(shell, &reply.reports)?;
        let has_problems = reply.reports.iter().any(|report| !report.problems.is_empty());
        let hint = match has_problems {
            true => format!("baraza draft edit {}", draft.id),
            false => "take personal data out; if it is none, add --allow-personal-data".to_owned(),
        };
        let what = format!("draft {} breaks a rule and was not published", draft.id);
        return Err(failure(ErrorCode::Invalid, what).hint(hint).details(&reply.reports));
    }
    publish::print_published(shell, &reply.published)
}

fn retract(shell: &mut Shell<'_, '_>, args: DraftRetract) -> Result<(), Failure> {
    let client = shell.client()?;
    let record: RecordView = client.get(format!("/v1/records/{}", id_prefix(&args.id)?))?;
    let request = RetractRequest {
        reason: args.reason,
        note: args.note,
        erase: false,
        root_signatures: Vec::new(),
    };
    propose(shell, &*client, &record, request)
}

/// Makes a draft that withdraws a record, for somebody else to release.
pub(super) fn propose(
    shell: &mut Shell<'_, '_>,
    client: &dyn Client,
    record: &RecordView,
    request: RetractRequest,
) -> Result<(), Failure> {
    let record = record.summary.id.to_string();
    let draft: DraftSummary =
        client.post("/v1/drafts/retraction", &RetractionDraft { record, request })?;
    if shell.json {
        return shell.print_json(&draft);
    }
    let id = Safe(&draft.id).to_string();
    shell.print(format!(
        "Submitted the retraction as draft {id}; to withdraw the record: baraza draft release {id}\n"
    ))
}

fn discard(shell: &mut Shell<'_, '_>, id: &str) -> Result<(), Failure> {
    let client = shell.client()?;
    let draft: DraftView = client.get(path_of(id)?)?;
    let title = draft.summary().title;
    let id = Safe(&draft.id).to_string();
    if !shell.confirm(&format!("Discard draft {id}, `{}`?", Safe(&title)))? {
        return Ok(());
    }
    client.delete(format!("/v1/drafts/{id}"))?;
    match shell.json {
        true => shell.print_json(&json!({ "discarded": draft.id })),
        false => shell.print(format!("Discarded draft {id}\n")),
    }
}

fn names(people: &[Person]) -> String {
    let names = people.iter().map(|person| Safe(&person.user).to_string());
    names.collect::<Vec<_>>().join(", ")
}
