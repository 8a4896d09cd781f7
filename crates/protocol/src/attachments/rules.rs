//! Which files come by themselves, and how much room they may take.
//!
//! Invariant: what policy has come by itself never pushes out anything else.
//! Not here: the file with the policy (`node`), whom to ask (`fetch`).
//! Spec: docs/OPERATIONS.md, "Attachments".

/// Longest file that comes by itself (64 KiB), unless `policy.toml` says another number.
///
/// A drawing or a table, 8 s at 64 kbit/s. Photographs, films and reports are larger: of these
/// people decide, because somebody pays for every megabyte.
pub const FETCH_BYTES_DEFAULT: u64 = 64 * 1_024;

/// Room for fetched files that are not pinned (1 GiB), unless `policy.toml` says another number.
pub const QUOTA_BYTES_DEFAULT: u64 = 1_024 * 1_024 * 1_024;

/// Most media types that a policy names.
pub const TYPES_MAX: usize = 64;

/// What the operator wrote down about attachments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachmentRules {
    /// Longest file that comes by itself, in bytes; 0: none does.
    pub fetch_bytes: u64,
    /// Media types that come by themselves, such as `image/png` or `image/*`; none: all.
    pub types: Vec<String>,
    /// Bytes that fetched files may take which are neither pinned nor our own.
    pub quota_bytes: u64,
}

impl Default for AttachmentRules {
    fn default() -> Self {
        Self {
            fetch_bytes: FETCH_BYTES_DEFAULT,
            types: Vec::new(),
            quota_bytes: QUOTA_BYTES_DEFAULT,
        }
    }
}

impl AttachmentRules {
    /// Returns whether a file of this length and media type comes by itself.
    pub fn fetches(&self, bytes: u64, mime: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(family) => mime.starts_with(family),
            None => mime == pattern,
        };
        bytes <= self.fetch_bytes && (self.types.is_empty() || self.types.iter().any(fits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_type_decide() {
        let rules = |bytes, types: &[&str]| AttachmentRules {
            fetch_bytes: bytes,
            types: types.iter().map(|text| (*text).to_owned()).collect(),
            ..AttachmentRules::default()
        };
        assert!(rules(10, &[]).fetches(10, "application/pdf"));
        assert!(!rules(10, &[]).fetches(11, "application/pdf"));
        assert!(!rules(0, &[]).fetches(1, "image/png"));
        assert!(rules(10, &["image/*"]).fetches(1, "image/png"));
        assert!(!rules(10, &["image/*"]).fetches(1, "application/pdf"));
        assert!(rules(10, &["image/*", "application/pdf"]).fetches(1, "application/pdf"));
        assert!(!rules(10, &["image/png"]).fetches(1, "image/pngx"));
    }
}
