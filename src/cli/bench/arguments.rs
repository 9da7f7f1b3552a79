//! What one may ask of a bench, and the plan that comes of it once it has been checked.

use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use clap::{Args, ValueEnum};
use serde_json::Value;
use trunkline_protocol::cable::Subprotocol;
use url::Url;

use super::{super::connect::Connect, Failure, publisher::Publishing};
use crate::client::load::{Target, ledger::MESSAGES_MAX, target::fill};

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
    connections: u32,
    /// Clients opened in a second.
    #[arg(long, value_name = "PER SECOND", default_value_t = 1000.0, value_parser = positive, help_heading = "Clients")]
    ramp: f64,
    /// Local addresses to come from, in turn: one address has about 28,000 ports.
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',', help_heading = "Clients")]
    source: Vec<IpAddr>,
    /// What each client subscribes to; an n in braces stands for its number, {t} for its topic's.
    #[arg(
        long,
        value_name = "JSON",
        default_value = r#"{"channel":"$pubsub","stream_name":"bench-{t}"}"#,
        help_heading = "Clients"
    )]
    identifier: String,
    /// Over how many topics the clients are spread; each message goes to one of them, in turn.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Clients")]
    topics: u32,
    /// What the handshake offers.
    #[arg(long, value_enum, default_value_t = Offer::Base, help_heading = "Clients")]
    subprotocol: Offer,
    /// A header of the handshake, `Name: value`; may be repeated; both as above.
    #[arg(long = "header", short = 'H', value_name = "HEADER", value_parser = header, help_heading = "Clients")]
    headers: Vec<(String, String)>,
    /// A cookie of the handshake, `name=value`; may be repeated.
    #[arg(long = "cookie", value_name = "COOKIE", help_heading = "Clients")]
    cookies: Vec<String>,
    /// Trust the certificates in this PEM file, and no other, where the address is https or wss.
    #[arg(long, value_name = "FILE", help_heading = "Clients")]
    ca: Option<PathBuf>,
    /// How long a client may take to be subscribed.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = positive, help_heading = "Clients")]
    timeout: f64,
    /// Threads for the clients; one is enough for most servers.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64), help_heading = "Clients")]
    threads: u32,
    /// Percent of the clients that read only --slow-bytes a second.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = percent, help_heading = "Clients")]
    slow: f64,
    /// What a slow client reads in a second.
    #[arg(long, value_name = "BYTES", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Clients")]
    slow_bytes: u32,
    /// Percent of the clients that read nothing once they are subscribed.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = percent, help_heading = "Clients")]
    stalled: f64,
    /// How messages are published.
    #[arg(long, value_enum, default_value_t = By::Broadcast, help_heading = "Messages")]
    publish: By,
    /// Where to publish by HTTP; without it, /_broadcast of --url.
    #[arg(long, value_name = "URL", help_heading = "Messages")]
    publish_url: Option<String>,
    /// The key of /_broadcast, shown as `Bearer`.
    #[arg(long, env = "TRUNKLINE_BROADCAST_KEY", value_name = "KEY", hide_env_values = true, help_heading = "Messages")]
    broadcast_key: Option<String>,
    /// The stream that /_broadcast publishes to; {t} as above.
    #[arg(long, value_name = "NAME", default_value = "bench-{t}", help_heading = "Messages")]
    stream: String,
    /// The body with --publish http.
    #[arg(long, value_name = "TEMPLATE", default_value = r#"{"stream":"bench-{t}","data":{text}}"#, help_heading = "Messages")]
    body: String,
    /// A header of each publishing request; may be repeated.
    #[arg(long = "publish-header", value_name = "HEADER", value_parser = header, help_heading = "Messages")]
    publish_headers: Vec<(String, String)>,
    /// The action's data with --publish action.
    #[arg(
        long,
        value_name = "TEMPLATE",
        default_value = r#"{"action":"broadcast","payload":{message}}"#,
        help_heading = "Messages"
    )]
    data: String,
    /// The subscription that performs the action; without it, what the clients subscribe to.
    #[arg(long, value_name = "JSON", help_heading = "Messages")]
    publish_identifier: Option<String>,
    /// Bursts published in a second.
    #[arg(long, value_name = "PER SECOND", default_value_t = 10.0, value_parser = positive, help_heading = "Messages")]
    rate: f64,
    /// Messages in a burst: one request to /_broadcast, or one write of actions.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Messages")]
    burst: u32,
    /// The length of a message.
    #[arg(long, value_name = "BYTES", default_value_t = 128, value_parser = clap::value_parser!(u32).range(..=1_000_000), help_heading = "Messages")]
    payload: u32,
    /// How long messages are published; with --publish none, how long the clients stay.
    #[arg(long, short, value_name = "SECONDS", default_value_t = 10.0, value_parser = positive, help_heading = "Messages")]
    duration: f64,
    /// After so long a silence, what has not come is missing.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = positive, help_heading = "Messages")]
    grace: f64,
    /// The server's process: its processor time and memory, and its children's, are told.
    #[arg(long, value_name = "PID", help_heading = "Output")]
    pid: Option<u32>,
    /// For whom the result is.
    #[arg(long, value_enum, default_value_t = Format::Text, help_heading = "Output")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Offer {
    /// actioncable-v1-json
    Base,
    /// actioncable-v1-ext-json; pings are answered with pongs
    Ext,
    /// No subprotocol at all
    None,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum By {
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
enum Format {
    Text,
    Json,
}

/// What to do, checked.
#[derive(Debug)]
pub struct Plan {
    pub target: Target,
    pub url: String,
    pub connections: u32,
    pub topics: u32,
    pub threads: u32,
    pub ramp: f64,
    pub timeout: Duration,
    pub sources: Vec<IpAddr>,
    pub slow: f64,
    pub slow_bytes: usize,
    pub stalled: f64,
    pub authority: Option<PathBuf>,
    pub publishing: Option<Publishing>,
    pub rate: f64,
    pub burst: usize,
    pub payload_bytes: usize,
    pub messages_max: usize,
    pub duration: Duration,
    pub grace: Duration,
    pub pid: Option<u32>,
}

impl BenchArguments {
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }
    /// The plan, as whoever shows `token`.
    pub fn plan(&self, token: Option<&str>) -> Result<Plan, Failure> {
        let target = self.target(&self.identifier, token)?;
        let publishing = self.publishing(token)?;
        let bursts = if publishing.is_some() { (self.rate * self.duration).ceil() } else { 0.0 };
        let messages = bursts * f64::from(self.burst);
        if messages > MESSAGES_MAX as f64 {
            return Err(format!("that is {messages} messages; one run takes {MESSAGES_MAX} at the most").into());
        }
        if self.slow + self.stalled > 100.0 {
            return Err("more than all clients cannot be slow or stalled".into());
        }
        Ok(Plan {
            target,
            url: self.connect.url.clone(),
            connections: self.connections,
            topics: self.topics,
            threads: self.threads.min(self.connections),
            ramp: self.ramp,
            timeout: seconds(self.timeout)?,
            sources: self.source.clone(),
            slow: self.slow,
            slow_bytes: self.slow_bytes as usize,
            stalled: self.stalled,
            authority: self.ca.clone(),
            publishing,
            rate: self.rate,
            burst: self.burst as usize,
            payload_bytes: self.payload as usize,
            messages_max: messages as usize,
            duration: seconds(self.duration)?,
            grace: seconds(self.grace)?,
            pid: self.pid,
        })
    }

    fn target(&self, identifier: &str, token: Option<&str>) -> Result<Target, Failure> {
        let example: Result<Value, _> = serde_json::from_str(&fill(identifier, 0, 0));
        example.map_err(|error| format!("the identifier `{identifier}` is no JSON: {error}"))?;
        let mut headers = self.headers.clone();
        headers.extend(token.map(|token| ("Authorization".to_owned(), format!("Bearer {token}"))));
        if !self.cookies.is_empty() {
            headers.push(("Cookie".to_owned(), self.cookies.join("; ")));
        }
        let target = Target::new(&self.connect.url, identifier)?.with_headers(headers).offering(match self.subprotocol {
            Offer::Base => Some(Subprotocol::Base),
            Offer::Ext => Some(Subprotocol::Extended),
            Offer::None => None,
        });
        Ok(match &self.ca {
            Some(file) => target.trusting(file)?,
            None => target,
        })
    }
    fn publishing(&self, token: Option<&str>) -> Result<Option<Publishing>, Failure> {
        let holds_message = |name: &str, template: &str| match template.contains("{message}") || template.contains("{text}") {
            true => Ok(template.to_owned()),
            false => Err(format!("the {name} `{template}` has no place for the message: {{message}} or {{text}}")),
        };
        Ok(Some(match self.publish {
            By::None => return Ok(None),
            By::Broadcast => {
                let mut headers = self.publish_headers.clone();
                headers.extend(self.broadcast_key.as_ref().map(|key| ("Authorization".to_owned(), format!("Bearer {key}"))));
                Publishing::Broadcast { url: self.publish_url()?, headers, stream: self.stream.clone() }
            }
            By::Http => {
                let body = holds_message("body", &self.body)?;
                Publishing::Http { url: self.publish_url()?, headers: self.publish_headers.clone(), body }
            }
            By::Action => {
                let data = holds_message("data", &self.data)?;
                let example = fill(&data, 0, 0).replace("{message}", "{}").replace("{text}", "\"\"");
                let object: Result<serde_json::Map<String, Value>, _> = serde_json::from_str(&example);
                object.map_err(|error| format!("the data `{data}` is no JSON object: {error}"))?;
                let identifier = fill(self.publish_identifier.as_ref().unwrap_or(&self.identifier), 0, 0);
                Publishing::Action { target: Arc::new(self.target(&identifier, token)?), identifier, data }
            }
        }))
    }
    /// Where requests go that publish.
    fn publish_url(&self) -> Result<Url, Failure> {
        let named = self.publish_url.as_ref().unwrap_or(&self.connect.url);
        let mut url = Url::parse(named).map_err(|error| format!("`{named}` is no address: {error}"))?;
        if self.publish_url.is_some() {
            return Ok(url);
        }
        let scheme = if matches!(url.scheme(), "wss" | "https") { "https" } else { "http" };
        // From one of these schemes to the other is what `url` lets one do.
        let _ = url.set_scheme(scheme);
        url.set_path("/_broadcast");
        url.set_query(None);
        Ok(url)
    }
}

fn seconds(seconds: f64) -> Result<Duration, Failure> {
    Ok(Duration::try_from_secs_f64(seconds)?)
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        bench: BenchArguments,
    }

    fn plan(line: &[&str]) -> Result<Plan, String> {
        let line = Line::try_parse_from(["bench"].iter().chain(line)).map_err(|error| error.to_string())?;
        line.bench.plan(Some("secret")).map_err(|error| error.to_string())
    }

    #[test]
    fn publishes_to_the_broadcast_endpoint_of_the_same_server() {
        let plan = plan(&["--url", "wss://localhost:1/cable?x=1", "--broadcast-key", "k"]).expect("a plan");
        let Some(Publishing::Broadcast { url, headers, .. }) = plan.publishing else { panic!("by broadcast") };
        assert_eq!(url.as_str(), "https://localhost:1/_broadcast");
        assert_eq!(headers, [("Authorization".to_owned(), "Bearer k".to_owned())]);
        assert_eq!(plan.messages_max, 100);
    }

    #[test]
    fn names_what_cannot_be_done() {
        let wrong = |line: &[&str]| plan(line).expect_err("wrong");
        assert!(wrong(&["--identifier", "{channel}"]).contains("no JSON"));
        assert!(wrong(&["--publish", "http", "--body", "{}"]).contains("{message}"));
        assert!(wrong(&["--publish", "action", "--data", "[{message}]"]).contains("no JSON object"));
        assert!(wrong(&["--rate", "1000000", "--duration", "1000"]).contains("at the most"));
        assert!(wrong(&["--slow", "60", "--stalled", "60"]).contains("all clients"));
        assert!(wrong(&["--slow", "101"]).contains("0 to 100"));
        assert!(wrong(&["--header", "nonsense"]).contains("Name: value"));
        assert!(wrong(&["--rate", "NaN"]).contains("above 0"));
    }
}
