//! Full-text search: hits from the index, their facts from the store.
//!
//! Invariant: a hit that the store no longer shows is left out, however far behind the index is.
//! Not here: words, stems and ranking (`baraza-search`).
//! Spec: docs/OPERATIONS.md, "API".

use axum::{Json, extract::State};
use baraza_api::{HitView, SearchReply};
use baraza_protocol::{
    effective::{Effective, Standing, View, text},
    index::{HITS_MAX, Hits, QUERY_CHARS_MAX, Query},
    policy::Rules,
    store::StoreRead,
    stream::place_of,
};

use super::{Node, Reply, limit};
use crate::{failure::Failure, filter, input::Params, view};

/// Hits on a page if the client does not say.
pub const HITS_DEFAULT: usize = 20;

/// Most hits that may be skipped: the index keeps them all in memory meanwhile.
pub const OFFSET_MAX: usize = 10_000;

/// Characters of an excerpt, without the marks of what is left out.
pub const EXCERPT_CHARS: usize = 200;

/// Characters of an excerpt before the match.
const LEAD_CHARS: usize = 60;

/// Fewest characters of a word that is also looked for without its ending.
const STEM_CHARS_MIN: usize = 5;

pub(crate) async fn search(State(app): Node, mut params: Params) -> Reply<SearchReply> {
    let words = params.text("q").unwrap_or_default();
    let filter = params.filter();
    let offset = params.take("offset")?.unwrap_or(0);
    let limit = limit(&mut params, HITS_DEFAULT, HITS_MAX)?;
    params.finish()?;
    if OFFSET_MAX < offset {
        let message = format!("`offset` is {offset}, the limit is {OFFSET_MAX}");
        return Err(Failure::bad_request(message).hint("narrow the search"));
    }
    let chars = words.chars().count();
    if QUERY_CHARS_MAX < chars {
        let message = format!("the query has {chars} characters, the limit is {QUERY_CHARS_MAX}");
        return Err(Failure::bad_request(message));
    }
    let read = app.read(move |app| {
        let (reader, rules) = (&*app.reader, app.rules()?);
        let hidden = rules.hidden(reader)?;
        let narrowed = filter::query(reader, &rules, &filter)?;
        let query = Query { text: words, offset, limit, hidden, ..narrowed };
        let (hits, position) = (app.index.search(&query)?, app.index.position()?);
        let behind = match position.epoch == reader.epoch() {
            true => reader.last_change().saturating_sub(position.change),
            false => reader.last_change(),
        };
        page(reader, &rules, &query.text, hits, behind)
    });
    read.await.map(Json)
}

fn page(
    reader: &dyn StoreRead,
    rules: &Rules,
    words: &str,
    hits: Hits,
    behind: u64,
) -> Result<SearchReply, Failure> {
    let mut effective = Effective::under(reader, rules);
    let mut reply = SearchReply { total: hits.total, hits: Vec::new(), behind };
    for hit in hits.hits {
        let Some(place) = place_of(reader, &hit.id)? else { continue };
        match effective.view(&place)? {
            Some(view) if view.standing == Standing::Current => reply.hits.push(HitView {
                summary: view::summary(&mut effective, &view)?,
                score: hit.score,
                excerpt: excerpt(&text_of(&view), words),
            }),
            _ => (),
        }
    }
    Ok(reply)
}

fn text_of(view: &View) -> String {
    view.body.as_ref().map(|body| text(view.entry.kind, body)).unwrap_or_default()
}

/// Returns about [`EXCERPT_CHARS`] characters of `text` as one line, around the first of the
/// words of a query that occurs in it, otherwise from its beginning.
fn excerpt(text: &str, query: &str) -> String {
    let text = baraza_record::body::normalize_line(text);
    let chars: Vec<char> = text.chars().filter(|c| !c.is_control()).collect();
    // One letter for one letter, so that places in both are the same.
    let lower: Vec<char> = chars.iter().map(|c| c.to_lowercase().next().unwrap_or(*c)).collect();
    let at = needles(query).iter().find_map(|needle| find(&lower, needle)).unwrap_or(0);
    let start = match at.saturating_sub(LEAD_CHARS) {
        0 => 0,
        // Begins with a whole word, if one begins before the match.
        from => (from..at).find(|place| chars[place - 1] == ' ').unwrap_or(from),
    };
    let end = chars.len().min(start + EXCERPT_CHARS);
    let last_space = (at.max(start + 1)..end).rev().find(|place| chars[*place] == ' ');
    let end = if end < chars.len() { last_space.unwrap_or(end) } else { end };
    let mark = |left_out: bool| if left_out { "…" } else { "" };
    let middle: String = chars[start..end].iter().collect();
    format!("{}{middle}{}", mark(0 < start), mark(end < chars.len()))
}

/// Returns what to look for: the words of a query as written, then without their endings.
fn needles(query: &str) -> Vec<Vec<char>> {
    let wanted = query.split_whitespace().filter(|word| !word.starts_with('-'));
    let trimmed = wanted.map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
    let words: Vec<Vec<char>> = trimmed
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().map(|c| c.to_lowercase().next().unwrap_or(c)).collect())
        .collect();
    let long = words.iter().filter(|word| STEM_CHARS_MIN < word.len());
    let stems: Vec<_> =
        long.map(|word| word[..STEM_CHARS_MIN.max(word.len() * 2 / 3)].to_vec()).collect();
    [words, stems].concat()
}

fn find(text: &[char], needle: &[char]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_shows_the_first_match() {
        let text = format!(
            "{} Rainwater\nharvesting works. {}",
            "before ".repeat(40),
            "after ".repeat(60)
        );
        let excerpt = excerpt(&text, "-tank +\"Harvest\"");
        assert!(excerpt.starts_with("…before"), "{excerpt}");
        assert!(excerpt.contains("before Rainwater harvesting works. after"), "{excerpt}");
        assert!(excerpt.ends_with("after…"), "{excerpt}");
        assert!(excerpt.chars().count() <= EXCERPT_CHARS + 2);
    }

    #[test]
    fn another_form_of_the_word_is_found_too() {
        let text = format!("{} the irrigation turns of a village", "x ".repeat(200));
        assert!(excerpt(&text, "irrigating").contains("irrigation turns"));
    }

    #[test]
    fn without_a_match_it_starts_at_the_beginning() {
        assert_eq!(excerpt("Short text.\nIn two lines.", "absent"), "Short text. In two lines.");
        assert_eq!(excerpt("", "word"), "");
        let unbroken = "水".repeat(1_000);
        assert_eq!(excerpt(&unbroken, "").chars().count(), EXCERPT_CHARS + 1);
        let found = excerpt(&format!("{unbroken}灌溉{unbroken}"), "灌溉");
        assert!(found.contains("灌溉") && found.starts_with('…') && found.ends_with('…'));
    }

    #[test]
    fn an_excerpt_holds_nothing_that_moves_a_cursor() {
        assert_eq!(excerpt("a\u{1b}[2J\u{202e}b\tc\u{0}", ""), "a[2Jb c");
        assert_eq!(excerpt("İstanbul ĞÜŞ", "ğüş"), "İstanbul ĞÜŞ");
    }
}
