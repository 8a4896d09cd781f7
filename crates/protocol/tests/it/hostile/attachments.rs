//! Parts of files that do not match, are of the wrong size or place, or never come.

use baraza_protocol::{
    attachments::FileCommand,
    command::{Command, Reply},
    conformance::Author,
    model::MemoryStore,
    net::ANSWER_BYTES_MAX,
    service::OFFENCES_MAX,
    store::{Store, StoreRead},
    wire::{Answer, Request},
};
use baraza_record::{
    FileHash,
    attachment::{self, GROUP_BYTES, Part},
};
use serde_json::json;

use super::victim::{Script, Victim};
use crate::fixture::{store_of, take};

fn file() -> Vec<u8> {
    (0..20 * GROUP_BYTES as u32 + 99).map(|n| ((n * 13) >> 3) as u8).collect()
}

fn hash() -> FileHash {
    FileHash(*blake3::hash(&file()).as_bytes())
}

/// What peers hold: a record of alice's that lists a file, and the file.
fn world() -> MemoryStore {
    let alice = Author::new(1);
    let mut store = store_of(&[&alice, &Author::new(100), &Author::new(66), &Author::new(101)]);
    let body = json!({ "title": "x", "attachments": [
        { "hash": hash(), "bytes": file().len(), "mime": "image/png", "title": "x" },
    ]});
    let start = alice.start();
    let record = alice.write_body(start, body.to_string().into_bytes(), |header| {
        header.attachment_bytes = (file().len() as u64).next_power_of_two();
    });
    take(&mut store, std::slice::from_ref(&record));
    for part in attachment::parts(&file(), 16) {
        store.put_attachment(&part.verify().unwrap()).unwrap();
    }
    store.commit().unwrap();
    store
}

/// Lets mallory answer by `script` once the victim wants the file; then an honest peer brings it.
#[track_caller]
fn check(name: &str, is_fault: bool, script: Script<'_>) {
    let (mut victim, mallory, store) = (Victim::new(), Author::new(66), note(world()));
    // The record first, from an honest peer.
    victim.meet_honest(&store);
    let mut lie = |request: &Request, honest: Answer| script(request, honest);
    let place = place(victim.service.store());
    let want = FileCommand::Fetch { place, index: 0, pin: false };
    assert!(matches!(victim.reply(Command::File(want)), Reply::File(_)));
    let mut meetings = 0;
    while !victim.sent_away && meetings < 3 * OFFENCES_MAX {
        meetings += 1;
        victim.meet(&mallory, &store, &mut lie);
        assert!(!held(&victim), "{name}: nothing wrong is kept as a whole");
        victim.leave(&mallory);
        victim.now = victim.now.plus_ms(3_700_000 / u64::from(OFFENCES_MAX) / 4);
    }
    assert_eq!(victim.sent_away, is_fault, "{name}");
    victim.meet(&Author::new(101), &store, &mut |_, answer| answer.encode());
    assert!(held(&victim), "{name}: an honest peer brings it");
}

fn place(store: &MemoryStore) -> baraza_protocol::store::Place {
    let feed = Author::new(1).feed();
    let branch = baraza_protocol::store::Branch::Main;
    assert!(store.feed(&feed).unwrap().is_some());
    baraza_protocol::store::Place { feed, seq: 1, branch }
}

fn held(victim: &Victim) -> bool {
    let held = victim.service.store().reader().attachment(&hash()).unwrap();
    held.is_some_and(|held| held.is_whole())
}

/// Has the peers' store know for whom the file came, as their own service would note it.
fn note(store: MemoryStore) -> MemoryStore {
    let author = Author::new(101);
    let config = baraza_protocol::Config {
        centre: author.centre(),
        node: author.key.public(),
        seed: [2; 32],
        bootstrap: Vec::new(),
        networks: Vec::new(),
        key_blocked: None,
    };
    let mut service = baraza_protocol::Service::new(store, config, crate::fixture::NOW).unwrap();
    service.commit().unwrap();
    service.into_store()
}

/// Bends the parts and leaves everything else as it is.
fn bend(change: impl Fn(&mut Part)) -> impl FnMut(&Request, Answer) -> Vec<u8> {
    move |_, mut answer| {
        if let Answer::Attachment(Some(part)) = &mut answer {
            change(part);
        }
        answer.encode()
    }
}

fn other_file() -> Part {
    attachment::parts(&[7; 100], 1).next().unwrap()
}

#[test]
fn parts_that_do_not_match() {
    check("a wrong byte", true, &mut bend(|part| part.data[GROUP_BYTES / 2] ^= 1));
    check("a wrong proof", true, &mut bend(|part| part.proof[0][0] ^= 1));
    check("no proof", true, &mut bend(|part| part.proof.clear()));
    check("a proof of ten thousand", true, &mut bend(|part| part.proof = vec![[1; 32]; 9_000]));
    check(
        "too short",
        true,
        &mut bend(|part| {
            part.data.pop();
        }),
    );
    check("too long", true, &mut bend(|part| part.data.push(0)));
    check("empty", true, &mut bend(|part| part.data.clear()));
    check("another length", true, &mut bend(|part| part.bytes += GROUP_BYTES as u64));
    check("an endless file", true, &mut bend(|part| part.bytes = u64::MAX));
    check("another place", true, &mut bend(|part| part.from += 1));
    check("a place behind the end", true, &mut bend(|part| part.from = u32::MAX));
    check("another file, well proved", true, &mut bend(|part| *part = other_file()));
    check(
        "the first part each time",
        true,
        &mut bend(|part| {
            if part.from != 0 {
                *part = attachment::parts(&file(), 1).next().unwrap();
            } else {
                part.data[0] ^= 1;
            }
        }),
    );
}

#[test]
fn answers_that_are_none() {
    let attachment = |request: &Request| matches!(request, Request::Attachment(..));
    let wrong: [(&str, Vec<u8>); 4] = [
        ("rubbish", vec![0xfe; 100]),
        ("nothing", Vec::new()),
        ("too much", vec![0; ANSWER_BYTES_MAX + 1]),
        ("another kind", Answer::Ids(Vec::new()).encode()),
    ];
    for (name, bytes) in wrong {
        check(name, true, &mut |request, honest| match attachment(request) {
            true => bytes.clone(),
            false => honest.encode(),
        });
    }
    for (name, answer) in [
        ("not held", Answer::Attachment(None)),
        ("busy", Answer::Busy),
        ("not understood", Answer::Unknown),
    ] {
        check(name, false, &mut |request, honest| match attachment(request) {
            true => answer.encode(),
            false => honest.encode(),
        });
    }
}
