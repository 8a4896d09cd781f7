//! The thread that carries packets between the devices of a laboratory.
//!
//! Invariant: a packet leaves by the device of its destination when its link says so, or never;
//! what has no destination here is dropped.
//! Not here: what a link does to a packet (`link`), how devices come to be (`place`).
//! Spec: docs/BENCHMARKS.md, "The link laboratory".

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tun_rs::SyncDevice;

use super::{
    link::{Counted, Line, Link},
    packet::{self, Flow},
};

/// Longest time without a look at the orders: what a cut is exact to.
const LOOK_US: u64 = 5_000;

/// Most bytes of a packet; the devices' own limit is lower.
const PACKET_BYTES: usize = 2_048;

/// A time at which every line is cut, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// When it begins.
    pub(crate) at: When,
    /// How long nothing passes, in milliseconds.
    pub(crate) length_ms: u64,
    /// Whether the carrier has then forgotten the TCP connections, as a NAT that restarts: each
    /// is reset when it sends something.
    pub(crate) forget: bool,
}

/// When a cut begins, counted from the order for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// After a time, in milliseconds.
    Ms(u64),
    /// When so many bytes were delivered over all links.
    Bytes(u64),
}

/// What the carrier is told, and what it says.
struct Shared {
    links: Vec<Vec<Link>>,
    /// Pairs between which nothing passes.
    apart: Vec<Vec<bool>>,
    cuts: Vec<Cut>,
    /// Time of the order for cuts, in microseconds, and bytes delivered until then.
    ordered: (u64, u64),
    /// When the cut of now ends, in microseconds, and whether flows are then forgotten.
    down: Option<(u64, bool)>,
    delivered: u64,
    /// In microseconds.
    last_delivery: u64,
    flows: BTreeSet<Flow>,
    forgotten: BTreeSet<Flow>,
    stop: bool,
}

/// Carries packets between devices until it is dropped.
pub(crate) struct Carrier {
    shared: Arc<(Mutex<Shared>, Condvar)>,
    thread: Option<JoinHandle<io::Result<()>>>,
    started: Instant,
}

/// A packet under way: arrival in microseconds, order, from, to, bytes.
type Flying = Reverse<(u64, u64, usize, usize, Vec<u8>)>;

impl Carrier {
    /// Starts to carry. Device number `n` has the address that ends with `n + 1`.
    #[expect(clippy::disallowed_methods, reason = "a laboratory runs in real time")]
    pub(crate) fn start(devices: Vec<SyncDevice>, line: &Line, seed: u64) -> Self {
        let count = devices.len();
        let link = |from, to| Link::new(line.clone(), seed + (from * count + to) as u64);
        let shared = Shared {
            links: (0..count).map(|from| (0..count).map(|to| link(from, to)).collect()).collect(),
            apart: vec![vec![false; count]; count],
            cuts: Vec::new(),
            ordered: (0, 0),
            down: None,
            delivered: 0,
            last_delivery: 0,
            flows: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            stop: false,
        };
        let (shared, started) = (Arc::new((Mutex::new(shared), Condvar::new())), Instant::now());
        let theirs = Arc::clone(&shared);
        let thread = Some(std::thread::spawn(move || carry(&devices, &theirs, started)));
        Self { shared, thread, started }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.0.lock().expect("the carrier does not panic")
    }

    /// Orders cuts; those of before are forgotten.
    pub(crate) fn cut(&self, mut cuts: Vec<Cut>) {
        let mut shared = self.shared();
        cuts.reverse();
        shared.cuts = cuts;
        shared.ordered = (micros(self.started), shared.delivered);
    }

    /// Returns how many cuts have not begun.
    pub(crate) fn cuts_left(&self) -> usize {
        self.shared().cuts.len()
    }

    /// Lets nothing pass between devices that are `apart`, until the next order.
    pub(crate) fn partition(&self, apart: impl Fn(usize, usize) -> bool) {
        let mut shared = self.shared();
        for (from, row) in shared.apart.iter_mut().enumerate() {
            row.iter_mut().enumerate().for_each(|(to, one)| *one = apart(from, to));
        }
    }

    /// Returns what went from one device to another.
    pub(crate) fn counted(&self, from: usize, to: usize) -> Counted {
        self.shared().links[from][to].counted()
    }

    /// Returns the bytes that device `one` sent and those that it received.
    pub(crate) fn of(&self, one: usize) -> (u64, u64) {
        let shared = self.shared();
        let sent = shared.links[one].iter().map(|link| link.counted().offered).sum();
        let received = shared.links.iter().map(|row| row[one].counted().delivered).sum();
        (sent, received)
    }

    /// Waits until something is delivered after `least`, at most `patience`.
    pub(crate) fn wait(&self, least: Duration, patience: Duration) {
        let started = micros(self.started);
        let least = least.as_micros() as u64;
        let early = |shared: &mut Shared| shared.last_delivery < started + least;
        let (_shared, _) = self
            .shared
            .1
            .wait_timeout_while(self.shared(), patience, early)
            .expect("the carrier does not panic");
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.shared().stop = true;
        if let Some(Ok(Err(error))) = self.thread.take().map(JoinHandle::join) {
            eprintln!("the carrier ended early: {error}");
        }
    }
}

fn micros(started: Instant) -> u64 {
    started.elapsed().as_micros() as u64
}

fn carry(
    devices: &[SyncDevice],
    shared: &(Mutex<Shared>, Condvar),
    started: Instant,
) -> io::Result<()> {
    let (mut flying, mut order) = (BinaryHeap::<Flying>::new(), 0);
    let mut buffer = vec![0; PACKET_BYTES];
    loop {
        let mut fds: Vec<_> = devices.iter().map(|one| PollFd::new(one, PollFlags::IN)).collect();
        let due = flying.peek().map_or(u64::MAX, |Reverse(next)| next.0);
        let wait = due.saturating_sub(micros(started)).min(LOOK_US);
        let wait = Timespec { tv_sec: 0, tv_nsec: (wait * 1_000) as _ };
        poll(&mut fds, Some(&wait))?;
        let mut shared_now = shared.0.lock().expect("nobody panics with it");
        if shared_now.stop {
            return Ok(());
        }
        let now = micros(started);
        shared_now.look(now);
        for (from, device) in devices.iter().enumerate() {
            while let Ok(bytes) = device.recv(&mut buffer) {
                let packet = &buffer[..bytes];
                if let Some(refusal) = shared_now.refuse(packet) {
                    // A device that is full loses it, as any line would.
                    let _ = device.send(&refusal);
                    continue;
                }
                if let Some((arrival, to)) = shared_now.take(now, from, packet) {
                    flying.push(Reverse((arrival, order, from, to, packet.to_vec())));
                    order += 1;
                }
            }
        }
        while flying.peek().is_some_and(|Reverse(next)| next.0 <= now) {
            let Some(Reverse((_, _, from, to, packet))) = flying.pop() else { break };
            if shared_now.arrives(now, from, to, packet.len() as u64) {
                let _ = devices[to].send(&packet);
                shared.1.notify_all();
            }
        }
    }
}

impl Shared {
    /// Begins and ends cuts.
    fn look(&mut self, now: u64) {
        if let Some((_, forget)) = self.down.filter(|(until, _)| *until <= now) {
            self.down = None;
            let flows = std::mem::take(&mut self.flows);
            if forget {
                self.forgotten.extend(flows);
            }
        }
        let (since, bytes) = (now - self.ordered.0, self.delivered - self.ordered.1);
        let begins = |cut: &Cut| match cut.at {
            When::Ms(ms) => ms * 1_000 <= since,
            When::Bytes(least) => least <= bytes,
        };
        if self.down.is_none() && self.cuts.last().is_some_and(begins) {
            let cut = self.cuts.pop().expect("there is a last one");
            self.down = Some((now + cut.length_ms * 1_000, cut.forget));
        }
    }

    /// Returns the refusal of a packet of a connection that was forgotten.
    fn refuse(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let flow = packet::flow(packet)?;
        if packet::opens(packet) {
            self.forgotten.remove(&flow);
        }
        self.flows.insert(flow);
        let forgotten = self.down.is_none() && self.forgotten.contains(&flow);
        if forgotten { packet::reset_for(packet) } else { None }
    }

    /// Returns when a packet arrives, and where.
    fn take(&mut self, now: u64, from: usize, packet: &[u8]) -> Option<(u64, usize)> {
        let (_, [.., last]) = packet::addresses(packet)?;
        let to = usize::from(last).checked_sub(1).filter(|to| *to < self.links.len())?;
        let down = self.down.is_some() || self.apart[from][to];
        let arrival = self.links[from][to].offer(now, packet.len() as u64, down)?;
        Some((arrival, to))
    }

    /// Returns whether a packet that was under way comes out.
    fn arrives(&mut self, now: u64, from: usize, to: usize, bytes: u64) -> bool {
        let comes = self.down.is_none() && !self.apart[from][to];
        if comes {
            self.delivered += bytes;
            self.last_delivery = now;
        } else {
            self.links[from][to].lose(bytes);
        }
        comes
    }
}
