//! What every store must pass.
//!
//! Invariant: each check starts on an empty store and uses nothing but the two traits. A
//! store that differs from the contract fails with a panic that says where.
//! Not here: crashes and files, which the traits do not show.
//! Spec: `store`.

mod attachments;
mod author;
mod lists;
mod owner;
mod records;
mod shelves;

pub use author::Author;
pub use owner::{Owner, adds, chooses, ends};

use baraza_record::Timestamp;

use crate::store::{Store, StoreError};

/// Runs every check. `make` returns a new, empty store at each call.
///
/// # Panics
///
/// If the store breaks the contract.
pub fn run<S: Store>(make: &mut dyn FnMut() -> S) {
    let checks: [fn(&mut S); 19] = [
        records::the_writer_sees_at_once_what_a_reader_sees_after_commit,
        records::a_record_comes_back_byte_for_byte,
        records::a_missing_body_and_signature_can_follow,
        records::an_erased_body_is_gone,
        records::ranges_stop_at_their_limits,
        records::both_branches_are_kept_apart,
        records::branches_change_places,
        lists::records_are_found_by_the_digits_of_their_id,
        lists::changes_are_numbered_in_order_and_anew,
        lists::versions_and_targets_are_found,
        lists::missing_bodies_are_listed,
        lists::feeds_and_centres_are_listed_by_page,
        lists::local_facts_are_found_by_prefix,
        shelves::shelves_show_what_is_public,
        shelves::each_audience_has_its_shelf,
        attachments::a_file_is_whole_with_its_last_part,
        attachments::parts_of_a_whole_file_are_proved,
        attachments::a_file_is_dropped_and_may_come_again,
        attachments::files_are_listed_by_page,
    ];
    for check in checks {
        check(&mut make());
    }
}

/// Time that the checks use.
const NOW: Timestamp = Timestamp(1_750_000_000_000);

fn ok<T>(result: Result<T, StoreError>) -> T {
    result.expect("a store in a test does not fail")
}
