//! Tables, facts, numbers and JSON.
//!
//! Invariant: cells and values that come from others have passed [`Safe`](crate::safe::Safe)
//! before they come here; JSON is ASCII-safe for a terminal without loss.
//! Not here: what is shown (`commands`).
//! Spec: docs/OPERATIONS.md, "Output".

use serde::Serialize;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Select Graphic Rendition codes.
pub(crate) const BOLD: &str = "1";
pub(crate) const RED: &str = "1;31";
pub(crate) const YELLOW: &str = "1;33";

/// Columns that a shortened cell keeps at least.
const CELL_COLUMNS_MIN: usize = 12;

/// Columns between two cells.
const GAP_COLUMNS: usize = 2;

/// Returns `text` in a colour or, without colours, as it is.
pub(crate) fn paint(text: &str, code: &str, colour: bool) -> String {
    if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Returns whether `c` only directs the order in which others are shown.
pub(crate) fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns `value` as indented JSON in which nothing can direct a terminal.
pub(crate) fn json(value: &impl Serialize) -> String {
    let plain = serde_json::to_string_pretty(value)
        .expect("replies have string keys and no other failing parts");
    escape(&plain)
}

/// As [`json`], on one line.
pub(crate) fn json_line(value: &impl Serialize) -> String {
    let plain =
        serde_json::to_string(value).expect("replies have string keys and no other failing parts");
    escape(&plain)
}

/// Escapes what JSON may carry as it is and a terminal may obey. Outside strings, JSON has none.
fn escape(plain: &str) -> String {
    let mut text = String::with_capacity(plain.len());
    for c in plain.chars() {
        if is_bidi_control(c) || (c.is_control() && c != '\n') {
            text += &format!("\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

/// Returns the start of `text` that fits `columns`, with an ellipsis if something is left out.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut used = 1; // the ellipsis
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= columns
    };
    // Marks have no width, so they stay with their letter.
    let mut start: String = text.chars().take_while(fits).collect();
    start.truncate(start.trim_end().len());
    start.push('…');
    start
}

/// Returns `text` and the spaces that fill it up to `columns`.
fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(text.width())))
}

/// Rows under headings, aligned.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    /// Which column gives way when a row is wider than the terminal.
    yielding: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(headings: &[&'static str], yielding: usize) -> Self {
        Self { headings: headings.to_vec(), yielding, rows: Vec::new() }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// Returns the lines of the table, cut to `width` columns if that is known.
    pub(crate) fn render(&self, width: Option<usize>, colour: bool) -> String {
        let mut columns: Vec<usize> = self.headings.iter().map(|cell| cell.width()).collect();
        for row in &self.rows {
            for (widest, cell) in columns.iter_mut().zip(row) {
                *widest = (*widest).max(cell.width());
            }
        }
        if let Some(width) = width {
            let whole = columns.iter().sum::<usize>() + GAP_COLUMNS * (columns.len() - 1);
            let yielding = &mut columns[self.yielding];
            let left = yielding.saturating_sub(whole.saturating_sub(width));
            *yielding = (*yielding).min(left.max(CELL_COLUMNS_MIN));
        }
        let headings: Vec<_> = self.headings.iter().map(|text| (*text).to_owned()).collect();
        let mut text = paint(&line(&headings, &columns), BOLD, colour) + "\n";
        for row in &self.rows {
            text += &(line(row, &columns) + "\n");
        }
        text
    }
}

fn line(cells: &[String], columns: &[usize]) -> String {
    let gap = " ".repeat(GAP_COLUMNS);
    let fitted =
        cells.iter().zip(columns).map(|(cell, columns)| pad(&cut(cell, *columns), *columns));
    fitted.collect::<Vec<_>>().join(&gap).trim_end().to_owned()
}

/// Labels with values, aligned; empty values are left out.
#[derive(Debug, Default)]
pub(crate) struct Facts(Vec<(&'static str, String)>);

impl Facts {
    pub(crate) fn add(&mut self, label: &'static str, value: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.0.push((label, value));
        }
    }

    /// Returns the lines.
    pub(crate) fn render(&self) -> String {
        let columns =
            self.0.iter().map(|(label, _)| label.width()).max().unwrap_or(0) + GAP_COLUMNS;
        let line = |(label, value): &(&str, String)| format!("{}{value}\n", pad(label, columns));
        self.0.iter().map(line).collect()
    }
}

/// Returns a number with a comma between thousands.
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place != 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a number with the noun in the form that fits it.
pub(crate) fn count(value: u64, one: &str, more: &str) -> String {
    format!("{} {}", number(value), if value == 1 { one } else { more })
}

/// Returns a number of bytes in a unit that people can compare.
pub(crate) fn bytes(value: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if value < 1_024 {
        return count(value, "byte", "bytes");
    }
    let (mut tenths, mut unit) = (u128::from(value) * 10 / 1_024, 0);
    while 10_240 <= tenths && unit + 1 < UNITS.len() {
        tenths /= 1_024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        let shown = [0, 999, 1_000, 1_234_567].map(number);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [1, 1_023, 1_024, 1_600_000].map(bytes),
            ["1 byte", "1,023 bytes", "1.0 KiB", "1.5 MiB"]
        );
        assert_eq!(bytes(u64::MAX), "16777215.9 TiB");
    }

    #[test]
    fn a_cut_respects_wide_letters_and_marks() {
        assert_eq!(cut("water", 5), "water");
        assert_eq!(cut("waters", 5), "wate…");
        assert_eq!(cut("安全な水とトイレ", 7), "安全な…");
        assert_eq!(cut("e\u{301}te\u{301}s", 3), "e\u{301}t…");
        assert_eq!(cut("a bcd", 3), "a…");
    }

    #[test]
    fn the_yielding_column_gives_way_to_the_terminal() {
        let mut table = Table::new(&["ID", "TITLE", "DAY"], 1);
        table.row(["1".into(), "Rainwater tanks at schools".into(), "2026-03-01".into()]);
        table.row(["22".into(), "水".into(), "2026-03-02".into()]);
        assert_eq!(
            table.render(Some(30), false),
            "ID  TITLE           DAY\n1   Rainwater tan…  2026-03-01\n22  水              2026-03-02\n"
        );
        assert!(table.render(None, false).contains("Rainwater tanks at schools  2026"));
        assert!(table.render(Some(3), true).starts_with("\u{1b}[1mID"));
    }

    #[test]
    fn json_has_nothing_that_a_terminal_obeys_and_loses_nothing() {
        let text = "a\u{1b}[31m\u{7f}\u{9b}\u{202e}\nب\u{200d}";
        let shown = json_line(&text);
        assert!(!shown.chars().any(|c| c.is_control() || is_bidi_control(c)), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }
}
