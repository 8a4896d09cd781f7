//! Arguments of the commands about bundles.
//!
//! Spec: docs/OPERATIONS.md, "Bundles".

use std::path::PathBuf;

use clap::Subcommand;

/// Largest file that every memory stick takes (FAT32: 4 GiB less one byte).
pub(crate) const PART_BYTES_DEFAULT: u64 = u32::MAX as u64;

/// Smallest size of a part: one piece of the node with its anchor and its notes fits (2 MiB).
pub(crate) const PART_BYTES_MIN: u64 = 2 * 1_024 * 1_024;

#[derive(Debug, Subcommand)]
pub(crate) enum Bundle {
    /// Write what this site has, so that another one can write what is missing here
    Have {
        /// File to write; absent: the output, to be sent to a file
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Tell also of what is for this centre (its id) or network:NAME
        #[arg(long = "for", value_name = "WHOM")]
        whom: Option<String>,
    },
    /// Write records to files: all public ones, or what is missing at another site
    Create {
        /// File to write
        #[arg(required_unless_present = "to", conflicts_with = "to")]
        file: Option<PathBuf>,
        /// Have-file of a site: write only what is missing there. And, or alone, a centre's id
        /// or network:NAME: write also what is for them
        #[arg(long = "for", value_name = "HAVE|WHOM")]
        whom: Vec<String>,
        /// Folder to write to, in parts if need be
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// Largest part, such as 100MB; absent: what every memory stick takes
        #[arg(long, value_name = "SIZE", requires = "to", value_parser = part_bytes)]
        split: Option<u64>,
    },
    /// Take the records of files, in any order
    Import {
        /// Files to read, or folders of them
        #[arg(required = true, value_name = "FILE|DIR")]
        files: Vec<PathBuf>,
    },
}

/// Reads a size: a number, alone or with kB, MB, GB (thousands) or KiB, MiB, GiB.
fn part_bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim().trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim_end();
    let unit = text.trim()[digits.len()..].trim();
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(format!("`{unit}` is no unit: kB, MB, GB, KiB, MiB and GiB are")),
    };
    let value = digits.parse::<u64>().ok().and_then(|value| value.checked_mul(factor));
    match value {
        Some(bytes) if bytes < PART_BYTES_MIN => {
            Err(format!("the smallest part has {PART_BYTES_MIN} bytes (2MiB)"))
        }
        Some(bytes) => Ok(bytes),
        None => Err("not a size such as 100MB".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_with_its_unit() {
        for (text, bytes) in [
            ("100MB", 100_000_000),
            ("2MiB", 2_097_152),
            ("4 gb", 4_000_000_000),
            ("3000k", 3_000_000),
            ("4294967295", 4_294_967_295),
        ] {
            assert_eq!(part_bytes(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "MB",
            "1",
            "1MB",
            "-5MB",
            "1.5GB",
            "99999999999999999999",
            "20000000000GB",
            "5 miles",
        ] {
            assert!(part_bytes(text).is_err(), "{text}");
        }
    }
}
