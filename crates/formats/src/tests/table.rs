//! CSV drafts: separators, lists, dotted columns, and one bad row among a hundred.
//!
//! Spec: docs/FORMATS.md, drafts.

use baraza_record::Kind;
use serde_json::{Value, json};

use crate::{FormatError, Place, ROWS_MAX, Row, parse};

fn read(text: &str) -> Result<Vec<Row>, FormatError> {
    parse("t.csv", text.as_bytes(), Some(Kind::PRACTICE))
}

#[track_caller]
fn bodies(text: &str) -> Vec<Value> {
    read(text).unwrap().into_iter().map(|row| Value::Object(row.unwrap().body)).collect()
}

#[track_caller]
fn refused(text: &str) -> String {
    match read(text) {
        Err(error) => error.to_string(),
        Ok(rows) => rows.into_iter().find_map(Result::err).unwrap().to_string(),
    }
}

#[test]
fn a_bad_row_costs_itself_only() {
    let mut text = String::from("Title,Countries,Resources.Money.Amount\n");
    for row in 2..=101 {
        let amount = if row == 58 { "1 000" } else { "1000" };
        text += &format!("\"Pump\n{row}\",KE|UG,{amount}\n");
    }
    let rows = read(&text).unwrap();
    assert_eq!(rows.len(), 100);
    for (at, row) in rows.iter().enumerate() {
        let number = at + 2;
        match row {
            Ok(draft) => {
                assert_ne!(number, 58);
                assert_eq!(draft.source.place, Place::Row(number));
                assert_eq!(draft.body["title"], json!(format!("Pump\n{number}")));
                assert_eq!(draft.body["resources"]["money"]["amount"], json!(1000));
            }
            Err(error) => {
                assert_eq!((number, error.at.place), (58, Place::Row(58)));
                assert_eq!(
                    error.to_string(),
                    "t.csv, row 58: resources.money.amount: `1 000` is not a number; write it as 1250 or 12.5"
                );
            }
        }
    }
}

#[test]
fn any_of_three_separators_is_found() {
    let expected =
        json!({"schema": "practice/1", "title": "a", "countries": ["KE", "UG"], "sdg": ["6"]});
    for text in [
        "title,countries,sdg\na,KE; UG,6\n",
        "\u{feff}TITLE;countries;SDG\r\na;KE|UG;6\r\n",
        "title\tcountries\tsdg\ra\tKE;UG\t6",
        "\n\ntitle,countries,sdg\n\n , ,\na,\"KE;\n|UG\",6",
        "\"title\";\"countries\";sdg\na;\"KE|UG\";6",
    ] {
        assert_eq!(bodies(text), std::slice::from_ref(&expected), "{text:?}");
    }
    assert_eq!(bodies("title;countries\na,b;KE\n")[0]["title"], json!("a,b"));
    assert_eq!(bodies("title,lessons\na,x;y|z\n")[0]["lessons"], json!(["x", "y", "z"]));
    assert_eq!(bodies("title\n=1+1\n")[0]["title"], json!("=1+1"));
}

#[test]
fn dotted_columns_are_members_of_objects() {
    let text = "results.2.statement,results.0.statement,results.0.value,Resources.In kind,partners.0.role\n\
                third,first,17.10,land|seed,pivotal\n,,,,\n,,3,,\n";
    let bodies = bodies(text);
    assert_eq!(
        bodies[0]["results"],
        json!([{"statement": "first", "value": "17.10"}, {"statement": "third"}])
    );
    assert_eq!(bodies[0]["resources"], json!({"in_kind": ["land", "seed"]}));
    assert_eq!(bodies[0]["partners"], json!([{"role": ["pivotal"]}]));
    assert_eq!(bodies[1], json!({"schema": "practice/1", "results": [{"value": 3}]}));
}

#[test]
fn kind_language_and_earlier_version_are_columns() {
    let text = "kind,language,revises,title,polarity,maturity\nlesson,FR,ab,x,mixed,\npractice,,,y,,good\nlesson,,,z,,good\n";
    let rows = parse("t.csv", text.as_bytes(), None).unwrap();
    let first = rows[0].as_ref().unwrap();
    assert_eq!((first.kind, first.language.as_deref()), (Kind::LESSON, Some("fr")));
    assert_eq!(first.revises.as_deref(), Some("ab"));
    assert_eq!(rows[1].as_ref().unwrap().kind, Kind::PRACTICE);
    let error = rows[2].as_ref().unwrap_err().to_string();
    assert!(error.starts_with("t.csv, row 4: maturity: not a field of a lesson"), "{error}");
}

#[test]
fn a_broken_rule_is_named_with_row_and_column() {
    for (text, message) in [
        ("titel\na", "row 1: titel: not a field of a practice; did you mean `title`?"),
        ("\ntitle,Title\na,b", "row 2: title: given twice"),
        ("title,\na,b", "row 1: header: column 2 has no name"),
        ("results.x.value\n1", "row 1: results.x.value: `x` is not the number of an item"),
        (
            "results.100.value\n1",
            "row 1: results.100.value: item 100 of a list, the last that is read is 99",
        ),
        ("results.0\n1", "row 1: results.0: not a field"),
        (
            "results.0.valu\n1",
            "row 1: results.0.valu: not a field of a practice; did you mean `value`?",
        ),
        ("title.x\n1", "row 1: title.x: not a field"),
        ("title,summary\na,b\na,b,c", "row 3: row: 3 cells under 2 columns"),
        ("title,summary\n\n\na", "row 4: row: 1 cells under 2 columns"),
        ("title,summary\na,\"b\nc,d\n", "row 2: row: a quote that begins a cell is not closed"),
        ("title,language\na,??", "row 2: language: `??` is not a language tag"),
        ("kind,title\nneed,a", "row 2: kind: `need` is no kind"),
        ("results\n[1]", "row 2: results: body is not a JSON object"),
        ("results,results.0.value\n[{\"value\":1}],2", "row 2: results.0.value: given twice"),
    ] {
        let error = refused(text);
        assert!(error.starts_with(&format!("t.csv, {message}")), "{text:?}: {error}");
    }
    let error = parse("t.csv", b"title\na", None).unwrap_err().to_string();
    assert!(error.starts_with("t.csv, row 1: kind: the draft does not say its kind"), "{error}");
    assert_eq!(bodies("title,summary\n5\" pipe,\"a \"\"b\"\"\"\n")[0]["summary"], json!("a \"b\""));
}

#[test]
fn rows_and_columns_are_limited() {
    let rows = |count: usize| format!("title\n{}", "a\n".repeat(count));
    assert_eq!(read(&rows(ROWS_MAX)).unwrap().len(), ROWS_MAX);
    assert!(matches!(read(&rows(ROWS_MAX + 1)), Err(FormatError::TooManyRows { .. })));
    let wide = ",".repeat(1_000);
    assert!(matches!(read(&wide), Err(FormatError::TooManyColumns { columns: 1_001, .. })));
}
