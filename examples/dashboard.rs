//! A dashboard: subscribes to StreamsChannel, then sees what a bot does, in the order in which it was written.
//! Run it with `cargo run --example dashboard`.

use serde_json::{Value, json};
use trunkline::{client::CableClient, config::Config, house::House};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let house = House::open(Config::in_memory().with_account("monitor@example.org", "editor", true)).await?;
    let (http, api) = (reqwest::Client::new(), format!("{}/api/v1", house.url()));
    let login = json!({"email": "monitor@example.org", "password": Config::EXAMPLE_PASSWORD});
    let answer: Value = http.post(format!("{api}/login")).json(&login).send().await?.json().await?;
    let token = answer["token"].as_str().ok_or("no token")?.to_owned();

    let mut cable = CableClient::connect(&house.url(), Some(&token)).await?;
    cable.subscribe(r#"{"channel":"StreamsChannel"}"#).await?;

    let body = json!({"link": "https://twitch.tv/ana", "source": "Discord"});
    let stream: Value = http.post(format!("{api}/streams")).bearer_auth(&token).json(&body).send().await?.json().await?;
    let one = format!("{api}/streams/{}", stream["id"]);
    http.patch(&one).bearer_auth(&token).json(&json!({"status": "live"})).send().await?.error_for_status()?;
    http.put(format!("{one}/pin")).bearer_auth(&token).send().await?.error_for_status()?;
    http.delete(&one).bearer_auth(&token).send().await?.error_for_status()?;

    loop {
        let message = cable.next().await?.message;
        println!("{} #{} {}", message["action"], message["stream"]["id"], message["changes"]);
        if message["action"] == "deleted" {
            break;
        }
    }
    cable.close().await;
    house.close().await;
    Ok(())
}
