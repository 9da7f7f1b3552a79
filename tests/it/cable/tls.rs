//! The same port under TLS: REST and a cable on one connection, commands behind the handshake, slow and fast readers alike, new certificates.

use std::{path::Path, sync::Arc, time::Duration};

use futures::{SinkExt as _, StreamExt as _};
use rcgen::{CertifiedKey, KeyPair};
use reqwest::Certificate as Trusted;
use rustix::process::{Pid, Signal, kill_process};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};
use trunkline::{
    actors::Plan,
    edge::{TlsFiles, tls::Certificate},
};

use super::harness::{HANDSHAKE, House, PATIENCE, frame, stream};
use crate::child::Child;

/// A certificate for `localhost` that trusts itself.
fn issue() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate")
}

/// Writes both files, the key first: until the certificate follows, the two do not fit.
fn install(folder: &Path, issued: &CertifiedKey<KeyPair>) -> TlsFiles {
    let files = TlsFiles { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") };
    std::fs::write(&files.key, issued.signing_key.serialize_pem()).expect("written");
    std::fs::write(&files.certificate, issued.cert.pem()).expect("written");
    files
}

async fn connect(house: &House, trusted: &CertifiedKey<KeyPair>) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.cert.der().clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let mut client = client.with_root_certificates(roots).with_no_client_auth();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tcp = TcpStream::connect(house.running.addr).await.expect("connected");
    TlsConnector::from(Arc::new(client)).connect(ServerName::try_from("localhost").expect("a name"), tcp).await
}

/// A hub that speaks TLS, what it shows, and where that is kept.
pub async fn sealed() -> (House, Arc<Certificate>, CertifiedKey<KeyPair>, TempDir) {
    let (folder, issued) = (tempfile::tempdir().expect("a folder"), issue());
    let certificate = Certificate::open(install(folder.path(), &issued)).expect("a certificate and its key");
    let tls = Some(certificate.server_config());
    let house = House::with(Plan::new(), |config| config.tls = tls).await;
    (house, certificate, issued, folder)
}

async fn hear(cable: &mut WebSocketStream<TlsStream<TcpStream>>) -> Value {
    loop {
        let message = timeout(PATIENCE, cable.next()).await.expect("in time").expect("open").expect("a frame");
        let frame: Value = serde_json::from_str(message.to_text().expect("text")).expect("JSON");
        if frame["type"] != "ping" {
            return frame;
        }
    }
}

async fn subscribe(cable: &mut WebSocketStream<TlsStream<TcpStream>>, identifier: &str) {
    assert_eq!(hear(cable).await["type"], "welcome");
    let subscribe = json!({"command":"subscribe","identifier":identifier}).to_string();
    cable.send(Message::text(subscribe)).await.expect("sent");
    assert_eq!(hear(cable).await["type"], "confirm_subscription");
}

#[tokio::test(flavor = "multi_thread")]
async fn flushes_every_broadcast_however_slowly_it_is_read() {
    let (house, _, issued, _folder) = sealed().await;
    let tls = connect(&house, &issued).await.expect("a handshake");
    let mut cable = client_async("wss://localhost/cable", tls).await.expect("a cable").0;
    subscribe(&mut cable, &stream("chat")).await;
    // More than every buffer on the way holds, then nothing: the last record must not wait inside rustls for something to push it out.
    for number in 0..200 {
        house.say("chat", json!([number, "x".repeat(3_000)])).await;
    }
    for number in 0..200 {
        if number % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(hear(&mut cable).await["message"][0], number);
    }
    cable.close(None).await.expect("closed");
    house.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_requests_and_then_carries_a_cable_on_one_connection() {
    let (house, _, issued, _folder) = sealed().await;
    let mut tls = connect(&house, &issued).await.expect("a handshake");
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let identifier = stream("chat");
    let command = json!({"command":"subscribe","identifier":identifier}).to_string();
    let mut all = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    all.extend_from_slice(HANDSHAKE.as_bytes());
    all.extend_from_slice(&frame(0x81, command.as_bytes()));
    tls.write_all(&all).await.expect("sent");
    let mut heard = String::new();
    for awaited in ["200 OK", "hello", "101 Switching Protocols", r#"{"type":"welcome"}"#, "confirm_subscription"] {
        while !heard.contains(awaited) {
            let mut some = vec![0; 4096];
            let length = timeout(PATIENCE, tls.read(&mut some)).await.expect("in time").expect("read");
            assert!(length > 0, "closed after {heard}");
            heard += &String::from_utf8_lossy(&some[..length]);
        }
        heard = heard.split_off(heard.find(awaited).expect("there"));
    }
    drop(tls);
    house.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shows_new_certificates_to_new_clients_and_keeps_the_old_where_they_are_broken() {
    let (house, certificate, old, folder) = sealed().await;
    let mut cable =
        client_async("wss://localhost/cable", connect(&house, &old).await.expect("a handshake")).await.expect("a cable").0;
    subscribe(&mut cable, &stream("chat")).await;
    let new = issue();
    // Half of a renewal: the key is there, the certificate is not yet.
    std::fs::write(folder.path().join("key.pem"), new.signing_key.serialize_pem()).expect("written");
    let said = certificate.reload().expect_err("they do not fit").to_string();
    assert!(said.contains("certificate.pem") && said.contains("key.pem"), "{said}");
    assert!(connect(&house, &old).await.is_ok());
    install(folder.path(), &new);
    certificate.reload().expect("they fit");
    assert!(connect(&house, &new).await.is_ok());
    assert!(connect(&house, &old).await.is_err());
    for (broken, complaint) in
        [("", "holds no certificate in PEM"), ("-----BEGIN CERTIFICATE-----\nnonsense", "holds no certificate in PEM")]
    {
        std::fs::write(folder.path().join("certificate.pem"), broken).expect("written");
        let said = certificate.reload().expect_err("broken").to_string();
        assert!(said.contains(complaint) && said.contains("certificate.pem"), "{said}");
    }
    std::fs::remove_file(folder.path().join("certificate.pem")).expect("removed");
    assert!(certificate.reload().expect_err("gone").to_string().contains("cannot be read"));
    assert!(connect(&house, &new).await.is_ok());
    // Who came under the old one never noticed.
    house.say("chat", json!("still here")).await;
    assert_eq!(hear(&mut cable).await["message"], "still here");
    cable.close(None).await.expect("closed");
    house.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_a_certificate_that_changed_before_it_was_first_looked_at() {
    let (house, certificate, old, folder) = sealed().await;
    // A file's time is as fine as the kernel's clock.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let new = issue();
    install(folder.path(), &new);
    tokio::spawn(Certificate::watch(Arc::downgrade(&certificate)));
    assert!(connect(&house, &old).await.is_ok());
    let noticed = async {
        while connect(&house, &new).await.is_err() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(Duration::from_secs(30), noticed).await.expect("noticed");
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_its_certificate_again_when_it_changes_and_when_it_is_told_to() {
    let (folder, mut issued) = (tempfile::tempdir().expect("a folder"), issue());
    let files = install(folder.path(), &issued);
    let server = format!("tls_certificate = {:?}\ntls_key = {:?}", files.certificate, files.key);
    let hub = Child::with("memory:", None, &server);
    let reached = async |issued: &CertifiedKey<KeyPair>| {
        let trusted = Trusted::from_der(issued.cert.der()).expect("a certificate");
        let client = reqwest::Client::builder().add_root_certificate(trusted).tls_built_in_root_certs(false);
        let client = client.resolve("localhost", hub.address).build().expect("a client");
        client
            .get(format!("https://localhost:{}/health", hub.address.port()))
            .send()
            .await
            .is_ok_and(|answer| answer.status() == 200)
    };
    assert!(reached(&issued).await);
    for told in [true, false] {
        issued = issue();
        install(folder.path(), &issued);
        if told {
            kill_process(Pid::from_raw(hub.pid()).expect("a process"), Signal::HUP).expect("told");
        }
        let mut looks = 0;
        while !reached(&issued).await {
            looks += 1;
            assert!(looks < 300, "{}", hub.said());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    std::fs::write(&files.certificate, "nonsense").expect("written");
    kill_process(Pid::from_raw(hub.pid()).expect("a process"), Signal::HUP).expect("told");
    for _ in 0..300 {
        if hub.said().contains("the new certificate cannot be used") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(hub.said().contains("certificate.pem"), "{}", hub.said());
    assert!(reached(&issued).await);
}
