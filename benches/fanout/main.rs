//! A broadcast to many, against a bare loop of send(2) over as many sockets; what an idle client, a stalled one and a storm of them cost.
//!
//! `cargo bench --bench fanout` runs all; `-- SCENARIO CLIENTS SESSIONS` one: `delivery`, `footprint`, `sealed` (TLS), `breathing`, `stalled`,
//! `storm`, `deflate`. Servers and clients are processes of their own (this binary again) on a core each, so each side's processor time,
//! memory and file descriptors are its own. Figures are medians of interleaved sessions; what matters are the ratios.

mod breathing;
#[path = "../support/channel.rs"]
mod channel;
mod clients;
mod deflate;
mod delivery;
mod footprint;
mod handshaking;
mod machine;
mod process;
mod server;
mod stalled;
mod storm;

/// As in the program that is measured.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let text = |at: usize| arguments.get(at).map_or("", String::as_str);
    let number = |at: usize, default: usize| text(at).parse().unwrap_or(default);
    machine::stay_on(usize::from(text(0) != "server"));
    match text(0) {
        "server" => server::run(text(1), text(2)),
        "clients" => clients::run(text(1), text(2)),
        "delivery" => delivery::measure(number(1, 1_000), number(2, 3)),
        "footprint" => footprint::measure(number(1, 10_000), "cable", number(2, 3)),
        "sealed" => footprint::measure(number(1, 2_000), "sealed", number(2, 3)),
        "breathing" => breathing::measure(number(1, 5_000), number(2, 3)),
        "stalled" => stalled::measure(number(1, 1_000), number(2, 3)),
        "storm" => storm::measure(number(1, 15_000), number(2, 3)),
        "deflate" => deflate::measure(number(1, 1_000), number(2, 3)),
        _ => {
            for clients in [1_000, 5_000, 15_000] {
                delivery::measure(clients, 3);
            }
            footprint::measure(10_000, "cable", 3);
            footprint::measure(2_000, "sealed", 3);
            breathing::measure(5_000, 3);
            stalled::measure(1_000, 3);
            storm::measure(15_000, 3);
            deflate::measure(1_000, 3);
        }
    }
}
