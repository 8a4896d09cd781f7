//! Networks: making and entering them, inviting others, and for whom a record is.
//!
//! Invariant: an invitation is accepted only after its name, its sender and its words were
//! shown.
//! Spec: docs/OPERATIONS.md, "Networks".

use std::{collections::BTreeMap, path::Path};

use baraza_api::{
    AudienceView, Client, CreateNetwork, CreatedNetwork, ErrorCode, Invitation, InvitationView,
    NetworkView, NetworksReply, RecordSummary,
};
use baraza_record::NetworkId;
use serde_json::{Value, json};

use super::{picture, trust::words};
use crate::{
    args::{Join, Leave, Network, NetworkCreate},
    clock,
    error::{Failure, failure},
    output::{Facts, Table, count, number},
    safe::Safe,
    shell::{Shell, read_file},
};

/// Most bytes of a file with an invitation.
const INVITATION_FILE_BYTES_MAX: usize = 16 * 1_024;

/// Runs a command about networks.
pub(super) fn run(shell: &mut Shell<'_, '_>, command: Network) -> Result<(), Failure> {
    match command {
        Network::Create(args) => create(shell, args),
        Network::Invite { network, text_only } => invite(shell, network, text_only),
        Network::List => list(shell),
    }
}

fn create(shell: &mut Shell<'_, '_>, args: NetworkCreate) -> Result<(), Failure> {
    let passphrase = args.passphrase.read()?;
    let recovery = args.recovery.map(|path| absolute(&path)).transpose()?;
    let request = CreateNetwork {
        name: args.name,
        open: args.open,
        recovery,
        passphrase: passphrase.map(|text| (*text).clone()),
    };
    let made: CreatedNetwork = shell.client()?.post("/v1/networks", &request)?;
    if shell.json {
        return shell.print_json(&made);
    }
    let facts = facts(shell, &made.network).render();
    shell.print(format!("{facts}\n"))?;
    shell.note(format!(
        "The key that replaces the network's root key is in {}.\n\
         Put that folder away, off this machine.\n\n\
         Invite others: baraza network invite\n\
         Publish for it: baraza publish FILE --audience \"network:{}\"",
        Safe(&made.recovery),
        Safe(&made.network.name),
    ));
    Ok(())
}

/// Returns a path that means the same to a daemon in another folder.
fn absolute(path: &Path) -> Result<String, Failure> {
    let whole = std::path::absolute(path).ok();
    whole.and_then(|path| path.to_str().map(str::to_owned)).ok_or_else(|| {
        let what = format!("`{}` cannot be used as a folder", path.display());
        failure(ErrorCode::BadRequest, what)
    })
}

fn invite(
    shell: &mut Shell<'_, '_>,
    network: Option<String>,
    text_only: bool,
) -> Result<(), Failure> {
    let client = shell.client()?;
    let reply: NetworksReply = client.get("/v1/networks")?;
    let network = match (network, reply.networks.as_slice()) {
        (Some(name), known) => pick(known, &name)?,
        (None, [only]) => only.clone(),
        (None, []) => {
            let what = "this node belongs to no network";
            return Err(failure(ErrorCode::NotFound, what).hint("baraza network create NAME"));
        }
        (None, _) => {
            let what = "this node belongs to several networks: name one";
            return Err(failure(ErrorCode::Ambiguous, what).hint("baraza network list"));
        }
    };
    let path = format!("/v1/networks/{}/invitation", network.id);
    let Invitation { text } = client.get(path)?;
    let words = words(&network.fingerprint);
    let view: InvitationView =
        client.post("/v1/networks/inspect", &Invitation { text: text.clone() })?;
    if view.addresses.is_empty() {
        shell.note(
            "The node is not running, so the invitation names no address: whoever enters must \
             reach a member otherwise. Better: baraza start, then invite.\n",
        );
    }
    if shell.json {
        return shell.print_json(&json!({ "text": text, "words": words, "network": network }));
    }
    if !text_only && let Some(picture) = picture::draw(&text) {
        shell.print(format!("{picture}\n"))?;
    }
    shell.print(format!("{text}\n"))?;
    let name = Safe(&network.name);
    let rule = match network.open {
        true => "The network is open: whoever knows its id can read what is published for it.",
        false => {
            "Whoever has this text is a member: send it only to those who are meant, and not in \
             the open."
        }
    };
    shell.note(format!(
        "\nThey enter with: baraza join TEXT\nWords to compare by telephone, for {name}:\n\n    \
         {words}\n\n{rule}"
    ));
    Ok(())
}

fn pick(known: &[NetworkView], text: &str) -> Result<NetworkView, Failure> {
    let lower = text.trim().to_lowercase();
    let fits = |one: &&NetworkView| {
        one.name.to_lowercase() == lower
            || (4 <= lower.len() && one.id.to_string().starts_with(&lower))
    };
    let found: Vec<_> = known.iter().filter(fits).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let what = format!("this node belongs to no network called `{text}`");
            Err(failure(ErrorCode::NotFound, what).hint("baraza network list"))
        }
        _ => {
            let what = format!("several networks are called `{text}`");
            Err(failure(ErrorCode::Ambiguous, what).hint("name one by the first digits of its id"))
        }
    }
}

/// Enters a network.
pub(super) fn join(shell: &mut Shell<'_, '_>, args: &Join) -> Result<(), Failure> {
    let text = match (&args.text, &args.file) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) => {
            let bytes = read_file(path, INVITATION_FILE_BYTES_MAX)?;
            String::from_utf8_lossy(&bytes).trim().to_owned()
        }
        (None, None) => return Err(failure(ErrorCode::BadRequest, "there is no invitation")),
    };
    let request = Invitation { text };
    let client = shell.client()?;
    let invitation: InvitationView = client.post("/v1/networks/inspect", &request)?;
    let mut facts = Facts::default();
    facts.add("Network", Safe(&invitation.name).to_string());
    facts.add("Kind", kind(invitation.open));
    let inviter = Safe(&invitation.inviter_name);
    facts.add("Invited by", format!("{inviter} ({}), says the text", invitation.inviter.short()));
    facts.add("Addresses", Safe(&invitation.addresses.join(", ")).to_string());
    facts.add("Words", words(&invitation.fingerprint));
    shell.note(format!(
        "{}\nAsk whoever invited you to read out the words: they must be the same there.",
        facts.render()
    ));
    if invitation.joined {
        shell.note("This node belongs to it already.");
    }
    let what = "joining shows this node to the network, and there is no terminal to ask on";
    if !shell.confirm_or("Join this network?", what)? {
        return Ok(());
    }
    let joined: NetworkView = client.post("/v1/networks/join", &request)?;
    match shell.json {
        true => shell.print_json(&joined),
        false => shell.print(format!("Joined {}\n", Safe(&joined.name))),
    }
}

/// Leaves a network.
pub(super) fn leave(shell: &mut Shell<'_, '_>, args: &Leave) -> Result<(), Failure> {
    let client = shell.client()?;
    let reply: NetworksReply = client.get("/v1/networks")?;
    let network = pick(&reply.networks, &args.network)?;
    let name = Safe(&network.name).to_string();
    let question = format!("Leave `{name}`? Entering again needs a new invitation.");
    if !shell.confirm(&question)? {
        return Ok(());
    }
    let left: Value = client.post(format!("/v1/networks/{}/leave", network.id), &json!({}))?;
    if shell.json {
        return shell.print_json(&left);
    }
    shell.print(format!("Left {name}\n"))?;
    shell.note(format!(
        "Nothing is shared with it any more. {} of it stay on this node and are shown here.",
        count(network.records, "record", "records")
    ));
    Ok(())
}

fn list(shell: &mut Shell<'_, '_>) -> Result<(), Failure> {
    let reply: NetworksReply = shell.client()?.get("/v1/networks")?;
    if shell.json {
        return shell.print_json(&reply.networks);
    }
    if reply.networks.is_empty() {
        return shell
            .print("This node belongs to no network. Make one with: baraza network create NAME\n");
    }
    let headings = ["ID", "NAME", "ENTRY", "MEMBERS", "RECORDS", "AGREED", "DIGEST"];
    let mut table = Table::new(&headings, 1);
    for network in &reply.networks {
        table.row([
            network.id.short(),
            Safe(&network.name).to_string(),
            if network.open { "open" } else { "by invitation" }.to_owned(),
            number(network.members as u64),
            number(network.records),
            agreed(shell, network),
            Safe(&network.digest).to_string().chars().take(12).collect(),
        ]);
    }
    shell.print_table(&table)
}

fn agreed(shell: &Shell<'_, '_>, network: &NetworkView) -> String {
    let agreed = network.agreed_ms.map(|agreed_ms| clock::moment(agreed_ms, shell.screen.now));
    agreed.unwrap_or_else(|| "not since the start".to_owned())
}

fn kind(open: bool) -> &'static str {
    if open { "open to whoever knows its id" } else { "by invitation" }
}

fn facts(shell: &Shell<'_, '_>, network: &NetworkView) -> Facts {
    let mut facts = Facts::default();
    facts.add("Network", shell.heading(Safe(&network.name)));
    facts.add("Id", network.id.to_string());
    facts.add("Entry", kind(network.open));
    facts.add("Words", words(&network.fingerprint));
    facts
}

/// Names of the networks of this node, for those who read.
#[derive(Default)]
pub(super) struct Names(BTreeMap<NetworkId, String>);

impl Names {
    /// Asks for the names if one of the records is for a network.
    pub(super) fn of<'a>(
        client: &dyn Client,
        records: impl IntoIterator<Item = &'a RecordSummary>,
    ) -> Result<Self, Failure> {
        let of_network =
            |record: &RecordSummary| matches!(record.audience, AudienceView::Network { .. });
        if !records.into_iter().any(of_network) {
            return Ok(Self::default());
        }
        let reply: NetworksReply = client.get("/v1/networks")?;
        Ok(Self(reply.networks.into_iter().map(|one| (one.id, one.name)).collect()))
    }

    /// Returns for whom a record is, in words; nothing for everybody.
    pub(super) fn audience(&self, audience: &AudienceView) -> String {
        match audience {
            AudienceView::Public => String::new(),
            AudienceView::Network { id } => match self.0.get(id) {
                Some(name) => format!("network {}", Safe(name)),
                None => format!("network {}, which this node has left", id.short()),
            },
            AudienceView::Centres { centres } => {
                let centres: Vec<_> = centres.iter().map(|centre| centre.short()).collect();
                format!("named centres {}", centres.join(", "))
            }
        }
    }
}
