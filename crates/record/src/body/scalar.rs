//! Checks of a single value: what is wrong with it, as a rule in words.
//!
//! Invariant: a rule says what would be right, so that a form can show it as it stands.
//! Not here: lists, objects and which members must be there (`check`).
//! Spec: docs/RECORDS.md, fields by kind, code systems, licences.

use serde_json::Value;

use super::{period, spec::ValueKind, text};
use crate::{RecordId, language, vocab};

/// Most characters of a code that is not one of the known ones.
const OPEN_CODE_CHARS_MAX: usize = 40;

/// Returns the rule that `value` breaks, if any. `schema` is what a body of its kind says it is.
pub(super) fn fault(
    kind: ValueKind,
    chars_max: usize,
    value: &Value,
    schema: &str,
) -> Option<String> {
    match kind {
        ValueKind::Bool => (!value.is_boolean()).then(|| "must be true or false".into()),
        ValueKind::Confirmed => (value != &Value::Bool(true)).then(|| "must be true".into()),
        ValueKind::Number(min, max) => {
            let within = value.as_f64().is_some_and(|number| (min..=max).contains(&number));
            (!within).then(|| format!("must be a number from {min} to {max}"))
        }
        ValueKind::Integer(min, max) => {
            let within = value.as_u64().is_some_and(|number| (min..=max).contains(&number));
            (!within).then(|| format!("must be a whole number from {min} to {max}"))
        }
        ValueKind::Quantity if value.is_number() => None,
        _ => match value.as_str() {
            Some(text) => text_fault(kind, chars_max, text, schema),
            None => Some("must be a text".into()),
        },
    }
}

fn text_fault(kind: ValueKind, chars_max: usize, text: &str, schema: &str) -> Option<String> {
    use ValueKind as K;

    let chars = text.chars().count();
    if chars_max < chars {
        return Some(format!("has {chars} characters, the limit is {chars_max}"));
    }
    let unless = |holds: bool, rule: &str| (!holds).then(|| rule.to_owned());
    match kind {
        K::Text | K::Texts => text::text_fault(text).map(Into::into),
        K::Country | K::Countries => unless(
            vocab::is_country_code(text),
            "must be a country code of ISO 3166-1 alpha-2, in capitals",
        ),
        K::Regions => {
            unless(vocab::region(text).is_some(), "must be a region code of M49, three digits")
        }
        K::Subdivision => {
            unless(is_subdivision(text), "must be a code of ISO 3166-2, such as KE-30")
        }
        K::Sdg => {
            let code = vocab::parse_sdg(text).ok().map(|sdg| sdg.to_string());
            unless(code.as_deref() == Some(text), "must be a goal (1 to 17) or a target (6.2, 1.a)")
        }
        K::Code(codes) if !codes.contains(&text) => {
            Some(format!("must be one of {}", codes.join(", ")))
        }
        K::Code(_) => None,
        K::OpenCode(_) | K::OpenCodes(_) => {
            unless(is_open_code(text), "must be a code of lower-case letters, digits and hyphens")
        }
        K::Currency => {
            let three = text.len() == 3 && text.bytes().all(|c| c.is_ascii_uppercase());
            unless(three, "must be a currency code of ISO 4217, such as KES")
        }
        K::Date => unless(period::is_date(text), "must be a day, as 2026-02-28"),
        K::Period => period::parse_period(text).err().map(|error| match error {
            period::PeriodError::Reversed { .. } => "must not end before it starts".into(),
            period::PeriodError::Malformed { .. } => {
                "must be a date or interval such as 2019, 2019-05, 199X, 2019~ or 2019/..".into()
            }
        }),
        K::Language => {
            let tag = language::canonical_language(text);
            unless(
                tag.as_deref() == Ok(text),
                "must be a language tag in its usual case, such as pt-BR",
            )
        }
        K::Licence => {
            unless(is_licence(text), "must be an SPDX licence identifier or LicenseRef- and a name")
        }
        K::Contact => text::line_fault(text).map(Into::into).or_else(|| {
            unless(mailbox(text).is_some(), "must be a mailbox, alone or as `Office <mailbox>`")
        }),
        K::Url => unless(is_url(text), "must be an address that starts with http:// or https://"),
        K::Id | K::Ids => {
            let canonical = text.parse::<RecordId>().is_ok_and(|id| id.to_string() == text);
            unless(canonical, "must be 64 hexadecimal digits, in lower case")
        }
        K::Schema => (text != schema).then(|| format!("must be {schema}")),
        // One line. The kinds that are no text were decided before.
        K::Line
        | K::Lines
        | K::Quantity
        | K::Bool
        | K::Confirmed
        | K::Number(..)
        | K::Integer(..)
        | K::Object(_)
        | K::Objects(_) => text::line_fault(text).map(Into::into),
    }
}

/// Returns the e-mail address in a contact: the text itself, or what stands between angle
/// brackets at its end.
pub fn mailbox(contact: &str) -> Option<&str> {
    let contact = contact.trim();
    let address = match contact.strip_suffix('>') {
        Some(rest) => rest.rsplit_once('<')?.1,
        None => contact,
    };
    let (local, domain) = address.split_once('@')?;
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>@,;:\"()[]\\".contains(c);
    let labels = domain.split('.').all(|label| !label.is_empty());
    let whole = !local.is_empty() && domain.contains('.') && labels;
    (whole && local.chars().all(plain) && domain.chars().all(plain)).then_some(address)
}

fn is_licence(text: &str) -> bool {
    match text.strip_prefix("LicenseRef-") {
        Some(name) => {
            !name.is_empty()
                && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'.')
        }
        // The list has entries for "nobody looked"; they license nothing.
        None => {
            !matches!(text, "NOASSERTION" | "NONE")
                && spdx::license_id(text).is_some_and(|licence| licence.name == text)
        }
    }
}

fn is_url(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| host.starts_with(char::is_alphanumeric))
        && !text.contains(|c: char| c.is_whitespace() || "<>\"".contains(c))
        && text::line_fault(text).is_none()
}

fn is_subdivision(text: &str) -> bool {
    text.split_once('-').is_some_and(|(country, rest)| {
        vocab::is_country_code(country)
            && (1..=3).contains(&rest.len())
            && rest.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
    })
}

fn is_open_code(text: &str) -> bool {
    (1..=OPEN_CODE_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: ValueKind, good: &[&str], bad: &[&str]) {
        let fault = |text: &str| fault(kind, 300, &Value::from(text), "practice/1");
        for text in good {
            assert_eq!(fault(text), None, "{text}");
        }
        for text in bad {
            assert!(fault(text).is_some(), "{text}");
        }
    }

    #[test]
    fn licences_are_spdx_identifiers_in_their_exact_form() {
        let good = [
            "CC-BY-4.0",
            "CC0-1.0",
            "CC-BY-SA-4.0",
            "CC-BY-3.0-IGO",
            "CC-BY-SA-3.0-IGO",
            "CC-BY-NC-3.0-IGO",
            "CC-BY-NC-SA-3.0-IGO",
            "CC-BY-NC-ND-3.0-IGO",
            "PDDL-1.0",
            "ODbL-1.0",
            "OGL-UK-3.0",
            "LicenseRef-ARR",
            "LicenseRef-UN.2",
        ];
        let bad = [
            "cc-by-4.0",
            "CC-BY",
            "CC-BY-4.0+",
            "CC-BY-4.0 OR CC0-1.0",
            "LicenseRef-",
            "NOASSERTION",
            "LicenseRef-a b",
            "free",
        ];
        check(ValueKind::Licence, &good, &bad);
    }

    #[test]
    fn codes_and_addresses_have_their_form() {
        check(ValueKind::Country, &["KE", "XK", "ZZ"], &["ke", "KEN", "UK", "Kenya"]);
        check(ValueKind::Regions, &["014", "001"], &["14", "999", "Africa"]);
        check(
            ValueKind::Subdivision,
            &["KE-30", "GB-SCT", "FR-2A"],
            &["KE", "QQ-1", "KE-", "KE-1234"],
        );
        check(ValueKind::Sdg, &["6", "6.2", "1.a", "17.19"], &["SDG 6", "1.A", "18", "6.9", " 6"]);
        check(ValueKind::Currency, &["KES"], &["kes", "KSH1", "€"]);
        check(ValueKind::Language, &["pt-BR", "sw"], &["PT-br", "english language", ""]);
        check(ValueKind::OpenCode(&["a"]), &["a", "new-code-2"], &["A", "a b", "", "é"]);
        check(ValueKind::Schema, &["practice/1"], &["practice/2", "lesson/1"]);
        check(ValueKind::Id, &[&"a7".repeat(32)], &["a7", &"A7".repeat(32)]);
        check(
            ValueKind::Url,
            &["https://example.org/a?b=c#d", "http://مثال.إختبار/"],
            &[
                "example.org",
                "javascript:alert(1)",
                "https://",
                "https://a b",
                "https://a\u{202e}b",
            ],
        );
    }

    #[test]
    fn a_contact_is_a_mailbox() {
        let good =
            ["water@example.org", "Water office <water@example.org>", "कार्यालय <जल@उदाहरण.भारत>"];
        let bad = [
            "Water office",
            "water@",
            "@example.org",
            "water@localhost",
            "a@b@c.org",
            "a b@c.org",
            "Office <water@example.org",
            "water@example..org",
            "x\n<water@example.org>",
        ];
        check(ValueKind::Contact, &good, &bad);
        assert_eq!(mailbox("Water office <water@example.org>"), Some("water@example.org"));
    }
}
