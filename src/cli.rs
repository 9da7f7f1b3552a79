//! The command line: what one can ask of the binary, and nothing of how it is done.

mod bench;
mod connect;
mod feed;
mod serve;
mod tail;
mod users;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::config::Config;

/// An actor-based real-time hub: bots push, dashboards watch, editors edit; what is acknowledged is durable.
#[derive(Debug, Parser)]
#[command(name = "trunkline", version, about, long_about = None, propagate_version = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a hub until it is told to stop (Ctrl-C or SIGTERM; a second one stops at once).
    Serve(ServeArguments),
    /// Run a hub with demo accounts and feed it, so that there is something to see.
    Demo(DemoArguments),
    /// Read a configuration as `serve` would and name every mistake in it.
    CheckConfig(ConfigArguments),
    /// Print what a hub is made of: kinds, projections, channels, workers.
    Plan,
    /// Sign in and print the access token.
    Token(connect::Connect),
    /// List, create and change accounts (as an administrator).
    User(users::UserArguments),
    /// Follow a channel in the terminal.
    Tail(tail::TailArguments),
    /// Push a JSONL file of streams as a bot would, and say what became of each line.
    Feed(feed::FeedArguments),
    /// Load any ActionCable server with many clients, and check that every message comes once and in its order.
    Bench(Box<bench::BenchArguments>),
}

/// Where the configuration is.
#[derive(Debug, Args)]
struct ConfigArguments {
    /// The TOML file; `TRUNKLINE_SECTION_KEY` in the environment wins over it. Without one the defaults hold.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ServeArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Where to listen, instead of what is configured.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<std::net::SocketAddr>,
    /// Where the journal is kept, instead of what is configured: `memory:` or `sled:FOLDER`.
    #[arg(long, value_name = "URL")]
    journal: Option<String>,
}

#[derive(Debug, Args)]
struct DemoArguments {
    #[command(flatten)]
    serve: ServeArguments,
    /// What to feed it; each line `{"expect": .., "body": {..}}` or a bare body.
    #[arg(long, value_name = "FILE", default_value = "examples/data/livestreams.jsonl")]
    feed: PathBuf,
    /// How many lines a second, so that one can watch them arrive.
    #[arg(long, value_name = "LINES", default_value_t = 20)]
    rate: u32,
}

/// Does what the command line asks; the exit code is 0 where all of it was done.
#[must_use]
pub fn run() -> ExitCode {
    let command = CommandLine::parse().command;
    let done = match command {
        Command::Serve(arguments) => serve::serve(&arguments),
        Command::Demo(arguments) => serve::demo(&arguments),
        Command::CheckConfig(arguments) => check_config(&arguments),
        Command::Plan => print_plan(),
        Command::Token(connect) => as_client(users::token(connect)),
        Command::User(arguments) => as_client(users::run(arguments)),
        Command::Tail(arguments) => as_client(tail::run(arguments)),
        Command::Feed(arguments) => as_client(feed::run(arguments)),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    done.unwrap_or_else(|failure| {
        eprintln!("trunkline: {}", failure.to_string().trim_end());
        ExitCode::FAILURE
    })
}

pub use serve::demo_accounts;

/// What went wrong, in words for the one at the terminal.
type Failure = Box<dyn std::error::Error>;

impl ServeArguments {
    /// What is configured, with what the command line says over it.
    fn config(&self) -> Result<Config, Failure> {
        let mut config = Config::load(self.config.config.as_deref())?;
        config.listen = self.listen.unwrap_or(config.listen);
        if let Some(journal) = &self.journal {
            config.journal.clone_from(journal);
        }
        Ok(config)
    }
}

fn check_config(arguments: &ConfigArguments) -> Result<ExitCode, Failure> {
    let config = Config::load(arguments.config.as_deref())?;
    println!("The configuration is without mistake: {} with its journal in {}.", config.listen, config.journal);
    Ok(ExitCode::SUCCESS)
}

fn print_plan() -> Result<ExitCode, Failure> {
    crate::house::plan(&Config::standard())?.lines().iter().for_each(|line| println!("{line}"));
    Ok(ExitCode::SUCCESS)
}

/// Client commands need one thread.
fn as_client(work: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            done = work => done,
            // 130: what shells expect of an interrupted command.
            _ = tokio::signal::ctrl_c() => Ok(ExitCode::from(130)),
        }
    })
}
