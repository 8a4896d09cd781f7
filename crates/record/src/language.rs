//! Language tags: BCP 47.
//!
//! Invariant: what [`canonical_language`] returns is unchanged by it and fits a header.
//! Not here: which languages can be searched (`baraza-search`).
//! Spec: docs/RECORDS.md, code systems; RFC 5646.

use oxilangtag::LanguageTag;

use crate::LANGUAGE_BYTES_MAX;

/// Why a text is not a language tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LanguageError {
    /// More bytes than a header has room for.
    #[error("language tag has {bytes} bytes, the limit is {LANGUAGE_BYTES_MAX}")]
    TooLong {
        /// How many there are.
        bytes: usize,
    },
    /// Not formed as RFC 5646 asks.
    #[error("`{text}` is not a language tag such as `sw` or `pt-BR`: {reason}")]
    Malformed {
        /// What was given.
        text: String,
        /// What the parser says.
        reason: String,
    },
}

/// Returns `text` as a well-formed language tag in the case that RFC 5646 recommends:
/// `PT-br` becomes `pt-BR`. Whether the subtags are registered is not checked.
///
/// # Errors
///
/// [`LanguageError`].
pub fn canonical_language(text: &str) -> Result<String, LanguageError> {
    let text = text.trim();
    if LANGUAGE_BYTES_MAX < text.len() {
        return Err(LanguageError::TooLong { bytes: text.len() });
    }
    LanguageTag::parse_and_normalize(text).map(LanguageTag::into_inner).map_err(|error| {
        LanguageError::Malformed { text: text.to_owned(), reason: error.to_string() }
    })
}

/// Returns the first subtag, which says the language: `pt` of `pt-BR`.
pub fn primary_language(tag: &str) -> &str {
    tag.split_once('-').map_or(tag, |(primary, _)| primary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_get_their_canonical_case() {
        for (text, tag) in
            [("EN", "en"), (" pt-br ", "pt-BR"), ("ZH-hans", "zh-Hans"), ("es-419", "es-419")]
        {
            assert_eq!(canonical_language(text).as_deref(), Ok(tag));
            assert_eq!(canonical_language(tag).as_deref(), Ok(tag));
        }
        assert_eq!(primary_language("zh-Hans-CN"), "zh");
        assert_eq!(primary_language("sw"), "sw");
    }

    #[test]
    fn what_is_no_tag_is_refused() {
        for text in ["", "e", "english language", "en_US", "हिन्दी", "-", "en-", "123"]
        {
            assert!(
                matches!(canonical_language(text), Err(LanguageError::Malformed { .. })),
                "{text}"
            );
        }
        let long = format!("en-{}", "a".repeat(40));
        assert_eq!(canonical_language(&long), Err(LanguageError::TooLong { bytes: 43 }));
    }
}
