//! What a record is, as a number in its header.
//!
//! Invariant: a number never changes its meaning; unknown ones are carried.
//! Spec: docs/RECORDS.md, docs/PROTOCOL.md, section 3.4.

use bincode::{Decode, Encode};

/// The kind of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Kind(pub u16);

impl Kind {
    /// A good practice.
    pub const PRACTICE: Self = Self(1);
    /// A lesson learned, from success or failure.
    pub const LESSON: Self = Self(2);
    /// A nation's word on a centre: accredited, suspended or withdrawn.
    pub const ACCREDITATION: Self = Self(12);
    /// The publisher's withdrawal of a record.
    pub const RETRACTION: Self = Self(15);
    /// Something that exists elsewhere.
    pub const REFERENCE: Self = Self(20);

    /// The kinds that this version can read and write.
    pub const KNOWN: [(Self, &'static str); 5] = [
        (Self::PRACTICE, "practice"),
        (Self::LESSON, "lesson"),
        (Self::REFERENCE, "reference"),
        (Self::ACCREDITATION, "accreditation"),
        (Self::RETRACTION, "retraction"),
    ];

    /// Returns whether a record of this kind is something to read, of which people write drafts:
    /// neither a retraction nor an accreditation, which commands of their own write.
    pub fn is_content(self) -> bool {
        !matches!(self, Self::RETRACTION | Self::ACCREDITATION)
    }

    /// Returns the name of a known kind.
    pub fn name(self) -> Option<&'static str> {
        Self::KNOWN.iter().find(|(kind, _)| *kind == self).map(|(_, name)| *name)
    }

    /// Returns the known kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::KNOWN.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => f.pad(&format!("kind-{}", self.0)),
        }
    }
}
