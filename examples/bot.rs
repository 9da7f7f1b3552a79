//! A bot: signs in, posts three streams, posts one of them again in another spelling, and reads the list back.
//! Run it with `cargo run --example bot`.

use serde_json::{Value, json};
use trunkline::{config::Config, house::House};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let house = House::open(Config::in_memory().with_account("monitor@example.org", "editor", true)).await?;
    let (http, api) = (reqwest::Client::new(), format!("{}/api/v1", house.url()));

    let login = json!({"email": "monitor@example.org", "password": Config::EXAMPLE_PASSWORD});
    let answer: Value = http.post(format!("{api}/login")).json(&login).send().await?.json().await?;
    let token = answer["token"].as_str().ok_or("no token")?.to_owned();

    for link in
        ["https://twitch.tv/ana", "https://www.youtube.com/watch?v=abc", "https://kick.com/ben", "http://www.Twitch.tv/ana/"]
    {
        let body = json!({"link": link, "source": "Discord", "city": "Seattle", "state": "WA"});
        let response = http.post(format!("{api}/streams")).bearer_auth(&token).json(&body).send().await?;
        let (status, stream): (_, Value) = (response.status(), response.json().await?);
        println!("{status}  #{} {link}", stream["id"]);
    }

    let list: Value = http.get(format!("{api}/streams?platform=twitch")).bearer_auth(&token).send().await?.json().await?;
    println!("on Twitch: {}", list["streams"][0]["link"]);
    house.close().await;
    Ok(())
}
