//! The index in memory: a record matches if it contains every word asked for.
//!
//! Spec: `crate::index`.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use baraza_record::RecordId;

use crate::index::{HITS_MAX, Hit, Hits, Index, IndexDoc, IndexError, IndexPosition, Query};

/// An index in memory.
#[derive(Debug, Default)]
pub struct MemoryIndex(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    docs: BTreeMap<RecordId, IndexDoc>,
    /// What was staged, in its order; none where a record is to be removed.
    staged: Vec<(RecordId, Option<IndexDoc>)>,
    position: IndexPosition,
}

impl MemoryIndex {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics while holding the lock")
    }
}

impl Index for MemoryIndex {
    fn position(&self) -> Result<IndexPosition, IndexError> {
        Ok(self.lock().position)
    }

    fn stage(&self, put: &[IndexDoc], remove: &[RecordId]) -> Result<(), IndexError> {
        let mut state = self.lock();
        state.staged.extend(put.iter().map(|doc| (doc.id, Some(doc.clone()))));
        state.staged.extend(remove.iter().map(|id| (*id, None)));
        Ok(())
    }

    fn apply(
        &self,
        put: &[IndexDoc],
        remove: &[RecordId],
        position: IndexPosition,
    ) -> Result<(), IndexError> {
        self.stage(put, remove)?;
        let mut state = self.lock();
        for (id, doc) in std::mem::take(&mut state.staged) {
            match doc {
                Some(doc) => state.docs.insert(id, doc),
                None => state.docs.remove(&id),
            };
        }
        state.position = position;
        Ok(())
    }

    fn clear(&self) -> Result<(), IndexError> {
        *self.lock() = State::default();
        Ok(())
    }

    fn purge(&self) -> Result<(), IndexError> {
        self.lock().staged.clear();
        Ok(())
    }

    fn idle(&self) {}

    fn search(&self, query: &Query) -> Result<Hits, IndexError> {
        let state = self.lock();
        let mut found: Vec<_> = state.docs.values().filter(|doc| matches(doc, query)).collect();
        found.sort_by_key(|doc| (std::cmp::Reverse(doc.created_ms), doc.id));
        let page = found.iter().skip(query.offset).take(query.limit.min(HITS_MAX));
        let hits = page.map(|doc| Hit { id: doc.id, score: 1.0 }).collect();
        Ok(Hits { total: found.len(), hits })
    }
}

fn matches(doc: &IndexDoc, query: &Query) -> bool {
    fn any<T: PartialEq>(wanted: &[T], has: impl Fn(&T) -> bool) -> bool {
        wanted.is_empty() || wanted.iter().any(has)
    }
    let text = format!("{} {}", doc.title, doc.text).to_lowercase();
    let primary = doc.language.split('-').next().unwrap_or_default();
    query.text.split_whitespace().all(|word| text.contains(&word.to_lowercase()))
        && any(&query.kinds, |kind| *kind == doc.kind)
        && any(&query.countries, |country| doc.countries.contains(country))
        && any(&query.regions, |region| doc.regions.contains(region))
        && any(&query.goals, |goal| doc.goals.contains(*goal))
        && any(&query.targets, |target| doc.targets.contains(target))
        && any(&query.languages, |language| language == primary)
        && any(&query.centres, |centre| *centre == doc.centre)
        && query.within.as_ref().is_none_or(|within| within.contains(&doc.centre))
        && !query.hidden.hides(&doc.id, &doc.centre)
        && query.since.is_none_or(|since| since <= doc.created_ms)
        && query.until.is_none_or(|until| doc.created_ms <= until)
}
