//! Values of the project as the vectors write them.
//!
//! Invariant: nothing is left to a default: a member that is not there fails the test.

use baraza_identity::{Capabilities, EventKind, Inception, Operator, Role};
use baraza_reconcile::{Head, Shelf};
use baraza_record::{
    Audience, BodyCommit, CentreId, EventId, FeedId, Goals, Header, KeyDigest, Kind, NetworkId,
    Payload, PublicKey, RecordId, Timestamp, frame::Frame,
};
use serde_json::Value;

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a text"))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn bytes(value: &Value) -> Vec<u8> {
    let digits = text(value);
    assert_eq!(digits.len() % 2, 0, "{digits}");
    let pairs = (0..digits.len()).step_by(2).map(|at| &digits[at..at + 2]);
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

pub(super) fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap_or_else(|_| panic!("{value} does not have {N} bytes"))
}

pub(super) fn list<T>(value: &Value, item: impl Fn(&Value) -> T) -> Vec<T> {
    let items = value.as_array().unwrap_or_else(|| panic!("{value} is not a list"));
    items.iter().map(item).collect()
}

pub(super) fn number<T: TryFrom<u64>>(value: &Value) -> T {
    let number = value.as_u64().unwrap_or_else(|| panic!("{value} is not a number"));
    T::try_from(number).unwrap_or_else(|_| panic!("{number} does not fit"))
}

pub(super) fn option<T>(value: &Value, read: impl Fn(&Value) -> T) -> Option<T> {
    match value {
        Value::Null => None,
        value => Some(read(value)),
    }
}

pub(super) fn country(value: &Value) -> [u8; 2] {
    text(value).as_bytes().try_into().unwrap()
}

/// Reads a header; length and commitment of the body are set when it is signed.
pub(super) fn header(value: &Value) -> Header {
    let get = |member: &str| member_of(value, member);
    Header {
        version: number(get("version")),
        kind: Kind(number(get("kind"))),
        centre: CentreId(array(get("centre"))),
        signer: PublicKey(array(get("signer"))),
        audience: audience(get("audience")),
        seq: number(get("seq")),
        prev: RecordId(array(get("prev"))),
        identity_head: EventId(array(get("identity_head"))),
        created_ms: Timestamp(number(get("created_ms"))),
        language: text(get("language")).to_owned(),
        goals: Goals(number(get("goals"))),
        series: option(get("series"), |id| RecordId(array(id))),
        target: option(get("target"), |id| RecordId(array(id))),
        attachment_bytes: number(get("attachment_bytes")),
        body_bytes: 0,
        body_commit: BodyCommit([0; 32]),
    }
}

fn audience(value: &Value) -> Audience {
    if value == "public" {
        return Audience::Public;
    }
    let nonce = array(member_of(value, "nonce"));
    match value.get("network") {
        Some(network) => Audience::Network(NetworkId(array(network)), nonce),
        None => {
            let centres = list(member_of(value, "centres"), |id| CentreId(array(id)));
            Audience::Centres(centres, nonce)
        }
    }
}

pub(super) fn inception(value: &Value) -> Inception {
    let get = |member: &str| member_of(value, member);
    Inception {
        version: number(get("version")),
        kind: EventKind(number(get("kind"))),
        seq: number(get("seq")),
        prev: option(get("prev"), |id| EventId(array(id))),
        role: role(text(get("role"))),
        name: text(get("name")).to_owned(),
        country: option(get("country"), country),
        root_keys: list(get("root_keys"), |key| PublicKey(array(key))),
        root_threshold: number(get("root_threshold")),
        next_digests: list(get("next_digests"), |digest| KeyDigest(array(digest))),
        next_threshold: number(get("next_threshold")),
        operators: list(get("operators"), operator),
        created_ms: Timestamp(number(get("created_ms"))),
        nonce: array(get("nonce")),
    }
}

fn role(name: &str) -> Role {
    match name.split_once(' ') {
        Some(("nation", code)) => Role::Nation(code.as_bytes().try_into().unwrap()),
        None if name == "centre" => Role::Centre,
        None if name == "network" => Role::Network,
        _ => panic!("no role {name}"),
    }
}

pub(super) fn operator(value: &Value) -> Operator {
    Operator {
        key: PublicKey(array(member_of(value, "key"))),
        capabilities: Capabilities(number(member_of(value, "capabilities"))),
        label: text(member_of(value, "label")).to_owned(),
    }
}

pub(super) fn frame(value: &Value) -> Frame {
    let get = |member: &str| member_of(value, member);
    let record = || RecordId(array(get("record")));
    match text(get("frame")) {
        "clock" => Frame::Clock(Timestamp(number(get("ms")))),
        "identity" => Frame::Identity(bytes(get("event"))),
        "header" => {
            let signature = option(get("signature"), array);
            Frame::Header { signature, header: bytes(get("header")) }
        }
        "payload" => {
            let payload = Payload { salt: array(get("salt")), body: bytes(get("body")) };
            Frame::Payload { record: record(), payload }
        }
        "signature" => Frame::Signature { record: record(), signature: array(get("signature")) },
        "erase" => {
            let retraction = RecordId(array(get("retraction")));
            Frame::Erase { record: record(), retraction }
        }
        other => panic!("no frame {other}"),
    }
}

/// Reads the entries of a shelf.
pub(super) fn shelf(value: &Value) -> Shelf {
    let mut shelf = Shelf::default();
    for entry in list(value, Clone::clone) {
        let get = |member: &str| member_of(&entry, member);
        let forked = get("forked").as_bool().unwrap();
        let head = Head { seq: number(get("seq")), id: array(get("id")), forked };
        shelf.set(FeedId(array(get("key"))).0, head, 0);
    }
    shelf
}

pub(super) fn member_of<'a>(value: &'a Value, member: &str) -> &'a Value {
    value.get(member).unwrap_or_else(|| panic!("no {member} in {value}"))
}
