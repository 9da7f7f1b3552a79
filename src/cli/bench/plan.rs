//! What a bench is to do, once what was asked of it has been checked.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde_json::Value;
use trunkline_protocol::cable::Subprotocol;
use url::Url;

use super::{
    Failure,
    arguments::{BenchArguments, By, Format, Offer},
    publisher::Publishing,
};
use crate::client::load::{Crowd, Target, ledger::MESSAGES_MAX, target::fill};

/// What to do, checked.
#[derive(Debug)]
pub struct Plan {
    pub target: Target,
    pub url: String,
    pub topics: u32,
    pub threads: u32,
    /// Everybody, of whom each thread takes its part.
    pub crowd: Crowd,
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
            topics: self.topics,
            threads: self.threads.min(self.connections),
            crowd: Crowd {
                first: 0,
                step: 1,
                end: self.connections,
                ramp: self.ramp,
                timeout: seconds(self.timeout)?,
                sources: self.source.clone(),
                slow: self.slow,
                slow_bytes: self.slow_bytes as usize,
                stalled: self.stalled,
            },
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
