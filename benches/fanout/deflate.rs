//! What compressing saves and costs: the same rows to clients who negotiated it and to clients who did not, on one hub.

use std::time::Duration;

use crate::{
    machine::median,
    process::{Pair, Process},
};

const ROUNDS: usize = 40;

pub fn measure(clients: usize, sessions: usize) {
    let (mut plain, mut packed) = (Vec::<(f64, f64)>::new(), Vec::<(f64, f64)>::new());
    for _ in 0..sessions {
        for (kind, all) in [("cable", &mut plain), ("deflating", &mut packed)] {
            let mut pair = Pair::start("deflating", kind, clients);
            run(&mut pair, 0);
            all.push(run(&mut pair, ROUNDS));
        }
    }
    // One client only: what a message costs to compress, apart from sending it.
    let mut single = Vec::new();
    for kind in ["cable", "deflating"] {
        let mut pair = Pair::start("deflating", kind, 1);
        run(&mut pair, 0);
        single.push(run(&mut pair, ROUNDS * 10).0);
    }
    println!("{clients} clients, rows of a dashboard one at a time, medians of {sessions} sessions");
    for (name, all) in [("plain", &plain), ("permessage-deflate", &packed)] {
        let of = |pick: fn(&(f64, f64)) -> f64| median(all.iter().map(pick));
        println!(
            "  {name:20} {:6.0} ns of server CPU and {:4.0} bytes per delivery",
            of(|one| one.0) / clients as f64,
            of(|one| one.1) / clients as f64
        );
    }
    println!(
        "  to a single client: {:.1} µs of server CPU per message plain, {:.1} µs compressed",
        single[0] / 1e3,
        single[1] / 1e3
    );
}

/// CPU and bytes of a message, to everybody.
fn run(pair: &mut Pair, rounds: usize) -> (f64, f64) {
    let rounds = rounds.max(4);
    let settled = |clients: &mut Process| {
        let mut last = -1.0;
        loop {
            let received = clients.ask("received");
            if received == last {
                return received;
            }
            last = received;
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    let (bytes, cpu) = (settled(&mut pair.clients), pair.server.ask("cpu"));
    for round in 0..rounds {
        pair.server.order(&format!("rows {} 1", round * 31));
        std::thread::sleep(Duration::from_millis(25));
    }
    let received = settled(&mut pair.clients) - bytes;
    ((pair.server.ask("cpu") - cpu) / rounds as f64, received / rounds as f64)
}
