//! Files that are attached to records: what they are, and what a camera or an editor wrote into
//! them beside the picture.
//!
//! Invariant: of a picture only those parts are kept that are known to be needed to show it; what
//! stands behind its end is dropped. What is not understood is not called clean.
//! Not here: who may be shown, which people decide; hashes and sending (`baraza-cli`).
//! Spec: docs/FORMATS.md, "Attachments"; decision 0016.

mod jpeg;
mod png;
mod webp;

/// Most bytes of a picture that is cleaned (64 MiB): a photograph of 200 megapixels.
pub const PICTURE_BYTES_MAX: u64 = 64 * 1_024 * 1_024;

/// Bytes at the beginning of a file that show what it is.
pub const HEAD_BYTES: usize = 32;

/// What was made of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cleaned {
    /// A picture without what was written beside it.
    Picture {
        /// The file to attach.
        bytes: Vec<u8>,
        /// What was removed, in words.
        removed: Vec<String>,
    },
    /// Plain text: nothing stands beside it.
    Text,
    /// It is not known what else is in it.
    Unknown,
}

/// Why a file is not what it begins like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {format} file ends early or is damaged")]
pub struct Broken {
    /// What it begins like.
    pub format: &'static str,
}

/// Media types by the ending of a name.
const TYPES: &[(&str, &str)] = &[
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("svg", "image/svg+xml"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("heic", "image/heic"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("json", "application/json"),
    ("geojson", "application/geo+json"),
    ("html", "text/html"),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
    ("mp3", "audio/mpeg"),
    ("ogg", "audio/ogg"),
    ("wav", "audio/wav"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("odp", "application/vnd.oasis.opendocument.presentation"),
];

/// Types that are nothing but text.
const TEXT: &[&str] =
    &["text/plain", "text/markdown", "text/csv", "application/json", "application/geo+json"];

/// Returns the media type of a file by its first bytes or, if they do not show it, its name.
pub fn media_type(name: &str, head: &[u8]) -> &'static str {
    let by_bytes: [(&[u8], &str); 5] = [
        (jpeg::START, "image/jpeg"),
        (png::START, "image/png"),
        (b"GIF8", "image/gif"),
        (b"%PDF-", "application/pdf"),
        (b"\x1a\x45\xdf\xa3", "video/webm"),
    ];
    if webp::is_webp(head) {
        return "image/webp";
    }
    if let Some((_, mime)) = by_bytes.iter().find(|(start, _)| head.starts_with(start)) {
        return mime;
    }
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let known = TYPES.iter().find(|(known, _)| ending.as_deref() == Some(known));
    known.map_or("application/octet-stream", |(_, mime)| mime)
}

/// Returns the ending of names of files of a media type; `bin` if none is known.
pub fn ending(mime: &str) -> &'static str {
    TYPES.iter().find(|(_, known)| *known == mime).map_or("bin", |(ending, _)| ending)
}

/// Returns whether a file of this type is a picture or a film, so that somebody may be on it.
pub fn may_show_people(mime: &str) -> bool {
    mime.starts_with("image/") || mime.starts_with("video/")
}

/// Removes from a picture what a camera or an editor wrote beside it. `mime` is what
/// [`media_type`] said of it.
///
/// # Errors
///
/// [`Broken`] if a picture cannot be read to its end.
pub fn clean(mime: &str, bytes: &[u8]) -> Result<Cleaned, Broken> {
    let picture = match mime {
        "image/jpeg" => jpeg::clean(bytes).ok_or(Broken { format: "JPEG" }),
        "image/png" => png::clean(bytes).ok_or(Broken { format: "PNG" }),
        "image/webp" => webp::clean(bytes).ok_or(Broken { format: "WebP" }),
        _ if TEXT.contains(&mime) && is_text(bytes) => return Ok(Cleaned::Text),
        _ => return Ok(Cleaned::Unknown),
    };
    let (bytes, mut removed) = picture?;
    removed.sort();
    removed.dedup();
    Ok(Cleaned::Picture { bytes, removed })
}

fn is_text(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'))
}

/// Takes `count` bytes off the front.
fn take<'b>(bytes: &mut &'b [u8], count: usize) -> Option<&'b [u8]> {
    let (front, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(front)
}

#[cfg(test)]
mod tests;
