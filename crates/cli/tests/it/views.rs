//! What people see: whole views, compared as they are.

use baraza_api::{
    AttachmentCounts, AttachmentView, ErasureView, HitView, Holders, ListReply, RecordSummary,
    RecordView, SearchReply, SeriesView, Standing, StatusView, VersionView, Warning,
};
use baraza_record::{CentreId, FeedId, FileHash, PublicKey, RecordId};
use serde_json::{Value, json};

use crate::support::{NOW, Node, Person, Program, run, run_with};

fn summary() -> RecordSummary {
    RecordSummary {
        id: RecordId([0xab; 32]),
        kind: "lesson".into(),
        title: "Prepaid meters stopped when the last card reader broke".into(),
        language: "en".into(),
        centre: CentreId([0xce; 32]),
        centre_name: Some("Lake Region Water Desk".into()),
        created_ms: NOW.0 - 3 * 86_400_000,
        arrived_ms: NOW.0 - 180_000,
        countries: vec!["UG".into(), "MW".into()],
        goals: vec![6],
        standing: Standing::Current,
        accreditation: String::new(),
        audience: baraza_api::AudienceView::Public,
    }
}

fn record() -> RecordView {
    RecordView {
        summary: summary(),
        body: Some(json!({
            "schema": "lesson/1",
            "zone": {"name": "north", "parts": [{"a": 1, "b": "two"}, "three"]},
            "title": "Prepaid meters stopped when the last card reader broke",
            "countries": ["UG", "MW"],
            "sdg": ["6.1", "6.b"],
            "lesson": "Ask who repairs it.\nAnd how soon.",
        })),
        problems: Vec::new(),
        seq: 12,
        feed: FeedId([0xfe; 32]),
        signer: PublicKey([1; 32]),
        body_bytes: 1_536,
        series: SeriesView::default(),
        erasure: None,
        holders: Holders { centres: 3, since_ms: Some(NOW.0 - 60_000) },
        attachments: Vec::new(),
    }
}

pub(crate) fn status() -> StatusView {
    StatusView {
        version: "0.1.0".into(),
        centre: CentreId([0xce; 32]),
        centre_name: "Lake Region Water Desk".into(),
        peer_id: "12D3KooWalice".into(),
        node_key: None,
        operator_key: None,
        daemon: true,
        listen: vec!["/ip4/192.0.2.1/tcp/4001".into()],
        records: 1_234,
        bodies_missing: 0,
        bodies_left_out: 0,
        held: 0,
        centres: 5,
        feeds: 6,
        ledger_bytes: 13_000_000,
        attachments: AttachmentCounts::default(),
        peers_connected: 2,
        peers_known: 4,
        sessions: 1,
        set_digest: "00ff".into(),
        networks: Vec::new(),
        agreed_ms: Some(NOW.0 - 7_200_000),
        index_behind: 0,
        unlocked: true,
        link: None,
        warnings: Vec::new(),
    }
}

#[test]
fn the_status_says_what_is_well() {
    let program = Program::with(Node::default().json("GET /v1/status", &status()));
    let shown = run(&program, &[]);
    assert_eq!(
        shown.out,
        "Centre     Lake Region Water Desk (cececececece)
Node       12D3KooWalice
Daemon     running
Listening  /ip4/192.0.2.1/tcp/4001
Records    1,234 in 6 feeds, of 5 centres; 12.3 MiB on disk
Peers      2 connected, 4 known; 1 catch-up under way
Agreed     2026-03-01 10:00 UTC (2 h ago)
Search     up to date
Key        can sign
Backup     none yet; make one with: baraza backup DIR
Digest     00ff
Version    0.1.0
"
    );
    assert_eq!(shown.err, "\nNothing needs attention.\n");
}

#[test]
fn the_status_says_what_is_wrong_and_what_to_do() {
    let (message, hint) = ("the disk is nearly full".into(), "free some space".into());
    let warnings = vec![Warning { message, hint }];
    let status = StatusView { daemon: false, unlocked: false, held: 2, warnings, ..status() };
    let program = Program::with(Node::default().json("GET /v1/status", &status));
    let shown = run(&program, &["status", "--recovery-stored", "--quiet"]);
    assert!(shown.out.ends_with("\nwarning: the disk is nearly full\n  hint: free some space\n"));
    assert!(shown.out.contains("Held       2 records whose signer's authority is not known yet\n"));
    assert!(shown.out.contains("baraza unlock") && shown.out.contains("baraza start"));
    assert_eq!((shown.err.as_str(), program.done.borrow().len()), ("", 1));
}

#[test]
fn the_status_as_json_is_the_reply() {
    let program = Program::with(Node::default().json("GET /v1/status", &status()));
    let json: Value = serde_json::from_str(&run(&program, &["--json"]).out).unwrap();
    assert_eq!(json["set_digest"], "00ff");
    assert_eq!(serde_json::from_value::<StatusView>(json).unwrap(), status());
}

#[test]
fn without_a_home_the_first_steps_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program { home: folder.path().join("none"), ..Program::default() };
    let shown = run(&program, &[]);
    let steps = ["1. baraza init", "2. baraza start", "3. baraza new", "baraza demo"];
    assert!(steps.iter().all(|step| shown.out.contains(step)), "{}", shown.out);
    let json: Value = serde_json::from_str(&run(&program, &["--json"]).out).unwrap();
    assert_eq!((shown.exit, &json["initialised"]), (0, &json!(false)));
}

#[test]
fn a_list_fits_the_terminal_and_is_whole_elsewhere() {
    let reply = ListReply { records: vec![summary()], next: None };
    let node = || Node::default().json("GET /v1/records?limit=20", &reply);
    assert_eq!(
        run(&Program::with(node()), &["list"]).out,
        "\
ID            KIND    LANG  TITLE                                                   CENTRE                  COUNTRIES  ARRIVED
abababababab  lesson  en    Prepaid meters stopped when the last card reader broke  Lake Region Water Desk  UG MW      2026-03-01
"
    );
    let shown = run_with(&Program::with(node()), &["list"], None, Some(100));
    let row = shown.out.lines().nth(1).unwrap();
    assert_eq!(row.chars().count(), 100, "{row}");
    assert!(row.contains("Prepaid meters stopped w…"), "{row}");
}

#[test]
fn a_list_goes_on_over_pages_with_its_filters() {
    let page = |records: usize, next| ListReply { records: vec![summary(); records], next };
    let filters = "kind=lesson%2Cpractice&sdg=6&since=2026-01-01";
    let node = Node::default()
        .json(&format!("GET /v1/records?{filters}&limit=200"), &page(200, Some(77)))
        .json(&format!("GET /v1/records?{filters}&before=77&limit=50"), &page(0, Some(55)))
        .json(&format!("GET /v1/records?{filters}&before=55&limit=50"), &page(20, None));
    let program = Program::with(node);
    let arguments =
        "list --limit 250 --kind lesson,practice --sdg 6 --since 2026-01-01 --json".split(' ');
    let shown = run(&program, &arguments.collect::<Vec<_>>());
    program.node.assert_done();
    let json: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 220);
    assert_eq!(json[0]["id"], RecordId([0xab; 32]).to_string());
}

#[test]
fn hits_are_shown_with_their_place() {
    let excerpt = "repairs took\neleven weeks".into();
    let hit = HitView { summary: summary(), score: 2.5, excerpt };
    let reply = SearchReply { total: 1_200, hits: vec![hit], behind: 1 };
    let path = "GET /v1/search?q=water+meters%26x&country=Uganda%2CMW&offset=4&limit=3";
    let node = Node::default().json(path, &reply);
    let arguments =
        ["search", "water", "meters&x", "--country", "Uganda,MW", "--limit", "3", "--offset", "4"];
    let shown = run(&Program::with(node), &arguments);
    assert_eq!(
        shown.out,
        "abababababab  Prepaid meters stopped when the last card reader broke
  lesson, en, Uganda, Malawi, Lake Region Water Desk, 2026-02-26
  repairs took eleven weeks

"
    );
    assert_eq!(shown.err, "5 to 5 of 1,200\nThe search does not cover the latest 1 change yet.\n");
}

#[test]
fn a_record_is_shown_for_reading() {
    let program = Program::with(Node::default().json("GET /v1/records/abab", &record()));
    let shown = run(&program, &["show", "ABAB"]);
    let (ab, ce) = ("ab".repeat(32), "ce".repeat(6));
    assert_eq!(
        shown.out,
        format!(
            "Prepaid meters stopped when the last card reader broke

Id         {ab}
Kind       lesson
Publisher  Lake Region Water Desk ({ce})
Language   en
Written    2026-02-26 12:00 UTC (3 days ago)
Arrived    2026-03-01 11:57 UTC (3 min ago)
Signed by  010101010101, number 12 of its feed
Body       1.5 KiB
Held by    3 other centres, the first since 2026-03-01 11:59 UTC (1 min ago)

lesson
\u{2068}Ask who repairs it.\u{2069}
\u{2068}And how soon.\u{2069}

sdg
6.1 Clean water and sanitation
6.b Clean water and sanitation

countries
Uganda, Malawi

zone
name: north
parts:
  - a: 1
    b: two
  - three
"
        )
    );
}

#[test]
fn what_was_withdrawn_or_replaced_is_said_first() {
    let latest = RecordId([0xcd; 32]);
    let versions = vec![RecordId([0xab; 32]), latest];
    let series = SeriesView { versions, latest: Some(latest), ..SeriesView::default() };
    let summary = RecordSummary { standing: Standing::Superseded, ..summary() };
    let record = RecordView { summary, series, ..record() };
    let program = Program::with(Node::default().json("GET /v1/records/abab", &record));
    let out = run(&program, &["show", "abab"]).out;
    assert!(out.lines().next().unwrap().ends_with("[a newer version is held]"), "{out}");
    assert!(out.contains(&format!("Latest     {latest}\nVersion    1 of 2\n")), "{out}");
}

#[test]
fn files_are_listed_with_what_is_here_of_them() {
    let file = |number, title: &str| AttachmentView {
        number,
        hash: FileHash([number as u8; 32]),
        bytes: 40_960,
        mime: "image/png".into(),
        title: title.into(),
        bytes_held: 0,
        whole: false,
        wanted: false,
        pinned: false,
        gone: false,
    };
    let attachments = vec![
        AttachmentView { whole: true, pinned: true, ..file(1, "Chart") },
        AttachmentView { bytes_held: 16_384, wanted: true, ..file(2, "Map") },
        AttachmentView { gone: true, ..file(3, "Faces") },
        file(4, "Film"),
    ];
    let record = RecordView { attachments, ..record() };
    let program = Program::with(Node::default().json("GET /v1/records/abab", &record));
    let run = run(&program, &["show", "abab"]);
    for line in [
        "1  Chart  image/png  40.0 KiB  yes, pinned",
        "2  Map    image/png  40.0 KiB  16.0 KiB of it, the rest is wanted",
        "3  Faces  image/png  40.0 KiB  deleted, as its publisher asked",
        "4  Film   image/png  40.0 KiB  no",
    ] {
        assert!(run.out.contains(line), "{}", run.out);
    }
    assert!(run.err.contains("2 files are not here; to get one: baraza fetch ID N"), "{}", run.err);
}

#[test]
fn what_was_erased_says_when_and_why() {
    let erasure = ErasureView {
        retraction: RecordId([0xcd; 32]),
        reason: "consent-withdrawn".into(),
        note: Some("A person\u{1b}[31m asked for it.".into()),
        created_ms: NOW.0 - 120_000,
        arrived_ms: NOW.0 - 60_000,
        due_ms: NOW.0 + 7 * 86_400_000,
        done: false,
        at_once: false,
    };
    let show = |erasure: ErasureView| {
        let record = RecordView { erasure: Some(erasure), body: None, ..record() };
        let program = Program::with(Node::default().json("GET /v1/records/abab", &record));
        run(&program, &["show", "abab"]).out
    };
    let pending = show(erasure.clone());
    assert!(pending.contains("Erased     its text is hidden; it is deleted here on"), "{pending}");
    let gone = show(ErasureView { done: true, at_once: true, ..erasure });
    assert!(gone.contains("Erased     its text was deleted here; "), "{gone}");
    assert!(gone.contains("Reason     consent-withdrawn\nNote       A person"), "{gone}");
    assert!(!gone.contains('\u{1b}'), "{gone}");
}

#[test]
fn versions_are_listed_with_the_one_that_counts() {
    let ids = [0xab, 0xcd, 0xce].map(|byte| RecordId([byte; 32]));
    let version = |place: usize, supersedes| VersionView {
        id: ids[place],
        created_ms: NOW.0 + place as u64,
        supersedes,
    };
    let earlier = Some(ids[0]);
    let series = SeriesView {
        versions: ids.to_vec(),
        history: vec![version(0, None), version(1, earlier), version(2, earlier)],
        concurrent: ids[1..].to_vec(),
        latest: Some(ids[2]),
        retracted_by: None,
    };
    let record = RecordView { series, ..record() };
    let program = Program::with(Node::default().json("GET /v1/records/abab", &record));
    let out = run(&program, &["show", "abab"]).out;
    let rows: Vec<_> = out.lines().skip_while(|line| *line != "Versions").skip(1).take(4).collect();
    let ends = ["", "this one", "written beside another one", "counts, written beside another one"];
    assert_eq!(rows.len(), 4, "{out}");
    for (row, end) in rows.iter().zip(ends) {
        assert!(row.ends_with(end), "{row}");
    }
}

#[test]
fn a_record_comes_back_as_a_draft() {
    let program = Program::with(Node::default().json("GET /v1/records/abab", &record()));
    let out = run(&program, &["show", "abab", "--markdown"]).out;
    let rows = baraza_formats::parse("draft.md", out.as_bytes(), None).unwrap();
    let draft = rows.into_iter().next().unwrap().unwrap();
    assert_eq!(Some(Value::Object(draft.body)), record().body);
    assert_eq!(draft.revises, Some("ab".repeat(32)));
    assert_eq!(draft.language.as_deref(), Some("en"));
}

#[test]
fn a_centre_is_made_by_options_or_by_answers() {
    let program = Program::with(Node::default());
    let shown = run(
        &program,
        &["init", "--name", "Water Desk", "--country", "KE", "--no-passphrase", "--json"],
    );
    let json: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!((shown.exit, &json["centre"]), (0, &json!("a1".repeat(32))));
    assert!(program.done.borrow()[0].contains("passphrase: None, "));

    let person = Person(vec!["Water Desk", "Kenya", "", "open sesame", "open sesame"]);
    let shown = run_with(&program, &["init", "--no-mdns"], Some(person), None);
    assert_eq!(shown.exit, 0, "{}", shown.err);
    assert!(shown.err.contains("baraza status --recovery-stored"));
    assert!(!format!("{shown:?}").contains("sesame"));
    let done = program.done.borrow()[1].clone();
    assert!(done.contains(r#"name: "Water Desk", country: Some("Kenya")"#), "{done}");
    assert!(done.contains("contact: None") && done.contains("mdns: false"), "{done}");

    let differ = Person(vec!["Water Desk", "", "", "one", "two"]);
    assert_eq!(run_with(&program, &["init"], Some(differ), None).exit, 3);
    assert_eq!(run(&program, &["init"]).exit, 2);
    assert_eq!(run(&program, &["init", "--name", "x"]).exit, 2, "the key is not left open unasked");
}

#[test]
fn a_daemon_says_when_it_is_ready() {
    let program = Program::with(Node::default());
    let shown = run(&program, &["start", "--listen", "/ip4/127.0.0.1/tcp/0", "--json"]);
    let line: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(shown.out.lines().count(), 1);
    assert_eq!(
        line,
        json!({"peer_id": "12D3KooWalice", "listen": ["/ip4/127.0.0.1/tcp/0"],
               "centre": "a1".repeat(32), "api": "/run/api.sock"})
    );
}

#[test]
fn a_demonstration_tells_its_steps() {
    let shown = run(&Program::default(), &["demo", "--keep"]);
    assert_eq!(shown.out, "[1/2] made three centres\n      of three\n[2/2] kept: true\n");
}

#[test]
fn the_key_is_unlocked_from_a_file_or_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("passphrase");
    std::fs::write(&file, "open sesame\nsecond line").unwrap();
    let unlocking = || Node::default().json("GET /v1/status", &status());
    let node = || unlocking().json("POST /v1/unlock", &json!({}));
    let from_file = ["unlock", "--passphrase-file", file.to_str().unwrap()];
    for (arguments, person) in
        [(&from_file[..], None), (&["unlock"], Some(Person(vec!["open sesame"])))]
    {
        let program = Program::with(node());
        assert_eq!(run_with(&program, arguments, person, None).exit, 0);
        let body = program.node.requests.borrow()[1].body.clone().unwrap().1;
        assert_eq!(body, br#"{"passphrase":"open sesame"}"#);
    }
    assert_eq!(run(&Program::with(unlocking()), &["unlock"]).exit, 2);
    std::fs::write(&file, "\n").unwrap();
    assert_eq!(run(&Program::with(unlocking()), &from_file).exit, 3);
    let mut alone = status();
    alone.daemon = false;
    let alone = Program::with(Node::default().json("GET /v1/status", &alone));
    assert_eq!(run(&alone, &["unlock"]).exit, 7);
}

#[test]
fn without_an_id_it_is_our_own_centre() {
    let ce = "ce".repeat(32);
    let centre = json!({
        "id": ce, "name": "Lake Region Water Desk", "role": "centre", "country": "KE",
        "ours": true, "records": 7, "identity_head": ce, "identity": "frozen",
        "root_keys": 3, "root_threshold": 2, "next_keys": 5, "next_threshold": 3,
        "operators": [{"key": "01".repeat(32), "capabilities": ["publish"], "label": "desk"}],
    });
    let node = Node::default()
        .json("GET /v1/status", &status())
        .json(&format!("GET /v1/centres/{ce}"), &centre);
    let shown = run(&Program::with(node), &["centre", "show"]);
    assert_eq!(
        shown.out,
        format!(
            "Lake Region Water Desk
Id         {ce}
Words      solution island recipe outside  undo guess depth supply
Country    Kenya
Ours       yes
Records    7
Identity   as of event cececececece
Log        frozen: two updates contradict each other; a rotation mends it
Root keys  2 of 3 sign a change
Next keys  3 of 5 sign a rotation

KEY           MAY      LABEL
010101010101  publish  desk
"
        )
    );
    let node = Node::default()
        .json("GET /v1/status", &status())
        .json(&format!("GET /v1/centres/{ce}/log"), &json!([]));
    assert_eq!(run(&Program::with(node), &["centre", "log", "--json"]).out, "[]\n");
}
