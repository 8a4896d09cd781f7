//! Budgets, windows and pauses between nodes.

use baraza_protocol::{
    budget::{Allowance, HoldReason, Profile, Terms},
    command::{BudgetStatus, Command, Refusal, Reply},
    store::StoreRead,
    why::{Cause, PeerWhy},
};

use super::{Sim, seeds};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

fn limited(background: u64) -> Terms {
    let background = Allowance { day_bytes: Some(background), month_bytes: None };
    Terms { background, ..Terms::default() }
}

fn status(sim: &mut Sim, node: usize) -> BudgetStatus {
    sim.command(node, Command::Status);
    match sim.nodes[node].replies.last() {
        Some(Reply::Status(status)) => status.budget.clone(),
        other => panic!("{other:?}"),
    }
}

/// Makes nodes that are told what goes over the wire.
fn counted(seed: u64, count: usize) -> Sim {
    let mut sim = Sim::new(seed, count);
    sim.counting = true;
    sim
}

/// Goes to the beginning of the next day, UTC.
fn to_midnight(sim: &mut Sim) {
    sim.skip(DAY - sim.now % DAY);
    sim.run_for(2_000);
}

//     alice, 2 MB -- bob, 300 KB a day
#[test]
fn a_budget_spreads_a_catch_up_over_days_and_is_kept() {
    for seed in seeds().take(4) {
        let mut sim = counted(seed, 2);
        sim.start(0);
        sim.publish(0, 1_000, 1_500);
        to_midnight(&mut sim);
        sim.start(1);
        sim.terms(1, limited(300_000));
        let mut days = 0;
        loop {
            sim.run_for(10 * MINUTE);
            let day = status(&mut sim, 1);
            // What is under way when the bytes are used up still comes: four requests at most.
            assert!(day.day.background < 300_000 + 4 * 260_000, "{:?}", day.day);
            if sim.settled() {
                break;
            }
            assert_eq!(day.background.map(|hold| hold.why), Some(HoldReason::Day));
            let held = sim.records(1);
            sim.skip(23 * HOUR - sim.now % HOUR);
            sim.run_for(5 * MINUTE);
            assert_eq!(sim.records(1), held, "nothing comes before the next day");
            // A crash on the way gives nobody the day anew.
            sim.crash(1);
            sim.start(1);
            sim.terms(1, limited(300_000));
            sim.run_for(5 * MINUTE);
            assert_eq!(sim.records(1), held, "seed {seed}");
            to_midnight(&mut sim);
            days += 1;
            assert!(days < 20, "seed {seed}");
        }
        assert!((1..=6).contains(&days), "seed {seed}: {days} days for 2 MB");
    }
}

//     alice, nothing left -- bob
#[test]
fn whoever_asks_a_node_without_a_budget_comes_again_later_and_blames_nobody() {
    let mut sim = counted(3, 2);
    sim.start_all();
    sim.run_for(5 * MINUTE);
    to_midnight(&mut sim);
    sim.terms(0, limited(0));
    sim.publish(0, 40, 1_500);
    sim.run_for(MINUTE);
    let before = sim.traffic.requests;
    sim.run_for(2 * HOUR);
    // What gossip carried is there; the rest waits, and nobody asks every minute.
    assert!(!sim.settled() && sim.records(1) < 40);
    assert!(sim.traffic.requests - before < 20, "{}", sim.traffic.requests - before);
    sim.terms(0, Terms::default());
    sim.command(0, Command::Resume);
    assert!(sim.settle(MINUTE).is_some(), "bob hears of it when alice asks him");
}

//     alice -- bob -- carol, who hears of it through bob: bob has nothing left but the reserve
#[test]
fn what_is_urgent_goes_on_the_reserve_and_what_others_wrote_does_not() {
    for (reserve, known) in [(100_000, 1), (0, 0)] {
        let mut sim = counted(4, 2);
        sim.start_all();
        sim.run_for(5 * MINUTE);
        to_midnight(&mut sim);
        sim.terms(0, Terms { reserve_day_bytes: reserve, ..limited(0) });
        sim.publish(0, 1, 300);
        sim.run_for(30 * MINUTE);
        assert_eq!(sim.records(1), known, "an own publication, with a reserve of {reserve}");
    }
    let mut sim = counted(5, 3);
    sim.cut(0, 2);
    sim.cut(1, 2);
    sim.start_all();
    sim.run_for(5 * MINUTE);
    // carol calls bob; what alice publishes reaches bob by gossip, and carol only by bob.
    sim.heal_all();
    sim.cut(0, 2);
    sim.join(2, 1);
    sim.run_for(10 * MINUTE);
    to_midnight(&mut sim);
    sim.terms(1, limited(0));
    sim.publish(0, 1, 300);
    sim.run_for(30 * MINUTE);
    assert_eq!((sim.records(1), sim.records(2)), (1, 0), "kept, and not passed on");
    sim.command(1, Command::Resume);
    sim.terms(1, Terms::default());
    assert!(sim.settle(5 * MINUTE).is_some());
}

#[test]
fn a_window_lets_nothing_through_until_it_opens() {
    let mut sim = counted(6, 2);
    sim.start(0);
    sim.publish(0, 100, 1_500);
    to_midnight(&mut sim);
    sim.skip(21 * HOUR);
    sim.start(1);
    sim.terms(1, Terms { windows: vec!["22:00-06:00".parse().unwrap()], ..Terms::default() });
    sim.run_for(50 * MINUTE);
    // What was begun in the first moment, before the node knew its terms, is all that came.
    let early = sim.records(1);
    assert_eq!(status(&mut sim, 1).background.map(|hold| hold.why), Some(HoldReason::Window));
    assert!(early < 100, "{early}");
    sim.run_for(20 * MINUTE);
    assert!(sim.settled());
}

#[test]
fn a_person_may_sync_outside_a_window_and_it_counts_apart() {
    let mut sim = counted(7, 2);
    sim.start_all();
    sim.run_for(5 * MINUTE);
    to_midnight(&mut sim);
    sim.skip(8 * HOUR);
    sim.terms(1, Terms { windows: vec!["22:00-06:00".parse().unwrap()], ..Terms::default() });
    sim.publish(0, 300, 1_500);
    sim.run_for(30 * MINUTE);
    assert!(!sim.settled());
    let before = status(&mut sim, 1).day;
    sim.command(1, Command::Sync(None));
    sim.run_for(MINUTE);
    assert_eq!(sim.records(1), 300);
    let after = status(&mut sim, 1).day;
    assert!(100_000 < after.asked - before.asked, "{after:?}");
    assert!(after.background - before.background < 5_000, "{before:?} {after:?}");

    // With nothing left for people either, it is refused with the reason.
    let asked = Allowance { day_bytes: Some(after.asked), month_bytes: None };
    sim.terms(1, Terms { asked, ..Terms::default() });
    sim.command(1, Command::Sync(None));
    match sim.nodes[1].replies.last() {
        Some(Reply::Refused(Refusal::Held(hold))) => assert_eq!(hold.why, HoldReason::Day),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pause_stops_a_session_between_batches_and_survives_a_crash() {
    let mut sim = counted(8, 2);
    sim.start(0);
    sim.publish(0, 3_000, 1_500);
    sim.start(1);
    while sim.records(1) < 200 {
        sim.run_for(50);
    }
    sim.command(1, Command::Pause { for_ms: Some(4 * HOUR) });
    sim.run_for(MINUTE);
    let held = sim.records(1);
    assert!(held < 2_000, "{held}");
    sim.skip(HOUR);
    sim.crash(1);
    sim.start(1);
    sim.run_for(5 * MINUTE);
    sim.skip(2 * HOUR);
    sim.run_for(5 * MINUTE);
    assert_eq!(sim.records(1), held);
    let paused = status(&mut sim, 1);
    assert_eq!(paused.background.map(|hold| hold.why), Some(HoldReason::Paused));
    assert!(paused.asked.is_some(), "a pause is a pause for everything");
    sim.skip(HOUR);
    assert!(sim.settle(5 * MINUTE).is_some(), "it ends by itself");
    assert!(status(&mut sim, 1).pause.is_none());
}

#[test]
fn a_crash_loses_at_most_a_minute_of_what_was_counted() {
    let mut sim = counted(9, 2);
    sim.start(0);
    sim.publish(0, 500, 1_500);
    sim.start(1);
    assert!(sim.settle(10 * MINUTE).is_some());
    sim.run_for(2 * MINUTE);
    let counted = status(&mut sim, 1).month.background;
    sim.crash(1);
    sim.start(1);
    let kept = status(&mut sim, 1).month.background;
    assert!(400_000 < kept && counted - kept < 2_000, "{kept} of {counted}");
    // And a stop loses nothing.
    sim.run_for(3 * MINUTE);
    let counted = status(&mut sim, 1).month;
    sim.nodes[1].service().unwrap().save().unwrap();
    sim.give_nothing(1);
    sim.crash(1);
    sim.start(1);
    assert_eq!(status(&mut sim, 1).month, counted);
}

#[test]
fn ten_metered_nodes_at_rest_say_little() {
    let mut sim = counted(10, 10);
    sim.start_all();
    (0..10).for_each(|node| sim.terms(node, Profile::Metered.terms()));
    (0..10).for_each(|node| sim.publish(node, 20, 300));
    assert!(sim.settle(6 * HOUR).is_some());
    to_midnight(&mut sim);
    sim.run_for(3 * HOUR);
    let most = (0..10).map(|node| status(&mut sim, node).day.background).max().unwrap();
    let most = most * 8;
    println!("a day at rest: {most} bytes at most, without the network's own");
    // The rest of the 1 MiB is for the transports.
    assert!(most < 300_000, "{most}");
    assert!(sim.nodes[0].store().counts().records == 200);
}

#[test]
fn a_node_of_the_local_network_dials_and_accepts_nobody_beyond_it() {
    let mut sim = counted(11, 2);
    sim.start(0);
    sim.publish(0, 1, 300);
    sim.start(1);
    sim.terms(1, Profile::LanOnly.terms());
    sim.run_for(30 * MINUTE);
    // The addresses of the simulation are none of a private network.
    sim.command(1, Command::Dial("/memory/0".to_owned()));
    let refused = sim.nodes[1].replies.last();
    assert!(matches!(refused, Some(Reply::Refused(Refusal::TooFar { .. }))), "{refused:?}");
    sim.join(0, 1);
    sim.run_for(10 * MINUTE);
    assert_eq!(sim.links(), 0, "who calls is sent away");
}

//     alice, who has 400 records -- bob, who may take a part of them today
#[test]
fn why_says_how_much_is_missing_what_holds_it_and_when_it_will_be_done() {
    let mut sim = counted(12, 2);
    sim.latency_ms = 400..500;
    sim.start(0);
    sim.publish(0, 400, 4_000);
    to_midnight(&mut sim);
    sim.start(1);
    sim.terms(1, limited(500_000));
    sim.run_for(10 * MINUTE);
    let why = why(&mut sim, 1);
    let missing = 400 - sim.records(1);
    assert!(0 < missing && missing < 400, "{missing}");
    assert_eq!(why.records, missing);
    assert!(missing * 2_000 < why.bytes && why.bytes < missing * 8_000, "{why:?}");
    assert_eq!(why.lacking.len(), 1, "in one feed");
    let Some(Cause::Held(hold)) = why.causes.first() else { panic!("{why:?}") };
    assert_eq!(hold.why, HoldReason::Day);
    let tomorrow = hold.until.unwrap();
    assert!(why.done_ms.is_some_and(|done| tomorrow < done), "{why:?}");
    // What alice is told of bob: nothing is missing there.
    let other = self::why(&mut sim, 0);
    assert!(other.records == 0 && !other.causes.is_empty(), "{other:?}");

    while !sim.settled() {
        to_midnight(&mut sim);
        sim.run_for(10 * MINUTE);
    }
    let done = self::why(&mut sim, 1);
    assert_eq!((done.records, done.equal, done.causes), (0, Some(true), Vec::new()));
}

#[test]
fn why_names_a_peer_that_is_away_and_one_that_gives_nothing() {
    let mut sim = counted(13, 2);
    sim.start_all();
    sim.run_for(5 * MINUTE);
    sim.terms(0, limited(0));
    sim.publish(0, 40, 1_500);
    sim.run_for(5 * MINUTE);
    let causes = why(&mut sim, 1).causes;
    assert!(matches!(causes.first(), Some(Cause::Later { .. })), "{causes:?}");
    sim.crash(0);
    sim.run_for(5 * MINUTE);
    let causes = why(&mut sim, 1).causes;
    let Some(Cause::Away { since: Some(_), reason: Some(reason), again_at: Some(_) }) =
        causes.first()
    else {
        panic!("{causes:?}")
    };
    assert_eq!(reason, "nobody answers");
}

fn why(sim: &mut Sim, node: usize) -> PeerWhy {
    sim.command(node, Command::Why(None));
    match sim.nodes[node].replies.last() {
        Some(Reply::Why(peers)) => peers[0].clone(),
        other => panic!("{other:?}"),
    }
}
