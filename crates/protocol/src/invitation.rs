//! An invitation to a network: text that a person sends, scans or reads out.
//!
//! Invariant: what does not decode whole, with its checksum, is no invitation. Whoever has the
//! text of a closed network's is a member: it holds the secret.
//! Not here: where memberships are kept (`node`), the picture of it (`baraza-cli`).
//! Spec: docs/PROTOCOL.md, section 7.6.

use std::fmt;

use baraza_record::{CentreId, NetworkId, codec};
use bincode::{Decode, Encode};

use crate::entitle::{Membership, NetworkSecret};

/// What the text of an invitation begins with, in capitals or not.
pub const PREFIX: &str = "baraza-join:";

/// Version of invitations.
const VERSION: u16 = 1;

/// Most bytes of an invitation before they are made text.
pub const INVITATION_BYTES_MAX: usize = 2_000;

/// Most characters of the names in an invitation.
pub const INVITATION_NAME_CHARS_MAX: usize = 200;

/// Most addresses in an invitation.
pub const INVITATION_ADDRESSES_MAX: usize = 4;

/// Bytes of the checksum.
const CHECK_BYTES: usize = 4;

/// The alphabet of RFC 4648, base 32.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// An invitation to a network.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Invitation {
    version: u16,
    /// The network.
    pub network: NetworkId,
    /// Its name.
    pub name: String,
    /// Centre of whoever invites.
    pub inviter: CentreId,
    /// Name of that centre.
    pub inviter_name: String,
    /// Multiaddrs where the inviter is reached.
    pub addresses: Vec<String>,
    /// The secret of a closed network.
    pub secret: Option<NetworkSecret>,
}

/// Why a text is no invitation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvitationError {
    /// It begins otherwise.
    #[error("an invitation begins with `{PREFIX}`")]
    NoPrefix,
    /// A character is none of its alphabet.
    #[error("`{character}` is in no invitation: letters and the digits 2 to 7 are")]
    Character {
        /// Which.
        character: char,
    },
    /// It is cut off, or a character is wrong.
    #[error("the invitation is not whole: a part is missing, or a character is wrong")]
    Checksum,
    /// A later version wrote it.
    #[error("the invitation is of version {version}, this program reads version {VERSION}")]
    Newer {
        /// Its version.
        version: u16,
    },
    /// It says what no invitation says.
    #[error("the invitation does not decode")]
    Malformed,
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invitation({})", self.network.short())
    }
}

impl Invitation {
    /// Makes the invitation of a node of `inviter` to a network called `name`.
    pub fn new(
        membership: &Membership,
        name: &str,
        inviter: CentreId,
        inviter_name: &str,
        mut addresses: Vec<String>,
    ) -> Self {
        let cut = |text: &str| text.chars().take(INVITATION_NAME_CHARS_MAX).collect();
        addresses.truncate(INVITATION_ADDRESSES_MAX);
        Self {
            version: VERSION,
            network: membership.id,
            name: cut(name),
            inviter,
            inviter_name: cut(inviter_name),
            addresses,
            secret: membership.secret,
        }
    }

    /// Returns what the node becomes that accepts it.
    pub fn membership(&self) -> Membership {
        Membership { id: self.network, secret: self.secret }
    }

    /// Returns the invitation as text, in capitals: a QR code of those is smaller.
    pub fn to_text(&self) -> String {
        let mut bytes = codec::encode(self);
        bytes.extend_from_slice(&check(&bytes));
        let mut text = PREFIX.to_ascii_uppercase();
        text.push_str(&base32(&bytes));
        text
    }

    /// Reads an invitation; white space and line breaks in it do not matter.
    ///
    /// # Errors
    ///
    /// [`InvitationError`].
    pub fn from_text(text: &str) -> Result<Self, InvitationError> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let begins = text.get(..PREFIX.len()).is_some_and(|it| it.eq_ignore_ascii_case(PREFIX));
        if !begins {
            return Err(InvitationError::NoPrefix);
        }
        let bytes = from_base32(&text[PREFIX.len()..])?;
        let (bytes, sum) =
            bytes.split_last_chunk::<CHECK_BYTES>().ok_or(InvitationError::Checksum)?;
        if check(bytes) != *sum {
            return Err(InvitationError::Checksum);
        }
        if let Some(version @ 2..=250) = bytes.first() {
            return Err(InvitationError::Newer { version: u16::from(*version) });
        }
        let invitation: Self =
            codec::decode(bytes, INVITATION_BYTES_MAX).map_err(|_| InvitationError::Malformed)?;
        let name = |text: &str| {
            (1..=INVITATION_NAME_CHARS_MAX).contains(&text.chars().count())
                && !text.chars().any(char::is_control)
        };
        let fits = invitation.version == VERSION
            && invitation.addresses.len() <= INVITATION_ADDRESSES_MAX
            && name(&invitation.name)
            && name(&invitation.inviter_name);
        if fits { Ok(invitation) } else { Err(InvitationError::Malformed) }
    }
}

impl Membership {
    /// Returns a hash over what members must have in common, to be compared by people. It
    /// tells nothing of the secret.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("baraza 1 network fingerprint");
        hasher.update(&self.id.0);
        if let Some(secret) = &self.secret {
            hasher.update(secret);
        }
        *hasher.finalize().as_bytes()
    }
}

fn check(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = blake3::derive_key("baraza 1 invitation check", bytes);
    let mut sum = [0; CHECK_BYTES];
    sum.copy_from_slice(&hash[..CHECK_BYTES]);
    sum
}

fn base32(bytes: &[u8]) -> String {
    let (mut text, mut bits, mut held) = (String::new(), 0_u32, 0_u32);
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        held += 8;
        while 5 <= held {
            held -= 5;
            text.push(char::from(ALPHABET[(bits >> held & 31) as usize]));
            bits &= (1 << held) - 1;
        }
    }
    if held != 0 {
        text.push(char::from(ALPHABET[(bits << (5 - held) & 31) as usize]));
    }
    text
}

fn from_base32(text: &str) -> Result<Vec<u8>, InvitationError> {
    if INVITATION_BYTES_MAX * 2 < text.len() {
        return Err(InvitationError::Malformed);
    }
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
    for character in text.chars() {
        let upper = character.to_ascii_uppercase();
        let value = ALPHABET.iter().position(|known| char::from(*known) == upper);
        let value = value.ok_or(InvitationError::Character { character })?;
        bits = bits << 5 | u32::try_from(value).unwrap_or_default();
        held += 5;
        if 8 <= held {
            held -= 8;
            bytes.push((bits >> held & 255) as u8);
            bits &= (1 << held) - 1;
        }
    }
    // What is left over is less than a character and zero: one text for one invitation.
    if 5 <= held || bits != 0 { Err(InvitationError::Checksum) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation(name: &str) -> Invitation {
        let membership = Membership { id: NetworkId([7; 32]), secret: Some([9; 32]) };
        let addresses = vec!["/ip4/192.0.2.7/tcp/4640".to_owned(); 9];
        Invitation::new(&membership, name, CentreId([3; 32]), "Lake Region", addresses)
    }

    #[test]
    fn an_invitation_survives_its_text_and_how_people_send_it() {
        for name in ["A", "Réseau du Lac", "नदी"] {
            let invitation = invitation(name);
            let text = invitation.to_text();
            assert!(text.len() < 1_000, "{} characters", text.len());
            assert_eq!(Invitation::from_text(&text), Ok(invitation.clone()));
            let sent = text.to_lowercase().replace('q', "q\r\n  ").replace("\r\n", "\n");
            let sent = sent.replace("\n", " ");
            assert_eq!(Invitation::from_text(&sent), Ok(invitation));
        }
    }

    #[test]
    fn every_slip_is_noticed() {
        let text = invitation("Alpha").to_text();
        let start = PREFIX.len();
        for at in start..text.len() {
            let mut slip = text.clone().into_bytes();
            slip[at] = if slip[at] == b'A' { b'B' } else { b'A' };
            let slip = String::from_utf8(slip).unwrap();
            assert!(Invitation::from_text(&slip).is_err(), "{at}");
            assert!(Invitation::from_text(&text[..at]).is_err(), "cut at {at}");
        }
        assert_eq!(Invitation::from_text("hello"), Err(InvitationError::NoPrefix));
        let wrong = Invitation::from_text("baraza-join:A1");
        assert_eq!(wrong, Err(InvitationError::Character { character: '1' }));
        assert!(Invitation::from_text(&format!("{text}A")).is_err());
    }

    #[test]
    fn what_is_printed_for_developers_has_no_secret() {
        let secret = format!("{:?}", [9_u8; 4]);
        let shown = format!("{:?} {:?}", invitation("A"), invitation("A").membership());
        assert!(!shown.contains(&secret[1..8]) && !shown.contains("0909"), "{shown}");
    }

    #[test]
    fn the_fingerprint_is_of_id_and_secret() {
        let one = invitation("A").membership();
        let other = Membership { secret: Some([8; 32]), ..one.clone() };
        let open = Membership { secret: None, ..one.clone() };
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert_ne!(one.fingerprint(), open.fingerprint());
        assert_eq!(one.fingerprint(), invitation("B").membership().fingerprint());
    }
}
