//! A hub with the four channels that cable conformance suites need.
//!
//! `cargo run --example conformance -- --listen 127.0.0.1:8080`

mod channels;

use std::{net::TcpListener, sync::Arc};

use actix_web::{App, HttpResponse, web};
use clap::Parser;
use trunkline::{
    actors::{Hub, HubConfig, Plan},
    edge::{Everybody, Origins, ServeConfig, serve, upgrade},
    persistence::MemoryJournal,
    protocol::Principal,
};

/// A hub for conformance suites.
#[derive(Parser)]
struct Options {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: String,
    /// From which pages cables may be opened; empty: from all.
    #[arg(long, default_value = "", value_delimiter = ',')]
    allowed_origins: Vec<String>,
    /// The largest message of a client, in bytes.
    #[arg(long, default_value_t = 65_536)]
    max_message: usize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let mut plan = Plan::new();
    channels::plan(&mut plan);
    let hub = Hub::open(plan, MemoryJournal::new(), HubConfig::default()).await?;

    let mut allowed: Vec<String> = options.allowed_origins.into_iter().filter(|origin| !origin.is_empty()).collect();
    let missing = allowed.is_empty();
    if missing {
        allowed.push("*".to_owned());
    }
    let config = ServeConfig {
        origins: Origins { same_as_host: missing, allowed, missing },
        frame_bytes_max: options.max_message,
        ..ServeConfig::default()
    };
    let listener = TcpListener::bind(&options.listen)?;
    let cables = upgrade::plain(&config.paths);
    let app = move || App::new().configure(cables.clone()).route("/health", web::get().to(async || HttpResponse::Ok().body("OK")));
    let running = serve(config, listener, hub.clone(), Arc::new(Everybody(Principal::house())), app).await?;
    println!("listening on {}", running.addr);

    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    running.stop().await;
    hub.close().await;
    Ok(())
}
