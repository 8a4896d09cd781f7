//! Shelves: identities, public feeds, feeds for networks and for named centres.

use baraza_reconcile::{Head, Shelf};
use baraza_record::{Audience, CentreId, EventId, NetworkId};

use crate::store::{FeedHead, FeedState, ShelfName, Store, StoreRead};

use super::{Author, ok};

pub(super) fn shelves_show_what_is_public<S: Store>(store: &mut S) {
    let alice = Author::new(1);
    let reader = store.reader();
    let empty = Shelf::default().root();
    assert_eq!(reader.shelf(ShelfName::Identities).root(), empty);
    assert_eq!(ok(reader.identity(&alice.centre())), [[0; 0]; 0]);

    let event = alice.event.encode();
    let head = Head { seq: 1, id: alice.event.id().0, forked: false };
    ok(store.put_identity(&alice.centre(), 0, &alice.event.id(), &event));
    ok(store.put_identity_head(&alice.centre(), head));
    assert_eq!(
        ok(store.identity(&alice.centre())),
        std::slice::from_ref(&event),
        "the writer sees it"
    );
    assert_eq!(reader.shelf(ShelfName::Identities).root(), empty, "a reader does not yet");
    ok(store.commit());
    assert_eq!(ok(reader.identity(&alice.centre())), [event]);
    assert_eq!(ok(reader.identity(&CentreId([0; 32]))).len(), 0);
    let shelf = reader.shelf(ShelfName::Identities);
    assert_eq!(shelf.get(&alice.centre().0), Some(&head));
    assert_eq!(reader.counts().centres, 1);

    let (second, third) = (EventId([2; 32]), EventId([3; 32]));
    ok(store.put_identity(&alice.centre(), 1, &third, b"third"));
    ok(store.put_identity(&alice.centre(), 1, &second, b"second"));
    let forked = Head { forked: true, ..head };
    ok(store.put_identity_head(&alice.centre(), forked));
    ok(store.commit());
    assert_eq!(ok(reader.identity(&alice.centre()))[1..], [b"second".to_vec(), b"third".to_vec()]);
    let shelf = reader.shelf(ShelfName::Identities);
    assert_eq!(shelf.get(&alice.centre().0), Some(&forked));
    ok(store.drop_identity(&alice.centre(), 1, &third));
    ok(store.commit());
    assert_eq!(ok(reader.identity(&alice.centre())).len(), 2);
    assert_eq!(reader.counts().centres, 1, "one centre, however many events");

    let records = alice.chain(3);
    let at = |n: usize| FeedHead { seq: n as u64, id: records[n - 1].id() };
    let state = alice.state(at(3));
    let shown = |store: &mut S, state: &FeedState| {
        ok(store.put_feed(&alice.feed(), state));
        ok(store.commit());
        store.reader().shelf(ShelfName::Public).get(&alice.feed().0).copied()
    };
    let head = |n: usize, forked| Some(Head { seq: n as u64, id: at(n).id.0, forked });
    assert_eq!(shown(store, &state), head(3, false));
    let forked = FeedState { shelf: at(2), fork: Some(3), ..state.clone() };
    assert_eq!(shown(store, &forked), head(2, true));
    let held = FeedState { shelf: at(1), ..forked.clone() };
    assert_eq!(shown(store, &held), head(1, false), "a fork behind what is held is not shown");
    let first = FeedState { shelf: alice.start(), fork: Some(1), ..state.clone() };
    let start = Head { seq: 0, id: alice.feed().0, forked: true };
    assert_eq!(shown(store, &first), Some(start), "a fork at the first record is shown");
    let none = FeedState { shelf: alice.start(), ..state.clone() };
    assert_eq!(shown(store, &none), None, "a feed of which nothing is admitted is not");
    assert_eq!(store.reader().shelf(ShelfName::Public).root(), empty);
}

pub(super) fn each_audience_has_its_shelf<S: Store>(store: &mut S) {
    let alice = Author::new(1);
    let [one, other] = [1, 2].map(|n| NetworkId([n; 32]));
    let shelves =
        [ShelfName::Public, ShelfName::Network(one), ShelfName::Network(other), ShelfName::Named];
    let audiences = [
        Audience::Public,
        Audience::Network(one, [8; 16]),
        Audience::Network(other, [8; 16]),
        Audience::Centres(vec![CentreId([7; 32])], [8; 16]),
    ];
    let reader = store.reader();
    let empty = Shelf::default().root();
    for (n, audience) in audiences.into_iter().enumerate() {
        let author = Author { audience, ..alice.clone() };
        let chain = author.chain(2);
        let state = author.state(FeedHead { seq: 2, id: chain[1].id() });
        ok(store.put_feed(&author.feed(), &state));
        assert_eq!(reader.shelf(shelves[n]).root(), empty, "a reader does not see it yet");
        ok(store.commit());
        let on = |name| reader.shelf(name).get(&author.feed().0).copied();
        let found: Vec<_> = shelves.into_iter().filter(|name| on(*name).is_some()).collect();
        assert_eq!(found, [shelves[n]]);
        assert_eq!(on(shelves[n]), Some(state.head()));
        assert_eq!(ok(store.feed(&author.feed())), Some(state));
    }
}
