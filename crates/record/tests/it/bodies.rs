//! Bodies as others write them: limits, required fields, and texts that break programs.

use baraza_record::{
    Goals, Kind,
    body::{
        self, Body, Problem, Reach, Required, ValueKind, fields, parse_body, validate, validate_for,
    },
};
use serde_json::{Value, json};

use crate::vectors;

/// Returns a practice with every member that a snapshot needs.
fn snapshot() -> Body {
    let body = json!({
        "schema": "practice/1",
        "title": "Rainwater tanks kept by village committees",
        "summary": "Tanks that a committee looks after still work after five years.",
        "challenge": "Boreholes broke down and nobody repaired them.",
        "solution": "Each village elected a committee and trained two persons.",
        "countries": ["KE", "UG"],
        "sdg": ["6.1", "13"],
        "status": "ongoing",
        "maturity": "promising",
        "evidence": "monitoring",
        "contact": "Water office <water@example.org>",
        "licence": "CC-BY-4.0",
    });
    body.as_object().unwrap().clone()
}

/// Returns a practice in the full form.
fn full() -> Body {
    let mut body = snapshot();
    body.insert("form".into(), "full".into());
    for field in fields(Kind::PRACTICE).unwrap().iter().filter(|f| f.required == Required::Full) {
        let value = match field.value {
            ValueKind::Code(codes) => json!(codes[0]),
            ValueKind::OpenCodes(codes) => json!([codes[0], "a-new-code"]),
            ValueKind::Period => json!("2019/.."),
            ValueKind::Texts => json!(["Train two persons, not one."]),
            _ if field.name == "partners" => {
                json!([{"name": "Ministry of Water", "country": "KE"}])
            }
            _ if field.name == "results" => json!([{"statement": "Tanks work", "value": 85.5}]),
            _ => json!("Some text."),
        };
        body.insert(field.name.into(), value);
    }
    body
}

#[track_caller]
fn check(kind: Kind, body: &Body, expected: &[&str]) {
    let problems: Vec<_> = validate(kind, body).iter().map(Problem::to_string).collect();
    assert_eq!(problems, expected);
}

/// Checks the snapshot with one member changed; `null` removes it.
#[track_caller]
fn check_with(member: &str, value: Value, expected: &[&str]) {
    let mut body = snapshot();
    match value {
        Value::Null => drop(body.remove(member)),
        value => drop(body.insert(member.into(), value)),
    }
    check(Kind::PRACTICE, &body, expected);
}

#[test]
fn limits_count_characters_in_every_script() {
    // 4 characters of 3 bytes each: consonants, a vowel sign and a virama.
    let hindi = |chars: usize| "न्यू".chars().cycle().take(chars).collect::<String>();
    for (member, limit) in [("title", 200), ("challenge", 4_000), ("solution", 12_000)] {
        assert_eq!(hindi(limit).len(), 3 * limit);
        check_with(member, hindi(limit).into(), &[]);
        let start: String = hindi(60);
        let problem = format!(
            "field {member}: has {} characters, the limit is {limit} (got `{start}…`)",
            limit + 1
        );
        check_with(member, hindi(limit + 1).into(), &[&problem]);
    }
}

#[test]
fn one_member_is_wrong() {
    check(Kind::PRACTICE, &snapshot(), &[]);
    let country = "must be a country code of ISO 3166-1 alpha-2, in capitals";
    check_with(
        "countries",
        json!(["KE", "Kenya"]),
        &[&format!("field countries[1]: {country} (got `Kenya`)")],
    );
    check_with("countries", json!("KE"), &["field countries: must be a list (got `KE`)"]);
    check_with(
        "countries",
        json!([]),
        &["field countries: is required unless `regions` is given (got nothing)"],
    );
    check_with(
        "countries",
        json!(["KE", ""]),
        &["field countries[1]: must not be empty (got nothing)"],
    );
    check_with("title", Value::Null, &["field title: is required (got nothing)"]);
    check_with("title", json!(" \n "), &["field title: is required (got nothing)"]);
    check_with("title", json!(7), &["field title: must be a text (got `7`)"]);
    check_with(
        "title",
        json!("a\u{202e}b"),
        &["field title: must not contain direction controls (got `a\u{fffd}b`)"],
    );
    check_with(
        "sdg",
        json!(["6.9"]),
        &["field sdg[0]: must be a goal (1 to 17) or a target (6.2, 1.a) (got `6.9`)"],
    );
    check_with(
        "status",
        json!("done"),
        &[
            "field status: must be one of planned, ongoing, completed, suspended, cancelled (got `done`)",
        ],
    );
    check_with(
        "schema",
        json!("practice/2"),
        &["field schema: must be practice/1 (got `practice/2`)"],
    );
    check_with("resources", json!([]), &[]);
    check_with("resources", json!("much"), &["field resources: must be an object (got `much`)"]);
    check_with(
        "resources",
        json!({"money": {"amount": -1, "currency": "KES"}}),
        &[
            "field resources.money.amount: must be a number from 0 to 1000000000000000 (got `-1`)",
            "field resources.money.year: is required (got nothing)",
        ],
    );
    check_with(
        "key_dates",
        json!(vec![json!({"date": "2019", "text": "start"}); 6]),
        &["field key_dates: has 6 items, the limit is 5 (got `a list`)"],
    );
    check_with(
        "subjects",
        json!([{"scheme": "agrovoc"}]),
        &["field subjects[0].code: is required unless `text` is given (got nothing)"],
    );
    let photo = json!([{"hash": "a7".repeat(32), "bytes": 9, "mime": "image/jpeg", "title": "Tank", "depicts_people": true}]);
    check_with(
        "attachments",
        photo,
        &["field attachments[0].consent: is required where `depicts_people` is true (got nothing)"],
    );
}

#[test]
fn regions_stand_in_for_countries_and_unknown_members_are_kept() {
    let mut body = snapshot();
    body.remove("countries");
    body.insert("regions".into(), json!(["014"]));
    body.insert("from_a_later_version".into(), json!({"any": [1]}));
    check(Kind::PRACTICE, &body, &[]);
    assert_eq!(body::goals(&body), Goals::default().with(6).with(13));
    assert!(validate(Kind(3), &Body::new()).is_empty(), "a kind that is not known is not judged");
}

#[test]
fn only_the_full_form_needs_its_fields() {
    check(Kind::PRACTICE, &full(), &[]);
    let mut body = full();
    for member in ["period", "results"] {
        body.remove(member);
    }
    check(
        Kind::PRACTICE,
        &body,
        &[
            "field period: is required in the full form (got nothing)",
            "field results: is required in the full form (got nothing)",
        ],
    );
    body.insert("form".into(), "snapshot".into());
    check(Kind::PRACTICE, &body, &[]);
    body.insert("results".into(), json!([{"statement": "x", "value": [1]}]));
    check(Kind::PRACTICE, &body, &["field results[0].value: must be a text (got `a list`)"]);
}

#[test]
fn a_licence_is_needed_where_everybody_reads() {
    let mut body = snapshot();
    body.remove("licence");
    check(Kind::PRACTICE, &body, &["field licence: is required in a public record (got nothing)"]);
    assert!(validate_for(Kind::PRACTICE, &body, Reach::Limited).is_empty());
}

#[test]
fn lessons_references_and_retractions_have_their_own_fields() {
    let lesson = json!({
        "schema": "lesson/1", "title": "t", "context": "c", "event": "e", "polarity": "did-not-work",
        "lesson": "l", "recommendation": "r", "applies_when": "a", "sdg": ["6"], "countries": ["KE"],
        "sensitivity_checked": false, "licence": "CC-BY-4.0",
    });
    check(
        Kind::LESSON,
        lesson.as_object().unwrap(),
        &["field sensitivity_checked: must be true (got `false`)"],
    );
    let reference = json!({
        "schema": "reference/1", "title": "Operation Miracle", "countries": [],
        "text": "Cuba's \"Operation Miracle\" and \"Yes, I can do it\" initiatives",
        "source": "A/RES/64/222 Annex, footnote 3",
    });
    check(
        Kind::REFERENCE,
        reference.as_object().unwrap(),
        &["field licence: is required (got nothing)"],
    );
    let retraction = json!({"schema": "retraction/1", "reason": "error", "note": "Wrong figures."});
    check(Kind::RETRACTION, retraction.as_object().unwrap(), &[]);
}

#[test]
fn problems_are_bounded() {
    let body = Body::from_iter([("countries".to_owned(), json!(vec!["?"; 200]))]);
    assert_eq!(validate(Kind::PRACTICE, &body).len(), body::PROBLEMS_MAX);
}

#[test]
fn no_text_of_the_naughty_list_breaks_a_check() {
    let strings = vectors("blns/blns.json");
    let strings = strings.as_array().unwrap();
    assert_eq!(strings.len(), 515);
    let texts = fields(Kind::PRACTICE).unwrap().iter().filter(|field| {
        matches!(field.value.item(), ValueKind::Line | ValueKind::Text | ValueKind::Contact)
    });
    let texts: Vec<_> = texts.collect();
    assert!(20 < texts.len());
    for string in strings.iter().filter_map(Value::as_str) {
        let mut body = full();
        for field in &texts {
            let value = if field.value.is_list() { json!([string]) } else { json!(string) };
            body.insert(field.name.into(), value);
        }
        let bytes = serde_json::to_vec(&body).unwrap();
        assert_eq!(parse_body(&bytes).as_ref(), Ok(&body), "{string:?}");

        let problems = validate(Kind::PRACTICE, &body);
        body::warnings(Kind::PRACTICE, &body);
        // The one field that takes no free text shows that each string was judged.
        assert!(problems.iter().any(|p| p.field == "contact"), "{string:?}: {problems:?}");
        let title_is_bad = problems.iter().any(|problem| problem.field == "title");
        let line = body::normalize_line(string);
        assert_eq!(body::normalize_line(&line), line, "{string:?}");
        assert!(!line.contains('\n') && !body::normalize_text(string).contains('\r'));
        if !string.trim().is_empty() && string.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
            assert_eq!(title_is_bad, 200 < string.len(), "{string:?}");
        }
    }
}
