//! The folder: changes last, damage and other formats lead to an empty index.

use std::{
    fs,
    path::{Path, PathBuf},
};

use baraza_protocol::index::{Index, IndexPosition};
use baraza_search::{FORMAT_VERSION, TantivyIndex};

use crate::fixture::{Fixture, at, doc, id};

fn small() -> Fixture {
    Fixture::new(&[
        doc(1, "en", "Wells", "deep water"),
        doc(2, "sw", "Visima", "maji safi"),
        doc(3, "zh", "水井", "干净的水"),
    ])
}

#[test]
fn a_new_record_replaces_the_one_with_its_id() {
    let fixture = small();
    fixture.index.apply(&[doc(1, "en", "Pumps", "shallow water")], &[], at(2)).unwrap();
    assert_eq!(fixture.find("deep"), [] as [u16; 0]);
    assert_eq!(fixture.find("shallow"), [1]);
    assert_eq!(fixture.find("").len(), 3);

    let twice = [doc(4, "en", "First", "one"), doc(4, "en", "Second", "two")];
    fixture.index.apply(&twice, &[], at(3)).unwrap();
    assert_eq!(fixture.find("first"), [] as [u16; 0], "the last of a batch holds");
    assert_eq!(fixture.find("second"), [4]);
}

#[test]
fn removed_records_are_gone() {
    let fixture = small();
    fixture.index.apply(&[], &[id(1), id(99)], at(2)).unwrap();
    assert_eq!(fixture.find("water"), [] as [u16; 0]);
    fixture.index.apply(&[doc(5, "en", "New", "text")], &[id(5)], at(3)).unwrap();
    assert_eq!(fixture.find("").len(), 2, "removed in the batch that put it");
}

#[test]
fn position_and_records_survive_a_restart() {
    let fixture = small();
    fixture.index.apply(&[], &[id(3)], IndexPosition { epoch: 9, change: u64::MAX }).unwrap();
    let fixture = fixture.reopen();
    assert_eq!(fixture.index.position().unwrap(), IndexPosition { epoch: 9, change: u64::MAX });
    assert_eq!(fixture.find("maji"), [2]);
    assert_eq!(fixture.find("").len(), 2);
}

#[test]
fn a_new_index_is_at_the_default_position() {
    let dir = tempfile::tempdir().unwrap();
    let index = TantivyIndex::open(&dir.path().join("deep/down")).unwrap();
    assert_eq!(index.position().unwrap(), IndexPosition::default());
}

#[test]
fn an_empty_apply_moves_the_position() {
    let fixture = small();
    fixture.index.apply(&[], &[], at(50)).unwrap();
    assert_eq!(fixture.reopen().index.position().unwrap(), at(50));
}

#[test]
fn clear_forgets_everything_and_goes_on() {
    let fixture = small();
    fixture.index.clear().unwrap();
    assert_eq!(fixture.index.position().unwrap(), IndexPosition::default());
    assert_eq!(fixture.find(""), [] as [u16; 0]);
    fixture.index.apply(&[doc(4, "en", "Again", "text")], &[], at(1)).unwrap();
    assert_eq!(fixture.find("again"), [4]);
    assert_eq!(fixture.reopen().find(""), [4]);
}

#[test]
fn the_second_idle_closes_the_writer() {
    let fixture = small();
    fixture.index.idle();
    assert!(TantivyIndex::open(fixture.dir.path()).unwrap().apply(&[], &[], at(2)).is_err());
    fixture.index.idle();
    TantivyIndex::open(fixture.dir.path()).unwrap().apply(&[], &[id(1)], at(2)).unwrap();
    fixture.index.apply(&[], &[id(2)], at(3)).unwrap();
    assert_eq!(fixture.find(""), [3], "goes on with a new writer");
}

#[test]
fn another_format_is_dropped_and_nothing_else() {
    let present = FORMAT_VERSION.to_string();
    for format in ["", "0\n", "4294967296\n", "\u{FEFF}1\n", &present, "x"] {
        let fixture = small();
        fs::write(fixture.dir.path().join("format"), format).unwrap();
        check_empty(fixture, format);
    }
    let fixture = small();
    fs::remove_file(fixture.dir.path().join("format")).unwrap();
    check_empty(fixture, "no marker");
    let fixture = small();
    fs::write(fixture.dir.path().join("format"), [0xFF, 0xFE, 0]).unwrap();
    check_empty(fixture, "not a text");
    let fixture = small();
    fs::remove_dir_all(fixture.dir.path().join("tantivy")).unwrap();
    check_empty(fixture, "no folder");

    /// Opens the folder again: an empty index that can be filled, beside an untouched file.
    #[track_caller]
    fn check_empty(fixture: Fixture, case: &str) {
        let other = fixture.dir.path().join("other");
        fs::write(&other, "kept").unwrap();
        let fixture = fixture.reopen();
        assert_eq!(fixture.index.position().unwrap(), IndexPosition::default(), "{case}");
        assert_eq!(fixture.find(""), [] as [u16; 0], "{case}");
        fixture.index.apply(&[doc(1, "en", "Back", "")], &[], at(1)).unwrap();
        assert_eq!(fixture.reopen().find("back"), [1], "{case}");
    }
}

/// Cuts, flips or removes every file of the index, one at a time.
#[test]
fn a_damaged_folder_is_whole_or_empty_after_opening() {
    let fixture = small();
    fixture.index.apply(&[], &[id(1)], at(7)).unwrap();
    fixture.index.idle();
    fixture.index.idle();
    drop(fixture.index);
    let folder = fixture.dir.path().join("tantivy");
    let files = read_all(&folder);
    assert!(5 < files.len(), "{files:?}");

    let mut made_anew = 0;
    for (path, bytes) in &files {
        let (half, last) = (bytes.len() / 2, bytes.len().saturating_sub(1));
        let flipped = |at: usize| {
            let mut damaged = bytes.clone();
            if let Some(byte) = damaged.get_mut(at) {
                *byte ^= 0x55;
            }
            damaged
        };
        let damages = [
            None,
            Some(Vec::new()),
            Some(bytes[..6.min(half)].to_vec()), // shorter than a footer
            Some(bytes[..half].to_vec()),
            Some(bytes[..last].to_vec()),
            Some(flipped(0)),
            Some(flipped(half)),
            Some(flipped(last)),
            Some(vec![0; bytes.len()]),
        ];
        for damage in damages {
            restore(&folder, &files);
            match damage {
                Some(damaged) => fs::write(path, damaged).unwrap(),
                None => fs::remove_file(path).unwrap(),
            }
            fs::write(fixture.dir.path().join("format"), format!("{FORMAT_VERSION}\n")).unwrap();
            let index = TantivyIndex::open(fixture.dir.path()).unwrap();
            let found = index.search(&crate::fixture::all()).unwrap().total;
            match index.position().unwrap() {
                position if position == at(7) => assert_eq!(found, 2, "{path:?}"),
                position => {
                    assert_eq!((position, found), (IndexPosition::default(), 0), "{path:?}");
                    made_anew += 1;
                }
            }
            index.apply(&[doc(4, "en", "More", "text")], &[], at(8)).unwrap();
            assert_eq!(index.search(&crate::fixture::all()).unwrap().total, found + 1);
        }
    }
    assert!(files.len() < made_anew, "only {made_anew} damages were seen");

    fn read_all(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }

    fn restore(folder: &Path, files: &[(PathBuf, Vec<u8>)]) {
        fs::remove_dir_all(folder).unwrap();
        fs::create_dir(folder).unwrap();
        files.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    }
}

#[test]
fn a_purge_changes_nothing_that_can_be_found() {
    let fixture = small();
    fixture.index.purge().unwrap();
    fixture.index.apply(&[], &[id(1)], at(2)).unwrap();
    fixture.index.purge().unwrap();
    assert_eq!((fixture.find("deep"), fixture.find("maji")), (vec![], vec![2]));
    fixture.index.apply(&[doc(4, "en", "Pumps", "deep water")], &[], at(3)).unwrap();
    let fixture = fixture.reopen();
    assert_eq!((fixture.find("deep"), fixture.find("").len()), (vec![4], 3));
    assert_eq!(fixture.index.position().unwrap(), at(3));
}
