//! Ed25519: the only signing and the only verification of the project.
//!
//! Invariant: every node accepts exactly the same signatures: RFC 8032 with strict
//! verification (no small-order points, no other encoding of a key). Plain
//! verification accepts signatures that some libraries refuse, and then two nodes
//! would hold different sets.
//! Not here: who may sign what (`baraza-identity`), where keys are kept (`node`).
//! Spec: docs/PROTOCOL.md, section 2.3.

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};

use crate::ids::PublicKey;

/// Length of a signature, in bytes.
pub const SIGNATURE_BYTES: usize = 64;

/// An Ed25519 signature as bytes.
pub type Signature = [u8; SIGNATURE_BYTES];

/// What a signature is for: a signature for one kind of object is never valid for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// A record header.
    Record,
    /// An event of an identity log.
    IdentityEvent,
    /// A request of a new node to be added to its centre.
    Enrolment,
    /// What a root key signs to have the body of a record erased.
    Erase,
}

impl Domain {
    /// Every domain.
    pub const ALL: [Self; 4] = [Self::Record, Self::IdentityEvent, Self::Enrolment, Self::Erase];

    /// Returns the bytes that precede the object's own in what is signed.
    fn tag(self) -> &'static [u8] {
        match self {
            Self::Record => b"baraza 1 record\0",
            Self::IdentityEvent => b"baraza 1 identity event\0",
            Self::Enrolment => b"baraza 1 enrolment\0",
            Self::Erase => b"baraza 1 erase\0",
        }
    }
}

/// Why a signature or a key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The key is not a point, not in its one encoding, or of small order.
    #[error("public key is not a usable Ed25519 key")]
    BadKey,
    /// The signature does not match key, domain and bytes.
    #[error("signature does not match")]
    BadSignature,
}

/// A signing key. Its bytes are overwritten when it is dropped.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// Makes the key with this seed (RFC 8032 "secret key"): 32 random bytes.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// Returns the seed. The caller overwrites it after use.
    pub fn to_seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Returns the public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `bytes` as an object of `domain`.
    pub fn sign(&self, domain: Domain, bytes: &[u8]) -> Signature {
        self.0.sign(&message(domain, bytes)).to_bytes()
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey(of {})", self.public().short())
    }
}

/// Verifies that `key` signed `bytes` as an object of `domain`.
///
/// # Errors
///
/// [`VerifyError::BadKey`] for a key that no honest signer has, [`VerifyError::BadSignature`]
/// for anything else.
pub fn verify(
    domain: Domain,
    key: &PublicKey,
    bytes: &[u8],
    signature: &Signature,
) -> Result<(), VerifyError> {
    verify_message(key, &message(domain, bytes), signature)
}

/// Verifies a signature over `message` as it stands, without a domain tag: for test vectors.
///
/// # Errors
///
/// As [`verify`].
pub fn verify_message(
    key: &PublicKey,
    message: &[u8],
    signature: &Signature,
) -> Result<(), VerifyError> {
    let key = usable_key(key)?;
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    key.verify_strict(message, &signature).map_err(|_| VerifyError::BadSignature)
}

/// Checks that `key` is a point of the prime-order group in its one encoding.
///
/// # Errors
///
/// [`VerifyError::BadKey`] otherwise.
pub fn validate_key(key: &PublicKey) -> Result<(), VerifyError> {
    usable_key(key).map(|_| ())
}

fn usable_key(key: &PublicKey) -> Result<VerifyingKey, VerifyError> {
    let point = VerifyingKey::from_bytes(&key.0).map_err(|_| VerifyError::BadKey)?;
    // `from_bytes` keeps the bytes it was given; recompressing shows whether they are the one form.
    if point.is_weak() || point.to_edwards().compress().to_bytes() != key.0 {
        return Err(VerifyError::BadKey);
    }
    Ok(point)
}

fn message(domain: Domain, bytes: &[u8]) -> Vec<u8> {
    [domain.tag(), bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_valid_in_its_own_domain_only() {
        let key = SecretKey::from_seed([7; 32]);
        for made in Domain::ALL {
            let signature = key.sign(made, b"the same bytes");
            for checked in Domain::ALL {
                let valid = verify(checked, &key.public(), b"the same bytes", &signature).is_ok();
                assert_eq!(valid, made == checked, "{made:?} as {checked:?}");
            }
        }
    }

    #[test]
    fn small_order_and_other_encodings_of_keys_are_refused() {
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        assert_eq!(validate_key(&PublicKey(identity_point)), Err(VerifyError::BadKey));
        // y = p + 1, another encoding of y = 1.
        let mut other = [0xff; 32];
        other[0] = 0xee;
        other[31] = 0x7f;
        assert_eq!(validate_key(&PublicKey(other)), Err(VerifyError::BadKey));
    }
}
