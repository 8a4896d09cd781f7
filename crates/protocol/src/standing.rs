//! How two nodes stand to each other: which shelves they share, and whether those are equal.
//!
//! Invariant: the same definition on both sides; a shelf is shared only if both have proved
//! that they may.
//! Spec: docs/PROTOCOL.md, sections 6.1 and 6.2.

use std::sync::Arc;

pub use baraza_reconcile::Shelf;
use baraza_reconcile::{Entry, Head};
use baraza_record::{CentreId, EventId, FeedId, RecordId};

use crate::{
    entitle::{Entitlement, Membership, NetworkTag, Ours, Shared, is_node},
    net::Peer,
    store::{PAGE_MAX, ShelfName, StoreError, StoreRead},
    wire::{
        Answer, Compare, Cursor, Differs, HeadEntry, Hello, LogHead, NETWORKS_MAX, NEWS_MAX, News,
    },
};

/// Returns the shelf that we share with a peer.
///
/// # Errors
///
/// [`StoreError`].
pub fn shelf(
    reader: &(impl StoreRead + ?Sized),
    ours: &Ours,
    shared: &Shared,
) -> Result<Arc<Shelf>, StoreError> {
    let theirs = match shared {
        Shared::Public => return Ok(reader.shelf(ShelfName::Public)),
        Shared::Network(id) => return Ok(reader.shelf(ShelfName::Network(*id))),
        Shared::Centres(theirs) => theirs,
    };
    // A centre is named by few: the shelf of all that is for named centres is short.
    let all = reader.shelf(ShelfName::Named);
    let mut both = Shelf::default();
    for entry in all.entries() {
        let state = reader.feed(&FeedId(entry.key))?;
        let shared = Shared::Centres(*theirs);
        if state.is_some_and(|state| shared.holds_feed(&ours.centre, &state)) {
            both.set(entry.key, entry.head, entry.moved);
        }
    }
    Ok(Arc::new(both))
}

/// Returns the heads of all feeds that whoever is `entitled` may have.
///
/// # Errors
///
/// [`StoreError`].
pub fn shelf_for(
    reader: &(impl StoreRead + ?Sized),
    entitled: &Entitlement,
) -> Result<Arc<Shelf>, StoreError> {
    let public = reader.shelf(ShelfName::Public);
    if *entitled == Entitlement::public() {
        return Ok(public);
    }
    let (mut all, mut after) = (Shelf::clone(&public), None);
    loop {
        let page = reader.feeds(after, PAGE_MAX)?;
        for feed in &page {
            let state = reader.feed(feed)?.filter(|state| entitled.covers_feed(state));
            if let Some(state) = state {
                all.set(feed.0, state.head(), 0);
            }
        }
        after = page.last().copied();
        if page.len() < PAGE_MAX {
            return Ok(Arc::new(all));
        }
    }
}

/// Returns what we say of ourselves to `to`, of `networks` of ours. `claimed` is the centre that
/// it is said to belong to.
fn hello<'a>(
    reader: &(impl StoreRead + ?Sized),
    ours: &Ours,
    to: &Peer,
    claimed: Option<&CentreId>,
    networks: impl Iterator<Item = &'a Membership>,
) -> Result<Hello, StoreError> {
    let networks = networks.take(NETWORKS_MAX).map(|one| {
        let root = reader.shelf(ShelfName::Network(one.id)).root();
        (one.tag(&ours.node, to), one.seal(root, &ours.node, to))
    });
    Ok(Hello {
        centre: ours.centre,
        identities: reader.shelf(ShelfName::Identities).root(),
        public: reader.shelf(ShelfName::Public).root(),
        networks: networks.collect(),
        centres: centres_root(reader, ours, to, claimed)?,
    })
}

/// Returns the root of what is for the centres of both, if both are nodes of theirs: whoever holds
/// the same logs judges that alike.
fn centres_root(
    reader: &(impl StoreRead + ?Sized),
    ours: &Ours,
    peer: &Peer,
    claimed: Option<&CentreId>,
) -> Result<Option<[u8; 32]>, StoreError> {
    match claimed {
        Some(centre)
            if is_node(reader, centre, peer)? && is_node(reader, &ours.centre, &ours.node)? =>
        {
            Ok(Some(shelf(reader, ours, &Shared::Centres(*centre))?.root()))
        }
        _ => Ok(None),
    }
}

/// Returns the question whether `to` holds the same. `known` is its centre, `shared` what it is
/// known to share.
///
/// # Errors
///
/// [`StoreError`].
pub fn question(
    reader: &(impl StoreRead + ?Sized),
    ours: &Ours,
    to: &Peer,
    known: Option<&CentreId>,
    shared: &[Shared],
    since: Option<Cursor>,
) -> Result<Compare, StoreError> {
    let both = ours.networks.iter().filter(|one| shared.contains(&Shared::Network(one.id)));
    let digest = match known {
        Some(_) => hello(reader, ours, to, known, both)?.digest(),
        // Whose node it is only a full answer says.
        None => [0; 32],
    };
    let networks = ours.networks.iter().take(NETWORKS_MAX).map(|one| one.tag(&ours.node, to));
    Ok(Compare { centre: ours.centre, digest, networks: networks.collect(), since })
}

/// Returns what `from` would say of itself if it held what we hold.
///
/// # Errors
///
/// [`StoreError`].
pub fn mirrored(
    reader: &(impl StoreRead + ?Sized),
    ours: &Ours,
    from: &Peer,
    centre: &CentreId,
    tags: &[NetworkTag],
) -> Result<Hello, StoreError> {
    let networks = tags.iter().filter_map(|tag| {
        let one = ours.network_of(tag, from)?;
        let root = reader.shelf(ShelfName::Network(one.id)).root();
        Some((*tag, one.seal(root, from, &ours.node)))
    });
    Ok(Hello {
        centre: *centre,
        identities: reader.shelf(ShelfName::Identities).root(),
        public: reader.shelf(ShelfName::Public).root(),
        networks: networks.collect(),
        centres: centres_root(reader, ours, from, Some(centre))?,
    })
}

/// Answers the question of `from`: of our networks we name only those that it proved.
///
/// # Errors
///
/// [`StoreError`].
pub fn answer(
    reader: &(impl StoreRead + ?Sized),
    ours: &Ours,
    from: &Peer,
    theirs: &Compare,
) -> Result<Answer, StoreError> {
    // First: what moves from now on is news another time, whether or not it is told now.
    let cursor = Cursor { epoch: reader.epoch(), moved: reader.last_move() };
    if mirrored(reader, ours, from, &theirs.centre, &theirs.networks)?.digest() == theirs.digest {
        return Ok(Answer::Same(cursor));
    }
    let proved = theirs.networks.iter().filter_map(|tag| ours.network_of(tag, from));
    let hello = hello(reader, ours, from, Some(&theirs.centre), proved.clone())?;
    let mut shelves = vec![Shared::Public];
    shelves.extend(proved.map(|one| Shared::Network(one.id)));
    shelves.extend(hello.centres.map(|_| Shared::Centres(theirs.centre)));
    let good = |since: &Cursor| since.epoch == cursor.epoch && since.moved <= cursor.moved;
    let since = theirs.since.filter(good).map(|since| since.moved);
    let mut left = NEWS_MAX;
    let logs = reader.shelf(ShelfName::Identities);
    let logs = news(&logs, since, &mut left, |entry| Ok(log_head(entry)))?;
    let feeds = shelves.iter().map(|shared| {
        let shelf = shelf(reader, ours, shared)?;
        news(&shelf, since, &mut left, |entry| head(reader, entry))
    });
    let feeds = feeds.collect::<Result<_, StoreError>>()?;
    Ok(Answer::Differs(Box::new(Differs { hello, cursor, logs, feeds })))
}

/// Returns what moved on a shelf, the latest first, if that is at most `left`.
fn news<T>(
    shelf: &Shelf,
    since: Option<u64>,
    left: &mut usize,
    head: impl Fn(&Entry) -> Result<T, StoreError>,
) -> Result<News<T>, StoreError> {
    let total = shelf.len() as u64;
    let Some(since) = since else { return Ok(News { total, moved: None }) };
    let mut moved: Vec<_> = shelf.changed(since).take(*left + 1).collect();
    if *left < moved.len() {
        return Ok(News { total, moved: None });
    }
    *left -= moved.len();
    moved.sort_by_key(|entry| (std::cmp::Reverse(entry.moved), entry.key));
    let moved = moved.into_iter().map(head).collect::<Result<_, _>>()?;
    Ok(News { total, moved: Some(moved) })
}

/// Returns an entry of a shelf of feeds as it is told to peers.
///
/// # Errors
///
/// [`StoreError`].
pub fn head(reader: &(impl StoreRead + ?Sized), entry: &Entry) -> Result<HeadEntry, StoreError> {
    let (feed, Head { seq, id, forked }) = (FeedId(entry.key), entry.head);
    let bytes = reader.feed_bytes(&feed)?;
    Ok(HeadEntry { feed, seq, id: RecordId(id), forked, bytes })
}

/// Returns an entry of the shelf of identity logs as it is told to peers.
pub fn log_head(entry: &Entry) -> LogHead {
    let Head { seq, id, forked } = entry.head;
    LogHead { centre: CentreId(entry.key), events: seq, id: EventId(id), forked }
}

/// What a peer's question tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Shelves that we both have.
    pub shared: Vec<Shared>,
    /// What we would say of ourselves and it of itself if we held the same.
    pub ours: [u8; 32],
    /// Whether we do.
    pub equal: bool,
}

impl Heard {
    /// Compares what is held here with the question of a peer.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn of(
        reader: &(impl StoreRead + ?Sized),
        ours: &Ours,
        peer: &Peer,
        theirs: &Compare,
    ) -> Result<Self, StoreError> {
        let mirrored = mirrored(reader, ours, peer, &theirs.centre, &theirs.networks)?;
        let networks = theirs.networks.iter().filter_map(|tag| ours.network_of(tag, peer));
        let mut shared = vec![Shared::Public];
        shared.extend(networks.map(|one| Shared::Network(one.id)));
        shared.extend(mirrored.centres.map(|_| Shared::Centres(theirs.centre)));
        let digest = mirrored.digest();
        Ok(Self { shared, ours: digest, equal: digest == theirs.digest })
    }
}

/// Two roots of one shelf, ours first.
type Roots = [[u8; 32]; 2];

/// How two nodes stand to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    identities: Roots,
    shelves: Vec<(Shared, Roots)>,
}

impl Standing {
    /// Compares what is held here with what a peer said in its last hello to us.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn of(
        reader: &(impl StoreRead + ?Sized),
        ours: &Ours,
        peer: &Peer,
        theirs: &Hello,
    ) -> Result<Self, StoreError> {
        let public = reader.shelf(ShelfName::Public).root();
        let mut shelves = vec![(Shared::Public, [public, theirs.public])];
        for (tag, root) in &theirs.networks {
            let Some(one) = ours.network_of(tag, peer) else { continue };
            let own = reader.shelf(ShelfName::Network(one.id)).root();
            let own = one.seal(own, peer, &ours.node);
            shelves.push((Shared::Network(one.id), [own, *root]));
        }
        if let Some(root) = theirs.centres
            && is_node(reader, &theirs.centre, peer)?
        {
            let shared = Shared::Centres(theirs.centre);
            shelves.push((shared, [shelf(reader, ours, &shared)?.root(), root]));
        }
        shelves.sort_by_key(|(shared, _)| *shared);
        shelves.dedup_by_key(|(shared, _)| *shared);
        let identities = [reader.shelf(ShelfName::Identities).root(), theirs.identities];
        Ok(Self { identities, shelves })
    }

    /// Returns whether both hold the same identity logs.
    pub fn same_identities(&self) -> bool {
        self.identities[0] == self.identities[1]
    }

    /// Returns whether both hold the same of all that they share.
    pub fn agrees(&self) -> bool {
        self.same_identities() && self.differing().next().is_none()
    }

    /// Returns the shelves that both have.
    pub fn shared(&self) -> impl Iterator<Item = Shared> {
        self.shelves.iter().map(|(shared, _)| *shared)
    }

    /// Returns the shelves on which they differ.
    pub fn differing(&self) -> impl Iterator<Item = Shared> {
        self.shelves.iter().filter(|(_, roots)| roots[0] != roots[1]).map(|(shared, _)| *shared)
    }

    /// Returns whether all that differs differed in just this way before.
    pub fn is_no_news_after(&self, before: &Self) -> bool {
        if self.agrees() {
            return self == before;
        }
        let same = |one: &(Shared, Roots)| before.shelves.contains(one) || one.1[0] == one.1[1];
        (self.same_identities() || self.identities == before.identities)
            && self.shelves.iter().all(same)
    }
}
