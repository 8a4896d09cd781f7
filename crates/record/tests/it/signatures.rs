//! Other people's Ed25519 vectors: every node must accept exactly the same signatures.

use baraza_record::{
    PublicKey,
    sign::{self, Signature},
};
use ed25519_dalek::Verifier;
use serde_json::Value;

use crate::{hex, vectors};

/// Verifies as a node does; a key or signature of the wrong length is not even decoded there.
fn accepts(key: &str, message: &str, signature: &str) -> bool {
    let Ok(key) = <[u8; 32]>::try_from(hex(key)) else { return false };
    let Ok(signature) = Signature::try_from(hex(signature)) else { return false };
    sign::verify_message(&PublicKey(key), &hex(message), &signature).is_ok()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no text `{name}`"))
}

#[test]
fn wycheproof_88_are_accepted_and_63_refused() {
    let file = vectors("wycheproof/ed25519_test.json");
    let (mut accepted, mut refused) = (0, 0);
    for group in file["testGroups"].as_array().unwrap() {
        let key = text(&group["publicKey"], "pk");
        for test in group["tests"].as_array().unwrap() {
            let accepts = accepts(key, text(test, "msg"), text(test, "sig"));
            assert_eq!(accepts, text(test, "result") == "valid", "test {}", test["tcId"]);
            if accepts { accepted += 1 } else { refused += 1 }
        }
    }
    assert_eq!((accepted, refused), (88, 63));
}

/// The cases differ in what lenient verifiers let through: small-order keys and points, mixed
/// orders without the cofactor, large S, other encodings.
#[test]
fn of_the_speccheck_cases_strict_verification_accepts_case_3_only() {
    let places = speccheck(|key, message, signature| {
        sign::verify_message(&PublicKey(*key), message, signature).is_ok()
    });
    assert_eq!(places, [3]);
}

/// Shows that the cases can tell: the library's plain verification accepts more.
#[test]
fn of_the_speccheck_cases_plain_verification_accepts_more() {
    let places = speccheck(|key, message, signature| {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        ed25519_dalek::VerifyingKey::from_bytes(key)
            .is_ok_and(|key| key.verify(message, &signature).is_ok())
    });
    assert!(1 < places.len() && places.contains(&3), "{places:?}");
}

/// Returns the places of the cases that a verifier accepts.
fn speccheck(accepts: impl Fn(&[u8; 32], &[u8], &Signature) -> bool) -> Vec<usize> {
    let cases = vectors("ed25519-speccheck/cases.json");
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len(), 12);
    let accepted = cases.iter().enumerate().filter(|(_, case)| {
        let key = hex(text(case, "pub_key")).try_into().unwrap();
        let signature = hex(text(case, "signature")).try_into().unwrap();
        accepts(&key, &hex(text(case, "message")), &signature)
    });
    accepted.map(|(place, _)| place).collect()
}
