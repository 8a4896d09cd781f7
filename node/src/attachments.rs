//! `[attachments]` of `policy.toml`: which files come by themselves, and how much room they take.
//!
//! Invariant: a word that means nothing is refused with its line.
//! Not here: what follows from it (`baraza_protocol::attachments`).
//! Spec: docs/OPERATIONS.md, "Attachments".

use baraza_protocol::attachments::{AttachmentRules, TYPES_MAX};
use serde::Deserialize;

/// The section as people write it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AttachmentsEntry {
    fetch_bytes: u64,
    types: Types,
    quota_bytes: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "Vec<String>")]
struct Types(Vec<String>);

impl Default for AttachmentsEntry {
    fn default() -> Self {
        let AttachmentRules { fetch_bytes, types, quota_bytes } = AttachmentRules::default();
        Self { fetch_bytes, types: Types(types), quota_bytes }
    }
}

impl AttachmentsEntry {
    /// Returns the rules.
    pub(crate) fn read(self) -> AttachmentRules {
        let Self { fetch_bytes, types, quota_bytes } = self;
        AttachmentRules { fetch_bytes, types: types.0, quota_bytes }
    }
}

impl TryFrom<Vec<String>> for Types {
    type Error = String;

    fn try_from(types: Vec<String>) -> Result<Self, String> {
        match types.len() {
            0 => return Err("an empty list says nothing: leave it out to take all types".into()),
            count if TYPES_MAX < count => {
                return Err(format!("{count} types, the limit is {TYPES_MAX}"));
            }
            _ => (),
        }
        let is_type = |text: &&String| {
            text.split_once('/').is_some_and(|(family, rest)| {
                !family.is_empty() && !rest.is_empty() && !family.contains('*')
            })
        };
        match types.iter().find(|text| !is_type(text)) {
            Some(wrong) => Err(format!("`{wrong}` is no media type such as image/png or image/*")),
            None => Ok(Self(types)),
        }
    }
}
