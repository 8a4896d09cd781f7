//! The request of a new node, or of a new person, to act for a centre.
//!
//! Invariant: a request that was read has signatures by both of its keys over all that it says:
//! whoever made it has these keys, and nothing was changed on the way. It proves nothing about
//! who that is: people compare the words, for example by telephone.
//! Not here: who adds the keys to the identity log (`baraza operator add`).
//! Spec: docs/OPERATIONS.md, "Keys and custodians"; docs/PROTOCOL.md, section 5.5.

use std::{fs, io::Read, path::Path};

use baraza_api::{ErrorBody, ErrorCode};
use baraza_cli::Enrolment;
use baraza_formats::words;
use baraza_identity::LABEL_BYTES_MAX;
use baraza_record::{
    CentreId, PublicKey, SecretKey, hash,
    sign::{self, Domain, Signature},
};
use serde::{Deserialize, Serialize};

use crate::home;

/// Version of the format.
const VERSION: u16 = 1;

/// Most bytes of a request file.
pub(crate) const REQUEST_BYTES_MAX: usize = 4_096;

/// A request as it stands in its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestFile {
    /// Version of the format, and what the file is.
    baraza_enrolment: u16,
    /// Centre for which the keys are to act.
    centre: CentreId,
    /// Key that is to sign records.
    operator: PublicKey,
    /// Key of the node's connections.
    node: PublicKey,
    /// What the centre calls the node; never a person's name.
    label: String,
    /// Words to compare; for people who read the file. What counts is computed.
    words: String,
    /// Signature by `operator`, in hexadecimal digits.
    operator_signature: String,
    /// Signature by `node`, in hexadecimal digits.
    node_signature: String,
}

/// Makes the request of two new keys, as the text of a file.
///
/// # Errors
///
/// `Invalid` if the label is too long or has control characters.
pub(crate) fn request(
    centre: CentreId,
    operator: &SecretKey,
    node: &SecretKey,
    label: &str,
) -> Result<String, ErrorBody> {
    check_label(label)?;
    let message = message(&centre, &operator.public(), &node.public(), label);
    let sign = |key: &SecretKey| to_hex(&key.sign(Domain::Enrolment, &message));
    let file = RequestFile {
        baraza_enrolment: VERSION,
        centre,
        operator: operator.public(),
        node: node.public(),
        label: label.to_owned(),
        words: check_words(&message),
        operator_signature: sign(operator),
        node_signature: sign(node),
    };
    let text = serde_json::to_string_pretty(&file).expect("plain members always encode");
    Ok(text + "\n")
}

/// Makes a request and writes it to a new file; returns what it says.
///
/// # Errors
///
/// As [`request`], or that the file is there or cannot be written.
pub(crate) fn write(
    path: &Path,
    centre: CentreId,
    operator: &SecretKey,
    node: &SecretKey,
    label: &str,
) -> Result<Enrolment, ErrorBody> {
    let text = request(centre, operator, node, label)?;
    home::create_private_file(path, text.as_bytes())?;
    parse(&text, path)
}

/// Reads a request and verifies it.
///
/// # Errors
///
/// `Invalid` for a file that is no request, is damaged, or whose signatures do not fit.
pub(crate) fn read(path: &Path) -> Result<Enrolment, ErrorBody> {
    let invalid = |what: String| ErrorBody::new(ErrorCode::Invalid, what);
    let unreadable =
        |error: std::io::Error| invalid(format!("`{}` cannot be read: {error}", path.display()));
    let mut text = String::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    // One byte more shows that there is more.
    file.take(REQUEST_BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
    if REQUEST_BYTES_MAX < text.len() {
        return Err(invalid(format!("`{}` is too long for a request", path.display())));
    }
    parse(&text, path)
}

fn parse(text: &str, path: &Path) -> Result<Enrolment, ErrorBody> {
    let invalid = |what: String| {
        let message = format!("`{}` {what}", path.display());
        ErrorBody::new(ErrorCode::Invalid, message)
            .with_hint("`baraza init --join-centre ID` on the new machine writes a request")
    };
    let file: RequestFile = serde_json::from_str(text)
        .map_err(|error| invalid(format!("is no request to be added to a centre: {error}")))?;
    if file.baraza_enrolment != VERSION {
        let version = file.baraza_enrolment;
        return Err(invalid(format!("has version {version}, this program knows {VERSION}")));
    }
    let RequestFile { centre, operator, node, label, .. } = file;
    check_label(&label)?;
    if operator == node {
        return Err(invalid("names one key twice".into()));
    }
    let message = message(&centre, &operator, &node, &label);
    let signatures = [(operator, &file.operator_signature), (node, &file.node_signature)];
    for (key, signature) in signatures {
        let signature = from_hex(signature)
            .ok_or_else(|| invalid(format!("has no signature of key {}", key.short())))?;
        sign::verify(Domain::Enrolment, &key, &message, &signature).map_err(|error| {
            invalid(format!("was changed or damaged: key {}: {error}", key.short()))
        })?;
    }
    Ok(Enrolment { centre, operator, node, label, words: check_words(&message) })
}

fn check_label(label: &str) -> Result<(), ErrorBody> {
    if label.len() <= LABEL_BYTES_MAX && !label.chars().any(char::is_control) {
        return Ok(());
    }
    let what = format!("a label has up to {LABEL_BYTES_MAX} bytes and no control characters");
    Err(ErrorBody::new(ErrorCode::Invalid, what))
}

/// Returns what both keys sign.
fn message(centre: &CentreId, operator: &PublicKey, node: &PublicKey, label: &str) -> Vec<u8> {
    [&centre.0[..], &operator.0, &node.0, label.as_bytes()].concat()
}

fn check_words(message: &[u8]) -> String {
    words::fingerprint(&CentreId(hash::enrolment(message))).join(" ")
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Signature> {
    let digits = text.as_bytes();
    let mut signature = [0; sign::SIGNATURE_BYTES];
    if digits.len() != signature.len() * 2 {
        return None;
    }
    let digit = |c: u8| (c as char).to_digit(16);
    for (byte, pair) in signature.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> (SecretKey, SecretKey) {
        (SecretKey::from_seed([1; 32]), SecretKey::from_seed([2; 32]))
    }

    fn text() -> String {
        let (operator, node) = keys();
        request(CentreId([7; 32]), &operator, &node, "second desk").unwrap()
    }

    fn read(text: &str) -> Result<Enrolment, ErrorBody> {
        parse(text, Path::new("request.json"))
    }

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let (operator, node) = keys();
        let enrolment = read(&text()).unwrap();
        assert_eq!(enrolment.centre, CentreId([7; 32]));
        assert_eq!((enrolment.operator, enrolment.node), (operator.public(), node.public()));
        assert_eq!(enrolment.label, "second desk");
        assert_eq!(enrolment.words.split(' ').count(), words::FINGERPRINT_WORDS);
        assert!(text().contains(&enrolment.words), "people see them in the file, too");
    }

    #[test]
    fn whatever_is_changed_on_the_way_is_noticed() {
        let text = text();
        let changed = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            read(&text.replacen(from, to, 1)).unwrap_err()
        };
        let other = SecretKey::from_seed([3; 32]).public().to_string();
        let (operator, node) = keys();
        for (from, to) in [
            ("second desk", "third desk"),
            (&*CentreId([7; 32]).to_string(), &*CentreId([8; 32]).to_string()),
            (&*operator.public().to_string(), &*other),
            (&*node.public().to_string(), &*other),
            (&*node.public().to_string(), &*operator.public().to_string()),
        ] {
            let error = changed(from, to);
            assert_eq!(error.code, ErrorCode::Invalid, "{from}");
        }
        let error = changed("\"baraza_enrolment\": 1", "\"baraza_enrolment\": 2");
        assert!(error.message.contains("version 2"), "{error}");
        for wrong in ["", "{}", &text[..text.len() / 2], &text.replace("label", "labels")] {
            assert_eq!(read(wrong).unwrap_err().code, ErrorCode::Invalid, "{wrong}");
        }
    }

    #[test]
    fn the_words_are_those_of_what_is_signed_not_of_the_file() {
        let said = read(&text()).unwrap().words;
        let forged = text().replace(&said, "abandon abandon abandon");
        assert_eq!(read(&forged).unwrap().words, said);
    }

    #[test]
    fn a_label_is_short_and_of_one_line() {
        let (operator, node) = keys();
        for label in ["two\nlines", &"x".repeat(LABEL_BYTES_MAX + 1)] {
            assert!(request(CentreId([7; 32]), &operator, &node, label).is_err(), "{label}");
        }
    }
}
