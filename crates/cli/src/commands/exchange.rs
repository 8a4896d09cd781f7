//! Peers.
//!
//! Spec: docs/OPERATIONS.md, "Peers".

use baraza_api::{DialRequest, PeersReply, SyncReply, SyncRequest};
use serde_json::json;

use super::why;
use crate::{args::Sync, clock, error::Failure, output::Table, safe::Safe, shell::Shell};

/// Compares with peers now, or dials one.
pub(super) fn sync(shell: &mut Shell<'_, '_>, args: Sync) -> Result<(), Failure> {
    let began = clock::now();
    let client = shell.client()?;
    if let Some(address) = args.peer.as_deref().filter(|peer| peer.starts_with('/')) {
        let request = DialRequest { address: address.to_owned() };
        client.post::<serde_json::Value>("/v1/peers", &request)?;
        if !args.no_wait {
            shell.note(format!("Dialling {}", Safe(address)));
            return why::follow(shell, Vec::new(), Some(address), began);
        }
        return match shell.json {
            true => shell.print_json(&json!({ "dialling": address })),
            false => shell.print(format!("Dialling {}; see: baraza why\n", Safe(address))),
        };
    }
    let reply: SyncReply = client.post("/v1/sync", &SyncRequest { peer: args.peer })?;
    if !args.no_wait && !reply.peers.is_empty() {
        return why::follow(shell, reply.peers, None, began);
    }
    if shell.json {
        return shell.print_json(&reply);
    }
    if reply.peers.is_empty() {
        return shell.print("No peer is connected. Dial one with: baraza sync MULTIADDR\n");
    }
    for peer in &reply.peers {
        shell.print(format!("Comparing with {}\n", Safe(peer)))?;
    }
    shell.note("It goes on in the background; see: baraza why");
    Ok(())
}

/// Lists the peers.
pub(super) fn peers(shell: &mut Shell<'_, '_>) -> Result<(), Failure> {
    let reply: PeersReply = shell.client()?.get("/v1/peers")?;
    if shell.json {
        return shell.print_json(&reply);
    }
    if reply.peers.is_empty() {
        shell.print("No peer is known. Dial one with: baraza sync MULTIADDR\n")?;
    } else {
        let headings = ["PEER", "CENTRE", "STATE", "AGREED", "SAME SET", "LAST FAILURE"];
        let mut table = Table::new(&headings, 5);
        for peer in &reply.peers {
            let agreed = peer.agreed_ms.map(|agreed_ms| clock::moment(agreed_ms, shell.screen.now));
            let name = peer.centre_name.as_deref().map(|name| Safe(name).to_string());
            let centre = peer.centre.map(|centre| centre.short()).unwrap_or_default();
            table.row([
                Safe(&peer.peer_id).to_string(),
                name.unwrap_or(centre),
                if peer.connected { "connected" } else { "away" }.to_owned(),
                agreed.unwrap_or_else(|| "not yet".to_owned()),
                peer.equal.map_or("", |equal| if equal { "yes" } else { "no" }).to_owned(),
                Safe(peer.last_failure.as_deref().unwrap_or_default()).to_string(),
            ]);
        }
        shell.print_table(&table)?;
    }
    for (address, reason) in &reply.dial_failures {
        shell.print(format!("Not reached: {}: {}\n", Safe(address), Safe(reason)))?;
    }
    Ok(())
}
