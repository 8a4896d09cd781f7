//! The initiatives that the Nairobi outcome document names, as references.
//!
//! Invariant: the text is the document's own; no word is added, and nothing speaks for the
//! countries that it names.
//! Not here: the file, and who signs it.
//! Spec: docs/FORMATS.md, initiatives; A/RES/64/222, annex, footnote 3.

use baraza_record::Kind;
use serde_json::{Map, Value, json};

use crate::{Draft, Fault, FormatError, Row, RowError, decode};

/// What the messages call the file.
const FILE: &str = "initiatives.json";

/// Licence of the document: a United Nations document has no SPDX identifier.
const LICENCE: &str = "LicenseRef-UN-document";

/// Members of an initiative that are kept as they are, beside the reference's own.
const KEPT: [&str; 5] = ["n", "sector", "groups_named", "modality_named", "form_named"];

/// Reads a list of initiatives, each with `name`, `text`, `source`, `countries` and, where the
/// document says it, `n`, `sector`, `groups_named`, `modality_named` and `form_named`.
///
/// # Errors
///
/// [`FormatError`] if the bytes are no such list; the first initiative that is none ends it.
pub fn initiatives(bytes: &[u8]) -> Result<Vec<Draft>, FormatError> {
    let rows = crate::json::parse(FILE, decode(FILE, bytes)?, Some(Kind::REFERENCE))?;
    let drafts = rows.into_iter().map(|row| row.and_then(reference));
    drafts.collect::<Result<_, _>>().map_err(|error| FormatError::Refused(Box::new(error)))
}

/// Turns the members of an initiative, read like those of a body, into those of a reference.
fn reference(mut draft: Draft) -> Row {
    let mut body = Map::new();
    for (from, to) in
        [("schema", "schema"), ("name", "title"), ("text", "text"), ("source", "source")]
    {
        let value = draft.body.remove(from).filter(Value::is_string).ok_or_else(|| RowError {
            at: draft.source.clone(),
            field: from.to_owned(),
            fault: Fault::Missing,
        })?;
        body.insert(to.to_owned(), value);
    }
    let is_set = |value: &Value| !value.as_array().is_some_and(Vec::is_empty);
    if let Some(countries) = draft.body.remove("countries").filter(is_set) {
        body.insert("countries".to_owned(), countries);
    }
    body.insert("licence".to_owned(), LICENCE.into());
    let kept = KEPT.iter().filter_map(|name| Some((*name, draft.body.remove(*name)?)));
    let kept: Map<_, _> = kept
        .filter(|(_, value)| is_set(value))
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    if !kept.is_empty() {
        body.insert("ext".to_owned(), json!({ "initiative": kept }));
    }
    Ok(Draft { language: Some("en".to_owned()), body, ..draft })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_initiative_is_a_reference_with_what_the_document_says() {
        let text = r#"[{"n": 3, "name": "A fund", "countries": ["EG"], "sector": null,
            "sector_basis": "not stated in the text", "source": "A/RES/64/222", "groups_named": [],
            "modality_named": "horizontal", "form_named": "fund", "text": "the fund"},
            {"name": "B", "countries": [], "source": "s", "text": "t"}]"#;
        let drafts = initiatives(text.as_bytes()).unwrap();
        assert_eq!(drafts.len(), 2);
        assert_eq!((drafts[0].kind, drafts[0].language.as_deref()), (Kind::REFERENCE, Some("en")));
        let expected = json!({
            "schema": "reference/1", "title": "A fund", "text": "the fund",
            "source": "A/RES/64/222", "countries": ["EG"], "licence": LICENCE,
            "ext": {"initiative": {"n": 3, "modality_named": "horizontal", "form_named": "fund"}},
        });
        assert_eq!(Value::Object(drafts[0].body.clone()), expected);
        assert_eq!(drafts[1].body.get("ext"), None);
        assert_eq!(drafts[1].body.get("countries"), None);
        for draft in &drafts {
            let problems = baraza_record::body::validate(draft.kind, &draft.body);
            assert!(problems.is_empty(), "{problems:?}");
        }
    }

    #[test]
    fn what_is_no_initiative_is_named() {
        let error = initiatives(br#"[{"name": "A", "source": "s"}]"#).unwrap_err().to_string();
        assert_eq!(error, "initiatives.json, item 1: text: missing; add it");
        assert!(matches!(initiatives(b"[1"), Err(FormatError::Json { .. })));
        assert!(matches!(initiatives(b"\xff"), Err(FormatError::NotUtf8 { offset: 0, .. })));
    }
}
