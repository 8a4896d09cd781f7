//! What the command line needs of a node.
//!
//! Spec: docs/ARCHITECTURE.md, "Command line".

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use baraza_api::{CheckReply, Client, ErrorBody, ErrorCode, Problem, RootSignature};
use baraza_cli::{
    BackupReport, DemoOptions, DemoStep, Enrolment, ErasureToSign, Host, InitOptions, InitReport,
    JoinOptions, JoinReport, KeyAt, KeyPlan, NewKeys, Passphrase, Ready, RepairReport,
    RestoreOptions, RestoreReport, StartOptions,
};
use baraza_protocol::{
    erasure,
    store::{Store, StoreRead},
};
use baraza_record::{
    PublicKey,
    sign::{Domain, Signature},
};
use baraza_store::{CheckLevel, CheckReport, LedgerReader, LedgerStore, Options};
use tokio::runtime::Runtime;

use crate::{
    backup, ceremony,
    client::{LocalClient, SocketClient},
    config::Settings,
    daemon, demo, enrol,
    home::{self, Home},
    indexer, init,
    keys::{self, KeyError},
    node::{self, Node, Purpose},
    recovery, restore,
};

/// The program around the command line.
pub(crate) struct Program;

/// A node that serves one command; stopped when the command is done.
pub(crate) struct Served {
    node: Option<Node>,
    runtime: tokio::runtime::Handle,
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(node) = self.node.take() {
            // What was erased leaves the index with this command, not with the next search.
            if let Err(error) = indexer::purge_erased(&node.reader, &*node.index) {
                tracing::warn!(error, "the search index still has words of what was erased");
            }
            let _entered = self.runtime.enter();
            node.stop();
        }
    }
}

impl Host for Program {
    fn default_home(&self) -> PathBuf {
        let data =
            std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
        let data = data.or_else(|| Some(std::env::home_dir()?.join(".local/share")));
        data.unwrap_or_default().join("baraza")
    }

    fn client(&self, home: &Path) -> Result<Box<dyn Client>, ErrorBody> {
        let home = Home::new(home);
        home.require()?;
        let socket = home.socket();
        let daemon = SocketClient::connect(&socket)
            .map_err(|error| home::file_error("cannot reach the daemon at", &socket, &error))?;
        if let Some(daemon) = daemon {
            return Ok(Box::new(daemon));
        }
        Ok(Box::new(local_client(&home, &Settings::load(&home)?)?))
    }

    fn client_at(&self, socket: &Path) -> Result<Box<dyn Client>, ErrorBody> {
        let at = socket.display();
        match SocketClient::connect(socket) {
            Ok(Some(daemon)) => Ok(Box::new(daemon)),
            Ok(None) => Err(ErrorBody::new(ErrorCode::Offline, format!("no node listens at {at}"))
                .with_hint("is it running? ask whoever runs it")),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                let what = format!("you may not use the socket {at}");
                Err(ErrorBody::new(ErrorCode::NoRole, what)
                    .with_hint("ask whoever runs the node to take you into its group"))
            }
            Err(error) => Err(home::file_error("cannot reach the daemon at", socket, &error)),
        }
    }

    fn init(&self, home: &Path, options: InitOptions) -> Result<InitReport, ErrorBody> {
        init::init(&Home::new(home), options)
    }

    fn start(
        &self,
        home: &Path,
        options: StartOptions,
        ready: &mut dyn FnMut(&Ready),
    ) -> Result<(), ErrorBody> {
        daemon::start(&Home::new(home), options, ready)
    }

    fn check(&self, home: &Path, full: bool) -> Result<CheckReply, ErrorBody> {
        let home = Home::new(home);
        Settings::load(&home)?;
        let opened = node::open_store(&home)?;
        let level = if full { CheckLevel::Full } else { CheckLevel::Ledger };
        check_store(&opened.store.reader(), level)
    }

    fn repair(&self, home: &Path) -> Result<RepairReport, ErrorBody> {
        let home = Home::new(home);
        Settings::load(&home)?;
        let failed = |error: baraza_store::OpenError| node::open_error(&home, &error);
        let options = Options { rebuild: true, ..Options::default() };
        let (store, report) = LedgerStore::open(home.path(), &options).map_err(failed)?;
        let mut steps = node::notes(&report);
        let index = home.index();
        if index.exists() {
            fs::remove_dir_all(&index)
                .map_err(|error| home::file_error("cannot remove", &index, &error))?;
            steps.push(
                "the search index was removed; it is made anew by the next start or search".into(),
            );
        }
        let checked = check_store(&store.reader(), CheckLevel::Ledger)?;
        Ok(RepairReport { steps, records: store.counts().records, lost: checked.problems })
    }

    fn backup(&self, home: &Path, path: &Path) -> Result<BackupReport, ErrorBody> {
        backup::backup(&Home::new(home), path)
    }

    fn restore(&self, home: &Path, options: RestoreOptions) -> Result<RestoreReport, ErrorBody> {
        restore::restore(&Home::new(home), options)
    }

    fn last_backup(&self, home: &Path) -> Option<u64> {
        backup::last(&Home::new(home))
    }

    fn confirm_recovery(&self, home: &Path) -> Result<(), ErrorBody> {
        let home = Home::new(home);
        home.require()?;
        let note = home.recovery_note();
        if let Ok(folder) = fs::read_to_string(&note)
            && recovery::has_keys(Path::new(&folder))
        {
            return Err(ErrorBody::new(
                ErrorCode::Home,
                format!("there are still keys in {folder}"),
            )
            .with_hint("print the sheets and move the folder off this machine first"));
        }
        match fs::remove_file(&note) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(home::file_error("cannot remove", &note, &error))
            }
            _ => Ok(()),
        }
    }

    fn join(&self, home: &Path, options: JoinOptions) -> Result<JoinReport, ErrorBody> {
        ceremony::join(&Home::new(home), options)
    }

    fn read_enrolment(&self, file: &Path) -> Result<Enrolment, ErrorBody> {
        enrol::read(file)
    }

    fn public_key(
        &self,
        home: &Path,
        key: KeyAt<'_>,
        passphrase: Option<&Passphrase>,
    ) -> Result<PublicKey, ErrorBody> {
        Ok(ceremony::key(&Home::new(home), key, passphrase)?.public())
    }

    fn sign_event(
        &self,
        home: &Path,
        key: KeyAt<'_>,
        passphrase: Option<&Passphrase>,
        event: &[u8],
    ) -> Result<(PublicKey, Signature), ErrorBody> {
        ceremony::sign(&Home::new(home), key, passphrase, event)
    }

    fn new_keys(
        &self,
        home: &Path,
        name: &str,
        plan: KeyPlan,
        recovery: Option<&Path>,
        passphrase: Option<&Passphrase>,
    ) -> Result<NewKeys, ErrorBody> {
        ceremony::new_keys(&Home::new(home), name, plan, recovery, passphrase)
    }

    fn new_operator(
        &self,
        home: &Path,
        passphrase: Option<&Passphrase>,
    ) -> Result<(PublicKey, PublicKey), ErrorBody> {
        ceremony::new_operator(&Home::new(home), passphrase)
    }

    fn settle_keys(&self, home: &Path, in_force: &[PublicKey]) -> Result<bool, ErrorBody> {
        ceremony::settle(&Home::new(home), in_force)
    }

    fn sign_erasure(
        &self,
        home: &Path,
        erasure: ErasureToSign<'_>,
    ) -> Result<RootSignature, ErrorBody> {
        let ErasureToSign { target, centre, key, passphrase } = erasure;
        let path = key.map_or_else(|| Home::new(home).keys().join(keys::ROOT), Path::to_owned);
        if !path.exists() {
            let what = format!("there is no root key in {}", path.display());
            return Err(ErrorBody::new(ErrorCode::NotFound, what).with_hint(
                "sign where the key is: baraza sign-erasure ID --centre ID --key FILE",
            ));
        }
        let key = keys::load(&path, passphrase.map(|text| text.as_str()));
        let key = key.map_err(|error| match error {
            KeyError::Passphrase => {
                let why = if passphrase.is_none() { "needs its" } else { "has another" };
                let what = format!("the root key in {} {why} passphrase", path.display());
                ErrorBody::new(ErrorCode::Locked, what)
            }
            KeyError::File(error) => error,
        })?;
        let bytes = key.sign(Domain::Erase, &erasure::message(&target, &centre));
        let signature = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(RootSignature { key: key.public(), signature })
    }

    fn demo(&self, options: DemoOptions, tell: &mut dyn FnMut(&DemoStep)) -> Result<(), ErrorBody> {
        demo::run(options, tell)
    }
}

/// Opens the node of `home` inside this process.
fn local_client(home: &Home, settings: &Settings) -> Result<LocalClient<Served>, ErrorBody> {
    let runtime: Runtime = daemon::runtime()?;
    let purpose = Purpose { effects: None, bootstrap: Vec::new() };
    let node = node::inside(runtime.handle(), || Node::open(home, settings, purpose))?;
    runtime.block_on(node.unlock(home, None))?;
    let (reader, index) = (node.reader.clone(), Arc::clone(&node.index));
    let before_search = move || indexer::catch_up(&reader, &*index).map(|_| ());
    let handle = runtime.handle().clone();
    Ok(LocalClient {
        router: node.router.clone(),
        _node: Served { node: Some(node), runtime: handle },
        before_search: Box::new(before_search),
        runtime,
    })
}

fn check_store(reader: &LedgerReader, level: CheckLevel) -> Result<CheckReply, ErrorBody> {
    let report: CheckReport =
        reader.check(level).map_err(|error| ErrorBody::new(ErrorCode::Store, error.to_string()))?;
    let problems = report.problems.into_iter().map(|rule| Problem {
        field: "store".into(),
        rule,
        value: String::new(),
    });
    Ok(CheckReply {
        frames: report.frames,
        records: report.records,
        bytes: report.ledger_bytes,
        attachments: report.attachments,
        problems: problems.collect(),
    })
}
