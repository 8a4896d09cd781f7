//! Networks and named centres between real nodes, and what others see of them: nothing.

use std::{fs, path::Path};

use baraza_protocol::{
    entitle::{Membership, NetworkTag},
    wire::{Answer, Below, Compare, Cursor, Fetch, LogWanted, Request, Scope, Trie, Wanted},
};
use baraza_record::{CentreId, FeedId, NetworkId, RecordId};
use serde_json::Value;

use crate::{
    harness::{Daemon, Scene, Site, lesson, until},
    outsider::Outsider,
};

const PHRASE: &str = "the well at the third bend";

/// A record as the API tells of it.
struct Told {
    id: RecordId,
    feed: FeedId,
}

/// Publishes a lesson with the phrase for `audience`.
#[track_caller]
fn publish(scene: &Scene, site: &Site, audience: &str) -> Told {
    let file = scene.file("n.md", lesson("Water", PHRASE));
    let published = site.json(&["publish", &file, "--audience", audience]);
    let id = published[0]["id"].as_str().unwrap().to_owned();
    let shown = site.json(&["show", &id]);
    let feed = shown["feed"].as_str().unwrap().parse().unwrap();
    Told { id: id.parse().unwrap(), feed }
}

fn centre_of(site: &Site) -> String {
    site.json(&["status"])["centre"].as_str().unwrap().to_owned()
}

fn holds(site: &Site, id: &RecordId) -> bool {
    let listed = site.json(&["list", "--limit", "100"]);
    let id = id.to_string();
    listed
        .as_array()
        .unwrap()
        .iter()
        .any(|one| one["id"] == id.as_str() && one["standing"] == "current")
}

fn connected(site: &Site) -> usize {
    let peers = site.json(&["peers"]);
    peers["peers"].as_array().unwrap().iter().filter(|peer| peer["connected"] == true).count()
}

/// Enters the network of `from` as a person would.
#[track_caller]
fn join(scene: &Scene, from: &Site, to: &Site) {
    let invitation = from.json(&["network", "invite"]);
    let file = scene.file("invitation.txt", invitation["text"].as_str().unwrap());
    let joined = to.json(&["join", "--file", &file, "--yes"]);
    let words = |site: &Site| site.json(&["network", "list"])[0]["fingerprint"].clone();
    assert_eq!(words(from), words(to), "both read out the same words");
    assert_eq!(joined["name"], "Lake Region");
}

/// Searches every file below a folder.
fn found(folder: &Path, needle: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().flatten().any(|entry| {
        let path = entry.path();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => found(&path, needle),
            kind if kind.is_file() => {
                let bytes = fs::read(&path).unwrap_or_default();
                bytes.windows(needle.len()).any(|window| window == needle)
            }
            _ => false,
        }
    })
}

/// Four running nodes, all connected with the first: alice, bob, dave and eve.
fn four(scene: &Scene) -> ([Site; 4], Vec<Daemon>) {
    let sites = ["alice", "bob", "dave", "eve"].map(|name| scene.centre(name));
    let first = sites[0].start(&[]);
    let address = first.address.clone();
    let mut daemons = vec![first];
    daemons.extend(sites[1..].iter().map(|site| site.start(&[&address])));
    until("all to be connected", || connected(&sites[0]) == 3);
    (sites, daemons)
}

#[test]
fn members_and_named_centres_get_it_and_the_outsider_has_not_a_byte() {
    let scene = Scene::new();
    let ([alice, bob, dave, eve], daemons) = four(&scene);
    let made = alice.json(&["network", "create", "Lake Region"]);
    assert_eq!(made["network"]["open"], false);
    join(&scene, &alice, &bob);
    let network = publish(&scene, &alice, "network:lake region");
    let named = publish(&scene, &alice, &format!("centres:{}", centre_of(&dave)));
    let by_bob = publish(&scene, &bob, "network:Lake Region");
    let public = scene.file("p.md", lesson("For all", "It worked."));
    let public: RecordId = alice.publish(&public)[0].parse().unwrap();
    for (site, ids) in [
        (&alice, vec![&network, &named, &by_bob]),
        (&bob, vec![&network, &by_bob]),
        (&dave, vec![&named]),
        (&eve, vec![]),
    ] {
        let expected = ids.len() as u64 + 1;
        until("everybody to have what they may", || {
            ids.iter().all(|told| holds(site, &told.id))
                && holds(site, &public)
                && site.json(&["status"])["records"] == expected
        });
    }
    let list = bob.json(&["network", "list"]);
    assert_eq!((&list[0]["records"], &list[0]["members"]), (&2.into(), &2.into()), "{list}");
    let digest = |site: &Site| site.json(&["network", "list"])[0]["digest"].clone();
    assert_eq!(digest(&alice), digest(&bob));
    let listed = alice.json(&["list", "--audience", "network:Lake Region"]);
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    let shown = bob.run(&["show", &network.id.to_string()]);
    assert!(shown.out.contains("network Lake Region"), "{}", shown.out);

    daemons.into_iter().for_each(Daemon::stop);
    assert!(found(&bob.home, PHRASE.as_bytes()), "the search finds what is there");
    for secret in [&network, &by_bob] {
        for home in [&dave.home, &eve.home] {
            assert_unknown(home, secret);
        }
    }
    for home in [&bob.home, &eve.home] {
        assert_unknown(home, &named);
    }
    assert!(!found(&eve.home, PHRASE.as_bytes()));
}

#[track_caller]
fn assert_unknown(home: &Path, told: &Told) {
    for needle in [told.id.0.to_vec(), told.feed.0.to_vec(), told.id.to_string().into_bytes()] {
        assert!(!found(home, &needle), "{} has an id", home.display());
    }
}

/// Reads the network that alice made, as only who may read her files can.
fn membership(site: &Site) -> Membership {
    let text = fs::read_to_string(site.home.join("networks.toml")).unwrap();
    let file: toml::Table = text.parse().unwrap();
    let field = |name: &str| {
        file["network"][0].get(name).unwrap().as_str().unwrap().parse::<NetworkId>().unwrap()
    };
    Membership { id: field("id"), secret: Some(field("secret").0) }
}

#[test]
fn an_outsider_who_asks_in_every_way_is_told_nothing() {
    let scene = Scene::new();
    let ([alice, bob, dave, _], daemons) = four(&scene);
    alice.json(&["network", "create", "Lake Region"]);
    join(&scene, &alice, &bob);
    let secrets = [
        publish(&scene, &alice, "network:lake region"),
        publish(&scene, &alice, &format!("centres:{}", centre_of(&dave))),
    ];
    let (mut eve, alices) = Outsider::connect(66, &daemons[0].address);
    let (_, bobs) = baraza_network::parse_address(&daemons[1].address).unwrap();
    let network = membership(&alice);
    let scopes = [
        Scope::Public,
        Scope::Network(NetworkTag(network.id.0)),
        Scope::Network(NetworkTag([0; 32])),
        Scope::Network(network.tag(&bobs.unwrap(), &alices)),
        Scope::Network(network.tag(&alices, &eve.peer)),
        Scope::Network(network.tag(&alices, &bobs.unwrap())),
        Scope::Centres(centre_of(&alice).parse().unwrap()),
        Scope::Centres(centre_of(&dave).parse().unwrap()),
        Scope::Centres(CentreId([0; 32])),
    ];
    for scope in scopes {
        for told in &secrets {
            for request in requests(scope, &told.feed) {
                let answer = eve.ask(alices, &request);
                assert!(is_nothing(&answer), "{answer:?} to {request:?}");
            }
        }
    }
    let centres = [&alice, &bob, &dave].map(|site| centre_of(site).parse().unwrap());
    let question = Compare {
        centre: centres[2],
        digest: [0; 32],
        networks: vec![network.tag(&bobs.unwrap(), &alices)],
        since: None,
    };
    let Answer::Differs(differs) = eve.ask(alices, &Request::Compare(question.clone())) else {
        panic!("they hold different things")
    };
    // With the number of the last move, whatever moved since the beginning may be asked for.
    let since = Some(Cursor { moved: 0, ..differs.cursor });
    eve.ask(alices, &Request::Compare(Compare { since, ..question }));
    eve.ask(alices, &Request::Descend(Trie::Logs, vec![Vec::new()]));
    eve.ask(alices, &Request::LogHeads(None));
    let wanted = centres.map(|centre| LogWanted { centre, after: None });
    eve.ask(alices, &Request::Logs(wanted.to_vec()));
    eve.ask(alices, &Request::Peers);
    eve.be_compared();
    let said = |what: &[u8]| eve.told.windows(what.len()).any(|window| window == what);
    assert!(said(&centres[0].0), "what is public was told");
    assert!(!said(PHRASE.as_bytes()) && !said(&network.id.0));
    for told in &secrets {
        assert!(!said(&told.id.0) && !said(&told.feed.0));
    }
    // The same questions with the right proof are answered: they were asked well.
    let scope = Scope::Network(network.tag(&eve.peer, &alices));
    for request in requests(scope, &secrets[0].feed) {
        let answer = eve.ask(alices, &request);
        assert!(matches!(answer, Answer::Evidence(_)) || !is_nothing(&answer), "{request:?}");
    }
    let said = |what: &[u8]| eve.told.windows(what.len()).any(|window| window == what);
    assert!(said(PHRASE.as_bytes()) && said(&secrets[0].id.0) && !said(&secrets[1].id.0));
}

/// Returns every kind of request about a feed.
fn requests(scope: Scope, feed: &FeedId) -> [Request; 6] {
    [
        Request::Heads(scope, None),
        Request::Descend(Trie::Feeds(scope), vec![Vec::new()]),
        Request::Fetch(Fetch {
            scope,
            ranges: vec![Wanted { feed: *feed, from: 1, to: 9 }],
            bytes: u32::MAX,
            interests: None,
        }),
        Request::Bodies(scope, vec![(*feed, 1)]),
        Request::Probe(scope, *feed, vec![1]),
        Request::Evidence(scope, *feed),
    ]
}

fn is_nothing(answer: &Answer) -> bool {
    match answer {
        Answer::Heads(heads, more) => heads.is_empty() && !more,
        Answer::Descent(below) => *below == [Below::Heads(Vec::new())],
        Answer::Batch(parts) => parts.is_empty(),
        Answer::Bodies(bodies) => bodies.iter().all(Option::is_none),
        Answer::Ids(ids) => ids.iter().all(Option::is_none),
        Answer::Evidence(branches) => branches.is_empty(),
        _ => false,
    }
}

#[test]
fn a_network_is_entered_and_left_without_a_restart_and_survives_one() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    alice.json(&["network", "create", "Lake Region", "--open"]);
    let first = alice.start(&[]);
    let second = bob.start(&[]);
    let early = publish(&scene, &alice, "network:Lake Region");
    // The invitation says where alice is: nothing else connects them.
    join(&scene, &alice, &bob);
    until("bob to have what was there", || holds(&bob, &early.id));
    second.stop();
    let second = bob.start(&[]);
    let late = publish(&scene, &alice, "network:Lake Region");
    until("bob to come back by himself", || holds(&bob, &late.id));
    let left = bob.run(&["leave", "lake region", "--yes"]);
    assert!(left.out.contains("Left Lake Region") && left.err.contains("stay"), "{}", left.err);
    let after = publish(&scene, &alice, "network:Lake Region");
    let public = scene.file("p.md", lesson("For all", "It worked."));
    let public: RecordId = alice.publish(&public)[0].parse().unwrap();
    until("bob to have what is public", || holds(&bob, &public));
    assert!(!holds(&bob, &after.id) && holds(&bob, &late.id));
    let refused = bob.run(&[
        "publish",
        &scene.file("x.md", lesson("X", "Y")),
        "--audience",
        "network:Lake Region",
    ]);
    assert_eq!(refused.code, 3, "{}{}", refused.out, refused.err);
    second.stop();
    first.stop();
}

#[test]
fn revisions_and_retractions_stay_in_their_audience() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    alice.json(&["network", "create", "Lake Region"]);
    let front = lesson("Water", PHRASE)
        .replace("kind: lesson\n", "kind: lesson\naudience: network:Lake Region\n");
    let first = alice.publish(&scene.file("a.md", front))[0].clone();
    let next = scene.file("b.md", lesson("Water again", PHRASE));
    let second = alice.json(&["revise", &first, &next])[0]["id"].as_str().unwrap().to_owned();
    let audience = |id: &str| alice.json(&["show", id])["audience"].clone();
    assert_eq!(audience(&second)["for"], "network");
    assert_eq!(audience(&first), audience(&second));
    let other =
        lesson("Water", PHRASE).replace("kind: lesson\n", "kind: lesson\naudience: public\n");
    let refused = alice.run(&["revise", &second, &scene.file("c.md", other)]);
    assert_eq!(refused.code, 3, "{}{}", refused.out, refused.err);
    assert!(refused.out.contains("differs from that of the version"), "{}", refused.out);
    let retraction = alice.json(&["retract", &second, "--reason", "error", "--yes"]);
    let retraction = retraction["id"].as_str().unwrap();
    assert_eq!(audience(retraction), audience(&first));
    let feeds: Vec<Value> = [first.as_str(), &second, retraction]
        .map(|id| alice.json(&["show", id])["feed"].clone())
        .to_vec();
    assert_eq!((&feeds[0], &feeds[1]), (&feeds[1], &feeds[2]), "one feed for one audience");
}

#[test]
fn a_bundle_is_public_unless_it_is_made_for_somebody() {
    let scene = Scene::new();
    let [alice, bob, dave, eve] = ["alice", "bob", "dave", "eve"].map(|name| scene.centre(name));
    alice.json(&["network", "create", "Lake Region"]);
    join(&scene, &alice, &bob);
    // Alice must know whom she writes for: by a file, as they never meet.
    let from_dave = scene.path().join("dave.baraza").display().to_string();
    dave.run(&["bundle", "create", &from_dave]);
    alice.json(&["bundle", "import", &from_dave]);
    let network = publish(&scene, &alice, "network:Lake Region");
    let named = publish(&scene, &alice, &format!("centres:{}", centre_of(&dave)));
    let public = alice.publish(&scene.file("p.md", lesson("For all", "It worked.")))[0].clone();
    let bundle = |name: &str, whom: &[&str]| {
        let path = scene.path().join(name).display().to_string();
        let made = alice.run(&[&["bundle", "create", path.as_str()], whom].concat());
        assert_eq!(made.code, 0, "{}{}", made.out, made.err);
        assert_eq!(made.err.contains("Give it to nobody else"), !whom.is_empty(), "{}", made.err);
        path
    };
    let for_all = bundle("all.baraza", &[]);
    let for_network = bundle("network.baraza", &["--for", "network:lake region"]);
    let for_dave = bundle("for-dave.baraza", &["--for", &centre_of(&dave)]);
    let bytes = |path: &str| fs::read(path).unwrap();
    let has = |path: &str, what: &[u8]| bytes(path).windows(what.len()).any(|one| one == what);
    assert!(!has(&for_all, PHRASE.as_bytes()) && !has(&for_all, &network.feed.0));
    assert!(has(&for_network, &network.id.0) && !has(&for_network, &named.id.0));
    assert!(has(&for_dave, &named.id.0) && !has(&for_dave, &network.id.0));
    for (site, file, kept, foreign) in [
        (&eve, &for_network, 1, 1),
        (&eve, &for_dave, 0, 1),
        (&bob, &for_network, 2, 0),
        (&dave, &for_dave, 2, 0),
    ] {
        let report = site.json(&["bundle", "import", file]);
        let imported = &report[0]["imported"];
        assert_eq!(imported["inserted"], kept, "{report}");
        assert_eq!(imported["foreign"], foreign, "{report}");
    }
    assert!(holds(&bob, &network.id) && holds(&dave, &named.id));
    assert!(holds(&eve, &public.parse().unwrap()) && !found(&eve.home, PHRASE.as_bytes()));
    let unknown = alice.run(&["bundle", "create", &for_all, "--yes", "--for", "network:Other"]);
    assert_eq!(unknown.code, 4, "{}", unknown.err);
}

#[test]
fn a_restored_node_is_still_a_member_and_has_what_was_not_public() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    alice.json(&["network", "create", "Lake Region"]);
    let told = publish(&scene, &alice, "network:Lake Region");
    let backup = scene.path().join("a.backup").display().to_string();
    assert_eq!(alice.run(&["backup", &backup]).code, 0);
    let again = Site { home: scene.path().join("again") };
    let restored = again.run(&["restore", &backup, "--no-passphrase", "--yes"]);
    assert_eq!(restored.code, 0, "{}{}", restored.out, restored.err);
    let words = |site: &Site| site.json(&["network", "list"])[0]["fingerprint"].clone();
    assert_eq!(words(&alice), words(&again));
    assert!(holds(&again, &told.id));
}
