//! A host whose node gives prepared replies, and a screen that is kept.
//!
//! Not here: anything that knows what the commands should print.

use std::{
    cell::RefCell,
    ffi::OsString,
    fmt::Debug,
    io,
    path::{Path, PathBuf},
    rc::Rc,
};

use baraza_api::{
    CheckReply, Client, ErrorBody, ErrorCode, Request, Response, RootSignature, TransportError,
};
use baraza_cli::{
    Answers, BackupReport, DemoOptions, DemoStep, Enrolment, ErasureToSign, Host, InitOptions,
    InitReport, JoinOptions, JoinReport, KeyAt, KeyPlan, NewKeys, Passphrase, Ready, RepairReport,
    RestoreOptions, RestoreReport, Screen, StartOptions, run_on,
};
use baraza_record::{
    CentreId, PublicKey, SecretKey, Timestamp,
    sign::{Domain, Signature},
};
use serde::Serialize;

/// The time on every screen: 2026-03-01 12:00 UTC.
pub(crate) const NOW: Timestamp = Timestamp(1_772_366_400_000);

/// A request and the reply to it.
type Step = (String, Response);

/// A node that expects these requests in this order.
#[derive(Clone, Default)]
pub(crate) struct Node {
    steps: Rc<RefCell<Vec<Step>>>,
    /// What was asked.
    pub(crate) requests: Rc<RefCell<Vec<Request>>>,
}

impl Node {
    /// Expects `GET path` or `POST path` and replies with JSON.
    pub(crate) fn json(self, request: &str, reply: &impl Serialize) -> Self {
        self.reply(request, 200, None, serde_json::to_vec(reply).unwrap())
    }

    /// Expects a request and reports a failure.
    pub(crate) fn fails(self, request: &str, error: &ErrorBody) -> Self {
        self.reply(request, error.code.status(), None, serde_json::to_vec(error).unwrap())
    }

    /// Expects a request and replies with bytes.
    pub(crate) fn reply(
        self,
        request: &str,
        status: u16,
        next: Option<&str>,
        body: Vec<u8>,
    ) -> Self {
        let next = next.map(str::to_owned);
        self.steps.borrow_mut().push((request.to_owned(), Response { status, next, body }));
        self
    }

    /// Checks that everything expected was asked.
    #[track_caller]
    pub(crate) fn assert_done(&self) {
        assert!(self.steps.borrow().is_empty(), "not asked: {:?}", self.steps.borrow());
    }
}

impl Client for Node {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        let asked = format!("{} {}", request.method, request.path);
        self.requests.borrow_mut().push(request);
        let mut steps = self.steps.borrow_mut();
        assert!(!steps.is_empty(), "nothing more is expected, and {asked} was asked");
        let (expected, reply) = steps.remove(0);
        assert_eq!(asked, expected);
        Ok(reply)
    }
}

/// A host around a node; it notes what it was told to do.
#[derive(Clone, Default)]
pub(crate) struct Program {
    /// Its node.
    pub(crate) node: Node,
    /// Why there is no node, if so.
    pub(crate) refused: Option<ErrorBody>,
    /// Where its home is.
    pub(crate) home: PathBuf,
    /// When its last backup was made.
    pub(crate) last_backup: Option<u64>,
    /// What it did.
    pub(crate) done: Rc<RefCell<Vec<String>>>,
}

impl Program {
    /// Makes a host with a home that is not empty.
    pub(crate) fn with(node: Node) -> Self {
        Self { node, home: PathBuf::from(env!("CARGO_MANIFEST_DIR")), ..Self::default() }
    }

    fn note(&self, what: &str, options: &dyn Debug) {
        self.done.borrow_mut().push(format!("{what} {options:?}"));
    }
}

impl Host for Program {
    fn default_home(&self) -> PathBuf {
        self.home.clone()
    }

    fn client(&self, _: &Path) -> Result<Box<dyn Client>, ErrorBody> {
        match &self.refused {
            Some(refused) => Err(refused.clone()),
            None => Ok(Box::new(self.node.clone())),
        }
    }

    fn client_at(&self, socket: &Path) -> Result<Box<dyn Client>, ErrorBody> {
        self.note("client at", &socket);
        self.client(socket)
    }

    fn init(&self, home: &Path, options: InitOptions) -> Result<InitReport, ErrorBody> {
        self.note("init", &options);
        let (name, peer_id) = (options.name, "12D3KooWalice".to_owned());
        let (home, recovery) = (home.to_owned(), options.recovery.unwrap_or_default());
        Ok(InitReport { centre: CentreId([0xa1; 32]), name, peer_id, home, recovery })
    }

    fn start(
        &self,
        _: &Path,
        options: StartOptions,
        ready: &mut dyn FnMut(&Ready),
    ) -> Result<(), ErrorBody> {
        let (peer_id, centre) = ("12D3KooWalice".to_owned(), CentreId([0xa1; 32]));
        ready(&Ready { peer_id, listen: options.listen, centre, api: "/run/api.sock".into() });
        Ok(())
    }

    fn check(&self, _: &Path, full: bool) -> Result<CheckReply, ErrorBody> {
        self.note("check", &full);
        Ok(CheckReply { frames: 12, records: 5, bytes: 2_048, ..CheckReply::default() })
    }

    fn repair(&self, _: &Path) -> Result<RepairReport, ErrorBody> {
        self.note("repair", &());
        let steps = vec!["rebuilt the indexes".to_owned()];
        Ok(RepairReport { steps, records: 5, lost: Vec::new() })
    }

    fn backup(&self, _: &Path, path: &Path) -> Result<BackupReport, ErrorBody> {
        self.note("backup", &path);
        let files = vec!["config.toml".to_owned()];
        let (file, previous_ms) = (path.to_owned(), self.last_backup);
        Ok(BackupReport {
            file,
            bytes: 2_048,
            records: 5,
            files,
            previous_ms,
            ..BackupReport::default()
        })
    }

    fn restore(&self, home: &Path, options: RestoreOptions) -> Result<RestoreReport, ErrorBody> {
        self.note("restore", &options);
        Ok(RestoreReport {
            centre: CentreId([0xa1; 32]),
            name: "Alice\u{1b}".into(),
            peer_id: "12D3KooWnew".into(),
            home: home.to_owned(),
            made_ms: 0,
            records: 5,
            rejected: 0,
            files: vec!["config.toml".into()],
            files_broken: Vec::new(),
            damaged: u64::from(options.label == "damaged"),
            complete: true,
            request: home.join("request.json"),
            words: "legal winner".into(),
        })
    }

    fn last_backup(&self, _: &Path) -> Option<u64> {
        self.last_backup
    }

    fn confirm_recovery(&self, _: &Path) -> Result<(), ErrorBody> {
        self.note("confirm recovery", &());
        Ok(())
    }

    fn sign_erasure(&self, _: &Path, what: ErasureToSign<'_>) -> Result<RootSignature, ErrorBody> {
        self.note("sign erasure", &what);
        let (key, signature) = (PublicKey([0xb0; 32]), "0f".repeat(64));
        Ok(RootSignature { key, signature })
    }

    fn join(&self, _: &Path, _: JoinOptions) -> Result<JoinReport, ErrorBody> {
        Err(error(ErrorCode::Home))
    }

    fn read_enrolment(&self, _: &Path) -> Result<Enrolment, ErrorBody> {
        Err(error(ErrorCode::Home))
    }

    fn public_key(
        &self,
        _: &Path,
        key: KeyAt<'_>,
        _: Option<&Passphrase>,
    ) -> Result<PublicKey, ErrorBody> {
        secret(key).map(|key| key.public())
    }

    fn sign_event(
        &self,
        _: &Path,
        key: KeyAt<'_>,
        _: Option<&Passphrase>,
        event: &[u8],
    ) -> Result<(PublicKey, Signature), ErrorBody> {
        let key = secret(key)?;
        Ok((key.public(), key.sign(Domain::IdentityEvent, event)))
    }

    fn new_keys(
        &self,
        _: &Path,
        _: &str,
        _: KeyPlan,
        _: Option<&Path>,
        _: Option<&Passphrase>,
    ) -> Result<NewKeys, ErrorBody> {
        Err(error(ErrorCode::Home))
    }

    fn new_operator(
        &self,
        _: &Path,
        _: Option<&Passphrase>,
    ) -> Result<(PublicKey, PublicKey), ErrorBody> {
        Err(error(ErrorCode::Home))
    }

    fn settle_keys(&self, _: &Path, _: &[PublicKey]) -> Result<bool, ErrorBody> {
        Err(error(ErrorCode::Home))
    }

    fn demo(&self, options: DemoOptions, tell: &mut dyn FnMut(&DemoStep)) -> Result<(), ErrorBody> {
        tell(&DemoStep { number: 1, of: 2, text: "made three centres\nof three".into() });
        tell(&DemoStep { number: 2, of: 2, text: format!("kept: {}", options.keep) });
        Ok(())
    }
}

/// Returns the key of words that somebody typed; this host has no files.
fn secret(key: KeyAt<'_>) -> Result<SecretKey, ErrorBody> {
    match key {
        KeyAt::Words(words) => match baraza_formats::words::from_words(words) {
            Ok(seed) => Ok(SecretKey::from_seed(seed)),
            Err(fault) => Err(ErrorBody::new(ErrorCode::Invalid, fault.to_string())),
        },
        KeyAt::Root | KeyAt::File(_) => Err(error(ErrorCode::NotFound)),
    }
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) exit: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Answers in order; a command may not ask for more.
pub(crate) struct Person(pub(crate) Vec<&'static str>);

impl Answers for Person {
    fn line(&mut self) -> io::Result<String> {
        if self.0.is_empty() {
            Err(io::ErrorKind::UnexpectedEof.into())
        } else {
            Ok(self.0.remove(0).into())
        }
    }

    fn secret(&mut self, _: &str) -> io::Result<Passphrase> {
        self.line().map(Passphrase::new)
    }
}

/// Runs a command without a terminal.
pub(crate) fn run(program: &Program, arguments: &[&str]) -> Shown {
    run_with(program, arguments, None, None)
}

/// Runs a command, perhaps with somebody to ask and a terminal of some columns.
pub(crate) fn run_with(
    program: &Program,
    arguments: &[&str],
    mut person: Option<Person>,
    columns: Option<usize>,
) -> Shown {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let all = std::iter::once("baraza").chain(arguments.iter().copied()).map(OsString::from);
    let exit = run_on(
        all,
        program,
        &mut Screen {
            out: &mut out,
            err: &mut err,
            answers: person.as_mut().map(|person| person as &mut dyn Answers),
            columns,
            out_colour: columns.is_some(),
            err_colour: columns.is_some(),
            progress: false,
            now: NOW,
        },
    );
    let [out, err] = [out, err].map(|bytes| String::from_utf8(bytes).unwrap());
    Shown { exit, out, err }
}

/// Makes an error with a hint.
pub(crate) fn error(code: ErrorCode) -> ErrorBody {
    ErrorBody::new(code, "what went wrong").with_hint("what to do")
}
