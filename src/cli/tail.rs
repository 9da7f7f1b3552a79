//! `trunkline tail`: follows a channel in the terminal, one line a message; comes back when the hub does.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use serde_json::{Map, Value, json};

use super::{Failure, connect::Connect};
use crate::client::{CableClient, CableError};

/// What to follow.
#[derive(Debug, Args)]
pub struct TailArguments {
    #[command(flatten)]
    connect: Connect,
    /// The channel, or a whole identifier in JSON: `{"channel":"StreamsChannel","status":"live"}`.
    #[arg(default_value = "StreamsChannel")]
    channel: String,
    /// A parameter of the channel, `name=value`; may be repeated.
    #[arg(long = "param", short, value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// Print every message as one line of JSON.
    #[arg(long)]
    json: bool,
    /// End after this many messages.
    #[arg(long, short = 'n', value_name = "COUNT")]
    count: Option<u64>,
}

/// How long to wait for a hub that went away: at first, and at most.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(10);

pub async fn run(arguments: TailArguments) -> Result<ExitCode, Failure> {
    let identifier = identifier(&arguments)?;
    let connected = arguments.connect.open().await?;
    let mut left = arguments.count.unwrap_or(u64::MAX);
    let mut pause = PAUSE;
    while left > 0 {
        match follow(&connected.url, connected.token.as_deref(), &identifier, arguments.json, &mut left, &mut pause).await {
            Ok(()) => break,
            Err(error @ (CableError::Rejected(_) | CableError::Disconnected { reconnect: false, .. })) => return Err(error.into()),
            Err(error) => {
                eprintln!("{error}; trying again in {:.1} s", pause.as_secs_f32());
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn follow(
    url: &str,
    token: Option<&str>,
    identifier: &str,
    as_json: bool,
    left: &mut u64,
    pause: &mut Duration,
) -> Result<(), CableError> {
    let mut cable = CableClient::connect(url, token).await?;
    cable.subscribe(identifier).await?;
    *pause = PAUSE;
    eprintln!("following {identifier}");
    while *left > 0 {
        let message = cable.next().await?.message;
        if as_json {
            println!("{message}")
        } else {
            println!("{}", line(&message))
        }
        *left -= 1;
    }
    cable.close().await;
    Ok(())
}

fn identifier(arguments: &TailArguments) -> Result<String, Failure> {
    if arguments.channel.trim_start().starts_with('{') {
        return Ok(arguments.channel.clone());
    }
    let mut members = Map::new();
    members.insert("channel".to_owned(), json!(arguments.channel));
    for param in &arguments.params {
        let (name, value) = param.split_once('=').ok_or_else(|| format!("`{param}` is not NAME=VALUE"))?;
        members.insert(name.to_owned(), json!(value));
    }
    Ok(Value::Object(members).to_string())
}

/// A message for people: what happened, to what, and what of it changed.
fn line(message: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let action = message["action"].as_str().unwrap_or("message");
    let stream = &message["stream"];
    if stream.is_object() && action != "cell_updated" {
        let changes = message["changes"].as_array().map(|names| names.iter().map(text).collect::<Vec<_>>().join(", "));
        let mut line = format!("{action:<9} #{:<6} {:<8} {}", text(&stream["id"]), text(&stream["status"]), text(&stream["link"]));
        if let Some(changes) = changes.filter(|changes| !changes.is_empty()) {
            line.push_str(&format!("  ({changes})"));
        }
        return line;
    }
    let Some(members) = message.as_object() else { return format!("{action:<9} {}", text(message)) };
    let rest = members.iter().filter(|(key, _)| *key != "action" && *key != "stream");
    let rest = rest.map(|(key, value)| format!("{key}={}", text(value))).collect::<Vec<_>>().join(" ");
    format!("{action:<9} {rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_happened_to_a_stream_in_one_line() {
        let message = json!({"action": "updated", "stream": {"id": 7, "status": "live", "link": "https://twitch.tv/x"}, "changes": ["status"]});
        assert_eq!(line(&message), "updated   #7      live     https://twitch.tv/x  (status)");
        assert_eq!(line(&json!({"action": "cell_locked", "cell_id": "stream_1_title"})), "cell_locked cell_id=stream_1_title");
        assert_eq!(line(&json!("just text")), "message   just text");
    }
}
