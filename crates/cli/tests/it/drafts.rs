//! Drafts that the node keeps, and the staff.

use baraza_api::{
    DraftState, DraftSummary, DraftView, DraftsReply, ErrorBody, ErrorCode, LogEntry, MemberView,
    Person as Account, Problem, PublishReply, Role, RowReport, StaffLogReply, StaffReply,
    SubmitReply,
};
use serde_json::{Value, json};

use crate::support::{NOW, Node, Person, Program, run, run_with};

fn account(user: &str) -> Account {
    Account { uid: 1_001, user: user.into() }
}

fn draft(title: &str) -> DraftView {
    DraftView {
        id: "2793d0bf".into(),
        kind: "lesson".into(),
        body: json!({ "title": title, "lesson": "Ask first." }).as_object().unwrap().clone(),
        authors: vec![account("amina"), account("brian")],
        version: 3,
        updated_ms: NOW.0,
        ..DraftView::default()
    }
}

fn retraction() -> DraftView {
    let body = json!({ "title": "Tanks", "reason": "error", "note": "Too deep." });
    DraftView {
        kind: "retraction".into(),
        target: Some("ab".repeat(32)),
        state: DraftState::Submitted,
        submitted_by: Some(account("amina")),
        body: body.as_object().unwrap().clone(),
        ..draft("")
    }
}

fn body(program: &Program, index: usize) -> Value {
    let requests = program.node.requests.borrow();
    let (_, bytes) = requests[index].body.as_ref().expect("the request has a body");
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn lists_and_single_drafts_are_shown_without_what_a_terminal_obeys() {
    let reply = DraftsReply {
        drafts: vec![draft("Ta\u{1b}[31mnks").summary(), retraction().summary()],
        unreadable: vec!["00000001.json".into()],
        two_person: true,
    };
    let program = Program::with(Node::default().json("GET /v1/drafts", &reply));
    let shown = run(&program, &["draft", "list"]);
    assert_eq!(shown.exit, 0, "{}", shown.err);
    for word in ["2793d0bf", "submitted", "amina, brian", "Cannot be read: 00000001.json"] {
        assert!(shown.out.contains(word), "{word}: {}", shown.out);
    }
    assert!(!shown.out.contains('\u{1b}') && shown.err.contains("neither wrote"), "{shown:?}");

    let mut further = retraction();
    further.body.insert("hide".into(), json!("at\u{1b} once"));
    for (kept, word) in [
        (draft("Tanks"), "## Lesson"),
        (retraction(), "Withdraws     abab"),
        (further, "hide: \"at\\u001b once\""),
    ] {
        let program = Program::with(Node::default().json("GET /v1/drafts/27", &kept));
        let shown = run(&program, &["draft", "show", "27"]);
        assert!(shown.exit == 0 && shown.out.contains(word), "{}{}", shown.out, shown.err);
    }
    let program = Program::with(Node::default().json("GET /v1/drafts/27", &draft("Tanks")));
    let shown = run(&program, &["draft", "show", "27", "--markdown"]);
    assert!(shown.out.starts_with("---\nkind: lesson\n"), "{}", shown.out);
    let empty = Program::with(Node::default().json("GET /v1/drafts", &DraftsReply::default()));
    assert!(run(&empty, &["draft", "list"]).out.contains("baraza draft import FILE"));
}

#[test]
fn a_file_that_cannot_be_read_keeps_every_draft_of_the_command_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = path("good.md", "---\nkind: lesson\ntitle: Half\n---\n");
    let bad = path("bad.md", "---\nkind: lesson\ntitel: Half\n---\n");
    let shown = run(&Program::default(), &["draft", "import", &good, &bad]);
    assert_eq!(shown.exit, 3, "{}", shown.err);
    assert!(shown.out.contains("titel"), "{}", shown.out);
    let reply = vec![draft("Half").summary()];
    let program = Program::with(Node::default().json("POST /v1/drafts", &reply));
    assert_eq!(run(&program, &["draft", "import", &good]).exit, 0);
    assert_eq!(body(&program, 0)["drafts"][0]["body"]["title"], "Half");
}

#[test]
fn what_was_looked_at_is_what_is_released() {
    let node = Node::default()
        .json("GET /v1/drafts/27", &draft("Tanks"))
        .json("POST /v1/drafts/2793d0bf/release", &PublishReply::default());
    let program = Program::with(node);
    let shown = run(&program, &["draft", "release", "27", "--allow-personal-data"]);
    assert_eq!(shown.exit, 0, "{}", shown.err);
    assert_eq!(body(&program, 1), json!({ "allow_personal_data": true, "version": 3 }));

    let warning = Problem { field: "lesson".into(), rule: "a number".into(), value: "+2".into() };
    let report = RowReport { source: String::new(), problems: vec![], warnings: vec![warning] };
    let reply = PublishReply { reports: vec![report], refused: true, ..PublishReply::default() };
    let node = Node::default()
        .json("GET /v1/drafts/27", &draft("Tanks"))
        .json("POST /v1/drafts/2793d0bf/release", &reply);
    let shown = run(&Program::with(node), &["draft", "release", "27"]);
    assert_eq!(shown.exit, 3);
    assert!(shown.err.contains("--allow-personal-data"), "{}", shown.err);
}

#[test]
fn a_draft_that_breaks_a_rule_is_not_submitted() {
    let problem = Problem { field: "sdg".into(), rule: "is needed".into(), value: String::new() };
    let report = RowReport { source: String::new(), problems: vec![problem], warnings: vec![] };
    let draft = draft("Tanks").summary();
    let reply = SubmitReply { draft, report: Some(report), refused: true };
    let node = Node::default().json("POST /v1/drafts/27/submit", &reply);
    let shown = run(&Program::with(node), &["draft", "submit", "27"]);
    assert_eq!(shown.exit, 3);
    assert!(shown.out.contains("sdg") && shown.err.contains("draft edit 2793d0bf"), "{shown:?}");
}

#[test]
fn discarding_and_withdrawing_ask_first() {
    for (answer, kept, asked) in [
        (None, draft("Tanks"), ["draft", "discard"]),
        (Some("no"), draft("Tanks"), ["draft", "discard"]),
        (None, retraction(), ["draft", "release"]),
    ] {
        let program = Program::with(Node::default().json("GET /v1/drafts/27", &kept));
        let person = answer.map(|answer| Person(vec![answer]));
        let shown = run_with(&program, &[&asked[..], &["27"]].concat(), person, None);
        assert_eq!(shown.exit, if answer.is_some() { 0 } else { 2 }, "{}", shown.err);
    }
    let node = Node::default()
        .json("GET /v1/drafts/27", &draft("Tanks"))
        .json("DELETE /v1/drafts/2793d0bf", &json!({}));
    let program = Program::with(node);
    let person = Some(Person(vec!["y"]));
    let shown = run_with(&program, &["draft", "discard", "27"], person, None);
    assert_eq!((shown.exit, shown.out.as_str()), (0, "Discarded draft 2793d0bf\n"));
    program.node.assert_done();
}

#[test]
fn a_draft_is_edited_from_a_file_or_where_there_is_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("next.md");
    std::fs::write(&file, "---\nkind: lesson\ntitle: Next\n---\n").unwrap();
    let reply: DraftSummary = draft("Next").summary();
    let program = Program::with(Node::default().json("PUT /v1/drafts/27", &reply));
    let shown = run(&program, &["draft", "edit", "27", file.to_str().unwrap()]);
    assert_eq!(shown.exit, 0, "{}", shown.err);
    assert_eq!(body(&program, 0)["draft"]["body"]["title"], "Next");

    let program = Program::with(Node::default().json("GET /v1/drafts/27", &draft("Tanks")));
    let shown = run(&program, &["draft", "edit", "27"]);
    assert_eq!(shown.exit, 2);
    assert!(shown.err.contains("baraza draft edit ID FILE"), "{}", shown.err);
    let program = Program::with(Node::default().json("GET /v1/drafts/27", &retraction()));
    assert_eq!(run(&program, &["draft", "edit", "27"]).exit, 3);
}

#[test]
fn where_two_persons_are_needed_retract_asks_the_second_one() {
    let id = "ab".repeat(32);
    let record = json!({
        "id": id, "kind": "lesson", "title": "Tanks", "language": "en", "centre": "a1".repeat(32),
        "created_ms": 1, "arrived_ms": 1, "countries": [], "goals": [], "standing": "current",
        "seq": 1, "feed": "f1".repeat(32), "signer": "51".repeat(32), "body_bytes": 3,
        "series": { "versions": [] }, "holders": { "centres": 0 },
    });
    let refused = ErrorBody::new(ErrorCode::SecondPerson, "not alone");
    let node = Node::default()
        .json("GET /v1/records/abab", &record)
        .fails(&format!("POST /v1/records/{id}/retract"), &refused)
        .json("POST /v1/drafts/retraction", &retraction().summary());
    let program = Program::with(node);
    let shown =
        run(&program, &["retract", "abab", "--reason", "error", "--note", "Too deep.", "--yes"]);
    assert_eq!(shown.exit, 0, "{}", shown.err);
    assert!(shown.out.contains("baraza draft release 2793d0bf"), "{}", shown.out);
    let expected = json!({ "record": id, "reason": "error", "note": "Too deep." });
    assert_eq!(body(&program, 2), expected);
}

#[test]
fn the_staff_and_their_log_are_shown() {
    let reply = StaffReply {
        two_person: true,
        you: MemberView { user: "amina".into(), role: Role::Drafter },
        socket: Some("/run/baraza/api.sock".into()),
        group: Some("baraza".into()),
        members: vec![MemberView { user: "brian".into(), role: Role::Publisher }],
    };
    let program = Program::with(Node::default().json("GET /v1/staff", &reply));
    let shown = run(&program, &["staff", "list"]);
    for word in ["amina, drafter", "needed to publish", "/run/baraza/api.sock", "publisher"] {
        assert!(shown.out.contains(word), "{word}: {}", shown.out);
    }
    let entry = LogEntry {
        time_ms: NOW.0,
        person: account("am\u{202e}ina"),
        action: "publish".into(),
        objects: vec!["cd".repeat(32)],
        more: 4,
        outcome: "done".into(),
    };
    let reply = StaffLogReply { entries: vec![entry] };
    let program = Program::with(Node::default().json("GET /v1/staff/log?limit=5", &reply));
    let shown = run(&program, &["staff", "log", "--limit", "5"]);
    assert!(shown.out.contains("amina  publish  cdcdcdcdcdcd and 4 more  done"), "{}", shown.out);
}

#[test]
fn a_socket_that_is_named_is_used_instead_of_the_home() {
    let reply = DraftsReply::default();
    let program = Program::with(Node::default().json("GET /v1/drafts", &reply));
    let shown = run(&program, &["draft", "list", "--socket", "/run/baraza/api.sock"]);
    assert_eq!(shown.exit, 0, "{}", shown.err);
    assert_eq!(*program.done.borrow(), ["client at \"/run/baraza/api.sock\""]);
}
