//! Publishes the numbered messages of a run at their pace, by HTTP or by an action on a cable of its own, in a thread of its own. Whatever the
//! server does not take is withdrawn from the ledger: nobody can miss it.

use std::{
    io,
    ops::Range,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use reqwest::{
    Certificate, Client,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use url::Url;

use super::Failure;
use crate::client::load::{Crowd, Ledger, Mark, Pulse, Swarm, Target, scanner::client_frame, target::fill};

/// How long a server may take to answer a publication.
const ANSWER: Duration = Duration::from_secs(10);

/// How messages reach the server.
#[derive(Debug)]
pub enum Publishing {
    /// AnyCable's endpoint; a burst is one request.
    Broadcast { url: Url, headers: Vec<(String, String)>, stream: String },
    /// Any endpoint; a message is one request.
    Http { url: Url, headers: Vec<(String, String)>, body: String },
    /// An action; a burst is one write.
    Action { target: Arc<Target>, identifier: String, data: String },
}

/// What is published, and when.
#[derive(Debug)]
pub struct Schedule {
    pub ledger: Arc<Ledger>,
    pub mark: Mark,
    pub rate: f64,
    pub burst: usize,
    pub payload_bytes: usize,
    pub duration: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// Numbered from 0 up to this.
    pub messages: usize,
    /// Of which so many were not taken.
    pub refused: usize,
    /// The first refusal, in the server's words.
    pub refusal: Option<String>,
    /// From the first to the last.
    pub took: Duration,
    /// How far behind its time the latest burst was.
    pub late: Duration,
}

/// A way to the server that is open.
#[expect(clippy::large_enum_variant, reason = "there is one of it in a process")]
pub enum Publisher {
    Http { runtime: Runtime, client: Client, url: Url, form: Form },
    Action { swarm: Swarm, identifier: String, data: String },
}

/// What a request holds.
pub enum Form {
    Broadcast { stream: String },
    Body(String),
}

impl Publisher {
    /// Opens the way; `authority`: whose certificates are trusted, where there is TLS.
    pub fn open(publishing: Publishing, timeout: Duration, authority: Option<&Path>) -> Result<Self, Failure> {
        Ok(match publishing {
            Publishing::Broadcast { url, headers, stream } => Self::http(url, &headers, Form::Broadcast { stream }, authority)?,
            Publishing::Http { url, headers, body } => Self::http(url, &headers, Form::Body(body), authority)?,
            Publishing::Action { target, identifier, data } => {
                let crowd = Crowd { timeout, ..Crowd::default() };
                let mut swarm = Swarm::new(target, crowd, Arc::new(Ledger::new(0, 1)), Mark::default(), Arc::new(Pulse::new(1)))?;
                while !swarm.settled() {
                    swarm.turn(Duration::from_millis(10))?;
                }
                if let Some(reason) = swarm.tally().failures.keys().next() {
                    return Err(format!("the publisher did not get in: {reason}").into());
                }
                Self::Action { swarm, identifier, data }
            }
        })
    }
    /// Publishes until the time is over or `stop` is said; `progress` follows how many messages were.
    pub fn run(&mut self, schedule: &Schedule, stop: &AtomicBool, progress: &AtomicUsize) -> io::Result<Published> {
        let (start, mut published) = (Instant::now(), Published::default());
        for burst in 0_u32.. {
            let due = Duration::from_secs_f64(f64::from(burst) / schedule.rate);
            let room = schedule.ledger.room() - published.messages;
            self.wait(start + due, stop)?;
            if stop.load(Relaxed) || room == 0 || due >= schedule.duration || start.elapsed() > schedule.duration + ANSWER {
                break;
            }
            published.late = published.late.max(start.elapsed().saturating_sub(due));
            let messages = published.messages..published.messages + schedule.burst.min(room);
            published.messages = messages.end;
            if let Err((part, reason)) = self.send(schedule, messages) {
                part.clone().for_each(|message| schedule.ledger.withdraw(message));
                published.refused += part.len();
                published.refusal.get_or_insert(reason);
            }
            progress.store(published.messages, Relaxed);
            if published.messages == published.refused {
                // Nothing was ever taken: the key is wrong, or nobody is there.
                break;
            }
        }
        published.took = start.elapsed();
        Ok(published)
    }
    /// Stays until `stop` is said: a server may let go what it has not yet done for a client that has left.
    pub fn stay(mut self, stop: &AtomicBool) -> io::Result<()> {
        while !stop.load(Relaxed) {
            self.wait(Instant::now() + Duration::from_millis(100), stop)?;
        }
        Ok(())
    }

    fn http(url: Url, headers: &[(String, String)], form: Form, authority: Option<&Path>) -> Result<Self, Failure> {
        let mut map = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        for (name, value) in headers {
            map.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        }
        let mut builder = Client::builder().default_headers(map).timeout(ANSWER).tcp_nodelay(true);
        if let Some(file) = authority {
            let certificates = Certificate::from_pem_bundle(&std::fs::read(file)?)?;
            builder =
                certificates.into_iter().fold(builder.tls_built_in_root_certs(false), reqwest::ClientBuilder::add_root_certificate);
        }
        let client = builder.build()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self::Http { runtime, client, url, form })
    }
    fn wait(&mut self, until: Instant, stop: &AtomicBool) -> io::Result<()> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self {
                // Reads what comes meanwhile, also when it is late: a publisher that does not read is a slow reader.
                Self::Action { swarm, .. } => swarm.turn(left.min(Duration::from_millis(100)))?,
                Self::Http { .. } => std::thread::sleep(left.min(Duration::from_millis(100))),
            }
            if stop.load(Relaxed) || Instant::now() >= until {
                return Ok(());
            }
        }
    }
    /// Sends a burst; an error says which part of it was not taken, and why.
    fn send(&mut self, schedule: &Schedule, messages: Range<usize>) -> Result<(), (Range<usize>, String)> {
        let text = |message: usize| {
            let (topic, number) = schedule.ledger.address(message);
            (topic, schedule.mark.message(topic, number, schedule.payload_bytes))
        };
        match self {
            Self::Http { runtime, client, url, form: Form::Broadcast { stream } } => {
                let publication = |message: usize| {
                    let (topic, text) = text(message);
                    json!({"stream": fill(stream, 0, topic), "data": text})
                };
                let body = match messages.len() {
                    1 => publication(messages.start),
                    _ => Value::Array(messages.clone().map(publication).collect()),
                };
                messages.clone().for_each(|message| schedule.ledger.send(message));
                runtime.block_on(post(client, url, body.to_string())).map_err(|reason| (messages, reason))
            }
            Self::Http { runtime, client, url, form: Form::Body(body) } => {
                for message in messages.clone() {
                    let (topic, text) = text(message);
                    let body = filled(body, topic, &text);
                    schedule.ledger.send(message);
                    runtime.block_on(post(client, url, body)).map_err(|reason| (message..messages.end, reason))?;
                }
                Ok(())
            }
            Self::Action { swarm, identifier, data } => {
                let mut frames = Vec::new();
                for message in messages.clone() {
                    let (topic, text) = text(message);
                    let data = filled(data, topic, &text);
                    let command = json!({"command": "message", "identifier": identifier, "data": data}).to_string();
                    frames.extend(client_frame(0x1, command.as_bytes()));
                }
                messages.clone().for_each(|message| schedule.ledger.send(message));
                swarm.say(0, &frames).map_err(|error| (messages, error.to_string()))
            }
        }
    }
}

fn filled(template: &str, topic: u32, message: &str) -> String {
    fill(template, 0, topic).replace("{text}", &Value::from(message).to_string()).replace("{message}", message)
}

async fn post(client: &Client, url: &Url, body: String) -> Result<(), String> {
    // reqwest names the address and keeps what is wrong with it behind: tell both.
    let response = client.post(url.clone()).body(body).send().await.map_err(|error| {
        let cause = std::iter::successors(std::error::Error::source(&error), |cause| cause.source()).last();
        cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
    })?;
    let status = response.status();
    let text = response.text().await.unwrap_or_default();
    if status.is_success() {
        Ok(())
    } else {
        Err(format!("{url} answered {status} {}", text.chars().take(200).collect::<String>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_a_message_into_a_template_as_json_and_as_text() {
        let message = r#"{"mark":"tl1-0-1."}"#;
        let body = filled(r#"{"to":"bench-{t}","json":{message},"text":{text}}"#, 4, message);
        let body: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(body, json!({"to": "bench-4", "json": {"mark": "tl1-0-1."}, "text": message}));
    }
}
