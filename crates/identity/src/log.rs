//! One identity log: a tree of events, and the line of it that counts.
//!
//! Invariant: the line that counts follows from the set of events. Where two events follow
//! the same one, the branch with a rotation or an end of the log wins; without any, the log
//! is frozen at their common event; with several, it is disputed there.
//! Spec: docs/PROTOCOL.md, section 5.4.

use std::collections::{BTreeMap, BTreeSet};

use baraza_record::{CentreId, EventId, FeedId, PublicKey, codec::DecodeError};

use crate::{
    Capabilities, EventError, FeedRule, OperatorState, SignedEvent, State, state::Signatures,
};

/// Most bytes of the events of one line, signatures not counted (96 KiB): about 400 changes.
///
/// A centre that changes its keys twice a month has room for fifteen years.
pub const LOG_BYTES_MAX: usize = 96 * 1_024;

/// Most bytes of events beside the line that counts (128 KiB). Beyond, only those are kept
/// that show why the log is frozen or disputed.
pub const OTHERS_BYTES_MAX: usize = 64 * 1_024;

/// Whether a log can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStanding {
    /// It goes on.
    Sound,
    /// Two updates follow the last event. A rotation by the next keys mends it.
    Frozen,
    /// Two rotations follow the last event. Nothing mends it.
    Disputed,
    /// Its owner ended it.
    Ended,
}

/// What is known of a centre from its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    id: CentreId,
    line: Vec<SignedEvent>,
    others: Vec<SignedEvent>,
    state: State,
    standing: LogStanding,
}

/// Why a log is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// There is no event.
    #[error("identity log is empty")]
    Empty,
    /// An event is refused.
    #[error(transparent)]
    Event(#[from] EventError),
    /// An event is of another log.
    #[error("identity log has an event of another log, {other}")]
    Mixed {
        /// Whose it is.
        other: CentreId,
    },
}

impl From<DecodeError> for LogError {
    fn from(error: DecodeError) -> Self {
        Self::Event(error.into())
    }
}

/// A log with events that were added to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// The log afterwards; none if there is no inception.
    pub log: Option<Log>,
    /// Events that are new and kept, each behind the one that it follows.
    pub added: Vec<SignedEvent>,
    /// Events held before that are not kept any more.
    pub dropped: Vec<SignedEvent>,
    /// Why others were refused.
    pub refused: Vec<EventError>,
}

impl Log {
    /// Reads and verifies a log from its signed events, in any order.
    ///
    /// # Errors
    ///
    /// Any of [`LogError`], also if only one of the events is refused.
    pub fn from_events<T: AsRef<[u8]>>(signed: &[T]) -> Result<Self, LogError> {
        let decode = |bytes: &T| SignedEvent::decode(bytes.as_ref());
        let events: Vec<_> = signed.iter().map(decode).collect::<Result<_, _>>()?;
        let first = events.first().ok_or(LogError::Empty)?.centre();
        if let Some(other) = events.iter().find(|event| event.centre() != first) {
            return Err(LogError::Mixed { other: other.centre() });
        }
        let Join { log, refused, .. } = Self::join(Vec::new(), events);
        match refused.into_iter().next() {
            Some(error) => Err(error.into()),
            None => log.ok_or(LogError::Empty),
        }
    }

    /// Reads a log from events that were verified before they were kept.
    ///
    /// # Errors
    ///
    /// [`LogError`] if they are not what was kept.
    pub fn from_kept<T: AsRef<[u8]>>(signed: &[T]) -> Result<Self, LogError> {
        let decode = |bytes: &T| SignedEvent::from_kept(bytes.as_ref());
        let events: Vec<_> = signed.iter().map(decode).collect::<Result<_, _>>()?;
        let seq = events.first().ok_or(LogError::Empty)?.event().seq();
        let join = Self::join(events, Vec::new());
        join.log.ok_or(LogError::Event(EventError::Orphan { seq }))
    }

    /// Adds events of one log to those that are held of it. What is held was verified.
    pub fn join(held: Vec<SignedEvent>, new: Vec<SignedEvent>) -> Join {
        let known: BTreeSet<EventId> = held.iter().map(SignedEvent::id).collect();
        let (mut tree, refused) = Tree::grow(held, new, &known);
        let Some(line) = tree.line() else {
            return Join { log: None, added: Vec::new(), dropped: Vec::new(), refused };
        };
        let kept = tree.kept(&line);
        let mut dropped = Vec::new();
        let (mut added, mut others) = (Vec::new(), Vec::new());
        for (id, event) in std::mem::take(&mut tree.events) {
            match (kept.contains(&id), known.contains(&id)) {
                (false, true) => dropped.push(event),
                (false, false) => (),
                (true, held) => {
                    added.extend(Some(&event).filter(|_| !held).cloned());
                    if !line.events.contains(&id) {
                        others.push(event.clone());
                    }
                    tree.events.insert(id, event);
                }
            }
        }
        added.sort_by_key(|event| event.event().seq());
        others.sort_by_key(|event| event.event().seq());
        let take = |id: &EventId| tree.events[id].clone();
        let events: Vec<_> = line.events.iter().map(take).collect();
        let state = state_after(&events);
        let standing = match line.standing {
            LogStanding::Sound if !state.active => LogStanding::Ended,
            standing => standing,
        };
        let id = CentreId(line.events[0].0);
        let log = Some(Self { id, line: events, others, state, standing });
        Join { log, added, dropped, refused }
    }

    /// Returns the id of the centre.
    pub fn id(&self) -> CentreId {
        self.id
    }

    /// Returns the events that count, oldest first.
    pub fn events(&self) -> &[SignedEvent] {
        &self.line
    }

    /// Returns the events that are held beside those that count.
    pub fn others(&self) -> &[SignedEvent] {
        &self.others
    }

    /// Returns the last event that counts.
    pub fn head(&self) -> &SignedEvent {
        self.line.last().expect("a log is made with at least one event")
    }

    /// Returns what the events that count come to: name, country, keys.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Returns whether the log can go on.
    pub fn standing(&self) -> LogStanding {
        self.standing
    }

    /// Returns the operator keys in force.
    pub fn operators(&self) -> impl Iterator<Item = (&PublicKey, &OperatorState)> {
        self.state.operators().filter(|(_, operator)| operator.ended.is_none())
    }

    /// Returns what `key` may do under the event `under`; `None` if the log lacks that event
    /// or does not name the key there or earlier. Whether the key has ended since is not
    /// looked at: that ends its feeds, at a position.
    pub fn capabilities(&self, key: &PublicKey, under: &EventId) -> Option<Capabilities> {
        let place = self.line.iter().position(|event| event.id() == *under)?;
        let operator = self.state.operator(key)?;
        (operator.since <= place as u64).then_some(operator.capabilities)
    }

    /// Returns whether any event that counts names `key` as an operator.
    pub fn names(&self, key: &PublicKey) -> bool {
        self.state.operator(key).is_some()
    }

    /// Returns whether `key` is a node of the centre.
    pub fn is_node(&self, key: &PublicKey) -> bool {
        self.state.operator(key).is_some_and(|operator| {
            operator.ended.is_none() && operator.capabilities.has(Capabilities::NODE)
        })
    }

    /// Returns what the log says of a feed of `signer`.
    pub fn feed_rule(&self, signer: &PublicKey, feed: &FeedId) -> FeedRule {
        self.state.feed_rule(signer, feed)
    }

    /// Returns whether everything that counts in `earlier` still does here: then what was
    /// admitted under it can at most end.
    pub fn extends(&self, earlier: &Self) -> bool {
        self.line.get(earlier.line.len() - 1).map(SignedEvent::id) == Some(earlier.head().id())
    }
}

/// Returns what events come to that were found valid, each behind the one before.
fn state_after(events: &[SignedEvent]) -> State {
    let (first, rest) = events.split_first().expect("a line has an inception");
    let begun = State::begin(first, Signatures::Verified);
    rest.iter()
        .try_fold(begun.expect("it was valid"), |state, event| {
            state.after(event, Signatures::Verified)
        })
        .expect("each was valid where it stands")
}

/// Events that are valid behind the ones that they follow.
struct Tree {
    inception: Option<EventId>,
    events: BTreeMap<EventId, SignedEvent>,
    children: BTreeMap<EventId, Vec<EventId>>,
    /// Events that are signed by next keys, and those that lead to one.
    recovering: BTreeSet<EventId>,
}

/// The events that count, and why there are no more.
struct Line {
    events: Vec<EventId>,
    standing: LogStanding,
}

impl Tree {
    /// Sorts events into a tree; returns it, and why events have no place in it.
    fn grow(
        held: Vec<SignedEvent>,
        new: Vec<SignedEvent>,
        known: &BTreeSet<EventId>,
    ) -> (Self, Vec<EventError>) {
        let mut offered = BTreeMap::new();
        for event in held.into_iter().chain(new) {
            offered.entry(event.id()).or_insert(event);
        }
        let mut following: BTreeMap<EventId, Vec<EventId>> = BTreeMap::new();
        for (id, event) in &offered {
            if let Some(link) = event.link() {
                following.entry(link.prev).or_default().push(*id);
            }
        }
        let check = |id: &EventId| match known.contains(id) {
            true => Signatures::Verified,
            false => Signatures::Verify,
        };
        let (events, children, recovering) = Default::default();
        let mut tree = Self { inception: None, events, children, recovering };
        let mut refused = Vec::new();
        let first = offered.iter().find(|(_, event)| event.link().is_none()).map(|(id, _)| *id);
        let mut open = Vec::new();
        if let Some(id) = first {
            let event = offered.remove(&id).expect("it was just found");
            match State::begin(&event, check(&id)) {
                Ok(state) => open.push((id, event, state)),
                Err(error) => refused.push(error),
            }
        }
        while let Some((id, event, state)) = open.pop() {
            let (mut behind, next) = (Vec::new(), following.remove(&id).unwrap_or_default());
            // One copy fewer than there are followers: seldom more than one follows.
            let states = std::iter::repeat_n(state, next.len());
            for (next, state) in next.into_iter().zip(states) {
                let Some(follower) = offered.remove(&next) else { continue };
                match state.after(&follower, check(&next)) {
                    Ok(state) => {
                        behind.push(next);
                        open.push((next, follower, state));
                    }
                    Err(error) => refused.push(error),
                }
            }
            tree.inception.get_or_insert(id);
            tree.children.insert(id, behind);
            tree.events.insert(id, event);
        }
        let orphan = |event: &SignedEvent| EventError::Orphan { seq: event.event().seq() };
        refused.extend(offered.values().map(orphan));
        tree.note_recoveries();
        (tree, refused)
    }

    fn note_recoveries(&mut self) {
        for event in self.events.values().filter(|event| event.event().is_recovery()) {
            let mut at = Some(event.id());
            while let Some(id) = at.filter(|id| self.recovering.insert(*id)) {
                at = self.events[&id].link().map(|link| link.prev);
            }
        }
    }

    /// Walks from the inception to the last event that counts.
    fn line(&self) -> Option<Line> {
        let mut at = self.inception?;
        let mut events = vec![at];
        loop {
            let next = &self.children[&at];
            let recovering = next.iter().filter(|id| self.recovering.contains(*id));
            let recovering: Vec<_> = recovering.copied().collect();
            at = match (next.as_slice(), recovering.as_slice()) {
                ([], _) => return Some(Line { events, standing: LogStanding::Sound }),
                ([only], _) | (_, [only]) => *only,
                (_, []) => return Some(Line { events, standing: LogStanding::Frozen }),
                _ => return Some(Line { events, standing: LogStanding::Disputed }),
            };
            events.push(at);
        }
    }

    /// Returns the events to keep: all of them, unless those beside the line are too many.
    fn kept(&self, line: &Line) -> BTreeSet<EventId> {
        let mut kept: BTreeSet<_> = line.events.iter().copied().collect();
        let others = self.events.iter().filter(|(id, _)| !kept.contains(id));
        let bytes: usize = others.map(|(_, event)| event.event_bytes()).sum();
        if bytes <= OTHERS_BYTES_MAX {
            return self.events.keys().copied().collect();
        }
        let last = line.events.last().expect("a line has an inception");
        let evidence = match line.standing {
            LogStanding::Frozen => self.children[last].iter().take(2).collect::<Vec<_>>(),
            LogStanding::Disputed => {
                let decided = |id: &&EventId| self.recovering.contains(*id);
                self.children[last].iter().filter(decided).take(2).collect()
            }
            LogStanding::Sound | LogStanding::Ended => Vec::new(),
        };
        for branch in evidence {
            kept.insert(*branch);
            // Of a branch that a rotation decides, the way to the rotation.
            let mut at = branch;
            while self.recovering.contains(at) && !self.events[at].event().is_recovery() {
                let next = self.children[at].iter().find(|id| self.recovering.contains(*id));
                at = next.expect("what leads to a rotation has it behind");
                kept.insert(*at);
            }
        }
        kept
    }
}
