//! From a prefix that a person typed to the one id that starts with it.
//!
//! Invariant: a prefix never picks one of several.
//! Spec: docs/OPERATIONS.md, "Ids".

use baraza_api::ErrorCode;
use baraza_protocol::store::{Place, ShelfName, StoreRead};
use baraza_record::{CentreId, ID_BYTES, RecordId};

use crate::failure::Failure;

/// Fewest hexadecimal digits of a prefix.
pub const DIGITS_MIN: usize = 4;

/// Most candidates that the answer to an ambiguous prefix lists.
pub const LISTED_MAX: usize = 8;

/// Returns the record whose id starts with `text`.
pub(crate) fn record(reader: &dyn StoreRead, text: &str) -> Result<(RecordId, Place), Failure> {
    let digits = digits(text)?;
    let mut found = reader.find(&digits, LISTED_MAX + 1)?;
    // Where a feed forks, a record may stand on both branches: the main one speaks.
    found.sort_by_key(|(id, place)| (*id, place.branch));
    found.dedup_by_key(|(id, _)| *id);
    let ids: Vec<_> = found.iter().map(|(id, _)| id.to_string()).collect();
    only("record", &digits, &ids).map(|()| found[0])
}

/// Returns the centre whose id starts with `text`. Its identity log is held.
pub(crate) fn centre(reader: &dyn StoreRead, text: &str) -> Result<CentreId, Failure> {
    let digits = digits(text)?;
    let (from, shelf) = (first_id(&digits), reader.shelf(ShelfName::Identities));
    // The shelf lists exactly the centres whose log is held, in the order of their ids.
    let mut found: Vec<_> = shelf.get(&from).map(|_| CentreId(from)).into_iter().collect();
    let more = shelf.page(Some(&from), LISTED_MAX + 1).map(|(id, _)| CentreId(*id));
    found.extend(more.take_while(|id| id.to_string().starts_with(&digits)));
    let ids: Vec<_> = found.iter().map(CentreId::to_string).collect();
    only("centre", &digits, &ids).map(|()| found[0])
}

/// Returns the centre that `text` names: as [`centre`] or, by its whole id, one that is not held.
pub(crate) fn centre_or_id(reader: &dyn StoreRead, text: &str) -> Result<CentreId, Failure> {
    match digits(text)?.parse() {
        Ok(id) => Ok(id),
        Err(_) => centre(reader, text),
    }
}

/// Returns the record or, if there is none, the centre whose id starts with `text`.
pub(crate) fn record_or_centre(
    reader: &dyn StoreRead,
    text: &str,
) -> Result<(CentreId, Option<RecordId>), Failure> {
    match record(reader, text) {
        Err(failure) if failure.0.code == ErrorCode::NotFound => {
            Ok((centre_or_id(reader, text)?, None))
        }
        Err(failure) => Err(failure),
        Ok((id, place)) => match reader.feed(&place.feed)? {
            Some(state) => Ok((state.centre, Some(id))),
            None => Err(Failure::not_found(format!("the feed of record {id} is not held"))),
        },
    }
}

fn digits(text: &str) -> Result<String, Failure> {
    let digits = text.trim().to_ascii_lowercase();
    let fits = (DIGITS_MIN..=ID_BYTES * 2).contains(&digits.len());
    if !fits || !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
        let short: String = text.chars().take(80).collect();
        return Err(Failure::bad_request(format!(
            "`{short}` is no id: {DIGITS_MIN} to {} hexadecimal digits are needed",
            ID_BYTES * 2
        )));
    }
    Ok(digits)
}

/// Checks that there is one candidate.
fn only(what: &str, digits: &str, ids: &[String]) -> Result<(), Failure> {
    match ids {
        [] => Err(Failure::not_found(format!(
            "no {what} with an id that starts with {digits} is held"
        ))),
        [_] => Ok(()),
        several => {
            let listed = several.iter().take(LISTED_MAX).map(String::as_str);
            let more = if LISTED_MAX < several.len() { " and more" } else { "" };
            let list = listed.collect::<Vec<_>>().join(", ");
            let message =
                format!("several {what}s have an id that starts with {digits}: {list}{more}");
            Err(Failure::new(ErrorCode::Ambiguous, message).hint("give more digits"))
        }
    }
}

/// Returns the lowest id that starts with these digits.
fn first_id(digits: &str) -> [u8; ID_BYTES] {
    let id: CentreId = format!("{digits:0<width$}", width = ID_BYTES * 2)
        .parse()
        .expect("up to 64 hexadecimal digits, filled up with zeros, are an id");
    id.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_hexadecimal_and_long_enough() {
        assert_eq!(digits(" ABcd ").unwrap(), "abcd");
        for text in ["", "abc", "wxyz", "ébcd", &"0".repeat(65)] {
            assert_eq!(digits(text).unwrap_err().0.code, ErrorCode::BadRequest, "{text}");
        }
        assert_eq!(first_id("a7c")[..2], [0xa7, 0xc0]);
    }

    #[test]
    fn candidates_are_listed_up_to_a_limit() {
        let ids: Vec<_> = (0..12).map(|n| format!("abcd{n:02}")).collect();
        assert_eq!(only("record", "abcd", &[]).unwrap_err().0.code, ErrorCode::NotFound);
        assert!(only("record", "abcd", &ids[..1]).is_ok());
        let error = only("record", "abcd", &ids).unwrap_err().0;
        assert_eq!(error.code, ErrorCode::Ambiguous);
        assert!(error.message.contains("abcd07 and more"), "{}", error.message);
    }
}
