//! Draft templates: Markdown that a person fills in with any editor.
//!
//! Front matter between `---` lines holds the short fields as `key: value`, each under a `#`
//! line that says what it takes; a long field is a `##` section with its name, under a comment.
//! Invariant: every field that a kind requires is in its template.
//! Not here: reading a draft.
//! Spec: docs/RECORDS.md, drafts.

use super::{
    fields, schema,
    spec::{FieldSpec, Required, ValueKind},
};
use crate::Kind;

/// The licence that a draft proposes.
const LICENCE_PROPOSED: &str = "CC-BY-4.0";

/// Returns the draft template of a kind that this version can write.
pub fn template(kind: Kind) -> Option<String> {
    let needed = |field: &&FieldSpec| match field.required {
        Required::Always | Required::Public | Required::Unless(_) => true,
        Required::Full | Required::When(_) | Required::No => false,
    };
    let is_long = |field: &&FieldSpec| matches!(field.value, ValueKind::Text);
    let schema = schema(kind)?;
    let needed = fields(kind)?.iter().filter(needed);
    let (long, short): (Vec<&FieldSpec>, Vec<&FieldSpec>) = needed.partition(is_long);

    // The language stands in the header of the record, but only its writer knows it.
    let mut text = String::from("---\n# language you write in, such as sw or pt-BR\nlanguage:\n");
    for field in short {
        let value = match field.value {
            ValueKind::Schema => &schema,
            ValueKind::Licence => LICENCE_PROPOSED,
            ValueKind::Confirmed => "false",
            kind if kind.is_list() => "[]",
            _ => "",
        };
        let line = format!("{}: {value}", field.name);
        text += &format!("# {}\n{}\n", describe(field), line.trim_end());
    }
    text += "---\n";
    for field in long {
        text += &format!("\n## {}\n\n<!-- {} -->\n", field.name, describe(field));
    }
    Some(text)
}

/// Returns in one line what a field takes: its hint, its codes, its limit.
pub fn describe(field: &FieldSpec) -> String {
    let mut text = field.hint.to_owned();
    let codes = field.value.codes();
    if !codes.is_empty() {
        text += &format!("; one of: {}", codes.join(", "));
    }
    if matches!(field.value.item(), ValueKind::Line | ValueKind::Text) {
        text += &format!("; at most {} characters", field.chars_max);
    }
    if let Required::Unless(other) = field.required {
        text += &format!("; or give {other}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lesson_template_reads_like_this() {
        let text = template(Kind::LESSON).unwrap();
        assert!(
            text.contains(
                "\nlanguage:\n# what it is, in one line; at most 200 characters\ntitle:\n"
            )
        );
        assert!(text.contains("; one of: worked, did-not-work, mixed\npolarity:\n"));
        assert!(text.contains("\ncountries: []\n") && text.contains("; or give regions\n"));
        assert!(text.contains("\nsensitivity_checked: false\n"));
        assert!(
            text.contains("\nlicence: CC-BY-4.0\n") && text.contains("\nschema: lesson/1\n---\n")
        );
        let section =
            "\n## lesson\n\n<!-- the lesson, in a few sentences; at most 1500 characters -->\n";
        assert!(text.contains(section), "{text}");
    }

    #[test]
    fn every_required_field_is_in_the_template() {
        for (kind, name) in Kind::KNOWN {
            let text = template(kind).unwrap();
            for field in fields(kind).unwrap().iter().filter(|f| f.required == Required::Always) {
                let key = format!("\n{}:", field.name);
                let heading = format!("\n## {}\n", field.name);
                assert_eq!(
                    text.matches(&key).count() + text.matches(&heading).count(),
                    1,
                    "{name} {key}"
                );
            }
        }
        assert_eq!(template(Kind(3)), None);
    }
}
