//! Pictures made here, with all that must go.

use super::*;

const SECRET: &[u8] = b"GPS 1.2921S 36.8219E by Njeri Example";

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&[0xff, marker], &length[..], content].concat()
}

fn exif(side: u8, little: bool) -> Vec<u8> {
    let mut exif = b"Exif\0\0".to_vec();
    match little {
        true => {
            exif.extend(b"II*\0\x08\0\0\0\x02\0\x0f\x01\x02\0\x01\0\0\0\0\0\0\0");
            exif.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0, side, 0, 0, 0, 0, 0, 0, 0]);
        }
        false => {
            exif.extend(b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0");
            exif.extend([side, 0, 0, 0, 0, 0, 0]);
        }
    }
    [&exif, SECRET].concat()
}

/// A JPEG in form: two scans, with everything that cameras and editors add.
fn jpeg(exif: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let kept = vec![
        segment(0xe2, b"ICC_PROFILE\0\x01\x01profile"),
        segment(0xee, b"Adobe\0\x64"),
        segment(0xdb, &[7; 65]),
        segment(0xc2, &[8; 15]),
        segment(0xda, &[1, 1, 0, 0, 63, 0]),
    ];
    let mut file = vec![0xff, 0xd8];
    file.extend(segment(0xe0, &[&b"JFIF\0\x01\x02\0\0\x01\0\x01\x01\x01"[..], SECRET].concat()));
    file.extend(segment(0xe1, exif));
    file.extend(segment(0xe1, &[b"http://ns.adobe.com/xap/1.0/\0", SECRET].concat()));
    file.extend(segment(0xed, &[b"Photoshop 3.0\0", SECRET].concat()));
    file.extend(segment(0xfe, SECRET));
    file.extend(kept[..4].concat());
    file.extend(&kept[4]);
    file.extend([1, 2, 0xff, 0x00, 3, 0xff, 0xd0, 4]);
    // Fill bytes, and a note between two scans.
    file.extend([0xff]);
    file.extend(segment(0xe5, SECRET));
    file.extend(segment(0xda, &[1, 2, 0, 0, 63, 0]));
    file.extend([9, 9, 0xff, 0xd9]);
    file.extend(SECRET);
    (file, kept)
}

fn has(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

#[track_caller]
fn cleaned(mime: &str, bytes: &[u8]) -> (Vec<u8>, Vec<String>) {
    match clean(mime, bytes) {
        Ok(Cleaned::Picture { bytes, removed }) => {
            assert!(!has(&bytes, b"GPS") && !has(&bytes, b"Njeri"), "nothing of it is left");
            let again = clean(mime, &bytes);
            let Ok(Cleaned::Picture { bytes: twice, .. }) = again else { panic!("{again:?}") };
            assert_eq!(twice, bytes, "a clean picture stays as it is");
            (bytes, removed)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_a_jpeg_the_picture_is_kept_and_which_side_is_up() {
    for (side, little) in [(6, false), (8, true), (1, false), (9, true)] {
        let (file, kept) = jpeg(&exif(side, little));
        assert_eq!(media_type("photo", &file), "image/jpeg");
        let (clean, removed) = cleaned("image/jpeg", &file);
        for one in kept {
            assert!(has(&clean, &one), "what a decoder needs");
        }
        assert!(has(&clean, &[1, 2, 0xff, 0x00, 3, 0xff, 0xd0, 4, 0xff, 0xff, 0xda]), "both scans");
        assert!(clean.ends_with(&[9, 9, 0xff, 0xd9]));
        assert!(has(&clean, b"JFIF\0\x01\x02\0\0\x01\0\x01\0\0"), "without its preview");
        assert_eq!(has(&clean, b"Exif"), (2..=8).contains(&side), "{side}");
        assert_eq!(jpeg_side(&clean), Some(side).filter(|side| (2..=8).contains(side)));
        for word in ["Exif (camera, time, place)", "XMP", "IPTC", "a comment", "a preview"] {
            assert!(removed.iter().any(|one| one == word), "{word}: {removed:?}");
        }
    }
}

fn jpeg_side(bytes: &[u8]) -> Option<u8> {
    let at = bytes.windows(4).position(|window| window == b"Exif")?;
    // The one entry that is left says it at this place.
    bytes.get(at + 6 + 8 + 2 + 9).copied()
}

#[test]
fn a_jpeg_that_is_cut_off_is_not_called_clean() {
    let (file, _) = jpeg(&exif(6, false));
    let whole = file.len() - SECRET.len();
    for length in 2..whole {
        assert_eq!(
            clean("image/jpeg", &file[..length]),
            Err(Broken { format: "JPEG" }),
            "{length}"
        );
    }
    assert!(clean("image/jpeg", &file[..whole]).is_ok());
}

fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32).to_be_bytes()[..], kind, content, b"crc!"].concat()
}

#[test]
fn of_a_png_text_exif_and_time_go() {
    let kept = [
        chunk(b"IHDR", &[1; 13]),
        chunk(b"gAMA", &[2; 4]),
        chunk(b"iCCP", b"profile"),
        chunk(b"IDAT", &[3; 40]),
        chunk(b"IEND", b""),
    ];
    let mut file = png::START.to_vec();
    file.extend(&kept[0]);
    for kind in [b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME", b"prVt", b"CgBI"] {
        file.extend(chunk(kind, SECRET));
    }
    file.extend(kept[1..].concat());
    let whole = file.len();
    file.extend(SECRET);
    assert_eq!(media_type("x.jpg", &file), "image/png", "what it is goes before its name");
    let (clean_file, removed) = cleaned("image/png", &file);
    assert_eq!(clean_file, [png::START, &kept.concat()].concat());
    assert!(removed.contains(&"text".to_owned()) && removed.contains(&"chunk CgBI".to_owned()));
    for length in 8..whole {
        assert_eq!(clean("image/png", &file[..length]), Err(Broken { format: "PNG" }));
    }
}

#[test]
fn of_a_webp_exif_and_xmp_go_and_its_flags_say_so() {
    let chunk = |kind: &[u8; 4], content: &[u8]| {
        let mut chunk = [kind, &(content.len() as u32).to_le_bytes()[..], content].concat();
        chunk.resize(chunk.len().next_multiple_of(2), 0);
        chunk
    };
    let file = |chunks: &[Vec<u8>]| {
        let content = [b"WEBP", &chunks.concat()[..]].concat();
        [b"RIFF", &(content.len() as u32).to_le_bytes()[..], &content].concat()
    };
    let (x, picture) = (|flags| chunk(b"VP8X", &[flags, 0, 0, 0, 1, 1]), chunk(b"VP8L", &[5; 9]));
    let dirty = [x(0b10_1100), picture.clone(), chunk(b"EXIF", SECRET), chunk(b"XMP ", SECRET)];
    let dirty = [&file(&dirty), SECRET].concat();
    assert_eq!(media_type("x", &dirty), "image/webp");
    let (clean_file, removed) = cleaned("image/webp", &dirty);
    assert_eq!(clean_file, file(&[x(0b10_0000), picture]));
    assert_eq!(removed.len(), 3);
    for length in 12..dirty.len() - SECRET.len() {
        assert_eq!(clean("image/webp", &dirty[..length]), Err(Broken { format: "WebP" }));
    }
}

#[test]
fn text_is_text_and_the_rest_is_not_known() {
    assert_eq!(media_type("levels.CSV", b"a,b"), "text/csv");
    assert_eq!(clean("text/csv", b"a,b\n"), Ok(Cleaned::Text));
    assert_eq!(clean("text/csv", b"a\0b"), Ok(Cleaned::Unknown));
    assert_eq!(clean("text/plain", &[0xff, 0xfe]), Ok(Cleaned::Unknown));
    assert_eq!(media_type("report", b"%PDF-1.7"), "application/pdf");
    assert_eq!(clean("application/pdf", b"%PDF-1.7"), Ok(Cleaned::Unknown));
    assert_eq!(media_type("thing", b"????"), "application/octet-stream");
    assert_eq!((ending("image/png"), ending("../../etc/passwd")), ("png", "bin"));
}

#[test]
fn no_bytes_panic() {
    let (file, _) = jpeg(&exif(6, true));
    let mut seed = 7_u32;
    for mime in ["image/jpeg", "image/png", "image/webp"] {
        for _ in 0..2_000 {
            let mut bytes = file.clone();
            for _ in 0..4 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (seed >> 8) as usize % bytes.len();
                bytes[at] = seed as u8;
            }
            let _ = clean(mime, &bytes);
        }
    }
}
