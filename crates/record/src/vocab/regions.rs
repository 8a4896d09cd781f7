//! Regions of the UN M49 standard.
//!
//! Invariant: a code is three digits with its leading zeros; following parents ends at the world.
//! Spec: docs/RECORDS.md, code systems.

use std::sync::LazyLock;

use super::{country, rows};

/// M49 code of the world.
pub const WORLD: &str = "001";

/// A region of M49.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// M49 code, three digits.
    pub code: &'static str,
    /// English name: the source has no other.
    pub name: &'static str,
    /// Code of the region around it; absent for the world.
    pub parent: Option<&'static str>,
}

static REGIONS: LazyLock<Vec<Region>> = LazyLock::new(|| {
    rows(include_str!("../../data/tables/regions.tsv"))
        .map(|[code, parent, name]| {
            let parent = Some(parent).filter(|code| !code.is_empty());
            Region { code, name, parent }
        })
        .collect()
});

/// Returns all regions, by code.
pub fn regions() -> &'static [Region] {
    &REGIONS
}

/// Returns the region with this three-digit code.
pub fn region(code: &str) -> Option<&'static Region> {
    let place = REGIONS.binary_search_by(|region| region.code.cmp(code)).ok()?;
    REGIONS.get(place)
}

/// Returns the codes of the regions that a country lies in, the world first, then ever smaller.
///
/// Empty for a code that is not in ISO 3166-1.
pub fn regions_of(alpha2: &str) -> Vec<&'static str> {
    let inner = |country: &super::Country| country.regions.into_iter().flatten().collect();
    let inner: Option<Vec<_>> = country(alpha2).map(inner);
    inner.map(|inner| [vec![WORLD], inner].concat()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::countries;

    #[test]
    fn a_country_lies_in_nested_regions() {
        assert_eq!(regions_of("KE"), ["001", "002", "202", "014"]);
        assert_eq!(regions_of("IN"), ["001", "142", "034"]);
        assert_eq!(regions_of("AQ"), ["001"]);
        assert!(regions_of("XK").is_empty());
        for country in countries() {
            for pair in regions_of(country.alpha2).windows(2) {
                assert_eq!(region(pair[1]).and_then(|r| r.parent), Some(pair[0]));
            }
        }
    }

    #[test]
    fn codes_keep_their_zeros() {
        assert_eq!(region("002").map(|r| r.name), Some("Africa"));
        assert_eq!(region("2"), None);
        assert_eq!(regions().len(), 30);
        assert!(regions().iter().all(|r| r.code.len() == 3));
    }
}
