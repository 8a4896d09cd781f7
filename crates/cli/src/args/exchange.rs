//! Arguments of the commands about the link and the peers.
//!
//! Spec: docs/OPERATIONS.md, "Budgets, windows and profiles".

use clap::Args;

const MINUTE_MS: u64 = 60_000;

#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// For how long, such as 30m, 4h or 2d; absent: until `baraza resume`
    #[arg(long = "for", value_name = "TIME", value_parser = duration_ms)]
    pub(crate) for_ms: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Sync {
    /// Peer id, or the multiaddr of a node to dial; absent: all that are connected
    pub(crate) peer: Option<String>,
    /// Start it and do not wait for its end
    #[arg(long)]
    pub(crate) no_wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Why {
    /// Peer id; absent: all that are known
    pub(crate) peer: Option<String>,
}

/// Reads a number of minutes, hours or days.
fn duration_ms(text: &str) -> Result<u64, String> {
    let minutes = text.chars().last().and_then(|unit| match unit {
        'm' => Some(1),
        'h' => Some(60),
        'd' => Some(24 * 60),
        _ => None,
    });
    let number = minutes.map(|_| &text[..text.len() - 1]);
    let number = number.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let number = number.and_then(|digits| digits.parse::<u64>().ok());
    match (number, minutes) {
        (Some(number @ 1..=1_000_000), Some(minutes)) => Ok(number * minutes * MINUTE_MS),
        _ => Err("write a number with m, h or d behind it, such as 30m, 4h or 2d".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, minutes) in [("30m", 30), ("4h", 240), ("2d", 2_880), ("1m", 1)] {
            assert_eq!(duration_ms(text), Ok(minutes * MINUTE_MS), "{text}");
        }
        for wrong in ["", "m", "4", "0h", "-4h", "+4h", "4 h", "4w", "1.5h", "99999999999d", "4ħ"]
        {
            assert!(duration_ms(wrong).is_err(), "{wrong}");
        }
    }
}
