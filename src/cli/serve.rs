//! `trunkline serve` and `trunkline demo`: the house runtime, the house in it, and when both end.

use std::{path::Path, process::ExitCode, time::Duration};

use indicatif::ProgressBar;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
};
use trunkline_actors::accounts::BootstrapUser;
use trunkline_protocol::{Role, limits::BLOCKING_THREADS_MAX};

use super::{
    DemoArguments, Failure, ServeArguments,
    connect::{Connected, answered},
    feed,
};
use crate::house::House;

/// The exit code of a hub that failed beyond repair: whoever keeps the process starts it again.
const FAILED: u8 = 70;

/// Accounts that everybody may know: a demo is not a deployment.
pub const DEMO_ACCOUNTS: [(&str, Role, bool); 4] = [
    ("admin@example.org", Role::Admin, false),
    ("ana@example.org", Role::Editor, false),
    ("ben@example.org", Role::Editor, false),
    ("monitor@example.org", Role::Editor, true),
];
/// The password of every demo account.
pub const DEMO_PASSWORD: &str = "Trunkline-demo-1";

/// The demo's accounts as its page shows them.
#[must_use]
pub fn demo_accounts() -> Vec<Value> {
    DEMO_ACCOUNTS.iter().map(|(email, ..)| json!({"email": email, "password": DEMO_PASSWORD})).collect()
}

/// Runs a hub until it is told to stop.
pub fn serve(arguments: &ServeArguments) -> Result<ExitCode, Failure> {
    let config = arguments.config()?;
    config.telemetry.install();
    let runtime = house_runtime()?;
    let done = runtime.block_on(async {
        let house = House::open(config).await?;
        greet(&house);
        run(house).await
    });
    // A hard stop must not wait for whoever does not end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    done
}

/// The same with demo accounts, and something to see.
pub fn demo(arguments: &DemoArguments) -> Result<ExitCode, Failure> {
    let mut config = arguments.serve.config()?;
    config.edge.demo = true;
    config.bootstrap.users.extend(DEMO_ACCOUNTS.map(|(email, role, service)| BootstrapUser {
        email: email.to_owned(),
        password: DEMO_PASSWORD.to_owned(),
        role,
        service,
    }));
    config.telemetry.install();
    let runtime = house_runtime()?;
    let done = runtime.block_on(async {
        let house = House::open(config).await?;
        greet(&house);
        println!("  Sign in as {} with the password {DEMO_PASSWORD}\n", DEMO_ACCOUNTS.map(|(email, ..)| email).join(", "));
        let (url, file, rate) = (house.url(), arguments.feed.clone(), arguments.rate.max(1));
        let feeding = tokio::spawn(async move {
            match feed_the_demo(&url, &file, rate).await {
                Ok(summary) => print!("{summary}"),
                Err(error) => eprintln!("trunkline: the demo could not be fed: {error}"),
            }
        });
        let done = run(house).await;
        feeding.abort();
        done
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    done
}

/// The domain's own threads; the edge has its own.
fn house_runtime() -> Result<Runtime, Failure> {
    let number = std::sync::atomic::AtomicUsize::new(0);
    let name = move || format!("house-{}", number.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    Ok(Builder::new_multi_thread().enable_all().max_blocking_threads(BLOCKING_THREADS_MAX).thread_name_fn(name).build()?)
}

fn greet(house: &House) {
    println!("\n  Trunkline is open at {}", house.url());
    println!(
        "  The cable is {}/cable, the API {}/api/v1, its health {}/health",
        house.url().replacen("http", "ws", 1),
        house.url(),
        house.url()
    );
    if let Some(password) = &house.first_admin_password {
        println!("\n  Nobody was an administrator yet, so there is one now; its password is shown this once:");
        println!("    {}  {password}", trunkline_actors::accounts::bootstrap::FIRST_ADMIN);
    }
    println!();
}

/// Waits for the signal, then stops gracefully; a second signal stops at once.
async fn run(house: House) -> Result<ExitCode, Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let failed = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        cause = house.hub.until_failed() => Some(cause),
    };
    if let Some(cause) = &failed {
        tracing::error!(cause, "the hub has failed beyond repair: this process ends, to be started again");
    }
    tracing::info!("stopping: clients are told to come back, what is in flight is finished");
    tokio::select! {
        () = house.close() => {
            tracing::info!("stopped; everything acknowledged is in the journal");
            Ok(if failed.is_some() { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
        }
        _ = terminate.recv() => Ok(at_once()),
        _ = interrupt.recv() => Ok(at_once()),
    }
}

fn at_once() -> ExitCode {
    tracing::warn!("stopped at once; what was acknowledged is in the journal");
    ExitCode::from(130)
}

/// The bot of the demo: writes the ignore entries that belong to the feed, then posts its lines one after another.
async fn feed_the_demo(url: &str, file: &Path, rate: u32) -> Result<String, Failure> {
    let lines = feed::lines::read(file)?;
    let http = Client::builder().timeout(Duration::from_secs(30)).build()?;
    let mut connected = Connected { url: url.to_owned(), http, token: None };
    connected.token = Some(connected.sign_in(DEMO_ACCOUNTS[0].0, DEMO_PASSWORD).await?);
    let expected = file.with_extension("expected.json");
    if let Ok(text) = std::fs::read_to_string(&expected) {
        let expected: Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", expected.display()))?;
        let entries = json!({"entries": expected["ignore_list"]});
        answered(connected.request(Method::POST, "ignore_lists/bulk_create").json(&entries).send().await?).await?;
    }
    connected.token = Some(connected.sign_in(DEMO_ACCOUNTS[3].0, DEMO_PASSWORD).await?);
    let tally = feed::push(connected, lines, 4, Some(rate), 8, &ProgressBar::hidden()).await;
    Ok(format!("\n  The feed has been told:\n{tally}"))
}
