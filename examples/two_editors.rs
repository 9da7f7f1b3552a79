//! Two editors and one cell: Ana locks it, Ben is told who holds it, Ana writes, and only then is it Ben's.
//! Run it with `cargo run --example two_editors`.

use serde_json::{Value, json};
use trunkline::{
    client::{CableClient, CableError},
    config::Config,
    house::House,
};

const GRID: &str = r#"{"channel":"CollaborativeStreamsChannel"}"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config =
        Config::in_memory().with_account("ana@example.org", "editor", false).with_account("ben@example.org", "editor", false);
    let house = House::open(config).await?;
    let (ana_token, ben_token) = (sign_in(&house, "ana@example.org").await?, sign_in(&house, "ben@example.org").await?);
    let body = json!({"link": "https://twitch.tv/ana", "source": "Discord"});
    let post = reqwest::Client::new().post(format!("{}/api/v1/streams", house.url())).bearer_auth(&ana_token).json(&body);
    let stream: Value = post.send().await?.json().await?;
    let cell = json!({"cell_id": format!("stream_{}_title", stream["id"])});

    let mut ana = CableClient::connect(&house.url(), Some(&ana_token)).await?;
    ana.subscribe(GRID).await?;
    let mut ben = CableClient::connect(&house.url(), Some(&ben_token)).await?;
    ben.subscribe(GRID).await?;

    ana.perform(GRID, "lock_cell", cell.clone()).await?;
    println!("ben hears  {}", hear(&mut ben, "cell_locked").await?);
    ben.perform(GRID, "lock_cell", cell.clone()).await?;
    println!("ben is told {}", hear(&mut ben, "error").await?);

    let edit = json!({"cell_id": cell["cell_id"], "stream_id": stream["id"], "field": "title", "value": "March on Pine Street"});
    ana.perform(GRID, "update_cell", edit).await?;
    println!("ben hears  {}", hear(&mut ben, "cell_updated").await?);
    println!("ben hears  {}", hear(&mut ben, "cell_unlocked").await?);
    ben.perform(GRID, "lock_cell", cell).await?;
    println!("ana hears  {}", hear(&mut ana, "cell_locked").await?);
    println!("and again  {}", hear(&mut ana, "cell_locked").await?);
    house.close().await;
    Ok(())
}

async fn sign_in(house: &House, email: &str) -> Result<String, Box<dyn std::error::Error>> {
    let login = json!({"email": email, "password": Config::EXAMPLE_PASSWORD});
    let answer = reqwest::Client::new().post(format!("{}/api/v1/login", house.url())).json(&login).send().await?;
    let answer: Value = answer.json().await?;
    Ok(answer["token"].as_str().ok_or("no token")?.to_owned())
}

/// The next message with this action, without the whole stream in it.
async fn hear(cable: &mut CableClient, action: &str) -> Result<Value, CableError> {
    let mut told = cable.until(std::time::Duration::from_secs(5), |told| told.message["action"] == action).await?.message;
    if let Some(members) = told.as_object_mut() {
        members.remove("stream");
    }
    Ok(told)
}
