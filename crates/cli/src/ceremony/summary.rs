//! An identity event in words, for whoever signs it.
//!
//! Invariant: everything that the event does has a line, computed from its bytes and from the
//! log that it follows.
//! Spec: docs/OPERATIONS.md, "Keys and custodians".

use baraza_formats::words;
use baraza_identity::{
    Capabilities, EndKind, EndedKey, Horizon, IdentityEvent, KeySet, Operator, State,
};
use baraza_record::PublicKey;

use crate::{clock, output::count};

/// Says what `event` does to a log.
pub(crate) fn in_words(state: &State, event: &IdentityEvent) -> Vec<String> {
    let centre = state.centre();
    let mut lines = vec![
        format!("Centre: {}", state.name),
        format!("Its id: {centre}"),
        format!("In words: {}", words::fingerprint(&centre).join(" ")),
        format!(
            "Event {} of its identity log, {}, stated on {}",
            event.seq(),
            event.kind().name(),
            clock::day(event.created_ms().0)
        ),
    ];
    match event {
        IdentityEvent::Rotate(rotate) => {
            lines.extend(
                rotate.revealed.iter().map(|key| format!("Uses up the next key {}", key.short())),
            );
            lines.extend(new_keys(&rotate.keys));
        }
        IdentityEvent::Deactivate(end) => {
            lines.push("CLOSES THE CENTRE FOR GOOD: nobody signs for it any more".into());
            lines.extend(
                end.revealed.iter().map(|key| format!("Uses up the next key {}", key.short())),
            );
        }
        IdentityEvent::Inception(_) | IdentityEvent::Update(_) => (),
    }
    lines.extend(event.operators().iter().map(added));
    if let Some(changes) = event.changes() {
        for ended in &changes.ended {
            lines.extend(ending(state, ended));
        }
        lines.extend(changes.branches.iter().map(chosen));
        lines.extend(changes.profile.as_ref().map(|profile| {
            let country = profile.country.map(|code| String::from_utf8_lossy(&code).into_owned());
            let country = country.map(|code| format!(", in {code}")).unwrap_or_default();
            format!("Calls the centre {}{country}", profile.name)
        }));
    }
    lines
}

fn new_keys(keys: &KeySet) -> Vec<String> {
    let KeySet { root_keys, root_threshold, next_digests, next_threshold } = keys;
    let roots: Vec<_> = root_keys.iter().map(PublicKey::short).collect();
    let [root_count, next_count] = [root_keys.len(), next_digests.len()].map(|len| len as u64);
    vec![
        format!(
            "Makes {} ({}), of which {root_threshold} must sign a change",
            count(root_count, "new root key", "new root keys"),
            roots.join(", ")
        ),
        format!(
            "Commits to {}, of which {next_threshold} must sign the next rotation",
            count(next_count, "new next key", "new next keys")
        ),
    ]
}

fn added(operator: &Operator) -> String {
    let Operator { key, capabilities, label } = operator;
    match *capabilities == Capabilities::NODE {
        true => format!("Adds the node {} ({label})", key.short()),
        false => {
            let may: Vec<_> = capabilities.names().collect();
            format!("Adds the key {} ({label}), which may {}", key.short(), may.join(", "))
        }
    }
}

fn ending(state: &State, ended: &EndedKey) -> Vec<String> {
    let label = state.operator(&ended.key).map(|operator| operator.label.as_str());
    let (label, key) = (label.unwrap_or("unknown"), ended.key.short());
    let mut lines = vec![match ended.kind {
        EndKind::Retired => format!("Ends the key {key} ({label}): it is not used any more"),
        EndKind::Compromised => format!("Ends the key {key} ({label}): somebody else may have it"),
    }];
    lines.extend(ended.horizons.iter().map(|Horizon { feed, seq, record }| {
        let records = count(*seq, "record", "records");
        format!("  its first {records} of feed {} count, up to {}", feed.short(), record.short())
    }));
    if ended.horizons.is_empty() {
        lines.push("  nothing that it signed counts".into());
    }
    lines
}

fn chosen(choice: &Horizon) -> String {
    let Horizon { feed, seq, record } = choice;
    format!("Feed {} goes on with record {} at position {seq}", feed.short(), record.short())
}
