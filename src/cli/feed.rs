//! `trunkline feed`: pushes a JSONL file as a bot would. Lines that name the same link stay in order, whatever the concurrency; a lost
//! connection is tried again, which is safe because a stream posted twice is there once.

pub mod lines;
mod post;
mod tally;

use std::{io::IsTerminal as _, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::{sync::mpsc, time::Instant};

use super::{
    Failure,
    connect::{Connect, Connected},
};
use lines::Line;
use post::Poster;
pub use tally::Tally;

/// Lines that wait for one sender; the reader waits when it is full.
const WAITING_MAX: usize = 64;

/// What to push, and how hard.
#[derive(Debug, Args)]
pub struct FeedArguments {
    /// A file of JSON lines: `{"expect": "created", "body": {..}}`, or bare bodies of `POST /api/v1/streams`.
    file: PathBuf,
    #[command(flatten)]
    connect: Connect,
    /// Requests in flight at once.
    #[arg(long, short, value_name = "COUNT", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    /// At most so many lines a second.
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// How often a line is tried again when the hub is away or busy.
    #[arg(long, value_name = "TIMES", default_value_t = 8)]
    retries: u32,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: FeedArguments) -> Result<ExitCode, Failure> {
    let connected = arguments.connect.open().await?;
    let lines = lines::read(&arguments.file)?;
    let progress = progress(lines.len(), arguments.json);
    let tally = push(connected, lines, arguments.concurrency, arguments.rate, arguments.retries, &progress).await;
    progress.finish_and_clear();
    if arguments.json {
        println!("{}", tally.json());
    } else {
        print!("{tally}");
    }
    Ok(if tally.as_hoped() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Pushes every line and says what became of them.
pub async fn push(
    connected: Connected,
    lines: Vec<Line>,
    concurrency: u16,
    rate: Option<u32>,
    retries: u32,
    progress: &ProgressBar,
) -> Tally {
    let poster = Arc::new(Poster::new(connected, retries));
    let started = Instant::now();
    let mut queues = Vec::new();
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..concurrency {
        let (queue, mut waiting) = mpsc::channel::<Line>(WAITING_MAX);
        queues.push(queue);
        let (poster, progress) = (Arc::clone(&poster), progress.clone());
        senders.spawn(async move {
            let mut tally = Tally::default();
            while let Some(line) = waiting.recv().await {
                let sent = Instant::now();
                let outcome = poster.post(&line).await;
                tally.note(&line, &outcome, sent.elapsed());
                progress.inc(1);
            }
            tally
        });
    }
    for (count, line) in (0_u32..).zip(lines) {
        if let Some(rate) = rate {
            tokio::time::sleep_until(started + Duration::from_secs(1) * count / rate).await;
        }
        // One link, one queue: a duplicate is never posted before the line that it repeats.
        let queue = &queues[line.lane(queues.len())];
        if queue.send(line).await.is_err() {
            break;
        }
    }
    drop(queues);
    let mut tally = Tally::default();
    while let Some(ended) = senders.join_next().await {
        match ended {
            Ok(part) => tally.add(part),
            Err(error) => tally.broken(&error.to_string()),
        }
    }
    tally.took = started.elapsed();
    tally
}

fn progress(lines: usize, quiet: bool) -> ProgressBar {
    let progress = ProgressBar::new(lines as u64);
    if quiet || !std::io::stderr().is_terminal() {
        progress.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{bar:40.cyan/blue} {pos}/{len}  {per_sec}  {eta} to go");
    if let Ok(style) = style {
        progress.set_style(style);
    }
    progress
}
