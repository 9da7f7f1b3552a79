//! The same port under TLS: REST and a cable on one connection, commands behind the handshake, slow and fast readers alike.

use std::sync::Arc;

use futures::{SinkExt as _, StreamExt as _};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{client_async, tungstenite::Message};
use trunkline::actors::Plan;

use super::harness::{House, PATIENCE, stream};

fn certificate() -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(include_bytes!("../data/localhost.cert.pem")).expect("a certificate")
}

fn server() -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../data/localhost.key.pem")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate()], key).expect("a certificate and its key"))
}

#[tokio::test(flavor = "multi_thread")]
async fn serves_cables_under_tls_with_every_broadcast_flushed() {
    let house = House::with(Plan::new(), |config| config.tls = Some(server())).await;
    let mut roots = RootCertStore::empty();
    roots.add(certificate()).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let connector = TlsConnector::from(Arc::new(client.with_root_certificates(roots).with_no_client_auth()));
    let tcp = TcpStream::connect(house.running.addr).await.expect("connected");
    let tls = connector.connect(ServerName::try_from("localhost").expect("a name"), tcp).await.expect("a handshake");
    let mut cable = client_async("wss://localhost/cable", tls).await.expect("a cable").0;
    let mut hear = async |expected: &str| loop {
        let message = tokio::time::timeout(PATIENCE, cable.next()).await.expect("in time").expect("open").expect("a frame");
        let frame: Value = serde_json::from_str(message.to_text().expect("text")).expect("JSON");
        if frame["type"] != "ping" {
            assert!(expected.is_empty() || frame["type"] == expected, "{frame}");
            return frame;
        }
    };
    hear("welcome").await;
    drop(hear);
    let chat = stream("chat");
    let subscribe = json!({"command":"subscribe","identifier":chat}).to_string();
    cable.send(Message::text(subscribe)).await.expect("sent");
    let mut heard = 0;
    while heard < 200 {
        let message = tokio::time::timeout(PATIENCE, cable.next()).await.expect("in time").expect("open").expect("a frame");
        let frame: Value = serde_json::from_str(message.to_text().expect("text")).expect("JSON");
        match frame["type"].as_str() {
            Some("ping") => {}
            Some("confirm_subscription") => {
                for number in 0..200 {
                    house.say("chat", json!([number, "x".repeat(3_000)])).await;
                }
            }
            _ => {
                assert_eq!(frame["message"][0], heard);
                heard += 1;
            }
        }
    }
    cable.close(None).await.expect("closed");
    house.running.stop().await;
}
