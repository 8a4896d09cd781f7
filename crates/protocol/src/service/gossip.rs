//! Records and identity events heard on gossip.
//!
//! Invariant: exactly one verdict for each message; only what a named signer wrote is
//! passed on.
//! Spec: docs/PROTOCOL.md, section 6.5.

use baraza_identity::SignedEvent;
use baraza_record::VerifiedRecord;

use crate::{
    entitle::Entitlement,
    ingest::{self, IngestError, Rejection},
    net::{GOSSIP_BYTES_MAX, NetEffect, Peer, Token, Verdict},
    screen::Gossiped,
    store::{Store, StoreError},
    wire::Gossip,
};

use super::Service;

/// Largest record that gossip carries with its body (16 KiB); of a larger one only the
/// header travels and the body is wanted.
pub const GOSSIP_RECORD_BYTES_MAX: usize = 16 * 1_024;

const _: () = assert!(GOSSIP_RECORD_BYTES_MAX < GOSSIP_BYTES_MAX, "a header must fit beside it");

impl<S: Store> Service<S> {
    pub(super) fn gossip(
        &mut self,
        peer: Peer,
        token: Token,
        heard: Result<Gossiped, Rejection>,
    ) -> Result<(), StoreError> {
        let urgent = matches!(heard, Ok(Gossiped::Identity(_)));
        let verdict = match heard {
            _ if !self.links.allow_gossip(&peer, self.now) || self.read_only.is_some() => {
                Ok(Verdict::Ignore)
            }
            Ok(Gossiped::Record(record)) => self.gossiped(peer, &record),
            Ok(Gossiped::Identity(event)) => self.gossiped_event(peer, &event),
            Err(rejection) => Ok(self.refuse(peer, &rejection)),
        };
        let (verdict, result) = match verdict {
            Ok(verdict) => (self.verdict(verdict, urgent), Ok(())),
            Err(error) => (Verdict::Ignore, Err(error)),
        };
        self.net(NetEffect::Verdict { token, verdict });
        result
    }

    fn refuse(&mut self, peer: Peer, rejection: &Rejection) -> Verdict {
        let verdict = rejection.verdict();
        tracing::debug!(peer = %peer.short(), %rejection, "gossip refused");
        if verdict == Verdict::Reject {
            self.offended(peer);
        }
        verdict
    }

    fn gossiped_event(&mut self, peer: Peer, event: &[u8]) -> Result<Verdict, StoreError> {
        let centre = SignedEvent::from_kept(event).map(|event| event.centre());
        let known = match centre {
            Ok(centre) => !self.store.identity(&centre)?.is_empty(),
            Err(_) => false,
        };
        if !known {
            // Whoever invents centres must not have others spread them: they come by catch-up.
            self.compare_soon(peer);
            return Ok(Verdict::Ignore);
        }
        match ingest::ingest_identity(&mut self.store, event) {
            Ok((_, true)) => Ok(Verdict::Accept),
            Ok((_, false)) => Ok(Verdict::Ignore),
            Err(IngestError::Store(error)) => Err(error),
            Err(IngestError::Rejected(rejection)) => {
                // What came before it, and then it, come by catch-up from whoever has them.
                self.compare_soon(peer);
                Ok(self.refuse(peer, &rejection))
            }
        }
    }

    fn gossiped(&mut self, peer: Peer, record: &VerifiedRecord) -> Result<Verdict, StoreError> {
        let header = record.header();
        if !Entitlement::public().covers(&header.centre, &header.audience) {
            return Ok(Verdict::Reject);
        }
        if self.gate.refuses(record, self.store.counts().ledger_bytes) {
            return Ok(Verdict::Ignore);
        }
        let log = ingest::log_of(&self.store, &header.centre)?;
        let named = log
            .is_some_and(|log| log.capabilities(&header.signer, &header.identity_head).is_some());
        if !named {
            // Its identity log, and then the record, come by catch-up from whoever has them.
            self.compare_soon(peer);
            return Ok(Verdict::Ignore);
        }
        let one = std::slice::from_ref(record);
        let done = ingest::ingest_range(&mut self.store, one, self.now)?;
        let elsewhere = done.gap.is_some() || done.diverged.is_some();
        if elsewhere || (done.inserted != 0 && record.payload().is_none()) {
            self.compare_soon(peer);
        }
        // What cannot be placed yet is authentic and may be just what others lack; what the
        // log does not let stand is not passed on.
        let news = elsewhere || done.inserted != done.held;
        Ok(if news { Verdict::Accept } else { Verdict::Ignore })
    }

    fn compare_soon(&mut self, peer: Peer) {
        if let Some(link) = self.links.up.get_mut(&peer) {
            link.compare_soon(self.now);
        }
    }

    /// Publishes an own new record: with the body if it is small enough. Gossip goes to
    /// anybody; what is not for everybody is told by comparison.
    pub(super) fn announce(&mut self, record: &VerifiedRecord) {
        let header = record.header();
        let public = Entitlement::public().covers(&header.centre, &header.audience);
        if !public || !self.may_spread(true) {
            return;
        }
        let mut wire = record.to_wire();
        if GOSSIP_RECORD_BYTES_MAX < record.encode().len() {
            wire.payload = None;
        }
        self.net(NetEffect::Publish { bytes: Gossip::Record(wire).encode() });
    }

    /// Publishes an own new identity event.
    pub(super) fn announce_event(&mut self, signed: Vec<u8>) {
        if self.may_spread(true) {
            self.net(NetEffect::Publish { bytes: Gossip::Identity(signed).encode() });
        }
    }
}
