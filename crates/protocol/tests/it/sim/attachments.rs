//! Files of records: from several at once, past liars and restarts, and only to those who may.

use baraza_protocol::{
    attachments::{self, AttachmentRules, FileCommand},
    command::{Command, NewRecord, Recipients, Reply},
    conformance::Author,
    entitle::Membership,
    erasure,
    policy::{Policy, Trust},
    store::{Place, Store, StoreRead},
    stream::place_of,
};
use baraza_record::{
    FileHash, Kind, NetworkId, RecordId,
    attachment::{self, GROUP_BYTES},
    sign::Domain,
};
use serde_json::{Value, json};

use super::{Sim, seeds};

const MINUTE_MS: u64 = 60_000;
const ALPHA: NetworkId = NetworkId([0xa1; 32]);

fn file(seed: u64, bytes: usize) -> Vec<u8> {
    (0..bytes as u64).map(|n| (n * 7 + seed + (n >> 9)) as u8).collect()
}

fn hash(file: &[u8]) -> FileHash {
    FileHash(*blake3::hash(file).as_bytes())
}

/// Brings a file to a node, as `attach` does.
fn bring(sim: &mut Sim, node: usize, file: &[u8]) {
    for part in attachment::parts(file, 16) {
        let part = Box::new(part.verify().unwrap());
        sim.command(node, Command::File(FileCommand::Keep(part)));
        assert!(matches!(sim.nodes[node].replies.last(), Some(Reply::File(_))));
    }
}

fn record(title: &str, files: &[&[u8]], recipients: Recipients) -> NewRecord {
    let list: Vec<_> = files
        .iter()
        .map(|file| {
            json!({ "hash": hash(file), "bytes": file.len(), "mime": "image/png", "title": "x" })
        })
        .collect();
    let Value::Object(body) = json!({ "title": title, "attachments": list }) else { panic!() };
    let (kind, language, recipients) = (Kind::LESSON, "en".to_owned(), Some(recipients));
    NewRecord { kind, language, revises: None, target: None, recipients, body }
}

fn publish(sim: &mut Sim, node: usize, title: &str, files: &[&[u8]], to: Recipients) -> RecordId {
    sim.publish_as(node, Command::Publish(vec![record(title, files, to)]));
    sim.nodes[node].published()[0]
}

/// Has a node fetch the first file of a record.
fn fetch(sim: &mut Sim, node: usize, id: &RecordId) {
    let place = place_of(sim.nodes[node].store(), id).unwrap().unwrap();
    sim.command(node, Command::File(FileCommand::Fetch { place, index: 0, pin: false }));
    let reply = sim.nodes[node].replies.last();
    assert!(matches!(reply, Some(Reply::File(_))), "{reply:?}");
}

fn held(sim: &Sim, node: usize, hash: &FileHash) -> u64 {
    let held = sim.nodes[node].store().attachment(hash).unwrap();
    held.map_or(0, |held| if held.is_whole() { u64::MAX } else { held.bytes_held() })
}

fn has(sim: &Sim, node: usize, file: &[u8]) -> bool {
    let (reader, mut whole, mut from) = (sim.nodes[node].store().reader(), Vec::new(), 0);
    while let Some(part) = reader.attachment_part(&hash(file), from, 64).unwrap() {
        let part = part.verify().unwrap();
        whole.extend_from_slice(part.data());
        from = part.range().end;
    }
    from != 0 && whole == file
}

#[track_caller]
fn run_until(sim: &mut Sim, what: &str, mut done: impl FnMut(&Sim) -> bool) {
    let end = sim.now + 90 * MINUTE_MS;
    while !done(sim) {
        assert!(sim.now < end, "{what}");
        sim.run_for(100);
    }
}

//   0 has the file; 1 and 2 fetch it; 2 lies about it from then on; 3 fetches from all three
#[test]
fn a_file_comes_from_several_past_a_liar_and_a_restart() {
    for seed in seeds() {
        let mut sim = Sim::new(seed, 4);
        sim.request_loss = seed % 3 * 10;
        let file = file(seed, 90 * GROUP_BYTES + 5_000);
        (0..3).for_each(|node| sim.start(node));
        bring(&mut sim, 0, &file);
        let id = publish(&mut sim, 0, "A film", &[&file], Recipients::Public);
        sim.settle(30 * MINUTE_MS).expect("the nodes agree");
        sim.run_for(MINUTE_MS);
        assert_eq!(held(&sim, 1, &hash(&file)), 0, "too large to come by itself");
        for node in [1, 2] {
            fetch(&mut sim, node, &id);
        }
        run_until(&mut sim, "both have it", |sim| has(sim, 1, &file) && has(sim, 2, &file));

        sim.liars.insert(2);
        sim.gave.clear();
        sim.start(3);
        run_until(&mut sim, "the record comes", |sim| {
            place_of(sim.nodes[3].store(), &id).unwrap().is_some()
        });
        for other in [1, 2] {
            sim.command(3, Command::Dial(format!("/memory/{other}")));
        }
        sim.settle(30 * MINUTE_MS).expect("the nodes agree");
        fetch(&mut sim, 3, &id);
        run_until(&mut sim, "some of it comes", |sim| held(sim, 3, &hash(&file)) != 0);
        sim.crash(3);
        let before = held(&sim, 3, &hash(&file));
        assert!(0 < before, "seed {seed}: what was committed survives");
        sim.start(3);
        run_until(&mut sim, "all of it comes", |sim| has(sim, 3, &file));
        let gave = |node: usize| sim.gave.get(&node).copied().unwrap_or_default();
        assert_ne!(gave(0), 0, "seed {seed}: {:?}", sim.gave);
    }
}

#[test]
fn two_sources_share_the_work_and_little_is_sent_twice() {
    let mut sim = Sim::new(7, 3);
    let file = file(7, 200 * GROUP_BYTES);
    sim.start_all();
    bring(&mut sim, 0, &file);
    let id = publish(&mut sim, 0, "A film", &[&file], Recipients::Public);
    sim.settle(30 * MINUTE_MS).expect("the nodes agree");
    fetch(&mut sim, 1, &id);
    run_until(&mut sim, "the first has it", |sim| has(sim, 1, &file));
    sim.command(2, Command::Dial("/memory/1".to_owned()));
    sim.settle(30 * MINUTE_MS).expect("the nodes agree");
    sim.run_for(MINUTE_MS);
    sim.gave.clear();
    let bytes = sim.traffic.answer_bytes;
    fetch(&mut sim, 2, &id);
    run_until(&mut sim, "the second has it", |sim| has(sim, 2, &file));
    let (a, b) = (sim.gave[&0], sim.gave[&1]);
    assert!(2 <= a && 2 <= b, "both gave: {a} and {b} parts");
    let sent = sim.traffic.answer_bytes - bytes;
    assert!(sent < file.len() as u64 * 102 / 100, "{sent} bytes for {}", file.len());
}

//   0, 1: alpha    2: outsider, who learns the hash and lists it in a record of his own
#[test]
fn a_file_goes_to_those_who_may_and_to_nobody_else() {
    for seed in seeds() {
        let mut sim = Sim::new(seed, 3);
        for node in [0, 1] {
            sim.nodes[node].networks = vec![Membership { id: ALPHA, secret: Some([0x5e; 32]) }];
        }
        sim.start_all();
        let phrase = b"the well at the third bend ".repeat(3_000);
        bring(&mut sim, 0, &phrase);
        let id = publish(&mut sim, 0, "A map", &[&phrase], Recipients::Network(ALPHA));
        run_until(&mut sim, "the member has the record", |sim| {
            place_of(sim.nodes[1].store(), &id).unwrap().is_some()
        });
        fetch(&mut sim, 1, &id);
        run_until(&mut sim, "the member has it", |sim| has(sim, 1, &phrase));

        // Whoever knows a hash may say that he has the file. Here he first does.
        bring(&mut sim, 2, &phrase);
        let trap = publish(&mut sim, 2, "Mine", &[&phrase], Recipients::Public);
        sim.command(2, Command::File(FileCommand::Pin { hash: hash(&phrase), pinned: false }));
        sim.settle(30 * MINUTE_MS).expect("the nodes agree");
        let place = place_of(sim.nodes[2].store(), &trap).unwrap().unwrap();
        let asked =
            attachments::Asked { feed: place.feed, seq: place.seq, index: 0, from: 0, count: 1 };
        let anybody = baraza_protocol::entitle::Entitlement::public();
        for node in [0, 1] {
            let (reader, ours) =
                (sim.nodes[node].store().reader(), sim.nodes[node].author.centre());
            let given = attachments::part(&reader, &ours, &anybody, &asked).unwrap();
            assert_eq!(given, None, "seed {seed}: node {node} told an outsider that it has it");
        }
        let told = &sim.nodes[2].told;
        let said = |what: &[u8]| told.windows(what.len()).any(|window| window == what);
        assert!(!said(b"the third bend"), "seed {seed}");
    }
}

#[test]
fn small_files_come_by_themselves_within_the_quota() {
    let mut sim = Sim::new(3, 2);
    sim.start_all();
    let files: Vec<_> = (0..4).map(|n| file(n, 20_000)).collect();
    let rules = AttachmentRules { fetch_bytes: 30_000, types: Vec::new(), quota_bytes: 50_000 };
    sim.rule(1, Policy { attachments: rules, ..Policy::default() }, Trust::default());
    let mut ids = Vec::new();
    for (n, file) in files.iter().enumerate() {
        bring(&mut sim, 0, file);
        ids.push(publish(&mut sim, 0, &format!("no. {n}"), &[file], Recipients::Public));
    }
    sim.settle(30 * MINUTE_MS).expect("the nodes agree");
    sim.run_for(5 * MINUTE_MS);
    let here = |sim: &Sim| files.iter().map(|file| has(sim, 1, file)).collect::<Vec<_>>();
    assert_eq!(here(&sim), [true, true, false, false], "policy pushes nothing out");

    // What people ask for makes room: the one that was not used for longest goes.
    sim.command(1, Command::File(FileCommand::Used(hash(&files[0]))));
    fetch(&mut sim, 1, &ids[2]);
    run_until(&mut sim, "what was asked for comes", |sim| has(sim, 1, &files[2]));
    assert_eq!(here(&sim), [true, false, true, false]);
    sim.run_for(10 * MINUTE_MS);
    sim.crash(1);
    sim.start(1);
    sim.run_for(5 * MINUTE_MS);
    assert_eq!(here(&sim), [true, false, true, false], "what made room stays away");

    // What is pinned stays, and does not count.
    for file in [&files[0], &files[2]] {
        sim.command(1, Command::File(FileCommand::Pin { hash: hash(file), pinned: true }));
    }
    for id in [&ids[1], &ids[3]] {
        fetch(&mut sim, 1, id);
    }
    run_until(&mut sim, "all are here", |sim| here(sim) == [true; 4]);
    let place = place_of(sim.nodes[1].store(), &ids[0]).unwrap().unwrap();
    let big = AttachmentRules { quota_bytes: 10, ..AttachmentRules::default() };
    sim.rule(1, Policy { attachments: big, ..Policy::default() }, Trust::default());
    sim.command(1, Command::File(FileCommand::Fetch { place, index: 0, pin: false }));
    assert!(matches!(sim.nodes[1].replies.last(), Some(Reply::File(_))), "it is here");
    assert_eq!(here(&sim), [true; 4], "a lower quota deletes nothing by itself");
}

#[test]
fn a_record_is_published_only_with_its_files() {
    let mut sim = Sim::new(1, 1);
    sim.start_all();
    let file = file(1, 3 * GROUP_BYTES);
    let one = |files: &[&[u8]]| Command::Publish(vec![record("A", files, Recipients::Public)]);
    sim.publish_as(0, one(&[&file]));
    let refused = |sim: &Sim| match sim.nodes[0].replies.last() {
        Some(Reply::Refused(refusal)) => refusal.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(refused(&sim).contains("is not on this node"), "{}", refused(&sim));
    let first = attachment::parts(&file, 1).next().unwrap().verify().unwrap();
    sim.command(0, Command::File(FileCommand::Keep(Box::new(first))));
    sim.publish_as(0, one(&[&file]));
    assert!(refused(&sim).contains("is not on this node"), "half of it does not do");
    bring(&mut sim, 0, &file);
    let id = publish(&mut sim, 0, "A", &[&file], Recipients::Public);
    let place = place_of(sim.nodes[0].store(), &id).unwrap().unwrap();
    let header = sim.nodes[0].store().record(&place).unwrap().unwrap().header().clone();
    assert_eq!(header.attachment_bytes, 65_536, "48 KiB, rounded up");
}

/// Has the first node retract a record with this body.
fn retract(sim: &mut Sim, target: RecordId, mut body: Value) {
    let author = &sim.nodes[0].author;
    let root = Author::root(1, 0);
    let bytes = root.sign(Domain::Erase, &erasure::message(&target, &author.centre()));
    let signature: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    body["root_signatures"] = json!([{ "key": root.public(), "signature": signature }]);
    let Value::Object(body) = body else { panic!("it is an object") };
    let (kind, language, target) = (Kind::RETRACTION, "en".to_owned(), Some(target));
    let (revises, recipients) = (None, None);
    let record = NewRecord { kind, language, revises, target, recipients, body };
    sim.publish_as(0, Command::Publish(vec![record]));
    assert_eq!(sim.nodes[0].published().len(), 1);
}

//   0 publishes three records; "both" lists the files of the other two as well
#[test]
fn files_go_with_the_last_record_that_lists_them() {
    for seed in seeds() {
        let mut sim = Sim::new(seed, 2);
        let rights = baraza_identity::Capabilities::PUBLISH
            .and(baraza_identity::Capabilities::NODE)
            .and(baraza_identity::Capabilities::RETRACT);
        sim.enrol(0, Author::with_rights(1, rights, 1));
        sim.start_all();
        let (a, b) = (file(seed, 20_000), file(seed + 1, 30_000));
        bring(&mut sim, 0, &a);
        bring(&mut sim, 0, &b);
        let one = publish(&mut sim, 0, "one", &[&a], Recipients::Public);
        let two = publish(&mut sim, 0, "two", &[&b], Recipients::Public);
        let both = publish(&mut sim, 0, "both", &[&a, &b], Recipients::Public);
        let here = |sim: &Sim| [0, 1].map(|node| [has(sim, node, &a), has(sim, node, &b)]);
        run_until(&mut sim, "both nodes have both", |sim| here(sim) == [[true; 2]; 2]);

        retract(&mut sim, one, json!({ "reason": "legal", "erase": true }));
        sim.settle(30 * MINUTE_MS).expect("the nodes agree");
        sim.run_for(MINUTE_MS);
        assert_eq!(here(&sim), [[true; 2]; 2], "seed {seed}: another record lists it");
        let named = json!({ "reason": "legal", "erase_blobs": [hash(&a), hash(b"other")] });
        retract(&mut sim, both, named);
        run_until(&mut sim, "the file goes", |sim| here(sim) == [[false, true]; 2]);
        retract(&mut sim, two, json!({ "reason": "legal", "erase": true }));
        sim.settle(30 * MINUTE_MS).expect("the nodes agree");
        sim.run_for(MINUTE_MS);
        assert_eq!(here(&sim), [[false, true]; 2], "seed {seed}: `both` still lists it");

        // It is not fetched again, not even when somebody asks.
        let place: Place = place_of(sim.nodes[1].store(), &both).unwrap().unwrap();
        sim.command(1, Command::File(FileCommand::Fetch { place, index: 0, pin: false }));
        let reply = sim.nodes[1].replies.last();
        assert!(matches!(reply, Some(Reply::Refused(_))), "{reply:?}");
        [0, 1].into_iter().for_each(|node| sim.crash(node));
        sim.start_all();
        sim.run_for(10 * MINUTE_MS);
        assert_eq!(here(&sim), [[false, true]; 2], "seed {seed}: after a restart");
    }
}
