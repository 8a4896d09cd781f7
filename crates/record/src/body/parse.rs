//! From bytes to the members of a body.
//!
//! Invariant: what is returned is exactly what the bytes say: a repeated member is an error and
//! never a choice between two values. Depth is bounded, so later walks may recurse.
//! Not here: what the members mean (`check`).
//! Spec: docs/RECORDS.md, docs/PROTOCOL.md, section 3.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use super::Body;
use crate::BODY_BYTES_MAX;

/// Most objects and lists that may stand in each other, the body itself included.
pub const DEPTH_MAX: u32 = 16;

/// Why bytes are not a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More bytes than a body may have.
    #[error("body has {bytes} bytes, the limit is {BODY_BYTES_MAX}")]
    TooLong {
        /// How many there are.
        bytes: usize,
    },
    /// Not JSON in UTF-8, nested too deeply, or with a member that is repeated.
    #[error("body is not usable JSON: {reason}")]
    Json {
        /// What is wrong, and where.
        reason: String,
    },
    /// JSON, but not an object.
    #[error("body is not a JSON object")]
    NotAnObject,
}

/// Reads a body.
///
/// # Errors
///
/// Any of [`BodyError`].
pub fn parse_body(bytes: &[u8]) -> Result<Body, BodyError> {
    if usize::try_from(BODY_BYTES_MAX).is_ok_and(|limit| limit < bytes.len()) {
        return Err(BodyError::TooLong { bytes: bytes.len() });
    }
    let json = |error: serde_json::Error| BodyError::Json { reason: error.to_string() };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth_left: DEPTH_MAX }.deserialize(&mut deserializer).map_err(json)?;
    deserializer.end().map_err(json)?;
    match value {
        Value::Object(body) => Ok(body),
        _ => Err(BodyError::NotAnObject),
    }
}

/// Builds a [`Value`] like serde_json's own, but refuses repeated members and depth.
#[derive(Clone, Copy)]
struct Strict {
    depth_left: u32,
}

impl Strict {
    fn inner<E: de::Error>(self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Self { depth_left }),
            None => Err(E::custom(format_args!("nested deeper than {DEPTH_MAX}"))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Body::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                let name = super::text::shorten(&name);
                return Err(de::Error::custom(format_args!("member `{name}` is repeated")));
            }
            let value = members.next_value_seed(inner)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_like_any_json() {
        let text = r#"{"b":[1,-2,0.5,null,true,"\u0928"],"a":{"c":{}}}"#;
        let expected: Value = serde_json::from_str(text).unwrap();
        let body = parse_body(text.as_bytes()).unwrap();
        assert_eq!(Value::Object(body.clone()), expected);
        assert_eq!(body.keys().collect::<Vec<_>>(), ["b", "a"], "in the order written");
    }

    #[test]
    fn what_is_ambiguous_or_deep_is_refused() {
        let nested = |lists: usize| format!("{{\"a\":{}{}}}", "[".repeat(lists), "]".repeat(lists));
        assert!(parse_body(nested(15).as_bytes()).is_ok());
        for (text, reason) in [
            (nested(16), "deeper"),
            (nested(100_000), "deeper"),
            (r#"{"a":1,"a":1}"#.into(), "`a` is repeated"),
            (r#"{"a":{"b":1,"\u0062":2}}"#.into(), "`b` is repeated"),
            (r#"{"a":1} x"#.into(), "trailing"),
            (r#"{"a":"\ud800"}"#.into(), ""),
            (r#"{"a":1e999}"#.into(), "out of range"),
            (String::new(), "EOF"),
        ] {
            let error = parse_body(text.as_bytes()).unwrap_err();
            assert!(
                matches!(&error, BodyError::Json { reason: r } if r.contains(reason)),
                "{error}"
            );
        }
        assert!(matches!(parse_body(b"{\"a\":\"\xff\"}"), Err(BodyError::Json { .. })));
        assert_eq!(parse_body(b"[]"), Err(BodyError::NotAnObject));
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(256 * 1_024));
        assert_eq!(parse_body(long.as_bytes()), Err(BodyError::TooLong { bytes: long.len() }));
    }
}
