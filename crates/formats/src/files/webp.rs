//! WebP: kept are the chunks that a decoder needs, the colour profile and animation.
//!
//! Spec: RFC 9649, section 2.

use super::take;

const KEPT: &[&[u8; 4]] = &[b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"];

/// Flags of VP8X that say that Exif and XMP follow.
const SAYS_METADATA: u8 = 0b0000_1100;

/// Returns whether a file begins like one.
pub(super) fn is_webp(head: &[u8]) -> bool {
    head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP")
}

/// Returns the picture alone, and what was removed; none if it has no end.
pub(super) fn clean(bytes: &[u8]) -> Option<(Vec<u8>, Vec<String>)> {
    let mut file = bytes.strip_prefix(b"RIFF")?;
    let length = u32::from_le_bytes(take(&mut file, 4)?.try_into().ok()?);
    let mut rest = take(&mut file, usize::try_from(length).ok()?)?.strip_prefix(b"WEBP")?;
    let (mut content, mut removed) = (b"WEBP".to_vec(), Vec::new());
    while !rest.is_empty() {
        let kind: [u8; 4] = take(&mut rest, 4)?.try_into().ok()?;
        let length = u32::from_le_bytes(take(&mut rest, 4)?.try_into().ok()?);
        let mut chunk = take(&mut rest, usize::try_from(length).ok()?)?.to_vec();
        if length % 2 == 1 && !rest.is_empty() {
            take(&mut rest, 1)?;
        }
        if !KEPT.contains(&&kind) {
            removed.push(match &kind {
                b"EXIF" => "Exif (camera, time, place)".into(),
                b"XMP " => "XMP".into(),
                other => format!("chunk {}", other.escape_ascii()),
            });
            continue;
        }
        if let (b"VP8X", Some(flags)) = (&kind, chunk.first_mut()) {
            *flags &= !SAYS_METADATA;
        }
        content.extend(kind);
        content.extend(length.to_le_bytes());
        content.append(&mut chunk);
        content.resize(content.len().next_multiple_of(2), 0);
    }
    if !file.is_empty() {
        removed.push("what stood behind the picture".into());
    }
    let length = u32::try_from(content.len()).ok()?.to_le_bytes();
    Some(([b"RIFF", &length[..], &content].concat(), removed))
}
