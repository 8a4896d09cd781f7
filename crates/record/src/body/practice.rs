//! The fields of a practice.
//!
//! Two forms: a snapshot (the default) has what [`Required::Always`] marks, the full form
//! also what [`Required::Full`] marks.
//! Spec: docs/RECORDS.md, practice.

use super::{
    fields::{CONTACT, COUNTRIES, EVIDENCE, REGIONS, SDG, SECTOR},
    spec::{FieldSpec, Required, ValueKind},
};

const SCALES: &[&str] =
    &["local", "subnational", "national", "multi-country", "regional", "global"];

const COOPERATION: &[&str] =
    &["south-south", "triangular", "regional", "national", "north-south-complement"];

/// The forms that paragraph 12 of A/RES/64/222 names; it says that they evolve.
const MODALITIES: &[&str] = &[
    "knowledge-sharing",
    "training",
    "technology-transfer",
    "financial-cooperation",
    "monetary-cooperation",
    "in-kind-contribution",
];

const ORG_TYPES: &[&str] = &[
    "national-government",
    "local-government",
    "public-body",
    "intergovernmental",
    "academic",
    "civil-society",
    "private-sector",
    "foundation",
];

const ROLES: &[&str] = &["requesting", "pivotal", "facilitating", "implementing"];

const SUPPORT_TYPES: &[&str] =
    &["financial", "technical", "administrative", "political", "in-kind"];

const PRECISIONS: &[&str] = &["country", "subdivision", "district", "settlement"];

const STATUSES: &[&str] = &["planned", "ongoing", "completed", "suspended", "cancelled"];

const MATURITIES: &[&str] = &["innovation", "promising", "good", "institutionalised"];

const LOCATION: &[FieldSpec] = &[
    FieldSpec::line("name", "name of the place").always(),
    FieldSpec::new("subdivision", ValueKind::Subdivision, "ISO 3166-2 code, such as KE-30"),
    FieldSpec::new("lat", ValueKind::Number(-90.0, 90.0), "degrees north"),
    FieldSpec::new("lon", ValueKind::Number(-180.0, 180.0), "degrees east"),
    FieldSpec::new("precision", ValueKind::OpenCode(PRECISIONS), "how coarse the place is"),
];

const SUBJECT: &[FieldSpec] = &[
    FieldSpec::line("scheme", "name of the vocabulary").always(),
    FieldSpec::line("code", "code or address in it").required(Required::Unless("text")),
    FieldSpec::line("text", "the subject in words"),
];

const PARTNER: &[FieldSpec] = &[
    FieldSpec::line("name", "name of the organisation").always(),
    FieldSpec::new("centre_id", ValueKind::Id, "id of its centre"),
    FieldSpec::new("country", ValueKind::Country, "two-letter code"),
    FieldSpec::new("org_type", ValueKind::OpenCode(ORG_TYPES), "what it is"),
    FieldSpec::new("role", ValueKind::OpenCodes(ROLES), "what it did in the cooperation"),
    FieldSpec::new("support_type", ValueKind::OpenCodes(SUPPORT_TYPES), "what it gave"),
];

const KEY_DATE: &[FieldSpec] = &[
    FieldSpec::new("date", ValueKind::Period, "such as 2019-05 or 2019~").always(),
    FieldSpec::line("text", "what happened").max(60).always(),
];

const BUILDING_BLOCK: &[FieldSpec] = &[
    FieldSpec::line("title", "name of the building block").always(),
    FieldSpec::text("purpose", 2_000, "what it is for"),
    FieldSpec::text("how", 4_000, "how it works"),
    FieldSpec::text("enabling", 2_000, "what it needs in order to work"),
    FieldSpec::text("lessons", 2_000, "what was learned about it"),
];

const MONEY: &[FieldSpec] = &[
    FieldSpec::new("amount", ValueKind::Number(0.0, 1e15), "amount").always(),
    FieldSpec::new("currency", ValueKind::Currency, "ISO 4217 code, such as KES").always(),
    FieldSpec::new("year", ValueKind::Integer(1900, 2200), "year of the prices").always(),
];

const RESOURCES: &[FieldSpec] = &[
    FieldSpec::new("money", ValueKind::Object(MONEY), "what it cost"),
    FieldSpec::line("staff", "how many people, with what skills"),
    FieldSpec::new("in_kind", ValueKind::Lines, "what was given in kind"),
    FieldSpec::line("time_to_implement", "how long it took"),
];

const RESULT: &[FieldSpec] = &[
    FieldSpec::text("statement", 2_000, "what changed").always(),
    FieldSpec::line("indicator", "what was measured"),
    FieldSpec::new("baseline", ValueKind::Quantity, "value before"),
    FieldSpec::new("value", ValueKind::Quantity, "value after"),
    FieldSpec::line("unit", "unit of the values"),
    FieldSpec::new("period", ValueKind::Period, "when it was measured"),
    FieldSpec::line("source", "where the value comes from").max(1_000),
    FieldSpec::text("method", 2_000, "how it was measured"),
    FieldSpec::text("disaggregation", 2_000, "values by sex, age, place or other groups"),
];

const REFERENCE: &[FieldSpec] = &[
    FieldSpec::line("citation", "author, title, year").max(1_000).always(),
    FieldSpec::line("doi", "DOI, such as 10.1000/182"),
    FieldSpec::new("url", ValueKind::Url, "web address"),
];

/// The fields of a practice, in the order in which people read them.
pub(super) const PRACTICE: &[FieldSpec] = &[
    FieldSpec::new("form", ValueKind::Code(&["snapshot", "full"]), "snapshot (short) or full"),
    FieldSpec::line("title", "what the practice is, in one line").always(),
    FieldSpec::text("summary", 2_000, "the whole in about 300 words").always(),
    FieldSpec::text("challenge", 4_000, "the problem that was to be solved").always(),
    FieldSpec::text("solution", 12_000, "what was done, and how").always(),
    COUNTRIES.required(Required::Unless("regions")),
    REGIONS,
    FieldSpec::new(
        "locations",
        ValueKind::Objects(LOCATION),
        "places, no nearer than a settlement",
    ),
    FieldSpec::new("scale", ValueKind::Code(SCALES), "how wide it was carried out").full(),
    SDG.always(),
    FieldSpec::new("sectors", ValueKind::Objects(SECTOR), "sectors, with their scheme"),
    FieldSpec::new("subjects", ValueKind::Objects(SUBJECT), "subjects of a vocabulary"),
    FieldSpec::new("modality", ValueKind::OpenCodes(MODALITIES), "forms of the exchange").full(),
    FieldSpec::new("cooperation", ValueKind::Code(COOPERATION), "who cooperated").full(),
    FieldSpec::new("partners", ValueKind::Objects(PARTNER), "organisations, no persons").full(),
    FieldSpec::line("nominated_by", "centre or mechanism that proposed it"),
    FieldSpec::new("status", ValueKind::Code(STATUSES), "how far it is").always(),
    FieldSpec::new("period", ValueKind::Period, "when, such as 2019/2023 or 2019-05/..").full(),
    FieldSpec::new("key_dates", ValueKind::Objects(KEY_DATE), "what happened when").items(5),
    FieldSpec::text("target_groups", 2_000, "for whom it was").full(),
    FieldSpec::text("gender_note", 2_000, "what it meant for women and men").full(),
    FieldSpec::text("inclusion_note", 2_000, "who else was included, and how").full(),
    FieldSpec::new(
        "building_blocks",
        ValueKind::Objects(BUILDING_BLOCK),
        "parts that others can use",
    ),
    FieldSpec::new("resources", ValueKind::Object(RESOURCES), "what it took"),
    FieldSpec::new("results", ValueKind::Objects(RESULT), "what came of it").full(),
    FieldSpec::text("enabling_factors", 4_000, "what made it work").full(),
    FieldSpec::text("constraints", 4_000, "what stood in its way").full(),
    FieldSpec::text("what_did_not_work", 4_000, "what failed, and why").full(),
    FieldSpec::text("sustainability", 4_000, "what keeps it going").full(),
    FieldSpec::text("replicability", 4_000, "what others need to repeat it").full(),
    FieldSpec::text("conditions_for_transfer", 4_000, "what must hold elsewhere").full(),
    FieldSpec::text("not_suitable_when", 4_000, "where it would not work").full(),
    FieldSpec::new("lessons", ValueKind::Texts, "lessons, one an item").max(2_000).full(),
    FieldSpec::new("maturity", ValueKind::Code(MATURITIES), "how well it is established").always(),
    EVIDENCE.always(),
    FieldSpec::text("ethics", 2_000, "ethical questions and how they were met"),
    FieldSpec::text("safeguards", 2_000, "social and environmental safeguards"),
    FieldSpec::text("tk_notice", 2_000, "traditional knowledge: label or notice"),
    FieldSpec::new("references", ValueKind::Objects(REFERENCE), "what was published about it"),
    CONTACT.always(),
    FieldSpec::new("review_by", ValueKind::Date, "when to ask whether it still holds"),
];
