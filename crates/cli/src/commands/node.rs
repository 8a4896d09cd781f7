//! The node: making, running and watching it.
//!
//! Spec: docs/OPERATIONS.md, "A node's life".

use std::{fs, io};

use baraza_api::{AttachmentCounts, ErrorCode, StatusView};
use baraza_record::CentreId;
use serde_json::json;

use super::trust::words;
use crate::{
    args::{Demo, Init, Start, Status},
    ceremony, clock,
    error::{Failure, failure},
    host::{DemoOptions, InitOptions, JoinOptions, StartOptions},
    output::{self, Facts, bytes, count},
    safe::Safe,
    shell::Shell,
};

/// Shows the status or, where there is no home, the first steps.
pub(super) fn welcome(shell: &mut Shell<'_, '_>) -> Result<(), Failure> {
    let is_absent = match fs::read_dir(&shell.home) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if !is_absent || shell.socket.is_some() {
        return status(shell, &Status { recovery_stored: false });
    }
    let home = shell.home.display().to_string();
    if shell.json {
        return shell.print_json(&json!({ "home": home, "initialised": false }));
    }
    shell.print(format!(
        "There is no node in {} yet. The first three steps:

  1. baraza init       create your centre: its name, its country, its keys
  2. baraza start      run the node; leave it running and open another terminal
  3. baraza new practice > practice.md
                       write down what worked, then: baraza publish practice.md

To see several centres at work first, without leaving a trace: baraza demo
",
        Safe(&home)
    ))
}

/// Asks whether the node shows itself on the local network; no, if there is nobody to ask.
fn find_local_nodes(shell: &mut Shell<'_, '_>) -> Result<bool, Failure> {
    let answer = shell.ask("Find nodes on the local network, and be found there? [y/N] ")?;
    Ok(answer.is_some_and(|answer| matches!(answer.to_lowercase().as_str(), "y" | "yes")))
}

/// Makes a node that is to act for a centre that exists.
fn join(shell: &mut Shell<'_, '_>, args: Init, centre: &str) -> Result<(), Failure> {
    let centre = centre.trim().to_ascii_lowercase().parse::<CentreId>().map_err(|error| {
        failure(ErrorCode::BadRequest, error.to_string())
            .hint("`baraza centre show` on the first node shows the whole id")
    })?;
    let what = "the operator key";
    let passphrase = ceremony::new_passphrase(shell, &args.passphrase, args.no_passphrase, what)?;
    let options = JoinOptions {
        centre,
        label: args.label,
        language: args.language,
        licence: args.licence,
        contact: args.contact,
        country: args.country,
        passphrase,
        mdns: args.mdns || (!args.no_mdns && find_local_nodes(shell)?),
        listen: args.addresses.listen,
        bootstrap: args.addresses.bootstrap,
        request: args.request,
    };
    let report = shell.host.join(&shell.home, options)?;
    if shell.json {
        return shell.print_json(&report);
    }
    let mut facts = Facts::default();
    facts.add("Centre", report.enrolment.centre.to_string());
    facts.add("Node", Safe(&report.peer_id).to_string());
    facts.add("Home", Safe(&report.home.to_string_lossy()).to_string());
    facts.add("Request", Safe(&report.request.to_string_lossy()).to_string());
    facts.add("Words", report.enrolment.words.clone());
    shell.print(facts.render())?;
    let request = report.request.to_string_lossy().into_owned();
    shell.note(format!(
        "
What to do next:
  1. Bring the request to whoever has the root key of the centre; they type:
     baraza operator add {}
     and ask you for the words above. Read them out.
  2. baraza start           it takes part and searches at once
  3. The node may publish when it has heard that it was added: baraza status",
        Safe(&request)
    ));
    Ok(())
}

/// Makes a centre, or a nation, and its first node.
pub(super) fn init(shell: &mut Shell<'_, '_>, args: Init, nation: bool) -> Result<(), Failure> {
    if let Some(centre) = args.join_centre.clone() {
        return join(shell, args, &centre);
    }
    let (mut country, mut contact) = (args.country, args.contact);
    let name = match args.name {
        Some(name) => name,
        None => {
            let Some(name) = shell.ask("Name of the centre, in its own language: ")? else {
                return Err(failure(ErrorCode::BadRequest, "the centre needs a name")
                    .hint("baraza init --name \"Name of the centre\" --country CODE"));
            };
            let answer = |text: Option<String>| text.filter(|text| !text.is_empty());
            if country.is_none() {
                country = answer(shell.ask("Country (empty for an intergovernmental body): ")?);
            }
            if contact.is_none() {
                contact = answer(shell.ask("Mailbox of an office, not of a person: ")?);
            }
            name
        }
    };
    let what = "the keys";
    let passphrase = ceremony::new_passphrase(shell, &args.passphrase, args.no_passphrase, what)?;
    let options = InitOptions {
        nation,
        name,
        country,
        language: args.language,
        licence: args.licence,
        contact,
        recovery: args.recovery,
        passphrase,
        keys: args.keys.plan(),
        mdns: args.mdns || (!args.no_mdns && find_local_nodes(shell)?),
        listen: args.addresses.listen,
        bootstrap: args.addresses.bootstrap,
    };
    let report = shell.host.init(&shell.home, options)?;
    if shell.json {
        return shell.print_json(&report);
    }
    let mut facts = Facts::default();
    facts.add(if nation { "Nation" } else { "Centre" }, Safe(&report.name).to_string());
    facts.add("Id", report.centre.to_string());
    facts.add("Words", words(&report.centre));
    facts.add("Node", Safe(&report.peer_id).to_string());
    facts.add("Home", Safe(&report.home.to_string_lossy()).to_string());
    facts.add("Recovery", Safe(&report.recovery.to_string_lossy()).to_string());
    shell.print(facts.render())?;
    if nation {
        shell.note(
            "
What to do next:
  1. Move the recovery folder to a place away from this machine: whoever lost the keys in use
     gets the nation's identity back with it. Then: baraza status --recovery-stored
  2. Tell the centres of the country the id, and read them the words when they call.
  3. baraza start, then for each centre: baraza nation accredit ID",
        );
        return Ok(());
    }
    shell.note(
        "
What to do next:
  1. Give each next key in the recovery folder to a keeper of its own, away from this machine:
     they get the centre back when the keys in use are lost or stolen. Its READ-ME says how.
     Then delete the folder, and: baraza status --recovery-stored
  2. baraza start
  3. baraza new practice > practice.md",
    );
    Ok(())
}

/// Runs the daemon.
pub(super) fn start(shell: &mut Shell<'_, '_>, args: Start) -> Result<(), Failure> {
    let options = StartOptions {
        listen: args.addresses.listen,
        bootstrap: args.addresses.bootstrap,
        passphrase: args.passphrase.read()?,
        no_mdns: args.no_mdns,
    };
    let (json, out) = (shell.json, &mut *shell.screen.out);
    shell.host.start(&shell.home, options, &mut |ready| {
        let text = if json {
            output::json_line(ready)
        } else {
            let listen = ready.listen.join(", ");
            let api = Safe(&ready.api);
            format!("ready: {} listens on {}; API on {api}", Safe(&ready.peer_id), Safe(&listen))
        };
        // A daemon goes on without anybody who reads this.
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    })?;
    Ok(())
}

/// Shows how the node is.
pub(super) fn status(shell: &mut Shell<'_, '_>, args: &Status) -> Result<(), Failure> {
    if args.recovery_stored {
        shell.host.confirm_recovery(&shell.home)?;
    }
    let status: StatusView = shell.client()?.get("/v1/status")?;
    if shell.json {
        return shell.print_json(&status);
    }
    let facts = status_facts(shell, &status).render();
    shell.print(facts)?;
    let (warning, hint) = ("warning:", "  hint:");
    for told in &status.warnings {
        let warning = output::paint(warning, output::YELLOW, shell.screen.out_colour);
        shell.print(format!(
            "\n{warning} {}\n{hint} {}\n",
            Safe(&told.message),
            Safe(&told.hint)
        ))?;
    }
    if status.warnings.is_empty() {
        shell.note("\nNothing needs attention.");
    }
    Ok(())
}

/// Says how many files of records are here and how many are on their way; nothing without any.
fn attachments(files: &AttachmentCounts) -> String {
    if *files == AttachmentCounts::default() {
        return String::new();
    }
    let here = count(files.whole as u64, "file", "files");
    let wanted = match files.wanted {
        0 => String::new(),
        wanted => format!("; {wanted} wanted, {} to come", bytes(files.wanted_bytes)),
    };
    format!("{here} here, {} on disk{wanted}", bytes(files.bytes))
}

fn status_facts(shell: &Shell<'_, '_>, status: &StatusView) -> Facts {
    let mut facts = Facts::default();
    let name = Safe(&status.centre_name);
    facts.add("Centre", shell.heading(format!("{name} ({})", status.centre.short())));
    facts.add("Node", Safe(&status.peer_id).to_string());
    facts.add(
        "Daemon",
        if status.daemon { "running" } else { "not running; run it with: baraza start" },
    );
    facts.add("Listening", Safe(&status.listen.join(", ")).to_string());
    facts.add(
        "Records",
        format!(
            "{} in {}, of {}; {} on disk",
            output::number(status.records),
            count(status.feeds, "feed", "feeds"),
            count(status.centres, "centre", "centres"),
            bytes(status.ledger_bytes)
        ),
    );
    facts.add("Attachments", attachments(&status.attachments));
    let wanted = status.bodies_missing.saturating_sub(status.bodies_left_out);
    if wanted != 0 {
        facts.add("Wanted", count(wanted, "body", "bodies"));
    }
    if status.bodies_left_out != 0 {
        let bodies = count(status.bodies_left_out, "body", "bodies");
        facts.add("Not fetched", format!("{bodies} outside [interests]"));
    }
    if status.held != 0 {
        let records = count(status.held, "record", "records");
        facts.add("Held", format!("{records} whose signer's authority is not known yet"));
    }
    let mut peers = format!("{} connected, {} known", status.peers_connected, status.peers_known);
    if status.sessions != 0 {
        peers += &format!("; {} under way", count(status.sessions as u64, "catch-up", "catch-ups"));
    }
    facts.add("Peers", peers);
    let agreed = status.agreed_ms.map(|agreed_ms| clock::moment(agreed_ms, shell.screen.now));
    facts.add("Agreed", agreed.unwrap_or_else(|| "with no peer yet".to_owned()));
    if let Some(link) = &status.link {
        super::link::facts(&mut facts, link, shell.screen.now);
    }
    let behind = count(status.index_behind, "change", "changes");
    facts.add(
        "Search",
        if status.index_behind == 0 { "up to date".to_owned() } else { format!("{behind} behind") },
    );
    facts.add(
        "Key",
        if status.unlocked { "can sign" } else { "locked; unlock it with: baraza unlock" },
    );
    if let Some(age) = super::backup::age(shell) {
        facts.add("Backup", age);
    }
    let words = super::why::digest_words(&status.set_digest);
    let words = words.map(|words| format!("{words}  ({})", Safe(&status.set_digest)));
    facts.add("Digest", words.unwrap_or_else(|| Safe(&status.set_digest).to_string()));
    for network in &status.networks {
        let digest: String = Safe(&network.digest).to_string();
        facts.add("Network", format!("{}: {digest}", Safe(&network.name)));
    }
    facts.add("Version", Safe(&status.version).to_string());
    facts
}

/// Shows several nodes at work.
pub(super) fn demo(shell: &mut Shell<'_, '_>, args: &Demo) -> Result<(), Failure> {
    let (json, out) = (shell.json, &mut *shell.screen.out);
    let mut written = Ok(());
    shell.host.demo(DemoOptions { keep: args.keep }, &mut |step| {
        let text = if json {
            output::json_line(step)
        } else {
            let [number, of] = [step.number, step.of];
            format!(
                "[{number}/{of}] {}",
                step.text
                    .lines()
                    .map(|line| Safe(line).to_string())
                    .collect::<Vec<_>>()
                    .join("\n      ")
            )
        };
        if written.is_ok() {
            written = writeln!(out, "{text}").and_then(|()| out.flush());
        }
    })?;
    Ok(written?)
}
