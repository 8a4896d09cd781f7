//! Statements of nations: which counts, which decides, whatever the order of arrival.
//!
//! Spec: docs/PROTOCOL.md, section 4.5.

use baraza_identity::{Capabilities, EVENT_VERSION, EventKind, Inception, Operator, SignedEvent};
use baraza_record::{
    BodyCommit, EventId, Goals, Header, KeyDigest, Payload, SignedRecord, VerifiedRecord, hash,
    sign::SecretKey,
};
use serde_json::json;

use super::*;
use crate::{
    ingest::{ingest_identity, ingest_range},
    model::MemoryStore,
};

const RIGHTS: Capabilities =
    Capabilities::PUBLISH.and(Capabilities::RETRACT).and(Capabilities::ACCREDIT);

/// A status, and the numbers of the statements that it replaces.
type Said = (&'static str, &'static [usize]);

/// A centre of which nations speak.
pub(crate) const CENTRE: CentreId = CentreId([0xce; 32]);

/// Somebody who signs one feed.
pub(crate) struct Speaker {
    key: SecretKey,
    pub(crate) identity: SignedEvent,
    head: (u64, RecordId),
}

impl Speaker {
    pub(crate) fn new(number: u8, role: Role, capabilities: Capabilities) -> Self {
        let key = SecretKey::from_seed([number; 32]);
        let root = SecretKey::from_seed([number + 100; 32]);
        let event = Inception {
            version: EVENT_VERSION,
            kind: EventKind::INCEPTION,
            seq: 0,
            prev: None,
            role,
            name: format!("Speaker {number}"),
            country: Some(*b"KE"),
            root_keys: vec![root.public()],
            root_threshold: 1,
            next_digests: vec![KeyDigest([number; 32])],
            next_threshold: 1,
            operators: vec![Operator { key: key.public(), capabilities, label: "desk".into() }],
            created_ms: Timestamp(1),
            nonce: [number; 16],
        };
        let identity = event.sign(&[&root]);
        let centre = CentreId(identity.id().0);
        let feed = hash::feed_id(&centre, &key.public(), &Audience::Public);
        Self { key, identity, head: (0, RecordId(feed.0)) }
    }

    pub(crate) fn kenya() -> Self {
        Self::new(1, Role::Nation(*b"KE"), RIGHTS)
    }

    pub(crate) fn id(&self) -> CentreId {
        CentreId(self.identity.id().0)
    }

    pub(crate) fn pin(&self, country: &str) -> Pin {
        Pin { nation: self.id(), country: country.into(), since: Timestamp(0) }
    }

    pub(crate) fn write(
        &mut self,
        kind: Kind,
        target: Option<RecordId>,
        body: &Value,
    ) -> VerifiedRecord {
        let (seq, prev) = self.head;
        let header = Header {
            version: 1,
            kind,
            centre: self.id(),
            signer: self.key.public(),
            audience: Audience::Public,
            seq: seq + 1,
            prev,
            identity_head: EventId(self.id().0),
            created_ms: Timestamp((seq + 1) * DAY_MS),
            language: "en".into(),
            goals: Goals::default(),
            series: None,
            target,
            attachment_bytes: 0,
            body_bytes: 0,
            body_commit: BodyCommit([0; 32]),
        };
        let payload = Payload { salt: [7; 16], body: body.to_string().into_bytes() };
        let record = SignedRecord::sign(header, payload, &self.key);
        self.head = (seq + 1, record.id());
        record
    }

    /// Says something of [`CENTRE`].
    pub(crate) fn say(&mut self, status: &str, replaces: &[&VerifiedRecord]) -> VerifiedRecord {
        let replaces: Vec<_> = replaces.iter().map(|record| record.id()).collect();
        self.write(
            Kind::ACCREDITATION,
            None,
            &json!({
                "centre": CENTRE, "status": status, "replaces": replaces,
                "schema": "accreditation/1",
            }),
        )
    }
}

pub(crate) fn store(speakers: &[&Speaker], records: &[&VerifiedRecord]) -> MemoryStore {
    let mut store = MemoryStore::new(1);
    for speaker in speakers {
        ingest_identity(&mut store, &speaker.identity.encode()).unwrap();
    }
    for record in records {
        ingest_range(&mut store, &[VerifiedRecord::clone(record)], Timestamp(5 * DAY_MS)).unwrap();
    }
    store
}

/// Returns how [`CENTRE`] stands by these pins, on the sixth day of 1970.
fn words(store: &MemoryStore, pins: &[Pin]) -> String {
    let all = Accreditations::compute(store, pins).unwrap();
    all.words(&CENTRE, Some("KE"), 90, Timestamp(5 * DAY_MS))
}

#[test]
fn the_most_restrictive_statement_that_is_not_replaced_decides() {
    // Statements with the numbers of those they replace, and what follows from all of them.
    let table: &[(&[Said], &str)] = &[
        (&[], "not accredited; no accreditation news from KE yet"),
        (&[("accredited", &[])], "accredited by KE since 1970-01-02"),
        (&[("accredited", &[]), ("accredited", &[])], "accredited by KE since 1970-01-03"),
        (&[("accredited", &[]), ("suspended", &[])], "suspended by KE since 1970-01-03"),
        (&[("suspended", &[]), ("accredited", &[])], "suspended by KE since 1970-01-02"),
        (&[("suspended", &[]), ("accredited", &[0])], "accredited by KE since 1970-01-03"),
        (
            &[("withdrawn", &[]), ("suspended", &[])],
            "accreditation withdrawn by KE since 1970-01-02",
        ),
        // What is replaced stays replaced when its successor is replaced too.
        (
            &[("withdrawn", &[]), ("suspended", &[0]), ("accredited", &[1])],
            "accredited by KE since 1970-01-04",
        ),
        (&[("unheard-of", &[])], "not accredited"),
    ];
    for (statements, expected) in table {
        let mut kenya = Speaker::kenya();
        let mut said: Vec<VerifiedRecord> = Vec::new();
        for (status, replaces) in *statements {
            let replaces: Vec<_> = replaces.iter().map(|at| &said[*at]).collect();
            let one = kenya.say(status, &replaces);
            said.push(one);
        }
        let store = store(&[&kenya], &said.iter().collect::<Vec<_>>());
        assert_eq!(words(&store, &[kenya.pin("KE")]), *expected, "{statements:?}");
    }
}

#[test]
fn the_order_of_arrival_does_not_matter() {
    let (mut kenya, mut uganda) = (Speaker::kenya(), Speaker::new(2, Role::Nation(*b"UG"), RIGHTS));
    let first = kenya.say("accredited", &[]);
    let second = kenya.say("suspended", &[&first]);
    let third = kenya.say("accredited", &[&second]);
    let other = uganda.say("withdrawn", &[]);
    let pins = [kenya.pin("KE"), uganda.pin("UG")];
    let expected = words(&store(&[&kenya, &uganda], &[&first, &second, &third, &other]), &pins);
    assert!(expected.starts_with("accredited by KE"), "{expected}");
    assert!(expected.contains("accreditation withdrawn by UG"), "{expected}");

    // What comes too early is refused as a gap and given again, as catch-up does.
    let objects = [Ok(&first), Ok(&second), Ok(&third), Ok(&other), Err(&kenya), Err(&uganda)];
    let mut order: Vec<usize> = (0..objects.len()).collect();
    let mut orders = 0;
    permute(&mut order, 0, &mut |order| {
        let mut store = MemoryStore::new(1);
        for _ in 0..3 {
            for at in order {
                match objects[*at] {
                    Ok(record) => {
                        let range = [VerifiedRecord::clone(record)];
                        ingest_range(&mut store, &range, Timestamp(5 * DAY_MS)).unwrap();
                    }
                    Err(speaker) => {
                        ingest_identity(&mut store, &speaker.identity.encode()).unwrap();
                    }
                }
            }
        }
        assert_eq!(words(&store, &pins), expected, "{order:?}");
        orders += 1;
    });
    assert_eq!(orders, 720);
}

fn permute(items: &mut [usize], from: usize, see: &mut dyn FnMut(&[usize])) {
    if from == items.len() {
        return see(items);
    }
    for at in from..items.len() {
        items.swap(from, at);
        permute(items, from + 1, see);
        items.swap(from, at);
    }
}

#[test]
fn only_statements_with_authority_of_a_nation_that_is_pinned_count() {
    // Role of the speaker's log, its rights, the country pinned, whether it counts.
    let table = [
        (Role::Nation(*b"KE"), RIGHTS, "KE", true),
        (Role::Nation(*b"KE"), Capabilities::ACCREDIT, "KE", true),
        (Role::Nation(*b"KE"), Capabilities::PUBLISH, "KE", false),
        (Role::Nation(*b"KE"), RIGHTS, "UG", false),
        (Role::Centre, RIGHTS, "KE", false),
        (Role::Network, RIGHTS, "KE", false),
    ];
    for (role, rights, country, counts) in table {
        let mut speaker = Speaker::new(1, role.clone(), rights);
        let said = speaker.say("accredited", &[]);
        let store = store(&[&speaker], &[&said]);
        let all = Accreditations::compute(&store, &[speaker.pin(country)]).unwrap();
        assert_eq!(all.accredits(&CENTRE).is_some(), counts, "{role:?} {rights:?} {country}");
    }
    let mut kenya = Speaker::kenya();
    let said = kenya.say("accredited", &[]);
    let store = store(&[&kenya], &[&said]);
    assert_eq!(words(&store, &[]), "not accredited", "nobody is pinned");
    let claims = claims(&store, &[], &CENTRE).unwrap();
    assert_eq!((claims.len(), claims[0].country.as_str()), (1, "KE"));
}

#[test]
fn a_retraction_undoes_a_statement() {
    let mut kenya = Speaker::kenya();
    let first = kenya.say("accredited", &[]);
    let second = kenya.say("withdrawn", &[&first]);
    let body = json!({ "reason": "error", "schema": "retraction/1" });
    let undo = kenya.write(Kind::RETRACTION, Some(second.id()), &body);
    let store = store(&[&kenya], &[&first, &second, &undo]);
    assert_eq!(words(&store, &[kenya.pin("KE")]), "accredited by KE since 1970-01-02");
}

#[test]
fn a_nation_cannot_replace_what_another_said() {
    let (mut kenya, mut uganda) = (Speaker::kenya(), Speaker::new(2, Role::Nation(*b"UG"), RIGHTS));
    let said = kenya.say("accredited", &[]);
    let other = uganda.say("withdrawn", &[&said]);
    let store = store(&[&kenya, &uganda], &[&said, &other]);
    let all = Accreditations::compute(&store, &[kenya.pin("KE"), uganda.pin("UG")]).unwrap();
    assert!(all.accredits(&CENTRE).is_some());
    assert_eq!(all.accredited_by(Some("KE")), [CENTRE]);
    assert_eq!(all.accredited_by(None), [CENTRE]);
    assert_eq!(all.accredited_by(Some("UG")), []);
}

#[test]
fn old_news_and_late_reviews_are_marked() {
    let mut kenya = Speaker::kenya();
    let body = json!({
        "centre": CENTRE, "status": "accredited", "review_by": "1970-02-01",
        "schema": "accreditation/1",
    });
    let said = kenya.write(Kind::ACCREDITATION, None, &body);
    let store = store(&[&kenya], &[&said]);
    let all = Accreditations::compute(&store, &[kenya.pin("KE")]).unwrap();
    let words = |today: u64| all.words(&CENTRE, None, 90, Timestamp(today * DAY_MS));
    assert_eq!(words(31), "accredited by KE since 1970-01-02", "on the day of the review");
    let late = "accredited by KE since 1970-01-02 (its review was due by 1970-02-01)";
    assert_eq!(words(95), late, "it arrived on the sixth day, 90 days before");
    assert_eq!(words(125), format!("{late}; no accreditation news from KE for 120 days"));
}

#[test]
fn the_cache_follows_new_statements_and_pins() {
    let mut kenya = Speaker::kenya();
    let (cache, pins) = (Cache::default(), [kenya.pin("KE")]);
    let first = kenya.say("accredited", &[]);
    let mut store = store(&[&kenya], &[&first]);
    let before = cache.get(&store, &pins).unwrap();
    assert!(before.accredits(&CENTRE).is_some());
    assert!(Arc::ptr_eq(&before, &cache.get(&store, &pins).unwrap()), "nothing changed");
    assert!(cache.get(&store, &[]).unwrap().accredits(&CENTRE).is_none(), "nobody is pinned");
    ingest_range(&mut store, &[kenya.say("withdrawn", &[])], Timestamp(2)).unwrap();
    assert!(cache.get(&store, &pins).unwrap().accredits(&CENTRE).is_none());
}

#[test]
fn days_are_those_of_the_calendar() {
    for (days, text) in [(0, "1970-01-01"), (11_016, "2000-02-29"), (20_781, "2026-11-24")] {
        assert_eq!(day(Timestamp(days * DAY_MS + DAY_MS - 1)), text);
    }
}
