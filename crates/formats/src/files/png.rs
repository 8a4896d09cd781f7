//! PNG: kept are the chunks that a decoder needs, colours, transparency and animation.
//!
//! Spec: W3C PNG, third edition, section 11.

use super::take;

/// How a file begins.
pub(super) const START: &[u8] = b"\x89PNG\r\n\x1a\n";

/// What is kept beside the critical chunks, whose names begin with a capital.
const KEPT: &[&[u8; 4]] = &[
    b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"cICP", b"mDCV", b"cLLI", b"bKGD",
    b"hIST", b"pHYs", b"sPLT", b"acTL", b"fcTL", b"fdAT",
];

/// Returns the picture alone, and what was removed; none if it has no end.
pub(super) fn clean(bytes: &[u8]) -> Option<(Vec<u8>, Vec<String>)> {
    let mut rest = bytes.strip_prefix(START)?;
    let (mut picture, mut removed) = (START.to_vec(), Vec::new());
    loop {
        let whole = rest;
        let length = u32::from_be_bytes(take(&mut rest, 4)?.try_into().ok()?);
        let kind: [u8; 4] = take(&mut rest, 4)?.try_into().ok()?;
        // The content and its checksum.
        take(&mut rest, usize::try_from(length).ok()?.checked_add(4)?)?;
        let critical = matches!(&kind, b"IHDR" | b"PLTE" | b"IDAT" | b"IEND");
        match critical || KEPT.contains(&&kind) {
            true => picture.extend(&whole[..whole.len() - rest.len()]),
            false => removed.push(name(kind)),
        }
        if &kind == b"IEND" {
            break;
        }
    }
    if !rest.is_empty() {
        removed.push("what stood behind the picture".into());
    }
    Some((picture, removed))
}

fn name(kind: [u8; 4]) -> String {
    match &kind {
        b"eXIf" => "Exif (camera, time, place)".into(),
        b"tEXt" | b"zTXt" | b"iTXt" => "text".into(),
        b"tIME" => "a time".into(),
        other => format!("chunk {}", other.escape_ascii()),
    }
}
