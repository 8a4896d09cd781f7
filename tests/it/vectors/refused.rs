//! Bytes that every implementation refuses, with the rule that each breaks.

use baraza_identity::{EventError, Log, LogError};
use baraza_record::{
    Header, HeaderError, RecordError, SignedRecord,
    codec::DecodeError,
    frame::{FrameError, FrameReader, ReadError},
};
use serde_json::json;

use super::{check, input};

#[test]
fn bytes_that_break_a_rule_are_refused_by_that_rule() {
    check("refused", |case| {
        let bytes = input::bytes(&case["bytes"]);
        let refused = match input::text(&case["what"]) {
            "header" => Header::decode(&bytes).err().map(|error| header_rule(&error)),
            "record" => {
                let verified = SignedRecord::decode(&bytes).and_then(SignedRecord::verify);
                verified.err().map(|error| record_rule(&error))
            }
            "event" => Log::from_events(&[bytes]).err().map(|error| match error {
                LogError::Event(error) => event_rule(&error),
                other => name(&other),
            }),
            "stream" => first_damage(&bytes).map(|error| name(&error)),
            other => panic!("no decoder for {other}"),
        };
        let refused = refused.unwrap_or_else(|| panic!("accepted: {case}"));
        json!({ "refused": refused })
    });
}

/// Returns what is wrong with the first frame of a stream.
fn first_damage(bytes: &[u8]) -> Option<FrameError> {
    match FrameReader::new(bytes).next()? {
        Ok(_) => None,
        Err(ReadError::Damaged(damage)) => Some(damage.why),
        Err(ReadError::Io(error)) => panic!("a slice does not fail: {error}"),
    }
}

fn decode_rule(error: &DecodeError) -> String {
    format!("Decode({})", name(error))
}

fn header_rule(error: &HeaderError) -> String {
    match error {
        HeaderError::Decode(error) => decode_rule(error),
        HeaderError::Field { field, .. } => format!("Field({field})"),
        HeaderError::UnknownVersion { .. } => name(error),
    }
}

fn record_rule(error: &RecordError) -> String {
    match error {
        RecordError::Decode(error) => decode_rule(error),
        RecordError::Header(error) => format!("Header({})", header_rule(error)),
        RecordError::Signature { cause, .. } => format!("Signature({})", name(cause)),
        other => name(other),
    }
}

fn event_rule(error: &EventError) -> String {
    match error {
        EventError::Decode(error) => decode_rule(error),
        EventError::Field { field, .. } => format!("Field({field})"),
        EventError::Signature { cause, .. } => format!("Signature({})", name(cause)),
        other => name(other),
    }
}

/// Returns the name of the variant.
fn name(error: &impl std::fmt::Debug) -> String {
    let text = format!("{error:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}
