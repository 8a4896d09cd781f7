//! What each role may do, and the log of what was done: the one place where both are decided.
//!
//! Invariant: every call passes [`guard`]. A route that the table does not have needs the owner;
//! a request of which nobody said who calls is refused. Whatever changes something is logged once
//! it is over, even if the client has gone.
//! Not here: who calls (`node`), rules about the draft at hand (`drafting`).
//! Spec: docs/OPERATIONS.md, "Drafts and staff".

use std::sync::Arc;

use axum::{
    extract::{MatchedPath, Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use baraza_api::{ErrorCode, LogEntry, Role};

use crate::{
    failure::Failure,
    staff::{Caller, LOG_OBJECTS_MAX},
    state::App,
};

/// A row of the table: method, path, the least role, and the word in the log.
type Row = (&'static str, &'static str, Role, &'static str);

/// Who may do what. A row without a word changes nothing and is not logged.
const TABLE: &[Row] = &[
    ("GET", "/v1/status", Role::Reader, ""),
    ("GET", "/v1/records", Role::Reader, ""),
    ("GET", "/v1/records/{id}", Role::Reader, ""),
    ("GET", "/v1/records/{id}/raw", Role::Reader, ""),
    ("GET", "/v1/search", Role::Reader, ""),
    ("GET", "/v1/peers", Role::Reader, ""),
    ("GET", "/v1/centres", Role::Reader, ""),
    ("GET", "/v1/centres/{id}", Role::Reader, ""),
    ("GET", "/v1/centres/{id}/log", Role::Reader, ""),
    ("GET", "/v1/centres/{id}/events", Role::Reader, ""),
    ("GET", "/v1/centres/{id}/feeds", Role::Reader, ""),
    ("GET", "/v1/trust", Role::Reader, ""),
    ("GET", "/v1/policy", Role::Reader, ""),
    ("GET", "/v1/policy/{id}", Role::Reader, ""),
    ("GET", "/v1/quarantine", Role::Reader, ""),
    ("GET", "/v1/quarantine/{id}", Role::Reader, ""),
    ("GET", "/v1/bundle", Role::Reader, ""),
    ("GET", "/v1/bundle/have", Role::Reader, ""),
    ("POST", "/v1/bundle/missing", Role::Reader, ""),
    ("POST", "/v1/bundle/plan", Role::Reader, ""),
    ("GET", "/v1/networks", Role::Reader, ""),
    ("POST", "/v1/networks", Role::Owner, "network create"),
    ("POST", "/v1/networks/inspect", Role::Owner, "read invitation"),
    ("POST", "/v1/networks/join", Role::Owner, "join"),
    ("GET", "/v1/networks/{id}/invitation", Role::Owner, ""),
    ("POST", "/v1/networks/{id}/leave", Role::Owner, "leave"),
    ("GET", "/v1/staff", Role::Reader, ""),
    ("GET", "/v1/drafts", Role::Drafter, ""),
    ("POST", "/v1/drafts", Role::Drafter, "draft import"),
    ("POST", "/v1/drafts/retraction", Role::Drafter, "draft retract"),
    ("GET", "/v1/drafts/{id}", Role::Drafter, ""),
    ("PUT", "/v1/drafts/{id}", Role::Drafter, "draft edit"),
    ("DELETE", "/v1/drafts/{id}", Role::Drafter, "draft discard"),
    ("POST", "/v1/drafts/{id}/submit", Role::Drafter, "draft submit"),
    ("POST", "/v1/drafts/{id}/release", Role::Publisher, "draft release"),
    ("POST", "/v1/records", Role::Publisher, "publish"),
    ("POST", "/v1/records/{id}/retract", Role::Publisher, "retract"),
    ("POST", "/v1/sync", Role::Publisher, "sync"),
    ("POST", "/v1/peers", Role::Publisher, "dial"),
    ("POST", "/v1/bundle", Role::Owner, "bundle import"),
    ("POST", "/v1/unlock", Role::Owner, "unlock"),
    ("POST", "/v1/identity", Role::Owner, "identity event"),
    ("POST", "/v1/trust", Role::Owner, "trust add"),
    ("POST", "/v1/trust/remove", Role::Owner, "trust rm"),
    ("POST", "/v1/accreditations", Role::Owner, "accreditation"),
    ("POST", "/v1/quarantine/release", Role::Owner, "quarantine release"),
    ("GET", "/v1/staff/log", Role::Owner, ""),
];

/// What a call needs and how the log names it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    role: Role,
    /// Empty: it changes nothing.
    action: String,
}

/// Returns the rule of a route.
fn rule(method: &Method, path: Option<&str>) -> Rule {
    let found = TABLE.iter().find(|row| row.0 == method.as_str() && Some(row.1) == path);
    match (found, path) {
        (Some(&(_, _, role, action)), _) => Rule { role, action: action.to_owned() },
        (None, Some(path)) if *method != Method::GET && *method != Method::HEAD => {
            Rule { role: Role::Owner, action: format!("{method} {path}") }
        }
        (None, _) => Rule { role: Role::Owner, action: String::new() },
    }
}

/// Returns whether `caller` has the role, or says why not.
fn allow(caller: &Caller, rule: &Rule) -> Result<(), Failure> {
    let user = &caller.person.user;
    match caller.role {
        Some(role) if rule.role <= role => Ok(()),
        Some(role) => {
            let what = match rule.action.as_str() {
                "" => String::new(),
                action => format!(" for {action}"),
            };
            let (role, needed) = (role.name(), rule.role.name());
            let message = format!("{user} has the role {role}, and this needs {needed}{what}");
            let hint = match (caller.role, rule.role) {
                (Some(Role::Drafter), Role::Publisher) => {
                    "hand in a draft instead: baraza draft import FILE, baraza draft submit ID, or \
                     baraza draft retract ID --reason R"
                }
                _ => "`baraza staff list` shows the roles; the owner of the node changes them",
            };
            Err(Failure::new(ErrorCode::NoRole, message).hint(hint))
        }
        None => {
            let message = format!("{user} is not on the staff of this node");
            Err(Failure::new(ErrorCode::NoRole, message)
                .hint("the owner of the node adds a [[staff.member]] to its config.toml"))
        }
    }
}

/// Lets a call pass if the caller's role allows it, and logs it if it changes something.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let rule = rule(request.method(), matched.as_deref());
    let Some(caller) = request.extensions().get::<Caller>().cloned() else {
        return Failure::new(ErrorCode::NoRole, "it is not known who calls").into_response();
    };
    if let Some(id) = named(matched.as_deref().unwrap_or_default(), request.uri().path()) {
        caller.about([id]);
    }
    if let Err(failure) = allow(&caller, &rule) {
        // A stranger must not be able to fill the log.
        if caller.role.is_some() && !rule.action.is_empty() {
            log(&app, &caller, rule.action, Some(failure.0.code)).await;
        }
        return failure.into_response();
    }
    if rule.action.is_empty() {
        return next.run(request).await;
    }
    // On a task of its own: a client that leaves early cannot leave its doing out of the log.
    let task = tokio::spawn(async move {
        let response = next.run(request).await;
        let note = caller.note();
        let code = response.extensions().get::<ErrorCode>().copied().or(note.refused);
        if !note.silent {
            log(&app, &caller, rule.action, code).await;
        }
        response
    });
    task.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a call ended early");
        Failure::new(ErrorCode::Internal, "the call failed; see the log").into_response()
    })
}

/// Returns the variable part of a path.
fn named(matched: &str, path: &str) -> Option<String> {
    let mut parts = matched.split('/').zip(path.split('/'));
    let (_, id) = parts.find(|(name, _)| name.starts_with('{'))?;
    Some(id.chars().take(80).collect())
}

async fn log(app: &Arc<App>, caller: &Caller, action: String, code: Option<ErrorCode>) {
    let mut objects = caller.note().objects;
    let more = objects.len().saturating_sub(LOG_OBJECTS_MAX);
    objects.truncate(LOG_OBJECTS_MAX);
    let outcome = code.map_or_else(|| "done".to_owned(), ErrorCode::name);
    let person = caller.person.clone();
    let entry = LogEntry { time_ms: 0, person, action, objects, more, outcome };
    let append = move |app: &App| {
        app.node.staff.log.append(entry);
        Ok(())
    };
    if let Err(failure) = app.read(append).await {
        tracing::error!(error = %failure.0, "an entry of the staff log is lost");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use baraza_api::Person;

    use super::*;

    /// May the roles reader, drafter, publisher, owner?
    const CELLS: &[(&str, &str, &str)] = &[
        ("GET", "/v1/status", "yes yes yes yes"),
        ("GET", "/v1/records", "yes yes yes yes"),
        ("GET", "/v1/records/{id}", "yes yes yes yes"),
        ("GET", "/v1/records/{id}/raw", "yes yes yes yes"),
        ("GET", "/v1/search", "yes yes yes yes"),
        ("GET", "/v1/peers", "yes yes yes yes"),
        ("GET", "/v1/centres", "yes yes yes yes"),
        ("GET", "/v1/centres/{id}", "yes yes yes yes"),
        ("GET", "/v1/centres/{id}/log", "yes yes yes yes"),
        ("GET", "/v1/centres/{id}/events", "yes yes yes yes"),
        ("GET", "/v1/centres/{id}/feeds", "yes yes yes yes"),
        ("GET", "/v1/trust", "yes yes yes yes"),
        ("GET", "/v1/policy", "yes yes yes yes"),
        ("GET", "/v1/policy/{id}", "yes yes yes yes"),
        ("GET", "/v1/quarantine", "yes yes yes yes"),
        ("GET", "/v1/quarantine/{id}", "yes yes yes yes"),
        ("GET", "/v1/bundle", "yes yes yes yes"),
        ("GET", "/v1/bundle/have", "yes yes yes yes"),
        ("POST", "/v1/bundle/missing", "yes yes yes yes"),
        ("POST", "/v1/bundle/plan", "yes yes yes yes"),
        ("GET", "/v1/staff", "yes yes yes yes"),
        ("GET", "/v1/networks", "yes yes yes yes"),
        ("POST", "/v1/networks", "no no no yes"),
        ("POST", "/v1/networks/inspect", "no no no yes"),
        ("POST", "/v1/networks/join", "no no no yes"),
        ("GET", "/v1/networks/{id}/invitation", "no no no yes"),
        ("POST", "/v1/networks/{id}/leave", "no no no yes"),
        ("GET", "/v1/drafts", "no yes yes yes"),
        ("POST", "/v1/drafts", "no yes yes yes"),
        ("POST", "/v1/drafts/retraction", "no yes yes yes"),
        ("GET", "/v1/drafts/{id}", "no yes yes yes"),
        ("PUT", "/v1/drafts/{id}", "no yes yes yes"),
        ("DELETE", "/v1/drafts/{id}", "no yes yes yes"),
        ("POST", "/v1/drafts/{id}/submit", "no yes yes yes"),
        ("POST", "/v1/drafts/{id}/release", "no no yes yes"),
        ("POST", "/v1/records", "no no yes yes"),
        ("POST", "/v1/records/{id}/retract", "no no yes yes"),
        ("POST", "/v1/sync", "no no yes yes"),
        ("POST", "/v1/peers", "no no yes yes"),
        ("POST", "/v1/bundle", "no no no yes"),
        ("POST", "/v1/unlock", "no no no yes"),
        ("POST", "/v1/identity", "no no no yes"),
        ("POST", "/v1/trust", "no no no yes"),
        ("POST", "/v1/trust/remove", "no no no yes"),
        ("POST", "/v1/accreditations", "no no no yes"),
        ("POST", "/v1/quarantine/release", "no no no yes"),
        ("GET", "/v1/staff/log", "no no no yes"),
        ("GET", "/v1/not-in-the-table", "no no no yes"),
        ("POST", "/v1/not-in-the-table", "no no no yes"),
        ("DELETE", "/v1/records/{id}", "no no no yes"),
        ("HEAD", "/v1/status", "no no no yes"),
    ];

    fn caller(role: Option<Role>) -> Caller {
        Caller::new(Person { uid: 1_000, user: "amina".into() }, role)
    }

    #[test]
    fn each_role_may_what_the_table_says_and_nothing_else() {
        for (method, path, cells) in CELLS {
            let rule = rule(&method.parse().unwrap(), Some(path));
            let may = |role| allow(&caller(Some(role)), &rule).is_ok();
            let found = Role::ALL.map(|role| if may(role) { "yes" } else { "no" }).join(" ");
            assert_eq!(found, *cells, "{method} {path}");
            let stranger = allow(&caller(None), &rule).unwrap_err().0;
            assert_eq!(stranger.code, ErrorCode::NoRole, "{method} {path}");
        }
        let listed: BTreeSet<_> = CELLS.iter().map(|cell| (cell.0, cell.1)).collect();
        for (method, path, ..) in TABLE {
            assert!(listed.contains(&(*method, *path)), "{method} {path} is not tested");
        }
    }

    #[test]
    fn the_table_has_every_route_and_no_other() {
        let routes = include_str!("lib.rs").split(".route(").skip(1).map(|rest| {
            let (path, methods) = rest.split_once(',').unwrap();
            let methods = methods.split(".route(").next().unwrap();
            let methods = methods.split("\n        .").next().unwrap();
            (path.trim().trim_matches('"').to_owned(), methods.to_owned())
        });
        let mut found = BTreeSet::new();
        for (path, methods) in routes {
            for method in ["get", "post", "put", "delete"] {
                if methods.contains(&format!("{method}(")) {
                    found.insert((method.to_uppercase(), path.clone()));
                }
            }
        }
        let listed: BTreeSet<_> =
            TABLE.iter().map(|row| (row.0.to_owned(), row.1.to_owned())).collect();
        assert_eq!(found, listed, "a route without a row needs the owner: give it one");
    }

    #[test]
    fn what_changes_something_has_a_word_in_the_log() {
        // Questions that do not fit into a path.
        let asks = ["/v1/bundle/missing", "/v1/bundle/plan"];
        for (method, path, _, action) in TABLE {
            let reads = *method == "GET" || asks.contains(path);
            assert_eq!(action.is_empty(), reads, "{method} {path}");
        }
        assert_eq!(rule(&Method::POST, Some("/v1/new")).action, "POST /v1/new");
        assert_eq!(rule(&Method::POST, None).action, "", "a path that is not there");
    }

    #[test]
    fn the_variable_part_of_a_path_is_found() {
        assert_eq!(named("/v1/drafts/{id}/submit", "/v1/drafts/ab/submit").as_deref(), Some("ab"));
        assert_eq!(named("/v1/status", "/v1/status"), None);
    }
}
