//! A hub with the four channels that cable conformance suites need, and at `/echo` a WebSocket that is told what it says, for RFC 6455 suites.
//!
//! `cargo run --example conformance -- --listen 127.0.0.1:8080`

mod channels;

use std::{net::TcpListener, sync::Arc, time::Duration};

use actix_web::{App, HttpResponse, web};
use clap::Parser;
use trunkline::{
    actors::{Hub, HubConfig, Plan, pubsub},
    config::PubsubSettings,
    edge::{
        Everybody, Identify, JidConfig, JidDoor, Origins, ServeConfig, events,
        publish::{self, PublishDesk},
        serve, upgrade,
    },
    persistence::MemoryJournal,
    protocol::{Principal, limits},
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
    /// Signs stream names and tokens; the keys for publishing are derived from it.
    #[arg(long)]
    secret: Option<String>,
    /// Any `$pubsub` stream may be heard by its plain name.
    #[arg(long)]
    public_streams: bool,
    /// Messages of each stream that are kept for clients that return.
    #[arg(long, default_value_t = 100)]
    history_limit: usize,
    /// The largest message of a client, in bytes.
    #[arg(long, default_value_t = 65_536)]
    max_message: usize,
    /// Seconds that a lost connection counts as present.
    #[arg(long, default_value_t = 15)]
    presence_ttl: u64,
    /// Seconds after which an extended client that says nothing is sent away; 0: never.
    #[arg(long, default_value_t = 0)]
    pong_timeout: u64,
    /// Compresses messages (permessage-deflate) for clients that offer to.
    #[arg(long)]
    deflate: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let mut plan = Plan::new();
    channels::plan(&mut plan);
    let mut settings = options.secret.as_deref().map(PubsubSettings::with_secret).unwrap_or_default();
    settings.wing.public = options.public_streams;
    settings.wing.otherwise.broadcasts_max = options.history_limit;
    pubsub::plan(&mut plan, settings.wing);
    let hub_config = HubConfig { presence_ttl: Duration::from_secs(options.presence_ttl), ..HubConfig::default() };
    let hub = Hub::open(plan, MemoryJournal::new(), hub_config).await?;

    let mut allowed: Vec<String> = options.allowed_origins.into_iter().filter(|origin| !origin.is_empty()).collect();
    let missing = allowed.is_empty();
    if missing {
        allowed.push("*".to_owned());
    }
    let config = ServeConfig {
        origins: Origins { same_as_host: missing, allowed, missing },
        frame_bytes_max: options.max_message,
        // The largest message must fit, and the echo of one that was sent before it was read.
        outbox_bytes_max: limits::OUTBOX_BYTES_MAX.max(4 * options.max_message),
        pong_timeout: (options.pong_timeout > 0).then(|| Duration::from_secs(options.pong_timeout)),
        deflate: options.deflate,
        echo: Some("/echo".to_owned()),
        ..ServeConfig::default()
    };
    let listener = TcpListener::bind(&options.listen)?;
    let cables = upgrade::plain(&config.paths);
    let desk = web::Data::new(PublishDesk::new(&hub, settings.keys));
    let published = publish::routes(desk.clone());
    let pages = move |root: &mut web::ServiceConfig| {
        root.configure(cables)
            .configure(published)
            .configure(events::routes)
            .route("/health", web::get().to(async || HttpResponse::Ok().body("OK")));
    };
    let app = move || App::new().configure(pages.clone());
    let everybody = Everybody(Principal::house());
    let door: Arc<dyn Identify> = match options.secret {
        Some(secret) => Arc::new(JidDoor::new(&JidConfig { secret, param: "jid".to_owned(), enforce: false }, everybody)),
        None => Arc::new(everybody),
    };
    let running = serve(config, listener, hub.clone(), door, app).await?;
    drop(desk.gate.set(running.gate()));
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
