//! Who passes the gate.
//!
//! Spec: docs/PROTOCOL.md, section 4.7.

use std::collections::BTreeSet;

use super::*;
use crate::{
    accreditation::tests::{CENTRE, Speaker, store},
    policy::{Action, Override},
};

const NOW: Timestamp = Timestamp(20_000 * 86_400_000);
const OWN: CentreId = CentreId([1; 32]);

#[test]
fn ours_and_those_for_whom_somebody_vouches_are_never_declined() {
    let mut kenya = Speaker::kenya();
    let said = kenya.say("accredited", &[]);
    let store = store(&[&kenya], &[&said]);
    let (known, freed, blocked) = (CentreId([2; 32]), CentreId([3; 32]), CentreId([4; 32]));
    let one = |centre: CentreId, action| {
        let (reason, until) = (String::new(), None);
        Override { id: centre.0, action, reason, until }
    };
    let check = |unaccredited, pinned: bool, expected: [bool; 7]| {
        let overrides = vec![one(known, Action::Trust), one(blocked, Action::Block)];
        let policy = Policy { unaccredited, overrides, ..Policy::default() };
        let pins = if pinned { vec![kenya.pin("KE")] } else { Vec::new() };
        let gate = Gate::new(OWN, NOW);
        let released = BTreeSet::from([freed.0]);
        gate.set(Arc::new(policy), Arc::new(Trust { pins, released }));
        assert!(gate.renew(&store, NOW).unwrap());
        assert!(!gate.renew(&store, NOW).unwrap(), "nothing has changed since");
        let all = [OWN, known, freed, kenya.id(), CENTRE, CentreId([5; 32]), blocked];
        assert_eq!(all.map(|centre| gate.declines(&centre)), expected, "{unaccredited:?}");
    };
    let (f, t) = (false, true);
    check(Unaccredited::Drop, true, [f, f, f, f, f, t, t]);
    check(Unaccredited::Drop, false, [f, f, f, t, t, t, t]);
    check(Unaccredited::Quarantine, false, [false; 7]);
    check(Unaccredited::Carry, false, [false; 7]);
}

#[test]
fn what_is_remembered_is_bounded_and_forgotten_with_the_rules() {
    let store = store(&[], &[]);
    let first = Speaker::kenya().say("accredited", &[]);
    let gate = Gate::new(OWN, NOW);
    let policy = Arc::new(Policy { unaccredited: Unaccredited::Drop, ..Policy::default() });
    gate.set(Arc::clone(&policy), Arc::default());
    gate.renew(&store, NOW).unwrap();
    for number in 0..=DECLINED_MAX {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        gate.state().declined.insert(FeedId(id));
    }
    gate.state().declined.pop_last();
    assert!(gate.refuses(&first, 0), "not remembered, and declined all the same");
    assert_eq!(gate.declined(), DECLINED_MAX);
    assert!(gate.declines_feed(&FeedId([0; 32]), None));
    gate.set(policy, Arc::default());
    gate.renew(&store, NOW).unwrap();
    assert_eq!(gate.declined(), 0);
    let tomorrow = NOW.plus_ms(86_400_000);
    assert!(gate.renew(&store, tomorrow).unwrap(), "an exception may have ended");
}
