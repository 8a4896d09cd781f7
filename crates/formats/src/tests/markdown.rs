//! Markdown drafts: every rule of the grammar, and what is said where one is broken.
//!
//! Spec: docs/FORMATS.md, drafts.

use baraza_record::Kind;
use serde_json::{Value, json};

use crate::{Draft, parse};

const PRACTICE: &str = "\u{feff}---\r
# who and what\r
Kind: practice\r
language: SW\r
revises: 3f9a\r
title: Water: a pump that 17 villages repair # 1\r
countries: [KE, \"UG\", NO]\r
regions:\r
  - 014\r
sdg: 6.2, 6\r
status: 'ongoing'\r
contact: Office <water@example.org>\r
resources:\r
  staff: 12 engineers: part-time\r
  in_kind:\r
  - land\r
  - |\r
    a well,\r
      deep\r
  money:\r
    amount: 17.10\r
    currency: KES\r
    year: 2019\r
results:\r
- statement: Water: all year\r
  value: 17.10\r
  baseline: 40\r
\r
# the second\r
- statement: \"Quoted\" and \"again\"\r
  value: \"40\"\r
ext: {\"a\": [1, {\"b\": null}]}\r
---\r
\r
## Summary\r
\r
<!-- about 300 words -->\r
One.\r
\r
### Part\r
\\## No heading\r
# Nor this  \r
\r
## what did not work ##\r
key: value\r
\r
## Lessons\r
\r
- Ask first: then act.\r
- \"\"\r
\r
## Challenge\r
";

/// What follows the kind in a lesson that breaks a rule, and how the message begins.
const BROKEN_LESSONS: &[(&str, &str)] = &[
    ("titel: x\n---", "line 3: titel: not a field of a lesson; did you mean `title`?"),
    ("lang: x\n---", "line 3: lang: not a field"),
    ("title: x\ntitle: y\n---", "line 4: title: given twice; keep one"),
    ("language: en\nLanguage: en\n---", "line 4: language: given twice"),
    ("---\n## Event\na\n## event\nb", "line 6: event: given twice"),
    ("---\n\n## Contxt\n\nx", "line 5: contxt: not a field of a lesson; did you mean `context`?"),
    ("language: english language\n---", "line 3: language: `english language` is not a language"),
    ("revises: the old one\n---", "line 3: revises: `the old one` is no id of a record"),
    ("schema: lesson/2\n---", "line 3: schema: `lesson/2` is not the schema `lesson/1`"),
    ("just words\n---", "line 3: line: `just words` is not of the form `key: value`"),
    ("a:b\n---", "line 3: line: `a:b` is not of the form"),
    (": b\n---", "line 3: line: `: b` is not of the form"),
    ("- a\n---", "line 3: line: `- a` is not of the form"),
    ("countries:\n  - KE\n  UG\n---", "line 5: line: `UG` is not a list item; begin it with `- `"),
    ("countries:\n  -\n---", "line 4: countries: an item is empty"),
    ("countries: [KE,,UG]\n---", "line 3: countries: an item is empty"),
    ("countries: [KE\n---", "line 3: countries: the list `[KE` does not end with `]`"),
    ("countries: ['KE]\n---", "line 3: countries: the list `['KE]`"),
    ("countries: ['KE' UG]\n---", "line 3: countries: the list"),
    ("countries: KE\n  - UG\n---", "line 3: countries: the value goes on in `- UG`"),
    ("title: a\n  b\n---", "line 3: title: the value goes on in `b`; write `key: |`"),
    (
        "links:\n    - rel: cites\n  - rel: cites\n---",
        "line 5: line: `- rel: cites` stands less far",
    ),
    ("links:\n\t- rel: cites\n---", "line 4: line: `- rel: cites` is indented with a tab"),
    ("links:\n  - rel: a\n    rel: b\n---", "line 5: links.0.rel: given twice"),
    (
        "links:\n  - rel: a\n  - tagret: b\n---",
        "line 5: links.1.tagret: not a field of a lesson; did you mean `target`?",
    ),
    ("links: nothing\n---", "line 3: links: `nothing` is not JSON of one line"),
    ("attachments:\n  - bytes: 1,000\n---", "line 4: attachments.0.bytes: `1,000` is not a number"),
    ("sensitivity_checked: ok\n---", "line 3: sensitivity_checked: `ok` is neither true nor false"),
    ("ext:\n  a: b\n---", "line 4: ext.a: `a` is in an object of others' making"),
    ("ext: {\"a\":1,\"a\":2}\n---", "line 3: ext: body is not usable JSON: member `a` is repeated"),
    ("other: [1]\n---", "line 3: other: body is not a JSON object"),
    ("other: {\"schema\":1}\n---", "line 3: other: given twice"),
    ("title: x\n", "line 1: ---: no line `---` ends the part"),
    ("---\nSome words\n", "line 4: text: `Some words` stands before the first heading"),
    ("title: a\n---\n# b\n", "line 5: title: the heading says `b`, the title is another"),
    ("---\n# a\n# b\n", "line 5: title: the heading says `b`"),
    ("---\n## Countries\n- KE\n# UG\n", "line 6: countries: `# UG` is not a list item"),
];

/// Reads the one draft of a Markdown text.
fn read(text: &str) -> Result<Draft, String> {
    let mut rows = parse("d.md", text.as_bytes(), None).map_err(|error| error.to_string())?;
    assert_eq!(rows.len(), 1);
    rows.remove(0).map_err(|error| error.to_string())
}

/// Returns the body of a lesson whose front matter, after its kind, and rest are given.
#[track_caller]
fn body(front: &str, rest: &str) -> Value {
    read(&format!("---\nkind: lesson\n{front}\n---\n{rest}")).unwrap().body.into()
}

#[test]
fn a_draft_is_read_as_it_was_written() {
    let draft = read(PRACTICE).unwrap();
    assert_eq!(draft.kind, Kind::PRACTICE);
    assert_eq!(draft.language.as_deref(), Some("sw"));
    assert_eq!(draft.revises.as_deref(), Some("3f9a"));
    let expected = json!({
        "schema": "practice/1",
        "title": "Water: a pump that 17 villages repair # 1",
        "countries": ["KE", "UG", "NO"],
        "regions": ["014"],
        "sdg": ["6.2", "6"],
        "status": "ongoing",
        "contact": "Office <water@example.org>",
        "resources": {
            "staff": "12 engineers: part-time",
            "in_kind": ["land", "a well,\n  deep"],
            "money": {"amount": 17.1, "currency": "KES", "year": 2019},
        },
        "results": [
            {"statement": "Water: all year", "value": "17.10", "baseline": 40},
            {"statement": "\"Quoted\" and \"again\"", "value": "40"},
        ],
        "ext": {"a": [1, {"b": null}]},
        "summary": "One.\n\n### Part\n## No heading\n# Nor this  ",
        "what_did_not_work": "key: value",
        "lessons": ["Ask first: then act.", ""],
    });
    assert_eq!(Value::Object(draft.body), expected);
}

#[test]
fn a_truth_value_is_one_only_where_the_field_is() {
    let body = body("sensitivity_checked: YES\npolarity: NO", "# No\n## Causes\nfalse");
    assert_eq!(body["sensitivity_checked"], json!(true));
    assert_eq!(body["polarity"], json!("NO"));
    assert_eq!(body["title"], json!("No"));
    assert_eq!(body["causes"], json!("false"));
}

#[test]
fn lists_may_be_written_in_several_ways() {
    let kenya = json!(["KE", "UG"]);
    for front in [
        "countries: [KE, UG]",
        "countries: [ 'KE' , \"UG\", ]",
        "countries: KE, UG",
        "countries:\n- KE\n- UG",
        "countries:\n\n   - KE\n   # east\n   -   UG",
        "Countries:\n  - \"KE\"\n  - |\n    UG",
    ] {
        assert_eq!(body(front, "")["countries"], kenya, "{front}");
    }
    assert_eq!(body("countries: []", "")["countries"], json!([]));
    assert_eq!(body("countries:", "").get("countries"), None);
    assert_eq!(body("", "## Countries\n\nKE, UG\n")["countries"], kenya);
    assert_eq!(body("", "## Countries\n\n* - x\n")["countries"], json!(["* - x"]));
    assert_eq!(body("target_users: a, b", "")["target_users"], json!(["a, b"]));
    assert_eq!(body("target_users: [\"a, b\", c]", "")["target_users"], json!(["a, b", "c"]));
}

#[test]
fn the_kind_may_come_from_the_schema_or_from_the_caller() {
    assert_eq!(read("---\nschema: lesson/1\n---").unwrap().kind, Kind::LESSON);
    let rows = parse("d.markdown", b"# A\n", Some(Kind::REFERENCE)).unwrap();
    assert_eq!(rows[0].as_ref().unwrap().kind, Kind::REFERENCE);
}

#[test]
fn every_template_can_be_read() {
    for (kind, name) in Kind::KNOWN {
        let template = baraza_record::body::template(kind).unwrap();
        let draft = read(&template).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(draft.kind, kind);
        assert!(draft.body.values().all(|value| value != ""), "{name}: {:?}", draft.body);
    }
}

#[test]
fn a_broken_rule_is_named_with_its_place() {
    let lesson = |rest: &str| format!("---\nkind: lesson\n{rest}");
    for (rest, message) in BROKEN_LESSONS {
        let error = read(&lesson(rest)).unwrap_err();
        assert!(error.starts_with(&format!("d.md, {message}")), "{rest:?}: {error}");
    }
    for (text, message) in [
        ("words", "kind: the draft does not say its kind; add `kind: practice`"),
        (
            "---\nkind: need\n---",
            "kind: `need` is no kind that can be written; the kinds are practice, lesson",
        ),
        ("---\nkind: lesson\nkind: lesson\n---", "kind: given twice"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(message), "{text:?}: {error}");
    }
}

#[test]
fn a_message_quotes_little_and_moves_no_cursor() {
    let long =
        format!("---\nkind: lesson\n{}\u{1b}[2J\u{202e}{}\n---", "x".repeat(40), "y".repeat(9_999));
    let error = read(&long).unwrap_err();
    assert!(error.contains("x\u{fffd}[2J\u{fffd}yyyy") && error.contains("y…`"), "{error}");
    assert!(error.len() < 300, "{error}");
}
