//! What is written as Markdown is read as the same draft, whatever the texts are.
//!
//! Spec: docs/FORMATS.md, drafts.

use baraza_record::{
    Kind,
    body::{FieldSpec, ValueKind, fields},
};
use serde_json::{Map, Value, json};

use crate::{Draft, Place, Source, parse, to_markdown};

const BLNS: &str = include_str!("../../../../tests/vectors/blns/blns.json");

/// Strings at which the line grammar might stumble.
const ODD: &[&str] = &[
    "",
    " ",
    "\t",
    "\n",
    "\n\n",
    " a",
    "a ",
    "a\t",
    "\na",
    "a\n",
    "a\n\nb",
    "  a\n  b",
    " a\nb\n c",
    "|",
    "|-",
    ">",
    "-",
    "- a",
    "- a\n- b",
    "#",
    "# a",
    "## a",
    "## Title",
    "\\## a",
    "\\\\# a",
    "### a",
    "##",
    "##a",
    "---",
    "---\nkind: x",
    "...",
    "a: b",
    "a:\nb: c",
    "[a, b]",
    "[a",
    "{",
    "{}",
    "\"a\"",
    "'a'",
    "\"a' \"",
    "\"a\" and \"b\"",
    "'\"",
    "\"",
    "\" '\" '",
    "NO",
    "true",
    "null",
    "~",
    "17.10",
    "007",
    "1e5",
    "40",
    "-0",
    "<!-- a -->",
    "\\<!-- a -->",
    "<!-- a",
    "a\r\nb",
    "a\rb",
    "\r",
    "\0",
    "\u{feff}a",
    "a\u{85}b\u{2028}c",
    "\u{a0}a\u{a0}",
    "a, b",
    "\"a\", b",
    "\\",
    "\\n",
    "*",
    "&a",
    "!x",
    "%",
    "@",
    "`",
    "a #b",
    "other: {}",
    "क्षेत्र में पानी",
    "ماء\u{200f}",
];

fn draft(kind: Kind, body: Value) -> Draft {
    let Value::Object(mut body) = body else { panic!("a body is an object") };
    body.insert("schema".into(), json!(baraza_record::body::schema(kind)));
    let source = Source { file: "d.md".into(), place: Place::Line(1) };
    Draft {
        kind,
        language: Some("pt-BR".into()),
        revises: Some("3f9a".into()),
        audience: Some("network:Lake Region".into()),
        body,
        source,
    }
}

#[track_caller]
fn check(draft: &Draft) {
    let text = to_markdown(draft);
    let mut rows = parse("d.md", text.as_bytes(), None).unwrap();
    match rows.remove(0) {
        Ok(read) => assert_eq!(&read, draft, "{text}"),
        Err(error) => panic!("{error}\n{text}"),
    }
}

/// Returns a value of the right shape, with `text` wherever text may stand.
fn filled(holds: ValueKind, text: &str) -> Value {
    let object = |fields: &[FieldSpec]| -> Value {
        fields
            .iter()
            .map(|field| (field.name.to_owned(), filled(field.value, text)))
            .collect::<Map<_, _>>()
            .into()
    };
    match holds {
        ValueKind::Bool | ValueKind::Confirmed => json!(text.len().is_multiple_of(2)),
        ValueKind::Number(..) => json!(17.25),
        ValueKind::Integer(..) => json!(text.len()),
        ValueKind::Object([]) => json!({text: [text, {"a": text}]}),
        ValueKind::Object(fields) => object(fields),
        ValueKind::Objects(fields) => json!([object(fields), object(fields)]),
        _ if holds.is_list() => json!([text, "a", text]),
        _ => json!(text),
    }
}

#[test]
fn every_odd_string_survives_in_every_field() {
    let naughty: Vec<String> = serde_json::from_str(BLNS).unwrap();
    assert!(500 < naughty.len());
    let texts = naughty.iter().map(String::as_str).chain(ODD.iter().copied());
    for text in texts {
        for (kind, _) in Kind::KNOWN {
            let members = fields(kind).unwrap().iter();
            let body: Map<_, _> =
                members.map(|field| (field.name.to_owned(), filled(field.value, text))).collect();
            check(&draft(kind, body.into()));
        }
    }
}

#[test]
fn every_odd_string_survives_alone() {
    for text in ODD {
        check(&draft(
            Kind::LESSON,
            json!({"title": text, "context": text, "target_users": [text]}),
        ));
        check(&draft(
            Kind::PRACTICE,
            json!({"results": [{"value": text}], "resources": {"in_kind": [text]}}),
        ));
        check(&draft(Kind::REFERENCE, json!({*text: text, "text": text})));
    }
}

#[test]
fn values_of_other_shapes_survive() {
    for value in [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5e300),
        json!(u64::MAX),
        json!([]),
        json!({}),
        json!([[]]),
        json!([1, "a"]),
        json!([{}]),
        json!({"a": {"b": [null]}}),
        json!([{"statement": "a", "new": 1}]),
        json!([{"statement": "a", "value": null}]),
    ] {
        for name in
            ["title", "summary", "countries", "results", "resources", "ext", "lessons", "new"]
        {
            check(&draft(Kind::PRACTICE, json!({name: value})));
        }
    }
    check(&Draft {
        language: None,
        revises: None,
        audience: None,
        ..draft(Kind::RETRACTION, json!({}))
    });
}

#[test]
fn a_draft_is_written_for_people() {
    let draft = draft(
        Kind::PRACTICE,
        json!({
            "title": "Water: who pays?", "countries": ["KE", "UG"], "what_did_not_work": "Fees.\n\n## No",
            "partners": [{"name": "Office, Kisumu", "role": ["pivotal"]}, {"name": "B"}],
            "resources": {"money": {"amount": 12.5, "currency": "KES", "year": 2019}, "in_kind": ["a b", "c"]},
            "lessons": ["Ask: first"], "later": [1],
        }),
    );
    let expected = "---
kind: practice
language: pt-BR
revises: 3f9a
audience: network:Lake Region
title: Water: who pays?
countries: [KE, UG]
partners:
  - name: Office, Kisumu
    role: [pivotal]
  - name: B
resources:
  money:
    amount: 12.5
    currency: KES
    year: 2019
  in_kind:
    - a b
    - c
lessons:
  - Ask: first
other: {\"later\":[1]}
---

## What did not work

Fees.

\\## No
";
    assert_eq!(to_markdown(&draft), expected);
    check(&draft);
}
