//! The fields of lessons, references, accreditations and retractions, and those that every body has.
//!
//! Spec: docs/RECORDS.md, what every record has, fields by kind.

use std::sync::LazyLock;

use super::{
    practice::PRACTICE,
    spec::{FieldSpec, Required, ValueKind},
};
use crate::Kind;

pub(super) const COUNTRIES: FieldSpec =
    FieldSpec::new("countries", ValueKind::Countries, "two-letter codes, such as [KE, UG]");

pub(super) const REGIONS: FieldSpec = FieldSpec::new(
    "regions",
    ValueKind::Regions,
    "M49 codes where countries do not fit, such as [014]",
);

pub(super) const SDG: FieldSpec =
    FieldSpec::new("sdg", ValueKind::Sdg, "goals or targets, such as [6.2, 13]");

pub(super) const EVIDENCE: FieldSpec = FieldSpec::new(
    "evidence",
    ValueKind::Code(&[
        "none-yet",
        "monitoring",
        "internal-evaluation",
        "external-evaluation",
        "peer-reviewed-study",
    ]),
    "what supports it",
);

pub(super) const CONTACT: FieldSpec =
    FieldSpec::new("contact", ValueKind::Contact, "mailbox of an office, not of a person");

pub(super) const SECTOR: &[FieldSpec] = &[
    FieldSpec::line("scheme", "cofog, crs5, crs3 or another scheme").always(),
    FieldSpec::line("code", "code in that scheme").always(),
];

const TITLE: FieldSpec = FieldSpec::line("title", "what it is, in one line").always();

const LICENCE: FieldSpec =
    FieldSpec::new("licence", ValueKind::Licence, "SPDX identifier, such as CC-BY-4.0");

const LESSON: &[FieldSpec] = &[
    TITLE,
    FieldSpec::text("context", 2_000, "where and when it was learned").always(),
    FieldSpec::text("event", 4_000, "what happened").always(),
    FieldSpec::new(
        "polarity",
        ValueKind::Code(&["worked", "did-not-work", "mixed"]),
        "how it went; what did not work is welcome",
    )
    .always(),
    FieldSpec::text("causes", 4_000, "why it happened"),
    FieldSpec::text("lesson", 1_500, "the lesson, in a few sentences").always(),
    FieldSpec::text("recommendation", 2_000, "what others should do").always(),
    FieldSpec::text("applies_when", 2_000, "where the lesson holds").always(),
    FieldSpec::text("not_when", 2_000, "where it does not hold"),
    EVIDENCE,
    FieldSpec::new("target_users", ValueKind::Lines, "who should know it"),
    SDG.always(),
    COUNTRIES.required(Required::Unless("regions")),
    REGIONS,
    FieldSpec::new(
        "phase",
        ValueKind::Code(&["design", "procurement", "implementation", "monitoring", "closure"]),
        "when in the work it arose",
    ),
    CONTACT,
    FieldSpec::new(
        "sensitivity_checked",
        ValueKind::Confirmed,
        "true once you have checked that no personal or confidential data is in it",
    )
    .always(),
];

const REFERENCE: &[FieldSpec] = &[
    TITLE.max(400),
    FieldSpec::text("text", 12_000, "what the source says of it").always(),
    FieldSpec::line("source", "where it is to be found").max(1_000).always(),
    COUNTRIES,
    SDG,
    LICENCE.always(),
];

const ACCREDITATION: &[FieldSpec] = &[
    FieldSpec::new("centre", ValueKind::Id, "id of the centre that the nation speaks of").always(),
    FieldSpec::new(
        "status",
        ValueKind::Code(&["accredited", "suspended", "withdrawn"]),
        "what the nation says of it",
    )
    .always(),
    FieldSpec::new("scope", ValueKind::Lines, "for what it is accredited"),
    FieldSpec::new("review_by", ValueKind::Date, "day by which the nation looks at it again"),
    FieldSpec::text("reason", 2_000, "why"),
    FieldSpec::new("replaces", ValueKind::Ids, "the nation's statements that this one replaces"),
    // There is nothing in a statement to license.
    LICENCE,
];

const RETRACTION: &[FieldSpec] = &[
    FieldSpec::new(
        "reason",
        ValueKind::Code(&[
            "error",
            "superseded",
            "consent-withdrawn",
            "legal",
            "harmful",
            "duplicate",
            "other",
        ]),
        "why it is withdrawn",
    )
    .always(),
    FieldSpec::text("note", 2_000, "what others should know about it"),
    FieldSpec::new("erase_blobs", ValueKind::Ids, "hashes of attachments to delete"),
    FieldSpec::new("erase", ValueKind::Bool, "whether the body is to be deleted everywhere"),
    FieldSpec::new(
        "root_signatures",
        ValueKind::Objects(ROOT_SIGNATURE),
        "root keys that have it deleted at once",
    )
    .items(16),
    // There is nothing in a retraction to license.
    LICENCE,
];

const ROOT_SIGNATURE: &[FieldSpec] = &[
    FieldSpec::new("key", ValueKind::Id, "a root key of the centre").always(),
    FieldSpec::line("signature", "its signature, 128 hexadecimal digits").max(128).always(),
];

/// How records are linked. A later version may add others.
const RELATIONS: &[&str] = &[
    "supersedes",
    "translates",
    "replicates",
    "assesses",
    "endorses",
    "reviews",
    "answers",
    "part-of",
    "cites",
    "confirms",
    "co-signs",
    "similar-to",
];

const LINK: &[FieldSpec] = &[
    FieldSpec::new("rel", ValueKind::OpenCode(RELATIONS), "how they are linked").always(),
    FieldSpec::new("target", ValueKind::Id, "id of the other record").always(),
];

const ATTACHMENT: &[FieldSpec] = &[
    FieldSpec::new("hash", ValueKind::Id, "BLAKE3 hash of the file").always(),
    FieldSpec::new("bytes", ValueKind::Integer(0, 1 << 40), "length of the file").always(),
    FieldSpec::line("mime", "media type, such as application/pdf").always(),
    FieldSpec::line("title", "what it is").always(),
    FieldSpec::new("lang", ValueKind::Language, "its language"),
    FieldSpec::line("alt", "what a picture shows").max(1_000),
    FieldSpec::line("rights", "who holds the rights").max(1_000),
    FieldSpec::new("depicts_people", ValueKind::Bool, "whether persons can be recognised"),
    FieldSpec::line("consent", "how the persons agreed").required(Required::When("depicts_people")),
];

/// Members with which a draft names a file to attach, in place of its hash, length and type. They
/// are not part of a body: whoever reads the draft replaces them.
pub const FILE_MEMBERS: &[FieldSpec] = &[
    FieldSpec::line("file", "name of the file, in the folder of the draft"),
    FieldSpec::new("as_is", ValueKind::Bool, "whether it is attached uncleaned"),
];

/// Members that every body may have, after those of its kind.
const COMMON: &[FieldSpec] = &[
    LICENCE.required(Required::Public),
    FieldSpec::line("rights_holder", "who holds the rights"),
    FieldSpec::line("attribution", "how to cite it").max(1_000),
    FieldSpec::new("schema", ValueKind::Schema, "structure of the body").always(),
    FieldSpec::new("links", ValueKind::Objects(LINK), "links to other records"),
    FieldSpec::new("embargo_until", ValueKind::Date, "not shown by others before this day"),
    FieldSpec::new("attachments", ValueKind::Objects(ATTACHMENT), "files"),
    FieldSpec::new("ext", ValueKind::Object(&[]), "members of others' making"),
];

static FIELDS: LazyLock<[(Kind, Vec<FieldSpec>); 5]> = LazyLock::new(|| {
    [
        (Kind::PRACTICE, PRACTICE),
        (Kind::LESSON, LESSON),
        (Kind::REFERENCE, REFERENCE),
        (Kind::ACCREDITATION, ACCREDITATION),
        (Kind::RETRACTION, RETRACTION),
    ]
    .map(|(kind, own)| {
        let is_new = |common: &&FieldSpec| own.iter().all(|field| field.name != common.name);
        (kind, own.iter().chain(COMMON.iter().filter(is_new)).copied().collect())
    })
});

/// Returns the fields of a kind that this version can read, in the order in which people read
/// them; those that every body may have come last.
pub fn fields(kind: Kind) -> Option<&'static [FieldSpec]> {
    FIELDS.iter().find(|(known, _)| *known == kind).map(|(_, fields)| fields.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_kind_has_fields_with_names_of_their_own() {
        for (kind, name) in Kind::KNOWN {
            let fields = fields(kind).unwrap_or_else(|| panic!("{name} has no fields"));
            let mut names: Vec<_> = fields.iter().map(|field| field.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), fields.len(), "{name}");
            assert!(fields.iter().all(|f| !f.hint.is_empty() && f.chars_max > 0));
        }
        assert!(fields(Kind(3)).is_none());
    }

    #[test]
    fn the_field_that_another_depends_on_exists() {
        fn check(fields: &[FieldSpec]) {
            for field in fields {
                if let Required::Unless(other) | Required::When(other) = field.required {
                    assert!(fields.iter().any(|f| f.name == other), "{other}");
                }
                if let ValueKind::Object(inner) | ValueKind::Objects(inner) = field.value {
                    check(inner);
                }
            }
        }
        Kind::KNOWN.iter().filter_map(|(kind, _)| fields(*kind)).for_each(check);
    }
}
