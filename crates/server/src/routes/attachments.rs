//! Files of records: brought, read, fetched, pinned.
//!
//! Invariant: a file is read and fetched by a record that lists it and that is shown here; bytes
//! that are brought count only with their proof.
//! Not here: who is asked for a file (`baraza_protocol::attachments`), files on the disk (`store`).
//! Spec: docs/OPERATIONS.md, "Attachments".

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::{HeaderMap, HeaderValue, header::CONTENT_TYPE, request::Parts},
    response::{IntoResponse, Response},
};
use baraza_api::{
    API_BODY_BYTES_MAX, AttachmentView, FILE_PIECE_GROUPS, FetchRequest, FileReply, PinRequest,
};
use baraza_protocol::{
    attachments::{self, FileCommand},
    command::{Command, Reply as Answer},
    effective::{Effective, View},
    store::{Place, StoreError, StoreRead},
};
use baraza_record::{
    FileHash,
    attachment::{self, ATTACHMENT_BYTES_MAX, Listed, Part},
    body::{Body, Problem},
};

use super::{Node, Reply};
use crate::{
    failure::Failure,
    input::{JsonBody, OCTETS, Octets, Params},
    resolve,
    rules::refuse_hidden,
    state::App,
};

/// Header of a reply that says where the next piece starts.
const NEXT: &str = "baraza-next";

/// A record and the number of an item in its list, from 1.
pub(crate) struct Item {
    record: String,
    number: u16,
}

impl<S: Send + Sync> FromRequestParts<S> for Item {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<(String, u16)>::from_request_parts(parts, state).await;
        path.map(|Path((record, number))| Self { record, number })
            .map_err(|error| Failure::bad_request(error.body_text()))
    }
}

/// A file of a record.
struct Found {
    place: Place,
    index: u16,
    listed: Listed,
}

pub(crate) async fn bring_file(State(app): Node, Octets(bytes): Octets) -> Reply<FileReply> {
    let verify = app.read(move |_| {
        let part = Part::decode(&bytes, API_BODY_BYTES_MAX).and_then(Part::verify);
        part.map_err(|error| Failure::invalid(error.to_string()))
    });
    let part = verify.await?;
    let hash = part.hash();
    call(&app, hash, FileCommand::Keep(Box::new(part))).await
}

pub(crate) async fn read_file(
    State(app): Node,
    item: Item,
    mut params: Params,
) -> Result<Response, Failure> {
    let from = params.take::<u32>("from")?.unwrap_or(0);
    params.finish()?;
    let read = app.read(move |app| {
        let Found { listed, .. } = find(app, &item)?;
        let part = app.reader.attachment_part(&listed.hash, from, FILE_PIECE_GROUPS)?;
        let part = part.filter(|part| part.bytes == listed.bytes);
        let all = attachment::groups(listed.bytes);
        match part {
            Some(part) => Ok((listed.hash, part, all)),
            None if all <= from => {
                Err(Failure::bad_request(format!("`from` is {from}, there are {all} groups")))
            }
            None => Err(absent(&item, &listed.hash)),
        }
    });
    let (hash, part, all) = read.await?;
    if from == 0 {
        let _ = call(&app, hash, FileCommand::Used(hash)).await?;
    }
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(OCTETS));
    let next = from + attachment::groups(part.data.len() as u64);
    if next < all {
        headers.insert(NEXT, HeaderValue::from(next));
    }
    Ok((headers, part.data).into_response())
}

pub(crate) async fn fetch_file(
    State(app): Node,
    item: Item,
    JsonBody(request): JsonBody<FetchRequest>,
) -> Reply<FileReply> {
    let Found { place, index, listed } = app.read(move |app| find(app, &item)).await?;
    let command = match request.stop {
        true => FileCommand::Stop(listed.hash),
        false => FileCommand::Fetch { place, index, pin: request.pin },
    };
    call(&app, listed.hash, command).await
}

pub(crate) async fn pin_file(
    State(app): Node,
    item: Item,
    JsonBody(PinRequest { pinned }): JsonBody<PinRequest>,
) -> Reply<FileReply> {
    let find = app.read(move |app| {
        let Found { listed, .. } = find(app, &item)?;
        let held = app.reader.attachment(&listed.hash)?;
        match held.is_some_and(|held| held.is_whole()) {
            true => Ok(listed.hash),
            false => Err(absent(&item, &listed.hash)),
        }
    });
    let hash = find.await?;
    call(&app, hash, FileCommand::Pin { hash, pinned }).await
}

async fn call(app: &App, hash: FileHash, command: FileCommand) -> Reply<FileReply> {
    match app.service.call(Command::File(command)).await? {
        Answer::File(reply) => {
            Ok(Json(FileReply { hash, whole: reply.whole, wanted: reply.wanted }))
        }
        _ => Err(Failure::odd_reply()),
    }
}

fn find(app: &App, item: &Item) -> Result<Found, Failure> {
    let (reader, rules) = (&*app.reader, app.rules()?);
    let (id, place) = resolve::record(reader, &item.record)?;
    let none = || Failure::not_found(format!("no record {id} is held"));
    let view = Effective::under(reader, &rules).view(&place)?.ok_or_else(none)?;
    refuse_hidden(&rules, &view.record.header().centre, &id)?;
    let index = item.number.checked_sub(1);
    let listed = index.and_then(|index| {
        let mut list = attachments::list_of(&view.record).into_iter();
        Some((index, list.nth(index.into())?))
    });
    let (index, listed) = listed.ok_or_else(|| {
        Failure::not_found(format!("record {} has no attachment {}", id.short(), item.number))
            .hint(format!("baraza show {}", id.short()))
    })?;
    Ok(Found { place, index, listed })
}

fn absent(item: &Item, hash: &FileHash) -> Failure {
    Failure::not_found(format!("attachment {} is not here", hash.short()))
        .hint(format!("baraza fetch {} {}", item.record, item.number))
}

/// Returns the files that a record lists, with what is here of them.
pub(super) fn views(
    reader: &dyn StoreRead,
    view: &View,
) -> Result<Vec<AttachmentView>, StoreError> {
    let list = attachments::list_of(&view.record).into_iter().enumerate();
    let state = |(index, listed): (usize, Listed)| {
        let Listed { hash, bytes, mime, title } = listed;
        let held = reader.attachment(&hash)?.filter(|held| held.bytes == bytes);
        let index_in_list = u16::try_from(index).unwrap_or(u16::MAX);
        Ok(AttachmentView {
            number: index + 1,
            hash,
            bytes,
            mime,
            title,
            bytes_held: held.as_ref().map_or(0, |held| held.bytes_held()),
            whole: held.is_some_and(|held| held.is_whole()),
            wanted: attachments::want(reader, &hash)?.is_some(),
            pinned: attachments::file(reader, &hash)?.is_some_and(|row| row.pinned),
            gone: attachments::is_gone(reader, &hash, &view.place, index_in_list)?,
        })
    };
    list.map(state).collect()
}

/// Returns what keeps a draft from being published because of the files that it lists; `coming`
/// are those that will be brought first.
pub(super) fn problems(
    reader: &dyn StoreRead,
    body: &Body,
    coming: &[FileHash],
) -> Result<Vec<Problem>, StoreError> {
    let mut problems = Vec::new();
    for (index, listed) in attachment::list(body).into_iter().enumerate() {
        let held = reader.attachment(&listed.hash)?;
        let rule = match held {
            _ if ATTACHMENT_BYTES_MAX < listed.bytes => "is longer than 1 GiB, which is the limit",
            _ if coming.contains(&listed.hash) => continue,
            Some(held) if held.is_whole() && held.bytes == listed.bytes => continue,
            Some(held) if held.is_whole() => "states another length than the file has",
            _ => "is not on this node: attach the file",
        };
        let field = format!("attachments[{index}].hash");
        problems.push(Problem { field, rule: rule.to_owned(), value: listed.hash.short() });
    }
    Ok(problems)
}
