//! The index as a whole, on a real folder.
#![expect(clippy::unwrap_used, reason = "a test stops at the first failure")]

mod fixture;
mod folder;
mod languages;
mod odd;
mod paging;
mod ranking;
mod staging;
