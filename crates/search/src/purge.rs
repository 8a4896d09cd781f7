//! Purging: what was removed from the index leaves the disk.
//!
//! tantivy marks removed documents and keeps their words until a merge happens to rewrite
//! their segment. Here every segment with a mark is rewritten at once, and its files go.
//! Invariant: after [`check`], each data file belongs to a segment in which nothing is removed.
//! Not here: when to purge (`node`).
//! Spec: docs/STORAGE.md, section 8.

use std::{collections::BTreeSet, fs, path::Path};

use baraza_protocol::index::IndexError;
use tantivy::{IndexWriter, index::SegmentMeta, merge_policy::NoMergePolicy};

use crate::folder::{INDEX_FOLDER, Live, failed};

/// Digits of the name of a segment, which its files begin with.
const SEGMENT_DIGITS: usize = 32;

/// Rewrites the segments of which something was removed, and deletes the old files.
pub(crate) fn run(live: &Live, writer: tantivy::Result<IndexWriter>) -> tantivy::Result<()> {
    let mut writer = writer?;
    writer.set_merge_policy(Box::new(NoMergePolicy));
    // What describes a segment keeps its files: only the names are held on to.
    let metas = live.index.searchable_segment_metas()?.into_iter();
    let marked: Vec<_> = metas.filter(SegmentMeta::has_deletes).map(|meta| meta.id()).collect();
    if !marked.is_empty() {
        writer.merge(&marked).wait()?;
    }
    // Whatever a reader has open is kept by the collection of garbage.
    live.reader.reload()?;
    writer.garbage_collect_files().wait()?;
    writer.wait_merging_threads()
}

/// Checks that nothing is left of segments that are no longer in use, and no mark in those
/// that are.
pub(crate) fn check(live: &Live, dir: &Path) -> Result<(), IndexError> {
    let metas =
        live.index.searchable_segment_metas().map_err(failed("cannot list its segments"))?;
    let in_use: BTreeSet<_> = metas.iter().map(|meta| meta.id().uuid_string()).collect();
    let left = |what: String| Err(IndexError { what, source: None });
    if let Some(meta) = metas.iter().find(|meta| meta.has_deletes()) {
        return left(format!("segment {} still has what was removed", meta.id().uuid_string()));
    }
    let files = fs::read_dir(dir.join(INDEX_FOLDER)).map_err(failed("cannot list its files"))?;
    for file in files {
        let name = file.map_err(failed("cannot list its files"))?.file_name();
        let name = name.to_string_lossy();
        let segment = name.split('.').next().unwrap_or_default();
        if segment.len() == SEGMENT_DIGITS && !in_use.contains(segment) {
            return left(format!("{name} is still read by a search"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use baraza_protocol::index::{Index, IndexDoc, IndexPosition};
    use baraza_record::{CentreId, Goals, Kind, RecordId, Timestamp};

    use super::*;
    use crate::TantivyIndex;

    fn doc(number: u8, text: &str) -> IndexDoc {
        IndexDoc {
            id: RecordId([number; 32]),
            kind: Kind::PRACTICE,
            centre: CentreId([1; 32]),
            language: "en".into(),
            goals: Goals::default(),
            targets: Vec::new(),
            countries: Vec::new(),
            regions: Vec::new(),
            created_ms: Timestamp(1),
            title: String::new(),
            text: text.into(),
        }
    }

    /// Returns whether a dictionary of any segment has a word: it is packed there, so that
    /// looking for its letters in the files would prove nothing.
    fn has_word(live: &Live, word: &str) -> bool {
        live.reader.reload().unwrap();
        let (searcher, schema) = (live.reader.searcher(), live.index.schema());
        let mut fields = schema.fields().map(|(field, _)| field);
        fields.any(|field| {
            searcher.segment_readers().iter().any(|segment| {
                let words = segment.inverted_index(field).unwrap();
                words.terms().get(word.as_bytes()).unwrap().is_some()
            })
        })
    }

    #[test]
    fn what_was_removed_leaves_the_disk_with_a_purge() {
        let at = |change| IndexPosition { epoch: 1, change };
        for others in [0, 3] {
            let dir = tempfile::tempdir().unwrap();
            let index = TantivyIndex::open(dir.path()).unwrap();
            let near: Vec<_> = (0..others).map(|n| doc(2 + n, "quokka water")).collect();
            index
                .apply(&[&near[..], &[doc(1, "quokkalandia water")]].concat(), &[], at(1))
                .unwrap();
            index.apply(&[], &[RecordId([1; 32])], at(2)).unwrap();
            let gone = has_word(&index.live(), "quokkalandia");
            if others != 0 {
                assert!(gone, "a removed word is only marked");
                assert!(check(&index.live(), dir.path()).is_err(), "and that is noticed");
            }
            index.purge().unwrap();
            assert!(!has_word(&index.live(), "quokkalandia"));
            assert_eq!(has_word(&index.live(), "quokka"), others != 0);
            check(&index.live(), dir.path()).unwrap();
            assert_eq!(index.position().unwrap(), at(2), "the position stays");
        }
    }

    #[test]
    fn a_file_of_a_segment_that_is_not_in_use_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let index = TantivyIndex::open(dir.path()).unwrap();
        check(&index.live(), dir.path()).unwrap();
        let file = dir.path().join(INDEX_FOLDER).join(format!("{}.term", "0f".repeat(16)));
        fs::write(file, "words").unwrap();
        assert!(check(&index.live(), dir.path()).is_err());
    }
}
