//! JSON drafts: an object, an array, an object a line.
//!
//! Spec: docs/FORMATS.md, drafts.

use baraza_record::Kind;
use serde_json::{Value, json};

use crate::{FormatError, Place, ROWS_MAX, Row, parse};

fn read(name: &str, text: &str) -> Result<Vec<Row>, FormatError> {
    parse(name, text.as_bytes(), None)
}

#[test]
fn an_object_an_array_and_lines_say_the_same() {
    let one = r#"{"kind": "lesson", "language": "pt-br", "revises": "ab", "title": "17.10", "x": {"y": 1}, "event": null}"#;
    let pretty = one.replace(", ", ",\n  ");
    for (name, text, place) in [
        ("d.json", one.to_owned(), Place::Item(1)),
        ("d.json", pretty.clone(), Place::Item(1)),
        ("d.JSON", format!("[{pretty}]"), Place::Item(1)),
        ("d.json", format!("\n{one}\r\n\r\n{one}\n"), Place::Line(2)),
        ("d.jsonl", one.to_owned(), Place::Line(1)),
        ("d.ndjson", format!("{one}\n{one}"), Place::Line(1)),
    ] {
        let rows = read(name, &text).unwrap();
        let draft = rows[0].as_ref().unwrap();
        assert_eq!(draft.kind, Kind::LESSON);
        assert_eq!(draft.language.as_deref(), Some("pt-BR"));
        assert_eq!(draft.revises.as_deref(), Some("ab"));
        assert_eq!(draft.source.place, place);
        let expected = json!({"schema": "lesson/1", "title": "17.10", "x": {"y": 1}});
        assert_eq!(Value::Object(draft.body.clone()), expected);
    }
}

#[test]
fn a_bad_item_costs_itself_only() {
    let text = r#"[{"schema": "lesson/1"}, {"title": "a"}, 7, {"kind": "lesson", "a": 1, "a": 2},
        {"kind": "lesson", "language": 5}, {"schema": "lesson/2"}, {"kind": "x"}, {"kind": "practice"}]"#;
    let rows = read("d.json", text).unwrap();
    let messages = [
        None,
        Some("item 2: kind: the draft does not say its kind"),
        Some("item 3: item: body is not a JSON object"),
        Some("item 4: item: body is not usable JSON: member `a` is repeated"),
        Some("item 5: language: `5` is not text; put it in quotes"),
        Some("item 6: schema: `lesson/2` is not the schema `lesson/1`"),
        Some("item 7: kind: `x` is no kind that can be written"),
        None,
    ];
    assert_eq!(rows.len(), messages.len());
    for (row, message) in rows.iter().zip(messages) {
        match (row, message) {
            (Ok(_), None) => (),
            (Err(error), Some(message)) => {
                let error = error.to_string();
                assert!(error.starts_with(&format!("d.json, {message}")), "{error}");
            }
            (row, _) => panic!("{row:?} instead of {message:?}"),
        }
    }
    let rows =
        read("d.jsonl", "{\"kind\":\"lesson\"}\n{\"kind\":\n{\"kind\":\"lesson\"}\n").unwrap();
    let oks: Vec<_> = rows.iter().map(Result::is_ok).collect();
    assert_eq!(oks, [true, false, true]);
    assert_eq!(rows[1].as_ref().unwrap_err().at.place, Place::Line(2));
}

#[test]
fn what_is_not_json_is_refused_whole() {
    for text in ["{\"kind\": \"lesson\",}", "[{}", "nothing", "{\n}\n{\n}", "[1] 2", "]"] {
        let error = read("d.json", text).unwrap_err();
        assert!(matches!(error, FormatError::Json { .. }), "{text:?}: {error}");
        assert!(error.to_string().contains(" at line "), "{text:?}: {error}");
    }
    let many = format!("[{}1]", "1,".repeat(ROWS_MAX));
    assert!(matches!(read("d.json", &many), Err(FormatError::TooManyRows { .. })));
    let deep = "[".repeat(100_000);
    assert!(matches!(read("d.json", &deep), Err(FormatError::Json { .. })));
}
