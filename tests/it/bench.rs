//! `trunkline bench` as one runs it: against a hub, which it finds without fault, and against a server that lies, which it finds out.

use std::{
    process::{Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use crate::{
    cable::{
        harness::{House, PATIENCE},
        tls,
    },
    child::HUB,
};
use futures::{SinkExt as _, StreamExt as _};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, time::sleep};
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
    },
};

/// Runs the tool to its end; it prints JSON.
async fn bench(url: &str, arguments: &[&str]) -> Output {
    let mut command = std::process::Command::new(HUB);
    command.args(["bench", "--format", "json", "--url", url]).args(arguments);
    tokio::task::spawn_blocking(move || command.output()).await.expect("a thread").expect("the binary runs")
}

fn told(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {output:?}"))
}

const BY_ACTION: [&str; 6] = [
    "--identifier",
    r#"{"channel":"StreamChannel","stream":"bench-{t}"}"#,
    "--publish",
    "action",
    "--data",
    r#"{"action":"broadcast","stream":"bench-{t}","payload":{message}}"#,
];

#[tokio::test(flavor = "multi_thread")]
async fn finds_a_hub_without_fault() {
    let house = House::open().await;
    let pid = std::process::id().to_string();
    let wishes = ["--connections", "100", "--topics", "3", "--threads", "2", "--slow", "5", "--stalled", "3", "--rate", "20"];
    let more = ["--burst", "9", "--duration", "1", "--payload", "300", "--pid", &pid, "--source", "127.0.0.1,127.0.0.2"];
    let url = format!("http://{}", house.running.addr);
    let output = bench(&url, &[&BY_ACTION[..], &wishes, &more].concat()).await;
    let told = told(&output);
    assert!(output.status.success(), "{told:#}");
    assert_eq!(told["connections"]["subscribed"], 100);
    assert_eq!((&told["slow"]["clients"], &told["stalled"]["clients"]), (&json!(5), &json!(3)));
    // 20 bursts of 9, over three topics, to 92 steady clients: a third of the messages to each of them.
    assert_eq!((&told["messages"]["published"], &told["messages"]["refused"]), (&json!(180), &json!(0)));
    let deliveries = &told["deliveries"];
    assert_eq!((&deliveries["expected"], &deliveries["delivered"]), (&json!(60 * 92), &json!(60 * 92)));
    assert_eq!(["missing", "duplicated", "reordered", "strayed"].map(|what| &deliveries[what]), [&json!(0); 4]);
    assert!(deliveries["bytes_read"].as_u64() > Some(60 * 92 * 300));
    let latency = ["p50", "p90", "p99", "p999", "max"].map(|share| told["latency_ms"][share].as_f64().expect("a time"));
    assert!(latency[0] > 0.0 && latency.is_sorted(), "{latency:?}");
    assert!(told["last_client_ms"]["p50"].as_f64() >= Some(latency[0]), "the last is not before the one in the middle");
    assert!(told["server"]["resident_bytes"]["connected"].as_u64() > Some(0), "{told:#}");
    house.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_no_cost_of_a_delivery_where_there_was_none() {
    let house = House::open().await;
    let pid = std::process::id().to_string();
    let idle = ["--publish", "none", "--connections", "5", "--duration", "0.2", "--pid", &pid];
    let output = bench(&format!("http://{}", house.running.addr), &[&BY_ACTION[..2], &idle].concat()).await;
    let told = told(&output);
    assert!(output.status.success(), "{told:#}");
    assert_eq!([&told["server"]["us_per_delivery"], &told["client"]["us_per_delivery"]], [&json!(null); 2], "{told:#}");
    assert!(told["server"]["us_per_connection"].is_f64(), "{told:#}");
    house.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn speaks_the_extended_protocol_under_tls() {
    let (house, _, _, folder) = tls::sealed().await;
    let authority = folder.path().join("certificate.pem");
    let wishes = ["--connections", "20", "--subprotocol", "ext", "--rate", "50", "--duration", "0.5", "--payload", "20000"];
    let trusted = ["--ca", authority.to_str().expect("a path")];
    let url = format!("wss://localhost:{}/cable", house.running.addr.port());
    let output = bench(&url, &[&BY_ACTION[..], &wishes, &trusted].concat()).await;
    let told = told(&output);
    assert!(output.status.success(), "{told:#}");
    assert_eq!((&told["deliveries"]["delivered"], &told["deliveries"]["missing"]), (&json!(25 * 20), &json!(0)));
    house.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn says_why_a_server_does_not_let_it_in() {
    let house = House::open().await;
    let url = |path: &str| format!("http://{}{path}", house.running.addr);
    let said = async |url: String, arguments: &[&str]| {
        let output = bench(&url, &[arguments, &["--connections", "3"]].concat()).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty(), "nothing was measured");
        String::from_utf8(output.stderr).expect("text")
    };
    assert!(said(url("/hello"), &BY_ACTION).await.contains("refused the upgrade: HTTP/1.1 404"));
    let rejected = said(url(""), &["--identifier", r#"{"channel":"RejectChannel"}"#]).await;
    assert!(rejected.contains("the subscription was rejected"), "{rejected}");
    assert!(said(url("/cable?token=bad"), &BY_ACTION).await.contains("unauthorized"));
    let unpublished = said(url(""), &[&BY_ACTION[..2], &["--publish", "http", "--publish-url", &url("/nowhere")]].concat()).await;
    assert!(unpublished.contains("nothing could be published") && unpublished.contains("404"), "{unpublished}");
    house.running.stop().await;
    // Taken by the kernel, and never answered.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nothing =
        said(format!("ws://{}", silent.local_addr().expect("an address")), &[&BY_ACTION[..], &["--timeout", "1"]].concat()).await;
    assert!(nothing.contains("silent for too long while answering the upgrade"), "{nothing}");
    let nobody = said("http://127.0.0.1:1".to_owned(), &BY_ACTION).await;
    assert!(nobody.contains("cannot be reached"), "{nobody}");
}

/// A server that tells each message of an action to all its clients, as often and in such an order as `lie` says.
struct Liar {
    url: String,
    heard: Arc<AtomicUsize>,
}

type Outlets = Arc<Mutex<Vec<mpsc::UnboundedSender<String>>>>;

impl Liar {
    /// `lie`: the numbers of messages to tell now that the message of this number was heard.
    async fn open(lie: fn(usize) -> Vec<usize>) -> Self {
        Self::thinking(Duration::ZERO, lie).await
    }
    /// The same, but it thinks so long about each message, and forgets those of a client that has left.
    async fn thinking(pause: Duration, lie: fn(usize) -> Vec<usize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("ws://{}/cable", listener.local_addr().expect("an address"));
        let (outlets, heard, kept) = (Outlets::default(), Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let counted = heard.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, outlets.clone(), counted.clone(), kept.clone(), pause, lie));
            }
        });
        Self { url, heard }
    }
}

// The signature is tungstenite's.
#[allow(clippy::result_large_err, clippy::unnecessary_wraps)]
fn select(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    response.headers_mut().insert("sec-websocket-protocol", "actioncable-v1-json".parse().expect("a header"));
    Ok(response)
}

async fn serve(
    stream: tokio::net::TcpStream,
    outlets: Outlets,
    heard: Arc<AtomicUsize>,
    kept: Arc<Mutex<Vec<Value>>>,
    pause: Duration,
    lie: fn(usize) -> Vec<usize>,
) {
    let (mut say, mut hear) = accept_hdr_async(stream, select).await.expect("a client").split();
    let (outlet, mut inlet) = mpsc::unbounded_channel::<String>();
    tokio::spawn(async move {
        while let Some(text) = inlet.recv().await {
            if say.send(Message::text(text)).await.is_err() {
                return;
            }
        }
    });
    let _ = outlet.send(json!({"type": "welcome"}).to_string());
    let (todo, mut commands) = mpsc::unbounded_channel::<Value>();
    let work = tokio::spawn(async move {
        while let Some(command) = commands.recv().await {
            if command["command"] == "subscribe" {
                let _ = outlet.send(json!({"identifier": command["identifier"], "type": "confirm_subscription"}).to_string());
                outlets.lock().push(outlet.clone());
                continue;
            }
            sleep(pause).await;
            let data: Value = serde_json::from_str(command["data"].as_str().expect("a text")).expect("JSON");
            kept.lock().push(data["payload"].clone());
            for number in lie(heard.fetch_add(1, SeqCst)) {
                let told = json!({"identifier": command["identifier"], "message": kept.lock()[number]}).to_string();
                outlets.lock().retain(|outlet| outlet.send(told.clone()).is_ok());
            }
        }
    });
    while let Some(Ok(Message::Text(text))) = hear.next().await {
        todo.send(serde_json::from_str(&text).expect("JSON")).expect("it works");
    }
    work.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn stays_until_a_slow_server_has_done_what_it_was_asked() {
    let honest = Liar::thinking(Duration::from_millis(20), |number| vec![number]).await;
    let wishes = ["--connections", "2", "--burst", "40", "--rate", "1", "--duration", "0.5"];
    let output = bench(&honest.url, &[&BY_ACTION[..], &wishes].concat()).await;
    let told = told(&output);
    assert!(output.status.success(), "{told:#}");
    assert_eq!(told["deliveries"]["delivered"], 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_out_a_server_that_drops_doubles_and_swaps() {
    let liar = Liar::open(|number| match number {
        3 | 7 => vec![],
        5 => vec![5, 5],
        8 => vec![8, 7],
        other => vec![other],
    })
    .await;
    let wishes = ["--connections", "4", "--rate", "100", "--duration", "0.2", "--grace", "1"];
    let output = bench(&liar.url, &[&BY_ACTION[..], &wishes].concat()).await;
    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told:#}");
    let deliveries = &told["deliveries"];
    let counts = ["expected", "delivered", "missing", "duplicated", "reordered", "strayed"].map(|what| &deliveries[what]);
    assert_eq!(counts, [&json!(80), &json!(76), &json!(4), &json!(4), &json!(4), &json!(0)]);
    assert_eq!(told["as_hoped"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_out_a_server_that_tells_under_a_name_that_nobody_subscribed_to() {
    // This server tells everybody under the identifier of whoever published.
    let liar = Liar::open(|number| vec![number]).await;
    let wishes = ["--connections", "3", "--rate", "100", "--duration", "0.1", "--grace", "1"];
    let another = ["--publish-identifier", r#"{"channel":"Another"}"#];
    let output = bench(&liar.url, &[&BY_ACTION[..], &wishes, &another].concat()).await;
    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told:#}");
    let deliveries = &told["deliveries"];
    assert_eq!(["delivered", "strayed", "missing"].map(|what| &deliveries[what]), [&json!(0), &json!(30), &json!(30)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_what_it_measured_when_it_is_interrupted() {
    let honest = Liar::open(|number| vec![number]).await;
    let mut command = std::process::Command::new(HUB);
    command.args(["bench", "--format", "json", "--url", &honest.url, "--connections", "4", "--duration", "3600"]).args(BY_ACTION);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    for _ in 0..600 {
        if honest.heard.load(SeqCst) >= 5 {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    kill_process(Pid::from_child(&child), Signal::INT).expect("told");
    let ending = tokio::task::spawn_blocking(move || child.wait_with_output());
    let output = tokio::time::timeout(PATIENCE * 6, ending).await.expect("in time").expect("a thread").expect("it ends");
    let told = told(&output);
    assert!(output.status.success(), "{told:#}");
    assert_eq!(told["interrupted"], true);
    let published = told["messages"]["published"].as_u64().expect("a number");
    assert!(published >= 5, "{told:#}");
    assert_eq!(told["deliveries"]["delivered"], json!(published * 4));
}
