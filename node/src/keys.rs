//! Keys at rest: PKCS#8 files, encrypted unless their owner chose otherwise.
//!
//! Invariant: key bytes are in memory that is overwritten, in a file of mode 0600, and
//! nowhere else: not in a log, an argument or the environment.
//! Not here: what a key may do (`baraza-identity`).
//! Spec: docs/SECURITY.md, "Keys".

use std::path::Path;

use baraza_api::{ErrorBody, ErrorCode};
use baraza_record::SecretKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use pkcs8::{
    EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef,
    der::pem::PemLabel,
    pkcs5::{pbes2, scrypt},
};
use rand::TryRng;
use zeroize::Zeroizing;

use crate::home;

/// Cost of a guess at a passphrase: 2^14 blocks of 1 KiB, five times over.
///
/// OpenSSL refuses to spend more than 32 MB on one key, so the memory is 16 MB and the
/// passes are raised instead; OWASP counts this as strong as 128 MB once. About 0.2 s on
/// a small board. Source: OWASP Password Storage Cheat Sheet, scrypt.
const SCRYPT_LOG_N: u8 = 14;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 5;

/// The files of a home's `keys` folder.
pub(crate) const OPERATOR: &str = "operator.pem";
/// Key of the node's connections: always readable to the daemon.
pub(crate) const NODE: &str = "node.pem";
/// Key that changes the centre's identity.
pub(crate) const ROOT: &str = "root.pem";

/// Why a key file gave no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// It is encrypted, and there is no passphrase, or not the right one.
    #[error("the passphrase does not open the key")]
    Passphrase,
    /// It is not there, may be read by others, or is no key.
    #[error("{0}")]
    File(ErrorBody),
}

/// Makes a new key from the operating system's random numbers.
pub(crate) fn generate() -> SecretKey {
    SecretKey::from_seed(*random())
}

/// Returns 32 random bytes.
pub(crate) fn random() -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0; 32]);
    rand::rngs::SysRng
        .try_fill_bytes(bytes.as_mut())
        .expect("the operating system gives random numbers");
    bytes
}

/// Writes a key to a new file, encrypted (PBES2: scrypt, AES-256) if there is a passphrase.
pub(crate) fn store(
    path: &Path,
    key: &SecretKey,
    passphrase: Option<&str>,
) -> Result<(), ErrorBody> {
    // Version 1 of PKCS#8, without the public half: OpenSSL reads no other encrypted form.
    let pair = KeypairBytes { secret_key: key.to_seed(), public_key: None };
    let pem = match passphrase {
        Some(passphrase) => encrypt(&pair, passphrase),
        None => pair.to_pkcs8_pem(LineEnding::LF),
    };
    let pem = pem.map_err(|error| {
        ErrorBody::new(ErrorCode::Internal, format!("cannot encode a key: {error}"))
    })?;
    home::create_private_file(path, pem.as_bytes())
}

/// Encrypts a key under a passphrase: PBES2 with scrypt and AES-256-CBC.
fn encrypt(pair: &KeypairBytes, passphrase: &str) -> pkcs8::Result<Zeroizing<String>> {
    let plain = pair.to_pkcs8_der()?;
    let random = random();
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    salt.copy_from_slice(&random[..16]);
    iv.copy_from_slice(&random[16..]);
    let cost = scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P)
        .expect("the cost is within what scrypt allows");
    let parameters = pbes2::Parameters::generate_scrypt_aes256cbc(cost, &salt, iv)?;
    let info = PrivateKeyInfoRef::try_from(plain.as_bytes())?;
    let encrypted = info.encrypt_with_params(parameters, passphrase)?;
    Ok(encrypted.to_pem(EncryptedPrivateKeyInfoRef::PEM_LABEL, LineEnding::LF)?)
}

/// Reads a key from its file.
pub(crate) fn load(path: &Path, passphrase: Option<&str>) -> Result<SecretKey, KeyError> {
    let content = Zeroizing::new(home::read_private_file(path).map_err(KeyError::File)?);
    parse(&content, path, passphrase)
}

/// Reads a key from the content of its file.
pub(crate) fn parse(
    content: &[u8],
    path: &Path,
    passphrase: Option<&str>,
) -> Result<SecretKey, KeyError> {
    let damaged = || {
        let what = format!("{} is not a PKCS#8 key in PEM form", path.display());
        KeyError::File(ErrorBody::new(ErrorCode::Home, what))
    };
    let pem = std::str::from_utf8(content).map_err(|_| damaged())?;
    let pair = match (pem.contains("BEGIN ENCRYPTED PRIVATE KEY"), passphrase) {
        (false, _) => KeypairBytes::from_pkcs8_pem(pem).map_err(|_| damaged())?,
        (true, None) => return Err(KeyError::Passphrase),
        (true, Some(passphrase)) => KeypairBytes::from_pkcs8_encrypted_pem(pem, passphrase)
            .map_err(|_| KeyError::Passphrase)?,
    };
    Ok(SecretKey::from_seed(pair.secret_key))
}
