//! The link: pausing it, and what goes over it in words.
//!
//! Spec: docs/OPERATIONS.md, "Budgets, windows and profiles".

use baraza_api::{HoldView, HoldWhy, LinkView, PauseRequest, SpentView};
use baraza_record::Timestamp;
use serde_json::json;

use crate::{
    args::Pause,
    clock,
    error::Failure,
    output::{Facts, bytes},
    safe::Safe,
    shell::Shell,
};

/// Stops traffic for a time.
pub(super) fn pause(shell: &mut Shell<'_, '_>, args: &Pause) -> Result<(), Failure> {
    let request = PauseRequest { for_ms: args.for_ms };
    let link: LinkView = shell.client()?.post("/v1/pause", &request)?;
    if shell.json {
        return shell.print_json(&link);
    }
    let until = link.background.held.and_then(|held| held.until_ms);
    let text = match until {
        Some(until_ms) => format!("Paused until {}\n", clock::later(until_ms, shell.screen.now)),
        None => "Paused until: baraza resume\n".to_owned(),
    };
    shell.print(text)
}

/// Ends a pause.
pub(super) fn resume(shell: &mut Shell<'_, '_>) -> Result<(), Failure> {
    let link: LinkView = shell.client()?.post("/v1/resume", &json!({}))?;
    if shell.json {
        return shell.print_json(&link);
    }
    let text = match &link.background.held {
        Some(held) => format!("Resumed; {}\n", hold(held, shell.screen.now)),
        None => "Resumed.\n".to_owned(),
    };
    shell.print(text)
}

/// Says why nothing starts, and until when.
pub(super) fn hold(held: &HoldView, now: Timestamp) -> String {
    let why = match held.why {
        HoldWhy::Paused => "paused",
        HoldWhy::Window => "no window is open",
        HoldWhy::Day => "the bytes of the day are used up",
        HoldWhy::Month => "the bytes of the month are used up",
    };
    match held.until_ms {
        Some(until_ms) => format!("{why} until {}", clock::later(until_ms, now)),
        None => format!("{why} until: baraza resume"),
    }
}

/// Adds what goes over the link to a status.
pub(super) fn facts(facts: &mut Facts, link: &LinkView, now: Timestamp) {
    let mut settings = vec![format!("profile {}", Safe(&link.profile))];
    settings.extend(link.kbit_s.map(|rate| format!("at most {rate} kbit/s")));
    if !link.windows.is_empty() {
        let windows = link.windows.iter().map(|window| Safe(window).to_string());
        settings.push(format!(
            "open {} {}",
            windows.collect::<Vec<_>>().join(", "),
            zone(link.utc_offset_minutes)
        ));
    }
    if link.private_only {
        settings.push("private networks only".to_owned());
    }
    facts.add("Link", settings.join("; "));
    facts.add("Background", spent(&link.background, now));
    facts.add("Asked for", spent(&link.asked, now));
    if link.background.held.is_some() {
        let left = bytes(link.reserve_left_bytes);
        facts.add("Reserve", format!("{left} left today for own publications and identity events"));
    }
}

fn spent(spent: &SpentView, now: Timestamp) -> String {
    let part = |used: u64, left: Option<u64>, when: &str| match left {
        Some(left) => format!("{} {when}, {} left", bytes(used), bytes(left)),
        None => format!("{} {when}", bytes(used)),
    };
    let mut text = part(spent.day_bytes, spent.day_left_bytes, "today") + "; ";
    text += &part(spent.month_bytes, spent.month_left_bytes, "this month");
    if let Some(held) = &spent.held {
        text += &format!("; held: {}", hold(held, now));
        if let Some(since_ms) = held.since_ms {
            text += &format!(", since {}", clock::moment(since_ms, now));
        }
    }
    text
}

/// Returns a zone, such as `UTC+3` or `UTC-3:30`.
fn zone(offset_minutes: i32) -> String {
    let (sign, offset) =
        (if offset_minutes < 0 { '-' } else { '+' }, offset_minutes.unsigned_abs());
    match (offset / 60, offset % 60) {
        (0, 0) => "UTC".to_owned(),
        (hours, 0) => format!("UTC{sign}{hours}"),
        (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::zone;

    #[test]
    fn zones_in_words() {
        let shown = [0, 180, -210, 345].map(zone);
        assert_eq!(shown, ["UTC", "UTC+3", "UTC-3:30", "UTC+5:45"]);
    }
}
