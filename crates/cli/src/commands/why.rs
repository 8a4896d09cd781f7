//! Why: how this node stands to its peers, what keeps it from what they have, and following a
//! catch-up that somebody asked for.
//!
//! Spec: docs/OPERATIONS.md, "Why".

use std::{thread, time::Duration};

use baraza_api::{CauseView, ErrorCode, PeerWhyView, UnderwayView, WhyReply};
use baraza_record::{CentreId, Timestamp};

use super::link;
use crate::{
    args::Why,
    clock,
    error::{Failure, failure},
    output::{self, Facts, bytes, count, number},
    safe::Safe,
    shell::Shell,
};

/// Time between two looks at a catch-up that is followed.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Words of a digest that are read out: 44 bits.
const DIGEST_WORDS: usize = 4;

/// Returns the words by which two operators compare what they hold; none for a digest that
/// does not read.
pub(super) fn digest_words(digest: &str) -> Option<String> {
    let id = digest.parse::<CentreId>().ok()?;
    Some(baraza_formats::words::fingerprint(&id)[..DIGEST_WORDS].join(" "))
}

/// Shows how this node stands to its peers.
pub(super) fn why(shell: &mut Shell<'_, '_>, args: &Why) -> Result<(), Failure> {
    let reply = look(shell, args.peer.as_deref())?;
    if shell.json {
        return shell.print_json(&reply);
    }
    let now = shell.screen.now;
    let facts = node_facts(&reply, now);
    shell.print(facts.render())?;
    if reply.peers.is_empty() {
        shell.print("\nNo peer is known. Dial one with: baraza sync MULTIADDR\n")?;
    }
    for peer in &reply.peers {
        let heading = shell.heading(name(peer));
        shell.print(format!("\n{heading}\n"))?;
        shell.print(peer_facts(peer, now).render())?;
    }
    for (address, reason) in &reply.dial_failures {
        shell.print(format!("\nNot reached: {}: {}\n", Safe(address), Safe(reason)))?;
    }
    Ok(())
}

fn look(shell: &Shell<'_, '_>, peer: Option<&str>) -> Result<WhyReply, Failure> {
    let path = match peer {
        // A peer id has letters and digits only; the node says so of anything else.
        Some(peer) if peer.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            format!("/v1/why?peer={peer}")
        }
        Some(peer) => {
            let peer = peer.chars().take(80).collect::<String>();
            return Err(failure(ErrorCode::BadRequest, format!("`{peer}` is no peer id"))
                .hint("baraza peers"));
        }
        None => "/v1/why".to_owned(),
    };
    Ok(shell.client()?.get(path)?)
}

fn name(peer: &PeerWhyView) -> String {
    let id = Safe(&peer.peer_id).to_string();
    let centre = peer.centre_name.as_deref().map(|name| Safe(name).to_string());
    let centre = centre.or_else(|| peer.centre.map(|centre| centre.short()));
    centre.map_or_else(|| id.clone(), |centre| format!("{centre}, {id}"))
}

fn node_facts(reply: &WhyReply, now: Timestamp) -> Facts {
    let mut facts = Facts::default();
    facts.add("Digest", digest_words(&reply.set_digest).unwrap_or_default());
    if let Some(held) = &reply.link.background.held {
        facts.add("Background", link::hold(held, now));
    }
    if let Some(held) = &reply.link.asked.held {
        facts.add("Asked for", link::hold(held, now));
    }
    let node = &reply.node;
    if node.newer_records != 0 {
        let records = count(node.newer_records, "record", "records");
        facts.add("Newer", format!("{records} of a newer kind are kept; upgrade to read them"));
    }
    if node.bodies_wanted != 0 {
        let bodies = count(node.bodies_wanted, "body", "bodies");
        facts.add("Wanted", format!("{bodies} that no peer has given yet"));
    }
    if node.held != 0 {
        let records = count(node.held, "record", "records");
        facts.add("Held", format!("{records} whose signer's authority is not known yet"));
    }
    if node.declined_feeds != 0 {
        let feeds = count(node.declined_feeds, "feed", "feeds");
        facts.add("Policy", format!("declines {feeds}; see: baraza policy show"));
    }
    if node.deferred_centres + node.deferred_feeds != 0 {
        let centres = count(node.deferred_centres, "new centre", "new centres");
        let feeds = count(node.deferred_feeds, "new feed", "new feeds");
        facts.add("Quota", format!("defers {centres} and {feeds}; see: baraza policy show"));
    }
    for address in &reply.dialling {
        facts.add("Dialling", Safe(address).to_string());
    }
    facts
}

fn peer_facts(peer: &PeerWhyView, now: Timestamp) -> Facts {
    let mut facts = Facts::default();
    let same = match peer.equal {
        Some(true) => "yes".to_owned(),
        Some(false) => "no".to_owned(),
        None => "not known".to_owned(),
    };
    let agreed = match peer.agreed_ms {
        Some(agreed_ms) => format!("; last agreed {}", clock::moment(agreed_ms, now)),
        None => "; never agreed yet".to_owned(),
    };
    facts.add("  Same set", same + &agreed);
    if peer.records != 0 {
        let records = count(peer.records, "record", "records");
        let shown = peer.shown_ms.map(|ms| format!(", as of {}", clock::moment(ms, now)));
        let about = bytes(peer.bytes);
        facts.add("  Behind by", format!("{records}, about {about}{}", shown.unwrap_or_default()));
    }
    for feed in &peer.feeds {
        let whose = feed.centre_name.as_deref().map(|name| Safe(name).to_string());
        let whose = whose.or_else(|| feed.centre.map(|centre| centre.short()));
        let whose = whose.unwrap_or_else(|| "a centre not known here yet".to_owned());
        let records = count(feed.records, "record", "records");
        let (feed, about) = (feed.feed.short(), bytes(feed.bytes));
        facts.add("  Feed", format!("{feed} of {whose}: {records}, about {about}"));
    }
    if let Some(underway) = &peer.underway {
        facts.add("  Under way", progress(underway, None, now));
    }
    for cause in &peer.causes {
        facts.add("  Held by", words(cause, now));
    }
    if let Some(done_ms) = peer.done_ms {
        facts.add("  Done", format!("about {}", clock::later(done_ms, now)));
    }
    facts
}

/// Says what keeps us from a peer.
fn words(cause: &CauseView, now: Timestamp) -> String {
    match cause {
        CauseView::Held { held } => format!("this node: {}", link::hold(held, now)),
        CauseView::Later { until_ms } => {
            let until = clock::later(*until_ms, now);
            format!("its own budget, window or pause: it asks us to come again {until}")
        }
        CauseView::Away { since_ms, reason, again_ms } => {
            let mut text = match since_ms {
                Some(ms) => format!("not connected since {}", clock::moment(*ms, now)),
                None => "never connected".to_owned(),
            };
            if let Some(reason) = reason {
                text += &format!(": {}", Safe(reason));
            }
            if let Some(again_ms) = again_ms.filter(|ms| now.0 < *ms) {
                text += &format!("; dialled again in {}", clock::wait(again_ms - now.0));
            }
            text
        }
        CauseView::Banned => "it broke the rules and was sent away for an hour".to_owned(),
        CauseView::Failed { reason, again_ms } => {
            let again = clock::wait(again_ms.saturating_sub(now.0));
            format!("the last comparison failed: {}; again in {again}", Safe(reason))
        }
        CauseView::Stalled { since_ms } => {
            format!("nothing has come since {}", clock::moment(*since_ms, now))
        }
        CauseView::NothingToTake => {
            "it has shown nothing that is missing here: it has yet to fetch from us, or policy \
             declines the rest"
                .to_owned()
        }
    }
}

/// Says how far a catch-up is.
fn progress(underway: &UnderwayView, done_ms: Option<u64>, now: Timestamp) -> String {
    let (done, all) = (underway.records_done, underway.records_done + underway.records_left);
    let mut text = match underway.records_left {
        0 => format!("{} so far", count(done, "record", "records")),
        _ => format!("{} of {} records", number(done), number(all)),
    };
    if let Some(rate) = underway.bytes_s {
        text += &format!(", {} a second", bytes(rate));
    }
    if let Some(done_ms) = done_ms {
        text += &format!(", about {} left", clock::wait(done_ms.saturating_sub(now.0)));
    }
    text
}

/// Follows what somebody asked for until it is done, with the peers named or, if none is named,
/// with whoever answers at the address that is dialled.
pub(super) fn follow(
    shell: &mut Shell<'_, '_>,
    mut asked: Vec<String>,
    address: Option<&str>,
    began: Timestamp,
) -> Result<(), Failure> {
    let mut told = String::new();
    let bar = shell.line();
    loop {
        let reply = look(shell, None)?;
        let dialling =
            address.is_some_and(|address| reply.dialling.iter().any(|one| one == address));
        let going: Vec<_> = reply.peers.iter().filter(|peer| peer.asked).collect();
        // One may have been asked and done between two looks.
        let since = |peer: &&PeerWhyView| peer.asked_ms.is_some_and(|at| began.0 <= at);
        for peer in reply.peers.iter().filter(|peer| peer.asked || since(peer)) {
            if !asked.contains(&peer.peer_id) {
                asked.push(peer.peer_id.clone());
            }
        }
        let now = clock::now();
        if going.is_empty() && !dialling {
            bar.finish_and_clear();
            return end(shell, address, &asked, &reply, now);
        }
        for peer in going {
            let line = match shell.json {
                true => output::json_line(peer),
                false => match &peer.underway {
                    Some(underway) => {
                        format!("{}: {}", name(peer), progress(underway, peer.done_ms, now))
                    }
                    None => format!("{}: waiting", name(peer)),
                },
            };
            bar.set_message(line.clone());
            if shell.json && line != told {
                shell.print(format!("{line}\n"))?;
                shell.screen.out.flush()?;
            }
            told = line;
        }
        bar.tick();
        thread::sleep(LOOK_EVERY);
    }
}

/// Says how what was followed ended.
fn end(
    shell: &mut Shell<'_, '_>,
    address: Option<&str>,
    asked: &[String],
    reply: &WhyReply,
    now: Timestamp,
) -> Result<(), Failure> {
    let followed = || reply.peers.iter().filter(|peer| asked.contains(&peer.peer_id));
    let mut held = None;
    for peer in followed() {
        let cause = peer.causes.first().filter(|cause| **cause != CauseView::NothingToTake);
        if shell.json {
            shell.print(output::json_line(peer) + "\n")?;
        } else {
            let told = match (peer.equal, cause) {
                (Some(true), _) => "both hold the same".to_owned(),
                (_, Some(cause)) => words(cause, now),
                _ => "all that it gave is here".to_owned(),
            };
            shell.print(format!("{}: {told}\n", name(peer)))?;
        }
        if let Some(cause) = cause.filter(|_| peer.equal != Some(true)) {
            held = held.or(Some((name(peer), cause.clone())));
        }
    }
    if let Some((name, cause)) = held {
        let code = match cause {
            CauseView::Held { .. } | CauseView::Later { .. } => ErrorCode::Held,
            _ => ErrorCode::Offline,
        };
        let what = format!("the exchange with {name} is not done: {}", words(&cause, now));
        return Err(failure(code, what).hint("baraza why"));
    }
    let failed = address.filter(|_| asked.is_empty()).and_then(|address| {
        let failures = reply.dial_failures.iter();
        failures
            .rev()
            .find(|(failed, _)| failed.starts_with(address) || address.starts_with(failed))
    });
    match failed {
        Some((address, reason)) => {
            let what = format!("{address} was not reached: {reason}");
            Err(failure(ErrorCode::Offline, what).hint("baraza why"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_out_in_four_words() {
        let words = digest_words(&"00".repeat(32)).unwrap();
        assert_eq!(words, "abandon abandon abandon abandon");
        assert_eq!(digest_words("00ff"), None);
        let other = digest_words(&format!("{}01", "00".repeat(5) + &"00".repeat(26))).unwrap();
        assert_eq!(other, words, "what comes later is not read out");
    }
}
