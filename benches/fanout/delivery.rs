//! One message at a time and sixteen at once, to everybody: the gateway against a loop that does nothing but send.

use crate::{
    channel::FRAME_BYTES,
    machine::{median, share},
    process::{Pair, Rounds},
};

/// What is ordered of whom, and how many messages that is.
struct Round {
    name: &'static str,
    order: String,
    messages: usize,
}

pub fn measure(clients: usize, sessions: usize) {
    let order = |name, order: String, messages| Round { name, order, messages };
    let floor = [
        order("send(2), one", format!("send {FRAME_BYTES} 1"), 1),
        order("send(2), 16 coalesced", format!("send {} 1", FRAME_BYTES * 16), 16),
    ];
    let hub = [order("gateway, one", format!("say {FRAME_BYTES} 1"), 1), order("gateway, 16", format!("say {FRAME_BYTES} 16"), 16)];
    let rounds = [(60_000 / clients).clamp(20, 60), (30_000 / clients).clamp(10, 30)];
    let (mut bare, mut gateway) = (Pair::start("floor", "floor", clients), Pair::start("hub", "cable", clients));
    let mut all: Vec<[Rounds; 4]> = Vec::new();
    for session in 0..=sessions {
        let run = |pair: &mut Pair, round: &Round, rounds| {
            pair.rounds(&round.order, clients, FRAME_BYTES * round.messages, round.messages, rounds)
        };
        let measured = [
            run(&mut bare, &floor[0], rounds[0]),
            run(&mut gateway, &hub[0], rounds[0]),
            run(&mut bare, &floor[1], rounds[1]),
            run(&mut gateway, &hub[1], rounds[1]),
        ];
        // The first session only warms up.
        if session > 0 {
            all.push(measured);
        }
    }
    println!("{clients} clients, {FRAME_BYTES} bytes a frame, medians of {sessions} interleaved sessions");
    for (at, round) in [&floor[0], &hub[0], &floor[1], &hub[1]].into_iter().enumerate() {
        let of = |pick: fn(&Rounds) -> f64| median(all.iter().map(|session| pick(&session[at])));
        println!(
            "  {:22} {:6.0} ns of server CPU per delivery; to the last client p50 {:6.1} ms, p99 {:6.1} ms",
            round.name,
            of(|rounds| rounds.cpu_ns),
            of(|rounds| median(rounds.complete_ms.iter().copied())),
            of(|rounds| share(rounds.complete_ms.iter().copied(), 0.99)),
        );
    }
    let ratio = |floor: usize, hub: usize, pick: fn(&Rounds) -> f64| {
        median(all.iter().map(|session| pick(&session[floor]) / pick(&session[hub])))
    };
    println!(
        "  deliveries per CPU-second against the loop: {:.2} one at a time, {:.2} in bursts; to the last client p50 {:.2}, p99 {:.2} times the loop's",
        ratio(0, 1, |rounds| rounds.cpu_ns),
        ratio(2, 3, |rounds| rounds.cpu_ns),
        1.0 / ratio(0, 1, |rounds| median(rounds.complete_ms.iter().copied())),
        1.0 / ratio(0, 1, |rounds| share(rounds.complete_ms.iter().copied(), 0.99)),
    );
}
