//! What one may ask of a bench. What comes of it is [`super::plan`].

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, ValueEnum};

use super::super::connect::Connect;

const EXAMPLES: &str = r#"Examples:
  A hub, by its broadcast endpoint; its process is measured as well:
    trunkline bench --connections 1000 --rate 20 --duration 10 --broadcast-key KEY --pid $(pidof trunkline)
  Rails' ActionCable, by an action of a channel that broadcasts what it is given:
    trunkline bench --url http://127.0.0.1:3000 --identifier '{"channel":"BenchChannel"}' \
      --publish action --data '{"action":"broadcast","payload":{message}}'
  Any endpoint that publishes; {text} is the message as a JSON string, {message} as JSON, {t} the topic's number:
    trunkline bench --publish http --publish-url http://127.0.0.1:8090/publish --body '{"to":"bench-{t}","data":{text}}'
  Idle connections alone, from two addresses:
    trunkline bench --publish none --connections 15000 --source 127.0.0.2,127.0.0.3 --duration 5 --pid PID

The exit code is 0 when every client got in and every message came to every client once and in its order."#;

/// What to load, and how hard.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct BenchArguments {
    #[command(flatten)]
    pub connect: Connect,
    /// How many clients.
    #[arg(long, short, value_name = "COUNT", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Clients")]
    pub(super) connections: u32,
    /// Clients opened in a second.
    #[arg(long, value_name = "PER SECOND", default_value_t = 1000.0, value_parser = positive, help_heading = "Clients")]
    pub(super) ramp: f64,
    /// Local addresses to come from, in turn: one address has about 28,000 ports.
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',', help_heading = "Clients")]
    pub(super) source: Vec<IpAddr>,
    /// What each client subscribes to; an n in braces stands for its number, {t} for its topic's.
    #[arg(
        long,
        value_name = "JSON",
        default_value = r#"{"channel":"$pubsub","stream_name":"bench-{t}"}"#,
        help_heading = "Clients"
    )]
    pub(super) identifier: String,
    /// Over how many topics the clients are spread; each message goes to one of them, in turn.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Clients")]
    pub(super) topics: u32,
    /// What the handshake offers.
    #[arg(long, value_enum, default_value_t = Offer::Base, help_heading = "Clients")]
    pub(super) subprotocol: Offer,
    /// A header of the handshake, `Name: value`; may be repeated; both as above.
    #[arg(long = "header", short = 'H', value_name = "HEADER", value_parser = header, help_heading = "Clients")]
    pub(super) headers: Vec<(String, String)>,
    /// A cookie of the handshake, `name=value`; may be repeated.
    #[arg(long = "cookie", value_name = "COOKIE", help_heading = "Clients")]
    pub(super) cookies: Vec<String>,
    /// Trust the certificates in this PEM file, and no other, where the address is https or wss.
    #[arg(long, value_name = "FILE", help_heading = "Clients")]
    pub(super) ca: Option<PathBuf>,
    /// How long a client may take to be subscribed.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = positive, help_heading = "Clients")]
    pub(super) timeout: f64,
    /// Threads for the clients; one is enough for most servers.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64), help_heading = "Clients")]
    pub(super) threads: u32,
    /// Percent of the clients that read only --slow-bytes a second.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = percent, help_heading = "Clients")]
    pub(super) slow: f64,
    /// What a slow client reads in a second.
    #[arg(long, value_name = "BYTES", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Clients")]
    pub(super) slow_bytes: u32,
    /// Percent of the clients that read nothing once they are subscribed.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = percent, help_heading = "Clients")]
    pub(super) stalled: f64,
    /// How messages are published.
    #[arg(long, value_enum, default_value_t = By::Broadcast, help_heading = "Messages")]
    pub(super) publish: By,
    /// Where to publish by HTTP; without it, /_broadcast of --url.
    #[arg(long, value_name = "URL", help_heading = "Messages")]
    pub(super) publish_url: Option<String>,
    /// The key of /_broadcast, shown as `Bearer`.
    #[arg(long, env = "TRUNKLINE_BROADCAST_KEY", value_name = "KEY", hide_env_values = true, help_heading = "Messages")]
    pub(super) broadcast_key: Option<String>,
    /// The stream that /_broadcast publishes to; {t} as above.
    #[arg(long, value_name = "NAME", default_value = "bench-{t}", help_heading = "Messages")]
    pub(super) stream: String,
    /// The body with --publish http.
    #[arg(long, value_name = "TEMPLATE", default_value = r#"{"stream":"bench-{t}","data":{text}}"#, help_heading = "Messages")]
    pub(super) body: String,
    /// A header of each publishing request; may be repeated.
    #[arg(long = "publish-header", value_name = "HEADER", value_parser = header, help_heading = "Messages")]
    pub(super) publish_headers: Vec<(String, String)>,
    /// The action's data with --publish action.
    #[arg(
        long,
        value_name = "TEMPLATE",
        default_value = r#"{"action":"broadcast","payload":{message}}"#,
        help_heading = "Messages"
    )]
    pub(super) data: String,
    /// The subscription that performs the action; without it, what the clients subscribe to.
    #[arg(long, value_name = "JSON", help_heading = "Messages")]
    pub(super) publish_identifier: Option<String>,
    /// Bursts published in a second.
    #[arg(long, value_name = "PER SECOND", default_value_t = 10.0, value_parser = positive, help_heading = "Messages")]
    pub(super) rate: f64,
    /// Messages in a burst: one request to /_broadcast, or one write of actions.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Messages")]
    pub(super) burst: u32,
    /// The length of a message.
    #[arg(long, value_name = "BYTES", default_value_t = 128, value_parser = clap::value_parser!(u32).range(..=1_000_000), help_heading = "Messages")]
    pub(super) payload: u32,
    /// How long messages are published; with --publish none, how long the clients stay.
    #[arg(long, short, value_name = "SECONDS", default_value_t = 10.0, value_parser = positive, help_heading = "Messages")]
    pub(super) duration: f64,
    /// After so long a silence, what has not come is missing.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = positive, help_heading = "Messages")]
    pub(super) grace: f64,
    /// The server's process: its processor time and memory, and its children's, are told.
    #[arg(long, value_name = "PID", help_heading = "Output")]
    pub(super) pid: Option<u32>,
    /// For whom the result is.
    #[arg(long, value_enum, default_value_t = Format::Text, help_heading = "Output")]
    pub(super) format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Offer {
    /// actioncable-v1-json
    Base,
    /// actioncable-v1-ext-json; pings are answered with pongs
    Ext,
    /// No subprotocol at all
    None,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum By {
    /// POST /_broadcast, as AnyCable has it
    Broadcast,
    /// POST --body to --publish-url
    Http,
    /// An action on a subscription of its own
    Action,
    /// Nothing is published
    None,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().map_err(|error| error.to_string())?;
    if number > 0.0 && number <= 1e9 { Ok(number) } else { Err("must be above 0".to_owned()) }
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().map_err(|error| error.to_string())?;
    if (0.0..=100.0).contains(&number) { Ok(number) } else { Err("is from 0 to 100".to_owned()) }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("is `Name: value`")?;
    if name.is_empty() || text.contains(['\r', '\n']) {
        return Err("is `Name: value`, on one line".to_owned());
    }
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
