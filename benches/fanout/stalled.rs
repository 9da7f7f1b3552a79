//! One client in a hundred does not read: what the others notice of it, and what it costs until it is sent away.

use crate::{
    machine::{median, share},
    process::{Pair, Process},
};

const FRAME_BYTES: usize = 16 * 1024;
/// Enough that whoever reads none of it is sent away before the end.
const ROUNDS: usize = 120;
const PARTS: usize = 12;

pub fn measure(clients: usize, sessions: usize) {
    let deaf = (clients / 100).max(1);
    let mut pair = Pair::start("hub", "cable", clients);
    let order = format!("say {FRAME_BYTES} 1");
    let run = |pair: &mut Pair, rounds| pair.rounds(&order, clients, FRAME_BYTES, 1, rounds).complete_ms;
    run(&mut pair, ROUNDS / PARTS);
    let (mut alone, mut beside, mut cost) = (Vec::new(), Vec::new(), Vec::new());
    let mut sent_away = 0.0;
    for _ in 0..sessions {
        alone.push(share(run(&mut pair, ROUNDS), 0.99));
        let mut stalled = Process::start(&["clients", "deaf", &pair.address]);
        stalled.ask(&format!("connect {deaf}"));
        let (rss, slow) = (pair.server.ask("rss"), pair.server.ask("slow"));
        // Every round is complete for those who read, or this fails. Looked at as often as they come closer to their bound.
        let (mut most, mut took) = (rss, Vec::new());
        for _ in 0..PARTS {
            took.extend(run(&mut pair, ROUNDS / PARTS));
            most = f64::max(most, pair.server.ask("rss"));
        }
        beside.push(share(took, 0.99));
        cost.push((most - rss) / deaf as f64);
        sent_away = pair.server.ask("slow") - slow;
    }
    println!("{clients} clients who read and {deaf} who do not, {FRAME_BYTES} bytes a frame, medians of {sessions} sessions");
    println!(
        "  p99 to the last reader {:.1} ms without them, {:.1} ms beside them ({:.2} times); {:.0} KiB of memory each at most; {sent_away} sent away",
        median(alone.iter().copied()),
        median(beside.iter().copied()),
        median(beside.iter().zip(&alone).map(|(beside, alone)| beside / alone)),
        median(cost) / 1024.0,
    );
}
