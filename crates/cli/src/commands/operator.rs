//! Who acts for our centre: keys are listed, added and ended.
//!
//! Spec: docs/OPERATIONS.md, "Keys and custodians"; docs/PROTOCOL.md, section 5.3.

use baraza_api::{CentreView, ErrorCode, FeedView, RecordView};
use baraza_identity::{
    Capabilities, Changes, EndKind, EndedKey, Horizon, IdentityEvent, Operator, OperatorState,
};
use baraza_record::PublicKey;
use serde_json::json;

use super::id_prefix;
use crate::{
    args::{Operator as Args, OperatorAdd, OperatorEnd},
    ceremony::{self, Finished, Own, root_keys},
    clock,
    error::{Failure, failure},
    output::{Table, count},
    safe::Safe,
    shell::Shell,
};

/// What stands for "nothing that this key signed is good".
const NONE: &str = "none";

/// Runs a command about operators.
pub(super) fn run(shell: &mut Shell<'_, '_>, command: Args) -> Result<(), Failure> {
    match command {
        Args::List => list(shell),
        Args::Add(args) => add(shell, &args),
        Args::End(args) => end(shell, &args),
    }
}

fn list(shell: &mut Shell<'_, '_>) -> Result<(), Failure> {
    let own = Own::load(shell)?;
    let centre: CentreView = own.client.get(format!("/v1/centres/{}", own.log.id()))?;
    if shell.json {
        return shell.print_json(&centre.operators);
    }
    super::centre::print_operators(shell, &centre)
}

/// Adds the keys of a new node or person.
fn add(shell: &mut Shell<'_, '_>, args: &OperatorAdd) -> Result<(), Failure> {
    let mut enrolment = shell.host.read_enrolment(&args.file)?;
    let own = Own::load(shell)?;
    own.require_sound()?;
    if enrolment.centre != own.log.id() {
        let [theirs, ours] = [enrolment.centre, own.log.id()].map(|id| id.short());
        let what = format!("the request is for centre {theirs}, and yours is {ours}");
        return Err(failure(ErrorCode::Invalid, what)
            .hint(format!("make it anew: baraza init --join-centre {}", own.log.id())));
    }
    if let Some(label) = &args.label {
        enrolment.label.clone_from(label);
    }
    let capabilities = capabilities(&args.caps)?;
    let operator =
        |key, capabilities| Operator { key, capabilities, label: enrolment.label.clone() };
    let mut operators = vec![
        operator(enrolment.operator, capabilities),
        operator(enrolment.node, Capabilities::NODE),
    ];
    operators.sort_by_key(|operator| operator.key);
    let changes = Changes { operators, ..Changes::default() };
    let event = IdentityEvent::update(own.link(shell.screen.now), changes);
    own.state().would_take(&event).map_err(|error| ceremony::refused(&error))?;
    let may: Vec<_> = capabilities.names().collect();
    shell.tell(format!(
        "The request calls the new node `{}`. Its words:\n\n  {}\n\n\
         Have whoever made the request read them to you, by telephone or face to face. They stand \
         in the file and were shown on the new machine.",
        Safe(&enrolment.label),
        enrolment.words
    ));
    let question = format!(
        "Are they the same, and may this node {} for {}?",
        may.join(" and "),
        own.state().name
    );
    if !shell.confirm(&question)? {
        return Ok(());
    }
    let done = sign_update(shell, &own, event, args.roots.request.as_deref(), &args.roots)?;
    if !done {
        return Ok(());
    }
    match shell.json {
        true => shell.print_json(&json!({ "added": [enrolment.operator, enrolment.node] })),
        false => shell.print(
            "Added. The new node may publish as soon as it has heard of it: over the network, or \
             with a bundle of this node.\n",
        ),
    }
}

/// Signs an update with root keys and hands it in; returns whether it is in force.
pub(super) fn sign_update(
    shell: &mut Shell<'_, '_>,
    own: &Own,
    event: IdentityEvent,
    request: Option<&std::path::Path>,
    roots: &crate::args::RootKeys,
) -> Result<bool, Failure> {
    ceremony::settle(shell, &own.log)?;
    let bytes = event.encode();
    let secrets = root_keys(shell, roots, &own.state().keys.root_keys)?;
    let signatures = secrets.iter().map(|secret| secret.sign(shell, &bytes));
    let signatures = signatures.collect::<Result<Vec<_>, _>>()?;
    let done = ceremony::finish(shell, own, event, signatures, request)?;
    Ok(matches!(done, Finished::Taken))
}

fn capabilities(names: &[String]) -> Result<Capabilities, Failure> {
    let mut all = Capabilities::default();
    for name in names {
        let name = name.trim();
        let one = Capabilities::from_name(name).filter(|one| *one != Capabilities::NODE);
        let Some(one) = one else {
            let what = format!("`{name}` is nothing that a key may do");
            return Err(failure(ErrorCode::BadRequest, what)
                .hint("--caps takes publish, retract, erase and accredit, separated by commas"));
        };
        all = all.and(one);
    }
    Ok(all)
}

/// Ends a key, or all that have one label.
fn end(shell: &mut Shell<'_, '_>, args: &OperatorEnd) -> Result<(), Failure> {
    let own = Own::load(shell)?;
    own.require_sound()?;
    let keys = find(&own, &args.key)?;
    let feeds = own.feeds()?.feeds;
    let mut ended = Vec::new();
    for (key, _) in &keys {
        let feeds: Vec<_> = feeds.iter().filter(|feed| feed.signer == *key).cloned().collect();
        ended.push(match args.retired {
            true => {
                let horizons = feeds.iter().filter_map(ceremony::end_of_shelf);
                ceremony::ended_key(*key, EndKind::Retired, horizons)
            }
            false => compromised(shell, &own, *key, &feeds, &args.last_good)?,
        });
    }
    let ended = ceremony::sorted(ended)?;
    let changes = Changes { ended: ended.clone(), ..Changes::default() };
    let event = IdentityEvent::update(own.link(shell.screen.now), changes);
    own.state().would_take(&event).map_err(|error| ceremony::refused(&error))?;
    for one in &ended {
        tell_end(shell, &own, one);
    }
    warn_end(shell, &own, &keys);
    let short: Vec<_> = keys.iter().map(|(key, _)| key.short()).collect();
    if !shell.confirm(&format!("End {} for good?", short.join(" and ")))? {
        return Ok(());
    }
    if !sign_update(shell, &own, event, args.roots.request.as_deref(), &args.roots)? {
        return Ok(());
    }
    let whole: Vec<_> = keys.iter().map(|(key, _)| key).collect();
    match shell.json {
        true => shell.print_json(&json!({ "ended": whole })),
        false => shell.print(format!("Ended: {}\n", short.join(", "))),
    }
}

/// Says what ending a key comes to.
fn tell_end(shell: &mut Shell<'_, '_>, own: &Own, ended: &EndedKey) {
    let Some(operator) = own.state().operator(&ended.key) else { return };
    let (key, label) = (ended.key.short(), Safe(&operator.label));
    let kept: u64 = ended.horizons.iter().map(|horizon| horizon.seq).sum();
    let records = count(kept, "record", "records");
    let comes_to = match (ended.kind, kept) {
        _ if operator.capabilities == Capabilities::NODE => {
            "peers no longer take it for a node of the centre".into()
        }
        (_, 0) => "nothing that it signed counts".into(),
        (EndKind::Retired, _) => format!("the {records} that it signed stay"),
        (EndKind::Compromised, _) => {
            format!("{records} up to the one named stay; what came after disappears everywhere")
        }
    };
    shell.tell(format!("{key} ({label}): {comes_to}."));
}

/// Warns of what a person who ends keys may not have thought of.
fn warn_end(shell: &mut Shell<'_, '_>, own: &Own, keys: &[(PublicKey, OperatorState)]) {
    let ends = |key: &PublicKey| keys.iter().any(|(ended, _)| ended == key);
    let publishes = |operator: &OperatorState| operator.capabilities.has(Capabilities::PUBLISH);
    let others = own.log.operators().filter(|(key, one)| !ends(key) && publishes(one));
    if keys.iter().any(|(_, operator)| publishes(operator)) && others.count() == 0 {
        shell.tell(
            "It is the only key that publishes: nobody can publish for the centre until you add \
             another (baraza init --join-centre in a new home, then baraza operator add).",
        );
    }
    if [own.status.node_key, own.status.operator_key].iter().flatten().any(ends) {
        shell.tell("It is a key of this very node.");
    }
}

/// Finds the operator key that begins like this, or those in force that have this label.
fn find(own: &Own, text: &str) -> Result<Vec<(PublicKey, OperatorState)>, Failure> {
    let digits = text.trim().to_ascii_lowercase();
    let owned = |(key, operator): (&PublicKey, &OperatorState)| (*key, operator.clone());
    let labelled: Vec<_> =
        own.log.operators().filter(|(_, one)| one.label == text).map(owned).collect();
    if !labelled.is_empty() {
        return Ok(labelled);
    }
    let fits = |key: &PublicKey| !digits.is_empty() && key.to_string().starts_with(&digits);
    let found: Vec<_> = own.state().operators().filter(|(key, _)| fits(key)).map(owned).collect();
    match found.as_slice() {
        [(key, operator)] if operator.ended.is_some() => {
            let what = format!("key {} has ended already", key.short());
            Err(failure(ErrorCode::Invalid, what).hint("baraza operator list"))
        }
        [_] => Ok(found),
        [] => {
            let what = format!("no key of the centre begins with `{text}` or is called so");
            Err(failure(ErrorCode::NotFound, what).hint("baraza operator list"))
        }
        several => {
            let keys: Vec<_> = several.iter().map(|(key, _)| key.short()).collect();
            let what = format!("several keys begin with `{text}`: {}", keys.join(", "));
            Err(failure(ErrorCode::Ambiguous, what).hint("give more digits"))
        }
    }
}

/// Returns the ending of a key that somebody else may have.
fn compromised(
    shell: &mut Shell<'_, '_>,
    own: &Own,
    key: PublicKey,
    feeds: &[FeedView],
    named: &[String],
) -> Result<EndedKey, Failure> {
    let mut named = named.to_vec();
    if feeds.iter().all(|feed| feed.held == 0) {
        return Ok(ceremony::ended_key(key, EndKind::Compromised, []));
    }
    if named.is_empty() {
        named.push(ask_last_good(shell, feeds)?);
    }
    let mut horizons: Vec<Horizon> = Vec::new();
    for text in named.iter().filter(|text| *text != NONE) {
        let id = id_prefix(text)?;
        let record: RecordView = own.client.get(format!("/v1/records/{id}"))?;
        let (id, seq, feed) = (record.summary.id, record.seq, record.feed);
        if record.signer != key {
            let what = format!("record {} was not signed by key {}", id.short(), key.short());
            return Err(failure(ErrorCode::Invalid, what).hint("baraza operator end KEY"));
        }
        if horizons.iter().any(|known| known.feed == feed) {
            let what = format!("two last records are named of feed {}", feed.short());
            return Err(failure(ErrorCode::Invalid, what).hint("name one for each feed"));
        }
        horizons.push(Horizon { feed, seq, record: id });
    }
    for feed in feeds {
        if feed.seq != 0 && horizons.iter().all(|horizon| horizon.feed != feed.feed) {
            let records = count(feed.seq, "record", "records");
            shell.tell(format!(
                "No last good record is named of its feed {} ({}): its {records} go.",
                feed.feed.short(),
                Safe(&feed.audience)
            ));
        }
    }
    Ok(ceremony::ended_key(key, EndKind::Compromised, horizons))
}

/// Shows the last records of a key and asks which is the last good one.
fn ask_last_good(shell: &mut Shell<'_, '_>, feeds: &[FeedView]) -> Result<String, Failure> {
    let hint = "name the last record that your centre signed: --last-good RECORD, or none";
    let mut table = Table::new(&["RECORD", "STATED TIME", "TITLE"], 2);
    for record in feeds.iter().flat_map(|feed| &feed.last) {
        let time = clock::moment(record.created_ms, shell.screen.now);
        table.row([record.id.short(), time, Safe(&record.title).to_string()]);
    }
    let shown = table.render(shell.screen.columns, false);
    shell.tell(format!("The last records of this key, the newest first:\n\n{shown}"));
    let answer = shell.ask("Which is the last one that your centre signed (`none`: no one)? ")?;
    match answer.filter(|answer| !answer.is_empty()) {
        Some(answer) => Ok(answer),
        None => Err(failure(ErrorCode::BadRequest, "the last good record is not named").hint(hint)),
    }
}
