//! Bundles on their way to and from a node.

use baraza_api::{BUNDLE_PIECE_BYTES, Imported};
use baraza_record::{
    CentreId, Payload, PublicKey, RecordId, Timestamp,
    exchange::{Note, PartEnd, Whom},
    frame::{Frame, FrameReader, PREAMBLE},
};
use serde_json::{Value, json};

use crate::support::{NOW, Node, Program, error, run};

fn payload(number: u8, bytes: usize) -> Frame {
    let payload = Payload { salt: [number; 16], body: vec![number; bytes] };
    Frame::Payload { record: RecordId([number; 32]), payload }
}

/// Whose node it is.
const CENTRE: CentreId = CentreId([0xa1; 32]);

fn status() -> Value {
    json!({
        "version": "1", "centre": CENTRE, "centre_name": "Alice", "peer_id": "12D",
        "node_key": PublicKey([0xb2; 32]), "daemon": false, "listen": [], "records": 0,
        "bodies_missing": 0, "held": 0, "centres": 1, "feeds": 0, "ledger_bytes": 0,
        "peers_connected": 0, "peers_known": 0, "sessions": 0, "set_digest": "", "index_behind": 0,
        "unlocked": true, "warnings": [],
    })
}

fn stream(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = PREAMBLE.to_vec();
    frames.iter().for_each(|frame| frame.encode_into(&mut bytes));
    bytes
}

fn sent(program: &Program) -> Vec<Vec<u8>> {
    program.node.requests.borrow().iter().map(|request| request.body.clone().unwrap().1).collect()
}

#[test]
fn a_bundle_is_written_page_by_page_as_one_stream() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.baraza");
    let whole = stream(&[payload(1, 10), payload(2, 20)]);
    let half = stream(&[payload(1, 10)]).len();
    let node = Node::default()
        .json("GET /v1/status", &status())
        .reply("GET /v1/bundle", 200, Some("f 2"), whole[..half].to_vec())
        .reply("GET /v1/bundle?after=f+2", 200, None, whole[half..].to_vec());
    let program = Program::with(node);
    let shown = run(&program, &["bundle", "create", file.to_str().unwrap(), "--json"]);
    assert_eq!(shown.exit, 0, "{}", shown.err);
    let written = std::fs::read(&file).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&shown.out).unwrap()["bytes"], written.len());
    let frames: Vec<_> = FrameReader::new(&written[..]).map(|item| item.unwrap().1).collect();
    let [Frame::Exchange(start), first, second, Frame::Exchange(end)] = &frames[..] else {
        panic!("{frames:?}");
    };
    assert_eq!([first, second], [&payload(1, 10), &payload(2, 20)]);
    let Some(Note::PartStart(start)) = Note::decode(start) else { panic!("no start") };
    assert_eq!((start.place.number(), start.place.of(), start.made_ms), (1, 1, NOW));
    assert_eq!((start.centre, start.with, start.answers), (CENTRE, Whom::Everybody, None));
    assert_eq!(Note::decode(end), Some(Note::PartEnd(PartEnd { place: start.place, frames: 3 })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn a_bundle_is_not_overwritten_unasked_and_not_left_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.baraza");
    std::fs::write(&file, "old").unwrap();
    let create = ["bundle", "create", file.to_str().unwrap()];
    assert_eq!(run(&Program::with(Node::default()), &create).exit, 2);
    let node = Node::default()
        .json("GET /v1/status", &status())
        .reply("GET /v1/bundle", 200, Some("x"), stream(&[payload(1, 10)]))
        .fails("GET /v1/bundle?after=x", &error(baraza_api::ErrorCode::Store));
    let yes = [&create[..], &["--yes"]].concat();
    assert_eq!(run(&Program::with(node), &yes).exit, 6);
    assert_eq!(std::fs::read(&file).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn an_import_sends_pieces_of_whole_frames_and_sums_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in.baraza");
    let mut frames: Vec<_> = (0..12).map(|number| payload(number, 250_000)).collect();
    frames.insert(3, Frame::Clock(Timestamp(7)));
    std::fs::write(&file, stream(&frames)).unwrap();
    let imported = Imported { inserted: 2, duplicates: 1, ..Imported::default() };
    let node = (0..3).fold(Node::default(), |node, _| node.json("POST /v1/bundle", &imported));
    let program = Program::with(node);
    let shown = run(&program, &["bundle", "import", file.to_str().unwrap()]);
    program.node.assert_done();
    assert_eq!(shown.exit, 0, "{}", shown.err);
    assert!(shown.out.ends_with("in.baraza: 6 new records, 3 held already\n"), "{}", shown.out);

    frames.remove(3); // a clock is its own node's
    let mut received = Vec::new();
    for piece in sent(&program) {
        assert!(piece.len() <= BUNDLE_PIECE_BYTES);
        received.extend(FrameReader::new(piece.as_slice()).map(|item| item.unwrap().1));
    }
    assert!(received == frames);
}

#[test]
fn damage_costs_its_own_frames_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in.baraza");
    let frames = [payload(1, 100), payload(2, 100), payload(3, 100)];
    let mut bytes = stream(&frames);
    let from = stream(&frames[..1]).len();
    let to = stream(&frames[..2]).len();
    bytes[from + 60] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let program = Program::with(Node::default().json("POST /v1/bundle", &Imported::default()));
    let shown = run(&program, &["bundle", "import", file.to_str().unwrap(), "--json"]);
    assert_eq!(shown.exit, 9);
    let report: Value = serde_json::from_str(&shown.out).unwrap();
    let listed = &report[0]["damaged"]["listed"];
    assert_eq!(listed[0]["from"], from);
    assert_eq!(listed[0]["to"], to);
    assert_eq!(sent(&program), [stream(&[payload(1, 100), payload(3, 100)])]);
}

#[test]
fn what_could_not_be_taken_and_what_is_no_bundle_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in.baraza");
    std::fs::write(&file, stream(&[payload(1, 100)])).unwrap();
    let imported = json!({"inserted": 0, "duplicates": 0, "held": 1, "bodies": 0, "identities": 1,
                          "rejected": 1, "gaps": 2});
    let program = Program::with(Node::default().json("POST /v1/bundle", &imported));
    let shown = run(&program, &["bundle", "import", file.to_str().unwrap()]);
    assert_eq!(shown.exit, 9);
    assert!(shown.err.starts_with("error: 3 records could not be taken\nhint: "), "{}", shown.err);

    std::fs::write(&file, "not a bundle").unwrap();
    let shown = run(&Program::with(Node::default()), &["bundle", "import", file.to_str().unwrap()]);
    assert_eq!(shown.exit, 3);
    std::fs::write(&file, PREAMBLE).unwrap();
    let shown = run(&Program::with(Node::default()), &["bundle", "import", file.to_str().unwrap()]);
    assert_eq!(shown.exit, 0, "an empty bundle is one: {}", shown.err);
}
