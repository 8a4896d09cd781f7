//! A node without sockets: router, service, store and index in memory.
//!
//! Invariant: its clock counts commands; nothing here depends on the time of day.

use std::sync::{
    Arc, Mutex, RwLock,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, header::CONTENT_TYPE},
};
use baraza_api::ErrorBody;
use baraza_identity::{
    Capabilities, EVENT_VERSION, EventKind, Inception, Operator, Role, SignedEvent,
};
use baraza_protocol::{
    Config, Effect, Input, Service,
    effective::{Effective, IndexAction},
    entitle::Membership,
    index::{Index, IndexPosition},
    ingest::ingest_identity,
    model::{MemoryIndex, MemoryStore},
    policy::{Policy, Trust},
    store::{PAGE_MAX, Store, StoreRead},
};
use baraza_record::{CentreId, KeyDigest, NetworkId, Timestamp, sign::SecretKey};
use baraza_server::{
    App, Call, Caller, Defaults, Loaded, MadeNetwork, Network, NetworkKeeper, NewNetwork,
    NodeFacts, OCTETS, RulesSource, ServiceHandle, Staff, UnlockError, router,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::ServiceExt;

use crate::people::{self, Memory};

/// Most bytes of a reply that a test reads.
const REPLY_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// A node and the way to it.
pub(crate) struct TestNode {
    pub(crate) centre: CentreId,
    pub(crate) reader: Arc<dyn StoreRead>,
    pub(crate) index: Arc<MemoryIndex>,
    pub(crate) files: Files,
    pub(crate) people: Arc<Memory>,
    router: Router,
}

/// A reply, its body read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    /// Returns the body of a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.bytes));
        self.json()
    }

    /// Checks that it is the failure with this status and code; returns the message.
    #[track_caller]
    pub(crate) fn fails(&self, status: u16, code: &str) -> String {
        let body = String::from_utf8_lossy(&self.bytes);
        assert_eq!((self.status, self.json()["code"].as_str()), (status, Some(code)), "{body}");
        self.json()["message"].as_str().unwrap().to_owned()
    }
}

/// Policy and trust, as files would keep them.
#[derive(Clone, Default)]
pub(crate) struct Files(Arc<Mutex<Loaded>>, Arc<AtomicU64>);

impl Files {
    /// Sets the policy, as an operator would who writes the file.
    pub(crate) fn write(&self, policy: Policy) {
        self.0.lock().unwrap().policy = Arc::new(policy);
    }

    /// Sets the time of day, in days since 1970.
    pub(crate) fn set_day(&self, day: u64) {
        self.1.store(day * 86_400_000, Ordering::Relaxed);
    }

    fn source(&self) -> RulesSource {
        let time = Arc::clone(&self.1);
        let clock = move || Timestamp(time.load(Ordering::Relaxed));
        let (load, save) = (self.clone(), self.clone());
        let load = move || load.0.lock().unwrap().clone();
        let save = move |trust: &Trust| {
            save.0.lock().unwrap().trust = Arc::new(trust.clone());
            Ok(())
        };
        RulesSource::new(Arc::new(load), Arc::new(save), Arc::new(clock))
    }
}

/// Keys and inception of the centre with this number.
pub(crate) struct Centre {
    pub(crate) key: SecretKey,
    pub(crate) identity: SignedEvent,
}

impl Centre {
    pub(crate) fn new(number: u8) -> Self {
        Self::with(number, Role::Centre, Capabilities::PUBLISH.and(Capabilities::RETRACT))
    }

    /// Makes the nation with this number.
    pub(crate) fn nation(number: u8) -> Self {
        let rights = Capabilities::PUBLISH.and(Capabilities::RETRACT).and(Capabilities::ACCREDIT);
        Self::with(number, Role::Nation(*b"KE"), rights)
    }

    /// Makes one of any role and rights.
    pub(crate) fn with(number: u8, role: Role, capabilities: Capabilities) -> Self {
        let key = SecretKey::from_seed([number; 32]);
        let root = SecretKey::from_seed([number + 100; 32]);
        let event = Inception {
            version: EVENT_VERSION,
            kind: EventKind::INCEPTION,
            seq: 0,
            prev: None,
            role,
            name: format!("Centre {number}"),
            country: Some(*b"KE"),
            root_keys: vec![root.public()],
            root_threshold: 1,
            next_digests: vec![KeyDigest([number; 32])],
            next_threshold: 1,
            operators: vec![Operator { key: key.public(), capabilities, label: "desk".into() }],
            created_ms: Timestamp(1),
            nonce: [number; 16],
        };
        Self { key, identity: event.sign(&[&root]) }
    }

    pub(crate) fn id(&self) -> CentreId {
        CentreId(self.identity.id().0)
    }
}

impl TestNode {
    /// Makes a node of the centre with this number, its operator key unlocked.
    pub(crate) fn new(number: u8) -> Self {
        Self::over(number, MemoryStore::new(u64::from(number)))
    }

    /// Makes such a node at which two persons are needed to publish.
    pub(crate) fn with_two_persons(number: u8) -> Self {
        Self::made(number, &Centre::new(number), MemoryStore::new(u64::from(number)), true)
    }

    /// Makes such a node over a store that holds something already.
    pub(crate) fn over(number: u8, store: MemoryStore) -> Self {
        Self::made(number, &Centre::new(number), store, false)
    }

    /// Makes such a node of a centre or a nation.
    pub(crate) fn of(number: u8, centre: &Centre, store: MemoryStore) -> Self {
        Self::made(number, centre, store, false)
    }

    fn made(number: u8, centre: &Centre, mut store: MemoryStore, two_person: bool) -> Self {
        ingest_identity(&mut store, &centre.identity.encode()).unwrap();
        store.commit().unwrap();
        let reader: Arc<dyn StoreRead> = Arc::new(store.reader());
        let config = Config {
            centre: centre.id(),
            // The log names it; whether as a node is no matter here.
            node: centre.key.public(),
            seed: [number; 32],
            bootstrap: Vec::new(),
            networks: Vec::new(),
            key_blocked: None,
        };
        let mut service = Service::new(store, config, Timestamp(0)).unwrap();
        service.handle(Input::Unlocked(centre.key.clone()), Timestamp(0));
        let (index, (calls, queue)) = (Arc::new(MemoryIndex::default()), mpsc::channel(4));
        tokio::spawn(drive(service, queue, Arc::clone(&index)));
        let handle = ServiceHandle::new(calls);
        let (files, people) = (Files::default(), Arc::default());
        let facts = facts(centre.id(), people::staff(&people, two_person), &files);
        let app = App::new(Arc::clone(&reader), index.clone(), handle, facts);
        let router = router(Arc::new(app));
        Self { centre: centre.id(), reader, index, files, people, router }
    }

    /// Makes a node whose service is gone.
    pub(crate) fn without_service() -> Self {
        let (store, (calls, _)) = (MemoryStore::new(1), mpsc::channel(1));
        let reader: Arc<dyn StoreRead> = Arc::new(store.reader());
        let (index, centre) = (Arc::new(MemoryIndex::default()), CentreId([1; 32]));
        let handle = ServiceHandle::new(calls);
        let (files, people) = (Files::default(), Arc::default());
        let facts = facts(centre, people::staff(&people, false), &files);
        let app = App::new(Arc::clone(&reader), index.clone(), handle, facts);
        Self { centre, reader, index, files, people, router: router(Arc::new(app)) }
    }

    /// Sends a request; if nobody is named, the owner calls.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        if request.extensions().get::<Caller>().is_none() {
            request.extensions_mut().insert(people::owner());
        }
        self.send_as_it_is(request).await
    }

    pub(crate) async fn send_as_it_is(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), REPLY_BYTES_MAX).await.unwrap().to_vec();
        Answer { status, headers, bytes }
    }

    pub(crate) async fn get(&self, path: impl AsRef<str>) -> Answer {
        self.send(Request::get(path.as_ref()).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: impl AsRef<str>, body: Value) -> Answer {
        let request = Request::post(path.as_ref()).header(CONTENT_TYPE, "application/json");
        self.send(request.body(body.to_string().into()).unwrap()).await
    }

    pub(crate) async fn post_bytes(&self, path: &str, body: Vec<u8>) -> Answer {
        let request = Request::post(path).header(CONTENT_TYPE, OCTETS);
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Publishes one draft and returns its id.
    #[track_caller]
    pub(crate) fn publish(&self, draft: Value) -> impl Future<Output = String> {
        let request = json!({ "drafts": [draft] });
        async move {
            let reply = self.post("/v1/records", request).await.ok();
            reply["published"][0]["id"].as_str().expect("it is valid").to_owned()
        }
    }
}

/// A short practice that lacks only what defaults fill in.
pub(crate) fn practice(title: &str) -> Value {
    json!({ "kind": "practice", "source": format!("{title}.md"), "body": {
        "form": "snapshot", "title": title, "summary": "Roofs catch rain for the dry season.",
        "challenge": "Pupils walked an hour for water.",
        "solution": "Gutters lead to tanks that parents built together.",
        "sdg": ["6.1"], "status": "completed", "maturity": "good", "evidence": "monitoring",
    }})
}

/// Networks in memory.
#[derive(Default)]
pub(crate) struct Networks(Mutex<Vec<Network>>);

impl NetworkKeeper for Networks {
    fn list(&self) -> Vec<Network> {
        self.0.lock().unwrap().clone()
    }

    fn create(&self, new: NewNetwork) -> Result<MadeNetwork, ErrorBody> {
        let centre = Centre::with(new.name.len() as u8, Role::Network, Capabilities::default());
        let secret = (!new.open).then_some([5; 32]);
        let membership = Membership { id: NetworkId(centre.id().0), secret };
        let (invited_by, addresses) = (None, Vec::new());
        let network = Network { membership, name: new.name, invited_by, addresses };
        self.add(network.clone())?;
        let recovery = new.recovery.unwrap_or_default();
        Ok(MadeNetwork { network, inception: centre.identity.encode(), recovery })
    }

    fn add(&self, network: Network) -> Result<(), ErrorBody> {
        self.remove(&network.membership.id)?;
        self.0.lock().unwrap().push(network);
        Ok(())
    }

    fn remove(&self, id: &NetworkId) -> Result<(), ErrorBody> {
        self.0.lock().unwrap().retain(|one| one.membership.id != *id);
        Ok(())
    }
}

fn facts(centre: CentreId, staff: Staff, files: &Files) -> NodeFacts {
    NodeFacts {
        version: "1.2.3".into(),
        daemon: true,
        centre,
        defaults: Defaults {
            language: "en".into(),
            licence: Some("CC-BY-4.0".into()),
            contact: Some("office@centre.example".into()),
            countries: vec!["KE".into()],
        },
        peer_id_text: |peer| format!("peer-{peer}"),
        parse_peer: |text| text.strip_prefix("peer-")?.parse().ok(),
        unlock: Arc::new(|passphrase| match passphrase {
            "right" => Ok(()),
            _ => Err(UnlockError::WrongPassphrase),
        }),
        networks: Arc::new(Networks::default()),
        staff,
        home_notices: Arc::new(Vec::new),
        notices: Arc::new(RwLock::new(Vec::new())),
        rules: files.source(),
    }
}

/// Does commands one by one; the index follows before the answer.
async fn drive(
    mut service: Service<MemoryStore>,
    mut calls: mpsc::Receiver<Call>,
    index: Arc<MemoryIndex>,
) {
    let mut number = 0;
    while let Some(Call { command, reply }) = calls.recv().await {
        number += 1;
        service.handle(Input::Command { call: number, command }, Timestamp(1_000 * number));
        service.commit().unwrap();
        follow(&service.store().reader(), &*index);
        let effects = std::iter::from_fn(|| service.poll_effect());
        let answer = effects.filter_map(|effect| match effect {
            Effect::Reply { reply, .. } => Some(reply),
            Effect::Net(_) => None,
        });
        if let Some(answer) = answer.last() {
            // A client that has left is not waited for.
            reply.send(answer).ok();
        }
    }
}

fn follow(reader: &dyn StoreRead, index: &dyn Index) {
    let mut effective = Effective::new(reader);
    for (change, place) in reader.changes(index.position().unwrap().change, PAGE_MAX).unwrap() {
        let position = IndexPosition { epoch: reader.epoch(), change };
        for action in effective.index_actions(&place).unwrap() {
            match action {
                IndexAction::Put(doc) => index.apply(&[*doc], &[], position).unwrap(),
                IndexAction::Remove(id) => index.apply(&[], &[id], position).unwrap(),
            }
        }
    }
}
