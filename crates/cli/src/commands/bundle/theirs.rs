//! Reading a have-file: what another site has, in parts of bounded size.
//!
//! Invariant: heads ascend strictly over the whole file; what does not, or is damaged, counts as
//! not said, so that the bundle has more than it needs and never less. A part covers all keys
//! from the one before it, so that together they cover every key once.
//! Not here: what is missing there (the node says).
//! Spec: docs/PROTOCOL.md, section 8.5.

use std::{
    collections::{BTreeSet, VecDeque},
    io::Read,
};

use baraza_record::{
    FeedId, RecordId,
    exchange::{HaveEnd, HaveStart, Head, Note},
    frame::{Frame, FrameReader, ReadError},
};

use super::Damages;

/// Heads after which a part of a have-file is asked about: 300 KB of them.
const PART_HEADS: usize = 4_096;

/// Most wanted bodies that a have-file names, and that are heeded. More come with the next one.
pub(crate) const HAVE_BODIES_MAX: usize = 200_000;

/// What the heads of a part are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Logs,
    Feeds,
    Bodies,
    /// Nothing is heeded any more.
    Ended,
}

/// A part of what another site has.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) note: Note,
    after: Option<[u8; 32]>,
    to: Option<[u8; 32]>,
}

impl Part {
    /// Returns the members of a query that say what it covers.
    pub(super) fn bounds(&self) -> [(&'static str, Option<String>); 2] {
        let text = |key: Option<[u8; 32]>| key.map(|key| FeedId(key).to_string());
        [("after", text(self.after)), ("to", text(self.to))]
    }
}

/// Reads a have-file part by part.
pub(super) struct Theirs<R> {
    frames: FrameReader<R>,
    pub(super) start: HaveStart,
    stage: Stage,
    pending: Vec<Head>,
    /// Key up to which all is covered by parts that were given out.
    covered: Option<[u8; 32]>,
    bodies: BTreeSet<RecordId>,
    parts: VecDeque<Part>,
    seen: HaveEnd,
    /// Whether the end is there and says as much as was read.
    pub(super) complete: bool,
    pub(super) damages: Damages,
}

impl<R: Read> Theirs<R> {
    /// Reads on behind the first frame; none if that is no start of a have-file.
    pub(super) fn new(source: R) -> Result<Option<Self>, std::io::Error> {
        let mut frames = FrameReader::new(source);
        let start = match frames.next() {
            Some(Ok((_, Frame::Exchange(content)))) => match Note::decode(&content) {
                Some(Note::HaveStart(start)) => start,
                _ => return Ok(None),
            },
            Some(Err(ReadError::Io(error))) => return Err(error),
            _ => return Ok(None),
        };
        Ok(Some(Self {
            frames,
            start,
            stage: Stage::Logs,
            pending: Vec::new(),
            covered: None,
            bodies: BTreeSet::new(),
            parts: VecDeque::new(),
            seen: HaveEnd::default(),
            complete: false,
            damages: Damages::default(),
        }))
    }

    /// Returns the next part; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Part>, std::io::Error> {
        loop {
            if let Some(part) = self.parts.pop_front() {
                return Ok(Some(part));
            }
            if self.stage == Stage::Ended {
                return Ok(None);
            }
            let before = self.frames.offset();
            match self.frames.next() {
                Some(Ok((at, Frame::Exchange(content)))) => {
                    let to = self.frames.offset();
                    if let Some(note) = Note::decode(&content)
                        && let Err(why) = self.take(note)
                    {
                        self.damages.add_span(at, to, why.to_owned());
                    }
                }
                // Of a later version, or none of a have-file's.
                Some(Ok(_)) => (),
                Some(Err(ReadError::Damaged(damage))) => self.damages.add(&damage),
                Some(Err(ReadError::Io(error))) => return Err(error),
                None => {
                    debug_assert!(before <= self.frames.offset(), "a stream is read forwards");
                    self.advance(Stage::Ended);
                }
            }
        }
    }

    fn take(&mut self, note: Note) -> Result<(), &'static str> {
        match note {
            Note::Logs(heads) => self.heads(Stage::Logs, heads),
            Note::Feeds(heads) => self.heads(Stage::Feeds, heads),
            Note::Bodies(ids) => {
                self.advance(Stage::Bodies);
                self.seen.bodies += ids.len() as u64;
                let new = ids
                    .into_iter()
                    .filter(|id| self.bodies.len() < HAVE_BODIES_MAX && self.bodies.insert(*id));
                let note = Note::Bodies(new.collect());
                self.parts.push_back(Part { note, after: None, to: None });
                Ok(())
            }
            Note::HaveEnd(end) => {
                self.complete = end == self.seen && self.damages.count == 0;
                self.advance(Stage::Ended);
                Ok(())
            }
            Note::HaveStart(_) => {
                self.advance(Stage::Ended);
                Err("another have-file begins here; it is not read")
            }
            Note::PartStart(_) | Note::PartEnd(_) => Err("not of a have-file"),
        }
    }

    fn heads(&mut self, stage: Stage, heads: Vec<Head>) -> Result<(), &'static str> {
        if stage < self.stage {
            return Err("out of order");
        }
        self.advance(stage);
        let last = self.pending.last().map(|head| head.key).or(self.covered);
        let first = heads.first().map(|head| head.key);
        let follows = last.is_none_or(|last| first.is_none_or(|first| last < first));
        if !follows || !heads.is_sorted_by(|a, b| a.key < b.key) {
            return Err("out of order");
        }
        match stage {
            Stage::Logs => self.seen.logs += heads.len() as u64,
            _ => self.seen.feeds += heads.len() as u64,
        }
        for head in heads {
            self.pending.push(head);
            if self.pending.len() == PART_HEADS {
                self.give(Some(head.key));
            }
        }
        Ok(())
    }

    /// Goes on to a later stage: all keys of those before are covered then.
    fn advance(&mut self, stage: Stage) {
        while self.stage < stage {
            self.stage = match self.stage {
                Stage::Logs => {
                    self.give(None);
                    Stage::Feeds
                }
                Stage::Feeds => {
                    self.give(None);
                    Stage::Bodies
                }
                Stage::Bodies | Stage::Ended => Stage::Ended,
            };
        }
    }

    fn give(&mut self, to: Option<[u8; 32]>) {
        let heads = std::mem::take(&mut self.pending);
        let note = match self.stage {
            Stage::Logs => Note::Logs(heads),
            _ => Note::Feeds(heads),
        };
        self.parts.push_back(Part { note, after: self.covered, to });
        self.covered = to;
    }
}
