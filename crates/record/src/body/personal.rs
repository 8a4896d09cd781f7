//! Signs of personal data, which a record that cannot be recalled must not hold.
//!
//! These are guesses: a person decides, and may publish all the same. Web addresses, DOIs and
//! ids are left out of account.
//! Not here: names of persons, which no rule finds.
//! Spec: docs/RECORDS.md, personal data.

use serde_json::Value;

use super::{Body, PROBLEMS_MAX, Problem, fields, text::shorten};
use crate::Kind;

/// Fewest digits, after a plus sign, that are taken for a phone number.
const PHONE_DIGITS_MIN: usize = 8;

/// Fewest digits in one piece that are taken for the number of a person's document.
const ID_DIGITS_MIN: usize = 9;

/// Words that make a mailbox one of an office, even in the form `word.word`.
const OFFICE_WORDS: &[&str] = &[
    "admin",
    "centre",
    "center",
    "communications",
    "contact",
    "cooperation",
    "desk",
    "director",
    "enquiries",
    "focal",
    "general",
    "help",
    "info",
    "international",
    "library",
    "mail",
    "ministry",
    "minister",
    "office",
    "planning",
    "point",
    "press",
    "programme",
    "project",
    "registry",
    "secretariat",
    "secretary",
    "services",
    "south",
    "support",
    "team",
    "unit",
    "water",
    "health",
];

/// Shapes of document numbers that are written in groups; `9` stands for any digit.
const ID_SHAPES: &[&str] = &["999-99-9999", "999.999.999-99", "9999 9999 9999", "9999-9999-9999"];

/// Returns what in a body looks like personal data. Publishing it needs an explicit consent of
/// the person who publishes: the caller asks for it.
pub fn warnings(kind: Kind, body: &Body) -> Vec<Problem> {
    let mut found = Vec::new();
    if fields(kind).is_some() {
        for (name, value) in body {
            walk(value, name, &mut found);
        }
    }
    found
}

/// Looks at every text in `value`. The depth is that of a parsed body, so bounded.
fn walk(value: &Value, path: &str, found: &mut Vec<Problem>) {
    match value {
        Value::String(text) => scan(text, path, found),
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                walk(item, &format!("{path}[{place}]"), found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                walk(member, &format!("{path}.{name}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => (),
    }
}

fn scan(text: &str, path: &str, found: &mut Vec<Problem>) {
    let mut warn = |rule: &str, value: &str| {
        if found.len() < PROBLEMS_MAX {
            let (field, rule, value) = (path.to_owned(), rule.to_owned(), shorten(value));
            found.push(Problem { field, rule, value });
        }
    };
    for word in text.split(|c: char| c.is_whitespace() || "<>()[],;\"".contains(c)) {
        if is_personal_mailbox(word.trim_end_matches('.')) {
            warn("looks like a person's mailbox; give one of an office", word);
        }
    }
    for run in number_runs(text) {
        let digits = run.chars().filter(char::is_ascii_digit).count();
        if run.starts_with('+') && PHONE_DIGITS_MIN <= digits {
            warn("looks like a phone number", &run);
        } else if is_id_number(&run) {
            warn("looks like the number of a person's document", &run);
        }
    }
}

/// Returns whether an address has the form `first.last@` or `f.last@`.
fn is_personal_mailbox(address: &str) -> bool {
    let Some((local, domain)) = address.split_once('@') else { return false };
    let parts: Vec<_> = local.split(['.', '_']).collect();
    let words = parts.iter().all(|part| !part.is_empty() && part.chars().all(char::is_alphabetic));
    let office = |part: &&str| OFFICE_WORDS.contains(&part.to_lowercase().as_str());
    domain.contains('.') && (2..=3).contains(&parts.len()) && words && !parts.iter().any(office)
}

/// Returns the numbers in a text, those in groups with one space between the groups. A word that
/// holds anything but digits and signs is none: addresses, DOIs, ids, amounts with commas.
fn number_runs(text: &str) -> Vec<String> {
    let mut runs = vec![String::new()];
    for word in text.split(|c: char| c.is_whitespace() || ":()".contains(c)) {
        let bare = word.trim_matches(|c: char| ".,;'\"".contains(c));
        let signs_only = bare.chars().all(|c| c.is_ascii_digit() || "+-.".contains(c));
        let is_number = signs_only && bare.contains(|c: char| c.is_ascii_digit());
        if (!is_number && !word.is_empty()) || bare.starts_with('+') {
            runs.push(String::new());
        }
        if let Some(run) = runs.last_mut().filter(|_| is_number) {
            run.push_str(if run.is_empty() { "" } else { " " });
            run.push_str(bare);
        }
        if word.ends_with([',', ';', '.']) {
            runs.push(String::new());
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

fn is_id_number(run: &str) -> bool {
    let shape: String = run.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    let plain = shape.chars().all(|c| c == '9');
    (plain && ID_DIGITS_MIN <= shape.len()) || ID_SHAPES.contains(&shape.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let body = Body::from_iter([("summary".to_owned(), Value::from(text))]);
        warnings(Kind::PRACTICE, &body).into_iter().map(|warning| warning.value).collect()
    }

    #[test]
    fn mailboxes_of_persons_are_found_and_those_of_offices_are_not() {
        for text in
            ["jane.doe@example.org", "J_Doe@example.org", "Write to <a.b.mwangi@gov.example>."]
        {
            assert_eq!(found(text).len(), 1, "{text}");
        }
        for text in
            ["info@example.org", "focal.point@example.org", "planning.office@gov.example", "a@b"]
        {
            assert!(found(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn phone_and_document_numbers_are_found() {
        for (text, value) in [
            ("Call +254 20 123 4567 today", "+254 20 123 4567"),
            ("tel.:+254-20-1234567", "+254-20-1234567"),
            ("ID 123456789", "123456789"),
            ("CPF 123.456.789-09, Brazil", "123.456.789-09"),
            ("Aadhaar 1234 5678 9012", "1234 5678 9012"),
        ] {
            assert_eq!(found(text), [value], "{text}");
        }
    }

    #[test]
    fn ordinary_numbers_are_not_personal() {
        for text in [
            "1,200,000,000 shillings for 45 000 households in 2019-2023",
            "rose from 12.5 to 85.25 (+72.75)",
            "https://example.org/item/1234567890 and 10.1000/123456789",
            "sha 0123456789abcdef0123456789",
            "2019-05-01 2020-06-01",
            "𝟙𝟚𝟛 १२३४५६७८९",
        ] {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
    }

    #[test]
    fn a_warning_says_where() {
        let body: Body = serde_json::from_str(
            r#"{"partners":[{"name":"x"},{"name":"y","ext":"jane.doe@example.org"}]}"#,
        )
        .unwrap();
        let warning = &warnings(Kind::PRACTICE, &body)[0];
        assert_eq!(warning.field, "partners[1].ext");
    }
}
