//! Text as a QR code, drawn with characters.
//!
//! Invariant: dark modules are drawn as such on any background, because both colours are set.
//! Not here: what the text says (`network`).

use std::fmt::Write;

use qrcodegen::{QrCode, QrCodeEcc};

/// Modules of light margin that a reader needs.
const MARGIN: i32 = 4;

/// Black on white.
const COLOURS: &str = "\u{1b}[30;107m";

/// Back to the colours of the terminal.
const RESET: &str = "\u{1b}[0m";

/// Draws `text` as a QR code, two modules above each other in a character; none if it is too
/// long for one.
pub(super) fn draw(text: &str) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
    let size = code.size();
    let mut picture = String::new();
    for y in (-MARGIN..size + MARGIN).step_by(2) {
        let cells = (-MARGIN..size + MARGIN).map(|x| {
            match (code.get_module(x, y), code.get_module(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            }
        });
        let cells: String = cells.collect();
        // Writing to a string cannot fail.
        let _ = writeln!(picture, "{COLOURS}{cells}{RESET}");
    }
    Some(picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_a_square_with_a_margin() {
        let picture = draw("BARAZA-JOIN:ABC").unwrap();
        let rows: Vec<_> = picture
            .lines()
            .map(|row| row.strip_prefix(COLOURS).and_then(|row| row.strip_suffix(RESET)).unwrap())
            .collect();
        let columns = rows[0].chars().count();
        assert_eq!(rows.len(), columns.div_ceil(2));
        assert!(rows.iter().all(|row| row.chars().count() == columns && row.starts_with("    ")));
        assert!(rows[0].trim().is_empty() && rows[2].contains('█'));
        assert_eq!(draw(&"a".repeat(4_000)), None);
    }
}
