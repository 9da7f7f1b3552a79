//! The seam between the two runtimes: whoever was woken by a worker of the edge lives in the house, and outlives that worker.

use std::{net::TcpListener, sync::Arc};

use actix_web::{App, HttpResponse, web};
use reqwest::Client;
use trunkline::{
    actors::{
        Hub, HubConfig,
        streams::{stream::Draft, writing},
    },
    config::Config,
    edge::{Everybody, Running, ServeConfig, serve},
    house,
    persistence::MemoryJournal,
    protocol::Principal,
};

/// One edge; `/add` asks the hub from its worker, so that the worker wakes the stream's actor.
async fn edge(hub: &Hub) -> Running {
    let data = web::Data::new(hub.clone());
    let app = move || {
        let add = async |hub: web::Data<Hub>| {
            let body = serde_json::json!({"link": "https://example.org/seam", "source": "test"});
            let draft = body.as_object().and_then(|body| Draft::try_from(body).ok()).expect("a draft");
            match writing::submit(&hub, draft, hub.asking(&Principal::house())).await {
                Ok(_) => HttpResponse::Ok().finish(),
                Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
            }
        };
        App::new().app_data(data.clone()).route("/add", web::post().to(add))
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let config = ServeConfig { cores: 2, ..ServeConfig::default() };
    serve(config, listener, hub.clone(), Arc::new(Everybody(Principal::house())), app).await.expect("it serves")
}

async fn add(running: &Running) -> u16 {
    let answer = Client::new().post(format!("http://{}/add", running.addr)).send().await.expect("an answer");
    answer.status().as_u16()
}

fn awake(hub: &Hub) -> usize {
    hub.supervision().supervisors.iter().find(|supervisor| supervisor.kind == "stream").map_or(0, |streams| streams.awake)
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_a_streams_actor_alive_while_the_edge_is_restarted() {
    let plan = house::plan(&Config::in_memory()).expect("a plan");
    let hub = Hub::open(plan, MemoryJournal::new(), HubConfig::default()).await.expect("a hub");
    let first = edge(&hub).await;
    assert_eq!((awake(&hub), add(&first).await, awake(&hub)), (0, 200, 1));
    first.stop().await;
    assert_eq!(awake(&hub), 1, "its worker is gone, the actor is not");
    let second = edge(&hub).await;
    assert_eq!((add(&second).await, awake(&hub)), (200, 1));
    assert_eq!(hub.health().restarts, 0, "it never crashed: it is the same one");
    second.stop().await;
    hub.close().await;
}
