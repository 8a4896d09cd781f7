//! For whom a record is.
//!
//! Invariant: the encoding of an audience is canonical, so that a feed has one id.
//! Not here: what may go to which peer (`baraza-protocol`).
//! Spec: docs/PROTOCOL.md, section 3.2.

use bincode::{Decode, Encode};

use crate::ids::{CentreId, NetworkId};

/// Most centres that a record may name as its audience.
pub const AUDIENCE_CENTRES_MAX: usize = 16;

/// Random bytes, fixed for a feed, that keep the ids of non-public feeds from being guessed.
pub type FeedNonce = [u8; 16];

/// For whom a record is. The default of a new draft is none of these: it is not shared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Audience {
    /// Everybody.
    Public,
    /// The members of a network.
    Network(NetworkId, FeedNonce),
    /// The centres named, in ascending order, and the author's own.
    Centres(Vec<CentreId>, FeedNonce),
}

impl Audience {
    /// Returns whether this is an audience that a header may carry.
    pub fn is_valid(&self) -> bool {
        match self {
            Self::Public | Self::Network(..) => true,
            Self::Centres(centres, _) => {
                (1..=AUDIENCE_CENTRES_MAX).contains(&centres.len())
                    && centres.is_sorted_by(|a, b| a < b)
            }
        }
    }
}
