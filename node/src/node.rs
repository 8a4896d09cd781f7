//! A node without its sockets: store, service, index and API.
//!
//! Invariant: start is configuration, store, service, index, API; stop is the reverse.
//! Spec: docs/ARCHITECTURE.md, "Threads".

use std::sync::{Arc, RwLock};

use baraza_api::{ErrorBody, ErrorCode, Warning};
use baraza_network::{parse_address, peer_id_text};
use baraza_protocol::{
    Config, Input,
    index::Index,
    net::{NetEffect, Peer},
    store::{FeedHead, Store, StoreRead},
};
use baraza_record::{FeedId, SecretKey};
use baraza_search::TantivyIndex;
use baraza_server::{
    App, Defaults, NodeFacts, RulesSource, ServiceHandle, Staff, UnlockError, router,
};
use baraza_store::{LedgerReader, LedgerStore, OpenError, Options, OwnHeads, RecoveryReport};
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Settings,
    drafts::Drafts,
    engine::Engine,
    home::Home,
    indexer, init,
    keys::{self, KeyError},
    link::LinkSource,
    networks::Networks,
    rules,
    staff_log::Log,
};

/// A store that was opened, with what an operator should know of it.
pub(crate) struct OpenStore {
    pub(crate) store: LedgerStore,
    pub(crate) warnings: Vec<Warning>,
    /// Why the operator key may not sign.
    pub(crate) key_blocked: Option<String>,
    /// What the store has lost of its own feeds.
    pub(crate) lost: Vec<(FeedId, FeedHead)>,
}

/// What a node is opened for.
pub(crate) struct Purpose {
    /// Takes effects for the network, if there will be one.
    pub(crate) effects: Option<mpsc::Sender<NetEffect>>,
    /// Multiaddrs to keep a connection to.
    pub(crate) bootstrap: Vec<String>,
}

/// A node without its sockets.
pub(crate) struct Node {
    pub(crate) engine: Engine<LedgerStore>,
    pub(crate) reader: LedgerReader,
    pub(crate) index: Arc<TantivyIndex>,
    pub(crate) router: axum::Router,
    stop_index: CancellationToken,
    indexer: Option<std::thread::JoinHandle<()>>,
}

impl Node {
    /// Opens store and index and starts the service. To be called inside a tokio runtime.
    pub(crate) fn open(
        home: &Home,
        settings: &Settings,
        purpose: Purpose,
    ) -> Result<Self, ErrorBody> {
        let OpenStore { store, warnings, key_blocked, lost } = open_store(home)?;
        let reader = store.reader();
        let node_key = SecretKey::from_seed(*init::node_seed(home)?);
        let daemon = purpose.effects.is_some();
        let networks = Arc::new(Networks::load(home)?);
        let mut bootstrap = purpose.bootstrap;
        bootstrap.extend(networks.addresses());
        let config = Config {
            centre: settings.centre,
            node: node_key.public(),
            seed: *keys::random(),
            bootstrap,
            networks: networks.memberships(),
            key_blocked,
        };
        let source = rules::open(home)?;
        let disk = rustix::fs::statvfs(home.path()).ok();
        let disk_bytes = disk.map(|disk| disk.f_blocks.saturating_mul(disk.f_frsize));
        let (load, link) = (source.loader(), LinkSource::open(home, settings)?);
        let told = link.clone();
        let engine = Engine::start(store, config, purpose.effects, lost, load, link, disk_bytes)
            .map_err(|error| ErrorBody::new(ErrorCode::Store, error.to_string()))?;
        let index = TantivyIndex::open(&home.index()).map_err(|error| {
            ErrorBody::new(ErrorCode::Store, error.to_string()).with_hint(format!(
                "the index is derived: remove {} and try again",
                home.index().display()
            ))
        })?;
        let index = Arc::new(index);
        let inputs = engine.inputs.clone();
        let facts = facts(home, settings, daemon, warnings, networks, inputs, (source, told))?;
        let service = ServiceHandle::new(engine.calls.clone());
        let app = App::new(
            Arc::new(reader.clone()),
            Arc::clone(&index) as Arc<dyn Index>,
            service,
            facts,
        );
        let router = router(Arc::new(app));
        let stop_index = CancellationToken::new();
        Ok(Self { engine, reader, index, router, stop_index, indexer: None })
    }

    /// Unlocks the operator key if its file or `passphrase` opens it.
    ///
    /// # Errors
    ///
    /// A passphrase that was given and does not fit, or a key file that cannot be used.
    /// A key that stays locked for want of a passphrase is no error.
    pub(crate) async fn unlock(
        &self,
        home: &Home,
        passphrase: Option<&str>,
    ) -> Result<bool, ErrorBody> {
        match keys::load(&home.keys().join(keys::OPERATOR), passphrase) {
            Ok(key) => {
                let busy = |_| ErrorBody::new(ErrorCode::Busy, "the service has stopped");
                self.engine.inputs.send(Input::Unlocked(key)).await.map_err(busy)?;
                Ok(true)
            }
            Err(KeyError::Passphrase) if passphrase.is_none() => Ok(false),
            Err(KeyError::Passphrase) => Err(ErrorBody::new(
                ErrorCode::Locked,
                "the passphrase does not open the operator key",
            )),
            Err(KeyError::File(error)) => Err(error),
        }
    }

    /// Has the index follow the store until the node stops.
    pub(crate) fn follow(&mut self) {
        let reader: Arc<dyn StoreRead> = Arc::new(self.reader.clone());
        let index = Arc::clone(&self.index) as Arc<dyn Index>;
        let changes = self.engine.changes.clone();
        self.indexer = Some(indexer::follow(reader, index, changes, self.stop_index.clone()));
    }

    /// Stops service and index, flushed.
    pub(crate) fn stop(self) {
        self.stop_index.cancel();
        drop(self.engine.stop());
        if let Some(indexer) = self.indexer {
            // A panic of a derived part is in the log and changes nothing here.
            let _ = indexer.join();
        }
    }
}

/// Opens the store of a home and brings its index up to its ledger.
pub(crate) fn open_store(home: &Home) -> Result<OpenStore, ErrorBody> {
    let (store, report) = LedgerStore::open(home.path(), &Options::default())
        .map_err(|error| open_error(home, &error))?;
    let warnings = notes(&report)
        .into_iter()
        .map(|message| Warning { message, hint: "baraza check".into() })
        .collect();
    let key_blocked = key_blocked(&report.own_heads);
    Ok(OpenStore { store, warnings, key_blocked, lost: report.own_heads.lost })
}

/// Says in words what opening a store found and did that an operator should know.
pub(crate) fn notes(report: &RecoveryReport) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(why) = &report.rebuilt {
        notes.push(format!(
            "the index was made anew from the ledger, {} records: {why}",
            report.records
        ));
    }
    if let Some(folder) = &report.set_aside {
        notes.push(format!("the old index is kept in {}", folder.display()));
    }
    for damaged in &report.damaged {
        notes.push(format!("segment {:08} of the ledger: {}", damaged.segment, damaged.damage));
    }
    for hash in &report.attachments_damaged {
        notes.push(format!(
            "attachment {hash} was not what its name says and is set aside as {hash}.damaged"
        ));
    }
    for segment in &report.segments_lost {
        notes.push(format!("segment {segment:08} of the ledger is gone"));
    }
    notes
}

/// Says why the operator key may not sign, if its feed has lost its end.
fn key_blocked(own: &OwnHeads) -> Option<String> {
    match own.lost.first() {
        Some((feed, head)) => Some(format!(
            "this node has signed up to record {} of its feed {}, and its store has lost the end of it",
            head.seq,
            feed.short()
        )),
        None if own.unreadable => {
            Some("the file with the heads of this node's own feed is damaged".into())
        }
        None => None,
    }
}

pub(crate) fn open_error(home: &Home, error: &OpenError) -> ErrorBody {
    let cause =
        std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let message = format!("{}: {error}{cause}", home.path().display());
    match error {
        // This one names the folder itself.
        OpenError::Locked { .. } => ErrorBody::new(ErrorCode::Home, error.to_string())
            .with_hint("stop the other process, or use another --home DIR"),
        OpenError::NewerFormat { .. } => ErrorBody::new(ErrorCode::Home, message)
            .with_hint("install that version or a later one"),
        _ => ErrorBody::new(ErrorCode::Store, message).with_hint("baraza repair"),
    }
}

fn recovery_warning(home: &Home) -> Option<Warning> {
    let folder = std::fs::read_to_string(home.recovery_note()).ok()?;
    Some(Warning {
        message: format!("the recovery keys in {folder} have not been put away"),
        hint: "give each key to its keeper and delete the folder, then: baraza status --recovery-stored".into(),
    })
}

fn facts(
    home: &Home,
    settings: &Settings,
    daemon: bool,
    warnings: Vec<Warning>,
    networks: Arc<Networks>,
    inputs: mpsc::Sender<Input>,
    (rules, link): (RulesSource, LinkSource),
) -> Result<NodeFacts, ErrorBody> {
    let operator = home.keys().join(keys::OPERATOR);
    let unlock = move |passphrase: &str| match keys::load(&operator, Some(passphrase)) {
        Ok(key) => inputs
            .blocking_send(Input::Unlocked(key))
            .map_err(|_| UnlockError::Failed { what: "the service has stopped".into() }),
        Err(KeyError::Passphrase) => Err(UnlockError::WrongPassphrase),
        Err(KeyError::File(error)) => Err(UnlockError::Failed { what: error.message }),
    };
    let ours = settings.defaults.clone();
    let notices = Arc::new(RwLock::new(warnings));
    let staff = Staff {
        two_person: settings.staff.two_person,
        socket: settings.staff.socket.as_ref().map(|path| path.display().to_string()),
        group: settings.staff.group.clone(),
        members: settings.staff.views(),
        drafts: Arc::new(Drafts::new(home.drafts())),
        log: Arc::new(Log::new(home.staff_log(), Arc::clone(&notices))),
    };
    Ok(NodeFacts {
        version: env!("CARGO_PKG_VERSION").into(),
        daemon,
        centre: settings.centre,
        defaults: Defaults {
            language: ours.language,
            licence: ours.licence,
            contact: ours.contact,
            countries: ours.countries,
        },
        peer_id_text,
        parse_peer,
        unlock: Arc::new(unlock),
        networks,
        staff,
        notices,
        home_notices: {
            let home = home.clone();
            Arc::new(move || recovery_warning(&home).into_iter().chain(link.error()).collect())
        },
        rules,
    })
}

/// Reads a peer id in libp2p's text form.
pub(crate) fn parse_peer(text: &str) -> Option<Peer> {
    // An address with nothing but a peer id at its end is how the network reads one.
    parse_address(&format!("/ip4/127.0.0.1/tcp/1/p2p/{text}")).ok().and_then(|(_, peer)| peer)
}

/// Keeps a runtime handle in scope for code that is not async.
pub(crate) fn inside<T>(handle: &Handle, run: impl FnOnce() -> T) -> T {
    let _entered = handle.enter();
    run()
}
