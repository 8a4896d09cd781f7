//! JPEG: kept are the segments that a decoder needs, the colour profile, and which side is up.
//!
//! Spec: ITU-T T.81, annex B; Exif 2.32, section 4.

use super::take;

/// How a file begins.
pub(super) const START: &[u8] = &[0xff, 0xd8, 0xff];

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const APP2: u8 = 0xe2;
const APP13: u8 = 0xed;
const APP14: u8 = 0xee;
const APP15: u8 = 0xef;
const COM: u8 = 0xfe;

/// Returns the picture alone, and what was removed; none if it has no end.
pub(super) fn clean(bytes: &[u8]) -> Option<(Vec<u8>, Vec<String>)> {
    let mut rest = bytes.strip_prefix(&[0xff, SOI])?;
    let (mut segments, mut removed, mut turned) = (Vec::new(), Vec::new(), None);
    let mut jfif = Vec::new();
    loop {
        let marker = next_marker(&mut rest)?;
        match marker {
            EOI => break,
            // Markers without a length carry nothing outside of a scan.
            0x01 | 0xd0..=0xd8 => continue,
            _ => (),
        }
        let length = usize::from(u16::from_be_bytes(take(&mut rest, 2)?.try_into().ok()?));
        let content = take(&mut rest, length.checked_sub(2)?)?;
        match marker {
            // Without the small picture that it may carry.
            APP0 if content.starts_with(b"JFIF\0") && 12 <= content.len() => {
                if 14 < content.len() {
                    removed.push("a preview".into());
                }
                let mut plain = content[..12].to_vec();
                plain.extend([0, 0]);
                jfif = segment(APP0, &plain);
                continue;
            }
            APP2 if content.starts_with(b"ICC_PROFILE\0") => (),
            APP14 if content.starts_with(b"Adobe") => (),
            APP0..=APP15 | COM => {
                turned = turned.or_else(|| orientation(content).filter(|_| marker == APP1));
                removed.push(name(marker, content));
                continue;
            }
            _ => (),
        }
        segments.extend(segment(marker, content));
        if marker == SOS {
            let scan = scan_bytes(rest)?;
            segments.extend(take(&mut rest, scan)?);
        }
    }
    if !rest.is_empty() {
        removed.push("what stood behind the picture".into());
    }
    let mut picture = vec![0xff, SOI];
    picture.extend(jfif);
    picture.extend(turned.map(|side| segment(APP1, &only_orientation(side))).unwrap_or_default());
    picture.extend(segments);
    picture.extend([0xff, EOI]);
    Some((picture, removed))
}

fn next_marker(rest: &mut &[u8]) -> Option<u8> {
    if take(rest, 1)? != [0xff] {
        return None;
    }
    loop {
        match take(rest, 1)? {
            [0xff] => (),
            [0x00] => return None,
            [marker] => return Some(*marker),
            _ => return None,
        }
    }
}

/// Returns how many bytes of a scan follow, up to the next marker that ends it.
fn scan_bytes(rest: &[u8]) -> Option<usize> {
    let ends = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xd0..=0xd7 | 0xff);
    rest.windows(2).position(ends)
}

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).expect("it was read from such a length");
    [&[0xff, marker], &length.to_be_bytes()[..], content].concat()
}

fn name(marker: u8, content: &[u8]) -> String {
    match marker {
        APP1 if content.starts_with(b"Exif\0") => "Exif (camera, time, place)".into(),
        APP1 if content.starts_with(b"http://ns.adobe.com/") => "XMP".into(),
        APP2 if content.starts_with(b"MPF\0") => "a list of further pictures".into(),
        APP13 => "IPTC".into(),
        COM => "a comment".into(),
        other => format!("application data {}", other - APP0),
    }
}

/// Returns how the picture is to be turned, if Exif says that it is.
fn orientation(content: &[u8]) -> Option<u8> {
    let tiff = content.strip_prefix(b"Exif\0")?.get(1..)?;
    let little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let two = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) })
    };
    let four: [u8; 4] = tiff.get(4..8)?.try_into().ok()?;
    let start = if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) };
    let start = usize::try_from(start).ok()?;
    for entry in 0..usize::from(u16_at(start)?) {
        let at = start.checked_add(2 + 12 * entry)?;
        if u16_at(at)? == 0x0112 {
            let side = u8::try_from(u16_at(at.checked_add(8)?)?).ok()?;
            return Some(side).filter(|side| (2..=8).contains(side));
        }
    }
    None
}

/// Returns an Exif segment that says nothing but how the picture is to be turned.
fn only_orientation(side: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([side, 0, 0, 0, 0, 0, 0]);
    exif
}
