//! Publishing, revising and retracting.

use std::path::{Path, PathBuf};

use baraza_api::{
    BodyKind, ErrorCode, Holders, Problem, PublishReply, PublishRequest, Published, RowReport,
};
use baraza_record::RecordId;
use serde_json::{Value, json};

use crate::support::{Node, Person, Program, error, run, run_with};

fn write(folder: &Path, name: &str, lines: &[Value]) -> PathBuf {
    let path = folder.join(name);
    let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}

fn draft(title: &str) -> Value {
    json!({"kind": "lesson", "title": title})
}

/// Returns a draft of which four fit one request.
fn big() -> Value {
    json!({"kind": "lesson", "title": "a", "lesson": "x".repeat(250_000)})
}

fn published(titles: &[&str]) -> PublishReply {
    let one = |title: &&str| Published {
        id: RecordId([title.as_bytes()[0]; 32]),
        kind: "lesson".into(),
        title: (*title).into(),
        source: String::new(),
        holders: Holders::default(),
        waited_ms: 0,
    };
    PublishReply { published: titles.iter().map(one).collect(), ..PublishReply::default() }
}

fn refused(source: &str) -> PublishReply {
    let problem = Problem { field: "sdg".into(), rule: "is needed".into(), value: String::new() };
    let report = RowReport { source: source.into(), problems: vec![problem], warnings: Vec::new() };
    PublishReply { reports: vec![report], refused: true, ..PublishReply::default() }
}

fn requests(program: &Program) -> Vec<PublishRequest> {
    let requests = program.node.requests.borrow();
    let bodies = requests.iter().filter_map(|request| request.body.as_ref());
    bodies
        .filter(|(kind, _)| *kind == BodyKind::Json)
        .map(|(_, json)| serde_json::from_slice(json).unwrap())
        .collect()
}

#[test]
fn drafts_of_several_files_are_one_request() {
    let folder = tempfile::tempdir().unwrap();
    let a = write(folder.path(), "a.jsonl", &[draft("a"), draft("b")]);
    let b = write(folder.path(), "b.json", &[draft("c")]);
    let program =
        Program::with(Node::default().json("POST /v1/records", &published(&["a", "b", "c"])));
    let shown = run(&program, &["publish", a.to_str().unwrap(), b.to_str().unwrap(), "--json"]);
    assert_eq!(shown.exit, 0, "{}", shown.err);
    let json: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(json[2]["id"], "63".repeat(32));
    let sent = &requests(&program)[0];
    assert!(!sent.dry_run && !sent.allow_personal_data);
    let titles: Vec<_> = sent.drafts.iter().map(|draft| draft.body["title"].clone()).collect();
    assert_eq!(titles, ["a", "b", "c"]);
}

#[test]
fn many_drafts_are_all_checked_before_the_first_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let drafts = vec![big(); 6];
    let file = write(folder.path(), "a.jsonl", &drafts);
    let good = published(&["a"]);
    let node = Node::default()
        .json("POST /v1/records", &PublishReply::default())
        .json("POST /v1/records", &PublishReply::default())
        .json("POST /v1/records", &good)
        .json("POST /v1/records", &good);
    let program = Program::with(node);
    assert_eq!(run(&program, &["publish", file.to_str().unwrap()]).exit, 0);
    program.node.assert_done();
    let sent = requests(&program);
    assert_eq!(
        sent.iter().map(|one| (one.drafts.len(), one.dry_run)).collect::<Vec<_>>(),
        [(4, true), (2, true), (4, false), (2, false)]
    );
    let bytes = |one: &PublishRequest| serde_json::to_vec(one).unwrap().len();
    assert!(sent.iter().all(|one| bytes(one) < 1_100_000));
}

#[test]
fn one_bad_draft_stops_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "a.jsonl", &[draft("a"), draft("b")]);
    let program =
        Program::with(Node::default().json("POST /v1/records", &refused("a.jsonl, line 2")));
    let shown = run(&program, &["publish", file.to_str().unwrap()]);
    assert_eq!(shown.exit, 3);
    assert_eq!(
        shown.out,
        "DRAFT            FIELD  WHAT IS WRONG  FOUND\na.jsonl, line 2  sdg    is needed\n"
    );
    assert!(shown.err.starts_with("error: 1 draft breaks a rule; nothing was published\nhint: "));
    assert!(shown.err.contains("--skip-invalid"));

    let program =
        Program::with(Node::default().json("POST /v1/records", &refused("a.jsonl, line 2")));
    let shown = run(&program, &["publish", file.to_str().unwrap(), "--json"]);
    let told: Value = serde_json::from_str(&shown.err).unwrap();
    assert_eq!(told["details"][0]["problems"][0]["field"], "sdg");
    assert_eq!(shown.out, "");
}

#[test]
fn a_draft_that_does_not_parse_stops_all_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "a.jsonl", &[draft("a"), json!({"kind": "nonsense"})]);
    // The others are checked all the same, so that all is told at once.
    let program = Program::with(Node::default().json("POST /v1/records", &PublishReply::default()));
    let shown = run(&program, &["publish", file.to_str().unwrap()]);
    assert_eq!(shown.exit, 3);
    assert!(shown.out.contains("line 2") && shown.out.contains("nonsense"), "{}", shown.out);
    assert!(requests(&program).iter().all(|request| request.dry_run));
}

#[test]
fn the_good_ones_are_published_if_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let lines = [draft("a"), json!({"kind": "nonsense"}), draft("c")];
    let file = write(folder.path(), "a.jsonl", &lines);
    let name = file.to_str().unwrap();
    let source = baraza_formats::parse(name, &std::fs::read(&file).unwrap(), None).unwrap();
    let source = source[2].as_ref().unwrap().source.to_string();
    let node = Node::default()
        .json("POST /v1/records", &refused(&source))
        .json("POST /v1/records", &published(&["a"]));
    let program = Program::with(node);
    let shown = run(&program, &["publish", name, "--skip-invalid", "--json"]);
    program.node.assert_done();
    assert_eq!(shown.exit, 9);
    assert_eq!(serde_json::from_str::<Value>(&shown.out).unwrap().as_array().unwrap().len(), 1);
    let told: Value = serde_json::from_str(&shown.err).unwrap();
    assert_eq!((&told["message"], &told["exit"]), (&json!("2 drafts were left out"), &json!(9)));
    let sent = requests(&program);
    assert_eq!(sent[1].drafts.len(), 1);
    assert_eq!(sent[1].drafts[0].body["title"], "a");
}

#[test]
fn a_failure_after_a_part_is_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "a.jsonl", &vec![big(); 5]);
    let node = Node::default()
        .json("POST /v1/records", &PublishReply::default())
        .json("POST /v1/records", &PublishReply::default())
        .json("POST /v1/records", &published(&["a"]))
        .fails("POST /v1/records", &error(ErrorCode::DiskFull));
    let shown = run(&Program::with(node), &["publish", file.to_str().unwrap()]);
    assert_eq!(shown.exit, 9);
    assert!(shown.out.contains("616161616161  lesson  a\n"), "{}", shown.out);
    assert!(shown.err.contains("error: what went wrong\n"), "{}", shown.err);
}

#[test]
fn a_dry_run_publishes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "a.jsonl", &[draft("a")]);
    let program = Program::with(Node::default().json("POST /v1/records", &PublishReply::default()));
    let shown = run(&program, &["publish", file.to_str().unwrap(), "--dry-run"]);
    assert_eq!((shown.exit, shown.out.as_str()), (0, "1 draft can be published; nothing was\n"));
    assert!(requests(&program)[0].dry_run);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let shown = run(&Program::with(Node::default()), &["publish", "nowhere.md"]);
    assert_eq!(shown.exit, 3);
    assert!(shown.err.starts_with("error: `nowhere.md` cannot be read: "), "{}", shown.err);
}

#[test]
fn a_template_is_a_draft_to_fill_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("practice.md");
    for kind in ["practice", "lesson", "reference"] {
        let shown = run(&Program::default(), &["new", kind]);
        assert!(shown.exit == 0 && shown.out.contains("title:"), "{kind}");
    }
    let arguments = ["new", "practice", "--output", path.to_str().unwrap()];
    assert_eq!(run(&Program::default(), &arguments).exit, 0);
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written, run(&Program::default(), &["new", "practice"]).out);
    assert_eq!(run(&Program::default(), &arguments).exit, 3, "what is there is not overwritten");
}

#[test]
fn a_revision_names_what_it_replaces() {
    let folder = tempfile::tempdir().unwrap();
    let plain = write(folder.path(), "a.json", &[draft("a")]);
    let named = json!({"kind": "lesson", "title": "a", "revises": "abcdef"});
    let named = write(folder.path(), "b.json", &[named]);
    let two = write(folder.path(), "c.jsonl", &[draft("a"), draft("b")]);
    for (id, file, exit) in
        [("ABCD", &plain, 0), ("abcd", &named, 0), ("abce", &named, 3), ("abcd", &two, 3)]
    {
        let program = Program::with(Node::default().json("POST /v1/records", &published(&["a"])));
        let shown = run(&program, &["revise", id, file.to_str().unwrap()]);
        assert_eq!(shown.exit, exit, "{id} {}", shown.err);
        if exit == 0 {
            assert_eq!(requests(&program)[0].drafts[0].revises.as_deref(), Some("abcd"));
        }
    }
}

#[test]
fn a_retraction_needs_a_yes() {
    let reply = json!({
        "id": "ab".repeat(32), "kind": "lesson", "title": "Meters", "language": "en",
        "centre": "ce".repeat(32), "created_ms": 0, "arrived_ms": 0, "countries": [], "goals": [],
        "standing": "current", "seq": 1, "feed": "fe".repeat(32), "signer": "01".repeat(32),
        "body_bytes": 1, "series": {"versions": []}, "holders": {"centres": 0},
    });
    let path = format!("POST /v1/records/{}/retract", "ab".repeat(32));
    let arguments = ["retract", "abab", "--reason", "harmful", "--note", "see the newer one"];
    let program = Program::with(Node::default().json("GET /v1/records/abab", &reply));
    assert_eq!(run(&program, &arguments).exit, 2);

    let retraction = published(&["x"]).published.remove(0);
    let program = Program::with(
        Node::default().json("GET /v1/records/abab", &reply).json(&path, &retraction),
    );
    let shown = run(&program, &[&arguments[..], &["-y"]].concat());
    assert_eq!((shown.exit, shown.out.as_str()), (0, "Retracted abababababab by 787878787878\n"));
    let body = program.node.requests.borrow()[1].body.clone().unwrap().1;
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap(),
        json!({"reason": "harmful", "note": "see the newer one"})
    );
}

#[test]
fn an_erasure_says_what_it_cannot_reach_and_signs_with_root_keys() {
    let reply = json!({
        "id": "ab".repeat(32), "kind": "lesson", "title": "Meters", "language": "en",
        "centre": "ce".repeat(32), "created_ms": 0, "arrived_ms": 0, "countries": [], "goals": [],
        "standing": "current", "seq": 1, "feed": "fe".repeat(32), "signer": "01".repeat(32),
        "body_bytes": 1, "series": {"versions": []}, "holders": {"centres": 0},
    });
    let path = format!("POST /v1/records/{}/retract", "ab".repeat(32));
    let node = || Node::default().json("GET /v1/records/abab", &reply);
    let erase = ["retract", "abab", "--reason", "legal", "--erase"];
    let ask = |arguments: &[&str]| {
        let person = Person(vec!["n"]);
        run_with(&Program::with(node()), arguments, Some(person), None)
    };
    let asked = ask(&erase);
    for part in ["`Meters`", "after 7 days", "Bundles that were handed out", "Nothing was done"] {
        assert!(asked.err.contains(part), "{part}: {}", asked.err);
    }
    let asked = ask(&[&erase[..], &["--now"]].concat());
    assert!(asked.err.contains("everywhere at once"), "{}", asked.err);

    let retraction = published(&["x"]).published.remove(0);
    let other = json!({ "key": "11".repeat(32), "signature": "22".repeat(64) });
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "signature.json", std::slice::from_ref(&other));
    let name = file.display().to_string();
    let program = Program::with(node().json(&path, &retraction));
    let shown = run(&program, &[&erase[..], &["--now", "--root-signature", &name, "-y"]].concat());
    assert_eq!(shown.exit, 0, "{}", shown.err);
    assert!(
        shown.err.contains("deleted here, and by others when they hear of it"),
        "{}",
        shown.err
    );
    assert!(program.done.borrow()[0].contains("sign erasure"), "{:?}", program.done);
    let body = program.node.requests.borrow()[1].body.clone().unwrap().1;
    let own = json!({ "key": "b0".repeat(32), "signature": "0f".repeat(64) });
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap(),
        json!({"reason": "legal", "erase": true, "root_signatures": [other, own]})
    );
    for wrong in [&["--now"][..], &["--erase", "--root-signature", "x"]] {
        let arguments = [&["retract", "abab", "--reason", "legal", "-y"], wrong].concat();
        assert_eq!(run(&Program::with(node()), &arguments).exit, 2, "{wrong:?}");
    }

    let (id, centre) = ("ab".repeat(32), "ce".repeat(32));
    let sign = ["sign-erasure", &id, "--centre", &centre, "--key", "root.pem"];
    assert_eq!(run(&Program::default(), &sign).exit, 2, "nobody said yes");
    let short = ["sign-erasure", "abab", "--centre", &centre, "--yes"];
    assert_eq!(run(&Program::default(), &short).exit, 2, "which record it is must be sure");
    let signed = run(&Program::default(), &[&sign[..], &["--yes"]].concat());
    assert_eq!(serde_json::from_str::<Value>(&signed.out).unwrap(), own);
}

#[test]
fn a_publication_that_waited_for_a_peer_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "a.jsonl", &[draft("a")]);
    for (waited_ms, told) in [(0, false), (499, false), (2_500, true)] {
        let mut reply = published(&["a"]);
        reply.published[0].waited_ms = waited_ms;
        let program = Program::with(Node::default().json("POST /v1/records", &reply));
        let shown = run(&program, &["publish", file.to_str().unwrap()]);
        assert_eq!(shown.exit, 0, "{shown:?}");
        assert_eq!(shown.err.contains("Waited 3 s"), told, "{waited_ms} ms: {shown:?}");
    }
}
