//! The link laboratory, long: real daemons over lines that are slow, far, lossy and cut.
//!
//! `scripts/lab [SCENE..]` runs it; without a name every scene runs but `idle`. Prints rows for
//! docs/BENCHMARKS.md. The short form is among the tests (`node/tests/it/links.rs`).

#[path = "../tests/lab/mod.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod lab;
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod support;

use std::time::{Duration, Instant};

use lab::{Cut, Lab, Line, Outcome, Transfer, Transport, When};

/// Time between two looks at ten stations.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Stations of a network.
const STATIONS: usize = 10;

/// Records that each station of a network publishes.
const RECORDS_EACH: u64 = 1_000;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|one| one != "--bench").collect();
    let named = |name: &str| asked.iter().any(|one| one == name);
    let runs = |name: &str| named(name) || (asked.is_empty() && name != "idle");
    let scenes: [(&str, fn()); 6] = [
        ("satellite", satellite),
        ("loss", loss),
        ("cuts", cuts),
        ("partition", || partition("partition", &Line::default(), 30)),
        ("lossy-partition", || {
            let line = Line { delay_ms: 100, loss_percent: 5.0, ..Line::default() };
            partition("lossy-partition", &line, 90);
        }),
        ("idle", idle),
    ];
    let unknown = asked.iter().find(|one| !scenes.iter().any(|(name, _)| name == one));
    if let Some(unknown) = unknown {
        let known = scenes.map(|(name, _)| name).join(", ");
        eprintln!("there is no scene `{unknown}`; there are: {known}");
        std::process::exit(2);
    }
    println!("| scene | what | result | goal |\n|---|---|---|---|");
    scenes.iter().filter(|(name, _)| runs(name)).for_each(|(_, scene)| scene());
}

fn row(scene: &str, what: &str, result: &str, goal: &str) {
    println!("| {scene} | {what} | {result} | {goal} |");
}

fn name(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "TCP",
        Transport::Quic => "QUIC",
    }
}

/// Runs a transfer; ends the program where there can be no laboratory.
fn run(transfer: &Transfer) -> Outcome {
    transfer.run().unwrap_or_else(|why| {
        println!("skipped: {why}");
        std::process::exit(0);
    })
}

fn transfer(line: Line, transport: Transport, records: u64) -> Transfer {
    let deadline = Duration::from_secs(1_800);
    Transfer { line, transport, records, signers: 10, cuts: Vec::new(), deadline, seed: 1 }
}

/// 64 kbit/s, 800 ms there and back, 2 % loss.
fn satellite() {
    let line = Line { delay_ms: 400, loss_percent: 2.0, kbit_s: 64, ..Line::default() };
    // The floor: what the same transfer takes of a line without loss, sent at 64 kbit/s.
    let clean = Line { delay_ms: 1, ..Line::default() };
    for transport in [Transport::Tcp, Transport::Quic] {
        let floor = run(&transfer(clean.clone(), transport, 1_000)).floor(64);
        let Outcome { held, seconds, down, up, lost, longest_wait, .. } =
            run(&transfer(line.clone(), transport, 1_000));
        let what = format!("{}: 1,000 records of 2 KB", name(transport));
        let result = format!(
            "{held} in {seconds:.0} s, {:.2} of the floor of {floor:.0} s; {down} bytes came, {lost} were lost, {up} went back; longest wait {longest_wait:.0} s",
            seconds / floor
        );
        row("satellite", &what, &result, "at most 1.5 of the floor");
    }
}

/// 30 % loss and 200 ms there and back.
fn loss() {
    let line = Line { delay_ms: 100, loss_percent: 30.0, kbit_s: 1_000, ..Line::default() };
    for transport in [Transport::Tcp, Transport::Quic] {
        let Outcome { held, seconds, longest_wait, down, .. } =
            run(&transfer(line.clone(), transport, 1_000));
        let what = format!("{}: 1,000 records, 30 %, 200 ms, 1 Mbit/s", name(transport));
        let result =
            format!("{held} in {seconds:.0} s, longest wait {longest_wait:.0} s, {down} bytes");
        row("loss", &what, &result, "completes; a wait of at most 60 s");
    }
}

/// Twenty cuts of 256 kbit/s and 300 ms: TCP connections are lost with each.
fn cuts() {
    let line = Line { delay_ms: 150, kbit_s: 256, ..Line::default() };
    for (transport, length_ms, forget) in [
        (Transport::Tcp, 2_000, true),
        (Transport::Tcp, 8_000, false),
        (Transport::Quic, 8_000, false),
    ] {
        let whole = transfer(line.clone(), transport, 1_000);
        let plain = run(&whole);
        let at = |number| When::Bytes(plain.down * number / 21);
        let cuts = (1..=20).map(|number| Cut { at: at(number), length_ms, forget }).collect();
        let cut = run(&Transfer { cuts, ..whole });
        let kind = if forget { "connections forgotten" } else { "silence" };
        let what =
            format!("{}: {} cuts of {} s, {kind}", name(transport), cut.cuts, length_ms / 1_000);
        let more = (cut.down as f64 / plain.down as f64 - 1.0) * 100.0;
        let result = format!(
            "{} in {:.0} s ({:.0} s without); {} bytes came, {} without cuts: {more:.1} % more",
            cut.held, cut.seconds, plain.seconds, cut.down, plain.down
        );
        row("cuts", &what, &result, "at most 10 % repeated");
    }
}

/// Makes a network of ten stations, each connected with some others.
fn network(line: &Line) -> Lab {
    let made = Lab::make(STATIONS, line, Transport::Tcp, 1);
    let mut lab = made.unwrap_or_else(|why| {
        println!("skipped: {why}");
        std::process::exit(0);
    });
    start(&mut lab);
    lab
}

/// Starts all stations, with the first as the one that others ask first.
fn start(lab: &mut Lab) {
    lab.stations[0].start(&[]);
    let first = lab.stations[0].address.clone();
    lab.stations[1..].iter_mut().for_each(|one| one.start(std::slice::from_ref(&first)));
}

/// Waits until `is` holds of the lab; returns the seconds, or `None` after `patience` of them.
fn until(lab: &Lab, patience: u64, mut is: impl FnMut(&Lab) -> bool) -> Option<f64> {
    let started = now();
    while !is(lab) {
        if patience < started.elapsed().as_secs() {
            return None;
        }
        lab.carrier.wait(LOOK_EVERY, LOOK_EVERY * 5);
    }
    Some(started.elapsed().as_secs_f64())
}

#[expect(clippy::disallowed_methods, reason = "a laboratory measures time")]
fn now() -> Instant {
    Instant::now()
}

fn peers(lab: &Lab, one: usize) -> u64 {
    lab.stations[one].status()["peers_connected"].as_u64().unwrap_or(0)
}

/// Whether all stations hold the same `records`.
fn agree(lab: &Lab, stations: std::ops::Range<usize>, records: u64) -> bool {
    let mut digest = None;
    lab.stations[stations].iter().all(|one| {
        let status = one.status();
        let said = status["set_digest"].as_str().map(str::to_owned);
        let same = digest.get_or_insert_with(|| said.clone()) == &said;
        same && status["records"] == records && status["bodies_missing"] == 0
    })
}

/// Ten stations know each other, are parted into two halves that publish 1,000 records each
/// station, and meet again.
fn partition(scene: &str, line: &Line, goal: u64) {
    let mut lab = network(line);
    let met = until(&lab, 300, |lab| (0..STATIONS).all(|one| 2 <= peers(lab, one)));
    if met.is_none() {
        return row(scene, "ten stations meet", "not within 300 s", "");
    }
    let half = STATIONS / 2;
    lab.stations.iter_mut().for_each(lab::Station::kill);
    lab.carrier.partition(|from, to| (from < half) != (to < half));
    for (number, station) in lab.stations.iter().enumerate() {
        station.fill(RECORDS_EACH, 10, 10 * number as u64);
    }
    start(&mut lab);
    let records = RECORDS_EACH * half as u64;
    let parted =
        until(&lab, 900, |lab| agree(lab, 0..half, records) && agree(lab, half..STATIONS, records));
    let before: u64 = (0..STATIONS).map(|one| lab.carrier.of(one).1).sum();
    lab.carrier.partition(|_, _| false);
    let healed = until(&lab, 900, |lab| agree(lab, 0..STATIONS, 2 * records));
    let bytes: u64 = (0..STATIONS).map(|one| lab.carrier.of(one).1).sum::<u64>() - before;
    let what = format!("{STATIONS} stations, {RECORDS_EACH} records each, two halves");
    let seconds = |one: Option<f64>| one.map_or("not within 900 s".into(), |s| format!("{s:.1} s"));
    let result = format!(
        "halves agree after {}, all after the cut's end: {}; {:.1} MB between all",
        seconds(parted),
        seconds(healed),
        bytes as f64 / 1e6
    );
    row(scene, &what, &result, &format!("{goal} s"));
}

/// A quiet network of ten stations: what an idle day costs. `BARAZA_IDLE_MINUTES` (10) sets how
/// long it is watched.
fn idle() {
    let minutes = std::env::var("BARAZA_IDLE_MINUTES").ok().and_then(|text| text.parse().ok());
    let minutes: u64 = minutes.unwrap_or(10);
    let line = Line { delay_ms: 20, ..Line::default() };
    let mut lab = network(&line);
    lab.stations.iter_mut().for_each(lab::Station::kill);
    let known = lab.stations.iter().all(|one| one.profile("metered"));
    lab.stations[0].fill(RECORDS_EACH, 10, 0);
    start(&mut lab);
    let agreed = until(&lab, 300, |lab| agree(lab, 0..STATIONS, RECORDS_EACH));
    // What follows a meeting is no idling yet: looking for others, hints, heads.
    std::thread::sleep(Duration::from_secs(60));
    let before: Vec<_> = (0..STATIONS).map(|one| lab.carrier.of(one)).collect();
    std::thread::sleep(Duration::from_secs(60 * minutes));
    let per_day = |bytes: u64| bytes as f64 * 1_440.0 / minutes as f64 / 1_048_576.0;
    let mut days: Vec<f64> = (0..STATIONS)
        .map(|one| {
            let (sent, received) = lab.carrier.of(one);
            per_day(sent - before[one].0 + received - before[one].1)
        })
        .collect();
    days.sort_by(f64::total_cmp);
    let profile = if known { "profile `metered`" } else { "no profiles in this version" };
    let what = format!("{STATIONS} stations, {minutes} minutes, {profile}");
    let agreed = if agreed.is_some() { "" } else { "; they did not agree first" };
    let result = format!(
        "{:.2} MiB a day and station, both ways, IP headers included (least {:.2}, most {:.2}){agreed}",
        days.iter().sum::<f64>() / days.len() as f64,
        days[0],
        days[STATIONS - 1]
    );
    row("idle", &what, &result, "at most 1 MiB");
}
