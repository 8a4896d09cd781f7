//! Words that come cut: a tokenizer that takes each line for one.
//!
//! tantivy keeps pre-tokenized text as JSON between its threads; a text of lines is copied
//! as it is.
//! Invariant: the position of a word is the number of its line.
//! Not here: what the words are (`lexicon`).
//! Spec: docs/ARCHITECTURE.md, "Derived state".

use std::str::Split;

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use crate::lexicon::END;

/// Name of the tokenizer in the schema.
pub(crate) const LINES: &str = "lines";

/// Cuts at each [`END`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    token: Token,
}

/// The words of one text.
#[derive(Debug)]
pub(crate) struct LineStream<'a> {
    token: &'a mut Token,
    lines: Split<'a, char>,
    next: usize,
}

impl Tokenizer for Lines {
    type TokenStream<'a> = LineStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> LineStream<'a> {
        let text = text.strip_suffix(END).unwrap_or(text);
        LineStream { token: &mut self.token, lines: text.split(END), next: 0 }
    }
}

impl TokenStream for LineStream<'_> {
    fn advance(&mut self) -> bool {
        let Some(line) = self.lines.by_ref().find(|line| !line.is_empty()) else { return false };
        self.token.position = self.next;
        self.token.text.clear();
        self.token.text.push_str(line);
        self.next += 1;
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}
