//! Centres: who they are and who signs for them.
//!
//! Spec: docs/PROTOCOL.md, section 5.

use baraza_api::{
    CentreView, Client, EventView, HorizonView, ListCentres, LogState, OperatorView, StatusView,
};
use baraza_record::vocab;

use super::{
    id_prefix,
    trust::{statements, words},
};
use crate::{
    clock,
    error::Failure,
    output::{Facts, Table, count, number},
    safe::Safe,
    shell::Shell,
};

/// Shows a centre; our own if none is named.
pub(super) fn show(shell: &mut Shell<'_, '_>, id: Option<&str>) -> Result<(), Failure> {
    let client = shell.client()?;
    let id = id.map_or_else(|| own_id(&*client), id_prefix)?;
    let centre: CentreView = client.get(format!("/v1/centres/{id}"))?;
    if shell.json {
        return shell.print_json(&centre);
    }
    let mut facts = Facts::default();
    facts.add("Id", centre.id.to_string());
    facts.add("Words", words(&centre.id));
    facts.add("Accreditation", Safe(&centre.accreditation).to_string());
    facts.add("Country", centre.country.as_deref().map(country_name).unwrap_or_default());
    facts.add(
        "Role",
        match centre.role.as_str() {
            "centre" => String::new(),
            other => Safe(other).to_string(),
        },
    );
    facts.add("Ours", if centre.ours { "yes" } else { "" });
    facts.add("Records", number(centre.records));
    facts.add("Identity", format!("as of event {}", centre.identity_head.short()));
    facts.add("Log", standing(centre.identity));
    let CentreView { root_threshold, root_keys, next_threshold, next_keys, .. } = centre;
    facts.add("Root keys", format!("{root_threshold} of {root_keys} sign a change"));
    facts.add("Next keys", format!("{next_threshold} of {next_keys} sign a rotation"));
    let name = shell.heading(Safe(&centre.name));
    shell.print(format!("{name}\n{}\n", facts.render()))?;
    print_operators(shell, &centre)
}

/// Prints the keys that act for a centre, and how far those count that ended.
pub(super) fn print_operators(
    shell: &mut Shell<'_, '_>,
    centre: &CentreView,
) -> Result<(), Failure> {
    let mut table = Table::new(&["KEY", "MAY", "LABEL"], 2);
    for operator in &centre.operators {
        let may = match &operator.ended {
            Some(ended) if operator.capabilities == ["node"] => format!("nothing: {ended}"),
            Some(ended) => format!("nothing: {ended}, {}", counts(operator)),
            None => operator.capabilities.join(", "),
        };
        table.row([
            operator.key.short(),
            Safe(&may).to_string(),
            Safe(&operator.label).to_string(),
        ]);
    }
    shell.print_table(&table)?;
    statements(shell, &centre.statements)
}

/// Says how far the feeds of an ended key count.
fn counts(operator: &OperatorView) -> String {
    match operator.horizons.as_slice() {
        [] => "none of its records count".into(),
        [HorizonView { seq, record, .. }] => {
            format!("its records count up to number {seq} ({})", record.short())
        }
        several => format!("its records count up to {} horizons", several.len()),
    }
}

/// Lists the centres known.
pub(super) fn list(shell: &mut Shell<'_, '_>) -> Result<(), Failure> {
    let reply: ListCentres = shell.client()?.get("/v1/centres")?;
    if shell.json {
        return shell.print_json(&reply.centres);
    }
    let mut table = Table::new(&["ID", "NAME", "COUNTRY", "RECORDS", "", "ACCREDITATION"], 1);
    for centre in &reply.centres {
        table.row([
            centre.id.short(),
            Safe(&centre.name).to_string(),
            centre.country.as_deref().map(country_name).unwrap_or_default(),
            number(centre.records),
            if centre.ours { "yours".to_owned() } else { String::new() },
            Safe(&centre.accreditation).to_string(),
        ]);
    }
    shell.print_table(&table)?;
    if reply.omitted != 0 {
        let centres = count(reply.omitted as u64, "centre is", "centres are");
        shell.note(format!("{centres} known and not listed."));
    }
    Ok(())
}

/// Shows the identity log of a centre; of our own if none is named.
pub(super) fn log(shell: &mut Shell<'_, '_>, id: Option<&str>) -> Result<(), Failure> {
    let client = shell.client()?;
    let id = id.map_or_else(|| own_id(&*client), id_prefix)?;
    let events: Vec<EventView> = client.get(format!("/v1/centres/{id}/log"))?;
    if shell.json {
        return shell.print_json(&events);
    }
    let mut table = Table::new(&["SEQ", "EVENT", "KIND", "STATED TIME", "WHAT IT DOES"], 4);
    for event in &events {
        table.row([
            event.seq.to_string(),
            event.id.short(),
            Safe(&event.kind).to_string(),
            clock::day(event.created_ms),
            match event.counts {
                true => Safe(&event.summary).to_string(),
                false => format!("(does not count) {}", Safe(&event.summary)),
            },
        ]);
    }
    shell.print_table(&table)
}

/// Says what is wrong with an identity log; nothing if it goes on.
fn standing(state: LogState) -> &'static str {
    match state {
        LogState::Sound => "",
        LogState::Frozen => "frozen: two updates contradict each other; a rotation mends it",
        LogState::Disputed => "disputed: two rotations contradict each other",
        LogState::Ended => "ended by its owner",
    }
}

fn own_id(client: &dyn Client) -> Result<String, Failure> {
    Ok(client.get::<StatusView>("/v1/status")?.centre.to_string())
}

/// Returns the English name of a country, or the code where there is none.
pub(super) fn country_name(code: &str) -> String {
    vocab::country(code).map_or_else(|| Safe(code).to_string(), |known| known.name("en").to_owned())
}
