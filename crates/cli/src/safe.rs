//! Text of others on the way to a terminal.
//!
//! Invariant: every text that a record, a peer, a file or a node's reply brought is printed
//! through [`Safe`]: no control character reaches the terminal, and directional controls
//! cannot reorder what stands beside the text.
//! Not here: HTML (`baraza-server`).
//! Spec: docs/SECURITY.md, C-01 and C-02.

use std::fmt::{self, Write as _};

use crate::output::is_bidi_control;

/// What stands for a character that a terminal might obey.
const REPLACEMENT: char = '\u{fffd}';

const FIRST_STRONG_ISOLATE: char = '\u{2068}';
const POP_ISOLATE: char = '\u{2069}';

/// Text of others. As it stands it prints as one line without directional controls; the joiners
/// that Persian and Indian scripts need are kept.
#[derive(Clone, Copy, Debug)]
pub struct Safe<'a>(pub &'a str);

impl<'a> Safe<'a> {
    /// Prints as lines, each isolated from what surrounds it; line feeds and tabs are kept.
    pub fn isolated(self) -> impl fmt::Display + 'a {
        Isolated(self.0)
    }

    /// Prints with line feeds, tabs and directional controls kept: for files and pipes.
    pub fn plain(self) -> impl fmt::Display + 'a {
        Plain(self.0)
    }
}

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_line_end = |c| matches!(c, '\u{2028}' | '\u{2029}');
        self.0.chars().filter(|c| !is_bidi_control(*c)).try_for_each(|c| match c {
            c if c.is_control() || is_line_end(c) => f.write_char(REPLACEMENT),
            c => f.write_char(c),
        })
    }
}

struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| f.write_char(visible(c)))
    }
}

struct Isolated<'a>(&'a str);

impl fmt::Display for Isolated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, line) in self.0.split(['\n', '\u{2028}', '\u{2029}']).enumerate() {
            if place != 0 {
                f.write_char('\n')?;
            }
            if !line.is_empty() {
                isolate(f, line)?;
            }
        }
        Ok(())
    }
}

/// Writes one line between isolates. Isolates inside it are closed within it; embeddings and
/// overrides, which nobody needs for a language, are left out.
fn isolate(f: &mut fmt::Formatter<'_>, line: &str) -> fmt::Result {
    let mut depth = 0_usize;
    f.write_char(FIRST_STRONG_ISOLATE)?;
    for c in line.chars() {
        match c {
            '\u{202a}'..='\u{202e}' => continue,
            '\u{2066}'..='\u{2068}' => depth += 1,
            POP_ISOLATE if depth == 0 => continue,
            POP_ISOLATE => depth -= 1,
            _ => (),
        }
        f.write_char(visible(c))?;
    }
    (0..=depth).try_for_each(|_| f.write_char(POP_ISOLATE))
}

fn visible(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        c if c.is_control() => REPLACEMENT,
        c => c,
    }
}
