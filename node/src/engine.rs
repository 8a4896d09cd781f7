//! The service on its thread, the indexer on another, and what feeds them.
//!
//! ```text
//! network --events--> screen thread --inputs--> service thread --effects--> network
//!                        |                          |    ^
//!                        +--requests--> answer pool  |    +-- calls of the API
//!                                                    v
//!                                               indexer thread
//! ```
//!
//! Invariant: only the service thread writes; nothing waits for it but the screen thread.
//! Not here: sockets (`daemon`), rules (`baraza-protocol`).
//! Spec: docs/ARCHITECTURE.md, "Threads".

use std::{collections::BTreeMap, sync::Arc, thread::JoinHandle, time::Duration};

use baraza_protocol::{
    Config, Effect, Input, Service,
    answer::answer,
    budget::Terms,
    entitle::Ours,
    net::{NetEffect, NetEvent, Peer},
    policy::{Policy, Trust},
    screen::screen,
    service::{CallId, Later},
    store::{FeedHead, Store, StoreError, StoreRead},
    wire::{Answer, Request},
};
use baraza_record::FeedId;
use baraza_server::{Call, Load, Loaded};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc, oneshot, watch},
};
use tokio_util::sync::CancellationToken;

use crate::{clock, link::LinkSource};

/// Inputs that may wait for the service: a few batches of every session.
pub(crate) const INPUTS_MAX: usize = 256;

/// Commands that may wait for the service.
pub(crate) const CALLS_MAX: usize = 64;

/// Effects that may wait for the network.
pub(crate) const EFFECTS_MAX: usize = 4_096;

/// Events that may wait for the screen thread.
pub(crate) const EVENTS_MAX: usize = 256;

/// Most inputs that share one commit. With a full queue of single records that is one
/// fsync for all of them; a commit never waits for more to come.
const GROUP_MAX: usize = 256;

/// Most requests of peers that are answered at once; others are told that we are busy.
const ANSWERS_MAX: usize = 4;

/// A running service.
pub(crate) struct Engine<S: Store> {
    /// Takes inputs.
    pub(crate) inputs: mpsc::Sender<Input>,
    /// Takes commands.
    pub(crate) calls: mpsc::Sender<Call>,
    /// The last change number that was committed.
    pub(crate) changes: watch::Receiver<u64>,
    /// What peers are answered while nothing may go over the link.
    pub(crate) later: watch::Receiver<Option<Later>>,
    /// Who we are to peers, and which networks we belong to.
    pub(crate) ours: watch::Receiver<Arc<Ours>>,
    thread: JoinHandle<S>,
    stop: CancellationToken,
}

/// Everything the service thread has in hand.
struct Loop<S: Store> {
    service: Service<S>,
    inputs: mpsc::Receiver<Input>,
    calls: mpsc::Receiver<Call>,
    effects: Option<mpsc::Sender<NetEffect>>,
    replies: BTreeMap<CallId, oneshot::Sender<baraza_protocol::command::Reply>>,
    changes: watch::Sender<u64>,
    ours: watch::Sender<Arc<Ours>>,
    later: watch::Sender<Option<Later>>,
    link: LinkSource,
    last_call: CallId,
    load: Load,
    /// What the service was last told of policy and trust.
    told: Option<(Arc<Policy>, Arc<Trust>)>,
    /// What it was last told of the link.
    terms: Option<Arc<Terms>>,
}

impl<S: Store + Send + 'static> Engine<S> {
    /// Starts the service on a thread of its own; `effects` goes to the network, if there is one.
    /// `lost` is what the store has lost of its own feeds.
    pub(crate) fn start(
        store: S,
        config: Config,
        effects: Option<mpsc::Sender<NetEffect>>,
        lost: Vec<(FeedId, FeedHead)>,
        load: Load,
        link: LinkSource,
        disk_bytes: Option<u64>,
    ) -> Result<Self, StoreError> {
        let (inputs, inputs_out) = mpsc::channel(INPUTS_MAX);
        let (calls, calls_out) = mpsc::channel(CALLS_MAX);
        let (changes, changes_out) = watch::channel(store.last_change());
        let stop = CancellationToken::new();
        let mut service = Service::new(store, config, clock::now())?;
        disk_bytes.into_iter().for_each(|bytes| service.set_disk(bytes));
        service.set_start(effects.is_some(), lost);
        let (ours, ours_out) = watch::channel(Arc::clone(service.ours()));
        let (later, later_out) = watch::channel(None);
        let mut work = Loop {
            service,
            inputs: inputs_out,
            calls: calls_out,
            effects,
            replies: BTreeMap::new(),
            changes,
            ours,
            later,
            link,
            last_call: 0,
            load,
            told: None,
            terms: None,
        };
        work.tell_rules();
        let (handle, stopping) = (Handle::current(), stop.clone());
        let thread = std::thread::Builder::new()
            .name("service".into())
            .spawn(move || handle.block_on(work.run(stopping)))
            .expect("the system starts a thread");
        Ok(Self {
            inputs,
            calls,
            changes: changes_out,
            ours: ours_out,
            later: later_out,
            thread,
            stop,
        })
    }

    /// Stops the service once it has committed what it was handed, and returns the store.
    pub(crate) fn stop(self) -> S {
        self.stop.cancel();
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl<S: Store> Loop<S> {
    async fn run(mut self, stop: CancellationToken) -> S {
        loop {
            let due = self.service.poll_timeout().since(clock::now());
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(call) = self.calls.recv() => self.take_call(call),
                Some(input) = self.inputs.recv() => self.service.handle(input, clock::now()),
                () = tokio::time::sleep(Duration::from_millis(due)) => {
                    self.service.handle_timeout(clock::now());
                }
            }
            // What is already waiting shares this commit.
            for _ in 1..GROUP_MAX {
                if let Ok(call) = self.calls.try_recv() {
                    self.take_call(call);
                } else if let Ok(input) = self.inputs.try_recv() {
                    self.service.handle(input, clock::now());
                } else {
                    break;
                }
            }
            self.tell_rules();
            self.commit();
        }
        if let Err(error) = self.service.save() {
            tracing::error!(%error, "what went over the link since the last minute is not kept");
        }
        self.commit();
        self.service.into_store()
    }

    /// Tells the service of policy, trust and the link if they have changed. It wakes up every second, so
    /// that a file that changed counts soon, and at the next call in any case.
    fn tell_rules(&mut self) {
        let Loaded { policy, trust, .. } = (self.load)();
        let same = self.told.as_ref().is_some_and(|(known, trusted)| {
            Arc::ptr_eq(known, &policy) && Arc::ptr_eq(trusted, &trust)
        });
        if !same {
            self.told = Some((Arc::clone(&policy), Arc::clone(&trust)));
            self.service.handle(Input::Rules(policy, trust), clock::now());
        }
        let terms = self.link.terms();
        if !self.terms.as_ref().is_some_and(|known| Arc::ptr_eq(known, &terms)) {
            self.terms = Some(Arc::clone(&terms));
            self.service.handle(Input::Terms(terms), clock::now());
        }
    }

    /// Handles a call after every input that was there before it: a key that was unlocked
    /// is at hand when the next call publishes.
    fn take_call(&mut self, call: Call) {
        self.tell_rules();
        for _ in 0..INPUTS_MAX {
            let Ok(input) = self.inputs.try_recv() else { break };
            self.service.handle(input, clock::now());
        }
        self.last_call += 1;
        self.replies.insert(self.last_call, call.reply);
        let input = Input::Command { call: self.last_call, command: call.command };
        self.service.handle(input, clock::now());
    }

    fn commit(&mut self) {
        if let Err(error) = self.service.commit() {
            tracing::error!(%error, "nothing more is written; run: baraza check");
        }
        let last = self.service.store().last_change();
        self.changes.send_if_modified(|known| std::mem::replace(known, last) != last);
        let later = self.service.later();
        self.later.send_if_modified(|known| std::mem::replace(known, later) != later);
        // Before the reply to whoever changed it: a network that was left is given no more.
        let ours = self.service.ours();
        self.ours.send_if_modified(|known| {
            let news = !Arc::ptr_eq(known, ours);
            *known = Arc::clone(ours);
            news
        });
        while let Some(effect) = self.service.poll_effect() {
            match effect {
                Effect::Reply { call, reply } => {
                    // Whoever asked may have gone.
                    let _ = self.replies.remove(&call).map(|sender| sender.send(reply));
                }
                Effect::Net(effect) => {
                    if let Some(network) = &self.effects
                        && network.try_send(effect).is_err()
                    {
                        // A session whose request is lost ends with the connection's time-out.
                        tracing::debug!("the network takes no more; an effect was dropped");
                    }
                }
            }
        }
    }
}

/// Takes events from the network: answers requests, verifies what came, hands it on.
///
/// Runs on a thread of its own until the network or the service is gone.
pub(crate) fn screen_events<R: StoreRead + Clone + 'static>(
    mut events: mpsc::Receiver<NetEvent>,
    inputs: &mpsc::Sender<Input>,
    effects: &mpsc::Sender<NetEffect>,
    reader: &R,
    ours: &watch::Receiver<Arc<Ours>>,
    later: &watch::Receiver<Option<Later>>,
) {
    let turns = Arc::new(Semaphore::new(ANSWERS_MAX));
    while let Some(event) = events.blocking_recv() {
        if let NetEvent::Request { peer, ticket, bytes } = &event {
            let (peer, ticket, bytes) = (*peer, *ticket, bytes.clone());
            let (effects, ours) = (effects.clone(), Arc::clone(&ours.borrow()));
            let later = *later.borrow();
            let respond = move |answer: Answer| {
                let _ =
                    effects.blocking_send(NetEffect::Respond { ticket, bytes: answer.encode() });
            };
            match Arc::clone(&turns).try_acquire_owned() {
                Err(_) => respond(Answer::Busy),
                Ok(turn) => {
                    let reader = reader.clone();
                    Handle::current().spawn_blocking(move || {
                        respond(answer_bytes(&reader, &ours, later, &peer, &bytes));
                        drop(turn);
                    });
                }
            }
        }
        if inputs.blocking_send(screen(event)).is_err() {
            return;
        }
    }
}

fn answer_bytes(
    reader: &impl StoreRead,
    ours: &Ours,
    later: Option<Later>,
    peer: &Peer,
    bytes: &[u8],
) -> Answer {
    let Ok(request) = Request::decode(bytes) else { return Answer::Unknown };
    if let Some(later) = later.and_then(|later| later.answer(&request, clock::now())) {
        return later;
    }
    answer(reader, ours, peer, &request).unwrap_or_else(|error| {
        tracing::error!(%error, "a peer's request could not be answered");
        Answer::Busy
    })
}
