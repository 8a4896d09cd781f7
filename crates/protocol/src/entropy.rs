//! Random bytes from a seed: the rules have no other source.
//!
//! Invariant: with a secret seed of 32 random bytes the output cannot be told from
//! random (BLAKE3 as a keyed function of a counter); with a known one it replays.
//! Not here: where the seed comes from (`node`).

/// A generator of random bytes.
#[derive(Clone)]
pub(crate) struct Entropy {
    seed: [u8; 32],
    counter: u64,
}

impl Entropy {
    /// Makes a generator.
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    /// Returns the next `N` bytes, at most 32.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        const { assert!(N <= 32, "one block has 32 bytes") };
        self.counter += 1;
        let block = blake3::keyed_hash(&self.seed, &self.counter.to_le_bytes());
        let mut bytes = [0; N];
        bytes.copy_from_slice(&block.as_bytes()[..N]);
        bytes
    }
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entropy(after {} blocks)", self.counter)
    }
}
