//! What people see of the link and of the peers: budgets, pauses, why, a catch-up that is followed.

use baraza_api::{
    CauseView, FeedLack, HoldView, HoldWhy, LinkView, NodeWhy, PeerWhyView, SpentView, StatusView,
    SyncReply, UnderwayView, WhyReply,
};
use baraza_record::{CentreId, FeedId};
use serde_json::{Value, json};

use crate::{
    support::{NOW, Node, Program, run},
    views::status,
};

fn link() -> LinkView {
    LinkView {
        profile: "metered".into(),
        background: SpentView {
            day_bytes: 20 * 1_048_576,
            day_left_bytes: Some(0),
            month_bytes: 30 * 1_048_576,
            month_left_bytes: Some(270 * 1_048_576),
            held: Some(HoldView {
                why: HoldWhy::Day,
                since_ms: Some(NOW.0 - 60_000),
                until_ms: Some(NOW.0 + 4 * 3_600_000),
            }),
        },
        asked: SpentView { day_bytes: 2_048, month_bytes: 4_096, ..SpentView::default() },
        reserve_left_bytes: 1_024,
        windows: vec!["22:00-06:00".into()],
        utc_offset_minutes: 180,
        kbit_s: Some(64),
        private_only: false,
        paused_since_ms: None,
    }
}

#[test]
fn the_status_says_what_went_over_the_link_and_what_holds_it() {
    let status = StatusView { link: Some(link()), ..status() };
    let shown = run(&Program::with(Node::default().json("GET /v1/status", &status)), &["status"]);
    for line in [
        "Link        profile metered; at most 64 kbit/s; open 22:00-06:00 UTC+3\n",
        "Background  20.0 MiB today, 0 bytes left; 30.0 MiB this month, 270.0 MiB left; held: the \
         bytes of the day are used up until 2026-03-01 16:00 UTC (in 4 h), since 2026-03-01 11:59 \
         UTC (1 min ago)\n",
        "Asked for   2.0 KiB today; 4.0 KiB this month\n",
        "Reserve     1.0 KiB left today for own publications and identity events\n",
    ] {
        assert!(shown.out.contains(line), "{line}{}", shown.out);
    }
}

#[test]
fn a_pause_says_how_long_it_is() {
    let program = Program::with(Node::default().json("POST /v1/pause", &link()));
    let shown = run(&program, &["pause", "--for", "4h"]);
    assert_eq!(shown.out, "Paused until 2026-03-01 16:00 UTC (in 4 h)\n");
    let requests = program.node.requests.borrow();
    let body = &requests[0].body.as_ref().unwrap().1;
    let body: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(body, json!({ "for_ms": 4 * 3_600_000 }));
    let wrong = run(&Program::default(), &["pause", "--for", "4"]);
    assert!(wrong.exit == 2 && wrong.err.contains("such as 30m, 4h or 2d"), "{}", wrong.err);
    let free = LinkView { background: SpentView::default(), ..link() };
    let program = Program::with(Node::default().json("POST /v1/resume", &free));
    assert_eq!(run(&program, &["resume"]).out, "Resumed.\n");
}

fn why() -> WhyReply {
    let feed = FeedLack {
        feed: FeedId([0xab; 32]),
        centre: Some(CentreId([0xce; 32])),
        centre_name: Some("Highland Seed Bank".into()),
        records: 1_000,
        bytes: 2_500_000,
    };
    let peer = PeerWhyView {
        peer_id: "12D3KooWbob".into(),
        centre: Some(CentreId([0xbb; 32])),
        centre_name: Some("Coast Desk".into()),
        connected: true,
        asked: false,
        asked_ms: None,
        equal: Some(false),
        agreed_ms: None,
        underway: None,
        records: 1_234,
        bytes: 3_000_000,
        shown_ms: Some(NOW.0 - 60_000),
        feeds: vec![feed],
        causes: vec![CauseView::Later { until_ms: NOW.0 + 2 * 3_600_000 }],
        done_ms: Some(NOW.0 + 3 * 3_600_000),
    };
    WhyReply {
        set_digest: "00".repeat(32),
        link: LinkView { background: SpentView::default(), ..link() },
        node: NodeWhy { newer_records: 12, ..NodeWhy::default() },
        dialling: Vec::new(),
        dial_failures: Vec::new(),
        peers: vec![peer],
    }
}

#[test]
fn why_says_what_is_missing_what_holds_it_and_when_it_comes() {
    let shown = run(&Program::with(Node::default().json("GET /v1/why", &why())), &["why"]);
    assert_eq!(
        shown.out,
        "Digest  abandon abandon abandon abandon
Newer   12 records of a newer kind are kept; upgrade to read them

Coast Desk, 12D3KooWbob
  Same set   no; never agreed yet
  Behind by  1,234 records, about 2.8 MiB, as of 2026-03-01 11:59 UTC (1 min ago)
  Feed       abababababab of Highland Seed Bank: 1,000 records, about 2.3 MiB
  Held by    its own budget, window or pause: it asks us to come again 2026-03-01 14:00 UTC (in 2 h)
  Done       about 2026-03-01 15:00 UTC (in 3 h)
"
    );
    let json = run(&Program::with(Node::default().json("GET /v1/why", &why())), &["why", "--json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["peers"][0]["causes"][0]["cause"], "later");
    assert_eq!(serde_json::from_value::<WhyReply>(json).unwrap(), why());
    let wrong = run(&Program::default(), &["why", "../status"]);
    assert!(wrong.exit == 2 && wrong.err.contains("is no peer id"), "{}", wrong.err);
}

#[test]
fn a_sync_follows_what_it_started_and_says_what_holds_it() {
    let mut going = why();
    going.peers[0].asked = true;
    going.peers[0].causes = Vec::new();
    going.peers[0].underway = Some(UnderwayView {
        records_done: 234,
        records_left: 1_000,
        bytes_done: 1,
        bytes_left: 2,
        since_ms: NOW.0,
        bytes_s: Some(8_000),
    });
    let mut done = why();
    (done.peers[0].equal, done.peers[0].causes) = (Some(true), Vec::new());
    let started = SyncReply { peers: vec!["12D3KooWbob".into()] };
    let node = || Node::default().json("POST /v1/sync", &started).json("GET /v1/why", &going);
    let shown = run(&Program::with(node().json("GET /v1/why", &done)), &["sync"]);
    let line = "Coast Desk, 12D3KooWbob: both hold the same\n";
    assert_eq!((shown.exit, shown.out.as_str()), (0, line), "{}", shown.err);

    let shown = run(&Program::with(node().json("GET /v1/why", &done)), &["--json", "sync"]);
    let lines: Vec<Value> =
        shown.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{}", shown.out);
    assert_eq!(
        (&lines[0]["underway"]["records_done"], &lines[1]["equal"]),
        (&json!(234), &json!(true))
    );

    let shown = run(&Program::with(node().json("GET /v1/why", &why())), &["sync"]);
    assert_eq!(shown.exit, 7);
    assert!(shown.err.contains("is not done: its own budget"), "{}", shown.err);
}
