//! Publishing: drafts are completed, checked and handed to the service; retractions too.
//!
//! Invariant: all drafts of a request are published or, if one breaks a rule, none. What looks
//! like personal data is published only if the request says so.
//! Not here: signing and keeping (`baraza_protocol`), reading files (`baraza-cli`).
//! Spec: docs/RECORDS.md; docs/OPERATIONS.md, "API".

use std::sync::Arc;

use axum::{Json, extract::State};
use baraza_api::{
    DraftBody, ErrorCode, Holders, PublishReply, PublishRequest, Published, RetractRequest,
    RootSignature, RowReport,
};
use baraza_protocol::{
    command::{Command, NewRecord, PUBLISH_MAX, Recipients, Refusal, Reply as Answer},
    effective::{Effective, View, title},
    erasure::{Erasure, Urgency},
    stream::place_of,
};
use baraza_record::{
    FileHash, Kind, RecordId,
    body::{self, Body, FieldSpec, Problem, Reach, Required, ValueKind},
    language::canonical_language,
};
use serde_json::Value;

use super::{Node, Reply, attachments};
use crate::{
    failure::Failure,
    input::{Id, JsonBody},
    networks, resolve,
    state::{App, Defaults},
    view,
};

/// Most problems and warnings that a reply lists; it says how many drafts it leaves out.
pub const PROBLEMS_MAX: usize = 2_000;

/// A record to sign, with what the reply says of it.
pub(super) struct Row {
    pub(super) source: String,
    pub(super) title: String,
    pub(super) record: NewRecord,
}

/// A draft that was read: a record to sign, if nothing is wrong, and what was found.
struct Checked {
    record: Option<NewRecord>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

pub(crate) async fn publish(
    State(app): Node,
    JsonBody(request): JsonBody<PublishRequest>,
) -> Reply<PublishReply> {
    let PublishRequest { drafts, dry_run, allow_personal_data, coming } = request;
    let coming = if dry_run { coming } else { Vec::new() };
    match drafts.len() {
        0 => return Err(Failure::bad_request("there is no draft in the request")),
        count if PUBLISH_MAX < count => return Err(Refusal::TooMany { count }.into()),
        _ => (),
    }
    let prepare = app.read(move |app| {
        let mut effective = Effective::new(&*app.reader);
        let (mut reply, mut rows, mut listed) = (PublishReply::default(), Vec::new(), 0);
        for draft in drafts {
            let source = draft.source.clone();
            let checked = check(app, &mut effective, draft, &coming)
                .map_err(|failure| failure.about(&source))?;
            let warned = !checked.warnings.is_empty() && !allow_personal_data;
            reply.refused |= warned || checked.record.is_none();
            let found = checked.problems.len() + checked.warnings.len();
            listed += found;
            match found {
                0 => (),
                _ if PROBLEMS_MAX < listed => reply.unreported += 1,
                _ => reply.reports.push(RowReport {
                    source: source.clone(),
                    problems: view::problems(checked.problems),
                    warnings: view::problems(checked.warnings),
                }),
            }
            rows.extend(checked.record.map(|record| {
                let title = title(&record.body).to_owned();
                Row { source, title, record }
            }));
        }
        Ok((reply, rows))
    });
    let (mut reply, rows) = prepare.await?;
    if !dry_run && !reply.refused {
        reply.published = hand_over(&app, rows).await?;
    }
    Ok(Json(reply))
}

pub(crate) async fn retract(
    State(app): Node,
    Id(text): Id,
    JsonBody(request): JsonBody<RetractRequest>,
) -> Reply<Published> {
    let prepare = app.read(move |app| {
        let mut effective = Effective::new(&*app.reader);
        let target = ours(app, &mut effective, &text)?;
        if target.entry.kind == Kind::RETRACTION {
            let message =
                format!("record {} is a retraction, which cannot be retracted", target.entry.id);
            return Err(Failure::invalid(message).hint("publish the record again"));
        }
        may_retract(&target, &request)?;
        let mut body = retraction(request);
        complete(Kind::RETRACTION, &mut body, &Defaults::default());
        let problems: Vec<_> =
            body::validate(Kind::RETRACTION, &body).iter().map(Problem::to_string).collect();
        if !problems.is_empty() {
            return Err(Failure::invalid(problems.join("; ")));
        }
        let language = canonical_language(&app.node.defaults.language)
            .map_err(|error| Failure::invalid(format!("default language: {error}")))?;
        let title = target.body.as_ref().map(title).unwrap_or_default().to_owned();
        let (kind, target) = (Kind::RETRACTION, Some(target.entry.id));
        let record = NewRecord { kind, language, revises: None, target, recipients: None, body };
        Ok(Row { source: String::new(), title, record })
    });
    let row = prepare.await?;
    let mut published = hand_over(&app, vec![row]).await?;
    published.pop().map(Json).ok_or_else(Failure::odd_reply)
}

/// Checks that a retraction says more than those in force: it may hasten what they ask for.
fn may_retract(target: &View, request: &RetractRequest) -> Result<(), Failure> {
    let Some(by) = target.retracted_by else { return Ok(()) };
    let id = target.entry.id;
    let at_once = !request.root_signatures.is_empty();
    let message = match target.erasure {
        None if request.erase => return Ok(()),
        Some(Erasure { urgency: Urgency::Delayed, .. }) if request.erase && at_once => {
            return Ok(());
        }
        Some(erasure) => format!("record {id} is to be erased already, by {}", erasure.retraction),
        None => format!("record {id} is retracted already, by {by}"),
    };
    Err(Failure::invalid(message))
}

/// Returns the body of a retraction.
fn retraction(request: RetractRequest) -> Body {
    let RetractRequest { reason, note, erase, root_signatures } = request;
    let mut body = Body::new();
    body.insert("reason".into(), reason.into());
    body.extend(note.map(|note| ("note".into(), note.into())));
    if erase {
        body.insert("erase".into(), true.into());
    }
    if !root_signatures.is_empty() {
        let signatures = root_signatures.into_iter().map(|RootSignature { key, signature }| {
            serde_json::json!({ "key": key, "signature": signature })
        });
        body.insert("root_signatures".into(), signatures.collect());
    }
    body
}

/// Has the service sign and keep the records, and returns what became of them.
pub(super) async fn hand_over(app: &Arc<App>, rows: Vec<Row>) -> Result<Vec<Published>, Failure> {
    let (records, named): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .map(|Row { source, title, record }| {
            let kind = record.kind.to_string();
            (record, (source, title, kind))
        })
        .unzip();
    let (ids, waited_ms) = match app.service.call(Command::Publish(records)).await? {
        Answer::Published(ids) if ids.len() == named.len() => (ids, 0),
        Answer::PublishedLate { ids, waited_ms } if ids.len() == named.len() => (ids, waited_ms),
        _ => return Err(Failure::odd_reply()),
    };
    let read = app.read(move |app| {
        let publish = |(id, (source, title, kind)): (RecordId, (String, String, String))| {
            // A peer may have heard of it on gossip by now.
            let holders = match place_of(&*app.reader, &id)? {
                Some(place) => view::holders(&*app.reader, &place)?,
                None => Holders::default(),
            };
            Ok(Published { id, kind, title, source, holders, waited_ms })
        };
        ids.into_iter().zip(named).map(publish).collect()
    });
    read.await
}

/// Reads one draft. A failure is about what it revises; anything else is a problem of the row.
fn check(
    app: &App,
    effective: &mut Effective<'_>,
    draft: DraftBody,
    coming: &[FileHash],
) -> Result<Checked, Failure> {
    let DraftBody { kind: name, language, revises, audience, mut body, source: _ } = draft;
    let refused = |problem| Checked { record: None, problems: vec![problem], warnings: Vec::new() };
    let Some(kind) = Kind::from_name(&name).filter(|kind| kind.is_content()) else {
        let rule = "must be practice, lesson or reference";
        return Ok(refused(problem("kind", rule, &name)));
    };
    let defaults = &app.node.defaults;
    let language = match canonical_language(language.as_ref().unwrap_or(&defaults.language)) {
        Ok(language) => language,
        Err(error) => return Ok(refused(problem("language", &error.to_string(), ""))),
    };
    let mut recipients = match audience.map(|text| (networks::recipients(app, &text), text)) {
        None => None,
        Some((Ok(recipients), _)) => Some(recipients),
        Some((Err(failure), text)) => {
            return Ok(refused(problem("audience", &failure.0.message, &text)));
        }
    };
    let revises = match revises {
        None => None,
        Some(text) => {
            let earlier = ours(app, effective, &text)?;
            if earlier.entry.kind != kind {
                let rule =
                    format!("differs from the version that it revises, a {}", earlier.entry.kind);
                return Ok(refused(problem("kind", &rule, &name)));
            }
            let same = Recipients::of(&earlier.record.header().audience);
            if recipients.is_some_and(|other| other != same) {
                let rule = "differs from that of the version that it revises";
                return Ok(refused(problem("audience", rule, "")));
            }
            recipients = Some(same);
            Some(earlier.entry.id)
        }
    };
    let reach = match recipients.as_ref().unwrap_or(&Recipients::Public) {
        Recipients::Public => Reach::Public,
        Recipients::Network(_) | Recipients::Centres(_) => Reach::Limited,
    };
    let licence = defaults.licence.clone().filter(|_| reach == Reach::Public);
    complete(kind, &mut body, &Defaults { licence, ..defaults.clone() });
    let mut problems = body::validate_for(kind, &body, reach);
    problems.extend(attachments::problems(&*app.reader, &body, coming)?);
    let warnings = body::warnings(kind, &body);
    let record = NewRecord { kind, language, revises, target: None, recipients, body };
    let record = problems.is_empty().then_some(record);
    Ok(Checked { record, problems, warnings })
}

/// Returns the record that `text` names, if it is our centre's.
fn ours(app: &App, effective: &mut Effective<'_>, text: &str) -> Result<View, Failure> {
    let (id, place) = resolve::record(&*app.reader, text)?;
    let view = effective.view(&place)?.ok_or_else(|| Failure::from(Refusal::Unknown { id }))?;
    let owner = view.record.header().centre;
    match owner == app.node.centre {
        true => Ok(view),
        false => Err(Failure::new(ErrorCode::NotOurs, Refusal::NotOurs { id, owner }.to_string())),
    }
}

/// Fills in what a body lacks, and brings its text into the form in which we write it.
pub(super) fn complete(kind: Kind, body: &mut Body, defaults: &Defaults) {
    let Some(fields) = body::fields(kind) else { return };
    let given = |body: &Body, name: &str| body.get(name).is_some_and(|value| !value.is_null());
    for field in fields {
        let value: Option<Value> = match field.name {
            "schema" => body::schema(kind).map(Value::from),
            "contact" => defaults.contact.clone().map(Value::from),
            "licence" => defaults.licence.clone().map(Value::from),
            // Where a field may be empty, an empty one means something.
            "countries" if field.required != Required::No && !given(body, "regions") => {
                Some(&defaults.countries).filter(|list| !list.is_empty()).cloned().map(Value::from)
            }
            _ => None,
        };
        if let Some(value) = value.filter(|_| !given(body, field.name)) {
            body.insert(field.name.to_owned(), value);
        }
    }
    normalize(fields, body);
}

fn normalize(fields: &[FieldSpec], object: &mut Body) {
    for field in fields {
        let items = match object.get_mut(field.name) {
            Some(Value::Array(items)) => items.as_mut_slice(),
            Some(single) => std::slice::from_mut(single),
            None => continue,
        };
        for item in items {
            match (field.value.item(), item) {
                (ValueKind::Line, Value::String(text)) => *text = body::normalize_line(text),
                (ValueKind::Text, Value::String(text)) => *text = body::normalize_text(text),
                (ValueKind::Object(fields), Value::Object(inner)) => normalize(fields, inner),
                _ => (),
            }
        }
    }
}

fn problem(field: &str, rule: &str, value: &str) -> Problem {
    let value = body::normalize_line(value).chars().take(60).collect();
    Problem { field: field.to_owned(), rule: rule.to_owned(), value }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(value: Value) -> Body {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn defaults_fill_what_the_kind_has_and_the_draft_lacks() {
        let defaults = Defaults {
            language: "en".into(),
            licence: Some("CC-BY-4.0".into()),
            contact: Some("office@centre.example".into()),
            countries: vec!["KE".into()],
        };
        let completed = |kind, draft| {
            let mut body = body(draft);
            complete(kind, &mut body, &defaults);
            Value::Object(body)
        };
        assert_eq!(
            completed(Kind::PRACTICE, json!({ "licence": "CC0-1.0", "contact": null })),
            json!({
                "licence": "CC0-1.0", "contact": "office@centre.example", "countries": ["KE"],
                "schema": "practice/1",
            })
        );
        let regional = completed(Kind::LESSON, json!({ "regions": ["014"] }));
        assert!(regional.get("countries").is_none() && regional.get("contact").is_some());
        let reference = completed(Kind::REFERENCE, json!({}));
        assert!(reference.get("countries").is_none(), "a reference may be about no country");
        assert!(reference.get("contact").is_none(), "a reference has no such field");
    }

    #[test]
    fn text_is_written_in_one_form() {
        let mut draft = body(json!({
            "title": " Cafe\u{301}\n \u{202e}bar ",
            "lessons": ["a\r\nb ", 7],
            "results": [{ "statement": " x  y " }],
            "other": " as it is ",
        }));
        complete(Kind::PRACTICE, &mut draft, &Defaults::default());
        assert_eq!(draft["title"], "Café bar");
        assert_eq!(draft["lessons"], json!(["a\nb", 7]));
        assert_eq!(draft["results"][0]["statement"].as_str().map(str::trim), Some("x  y"));
        assert_eq!(draft["other"], " as it is ");
    }
}
