//! `trunkline bench`: loads any ActionCable server with many clients, numbers every message, and says which did not come, came twice or came
//! late, beside how fast they came and what the server spent on them. The clients are [`crate::client::load`]; here is what one may ask of
//! them, and what is told.

mod arguments;
mod plan;
mod publisher;
mod report;
mod run;

use std::{io::IsTerminal as _, process::ExitCode, time::Duration};

pub use arguments::BenchArguments;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Failure;

/// Files that are open besides the clients' sockets.
const OTHER_FILES: u64 = 64;

/// Runs the load that is asked for and prints what came of it.
pub fn run(arguments: &BenchArguments) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let connected = runtime.block_on(arguments.connect.open())?;
    let plan = arguments.plan(connected.token.as_deref())?;
    make_room(plan.crowd.end, plan.crowd.sources.len())?;
    let progress = progress(arguments.is_json());
    let report = runtime.block_on(run::run(plan, &progress));
    progress.finish_and_clear();
    let report = report?;
    if arguments.is_json() {
        println!("{:#}", report.json())
    } else {
        print!("{report}")
    }
    Ok(if report.as_hoped() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Raises the limit of open files, and says early what will not fit.
fn make_room(connections: u32, sources: usize) -> Result<(), Failure> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Where it cannot be raised, the comparison below says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if u64::from(connections) + OTHER_FILES > files {
        return Err(format!("{connections} connections need more open files than this process may have ({files})").into());
    }
    let ports = local_ports().unwrap_or(u64::MAX).saturating_mul(sources.max(1) as u64);
    if u64::from(connections) > ports {
        return Err(
            format!("{connections} connections need more ports than there are ({ports}): give more --source addresses").into()
        );
    }
    Ok(())
}

/// How many ports one address has for outgoing connections.
fn local_ports() -> Option<u64> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ends = range.split_whitespace().filter_map(|end| end.parse::<u64>().ok());
    let first = ends.next()?;
    Some(ends.next()?.saturating_sub(first) + 1)
}

fn progress(quiet: bool) -> ProgressBar {
    let progress = ProgressBar::new_spinner();
    if quiet || !std::io::stderr().is_terminal() {
        progress.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        progress.set_style(style);
    }
    progress.enable_steady_tick(Duration::from_millis(200));
    progress
}
