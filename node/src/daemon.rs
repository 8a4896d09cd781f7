//! `baraza start`: a node with its sockets, until SIGTERM or SIGINT.
//!
//! Invariant: sockets open last and close first.
//! Spec: docs/ARCHITECTURE.md, "Threads"; docs/OPERATIONS.md.

use std::{path::Path, time::Duration};

use baraza_api::{ErrorBody, ErrorCode};
use baraza_cli::{Ready, StartOptions};
use baraza_network::{Config, Network, peer_id_text};
use baraza_protocol::{net::NetEvent, wire::Answer};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Settings,
    engine::{self, EFFECTS_MAX, EVENTS_MAX},
    home::Home,
    init,
    node::{self, Node, Purpose},
    reach, sockets,
};

/// Time for the listeners to report their addresses before the ready line goes without.
const LISTEN_WAIT: Duration = Duration::from_secs(10);

/// Name of the passphrase among systemd's credentials.
const CREDENTIAL: &str = "baraza-passphrase";

/// Runs the daemon. Calls `ready` once requests are taken.
pub(crate) fn start(
    home: &Home,
    options: StartOptions,
    ready: &mut dyn FnMut(&Ready),
) -> Result<(), ErrorBody> {
    let settings = Settings::load(home)?;
    let runtime = runtime()?;
    let (effects, effects_out) = mpsc::channel(EFFECTS_MAX);
    let (events, events_out) = mpsc::channel(EVENTS_MAX);
    let bootstrap = [settings.network.bootstrap.clone(), options.bootstrap.clone()].concat();
    for address in &bootstrap {
        baraza_network::parse_address(address)
            .map_err(|error| ErrorBody::new(ErrorCode::Invalid, format!("bootstrap: {error}")))?;
    }
    let network = network(home, &settings, &options, &runtime)?;
    let peer = network.local_peer();
    let purpose = Purpose { effects: Some(effects.clone()), bootstrap };
    let mut node = node::inside(runtime.handle(), || Node::open(home, &settings, purpose))?;
    let credential = if options.passphrase.is_none() { systemd_passphrase() } else { None };
    let passphrase = options.passphrase.as_ref().or(credential.as_ref());
    runtime.block_on(node.unlock(home, passphrase.map(|text| text.as_str())))?;
    let listeners = runtime.block_on(async { sockets::listen(home, &settings.staff) })?;
    node::inside(runtime.handle(), || node.follow());

    let stop = CancellationToken::new();
    let (told, mut listening) = mpsc::channel(16);
    let screening = {
        let (inputs, reader, ours) =
            (node.engine.inputs.clone(), node.reader.clone(), node.engine.ours.clone());
        let (effects, handle) = (effects, runtime.handle().clone());
        let events = tell_addresses(events_out, told, &runtime);
        std::thread::Builder::new()
            .name("screen".into())
            .spawn(move || {
                let _entered = handle.enter();
                engine::screen_events(events, &inputs, &effects, &reader, &ours);
            })
            .expect("the system starts a thread")
    };
    let swarm = runtime.spawn(network.run(effects_out, events, stop.clone()));
    let apis = node::inside(runtime.handle(), || {
        sockets::serve(listeners, node.router.clone(), settings.staff.clone(), &stop)
    });
    let wanted = listen_addresses(&settings, &options).len();
    let result = runtime.block_on(async {
        let listen = addresses(&mut listening, wanted).await;
        let mut signals = Signals::new()?;
        ready(&Ready {
            peer_id: peer_id_text(&peer),
            listen,
            centre: settings.centre,
            api: home.socket().display().to_string(),
        });
        signals.wait().await;
        tracing::info!("stopping");
        Ok(())
    });
    stop.cancel();
    runtime.block_on(async {
        let _ = swarm.await;
        // A client that holds its connection open must not hold up the stop.
        let all = async {
            for api in apis {
                let _ = api.await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), all).await;
    });
    let _ = screening.join();
    node.stop();
    sockets::remove(home, &settings.staff);
    runtime.shutdown_timeout(Duration::from_secs(2));
    result
}

/// Makes the runtime of a daemon.
pub(crate) fn runtime() -> Result<Runtime, ErrorBody> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(
        |error| ErrorBody::new(ErrorCode::Internal, format!("cannot start threads: {error}")),
    )
}

fn network(
    home: &Home,
    settings: &Settings,
    options: &StartOptions,
    runtime: &Runtime,
) -> Result<Network, ErrorBody> {
    let mut config = Config::new(init::node_seed(home)?, Answer::Busy.encode());
    config.listen = listen_addresses(settings, options);
    config.mdns = settings.network.mdns && !options.no_mdns;
    settings.network.reach.apply(&mut config)?;
    node::inside(runtime.handle(), || Network::new(config)).map_err(|error| reach::refusal(&error))
}

fn listen_addresses(settings: &Settings, options: &StartOptions) -> Vec<String> {
    match options.listen.is_empty() {
        true => settings.network.listen.clone(),
        false => options.listen.clone(),
    }
}

/// Passes events on and tells the addresses among them.
fn tell_addresses(
    mut events: mpsc::Receiver<NetEvent>,
    told: mpsc::Sender<String>,
    runtime: &Runtime,
) -> mpsc::Receiver<NetEvent> {
    let (onward, out) = mpsc::channel(1);
    runtime.spawn(async move {
        while let Some(event) = events.recv().await {
            if let NetEvent::Listening { address } = &event {
                let _ = told.try_send(address.clone());
            }
            if onward.send(event).await.is_err() {
                return;
            }
        }
    });
    out
}

/// Waits until as many listeners as were asked for have an address.
async fn addresses(listening: &mut mpsc::Receiver<String>, wanted: usize) -> Vec<String> {
    let mut found = Vec::new();
    let gather = async {
        while found.len() < wanted {
            match listening.recv().await {
                Some(address) => found.push(address),
                None => break,
            }
        }
    };
    let _ = tokio::time::timeout(LISTEN_WAIT, gather).await;
    while let Ok(address) = listening.try_recv() {
        found.push(address);
    }
    found
}

/// Signals that stop the daemon.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, ErrorBody> {
        let open = |kind| {
            signal(kind).map_err(|error| {
                ErrorBody::new(ErrorCode::Internal, format!("cannot listen for signals: {error}"))
            })
        };
        Ok(Self {
            terminate: open(SignalKind::terminate())?,
            interrupt: open(SignalKind::interrupt())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }
}

/// Reads the passphrase from systemd's credentials, if the unit has one.
fn systemd_passphrase() -> Option<baraza_cli::Passphrase> {
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY")?;
    let text = std::fs::read_to_string(Path::new(&folder).join(CREDENTIAL)).ok()?;
    Some(zeroize::Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}
