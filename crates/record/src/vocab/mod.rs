//! Code systems that bodies use: countries, regions and goals.
//!
//! Invariant: the tables are those of `data/tables`, which `scripts/gen-tables` writes from
//! the sources in `data/SOURCES.md`; nothing is typed by hand.
//! Not here: codes that only one field has (`body`), languages (`language`).
//! Spec: docs/RECORDS.md, code systems.

mod countries;
mod regions;
mod sdg;

pub use countries::{
    Country, CountryError, NAME_LANGUAGES, countries, country, is_country_code, parse_country,
};
pub use regions::{Region, WORLD, region, regions, regions_of};
pub use sdg::{GOAL_LANGUAGES, Sdg, SdgError, goal_name, is_sdg_target, parse_sdg, targets_of};

/// Returns the fields of each row of a generated table.
fn rows<const N: usize>(table: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    table.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut fields = line.split('\t');
        std::array::from_fn(|_| fields.next().expect("scripts/gen-tables writes every column"))
    })
}

/// Returns the place of `tag`, or of its primary language, among `languages`.
fn language_place(languages: &[&str], tag: &str) -> Option<usize> {
    let primary = crate::language::primary_language;
    let exact = languages.iter().position(|known| known.eq_ignore_ascii_case(tag));
    exact.or_else(|| {
        languages.iter().position(|known| primary(known).eq_ignore_ascii_case(primary(tag)))
    })
}
