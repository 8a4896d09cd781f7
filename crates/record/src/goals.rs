//! Sustainable Development Goals as a bit set.
//!
//! Invariant: bits that this version does not know are kept.
//! Spec: docs/PROTOCOL.md, section 3.3.

use bincode::{Decode, Encode};

/// Number of goals.
pub const GOALS: u8 = 17;

/// A set of goals: bit `n - 1` stands for goal `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Goals(pub u32);

impl Goals {
    /// Returns the set with `goal` added. A number outside 1 to [`GOALS`] adds nothing.
    #[must_use]
    pub fn with(self, goal: u8) -> Self {
        match goal {
            1..=GOALS => Self(self.0 | 1 << (goal - 1)),
            _ => self,
        }
    }

    /// Returns whether `goal` is in the set.
    pub fn contains(self, goal: u8) -> bool {
        (1..=GOALS).contains(&goal) && self.0 & 1 << (goal - 1) != 0
    }

    /// Returns the known goals in the set, ascending.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (1..=GOALS).filter(move |goal| self.contains(*goal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_kept_by_number() {
        let goals = Goals::default().with(17).with(6).with(0).with(18);
        assert_eq!(goals.iter().collect::<Vec<_>>(), [6, 17]);
        assert!(!goals.contains(0) && !goals.contains(18));
    }
}
