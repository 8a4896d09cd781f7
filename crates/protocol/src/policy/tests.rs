//! The order of policy, and what it explains.
//!
//! Spec: docs/PROTOCOL.md, section 4.5.

use baraza_record::Kind;
use serde_json::json;

use super::*;
use crate::{
    accreditation::tests::{CENTRE, Speaker, store},
    effective::Effective,
    model::MemoryStore,
};

const RECORD: RecordId = RecordId([0x4e; 32]);
const NOW: Timestamp = Timestamp(20_000 * 86_400_000); // 2024-10-04

fn one(id: [u8; 32], action: Action) -> Override {
    Override { id, action, reason: "for a test".into(), until: None }
}

fn rules(policy: Policy, trust: Trust, store: &MemoryStore) -> Rules {
    let pins = trust.counting(&policy, NOW);
    let accreditations = Arc::new(Accreditations::compute(store, &pins).unwrap());
    let (policy, trust) = (Arc::new(policy), Arc::new(trust));
    Rules { own: CentreId([1; 32]), policy, trust, accreditations, now: NOW }
}

#[test]
fn block_goes_before_trust_before_accreditation_before_the_default() {
    use Unaccredited::{Carry, Quarantine};
    use Verdict::{Blocked, Quarantined, Shown};

    let mut kenya = Speaker::kenya();
    let said = kenya.say("accredited", &[]);
    let store = store(&[&kenya], &[&said]);
    let check = |accredited: bool, overrides: &[Override], unaccredited, expected, word: &str| {
        let policy = Policy { unaccredited, overrides: overrides.to_vec(), ..Policy::default() };
        let pins = if accredited { vec![kenya.pin("KE")] } else { Vec::new() };
        let rules = rules(policy, Trust { pins, ..Trust::default() }, &store);
        let chain = rules.explain(&CENTRE, Some(&RECORD)).join("\n");
        assert_eq!(rules.judge(&CENTRE, Some(&RECORD)).0, expected, "{chain}");
        assert!(chain.contains(word), "{word} in:\n{chain}");
    };
    let block = |id| one(id, Action::Block);
    let trust = |id| one(id, Action::Trust);
    check(false, &[], Carry, Shown, "default: records without accreditation are shown");
    check(false, &[], Quarantine, Quarantined, "accreditation: not accredited (no nation is");
    check(true, &[], Quarantine, Shown, "accreditation: accredited by KE since 1970-01-02");
    check(false, &[trust(CENTRE.0)], Quarantine, Shown, "trusts it: for a test");
    check(false, &[trust(RECORD.0)], Quarantine, Shown, "trusts it: for a test");
    check(true, &[block(CENTRE.0)], Carry, Blocked, "blocks it: for a test");
    check(true, &[block(RECORD.0)], Carry, Blocked, "shown nowhere");
    check(true, &[trust(RECORD.0), block(CENTRE.0)], Carry, Blocked, "blocks it");
    check(true, &[trust(CENTRE.0), block(RECORD.0)], Carry, Blocked, "blocks it");
    let ended = Override { until: Some("2024-10-03".into()), ..block(CENTRE.0) };
    check(true, std::slice::from_ref(&ended), Carry, Shown, "no override blocks it");
    let last_day = Override { until: Some("2024-10-04".into()), ..ended };
    check(true, &[last_day], Carry, Blocked, "until 2024-10-04: for a test");
}

#[test]
fn ours_pinned_nations_and_what_was_released_are_shown_in_spite_of_quarantine() {
    let kenya = Speaker::kenya();
    let policy = || Policy { unaccredited: Unaccredited::Quarantine, ..Policy::default() };
    let released = BTreeSet::from([RECORD.0]);
    let trust = Trust { pins: vec![kenya.pin("KE")], released };
    let rules = rules(policy(), trust, &store(&[&kenya], &[]));
    assert_eq!(rules.judge(&CentreId([1; 32]), None), (Verdict::Shown, Reason::Ours));
    assert!(matches!(rules.judge(&kenya.id(), None), (Verdict::Shown, Reason::Nation(_))));
    assert_eq!(rules.judge(&CENTRE, Some(&RECORD)), (Verdict::Shown, Reason::Released));
    assert_eq!(rules.judge(&CENTRE, None).0, Verdict::Quarantined);
    assert_eq!(rules.words(&kenya.id(), None), "trusted here to speak for KE");
}

#[test]
fn a_nation_that_is_blocked_has_no_word() {
    let mut kenya = Speaker::kenya();
    let said = kenya.say("accredited", &[]);
    let store = store(&[&kenya], &[&said]);
    let overrides = vec![one(kenya.id().0, Action::Block)];
    let policy = Policy { overrides, ..Policy::default() };
    let trust = Trust { pins: vec![kenya.pin("KE")], ..Trust::default() };
    let rules = rules(policy, trust, &store);
    assert_eq!(rules.words(&CENTRE, None), "not accredited");
}

#[test]
fn an_index_leaves_out_what_the_judgement_hides() {
    let mut alice = Speaker::new(7, baraza_identity::Role::Centre, rights());
    let body = json!({
        "title": "A", "text": "B", "source": "C", "licence": "CC0-1.0", "schema": "reference/1",
    });
    let records = [1, 2, 3].map(|_| alice.write(Kind::REFERENCE, None, &body));
    let store = store(&[&alice], &records.iter().collect::<Vec<_>>());
    let [first, second, third] = records.map(|record| record.id());
    let overrides = vec![one(second.0, Action::Block), one(third.0, Action::Trust)];
    for unaccredited in [Unaccredited::Carry, Unaccredited::Quarantine] {
        let policy = Policy { unaccredited, overrides: overrides.clone(), ..Policy::default() };
        let rules = rules(policy, Trust::default(), &store);
        let hidden = rules.hidden(&store).unwrap();
        let mut effective = Effective::under(&store, &rules);
        for id in [first, second, third] {
            let place = place_of(&store, &id).unwrap().unwrap();
            let view = effective.view(&place).unwrap().unwrap();
            let shown = view.standing == Standing::Current;
            assert_eq!(hidden.hides(&id, &alice.id()), !shown, "{unaccredited:?} {id}");
        }
    }
    let blocked = Policy {
        unaccredited: Unaccredited::Quarantine,
        overrides: vec![one(alice.id().0, Action::Block)],
        ..Policy::default()
    };
    let trust = Trust { released: BTreeSet::from([first.0]), ..Trust::default() };
    let rules = rules(blocked, trust, &store);
    assert!(rules.hidden(&store).unwrap().hides(&first, &alice.id()), "block before release");
}

fn rights() -> baraza_identity::Capabilities {
    baraza_identity::Capabilities::PUBLISH
}
