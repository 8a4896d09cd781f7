//! What the handlers work with: readers, the way to the service, and facts of the node.
//!
//! Invariant: at most [`READS_MAX`] reads run at once, all of them on blocking threads.
//! Not here: who runs the service and serves the sockets (`node`).
//! Spec: docs/ARCHITECTURE.md, "Threads".

use std::sync::{Arc, PoisonError, RwLock};

use baraza_api::{ErrorBody, ErrorCode, Warning};
use baraza_protocol::{
    command::{Command, Refusal, Reply},
    index::Index,
    net::Peer,
    store::StoreRead,
};
use baraza_record::CentreId;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::{failure::Failure, networks::NetworkKeeper, rules::RulesSource, staff::Staff};

/// Most reads of store and index that run at once; others wait for their turn.
///
/// Each holds a thread and at most a page of records. Source: docs/LIMITS.md.
pub const READS_MAX: usize = 16;

/// What every handler gets.
pub struct App {
    /// Reads the store.
    pub reader: Arc<dyn StoreRead>,
    /// Answers searches.
    pub index: Arc<dyn Index>,
    /// Takes commands.
    pub service: ServiceHandle,
    /// Facts of the node.
    pub node: NodeFacts,
    /// Held while a draft is changed: two changes at once could lose one, or publish twice.
    pub(crate) drafting: tokio::sync::Mutex<()>,
    reads: Arc<Semaphore>,
}

/// What the API needs to know of the node around it.
pub struct NodeFacts {
    /// Version of the program.
    pub version: String,
    /// Whether this is a daemon, not a command line that serves itself.
    pub daemon: bool,
    /// Our centre.
    pub centre: CentreId,
    /// What drafts lack.
    pub defaults: Defaults,
    /// Returns libp2p's text form of a peer.
    pub peer_id_text: fn(&Peer) -> String,
    /// Reads that form.
    pub parse_peer: fn(&str) -> Option<Peer>,
    /// Unlocks the operator key.
    pub unlock: Unlock,
    /// Policy and trust.
    pub rules: RulesSource,
    /// The networks that it belongs to.
    pub networks: Arc<dyn NetworkKeeper>,
    /// The people on its machine, with their drafts and their log.
    pub staff: Staff,
    /// What the parts of the node want an operator to know now.
    pub notices: Arc<RwLock<Vec<Warning>>>,
    /// What the home itself wants an operator to know; asked for each time.
    pub home_notices: HomeNotices,
}

/// Looks at the home for what an operator should know; reads a small file.
pub type HomeNotices = Arc<dyn Fn() -> Vec<Warning> + Send + Sync>;

/// Opens the operator key with a passphrase and gives it to the service; may take seconds.
pub type Unlock = Arc<dyn Fn(&str) -> Result<(), UnlockError> + Send + Sync>;

/// What is filled in where a draft says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// BCP 47 tag.
    pub language: String,
    /// SPDX identifier.
    pub licence: Option<String>,
    /// Mailbox of an office.
    pub contact: Option<String>,
    /// ISO 3166-1 alpha-2 codes.
    pub countries: Vec<String>,
}

/// Why the operator key stays locked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnlockError {
    /// The passphrase is not the one of the key.
    #[error("the passphrase does not open the operator key")]
    WrongPassphrase,
    /// This node has no operator key.
    #[error("this node has no operator key")]
    NoKey,
    /// The key could not be read.
    #[error("{what}")]
    Failed {
        /// What went wrong.
        what: String,
    },
}

/// A command with the way back to who gave it.
#[derive(Debug)]
pub struct Call {
    /// What to do.
    pub command: Command,
    /// Where the answer goes; nobody may be there any more.
    pub reply: oneshot::Sender<Reply>,
}

/// The way to the service.
#[derive(Clone, Debug)]
pub struct ServiceHandle(mpsc::Sender<Call>);

impl ServiceHandle {
    /// Makes a handle; the channel's capacity is the number of commands that may wait.
    pub fn new(calls: mpsc::Sender<Call>) -> Self {
        Self(calls)
    }

    /// Gives a command and waits for the answer.
    ///
    /// # Errors
    ///
    /// [`Refusal`]: the service's, or [`Refusal::Busy`] if it takes no more or is gone.
    pub async fn call(&self, command: Command) -> Result<Reply, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(Call { command, reply }).map_err(|_| Refusal::Busy)?;
        match answer.await {
            Ok(Reply::Refused(refusal)) => Err(refusal),
            Ok(reply) => Ok(reply),
            Err(_) => Err(Refusal::Busy),
        }
    }
}

impl App {
    /// Puts the parts together.
    pub fn new(
        reader: Arc<dyn StoreRead>,
        index: Arc<dyn Index>,
        service: ServiceHandle,
        node: NodeFacts,
    ) -> Self {
        let reads = Arc::new(Semaphore::new(READS_MAX));
        Self { reader, index, service, node, drafting: tokio::sync::Mutex::default(), reads }
    }

    /// Runs `read` on a blocking thread.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Self) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let stopping = || Failure::new(ErrorCode::Busy, "the node is stopping");
        let turn = Arc::clone(&self.reads).acquire_owned().await.map_err(|_| stopping())?;
        let app = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            read(&app)
        });
        task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a read ended early");
            Err(Failure(ErrorBody::new(ErrorCode::Internal, "the read failed; see the log")))
        })
    }

    /// Returns what the parts of the node want an operator to know.
    pub(crate) fn notices(&self) -> Vec<Warning> {
        let mut notices = (self.node.home_notices)();
        notices
            .extend_from_slice(&self.node.notices.read().unwrap_or_else(PoisonError::into_inner));
        notices
    }
}
