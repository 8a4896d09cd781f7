//! Text of others on a terminal: C-01 and C-02 of docs/SECURITY.md.

use baraza_api::{
    AttachmentCounts, AttachmentView, AttachmentsView, CauseView, CentreView, CreatedNetwork,
    ErrorBody, ErrorCode, EventView, Explanation, FeedLack, Holders, InterestsView, InvitationView,
    LinkView, ListCentres, ListReply, LogState, NetworkView, NetworksReply, NodeWhy, OperatorView,
    OverrideView, PeerView, PeerWhyView, PeersReply, PolicyView, Problem, PublishReply, Published,
    QuarantineReply, QuarantinedCentre, QuotasView, RecordSummary, RecordView, SearchReply,
    SeriesView, SpentView, Standing, StatementView, StatusView, SyncReply, TrustReply,
    TrustedNation, Warning, WhyReply,
};
use baraza_cli::Safe;
use baraza_record::{CentreId, EventId, FeedId, FileHash, NetworkId, PublicKey, RecordId};
use serde_json::{Value, json};

use crate::support::{Node, Program, run, run_with};

/// Everything that a hostile text may try at once, between two letters.
const HOSTILE: &str = "a\u{1b}[2J\u{1b}]0;x\u{7}\u{8}\r\u{0}\u{7f}\u{9b}31m\u{85}\u{202e}\u{2066}\u{2069}\u{2069}\u{200e}\u{61c}\u{2028}z";

fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

#[track_caller]
fn assert_harmless(text: &str) {
    let odd = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
    assert_eq!(odd, None, "{text:?}");
    for line in text.lines() {
        let mut depth = 0;
        for c in line.chars() {
            assert!(!matches!(c, '\u{202a}'..='\u{202e}'), "{line:?}");
            depth += i32::from(matches!(c, '\u{2066}'..='\u{2068}')) - i32::from(c == '\u{2069}');
            assert!(0 <= depth, "{line:?}");
        }
        assert_eq!(depth, 0, "{line:?}");
    }
}

fn naughty_strings() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/blns/blns.json");
    let strings: Vec<String> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(500 < strings.len());
    strings
}

#[test]
fn no_string_moves_a_terminal_and_ordinary_ones_are_unchanged() {
    for text in naughty_strings().iter().map(String::as_str).chain([HOSTILE]) {
        let line = Safe(text).to_string();
        assert!(!line.chars().any(|c| c.is_control() || is_bidi_control(c)), "{line:?}");
        assert_harmless(&Safe(text).isolated().to_string());
        let plain = Safe(text).plain().to_string();
        assert!(!plain.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')));
        let is_special = |c: char| c.is_control() || is_bidi_control(c) || is_line_end(c);
        if !text.chars().any(is_special) {
            assert_eq!(line, text);
        }
    }
}

#[test]
fn names_in_all_scripts_pass_byte_by_byte() {
    for name in [
        "مركز المياه",
        "מרכז המים",
        "می\u{200c}خواهم",
        "የውሃ ማዕከል",
        "ရေဌာန",
        "क्\u{200d}ष",
        "水务中心",
    ] {
        assert_eq!(Safe(name).to_string(), name);
        assert_eq!(Safe(name).isolated().to_string(), format!("\u{2068}{name}\u{2069}"));
    }
}

#[test]
fn isolates_are_closed_on_their_own_line() {
    for (text, shown) in [
        ("", ""),
        ("a\n\nb", "\u{2068}a\u{2069}\n\n\u{2068}b\u{2069}"),
        ("a\u{2067}b", "\u{2068}a\u{2067}b\u{2069}\u{2069}"),
        ("a\u{2069}b", "\u{2068}ab\u{2069}"),
        ("\u{202e}ab\u{202c}", "\u{2068}ab\u{2069}"),
        ("a\u{2028}b", "\u{2068}a\u{2069}\n\u{2068}b\u{2069}"),
    ] {
        assert_eq!(Safe(text).isolated().to_string(), shown, "{text:?}");
    }
}

fn text() -> String {
    HOSTILE.to_owned()
}

fn summary() -> RecordSummary {
    RecordSummary {
        id: RecordId([0xab; 32]),
        kind: text(),
        title: text(),
        language: text(),
        centre: CentreId([0xce; 32]),
        centre_name: Some(text()),
        created_ms: 0,
        arrived_ms: u64::MAX,
        countries: vec![text()],
        goals: vec![6],
        standing: Standing::Unreadable,
        accreditation: text(),
        audience: baraza_api::AudienceView::Public,
    }
}

fn record() -> RecordView {
    let problem = Problem { field: text(), rule: text(), value: text() };
    let body = json!({
        HOSTILE: HOSTILE, "sdg": [HOSTILE], "list": [HOSTILE, {HOSTILE: [HOSTILE, {"x": HOSTILE}]}],
    });
    RecordView {
        summary: summary(),
        body: Some(body),
        problems: vec![problem],
        seq: 1,
        feed: FeedId([0xfe; 32]),
        signer: PublicKey([1; 32]),
        body_bytes: 3,
        series: SeriesView::default(),
        erasure: None,
        holders: Holders::default(),
        attachments: vec![AttachmentView {
            number: 1,
            hash: FileHash([9; 32]),
            bytes: 5,
            mime: text(),
            title: text(),
            bytes_held: 0,
            whole: false,
            wanted: true,
            pinned: false,
            gone: false,
        }],
    }
}

fn centre() -> CentreView {
    let operator = OperatorView {
        key: PublicKey([1; 32]),
        capabilities: vec![text()],
        label: text(),
        ended: Some(text()),
        horizons: Vec::new(),
    };
    CentreView {
        id: CentreId([0xce; 32]),
        name: text(),
        role: text(),
        country: Some(text()),
        ours: true,
        records: 1,
        identity_head: EventId([0xce; 32]),
        identity: LogState::Frozen,
        root_keys: 1,
        root_threshold: 1,
        next_keys: 1,
        next_threshold: 1,
        operators: vec![operator],
        accreditation: text(),
        statements: vec![statement()],
    }
}

fn statement() -> StatementView {
    StatementView {
        id: RecordId([0xab; 32]),
        nation: CentreId([0xce; 32]),
        country: text(),
        status: text(),
        since_ms: 1,
        scope: vec![text()],
        review_by: Some(text()),
        reason: text(),
        trusted: false,
        words: text(),
    }
}

fn nation() -> TrustedNation {
    let (name, warning) = (Some(text()), Some(text()));
    let (country, id) = (text(), CentreId([0xce; 32]));
    TrustedNation { country, id, name, since_ms: 1, news_ms: Some(1), warning }
}

fn policy() -> PolicyView {
    let one =
        OverrideView { id: RecordId([2; 32]), action: text(), reason: text(), until: Some(text()) };
    PolicyView {
        unaccredited: text(),
        stale_mark_days: 90,
        overrides: vec![one],
        nations: vec![nation()],
        released: 1,
        declined_feeds: 1,
        quotas: QuotasView::default(),
        interests: InterestsView { kinds: vec![text()], goals: vec![6], regions: vec![text()] },
        attachments: AttachmentsView { fetch_bytes: 1, types: vec![text()], quota_bytes: 2 },
        errors: vec![text()],
    }
}

fn explanation() -> Explanation {
    Explanation {
        centre: CentreId([0xce; 32]),
        centre_name: Some(text()),
        record: None,
        verdict: text(),
        chain: vec![text()],
        statements: vec![statement()],
    }
}

fn network() -> NetworkView {
    NetworkView {
        id: NetworkId([7; 32]),
        name: text(),
        open: false,
        fingerprint: CentreId([8; 32]),
        invited_by: Some(text()),
        members: 2,
        records: 3,
        digest: text(),
        agreed_ms: None,
    }
}

fn link() -> LinkView {
    LinkView {
        profile: text(),
        background: SpentView::default(),
        asked: SpentView::default(),
        reserve_left_bytes: 1,
        windows: vec![text()],
        utc_offset_minutes: 0,
        kbit_s: Some(64),
        private_only: true,
        paused_since_ms: None,
    }
}

fn why() -> WhyReply {
    let away = CauseView::Away { since_ms: None, reason: Some(text()), again_ms: None };
    let failed = CauseView::Failed { reason: text(), again_ms: 1 };
    let feed = FeedLack {
        feed: FeedId([1; 32]),
        centre: None,
        centre_name: Some(text()),
        records: 1,
        bytes: 1,
    };
    let peer = PeerWhyView {
        peer_id: text(),
        centre: None,
        centre_name: Some(text()),
        connected: true,
        asked: false,
        asked_ms: Some(1),
        equal: Some(false),
        agreed_ms: None,
        underway: None,
        records: 1,
        bytes: 1,
        shown_ms: Some(1),
        feeds: vec![feed],
        causes: vec![failed, away],
        done_ms: None,
    };
    WhyReply {
        set_digest: text(),
        link: link(),
        node: NodeWhy::default(),
        dialling: vec![text()],
        dial_failures: vec![(text(), text())],
        peers: vec![peer],
    }
}

fn status() -> StatusView {
    StatusView {
        version: text(),
        centre: CentreId([0xce; 32]),
        centre_name: text(),
        peer_id: text(),
        node_key: None,
        operator_key: None,
        daemon: true,
        listen: vec![text()],
        records: 1,
        bodies_missing: 1,
        bodies_left_out: 0,
        held: 1,
        centres: 1,
        feeds: 1,
        ledger_bytes: 1,
        attachments: AttachmentCounts::default(),
        peers_connected: 1,
        peers_known: 1,
        sessions: 1,
        set_digest: text(),
        networks: vec![network()],
        agreed_ms: Some(1),
        index_behind: 1,
        unlocked: false,
        link: Some(link()),
        warnings: vec![Warning { message: text(), hint: text() }],
    }
}

fn peers() -> PeersReply {
    let peer = PeerView {
        peer_id: text(),
        centre: None,
        centre_name: Some(text()),
        connected: true,
        addresses: vec![text()],
        agreed_ms: None,
        equal: Some(true),
        last_failure: Some(text()),
    };
    PeersReply { peers: vec![peer], dial_failures: vec![(text(), text())] }
}

/// Every command that shows what a node replies, with a reply full of hostile text.
fn hostile_networks() -> Vec<(Vec<&'static str>, Node)> {
    let node = Node::default;
    let networks = NetworksReply { networks: vec![network()] };
    let invitation = InvitationView {
        id: NetworkId([7; 32]),
        name: text(),
        open: true,
        fingerprint: CentreId([8; 32]),
        inviter: CentreId([9; 32]),
        inviter_name: text(),
        addresses: vec![text()],
        joined: true,
    };
    vec![
        (vec!["network", "list"], node().json("GET /v1/networks", &networks)),
        (
            vec!["network", "create", "x"],
            node().json(
                "POST /v1/networks",
                &CreatedNetwork { network: network(), recovery: text() },
            ),
        ),
        (
            vec!["join", "x", "--yes"],
            node()
                .json("POST /v1/networks/inspect", &invitation)
                .json("POST /v1/networks/join", &network()),
        ),
    ]
}

fn hostile_replies() -> Vec<(Vec<&'static str>, Node)> {
    let hit = baraza_api::HitView { summary: summary(), score: 1.0, excerpt: text() };
    let search = SearchReply { total: 1, hits: vec![hit], behind: 1 };
    let list = ListReply { records: vec![summary()], next: None };
    let (kind, title) = (text(), text());
    let (id, source, holders) = (RecordId([2; 32]), text(), Holders::default());
    let published = Published { id, kind, title, source, holders, waited_ms: 0 };
    let event = EventView {
        seq: 0,
        id: EventId([0; 32]),
        kind: text(),
        created_ms: 0,
        summary: text(),
        counts: false,
    };
    let centres = ListCentres { centres: vec![centre()], ..ListCentres::default() };
    let trusted = TrustReply { nations: vec![nation()] };
    let held = QuarantinedCentre { id: CentreId([1; 32]), name: Some(text()), records: 1 };
    let quarantine = QuarantineReply { records: 1, centres: vec![held], omitted: 1 };
    let failure = ErrorBody::new(ErrorCode::Busy, text()).with_hint(text());
    let (node, abab) = (Node::default, "abababab");
    let id = RecordId([0xab; 32]);
    vec![
        (vec!["status"], node().json("GET /v1/status", &status())),
        (vec!["list"], node().json("GET /v1/records?limit=20", &list)),
        (vec!["search", "x"], node().json("GET /v1/search?q=x&limit=10", &search)),
        (vec!["show", abab], node().json("GET /v1/records/abababab", &record())),
        (
            vec!["retract", abab, "--reason", "error", "--yes"],
            node()
                .json("GET /v1/records/abababab", &record())
                .json(&format!("POST /v1/records/{id}/retract"), &published),
        ),
        (vec!["peers"], node().json("GET /v1/peers", &peers())),
        (
            vec!["sync", "--no-wait"],
            node().json("POST /v1/sync", &SyncReply { peers: vec![text()] }),
        ),
        (vec!["why"], node().json("GET /v1/why", &why())),
        (vec!["centre", "list"], node().json("GET /v1/centres", &centres)),
        (vec!["centre", "show", abab], node().json("GET /v1/centres/abababab", &centre())),
        (vec!["centre", "log", abab], node().json("GET /v1/centres/abababab/log", &vec![event])),
        (vec!["peers"], node().fails("GET /v1/peers", &failure)),
        (vec!["trust", "list"], node().json("GET /v1/trust", &trusted)),
        (
            vec!["trust", "add", "--country", "KE", abab, "--yes"],
            node().json("POST /v1/trust", &nation()).json("POST /v1/trust", &nation()),
        ),
        (vec!["policy", "show"], node().json("GET /v1/policy", &policy())),
        (vec!["policy", "explain", abab], node().json("GET /v1/policy/abababab", &explanation())),
        (vec!["quarantine", "list"], node().json("GET /v1/quarantine", &quarantine)),
        (vec!["quarantine", "list", abab], node().json("GET /v1/quarantine/abababab", &list)),
        (vec!["nation", "accredit", abab], node().json("POST /v1/accreditations", &published)),
    ]
}

#[test]
fn no_reply_moves_a_terminal_through_any_command() {
    for (arguments, node) in hostile_replies().into_iter().chain(hostile_networks()) {
        let program = Program::with(node);
        let shown = run(&program, &arguments);
        program.node.assert_done();
        assert!(shown.out.contains('z') || shown.err.contains('z') || arguments[0] == "retract");
        assert_harmless(&shown.out);
        assert_harmless(&shown.err);
    }
    for (mut arguments, node) in hostile_replies().into_iter().chain(hostile_networks()) {
        arguments.push("--json");
        let program = Program::with(node);
        let shown = run(&program, &arguments);
        let json = [shown.out, shown.err].concat();
        assert!(!json.chars().any(|c| is_bidi_control(c) || (c.is_control() && c != '\n')));
        let value: Value = serde_json::from_str(&json).unwrap();
        assert!(value.to_string().contains("a\\u001b[2J"), "{arguments:?}: nothing is lost");
    }
}

#[test]
fn a_catch_up_that_is_followed_moves_no_terminal_and_says_what_holds_it() {
    let node = Node::default().json("POST /v1/sync", &SyncReply { peers: vec![text()] });
    let program = Program::with(node.json("GET /v1/why", &why()));
    let shown = run(&program, &["sync"]);
    program.node.assert_done();
    assert_eq!(shown.exit, 7, "{}", shown.err);
    assert!(shown.err.contains("is not done: the last comparison failed"), "{}", shown.err);
    assert_harmless(&shown.out);
    assert_harmless(&shown.err);
}

#[test]
fn colours_are_the_only_escapes_and_only_on_a_terminal() {
    let program = Program::with(Node::default().json("GET /v1/peers", &peers()));
    let shown = run_with(&program, &["peers"], None, Some(80));
    let bare = shown.out.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
    assert!(bare.len() < shown.out.len());
    assert_harmless(&bare);
}

#[test]
fn a_draft_that_was_refused_is_shown_without_harm() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("draft.jsonl");
    std::fs::write(&file, format!("{}\n", json!({"kind": HOSTILE, HOSTILE: HOSTILE}))).unwrap();
    let program = Program::with(Node::default().json("POST /v1/records", &PublishReply::default()));
    let shown = run(&program, &["publish", file.to_str().unwrap()]);
    assert_eq!(shown.exit, 3);
    assert_harmless(&shown.out);
    assert_harmless(&shown.err);
}
