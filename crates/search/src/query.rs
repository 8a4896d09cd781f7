//! From a question to a tantivy query.
//!
//! A word counts most in a title, then in the text as written, then by its stem in each
//! language, and least as a part of another word.
//! Invariant: filters decide which records are hits and never how they rank.
//! Not here: the order of equals and pages (`order`, `index`).
//! Spec: docs/ARCHITECTURE.md, "Derived state".

use std::ops::Bound;

use baraza_protocol::index::{Hidden, Query as Question};
use baraza_record::RecordId;
use tantivy::{
    Term,
    query::{
        AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, Occur, PhraseQuery, Query,
        RangeQuery, TermQuery, TermSetQuery,
    },
    schema::{Field, IndexRecordOption},
};

use crate::{
    analysis::{Analyzer, Word},
    fields::Fields,
    parse::{Clause, Sign, What, parse},
    stem::{STEMMED, primary, stems},
};

/// How much more a word counts in a title than in a text.
const TITLE_BOOST: f32 = 3.0;

/// What a record gains for having all grams of a word: less than any whole word gives.
const GRAMS_SCORE: f32 = 0.01;

type Part = (Occur, Box<dyn Query>);

/// How hits are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ranking {
    /// By score.
    Best,
    /// By creation time, latest first.
    Newest,
}

/// Builds the query of a question.
pub(crate) fn build(
    fields: &Fields,
    analyzer: &Analyzer,
    question: &Question,
) -> (Box<dyn Query>, Ranking) {
    let clauses = parse(analyzer, &question.text);
    let ranks = clauses.iter().any(|clause| clause.sign != Sign::Excluded);
    let mut parts: Vec<Part> = filters(fields, question);
    parts.extend(hidden(fields, &question.hidden));
    if let Some(within) = &question.within {
        let centres = within.iter();
        let centres = centres.map(|id| Term::from_field_bytes(fields.centre, id.as_bytes()));
        parts.push(unranked(Box::new(TermSetQuery::new(centres))));
    }
    if ranks || !clauses.is_empty() {
        parts.push((Occur::Must, text(fields, &clauses, ranks)));
    } else if !question.text.trim().is_empty() {
        // Signs without a single word: nothing has them.
        parts.push((Occur::Must, Box::new(EmptyQuery)));
    }
    let ranking = if ranks { Ranking::Best } else { Ranking::Newest };
    if parts.is_empty() {
        return (Box::new(AllQuery), ranking);
    }
    (Box::new(BooleanQuery::new(parts)), ranking)
}

fn text(fields: &Fields, clauses: &[Clause], ranks: bool) -> Box<dyn Query> {
    let mut parts: Vec<Part> = Vec::with_capacity(clauses.len() + 1);
    if !ranks {
        parts.push((Occur::Must, Box::new(AllQuery)));
    }
    for clause in clauses {
        let occur = match clause.sign {
            Sign::Optional => Occur::Should,
            Sign::Demanded => Occur::Must,
            Sign::Excluded => Occur::MustNot,
        };
        let query = match &clause.what {
            What::Word(found) => word(fields, found, clause.sign != Sign::Excluded),
            What::Phrase(words) => phrase(fields, words),
        };
        parts.push((occur, query));
    }
    Box::new(BooleanQuery::new(parts))
}

/// A word in any form. Parts of other words are too loose to exclude by.
fn word(fields: &Fields, word: &Word, with_grams: bool) -> Box<dyn Query> {
    let mut queries =
        vec![boosted(term(fields.title_any, &word.folded)), term(fields.body_any, &word.folded)];
    for ((_, algorithm), field) in STEMMED.iter().zip(fields.stemmed) {
        queries.extend(stems(*algorithm, word).map(|stem| term(field, &stem)));
    }
    let grams: Vec<_> = word.grams().map(|gram| term(fields.grams, gram)).collect();
    if with_grams && !grams.is_empty() {
        let all = BooleanQuery::intersection(grams);
        queries.push(Box::new(ConstScoreQuery::new(Box::new(all), GRAMS_SCORE)));
    }
    Box::new(BooleanQuery::union(queries))
}

/// Words in a row, as written, in the title or in the text.
fn phrase(fields: &Fields, words: &[Word]) -> Box<dyn Query> {
    let within = |field: Field| -> Box<dyn Query> {
        match words {
            [word] => term(field, &word.folded),
            _ => {
                let terms = words.iter().map(|word| Term::from_field_text(field, &word.folded));
                Box::new(PhraseQuery::new(terms.collect()))
            }
        }
    };
    Box::new(BooleanQuery::union(vec![boosted(within(fields.title_any)), within(fields.body_any)]))
}

fn boosted(query: Box<dyn Query>) -> Box<dyn Query> {
    Box::new(BoostQuery::new(query, TITLE_BOOST))
}

fn term(field: Field, text: &str) -> Box<dyn Query> {
    // A field that has no frequencies answers with what it has.
    Box::new(TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::WithFreqs))
}

fn filters(fields: &Fields, question: &Question) -> Vec<Part> {
    let texts = |field, values: &[String], canonical: fn(&str) -> String| -> Vec<Term> {
        values.iter().map(|value| Term::from_field_text(field, &canonical(value))).collect()
    };
    let number = |field, value| Term::from_field_u64(field, u64::from(value));
    let sets = [
        question.kinds.iter().map(|kind| number(fields.kind, kind.0)).collect(),
        question.goals.iter().map(|goal| number(fields.goals, u16::from(*goal))).collect(),
        question
            .centres
            .iter()
            .map(|centre| Term::from_field_bytes(fields.centre, centre.as_bytes()))
            .collect(),
        texts(fields.countries, &question.countries, str::to_ascii_uppercase),
        texts(fields.regions, &question.regions, str::to_owned),
        texts(fields.targets, &question.targets, str::to_owned),
        texts(fields.language, &question.languages, primary),
    ];
    let sets = sets.into_iter().filter(|terms: &Vec<Term>| !terms.is_empty());
    sets.map(|terms| unranked(Box::new(TermSetQuery::new(terms))))
        .chain(period(fields, question))
        .collect()
}

fn period(fields: &Fields, question: &Question) -> Option<Part> {
    let (since, until) = match (question.since, question.until) {
        (None, None) => return None,
        (since, until) => (since.map_or(0, |time| time.0), until.map_or(u64::MAX, |time| time.0)),
    };
    if until < since {
        return Some((Occur::Must, Box::new(EmptyQuery)));
    }
    let bound = |ms| Bound::Included(Term::from_field_u64(fields.created_ms, ms));
    Some(unranked(Box::new(RangeQuery::new(bound(since), bound(until)))))
}

fn unranked(filter: Box<dyn Query>) -> Part {
    (Occur::Must, Box::new(ConstScoreQuery::new(filter, 0.0)))
}

/// What this node does not show: centres but for some of their records, and records.
fn hidden(fields: &Fields, hidden: &Hidden) -> Vec<Part> {
    let set = |terms: Vec<Term>| -> Box<dyn Query> { Box::new(TermSetQuery::new(terms)) };
    let ids = |ids: &[RecordId]| {
        set(ids.iter().map(|id| Term::from_field_bytes(fields.id, id.as_bytes())).collect())
    };
    let mut parts: Vec<Part> = Vec::new();
    if !hidden.centres.is_empty() {
        let centres = hidden.centres.iter();
        let centres =
            set(centres.map(|id| Term::from_field_bytes(fields.centre, id.as_bytes())).collect());
        let mut left_out: Vec<Part> = vec![(Occur::Must, centres)];
        if !hidden.shown.is_empty() {
            left_out.push((Occur::MustNot, ids(&hidden.shown)));
        }
        parts.push((Occur::MustNot, Box::new(BooleanQuery::new(left_out))));
    }
    if !hidden.records.is_empty() {
        parts.push((Occur::MustNot, ids(&hidden.records)));
    }
    if !parts.is_empty() {
        // A query of exclusions alone would find nothing.
        parts.push(unranked(Box::new(AllQuery)));
    }
    parts
}
