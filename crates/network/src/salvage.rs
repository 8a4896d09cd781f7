//! What had come of an answer when it broke off.
//!
//! libp2p drops the future that reads an answer when its connection closes, so a guard in
//! that future hands its bytes on when it is dropped.
//! Invariant: only answers that broke off are salvaged, never one that breaks a limit, and
//! no more of them wait than [`SALVAGED_MAX`].
//! Not here: reading (`codec`), what the rules make of it (`baraza-protocol`).
//! Spec: docs/PROTOCOL.md, section 7.2.

use baraza_protocol::net::RequestId;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// Fewer bytes than this are not worth the trouble (1 KiB): no record is much smaller.
pub(crate) const SALVAGE_BYTES_MIN: usize = 1_024;

/// Most broken answers that wait for the driver (5 MiB of the largest).
pub(crate) const SALVAGED_MAX: usize = 16;

/// The beginning of an answer.
pub(crate) struct Salvaged {
    /// To which request.
    pub(crate) request: RequestId,
    /// What had come, decompressed.
    pub(crate) bytes: Vec<u8>,
}

/// Makes the way from broken answers to the driver.
pub(crate) fn channel() -> (Sender<Salvaged>, Receiver<Salvaged>) {
    mpsc::channel(SALVAGED_MAX)
}

/// An answer that is coming; hands on what there is of it when dropped.
pub(crate) struct Coming {
    pub(crate) bytes: Vec<u8>,
    request: RequestId,
    salvage: Option<Sender<Salvaged>>,
}

impl Coming {
    pub(crate) fn new(request: RequestId, salvage: Option<Sender<Salvaged>>) -> Self {
        Self { bytes: Vec::new(), request, salvage }
    }

    /// Returns the whole answer: nothing is left to salvage.
    pub(crate) fn complete(mut self) -> Vec<u8> {
        self.salvage = None;
        std::mem::take(&mut self.bytes)
    }

    /// Gives up an answer that no honest node sends.
    pub(crate) fn refuse(&mut self) {
        self.salvage = None;
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        let Some(salvage) = self.salvage.take() else { return };
        if SALVAGE_BYTES_MIN <= self.bytes.len() {
            let bytes = std::mem::take(&mut self.bytes);
            // If it is full, this answer is fetched again like any other.
            let _ = salvage.try_send(Salvaged { request: self.request, bytes });
        }
    }
}
