//! Peers: a peer is its Ed25519 key, and a `PeerId` is that key in another form.
//!
//! Invariant: the two conversions are inverse; no key is looked up anywhere.
//! Not here: what a key may do (`baraza-identity`).
//! Spec: the peer id specification of libp2p, "identity" multihash.

use baraza_protocol::net::Peer;
use libp2p::{PeerId, multihash::Multihash};

/// Start of the protobuf of an Ed25519 public key: field 1 = 1 (Ed25519), field 2 = 32 bytes.
const KEY_PREFIX: [u8; 4] = [0x08, 0x01, 0x12, 0x20];

/// Code of the multihash that holds its input itself.
const IDENTITY_HASH: u64 = 0;

/// Returns the text form of a peer, as it stands in an address (`12D3KooW...`).
pub fn peer_id_text(peer: &Peer) -> String {
    peer_id(peer).to_base58()
}

/// Returns the `PeerId` of a key. The key need not be a valid point: then nobody has it.
pub(crate) fn peer_id(peer: &Peer) -> PeerId {
    let mut digest = [0; 36];
    digest[..4].copy_from_slice(&KEY_PREFIX);
    digest[4..].copy_from_slice(peer.as_bytes());
    let hash = Multihash::wrap(IDENTITY_HASH, &digest).expect("36 bytes fit a multihash of 64");
    PeerId::from_multihash(hash).expect("an identity multihash of up to 42 bytes is a peer id")
}

/// Returns the key in a `PeerId`, or `None` if it is not an Ed25519 identity.
pub(crate) fn peer_key(id: &PeerId) -> Option<Peer> {
    let hash: &Multihash<64> = id.as_ref();
    if hash.code() != IDENTITY_HASH {
        return None;
    }
    let key = hash.digest().strip_prefix(&KEY_PREFIX)?;
    key.try_into().ok().map(baraza_record::PublicKey)
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;

    use super::*;

    #[test]
    fn a_peer_id_and_its_key_are_two_forms_of_one_thing() {
        let keypair = Keypair::ed25519_from_bytes([7; 32]).unwrap();
        let id = keypair.public().to_peer_id();
        let peer = peer_key(&id).unwrap();

        assert_eq!(peer.0, keypair.public().try_into_ed25519().unwrap().to_bytes());
        assert_eq!(peer_id(&peer), id);
        assert_eq!(peer_id_text(&peer), id.to_string());
    }

    #[test]
    fn a_hashed_key_is_not_a_peer() {
        let hash = Multihash::wrap(0x12, &[1; 32]).unwrap();
        assert_eq!(peer_key(&PeerId::from_multihash(hash).unwrap()), None);
    }
}
