//! negentropy 0.5.3: which of so many ids the other side lacks. It carries no content.

use std::time::Instant;

use negentropy::{Id, Negentropy, NegentropyStorageVector};

/// Finds ten ids that the client lacks among `records`.
pub fn run(records: u64) {
    let mut state = 99_u64;
    let mut draw = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let mut id = || {
        let mut id = [0; 32];
        id.chunks_mut(8).for_each(|part| part.copy_from_slice(&draw().to_le_bytes()));
        id
    };
    let (mut client, mut server) = (NegentropyStorageVector::new(), NegentropyStorageVector::new());
    for number in 0..records + 10 {
        // The new ones are the latest: the best case for comparing by time.
        let (time, id) = (1_700_000_000 + number, Id::from_byte_array(id()));
        server.insert(time, id).expect("it takes it");
        if number < records {
            client.insert(time, id).expect("it takes it");
        }
    }
    client.seal().expect("it seals");
    server.seal().expect("it seals");
    let started = Instant::now();
    let mut asking = Negentropy::borrowed(&client, 0).expect("a client");
    let mut answering = Negentropy::borrowed(&server, 0).expect("a server");
    let mut message = asking.initiate().expect("a first message");
    let (mut up, mut down, mut rounds, mut have, mut need) = (0, 0, 0, Vec::new(), Vec::new());
    loop {
        (up, rounds) = (up + message.len(), rounds + 1);
        let answer = answering.reconcile(&message).expect("an answer");
        down += answer.len();
        match asking.reconcile_with_ids(&answer, &mut have, &mut need).expect("it decodes") {
            Some(next) => message = next,
            None => break,
        }
    }
    println!(
        "\nnegentropy, ids of 10 new among {records}: {rounds} round trips, {} bytes ({up} up, {down} down), {:.2} ms of both sides; found {}",
        up + down,
        started.elapsed().as_secs_f64() * 1e3,
        need.len()
    );
}
