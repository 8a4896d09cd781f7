//! Bundles and have-files made to hurt: what is good in them is kept, nothing else happens.
//!
//! Each file is made from code. Memory is that of the program, in which the node runs too.

use std::{collections::BTreeSet, fs, path::Path, process::Stdio};

use baraza_record::{
    Audience, BodyCommit, CentreId, EventId, Goals, HEADER_VERSION, Header, Kind, NetworkId,
    Payload, PublicKey, RecordId, SecretKey, SignedRecord, Timestamp,
    backup::pieces,
    exchange::{HaveEnd, HaveStart, Head, Note, PartEnd, PartPlace, PartStart, Whom},
    frame::{CONTENT_BYTES_MAX, Frame, FrameReader, MARKER, PREAMBLE},
    hash,
};

use crate::{
    ceremonies::{ok, one},
    harness::{Scene, Site, program},
};

/// Memory that a file may cost beside what the program needs anyway (64 MiB), in KiB.
const EXTRA_KIB_MAX: u64 = 64 * 1_024;

/// Names that would lead out of a home, or to its keys and settings.
const TRICKS: [&str; 5] = [
    "../../../escaped",
    "/tmp/escaped",
    "config.toml",
    "keys/operator.pem",
    "drafts/../../escaped.json",
];

/// A file, and how many of its three good records are kept.
type Case = (&'static str, Vec<u8>, u64);

fn encoded(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frames.iter().for_each(|frame| frame.encode_into(&mut bytes));
    bytes
}

fn stream(frames: &[Frame]) -> Vec<u8> {
    [PREAMBLE, &encoded(frames)[..]].concat()
}

fn note(note: &Note) -> Frame {
    Frame::Exchange(note.encode())
}

/// Returns a frame of any kind and stated length, its first checksum valid.
fn raw(kind: u8, length: u32, content: &[u8]) -> Vec<u8> {
    let head = [&[kind][..], &length.to_le_bytes()].concat();
    let checksum = |bytes: &[u8]| crc(bytes).to_le_bytes();
    [&MARKER[..], &head, &checksum(&head), content, &checksum(content)].concat()
}

/// CRC-32 (IEEE), bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    !sum
}

/// Returns a record of nobody known.
fn strange(seed: u64, audience: Audience) -> [Frame; 2] {
    let mut bytes = [0x5a; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let (key, centre) = (SecretKey::from_seed(bytes), CentreId(bytes));
    let prev = RecordId(hash::feed_id(&centre, &key.public(), &audience).0);
    let header = Header {
        version: HEADER_VERSION,
        kind: Kind::LESSON,
        centre,
        signer: key.public(),
        audience,
        seq: 1,
        prev,
        identity_head: EventId(centre.0),
        created_ms: Timestamp(1),
        language: "en".into(),
        goals: Goals::default(),
        series: None,
        target: None,
        attachment_bytes: 0,
        body_bytes: 0,
        body_commit: BodyCommit([0; 32]),
    };
    let payload = Payload { salt: [1; 16], body: b"{}".to_vec() };
    let record = SignedRecord::sign(header, payload, &key).into_record();
    let wire = record.to_wire();
    [
        Frame::Header { header: wire.header, signature: wire.signature },
        Frame::Payload { record: record.id(), payload: wire.payload.unwrap() },
    ]
}

/// Returns the first frame of a part of a bundle.
fn start(place: PartPlace) -> Frame {
    note(&Note::PartStart(PartStart {
        place,
        made_ms: Timestamp(1),
        centre: CentreId([1; 32]),
        node: PublicKey([2; 32]),
        with: Whom::Everybody,
        answers: None,
    }))
}

/// Returns the last frame of a part of a bundle.
fn end(place: PartPlace, frames: u64) -> Frame {
    note(&Note::PartEnd(PartEnd { place, frames }))
}

/// Returns a bundle with bytes behind its first record.
fn between(good: &[Frame], bytes: &[u8]) -> Vec<u8> {
    let (first, rest) = good.split_at(3);
    [PREAMBLE, &encoded(first)[..], bytes, &encoded(rest)[..]].concat()
}

/// Three good records, their log before them, in bundles that are cut, repeated, out of order,
/// or say of themselves what cannot be.
fn shapes(good: &[Frame]) -> Vec<Case> {
    let of = |number, of| PartPlace::new([7; 16], number, of);
    let place = of(1, 1);
    let around = |first: Frame, last: Frame| stream(&[&[first][..], good, &[last]].concat());
    let whole = around(start(place), end(place, 8));
    let reversed: Vec<_> = good.iter().rev().cloned().collect();
    let thrice: Vec<_> = good.iter().flat_map(|frame| vec![frame.clone(); 3]).collect();
    let crlf: Vec<u8> = whole
        .iter()
        .flat_map(|byte| if *byte == b'\n' { vec![13, 10] } else { vec![*byte] })
        .collect();
    vec![
        ("nothing", Vec::new(), 0),
        ("preamble alone", PREAMBLE.to_vec(), 0),
        ("half a preamble", PREAMBLE[..9].to_vec(), 0),
        ("no preamble", encoded(good), 3),
        ("cut in the last body", whole[..whole.len() - 150].to_vec(), 3),
        ("cut at a frame", stream(&[&[start(place)][..], good].concat()), 3),
        ("twice, glued together", [&whole[..], &whole].concat(), 3),
        ("each frame three times", stream(&thrice), 3),
        ("backwards", stream(&reversed), 1),
        ("forged number of frames", around(start(place), end(place, u64::MAX)), 3),
        ("part 0 of 0", around(start(of(0, 0)), end(of(0, 0), 8)), 3),
        ("part 5 of 3", around(start(of(5, 3)), end(of(5, 3), 8)), 3),
        ("part of four billion", around(start(of(u32::MAX, u32::MAX)), end(place, 8)), 3),
        ("start and end disagree", around(start(of(1, 2)), end(of(2, 2), 8)), 3),
        ("end first", around(end(place, 8), start(place)), 3),
        ("a gap in the middle", stream(&[&good[..3], &good[5..]].concat()), 1),
        ("as text, with other line ends", crlf, 0),
    ]
}

/// The same with bytes among them that are no frames, or frames of others.
fn fillings(good: &[Frame]) -> Vec<Case> {
    let between = |bytes: &[u8]| between(good, bytes);
    let noise: Vec<u8> = (0..1_000_000_u64).map(|n| (n * n >> 7) as u8 ^ (n >> 3) as u8).collect();
    let foreign: Vec<u8> =
        [6, 8, 15, 17, 127, 129, 200, 255].iter().flat_map(|kind| raw(*kind, 4, b"evil")).collect();
    vec![
        ("a length of 4 GiB", between(&raw(2, u32::MAX, b"")), 3),
        ("a length of the limit", between(&raw(2, CONTENT_BYTES_MAX as u32, b"short")), 3),
        ("a length one beyond the limit", between(&raw(2, CONTENT_BYTES_MAX as u32 + 1, b"")), 3),
        ("nothing but markers", between(&MARKER.repeat(50_000)), 3),
        ("eight megabytes of zeros", between(&vec![0; 8 << 20]), 3),
        ("a megabyte of noise", between(&noise), 3),
        ("kinds of others", between(&foreign), 3),
    ]
}

/// The same with frames among them that are whole and lie.
fn lies(good: &[Frame]) -> Vec<Case> {
    let between = |bytes: &[u8]| between(good, bytes);
    let frames_between = |frames: &[Frame]| between(&encoded(frames));
    let Frame::Header { header, signature } = good[1].clone() else { panic!("no header") };
    let id = hash::record_id(&header);
    let mut forged = signature.unwrap();
    forged[5] ^= 1;
    let lie = Payload { salt: [0; 16], body: b"{\"title\":\"a lie\"}".to_vec() };
    let file = |name| Frame::Private(pieces(name, b"evil").next().unwrap().encode());
    let strangers: Vec<_> = (0..400).flat_map(|n| strange(n, Audience::Public)).collect();
    let network = Audience::Network(NetworkId([9; 32]), [3; 16]);
    let newer = [&[9][..], &header[1..]].concat();
    vec![
        ("private files with tricks in their names", frames_between(&TRICKS.map(file)), 3),
        (
            "clocks and erasures of others",
            frames_between(&[
                Frame::Clock(Timestamp(u64::MAX)),
                Frame::Erase { record: id, retraction: RecordId([1; 32]) },
            ]),
            3,
        ),
        (
            "a signature that is none",
            frames_between(&[
                Frame::Header { header: header.clone(), signature: Some(forged) },
                Frame::Signature { record: id, signature: forged },
            ]),
            3,
        ),
        (
            "a body that is another one",
            frames_between(&[
                Frame::Payload { record: id, payload: lie.clone() },
                Frame::Payload { record: RecordId([8; 32]), payload: lie },
            ]),
            3,
        ),
        (
            "a header of a later version",
            frames_between(&[Frame::Header { header: newer, signature }]),
            3,
        ),
        (
            "a header of nothing",
            frames_between(&[
                Frame::Header { header: Vec::new(), signature: None },
                Frame::Identity(vec![0; 16_384]),
                Frame::Identity(Vec::new()),
            ]),
            3,
        ),
        ("for another network", frames_between(&strange(1, network)), 3),
        ("four hundred strangers", frames_between(&strangers), 3 + 256),
        (
            "notes that lie",
            between(&encoded(&[
                Frame::Exchange(vec![1, 253, 255, 255, 255, 255, 255, 255, 255, 255]),
                Frame::Exchange(vec![0xff; CONTENT_BYTES_MAX]),
                Frame::Exchange(Vec::new()),
            ])),
            3,
        ),
    ]
}

/// Returns a key that sorts like the number.
fn key(n: u64) -> [u8; 32] {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&n.to_be_bytes());
    key
}

fn head(n: u64, seq: u64) -> Head {
    Head { key: key(n), seq, id: key(n), forked: seq % 2 == 1 }
}

fn heads(from: u64, to: u64, seq: u64) -> Vec<Head> {
    (from..to).map(|n| head(n, seq)).collect()
}

fn feeds(heads: Vec<Head>) -> Frame {
    note(&Note::Feeds(heads))
}

fn have_start(with: Whom) -> Frame {
    let (made_ms, centre, node) = (Timestamp(1), CentreId([1; 32]), PublicKey([2; 32]));
    note(&Note::HaveStart(HaveStart { made_ms, centre, node, with }))
}

/// Have-files, none of which says that the three good records are held.
fn haves() -> Vec<(&'static str, Vec<u8>)> {
    let first = || have_start(Whom::Everybody);
    let end = |logs, feeds, bodies| note(&Note::HaveEnd(HaveEnd { logs, feeds, bodies }));
    let whole =
        stream(&[first(), note(&Note::Logs(heads(0, 3, 2))), feeds(heads(0, 3, 2)), end(3, 3, 0)]);
    let million = (0..1_000).map(|n| feeds(heads(n * 1_000, (n + 1) * 1_000, 1)));
    let million: Vec<_> = [first()].into_iter().chain(million).collect();
    let ids = |from: u64, to: u64| (from..to).map(|n| RecordId(key(n))).collect::<Vec<_>>();
    let many = (0..25).map(|n| note(&Note::Bodies(ids(n * 10_000, (n + 1) * 10_000))));
    let many: Vec<_> = [first()].into_iter().chain(many).collect();
    let same = vec![note(&Note::Bodies(vec![RecordId([1; 32]); 10_000])); 20];
    let mut bent = whole.clone();
    bent[300] ^= 4;
    vec![
        ("start alone", stream(&[first()])),
        ("cut", whole[..whole.len() - 60].to_vec()),
        ("a bit turned", bent),
        ("two glued together", [&whole[..], &whole].concat()),
        ("forged counts", stream(&[first(), feeds(heads(0, 3, 2)), end(u64::MAX, 0, u64::MAX)])),
        (
            "positions without end",
            stream(&[
                first(),
                note(&Note::Logs(heads(0, 9, u64::MAX))),
                feeds(heads(0, 9, u64::MAX)),
                end(9, 9, 0),
            ]),
        ),
        (
            "not in order",
            stream(&[first(), feeds(vec![head(5, 1), head(3, 1)]), feeds(heads(1, 2, 1))]),
        ),
        (
            "the same again and again",
            stream(&[first(), feeds(vec![head(5, 1); 1_000]), feeds(heads(0, 9, 1))]),
        ),
        (
            "logs behind feeds",
            stream(&[first(), feeds(heads(0, 2, 1)), note(&Note::Logs(heads(0, 2, 1)))]),
        ),
        ("a million feeds", stream(&million)),
        ("more texts than are heeded", stream(&many)),
        ("one text, wanted 200,000 times", stream(&[&[first()][..], &same].concat())),
        ("a length of 4 GiB", [&stream(&[first()])[..], &raw(7, u32::MAX, b"")].concat()),
        (
            "a count that cannot be",
            stream(&[
                first(),
                Frame::Exchange(vec![2, 253, 255, 255, 255, 255, 255, 255, 255, 255]),
            ]),
        ),
        (
            "frames of others",
            [
                &stream(&[first(), Frame::Clock(Timestamp(1)), Frame::Identity(vec![1])])[..],
                &raw(99, 1, b"x"),
            ]
            .concat(),
        ),
        (
            "of a network that is not here",
            stream(&[have_start(Whom::Network), feeds(heads(0, 3, 1)), end(0, 3, 0)]),
        ),
    ]
}

/// Runs the program; returns its code, what it printed, and the most memory seen, in KiB.
fn measured(site: &Site, arguments: &[&str], log: &Path) -> (i32, String, u64) {
    let [out, err] = ["out", "err"].map(|end| log.with_extension(end));
    let file = |path: &Path| Stdio::from(fs::File::create(path).unwrap());
    let mut command = program(&site.home);
    command.args(arguments).stdin(Stdio::null()).stdout(file(&out)).stderr(file(&err));
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    let code = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
        most = most.max(kib.unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status.code().unwrap_or(-1);
        }
        std::thread::yield_now();
    };
    let text = fs::read_to_string(out).unwrap() + &fs::read_to_string(err).unwrap();
    (code, text, most)
}

/// Returns the names of all files under a folder, but for those of homes.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| path.display().to_string()).collect()
}

#[test]
fn files_made_to_hurt_cost_their_own_content_and_no_more() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    for n in 0..3 {
        one(&scene, &alice, &format!("Good lesson {n}"));
    }
    let path = scene.path_of("good.bundle");
    ok(alice.run(&["bundle", "create", &path]));
    let bytes = fs::read(&path).unwrap();
    let frames = FrameReader::new(&bytes[..]).map(|item| item.unwrap().1);
    let good: Vec<_> = frames.filter(|frame| !matches!(frame, Frame::Exchange(_))).collect();
    assert_eq!(good.len(), 7, "a log, three headers, three bodies");
    let bundles = [shapes(&good), fillings(&good), lies(&good)].concat();
    let haves = haves();
    assert!(30 <= bundles.len() && 40 <= bundles.len() + haves.len());

    let (case, log) = (scene.path_of("case.bundle"), scene.path().join("log"));
    let (_, _, needed) = measured(&scene.centre("base"), &["bundle", "import", &path], &log);
    let sane = |name: &str, code: i32, text: &str, memory: u64| {
        assert!([0, 3, 9].contains(&code), "{name}: exit {code}: {text}");
        assert!(!text.contains("panicked"), "{name}: {text}");
        assert!(memory <= needed + EXTRA_KIB_MAX, "{name}: {memory} KiB, {needed} are needed");
    };
    for (n, (name, bytes, kept)) in bundles.iter().enumerate() {
        fs::write(&case, bytes).unwrap();
        let bob = scene.centre(&format!("bob{n}"));
        let before = names(scene.path());
        let (code, text, memory) = measured(&bob, &["bundle", "import", &case], &log);
        sane(name, code, &text, memory);
        let (code, text, memory) = measured(&bob, &["verify", &case], &log);
        sane(name, code, &text, memory);
        assert_eq!(names(scene.path()), before, "{name}: nothing is written elsewhere");
        assert_eq!(bob.json(&["status"])["records"], *kept, "{name}: {text}");
        assert_eq!(bob.run(&["check", "--full"]).code, 0, "{name}");
        fs::remove_dir_all(&bob.home).unwrap();
    }
    let out = scene.path_of("out");
    for (name, bytes) in &haves {
        fs::write(&case, bytes).unwrap();
        let before = names(scene.path());
        let create = ["bundle", "create", "--for", &case, "--to", &out];
        let (code, text, memory) = measured(&alice, &create, &log);
        sane(name, code, &text, memory);
        assert_eq!(code, 0, "{name}: {text}");
        let written = names(Path::new(&out));
        assert_eq!(written.len(), 1, "{name}: {written:?}");
        // The other site said nothing of them: all three are there.
        let report = alice.json(&["verify", written.first().unwrap()]);
        assert_eq!(report[0]["authentic"], 3, "{name}");
        fs::remove_dir_all(&out).unwrap();
        let (code, text, memory) = measured(&alice, &["verify", &case], &log);
        sane(name, code, &text, memory);
        assert_eq!(alice.run(&["bundle", "import", &case]).code, 3, "{name}");
        assert_eq!(names(scene.path()), before, "{name}");
    }
}
