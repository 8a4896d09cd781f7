//! Identity logs: bytes of events, the line that counts, and what follows for feeds.

use baraza_identity::{
    Changes, EndKind, EndedKey, FeedEnd, Horizon, IdentityEvent, Join, KeySet, KeySignature, Link,
    Log, LogStanding, Profile, SignedEvent,
};
use baraza_protocol::{
    ingest,
    model::MemoryStore,
    store::{ShelfName, Store, StoreRead},
};
use baraza_record::{
    EventId, FeedId, KeyDigest, PublicKey, RecordId, SecretKey, SignedRecord, Timestamp, codec,
    sign::Domain,
};
use serde_json::{Value, json};

use super::{
    check,
    input::{self, member_of, number, option},
};

fn place(value: &Value) -> Horizon {
    Horizon {
        feed: FeedId(input::array(member_of(value, "feed"))),
        seq: number(member_of(value, "seq")),
        record: RecordId(input::array(member_of(value, "record"))),
    }
}

fn ended(value: &Value) -> EndedKey {
    let kind = match input::text(member_of(value, "kind")) {
        "retired" => EndKind::Retired,
        "compromised" => EndKind::Compromised,
        other => panic!("no end {other}"),
    };
    let key = PublicKey(input::array(member_of(value, "key")));
    EndedKey { key, kind, horizons: input::list(member_of(value, "horizons"), place) }
}

fn changes(value: &Value) -> Changes {
    let profile = |value: &Value| Profile {
        name: input::text(member_of(value, "name")).to_owned(),
        country: option(member_of(value, "country"), input::country),
    };
    Changes {
        profile: option(member_of(value, "profile"), profile),
        operators: input::list(member_of(value, "operators"), input::operator),
        ended: input::list(member_of(value, "ended"), ended),
        branches: input::list(member_of(value, "branches"), place),
    }
}

fn link(value: &Value) -> Link {
    Link {
        centre: EventId(input::array(member_of(value, "centre"))),
        seq: number(member_of(value, "seq")),
        prev: EventId(input::array(member_of(value, "prev"))),
        created_ms: Timestamp(number(member_of(value, "created_ms"))),
    }
}

fn keys(value: &Value) -> KeySet {
    KeySet {
        root_keys: input::list(member_of(value, "root_keys"), |key| PublicKey(input::array(key))),
        root_threshold: number(member_of(value, "root_threshold")),
        next_digests: input::list(member_of(value, "next_digests"), |digest| {
            KeyDigest(input::array(digest))
        }),
        next_threshold: number(member_of(value, "next_threshold")),
    }
}

fn event(value: &Value) -> IdentityEvent {
    let kind: u8 = number(member_of(value, "kind"));
    if kind == 0 {
        return input::inception(value).into();
    }
    let (link, changes) = (link(&value["link"]), changes(&value["changes"]));
    let revealed = || input::list(member_of(value, "revealed"), |key| PublicKey(input::array(key)));
    match kind {
        1 => IdentityEvent::update(link, changes),
        2 => IdentityEvent::rotate(link, changes, revealed(), keys(value)),
        3 => IdentityEvent::deactivate(link, changes, revealed()),
        other => panic!("no kind {other}"),
    }
}

/// Signs an event with the keys at the places that a case names.
fn signed(case: &Value) -> SignedEvent {
    let event = event(&case["event"]).encode();
    let signatures = input::list(&case["signatures"], |by| KeySignature {
        key: number(member_of(by, "key")),
        signature: SecretKey::from_seed(input::array(member_of(by, "seed")))
            .sign(Domain::IdentityEvent, &event),
    });
    let bytes = codec::encode(&(event, signatures));
    SignedEvent::decode(&bytes).unwrap()
}

fn operator_json((key, operator): (&PublicKey, &baraza_identity::OperatorState)) -> Value {
    let ended = operator.ended.as_ref().map(|ended| match ended.kind {
        EndKind::Retired => "retired",
        EndKind::Compromised => "compromised",
    });
    let capabilities = operator.capabilities.0;
    json!({ "key": key, "capabilities": capabilities, "since": operator.since, "ended": ended })
}

fn feed_json(log: &Log, case: &Value) -> Value {
    let signer = PublicKey(input::array(member_of(case, "signer")));
    let rule = log.feed_rule(&signer, &FeedId(input::array(member_of(case, "feed"))));
    let end = rule
        .end
        .map(|FeedEnd { seq, compromised }| json!({ "seq": seq, "compromised": compromised }));
    json!({ "end": end, "pins": rule.pins })
}

#[test]
fn logs_have_these_bytes_and_this_line() {
    check("identity-logs", |input| {
        let events = input::list(&input["events"], signed);
        let Join { log, refused, .. } = Log::join(Vec::new(), events.clone());
        assert_eq!(refused, []);
        let log = log.unwrap();
        let back = Log::join(Vec::new(), events.iter().rev().cloned().collect());
        assert_eq!(back.log.as_ref(), Some(&log), "in any order");
        let standing = match log.standing() {
            LogStanding::Sound => "sound",
            LogStanding::Frozen => "frozen",
            LogStanding::Disputed => "disputed",
            LogStanding::Ended => "ended",
        };
        let bytes = |event: &SignedEvent| {
            json!({
                "event": input::hex(&event.event().encode()),
                "id": event.id(),
                "signed": input::hex(&event.encode()),
            })
        };
        json!({
            "events": events.iter().map(bytes).collect::<Vec<_>>(),
            "line": log.events().iter().map(SignedEvent::id).collect::<Vec<_>>(),
            "standing": standing,
            "operators": log.state().operators().map(operator_json).collect::<Vec<_>>(),
            "feeds": input::list(&input["feeds"], |case| feed_json(&log, case)),
        })
    });
}

/// Offers signed events and wire records again and again until nothing changes.
fn settle(store: &mut MemoryStore, events: &[Vec<u8>], records: &[Vec<u8>]) {
    loop {
        let before = store.last_change();
        for event in events {
            // An event before its predecessor waits for the next round.
            let _ = ingest::ingest_identity(store, event);
        }
        for record in records {
            let record = SignedRecord::decode(record).unwrap().verify().unwrap();
            ingest::ingest_range(store, &[record], Timestamp(0)).unwrap();
        }
        store.commit().unwrap();
        if store.last_change() == before {
            return;
        }
    }
}

#[test]
fn horizons_forks_and_choices_leave_these_shelves() {
    check("admission", |input| {
        let (mut events, mut records) = (
            input::list(&input["events"], input::bytes),
            input::list(&input["records"], input::bytes),
        );
        let mut shelves = Vec::new();
        for _ in 0..2 {
            let mut store = MemoryStore::new(1);
            settle(&mut store, &events, &records);
            let shelf = store.shelf(ShelfName::Public);
            let entry = |(feed, head): (&[u8; 32], &baraza_reconcile::Head)| {
                json!({
                    "feed": FeedId(*feed),
                    "seq": head.seq,
                    "id": RecordId(head.id),
                    "forked": head.forked,
                })
            };
            shelves.push(shelf.page(None, 100).map(entry).collect::<Vec<_>>());
            events.reverse();
            records.reverse();
        }
        assert_eq!(shelves[0], shelves[1], "in any order");
        json!({ "shelf": shelves[0] })
    });
}
